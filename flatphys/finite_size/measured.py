"""Weights of any origin as `Found`, and the questions that are answered for it as for a state."""

import math

import numpy as np
from numpy.typing import ArrayLike

from flatphys import validate
from flatphys.answers import register
from flatphys.errors import InvalidInput
from flatphys.finite_size import measure
from flatphys.finite_size.estimate import Estimate
from flatphys.finite_size.found import Found
from flatphys.finite_size.instances import Instances
from flatphys.finite_size.law import SampledMargins, variance_of_law
from flatphys.finite_size.measure import loss_of
from flatphys.finite_size.messages.around import local_entropy
from flatphys.kernels.traits import energy_traits, loss_traits
from flatphys.model import ERM, Gibbs, Teacher

COPIES = 20  # perturbed copies of each weight vector behind a local energy


def measured(instances: Instances, weights: ArrayLike) -> Found:
    """Any weights (count, n) on these instances as `Found`; raises `InvalidInput` where they are of another kind than the model's."""
    found = validate.array("weights", weights)
    shape = (instances.count, instances.n)
    if found.shape == (instances.n,):
        found = np.broadcast_to(found, (1, instances.n))
    if found.shape != shape:
        raise InvalidInput(f"weights must have the shape {shape}, got {found.shape}")
    norms = np.linalg.norm(found, axis=1)
    if not norms.all():
        raise InvalidInput("weights must not be zero")
    if getattr(instances.model.learner, "weights", None) == "binary":
        if not (np.abs(found) == 1.0).all():
            raise InvalidInput(f"weights must be +-1 for binary weights, got {validate.shown(weights)}")
        return Found(instances, found.astype(np.int8))
    if isinstance(instances.model.learner, Gibbs):  # points of the sphere
        found = found * (math.sqrt(instances.n) / norms[:, None])
    return Found(instances, np.array(found))


def margins(found: Found) -> SampledMargins:
    """The pooled law of the stabilities on the training patterns, with errors over instances."""
    t = found.stabilities
    first, second = t.mean(axis=1), (t * t).mean(axis=1)
    return SampledMargins(Estimate.of(first), Estimate.of(variance_of_law(first, second)), stabilities=t)


def local_energy(found: Found, *, sigma: ArrayLike | None = None, distance: ArrayLike | None = None) -> Estimate:
    """The rise of the training error under perturbations, `COPIES` of each weight vector; errors over instances."""
    kind = validate.perturbation(sigma, distance)
    binary = getattr(found.instances.model.learner, "weights", None) == "binary"
    rng = np.random.default_rng([found.instances.n, found.instances.p, found.instances.count])
    return Estimate.of(measure.local_energy(found.instances, found.weights[:, None, :], kind, rng, COPIES, binary=binary))


def generalization_error(found: Found) -> Estimate:
    """The probability of an error on a new, clean example, from the overlap with the teacher or the centre; errors over instances.

    Raises `InvalidInput` where the labels have no teacher.
    """
    validate.instance("found", found, (Found,))
    direction = found.instances.direction
    if direction is None:
        raise InvalidInput(f"found must be on instances with a teacher or a centre, got {found.instances.model.data!r}")
    if found.instances.hidden is not None:
        return Estimate.of(_committee_error(found))
    norm = np.linalg.norm(found.weights, axis=1) / math.sqrt(found.instances.n)
    overlap = measure.overlaps(found.weights, direction) / norm
    return Estimate.of(measure.generalization_error(found.instances.model.data, overlap))


def _committee_error(found):
    """Of a committee with a teacher committee, for every instance."""
    instances, network = found.instances, found.instances.model.learner.network
    if network.activation != "sign" or not isinstance(instances.model.data, Teacher):
        raise InvalidInput(f"found must be of sign units with a teacher to have a generalization error, got {instances.model!r}")
    w, v = (a.reshape(instances.count, instances.hidden, -1).astype(np.float64) for a in (found.weights, instances.direction))
    return measure.committee_error((w * v).sum(axis=-1) / (np.linalg.norm(w, axis=-1) * np.linalg.norm(v, axis=-1)))


def relative_flatness(found: Found) -> Estimate:
    """|w|^2 Tr Hessian/N of the mean training loss or energy of a perceptron, (|w|^2/N) mean of l''(t) |x|^2/N; errors over instances.

    Raises `InvalidInput` where the learner has no loss, or one without a Hessian (hinge, counted errors), a bias or a hidden layer.
    """
    instances, learner = found.instances, found.instances.model.learner
    curvature = _curvature(learner, instances, found.stabilities)
    lengths = np.stack([np.sum(np.square(x, dtype=np.float64), axis=0) for x in instances.patterns]) / instances.n
    norm2 = np.square(found.weights, dtype=np.float64).mean(axis=1)
    return Estimate.of(norm2 * np.mean(curvature * lengths, axis=1))


def _curvature(learner, instances, stabilities) -> np.ndarray:
    """l''(t) of every pattern."""
    if isinstance(learner, ERM) and not learner.bias and not loss_traits(learner.loss).kinked:
        return np.stack([loss_of(learner.loss, t, instances.model.data)[2] for t in stabilities])
    if isinstance(learner, Gibbs) and instances.hidden is None and energy_traits(learner.energy).bend > 0.0:
        traits = energy_traits(learner.energy)
        return traits.bend * (np.ones_like(stabilities) if traits.quadratic else stabilities < learner.margin)
    raise InvalidInput(f"found must be weights of a perceptron without bias and of a learner with a smooth loss or energy, got {learner!r}")


register(Found, margins=margins, local_energy=local_energy, local_entropy=local_entropy, relative_flatness=relative_flatness)
