"""Hidden weights H, w = sign H (of 0: +1), and what moves them: a pattern with an error, an attracting centre.

A wrong pattern moves only the units that are closest to repairing its output: of the wrong ones as many as are missing, those of the
largest field, H_l += step z_l.  Of a perceptron that is the perceptron's rule.
"""

import math

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from flatphys._jit import jit
from flatphys.finite_size.chains.metropolis import below
from flatphys.finite_size.chains.moves import LANES
from flatphys.finite_size.chains.philox import fill

# What random numbers are for: the last word of Philox's counter (0 and 1 are those of chains).
START, ORDER, SECURE, MOVE = np.uint64(16), np.uint64(17), np.uint64(18), np.uint64(19)


@intrinsic
def sign_word(typingctx, h, at):
    """A word of ones where h[at : at+64] >= 0."""

    def codegen(context, builder, signature, args):
        array, place = args
        data = context.make_array(signature.args[0])(context, builder, array).data
        vector = ir.VectorType(ir.FloatType(), LANES)
        values = builder.load(builder.bitcast(builder.gep(data, [place]), vector.as_pointer()))
        values.align = 4
        return builder.bitcast(builder.fcmp_ordered(">=", values, ir.Constant(vector, [0.0] * LANES)), ir.IntType(64))

    return types.uint64(h, types.intp), codegen


@jit
def refresh(valid, h, words, signs):
    """Bits and signs of one unit's hidden weights."""
    for k in range(valid.size):
        words[k] = sign_word(h, LANES * k) & valid[k]
    for i in range(h.size):
        signs[i] = np.int8(1) if h[i] >= np.float32(0.0) else np.int8(-1)


@jit
def add(h, x, step):
    """h += step x."""
    for i in range(h.size):
        h[i] += step * np.float32(x[i])


@jit
def closest_wrong(fields, threshold):
    """The wrong unit of the largest field, -1 without one; the field is struck off."""
    unit, largest = -1, -math.inf
    for one in range(fields.size):
        if largest < fields[one] < threshold:
            unit, largest = one, fields[one]
    if unit >= 0:
        fields[unit] = -math.inf
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
