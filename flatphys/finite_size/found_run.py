"""Weights that were found, as the `Run` of a trained rule: what `check` compares with a state."""

from typing import NamedTuple

import numpy as np

from flatphys.errors import InvalidInput
from flatphys.finite_size import measure
from flatphys.finite_size.estimate import Estimate
from flatphys.finite_size.found import Found
from flatphys.finite_size.law import SampledMargins, variance_of_law
from flatphys.finite_size.measured import local_energy
from flatphys.finite_size.run import Run
from flatphys.model import ERM, Gibbs


class Perturbed(NamedTuple):
    """What is asked of found weights when they are perturbed."""

    found: Found

    def local_energy(self, *, sigma=None, distance=None, perturbations: int = 20) -> Estimate:
        """As `flatphys.local_energy` of the found weights, which says how often each is perturbed."""
        return local_energy(self.found, sigma=sigma, distance=distance)


def run_of(found: Found) -> Run:
    """Overlaps, norms, errors, losses and margins of found weights, with errors over the instances; at least two of them."""
    instances, t = found.instances, found.stabilities
    if instances.count < 2:
        raise InvalidInput(f"run must be of at least two instances for errors, got {instances.count}")
    per_pattern, count = 1.0 / t.size, instances.count
    first, second = t.mean(axis=1), np.square(t).mean(axis=1)
    estimates = {name: Estimate.of(values) for name, values in _overlaps(found).items()}
    if not (_gibbs(found) and instances.model.learner.energy == "hinge"):  # it holds patterns at the margin: rounding chooses their side
        estimates["train_error"] = Estimate.of(found.train_error, per_pattern)
    cost = _cost(found)
    if cost is not None:
        estimates["train_loss"] = Estimate.of(cost)
    estimates["energy"] = Estimate.of((found.train_error if cost is None or not _gibbs(found) else cost) * instances.alpha, per_pattern)
    law = SampledMargins(Estimate.of(first), Estimate.of(variance_of_law(first, second)), stabilities=t[:, None, :].reshape(count, -1))
    return Run(instances.model, instances.n, instances.alpha, estimates, law, count, 1, seed=instances.seed or 0, source=Perturbed(found))


def _gibbs(found) -> bool:
    return isinstance(found.instances.model.learner, Gibbs)


def _overlaps(found) -> dict:
    """Norm (of a rule), overlap, cosine and generalization error, one value for each instance."""
    instances, out = found.instances, {}
    q = np.mean(np.square(found.weights.astype(np.float64)), axis=1)
    if not _gibbs(found):
        out["q"] = q
    if instances.direction is None or instances.hidden is not None:
        return out
    overlap = measure.overlaps(found.weights, instances.direction)
    cosine = overlap / np.sqrt(q)
    name = "teacher_overlap" if _gibbs(found) and instances.teacher is not None else "m"
    return out | {name: overlap, "cosine": cosine, "generalization_error": measure.generalization_error(instances.model.data, cosine)}


def _cost(found):
    """(count,) mean loss or energy of a pattern; None where errors are all there is."""
    learner = found.instances.model.learner
    if isinstance(learner, ERM):
        return measure.loss_of(learner.loss, found.stabilities, found.instances.model.data)[0].mean(axis=1)
    if isinstance(learner, Gibbs) and learner.energy != "errors":
        return measure.mean_energy(found.stabilities, learner.energy, learner.margin)
    return None
