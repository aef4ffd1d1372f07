"""The Markov chains of the tree committee: fields of every unit, the sum of their activations (`finite_size.hidden`).

A move changes the fields of one unit, or of two, and the sum S = sum_l c_l phi(h_l) by what these units contribute; the stability
is y S / sqrt(K [K(1) - K(0)]).
"""

import numpy as np

from flatphys._jit import jit
from flatphys.finite_size.chains.layout import PAIR
from flatphys.finite_size.chains.metropolis import BATCH, choose, turned
from flatphys.finite_size.chains.moves import accepts, price
from flatphys.finite_size.chains.philox import MOVES, fill
from flatphys.finite_size.hidden import activate, add_outputs
from flatphys.kernels.codes import ERF, RELU, SIGN


@jit
def sum_units(layer, h, sums):
    """sums[walker] = sum_l c_l phi(h_l), from scratch."""
    sums[:] = 0.0
    for walker in range(len(h)):
        for unit in range(h.shape[1]):
            add_outputs(layer, unit, h[walker, unit], sums[walker])


@jit
def shift_unit(layer, unit, old_new, totals, x, a):
    """Fields new = old + a x of a unit, and the sum of activations with them; one loop per activation, so that all but erf vectorise.

    `old_new` and `totals` are pairs of arrays (before, after).
    """
    field, out_field = old_new
    total, out_total = totals
    code, root, table, sign = layer.code, layer.root, layer.table, layer.signs[unit]
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
def total_price(cost, total, labels):
    """Energy of the patterns with these sums."""
    out = 0
    for mu in range(total.size):
        out += price(cost, labels[mu] * total[mu])
    return out


@jit
def sweep_committee(span, move, cost, bath, patterns, layer, state):
    """The steps of `span` for every walker of it; rotations stay within a unit."""
    n, b, mode, p = state.w.shape[1], state.accepted.shape[1], move.mode, state.h.shape[2]
    size = n // state.h.shape[1]
    words = np.empty((4, BATCH), np.uint32)
    field_1, field_2, sum_1, sum_2 = np.empty(p), np.empty(p), np.empty(p), np.empty(p)
    for walker in range(span.lo, span.hi):
        instance, level = walker // patterns.per_instance, state.level[walker]
        x, labels, weights, places = patterns.x[instance], patterns.labels[instance], state.w[walker], state.order[walker]
        width, table, rate = bath.spread[instance, level], bath.words[level], bath.rates[level]
        fields, total = state.h[walker], state.sums[walker]
        e, taken = state.energy[walker], 0
        for start in range(0, span.steps, BATCH):
            count = min(BATCH, span.steps - start)
            fill(words, count, span.first + start, walker, MOVES, span.k0, span.k1)
            for s in range(count):
                here, there = choose(move, n, size, words[0, s], words[1, s])
                i, j = (np.int64(places[here]), np.int64(places[there])) if mode == PAIR else (here, there)
                wi, wj = turned(mode, weights[i], weights[j], width, words[2, s])
                unit = i // size
                shift_unit(layer, unit, (fields[unit], field_1), (total, sum_1), x[i], wi - weights[i])
                new_total, other = sum_1, unit
                if j >= 0:
                    other = j // size
                    old = field_1 if other == unit else fields[other]
                    shift_unit(layer, other, (old, field_2), (sum_1, sum_2), x[j], wj - weights[j])
                    new_total = sum_2
                new = total_price(cost, new_total, labels)
                if accepts(table, rate, new - e, words[3, s]):
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
        state.energy[walker] = e
        state.accepted[walker // b, level] += taken
