"""`Schedule`: how a coupling, a width, a learning rate or an inverse temperature moves while an algorithm runs.

    linear      gamma(t) = gamma0 + (gamma1 - gamma0) t/steps
    geometric   gamma(t) = gamma0 (gamma1/gamma0)^(t/steps)

for t <= steps, and gamma1 from there on.  What a step is (an epoch, a sweep, so many accepted moves) the algorithm says.
"""

from dataclasses import dataclass

import numpy as np

from flatphys import validate
from flatphys.errors import InvalidInput

LAWS = ("linear", "geometric")


@dataclass(frozen=True)
class Schedule:
    """From `gamma0` to `gamma1` in `steps` steps, and `gamma1` from then on.

    Parameters
    ----------
    gamma0, gamma1 : float >= 0
        First and last value; without `gamma1` the value does not move.
    steps : int >= 1
    law : "linear" or "geometric"
        Equal differences or equal ratios; the latter needs both ends > 0.

    Raises
    ------
    InvalidInput
        Negative or infinite values, no steps, ratios of 0.

    >>> Schedule(0.1, 1.0, steps=2, law="geometric").at(1)
    0.31622776601683794
    """

    gamma0: float
    gamma1: float | None = None
    steps: int = 1
    law: str = "linear"

    def __post_init__(self) -> None:
        first = validate.number("gamma0", self.gamma0, 0.0, closed="[")
        last = first if self.gamma1 is None else validate.number("gamma1", self.gamma1, 0.0, closed="[")
        law = validate.choice("law", self.law, LAWS)
        if law == "geometric" and not (first > 0.0 and last > 0.0):
            raise InvalidInput(f"gamma0 and gamma1 must be > 0 for a geometric schedule, got {first!r} and {last!r}")
        steps = validate.integer("steps", self.steps, 1)
        for name, value in (("gamma0", first), ("gamma1", last), ("steps", steps), ("law", law)):
            object.__setattr__(self, name, value)

    def at(self, step: float) -> float:
        """The value after `step` steps."""
        return float(self.table(np.array([step]))[0])

    def table(self, steps: np.ndarray) -> np.ndarray:
        """The values after these numbers of steps."""
        part = np.clip(np.asarray(steps, dtype=float) / self.steps, 0.0, 1.0)
        if self.law == "geometric":
            return self.gamma0 * (self.gamma1 / self.gamma0) ** part
        return self.gamma0 + (self.gamma1 - self.gamma0) * part


def schedule(name: str, value: object) -> Schedule | None:
    """A `Schedule`, a number >= 0 as one that does not move, or None."""
    if value is None or isinstance(value, Schedule):
        return value
    try:
        return Schedule(validate.number(name, value, 0.0, closed="["))
    except InvalidInput:
        raise InvalidInput(f"{name} must be a Schedule or a number >= 0, got {validate.shown(value)}") from None
