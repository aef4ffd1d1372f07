"""`compare`: algorithms on the same data at one budget, over seeds, as a stored, resumable sweep.

A point of the sweep is one algorithm on one network with all its seeds: small dense networks are trained side by side.  Every measure
follows the training loss, so that an undertrained network is flatter: the training error and loss stand beside each of them, and
`stop_loss` compares networks of one training loss (the protocol of the relative-flatness paper) instead of one budget.
"""

import hashlib
import math

import numpy as np
import torch

import flatphys as fp
from flatphys import validate
from flatphys.deep.algorithms import BY_NAME
from flatphys.deep.columns import SIGMA, UNITS, check_sigma, measures
from flatphys.deep.data import Data
from flatphys.deep.evaluate import generator_kept
from flatphys.deep.losses import loss_of
from flatphys.deep.training import Training
from flatphys.errors import InvalidInput
from flatphys.model import Model
from flatphys.questions.question import own_question
from flatphys.sweeps.driver import sweep

VERSION = "1"  # of what a point holds
ALONG_SIGMA = ("local_energy", "local_energy_loss")


def compare(
    builders,
    data: Data,
    algorithms,
    seeds=6,
    budget: int = 120_000,
    subset=None,
    store=None,
    executor=None,
    *,
    sigma=SIGMA,
    draws: int = 32,
    stop_loss: float | None = None,
    loss="cross-entropy",
    **how,
):
    """Errors and flatness of networks that algorithms find at one budget.

    Parameters
    ----------
    builders : function that builds a network, or dict of such by name
    data : Data
    algorithms : list of algorithms, or dict of them by name
    seeds : int or list of int
        How many (0, 1, ...), or which.
    budget : int
        Gradients of examples for each run.
    subset : int or (int, int), optional
        How many of the training examples, and the seed that draws them (0).
    store : path or fp.Store, optional
        Runs found there are not made again.  Builders and losses of one's own are told apart by the layers, initial weights and
        initial loss that they give.
    executor : concurrent.futures.Executor, optional
        Makes the runs, as for `fp.sweep`.
    workers, progress
        As for `fp.sweep`: processes (1: this one alone), and a bar or a function of (done, total).
    sigma, draws
        Of the local energy.
    stop_loss : float, optional
        Stop each run at this training loss, looked at after every epoch; the budget is then the most it may take.
    loss : "cross-entropy", "logistic" or a function of (output, target)

    Returns
    -------
    xarray.Dataset
        Dimensions network, algorithm, seed (and sigma for the local energy): the columns of `flatphys.deep.columns`, `gradients`,
        `seconds`, `distance` of replicas; for each the mean over seeds and its standard error as `..._mean`, `..._error`.

    Raises
    ------
    InvalidInput

    Warns
    -----
    SweepWarning
        After Ctrl-C, or where a run ran away: its point has the status "failed" and the sentence, the others go on.
    """
    networks, named = builders_of(builders), _algorithms(algorithms)
    seeds = (
        list(range(validate.integer("seeds", seeds, 1)))
        if np.ndim(seeds) == 0
        else [validate.integer("seeds", one, 0, 2**53) for one in seeds]
    )
    if len(set(seeds)) < len(seeds) or not seeds:
        raise InvalidInput(f"seeds must be different integers, got {validate.shown(seeds)}")
    task = Task(drawn(data, subset), budget, stop_loss, loss, sigma, draws)
    told = {}
    for name, builder in networks.items():
        first = [task.training(builder, algorithm, seeds[:1]) for algorithm in named.values()]  # refuses what does not fit, before any work
        told[f"{name} {first[0].fingerprint()}"] = builder
    keys = {f"{name}: {one!r}": one for name, one in named.items()}
    question = own_question("deep.compare", _Compared(task, told, keys), vectors=("seed",), version=VERSION)
    table = sweep(
        Model(),
        question=question,
        network=list(told),
        algorithm=list(keys),
        seed=[float(one) for one in seeds],
        **task.told(),
        **swept_by(store, executor, **how),
    )
    table = tidy(table.assign_coords(network=list(networks), algorithm=list(named), seed=seeds), task, "deep.compare")
    for name in [name for name in table.data_vars if "seed" in table[name].dims and table[name].dtype.kind == "f"]:
        table[f"{name}_mean"] = table[name].mean("seed")
        table[f"{name}_error"] = (
            table[name].std("seed", ddof=1) / math.sqrt(len(seeds)) if len(seeds) > 1 else math.nan * table[name].mean("seed")
        )
    return table


class Task:
    """What all runs of a comparison share."""

    def __init__(self, data, budget, stop_loss, loss, sigma, draws):
        self.data, self.budget, self.loss = data, validate.integer("budget", budget, 1), loss
        self.stop_loss = None if stop_loss is None else validate.number("stop_loss", stop_loss, 0.0)
        self.sigma, self.draws = check_sigma(sigma), validate.integer("draws", draws, 2)
        loss_of(loss)

    def training(self, builder, algorithm, seeds) -> Training:
        return Training([builder], self.data, algorithm, self.budget, seeds, self.loss, stop_loss=self.stop_loss)

    def told(self) -> dict:
        """What tells the runs of this task from those of others, as options of the sweep."""
        found = hashlib.sha256()
        for tensor in (self.data.train_x, self.data.train_y, self.data.test_x, self.data.test_y):
            found.update(b"" if tensor is None else tensor.cpu().contiguous().numpy().tobytes())
        out = {"examples": f"{self.data.name} {found.hexdigest()[:16]}", "budget": float(self.budget), "draws": float(self.draws)}
        out |= {"loss": loss_of(self.loss).name, "noise": ", ".join(f"{s:g}" for s in self.sigma)}
        return out if self.stop_loss is None else out | {"stop_loss": self.stop_loss}

    def columns(self, run) -> dict:
        """What is measured on one trained network."""
        found = measures(run.network, self.data, self.sigma, self.draws, loss=self.loss)
        for name in ALONG_SIGMA:
            found |= {f"{name} {s:g}": float(value) for s, value in zip(self.sigma, found.pop(name))}
        found |= {"gradients": float(run.gradients), "seconds": run.seconds}
        if "distance" in run.history:
            found["distance"] = float(run.history["distance"][-1])
        without = ("test_error", "test_loss", "gap", "gap_loss") if self.data.test_x is None else ()
        return {name: value for name, value in found.items() if name not in without}


class _Compared:
    """The question of `compare`: one algorithm on one network, all its seeds."""

    def __init__(self, task, builders, algorithms):
        self.task, self.builders, self.algorithms = task, builders, algorithms

    def __call__(self, model, network, algorithm, seed, **_):
        with generator_kept():
            if self.task.stop_loss is None:  # side by side
                runs = self.task.training(self.builders[network], self.algorithms[algorithm], [int(one) for one in seed]).run(False)
            else:
                runs = [self.task.training(self.builders[network], self.algorithms[algorithm], [int(one)]).run(False)[0] for one in seed]
            rows = [self.task.columns(run) for run in runs]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def swept_by(store=None, executor=None, workers=1, progress=None) -> dict:
    """How a sweep is run: its keywords with the defaults here."""
    return {"store": store, "executor": executor, "workers": workers, "progress": progress}


def tidy(table, task, title):
    """Columns at each sigma become one along it; units, and what was done instead of the placeholder of a model."""
    import xarray

    for name in ALONG_SIGMA:
        parts = [table[f"{name} {s:g}"] for s in task.sigma if f"{name} {s:g}" in table]
        if parts:
            table = table.drop_vars([part.name for part in parts])
            along = xarray.concat([part.rename(name) for part in parts], "sigma").assign_coords(sigma=list(task.sigma))
            table[name] = along.transpose(..., "sigma")
    for name, words in UNITS.items():
        if name in table:
            table[name].attrs = {"long_name": words}
    table.attrs = {"title": f"flatphys.{title}", "flatphys": fp.__version__, "data": task.told()["examples"], "budget": task.budget}
    return table


def drawn(data, subset) -> Data:
    """The examples, or as many of them as `subset` says."""
    validate.instance("data", data, (Data,))
    if subset is None:
        return data
    return data.subset(*subset) if isinstance(subset, tuple) and len(subset) == 2 else data.subset(subset)


def builders_of(builders) -> dict:
    """Builders by name, checked."""
    found = dict(builders) if isinstance(builders, dict) else {getattr(builders, "__name__", "network"): builders}
    for name, one in found.items():
        if not callable(one) or isinstance(one, torch.nn.Module):
            raise InvalidInput(f"builders must be functions that build a network, got {validate.shown(one)} for {name!r}")
    if not found:
        raise InvalidInput("builders must not be empty")
    return {validate.text("a name of builders", name): one for name, one in found.items()}


def _algorithms(algorithms) -> dict:
    if not isinstance(algorithms, dict):
        if not isinstance(algorithms, (list, tuple)):
            raise InvalidInput(f"algorithms must be a list of algorithms, or a dict of them by name, got {validate.shown(algorithms)}")
        names = [type(one).__name__ for one in algorithms]
        algorithms = {
            name + (f" #{names[:k].count(name) + 1}" if name in names[:k] else ""): one
            for k, (name, one) in enumerate(zip(names, algorithms))
        }
    if not algorithms:
        raise InvalidInput("algorithms must not be empty")
    for one in algorithms.values():
        validate.instance("an algorithm", one, tuple(BY_NAME.values()))
    return {validate.text("a name of algorithms", name): one for name, one in algorithms.items()}
