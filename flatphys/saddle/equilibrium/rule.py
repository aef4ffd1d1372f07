"""Where the field of a pattern is summed: the nodes of the averages of `saddle.equilibrium.averages`, and the stationary bias of clouds."""

import math
from typing import NamedTuple

from flatphys._jit import jit
from flatphys.kernels.channels import channel, features, growth
from flatphys.kernels.codes import LOGISTIC_ENERGY, MIXTURE, NISHIMORI, RANDOM, TEACHER
from flatphys.numerics.quadrature import REACH, gaussian_nodes

FARTHEST_BIAS = 1e3  # a bias beyond tells the classes apart without weights


class Fields(NamedTuple):
    """Overlaps of the fields that patterns see; v = 1-q and t2 = q - R^2; b is the bias of a mixture's clouds."""

    v: float
    q: float
    r: float
    t2: float
    b: float = 0.0


class PatternRule(NamedTuple):
    """n nodes u of a pattern average (-1: none): z = origin + u, x = x0 + dx u."""

    n: int
    x0: float
    dx: float
    origin: float


@jit
def teacher_scale(problem, f):
    """(growth off the axis, width of a panel's share) of Dz H(-Rz/T): both as a Gaussian of variance T^2/q."""
    if problem.labels.kind == RANDOM or problem.labels.kind == MIXTURE:
        return 1.0, math.inf
    return f.q / f.t2, 3.0 * math.sqrt(f.t2) / max(f.r, 1e-300)


@jit
def teacher_ratio(problem, f):
    """k = R/T of the labels' weight; 0 where there is none."""
    return f.r / math.sqrt(f.t2) if problem.labels.kind == TEACHER or problem.labels.kind == NISHIMORI else 0.0


@jit
def pattern_reach(margin):
    """How far a pattern average reaches: far negative margins are felt only in the measure's own tail."""
    return REACH + max(0.0, -margin - 2.0 if margin > -32.0 else 30.0)


@jit
def pattern_poles(problem, x0, c, sigma):
    """The channel's singularities in u, x = x0 - c u."""
    re, im, re2, im2 = features(problem.channel, sigma)
    return (x0 - re) / c, im / c, (x0 - re2) / c, im2 / c


@jit
def channel_width(problem, f):
    """sigma of the channel: the field's standard deviation left by the weights' own."""
    return math.sqrt(problem.labels.variance * f.v)


@jit
def pattern_rule(problem, f, mean, shares, level, nodes):
    """`PatternRule` of an average in fields of overlaps `f` around a cloud's `mean` (0 where there is none).

    `shares`: whether the share of patterns below the margin is averaged too, which of a logistic energy is less smooth than all else.
    """
    kappa, sigma = (problem.channel.margin - mean) / math.sqrt(problem.labels.variance), math.sqrt(f.v)
    c = math.sqrt(f.q / f.v)
    reach = pattern_reach(kappa)
    origin = kappa / math.sqrt(f.q) if kappa * kappa < reach * reach * f.q else 0.0
    # nodes are exact relative to the sharper step: the student's at z = kappa/sqrt(q), or the teacher's at z = 0
    if problem.labels.kind == TEACHER and f.t2 < f.v * f.r * f.r:
        origin = 0.0
    x0 = 0.0 if origin != 0.0 or kappa == 0.0 else kappa / sigma
    rise, narrow = teacher_scale(problem, f)
    sigma = channel_width(problem, f)
    steep = growth(problem.channel, sigma) if shares or problem.channel.energy != LOGISTIC_ENERGY else 0.0
    own = 3.0 / (c * math.sqrt(steep)) if steep > 0.0 else math.inf
    marks = (-origin, narrow, x0 / c if steep > 0.0 else 0.0, own)
    n = gaussian_nodes(level, reach, rise + steep * c * c, origin, pattern_poles(problem, x0, c, sigma), marks, nodes[0], nodes[1])
    return PatternRule(n, x0, -c, origin)


@jit
def _cloud_slope(problem, f, i, mean, nodes):
    """(Int Dz a, -Int Dz da/dx = Int Dz b) of one cloud."""
    u, w = nodes
    rule, sigma = pattern_rule(problem, f, mean, False, 0, nodes), channel_width(problem, f)
    first = bend = 0.0
    for j in range(rule.n):
        _, a, b = channel(problem.channel, rule.x0 + rule.dx * u[j], sigma)
        first += w[j] * a
        bend += w[j] * b
    return first, bend


@jit
def bias_gap(problem, f, b, nodes):
    """(log ratio in which the clouds pull a bias up and down, its slope in b)."""
    share = problem.labels.share
    up, up_bend = _cloud_slope(problem, f, 0, f.r + b, nodes)
    down, down_bend = _cloud_slope(problem, f, 1, f.r - b, nodes)
    return math.log(share * up / ((1.0 - share) * down)), (up_bend / up + down_bend / down) / channel_width(problem, f)


@jit
def stationary_bias(problem, f, nodes):
    """The bias b at which both clouds pull alike, share Int Dz a(m+b) = (1-share) Int Dz a(m-b); nan where there is none.

    The logarithm of the ratio falls with b where log f is concave: Newton's method, halved where it overshoots.
    """
    sigma = channel_width(problem, f)
    b = last = step = 0.0
    best = math.inf
    for _ in range(100):
        gap, slope = bias_gap(problem, f, b, nodes)
        if math.isnan(gap) or not abs(b) < FARTHEST_BIAS:
            return math.nan
        if abs(gap) < 0.9 * best or best == math.inf:
            best, last = abs(gap), b
            if best < 1e-15:
                return b
            step = -gap / slope if slope < 0.0 else math.copysign(sigma, gap)
            step = min(max(step, -2.0 * sigma), 2.0 * sigma)
        elif best < 1e-11:
            return last
        else:
            step *= 0.5
        b = last + step
    return math.nan
