"""Hidden weights H, w = sign H (of 0: +1), and what moves them: a pattern with an error, an attracting centre.

A wrong pattern moves only the units that are closest to repairing its output: of the wrong ones as many as are missing, those of the
largest field, H_l += step z_l.  Of a perceptron that is the perceptron's rule.
"""

import math

import numpy as np

from flatphys._jit import inlined, jit
from flatphys.finite_size.binary.layout import words_of
from flatphys.finite_size.binary.vectors import LANES, add_signs, sign_word, turn
from flatphys.finite_size.chains.metropolis import below
from flatphys.finite_size.chains.philox import fill

# What random numbers are for: the last word of Philox's counter (0 and 1 are those of chains).
START, ORDER, SECURE, MOVE = np.uint64(16), np.uint64(17), np.uint64(18), np.uint64(19)


@jit
def refresh(valid, h, words, signs, sums):
    """Bits and signs of one unit after its hidden weights have moved, and the sums that the signs are part of."""
    for k in range(valid.size):
        words[k] = sign_word(h, LANES * k) & valid[k]
        turn(signs, sums, LANES * k, words[k])


def with_signs(valid, h):
    """Copies of hidden weights (rows, units, lanes), with their bits (rows, units, words) and signs (int8)."""
    words = words_of(h >= 0.0) & valid
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), axis=-1, bitorder="little")
    return np.array(h), words, (2 * bits.astype(np.int8) - 1)


@jit
def push(patterns, h, mu, unit, step):
    """H_unit += step z of pattern mu (+-1 patterns: with any value beyond the inputs, where nobody looks)."""
    row, words = h[unit], patterns.bits.shape[2]
    for k in range(words):
        add_signs(row, LANES * k, patterns.bits[mu, unit, k], step)
    if words == 0:
        for i in range(row.size):
            row[i] += step * np.float32(patterns.x[mu, unit, i])


@inlined
def closest_wrong(fields, k, threshold):
    """The wrong unit of the largest field in row k, -1 without one; the field is struck off."""
    unit, largest = -1, -math.inf
    for one in range(fields.shape[1]):
        if largest < fields[k, one] < threshold:
            unit, largest = one, fields[k, one]
    if unit >= 0:
        fields[k, unit] = -math.inf
    return unit


@jit
def shuffled(order, draws, epoch, chain, k0, k1):
    """Fill `order` with a permutation that depends on (key, chain, epoch) alone; `draws` (4, count/4 rounded up) is a buffer."""
    blocks = draws.shape[1]
    fill(draws, blocks, epoch * blocks, chain, ORDER, k0, k1)
    for i in range(order.size):
        order[i] = i
    for i in range(order.size - 1, 0, -1):
        j = below(draws[i % 4, i // 4], i + 1)
        order[i], order[j] = order[j], order[i]


def start(units: int, lanes: int, replicas: int, key) -> np.ndarray:
    """(replicas, units, lanes) float32: +-1 at random."""
    blocks = -(-units * lanes // 128)  # 128 bits each
    h = np.empty((replicas, units * lanes), np.float32)
    draws = np.empty((4, blocks), np.uint64)
    for a in range(replicas):
        fill(draws, blocks, 0, a, START, *key)
        bits = np.unpackbits(draws.T.astype("<u4").reshape(-1).view(np.uint8))[: h.shape[1]]
        h[a] = 2.0 * bits - 1.0
    return h.reshape(replicas, units, lanes)
