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
from flatphys.finite_size.chains.philox import EXCHANGE, MASK, MOVES, SHIFT, fill, philox

FLIP, PAIR, ROTATE = 0, 1, 2
BATCH = 256  # steps whose random numbers are made at once
ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
UNIT = 2.0**-32


@jit
def below(word, m):
    """A number in 0, ..., m-1 from a random word."""
    return np.int64((np.uint64(word) * np.uint64(m)) >> SHIFT)


@jit
def accumulate(lo, hi, x, per_instance, w, h):
    """h[walker, unit, :p] = sum_i w_i x_i over the inputs of the unit, in the order of i."""
    n, p = x.shape[1], x.shape[2]
    size = n // h.shape[1]
    for walker in range(lo, hi):
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
def sweep_bits(
    lo, hi, steps, first, k0, k1, mode, agree, bits, per_instance, w, h, energy, level, order, tables, threshold, valid, accepted
):
    """Binary weights and +-1 patterns: `steps` steps of every walker, from step `first` on."""
    n, b = w.shape[1], accepted.shape[1]
    words = np.empty((4, BATCH), np.uint32)
    upper, lower = np.empty(bits.shape[2], np.uint64), np.empty(bits.shape[2], np.uint64)
    for walker in range(lo, hi):
        x, weights, fields, table, places = bits[walker // per_instance], w[walker], h[walker, 0], tables[level[walker]], order[walker]
        moves.mark(fields, threshold, 4 if mode == PAIR else 2, valid, upper, lower)
        e, taken = energy[walker], 0
        for start in range(0, steps, BATCH):
            count = min(BATCH, steps - start)
            fill(words, count, first + start, walker, MOVES, k0, k1)
            for s in range(count):
                if mode == FLIP:
                    i = below(words[0, s], n)
                    sign = ONES if weights[i] > 0 else np.uint64(0)
                    de = moves.flip_change(x[i], sign, upper, lower)
                    if de <= 0 or words[3, s] < table[de]:
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
                    if de <= 0 or words[3, s] < table[de]:
                        moves.pair_fields(fields, x[i], sign, x[j], other, threshold, valid, upper, lower)
                        weights[i], weights[j] = -weights[i], -weights[j]
                        places[here], places[there] = j, i
                        e += de
                        taken += 1
        energy[walker] = e
        accepted[walker // b, level[walker]] += taken


@jit
def choose(mode, n, low, size, agree, w0, w1):
    """The two sites of a move (for PAIR their places in the order of sites); the second is -1 without one.

    Rotations choose both coordinates among `size` neighbours that belong together, from `low` on.
    """
    if mode == FLIP:
        return below(w0, n), -1
    if mode == PAIR:
        return below(w0, agree), agree + below(w1, n - agree)
    i = below(w0, n - low)
    first = i // size * size
    j = first + below(w1, size - 1)
    return low + i, low + (j + 1 if j >= i else j)


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
def sweep_real(
    lo,
    hi,
    steps,
    first,
    k0,
    k1,
    mode,
    low,
    agree,
    x,
    bits,
    valid,
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
    """Real patterns or weights: `steps` steps of every walker, from step `first` on; `bits` is empty unless patterns are +-1."""
    n, b = w.shape[1], accepted.shape[1]
    words = np.empty((4, BATCH), np.uint32)
    spare = np.empty(h.shape[2])
    for walker in range(lo, hi):
        instance = walker // per_instance
        patterns, weights, table, places = x[instance], w[walker], tables[level[walker]], order[walker]
        width = spread[instance, level[walker]]
        now, next_ = h[walker, 0], spare
        e, taken = energy[walker], 0
        for start in range(0, steps, BATCH):
            count = min(BATCH, steps - start)
            fill(words, count, first + start, walker, MOVES, k0, k1)
            for s in range(count):
                here, there = choose(mode, n, low, n - low, agree, words[0, s], words[1, s])
                i, j = (np.int64(places[here]), np.int64(places[there])) if mode == PAIR else (here, there)
                wi, wj = turned(mode, weights[i], weights[j], width, words[2, s])
                if j < 0:
                    new = moves.shift_one(now, next_, patterns[i], wi - weights[i], threshold)
                elif valid.size > 0:
                    packed = bits[instance]
                    new = moves.shift_bits(now, next_, packed[i], wi - weights[i], packed[j], wj - weights[j], threshold, valid)
                else:
                    new = moves.shift_two(now, next_, patterns[i], wi - weights[i], patterns[j], wj - weights[j], threshold)
                if new <= e or words[3, s] < table[new - e]:
                    now, next_ = next_, now
                    e = new
                    taken += 1
                    weights[i] = wi
                    if j >= 0:
                        weights[j] = wj
                        if mode == PAIR:
                            places[here], places[there] = j, i
        if taken % 2 == 1:  # the fields of the last accepted move lie in the spare array
            h[walker, 0, :] = now
        h[walker, 0, x.shape[2] :] = 0.0  # padding: no junk in snapshots
        energy[walker] = e
        accepted[walker // b, level[walker]] += taken


@jit
def exchange(lo, hi, sweep, k0, k1, at, level, energy, swaps, swapped):
    """Groups lo to hi: neighbours in temperature, alternately the even and the odd pairs, swap with min(1, exp(dbeta dE)).

    With dE = E(colder) - E(hotter) a rise is accepted always, a fall by d if a random word lies below swaps[pair, d]; towards
    beta = inf a fall never is.
    """
    b = at.shape[1]
    now = np.uint64(sweep)
    for group in range(lo, hi):
        for hot in range(sweep % 2, b - 1, 2):
            u, v = at[group, hot], at[group, hot + 1]
            fall = energy[group * b + u] - energy[group * b + v]
            word = philox(now & MASK, now >> SHIFT, np.uint64(group), EXCHANGE + (np.uint64(hot) << np.uint64(8)), k0, k1)[0]
            if fall <= 0 or word < swaps[hot, fall]:
                at[group, hot], at[group, hot + 1] = v, u
                level[group * b + u], level[group * b + v] = hot + 1, hot
                swapped[group, hot] += 1
