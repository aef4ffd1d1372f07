"""The state of many chains in flat arrays, what is fixed about them, and everything recomputed from scratch.

Both devices work on these arrays.  W = instances x replicas x temperatures walkers, in that order; see `metropolis` for levels and
groups.  Three kinds:

    bits       binary weights, +-1 patterns: packed patterns, integer fields padded to whole words of 64
    real       Gaussian patterns or spherical weights: float64 fields; packed patterns where they are +-1
    committee  float64 fields of every unit and the sums of their activations

With spherical weights at a fixed overlap the coordinates are turned by the Householder reflection R that takes the direction of
the reference to +- the first axis: the chain moves R w among the patterns R x, and leaves the first coordinate alone.
"""

import math

import numpy as np

from flatphys.finite_size.chains import committee, metropolis, moves
from flatphys.finite_size.instances import ACTIVATION_CODES, committee_scale, output_signs

_STATE = ("w", "h", "energy", "level", "at", "order", "spread", "accepted", "swapped", "tried")
FIRST_SPREAD = 0.5


class Walkers:
    """Flat state and parameters of chains on `instances`; `weights` (W, n) is where they start."""

    def __init__(self, instances, weights, binary, margin, betas, replicas, key, reference=None, agree=0):
        self.instances, self.binary, self.betas, self.key = instances, binary, betas, key
        self.n, self.p, self.hidden = instances.n, instances.p, instances.hidden
        self.per_instance = replicas * len(betas)
        self.count = instances.count * self.per_instance
        self.groups = instances.count * replicas
        self.agree, self.low, self.frame = agree, 0, None
        self.kind = "committee" if self.hidden else ("bits" if binary and instances.kind == "sign" else "real")
        self.mode = metropolis.ROTATE if not binary else (metropolis.FLIP if reference is None else metropolis.PAIR)
        self.steps = {metropolis.FLIP: self.n, metropolis.PAIR: (self.n + 1) // 2, metropolis.ROTATE: max(1, self.n // 2)}[self.mode]
        self.sweeps = 0

        largest = self.p
        self.tables = np.stack([moves.boltzmann_words(b, largest) for b in betas])
        gaps = [math.inf if math.isinf(b) else b - a for a, b in zip(betas[:-1], betas[1:])]
        self.swaps = np.stack([moves.boltzmann_words(g, largest) for g in gaps]) if gaps else np.zeros((0, largest + 1), np.uint64)
        self._threshold(margin)
        self._patterns(reference)
        self._state(weights, reference)
        self.refresh()

    # --- what is fixed ------------------------------------------------------------------------------
    def _threshold(self, margin):
        """Stability < margin as field < threshold, in the units of the fields (or of the committee's sums)."""
        if self.kind == "committee":
            activation = self.instances.model.learner.network.activation
            self.code, self.signs = ACTIVATION_CODES[activation], output_signs(self.hidden)
            size = self.n // self.hidden
            self.root, self.unit = math.sqrt(size), committee_scale(activation, self.hidden)
            integers = self.binary and self.instances.kind == "sign" and activation == "erf"
            steps = range(-size, size + 1) if integers else ()
            self.table = np.array([committee.activate(self.code, k / self.root) for k in steps], np.float64)
            exact = activation == "sign"
            self.threshold = float(moves.integer_threshold(margin, self.hidden)) if exact else margin * self.unit
            return
        self.unit = math.sqrt(self.n)
        self.threshold = margin * self.unit
        if self.kind == "bits":
            limit = self.n + 8  # fields lie in [-N, N], and no mark may reach beyond
            self.dtype = np.dtype(np.int16 if self.n < 30000 else np.int32)
            whole = moves.integer_threshold(margin, self.n)
            self.threshold = np.array([min(max(whole, -limit), limit)], self.dtype)

    def _patterns(self, reference):
        x = self.instances.patterns
        turned = reference is not None and not self.binary
        self.width, self.bits, self.valid = self.p, np.zeros((len(x), 0, 0), np.uint64), np.zeros(0, np.uint64)
        if self.instances.kind == "sign" and not turned and self.kind != "committee":
            self.bits, self.valid = _packed(x), _packed(np.ones(self.p))
            self.width = self.valid.size * moves.LANES
        if turned:
            self.low = 1
            unit = reference / np.linalg.norm(reference, axis=1, keepdims=True)
            self.side = np.where(unit[:, 0] > 0.0, -1.0, 1.0)  # R maps the reference to side e_0: no cancellation
            unit[:, 0] -= self.side
            self.frame = unit / np.linalg.norm(unit, axis=1, keepdims=True)
            rows = np.empty(x.shape, np.float32)
            for v, one, out in zip(self.frame, x, rows):
                for lo in range(0, self.p, 512):
                    part = one[:, lo : lo + 512].astype(np.float64)
                    out[:, lo : lo + 512] = part - 2.0 * np.outer(v, v @ part)
            x = rows
        self.x = x

    # --- state --------------------------------------------------------------------------------------
    def _state(self, weights, reference):
        b = len(self.betas)
        bits = self.kind == "bits"
        self.w = np.ascontiguousarray(self.turn(weights), np.int8 if bits else np.float64)
        self.h = np.zeros((self.count, self.hidden or 1, self.width), self.dtype if bits else np.float64)
        self.energy = np.zeros(self.count, np.int64)
        self.level = np.tile(np.arange(b, dtype=np.int64), self.groups)
        self.at = np.tile(np.arange(b, dtype=np.int64), (self.groups, 1))
        self.spread = np.full((self.instances.count, b), FIRST_SPREAD)
        self.accepted = np.zeros((self.groups, b), np.int64)
        self.swapped = np.zeros((self.groups, max(b - 1, 0)), np.int64)
        self.tried = np.zeros(max(b - 1, 0), np.int64)  # exchanges of each pair of neighbours, per group
        self.order = np.zeros((self.count, 0), np.int32)
        if self.mode == metropolis.PAIR:
            agrees = (weights > 0) == (np.repeat(reference, self.per_instance, axis=0) > 0)
            self.order = np.argsort(~agrees, axis=1, kind="stable").astype(np.int32)

    def turn(self, weights):
        """Weights (W, n) in the chain's coordinates; the reflection is its own inverse."""
        if self.frame is None:
            return weights
        v = np.repeat(self.frame, self.per_instance, axis=0)
        return weights - 2.0 * v * np.einsum("ij,ij->i", v, weights)[:, None]

    def arrays(self) -> dict:
        """Everything that changes, by name."""
        return {name: getattr(self, name) for name in _STATE}

    # --- from scratch -------------------------------------------------------------------------------
    def refresh(self) -> float:
        """Recompute fields and energies from the weights; returns the largest change of a stability or an energy."""
        if self.mode == metropolis.ROTATE:
            self._renormalise()
        fields = np.zeros_like(self.h)
        metropolis.accumulate(0, self.count, self.x, self.per_instance, self.w, fields)
        before, energy = self.stabilities(), self.energy
        self.h = fields
        if self.kind == "committee":
            self.sum_up()
        after = self.stabilities()
        self.energy = self._energies()
        return float(max(np.max(np.abs(after - before)), np.max(np.abs(self.energy - energy))))

    def _renormalise(self):
        size = self.n // (self.hidden or 1)
        units = self.w[:, self.low :].reshape(self.count, self.hidden or 1, -1)
        squares = size - (self.w[:, :1] ** 2 if self.low else 0.0)
        units *= np.sqrt(squares / np.einsum("ijk,ijk->ij", units, units))[:, :, None]
        self.w[:, self.low :] = units.reshape(self.count, -1)

    def sum_up(self):
        """The committee's sums, which the fields determine exactly."""
        self.sums = np.empty((self.count, self.p))
        committee.sum_units(0, self.count, self.code, self.root, self.signs, self.h, self.sums)

    def _signed(self):
        """What is compared with the threshold, (W, p)."""
        if self.kind != "committee":
            return self.h[:, 0, : self.p]
        if not hasattr(self, "sums"):
            self.sum_up()
        return np.repeat(self.instances.labels, self.per_instance, axis=0) * self.sums

    def _energies(self):
        limit = self.threshold[0] if self.kind == "bits" else self.threshold
        return np.count_nonzero(self._signed() < limit, axis=1).astype(np.int64)

    def stabilities(self):
        """(W, p) float64."""
        return self._signed() / self.unit


def _packed(x):
    """Bits of x > 0 along the last axis, the lowest first, in whole words of 64."""
    words = -(-x.shape[-1] // moves.LANES)
    out = np.zeros((*x.shape[:-1], words * 8), np.uint8)
    for row in np.ndindex(x.shape[:-2]):  # one instance at a time: comparisons make a copy
        part = np.packbits(x[row] > 0, axis=-1, bitorder="little")
        out[row][..., : part.shape[-1]] = part
    return out.view("<u8").astype(np.uint64, copy=False)
