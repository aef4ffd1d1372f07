"""The chains of `committee` as a CUDA kernel: one block per walker, threads share the patterns; see `metropolis_cuda` for the barriers."""

import numba
import numpy as np
from numba import cuda

from flatphys.finite_size.chains.layout import PAIR
from flatphys.finite_size.chains.metropolis import turned
from flatphys.finite_size.chains.metropolis_cuda import accepts, block_sum, change, clear, fill, kernel_of, sites
from flatphys.finite_size.chains.moves import price
from flatphys.finite_size.hidden import activate


@cuda.jit(device=True)
def shifted(layer, unit, old, step, total):
    """(field, sum of activations) after the field of a unit has moved by `step`."""
    new = old + step
    gain = activate(layer.code, new / layer.root) - activate(layer.code, old / layer.root)
    return new, total + layer.signs[unit] * gain


@kernel_of(96)
def committee_kernel(span, move, cost, bath, patterns, layer, state):
    """Fields of every unit and their sums of activations, in global memory (K P numbers are too many for the shared one)."""
    local, t, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    instance = (span.lo + local) // patterns.per_instance - patterns.first
    x, labels, level = patterns.x[instance], patterns.labels[instance], state.level[local]
    weights, fields, totals, places = state.w[local], state.h[local], state.sums[local], state.order[local]
    n, p, size = weights.size, labels.size, weights.size // fields.shape[0]
    sums = cuda.shared.array(3, numba.int64)
    words = cuda.shared.array(0, numba.uint32)[: 4 * threads]
    clear(sums)
    width, table, rate = bath.spread[instance, level], bath.words[level], bath.rates[level]
    e, taken, slot = state.energy[local], 0, 0
    for batch in range(0, span.steps, threads):
        count = min(threads, span.steps - batch)
        fill(words, count, span.first + batch, span.lo + local, span.k0, span.k1)
        for s in range(count):
            here, there, i, j = sites(move, places, n, size, words[s], words[threads + s])
            k = j if j >= 0 else i
            wi, wj = turned(move.mode, weights[i], weights[k], width, words[2 * threads + s])
            word = words[3 * threads + s]
            a, b = wi - weights[i], (wj - weights[k] if j >= 0 else 0.0)
            unit, other = i // size, k // size
            part = np.int64(0)
            for write in range(2):  # first the price, then, if the move is accepted, the fields
                for mu in range(t, p, threads):
                    new, total = shifted(layer, unit, fields[unit, mu], a * x[i, mu], totals[mu])
                    last = new
                    if j >= 0:
                        last, total = shifted(layer, other, new if other == unit else fields[other, mu], b * x[k, mu], total)
                    if write == 1:
                        fields[unit, mu] = new
                        fields[other, mu] = last
                        totals[mu] = total
                    else:
                        part += price(cost, labels[mu] * total)
                if write == 1:
                    break
                total_price, slot = block_sum(sums, slot, part)
                if not accepts(table, rate, total_price - e, word):
                    break
                e = total_price
                taken += 1
                change(weights, i, j, wi, wj)
                if move.mode == PAIR:
                    places[here], places[there] = j, i
    if t == 0:
        state.energy[local] = e
        state.accepted[local // state.accepted.shape[1], level] += taken
