"""The law of the cavity field of a pattern in the dense regions, as nodes and weights in x = (kappa - l)/sqrt V.

l = sqrt(q0) z0 + sqrt(q1-q0) z1 under the nested measure W Dz0 Dz1 f^m / I (`saddle.breaking.inner`), or the maximiser at y = inf
(`saddle.breaking.limit`).  Averages of functions that are smooth on the scale 1 in x are then sums.
"""

import math

import numpy as np

from flatphys._jit import jit
from flatphys.errors import NotConverged
from flatphys.kernels.labels import label_weight
from flatphys.numerics.gaussian import density
from flatphys.numerics.quadrature import LEGENDRE_W, LEGENDRE_X, ORDER, REACH, panel_nodes
from flatphys.saddle.breaking.averages import pattern_zeros
from flatphys.saddle.breaking.inner import Inner, P, X, inner_nodes, room
from flatphys.saddle.breaking.jump import jump_of
from flatphys.saddle.breaking.limit import maximiser, pattern_nodes

LIGHT = 1e-19  # nodes of smaller weight are dropped
PANEL = 1.25  # panels of the law of x; 16 nodes resolve the conditional law, of width 1 in x, on them
OUTER = 1.0  # longest outer panel in units of the width of the conditional law of Delta given z0
FLOOR = -1e9  # every field counts, those of patterns obeyed with certainty too
MASS = 1e-9  # by which the law's mass may differ from 1
_INDEX = np.arange(ORDER)
_BARYCENTRIC = (-1.0) ** _INDEX * np.sqrt((1.0 - LEGENDRE_X**2) * LEGENDRE_W)


@jit
def deposit(x, weight, low, length, shared):
    """Share the weight of a node at x among the Gauss-Legendre nodes of its panel, by interpolation."""
    p = min(max(int((x - low) / length), 0), shared.size // ORDER - 1)
    s = 2.0 * ((x - low) / length - p) - 1.0
    total = 0.0
    for j in range(ORDER):
        gap = s - LEGENDRE_X[j]
        if gap == 0.0:
            shared[p * ORDER + j] += weight
            return
        total += _BARYCENTRIC[j] / gap
    for j in range(ORDER):
        shared[p * ORDER + j] += weight * _BARYCENTRIC[j] / (s - LEGENDRE_X[j]) / total


@jit
def limit_nodes(patterns, room):
    """Number of nodes x of the maximiser's law; x and plain weights in `room`."""
    jump = jump_of(patterns.channel, math.sqrt(patterns.v), patterns.spread)
    return pattern_nodes(patterns, jump, 1, FLOOR, room.u, room.w)


@jit
def outer_nodes(patterns, m, room):
    """(number of nodes, x0 at z0 = 0, -dx0/dz0) of the outer field z0, for laws that are smooth on the scale 1 in x."""
    c, start = math.sqrt(patterns.q0 / patterns.v), patterns.channel.margin / math.sqrt(patterns.v)
    c1, w1, c2, w2 = pattern_zeros(Inner(patterns.channel, math.sqrt(patterns.v), patterns.spread, m))
    narrow = 3.0 / patterns.k if patterns.k > 0.0 else math.inf
    marks = ((start - c1) / c, w1 / c, (start - c2) / c, w2 / c, 0.0, narrow, 0.0, math.inf)
    cap = min(1.2, OUTER * math.sqrt(1.0 + patterns.spread) / c)
    return panel_nodes(0, -REACH, REACH, 1.2, cap, marks, room.u, room.w), start, c


@jit
def limit_fields(patterns, low, length, shared, room):
    """The law of x at y = inf, shared among panels of `length` from `low` on."""
    n = limit_nodes(patterns, room)
    for i in range(n):
        z, plain, _, _, _, _ = maximiser(patterns, room.u[i], room.w[i])
        weight = plain * label_weight(patterns.labels, patterns.k, z)
        if weight > LIGHT:
            deposit(room.u[i], weight, low, length, shared)


@jit
def nested_fields(patterns, m, low, length, shared, room):
    """The law of x at finite y, as `limit_fields`."""
    inner = Inner(patterns.channel, math.sqrt(patterns.v), patterns.spread, m)
    n, start, c = outer_nodes(patterns, m, room)
    for i in range(n):
        outer = room.w[i] * density(room.u[i]) * label_weight(patterns.labels, patterns.k, room.u[i])
        if outer < LIGHT:
            continue
        size, _ = inner_nodes(inner, start - c * room.u[i], 1, PANEL, room.inner)
        for j in range(size):
            weight = outer * room.inner[P, j]
            if weight > LIGHT:
                deposit(room.inner[X, j], weight, low, length, shared)


def field_law(patterns, m):
    """(nodes x, weights) of the law of the field; raises where its mass is not 1."""
    root, reach = math.sqrt(patterns.v), REACH * math.sqrt(patterns.labels.variance)
    low, high = (patterns.channel.margin - reach) / root - 1.0, (patterns.channel.margin + reach) / root + 1.0
    panels = math.ceil((high - low) / PANEL)
    length = (high - low) / panels
    shared = np.zeros(panels * ORDER)
    if m == math.inf:
        limit_fields(patterns, low, length, shared, room())
    else:
        nested_fields(patterns, m, low, length, shared, room())
    mass = float(shared.sum())
    if not abs(mass - 1.0) < MASS:
        raise NotConverged(
            f"the law of the stabilities has total mass {mass:.10g} instead of 1 at 1-q1 = {patterns.v:.3g}: use a larger distance",
            None,
            abs(mass - 1.0),
        )
    nodes = (low + length * (np.arange(panels)[:, None] + 0.5 * (1.0 + LEGENDRE_X))).ravel()
    used = np.repeat(np.any(shared.reshape(panels, ORDER) != 0.0, axis=1), ORDER)
    return nodes[used], shared[used]
