"""Replica-symmetric equilibrium of a Gibbs learner: random labels, or a teacher of the same kind.

Free entropy per weight (see `saddle.equilibrium.averages` for the terms; v = 1 - q):

    phi = G_S(q_hat, R_hat) + alpha G_E(q, R),      entropy = phi + beta alpha train_loss

stationary in all overlaps and conjugates: q, R are the weights' averages, q_hat, R_hat the patterns'.
Replicon: 1 - alpha E[g'^2] T4; with a tree committee see `saddle.equilibrium.branch`.  Without label noise in the posterior's own
temperature, that is for kappa = 0 and e^-beta = flip/(1-flip), the Nishimori identities R = q, R_hat = q_hat hold exactly.

Branches.  alpha(s) of `saddle.equilibrium.branch` rises on branches that are stable within the ansatz and falls on
the others ("intermediate").  At margin 0 binary weights have one more solution with a teacher,
q = R = 1: the learner is the teacher, entropy 0, train error `flip`.  Dominant is the branch with the
largest free entropy with a teacher (the free entropy is a maximum over R), the smallest with random
labels (a minimum over q, as n -> 0 turns it around).

Saddles apart.  All of these lie on the curve that starts at small loads.  With a binary teacher at margins between about -0.05 and 0
there is one more family of saddles, detached from it, with q_hat of the order of R_hat^2 at R != q.  Its entropy is negative, while
at these margins the teacher's neighbourhood has one that is not: it never dominates, and is not listed.

On a mixture the centre of the clouds stands where the teacher did, m for R; its weights are never the centre itself.

Sources: Gardner & Derrida 1988; Krauth & Mezard 1989; Gyorgyi 1990; Barkai, Hansel & Sompolinsky 1992;
Seung, Sompolinsky & Tishby 1992.
"""

import math

from flatphys._jit import direct
from flatphys.errors import NoSolution, NotConverged, Unsatisfiable
from flatphys.kernels.channels import log_concave, walled
from flatphys.kernels.codes import ERRORS, MIXTURE, RANDOM, SPHERICAL, SQUARE_ENERGY, TABLE, Problem
from flatphys.kernels.labels import clouds
from flatphys.kernels.networks import first_slope
from flatphys.model import Bayes, Model
from flatphys.numerics.quadrature import buffers
from flatphys.problem import problem_of
from flatphys.saddle.accept import Tolerance, accept
from flatphys.saddle.equilibrium.averages import Fields
from flatphys.saddle.equilibrium.bayes import training_error
from flatphys.saddle.equilibrium.branch import entropy, read_off_twice, solve_at_load
from flatphys.saddle.equilibrium.curve import branch_end, branch_names, curve_of, first_bias, first_field, first_pull, roots, stretch
from flatphys.saddle.equilibrium.direct import Place, solve_mixture
from flatphys.saddle.equilibrium.empty import empty
from flatphys.saddle.equilibrium.refuse import beyond
from flatphys.saddle.equilibrium.warn import warn
from flatphys.saddle.minimiser.closed import mixture_error
from flatphys.state import State

# The equations, and two quadrature rules: where q -> 1 the free entropy cancels terms of size 1/(1-q).
TOLERANCE = Tolerance(1e-11, 1e-6)
ADVICE = "it lies too close to the end of a branch or to the teacher, move alpha or the margin a little"
COLD = "its entropy is what is left of beta times a large energy, lower beta or the load, or see ground_state(model, alpha)"
UNIT = 2.0**-52  # of one term, relative
ROUNDING = 32.0 * 2.0**-52  # of a sum over nodes, relative: measured against 25 digits up to beta = 1e10
_read_off_twice, _solve_at_load, _solve_mixture = direct(read_off_twice), direct(solve_at_load), direct(solve_mixture)
INFORMED, SAME = 6.0, 1e-6  # log of a head start of m_hat; relative difference of 1-q up to which two saddles are one
TINY = 1e-3  # margin up to which a branch next to the teacher has nearly the teacher's own free entropy
# With random labels and |kappa| up to this, alpha(s) is monotone at every beta (a test scans it), but for the square and, maybe, a user's
# own activation.
UNIQUE_MARGIN = 2.0


def _exact(model: Model, alpha: float, order: dict, lost: float = 0.0, **values) -> State:
    """A state in closed form, with the rounding errors `lost`."""
    return accept(State.of_floats(model=model, alpha=alpha, order=order, residual=0.0, quadrature_error=lost, **values), TOLERANCE, COLD)


def _teacher_state(model: Model, problem: Problem, alpha: float) -> State:
    """The solution q = R = 1: the learner is the teacher."""
    flip = problem.labels.flip
    return _exact(
        model,
        alpha,
        {"q": 1.0, "one_minus_q": 0.0, "q_hat": math.inf, "R": 1.0, "R_hat": math.inf},
        branch="teacher",
        free_entropy=teacher_free_entropy(problem, alpha),
        entropy=0.0,
        train_error=flip,
        train_loss=None if isinstance(model.learner, Bayes) else flip,
        generalization_error=0.0,
        centre_generalization_error=0.0,
        bayes_error=0.0,
        cosine=1.0,
        at_eigenvalue=1.0,
    )


def teacher_free_entropy(problem: Problem, alpha: float) -> float:
    """Of q = R = 1, where errors are counted: only the inverted labels cost."""
    flip = problem.labels.flip
    return -alpha * problem.channel.beta * flip if flip > 0.0 else 0.0


def empty_state(model: Model, problem: Problem, alpha: float) -> State:
    """The state q = 0."""
    found = empty(problem, alpha)
    order = {"q": 0.0, "one_minus_q": 1.0, "q_hat": 0.0}
    half = cosine = None
    mixture = problem.labels.kind == MIXTURE
    if problem.labels.kind != RANDOM:
        order |= {"m": 0.0, "m_hat": 0.0} if mixture else {"R": 0.0, "R_hat": 0.0}
        half, cosine = 0.5, 0.0
    return _exact(
        model,
        alpha,
        order,
        lost=ROUNDING * abs(found.entropy - found.free) / max(1.0, abs(found.entropy)),
        branch=branch_names(problem.labels.kind)[0],
        free_entropy=found.free,
        entropy=found.entropy,
        train_error=found.share,
        train_loss=found.loss,
        generalization_error=half,
        centre_generalization_error=half,
        bayes_error=None if mixture else half,
        cosine=cosine,
        at_eigenvalue=found.replicon,
    )


def _underflows(problem: Problem, alpha: float) -> bool:
    if problem.labels.kind == MIXTURE:
        return alpha * first_pull(problem.labels, problem.channel)[0] < 1e-280
    a0 = first_field(problem.channel)
    return alpha * first_slope(problem.net) * a0 * a0 < 1e-280


def state_at(model: Model, problem: Problem, alpha: float, name: str, s: float, r: float) -> State:
    """The state with the curve's point (s, r) at this load; raises where the equations do not hold there."""
    return _state_of(model, problem, alpha, name, *_read_off_twice(problem, math.log(alpha), s, r, buffers()))


def _state_of(model: Model, problem: Problem, alpha: float, name: str, out, worth: float) -> State:
    """The state that was read off with this quadrature error."""
    order = {"q": out.q, "one_minus_q": out.v, "q_hat": out.q_hat}
    generalization = centre = vote = cosine = None
    if problem.labels.kind == MIXTURE:
        order |= {"m": out.r, "m_hat": out.r_hat} | ({"b": out.b} if model.learner.bias else {})
        generalization, centre = (
            mixture_error(model.data.positive, out.r, out.b, math.sqrt(model.data.variance * norm)) for norm in (1.0, out.q)
        )
        cosine = out.r
    elif problem.labels.kind != RANDOM:
        order |= {"R": out.r, "R_hat": out.r_hat}
        generalization = 2.0 / math.pi * math.asin(math.sqrt(0.5 * out.one_minus_r))
        centre = vote = math.atan2(math.sqrt(out.t2), out.r) / math.pi
        cosine = out.r
    error, loss = out.share, out.loss
    if isinstance(model.learner, Bayes):
        generalization, cosine, loss = vote, math.sqrt(out.q), None
        error = training_error(problem, Fields(out.v, out.q, out.r, out.t2)) if out.residual <= TOLERANCE.residual else math.nan
    left = entropy(problem, math.log(alpha), out)
    lost = (UNIT * out.size + ROUNDING * abs(left - out.free)) / max(1.0, abs(left))
    state = State.of_floats(
        model=model,
        alpha=alpha,
        order=order,
        branch=name,
        free_entropy=out.free,
        entropy=left,
        train_error=error,
        train_loss=loss,
        generalization_error=generalization,
        centre_generalization_error=centre,
        bayes_error=vote,
        cosine=cosine,
        at_eigenvalue=out.replicon,
        residual=out.residual,
        quadrature_error=max(worth, lost),
    )
    return accept(state, TOLERANCE, COLD if lost > worth and problem.channel.beta < math.inf else ADVICE)


def branches(model: Model, alpha: float) -> list[State]:
    """Every saddle point at this load, the dominant one first (see the module's docstring)."""
    return _found(model, alpha, stable_only=False)


def solvable(model: Model) -> Problem:
    """The problem of a model whose weights have a volume at some load."""
    problem = problem_of(model)
    if not walled(problem.channel.energy) and problem.channel.beta == math.inf:
        raise Unsatisfiable(
            f"at beta = inf only the weights of least energy of {model!r} are left, and every pattern costs what it can: that is the state "
            f"ground_state(model, alpha); give a finite beta for weights with a volume"
        )
    if problem.labels.kind == MIXTURE and math.isnan(first_bias(problem.labels, problem.channel)):
        raise NoSolution(
            f"{model!r} has no stationary bias at small loads: beyond some bias every pattern of the rarer class is given up at the same "
            f"cost; raise beta, take another energy, or bias=False"
        )
    return problem


def _ordered(model: Model, problem: Problem, alpha: float, stable_only: bool) -> list[State]:
    random = problem.labels.kind == RANDOM
    found = [empty_state(model, problem, alpha)] if _underflows(problem, alpha) else []  # of the square: q = 0 beside others
    if random:
        _raise_beyond_capacity(model, problem, alpha)
    found += [state_at(model, problem, alpha, name, root.s, root.r) for name, root in roots(problem, math.log(alpha), stable_only)]
    curve = curve_of(problem)
    if curve.has_teacher:
        found.append(_teacher_state(model, problem, alpha))
    if not random and not curve.resolved:
        _refuse_unresolved(model, problem, alpha, found, stable_only)
    elif not found and problem.channel.energy != ERRORS:
        _refuse_unresolved(model, problem, alpha, found, stable_only)
    elif not found:
        raise beyond(model, problem, alpha)
    sign = 1.0 if random else -1.0
    return sorted(found, key=lambda state: (state.branch == "intermediate", sign * state.free_entropy))


def _refuse_unresolved(model: Model, problem: Problem, alpha: float, found: list[State], dominant_only: bool) -> None:
    """Raise where the branch that could not be followed, the closest to the teacher, may matter.

    At a tiny margin its free entropy is about that of the teacher itself, -alpha beta flip: only the patterns between the margins
    change sides, a fraction below |kappa|.
    """
    curve, (_, margin, beta) = curve_of(problem), problem.channel
    last = curve.pieces[-1]
    if curve.sound and last.direction > 0.0 and math.log(alpha) <= last.la[-1]:
        return  # the curve was lost on the branch closest to the teacher, at larger loads
    slack = 0.01 + (alpha * beta * abs(margin) if beta < math.inf else 0.0)
    teacher = teacher_free_entropy(problem, alpha)
    if dominant_only and abs(margin) < TINY and found and max(state.free_entropy for state in found) > teacher + slack:
        return
    advice = "use margin 0, where it is exact, or one further from 0"
    raise NotConverged(
        f"the branch of {model!r} next to its teacher could not be followed to alpha={alpha:g}: "
        + (advice if problem.channel.energy == ERRORS else "use a smaller beta or load"),
        found[0].order if found else None,
        found[0].residual if found else math.nan,
    )


def dominant(model: Model, alpha: float) -> State:
    """The dominant saddle point at this load, without warnings."""
    return _found(model, alpha, stable_only=True)[0]


def _found(model: Model, alpha: float, stable_only: bool) -> list[State]:
    """The saddle points at this load, the dominant one first."""
    problem = solvable(model)
    ch = problem.channel
    if _underflows(problem, alpha) and ch.energy != SQUARE_ENERGY:
        return [empty_state(model, problem, alpha)]
    if problem.labels.kind == MIXTURE and (log_concave(ch) or clouds(problem.labels) == 2):
        found = _on_mixture(model, problem, alpha)
        if len(found) == 1:
            return found
    if problem.labels.kind == RANDOM and abs(ch.margin) <= UNIQUE_MARGIN and problem.net[0] != TABLE and ch.energy != SQUARE_ENERGY:
        _raise_beyond_capacity(model, problem, alpha)
        read = _solve_at_load(problem, math.log(alpha), stretch(problem, alpha), buffers())
        return [_state_of(model, problem, alpha, "typical", *read)]
    return _ordered(model, problem, alpha, stable_only)


def _on_mixture(model: Model, problem: Problem, alpha: float) -> list[State]:
    """The saddles that a start without and, for binary weights, one with knowledge of the centre lead to."""
    _raise_beyond_capacity(model, problem, alpha)
    square, first = first_pull(problem.labels, problem.channel)
    blind = Place(math.log(alpha * square), math.log(alpha * first), first_bias(problem.labels, problem.channel))
    starts = [blind] if problem.weights == SPHERICAL else [blind, blind._replace(r=blind.r + INFORMED)]
    found = []
    for start in starts:
        out, worth = _solve_mixture(problem, math.log(alpha), start, buffers())
        if not out.residual < math.inf:
            return []  # the curve says where it ends
        if not any(abs(out.v / other.v - 1.0) < SAME for other, _ in found):
            found.append((out, worth))
    return [_state_of(model, problem, alpha, "typical", out, worth) for out, worth in found]


def solve(model: Model, alpha: float) -> State:
    """The dominant saddle point; warns where its entropy or its replicon is negative."""
    state = dominant(model, alpha)
    warn(state, stacklevel=4)
    return state


def _raise_beyond_capacity(model: Model, problem: Problem, alpha: float) -> None:
    if alpha >= branch_end(problem):
        raise beyond(model, problem, alpha)
