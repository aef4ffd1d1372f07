"""References of the local entropy: what the kernels know of a Gibbs-typical weight, or of the teacher itself."""

import math
from typing import NamedTuple

import numpy as np

from flatphys import validate
from flatphys.errors import InvalidInput, Unsatisfiable
from flatphys.kernels.codes import BINARY, ERRORS, MIXTURE, RANDOM, SPHERICAL, TEACHER, Channel, Labels
from flatphys.kernels.networks import PERCEPTRON_NET
from flatphys.model import Bayes, Gibbs, Model, Teacher, check_model
from flatphys.problem import problem_of
from flatphys.state import NEGATIVE_ENTROPY, State


class Reference(NamedTuple):
    """A weight drawn from a saddle: its patterns' labels and its own channel, its overlaps and conjugates.

    q, v = 1 - q and t2 = q - R^2 are the overlaps of two references and with the teacher; q = 0 is the teacher itself, which shares
    nothing with others of its kind.
    """

    weights: int
    labels: Labels
    channel: Channel
    q: float
    v: float
    q_hat: float
    R: float
    t2: float
    R_hat: float


def is_teacher(state: State) -> bool:
    """Whether the state is the teacher itself, q = R = 1."""
    return state.branch == "teacher" and state.order["q"] == 1.0


def reference_of(state: State, formal: bool = False) -> tuple[Reference, np.ndarray]:
    """The numbers of a Gibbs-typical state or of the teacher itself, and the network's array (`kernels.networks`).

    Raises `Unsatisfiable` where the reference does not exist (its entropy is negative), unless its `formal` continuation will do, as it
    does for searches that differentiate along the line of zero entropy; `InvalidInput` for states without an overlap q < 1 of this ansatz.
    """
    learner, data = state.model.learner, state.model.data
    binary = getattr(learner, "weights", None) == "binary"
    if binary and not formal and state.entropy is not None and state.entropy < NEGATIVE_ENTROPY:
        raise Unsatisfiable(
            f"the reference does not exist: the entropy of {state.model!r} at alpha={state.alpha:g} is {state.entropy:.3g} < 0; "
            f"lower alpha or the margin, or use max_margin(model, alpha)"
        )
    if is_teacher(state):  # its labels are errors with the odds of a flip
        weights = BINARY if learner.weights == "binary" else SPHERICAL
        beta = math.log((1.0 - data.flip) / data.flip) if data.flip > 0.0 else math.inf
        return Reference(weights, Labels(RANDOM, 0.0), Channel(ERRORS, 0.0, beta), 0.0, 1.0, 0.0, 0.0, 0.0, 0.0), PERCEPTRON_NET
    order = state.order
    if "q_hat" not in order:
        raise InvalidInput(
            f"the reference must be a replica-symmetric state with q < 1, got the {state.ansatz} {state.branch} state of {state.model!r}: "
            f"use solve(model, alpha) at its margin and beta"
        )
    problem = problem_of(state.model)
    overlaps = order["q"], order["one_minus_q"], order["q_hat"]
    if problem.labels.kind == RANDOM:
        return Reference(problem.weights, problem.labels, problem.channel, *overlaps, 0.0, overlaps[0], 0.0), problem.net
    if problem.labels.kind == MIXTURE:
        return _on_mixture(state, problem), problem.net
    r = order["R"]
    if r == 0.0:
        raise InvalidInput(
            f"the reference has no overlap with its teacher at alpha={state.alpha:g}: raise alpha, or take another margin or energy"
        )
    t2 = order.get("q_minus_R2", overlaps[0] - r * r)
    return Reference(problem.weights, Labels(TEACHER, data.flip), problem.channel, *overlaps, r, t2, order["R_hat"]), problem.net


def _on_mixture(state: State, problem) -> Reference:
    """Of a mixture's weights without a bias: the margin is what their mean stability leaves of it, over sqrt D (`patterns`)."""
    if state.order.get("b", 0.0) != 0.0:
        raise InvalidInput(f"the reference must have no bias on a mixture, got b = {state.b:g}: use bias=False, or positive = 0.5")
    order, (energy, margin, beta) = state.order, problem.channel
    m = order["m"]
    if m == 0.0:
        raise InvalidInput(f"the reference has no overlap with the clouds' centre at alpha={state.alpha:g}: raise alpha")
    channel = Channel(energy, (margin - m) / math.sqrt(problem.labels.variance), beta)
    labels = problem.labels._replace(share=1.0)
    return Reference(
        problem.weights, labels, channel, order["q"], order["one_minus_q"], order["q_hat"], m, order["q"] - m * m, order["m_hat"]
    )


def teacher_state(model: Model, alpha: float) -> State:
    """The teacher itself as a state: q = R = 1, the reference that labelled the patterns.

    Parameters
    ----------
    model : Model
        With Teacher data; its learner says which kind of weights (its margin and beta play no part).
    alpha : float > 0

    Returns
    -------
    State
        With entropy 0 and the train error `flip`, for `local_entropy`.
    """
    check_model(model)
    alpha = validate.load(alpha)
    if not isinstance(model.data, Teacher):
        raise InvalidInput(f"data must be Teacher for teacher_state, got {model.data!r}")
    if not isinstance(model.learner, (Gibbs, Bayes)):
        raise InvalidInput(f"learner must be Gibbs or Bayes for teacher_state, got {model.learner!r}")
    order = {"q": 1.0, "one_minus_q": 0.0, "R": 1.0}
    return State(
        model,
        alpha,
        order,
        branch="teacher",
        entropy=0.0,
        free_entropy=0.0,
        train_error=model.data.flip,
        generalization_error=0.0,
        bayes_error=0.0,
        cosine=1.0,
        residual=0.0,
        quadrature_error=0.0,
    )
