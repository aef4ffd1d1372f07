"""Guard: what Ctrl-C means during a sweep: end at once the point under way, keep everything that is done."""

import contextlib
import signal
import sys
import threading


class Guard:
    """Entered around a sweep.  `asked` is set by the first Ctrl-C; a second one raises wherever it comes.

    KeyboardInterrupt is raised only inside `computing()`, so that neither the table nor the store is left half-written.
    Where the interpreter runs on behalf of compiled code, it is raised when that call has returned: see `_outside`.
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
    """Raise KeyboardInterrupt in `frame`, or in the frame that called compiled code on whose behalf it runs, when that returns."""
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
    """The innermost frame at or around `frame` that is no part of a call of compiled code.

    numba does not check for errors when it makes the named tuples that a kernel returns (their classes are unpickled and called in the
    interpreter): an exception there leaves a null pointer in the tuple around it and ends the process.  As a signal that comes
    while a kernel runs is handled by the first bytecode afterwards, this is where most of them are.  The compiler is no place either.
    """
    safe = here = frame
    while here is not None:
        name = here.f_globals.get("__name__") or ""
        if name.partition(".")[0] in ("numba", "llvmlite") or name.startswith("namedtuple_"):
            safe = here.f_back
        here = here.f_back
    return safe
