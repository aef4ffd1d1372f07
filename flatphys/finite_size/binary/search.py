"""What every search for binary weights on one instance has: its patterns, its random stream, and the best weights so far."""

import numpy as np

from flatphys.finite_size.binary.layout import count_errors, patterns_of
from flatphys.finite_size.chains.philox import key_of


class SignSearch:
    """Base of the searches: `advance` is theirs.

    Attributes
    ----------
    weights : (n,) int8
        With the fewest errors of all that were looked at.
    iterations : int
    """

    replicas = None

    def __init__(self, instances, k, seed, budget):
        self.patterns, self.key, self.budget = patterns_of(instances, k), key_of([seed, k]), budget
        self.iterations, self.best_errors, self.weights = 0, self.patterns.x.shape[0] + 1, None

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

    def arrays(self) -> dict[str, np.ndarray]:
        return {"iterations": np.array(self.iterations), "best": self.weights, "best_errors": np.array(self.best_errors)}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        self.iterations, self.best_errors = int(arrays["iterations"]), int(arrays["best_errors"])
        self.weights = np.array(arrays["best"])
