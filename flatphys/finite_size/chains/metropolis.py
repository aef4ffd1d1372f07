"""The Markov chains on the CPU: sweeps over a range of walkers, exchanges over a range of groups.

A walker is one configuration; the B walkers of a group (one instance, one replica) sit at the B inverse temperatures of the
chain, and an exchange swaps the temperatures of two of them, not the configurations: `level[walker]` is the index of its
temperature, `at[group, b]` the walker of the group that sits at temperature b.  Walker = group B + slot, instance = walker // (R B).

Each step takes one Philox block of counter (step, walker): word 0 chooses a site, word 1 a second one, word 2 an angle, word 3
accepts.  Proposals are symmetric, so that acceptance with min(1, exp(-beta dE)) leaves exp(-beta E) invariant:

    FLIP     a random weight changes sign (binary)
    PAIR     a random weight that agrees with the reference and one that does not change sign: the overlap stays (binary)
    ROTATE   two random coordinates turn by an angle theta, tan(theta/2) uniform in (-spread, spread): the norm stays (spherical)

tan(theta/2) instead of theta: cosine and sine are then rational, (1-t^2)/(1+t^2) and 2t/(1+t^2), which every device computes alike.
Kernels work on a range of walkers, so that threads take a share each; nothing depends on how they are shared out.

Sources: Metropolis et al. 1953; Hukushima & Nemoto 1996 (exchange); Franz & Parisi 1995 (the fixed overlap).
"""

import numpy as np

from flatphys._jit import jit
from flatphys.finite_size.chains import moves
from flatphys.finite_size.chains.layout import FLIP, PAIR, ROTATE
from flatphys.finite_size.chains.philox import EXCHANGE, MASK, MOVES, SHIFT, fill, philox

BATCH = 256  # steps whose random numbers are made at once
ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
UNIT = 2.0**-32


@jit
def below(word, m):
    """A number in 0, ..., m-1 from a random word."""
    return np.int64((np.uint64(word) * np.uint64(m)) >> SHIFT)


@jit
def accumulate(x, per_instance, w, h):
    """h[walker, unit, :p] = sum_i w_i x_i over the inputs of the unit, in the order of i."""
    n, p = x.shape[1], x.shape[2]
    size = n // h.shape[1]
    for walker in range(len(w)):
        patterns, weights = x[walker // per_instance], w[walker]
        for unit in range(h.shape[1]):
            field = h[walker, unit, :p]
            field[:] = 0
            for i in range(unit * size, (unit + 1) * size):
                row = patterns[i]
                one = weights[i]
                for mu in range(p):
                    field[mu] += one * row[mu]


@jit
def choose(move, n, size, w0, w1):
    """The two sites of a move (for PAIR their places in the order of sites); the second is -1 without one.

    Rotations choose both coordinates among `size` neighbours that belong together, from `move.low` on.
    """
    if move.mode == FLIP:
        return below(w0, n), -1
    if move.mode == PAIR:
        return below(w0, move.agree), move.agree + below(w1, n - move.agree)
    i = below(w0, n - move.low)
    first = i // size * size
    j = first + below(w1, size - 1)
    return move.low + i, move.low + (j + 1 if j >= i else j)


@jit
def turned(mode, a, b, spread, word):
    """The new values of two weights a and b."""
    if mode != ROTATE:
        return -a, -b
    t = spread * ((2.0 * np.float64(word) + 1.0) * UNIT - 1.0)
    scale = 1.0 / (1.0 + t * t)
    c, s = (1.0 - t * t) * scale, 2.0 * t * scale
    return c * a - s * b, s * a + c * b


@jit
def sweep_bits(span, move, threshold, bath, patterns, state):
    """Binary weights, +-1 patterns, errors counted: the steps of `span` for every walker of it."""
    n, b, agree, pair = state.w.shape[1], state.accepted.shape[1], move.agree, move.mode == PAIR
    valid = patterns.valid
    words = np.empty((4, BATCH), np.uint32)
    upper, lower = np.empty(valid.size, np.uint64), np.empty(valid.size, np.uint64)
    for walker in range(span.lo, span.hi):
        level = state.level[walker]
        x, weights, fields = patterns.bits[walker // patterns.per_instance], state.w[walker], state.h[walker, 0]
        table, rate, places = bath.words[level], bath.rates[level], state.order[walker]
        moves.mark(fields, threshold, 4 if pair else 2, valid, upper, lower)
        e, taken = state.energy[walker], 0
        for start in range(0, span.steps, BATCH):
            count = min(BATCH, span.steps - start)
            fill(words, count, span.first + start, walker, MOVES, span.k0, span.k1)
            for s in range(count):
                if not pair:
                    i = below(words[0, s], n)
                    sign = ONES if weights[i] > 0 else np.uint64(0)
                    de = moves.flip_change(x[i], sign, upper, lower)
                    if moves.accepts(table, rate, de, words[3, s]):
                        moves.flip_fields(fields, x[i], sign, threshold, valid, upper, lower)
                        weights[i] = -weights[i]
                        e += de
                        taken += 1
                else:
                    here, there = below(words[0, s], agree), agree + below(words[1, s], n - agree)
                    i, j = places[here], places[there]
                    sign = ONES if weights[i] > 0 else np.uint64(0)
                    other = ONES if weights[j] > 0 else np.uint64(0)
                    de = moves.pair_change(x[i], sign, x[j], other, upper, lower)
                    if moves.accepts(table, rate, de, words[3, s]):
                        moves.pair_fields(fields, x[i], sign, x[j], other, threshold, valid, upper, lower)
                        weights[i], weights[j] = -weights[i], -weights[j]
                        places[here], places[there] = j, i
                        e += de
                        taken += 1
        state.energy[walker] = e
        state.accepted[walker // b, level] += taken


@jit
def sweep_real(span, move, cost, bath, patterns, state):
    """Real patterns or weights, any energy; the bits of `patterns` are empty unless they are +-1 and errors are counted."""
    n, levels, mode, valid = state.w.shape[1], state.accepted.shape[1], move.mode, patterns.valid
    words = np.empty((4, BATCH), np.uint32)
    spare = np.empty(state.h.shape[2])
    for walker in range(span.lo, span.hi):
        instance, level = walker // patterns.per_instance, state.level[walker]
        x, packed, weights, places = patterns.x[instance], patterns.bits[instance], state.w[walker], state.order[walker]
        width, table, rate = bath.spread[instance, level], bath.words[level], bath.rates[level]
        now, next_ = state.h[walker, 0], spare
        e, taken = state.energy[walker], 0
        for start in range(0, span.steps, BATCH):
            count = min(BATCH, span.steps - start)
            fill(words, count, span.first + start, walker, MOVES, span.k0, span.k1)
            for s in range(count):
                here, there = choose(move, n, n - move.low, words[0, s], words[1, s])
                i, j = (np.int64(places[here]), np.int64(places[there])) if mode == PAIR else (here, there)
                wi, wj = turned(mode, weights[i], weights[j], width, words[2, s])
                if j < 0:
                    new = moves.shift_one(now, next_, x[i], wi - weights[i], cost)
                elif valid.size > 0:
                    a, b = wi - weights[i], wj - weights[j]
                    new = moves.shift_bits(now, next_, packed[i], a, packed[j], b, cost.threshold, valid)
                else:
                    new = moves.shift_two(now, next_, x[i], wi - weights[i], x[j], wj - weights[j], cost)
                if moves.accepts(table, rate, new - e, words[3, s]):
                    now, next_ = next_, now
                    e = new
                    taken += 1
                    weights[i] = wi
                    if j >= 0:
                        weights[j] = wj
                        if mode == PAIR:
                            places[here], places[there] = j, i
        if taken % 2 == 1:  # the fields of the last accepted move lie in the spare array
            state.h[walker, 0, :] = now
        state.h[walker, 0, x.shape[1] :] = 0.0  # padding: no junk in snapshots
        state.energy[walker] = e
        state.accepted[walker // levels, level] += taken


@jit
def exchange(span, bath, state):
    """Groups of `span` at sweep `span.first`: neighbours in temperature, alternately the even and the odd pairs, swap.

    The probability is min(1, exp(dbeta dE)) with dE = E(colder) - E(hotter): a rise is accepted always, a fall like a move whose
    inverse temperature is the difference; towards beta = inf a fall never is.
    """
    at, energy, b = state.at, state.energy, state.at.shape[1]
    now = np.uint64(span.first)
    for group in range(span.lo, span.hi):
        for hot in range(span.first % 2, b - 1, 2):
            u, v = at[group, hot], at[group, hot + 1]
            fall = energy[group * b + u] - energy[group * b + v]
            purpose = EXCHANGE + (np.uint64(hot) << np.uint64(8))
            word = philox(now & MASK, now >> SHIFT, np.uint64(group), purpose, span.k0, span.k1)[0]
            if moves.accepts(bath.swaps[hot], bath.gaps[hot], fall, word):
                at[group, hot], at[group, hot + 1] = v, u
                state.level[group * b + u], state.level[group * b + v] = hot + 1, hot
                state.swapped[group, hot] += 1
