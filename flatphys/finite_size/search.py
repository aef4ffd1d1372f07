"""What `find` runs: `Search`, one algorithm at work on one instance, and the base `Algorithm` of the dataclasses that begin one.

An algorithm is a frozen dataclass that validates itself, derives from `Algorithm` and has one method of its own:

    begin(instances, k, seed) -> Search      at work on instance k; its random numbers (`stream`) depend on (seed, k) alone

and, where it does not serve every model, `check(instances)`, which raises `InvalidInput` before any work.
"""

import inspect
import json
from collections.abc import Callable

import numpy as np

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.finite_size.instances import Instances
from flatphys.finite_size.measured import measured

_FOUND = 0xF0D  # streams of a seed that searches draw from: instances of the same seed have others


def stream(seed: int, k: int) -> np.random.Generator:
    """The random numbers of a search on instance k."""
    return np.random.default_rng(np.random.SeedSequence([seed, _FOUND, k]))


class Search:
    """One algorithm at work on one instance.

    Attributes
    ----------
    weights : (n,)
        The best so far: int8 for binary weights, else float64.
    replicas : (y, n) or None
        Those of the algorithms that have some.
    iterations : int
        Done so far, in the algorithm's own unit.
    KEPT : names of attributes
        All that `advance` goes on from: arrays, numbers and generators.  What is only derived from the instance is not among them.
    """

    KEPT: tuple[str, ...] = ("weights", "iterations")
    weights: np.ndarray
    replicas: np.ndarray | None = None
    iterations: int = 0

    def advance(self) -> bool:
        """A bounded amount of work, well under a second, in compiled code that holds no lock; True when the search has ended.

        How much it is must not depend on the clock: every advance adds one row to the history.
        """
        raise NotImplementedError

    def row(self) -> dict[str, float]:
        """A line of the history: the same names in every call."""
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        """All that the search goes on from, by name."""
        return {name: _packed(getattr(self, name)) for name in self.KEPT}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Go on from `arrays`, in a search that has just begun on the same instance."""
        for name in self.KEPT:
            now, then = getattr(self, name), arrays[name]
            if isinstance(now, np.random.Generator):
                now.bit_generator.state = json.loads(then.tobytes().decode())
            else:
                setattr(self, name, then.copy() if isinstance(now, np.ndarray) else type(now)(then.item()))


def _packed(value) -> np.ndarray:
    if isinstance(value, np.random.Generator):
        return np.frombuffer(json.dumps(value.bit_generator.state).encode(), dtype=np.uint8)
    return np.array(value)


class Algorithm:
    """Base of the dataclasses that `find` takes."""

    def check(self, instances: Instances) -> None:
        """Raise `InvalidInput` where the algorithm does not serve these instances."""

    def begin(self, instances: Instances, k: int, seed: int) -> Search:
        """The search on instance k."""
        raise NotImplementedError


class Own(Algorithm):
    """A function of the user's own, (instance, generator) -> weights, as an algorithm of one step.

    It is called with one instance (`Instances` of count 1) and the generator of (seed, k).
    """

    def __init__(self, function: Callable):
        try:
            inspect.signature(function).bind(None, None)
        except (TypeError, ValueError):
            raise InvalidInput(
                f"algorithm must be one of flatphys or a function of (instance, generator), got {validate.shown(function)}"
            ) from None
        self.function = function

    def begin(self, instances, k, seed):
        return _Once(self.function, instances[k], stream(seed, k))


class _Once(Search):
    def __init__(self, function, instance, generator):
        self.function, self.instance, self.generator = function, instance, generator
        binary = getattr(instance.model.learner, "weights", None) == "binary"
        self.weights = np.ones(instance.n, np.int8 if binary else np.float64)

    def advance(self):
        try:
            self.weights = measured(self.instance, self.function(self.instance, self.generator)).weights[0]
        except InvalidInput as error:
            raise InvalidInput(f"algorithm {validate.shown(self.function)} must return weights ({self.instance.n},): {error}") from None
        self.iterations = 1
        return True


def algorithm_of(value) -> Algorithm:
    """`value` as an algorithm; raises `InvalidInput`."""
    if isinstance(value, Algorithm):
        return value
    if isinstance(value, type) or not callable(value):
        hint = f"; write {value.__name__}()" if isinstance(value, type) and issubclass(value, Algorithm) else ""
        raise InvalidInput(f"algorithm must be one of flatphys or a function of (instance, generator), got {validate.shown(value)}{hint}")
    return Own(value)
