"""Replicas that attract each other: systems of y weights on one instance, moved one after another.

A system of y weight vectors on the same patterns has the weight

    exp(-beta sum_a E(w_a) + J sum_{a<b} w_a.w_b)

so that at large N its replicas lie at one mutual overlap, that at which the slope of the replicated entropy is -J (y-1)/2.  A move of one
weight vector is that of `metropolis` (a flip, or a rotation of two coordinates); with S = sum_a w_a it changes the exponent by

    -beta dE + J sum_i dw_i (S_i - w_i)

One sweep is a sweep of every replica in turn, each with its own random numbers: what comes out depends neither on threads nor on slices.

Source: Baldassi et al., PNAS 113 E7655 (2016).
"""

import concurrent.futures as futures

import numpy as np

from flatphys import validate
from flatphys._jit import jit
from flatphys.finite_size.chains import moves
from flatphys.finite_size.chains.cpu import SHARES, SMALL, CpuBackend, finish, shared_out
from flatphys.finite_size.chains.ensemble import Chains
from flatphys.finite_size.chains.layout import Span
from flatphys.finite_size.chains.metropolis import BATCH, choose, turned
from flatphys.finite_size.chains.moves import WORD
from flatphys.finite_size.chains.philox import MOVES, fill
from flatphys.finite_size.chains.state import Walkers


@jit
def sweep_systems(span, together, cost, bath, patterns, state):
    """Systems span.lo to span.hi take span.steps sweeps from sweep span.first on; `together` = (`Move`, y, J, steps of a sweep)."""
    move, y, coupling, steps = together
    n = state.w.shape[1]
    words, spare, total = np.empty((4, BATCH), np.uint32), np.empty(state.h.shape[2]), np.empty(n)
    for system in range(span.lo, span.hi):
        instance = system * y // patterns.per_instance
        x, width, rate = patterns.x[instance], bath.spread[instance, 0], bath.rates[0]
        for sweep in range(span.first, span.first + span.steps):
            for i in range(n):  # anew in every sweep: no rounding depends on where a slice begins
                total[i] = 0.0
                for walker in range(system * y, system * y + y):
                    total[i] += state.w[walker, i]
            for walker in range(system * y, system * y + y):
                weights, now, next_ = state.w[walker], state.h[walker, 0], spare
                e, taken = state.energy[walker], 0
                for start in range(0, steps, BATCH):
                    count = min(BATCH, steps - start)
                    fill(words, count, sweep * steps + start, walker, MOVES, span.k0, span.k1)
                    for s in range(count):
                        i, j = choose(move, n, n, words[0, s], words[1, s])
                        wi, wj = turned(move.mode, weights[i], weights[j], width, words[2, s])
                        a, b = wi - weights[i], 0.0
                        gain = a * (total[i] - weights[i])
                        if j < 0:
                            new = moves.shift_one(now, next_, x[i], a, cost)
                        else:
                            b = wj - weights[j]
                            gain += b * (total[j] - weights[j])
                            new = moves.shift_two(now, next_, x[i], a, x[j], b, cost)
                        exponent = coupling * gain
                        if new != e:  # 0 times an infinite beta is 0
                            exponent -= rate * (new - e)
                        if exponent >= 0.0 or np.float64(words[3, s]) < WORD * np.exp(exponent):
                            now, next_ = next_, now
                            e = new
                            taken += 1
                            weights[i] = wi
                            total[i] += a
                            if j >= 0:
                                weights[j] = wj
                                total[j] += b
                if taken % 2 == 1:  # the fields of the last accepted move lie in the spare array
                    state.h[walker, 0, :] = now
                state.energy[walker] = e
                state.accepted[walker, 0] += taken


class SystemsBackend(CpuBackend):
    """Advances systems of coupled walkers on threads."""

    def __init__(self, walkers, threads, together: int, coupling: float):
        super().__init__(walkers, threads)
        self.together, self.coupling = together, coupling

    def run(self, sweeps: int):
        """Advance all systems."""
        s = self.walkers
        systems = s.count // self.together
        if self.threads == 1 or sweeps * self._work() < SMALL:
            self._range(0, systems, sweeps)
            return
        with futures.ThreadPoolExecutor(self.threads) as pool:
            finish([pool.submit(self._range, lo, hi, sweeps) for lo, hi in shared_out(systems, SHARES * self.threads)])

    def _range(self, lo, hi, sweeps):
        s = self.walkers
        span, together = Span(lo, hi, s.sweeps, sweeps, *s.key), (s.move, self.together, self.coupling, s.steps)
        sweep_systems(span, together, s.cost, s.bath, s.patterns, s.state)


class CoupledChains(Chains):
    """Chains whose replicas on an instance belong to systems of `together` that attract each other by `coupling`; one temperature.

    Other parameters and attributes as of `Chains`; replicas is a multiple of `together`.
    """

    def __init__(self, instances, *, coupling: float, together: int, **options):
        self.coupling, self.together = validate.number("coupling", coupling), validate.integer("together", together, 2)
        super().__init__(instances, **options)

    def _engine(self, law, start, key, device, threads):
        walkers = Walkers(self.instances, law, start, self.replicas, key, whole=False)
        return walkers, SystemsBackend(walkers, threads, self.together, self.coupling)
