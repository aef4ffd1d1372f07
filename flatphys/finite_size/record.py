"""What is written down at every draw of the chains: series of scalars, counts of stabilities, a few weights."""

import math

import numpy as np

from flatphys.finite_size import law
from flatphys.finite_size.chains.ladder import log_ratios
from flatphys.finite_size.estimate import Estimate

KEPT = 4  # draws whose weights are kept, for questions asked later (local energy)


class Record:
    """Series of a run: the learner's own temperature is the last rung, energies are kept for all of them.

    Shapes: `energy` (instances, chains, rungs, draws), `overlap` (instances, pairs, draws), `teacher` (where there is one), `first`
    and `second` moment of the stabilities (instances, chains, draws), `counts` (instances, bins), `weights`
    (instances, kept draws, chains, n).
    """

    def __init__(self, instances, chains: int, betas, draws: int, margin: float, binary: bool):
        count, n = instances.count, instances.n
        self.instances, self.betas, self.draws, self.done = instances, tuple(betas), draws, 0
        self.pairs = [(a, b) for a in range(chains) for b in range(a + 1, chains)]
        lattice = binary and instances.kind == "sign" and instances.hidden is None
        self.edges = law.edges(n, margin, lattice)
        self.keep = sorted({(k + 1) * draws // KEPT - 1 for k in range(KEPT)} - {-1})
        self.energy = np.zeros((count, chains, len(self.betas), draws), dtype=np.int32)
        self.overlap = np.zeros((count, len(self.pairs), draws))
        self.teacher = np.zeros((count, chains, draws)) if instances.teacher is not None else None
        self.first, self.second = np.zeros((count, chains, draws)), np.zeros((count, chains, draws))
        self.counts = np.zeros((count, self.edges.size - 1), dtype=np.int64)
        self.weights = np.zeros((count, len(self.keep), chains, n), dtype=np.int8 if binary else np.float64)

    _ARRAYS = ("energy", "overlap", "teacher", "first", "second", "counts", "weights")

    def take(self, chains) -> None:
        """Write down the present state."""
        t, n = self.done, self.instances.n
        self.energy[:, :, :, t] = chains.energy
        weights = np.asarray(chains.weights[:, :, -1])
        plain = weights.astype(np.float64)
        for k, (a, b) in enumerate(self.pairs):
            self.overlap[:, k, t] = np.einsum("in,in->i", plain[:, a], plain[:, b]) / n
        if self.teacher is not None:
            self.teacher[:, :, t] = np.einsum("irn,in->ir", plain, self.instances.teacher.astype(np.float64)) / n
        stabilities = np.asarray(chains.stabilities[:, :, -1], dtype=np.float64)
        self.first[:, :, t] = stabilities.mean(axis=-1)
        self.second[:, :, t] = np.einsum("irp,irp->ir", stabilities, stabilities) / stabilities.shape[-1]
        bins, width = self.edges.size - 1, self.edges[1] - self.edges[0]
        # an edge belongs to the bin on its right; values of a rounding error below the margin's edge do not occur: weights are
        # counted as violating by the same comparison
        place = np.clip(np.floor((stabilities - self.edges[0]) / width), 0, bins - 1).astype(np.int64)
        place += np.arange(len(place))[:, None, None] * bins
        self.counts += np.bincount(place.ravel(), minlength=self.counts.size).reshape(self.counts.shape)
        if t in self.keep:
            self.weights[:, self.keep.index(t)] = weights
        self.done += 1

    def state(self) -> dict:
        """All arrays by name, for a checkpoint."""
        return {**{name: getattr(self, name) for name in self._ARRAYS if getattr(self, name) is not None}, "done": np.array(self.done)}

    def restore(self, arrays: dict) -> None:
        """The inverse of `state`."""
        for name in self._ARRAYS:
            if getattr(self, name) is not None:
                getattr(self, name)[...] = arrays[name]
        self.done = int(arrays["done"])

    def kept_weights(self) -> np.ndarray:
        """(instances, kept draws so far, chains, n)."""
        return self.weights[:, : sum(t < self.done for t in self.keep)]

    def estimates(self, every: int, cold, p: int, learner, isotropic: bool) -> dict:
        """The scalar estimates by name, and the law of margins under "margins"."""
        t, n, beta = self.done, self.instances.n, self.betas[-1]
        step = 1.0 / (p * self.first[:, :, :t].size)
        energy = self.energy[:, :, -1, :t]
        more = {"every": every, "cold": cold}
        out = {
            "train_error": Estimate.of_series(energy / p, **more, resolution=step),
            "energy": Estimate.of_series(energy / n, **more, resolution=step * p / n),
            "overlap": Estimate.of_series(self.overlap[:, :, :t], every),
        }
        if self.teacher is not None:
            overlap = self.teacher[:, :, :t]
            out["teacher_overlap"] = out["cosine"] = Estimate.of_series(overlap, **more)
            if isotropic:
                out["generalization_error"] = Estimate.of_series(np.arccos(np.clip(overlap, -1.0, 1.0)) / math.pi, **more)
        if self.betas[0] == 0.0 and len(self.betas) > 1:
            out |= self._entropy(every, p, beta, learner)
        first, second = self.first[:, :, :t], self.second[:, :, :t]
        mean = Estimate.of_series(first, **more)
        spread = Estimate.of_series(law.variance_of_law(first, second), **more)
        out["margins"] = law.SampledMargins(mean, spread, edges=self.edges, counts=self.counts)
        return out

    def _entropy(self, every, p, beta, learner):
        """Free entropy and entropy by the integral over the ladder."""
        n, energies = self.instances.n, self.energy[:, :, :, : self.done]
        start = math.log(2.0) if learner.weights == "binary" else 0.0
        free = start + log_ratios(energies, self.betas).sum(axis=1) / n
        slowest = slowest_rung(energies, every)
        entropy = free if beta == math.inf else free + beta * energies[:, :, -1].mean(axis=(1, 2)) / n
        if not np.isfinite(free).all():  # no draw without violations: nothing is known at beta = inf
            return {}
        half = half_error(lambda part: log_ratios(part, self.betas).sum(axis=1) / n, energies)
        more = {"time_error": half, **slowest}
        return {"free_entropy": Estimate.of(free, **more), "entropy": Estimate.of(entropy, **more)}


def slowest_rung(energies, every: int) -> dict:
    """Effective samples, autocorrelation and R-hat of the rung whose energy has the fewest effective samples."""
    rungs = [Estimate.of_series(energies[:, :, k], every) for k in range(energies.shape[2])]
    worst = min(rungs, key=lambda e: e.effective_samples if e.effective_samples == e.effective_samples else math.inf)
    return {name: getattr(worst, name) for name in ("effective_samples", "autocorrelation", "r_hat")}


def half_error(function, energies) -> float:
    """The time error of a mean over instances of `function(energies)`, from the two halves of the draws."""
    draws = energies.shape[-1]
    if draws < 8:
        return math.nan
    early, late = function(energies[..., : draws // 2]), function(energies[..., draws // 2 :])
    known = np.isfinite(early) & np.isfinite(late)  # at beta = inf half of the draws may all have violations
    gap = early[known] - late[known]
    return float(0.5 * math.sqrt(np.mean(gap**2) / gap.size)) if gap.size else math.nan
