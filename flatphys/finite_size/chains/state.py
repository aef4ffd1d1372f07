"""The state of many chains in flat arrays, what is fixed about them, and everything recomputed from scratch.

Both devices work on these arrays (`layout`).  Three kinds:

    bits       binary weights, +-1 patterns, errors counted: packed patterns, integer fields padded to whole words of 64
    real       Gaussian patterns, spherical weights or another energy: float64 fields; packed patterns where they are +-1 and errors count
    committee  float64 fields of every unit and the sums of their activations

With spherical weights at a fixed overlap the coordinates are turned by the Householder reflection R that takes the direction of
the reference to +- the first axis: the chain moves R w among the patterns R x, and leaves the first coordinate alone.
"""

import math
from typing import NamedTuple

import numpy as np

from flatphys.finite_size.chains import committee, metropolis, moves
from flatphys.finite_size.chains.layout import FLIP, PAIR, ROTATE, Bath, Cost, Move, Patterns, State
from flatphys.finite_size.hidden import committee_unit, layer_of
from flatphys.kernels.codes import ERRORS
from flatphys.kernels.cost import cost

FIRST_SPREAD = 0.5
QUANTUM = -32  # energies other than errors are counted in units of 2^-32 ...
LARGEST = 61  # ... or coarser ones, so that their sum stays below 2^61


class Law(NamedTuple):
    """What is sampled: exp(-beta sum energy) at several beta, of binary weights or on the sphere."""

    binary: bool
    energy: int
    margin: float
    betas: tuple


class Start(NamedTuple):
    """Where: weights (W, n), and for a fixed overlap the reference and how many binary weights agree with it."""

    weights: np.ndarray
    reference: np.ndarray | None = None
    agree: int = 0


class Walkers:
    """Flat state and parameters of `replicas` chains per instance and temperature; `whole`: integer fields and bits where they can be."""

    def __init__(self, instances, law: Law, start: Start, replicas: int, key, whole: bool = True):
        self.instances, self.law, self.betas, self.binary, self.key = instances, law, law.betas, law.binary, key
        self.n, self.p, self.hidden = instances.n, instances.p, instances.hidden
        self.per_instance = replicas * len(self.betas)
        self.count = instances.count * self.per_instance
        self.groups = instances.count * replicas
        self.whole = whole
        bits = whole and law.binary and instances.kind == "sign" and law.energy == ERRORS
        self.kind = "committee" if self.hidden else ("bits" if bits else "real")
        mode = ROTATE if not law.binary else (FLIP if start.reference is None else PAIR)
        self.steps = {FLIP: self.n, PAIR: (self.n + 1) // 2, ROTATE: max(1, self.n // 2)}[mode]
        self.sweeps = 0
        self.frame, self.layer = None, None
        turned = start.reference is not None and not law.binary
        self.move = Move(mode, int(turned), start.agree)
        self._patterns(start.reference if turned else None)
        self._cost()
        self._bath()
        self._state(start)
        self.refresh()

    # --- what is fixed ------------------------------------------------------------------------------
    def _cost(self):
        """Stability < margin as field < threshold, in the units of the fields (or of the committee's sums)."""
        energy, margin, instances = self.law.energy, self.law.margin, self.instances
        if self.kind == "committee":
            network = instances.model.learner.network
            integers = self.binary and instances.kind == "sign"
            self.layer = layer_of(network, self.n, self.hidden, integers)
            unit = committee_unit(network, self.hidden)
            exact = network.activation == "sign" and energy == ERRORS
            threshold = float(moves.integer_threshold(margin, self.hidden)) if exact else margin * unit
        else:
            unit = math.sqrt(self.n)
            threshold = margin * unit
        scale = 1.0
        if energy != ERRORS:
            squares = max(float(np.einsum("ip,ip->p", x, x, dtype=np.float64).max()) for x in self.patterns.x)
            reach = abs(margin) + 2.0 * math.sqrt(squares)  # no stability is larger than the norm of its pattern, or twice that (committee)
            most = self.p * max(cost(energy, reach), cost(energy, -reach)) + 1.0
            scale = 2.0 ** -max(QUANTUM, math.ceil(math.log2(most)) - LARGEST)
        self.cost = Cost(energy, threshold, unit, scale)
        self.dtype = np.dtype(np.int16 if self.n < 30000 else np.int32)
        limit = self.n + 8  # integer fields lie in [-N, N], and no mark may reach beyond
        whole = moves.integer_threshold(margin, self.n) if self.kind == "bits" else 0
        self.limit = np.array([min(max(whole, -limit), limit)], self.dtype)

    def _bath(self):
        """Tables of acceptance, where energies are errors; betas per quantum."""
        betas, largest = self.betas, self.p if self.law.energy == ERRORS else 0
        gaps = [math.inf if math.isinf(b) else b - a for a, b in zip(betas[:-1], betas[1:])]

        def words(rates):
            return np.stack([moves.boltzmann_words(b, largest) for b in rates]) if rates else np.zeros((0, largest + 1), np.uint64)

        rates = [np.array(b, np.float64) / self.cost.scale for b in (betas, gaps)]
        spread = np.full((self.instances.count, len(betas)), FIRST_SPREAD)
        self.bath = Bath(words(betas), rates[0], words(gaps), rates[1], spread)

    def _patterns(self, reference):
        """The patterns, turned where the weights are."""
        x, bits, valid = self.instances.patterns, np.zeros((self.instances.count, 0, 0), np.uint64), np.zeros(0, np.uint64)
        self.width = self.p
        if self.whole and self.instances.kind == "sign" and reference is None and self.kind != "committee" and self.law.energy == ERRORS:
            bits, valid = _packed(x), _packed(np.ones(self.p))
            self.width = valid.size * moves.LANES
        if reference is not None:
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
        self.patterns = Patterns(x, bits, valid, self.instances.labels, self.per_instance, 0)

    # --- state --------------------------------------------------------------------------------------
    def _state(self, start):
        b = len(self.betas)
        bits = self.kind == "bits"
        order = np.zeros((self.count, 0), np.int32)
        if self.move.mode == PAIR:
            agrees = (start.weights > 0) == (np.repeat(start.reference, self.per_instance, axis=0) > 0)
            order = np.argsort(~agrees, axis=1, kind="stable").astype(np.int32)
        self.state = State(
            w=np.ascontiguousarray(self.turn(start.weights), np.int8 if bits else np.float64),
            h=np.zeros((self.count, self.hidden or 1, self.width), self.dtype if bits else np.float64),
            sums=np.zeros((self.count, self.p) if self.hidden else (0, 0)),
            energy=np.zeros(self.count, np.int64),
            level=np.tile(np.arange(b, dtype=np.int64), self.groups),
            order=order,
            at=np.tile(np.arange(b, dtype=np.int64), (self.groups, 1)),
            accepted=np.zeros((self.groups, b), np.int64),
            swapped=np.zeros((self.groups, max(b - 1, 0)), np.int64),
        )
        self.tried = np.zeros(max(b - 1, 0), np.int64)  # exchanges of each pair of neighbours, per group

    def turn(self, weights):
        """Weights (W, n) in the chain's coordinates; the reflection is its own inverse."""
        if self.frame is None:
            return weights
        v = np.repeat(self.frame, self.per_instance, axis=0)
        return weights - 2.0 * v * np.einsum("ij,ij->i", v, weights)[:, None]

    def arrays(self) -> dict:
        """Everything that changes, by name (sums follow from the fields)."""
        out = {name: array for name, array in self.state._asdict().items() if name != "sums"}
        return {**out, "spread": self.bath.spread, "tried": self.tried}

    # --- from scratch -------------------------------------------------------------------------------
    def refresh(self) -> float:
        """Recompute fields and energies from the weights; returns the largest change of a stability or an energy."""
        if self.move.mode == ROTATE:
            self._renormalise()
        s, before, energy = self.state, self.stabilities(), self.state.energy.copy()
        s.h[:] = 0
        metropolis.accumulate(self.patterns.x, self.per_instance, s.w, s.h)
        self.sum_up()
        after = self.stabilities()
        s.energy[:] = self._energies()
        return float(max(np.max(np.abs(after - before)), np.max(np.abs(s.energy - energy)) / self.cost.scale))

    def _renormalise(self):
        size, low = self.n // (self.hidden or 1), self.move.low
        units = self.state.w[:, low:].reshape(self.count, self.hidden or 1, -1)
        squares = size - (self.state.w[:, :1] ** 2 if low else 0.0)
        units *= np.sqrt(squares / np.einsum("ijk,ijk->ij", units, units))[:, :, None]
        self.state.w[:, low:] = units.reshape(self.count, -1)

    def sum_up(self):
        """The committee's sums, which the fields determine exactly."""
        if self.kind == "committee":
            committee.sum_units(self.layer, self.state.h, self.state.sums)

    def _signed(self):
        """What is compared with the threshold, (W, p)."""
        if self.kind != "committee":
            return self.state.h[:, 0, : self.p]
        return np.repeat(self.instances.labels, self.per_instance, axis=0) * self.state.sums

    def _energies(self):
        if self.kind == "bits":
            return np.count_nonzero(self._signed() < self.limit[0], axis=1)
        return moves.row_prices(self.cost, self._signed())

    def stabilities(self):
        """(W, p) float64."""
        return self._signed() / self.cost.unit


def _packed(x):
    """Bits of x > 0 along the last axis, the lowest first, in whole words of 64."""
    words = -(-x.shape[-1] // moves.LANES)
    out = np.zeros((*x.shape[:-1], words * 8), np.uint8)
    for row in np.ndindex(x.shape[:-2]):  # one instance at a time: comparisons make a copy
        part = np.packbits(x[row] > 0, axis=-1, bitorder="little")
        out[row][..., : part.shape[-1]] = part
    return out.view("<u8").astype(np.uint64, copy=False)
