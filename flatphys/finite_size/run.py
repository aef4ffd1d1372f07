"""Run and SampledLocalEntropy: what sampled or trained finite systems say, each number with its errors."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from flatphys import quantities, validate
from flatphys.display import Table, figure
from flatphys.errors import InvalidInput
from flatphys.finite_size.estimate import Estimate
from flatphys.finite_size.law import SampledMargins
from flatphys.finite_size.schedule import upkeep
from flatphys.model import Model


@dataclass(frozen=True, eq=False, repr=False)
class Run(Table):
    """A sampled (or trained) finite system; every entry of `estimates` is also an attribute.

    Attributes
    ----------
    model, n, alpha : what was sampled; alpha = P/N with a whole number of patterns.
    estimates : dict of Estimate
        Gibbs learners: train_error (fraction below the margin), train_loss (mean energy of a pattern, where the energy is not the
        errors), energy (per weight), overlap (between chains of one instance, the theory's q), with a teacher teacher_overlap (R), on a
        mixture m, with both cosine and for perceptrons generalization_error (of each drawn weight vector on Gaussian inputs), with a
        ladder from beta = 0 free_entropy and entropy.  Trained rules: m, q, b, cosine, train_error,
        train_loss, generalization_error (fresh examples), margin (largest margin).
    margins : SampledMargins
        `.mean`, `.variance`, `.cdf(x)`.
    betas, acceptance, exchange : arrays
        Rungs of the ladder (the learner's own beta last), accepted moves on each, accepted exchanges between neighbours.
    energies : array (instances, chains, rungs, draws)
        Of all patterns together (errors, or hard constraints: violations); None for trained rules.
    complaints : list of str
        What has not mixed; empty for a good run (each is also a warning).
    interrupted : bool
        Whether it was stopped by Ctrl-C before its last sweep.
    """

    model: Model
    n: int
    alpha: float
    estimates: dict
    margins: SampledMargins
    instances: int
    chains: int
    sweeps: int = 0
    burn_in: int = 0
    every: int = 1
    start: str = ""
    seed: int = 0
    patterns: str = "gaussian"
    hidden: int | None = None
    betas: np.ndarray = field(default=None)
    acceptance: np.ndarray = field(default=None)
    exchange: np.ndarray = field(default=None)
    energies: np.ndarray = field(default=None)
    complaints: list = field(default_factory=list)
    interrupted: bool = False
    source: object = field(default=None)  # answers local_energy: the instances and kept weights (and their chains), or how to train again

    def __post_init__(self):
        validate.instance("model", self.model, (Model,)), validate.instance("estimates", self.estimates, (dict,))
        validate.integer("n", self.n, 2), validate.load(self.alpha)

    def __getattr__(self, name):
        estimates = self.__dict__.get("estimates", {})
        if name in estimates:
            return estimates[name]
        raise AttributeError(f"this run has no {name!r}; it has {', '.join(estimates) or 'no estimates'}")

    def __dir__(self):
        return sorted({*super().__dir__(), *self.estimates})

    def local_energy(self, *, sigma: ArrayLike | None = None, distance: ArrayLike | None = None, perturbations: int = 4) -> Estimate:
        """The rise of the training error when the sampled weights are perturbed, as `flatphys.local_energy` of a state.

        Parameters
        ----------
        sigma : number or array >= 0
            w_i -> w_i (1 + sigma z_i); or
        distance : number or array in [0, 1]
            Binary: round(distance n) flips; otherwise a rotation to the overlap 1 - 2 distance.
        perturbations : int
            Of each kept weight vector.

        Returns
        -------
        Estimate of the argument's shape.
        """
        if self.source is None:
            raise InvalidInput("this run has kept no weights to perturb: it was interrupted too early")
        return self.source.local_energy(sigma=sigma, distance=distance, perturbations=perturbations)

    def extend(
        self,
        sweeps: int,
        *,
        progress: bool | Callable | None = None,
        checkpoint: str | os.PathLike | None = None,
        interval: int | None = None,
    ) -> "Run":
        """The run of the same chains with more sweeps, bit for bit what `sample` gives with those `sweeps`, this `burn_in` and `every`.

        Parameters
        ----------
        sweeps : int
            Of every chain, those of this run included.
        progress, checkpoint, interval
            As for `sample`; this run itself stays as it is.

        Returns
        -------
        Run

        Raises
        ------
        InvalidInput
            Fewer sweeps than the run has, or a rule that was trained.

        Warns
        -----
        NotMixedWarning, InterruptedRunWarning
            As `sample`.

        Examples
        --------
        >>> run = fp.sample(model, n=101, alpha=0.5, sweeps=400).extend(sweeps=4000)  # doctest: +SKIP
        """
        job = getattr(self.source, "job", None)
        if job is None:
            raise InvalidInput(
                f"only chains have sweeps to add: {self.model.learner!r} was trained; ask `sample` for more instances (chains)"
            )
        longer = job.longer(sweeps)
        return longer.run(upkeep(longer.plan, checkpoint, interval, progress))

    def plot(self, axes: object = None) -> object:
        """The law of the stabilities and, for chains, the training error against time; returns the matplotlib axes."""
        import matplotlib.pyplot as plt

        count = 1 if self.energies is None else 2
        axes = np.atleast_1d(plt.subplots(1, count, figsize=(4.0 * count, 3.0), layout="constrained")[1] if axes is None else axes)
        self.margins.plot(axes[0])
        if count == 2 and len(axes) > 1:
            series = self.energies[:, :, -1].mean(axis=0) / (self.alpha * self.n)
            sweeps = self.burn_in + self.every * np.arange(1, series.shape[-1] + 1)
            for k, row in enumerate(series):
                axes[1].plot(sweeps, row, label=f"chain {k + 1} of each instance")
            axes[1].set_xlabel("sweeps")
            axes[1].set_ylabel("energy per pattern")
            axes[1].legend()
        return axes

    def _rows(self):
        rows = []
        for name, e in self.estimates.items():
            time = (
                ""
                if math.isnan(e.r_hat)
                else f"  time {e.time_error:.1e}  tau {e.autocorrelation:.3g}  ess {e.effective_samples:.3g}  R-hat {e.r_hat:.3f}"
            )
            rows.append((name, f"{figure(e.mean):>16} +- {e.error:<8.2g} {quantities.of(name, 'sample').printed:<34}{time}".rstrip()))
        for name in ("mean", "variance"):
            e = getattr(self.margins, name)
            rows.append((f"margins.{name}", f"{figure(e.mean):>16} +- {e.error:<8.2g} {'of the training stabilities':<34}".rstrip()))
        if self.betas is not None:
            rows.append(("acceptance", f"{self.acceptance[-1]:.3g} of the moves at beta = {self.betas[-1]:g}"))
            if len(self.betas) > 1:
                rows.append(("exchange", f"{len(self.betas)} rungs, {self.exchange.min():.2g} to {self.exchange.max():.2g} accepted"))
        rows += [("NOT MIXED" if i == 0 else "", text) for i, text in enumerate(self.complaints)]
        return rows

    def _title(self):
        hidden = f", K = {self.hidden}" if self.hidden else ""
        chains = (
            f"{self.instances} instances x {self.chains} chains, {self.sweeps} sweeps ({self.burn_in} discarded)"
            if self.sweeps
            else f"{self.instances} instances"
        )
        return f"{self.model!r} at N = {self.n}, alpha = {self.alpha:.6g}{hidden}: {chains}{', interrupted' if self.interrupted else ''}"

    def record(self) -> dict:
        """Everything as plain values, for JSON."""
        names = ("mean", "error", "time_error", "effective_samples", "autocorrelation", "r_hat", "start_z")
        plain = lambda e: {name: getattr(e, name) for name in names}
        out = {"n": self.n, "alpha": self.alpha, "instances": self.instances, "chains": self.chains, "sweeps": self.sweeps}
        out |= {
            "burn_in": self.burn_in,
            "every": self.every,
            "start": self.start,
            "seed": self.seed,
            "patterns": self.patterns,
            "hidden": self.hidden,
        }
        out["estimates"] = {name: plain(e) for name, e in self.estimates.items()}
        out["estimates"] |= {"margins.mean": plain(self.margins.mean), "margins.variance": plain(self.margins.variance)}
        if self.betas is not None:
            out |= {
                "betas": list(map(float, self.betas)),
                "acceptance": list(map(float, self.acceptance)),
                "exchange": list(map(float, self.exchange)),
            }
        return {**out, "complaints": self.complaints, "interrupted": self.interrupted}


@dataclass(frozen=True, eq=False, repr=False)
class SampledLocalEntropy(Table):
    """Local entropies of finite systems, arrays over the overlaps.

    Attributes
    ----------
    model : Model
        Of the reference.
    reference : str
        "learner", "teacher", or "found": weights of one's own.
    overlap, distance : array
        As realised (binary weights: a whole number of flips).
    value, free_entropy : Estimate
        nats per weight, with the N = infinity entropy of the shell at beta = 0; value = free_entropy + beta energy.
    finite_value : Estimate
        (1/N) log of the number (binary) or of the density in p of the volume (spherical) at this N.
    train_error, energy, train_loss : Estimate
        Of the counted weights, at the last rung: fraction below the margin, energy per weight and per pattern (errors: train_loss is None).
    r_hat : array
        Of the slowest rung.
    cost : str
        The energy of the counted weights.
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
    train_loss: Estimate | None
    instances: int
    chains: int
    sweeps: int
    seed: int = 0
    cost: str = "errors"
    complaints: list = field(default_factory=list)
    estimates: dict = field(default_factory=dict)

    def at(self, k: int) -> Estimate:
        """The value at the k-th overlap as a scalar estimate (for `extrapolate`)."""
        return Estimate.of(self.value.values[:, validate.integer("k", k, -len(self.overlap), len(self.overlap) - 1)])

    def plot(self, axes=None, **style):
        """Value against distance with error bars; returns the matplotlib axes."""
        from flatphys.plotting import LABELS, new_axes

        axes = new_axes(axes)
        axes.errorbar(self.distance, self.value.mean, self.value.error, **{"fmt": "o", "ms": 3.0, **style})
        axes.set(xlabel=LABELS["distance"], ylabel=LABELS["value"])
        return axes

    def record(self) -> dict:
        """Everything as plain values, for JSON."""
        counted = {"margin": self.margin, "beta": self.beta, "energy": self.cost}
        out = {"reference": self.reference, "n": self.n, "alpha": self.alpha, "counted": counted}
        out |= {"instances": self.instances, "chains": self.chains, "sweeps": self.sweeps, "seed": self.seed, "points": []}
        for k, p in enumerate(self.overlap):
            point = {"overlap": float(p), "distance": float(self.distance[k])}
            for name, e in self.estimates.items():
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
        beta += "" if self.cost == "errors" else f", energy {self.cost}"
        around = {"teacher": "the teacher of", "learner": "the learner of", "found": "given weights for"}[self.reference]
        return (
            f"Local entropy at margin {self.margin:g}{beta} around {around} {self.model!r} at N = {self.n}, alpha = {self.alpha:.6g}: "
            f"{self.instances} instances x {self.chains} chains, {self.sweeps} sweeps"
        )
