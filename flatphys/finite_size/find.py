"""`find`: an algorithm on every instance, in threads, with a history, checkpoints and Ctrl-C; what it finds is a `Found`.

Every search advances in bounded steps; between two of them it is looked at and kept.  Its random numbers depend on (seed, k) alone, so
that the result has the same bits whatever the number of threads and wherever a run was killed and went on.
"""

import os
import time
import warnings
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import NamedTuple

import numpy as np

from flatphys import validate
from flatphys.errors import InterruptedRunWarning
from flatphys.finite_size import checkpoint as store
from flatphys.finite_size.found import Found
from flatphys.finite_size.instances import Instances
from flatphys.finite_size.patience import Interruption, progress_bar
from flatphys.finite_size.rules import one_thread
from flatphys.finite_size.search import Algorithm, Own, Search, algorithm_of


def find(
    instances: Instances,
    algorithm: Algorithm | Callable,
    seed: int = 1,
    threads: int | None = None,
    progress: bool | Callable | None = None,
    checkpoint: str | os.PathLike | None = None,
    *,
    interval: float = 30.0,
) -> Found:
    """Look for weights without errors on every instance.

    Parameters
    ----------
    instances : Instances
    algorithm : `FocusingBP()`, `ReinforcedBP()`, `SelfFieldBP()`, ... or a function of (instance, generator)
        A function gets one instance (`Instances` of count 1) and a `numpy.random.Generator`, and returns its weights (n,).
    seed : int
        Instance k draws from the stream of (seed, k).
    threads : int, optional
        Instances at a time (default: the processors).  The result does not depend on it.
    progress : True, False, None or a function of (done, total)
        A bar over the instances on stderr; None: where there is a terminal.
    checkpoint : path, optional
        Kept up to date every `interval` seconds and at the end; a call that finds it there goes on from it, to the same bits.
    interval : float > 0
        Seconds between two writings of the checkpoint.

    Returns
    -------
    Found
        With weights, iterations, CPU seconds and the history of every instance, solved or not.

    Warns
    -----
    InterruptedRunWarning
        After Ctrl-C: instances that were not finished have the best weights so far.

    Raises
    ------
    InvalidInput
        Before any work: a model, margin or network that the algorithm does not serve, a checkpoint of another call.

    Examples
    --------
    >>> import flatphys as fp
    >>> fp.find(fp.make_instances(fp.Model(), 201, 0.4, count=2), fp.ReinforcedBP(), progress=False).solved.tolist()
    [True, True]
    """
    validate.instance("instances", instances, (Instances,))
    algorithm, seed, progress = algorithm_of(algorithm), validate.seed(seed), validate.progress(progress)
    threads = os.cpu_count() or 1 if threads is None else validate.integer("threads", threads, 1)
    path = None if checkpoint is None else validate.path("checkpoint", checkpoint)
    care = Care(path, validate.number("interval", interval, 0.0), min(threads, instances.count))
    algorithm.check(instances)
    call = {
        "algorithm": _spelled(algorithm),
        "seed": seed,
        "model": repr(instances.model),
        "hidden": instances.hidden,
        "instances": store.digest({"patterns": instances.patterns, "labels": instances.labels}),
    }
    return Hunt(instances, algorithm, seed, call).run(care, progress)


def _spelled(algorithm) -> str:
    if isinstance(algorithm, Own):
        function = algorithm.function
        return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    return repr(algorithm)


class Care(NamedTuple):
    """Where the checkpoint is kept (or None), how often in seconds, and how many searches run at a time."""

    checkpoint: object
    interval: float
    threads: int


class Line:
    """One instance: its search while it runs, what it has found, and the rows of its history."""

    def __init__(self):
        self.search: Search | None = None
        self.finished, self.seconds, self.iterations, self.rows = False, 0.0, [], []
        self.weights: np.ndarray | None = None
        self.replicas: np.ndarray | None = None

    def advance(self) -> bool:
        """One step, in a thread of its own."""
        started = time.thread_time()
        ended = self.search.advance()
        self.seconds += time.thread_time() - started
        self.rows.append(self.search.row())
        self.iterations.append(int(self.search.iterations))
        return ended

    def close(self, finished: bool) -> None:
        """Take what the search has found and let its memory go."""
        self.finished, self.weights, self.replicas = finished, self.search.weights, self.search.replicas
        self.search = None

    def arrays(self) -> dict:
        """Everything, for a checkpoint."""
        names = sorted(self.rows[0]) if self.rows else []
        rows = np.array([[row[name] for name in names] for row in self.rows], dtype=float).reshape(len(self.rows), len(names))
        out = {"finished": np.array(self.finished), "seconds": np.array(self.seconds), "iterations": np.array(self.iterations, np.int64)}
        out |= {"names": np.array(names, dtype="U"), "rows": rows}
        if self.search is not None:
            out |= {f"search/{name}": np.asarray(array) for name, array in self.search.arrays().items()}
        out |= {name: getattr(self, name) for name in ("weights", "replicas") if getattr(self, name) is not None}
        return out

    def restore(self, arrays: dict, begin: Callable) -> None:
        """Go on from `arrays`; `begin` makes a new search."""
        self.finished, self.seconds = bool(arrays["finished"]), float(arrays["seconds"])
        self.iterations = arrays["iterations"].tolist()
        self.rows = [dict(zip(arrays["names"].tolist(), row)) for row in arrays["rows"].tolist()]
        self.weights, self.replicas = arrays.get("weights"), arrays.get("replicas")
        if not self.finished:
            self.search = begin()
            self.search.restore({name[7:]: array for name, array in arrays.items() if name.startswith("search/")})


class Hunt:
    """One call of `find`: a `Line` for every instance."""

    def __init__(self, instances, algorithm, seed, call):
        self.instances, self.algorithm, self.seed, self.call = instances, algorithm, seed, call
        self.lines = [Line() for _ in range(instances.count)]

    def run(self, care: Care, progress) -> Found:
        """Advance all searches to their end, or to Ctrl-C."""
        with Interruption() as ctrl_c, progress_bar(progress, len(self.lines), "finding") as show, one_thread():
            saved = None if care.checkpoint is None else store.load(care.checkpoint, self.call)
            for name in saved or {}:
                if name.endswith("/finished"):
                    self._restore(int(name.split("/")[0]), saved)
            with ThreadPoolExecutor(care.threads) as pool:
                self._go_on(care, ctrl_c, show, pool)
            return self._result()

    def _begin(self, k):
        return self.algorithm.begin(self.instances, k, self.seed)

    def _restore(self, k, saved):
        own = {name.split("/", 1)[1]: array for name, array in saved.items() if name.startswith(f"{k}/")}
        self.lines[k].restore(own, lambda: self._begin(k))

    def _step(self, k):
        """One step of instance k: begun if it has not, closed where it ends."""
        line = self.lines[k]
        if line.search is None:
            line.search = self._begin(k)
        if line.advance():
            line.close(True)

    def _go_on(self, care, ctrl_c, show, pool):
        """Step after step, as many instances at a time as there are threads; all stand still while they are kept."""
        order = sorted(range(len(self.lines)), key=lambda k: self.lines[k].search is None)  # first those that had begun
        waiting = [k for k in order if not self.lines[k].finished]
        show(len(self.lines) - len(waiting))
        running, kept = {}, time.monotonic()
        while waiting or running:
            due = care.checkpoint is not None and time.monotonic() - kept >= care.interval
            while waiting and len(running) < care.threads and not due and not ctrl_c.pressed:
                k = waiting.pop(0)
                running[pool.submit(self._step, k)] = k
            if not running:
                if ctrl_c.pressed:
                    break
                self._keep(care)
                kept = time.monotonic()
                continue
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                k = running.pop(future)
                future.result()
                if not self.lines[k].finished:
                    waiting.insert(0, k)
            show(sum(line.finished for line in self.lines))
        if care.checkpoint is not None:
            self._keep(care)

    def _keep(self, care):
        begun = {k: line for k, line in enumerate(self.lines) if line.finished or line.search is not None}
        arrays = {f"{k}/{name}": array for k, line in begun.items() for name, array in line.arrays().items()}
        store.save(care.checkpoint, self.call, arrays)

    def _result(self) -> Found:
        unfinished = [k for k, line in enumerate(self.lines) if not line.finished]
        for k in unfinished:
            self.lines[k].search = self.lines[k].search or self._begin(k)
            self.lines[k].close(False)
        if unfinished:
            text = f"interrupted: {len(unfinished)} of {len(self.lines)} instances were not finished and have the best weights so far"
            warnings.warn(text, InterruptedRunWarning, stacklevel=4)
        weights = np.stack([line.weights for line in self.lines])
        replicas = None if self.lines[0].replicas is None else np.stack([line.replicas for line in self.lines])
        shown = self.algorithm.function if isinstance(self.algorithm, Own) else self.algorithm
        return Found(
            self.instances,
            weights,
            shown,
            iterations=np.array([line.iterations[-1] if line.iterations else 0 for line in self.lines]),
            seconds=np.array([line.seconds for line in self.lines]),
            records=history_of(self.lines),
            replicas=replicas,
        )


def history_of(lines) -> dict:
    """{name: (count, iterations)} on the iterations at which some instance has a row, nan where one has none."""
    grid = np.array(sorted({step for line in lines for step in line.iterations}), dtype=np.int64)
    names = sorted({name for line in lines for row in line.rows for name in row})
    out = {name: np.full((len(lines), grid.size), np.nan) for name in names}
    for k, line in enumerate(lines):
        place = np.searchsorted(grid, np.array(line.iterations, dtype=np.int64))
        for name in names:
            out[name][k, place] = [row.get(name, np.nan) for row in line.rows]
    return {"iteration": grid, **out}
