"""A few points of a plan, computed one after the other: values, or a status and a sentence that says why not.

`Block` is what travels between processes and into the store: arrays per set of names, texts per point.
"""

import contextlib
import functools
import hashlib
import math
import pickle
import threading
import time
import warnings
from dataclasses import dataclass

import numpy as np

import flatphys as fp
from flatphys.errors import (
    InvalidInput,
    NegativeEntropyWarning,
    NoSolution,
    NotConverged,
    ReplicaSymmetryWarning,
    Unsatisfiable,
    WorkerError,
)
from flatphys.model import ERM
from flatphys.questions.answer import NEGATIVE, REASONS, UNSTABLE

INTERRUPTED, FAILED, INVALID, UNDEFINED = "interrupted", "failed", "invalid_input", "undefined"
STATUSES = {
    "ok": "the values hold",
    NEGATIVE: "values are given; a count of binary weights is negative, they are the formal continuation",
    UNSTABLE: "values are given; the replicon is negative, they are approximations or bounds",
    "unsat": "no values: no weights fulfil the constraints",
    "no_solution": "no values: the equations have no saddle point of this kind",
    "not_converged": "no values: the equations were not solved to tolerance",
    INVALID: "no values: the question is not defined at this point",
    UNDEFINED: "no values: the question answered nan",
    FAILED: "no values: the question raised an error",
    INTERRUPTED: "no values: the sweep was interrupted before this point",
}
_ERRORS = {Unsatisfiable: "unsat", NoSolution: "no_solution", NotConverged: "not_converged", InvalidInput: INVALID}
_WARNINGS = {NegativeEntropyWarning: NEGATIVE, ReplicaSymmetryWarning: UNSTABLE}


PATIENCE = 1.0  # seconds after which a chunk is returned as far as it is done


class Quiet:
    """Collects the library's warnings per thread instead of showing them, while it is entered anywhere in the process.

    `warnings.catch_warnings` is not safe among threads, and would show nothing but the first of equal warnings.
    """

    def __init__(self):
        self._lock, self._depth, self._local = threading.Lock(), 0, threading.local()

    def __enter__(self):
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                for category in _WARNINGS:
                    warnings.simplefilter("always", category)
                self._show = warnings.showwarning
                warnings.showwarning = self._collect
        return self

    def __exit__(self, *error):
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                self._saved.__exit__(*error)

    def _collect(self, message, category, *where, **more):
        found = getattr(self._local, "found", None)
        if found is None or category not in _WARNINGS:
            self._show(message, category, *where, **more)
        else:
            found.append((_WARNINGS[category], str(message)))

    @contextlib.contextmanager
    def listening(self):
        """The list that this thread's warnings go to meanwhile."""
        before, self._local.found = getattr(self._local, "found", None), []
        try:
            yield self._local.found
        finally:
            self._local.found = before


quiet = Quiet()


@dataclass
class Block:
    """Some points: `groups` holds (scalar names, vector names, places in the block, scalars (n, k), vectors (n, k', size))."""

    points: np.ndarray
    status: list  # a text per point, or a tuple of texts along the vector option
    message: list
    branch: list
    groups: list
    seconds: float = 0.0


class Builder:
    """Collects points into a `Block`."""

    def __init__(self):
        self.points, self.status, self.message, self.branch, self.groups = [], [], [], [], {}

    def add(self, point, scalars: dict, vectors: dict, status, message, branch):
        """One point."""
        key = tuple(scalars), tuple(vectors)
        rows = self.groups.get(key)
        if rows is None:
            rows = self.groups[key] = ([], [], [])
        rows[0].append(len(self.points))
        rows[1].append(tuple(scalars.values()))
        rows[2].append(list(vectors.values()))
        self.points.append(point)
        self.status.append(status)
        self.message.append(message)
        self.branch.append(branch)

    def block(self, seconds=0.0) -> Block:
        """What was collected."""
        groups = []
        for (names, vector_names), (places, rows, arrays) in self.groups.items():
            scalars = np.array(rows, dtype=float).reshape(len(rows), len(names))
            groups.append((names, vector_names, np.array(places), scalars, np.array(arrays, dtype=float) if vector_names else None))
        return Block(np.array(self.points, dtype=np.int64), self.status, self.message, self.branch, groups, seconds)


def compute(plan, points, keep_going=lambda: True) -> Block:
    """The block of these points; stops between two of them where `keep_going()` says so, or at Ctrl-C."""
    out, ask, clock = Builder(), plan.question.ask, _clock()
    size = None if plan.vector is None else len(plan.vector.values)
    with quiet, quiet.listening() as found:
        try:
            for point, model, alpha, options in plan.inputs(points):
                found.clear()
                out.add(point, *_asked(ask, model, alpha, options, found, size))
                if not keep_going():
                    break
        except KeyboardInterrupt:
            raise Interrupted(out.block(clock())) from None
    return out.block(clock())


def solved(model, alpha, ansatz="RS"):
    """The dominant state; minimisers of a loss are continued."""
    if isinstance(model.learner, ERM) and ansatz == "RS":
        from flatphys.sweeps.continuation import solve_minimiser

        return solve_minimiser(model, alpha)
    return fp.solve(model, alpha, ansatz=ansatz)


class Interrupted(Exception):
    """Ctrl-C during `compute`; carries the block of the points that were finished."""

    def __init__(self, block):
        super().__init__()
        self.block = block


def _clock():
    start = time.perf_counter()
    return lambda: time.perf_counter() - start


def _asked(ask, model, alpha, options, found, size):
    """(scalars, vectors, status, message, branch) of one point."""
    try:
        answer = ask(model, alpha, solved, **options)
    except tuple(_ERRORS) as error:
        return {}, {}, _ERRORS[next(kind for kind in type(error).__mro__ if kind in _ERRORS)], _line(error), ""
    except Exception as error:  # a user's own function, or a defect of ours: the other points go on, this one says so
        return {}, {}, FAILED, f"{type(error).__name__}: {_line(error)}", ""
    status, message = "ok", ""
    for name in (NEGATIVE, UNSTABLE):
        message = next((text for kind, text in found if kind == name), "")
        if message:
            status = name
            break
    lost = [name for name, value in answer.scalars.items() if math.isnan(value)]
    if lost and status == "ok":
        status, message = UNDEFINED, f"the answer is nan for {', '.join(lost)}"
    vectors = {name: np.atleast_1d(array) for name, array in answer.vectors.items()}
    if size is not None and vectors:
        status, message = _along(answer, vectors, status, message, size)
    elif size is not None and answer.status is not None:
        status, message = _spread(answer, answer.status)
    return answer.scalars, vectors, status, message, answer.branch


def _along(answer, vectors, status, message, size):
    """Status and message of every element: those of the equations, else those of the reference."""
    if answer.status is not None:
        each = np.array(answer.status, dtype="<U16")
        if status == UNSTABLE:  # the reference's own replicon; the sign of a count was read element by element
            each[each == "ok"] = UNSTABLE
            answer.reasons[UNSTABLE] = message
        return _spread(answer, each)
    gone = np.any([np.isnan(array) for array in vectors.values()], axis=0)
    if status == "ok" and gone.any():
        answer.reasons[UNDEFINED] = "the answer is nan"
        return _spread(answer, np.where(gone, UNDEFINED, "ok"))
    return status, message


def _spread(answer, each):
    """Texts along the vector option, one text where all are equal."""
    status = tuple(map(str, each))
    message = tuple(answer.reasons.get(name) or REASONS.get(name, "") for name in status)
    if len(set(status)) == 1:
        return status[0], message[0]
    return status, message


def _line(error) -> str:
    return " ".join(str(error).split())


@functools.lru_cache(maxsize=4)
def _job(digest, job: bytes):
    return pickle.loads(job)


def run(job: bytes, points: bytes) -> Block:
    """What an executor or a worker runs: the points (int64) of a pickled plan, as many as it finishes in about `PATIENCE`."""
    plan = _job(hashlib.blake2b(job, digest_size=16).digest(), job)
    clock = _clock()
    return compute(plan, np.frombuffer(points, dtype=np.int64), lambda: clock() < PATIENCE)


def pickled(plan) -> bytes:
    """The plan as bytes: functions of the main program and without a name travel by value."""
    from numba import cloudpickle

    try:
        return cloudpickle.dumps(plan)
    except Exception as error:  # an open file, a lock: whatever pickle says of it
        raise WorkerError(
            f"the question or the model cannot be sent to another process ({type(error).__name__}: {error}); workers=1 needs none"
        ) from error
