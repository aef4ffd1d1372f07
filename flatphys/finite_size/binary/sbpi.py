"""Stochastic belief-inspired learning, `SBPI`: hidden odd integers, and patterns that are barely right make them surer.

Patterns are presented one after the other, h = z.w, w = sign H, T the threshold of the margin (0 without one):

    h < T                       H += 2 z                                        (as `binary.hidden` says for committees)
    T <= h <= T + theta         with probability p_s: H_i += 2 z_i where z_i w_i = 1, which changes no sign
    else                        nothing

In a committee the second rule acts on the right units of a pattern that would be wrong with one of them less.  H may be bounded
(|H| <= bound); at N = 1001 unbounded hidden weights solve more than those up to 41.

Source: Baldassi, Braunstein, Brunel & Zecchina, PNAS 104, 11079 (2007); committees: Baldassi, J. Stat. Phys. 136, 902 (2009).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from flatphys import validate
from flatphys._jit import inlined, jit
from flatphys.errors import InvalidInput
from flatphys.finite_size.binary.hidden import SECURE, closest_wrong, push, refresh, shuffled, start, with_signs
from flatphys.finite_size.binary.layout import check_binary, count_errors, look, rights
from flatphys.finite_size.binary.search import SignSearch
from flatphys.finite_size.chains.philox import MASK, SHIFT, philox
from flatphys.finite_size.instances import Instances
from flatphys.finite_size.search import Algorithm, Search

CHUNK = 100_000  # presentations between two looks
AHEAD = 8  # patterns that are looked at together; what follows a change is looked at again
STEP = np.float32(2.0)


@dataclass(frozen=True)
class SBPI(Algorithm):
    """Stochastic belief-inspired learning for binary weights: integers whose signs count.

    Perceptrons and committees of sign units.

    Parameters
    ----------
    theta : float >= 0
        A right pattern whose field z.w (unnormalised) is so close to the threshold is made surer ...
    probability : float from 0 to 1
        ... with this probability.
    bound : odd int >= 1, optional
        Largest hidden weight; None: there is none.
    epochs : int >= 1
        Budget: how often every pattern is presented at most.

    Raises
    ------
    InvalidInput

    >>> import flatphys as fp
    >>> fp.find(fp.make_instances(fp.Model(), 201, 0.4, count=2), fp.SBPI(), progress=False).solved.tolist()
    [True, True]
    """

    theta: float = 1.0
    probability: float = 0.3
    bound: int | None = None
    epochs: int = 3000

    def __post_init__(self) -> None:
        bound = self.bound if self.bound is None else validate.integer("bound", self.bound, 1, 2**23)
        if bound is not None and bound % 2 == 0:
            raise InvalidInput(f"bound must be an odd integer, got {bound}")
        for name, value in (
            ("theta", validate.number("theta", self.theta, 0.0, closed="[")),
            ("probability", validate.number("probability", self.probability, 0.0, 1.0, closed="[]")),
            ("bound", bound),
            ("epochs", validate.integer("epochs", self.epochs, 1)),
        ):
            object.__setattr__(self, name, value)

    def check(self, instances: Instances) -> None:
        """`InvalidInput` unless the weights are binary, and the units of a committee signs."""
        check_binary(instances.model, "SBPI")

    def begin(self, instances: Instances, k: int, seed: int) -> Search:
        """A search on instance k; its random numbers depend on (seed, k) alone."""
        return _Search(self, instances, k, seed)


class Rule(NamedTuple):
    """theta, 2^32 p_s, the bound of |H|, and the key of the random numbers."""

    theta: float
    secure: int
    bound: float
    k0: int
    k1: int


@inlined
def _strengthen(h, x, mu, unit):
    """H_i += 2 z_i where both have one sign."""
    for i in range(h.shape[1]):
        z = np.float32(x[mu, unit, i])
        h[unit, i] += STEP * z if h[unit, i] * z > np.float32(0.0) else np.float32(0.0)


@inlined
def _surer(fields, k, unit, threshold, theta):
    """Whether a right unit is close enough to the threshold."""
    return threshold <= fields[k, unit] <= threshold + theta


@jit
def _present(patterns, mu, fields, k, hidden, rule, step):
    """Pattern mu, of the fields in row k; whether a sign may have changed."""
    h, words, signs, aside = hidden
    x, threshold, needed, changed = patterns.x, patterns.threshold, patterns.needed, False
    right = rights(fields, k, threshold)
    if right == needed:
        for unit in range(h.shape[0]):
            if _surer(fields, k, unit, threshold, rule.theta):
                word, _, _, _ = philox(step & MASK, step >> SHIFT, np.uint64(unit), SECURE, rule.k0, rule.k1)
                if word < rule.secure:
                    _strengthen(h, x, mu, unit)
                    _bounded(h, unit, rule.bound)
    while right < needed:
        unit = closest_wrong(fields, k, threshold)
        if unit < 0:
            break
        push(patterns, h, mu, unit, STEP)
        _bounded(h, unit, rule.bound)
        refresh(patterns.valid, h[unit], words[unit], signs[unit], aside)
        right += 1
        changed = True
    return changed


@inlined
def _bounded(h, unit, bound):
    if bound < np.inf:
        for i in range(h.shape[1]):
            h[unit, i] = min(max(h[unit, i], np.float32(-bound)), np.float32(bound))


@jit
def run_epochs(patterns, hidden, rule, first, count):
    """Epochs first, ..., first + count - 1; (epochs done, whether no error is left)."""
    p, (h, words, signs, _) = patterns.x.shape[0], hidden
    order, draws, fields = np.empty(p, np.int32), np.empty((4, (p + 3) // 4), np.uint64), np.empty((AHEAD, h.shape[0]))
    for epoch in range(first, first + count):
        shuffled(order, draws, epoch, 0, rule.k0, rule.k1)
        at = 0
        while at < p:
            mus = order[at : at + AHEAD]
            look(patterns, mus, words, signs, fields)
            for k in range(mus.size):
                at += 1
                if _present(patterns, mus[k], fields, k, hidden, rule, np.uint64(epoch * p + at)):
                    break
        if count_errors(patterns, words, signs, 1) == 0:
            return epoch - first + 1, True
    return count, False


class _Search(SignSearch):
    """`SBPI` on one instance."""

    def __init__(self, algorithm, instances, k, seed):
        super().__init__(instances, k, seed, algorithm.epochs)
        secure, bound = np.uint64(2.0**32 * algorithm.probability), float(algorithm.bound or np.inf)
        self.rule = Rule(algorithm.theta, secure, bound, *self.key)
        _, units, lanes = self.patterns.x.shape
        self._hold(start(units, lanes, 1, self.key)[0])

    def _hold(self, h):
        """Everything that follows from hidden weights."""
        self.hidden = (*with_signs(self.patterns.valid, h), np.zeros(h.shape[-1], np.int8))
        self._look()

    def _look(self):
        _, words, signs, _ = self.hidden
        self.errors = int(self.errors_of(words[None], signs[None])[0])
        self.keep(signs, self.errors)

    def advance(self) -> bool:
        """So many epochs as make 100000 presentations; True at the end."""
        count = min(max(1, CHUNK // self.patterns.x.shape[0]), self.budget - self.iterations)
        done, solved = run_epochs(self.patterns, self.hidden, self.rule, self.iterations, count)
        self.iterations += done
        self._look()
        return solved or self.iterations == self.budget

    def row(self) -> dict[str, float]:
        p, size = self.patterns.x.shape[0], self.patterns.size
        mean = float(np.abs(self.hidden[0][:, :size]).mean())
        return {"train_error": self.errors / p, "best_error": self.best_errors / p, "hidden_weight": mean}

    def arrays(self) -> dict[str, np.ndarray]:
        return {**super().arrays(), "h": self.hidden[0].copy()}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        super().restore(arrays)
        self._hold(arrays["h"])
