"""The force on real weights: costs of stabilities, the network between, and the sphere (compiled; `descent.gradient` has the equations)."""

import math
from typing import NamedTuple

import numpy as np

from flatphys._jit import jit
from flatphys.finite_size.messages.products import along_patterns, along_weights
from flatphys.kernels.codes import ERF, RELU, Loss
from flatphys.kernels.losses import point
from flatphys.kernels.networks import phi
from flatphys.numerics.gaussian import density, tail

COUNTED = -1  # in place of a loss's code: errors, smoothed


class Cost(NamedTuple):
    """What a pattern costs (sigma: the width of a step, or of noise), and where: the loss is taken at t + shift; `margin` counts errors."""

    loss: Loss
    shift: float
    margin: float


class Net(NamedTuple):
    """What the weights drive: code (-1: a perceptron), the units' output weights, sqrt of their inputs, and the unit of the stability."""

    code: int
    signs: np.ndarray
    root: float
    unit: float


@jit
def cost_point(cost, t):
    """(cost, -d cost/dt) of a stability."""
    if cost.loss.code == COUNTED:
        u = (t - cost.margin + cost.shift) / cost.loss.sigma
        return tail(u), density(u) / cost.loss.sigma
    value, slope, _ = point(cost.loss, t + cost.shift)
    return value, -slope


@jit
def add_up(cost, t, force):
    """(sum of costs, number of errors); `force` becomes -d cost/dt."""
    total, errors = 0.0, 0
    for mu in range(t.size):
        value, force[mu] = cost_point(cost, t[mu])
        total += value
        errors += t[mu] < cost.margin
    return total, errors


@jit
def slope_of(code, h):
    """phi'(h)."""
    if code == ERF:
        return 2.0 / math.sqrt(math.pi) * math.exp(-h * h)
    if code == RELU:
        return 1.0 if h > 0.0 else 0.0
    return math.nan


@jit
def stabilities(net, x, labels, w, fields, t):
    """Fills the units' fields (K, P) and t (P,)."""
    size = x.shape[0] // net.signs.size
    for unit in range(net.signs.size):
        along_weights(x[unit * size : (unit + 1) * size], w[unit * size : (unit + 1) * size], fields[unit])
    if net.code < 0:
        for mu in range(t.size):
            t[mu] = fields[0, mu] / net.root
        return
    for mu in range(t.size):
        total = 0.0
        for unit in range(net.signs.size):
            fields[unit, mu] /= net.root
            total += net.signs[unit] * phi(net.code, fields[unit, mu])
        t[mu] = labels[mu] * total / net.unit


@jit
def pull(net, x, labels, fields, force, out):
    """out_i = sum_mu force_mu dt_mu/dw_i; `fields` are spent."""
    size = x.shape[0] // net.signs.size
    for unit in range(net.signs.size):
        row = fields[unit]
        for mu in range(force.size):
            if net.code < 0:
                row[mu] = force[mu] / net.root
            else:
                row[mu] = force[mu] * labels[mu] * net.signs[unit] * slope_of(net.code, row[mu]) / (net.root * net.unit)
        along_patterns(x[unit * size : (unit + 1) * size], row, out[unit * size : (unit + 1) * size])


@jit
def along_sphere(w, out, units):
    """Take from `out` what lies along w, unit by unit: a slope on the sphere."""
    size = w.size // units
    for low in range(0, w.size, size):
        both = own = 0.0
        for i in range(low, low + size):
            both += w[i] * out[i]
            own += w[i] * w[i]
        for i in range(low, low + size):
            out[i] -= both / own * w[i]


@jit
def to_sphere(w, units):
    """Give every unit its norm sqrt(N/K)."""
    size = w.size // units
    for low in range(0, w.size, size):
        own = 0.0
        for i in range(low, low + size):
            own += w[i] * w[i]
        scale = math.sqrt(size / own)
        for i in range(low, low + size):
            w[i] *= scale


@jit
def force_on(ground, x, labels, w, room, out):
    """(sum of costs, errors) of these patterns at w; `out` becomes the force, with l2 or along the sphere."""
    fields, t, f = room
    stabilities(ground.net, x, labels, w, fields, t)
    total, errors = add_up(ground.cost, t, f)
    pull(ground.net, x, labels, fields, f, out)
    if ground.free:
        for i in range(w.size):
            out[i] -= ground.l2 * w[i]
    else:
        along_sphere(w, out, ground.units)
    return total, errors


@jit
def gather(x, labels, chosen, block, signs):
    """Fills block (N, b) and signs (b,) with some of the patterns."""
    for i in range(x.shape[0]):
        row, to = x[i], block[i]
        for j in range(chosen.size):
            to[j] = row[chosen[j]]
    for j in range(chosen.size):
        signs[j] = labels[chosen[j]]


class Ground(NamedTuple):
    """What a force is made of: network, cost, l2, units, and whether the norm is free."""

    net: Net
    cost: Cost
    l2: float
    units: int
    free: bool
