"""What is written down at every draw of the chains: series of scalars, counts of stabilities, a few weights."""

import math

import numpy as np

from flatphys.finite_size import law, measure
from flatphys.finite_size.chains.ladder import log_ratio_series
from flatphys.finite_size.estimate import Estimate
from flatphys.finite_size.mixing import diagnostics
from flatphys.model import GaussianMixture

KEPT = 4  # draws whose weights are kept at least, for questions asked later (local energy); fewer than twice as many


def stride(draws: int) -> int:
    """Weights are kept of every so many draws: it doubles as draws are added, so that a run that is extended keeps those of a long one."""
    return 1 << max(0, (draws // (2 * KEPT)).bit_length())


class Record:
    """Series of a run: the learner's own temperature is the last rung, energies are kept for all of them.

    Shapes: `energy` (instances, chains, rungs, draws), `overlap` (instances, pairs, draws), `teacher` (with the teacher or the centre,
    where there is one), `errors` and `loss` (energies other than errors: fraction below the margin, mean energy of a pattern), `first` and
    `second` moment of the stabilities (instances, chains, draws), `counts` (instances, bins), `weights` (instances, kept draws, chains, n),
    `changes` (instances, chains, 2) of the configuration until the first and until the latest draw.
    """

    _SERIES = ("energy", "overlap", "teacher", "errors", "loss", "first", "second")
    _TOTALS = ("counts", "weights", "changes")

    def __init__(self, instances, learner, chains: int, betas, draws: int):
        count, n, binary = instances.count, instances.n, learner.weights == "binary"
        self.instances, self.learner, self.betas, self.draws, self.done = instances, learner, tuple(betas), draws, 0
        self.pairs = [(a, b) for a in range(chains) for b in range(a + 1, chains)]
        self.direction = instances.direction
        self.edges = law.edges(n, learner.margin, binary and instances.kind == "sign" and instances.hidden is None)
        counted, series = learner.energy == "errors", (count, chains, draws)
        whole = counted or self.betas[-1] == math.inf  # hard constraints count violations
        self.energy = np.zeros((count, chains, len(self.betas), draws), dtype=np.int32 if whole else np.float64)
        self.overlap = np.zeros((count, len(self.pairs), draws))
        self.teacher = None if self.direction is None else np.zeros(series)
        self.errors, self.loss = (None, None) if counted else (np.zeros(series), np.zeros(series))
        self.first, self.second = np.zeros(series), np.zeros(series)
        self.counts = np.zeros((count, self.edges.size - 1), dtype=np.int64)
        self.weights = np.zeros((count, 2 * KEPT - 1, chains, n), dtype=np.int8 if binary else np.float64)
        self.changes = np.zeros((count, chains, 2), dtype=np.int64)

    def take(self, chains) -> None:
        """Write down the present state."""
        t = self.done
        self.energy[:, :, :, t] = chains.energy
        weights = np.asarray(chains.weights[:, :, -1])
        plain = weights.astype(np.float64)
        for k, (a, b) in enumerate(self.pairs):
            self.overlap[:, k, t] = measure.overlaps(plain[:, a], plain[:, b])
        if self.teacher is not None:
            self.teacher[:, :, t] = measure.overlaps(plain, self.direction.astype(np.float64))
        stabilities = np.asarray(chains.stabilities[:, :, -1], dtype=np.float64)
        if self.loss is not None:
            self.errors[:, :, t] = measure.errors(stabilities, self.learner.margin)
            self.loss[:, :, t] = measure.mean_energy(stabilities, self.learner.energy, self.learner.margin)
        self.first[:, :, t] = stabilities.mean(axis=-1)
        self.second[:, :, t] = np.einsum("irp,irp->ir", stabilities, stabilities) / stabilities.shape[-1]
        self._count(stabilities)
        self.changes[:, :, 1 if t else slice(None)] = chains.changes if t else chains.changes[:, :, None]
        self.done += 1
        self._keep(weights)

    def _keep(self, weights):
        """Put the weights of the latest draw among the kept ones, if it is one of them."""
        step = stride(self.done)
        if step > stride(self.done - 1):  # every second one of those kept so far goes
            self.weights[:, : KEPT - 1] = self.weights[:, 1::2].copy()
        if self.done % step == 0:
            self.weights[:, self.done // step - 1] = weights

    def _count(self, stabilities):
        """Add stabilities to the bins.

        An edge belongs to the bin on its right; values of a rounding error below the margin's edge do not occur: weights are counted as
        violating by the same comparison.
        """
        bins, width = self.edges.size - 1, self.edges[1] - self.edges[0]
        place = np.clip(np.floor((stabilities - self.edges[0]) / width), 0, bins - 1).astype(np.int64)
        place += np.arange(len(place))[:, None, None] * bins
        self.counts += np.bincount(place.ravel(), minlength=self.counts.size).reshape(self.counts.shape)

    def state(self) -> dict:
        """All arrays by name, for a checkpoint."""
        names = [name for name in self._SERIES + self._TOTALS if getattr(self, name) is not None]
        return {**{name: getattr(self, name) for name in names}, "done": np.array(self.done)}

    def restore(self, arrays: dict) -> None:
        """The inverse of `state`, also from a record of fewer draws."""
        self.done = int(arrays["done"])
        for name in self._SERIES:
            if getattr(self, name) is not None:
                getattr(self, name)[..., : self.done] = arrays[name][..., : self.done]
        for name in self._TOTALS:
            getattr(self, name)[...] = arrays[name]

    def kept_weights(self) -> np.ndarray:
        """(instances, kept draws so far, chains, n)."""
        return self.weights[:, : self.done // stride(self.done)]

    @property
    def frozen(self) -> np.ndarray:
        """(instances, chains): whose weights have never changed from the first draw to the latest."""
        first, latest = np.moveaxis(self.changes, 2, 0)
        return (first == latest) & (self.done > 1)

    def estimates(self, every: int, cold) -> dict:
        """The scalar estimates by name, and the law of margins under "margins"."""
        t, n, p = self.done, self.instances.n, self.instances.p
        step = 1.0 / (p * self.first[:, :, :t].size)
        alone = {"every": every, "frozen": self.frozen.any(axis=1)}
        more = {**alone, "cold": cold}
        if self.loss is None:
            energy = self.energy[:, :, -1, :t]
            out = {"train_error": Estimate.of_series(energy / p, **more, resolution=step)}
            out["energy"] = Estimate.of_series(energy / n, **more, resolution=step * p / n)
        else:
            out = {"train_error": Estimate.of_series(self.errors[:, :, :t], **more, resolution=step)}
            out["train_loss"] = Estimate.of_series(self.loss[:, :, :t], **more)
            out["energy"] = Estimate.of_series(self.loss[:, :, :t] * (p / n), **more)
        out["overlap"] = Estimate.of_series(self.overlap[:, :, :t], **alone)
        if self.teacher is not None:
            out |= self._signal(self.teacher[:, :, :t], more)
        if self.betas[0] == 0.0 and len(self.betas) > 1:
            out |= self._entropy(alone)
        first, second = self.first[:, :, :t], self.second[:, :, :t]
        mean = Estimate.of_series(first, **more)
        spread = Estimate.of_series(law.variance_of_law(first, second), **more)
        out["margins"] = law.SampledMargins(mean, spread, edges=self.edges, counts=self.counts)
        return out

    def _signal(self, overlap, more):
        """Estimates of the overlap with the teacher or the centre; the error on new examples is known for perceptrons."""
        data = self.instances.model.data
        name = "m" if isinstance(data, GaussianMixture) else "teacher_overlap"
        out = {name: Estimate.of_series(overlap, **more)}
        out["cosine"] = out[name]
        if self.instances.hidden is None:
            out["generalization_error"] = Estimate.of_series(measure.generalization_error(data, overlap), **more)
        return out

    def _entropy(self, more):
        """Free entropy and entropy by the integral over the ladder."""
        n, beta, energies = self.instances.n, self.betas[-1], self.energy[:, :, :, : self.done]
        start = math.log(2.0) if self.learner.weights == "binary" else 0.0
        free = start + log_ratio_series(energies, self.betas) / n
        if not np.isfinite(free).all():  # no draw without violations: nothing is known at beta = inf
            return {}
        slowest = slowest_rung(energies, **more)
        series = {"free_entropy": free, "entropy": free if beta == math.inf else free + beta / n * energies[:, :, -1]}
        return {name: integral(values, slowest, more["frozen"]) for name, values in series.items()}


def slowest_rung(energies, every: int, frozen=None) -> dict:
    """Effective samples, autocorrelation and R-hat of the rung whose energy has the fewest effective samples."""
    rungs = [Estimate.of_series(energies[:, :, k], every, frozen=frozen) for k in range(energies.shape[2])]
    worst = min(rungs, key=lambda e: e.effective_samples if e.effective_samples == e.effective_samples else math.inf)
    return {name: getattr(worst, name) for name in ("effective_samples", "autocorrelation", "r_hat")}


def integral(series, slowest: dict, frozen=None) -> Estimate:
    """The estimate of an integral over the ladder from its series (`log_ratio_series`), as well mixed as the slowest rung."""
    known = np.isfinite(series).all(axis=(1, 2))  # at beta = inf an instance may have no draw without violations
    share = np.mean(known)
    own = diagnostics(series[known], None if frozen is None else frozen[known])[0] * share if known.any() else math.nan
    return Estimate.of(series.mean(axis=(1, 2)), time_error=own, **slowest)
