"""`compare_algorithms`: success, time and errors of algorithms on the same instances over a range of loads, as a stored sweep.

A point of the sweep is one algorithm on one instance at one load; points in the store are not run again, and whatever stops a
comparison, the same call goes on from there.
"""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import flatphys as fp
from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.finite_size.catalogue import defaults
from flatphys.finite_size.find import Line
from flatphys.finite_size.found import Found, success_of
from flatphys.finite_size.instances import make_instances
from flatphys.finite_size.measure import loss_of
from flatphys.finite_size.rules import one_thread
from flatphys.finite_size.search import Algorithm, Own, algorithm_of
from flatphys.model import Model, check_model
from flatphys.questions.question import own_question
from flatphys.sweeps.driver import sweep
from flatphys.sweeps.grid import is_list, listed
from flatphys.sweeps.store import Store

if TYPE_CHECKING:
    import xarray

VERSION = "2"  # of what a point holds
LONG_NAMES = {
    "success": "fraction of the instances that were solved",
    "success_low": "lower end of its Clopper-Pearson interval at 95%",
    "success_high": "upper end of its Clopper-Pearson interval at 95%",
    "solved": "1 where no stability is below the margin",
    "train_error": "share of the stabilities below the margin",
    "iterations": "iterations, in the algorithm's own unit",
    "seconds": "seconds of one processor",
    "generalization_error": "probability of an error on a new example",
    "local_energy": "rise of the training error at this distance",
    "relative_flatness": "|w|^2 Tr Hessian/N of the mean logistic loss",
    "local_entropy": "local entropy at this distance, by messages on the instance",
    "mutual_overlap": "mean overlap of two replicas at the end",
}


def compare_algorithms(
    model: Model,
    alpha: Any,
    algorithms: Any = None,
    *,
    n: int = 1001,
    instances: int = 20,
    seed: int = 1,
    hidden: int | None = None,
    patterns: str | None = None,
    distance: float | None = None,
    store: Store | str | os.PathLike | None = None,
    executor: Any = None,
    workers: int | None = None,
    progress: bool | Callable[[int, int], object] | None = None,
) -> "xarray.Dataset":
    """Algorithms on the same instances, load by load.

    Parameters
    ----------
    model : Model
    alpha : number or list > 0
        Loads P/N.
    algorithms : list of algorithms, or dict of them by name
        What `fp.find` takes; default: all that serve the model, with their defaults.
    n, instances, seed, hidden, patterns
        Instance k is `make_instances(model, n, alpha, seed=seed, first=k, ...)`; the algorithm's own random numbers are those of `find`
        with seed + k there.
    distance : float in (0, 1), optional
        Where it is given the weights found are measured: local energy and (of solutions of perceptrons and of committees with an odd
        number of sign units) local entropy at this distance, the relative flatness of the logistic loss (perceptrons), the
        generalization error where there is a teacher or a centre.
    store, executor, workers, progress
        As those of `fp.sweep`.

    Returns
    -------
    xarray.Dataset
        Dimensions algorithm, alpha, instance: `solved`, `train_error`, `iterations`, `seconds`, what was measured, `mutual_overlap` of
        replicas; over algorithm and alpha `success` with its 95% interval `success_low`, `success_high`.  `status` and `message` as in a
        sweep: after Ctrl-C (a `SweepWarning`) points are "interrupted", and the fractions are those of the others.

    Raises
    ------
    InvalidInput
        Before any work: an algorithm that does not serve the model, a wrong name or size.

    Examples
    --------
    >>> import flatphys as fp
    >>> table = fp.compare_algorithms(fp.Model(), [0.3, 0.4], [fp.SBPI(), fp.SGD(epochs=50)], n=201, instances=4, progress=False)
    >>> table.success.sel(algorithm="SBPI").values.tolist()
    [1.0, 1.0]
    """
    check_model(model)
    loads = [validate.load(value) for value in (listed("alpha", alpha) if is_list(alpha) else (alpha,))]
    count, seed = validate.integer("instances", instances, 1), validate.seed(seed)
    given = {"n": n, "hidden": hidden, "patterns": patterns, "seed": seed}
    if distance is not None:
        given["distance"] = validate.number("distance", distance, 0.0, 1.0)
    first = make_instances(model, n, min(loads), 1, seed, patterns, hidden)
    named = _named(defaults(first) if algorithms is None else algorithms)
    for algorithm in named.values():
        algorithm.check(first)
    keys = {_key(algorithm, store is not None): algorithm for algorithm in named.values()}
    if len(keys) < len(named):
        raise InvalidInput("algorithms must differ from each other")
    question = own_question("compare_algorithms", _Contest(keys), version=VERSION)
    run = {"store": store, "executor": executor, "workers": workers, "progress": progress}
    table = sweep(model, loads, question=question, algorithm=list(keys), instance=list(range(count)), **given, **run)
    return _summed(table, list(named))


class _Contest:
    """The question of the sweep: one algorithm on one instance."""

    def __init__(self, algorithms):
        self.algorithms = algorithms

    def __call__(self, model, alpha, algorithm, instance, n, hidden, patterns, seed, distance=None):
        one = make_instances(model, n, alpha, 1, seed, patterns, hidden, first=int(instance))
        line = Line()
        with one_thread():
            line.search = self.algorithms[algorithm].begin(one, 0, seed + int(instance))
            while not line.advance():
                pass
            line.close(True)
            found = Found(one, line.weights[None])
            answer = {"solved": float(found.solved[0]), "train_error": float(found.train_error[0])}
            answer |= {"iterations": float(line.iterations[-1]), "seconds": line.seconds}
            if line.replicas is not None:
                answer["mutual_overlap"] = mutual_overlap(line.replicas)
            return answer if distance is None else answer | _measured(found, distance)


def mutual_overlap(replicas) -> float:
    """Mean overlap of two of the replicas (y, n) of one instance."""
    total, (y, n) = replicas.astype(float).sum(axis=0), replicas.shape
    squares = float((replicas.astype(float) ** 2).sum())
    return (float(total @ total) - squares) / (y * (y - 1.0) * n)


def _measured(found, distance) -> dict:
    answer = {"local_energy": float(fp.local_energy(found, distance=distance).mean)}
    instances = found.instances
    if instances.hidden is None:
        answer["relative_flatness"] = _relative_flatness(found)
    if instances.direction is not None:
        answer["generalization_error"] = float(fp.generalization_error(found).mean)
    if found.solved[0] and _has_messages(instances):
        around = fp.local_entropy(found, distance=[distance])
        if around.status[0, 0] == "ok":
            answer["local_entropy"] = float(around.value[0, 0])
    return answer


def _has_messages(instances) -> bool:
    """Whether message passing counts the weights around those of this model."""
    learner = instances.model.learner
    if instances.hidden is None or not isinstance(learner, fp.Gibbs):
        return isinstance(learner, fp.Gibbs)
    return learner.network.activation == "sign" and bool(instances.hidden % 2)


def _relative_flatness(found) -> float:
    """|w|^2 Tr Hessian/N of the mean logistic loss at the weights of one instance."""
    instances, w = found.instances, found.weights[0].astype(float)
    curvature = loss_of("logistic", found.stabilities[0])[2]
    squares = (instances.patterns[0].astype(float) ** 2).sum(axis=0) / instances.n
    return float(w @ w / instances.n * np.mean(curvature * squares))


def _named(algorithms) -> dict[str, Algorithm]:
    """{name: algorithm}: the user's own names, else those of their classes, numbered where one occurs twice."""
    text = "algorithms must be a list of algorithms or a dict of them by name, "
    if isinstance(algorithms, Mapping):
        pairs = list(algorithms.items())
    elif isinstance(algorithms, list | tuple):
        pairs = [(None, algorithm) for algorithm in algorithms]
    else:
        raise InvalidInput(f"{text}got {validate.shown(algorithms)}")
    out: dict[str, Algorithm] = {}
    for name, value in pairs:
        try:
            algorithm = algorithm_of(value)
        except InvalidInput as error:
            raise InvalidInput(f"{text}but {error}") from None
        plain = getattr(value, "__name__", type(value).__name__) if name is None else validate.text("a name of algorithms", name)
        before = sum(other.partition(" #")[0] == plain for other in out)
        out[f"{plain} #{before + 1}" if before else plain] = algorithm
    if not out:
        raise InvalidInput(f"{text}got none")
    return out


def _key(algorithm, stored) -> str:
    """What tells an algorithm from every other one; functions have only their name, and their attribute `version`."""
    if not isinstance(algorithm, Own):
        return repr(algorithm)
    function = algorithm.function
    version = getattr(function, "version", None)
    if stored and version is None:
        raise InvalidInput(
            f"algorithms: results of {validate.shown(function)} are stored only with a version: set its attribute version = '1', "
            "another text whenever it changes, or drop store"
        )
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)} {version}"


def _summed(table, names):
    """With the fractions of instances solved, and the algorithms by their names."""
    table = table.assign_coords(algorithm=names, instance=table.instance.astype(int)).transpose("algorithm", "alpha", "instance", ...)
    solved = table.solved.values
    done = np.isfinite(solved).sum(axis=-1)
    cells = [success_of(int(g), int(c)) if c else (np.nan,) * 3 for g, c in zip(np.nansum(solved, axis=-1).flat, done.flat)]
    for name, values in zip(("success", "success_low", "success_high"), np.array(cells, dtype=float).T):
        table[name] = ("algorithm", "alpha"), values.reshape(done.shape)
    for name, words in LONG_NAMES.items():
        if name in table:
            table[name].attrs["long_name"] = words
    table.attrs["title"] = "flatphys.compare_algorithms"
    return table
