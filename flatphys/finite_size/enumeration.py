"""Every binary weight vector of a small instance: exact counts, for whatever is approximate to be compared with.

One Gray code walks all 2^N vectors, one flip at a time: P additions a vector.  Fields of patterns +-1 are integers; other fields are
summed anew every 4096 flips, so that rounding stays below 1e-12.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from flatphys import validate
from flatphys._jit import jit
from flatphys.display import Table
from flatphys.errors import InvalidInput
from flatphys.finite_size.instances import Instances
from flatphys.model import Gibbs

LARGEST = 28  # weights: 2.7e8 vectors
FRESH = 12  # log2 of the flips between two fresh sums


@jit
def _walk(x, threshold, reference, prefix, by_errors, near, sums):
    """Counts over the vectors whose later weights are fixed by `prefix`; x is (N, P), `sums` (P+1, N) the weights summed by errors."""
    n, p = x.shape
    free = min(n, FRESH)
    w = np.empty(n)
    for i in range(n):
        w[i] = 1.0 if i < free or (prefix >> (i - free)) & 1 else -1.0
    fields = np.zeros(p)
    overlap = 0
    for i in range(n):
        for mu in range(p):
            fields[mu] += w[i] * x[i, mu]
        overlap += int(w[i] * reference[i])
    for step in range(1, (1 << free) + 1):
        wrong = 0
        for mu in range(p):
            wrong += fields[mu] < threshold
        by_errors[wrong] += 1
        for i in range(n):
            sums[wrong, i] += w[i]
        if wrong == 0:
            near[(n - overlap) // 2] += 1
        if step == 1 << free:
            break
        i = 0
        while not (step >> i) & 1:
            i += 1
        w[i] = -w[i]
        overlap += 2 * int(w[i] * reference[i])
        for mu in range(p):
            fields[mu] += 2.0 * w[i] * x[i, mu]


class Counts(Table):
    """All 2^N binary weight vectors of each instance, counted.

    Attributes
    ----------
    by_errors : (count, P+1) int64
        Vectors with e patterns below the margin.
    solutions_by_distance : (count, N+1) int64
        Vectors without such patterns that differ from the reference in d weights.
    reference : (count, N)
    """

    def __init__(self, instances, by_errors, near, sums, reference):
        self.instances, self.by_errors, self.solutions_by_distance = instances, by_errors, near
        self._sums, self.reference = sums, reference

    @property
    def solutions(self) -> np.ndarray:
        """(count,) vectors without an error."""
        return self.by_errors[:, 0]

    @property
    def entropy(self) -> np.ndarray:
        """(count,) log(solutions)/N in nats per weight, -inf where there are none."""
        return self.free_entropy()

    def free_entropy(self, beta: float = math.inf) -> np.ndarray:
        """(count,): (1/N) log sum over weights of exp(-beta errors), in nats per weight."""
        return self._log_weights(beta)[1] / self.instances.n

    def magnetizations(self, beta: float = math.inf) -> np.ndarray:
        """(count, N): mean weights in the same measure, nan where nothing has weight."""
        factors, total = self._log_weights(beta)
        with np.errstate(invalid="ignore"):
            return np.einsum("ke,ken->kn", np.exp(factors - total[:, None]), self._sums)

    def _log_weights(self, beta):
        beta = validate.number("beta", beta, 0.0, math.inf, closed="[]", infinite=True)
        errors = np.arange(self.by_errors.shape[1])
        factors = np.where(errors > 0, -beta * np.maximum(errors, 1), 0.0)[None].repeat(len(self.by_errors), 0)
        with np.errstate(divide="ignore"):
            terms = factors + np.log(self.by_errors)
        return factors, np.logaddexp.reduce(terms, axis=1)

    def _title(self):
        return f"All weights of {self.instances.count} instances of {self.instances.model!r}"

    def _rows(self):
        sizes = [("N", str(self.instances.n)), ("P", str(self.instances.p))]
        return sizes + [(f"solutions of instance {k}", str(found)) for k, found in enumerate(self.solutions[:8])]


def enumerate_weights(instances: Instances, reference: ArrayLike | None = None) -> Counts:
    """Counts every binary weight vector of every instance by its errors, and the solutions by their distance from a reference.

    Parameters
    ----------
    instances : Instances
        Of binary weights of a perceptron with N <= 28; an error is a stability below the learner's margin.
    reference : (N,) or (count, N) of +-1, optional
        By default the teacher or the centre, else all +1.

    Raises
    ------
    InvalidInput
    """
    validate.instance("instances", instances, (Instances,))
    learner = validate.instance("learner", instances.model.learner, (Gibbs,))
    n, p = instances.n, instances.p
    if learner.weights != "binary" or instances.hidden is not None:
        raise InvalidInput(f"learner must be Gibbs('binary') with a perceptron for an enumeration, got {learner!r}")
    if n > LARGEST:
        raise InvalidInput(f"n must be at most {LARGEST} for an enumeration of 2^n weights, got {n}")
    if reference is None:
        found = instances.direction if instances.direction is not None else np.ones((instances.count, n))
    else:
        found = validate.array("reference", reference)
        if found.shape not in ((n,), (instances.count, n)) or not (np.abs(found) == 1.0).all():
            raise InvalidInput(f"reference must be +-1 in the shape ({n},) or ({instances.count}, {n}), got {validate.shown(reference)}")
    found = np.sign(np.broadcast_to(found, (instances.count, n))).astype(float)
    by_errors, near = np.zeros((instances.count, p + 1), np.int64), np.zeros((instances.count, n + 1), np.int64)
    sums = np.zeros((instances.count, p + 1, n))
    for k in range(instances.count):
        x = instances.patterns[k].astype(float)
        for prefix in range(1 << max(0, n - FRESH)):
            _walk(x, learner.margin * math.sqrt(n), found[k], prefix, by_errors[k], near[k], sums[k])
    return Counts(instances, by_errors, near, sums, found)
