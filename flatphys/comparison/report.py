"""CheckReport: theory beside simulation as a table and as a figure."""

import math
import warnings
from dataclasses import dataclass, field

import numpy as np

from flatphys.display import Table
from flatphys.finite_size.estimate import Extrapolation
from flatphys.observables.local_entropy import LocalEntropy, local_entropy
from flatphys.observables.margins import margins
from flatphys.state import State


def model_of(theory):
    """The model of a State or of replicas, or of the reference of a LocalEntropy."""
    return theory.reference.model if isinstance(theory, LocalEntropy) else theory.model


@dataclass(frozen=True)
class Row:
    """One quantity: theory, simulation with its error, and the z-score after the allowance was taken off."""

    quantity: str
    theory: float
    simulation: float
    error: float
    allowance: float
    z: float
    fit: Extrapolation | None = None


@dataclass(frozen=True, eq=False, repr=False)
class CheckReport(Table):
    """Theory beside simulation.

    Attributes
    ----------
    theory : State or LocalEntropy
    runs : list
    rows : list of Row
    bound : float
        Largest |z| that passes.
    finite_size : float
        c of the allowance c/N.
    passed : bool
    """

    theory: object
    runs: list
    rows: list
    bound: float
    finite_size: float
    notes: list = field(default_factory=list)

    @property
    def worst(self) -> Row:
        """The row with the largest |z|."""
        return max(self.rows, key=lambda row: abs(row.z))

    @property
    def passed(self) -> bool:
        """Whether every |z| is within the bound."""
        return all(abs(row.z) <= self.bound for row in self.rows)

    def records(self) -> list[dict]:
        """One dict of plain values per row."""
        names = ("quantity", "theory", "simulation", "error", "allowance", "z")
        return [
            {name: getattr(row, name) for name in names} | ({"chi2": row.fit.chi2, "freedom": row.fit.freedom} if row.fit else {})
            for row in self.rows
        ]

    def table(self) -> tuple[list[str], list[list[str]]]:
        """(header, rows) as text."""
        header = ["quantity", "theory", "simulation", "error", "z", ""]
        out = []
        for row in self.rows:
            digits = min(max(2 - math.floor(math.log10(row.error)) if row.error > 0.0 else 10, 3), 12)
            numbers = [f"{row.theory:.{digits}f}", f"{row.simulation:.{digits}f}", f"{row.error:.2g}", f"{row.z:+.2f}"]
            out.append([row.quantity, *numbers, "" if abs(row.z) <= self.bound else "FAILS"])
        return header, out

    def verdict(self) -> str:
        """One sentence."""
        worst = self.worst
        state = "agrees within" if self.passed else "EXCEEDS"
        return f"{len(self.rows)} quantities, largest |z| = {abs(worst.z):.2f} ({worst.quantity}): {state} the bound {self.bound:g}"

    def _rows(self):
        header, body = self.table()
        widths = [max(len(line[i]) for line in [header, *body]) for i in range(len(header))]
        lines = [(line[0], "  ".join(cell.rjust(w) for cell, w in zip(line[1:], widths[1:])).rstrip()) for line in [header, *body]]
        return lines + [("", text) for text in [*self.notes, self.verdict()]]

    def _title(self):
        sizes = ", ".join(str(run.n) for run in self.runs)
        model, alpha = model_of(self.theory), self.runs[0].alpha
        return f"Theory beside simulation of {model!r} at alpha = {alpha:.6g}, N = {sizes}"

    def plot(self, axes=None):
        """Theory's curve with the simulation on it, and the z-scores; returns the two matplotlib axes."""
        import matplotlib.pyplot as plt

        if axes is None:
            axes = plt.subplots(1, 2, figsize=(7.0, 2.8), layout="constrained")[1]
        self.draw_on(axes)
        return axes

    def draw_on(self, axes):
        """The same on two given axes, without pyplot."""
        from flatphys.plotting import LABELS

        left, right = axes
        run = self.runs[-1]
        if not isinstance(self.theory, LocalEntropy):
            law = margins(self.theory) if isinstance(self.theory, State) else self._replica()
            x, density = run.margins.density(40)
            grid = np.linspace(x[0], x[-1], 400)
            left.plot(grid, law.pdf(grid), color="#0072B2", label=r"theory, $N = \infty$")
            for place, mass in law.atoms:
                left.axvline(place, color="#0072B2", lw=0.7, ls=":", label=f"atom of mass {mass:.3g}")
            left.errorbar(
                x, density.mean, density.error, fmt="o", ms=2.5, color="#D55E00", elinewidth=0.8, label=f"simulation, $N = {run.n}$"
            )
            left.set(xlabel=LABELS["x"], ylabel=LABELS["pdf"], ylim=(0.0, None))
        else:
            left.plot(*self._curve(), color="#0072B2", label=r"theory, $N = \infty$")
            left.errorbar(
                run.distance,
                run.value.mean,
                run.value.error,
                fmt="o",
                ms=3.0,
                color="#D55E00",
                elinewidth=0.8,
                label=f"simulation, $N = {run.n}$",
            )
            left.set(xlabel=LABELS["distance"], ylabel=LABELS["value"])
        left.legend(fontsize=7.5, frameon=False)
        places = np.arange(len(self.rows))[::-1]
        right.axvspan(-self.bound, self.bound, color="#0072B2", alpha=0.08, lw=0)
        right.axvline(0.0, color="#7F7F7F", lw=0.6)
        z = np.array([row.z for row in self.rows])
        shown = np.clip(z, -2.5 * self.bound, 2.5 * self.bound)
        right.plot(shown, places, "o", ms=3.0, color="#D55E00")
        right.set_yticks(places, [row.quantity for row in self.rows], fontsize=6.5)
        reach = max(1.25 * self.bound, 1.1 * float(np.abs(shown).max()))
        right.set(xlabel="(simulation - theory) / error", xlim=(-reach, reach), ylim=(-0.7, len(self.rows) - 0.3))

    def _replica(self):
        """The law of a replica's stabilities at the distance that the last run is nearest to."""
        return self.theory.margins(int(np.argmin(np.abs(self.theory.overlap - self.runs[-1].mutual_overlap.mean))))

    def _curve(self):
        """(distance, value) of the theory on a grid around the points that were compared."""
        points = self.theory.distance.ravel()
        grid = np.linspace(0.7 * points.min(), min(1.15 * points.max(), 0.99), 40)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the curve between the points; the points' own warnings have been given
            fine = local_entropy(
                self.theory.reference, distance=grid, margin=self.theory.margin, beta=self.theory.beta, energy=self.theory.cost
            )
        return grid[fine.status == "ok"], fine.value[fine.status == "ok"]
