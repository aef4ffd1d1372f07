"""`train`: one network or replicas of it, at a budget of example gradients that is counted exactly.

Every gradient of the loss of one example counts as one, inner steps and replicas included: T = floor(budget / cost of a step) steps.
What is drawn depends on (seed, replica) alone; a checkpoint holds everything, so that a run that was killed anywhere goes on to the same
bits on the same processor.
"""

import copy
import hashlib
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from flatphys import validate
from flatphys.deep import checkpoint as store
from flatphys.deep.algorithms import BY_NAME, Step
from flatphys.deep.building import built, mixed, seed_everywhere
from flatphys.deep.data import Data
from flatphys.deep.evaluate import BATCH, checked, copied, error_and_loss, generator_kept, placed, recompute_statistics
from flatphys.deep.gradients import Gradients, Minibatches, fill, flat
from flatphys.deep.losses import loss_of
from flatphys.display import Table
from flatphys.errors import InvalidInput, NotConverged, TrainingDiverged
from flatphys.finite_size.patience import progress_bar

LINES = 100  # of the history
KEEP = 50  # steps between two checkpoints at the most
RISE = 1.0 + 1e-6  # of the loss over its start that is no rounding


@dataclass(frozen=True, eq=False, repr=False)
class Trained(Table):
    """A trained network.

    Attributes
    ----------
    network : torch.nn.Module
        In evaluation mode, its batch norm measured on the training data; for Replicated-SGD the centre of the replicas.
    replicas : list of torch.nn.Module
        The same for every replica; a list of the network itself where there is one.
    gradients : int
        Of examples, that were computed.
    train_error, train_loss, test_error, test_loss : float
        Of `network`; nan without test data.
    history : xarray.Dataset over "gradients"
        loss and error of the minibatches (means since the line before), rate, and where there are some gamma and distance =
        mean_a |w_a - c|^2.
    algorithm, seed, budget, seconds
    """

    network: nn.Module
    replicas: list
    gradients: int
    train_error: float
    train_loss: float
    test_error: float
    test_loss: float
    history: Any
    algorithm: Any
    seed: int
    budget: int
    seconds: float

    def _title(self):
        return f"Network trained by {self.algorithm!r}"

    def _rows(self):
        rows = [("gradients", f"{self.gradients:,} of {self.budget:,}"), ("seed", str(self.seed))]
        rows += [(name, f"{getattr(self, name):.6g}") for name in ("train_error", "train_loss", "test_error", "test_loss")]
        if "distance" in self.history:
            rows.append(("distance", f"{float(self.history['distance'][-1]):.4g} (mean |w_a - c|^2 of the replicas)"))
        return [*rows, ("seconds", f"{self.seconds:.3g}")]


def train(network, data: Data, algorithm, budget: int, seed: int = 0, loss="cross-entropy", checkpoint=None, progress=None) -> Trained:
    """Train a network.

    Parameters
    ----------
    network : torch.nn.Module or a function of no arguments that builds one
        A module is copied and starts from its own weights; a function is called once for each replica, with torch's generator seeded by
        (seed, replica).
    data : Data
    algorithm : deep.SGD, deep.SAM, deep.EntropySGD or deep.ReplicatedSGD
    budget : int
        Gradients of single examples; the last part that no whole step fits in is left over.
    seed : int
        Of minibatches, initial weights and noise.
    loss : "cross-entropy", "logistic" or a function of (output, target)
    checkpoint : path, optional
        The run goes on from the one that lies there; it is written every 50 steps and when `progress` raises.
    progress : bool or function of (done, budget), optional
        None: a bar on a terminal.

    Raises
    ------
    InvalidInput
        A budget below one step, a minibatch larger than the data, labels beyond the outputs, a checkpoint of another run.
    TrainingDiverged
        Losses that are nan or inf, or above their start for a whole epoch; with the step and the last good network.

    >>> run = deep.train(lambda: deep.network("mlp", (1, 8, 8), 10), data, deep.SGD(), budget=100_000, seed=1)
    """
    seed = validate.seed(seed)
    many = Training(
        [network], data, algorithm, budget, [seed], loss, None if checkpoint is None else validate.path("checkpoint", checkpoint)
    )
    with generator_kept():
        return many.run(validate.progress(progress))[0]


class Training:
    """Systems of one shape, one for each seed, that are trained by one algorithm side by side."""

    def __init__(self, networks, data, algorithm, budget, seeds, loss, checkpoint=None, stop_loss=None):
        self.algorithm = validate.instance("algorithm", algorithm, tuple(BY_NAME.values()))
        self.budget = validate.integer("budget", budget, 1)
        self.loss, self.seeds, self.path, self.stop_loss = loss_of(loss), seeds, checkpoint, stop_loss
        self.steps = self.budget // algorithm.cost
        if not self.steps:
            raise InvalidInput(f"budget must be at least {algorithm.cost}, the gradients of one step of {algorithm!r}, got {budget}")
        rows = [(seed, replica) for seed in seeds for replica in range(algorithm.rows)]
        start = built(networks, algorithm, rows)
        self.template = copied(start[0])
        self.data = placed(self.template, validate.instance("data", data, (Data,)))
        if algorithm.batch > len(self.data.train_y):
            raise InvalidInput(f"batch must be at most the {len(self.data.train_y)} training examples, got {algorithm.batch}")
        checked(self.template, self.data, self.loss)
        self.start = torch.stack([flat(one) for one in start])
        minibatches = Minibatches(self.data.train_x, self.data.train_y, rows, algorithm.batch)
        self.step = Step(Gradients(self.template, self.loss), minibatches, [torch.Generator().manual_seed(mixed(*row, 3)) for row in rows])
        self.step.steps, self.rows = self.steps, rows
        self.lines, self.since = [], torch.zeros(2, len(rows), dtype=torch.float64)
        self.above = [0] * len(rows)
        self.seconds = 0.0

    def run(self, progress) -> list[Trained]:
        self._begin()
        with progress_bar(progress, self.budget, "training") as show:
            self._go_on(show)
        return [self._trained(k) for k in range(len(self.seeds))]

    def _begin(self):
        """The state at the start, or where the checkpoint left it."""
        self.call = self._call() if self.path is not None else ""
        saved = None if self.path is None else store.load(self.path, self.call)
        with generator_kept():
            seed_everywhere(self.rows[0][0] % 2**63)
            x, y = self.data.train_x, self.data.train_y
            self.first = self.step.gradients.loss_of(self.start, x, y, BATCH)
            self.top = [RISE * loss + 1e-12 for loss in self.first.tolist()]
        if saved is None:
            self.state = self.algorithm.start(self.start.clone(), self.first)
            self.good = 0, self.state["w"].clone()
            return
        self.state, step = saved["state"], self.step
        step.t, step.minibatches.taken = saved["t"], saved["taken"]
        for one, kept in zip(step.generators, saved["generators"]):
            one.set_state(kept)
        self.lines, self.since, self.above, self.seconds = saved["lines"], saved["since"], saved["above"], saved["seconds"]
        self.good = saved["good"]
        for name in ("w", "v", "mean"):
            if name in self.state:
                self.state[name] = self.state[name].to(self.start.device)

    def _go_on(self, show):
        step, every, began = self.step, max(1, self.steps // LINES), time.perf_counter() - self.seconds
        while step.t < self.steps and not self._arrived():
            seed_everywhere(mixed(*self.rows[0], step.t))  # of dropout: a run that goes on draws what it would have drawn
            self.algorithm.step(self.state, step)
            step.t += 1
            self._watch()
            self.since += torch.stack([step.losses.double(), step.errors.double()]).cpu()
            if step.t % every == 0 or step.t == self.steps:
                self._write()
            self.seconds = time.perf_counter() - began
            try:
                show(step.t * self.algorithm.cost)
            except BaseException:
                self._keep()
                raise
            if step.t % KEEP == 0 or step.t == self.steps:
                self._keep()
        if not self.lines or self.lines[-1]["t"] < step.t:
            self._write()
        if not bool(torch.isfinite(self.algorithm.found(self.state)).all()):  # the last step is seen by no loss
            self._diverged(0, math.nan)
        if self.stop_loss is not None and self._loss() > self.stop_loss:
            raise NotConverged(
                f"the training loss is {self._loss():.4g} after the whole budget, above stop_loss {self.stop_loss:g}: raise budget"
            )

    def _arrived(self):
        """Whether the training loss is at `stop_loss`, looked at after every epoch."""
        if self.stop_loss is None or self.step.t % self.step.minibatches.epoch or not self.step.t:
            return False
        return self._loss() <= self.stop_loss

    def _loss(self) -> float:
        """The largest training loss of the systems."""
        return float(self.step.gradients.loss_of(self.algorithm.found(self.state), self.data.train_x, self.data.train_y, BATCH).max())

    def _watch(self):
        """Whether a row has run away; the last good weights are those of an epoch's end."""
        step, epoch = self.step, max(10, self.step.minibatches.epoch)
        losses = step.losses.tolist()
        self.above = [n + 1 if loss > top else 0 for n, loss, top in zip(self.above, losses, self.top)]
        if max(self.above) >= epoch or not all(map(math.isfinite, losses)):
            row = next((r for r, loss in enumerate(losses) if not math.isfinite(loss)), self.above.index(max(self.above)))
            self._diverged(row, losses[row])
        if not any(self.above) and step.t - self.good[0] >= epoch:
            self.good = step.t, self.state["w"].clone()

    def _diverged(self, row, loss):
        weights, step = self.good[1], self.step.t
        raise TrainingDiverged(
            f"the loss is {loss:.4g} after {step} steps of {self.algorithm!r} and was {float(self.first[row]):.4g} at "
            f"the start: lower lr" + (", or raise batch" if self.algorithm.batch < 32 else ""),
            step=step,
            network=self._network(self.algorithm.found({"w": weights} | _others(self.state, weights))[row // self.algorithm.rows]),
        )

    def _write(self):
        """A line of the history."""
        lines = self.step.t - (self.lines[-1]["t"] if self.lines else 0)
        loss, error = (self.since / max(1, lines)).view(2, len(self.seeds), -1).mean(dim=2)
        rate = self.algorithm.dropped(getattr(self.algorithm, "inner_lr", self.algorithm.lr), self.step.t - 1, self.steps)
        told = {"loss": loss, "error": error, "rate": torch.full_like(loss, rate), **self.algorithm.told(self.state)}
        self.lines.append({"t": self.step.t, **{name: value.tolist() for name, value in told.items()}})
        self.since.zero_()

    def _keep(self):
        if self.path is None:
            return
        step = self.step
        kept = {name: getattr(self, name) for name in ("state", "lines", "since", "above", "good", "seconds")}
        kept |= {"t": step.t, "taken": step.minibatches.taken, "generators": [one.get_state() for one in step.generators]}
        store.save(self.path, self.call, kept)

    def _call(self) -> str:
        """What a checkpoint belongs to: algorithm, budget, seeds, loss, data, shape and start of the network."""
        found = hashlib.sha256()
        for tensor in (self.start, self.data.train_x, self.data.train_y):
            found.update(tensor.cpu().contiguous().numpy().tobytes())
        return repr((self.algorithm, self.budget, self.seeds, self.loss.name, str(self.template), found.hexdigest()))

    def fingerprint(self) -> str:
        """What tells a network and its loss from others: layers, initial weights, the loss that they have to six digits."""
        with generator_kept():
            seed_everywhere(0)
            losses = self.step.gradients.loss_of(self.start, self.data.train_x, self.data.train_y, BATCH)
        found = hashlib.sha256(f"{self.template} {[f'{loss:.6g}' for loss in losses.tolist()]}".encode())
        found.update(self.start.cpu().contiguous().numpy().tobytes())
        return found.hexdigest()[:16]

    def _network(self, weights) -> nn.Module:
        """A network of these weights, its batch norm measured on the training data."""
        one = copy.deepcopy(self.template)
        fill(one, weights)
        recompute_statistics(one, self.data.train_x)
        return one.requires_grad_(True)

    def _trained(self, k) -> Trained:
        data, y = self.data, self.algorithm.rows
        centre = self._network(self.algorithm.found(self.state)[k])
        replicas = [centre] if y == 1 else [self._network(w) for w in self.state["w"][k * y : (k + 1) * y]]
        scores = [*error_and_loss(centre, data.train_x, data.train_y, self.loss)]
        scores += [*error_and_loss(centre, data.test_x, data.test_y, self.loss)] if data.test_x is not None else [float("nan")] * 2
        done = self.step.t * self.algorithm.cost
        return Trained(
            centre, replicas, done, *scores, self._history(k), self.algorithm, self.seeds[k], self.budget, self.seconds / len(self.seeds)
        )

    def _history(self, k):
        import xarray

        cost = self.algorithm.cost
        names = [name for name in self.lines[0] if name != "t"]
        columns = {name: ("gradients", np.array([line[name][k] for line in self.lines])) for name in names}
        return xarray.Dataset(columns, {"gradients": np.array([line["t"] * cost for line in self.lines])})


def _others(state, weights):
    """The rest of a state beside weights of before (an average that has just begun is not theirs)."""
    return {name: value for name, value in state.items() if name not in ("w", "mean")} | ({"mean": weights, "averaged": torch.zeros(())})
