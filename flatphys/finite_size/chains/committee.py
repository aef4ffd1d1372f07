"""The Markov chains of the tree committee: fields of every unit, the sum of their activations.

A move changes the fields of one unit, or of two, and the sum S = sum_l c_l phi(h_l) by what these units contribute; the stability
is y S / sqrt(K [K(1) - K(0)]).  Activations are rounded to multiples of 2^-40 (adding and subtracting 6144 does that in float64), so that
S is exact whatever the order of the additions: two units that cancel give 0, never -1e-17.  A field is kept as sum_i w_i x_i, an
exact integer for binary weights and +-1 patterns, and h_l = field / sqrt(N/K).
"""

import math

import numpy as np

from flatphys._jit import jit
from flatphys.finite_size.chains.metropolis import BATCH, PAIR, choose, turned
from flatphys.finite_size.chains.philox import MOVES, fill

SIGN, ERF, RELU = 1, 2, 3
ROUNDING = 6144.0  # 1.5 2^12: float64 has a spacing of 2^-40 around it


@jit
def activate(code, h):
    """phi(h) rounded to a multiple of 2^-40; nan for an unknown code."""
    if code == SIGN:
        return 1.0 if h >= 0.0 else -1.0
    if code == ERF:
        return (math.erf(h) + ROUNDING) - ROUNDING
    if code == RELU:
        return (max(h, 0.0) + ROUNDING) - ROUNDING
    return math.nan


@jit
def sum_units(lo, hi, code, root, signs, h, sums):
    """sums[walker] = sum_l c_l phi(h_l), from scratch."""
    for walker in range(lo, hi):
        for mu in range(h.shape[2]):
            total = 0.0
            for unit in range(h.shape[1]):
                total += signs[unit] * activate(code, h[walker, unit, mu] / root)
            sums[walker, mu] = total


@jit
def shift_unit(code, root, table, field, out_field, total, out_total, x, a, sign):
    """out_field = field + a x, and the sum of activations with it; one loop per activation, so that all but erf vectorise.

    `table` holds erf(k / root) for the integers k = -N/K ... N/K where fields are integers, else it is empty.
    """
    if code == SIGN:
        for mu in range(x.size):
            old = field[mu]
            new = old + a * x[mu]
            out_field[mu] = new
            out_total[mu] = total[mu] + (2.0 * sign if new >= 0.0 else 0.0) - (2.0 * sign if old >= 0.0 else 0.0)
    elif code == ERF and table.size > 0:
        middle = table.size // 2
        for mu in range(x.size):
            old = field[mu]
            new = old + a * x[mu]
            out_field[mu] = new
            out_total[mu] = total[mu] + sign * (table[int(new) + middle] - table[int(old) + middle])
    elif code == RELU:
        for mu in range(x.size):
            old = field[mu]
            new = old + a * x[mu]
            out_field[mu] = new
            out_total[mu] = total[mu] + sign * (activate(RELU, new / root) - activate(RELU, old / root))
    else:
        for mu in range(x.size):
            old = field[mu]
            new = old + a * x[mu]
            out_field[mu] = new
            out_total[mu] = total[mu] + sign * (activate(code, new / root) - activate(code, old / root))


@jit
def count_below(total, labels, threshold):
    """Number of patterns with y S below the threshold."""
    count = 0
    for mu in range(total.size):
        count += labels[mu] * total[mu] < threshold
    return count


@jit
def sweep_committee(
    lo,
    hi,
    steps,
    first,
    k0,
    k1,
    mode,
    agree,
    code,
    root,
    table,
    signs,
    labels,
    x,
    per_instance,
    w,
    h,
    sums,
    energy,
    level,
    order,
    spread,
    tables,
    threshold,
    accepted,
):
    """`steps` steps of every walker, from step `first` on; rotations stay within a unit."""
    n, b, p = w.shape[1], accepted.shape[1], h.shape[2]
    size = n // h.shape[1]
    words = np.empty((4, BATCH), np.uint32)
    field_1, field_2, sum_1, sum_2 = np.empty(p), np.empty(p), np.empty(p), np.empty(p)
    for walker in range(lo, hi):
        instance = walker // per_instance
        patterns, weights, table_b, places = x[instance], w[walker], tables[level[walker]], order[walker]
        width = spread[instance, level[walker]]
        fields, total = h[walker], sums[walker]
        e, taken = energy[walker], 0
        for start in range(0, steps, BATCH):
            count = min(BATCH, steps - start)
            fill(words, count, first + start, walker, MOVES, k0, k1)
            for s in range(count):
                here, there = choose(mode, n, 0, size, agree, words[0, s], words[1, s])
                i, j = (np.int64(places[here]), np.int64(places[there])) if mode == PAIR else (here, there)
                wi, wj = turned(mode, weights[i], weights[j], width, words[2, s])
                unit = i // size
                shift_unit(code, root, table, fields[unit], field_1, total, sum_1, patterns[i], wi - weights[i], signs[unit])
                new_total, other = sum_1, unit
                if j >= 0:
                    other = j // size
                    old = field_1 if other == unit else fields[other]
                    shift_unit(code, root, table, old, field_2, sum_1, sum_2, patterns[j], wj - weights[j], signs[other])
                    new_total = sum_2
                new = count_below(new_total, labels[instance], threshold)
                if new <= e or words[3, s] < table_b[new - e]:
                    fields[unit, :] = field_1
                    weights[i] = wi
                    if j >= 0:
                        fields[other, :] = field_2
                        weights[j] = wj
                        if mode == PAIR:
                            places[here], places[there] = j, i
                    total[:] = new_total
                    e = new
                    taken += 1
        energy[walker] = e
        accepted[walker // b, level[walker]] += taken
