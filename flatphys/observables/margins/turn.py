"""Stabilities of perturbed weights in the dense regions, and in the one-step states, of a tree committee.

Weights w' at the overlap p with w, perturbed without regard to the patterns, have the overlap p q1 with the other replicas of
w's region and p q0 with those of other regions.  With a pattern's fields z0 (shared by all), z1 (by the region) and y (w's own,
y > x), c_0 = c(q0), c_1 = c(q1) and the region's field delta = sqrt(c_1 - c_0) z1,

    Delta' = [c(p q0)/sqrt(c_0)] z0 + ratio delta + [(c(p) - c(p q1))/sqrt(1-c_1)] y + s g,
    ratio = [c(p q1) - c(p q0)]/(c_1 - c_0),        s^2 = 1 - what the other terms have without patterns

and for the perceptron p Delta + sqrt(1-p^2) g.  At y = inf replicas delta = sqrt(1-c_1) r M(x), r = dq/V (`saddle.breaking.limit`), and
ratio = p c'(p q1)/c'(q1).  The measure of (z0, z1, y) is that of `observables.margins.dense`.
"""

import math
from typing import NamedTuple

from flatphys._jit import jit
from flatphys.kernels.networks import overlap_difference, overlap_map, overlap_slope
from flatphys.numerics.gaussian import density
from flatphys.numerics.quadrature import buffers
from flatphys.observables.margins.fields import PANEL, limit_nodes, outer_nodes
from flatphys.observables.margins.gibbs import sign_turned
from flatphys.saddle.breaking.inner import Inner, P, X, inner_nodes, room
from flatphys.saddle.breaking.limit import maximiser

LIGHT = 1e-17  # nodes of smaller weight are passed over
NOISELESS = 1e-15  # s^2 below which the weights are the original ones


class Turn(NamedTuple):
    """The coefficients of the module's docstring, s^2 the last."""

    of_z: float
    ratio: float
    of_y: float
    rest: float


@jit
def coefficients(net, v, q0, gap, eps):
    """The `Turn` at p = 1 - eps; gap = q1 - q0, 0 at y = inf."""
    p, q1 = 1.0 - eps, 1.0 - v
    _, turned = overlap_map(net, p, eps)
    c1, cv = overlap_map(net, q1, v)
    c0, _ = overlap_map(net, q0, v + gap)
    pq1, pq0 = p * q1, p * q0
    _, far = overlap_map(net, pq1, eps + p * v)
    lost1 = far - cv  # c(q1) - c(p q1)
    if gap > 0.0:
        c_gap = overlap_difference(net, q0, v + gap, q1, v, gap)
        ratio = overlap_difference(net, pq0, eps + p * (v + gap), pq1, eps + p * v, p * gap) / c_gap
    else:
        c_gap, ratio = 0.0, p * overlap_slope(net, pq1, eps + p * v) / overlap_slope(net, q1, v)
    lost0 = lost1 - c_gap * (1.0 - ratio)
    rest = 2.0 * turned - lost0 * lost0 / c0 - c_gap * (1.0 - ratio) ** 2 - (turned - lost1) ** 2 / cv
    return Turn((c0 - lost0) / math.sqrt(c0), ratio, (cv - turned + lost1) / math.sqrt(cv), rest)


@jit
def turned_limit(patterns, turn, room, nodes):
    """P(Delta' < 0) at y = inf replicas."""
    root, s = math.sqrt(patterns.v), math.sqrt(turn.rest)
    n = limit_nodes(patterns, room)
    total = 0.0
    for i in range(n):
        z, weight, _, a, _, _ = maximiser(patterns, room.u[i], room.w[i])
        if weight > LIGHT:
            shift = turn.of_z * z + turn.ratio * root * patterns.spread * a
            total += weight * sign_turned(patterns.channel, room.u[i], root, (shift / s, turn.of_y / s), nodes)
    return total


@jit
def turned_nested(patterns, m, turn, room, nodes):
    """P(Delta' < 0) at m replicas."""
    root, s = math.sqrt(patterns.v), math.sqrt(turn.rest)
    inner = Inner(patterns.channel, root, patterns.spread, m)
    n, start, c = outer_nodes(patterns, m, room)
    total = 0.0
    for i in range(n):
        outer = room.w[i] * density(room.u[i])
        if outer < LIGHT:
            continue
        x0 = start - c * room.u[i]
        size, _ = inner_nodes(inner, x0, 1, PANEL, room.inner)
        for j in range(size):
            x, weight = room.inner[X, j], outer * room.inner[P, j]
            if weight > LIGHT:
                shift = turn.of_z * room.u[i] + turn.ratio * root * (x0 - x)
                total += weight * sign_turned(patterns.channel, x, root, (shift / s, turn.of_y / s), nodes)
    return total


def turned_mass(patterns, m, net, overlaps, eps):
    """P(Delta' < 0) at the overlap 1 - eps with the original weights, overlaps = (1-q1, q0, q1-q0); None: they have not moved."""
    turn = coefficients(net, *overlaps, eps)
    if not turn.rest > NOISELESS:
        return None
    if m == math.inf:
        return turned_limit(patterns, turn, room(), buffers(1))
    return turned_nested(patterns, m, turn, room(), buffers(1))
