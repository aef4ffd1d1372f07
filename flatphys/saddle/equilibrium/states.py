"""Replica-symmetric equilibrium of a Gibbs learner: random labels, or a teacher of the same kind.

Free entropy per weight (see `saddle.equilibrium.averages` for the terms; v = 1 - q):

    phi = G_S(q_hat, R_hat) + alpha G_E(q, R),      entropy = phi + beta alpha train_error

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

Sources: Gardner & Derrida 1988; Krauth & Mezard 1989; Gyorgyi 1990; Barkai, Hansel & Sompolinsky 1992;
Seung, Sompolinsky & Tishby 1992.
"""

import math
import warnings

from flatphys.errors import NegativeEntropyWarning, NoSolution, NotConverged, ReplicaSymmetryWarning, Unsatisfiable
from flatphys.kernels.counting import error_counting
from flatphys.kernels.networks import TABLE
from flatphys.model import Bayes, Model
from flatphys.numerics.gaussian import tail
from flatphys.numerics.quadrature import buffers
from flatphys.saddle.equilibrium import limit as margin_limit
from flatphys.saddle.equilibrium.averages import BINARY, RANDOM, SPHERICAL
from flatphys.saddle.equilibrium.bayes import training_error
from flatphys.saddle.equilibrium.branch import read_off_twice, root_at_load
from flatphys.saddle.equilibrium.curve import Code, branch_names, curve_of, roots
from flatphys.state import State

TOLERANCE = 1e-11  # largest residual of a state that is returned
QUADRATURE = 1e-6  # largest disagreement of two quadrature rules; where q -> 1 the free entropy cancels terms of size 1/(1-q)
TINY = 1e-3  # margin up to which a branch next to the teacher has nearly the teacher's own free entropy
UNIQUE_MARGIN = (
    2.0  # with random labels and |kappa| up to this, alpha(s) is monotone at every beta (a test scans it; not a user's own activation)
)


def _teacher_state(model: Model, code: Code, alpha: float) -> State:
    """The solution q = R = 1: the learner is the teacher."""
    order = {"q": 1.0, "one_minus_q": 0.0, "q_hat": math.inf, "R": 1.0, "R_hat": math.inf}
    free = -alpha * code.beta * code.flip if code.flip > 0.0 else 0.0
    return State(
        model,
        alpha,
        order,
        branch="teacher",
        free_entropy=free,
        entropy=0.0,
        train_error=code.flip,
        generalization_error=0.0,
        bayes_error=0.0,
        cosine=1.0,
        at_eigenvalue=1.0,
        residual=0.0,
        quadrature_error=0.0,
    )


def _empty_state(model: Model, code: Code, alpha: float) -> State:
    """The limit q_hat -> 0, where the conjugates underflow: constraints that (almost) every weight obeys or violates alike."""
    log_f, _, _, violated = error_counting(code.kappa, code.beta)
    error = violated * tail(-code.kappa) if violated > 0.0 else 0.0
    free = (math.log(2.0) if code.weights == BINARY else 0.0) + alpha * log_f
    order = {"q": 0.0, "one_minus_q": 1.0, "q_hat": 0.0}
    if code.kind != RANDOM:
        order |= {"R": 0.0, "R_hat": 0.0}
    half = None if code.kind == RANDOM else 0.5
    return State(
        model,
        alpha,
        order,
        branch=branch_names(code.kind)[0],
        free_entropy=free,
        entropy=free if code.beta == math.inf else free + code.beta * alpha * error,
        train_error=error,
        generalization_error=half,
        bayes_error=half,
        cosine=None if code.kind == RANDOM else 0.0,
        at_eigenvalue=1.0,
        residual=0.0,
        quadrature_error=0.0,
    )


def _underflows(code: Code, alpha: float) -> bool:
    a0 = error_counting(code.kappa, code.beta)[1]
    return alpha * code.first_slope * a0 * a0 < 1e-280


def state_at(model: Model, code: Code, alpha: float, name: str, s: float, partner: float) -> State:
    """The state with the curve's point (s, partner) at this load; raises where the equations do not hold there."""
    log_alpha = math.log(alpha)
    working, fine = read_off_twice(*code.args, log_alpha, s, partner, *buffers())
    v, q, r, t2, one_minus_r, q_hat, r_hat, residual, free, error, replicon = working
    order = {"q": q, "one_minus_q": v, "q_hat": q_hat}
    generalization = vote = cosine = None
    if code.kind != RANDOM:
        order |= {"R": r, "R_hat": r_hat}
        generalization = 2.0 / math.pi * math.asin(math.sqrt(0.5 * one_minus_r))
        vote = math.atan2(math.sqrt(t2), r) / math.pi
        cosine = r
    if not residual <= TOLERANCE:
        raise NotConverged(
            f"the {name} branch of {model!r} at alpha={alpha:g} was solved only to a residual of {residual:.1e} "
            f"(tolerance {TOLERANCE:g}): it lies too close to the end of a branch or to the teacher, move alpha or the margin a little",
            order,
            residual,
        )
    # Violations of the equations under the finer rule, and differences of what is reported.
    quadrature = max(
        fine[7],
        abs(fine[0] / v - 1.0),
        abs(fine[8] - free) / max(1.0, abs(free)),
        abs(fine[9] - error),
        abs(fine[10] - replicon) / max(1.0, abs(replicon)),
    )
    if not (quadrature < QUADRATURE and math.isfinite(free) and math.isfinite(replicon)):
        raise NotConverged(
            f"the {name} branch of {model!r} at alpha={alpha:g} is known only to {quadrature:.1e} (two quadrature rules differ by that): "
            f"it lies too close to the end of a branch or to the teacher, move alpha or the margin a little",
            order,
            residual,
        )
    entropy = free if code.beta == math.inf else free + code.beta * alpha * error
    learner = model.learner
    if isinstance(learner, Bayes):
        generalization, error, cosine = vote, training_error(code, v, q, r, t2), math.sqrt(q)
    return State(
        model,
        alpha,
        order,
        branch=name,
        free_entropy=free,
        entropy=entropy,
        train_error=error,
        generalization_error=generalization,
        bayes_error=vote,
        cosine=cosine,
        at_eigenvalue=replicon,
        residual=residual,
        quadrature_error=quadrature,
    )


def branches(model: Model, alpha: float) -> list[State]:
    """Every saddle point at this load, the dominant one first (see the module's docstring)."""
    return _ordered(model, Code(model), alpha, stable_only=False)


def _ordered(model: Model, code: Code, alpha: float, stable_only: bool) -> list[State]:
    if _underflows(code, alpha):
        return [_empty_state(model, code, alpha)]
    if code.kind == RANDOM:
        _raise_beyond_capacity(model, code, alpha)
    found = [state_at(model, code, alpha, *root[:3]) for root in roots(code, math.log(alpha), stable_only)]
    if code.has_teacher_state:
        found.append(_teacher_state(model, code, alpha))
    if code.kind != RANDOM and not curve_of(code.args).resolved:
        _refuse_unresolved(model, code, alpha, found, stable_only)
    elif not found:
        raise beyond(model, code, alpha)
    sign = 1.0 if code.kind == RANDOM else -1.0
    return sorted(found, key=lambda state: (state.branch == "intermediate", sign * state.free_entropy))


def _refuse_unresolved(model: Model, code: Code, alpha: float, found: list[State], dominant_only: bool) -> None:
    """Raise where the branch that could not be followed, the closest to the teacher, may matter.

    At a tiny margin its free entropy is about that of the teacher itself, -alpha beta flip: only the patterns between the margins
    change sides, a fraction below |kappa|.
    """
    curve = curve_of(code.args)
    *_, last, direction = curve.pieces[-1]
    if curve.sound and direction > 0.0 and math.log(alpha) <= last[-1]:
        return  # the curve was lost on the branch closest to the teacher, at larger loads
    teacher = -alpha * code.beta * code.flip if code.flip > 0.0 else 0.0
    slack = 0.01 + (alpha * code.beta * abs(code.kappa) if code.beta < math.inf else 0.0)
    if dominant_only and abs(code.kappa) < TINY and found and max(state.free_entropy for state in found) > teacher + slack:
        return
    raise NotConverged(
        f"the branch of {model!r} next to its teacher could not be followed to alpha={alpha:g}: "
        f"use margin 0, where it is exact, or one further from 0",
        found[0].order if found else None,
        found[0].residual if found else math.nan,
    )


def dominant(model: Model, alpha: float) -> State:
    """The dominant saddle point at this load, without warnings."""
    code = Code(model)
    if code.kind == RANDOM and abs(code.kappa) <= UNIQUE_MARGIN and code.net[0] != TABLE:
        _raise_beyond_capacity(model, code, alpha)
        log_alpha = math.log(alpha)
        guess = log_alpha + 2.0 * math.log(error_counting(code.kappa, code.beta)[1]) + math.log(code.first_slope)
        if code.beta == math.inf:  # q_hat diverges at the end of the branch, measured exponents
            guess -= (1.5 if code.weights == BINARY else 2.0) * math.log1p(-alpha / branch_end(code))
        s, partner, _, _ = root_at_load(*code.args, log_alpha, guess, 0.0, -math.inf, math.inf, 1.0, *buffers())
        return state_at(model, code, alpha, "typical", s, partner)
    return _ordered(model, code, alpha, stable_only=True)[0]


def solve(model: Model, alpha: float) -> State:
    """The dominant saddle point; warns where its entropy or its replicon is negative."""
    state = dominant(model, alpha)
    warn(state, stacklevel=4)
    return state


def warn(state: State, stacklevel: int = 3) -> None:
    """The warnings that a state calls for."""
    if state.phase == "unsat":
        warnings.warn(
            f"the entropy of binary weights is negative ({state.entropy:.6g} nats per weight) at alpha={state.alpha:g}: "
            f"no such weights exist, the values are the formal continuation; see capacity, max_margin or freezing_beta",
            NegativeEntropyWarning,
            stacklevel,
        )
    if state.at_eigenvalue == -math.inf:
        warnings.warn(
            f"the ground state with errors at alpha={state.alpha:g} breaks replica symmetry: its train error is a lower bound",
            ReplicaSymmetryWarning,
            stacklevel,
        )
    elif state.stable is False:
        warnings.warn(
            f"replica symmetry is unstable at alpha={state.alpha:g} (replicon {state.at_eigenvalue:.4g} < 0): "
            f'the values are approximations or bounds; see at_line, and solve(..., ansatz="1RSB") where one step is offered',
            ReplicaSymmetryWarning,
            stacklevel,
        )


def _raise_beyond_capacity(model: Model, code: Code, alpha: float) -> None:
    if code.beta == math.inf and alpha >= branch_end(code):
        raise beyond(model, code, alpha)


def branch_end(code: Code) -> float:
    """Load at which the solutions with random labels and hard constraints end (q -> 1).

    Where alpha(s) turns around at strongly negative margins, formal solutions of small q exist at larger
    loads too, but q -> 1 bounds the free entropy by -inf there: no weights exist.  A tree committee's end lies c'(1) times
    further: at infinity for an activation that jumps.
    """
    end = margin_limit.random_label_capacity(code.kappa) * code.last_slope
    return 2.0 / math.pi * end if code.weights == BINARY else end


def beyond(model: Model, code: Code, alpha: float) -> Exception:
    """The error for a load at which no branch exists."""
    if code.kind == RANDOM and code.beta == math.inf:
        end = branch_end(code)
    elif code.weights == SPHERICAL and code.beta == math.inf:
        end = margin_limit.capacity_teacher(code.kappa, code.flip)[0]
    else:
        end = math.exp(max(float(la.max()) for *_, la, _ in curve_of(code.args).pieces))
    hint = "a finite beta admits errors"
    if code.weights == SPHERICAL:
        return Unsatisfiable(
            f"alpha={alpha:g} is beyond the capacity {end:.10g} of {model!r}: no weights reach the margin on every pattern; "
            f"ground_state(model, alpha) gives the least fraction of errors, {hint}"
        )
    return NoSolution(
        f"the replica-symmetric branch of {model!r} ends at alpha={end:.10g}, got alpha={alpha:g}; "
        f"no binary weights exist beyond capacity(model), {hint}, ground_state(model, alpha) gives the least fraction of errors"
    )
