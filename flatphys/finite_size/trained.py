"""Classifiers trained on sampled data at finite N: the same questions as the theory's, without its equations.  Public as `flatphys.finite`.

Data are drawn (`instances`), the objective is handed to an optimiser (`rules`), and every quantity is measured on the result (`measure`):
overlaps and norms from the weights, errors on the training set and on fresh examples, the local energy by perturbing the
weights, the flatness by its definition.

    run = finite.train(model, n=1000, alpha=2.0, instances=16, seed=1, sigma=[0.5], at=[0.0, 1.0])
    run.m.mean, run.m.error, run.margins_cdf.mean, run.local_energy.mean

Estimates are means over independent instances with their standard errors.  Corrections of order 1/N
are not part of the error bars.
"""

import warnings
from dataclasses import dataclass

import numpy as np

from flatphys import validate
from flatphys.display import Table, figure
from flatphys.errors import InterruptedRunWarning, InvalidInput
from flatphys.finite_size import memory
from flatphys.finite_size.draw import draw
from flatphys.finite_size.estimate import Estimate
from flatphys.finite_size.instances import make_instances
from flatphys.finite_size.law import SampledMargins, variance_of_law
from flatphys.finite_size.measure import TEST_EXAMPLES, errors, fresh_error, local_energy, loss_of, overlaps
from flatphys.finite_size.patience import Interruption, progress_bar
from flatphys.finite_size.rules import fit, one_thread
from flatphys.finite_size.run import Run
from flatphys.kernels.traits import loss_traits
from flatphys.model import ERM, MaxMargin, check_model

__all__ = ["Estimate", "FiniteRun", "draw", "fit", "one_thread", "train"]

PERTURBATIONS = 16  # of the weights, for the local energy
_TRAINING = 3  # streams of a seed: fresh examples and perturbations belong to the first, later questions to the second
_QUESTIONS = 11


@dataclass(frozen=True, eq=False, repr=False)
class FiniteRun(Table):
    """What `train` measured; every quantity is an attribute (`run.m`, `run.train_error`, ...) and an `Estimate`."""

    model: object
    n: int
    alpha: float
    instances: int
    sigma: np.ndarray
    at: np.ndarray
    estimates: dict

    def __getattr__(self, name):
        estimates = self.__dict__.get("estimates", {})
        if name in estimates:
            return estimates[name]
        raise AttributeError(f"this run has no {name!r}; it measured {', '.join(estimates) or 'nothing'}")

    def _rows(self):
        return [(k, f"{figure(e.mean)} +- {figure(e.error)}") for k, e in self.estimates.items() if np.ndim(e.mean) == 0]

    def _title(self):
        return f"{self.model} at N = {self.n}, alpha = {self.alpha:.6g}, {self.instances} instances"


class Trained:
    """The weights and biases of a rule on instances that are drawn again when a question needs them, so that many stay small."""

    def __init__(self, model, n: int, p: int, seed: int):
        self.model, self.n, self.p, self.seed = model, n, p, seed
        self.weights, self.biases = [], []

    def instance(self, k: int):
        """The k-th instance."""
        return make_instances(self.model, self.n, self.p / self.n, seed=self.seed, first=k)

    def train(self):
        """Train on the next instance; returns (what every rule is asked, the instance, the stabilities, a generator)."""
        data, learner, k = self.model.data, self.model.learner, len(self.weights)
        one = self.instance(k)
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, _TRAINING, k]))
        y = one.labels[0]
        w, b = fit(learner, data, (one.patterns[0] * y).T.astype(np.float64), y, one.alpha)
        self.weights.append(w)
        self.biases.append(b)
        t = one.stabilities(w[None], [b])[0]
        norm2, m = w @ w / self.n, float(overlaps(w[None], one.direction)[0])
        out = {"m": m, "q": norm2, "b": b, "cosine": m / np.sqrt(norm2), "train_error": errors(t)}
        if isinstance(learner, ERM):
            out["train_loss"] = loss_of(learner.loss, t, data)[0].mean()
        out["generalization_error"] = fresh_error(data, w, b, one.direction[0], rng)
        if isinstance(learner, MaxMargin):
            out["margin"] = t.min()
        return out, one, t, rng

    def local_energy(self, *, sigma=None, distance=None, perturbations: int = 4) -> Estimate:
        """The rise of the training error under noise on the weights (the bias stays)."""
        kind, values = validate.perturbation(sigma, distance)
        out = np.empty((len(self.weights), *values.shape))
        with one_thread():
            for k, (w, b) in enumerate(zip(self.weights, self.biases)):
                rng = np.random.default_rng(np.random.SeedSequence([self.seed, _QUESTIONS, k]))
                out[k] = local_energy(self.instance(k), w[None], (kind, values), rng, perturbations, bias=[b])[0]
        return Estimate.of(out, 1.0 / (self.p * len(out) * int(perturbations)))


def _more(learner, sample, w, b, sigma, at) -> dict:
    """What `train` measures besides, on a sample (instance, stabilities, generator) with trained weights and bias."""
    one, t, rng = sample
    out = {"margin_mean": t.mean(), "margin_variance": t.var()}
    if isinstance(learner, ERM) and not loss_traits(learner.loss).kinked:  # there curvature is a point mass
        bend = loss_of(learner.loss, t, one.model.data)[2]
        x = one.patterns[0].astype(np.float64)  # by weight; the labels' signs cancel
        out["relative_flatness"] = (w @ w / one.n) * np.mean(bend * np.sum(x * x, axis=0)) / one.n
        if learner.l2 > 0.0:
            response = 1.0 / (learner.l2 + np.linalg.eigvalsh((x * bend) @ x.T / one.n))
            out["V"], out["susceptibility"] = response.mean(), np.mean(response**2)
    if at.size:
        out["margins_cdf"] = np.mean(t[:, None] <= at, axis=0)
    if sigma.size:
        out["local_energy"] = local_energy(one, w[None], ("sigma", sigma), rng, PERTURBATIONS, bias=[b])[0]
    return out


def train(model, n: int, alpha: float, instances: int = 16, seed=None, sigma=(), at=()) -> FiniteRun:
    """Train `model.learner` on `instances` samples of round(alpha n) patterns and measure.

    Parameters
    ----------
    model : Model
        GaussianMixture or Teacher with ERM, MaxMargin, Hebb or (mixture) Bayes.
    n : int
        Weights; `alpha` is rounded so that alpha n is an integer (`run.alpha`).
    instances : int >= 2
        Independent samples.
    seed : int, optional
    sigma : numbers > 0
        Relative noise on the weights for `local_energy`.
    at : numbers
        Where to measure `margins_cdf`, the fraction of training stabilities <= at.

    Returns
    -------
    FiniteRun with m, q, b, cosine, train_error, train_loss, generalization_error (on fresh clean
    examples), margin (largest margin only), margins_cdf, local_energy, relative_flatness (losses with a
    curvature), margin_mean, margin_variance; for losses with a curvature also V = (1/N) Tr G and the
    spin-glass susceptibility (1/N) Tr G^2 of the inverse Hessian G.
    """
    check_model(model)
    alpha, n, instances = validate.load(alpha), validate.integer("n", n, 2), validate.integer("instances", instances, 2)
    p = memory.pattern_count(alpha, n)
    if p < 1:
        raise InvalidInput(f"alpha must give at least one pattern, got {alpha!r} at n = {n}")
    seed = np.random.SeedSequence().entropy if seed is None else validate.seed(seed)
    sigma = np.atleast_1d(validate.array("sigma", sigma, 0.0, closed="[", empty=True, dimensions=1))
    at = np.atleast_1d(validate.array("at", at, empty=True, dimensions=1))
    memory.training_fits(instances, n, p, TEST_EXAMPLES * n)
    source, records = Trained(model, n, p, seed), []
    with one_thread():
        for _ in range(instances):
            found, *sample = source.train()
            records.append(found | _more(model.learner, sample, source.weights[-1], source.biases[-1], sigma, at))
    steps = {name: 1.0 / (p * instances) for name in ("train_error", "margins_cdf", "local_energy")}
    estimates = {name: Estimate.of([r[name] for r in records], steps.get(name, 1e-12)) for name in records[0]}
    return FiniteRun(model, n, p / n, instances, sigma, at, estimates)


def train_run(model, n: int, p: int, instances: int, seed: int, progress) -> Run:
    """The Run of a trained rule; after Ctrl-C that of the instances done so far (at least two)."""
    memory.training_fits(instances, n, p, TEST_EXAMPLES * n)
    source, records, stabilities = Trained(model, n, p, seed), [], []
    with Interruption() as ctrl_c, progress_bar(progress, instances, "training") as show, one_thread():
        while len(records) < instances and not ctrl_c.pressed:
            found, _, t, _ = source.train()
            records.append(found)
            stabilities.append(t)
            show(len(records))
    if len(records) < 2:
        raise KeyboardInterrupt("interrupted before two instances were trained: there is nothing to estimate from")
    found = {name: np.array([record[name] for record in records]) for name in records[0]}
    if not getattr(model.learner, "bias", False) and not np.any(found["b"]):
        del found["b"]
    steps = {"train_error": 1.0 / (p * len(records)), "generalization_error": 1.0 / (TEST_EXAMPLES * n * len(records))}
    estimates = {name: Estimate.of(values, steps.get(name, 1e-12)) for name, values in found.items()}
    estimates["energy"] = Estimate.of(found["train_error"] * p / n, steps["train_error"] * p / n)
    first, second = np.mean(stabilities, axis=1), np.mean(np.square(stabilities), axis=1)
    margins = SampledMargins(Estimate.of(first), Estimate.of(variance_of_law(first, second)), stabilities=stabilities)
    interrupted = len(records) < instances
    if interrupted:
        text = f"interrupted after {len(records)} of {instances} instances: the estimates are from those"
        warnings.warn(text, InterruptedRunWarning, stacklevel=3)
    return Run(model, n, p / n, estimates, margins, len(records), 1, seed=seed, interrupted=interrupted, source=source)
