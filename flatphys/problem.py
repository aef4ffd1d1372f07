"""From a model to the named tuples that the kernels take; nothing else knows both."""

import math

from flatphys.errors import InvalidInput
from flatphys.kernels.channels import CODES
from flatphys.kernels.codes import BINARY, ERRORS, NISHIMORI, RANDOM, SPHERICAL, SQUARE_ENERGY, TEACHER, Channel, Labels, Problem
from flatphys.kernels.networks import PERCEPTRON_NET, network_code
from flatphys.model import Bayes, GaussianMixture, Gibbs, Model, RandomLabels, Teacher, TreeCommittee


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
    if not isinstance(data, Teacher):
        kind = RANDOM
    elif channel.energy == SQUARE_ENERGY and channel.margin < 1e-100:
        raise InvalidInput(
            f"margin must be > 0 for the energy 'square' with a teacher, got {channel.margin!r}: at margin 0 it does not see the labels, "
            f"and a negative one has the weights of the positive one with their signs turned"
        )
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
    return Channel(ERRORS if beta == math.inf and code != SQUARE_ENERGY else code, margin, beta)


def refuse_without_theory(model: Model) -> None:
    """Raise `InvalidInput` for models that finite systems know and no saddle does."""
    learner = model.learner
    if isinstance(learner, Gibbs) and isinstance(model.data, GaussianMixture):
        raise InvalidInput(
            f"data must be RandomLabels or Teacher for the theory of a Gibbs learner, got {model.data!r}; instances and algorithms take it"
        )
    if isinstance(getattr(learner, "network", None), TreeCommittee) and not isinstance(model.data, RandomLabels):
        raise InvalidInput(
            f"network must be Perceptron() on {type(model.data).__name__} data, got {learner.network!r}: the tree committee is "
            "solved for RandomLabels"
        )


def refuse_square(problem: Problem, question: str) -> None:
    """Raise `InvalidInput` where `question` asks for stabilities of at least the margin, which the square wants met exactly."""
    if problem.channel.energy == SQUARE_ENERGY:
        allowed = ", ".join(repr(name) for name, code in CODES.items() if code != SQUARE_ENERGY)
        raise InvalidInput(f"energy must be one of {allowed} for {question}, got 'square'; see ground_state")
