"""SampledLocalEntropy: local entropies of finite systems, each number with its errors."""

import math
from dataclasses import dataclass, field

import numpy as np

from flatphys.display import Table, figure
from flatphys.finite_size.estimate import Estimate
from flatphys.model import Model


@dataclass(frozen=True, eq=False, repr=False)
class SampledLocalEntropy(Table):
    """Local entropies of finite systems, arrays over the overlaps.

    Attributes
    ----------
    model : Model
        Of the reference.
    reference : str
        "learner" or "teacher".
    overlap, distance : array
        As realised (binary weights: a whole number of flips).
    value, free_entropy : Estimate
        nats per weight, with the N = infinity entropy of the shell at beta = 0; value = free_entropy + beta energy.
    finite_value : Estimate
        (1/N) log of the number (binary) or of the density in p of the volume (spherical) at this N.
    train_error, energy : Estimate
        Of the counted weights, at the last rung.
    r_hat : array
        Of the slowest rung.
    complaints : list of str
    """

    model: Model
    reference: str
    n: int
    alpha: float
    margin: float
    beta: float
    overlap: np.ndarray
    distance: np.ndarray
    value: Estimate
    free_entropy: Estimate
    finite_value: Estimate
    train_error: Estimate
    energy: Estimate
    instances: int
    chains: int
    sweeps: int
    seed: int = 0
    complaints: list = field(default_factory=list)
    estimates: dict = field(default_factory=dict)

    def at(self, k: int) -> Estimate:
        """The value at the k-th overlap as a scalar estimate (for `extrapolate`)."""
        return Estimate.of(self.value.values[:, k])

    def plot(self, axes=None, **style):
        """Value against distance with error bars; returns the matplotlib axes."""
        import matplotlib.pyplot as plt

        axes = plt.gca() if axes is None else axes
        axes.errorbar(self.distance, self.value.mean, self.value.error, **{"fmt": "o", "ms": 3.0, **style})
        axes.set_xlabel("distance")
        axes.set_ylabel("local entropy (nats per weight)")
        return axes

    def record(self) -> dict:
        """Everything as plain values, for JSON."""
        out = {"reference": self.reference, "n": self.n, "alpha": self.alpha, "counted": {"margin": self.margin, "beta": self.beta}}
        out |= {"instances": self.instances, "chains": self.chains, "sweeps": self.sweeps, "seed": self.seed, "points": []}
        for k, p in enumerate(self.overlap):
            point = {"overlap": float(p), "distance": float(self.distance[k])}
            for name in ("value", "free_entropy", "finite_value", "train_error", "energy"):
                e = getattr(self, name)
                point |= {name: float(e.mean[k]), f"{name}_error": float(e.error[k])}
            out["points"].append(point | {"r_hat": float(self.value.r_hat[k])})
        return out | {"complaints": self.complaints}

    def _rows(self):
        rows = [("overlap", f"{'distance':>10} {'value':>14} {'error':>9} {'train_error':>14} {'R-hat':>7}")]
        for k, p in enumerate(self.overlap):
            line = f"{self.distance[k]:>10.6g} {self.value.mean[k]:>14.8g} {self.value.error[k]:>9.2g}"
            rows.append((figure(p), f"{line} {self.train_error.mean[k]:>14.8g} {self.value.r_hat[k]:>7.3f}"))
        return rows + [("NOT MIXED" if i == 0 else "", text) for i, text in enumerate(self.complaints)]

    def _title(self):
        beta = "" if self.beta == math.inf else f", beta {self.beta:g}"
        around = "the teacher of" if self.reference == "teacher" else "the learner of"
        return (
            f"Local entropy at margin {self.margin:g}{beta} around {around} {self.model!r} at N = {self.n}, alpha = {self.alpha:.6g}: "
            f"{self.instances} instances x {self.chains} chains, {self.sweeps} sweeps"
        )
