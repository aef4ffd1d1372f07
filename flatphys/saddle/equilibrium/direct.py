"""The saddle of a Gibbs learner on a mixture at one load, without the curve through all loads: state evolution, then Newton's method.

Unknowns (log q_hat, log m_hat, b).  One evaluation names the loads of both pattern equations (`averages.log_alphas`) and, of
biased clouds, the logarithm of the ratio in which they pull; state evolution subtracts what these are too large by, and is what message
passing does from a start that knows nothing, or all of the centre.  Where log f is concave the weights are those of a convex problem,
and both starts of spherical weights meet at its one saddle; where binary weights show two, the whole curve is followed
(`saddle.equilibrium.curve`).
"""

import math
from typing import NamedTuple

from flatphys._jit import jit
from flatphys.kernels.labels import clouds
from flatphys.saddle.equilibrium.averages import pattern_saddle, weights_average
from flatphys.saddle.equilibrium.branch import read_off_twice
from flatphys.saddle.equilibrium.rule import FARTHEST_BIAS, Fields, bias_gap, channel_width

NEAR, GAIN = 1.5, 0.7  # residual from which Newton's method takes over, and by which factor it has to fall at every step
EVOLVE, STEPS = 4000, 60
DIFFERENCE = 1e-6
DONE = 2e-15  # a residual at the level of rounding
CONVERGED = 1e-12


class Place(NamedTuple):
    """log q_hat, log m_hat, bias."""

    s: float
    r: float
    b: float


@jit
def gaps(problem, log_alpha, at, nodes):
    """(excess of the load named by q_hat, by m_hat, log ratio of the clouds' pulls and its slope over sigma), nan off the domain."""
    weight = weights_average(problem, math.exp(at.s), math.exp(at.r), 0, nodes)
    f = Fields(weight.v, weight.q, weight.r, weight.t2, at.b)
    a, b = pattern_saddle(problem, f, 0, nodes)
    first = at.s + math.log(f.v) - math.log(a) - log_alpha
    second = at.r + 0.5 * math.log(f.v) - math.log(b) - log_alpha
    if clouds(problem.labels) == 1:
        return first, second, 0.0, -1.0
    gap, slope = bias_gap(problem, f, at.b, nodes)
    return first, second, gap, slope * channel_width(problem, f)


@jit
def _size(found):
    return max(abs(found[0]), abs(found[1]), abs(found[2]))


@jit
def _evolved(at, found, width):
    """One step of state evolution, no longer than 2."""
    turn = found[2] / found[3] if found[3] < 0.0 else -math.copysign(1.0, found[2])
    return Place(at.s - min(max(found[0], -2.0), 2.0), at.r - min(max(found[1], -2.0), 2.0), at.b - width * min(max(turn, -1.0), 1.0))


@jit
def _newton_step(problem, log_alpha, at, found, biased, nodes):
    """The place where the equations' linear approximation vanishes."""
    one = gaps(problem, log_alpha, Place(at.s + DIFFERENCE, at.r, at.b), nodes)
    two = gaps(problem, log_alpha, Place(at.s, at.r + DIFFERENCE, at.b), nodes)
    a, d = (one[0] - found[0]) / DIFFERENCE, (one[1] - found[1]) / DIFFERENCE
    b, e = (two[0] - found[0]) / DIFFERENCE, (two[1] - found[1]) / DIFFERENCE
    if not biased:
        det = a * e - b * d
        return Place(at.s - (found[0] * e - found[1] * b) / det, at.r - (a * found[1] - d * found[0]) / det, at.b)
    three = gaps(problem, log_alpha, Place(at.s, at.r, at.b + DIFFERENCE), nodes)
    g, h = (one[2] - found[2]) / DIFFERENCE, (two[2] - found[2]) / DIFFERENCE
    c, f, i = (three[0] - found[0]) / DIFFERENCE, (three[1] - found[1]) / DIFFERENCE, (three[2] - found[2]) / DIFFERENCE
    x, y, z = found[0], found[1], found[2]
    det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    ds = x * (e * i - f * h) - b * (y * i - f * z) + c * (y * h - e * z)
    dr = a * (y * i - f * z) - x * (d * i - f * g) + c * (d * z - y * g)
    db = a * (e * z - y * h) - b * (d * z - y * g) + x * (d * h - e * g)
    return Place(at.s - ds / det, at.r - dr / det, at.b - db / det)


@jit
def settle(problem, log_alpha, at, nodes):
    """(`Place`, residual) that state evolution and Newton's method lead to from a place."""
    biased = clouds(problem.labels) == 2
    width = math.sqrt(problem.labels.variance)
    found = gaps(problem, log_alpha, at, nodes)
    size, near, budget = _size(found), NEAR, STEPS
    for _ in range(EVOLVE):
        if math.isnan(size) or abs(at.b) > FARTHEST_BIAS:
            return at, math.inf
        if size < DONE or (size < CONVERGED and budget == 0):
            return at, size
        if size < near and budget > 0:
            trial = _newton_step(problem, log_alpha, at, found, biased, nodes)
            new = gaps(problem, log_alpha, trial, nodes)
            fresh = _size(new)
            budget -= 1
            if fresh < GAIN * size:
                at, found, size = trial, new, fresh
                continue
            if size < CONVERGED:
                return (trial, fresh) if fresh < size else (at, size)
            near = GAIN * size  # the linear approximation is not good enough here
        at = _evolved(at, found, width)
        found = gaps(problem, log_alpha, at, nodes)
        size = _size(found)
    return at, size


@jit
def solve_mixture(problem, log_alpha, start, nodes):
    """(`ReadOff`, its worth) of the saddle that a start leads to."""
    at, size = settle(problem, log_alpha, start, nodes)
    return (
        read_off_twice(problem, log_alpha, at.r, at.s, nodes)
        if size < math.inf
        else read_off_twice(problem, log_alpha, math.nan, math.nan, nodes)
    )
