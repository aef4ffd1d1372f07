"""Rules with finite training, one per instance: the optimisers are those of `flatphys.finite`, the measurements are kept per instance.

Patterns are drawn again from their seed when a question needs them, so that a run of hundreds of instances stays small.
"""

import math
import warnings

import numpy as np

from flatphys.errors import InterruptedRunWarning
from flatphys.finite_size import trained as finite
from flatphys.finite_size.estimate import Estimate
from flatphys.finite_size.law import SampledMargins, variance_of_law
from flatphys.finite_size.patience import Interruption, progress_bar
from flatphys.finite_size.perturbation import perturb, strengths
from flatphys.finite_size.run import Run


class Trained:
    """The trained weights and how to draw their patterns again."""

    def __init__(self, model, n: int, p: int, seed: int):
        self.model, self.n, self.p, self.seed = model, n, p, seed
        self.weights, self.biases = [], []

    def draw(self, k: int):
        """(patterns as rows, labels, direction, generator) of instance k."""
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, 3, k]))
        x, y, _, direction = finite.draw(self.model.data, self.n, self.p, rng)
        return x, y, direction, rng

    def train(self) -> dict:
        """Train on the next instance; returns what is measured on it."""
        data, learner, n = self.model.data, self.model.learner, self.n
        x, y, direction, rng = self.draw(len(self.weights))
        w, b = finite.fit(learner, data, x, y, self.p / n)
        self.weights.append(w)
        self.biases.append(b)
        t = y * (x @ w / math.sqrt(n) + b)
        fresh, _, clean, _ = finite.draw(data, n, finite.TEST_EXAMPLES * n, rng, direction)
        norm2 = w @ w / n
        out = {"m": w @ direction / n, "q": norm2, "b": b, "cosine": w @ direction / n / math.sqrt(norm2), "train_error": np.mean(t < 0.0)}
        if hasattr(learner, "loss"):
            out["train_loss"] = finite._loss(learner.loss)[0](t).mean()
        out["generalization_error"] = np.mean(clean * (fresh @ w / math.sqrt(n) + b) < 0.0)
        if type(learner).__name__ == "MaxMargin":
            out["margin"] = t.min()
        return {**out, "stabilities": t}

    def local_energy(self, *, sigma=None, distance=None, perturbations: int = 4) -> Estimate:
        """The rise of the training error under noise on the weights (the bias stays)."""
        kind, values = strengths(sigma, distance)
        out = np.empty((len(self.weights), values.size))
        with finite.one_thread():
            for k, (w, b) in enumerate(zip(self.weights, self.biases)):
                x, y, _, _ = self.draw(k)
                rng = np.random.default_rng(np.random.SeedSequence([self.seed, 11, k]))
                before = _train_error(x, y, w, b)
                copies = np.repeat(w[None], int(perturbations), axis=0)
                out[k] = [_train_error(x, y, perturb(copies, kind, s, False, rng), b) - before for s in values.ravel().tolist()]
        return Estimate.of(out.reshape(len(out), *values.shape), 1.0 / (self.p * len(out) * int(perturbations)))


def _train_error(x, y, weights, b):
    """The share of patterns on the wrong side, over one or many weight vectors."""
    return np.mean(y[:, None] * (x @ np.atleast_2d(weights).T / math.sqrt(x.shape[1]) + b) < 0.0)


def train_run(model, n: int, p: int, instances: int, seed: int, progress) -> Run:
    """The Run of a trained rule; after Ctrl-C that of the instances done so far (at least two)."""
    source, records = Trained(model, n, p, seed), []
    with Interruption() as ctrl_c, progress_bar(progress, instances, "training") as show, finite.one_thread():
        while len(records) < instances and not ctrl_c.pressed:
            records.append(source.train())
            show(len(records))
    if len(records) < 2:
        raise KeyboardInterrupt("interrupted before two instances were trained: there is nothing to estimate from")
    stabilities = np.array([record.pop("stabilities") for record in records])
    found = {name: np.array([record[name] for record in records]) for name in records[0]}
    if not getattr(model.learner, "bias", False) and not np.any(found["b"]):
        del found["b"]
    steps = {"train_error": 1.0 / (p * len(records)), "generalization_error": 1.0 / (finite.TEST_EXAMPLES * n * len(records))}
    estimates = {name: Estimate.of(values, steps.get(name, 1e-12)) for name, values in found.items()}
    estimates["energy"] = Estimate.of(found["train_error"] * p / n, steps["train_error"] * p / n)
    first, second = stabilities.mean(axis=1), np.mean(stabilities**2, axis=1)
    margins = SampledMargins(Estimate.of(first), Estimate.of(variance_of_law(first, second)), stabilities=stabilities)
    interrupted = len(records) < instances
    if interrupted:
        text = f"interrupted after {len(records)} of {instances} instances: the estimates are from those"
        warnings.warn(text, InterruptedRunWarning, stacklevel=4)
    return Run(model, n, p / n, estimates, margins, len(records), 1, seed=seed, interrupted=interrupted, source=source)
