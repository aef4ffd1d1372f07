"""States of spherical weights as q -> 1: the maximum margin, and the ground state above capacity (equations: `saddle.equilibrium.limit`).

The replicon of the maximum margin is 1 - alpha Int_window Dz W.  A ground state of counted errors has -inf: the restored field jumps at
the window's lower edge, and the state is only approximately replica symmetric.  The continuous energies have a finite one,

    1 - alpha { E (1 - dt/dz)^2 + [c''(1)/c'(1)^2] E (t - z)^2 },

and are exactly replica symmetric where it is positive: hinge and squared hinge at margins >= 0 (their minima are those of a convex
problem on the sphere where the multiplier of |w|^2 = N is positive).
"""

import math

from flatphys.errors import InvalidInput, NotConverged, Unsatisfiable
from flatphys.kernels.channels import COUNTED
from flatphys.kernels.codes import LOGISTIC_ENERGY, MIXTURE, RANDOM, SQUARE_ENERGY, TEACHER, Labels
from flatphys.kernels.networks import last_slope, overlap_curvature
from flatphys.model import Model
from flatphys.numerics.quadrature import buffers
from flatphys.numerics.roots import bracketed, outwards
from flatphys.problem import ground_problem
from flatphys.saddle.accept import Tolerance, accept
from flatphys.saddle.equilibrium import cold
from flatphys.saddle.equilibrium.limit import (
    TOO_LARGE,
    capacity_teacher,
    exact_capacity,
    ground_response,
    hard,
    largest_margin_teacher,
    moments,
    random_label_capacity,
    saddle,
    worth,
)
from flatphys.saddle.minimiser.largest_margin import mixture_capacity
from flatphys.state import State

TOLERANCE = Tolerance(1e-10)
ADVICE = "the equations of zero temperature are ill-conditioned there, move alpha a little"


def solve_max_margin(model: Model, alpha: float) -> State:
    """The maximum-margin solution with a teacher: m = R, q = 1, b = 0, margin."""
    labels = Labels(TEACHER, model.data.flip)
    if labels.flip > 0.0:
        limit, _ = capacity_teacher(0.0, labels.flip)
        if alpha >= limit:
            raise Unsatisfiable(
                f"alpha={alpha:g} is beyond the separability threshold {limit:.10g} of {model.data!r}: "
                f"no weights classify every pattern; lower alpha, or use ERM"
            )
    kappa, k = largest_margin_teacher(alpha, labels.flip)
    r = k / math.sqrt(1.0 + k * k)
    residual, error = worth(hard(kappa), labels, k, alpha)
    state = State(
        model,
        alpha,
        {"m": r, "q": 1.0, "b": 0.0, "margin": kappa, "R": r},
        branch="max_margin",
        train_error=0.0,
        generalization_error=math.atan2(1.0, k) / math.pi,
        cosine=r,
        at_eigenvalue=1.0 - alpha * moments(hard(kappa), labels, k, 0, buffers()).stiffness,
        residual=residual,
        quadrature_error=error,
    )
    return accept(state, TOLERANCE, ADVICE)


def spherical_capacity(problem) -> float:
    """The load up to which spherical weights of energy 0 exist (replica symmetric)."""
    (energy, margin, _), labels = problem.channel, problem.labels
    if energy == LOGISTIC_ENERGY:
        return 0.0  # every pattern costs something
    if labels.kind == MIXTURE:
        return cold.exact_capacity(margin, labels) if energy == SQUARE_ENERGY else mixture_capacity(labels.variance, labels.share, margin)
    if energy == SQUARE_ENERGY:
        return last_slope(problem.net) * exact_capacity(margin, labels)
    if labels.kind == RANDOM:
        load = random_label_capacity(margin)
        if load == math.inf:
            raise NotConverged(TOO_LARGE.format(margin))
        return last_slope(problem.net) * load
    return capacity_teacher(margin, labels.flip)[0]


def solve_ground_state(model: Model, alpha: float) -> State:
    """Spherical weights above capacity: the least energy, replica symmetric (where unstable a lower bound)."""
    problem = ground_problem(model)
    channel, labels, slope = problem.channel, problem.labels, last_slope(problem.net)
    capacity = spherical_capacity(problem)
    if slope == math.inf:
        raise InvalidInput(
            f"network must not be a tree committee of an activation that jumps for the ground state of spherical weights, got {model!r}: "
            f"every pattern can be satisfied at every load, use solve"
        )
    if not alpha > capacity:
        raise InvalidInput(
            f"alpha must be > {capacity:.10g}, the capacity of {model!r}, got {alpha:g}: "
            f"at lower loads every pattern can be satisfied, use solve"
        )
    if labels.kind == MIXTURE:
        return cold.solve_cold(model, alpha, channel, labels)
    load = alpha / slope  # of the perceptron with the same response

    def excess(log_c):
        return math.log(saddle(ground_response(channel, math.exp(log_c)), labels)[1] / load)

    what = f"the ground state of {model!r} at alpha={alpha:g} (capacity {capacity:.10g})"
    top = 2.0 * math.log(20.0 + abs(channel.margin))
    response = ground_response(channel, math.exp(bracketed(excess, *outwards(excess, 0.0, top, (-40.0, 80.0), what), what)))
    return _ground_state(model, alpha, problem, response, saddle(response, labels)[0])


def _ground_state(model, alpha, problem, response, k) -> State:
    """The state of this response and overlap ratio."""
    labels, slope = problem.labels, last_slope(problem.net)
    found = moments(response, labels, k, 0, buffers())
    residual, error = worth(response, labels, k, alpha / slope)
    order, r = {"q": 1.0, "beta_one_minus_q": response.c / slope}, k / math.sqrt(1.0 + k * k)
    teacher = labels.kind != RANDOM
    if teacher:
        order["R"] = r
    bend = overlap_curvature(problem.net, 1.0, 0.0) / (slope * slope)
    state = State(
        model,
        alpha,
        order,
        branch="ground_state",
        train_error=found.below,
        train_loss=found.loss,
        generalization_error=math.atan2(1.0, k) / math.pi if teacher else None,
        centre_generalization_error=math.atan2(1.0, k) / math.pi if teacher else None,
        cosine=r if teacher else None,
        at_eigenvalue=-math.inf if response.loss == COUNTED else 1.0 - alpha * (found.stiffness + bend * found.second),
        residual=residual,
        quadrature_error=error,
    )
    return accept(state, TOLERANCE, ADVICE)
