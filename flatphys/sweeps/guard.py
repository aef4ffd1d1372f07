"""Guard: what Ctrl-C means during a sweep: end at once the point under way, keep everything that is done."""

import contextlib
import signal
import sys
import threading


class Guard:
    """Entered around a sweep.  `asked` is set by the first Ctrl-C; a second one raises wherever it comes.

    KeyboardInterrupt is raised only inside `computing()`, so that neither the table nor the store is left half-written.
    Where a kernel is being compiled or loaded, it is raised when that has ended.
    Outside the main thread, or under a handler of the caller's own, signals are left alone.
    """

    def __init__(self):
        self.asked = threading.Event()
        self._computing, self._before = False, None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *error):
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _handle(self, number, frame):
        again = self.asked.is_set()
        self.asked.set()
        if self._computing or again:
            _interrupt(frame)

    @contextlib.contextmanager
    def computing(self):
        """The part that may be cut short."""
        self._computing = True
        try:
            yield
        finally:
            self._computing = False


def _interrupt(frame):
    """Raise KeyboardInterrupt in `frame`, or in the frame that called the compiler on whose behalf it runs, when that returns."""
    safe = _outside(frame)
    if safe is frame or safe is None:
        raise KeyboardInterrupt

    def step(here, event, argument):
        if here is safe:
            sys.settrace(None)
            here.f_trace = None
            raise KeyboardInterrupt
        return None

    safe.f_trace = step  # called at its next line or at its return
    sys.settrace(step)


def _outside(frame):
    """The innermost frame at or around `frame` that is no part of numba's compiler or loader: what they leave half-done stays so."""
    safe = here = frame
    while here is not None:
        if (here.f_globals.get("__name__") or "").partition(".")[0] in ("numba", "llvmlite"):
            safe = here.f_back
        here = here.f_back
    return safe
