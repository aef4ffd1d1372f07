"""The default executor: this process and a few of its own, each a fresh interpreter that talks through a pipe.

Processes are started without the caller's main program, so that a sweep needs no `if __name__ == "__main__"`; they form a
session of their own, so that Ctrl-C reaches the driver alone.  One that dies is replaced, and its points are computed again.
"""

import os
import pickle
import subprocess
import sys
import threading
import time
import warnings

import numpy as np

from flatphys.errors import SweepWarning, WorkerError
from flatphys.sweeps.point import FAILED, Block, Interrupted, compute, pickled
from flatphys.sweeps.worker import READY, read_frame, write_frame

WORTH = 1.2  # seconds of work left from which processes are started (each needs about 0.7 s of its own)
FIRST_LOOK = 0.25  # seconds of work before that is judged
STARTS = 3  # failed starts of a process before its lane is given up


def cpus() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Worker:
    """One process."""

    def __init__(self, job: bytes):
        self._job, self.process = job, None

    def start(self):
        """Begin a fresh process and wait until it is ready."""
        path = [entry or os.getcwd() for entry in sys.path]
        program = f"import sys; sys.path[:] = {path!r}; from flatphys.sweeps.worker import main; main()"
        extra = {"start_new_session": True} if os.name == "posix" else {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
        self.process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **extra)
        write_frame(self.process.stdin, self._job)
        if read_frame(self.process.stdout) != READY:
            raise EOFError

    def ask(self, points: np.ndarray) -> Block:
        """The block of these points; EOFError or OSError where the process died."""
        write_frame(self.process.stdin, points.tobytes())
        answer = pickle.loads(read_frame(self.process.stdout))
        if isinstance(answer, str):
            raise WorkerError(f"a worker process could not run its points: {answer}")
        return answer

    def end(self):
        """Close the pipe and make sure that the process is gone."""
        process, self.process = self.process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            try:
                stream.close()
            except OSError:
                pass


class Lane(threading.Thread):
    """Feeds one worker process until there is nothing more to take."""

    def __init__(self, job, chunks, collector):
        super().__init__(name="flatphys-sweep-lane", daemon=True)
        self._chunks, self._collector = chunks, collector
        self.worker, self.problem, self.ending = Worker(job), None, False
        self.busy = False

    def run(self):
        """The thread's work."""
        try:
            if not self._begin():
                return
            while (points := self._chunks.take(wait=True)) is not None:
                try:
                    block = self.worker.ask(points)
                except (EOFError, OSError, pickle.UnpicklingError):
                    if self.ending:
                        return
                    self._recover(points)
                    if not self._begin():
                        return
                    continue
                except WorkerError as error:
                    self.problem = error
                    self._chunks.back(points)
                    return
                self._chunks.done(block.points.size, block.seconds)
                self._collector.put(block)
                self._chunks.back(points[block.points.size :])
        finally:
            self.worker.end()

    def _begin(self):
        for _ in range(STARTS):
            if self.ending:
                return False
            try:
                self.worker.start()
                return True
            except (EOFError, OSError):
                self.worker.end()
        if not self.ending:
            self.problem = WorkerError(f"{STARTS} processes started with {sys.executable} ended before they were ready")
        return False

    def _recover(self, points):
        self.worker.end()
        lost = self._chunks.died(points)
        if lost.size:
            n = lost.size
            texts = ["the processes that computed this point died again and again"] * n
            group = ((), (), np.arange(n), np.empty((n, 0)), None)
            self._collector.put(Block(lost, [FAILED] * n, texts, [""] * n, [group]))

    def stop(self):
        """End the process, whatever it is doing."""
        self.ending = True
        process = self.worker.process
        if process is not None:
            process.kill()


def run_here(plan, chunks, collector, workers: int | None, guard) -> None:
    """Compute everything in this process and `workers` - 1 of its own (None: as many as there are processors, once that pays)."""
    lanes, wanted = [], (cpus() if workers is None else workers) - 1
    clock = _clock()

    def begin():
        try:
            job = pickled(plan)
        except WorkerError as error:
            warnings.warn(f"{error}; this process computes alone", SweepWarning, stacklevel=5)
            return 0
        for _ in range(wanted):
            lanes.append(Lane(job, chunks, collector))
            lanes[-1].start()
        return wanted

    def keep_going():
        return not collector.stopped.is_set() and here() < 1.0

    chunks.lanes = 1 if workers is None else workers
    rounds = 0
    try:
        if workers is not None and wanted > 0 and collector.total > 1:
            wanted = begin()
        while not collector.complete.is_set() and not guard.asked.is_set():
            if workers is None and not lanes and wanted > 0 and rounds > 1 and clock() > FIRST_LOOK and chunks.expected() > WORTH:
                wanted = begin()
                chunks.lanes = wanted + 1
            alive = [lane for lane in lanes if lane.is_alive()]
            points = chunks.take(fresh_only=bool(alive))
            if points is None:
                collector.complete.wait(0.05)
                continue
            here = _clock()
            try:
                with guard.computing():
                    block = compute(plan, points, keep_going)
            except Interrupted as stopped:
                collector.put(stopped.block)
                break
            rounds += 1
            chunks.done(block.points.size, block.seconds)
            collector.put(block)
            chunks.back(points[block.points.size :])
    finally:
        chunks.close()
        for lane in lanes:
            lane.stop()
        for lane in lanes:
            lane.join()
        problems = [lane.problem for lane in lanes if lane.problem is not None]
        if problems and not guard.asked.is_set():
            text = f"{len(problems)} of {wanted} worker processes could not be used ({problems[0]}); the others did their points"
            warnings.warn(text, SweepWarning, stacklevel=4)


def _clock():
    start = time.perf_counter()
    return lambda: time.perf_counter() - start
