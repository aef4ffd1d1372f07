"""What every search for binary weights on one instance has: its patterns, its random stream, and the best weights so far."""

import numpy as np

from flatphys.finite_size.binary.layout import count_errors, patterns_of
from flatphys.finite_size.chains.philox import key_of
from flatphys.finite_size.search import Search


class SignSearch(Search):
    """Base of the searches: `advance` is theirs.

    Attributes
    ----------
    weights : (n,) int8
        With the fewest errors of all that were looked at.
    """

    KEPT = ("weights", "iterations", "best_errors")

    def __init__(self, instances, k, seed, budget):
        self.patterns, self.key, self.budget = patterns_of(instances, k), key_of([seed, k]), budget
        self.best_errors, self.weights = self.patterns.x.shape[0] + 1, np.ones(instances.n, np.int8)

    def flat(self, signs) -> np.ndarray:
        """(..., n) of (..., units, lanes)."""
        inputs = signs[..., : self.patterns.size]
        return inputs.reshape(*inputs.shape[:-2], -1).copy()

    def errors_of(self, words, signs) -> np.ndarray:
        """Errors of weights (rows, units, words) and (rows, units, lanes)."""
        everything = self.patterns.x.shape[0] + 1
        return np.array([count_errors(self.patterns, words[row], signs[row], everything) for row in range(len(signs))])

    def keep(self, signs, errors) -> None:
        """The weights (units, lanes), if they have fewer errors than any before."""
        if errors < self.best_errors:
            self.best_errors, self.weights = int(errors), self.flat(signs)
