"""Checks of arguments: each raises `InvalidInput` naming the argument, its value and what is allowed."""

import difflib
import math
import numbers
from typing import Any

from flatphys.errors import InvalidInput

_NUMBERS = (float, int)  # the fast path; numpy scalars and other reals go through numbers.Real


def number(name: str, value: Any, low: float = -math.inf, high: float = math.inf, *, closed: str = "", infinite: bool = False) -> float:
    """`value` as a float in the interval from `low` to `high`.

    `closed` contains "[" where low itself is allowed and "]" where high is; infinities only with `infinite`.
    """
    if type(value) not in _NUMBERS:
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise InvalidInput(f"{name} must be {_allowed(low, high, closed, infinite)}, got {value!r} ({type(value).__name__})")
    x = float(value)
    inside = (x > low or ("[" in closed and x == low)) and (x < high or ("]" in closed and x == high) or (infinite and x == high))
    if inside and (infinite or math.isfinite(x)):
        return x
    raise InvalidInput(f"{name} must be {_allowed(low, high, closed, infinite)}, got {value!r}")


def _allowed(low: float, high: float, closed: str, infinite: bool) -> str:
    kind = "a number" if infinite else "a finite number"
    left = ">=" if "[" in closed else ">"
    right = "<=" if "]" in closed else "<"
    parts = []
    if low > -math.inf:
        parts.append(f"{left} {low:g}")
    if high < math.inf:
        parts.append(f"{right} {high:g}")
    tail = " (math.inf allowed)" if infinite and high == math.inf else ""
    return (kind + (" " + " and ".join(parts) if parts else "")) + tail


def choice(name: str, value: Any, options: tuple[str, ...]) -> str:
    """The one of `options` that is `value`, with hyphens and underscores alike; a near miss is pointed out."""
    if isinstance(value, str):
        if value in options:
            return str(value)  # a plain str also from numpy's, so that models print and compare alike
        for option in options:
            if option.replace("_", "-") == value.replace("_", "-"):
                return option
    near = difflib.get_close_matches(value, options, 1) if isinstance(value, str) else []
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InvalidInput(f"{name} must be one of {', '.join(map(repr, options))}, got {value!r}{hint}")


def integer(name: str, value: Any, low: int = 0) -> int:
    """`value` as an integer of at least `low`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < low:
        raise InvalidInput(f"{name} must be an integer >= {low}, got {value!r}")
    return int(value)


def flag(name: str, value: Any) -> bool:
    """`value` if it is True or False."""
    if isinstance(value, bool):
        return value
    raise InvalidInput(f"{name} must be True or False, got {value!r} ({type(value).__name__})")


def instance(name: str, value: Any, kinds: tuple[type, ...]) -> Any:
    """`value` if it is an instance of one of `kinds`."""
    if isinstance(value, kinds):
        return value
    names = " or ".join(k.__name__ for k in kinds)
    hint = f"; write {value.__name__}(...)" if isinstance(value, type) and issubclass(value, kinds) else ""
    raise InvalidInput(f"{name} must be {names}, got {value!r}{hint}")


def load(alpha: Any) -> float:
    """The load alpha = P/N: finite and positive."""
    return number("alpha", alpha, 0.0)
