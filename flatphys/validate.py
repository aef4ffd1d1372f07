"""Checks of arguments: each raises `InvalidInput` naming the argument, its value and what is allowed.

A number is whatever is real and of shape (): Python's and numpy's, Decimal, Fraction, arrays without a dimension (numpy, xarray, torch).
Truth values, complex numbers, texts, masked elements and nan are none, alone or in an array.
"""

import difflib
import math
import numbers
import os
import pathlib
from typing import TYPE_CHECKING, Any

from flatphys.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np

_PLAIN = (float, int)  # the fast path
_NO_REALS = "bcmMSUV"  # kinds of numpy's: truth values, complex, durations, dates, bytes, texts, records
_LONG = 70  # characters of a value that a message shows
LARGEST = 2**63 - 1  # of an integer that compiled code takes
SEEDS = 2**128 - 1  # as wide as the entropy that numpy draws for a seed


def shown(value: Any) -> str:
    """A value as a message shows it: one line, its middle left out where it is long."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # e.g. more digits than Python prints
        return f"{type(value).__name__} of {value.bit_length()} bits" if isinstance(value, int) else type(value).__name__
    return text if len(text) <= _LONG else f"{text[: _LONG - 20]}...{text[-10:]}"


def _kind(value: Any) -> str:
    """The letter of numpy's kind of number; "-" of whatever has none."""
    return getattr(getattr(value, "dtype", None), "kind", "-")


def masked(value: Any) -> bool:
    """Whether an array hides some of its elements."""
    mask = getattr(value, "mask", None)
    return not (mask is None or callable(mask)) and bool(mask.any() if hasattr(mask, "any") else mask)


def plain(value: Any) -> Any:
    """What stands in an array without a dimension, as Python has it; a masked element is None; anything else as it is."""
    if type(value) in _PLAIN or isinstance(value, str) or getattr(value, "shape", None) != () or _kind(value) in "mM":
        return value
    try:
        return None if masked(value) else value.item() if hasattr(value, "item") else float(value)
    except Exception:  # whatever a stranger's methods raise
        return value


def _real(value: Any) -> float:
    """The float that a real number is; nan for anything else, and for what no float can hold."""
    value = plain(value)
    if isinstance(value, (bool, complex, str, bytes, bytearray)) or getattr(value, "shape", ()) != () or _kind(value) in _NO_REALS:
        return math.nan
    if not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        return math.nan
    try:
        x = float(value)
        return x if math.isfinite(x) or value == x else math.nan  # a Decimal may be finite and its float not
    except Exception:
        return math.nan


def number(name: str, value: Any, low: float = -math.inf, high: float = math.inf, *, closed: str = "", infinite: bool = False) -> float:
    """`value` as a float in the interval from `low` to `high`.

    `closed` contains "[" where low itself is allowed and "]" where high is; infinities only with `infinite`.
    """
    x = value if type(value) is float else _real(value)
    inside = (x > low or ("[" in closed and x == low)) and (x < high or ("]" in closed and x == high) or (infinite and x == high))
    if inside and (infinite or math.isfinite(x)):
        return x
    kind = "" if x == x or isinstance(value, numbers.Real) and not isinstance(value, bool) else f" ({type(value).__name__})"
    raise InvalidInput(f"{name} must be {_allowed(low, high, closed, infinite)}, got {shown(value)}{kind}")


def _allowed(low: float, high: float, closed: str, infinite: bool) -> str:
    kind = "a number" if infinite or -math.inf < low < high < math.inf else "a finite number"
    left = ">=" if "[" in closed else ">"
    right = "<=" if "]" in closed else "<"
    parts = []
    if low > -math.inf:
        parts.append(f"{left} {low:g}")
    if high < math.inf:
        parts.append(f"{right} {high:g}")
    tail = " (math.inf allowed)" if infinite and high == math.inf else ""
    return (kind + (" " + " and ".join(parts) if parts else "")) + tail


def array(
    name: str, value: Any, low: float = -math.inf, high: float = math.inf, closed: str = "", dimensions: int = 64, empty: bool = False
) -> "np.ndarray":
    """`value`, a number or numbers in arrays or nested lists, as a float array with every element in the interval.

    `closed` as in `number`, for infinite ends too; `dimensions` is how many it may have at most, `empty` whether it may hold nothing.
    """
    import numpy as np  # imported here: importing flatphys must not import numpy

    try:
        if not _counts(value):
            raise TypeError
        given = np.asarray(value)
        if given.dtype.kind == "O":  # Decimals and their like
            given = np.array([_real(item) for item in given.ravel().tolist()]).reshape(given.shape)
            if np.isnan(given).any():
                raise TypeError
        if given.dtype.kind not in "fiu" or given.ndim > dimensions:
            raise TypeError
        with np.errstate(all="ignore"):
            out = np.array(given, dtype=float)
    except Exception:  # ragged lists, and whatever a stranger's __array__ raises
        many = "a one-dimensional list of numbers" if dimensions == 1 else "an array of numbers"
        kind = "masked elements" if masked(value) else type(value).__name__
        raise InvalidInput(f"{name} must be a number or {many}, got {shown(value)} ({kind})") from None
    if out.size == 0 and not empty:
        raise InvalidInput(f"{name} must not be empty")
    inside = (out >= low if "[" in closed else out > low) & (out <= high if "]" in closed else out < high)
    if not inside.all():
        bad = float(out[~inside].flat[0])
        among = f" in {shown(value)}" if out.ndim else ""
        raise InvalidInput(f"{name} must be {_allowed(low, high, closed, ']' in closed and high == math.inf)}, got {bad!r}{among}")
    return out


def _counts(value: Any) -> bool:
    """Whether nothing in a list or array is a truth value, a text or masked, of which numpy would make numbers."""
    if isinstance(value, (list, tuple)):
        return all(type(item) in _PLAIN or _counts(item) for item in value)
    return not (isinstance(plain(value), (bool, str, bytes, type(None))) or _kind(value) in _NO_REALS or masked(value))


def choice(name: str, value: Any, options: tuple[str, ...]) -> str:
    """The one of `options` that is `value`, with hyphens and underscores alike; a near miss is pointed out."""
    value = plain(value)
    if isinstance(value, str):
        if value in options:
            return str(value)  # a plain str also from numpy's, so that models print and compare alike
        for option in options:
            if option.replace("_", "-") == value.replace("_", "-"):
                return option
    near = difflib.get_close_matches(value, options, 1) if isinstance(value, str) else []
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InvalidInput(f"{name} must be one of {', '.join(map(repr, options))}, got {shown(value)}{hint}")


def integer(name: str, value: Any, low: int = 0, high: int = LARGEST) -> int:
    """`value` as an integer from `low` to `high`."""
    item = plain(value)
    if isinstance(item, numbers.Integral) and not isinstance(item, bool) and _kind(item) == "-":
        item = int(item)
        if low <= item <= high:
            return item
    allowed = f">= {low}" if high == LARGEST and not (isinstance(item, int) and item > high) else f"from {low} to {high}"
    raise InvalidInput(f"{name} must be an integer {allowed}, got {shown(value)}")


def seed(value: Any) -> int:
    """The seed of a generator."""
    return integer("seed", value, 0, SEEDS)


def flag(name: str, value: Any) -> bool:
    """`value` if it is True or False."""
    item = plain(value)
    if isinstance(item, bool):
        return item
    raise InvalidInput(f"{name} must be True or False, got {shown(value)} ({type(value).__name__})")


def text(name: str, value: Any) -> str:
    """`value` if it is a text."""
    item = plain(value)
    if isinstance(item, str):
        return str(item)
    raise InvalidInput(f"{name} must be a text, got {shown(value)} ({type(value).__name__})")


def exactly_one(**given: Any) -> tuple[str, Any]:
    """Name and value of the argument that is not None; there must be one."""
    found = [(name, value) for name, value in given.items() if value is not None]
    if len(found) != 1:
        raise InvalidInput(f"give either {' or '.join(given)}, got {'both' if found else 'neither'}")
    return found[0]


def instance(name: str, value: Any, kinds: tuple[type, ...]) -> Any:
    """`value` if it is an instance of one of `kinds`."""
    if isinstance(value, kinds):
        return value
    names = " or ".join(k.__name__ for k in kinds)
    hint = f"; write {value.__name__}(...)" if isinstance(value, type) and issubclass(value, kinds) else ""
    raise InvalidInput(f"{name} must be {names}, got {shown(value)}{hint}")


def load(alpha: Any) -> float:
    """The load alpha = P/N: finite and positive."""
    return number("alpha", alpha, 0.0)


def perturbation(sigma: Any, distance: Any, farthest: float = 1.0, closed: str = "[]") -> tuple[str, "np.ndarray"]:
    """Which perturbation of weights was given, noise or a distance up to `farthest`, and its strengths."""
    name, value = exactly_one(sigma=sigma, distance=distance)
    return name, array(name, value, 0.0, math.inf if name == "sigma" else farthest, closed="[" if name == "sigma" else closed)


def separation(overlap: Any, distance: Any, farthest: float = 1.0) -> tuple["np.ndarray", "np.ndarray"]:
    """Distances d and overlaps p = 1 - 2d of two weight vectors, whichever was given; 0 < d < `farthest`."""
    name, value = exactly_one(overlap=overlap, distance=distance)
    if name == "overlap":
        p = array(name, value, 1.0 - 2.0 * farthest, 1.0)
        return 0.5 * (1.0 - p), p
    d = array(name, value, 0.0, farthest)
    return d, 1.0 - 2.0 * d


def path(name: str, value: Any) -> pathlib.Path:
    """A path of the file system, as a text or an object that knows one."""
    try:
        text = os.fspath(value)
    except TypeError:
        text = None
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidInput(f"{name} must be a path, got {shown(value)}")
    return pathlib.Path(text)


def progress(value: Any) -> Any:
    """None, True, False, or a function of (done, total)."""
    if value is None or callable(value):
        return value
    item = plain(value)
    if isinstance(item, bool):
        return item
    raise InvalidInput(f"progress must be None, True, False or a function of (done, total), got {shown(value)}")
