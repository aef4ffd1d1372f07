"""The chains of `metropolis` as CUDA kernels: one block per walker, many walkers per device.  Here: what all kernels share, real fields,
exchanges; integer fields are in `bits_cuda`, committees in `committee_cuda`.

Random numbers, proposals, prices and acceptance are those of the CPU (its scalar functions are compiled for the GPU here), so that the
trajectories agree step by step: exactly where fields are integers, and as long as float64 rounding does not decide a comparison
where they are real.

How a block of T threads works on a walker, thread t owning the patterns t, t+T, ... (or words of 64 of them):

    * every T steps each thread makes one Philox block and leaves it in shared memory for all;
    * a proposal: each thread prices its own patterns, `block_sum` gives everybody the energy; fields are touched only on acceptance,
      by their owner, without a further barrier (real fields are priced in a first pass and written in a second one).

A weight is written by every thread, always with the same value, after the barrier; its next reader is either the same thread or behind
the next barrier.  So one barrier a step is enough.  One warp (T = 32) suffices up to P = 2048, and its barrier is nearly free.  Fields that
do not fit the 48 KB of shared memory stay in global memory.

The kernels have been run under numba's simulator and assembled for sm_90, not yet timed on a device.
"""

import functools

import numba
import numpy as np
from numba import cuda

from flatphys.finite_size.chains.layout import PAIR
from flatphys.finite_size.chains.metropolis import choose, turned
from flatphys.finite_size.chains.moves import accepts as accepts_on_host, price
from flatphys.finite_size.chains.philox import EXCHANGE, MASK, MOVES, SHIFT, philox

WORD_BYTES = 16  # of shared memory per thread: a Philox block

accepts = cuda.jit(device=True)(accepts_on_host.py_func)  # it takes an array, which the simulator hands to no compiled function


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


@cuda.jit(device=True)
def clear(sums):
    """Three empty slots for `block_sum`; every thread must call it."""
    if cuda.threadIdx.x == 0:
        for k in range(3):
            sums[k] = 0
    cuda.syncthreads()


@cuda.jit(device=True)
def block_sum(sums, slot, part):
    """(the sum of `part` over the block, the slot of the next sum), with one barrier; every thread must call it.

    Sums rotate among three slots: the next one is cleared before the barrier, after which its last readers (two sums ago) are gone and
    before which nobody adds to it.
    """
    following = slot + 1 if slot < 2 else 0
    if cuda.threadIdx.x == 0:
        sums[following] = 0
    if part != 0:
        cuda.atomic.add(sums, slot, part)
    cuda.syncthreads()
    return sums[slot], following


@cuda.jit(device=True)
def sites(move, places, n, size, w0, w1):
    """(places of the order or sites, i, j or -1) of a move."""
    here, there = choose(move, n, size, w0, w1)
    if move.mode == PAIR:
        return here, there, np.int64(places[here]), np.int64(places[there])
    return here, there, np.int64(here), np.int64(there)


@cuda.jit(device=True)
def change(weights, i, j, wi, wj):
    """Write the new weights of a move."""
    weights[i] = wi
    if j >= 0:
        weights[j] = wj


@functools.cache
def real_kernel(shared):
    """Gaussian patterns, spherical weights or energies other than errors: float64 fields, in shared memory or not."""

    @kernel_of(64)
    def kernel(span, move, cost, bath, patterns, state):
        local, t, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
        instance = (span.lo + local) // patterns.per_instance - patterns.first
        x, n, p, level = patterns.x[instance], state.w.shape[1], patterns.x.shape[2], state.level[local]
        weights, places = state.w[local], state.order[local]
        sums = cuda.shared.array(3, numba.int64)
        words = cuda.shared.array(0, numba.uint32)[: 4 * threads]
        if shared:
            fields = cuda.shared.array(0, numba.float64)[2 * threads : 2 * threads + p]
            for mu in range(t, p, threads):
                fields[mu] = state.h[local, 0, mu]
        else:
            fields = state.h[local, 0]
        clear(sums)
        width, table, rate = bath.spread[instance, level], bath.words[level], bath.rates[level]
        e, taken, slot = state.energy[local], 0, 0
        for batch in range(0, span.steps, threads):
            count = min(threads, span.steps - batch)
            fill(words, count, span.first + batch, span.lo + local, span.k0, span.k1)
            for s in range(count):
                here, there, i, j = sites(move, places, n, n - move.low, words[s], words[threads + s])
                k = j if j >= 0 else i
                wi, wj = turned(move.mode, weights[i], weights[k], width, words[2 * threads + s])
                word = words[3 * threads + s]
                a, b = wi - weights[i], (wj - weights[k] if j >= 0 else 0.0)
                part = np.int64(0)
                for mu in range(t, p, threads):
                    part += price(cost, fields[mu] + (a * x[i, mu] + b * x[k, mu]))
                new, slot = block_sum(sums, slot, part)
                if accepts(table, rate, new - e, word):
                    e = new
                    taken += 1
                    for mu in range(t, p, threads):
                        fields[mu] += a * x[i, mu] + b * x[k, mu]
                    change(weights, i, j, wi, wj)
                    if move.mode == PAIR:
                        places[here], places[there] = j, i
        cuda.syncthreads()
        if shared:
            for mu in range(t, p, threads):
                state.h[local, 0, mu] = fields[mu]
        if t == 0:
            state.energy[local] = e
            state.accepted[local // state.accepted.shape[1], level] += taken

    return kernel


@cuda.jit
def exchange_kernel(span, bath, state):
    """One thread a group: `metropolis.exchange`; `span.lo` is the number of the first group."""
    at, energy = state.at, state.energy
    group, b = cuda.grid(1), at.shape[1]
    if group >= at.shape[0]:
        return
    now = np.uint64(span.first)
    for hot in range(span.first % 2, b - 1, 2):
        u, v = at[group, hot], at[group, hot + 1]
        fall = energy[group * b + u] - energy[group * b + v]
        purpose = EXCHANGE + (np.uint64(hot) << np.uint64(8))
        word = philox(now & MASK, now >> SHIFT, np.uint64(span.lo + group), purpose, span.k0, span.k1)[0]
        if accepts(bath.swaps[hot], bath.gaps[hot], fall, word):
            at[group, hot], at[group, hot + 1] = v, u
            state.level[group * b + u], state.level[group * b + v] = hot + 1, hot
            state.swapped[group, hot] += 1
