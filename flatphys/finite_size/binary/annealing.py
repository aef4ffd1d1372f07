"""`SimulatedAnnealing` and `ReplicatedAnnealing`: Metropolis walks over binary weights while the temperature falls (`binary.walk`).

The plain walk counts errors; at loads where typical solutions are isolated it freezes, and the moves that it needs grow faster than
any power of N.  Coupled replicas walk in the landscape of the local entropy instead: their moves grow like a power of N.

Source: Baldassi, Borgs, Chayes, Ingrosso, Lucibello, Saglietti & Zecchina, PNAS 113, E7655 (2016).
"""

from dataclasses import dataclass

import numpy as np

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.finite_size.binary.hidden import start
from flatphys.finite_size.binary.layout import LANES, check_binary, words_of
from flatphys.finite_size.binary.search import SignSearch
from flatphys.finite_size.binary.walk import Columns, Course, Marks, Walkers, walk_columns, walk_marks
from flatphys.finite_size.chains.moves import mark
from flatphys.finite_size.descent.schedule import Schedule, schedule
from flatphys.finite_size.instances import Instances
from flatphys.finite_size.search import Algorithm, Search

CHUNK = 4_000_000  # patterns times moves between two looks


@dataclass(frozen=True)
class SimulatedAnnealing(Algorithm):
    """Metropolis moves of binary weights, exp(-beta errors), while beta grows.

    Perceptrons and committees of sign units.

    Parameters
    ----------
    beta : Schedule or float
    accepted : float > 0
        Accepted moves per weight in a step of the schedule.
    sweeps : int >= 1
        Budget: proposed moves per weight.

    Raises
    ------
    InvalidInput
    """

    beta: Schedule | float = Schedule(0.5, 10.5, steps=500)
    accepted: float = 0.5
    sweeps: int = 20_000

    def __post_init__(self) -> None:
        _check_walk(self)

    def check(self, instances: Instances) -> None:
        """`InvalidInput` unless the weights are binary, and the units of a committee signs."""
        check_binary(instances.model, type(self).__name__)

    def begin(self, instances: Instances, k: int, seed: int) -> Search:
        """A search on instance k; its random numbers depend on (seed, k) alone."""
        return Annealed(self, instances, k, seed)


@dataclass(frozen=True)
class ReplicatedAnnealing(Algorithm):
    """`SimulatedAnnealing` of y replicas that a binary centre, which is summed over, holds together.

    Their weight is exp(-beta sum_a errors(w_a) + sum_i log 2cosh(gamma sum_a w_a,i)).

    Parameters
    ----------
    replicas : int >= 2
    beta, gamma : Schedule or float
        They go to their next values together.
    accepted : float > 0
        Accepted moves per weight and replica in a step of the schedules.
    sweeps : int >= 1
        Budget: proposed moves per weight and replica.

    Raises
    ------
    InvalidInput
    """

    replicas: int = 3
    beta: Schedule | float = Schedule(0.5, 10.5, steps=500)
    gamma: Schedule | float = Schedule(0.1, 10.1, steps=500)
    accepted: float = 0.5
    sweeps: int = 20_000

    def __post_init__(self) -> None:
        object.__setattr__(self, "replicas", validate.integer("replicas", self.replicas, 2))
        object.__setattr__(self, "gamma", _needed("gamma", self.gamma))
        _check_walk(self)

    def check(self, instances: Instances) -> None:
        """`InvalidInput` unless the weights are binary, and the units of a committee signs."""
        check_binary(instances.model, type(self).__name__)

    def begin(self, instances: Instances, k: int, seed: int) -> Search:
        """A search on instance k; its random numbers depend on (seed, k) alone."""
        return Annealed(self, instances, k, seed)


def _needed(name, value):
    if value is None:
        raise InvalidInput(f"{name} must be a Schedule or a number >= 0, got None")
    return schedule(name, value)


def _check_walk(algorithm):
    """The fields that both have."""
    for name, value in (
        ("beta", _needed("beta", algorithm.beta)),
        ("accepted", validate.number("accepted", algorithm.accepted, 0.0)),
        ("sweeps", validate.integer("sweeps", algorithm.sweeps, 1)),
    ):
        object.__setattr__(algorithm, name, value)


class Annealed(SignSearch):
    """Either of them on one instance; an iteration is a proposed move per weight and replica."""

    KEPT = (*SignSearch.KEPT, "w", "h", "counters")

    def __init__(self, algorithm, instances, k, seed):
        super().__init__(instances, k, seed, algorithm.sweeps)
        replicas, n = getattr(algorithm, "replicas", 1), instances.n
        self.algorithm, self.marked = algorithm, self.patterns.bits.shape[2] > 0 and instances.hidden is None
        one = self.patterns
        signed = np.ascontiguousarray(one.x[:, :, : one.size].reshape(instances.p, n).T)
        lanes = LANES * -(-instances.p // LANES) if self.marked else instances.p
        kind = np.float64 if not self.marked else (np.int16 if n < 2**14 else np.int32)
        if self.marked:
            padded = np.zeros((n, lanes), bool)
            padded[:, : instances.p] = signed > 0
            self.sight = Marks(words_of(padded), np.array([one.threshold]).astype(kind), words_of(np.arange(lanes) < instances.p))
        else:
            self.sight = Columns(signed, one.threshold, one.needed)
        h = start(one.x.shape[1], one.x.shape[2], replicas, self.key)
        self.w = self.flat(h.astype(np.int8))
        self.h = np.zeros((replicas, one.x.shape[1], lanes), kind)
        for unit in range(one.x.shape[1]):
            part = slice(unit * one.size, (unit + 1) * one.size)
            self.h[:, unit, : instances.p] = self.w[:, part].astype(np.float64) @ signed[part].astype(np.float64)
        self.counters = np.zeros(3, np.int64)
        steps = np.arange(max(each.steps for each in (algorithm.beta, self._gamma())) + 1)
        per_step = max(1, round(algorithm.accepted * n * replicas))
        self.course = Course(algorithm.beta.table(steps), self._gamma().table(steps), per_step, *self.key)
        self._hold()

    def _gamma(self):
        return getattr(self.algorithm, "gamma", Schedule(0.0))

    def _hold(self):
        """Everything that follows from weights and fields."""
        y, p = len(self.w), self.patterns.x.shape[0]
        right = (self.h[:, :, :p] >= self.patterns.threshold).sum(axis=1).astype(np.int16)
        energy = (right < self.patterns.needed).sum(axis=1)
        words = self.sight.valid.size if self.marked else 0
        upper, lower = np.zeros((y, words), np.uint64), np.zeros((y, words), np.uint64)
        if self.marked:
            for a in range(y):
                mark(self.h[a, 0], self.sight.threshold, 2, self.sight.valid, upper[a], lower[a])
        sums = self.w.sum(axis=0, dtype=np.int64)
        self.walkers = Walkers(self.w, self.h, upper, lower, right, energy, sums, self.counters)
        self._look()

    def _look(self):
        best = int(self.walkers.energy.argmin())
        if self.walkers.energy[best] < self.best_errors:
            self.best_errors, self.weights = int(self.walkers.energy[best]), self.w[best].copy()

    def advance(self) -> bool:
        """Some sweeps, as many as look at 4e6 patterns; True at the end."""
        y, n = self.w.shape
        sweeps = min(max(1, CHUNK // (n * y * self.patterns.x.shape[0])), self.budget - self.iterations)
        walk = walk_marks if self.marked else walk_columns
        solved = self.walkers.energy.min() == 0 or walk(self.sight, self.walkers, self.course, sweeps * n * y) >= 0
        self.iterations = -(-int(self.counters[0]) // (n * y))
        self._look()
        return solved or self.iterations == self.budget

    @property
    def replicas(self):
        """(y, n) int8; None of a single one."""
        return None if len(self.w) == 1 else self.w.copy()

    def row(self) -> dict[str, float]:
        p, y = self.patterns.x.shape[0], len(self.w)
        step = int(self.counters[1])
        found = {"train_error": float(self.walkers.energy.mean() / p), "best_error": self.best_errors / p}
        found["beta"] = self.algorithm.beta.at(step)
        if y > 1:
            found |= {"gamma": self._gamma().at(step)}
            found["mutual_overlap"] = (float(np.mean(self.walkers.sums**2)) - y) / (y * (y - 1.0))
        return found

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        super().restore(arrays)
        self._hold()
