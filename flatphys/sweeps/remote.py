"""Any `concurrent.futures.Executor`: a few chunks under way per worker, lost ones sent again."""

import concurrent.futures
import warnings

from flatphys.errors import SweepWarning, WorkerError
from flatphys.sweeps.local import cpus, run_here
from flatphys.sweeps.point import Block, pickled, run

TRIES = 4  # of one chunk that comes back with an error of the executor


def lanes_of(executor, workers: int | None) -> int:
    """How many chunks an executor computes at a time."""
    if workers is not None:
        return workers
    client = getattr(executor, "_client", None)  # dask
    if client is not None:
        try:
            return max(1, sum(client.nthreads().values()))
        except Exception:
            return cpus()
    return getattr(executor, "_max_workers", None) or cpus()


def run_on(executor, plan, chunks, collector, workers, guard) -> None:
    """Compute everything on `executor`; this process only hands out and collects."""
    job = pickled(plan)
    chunks.lanes = lanes_of(executor, workers)
    under_way, tries = {}, {}
    try:
        while not collector.complete.is_set() and not guard.asked.is_set():
            while len(under_way) < 2 * chunks.lanes and (points := chunks.take()) is not None:
                try:
                    under_way[_submitted(executor, job, points)] = points
                except RuntimeError as error:
                    chunks.back(points)
                    return _go_on_here(plan, chunks, collector, under_way, guard, error)
            if not under_way:
                collector.complete.wait(0.05)
                continue
            finished, _ = concurrent.futures.wait(under_way, timeout=0.2, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in finished:
                points = under_way.pop(future)
                try:
                    block = future.result()
                    if not isinstance(block, Block):
                        raise TypeError(f"{type(block).__name__} in place of points")
                except concurrent.futures.BrokenExecutor as error:
                    chunks.back(points)
                    return _go_on_here(plan, chunks, collector, under_way, guard, error)
                except (Exception, concurrent.futures.CancelledError) as error:  # points have statuses: this is the executor's
                    _again(points, error, tries, chunks, executor)
                    continue
                chunks.done(block.points.size, block.seconds)
                collector.put(block)
                chunks.back(points[block.points.size :])
    finally:
        for future in under_way:
            future.cancel()


def _submitted(executor, job, points):
    """The future of a chunk; RuntimeError where the executor is of no further use."""
    try:
        future = executor.submit(run, job, points.tobytes())
        if not isinstance(future, concurrent.futures.Future):
            raise TypeError(f"submit returned {type(future).__name__}, no future of concurrent.futures")
        return future
    except RuntimeError:  # broken, or shut down
        raise
    except Exception as error:
        raise WorkerError(f"{type(executor).__name__} takes no points ({type(error).__name__}: {error})") from error


def _again(points, error, tries, chunks, executor):
    first = int(points[0])
    tries[first] = tries.get(first, 0) + 1
    if tries[first] >= TRIES:
        raise WorkerError(
            f"{type(executor).__name__} returned an error for the same points {TRIES} times ({type(error).__name__}: {error}): "
            f"is this version of flatphys installed on its workers?"
        ) from error
    chunks.back(points)


def _go_on_here(plan, chunks, collector, under_way, guard, error):
    """The executor is of no further use: this process finishes what is left."""
    for future, points in list(under_way.items()):
        if future.done() and not future.cancelled() and future.exception() is None:
            collector.put(future.result())
            chunks.back(points[future.result().points.size :])
        else:
            future.cancel()
            chunks.back(points)
    under_way.clear()
    warnings.warn(f"the executor broke ({type(error).__name__}: {error}); local processes compute the rest", SweepWarning, stacklevel=5)
    run_here(plan, chunks, collector, None, guard)
