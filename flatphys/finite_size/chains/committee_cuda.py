"""The chains of `committee` as a CUDA kernel: one block per walker, threads share the patterns; see `metropolis_cuda` for the barriers."""

import numba
import numpy as np
from numba import cuda

from flatphys.finite_size.chains.committee import activate
from flatphys.finite_size.chains.metropolis import PAIR, choose, turned
from flatphys.finite_size.chains.metropolis_cuda import fill, kernel_of


@kernel_of(96)
def committee_kernel(
    walker0,
    instance0,
    steps,
    first,
    k0,
    k1,
    mode,
    agree,
    code,
    root,
    signs,
    labels,
    x,
    per_instance,
    w,
    h,
    totals,
    energy,
    level,
    order,
    spread,
    tables,
    threshold,
    accepted,
):
    """Fields of every unit and their sums of activations, in global memory (K P numbers are too many for the shared one)."""
    local, t, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    instance = (walker0 + local) // per_instance - instance0
    n, p, temperature = w.shape[1], x.shape[2], level[local]
    size = n // h.shape[1]
    sums = cuda.shared.array(3, numba.int32)
    words = cuda.shared.array(0, numba.uint32)[: 4 * threads]
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
            here, there = choose(mode, n, 0, size, agree, words[s], words[threads + s])
            i, j = here, there
            if mode == PAIR:
                i, j = np.int64(order[local, here]), np.int64(order[local, there])
            k = j if j >= 0 else i
            wi, wj = turned(mode, w[local, i], w[local, k], width, words[2 * threads + s])
            a, b = wi - w[local, i], 0.0
            if j >= 0:
                b = wj - w[local, j]
            unit, other = i // size, k // size
            following = slot + 1 if slot < 2 else 0
            part = 0
            for write in range(2):  # first the count, then, if the move is accepted, the fields
                for mu in range(t, p, threads):
                    old = h[local, unit, mu]
                    new = old + a * x[instance, i, mu]
                    total = totals[local, mu] + signs[unit] * (activate(code, new / root) - activate(code, old / root))
                    last = new
                    if j >= 0:
                        before = new if other == unit else h[local, other, mu]
                        last = before + b * x[instance, k, mu]
                        total += signs[other] * (activate(code, last / root) - activate(code, before / root))
                    if write == 1:
                        h[local, unit, mu] = new
                        h[local, other, mu] = last
                        totals[local, mu] = total
                    elif labels[instance, mu] * total < threshold:
                        part += 1
                if write == 1:
                    break
                if t == 0:
                    sums[following] = 0
                if part != 0:
                    cuda.atomic.add(sums, slot, part)
                cuda.syncthreads()
                de = sums[slot] - e
                if not (de <= 0 or np.uint64(word) < tables[temperature, de]):
                    break
                e += de
                taken += 1
                w[local, i] = wi
                if j >= 0:
                    w[local, j] = wj
                    if mode == PAIR:
                        order[local, here], order[local, there] = j, i
            slot = following
    if t == 0:
        energy[local] = e
        accepted[local // accepted.shape[1], temperature] += taken
