"""The solver of one loss: the built-in ones as they are kept on disk, a `CustomLoss` compiled around the user's functions.

Compiled code reaches a loss through `point`, `response` and `features` of `kernels.losses` only.  For a loss of one's own whatever calls
them, directly or not, is compiled once more from the same source with those names bound to the user's functions; nothing of it is kept
on disk.  A linker knows a function by its module, its name and a number that every process counts for itself, and of two with the same
symbol the first serves both.  So the names of what is compiled here contain a hash of the loss.
"""

import functools
import hashlib
import math
import types
from typing import Any, NamedTuple

from numba.core.dispatcher import Dispatcher

from flatphys._jit import direct, unkept
from flatphys.kernels import losses
from flatphys.kernels.codes import CUSTOM, Loss
from flatphys.kernels.losses import UNKNOWN, coded
from flatphys.kernels.traits import loss_traits
from flatphys.model import CustomLoss
from flatphys.saddle.minimiser import path, square


class Machinery(NamedTuple):
    """The code of a loss and the compiled functions that solve for its minimiser (`saddle.minimiser.path`, `kernels.losses`)."""

    code: Loss
    point: Any
    response: Any
    untrain: Any
    bends: Any
    bias_alone: Any
    solve_point: Any
    solve_from: Any
    sensitivity: Any
    slope_at_zero: float


_OF_LOSS = (losses.point, losses.response, losses.untrain, losses.bends)
_OF_PATH = (path.bias_alone, path.solve_point, path.solve_from, path.sensitivity)
_CLOSED = (path.bias_alone, square.solve_point, square.solve_from, square.sensitivity)


def _replacements(value, slope, curvature) -> dict:
    """function of `kernels.losses` -> Python function that takes its place.

    The proximal map of any convex loss: Newton's method on t + c l'(t) = omega, kept inside a bracket.
    """

    def point(code, t):
        return value(t), slope(t), curvature(t)

    def features(code, c):
        return UNKNOWN, math.nan, math.nan, math.nan, math.nan

    def response(code, e, c):
        omega = 1.0 - e
        t, other = omega, omega - c * slope(omega)  # l' is monotone: the root lies between the two
        low, high = min(t, other), max(t, other)
        previous = high - low
        for _ in range(200):
            gap = t + c * slope(t) - omega
            if gap == 0.0:
                break
            if gap > 0.0:
                high = t
            else:
                low = t
            step = gap / (1.0 + c * curvature(t))
            new = t - step
            if not low < new < high or abs(step) > 0.5 * previous:  # Newton's method alone can cycle
                new = 0.5 * (low + high)
            previous = abs(new - t)
            t = new
            if previous <= 2e-16 * (abs(t) + abs(omega)) or high - low <= 2e-16 * abs(t):
                break
        bend = curvature(t)
        return t, -slope(t), bend / (1.0 + c * bend), value(t)

    return {losses.point: point, losses.features: features, losses.response: response}


def _tag(loss) -> str:
    """A hash of the loss's code."""
    digest = hashlib.sha256()
    for function in (loss.value, loss.slope, loss.curvature):
        code = function.py_func.__code__
        digest.update(repr((function.py_func.__qualname__, code.co_code, code.co_consts, code.co_names)).encode())
    return digest.hexdigest()[:16]


def _named(function, tag):
    """`function` compiled under a name that is the loss's own."""
    function.__qualname__ = function.__name__ = f"{function.__name__}_{tag}"
    return unkept(function)


def _around(function, built, tag):
    """`function` compiled once more if it reaches one that has been, with the new ones in place; `built` maps old to new."""
    if function not in built:
        source = function.py_func
        callees = {name: source.__globals__.get(name) for name in source.__code__.co_names}
        new = {name: _around(callee, built, tag) for name, callee in callees.items() if isinstance(callee, Dispatcher)}
        changed = any(new[name] is not callees[name] for name in new)
        scope = {**source.__globals__, **new}
        built[function] = _named(types.FunctionType(source.__code__, scope, source.__name__), tag) if changed else function
    return built[function]


@functools.lru_cache(maxsize=32)
def compiled(loss, spread: float = 1.0) -> Machinery:
    """The solver for the loss of a learner on patterns of this spread, sqrt D."""
    if not isinstance(loss, CustomLoss):
        code = coded(loss, spread)
        solvers = _CLOSED if loss_traits(loss).quadratic else map(direct, _OF_PATH)
        return Machinery(code, *_OF_LOSS, *solvers, losses.point(code, 0.0)[1])
    tag = _tag(loss)
    built = {old: _named(new, tag) for old, new in _replacements(loss.value, loss.slope, loss.curvature).items()}
    kernels, solvers = ([_around(function, built, tag) for function in some] for some in (_OF_LOSS, _OF_PATH))
    return Machinery(Loss(CUSTOM, 0.0), *kernels, *map(direct, solvers), loss.slope(0.0))
