"""Roots of one Python function in a bracket, to the last digit: SciPy's, imported on first use because that takes 0.2 s.

A search that has no root to return says so: both ends of the range on one side of zero, a value that is not a number, or a jump across
zero in place of a root raise `NotConverged`, whose sentence begins with `what` was searched for.
"""

import math

from flatphys.errors import NotConverged

JUMP = 1e-6  # of the larger value at the ends: a function still so far from zero where its sign changes has jumped


class OneSign(NotConverged):
    """Both ends of a bracket lie on one side of zero."""


def bracketed(function, lo: float, hi: float, what: str = "a root", zero: float = 0.0) -> float:
    """The root of `function` between lo and hi, where its signs differ (Brent's method).

    Values up to `zero` count as none, whatever the ends say.
    """
    from scipy.optimize import brentq

    seen = {}

    def known(x):
        if x not in seen:
            value = seen[x] = float(function(x))
            if math.isnan(value):
                raise NotConverged(f"{what} was lost: there is no value at {x:.10g}", x)
        return seen[x]

    first, last = known(lo), known(hi)
    if first == 0.0 or last == 0.0:
        return lo if first == 0.0 else hi
    if (first > 0.0) == (last > 0.0):
        raise NotConverged(
            f"{what} was not found between {lo:.10g} and {hi:.10g}: the values {first:.3g} and {last:.3g} there have one sign"
        )
    x = brentq(known, lo, hi, xtol=1e-15, rtol=1e-15)
    scale = max([abs(y) for y in (first, last) if abs(y) < math.inf], default=0.0)
    if not abs(known(x)) <= max(JUMP * scale, zero):
        raise NotConverged(
            f"{what} was not found: the values jump across zero at {x:.10g}, by {abs(known(x)):.2g} or more", x, abs(known(x))
        )
    return x


def outwards(function, lo: float, hi: float, ends: tuple[float, float], what: str = "a root") -> tuple[float, float]:
    """A bracket of the root of a function that falls, from (lo, hi) on, by steps that double and do not pass `ends`."""
    step = hi - lo
    while not function(lo) > 0.0:
        if lo <= ends[0]:
            raise NotConverged(f"{what} was not found down to {ends[0]:g}, the end of its range", lo)
        lo, hi, step = max(lo - step, ends[0]), lo, 2.0 * step
    while not function(hi) < 0.0:
        if hi >= ends[1]:
            raise NotConverged(f"{what} was not found up to {ends[1]:g}, the end of its range", hi)
        lo, hi, step = hi, min(hi + step, ends[1]), 2.0 * step
    return lo, hi
