"""From a model to the named tuples that the kernels take; nothing else knows both."""

import math

from flatphys.errors import InvalidInput
from flatphys.kernels.channels import CODES, walled
from flatphys.kernels.codes import (
    BINARY,
    ERRORS,
    LOGISTIC_ENERGY,
    MIXTURE,
    NISHIMORI,
    RANDOM,
    SPHERICAL,
    SQUARE_ENERGY,
    TEACHER,
    Channel,
    Labels,
    Problem,
)
from flatphys.kernels.networks import PERCEPTRON_NET, network_code
from flatphys.model import Bayes, GaussianMixture, Model, RandomLabels, Teacher, TreeCommittee


def problem_of(model: Model) -> Problem:
    """The kernels' view of a Gibbs or Bayes learner, a Bayes learner at the margin and temperature of its posterior.

    Without violations every energy with a flat side is the same hard constraint: at beta = inf they share the code of "errors".
    Raises `InvalidInput` for a model that no saddle answers.
    """
    refuse_without_theory(model)
    data, learner = model.data, model.learner
    flip = data.flip if isinstance(data, Teacher) else 0.0
    posterior = math.log((1.0 - flip) / flip) if flip > 0.0 else math.inf  # beta at which errors cost what noise makes them cost
    if isinstance(learner, Bayes):
        channel, net = Channel(ERRORS, 0.0, posterior), PERCEPTRON_NET
    else:
        channel, net = channel_of(learner.energy, learner.margin, learner.beta), network_code(learner.network)
    if isinstance(data, RandomLabels):
        kind = RANDOM
    elif channel.energy == SQUARE_ENERGY and channel.margin < 1e-100:
        raise InvalidInput(
            f"margin must be > 0 for the energy 'square' on {type(data).__name__} data, got {channel.margin!r}: at margin 0 it does not "
            f"see the labels, and a negative one has the weights of the positive one with their signs turned"
        )
    elif isinstance(data, GaussianMixture):
        biased = getattr(learner, "bias", False) and data.positive != 0.5  # of balanced clouds the stationary bias is 0
        labels = Labels(MIXTURE, 0.0, data.variance, data.positive if biased else 1.0)
        return Problem(BINARY if learner.weights == "binary" else SPHERICAL, labels, channel, net)
    elif channel == (ERRORS, 0.0, posterior):
        kind = NISHIMORI
    else:
        kind = TEACHER
    return Problem(BINARY if learner.weights == "binary" else SPHERICAL, Labels(kind, flip), channel, net)


def ground_problem(model: Model) -> Problem:
    """The same at zero temperature above capacity, where the energy matters again."""
    problem = problem_of(model)
    return problem._replace(channel=Channel(CODES[model.learner.energy], model.learner.margin, math.inf))


def channel_of(energy: str, margin: float, beta: float) -> Channel:
    """The channel of an energy by name, hard constraints under one code."""
    code = CODES[energy]
    if code == LOGISTIC_ENERGY and margin != 0.0:
        raise InvalidInput(f"margin must be 0 for the energy 'logistic', which knows none, got {margin!r}")
    return Channel(ERRORS if beta == math.inf and walled(code) else code, margin, beta)


def refuse_without_theory(model: Model) -> None:
    """Raise `InvalidInput` for models that finite systems know and no saddle does."""
    learner = model.learner
    if isinstance(getattr(learner, "network", None), TreeCommittee) and not isinstance(model.data, RandomLabels):
        raise InvalidInput(
            f"network must be Perceptron() on {type(model.data).__name__} data, got {learner.network!r}: the tree committee is "
            "solved for RandomLabels"
        )


def refuse_unwalled(problem: Problem, question: str) -> None:
    """Raise `InvalidInput` where `question` asks for stabilities of at least the margin, and the energy has no flat side to say so."""
    energy = problem.channel.energy
    if not walled(energy):
        allowed = ", ".join(repr(name) for name, code in CODES.items() if walled(code))
        name = next(name for name, code in CODES.items() if code == energy)
        raise InvalidInput(f"energy must be one of {allowed} for {question}, got {name!r}; see ground_state")
