"""`flatness_against_generalization`: what algorithms find on the same problems with the same budget, how flat it is, how well it predicts.

Every run is one algorithm on one instance of a teacher's problem; measured are the test error and, of flatness, the local energy and
(perceptrons, committees with an odd number of sign units) the local entropy at one distance, and the relative flatness |w|^2 Tr Hessian/N
of the mean logistic loss at the weights:

    Hessian = (1/P) sum_mu l''(t_mu) x_mu x_mu^T/N,     Tr Hessian = (1/P) sum_mu l''(t_mu) |x_mu|^2/N       (perceptrons)

Runs on one instance are not independent of each other, and instances differ in how hard they are: correlations (Spearman's, of ranks) are
taken of all solutions, and once more within instances (ranks among the solutions of one instance).  Their intervals come from a bootstrap
that draws instances with all their runs, with replacement.
"""

import dataclasses
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.finite_size.binary.descent import GAMMA
from flatphys.finite_size.catalogue import defaults
from flatphys.finite_size.descent.algorithms import ReplicatedSGD, has_binary_weights
from flatphys.finite_size.instances import make_instances
from flatphys.finite_size.search import Algorithm
from flatphys.model import Gibbs, Model, RandomLabels, check_model
from flatphys.sweeps.contest import compare_algorithms
from flatphys.sweeps.store import Store

if TYPE_CHECKING:
    import xarray

MEASURES = ("local_energy", "local_entropy", "relative_flatness")
BOOTSTRAPS = 1000
TAILS = (0.025, 0.975)
# Passes over the patterns (N P products each) of one iteration, and the field that bounds them.
PASSES = {
    "FocusingBP": (2.0, "steps"),
    "SelfFieldBP": (2.0, "steps"),
    "ReinforcedBP": (2.0, "steps"),
    "SBPI": (1.0, "epochs"),
    "SGD": (1.0, "epochs"),
    "ReplicatedSGD": (1.0, "epochs"),
    "SimulatedAnnealing": (1.0, "sweeps"),
    "ReplicatedAnnealing": (1.0, "sweeps"),
}


def passes(algorithm: Algorithm) -> float:
    """Passes over all patterns, N P products each, of one iteration; an algorithm of one's own has 1."""
    replicas = getattr(algorithm, "replicas", None) if type(algorithm).__name__.startswith("Replicated") else None
    return PASSES.get(type(algorithm).__name__, (1.0, ""))[0] * (replicas or 1)


def within(algorithm: Algorithm, budget: float, binary: bool = True) -> Algorithm:
    """The algorithm with so many passes over the patterns at most; the coupling of replicas of binary weights grows within them."""
    name = PASSES.get(type(algorithm).__name__, (1.0, None))[1]
    if name is None:
        return algorithm
    count = max(2, int(budget / passes(algorithm)))
    changes: dict[str, Any] = {name: count}
    if hasattr(algorithm, "attempts"):
        changes["attempts"] = 1
    if binary and isinstance(algorithm, ReplicatedSGD):
        gamma: Any = algorithm.gamma or GAMMA
        changes["gamma"] = dataclasses.replace(gamma, steps=min(gamma.steps, count))
    return dataclasses.replace(algorithm, **changes)


def flatness_against_generalization(
    model: Model,
    alpha: float,
    algorithms: Any = None,
    *,
    n: int = 301,
    instances: int = 20,
    distance: float = 0.05,
    budget: int = 8000,
    seed: int = 1,
    hidden: int | None = None,
    store: Store | str | os.PathLike | None = None,
    executor: Any = None,
    workers: int | None = None,
    progress: bool | Callable[[int, int], object] | None = None,
) -> "xarray.Dataset":
    """Test error and flatness of what algorithms find on the same problems with the same budget, and how they go together.

    Parameters
    ----------
    model : Model
        A teacher (or a mixture) and a Gibbs learner.
    alpha : float > 0
    algorithms : list or dict, optional
        As in `compare_algorithms`; default: all that serve the model.
    n, instances, seed, hidden
        As in `compare_algorithms`.
    distance : float in (0, 1)
        Where local energy and local entropy are measured.
    budget : int >= 10
        Passes over all patterns (N P products each) that every algorithm may take.
    store, executor, workers, progress
        As those of `fp.sweep`.

    Returns
    -------
    xarray.Dataset
        The variables of `compare_algorithms` over algorithm and instance; over measure (those that are defined) and kind ("all",
        "within instances") the rank correlation with the test error of the solutions, `correlation`, and its 95% interval
        `correlation_low`, `correlation_high`; `runs`: how many solutions they are of.

    Raises
    ------
    InvalidInput
        Random labels, a learner without solutions to count, or what `compare_algorithms` refuses.

    Examples
    --------
    >>> import flatphys as fp
    >>> found = fp.flatness_against_generalization(fp.Model(fp.Teacher()), 0.5, n=51, instances=4, progress=False, workers=1)
    >>> found.correlation.dims
    ('measure', 'kind')
    """
    check_model(model)
    if isinstance(model.data, RandomLabels) or not isinstance(model.learner, Gibbs):
        raise InvalidInput(f"model must have a signal and a Gibbs learner, got {model!r}")
    alpha, budget = validate.load(alpha), validate.integer("budget", budget, 10)
    if algorithms is None:
        algorithms = defaults(make_instances(model, n, alpha, 1, 0, None, hidden))
    if isinstance(algorithms, dict):
        limited: Any = {name: _within(one, budget, model) for name, one in algorithms.items()}
    else:
        limited = [_within(one, budget, model) for one in algorithms] if isinstance(algorithms, list | tuple) else algorithms
    given = {"n": n, "instances": instances, "seed": seed, "hidden": hidden, "distance": validate.number("distance", distance, 0.0, 1.0)}
    run: dict[str, Any] = {"store": store, "executor": executor, "workers": workers, "progress": progress}
    table = compare_algorithms(model, alpha, limited, **given, **run).isel(alpha=0)
    return table.merge(correlations(table, seed)).assign_attrs(
        title="flatphys.flatness_against_generalization", budget=budget, distance=distance
    )


def _within(one, budget, model):
    return within(one, budget, has_binary_weights(model)) if isinstance(one, Algorithm) else one


def correlations(table, seed: int = 1) -> "xarray.Dataset":
    """Rank correlations of the measures with the test error over the solutions of a table (algorithm, instance)."""
    import xarray

    error = np.where(table.solved.values == 1.0, table.generalization_error.values, np.nan)
    measures = [name for name in MEASURES if name in table and np.isfinite(table[name]).any()]
    rng = np.random.default_rng(seed)
    rows = [[_with_interval(table[name].values, error, inside, rng) for inside in (False, True)] for name in measures]
    cells = np.array(rows, dtype=float).reshape(len(measures), 2, 4)
    names = ("correlation", "correlation_low", "correlation_high", "runs")
    data = {name: (("measure", "kind"), cells[..., i]) for i, name in enumerate(names)}
    return xarray.Dataset(data, {"measure": measures, "kind": ["all", "within instances"]})


def _with_interval(measure, error, inside, rng):
    """(correlation, 2.5% and 97.5% points of its bootstrap over instances, number of runs) of arrays (algorithms, instances)."""
    known = np.isfinite(measure) & np.isfinite(error)
    pairs = [(measure[known[:, k], k], error[known[:, k], k]) for k in range(known.shape[1])]
    pairs = [(_ranks(x), _ranks(y)) if inside else (x, y) for x, y in pairs if x.size > inside]
    runs = sum(x.size for x, _ in pairs)
    if runs < 3:
        return np.nan, np.nan, np.nan, runs
    drawn = rng.integers(len(pairs), size=(BOOTSTRAPS, len(pairs)))
    values = [_correlation([pairs[k] for k in row], inside) for row in drawn]
    return _correlation(pairs, inside), *np.nanquantile(values, TAILS), runs


def _correlation(pairs, inside):
    """Spearman's of the pooled pairs; of ranks within instances (centred), Pearson's."""
    x, y = (np.concatenate([pair[i] for pair in pairs]) for i in (0, 1))
    x, y = (x, y) if inside else (_ranks(x), _ranks(y))
    spread = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / spread) if spread > 0.0 else np.nan


def _ranks(x):
    """Centred ranks, ties shared."""
    from scipy.stats import rankdata

    return rankdata(x) - 0.5 * (x.size + 1)
