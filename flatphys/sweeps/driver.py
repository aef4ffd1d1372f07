"""sweep(model, alpha=..., ...): many points at once, as a labelled table."""

import contextlib
import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from flatphys import validate
from flatphys.errors import InvalidInput, SweepWarning
from flatphys.model import Model
from flatphys.questions.catalogue import question_of
from flatphys.sweeps.chunks import Chunks
from flatphys.sweeps.collector import Collector
from flatphys.sweeps.grid import plan as make_plan
from flatphys.sweeps.guard import Guard
from flatphys.sweeps.local import run_here
from flatphys.sweeps.point import FAILED, quiet
from flatphys.sweeps.progress import Progress
from flatphys.sweeps.remote import run_on
from flatphys.sweeps.store import Store
from flatphys.sweeps.table import Table

if TYPE_CHECKING:
    import xarray

READ = 4096  # points asked of the store at a time


def sweep(
    model: Model,
    alpha: Any = None,
    *,
    question: Callable | str | None = None,
    store: Store | str | os.PathLike | None = None,
    executor: Any = None,
    workers: int | None = None,
    progress: bool | Callable[[int, int], object] | None = None,
    **axes: Any,
) -> "xarray.Dataset":
    """One question at every point of a grid over the load, the model's fields and the question's options.

    Parameters
    ----------
    model : Model
        Its fields that no axis changes.
    alpha : number or list > 0
        Loads P/N; left out for questions that have none (`capacity`, `at_line`, ...).
    question : function or str
        `solve` (the default) or any other that `flatphys.supported()` lists, such as `local_energy`, `margins` (moments; density and
        distribution function with x=[...]) or `capacity`; or a function of your own, called as f(model, alpha, **options)
        (f(model, **options) without alpha), that returns a number, a `State` or a dict of numbers.  Its attribute `vectors` may name
        options that it takes as whole arrays and answers with arrays along them.
    **axes
        Fields of the model by their dotted names ("learner.margin", "data.flip", "learner.network.activation", "learner"), and options of
        the question (sigma, distance, ansatz, ...).  A list or array makes an axis, one value a coordinate without a dimension.  Questions
        about a state take reference="state" (the dominant one), "teacher" or "max_margin".
    store : path or Store
        Points found there are not computed again, new ones are added in batches of 0.2 s.
    executor : concurrent.futures.Executor
        Computes the points, e.g. dask's `Client(...).get_executor()` or `mpi4py.futures.MPIPoolExecutor()`.  Otherwise this process and
        `workers` - 1 further ones do.
    workers : int
        How many processes; 1: this one alone.  By default every processor, once there is more than about a second of work.
    progress : bool or function
        A bar on standard error; by default where that is a terminal.  A function is called as f(done, total).

    Returns
    -------
    xarray.Dataset
        Dimensions in the order of the arguments, an array option of the question (sigma, distance, overlap, x) innermost, each called by
        the last part of its name (margin), or all of it (learner_margin) where that is taken.  One variable per scalar, with unit and
        long name; `status` and `message`: "ok"; values with a reservation, "negative_entropy" and "rs_unstable"; no values, "unsat",
        "no_solution", "not_converged", "invalid_input" (the question is not defined there), "undefined", "failed" (an error of your
        function), "interrupted".  A value is nan only under one of these, or with a message that it is not defined.  The attributes say
        what was computed, by which versions, to which tolerance.  `to_netcdf(path, engine="scipy")` saves it as it is.

    Raises
    ------
    InvalidInput
        A name or a value of any axis is wrong (found before any work), or the question is defined at no point.
    StoreError
        The store is damaged or of another version.
    WorkerError
        The executor cannot run the points.

    Warns
    -----
    SweepWarning
        After Ctrl-C: the points done are returned, the others have the status "interrupted".  Or the executor broke, and local
        processes did the rest.  Or points have the status "failed".
    CacheWarning
        Points of the store are damaged (and computed again), or it cannot be written.

    Notes
    -----
    Every point is computed from its own model and load, never from a neighbour in the grid, so that numbers are the same to the last bit
    whatever the grid, the number of workers or the interruptions.  They are those of the function itself, except that minimisers of a loss
    are continued from a fixed lattice of anchors, two to four times faster and equal to rounding.

    Examples
    --------
    >>> import flatphys as fp
    >>> table = fp.sweep(fp.Model(), alpha=[0.2, 0.4, 0.6], **{"learner.margin": [0.0, 0.5]})
    >>> dict(table.sizes)
    {'alpha': 3, 'margin': 2}
    >>> round(float(table.entropy.sel(alpha=0.4, margin=0.0)), 10)
    0.3964550511
    >>> table.status.sel(alpha=0.6).values.tolist()
    ['ok', 'negative_entropy']
    """
    asked = question_of(question)
    todo = make_plan(model, alpha, asked, axes)
    workers = None if workers is None else validate.integer("workers", workers, 1)
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise InvalidInput(f"executor must be a concurrent.futures.Executor (with a method submit), got {validate.shown(executor)}")
    progress = validate.progress(progress)
    store = store if store is None or isinstance(store, Store) else validate.path("store", store)
    table = Table(todo)
    with contextlib.ExitStack() as stack:
        opened, keys = _opened(store, todo, stack)
        guard = stack.enter_context(Guard())
        stack.enter_context(quiet)
        bar = stack.enter_context(Progress(todo.size, progress))
        missing = _known(table, opened, keys, bar, guard)
        collector = Collector(table, missing.size, opened, keys, _Shifted(bar, todo.size - missing.size))
        collector.start()
        try:
            chunks = Chunks(missing, 1)
            if executor is None:
                run_here(todo, chunks, collector, workers, guard)
            else:
                run_on(executor, todo, chunks, collector, workers, guard)
        except KeyboardInterrupt:  # outside the main thread's guard, or the second Ctrl-C
            guard.asked.set()
        finally:
            collector.finish()
    undone = missing.size - collector.done
    if undone:
        kept = "with store=path the same call would go on" if opened is None else "what is done is in the store, the same call goes on"
        warnings.warn(
            f"interrupted: {todo.size - undone} of {todo.size} points are done, the others have the status 'interrupted'; {kept} "
            "from there",
            SweepWarning,
            stacklevel=2,
        )
    elif (table.status == "invalid_input").all():
        raise InvalidInput(str(table.message.flat[0]))
    _remark_failures(table)
    return table.dataset()


def _remark_failures(table):
    failed = table.status == FAILED
    if failed.any():
        warnings.warn(
            f"{int(failed.sum())} of {failed.size} points failed, the first with {table.message[failed][0]}", SweepWarning, stacklevel=3
        )


def _opened(store, plan, stack):
    """(Store, keys of the plan's points), or twice None."""
    if store is None:
        return None, None
    from flatphys.sweeps.keys import Keys

    keys = Keys(plan)
    return (store if isinstance(store, Store) else stack.enter_context(Store(store))), keys


def _known(table, store, keys, bar, guard) -> np.ndarray:
    """Fill in what the store has; the points that it lacks."""
    points = np.arange(table.size)
    if store is None:
        return points
    found = np.zeros(table.size, dtype=bool)
    for start in range(0, table.size, READ):
        if guard.asked.is_set():
            break
        for block in store.read(keys, points[start : start + READ]):
            table.put(block)
            found[block.points] = True
    bar.update(int(found.sum()))
    return points[~found]


class _Shifted:
    """The progress of a part that begins after so many points."""

    def __init__(self, bar, before):
        self._bar, self._before = bar, before

    def update(self, done):
        """So many of the part are done."""
        self._bar.update(self._before + done)
