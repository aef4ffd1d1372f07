"""The chains of `metropolis.sweep_bits` as a CUDA kernel; see `metropolis_cuda` for how a block works.

Patterns are mu = 64 k + bit in word k, and k = t, t+T, ... is owned by thread t.  Fields (as [bit][word], so that a warp touches
neighbouring addresses), marks and weights live in shared memory; a proposal costs one word of patterns per 64 patterns.
"""

import functools

import numba
import numpy as np
from numba import cuda

from flatphys.finite_size.chains.layout import FLIP, PAIR
from flatphys.finite_size.chains.metropolis import ONES, below
from flatphys.finite_size.chains.metropolis_cuda import WORD_BYTES, accepts, block_sum, clear, fill, kernel_of
from flatphys.finite_size.chains.moves import LANES

ZERO, ONE = np.uint64(0), np.uint64(1)


def bits_bytes(n, width, threads, itemsize):
    """Shared memory of a block of `bits_kernel` without the fields, and that of the fields."""
    own = 2 * width + (n + LANES - 1) // LANES
    return 8 * own + WORD_BYTES * threads, itemsize * LANES * width


@cuda.jit(device=True)
def pack_signs(weights, signs):
    """Bits of the positive weights, shared out to the threads."""
    for k in range(cuda.threadIdx.x, signs.size, cuda.blockDim.x):
        pack = ZERO
        for i in range(k * LANES, min(weights.size, (k + 1) * LANES)):
            if weights[i] > 0:
                pack |= ONE << np.uint64(i % LANES)
        signs[k] = pack


@cuda.jit(device=True)
def turn_signs(signs, i, j, pack_i, pack_j):
    """Flip the bits of weight i, and of weight j unless it is the same, in words read before the barrier: every thread writes the same."""
    bit_i, bit_j = ONE << np.uint64(i % LANES), ONE << np.uint64(j % LANES)
    if i == j:
        signs[i // LANES] = pack_i ^ bit_i
    elif i // LANES == j // LANES:
        signs[i // LANES] = pack_i ^ bit_i ^ bit_j
    else:
        signs[i // LANES], signs[j // LANES] = pack_i ^ bit_i, pack_j ^ bit_j


@cuda.jit(device=True)
def shift_marks(fields, at, stride, y, z, mode, limit):
    """Move the 64 fields from `at` on by the bits y and z (mode < 0: not at all); returns their marks (U, L)."""
    u, v = ZERO, ZERO
    step = np.int32(4 if mode == PAIR or mode == -PAIR - 1 else 2)
    for bit in range(LANES):
        value = np.int32(fields[at + bit * stride])
        if mode >= 0:
            move = np.int32(y & ONE)
            if mode == PAIR:
                move += np.int32(z & ONE) - 1
                move *= 4
            else:
                move = 4 * move - 2
            value = np.int32(value + move)
            fields[at + bit * stride] = value
            y, z = y >> ONE, z >> ONE
        above = np.int32(value - limit)
        if 0 <= above < step:
            u |= ONE << np.uint64(bit)
        elif -step <= above < 0:
            v |= ONE << np.uint64(bit)
    return u, v


@functools.cache
def bits_kernel(itemsize, shared):
    """Binary weights, +-1 patterns, errors: int16 or int32 fields, in shared memory or not."""
    kind = numba.int16 if itemsize == 2 else numba.int32

    @kernel_of(64)
    def kernel(span, move, threshold, bath, patterns, state):
        local, t, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
        instance = (span.lo + local) // patterns.per_instance - patterns.first
        bits, valid, mode = patterns.bits[instance], patterns.valid, move.mode
        n, width, level, places = state.w.shape[1], bits.shape[1], state.level[local], state.order[local]
        packs = (n + LANES - 1) // LANES
        sums = cuda.shared.array(3, numba.int32)
        whole = cuda.shared.array(0, numba.uint64)
        upper, lower, signs = whole[:width], whole[width : 2 * width], whole[2 * width : 2 * width + packs]
        start = 8 * (2 * width + packs)
        words = cuda.shared.array(0, numba.uint32)[start // 4 : start // 4 + 4 * threads]
        start += WORD_BYTES * threads
        if shared:
            fields = cuda.shared.array(0, kind)[start // itemsize : start // itemsize + LANES * width]
            by_word, by_bit = 1, width
            for mu in range(t, LANES * width, threads):
                fields[mu % LANES * width + mu // LANES] = state.h[local, 0, mu]
        else:
            fields = state.h[local, 0]
            by_word, by_bit = LANES, 1
        pack_signs(state.w[local], signs)
        clear(sums)
        limit, table, rate = np.int32(threshold[0]), bath.words[level], bath.rates[level]
        for k in range(t, width, threads):
            u, v = shift_marks(fields, k * by_word, by_bit, ZERO, ZERO, -mode - 1, limit)
            upper[k], lower[k] = u & valid[k], v & valid[k]

        e, taken, slot = state.energy[local], 0, 0
        for batch in range(0, span.steps, threads):
            count = min(threads, span.steps - batch)
            fill(words, count, span.first + batch, span.lo + local, span.k0, span.k1)
            for s in range(count):
                here, there = 0, 0
                if mode == FLIP:
                    i = below(words[s], n)
                    j = i
                else:
                    here, there = below(words[s], move.agree), move.agree + below(words[threads + s], n - move.agree)
                    i, j = np.int64(places[here]), np.int64(places[there])
                word = words[3 * threads + s]
                pack_i, pack_j = signs[i // LANES], signs[j // LANES]
                sign = ONES if pack_i >> np.uint64(i % LANES) & ONE != ZERO else ZERO
                other = ONES if pack_j >> np.uint64(j % LANES) & ONE != ZERO else ZERO
                part = 0
                for k in range(t, width, threads):  # for a flip z = y, which leaves one formula
                    y, z = bits[i, k] ^ sign, bits[j, k] ^ other
                    part += np.int32(cuda.popc(upper[k] & ((y | z) ^ ONES))) - np.int32(cuda.popc(lower[k] & y & z))
                de, slot = block_sum(sums, slot, part)
                if accepts(table, rate, de, word):
                    e += de
                    taken += 1
                    if mode == PAIR:
                        places[here], places[there] = j, i
                    turn_signs(signs, i, j, pack_i, pack_j)
                    for k in range(t, width, threads):
                        u, v = shift_marks(fields, k * by_word, by_bit, bits[i, k] ^ sign, bits[j, k] ^ other, mode, limit)
                        upper[k], lower[k] = u & valid[k], v & valid[k]
        cuda.syncthreads()
        for i in range(t, n, threads):
            state.w[local, i] = 1 if signs[i // LANES] >> np.uint64(i % LANES) & ONE != ZERO else -1
        if shared:
            for mu in range(t, LANES * width, threads):
                state.h[local, 0, mu] = fields[mu % LANES * width + mu // LANES]
        if t == 0:
            state.energy[local] = e
            state.accepted[local // state.accepted.shape[1], level] += taken

    return kernel
