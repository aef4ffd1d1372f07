"""`correlate`: which measures of flatness go with a network's errors, over random hyperparameters, as a stored, resumable sweep."""

import math

import numpy as np
import torch

from flatphys import validate
from flatphys.deep.algorithms import SGD
from flatphys.deep.comparison import ALONG_SIGMA, VERSION, Task, builders_of, drawn, swept_by, tidy
from flatphys.deep.data import Data
from flatphys.deep.evaluate import generator_kept
from flatphys.model import Model
from flatphys.questions.question import own_question
from flatphys.sweeps.driver import sweep

BOOTSTRAP = 2000  # samples of runs behind an interval
MEASURES = ("relative_flatness", "trace", "norm", "margin", "train_loss", "train_error")
TARGETS = ("test_error", "gap", "test_loss", "gap_loss")
LR, DECAY, BATCHES = (0.01, 0.3), (1e-4, 1e-2), (20, 50, 100)  # ranges of random hyperparameters (logarithmic), sizes of minibatches
MOMENTA, SCALES = (0.0, 0.9), (0.6, 4.0)  # at one training loss, too: momenta, factors of the initial weights (logarithmic)


def correlate(
    builder,
    data: Data,
    runs: int = 42,
    budget: int = 120_000,
    stop_loss: float | None = None,
    *,
    seed: int = 0,
    subset=None,
    sigma=(0.1, 0.2, 0.3, 0.5),
    draws: int = 32,
    loss="cross-entropy",
    **how,
):
    """Kendall's tau between measures of flatness and errors, over networks trained by SGD with random hyperparameters.

    Run k draws lr (0.01 to 0.3), weight decay (1e-4 to 1e-2), both logarithmic, and the minibatch (20, 50 or 100) from (seed, k); with
    `stop_loss` also the momentum (0 or 0.9) and a factor of the initial weights (0.6 to 4), because there the budget is no scale.

    Parameters
    ----------
    builder : function that builds a network
    runs : int >= 3
    budget : int
        Gradients of examples for each run; with `stop_loss` the most it may take.
    stop_loss : float > 0, optional
        Training loss at which each run is stopped: without it every measure mostly reads the training loss.
    store, executor, workers, progress
        As for `compare`.
    subset, sigma, draws, loss
        As for `compare`.

    Returns
    -------
    xarray.Dataset
        Over run: hyperparameters and measures; over measure and target (test_error, gap, test_loss, gap_loss): `tau`, `tau_low` and
        `tau_high`, Kendall's tau with its bootstrap interval at 95% over runs that did not run away.
    """
    task = Task(drawn(data, subset), budget, stop_loss, loss, sigma, draws)
    count = validate.integer("runs", runs, 3)
    networks, seed = builders_of(builder), validate.integer("seed", seed, 0, 2**53)
    (build,) = networks.values()
    told = task.training(build, SGD(batch=min(SGD.batch, len(task.data.train_y))), [0]).fingerprint()
    question = own_question("deep.correlate", _Correlated(task, networks, seed), version=VERSION)
    table = sweep(Model(), question=question, run=list(range(count)), seed=float(seed), network=told, **task.told(), **swept_by(**how))
    return with_taus(tidy(table.assign_coords(run=range(count)), task, "deep.correlate"))


def with_taus(table):
    """The table of runs with Kendall's taus of every measure with every target, and their bootstrap intervals."""
    import xarray

    columns = {name: table[name].values for name in MEASURES if name in table and "sigma" not in table[name].dims}
    for name in ALONG_SIGMA:
        if name in table:
            columns |= {f"{name}({s:g})": table[name].sel(sigma=s).values for s in table.sigma.values}
    targets = [name for name in TARGETS if name in table]
    rows = np.array([*columns.values(), *(table[name].values for name in targets)], dtype=float)
    rows = rows[:, np.isfinite(rows).all(axis=0)]
    rng, count = np.random.default_rng(0), rows.shape[1]
    samples = [np.arange(count), *rng.integers(0, count, (BOOTSTRAP, count))]
    taus = np.array([kendall(rows[: len(columns), one], rows[len(columns) :, one]) for one in samples])
    low, high = np.nanquantile(taus[1:], (0.025, 0.975), axis=0)
    dims = ("measure", "target")
    found = {"tau": (dims, taus[0]), "tau_low": (dims, low), "tau_high": (dims, high)}
    return table.merge(xarray.Dataset(found, {"measure": list(columns), "target": targets}))


def kendall(a, b) -> np.ndarray:
    """Kendall's tau-b of every row of a with every row of b: (concordant - discordant pairs) / root of untied pairs."""
    a, b = (np.sign(x[:, :, None] - x[:, None, :]).reshape(len(x), -1) for x in (a, b))
    with np.errstate(invalid="ignore"):
        return (a @ b.T) / np.sqrt((a * a).sum(axis=1)[:, None] * (b * b).sum(axis=1))


class _Correlated:
    """The question of `correlate`: one network, its hyperparameters drawn."""

    def __init__(self, task, builders, seed):
        self.task, self.builders, self.seed = task, builders, seed

    def __call__(self, model, run, **_):
        rng = np.random.default_rng([self.seed, int(run), 5])
        lr, decay, scale = (math.exp(rng.uniform(*np.log(ends))) for ends in (LR, DECAY, SCALES))
        batch, momentum = int(rng.choice(BATCHES)), float(rng.choice(MOMENTA))
        if self.task.stop_loss is None:
            momentum, scale = 0.9, 1.0
        algorithm = SGD(lr=lr, momentum=momentum, weight_decay=decay, batch=min(batch, len(self.task.data.train_y)))
        (builder,) = self.builders.values()
        with generator_kept():
            found = self.task.columns(self.task.training(_Scaled(builder, scale), algorithm, [int(run)]).run(False)[0])
        return {"lr": lr, "weight_decay": decay, "batch": float(batch), "momentum": momentum, "scale": scale, **found}


class _Scaled:
    """A builder whose weights are multiplied by a factor."""

    def __init__(self, builder, factor):
        self.builder, self.factor = builder, factor

    def __call__(self):
        network = self.builder()
        with torch.no_grad():
            for w in network.parameters():
                w.mul_(self.factor)
        return network
