"""Chains on the CPU: ranges of walkers shared out to threads, each inside compiled code without the interpreter's lock.

The random numbers depend on walker and step alone, so neither the number of threads nor the length of a slice changes anything.
"""

import concurrent.futures as futures
import os

from flatphys.montecarlo import committee, metropolis

SHARES = 4  # per thread: one that is held up leaves its share to the others
SLICE = 2e9  # fields times steps between two looks at the keyboard, per thread: about a second at most


class CpuBackend:
    """Advances `walkers` on `threads` threads."""

    name = "cpu"

    def __init__(self, walkers, threads=None):
        self.walkers = walkers
        self.threads = threads or len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))

    def slice(self, sweeps: int) -> int:
        """How many of the sweeps to run before looking for an interruption."""
        s = self.walkers
        work = s.count * s.steps * max(s.p, 256) * (s.hidden and 8 or 1)
        return max(1, min(sweeps, int(SLICE * self.threads / work)))

    def run(self, sweeps: int) -> bool:
        """Advance all walkers; returns whether the user interrupted (the sweeps are complete all the same)."""
        s = self.walkers
        first, many = s.sweeps, s.level.size > s.groups
        with futures.ThreadPoolExecutor(self.threads) as pool:
            if many and s.groups < self.threads:  # few groups: their walkers are shared out between two exchanges
                return self._each(pool, 1, lambda lo, hi: self._in_step(pool, sweeps))
            return self._each(pool, s.groups, lambda lo, hi: self._groups(lo, hi, first, sweeps))

    def _each(self, pool, count, work):
        shares = min(count, SHARES * self.threads)
        cuts = [count * k // shares for k in range(shares + 1)]
        jobs = [pool.submit(work, lo, hi) for lo, hi in zip(cuts[:-1], cuts[1:])]
        interrupted = False
        while True:
            try:
                for job in jobs:
                    job.result()
                return interrupted
            except KeyboardInterrupt:
                interrupted = True

    def _groups(self, lo, hi, first, sweeps):
        s = self.walkers
        b = len(s.betas)
        if b == 1:
            self._sweep(lo, hi, first, sweeps)
            return
        for sweep in range(first, first + sweeps):
            self._sweep(lo * b, hi * b, sweep, 1)
            metropolis.exchange(lo, hi, sweep, *s.key, s.at, s.level, s.energy, s.swaps, s.swapped)

    def _in_step(self, pool, sweeps):
        s = self.walkers
        cuts = [s.count * k // self.threads for k in range(self.threads + 1)]
        shares = [(lo, hi) for lo, hi in zip(cuts[:-1], cuts[1:]) if hi > lo]
        for sweep in range(s.sweeps, s.sweeps + sweeps):
            others = [pool.submit(self._sweep, lo, hi, sweep, 1) for lo, hi in shares[1:]]
            self._sweep(*shares[0], sweep, 1)
            for job in others:
                job.result()
            metropolis.exchange(0, s.groups, sweep, *s.key, s.at, s.level, s.energy, s.swaps, s.swapped)

    def _sweep(self, lo, hi, sweep, sweeps):
        s = self.walkers
        step, steps = sweep * s.steps, sweeps * s.steps
        start = (lo, hi, steps, step, *s.key, s.mode)
        chain = (s.energy, s.level, s.order)
        if s.kind == "bits":
            metropolis.sweep_bits(
                *start, s.agree, s.bits, s.per_instance, s.w, s.h, *chain, s.tables, s.threshold, s.valid, s.accepted
            )  # fmt: skip
        elif s.kind == "real":
            metropolis.sweep_real(
                *start, s.low, s.agree, s.x, s.bits, s.valid, s.per_instance, s.w, s.h, *chain, s.spread, s.tables, s.threshold, s.accepted
            )  # fmt: skip
        else:
            committee.sweep_committee(
                *start, s.agree, s.code, s.root, s.table, s.signs, s.instances.labels,
                s.x, s.per_instance, s.w, s.h, s.sums, *chain, s.spread, s.tables, s.threshold, s.accepted,
            )  # fmt: skip

    def pull(self, *names):
        """Nothing to do: the arrays are the state."""

    def push(self, *names):
        """Nothing to do: the arrays are the state."""
