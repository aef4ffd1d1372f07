"""The chains of `metropolis` as CUDA kernels (those of `committee`: `committee_cuda`): one block per walker, many walkers per device.

Random numbers, proposals and acceptance words are those of the CPU (its scalar functions are compiled for the GPU here), so that the
trajectories agree step by step: exactly where fields are integers, and as long as float64 rounding does not decide a comparison
where they are real.

How a block of T threads works on a walker, with patterns mu = 64 k + bit in word k, and k = t, t+T, ... owned by thread t:

    * fields (as [bit][word], so that a warp touches neighbouring addresses), marks and weights live in shared memory;
    * every T steps each thread makes one Philox block and leaves it in shared memory for all;
    * a proposal costs one word of patterns per 64 patterns: each thread counts its own marks, one atomic addition in shared memory and
      one barrier give everybody the energy change; fields are touched only on acceptance, by their owner, without a further barrier.

Sums rotate among three slots: slot s+1 is cleared before the barrier of step s, after which its last readers (step s-2) are gone and
before which nobody adds to it.  A weight is written by every thread, always with the same value, after the barrier; its
next reader is either the same thread or behind the next barrier.  So one barrier a step is enough.

One warp (T = 32) suffices up to P = 2048, and its barrier is nearly free.  Real fields (float64) are counted in a first pass and
written in a second one if the move is accepted.  Fields that do not fit the 48 KB of shared memory stay in global memory.

The kernels have been run under numba's simulator and assembled for sm_90, not yet timed on a device.
"""

import functools

import numba
import numpy as np
from numba import cuda

from flatphys.finite_size.chains.metropolis import FLIP, ONES, PAIR, below, choose, turned
from flatphys.finite_size.chains.moves import LANES
from flatphys.finite_size.chains.philox import EXCHANGE, MASK, MOVES, SHIFT, philox

ZERO, ONE = np.uint64(0), np.uint64(1)
WORD_BYTES = 16  # of shared memory per thread: a Philox block


def kernel_of(registers):
    """cuda.jit with at most so many registers a thread: 64 of them let 32 warps live on a multiprocessor of 65536 registers.

    Without the limit a thread of these kernels takes 100 to 155.  The simulator does not know the option.
    """
    return cuda.jit(**({} if numba.config.ENABLE_CUDASIM else {"max_registers": registers}))


@cuda.jit(device=True)
def fill(words, left, step, walker, k0, k1):
    """Thread t leaves the block of step + t in words[t], words[T + t], ...; every thread must call it."""
    t, threads = cuda.threadIdx.x, cuda.blockDim.x
    if t < left:
        at = np.uint64(step + t)
        r0, r1, r2, r3 = philox(at & MASK, at >> SHIFT, np.uint64(walker), MOVES, k0, k1)
        words[t], words[threads + t], words[2 * threads + t], words[3 * threads + t] = r0, r1, r2, r3
    cuda.syncthreads()


def bits_bytes(n, width, threads, itemsize):
    """Shared memory of a block of `bits_kernel`, with the fields (their own part is returned second)."""
    own = 2 * width + (n + LANES - 1) // LANES
    return 8 * own + WORD_BYTES * threads, itemsize * LANES * width


@functools.cache
def bits_kernel(itemsize, shared):
    """Binary weights and +-1 patterns: int16 or int32 fields, in shared memory or not."""
    kind = numba.int16 if itemsize == 2 else numba.int32

    @kernel_of(64)
    def kernel(
        walker0,
        instance0,
        steps,
        first,
        k0,
        k1,
        mode,
        agree,
        bits,
        per_instance,
        w,
        h,
        energy,
        level,
        order,
        tables,
        threshold,
        valid,
        accepted,
    ):
        local, t, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
        instance = (walker0 + local) // per_instance - instance0
        n, width, temperature = w.shape[1], bits.shape[2], level[local]
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
                fields[mu % LANES * width + mu // LANES] = h[local, 0, mu]
        else:
            fields = h[local, 0]
            by_word, by_bit = LANES, 1
        for k in range(t, packs, threads):
            pack = ZERO
            for i in range(k * LANES, min(n, (k + 1) * LANES)):
                if w[local, i] > 0:
                    pack |= ONE << np.uint64(i % LANES)
            signs[k] = pack
        if t == 0:
            for k in range(3):
                sums[k] = 0
        cuda.syncthreads()
        limit = np.int32(threshold[0])
        step = np.int32(4 if mode == PAIR else 2)
        for k in range(t, width, threads):
            u, v = ZERO, ZERO
            for bit in range(LANES):
                above = np.int32(fields[k * by_word + bit * by_bit] - limit)
                if 0 <= above < step:
                    u |= ONE << np.uint64(bit)
                elif -step <= above < 0:
                    v |= ONE << np.uint64(bit)
            upper[k], lower[k] = u & valid[k], v & valid[k]

        e, taken, slot = energy[local], 0, 0
        for batch in range(0, steps, threads):
            count = min(threads, steps - batch)
            fill(words, count, first + batch, walker0 + local, k0, k1)
            for s in range(count):
                here, there = 0, 0
                if mode == FLIP:
                    i = below(words[s], n)
                    j = i
                else:
                    here, there = below(words[s], agree), agree + below(words[threads + s], n - agree)
                    i, j = np.int64(order[local, here]), np.int64(order[local, there])
                word = words[3 * threads + s]
                pack_i, pack_j = signs[i // LANES], signs[j // LANES]
                bit_i, bit_j = ONE << np.uint64(i % LANES), ONE << np.uint64(j % LANES)
                sign = ONES if pack_i & bit_i != ZERO else ZERO
                other = ONES if pack_j & bit_j != ZERO else ZERO
                part = 0
                for k in range(t, width, threads):  # for a flip z = y, which leaves one formula
                    y, z = bits[instance, i, k] ^ sign, bits[instance, j, k] ^ other
                    part += np.int32(cuda.popc(upper[k] & ((y | z) ^ ONES))) - np.int32(cuda.popc(lower[k] & y & z))
                following = slot + 1 if slot < 2 else 0
                if t == 0:
                    sums[following] = 0
                if part != 0:
                    cuda.atomic.add(sums, slot, part)
                cuda.syncthreads()
                de = sums[slot]
                slot = following
                if de <= 0 or np.uint64(word) < tables[temperature, de]:
                    e += de
                    taken += 1
                    if mode == FLIP:
                        signs[i // LANES] = pack_i ^ bit_i
                    else:
                        order[local, here], order[local, there] = j, i
                        if i // LANES == j // LANES:
                            signs[i // LANES] = pack_i ^ bit_i ^ bit_j
                        else:
                            signs[i // LANES], signs[j // LANES] = pack_i ^ bit_i, pack_j ^ bit_j
                    for k in range(t, width, threads):
                        y, z = bits[instance, i, k] ^ sign, bits[instance, j, k] ^ other
                        u, v = ZERO, ZERO
                        for bit in range(LANES):
                            at = k * by_word + bit * by_bit
                            change = np.int32(y & ONE)
                            if mode == PAIR:
                                change += np.int32(z & ONE) - 1
                                change *= 4
                            else:
                                change = 4 * change - 2
                            value = np.int32(fields[at] + change)
                            fields[at] = value
                            above = np.int32(value - limit)
                            if 0 <= above < step:
                                u |= ONE << np.uint64(bit)
                            elif -step <= above < 0:
                                v |= ONE << np.uint64(bit)
                            y, z = y >> ONE, z >> ONE
                        upper[k], lower[k] = u & valid[k], v & valid[k]
        cuda.syncthreads()
        for i in range(t, n, threads):
            w[local, i] = 1 if signs[i // LANES] >> np.uint64(i % LANES) & ONE != ZERO else -1
        if shared:
            for mu in range(t, LANES * width, threads):
                h[local, 0, mu] = fields[mu % LANES * width + mu // LANES]
        if t == 0:
            energy[local] = e
            accepted[local // accepted.shape[1], temperature] += taken

    return kernel


@functools.cache
def real_kernel(shared):
    """Gaussian patterns or spherical weights: float64 fields, in shared memory or not."""

    @kernel_of(64)
    def kernel(
        walker0,
        instance0,
        steps,
        first,
        k0,
        k1,
        mode,
        low,
        agree,
        x,
        per_instance,
        w,
        h,
        energy,
        level,
        order,
        spread,
        tables,
        threshold,
        accepted,
    ):
        local, t, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
        instance = (walker0 + local) // per_instance - instance0
        n, p, temperature = w.shape[1], x.shape[2], level[local]
        sums = cuda.shared.array(3, numba.int32)
        words = cuda.shared.array(0, numba.uint32)[: 4 * threads]
        if shared:
            fields = cuda.shared.array(0, numba.float64)[2 * threads : 2 * threads + p]
            for mu in range(t, p, threads):
                fields[mu] = h[local, 0, mu]
        else:
            fields = h[local, 0]
        if t == 0:
            for k in range(3):
                sums[k] = 0
        cuda.syncthreads()
        width = spread[instance, temperature]
        e, taken, slot = energy[local], 0, 0
        for batch in range(0, steps, threads):
            count = min(threads, steps - batch)
            fill(words, count, first + batch, walker0 + local, k0, k1)
            for s in range(count):
                word = words[3 * threads + s]
                here, there = choose(mode, n, low, n - low, agree, words[s], words[threads + s])
                i, j = here, there
                if mode == PAIR:
                    i, j = np.int64(order[local, here]), np.int64(order[local, there])
                k = j if j >= 0 else i
                wi, wj = turned(mode, w[local, i], w[local, k], width, words[2 * threads + s])
                a, b = wi - w[local, i], 0.0
                if j >= 0:
                    b = wj - w[local, j]
                part = 0
                for mu in range(t, p, threads):
                    if fields[mu] + (a * x[instance, i, mu] + b * x[instance, k, mu]) < threshold:
                        part += 1
                following = slot + 1 if slot < 2 else 0
                if t == 0:
                    sums[following] = 0
                if part != 0:
                    cuda.atomic.add(sums, slot, part)
                cuda.syncthreads()
                de = sums[slot] - e
                slot = following
                if de <= 0 or np.uint64(word) < tables[temperature, de]:
                    e += de
                    taken += 1
                    for mu in range(t, p, threads):
                        fields[mu] += a * x[instance, i, mu] + b * x[instance, k, mu]
                    w[local, i] = wi
                    if j >= 0:
                        w[local, j] = wj
                        if mode == PAIR:
                            order[local, here], order[local, there] = j, i
        cuda.syncthreads()
        if shared:
            for mu in range(t, p, threads):
                h[local, 0, mu] = fields[mu]
        if t == 0:
            energy[local] = e
            accepted[local // accepted.shape[1], temperature] += taken

    return kernel


@cuda.jit
def exchange_kernel(group0, sweep, k0, k1, at, level, energy, swaps, swapped):
    """One thread a group: `metropolis.exchange`."""
    group, b = cuda.grid(1), at.shape[1]
    if group >= at.shape[0]:
        return
    now = np.uint64(sweep)
    for hot in range(sweep % 2, b - 1, 2):
        u, v = at[group, hot], at[group, hot + 1]
        fall = energy[group * b + u] - energy[group * b + v]
        purpose = EXCHANGE + (np.uint64(hot) << np.uint64(8))
        r0, r1, r2, r3 = philox(now & MASK, now >> SHIFT, np.uint64(group0 + group), purpose, k0, k1)
        if fall <= 0 or r0 < swaps[hot, fall]:
            at[group, hot], at[group, hot + 1] = v, u
            level[group * b + u], level[group * b + v] = hot + 1, hot
            swapped[group, hot] += 1
