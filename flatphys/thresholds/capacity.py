"""Capacities and largest margins: how much can be stored, and how safely."""

import math
from dataclasses import replace

from flatphys import validate
from flatphys.errors import InvalidInput, NoSolution
from flatphys.kernels.codes import MIXTURE, RANDOM, SPHERICAL, SQUARE_ENERGY, Problem
from flatphys.kernels.networks import last_slope
from flatphys.model import MaxMargin, Model, check_model
from flatphys.numerics.gaussian import log_tail
from flatphys.numerics.roots import bracketed, outwards
from flatphys.problem import problem_of, refuse_unwalled
from flatphys.saddle.breaking import capacity as rsb_capacity
from flatphys.saddle.dispatch import solve
from flatphys.saddle.equilibrium import cold, limit as margin_limit
from flatphys.saddle.equilibrium.curve import curve_of
from flatphys.saddle.equilibrium.ground import spherical_capacity
from flatphys.saddle.minimiser.largest_margin import mixture_margin
from flatphys.state import State
from flatphys.thresholds.separability import separability_threshold
from flatphys.thresholds.walk import Stretch, Walk, first_zero, gibbs_problem, unfollowed

NO_SQUARE = "the capacity and the largest margin, but for the square of spherical weights"


def capacity(model: Model, ansatz: str = "RS") -> float:
    """The load alpha_c up to which weights reach the learner's margin on every pattern.

    Binary weights: where the replica-symmetric entropy vanishes (Krauth & Mezard 1989).  Spherical
    weights: where q -> 1 (Gardner 1988), 1/alpha_c = (1+kappa^2) H(-kappa) + kappa G(kappa) for random
    labels and c'(1) times that alpha_c for a tree committee; at negative margin, and for most committees, an upper
    bound that ansatz="1RSB" improves.  The answer is inf with a teacher and margin <= 0, and for spherical
    committees of an activation that jumps (sign: capacity grows with the number K of hidden units without bound).
    Every energy with a flat side means the same constraints; the square wants every stability equal to the margin, which spherical
    weights reach up to 1/(1+kappa^2) (random labels) and binary ones at no load.

    Parameters
    ----------
    model : Model
        With a Gibbs learner at beta = inf, or MaxMargin (its separability threshold).
    ansatz : "RS" or "1RSB"
        "1RSB" for spherical weights and random labels.
    """
    check_model(model)
    validate.choice("ansatz", ansatz, ("RS", "1RSB"))
    if isinstance(model.learner, MaxMargin):
        return separability_threshold(model.data, model.learner.bias)
    problem = gibbs_problem(model, "capacity", hard=True)
    spherical, random = problem.weights == SPHERICAL, problem.labels.kind == RANDOM
    if problem.channel.energy != SQUARE_ENERGY:
        refuse_unwalled(problem, "the capacity")
    if ansatz == "1RSB":
        refuse_unwalled(problem, "the capacity with one step of replica-symmetry breaking")
        if not (spherical and random):
            raise InvalidInput(
                f"ansatz must be 'RS' for {model!r}, got '1RSB': one step of replica-symmetry breaking changes the capacity "
                f"only of spherical weights with random labels and negative margin"
            )
        return rsb_capacity.capacity(problem.channel.margin, problem.net)[0]
    return spherical_capacity(problem) if spherical else capacity_state(model, problem).alpha


def capacity_state(model: Model, problem: Problem):
    """Binary weights: the state at which the entropy vanishes."""
    refuse_unwalled(problem, NO_SQUARE)
    if problem.labels.kind not in (RANDOM, MIXTURE) and problem.labels.flip == 0.0 and problem.channel.margin <= 0.0:
        order = {"q": 1.0, "R": 1.0}
        return State(model, math.inf, order, branch="teacher", entropy=0.0, free_entropy=0.0, residual=0.0, quadrature_error=0.0)
    if problem.labels.kind not in (RANDOM, MIXTURE) and problem.channel.margin < 0.0 and not curve_of(problem).resolved:
        raise unfollowed(model)  # below margin 0 weights next to the teacher may be the last to survive
    state = first_zero(model, problem, "entropy")
    if state is None:
        raise NoSolution(f"the entropy of {model!r} stays positive along its whole branch")
    return state


def max_margin(model: Model, alpha: float) -> float:
    """The largest margin that weights reach on every pattern at load alpha.

    Binary weights: the margin of zero entropy.  Spherical weights: the inverse of `capacity` (exact for perceptrons, with
    random labels below alpha = 2 and with a teacher), inf where that is inf.  The learner's own margin is not used.
    """
    check_model(model)
    alpha = validate.load(alpha)
    if isinstance(model.learner, MaxMargin):
        return solve(model, alpha).margin
    problem = gibbs_problem(model, "max_margin", hard=True)
    slope, random, flip = last_slope(problem.net), problem.labels.kind == RANDOM, problem.labels.flip
    mixture = problem.labels.kind == MIXTURE
    if problem.channel.energy == SQUARE_ENERGY and problem.weights == SPHERICAL:
        if mixture:
            return cold.exact_margin(alpha, problem.labels)
        return margin_limit.exact_margin(alpha / slope, problem.labels) if slope < math.inf else math.inf
    refuse_unwalled(problem, NO_SQUARE)
    if problem.weights == SPHERICAL and mixture:
        return mixture_margin(model.data, model.learner.bias, alpha).margin
    if problem.weights == SPHERICAL:
        if random:
            return margin_limit.largest_margin_random(alpha / slope) if slope < math.inf else math.inf
        return margin_limit.largest_margin_teacher(alpha, flip)[0]
    target, clean = math.log(alpha), not (random or mixture) and flip == 0.0

    def excess(kappa):
        """Falls with the margin; with a clean teacher margin 0 stands for the limit from above, where the student alone counts."""
        if clean and kappa <= 0.0:
            return (math.log(student) if kappa == 0.0 else math.inf) - target
        other = replace(model, learner=replace(model.learner, margin=kappa))
        return math.log(capacity_state(other, problem_of(other)).alpha) - target

    what = f"the largest margin of {model!r} at alpha={alpha:g}"
    if clean:
        student = _student_capacity(problem._replace(channel=problem.channel._replace(margin=0.0)))
        if alpha >= student:
            return 0.0  # past the transition no margin above the teacher's own survives
    # Spherical weights, or for a committee the annealed average, reach more: a bracket from above, then down until the load fits.
    if mixture:
        hi = mixture_margin(model.data, False, alpha).margin
    elif not random:
        hi = margin_limit.largest_margin_teacher(alpha, flip)[0]
    else:
        hi = margin_limit.largest_margin_random(alpha) if slope == 1.0 else _annealed_margin(alpha)
    lo, hi = (0.0, hi) if clean else outwards(excess, hi - 0.25, hi + 1e-9, (-40.0, math.inf), what)
    return bracketed(excess, lo, hi, what, 1e-9)


def _student_capacity(problem: Problem) -> float:
    """The load at which the entropy of the branch of least overlap vanishes."""
    walk = Walk(problem)
    la = walk.curve.pieces[0].la
    return math.exp(walk.zero("entropy", walk.points(Stretch(0, la[0], la[-1], False))).la)


def _annealed_margin(alpha):
    """Where log 2 + alpha log H(kappa) = 0: beyond it no binary weights are left whatever the network (Jensen's inequality)."""
    return bracketed(lambda kappa: math.log(2.0) + alpha * log_tail(kappa), -40.0, 2.0 + math.sqrt(2.0 * math.log(2.0) / alpha))
