"""Secant search of a rising function inside a bracket, for compiled loops: the state of a search and its one step.

A kernel cannot take the function as an argument, so its loop evaluates and this module decides:

    search = begin(x0, f0, x1, (lo, hi), (cap, largest), abs(f0), goal)
    while search.going:
        search = advance(search, function(search.x), 0.0, goal, spacing)
        if search.improved: keep whatever else was found at this point

`best` is the least violation so far, `going` ends it: at `goal`, at 100 times that once three steps have not improved it
(rounding), when points are `spacing` apart, or after `MOST` steps.  A function that is not defined at a point ends the search too, with
`failed` unless the best violation so far is already one of rounding.
"""

import math
from typing import NamedTuple

from flatphys._jit import jit

CONVERGED = 1e-14  # relative violation of an equation at which a root search is content
SETTLED = 1e-12  # one at which it is content as well once three steps have not improved it: rounding
MOST = 80


class Secant(NamedTuple):
    """A search: the last point and its value, the next point x, the bracket, the longest step now and ever."""

    x0: float
    f0: float
    x: float
    lo: float
    hi: float
    cap: float
    largest: float
    best: float
    idle: int
    steps: int
    improved: bool
    going: bool
    failed: bool


@jit
def inside(x0, f0, x1, f1, lo, hi, cap):
    """The secant's next point, kept inside [lo, hi] and no further than `cap` from x1."""
    x = x1 - f1 * (x1 - x0) / (f1 - f0) if f1 != f0 else math.nan
    if x > x1 + cap:
        x = x1 + cap
    elif x < x1 - cap:
        x = x1 - cap
    if math.isnan(x):  # equal values: step aside
        x = x1 + 1e-3 * cap
    if x <= lo or x >= hi:
        if lo > -1e300 and hi < 1e300:
            x = 0.5 * (lo + hi)
        elif x <= lo:
            x = lo + cap
        else:
            x = hi - cap
    return x


@jit
def begin(x0, f0, x1, bracket, caps, worth, goal):
    """The search after the value f0 at x0, violated by `worth`, that goes on at x1; caps are the first and the longest step."""
    return Secant(x0, f0, x1, bracket[0], bracket[1], caps[0], caps[1], worth, 0, 0, False, not worth <= goal, False)


@jit
def advance(search, f, inner, goal, spacing):
    """The search after the value f at its point x, where something else is violated by `inner`."""
    x0, x, lo, hi, cap, best, idle, steps = search.x0, search.x, search.lo, search.hi, search.cap, search.best, search.idle, search.steps
    if math.isnan(f):  # a secant through rounding errors may lead anywhere
        return Secant(x0, search.f0, x, lo, hi, cap, search.largest, best, idle, steps, False, False, not best < SETTLED)
    worth = max(abs(f), inner)
    improved = worth < best
    idle = 0 if improved else idle + 1
    best = min(best, worth)
    if f < 0.0:
        lo = max(lo, x)
    else:
        hi = min(hi, x)
    following = inside(x0, search.f0, x, f, lo, hi, cap)
    going = abs(following - x) > spacing and steps + 1 < MOST and not (best <= goal or (idle > 2 and best < 100.0 * goal))
    return Secant(x, f, following, lo, hi, min(1.5 * cap, search.largest), search.largest, best, idle, steps + 1, improved, going, False)
