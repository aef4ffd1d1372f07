"""Approximate message passing in float32, for weights rather than digits: one iteration after another under a changing drive.

The equations are those of `messages.amp` with variances of the mean,

    V = variance mean(1 - m^2)     omega = F m - V g(before)     g, g' of the patterns
    A = -variance/size sum g'      B = F^T g + A m(before)

and m that follows B under one of three drives, whose strengths (s, y) are given for every iteration, with the damping:

    REINFORCED   H <- B + s H,  m = tanh H                               a memory of its own field
    FOCUSING     m of y replicas around a binary centre, coupling s      (`sites.star`)
    SELF         m = tanh(B + s m), on the branch with the sign of B     infinitely many replicas (as in `sites.self_consistent`)

Both m and g are damped.  Patterns are read as they are stored, int8 or float32: nothing is copied.
"""

import math
from typing import NamedTuple

import numpy as np

from flatphys._jit import jit
from flatphys.finite_size.messages.patterns import majority, slopes
from flatphys.finite_size.messages.products import along_patterns, along_weights
from flatphys.finite_size.messages.sites import star

REINFORCED, FOCUSING, SELF = 0, 1, 2
SELF_STEPS, ENOUGH = 60, 1e-7  # of Newton's iteration for one weight, and the last of them
FROZEN = 1e-12  # spread of the weights that keeps V positive


class Patterns(NamedTuple):
    """One instance: patterns by weight (n, p), the sign of each for every unit (units, p), 1/sqrt(n/units), their variance, channel."""

    x: np.ndarray
    signs: np.ndarray
    scale: float
    variance: float
    channel: tuple


class Course(NamedTuple):
    """Messages on their way: m and H (n,), g and of the present step omega, g, g', V (units, p); the best weights, and their errors."""

    m: np.ndarray
    h: np.ndarray
    g: np.ndarray
    omega: np.ndarray
    fresh: np.ndarray
    slope: np.ndarray
    v: np.ndarray
    best: np.ndarray
    fewest: np.ndarray


def course(units: int, n: int, p: int) -> Course:
    """Messages from none."""
    single, double = np.float32, np.float64
    wide = [np.zeros((units, p), kind) for kind in (single, double, double, double, double)]
    return Course(np.zeros(n, single), np.zeros(n, double), *wide, np.ones(n, np.int8), np.array([p + 1], np.int64))


@jit
def errors(patterns, w, fields):
    """The number of patterns below the margin; `fields` is a buffer (units, p) of float64."""
    units, p = patterns.signs.shape
    size = w.size // units
    for unit in range(units):
        fields[unit] = 0.0
        for i in range(unit * size, (unit + 1) * size):
            s = float(w[i])
            for mu in range(p):
                fields[unit, mu] += s * patterns.x[i, mu]
    wrong = 0
    for mu in range(p):
        if units == 1:
            wrong += fields[0, mu] * patterns.signs[0, mu] * patterns.scale < patterns.channel.margin
        else:
            right = 0
            for unit in range(units):
                right += (1.0 if fields[unit, mu] >= 0.0 else -1.0) * patterns.signs[unit, mu] > 0.0
            wrong += 2 * right < units
    return wrong


@jit
def keep_best(patterns, to, w):
    """Count the errors of the signs of m and keep them where they are the fewest so far; `w` is a buffer (n,)."""
    for i in range(w.size):
        w[i] = 1 if to.m[i] >= 0.0 else -1
    wrong = errors(patterns, w, to.omega)
    if wrong < to.fewest[0]:
        to.fewest[0] = wrong
        to.best[:] = w
    return wrong


@jit
def self_focused(b, s):
    """The outermost m with the sign of b that solves m = tanh(b + s m), to the digits of float32."""
    field, m = abs(b), 1.0
    for _ in range(SELF_STEPS):
        t = math.tanh(field + s * m)
        step = (m - t) / (1.0 - s * (1.0 - t * t))
        m -= step
        if not abs(step) > ENOUGH:
            break
    return math.copysign(m, b)


@jit
def drive(kind, b, h, s, y):
    """(m, H) of one weight in the field b of the patterns, where H was h."""
    if kind == REINFORCED:
        h = b + s * h
        return math.tanh(h), h
    if kind == FOCUSING:
        return star(b, s, y)[0], b
    if kind == SELF:
        return self_focused(b, s), b
    return math.nan, math.nan


@jit
def iterate(patterns, to, kind, strengths, looks):
    """One iteration for every row (s, y, damping) of `strengths`; ends where the signs of m, where `looks` says so, make no error.

    Returns the iterations done.
    """
    units, p = patterns.signs.shape
    n = to.m.size
    size = n // units
    w, line = np.empty(n, np.int8), np.empty(p, np.float32)
    field, reaction = np.empty(n, np.float32), np.zeros(units)
    for step in range(strengths.shape[0]):
        share = 1.0 - strengths[step, 2]
        for unit in range(units):
            spread = 0.0
            for i in range(unit * size, (unit + 1) * size):
                spread += 1.0 - float(to.m[i]) * float(to.m[i])
            v = patterns.variance * max(spread / size, FROZEN)
            along_weights(patterns.x[unit * size : (unit + 1) * size], to.m[unit * size : (unit + 1) * size], line)
            for mu in range(p):
                to.v[unit, mu] = v
                to.omega[unit, mu] = patterns.scale * float(line[mu]) * patterns.signs[unit, mu] - v * float(to.g[unit, mu])
        if units == 1:
            slopes(patterns.channel, to.omega[0], to.v[0, 0], to.fresh[0], to.slope[0])
        else:
            majority(patterns.channel, to.omega, to.v, to.fresh, to.slope)
        for unit in range(units):
            reaction[unit] = 0.0
            for mu in range(p):
                to.g[unit, mu] += np.float32(share * (to.fresh[unit, mu] - float(to.g[unit, mu])))
                reaction[unit] -= to.slope[unit, mu]
            for mu in range(p):
                line[mu] = to.g[unit, mu] * np.float32(patterns.signs[unit, mu])
            along_patterns(patterns.x[unit * size : (unit + 1) * size], line, field[unit * size : (unit + 1) * size])
            for i in range(unit * size, (unit + 1) * size):
                m = float(to.m[i])
                b = patterns.scale * float(field[i]) + patterns.variance / size * reaction[unit] * m
                new, to.h[i] = drive(kind, b, to.h[i], strengths[step, 0], strengths[step, 1])
                to.m[i] = np.float32(m + share * (new - m))
        if looks[step] and keep_best(patterns, to, w) == 0:
            return step + 1
    return strengths.shape[0]
