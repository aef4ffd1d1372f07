"""Metropolis moves of annealed replicas: the energies are errors, a centre that is summed over couples the replicas.

    weight  exp(-beta sum_a E(w_a) + sum_i log 2cosh(gamma S_i)),     S_i = sum_a w_a,i

A move proposes to flip one weight of one replica, both at random, and is accepted with min(1, ratio of the weights).  `beta` and
`gamma` go to their next values after `per_step` accepted moves.  The walk ends where a replica has no error.

+-1 patterns of a perceptron: the changes of energy come from marks and bits (`chains.moves`); else (committees, real patterns) from
all fields of the unit, O(P) a move.  Every move has the Philox block of its number: replica, weight, acceptance.
"""

import math
from typing import NamedTuple

import numpy as np

from flatphys._jit import inlined, jit
from flatphys.finite_size.binary.hidden import MOVE
from flatphys.finite_size.chains.metropolis import ONES, below
from flatphys.finite_size.chains.moves import WORD, flip_change, flip_fields
from flatphys.finite_size.chains.philox import MASK, SHIFT, philox


class Walkers(NamedTuple):
    """y replicas of one instance.

    w : (y, n) int8, h : (y, units, fields), upper and lower : (y, words) marks, right : (y, fields) right units of a pattern
    energy : (y,) errors, sums : (n,) of w, counters : moves done, step of the schedule, accepted moves in this step
    """

    w: np.ndarray
    h: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    right: np.ndarray
    energy: np.ndarray
    sums: np.ndarray
    counters: np.ndarray


class Course(NamedTuple):
    """beta and gamma after each number of steps (the last ones stay), accepted moves a step, the key of the random numbers."""

    betas: np.ndarray
    gammas: np.ndarray
    per_step: int
    k0: int
    k1: int


class Marks(NamedTuple):
    """Bits of the patterns by weight (n, words), the threshold as the fields' own type, a one for every pattern."""

    bits: np.ndarray
    threshold: np.ndarray
    valid: np.ndarray


class Columns(NamedTuple):
    """Signed patterns by weight (n, p), threshold and right units that a pattern needs."""

    x: np.ndarray
    threshold: float
    needed: int


@jit
def _holds(walkers, course, table):
    """table[S + y] = log 2cosh(gamma S) at this step, without a constant; returns beta."""
    y, step = len(walkers.w), min(walkers.counters[1], course.betas.size - 1)
    gamma = course.gammas[step]
    for s in range(-y, y + 1):
        table[s + y] = gamma * abs(s) + math.log1p(math.exp(-2.0 * gamma * abs(s)))
    return course.betas[step]


@inlined
def _accepted(gain, word):
    """Whether a move whose weight changes by exp(gain) is taken."""
    return gain >= 0.0 or np.float64(word) < WORD * math.exp(gain)


@inlined
def _flipped(walkers, course, table, beta, a, i, rise):
    """Write down an accepted move; the beta of the next one."""
    one = walkers.w[a, i]
    walkers.w[a, i] = -one
    walkers.sums[i] -= 2 * one
    walkers.energy[a] += rise
    walkers.counters[2] += 1
    if walkers.counters[2] < course.per_step:
        return beta
    walkers.counters[1] += 1
    walkers.counters[2] = 0
    return _holds(walkers, course, table)


@jit
def walk_marks(marks, walkers, course, count):
    """`count` moves or fewer; the replica without an error, or -1."""
    y, n = walkers.w.shape
    table = np.empty(2 * y + 1)
    beta = _holds(walkers, course, table)
    for _ in range(count):
        at = np.uint64(walkers.counters[0])
        first, second, third, _ = philox(at & MASK, at >> SHIFT, np.uint64(0), MOVE, course.k0, course.k1)
        walkers.counters[0] += 1
        a, i = below(first, y), below(second, n)
        one, total = walkers.w[a, i], walkers.sums[i] + y
        sign = ONES if one > 0 else np.uint64(0)
        rise = flip_change(marks.bits[i], sign, walkers.upper[a], walkers.lower[a])
        if _accepted(table[total - 2 * one] - table[total] - beta * rise, third):
            flip_fields(walkers.h[a, 0], marks.bits[i], sign, marks.threshold, marks.valid, walkers.upper[a], walkers.lower[a])
            beta = _flipped(walkers, course, table, beta, a, i, rise)
            if walkers.energy[a] == 0:
                return a
    return -1


@jit
def walk_columns(columns, walkers, course, count):
    """The same from all fields of the unit."""
    y, n = walkers.w.shape
    size, p = n // walkers.h.shape[1], walkers.h.shape[2]
    table = np.empty(2 * y + 1)
    beta = _holds(walkers, course, table)
    for _ in range(count):
        at = np.uint64(walkers.counters[0])
        first, second, third, _ = philox(at & MASK, at >> SHIFT, np.uint64(0), MOVE, course.k0, course.k1)
        walkers.counters[0] += 1
        a, i = below(first, y), below(second, n)
        one, total = walkers.w[a, i], walkers.sums[i] + y
        h, x, right = walkers.h[a, i // size], columns.x[i], walkers.right[a]
        shift, rise = -2.0 * one, 0
        for mu in range(p):
            more = (h[mu] + shift * x[mu] >= columns.threshold) - (h[mu] >= columns.threshold)
            rise += (right[mu] + more < columns.needed) - (right[mu] < columns.needed)
        if _accepted(table[total - 2 * one] - table[total] - beta * rise, third):
            for mu in range(p):
                new = h[mu] + shift * x[mu]
                right[mu] += (new >= columns.threshold) - (h[mu] >= columns.threshold)
                h[mu] = new
            beta = _flipped(walkers, course, table, beta, a, i, rise)
            if walkers.energy[a] == 0:
                return a
    return -1
