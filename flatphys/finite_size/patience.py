"""Long loops: a progress bar where there is a terminal, and a Ctrl-C that lets the running step finish."""

import signal
import sys
import threading
from contextlib import contextmanager, nullcontext

from flatphys.display import is_terminal


class Interruption:
    """Context in which the first Ctrl-C only sets `pressed`; a second one interrupts as usual.

    The chains are never left in the middle of a sweep.  Outside the main thread signals do not arrive: nothing is changed there.
    """

    def __init__(self):
        self.pressed = False
        self._saved = None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._saved = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *_):
        if self._saved is not None:
            signal.signal(signal.SIGINT, self._saved)

    def _press(self, number, frame):
        self.pressed = True
        signal.signal(signal.SIGINT, self._saved)


@contextmanager
def progress_bar(progress, total: int, what: str):
    """A function of the number of steps done: `progress` itself if it is one, a bar on stderr, or nothing.

    `progress` None shows the bar on a terminal only, True always, False never.
    """
    if callable(progress):
        yield lambda done: progress(done, total)
        return
    if progress is False or (progress is None and not is_terminal(sys.stderr)):
        with nullcontext():
            yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=progress is None) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
