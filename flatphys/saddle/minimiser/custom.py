"""The solver compiled around a user's own loss: the uncached road of `CustomLoss`.

The functions of `minimiser_averages` and `minimiser_newton` reach a loss through three names only:
`point`, `response` and `features`.  Here they are compiled once more, from the same source, with
those names bound to the user's functions; nothing is kept on disk.
"""

import functools
import math
import types

import numba

from flatphys.kernels import losses
from flatphys.kernels.losses import CODES, CUSTOM, UNKNOWN
from flatphys.model import CustomLoss
from flatphys.saddle.minimiser import averages as minimiser_averages, newton as minimiser_newton

# Every compiled function that depends on a loss.
_CHAIN = (
    (losses, "untrain bends"),
    (minimiser_averages, "nodes panel_sums bisected_nodes mixture_averages teacher_averages averages"),
    (minimiser_newton, "equations newton follow bias_alone settle_bias strong solve judge solve_path sensitivity"),
)
_ENTRIES = ("bias_alone", "solve_path", "sensitivity", "untrain", "bends")


def _response(value, slope, curvature):
    """The proximal map of any convex loss: Newton's method on t + c l'(t) = omega, kept inside a bracket."""

    @numba.njit(error_model="numpy")
    def response(loss, e, c):
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

    return response


@functools.lru_cache(maxsize=32)
def compiled(loss) -> types.SimpleNamespace:
    """The entry points of the solver for a loss by name (kept on disk) or a `CustomLoss`, with its `code`."""
    if not isinstance(loss, CustomLoss):
        entries = {name: getattr(module, name) for module, names in _CHAIN for name in names.split() if name in _ENTRIES}
        return types.SimpleNamespace(code=CODES[loss], point=losses.point, response=losses.response, **entries)
    value, slope, curvature = loss.value, loss.slope, loss.curvature

    @numba.njit
    def custom_point(code, t):
        return value(t), slope(t), curvature(t)

    @numba.njit
    def custom_features(code, c):
        return UNKNOWN, math.nan, math.nan, math.nan, math.nan

    scope = {"point": custom_point, "response": _response(value, slope, curvature), "features": custom_features}
    order = [(module, name) for module, names in _CHAIN for name in names.split()]
    for module, name in _callees_first(order):
        source = getattr(module, name).py_func
        function = types.FunctionType(source.__code__, {**source.__globals__, **scope}, name, source.__defaults__)
        scope[name] = numba.njit(error_model="numpy", nogil=True)(function)
    return types.SimpleNamespace(code=CUSTOM, point=custom_point, response=scope["response"], **{name: scope[name] for name in _ENTRIES})


def _callees_first(order):
    """`order` sorted so that a function comes after every other one whose name it uses."""
    names = {name for _, name in order}
    done, out = set(), []
    while order:
        ready = [item for item in order if not (names & set(getattr(*item).py_func.__code__.co_names)) - done - {item[1]}]
        out += ready
        done |= {name for _, name in ready}
        order = [item for item in order if item not in ready]
    return out
