"""Progress: a bar with points done, rate and remaining time on a terminal, nothing elsewhere."""

import sys

from flatphys.display import is_terminal


class Progress:
    """Entered around a sweep; `update(done)` may come from any thread.

    Parameters
    ----------
    total : int
    wanted : None, bool or function
        None: a bar if standard error is a terminal.  A function is called with (done, total) instead.
    """

    def __init__(self, total: int, wanted=None):
        self._total, self._call, self._bar, self._task = total, wanted if callable(wanted) else None, None, None
        self._show = self._call is None and total > 1 and (is_terminal(sys.stderr) if wanted is None else wanted)

    def __enter__(self):
        if self._show:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress as Bar, ProgressColumn, TextColumn, TimeRemainingColumn
            from rich.text import Text

            class Rate(ProgressColumn):
                """Points per second."""

                def render(self, task):
                    return Text(f"{task.speed:.3g}/s" if task.speed else "-/s")

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("points"),
                Rate(),
                TimeRemainingColumn(),
            )
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("sweep", total=self._total)
        return self

    def update(self, done: int) -> None:
        """So many points are done."""
        if self._call is not None:
            self._call(done, self._total)
        elif self._bar is not None:
            self._bar.update(self._task, completed=done)

    def __exit__(self, *error):
        if self._bar is not None:
            self._bar.stop()
