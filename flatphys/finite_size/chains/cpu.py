"""Chains on the CPU: ranges of walkers are shared out to threads, each in compiled code without the lock of the interpreter.

The random numbers depend on walker and step alone, so neither the number of threads nor the length of a slice changes anything.
"""

import concurrent.futures as futures
import contextlib
import os
import signal
import threading

from flatphys.finite_size.chains import committee, metropolis
from flatphys.finite_size.chains.layout import Span

SHARES = 4  # per thread: one that is held up leaves its share to the others
SMALL = 5e6  # fields times steps below which starting threads takes longer than the sweeps (milliseconds)
SLICE = 2e9  # fields times steps between two looks at the keyboard, per thread: about a second at most


@contextlib.contextmanager
def deferred_interrupt():
    """Ctrl-C inside takes effect at the end of the block, so that what is inside is done as a whole."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    seen = []
    old = signal.signal(signal.SIGINT, lambda *_: seen.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, old if old is not None else signal.SIG_DFL)
    if seen:
        signal.raise_signal(signal.SIGINT)


class CpuBackend:
    """Advances `walkers` on `threads` threads."""

    name = "cpu"

    def __init__(self, walkers, threads=None):
        self.walkers = walkers
        self.threads = threads or len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))

    def slice(self, sweeps: int) -> int:
        """How many of the sweeps to run before looking for an interruption."""
        return max(1, min(sweeps, int(SLICE * self.threads / self._work())))

    def _work(self):
        """Of a sweep, in fields times steps."""
        s = self.walkers
        return s.count * s.steps * max(s.p, 256) * (s.hidden and 8 or 1)

    def run(self, sweeps: int):
        """Advance all walkers."""
        s = self.walkers
        first, many = s.sweeps, s.count > s.groups
        if self.threads == 1 or sweeps * self._work() < SMALL:
            self._groups(0, s.groups, first, sweeps)
            return
        with futures.ThreadPoolExecutor(self.threads) as pool:
            if many and s.groups < self.threads:  # few groups: their walkers are shared out between two exchanges
                self._in_step(pool, first, sweeps)
                return
            shares = shared_out(s.groups, SHARES * self.threads)
            finish([pool.submit(self._groups, lo, hi, first, sweeps) for lo, hi in shares])

    def _groups(self, lo, hi, first, sweeps):
        b = len(self.walkers.betas)
        if b == 1:
            self._sweep(lo, hi, first, sweeps)
            return
        for sweep in range(first, first + sweeps):
            self._sweep(lo * b, hi * b, sweep, 1)
            self._exchange(lo, hi, sweep)

    def _in_step(self, pool, first, sweeps):
        s = self.walkers
        shares = shared_out(s.count, self.threads)
        for sweep in range(first, first + sweeps):
            finish([pool.submit(self._sweep, lo, hi, sweep, 1) for lo, hi in shares])
            self._exchange(0, s.groups, sweep)

    def _sweep(self, lo, hi, sweep, sweeps):
        s = self.walkers
        span = Span(lo, hi, sweep * s.steps, sweeps * s.steps, *s.key)
        if s.kind == "bits":
            metropolis.sweep_bits(span, s.move, s.limit, s.bath, s.patterns, s.state)
        elif s.kind == "real":
            metropolis.sweep_real(span, s.move, s.cost, s.bath, s.patterns, s.state)
        else:
            committee.sweep_committee(span, s.move, s.cost, s.bath, s.patterns, s.layer, s.state)

    def _exchange(self, lo, hi, sweep):
        s = self.walkers
        metropolis.exchange(Span(lo, hi, sweep, 1, *s.key), s.bath, s.state)

    def pull(self, *names):
        """Nothing to do: the arrays are the state."""

    def push(self, *names):
        """Nothing to do: the arrays are the state."""


def shared_out(count, most):
    """0, ..., count cut into at most so many ranges."""
    shares = min(count, most)
    cuts = [count * k // shares for k in range(shares + 1)]
    return list(zip(cuts[:-1], cuts[1:]))


def finish(jobs):
    """Wait for all of them; raises what one of them raised."""
    for job in jobs:
        job.result()


def backend_on(device: str, threads):
    """The function that puts walkers on the device."""
    if device != "cpu":
        from flatphys.finite_size.chains import cuda as gpu  # numba.cuda is imported there, and only on use

        if device == "cuda" or gpu.available():
            gpu.require()
            return gpu.CudaBackend
    return lambda walkers: CpuBackend(walkers, threads)
