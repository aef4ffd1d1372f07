"""Guard: what Ctrl-C means during a sweep: end at once the point under way, keep everything that is done."""

import contextlib
import signal
import threading


class Guard:
    """Entered around a sweep.  `asked` is set by the first Ctrl-C; a second one raises wherever it comes.

    KeyboardInterrupt is raised only inside `computing()`, so that neither the table nor the store is left half-written.
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
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def computing(self):
        """The part that may be cut short."""
        self._computing = True
        try:
            yield
        finally:
            self._computing = False
