"""`Found`: weights on instances, whoever found them, and what is asked of them.

An algorithm, a sample, scikit-learn or the user: the result is an array of weights, one for each instance, that is measured here.
Questions that are asked of states (`fp.margins`, `fp.local_energy`, ...) are answered for it in `finite_size.measured`.
"""

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from flatphys import validate
from flatphys.display import Table
from flatphys.errors import InvalidInput
from flatphys.finite_size import measure
from flatphys.finite_size.instances import Instances

if TYPE_CHECKING:
    import xarray

CONFIDENCE = 0.95


class Success(NamedTuple):
    """The fraction of instances that were solved, with its Clopper-Pearson interval at 95%."""

    value: float
    low: float
    high: float


def success_of(good: int, count: int) -> Success:
    """So many of so many."""
    from scipy.special import betaincinv

    tail = 0.5 * (1.0 - CONFIDENCE)
    low = float(betaincinv(good, count - good + 1, tail)) if good else 0.0
    high = float(betaincinv(good + 1, count - good, 1.0 - tail)) if good < count else 1.0
    return Success(good / count, low, high)


class Found(Table):
    """One weight vector for each instance.

    Attributes
    ----------
    instances : Instances
    weights : (count, n)
        int8 for binary weights; float64 for others, of |w|^2 = N where the learner's are spherical.
    stabilities : (count, p)
    train_error : (count,)
        Share of the stabilities below the learner's margin (0 for learners without one).
    solved : (count,) of bool
        No stability is.
    success : Success
        (value, low, high): the fraction solved and its Clopper-Pearson interval at 95%.
    algorithm, iterations, seconds, replicas
        How the weights were found; None for weights that were only measured: what `find` was given, (count,) iterations and CPU seconds,
        (count, y, n) replicas where the algorithm has some.
    history : xarray.Dataset or None
        Over (instance, iteration): what the algorithm wrote down about its course, nan where an instance has ended or has no row.
    """

    def __init__(self, instances: Instances, weights: np.ndarray, algorithm=None, **of_run):
        shape = validate.instance("instances", instances, (Instances,)).count, instances.n
        if validate.array("weights", weights).shape != shape:
            raise InvalidInput(f"weights must have the shape {shape}, got {validate.shown(weights)}")
        self.instances, self.weights, self.algorithm = instances, weights, algorithm
        self.iterations, self.seconds, self.records, self.replicas = (
            of_run.get(name) for name in ("iterations", "seconds", "records", "replicas")
        )
        self.stabilities = instances.stabilities(weights[:, None, :])[:, 0]
        self.train_error = measure.errors(self.stabilities, getattr(instances.model.learner, "margin", 0.0))

    @property
    def solved(self) -> np.ndarray:
        return self.train_error == 0.0

    @property
    def history(self) -> "xarray.Dataset | None":
        if self.records is None:
            return None
        import xarray  # imported here: it takes longer than many a search

        columns = {name: (("instance", "iteration"), array) for name, array in self.records.items() if name != "iteration"}
        return xarray.Dataset(columns, {"instance": np.arange(self.instances.count), "iteration": self.records["iteration"]})

    @property
    def success(self) -> Success:
        return success_of(int(self.solved.sum()), len(self.solved))

    def save(self, path: str | os.PathLike) -> None:
        """Write the weights with their instances and history to `path`; `fp.load` reads them (`finite_size.archive`)."""
        from flatphys.finite_size.archive import save

        save(self, path)

    def rows(self) -> list[dict]:
        """One dict of plain values for every instance: number, solved, train_error, smallest stability, iterations, seconds."""
        columns = {"solved": self.solved, "train_error": self.train_error, "smallest_stability": self.stabilities.min(axis=1)}
        columns |= {name: getattr(self, name) for name in ("iterations", "seconds") if getattr(self, name) is not None}
        return [{"instance": k, **{name: array[k].item() for name, array in columns.items()}} for k in range(len(self.weights))]

    def _title(self):
        name = getattr(self.algorithm, "__name__", None) or repr(self.algorithm)  # a function by its own
        by = f" found by {name}" if self.algorithm is not None else ""
        return f"Weights{by} on {self.instances.count} instances of {self.instances.model!r}"

    def _rows(self):
        value, low, high = self.success
        rows = [("N", str(self.instances.n)), ("P", str(self.instances.p))]
        rows.append(("solved", f"{int(self.solved.sum())} of {len(self.solved)} ({low:.2g} to {high:.2g} at 95%)"))
        rows.append(("train_error", f"{self.train_error.mean():.6g}"))
        if self.iterations is not None:
            rows.append(("iterations", f"{np.median(self.iterations):.6g} (median)"))
            rows.append(("seconds", f"{np.median(self.seconds):.3g} (median), {self.seconds.sum():.3g} in all, of one processor"))
        return rows
