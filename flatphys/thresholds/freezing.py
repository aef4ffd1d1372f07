"""Stability, freezing and ground states: where the replica-symmetric picture ends."""

import math
from dataclasses import replace

from flatphys import validate
from flatphys.errors import InvalidInput, NoSolution, NotConverged
from flatphys.kernels.channels import CODES, log_concave, walled
from flatphys.kernels.codes import (
    BINARY,
    ERRORS,
    HINGE_ENERGY,
    LOGISTIC_ENERGY,
    MIXTURE,
    RANDOM,
    SPHERICAL,
    SQUARE_ENERGY,
    SQUARED_HINGE_ENERGY,
)
from flatphys.model import Model, check_model
from flatphys.numerics.roots import bracketed
from flatphys.problem import problem_of
from flatphys.saddle.equilibrium import states as equilibrium
from flatphys.saddle.equilibrium.curve import branch_end, branch_names, curve_of, roots
from flatphys.saddle.equilibrium.ground import solve_ground_state
from flatphys.saddle.equilibrium.states import solvable, state_at
from flatphys.saddle.equilibrium.warn import warn
from flatphys.state import State
from flatphys.thresholds.capacity import capacity_state
from flatphys.thresholds.walk import first_zero, gibbs_problem, unfollowed

# log beta up to which freezing is sought: continuous energies freeze later, next to capacity; that of the square grows as 2 log 2/alpha
VANISHED = 1e-12  # an entropy this small may have either sign by rounding: next to the teacher it never leaves 0
COLDEST = {ERRORS: 9.0, HINGE_ENERGY: 14.0, SQUARED_HINGE_ENERGY: 14.0, SQUARE_ENERGY: 600.0, LOGISTIC_ENERGY: 600.0}


def at_line(model: Model) -> float:
    """The load up to which the dominant branch is stable: where its replicon (de Almeida and Thouless) vanishes or jumps below zero.

    At the learner's margin and beta.  Binary weights may reach it only past the vanishing of their
    entropy.  Raises `NoSolution` where the replicon stays positive (spherical weights at
    non-negative margin: stable up to capacity).
    """
    problem = gibbs_problem(model, "at_line")
    solvable(model)
    state = first_zero(model, problem, "replicon")
    random, curve = problem.labels.kind == RANDOM, curve_of(problem)
    if not random and problem.labels.kind != MIXTURE and problem.weights == BINARY and not (curve.resolved or curve.has_teacher):
        if state is None:
            raise unfollowed(model)
        equilibrium.dominant(model, state.alpha)  # raises where the branch next to the teacher, which is not known, may dominate
    if state is None:
        raise NoSolution(f"the replicon of {model!r} stays positive: replica symmetry is stable up to the end of the branch")
    return state.alpha


def _low_branch(model: Model, alpha: float) -> State | None:
    """The stable branch of smallest overlap, the one that freezes; None where it has ended."""
    problem = problem_of(model)
    if problem.labels.kind == RANDOM:
        return equilibrium.dominant(model, alpha) if alpha < branch_end(problem) else None
    if problem.labels.kind == MIXTURE and log_concave(problem.channel) and problem.channel.beta < math.inf:
        return equilibrium.dominant(model, alpha)
    for name, root in roots(problem, math.log(alpha), stable_only=True, whole=False)[:1]:
        if name == branch_names(problem.labels.kind)[0]:
            return state_at(model, problem, alpha, name, root.s, root.r)
    return None


def _freezing_state(model: Model, alpha: float) -> State:
    problem = gibbs_problem(model, "freezing_beta")
    if problem.weights != BINARY:
        raise InvalidInput(
            f"freezing_beta needs weights='binary', got {model.learner.weights!r}: a spherical entropy is a volume and may be negative"
        )

    energy = CODES[model.learner.energy]

    def state(log_beta):
        return _low_branch(replace(model, learner=replace(model.learner, beta=math.exp(log_beta))), alpha)

    if walled(energy):  # others have no solutions at zero temperature
        coldest = _low_branch(replace(model, learner=replace(model.learner, beta=math.inf)), alpha)
        if coldest is not None and coldest.entropy > 0.0:
            raise NoSolution(
                f"{model!r} does not freeze at alpha={alpha:g} at any beta: below its capacity the entropy of the ground state is "
                f"positive ({coldest.entropy:.4g} nats per weight)"
            )
    # Downwards to a positive entropy, then upwards to a negative one, in shorter steps where the branch ends.
    lo, warmest = 0.0, -12.0 - 0.5 * math.log(max(alpha, 1.0))
    while (now := state(lo)) is None or not now.entropy > VANISHED:
        lo -= 0.7
        if lo < warmest:
            raise NotConverged(f"no positive entropy of {model!r} at alpha={alpha:g} was found down to beta={math.exp(lo):.1e}", None)
    hi, step, last = lo, 0.7, now
    while True:
        now = state(hi + step)
        if now is None:
            step *= 0.5
            if step < 1e-7:
                raise NoSolution(
                    f"the {branch_names(problem.labels.kind)[0]} branch of {model!r} at alpha={alpha:g} ends at beta={math.exp(hi):.6g} "
                    f"(entropy {last.entropy:.4g}), before it freezes; see first_order_transition"
                )
            continue
        hi, last = hi + step, now
        if now.entropy < -VANISHED:
            break
        lo, step = hi, min(1.1 * step, 20.0) if hi > 7.0 else step
        if hi > COLDEST[energy]:
            raise NotConverged(
                f"{model!r} freezes at alpha={alpha:g} only beyond beta={math.exp(hi):.3g}, where its entropy is still {now.entropy:.4g}: "
                f"states so cold are not followed, use a larger load",
                now.order,
            )
    what = f"the freezing of {model!r} at alpha={alpha:g}"
    return state(bracketed(lambda x: getattr(state(x), "entropy", math.nan), lo, hi, what, 1e-9))  # nan where the branch has ended


def freezing_beta(model: Model, alpha: float) -> float:
    """The inverse temperature at which the entropy of binary weights vanishes; the learner's own beta is not used.

    Beyond it the system is frozen: energy and train error stay what they are there (Krauth & Mezard
    1989; exact one-step solution).  Raises `NoSolution` below capacity, where solutions remain, and where the
    branch ends before it freezes.
    """
    check_model(model)
    return _freezing_state(model, validate.load(alpha)).model.learner.beta


def ground_state(model: Model, alpha: float) -> State:
    """Zero temperature above capacity: the state of least energy, at the learner's margin (`train_loss` per pattern).

    Spherical weights: replica symmetric (Gardner & Derrida 1988; every energy: `saddle.equilibrium.limit`), where unstable a lower
    bound, with `beta_one_minus_q` = lim beta (1-q); a tree committee has the perceptron's at the load alpha/c'(1), and with an
    activation that jumps (sign) no such state, as every load can be stored.  Binary weights: the frozen state, found at the beta where
    the entropy vanishes (`state.model.learner.beta`).  Raises `InvalidInput` below capacity, where the
    least energy is zero, and warns (`ReplicaSymmetryWarning`) where the state is only a bound.
    """
    check_model(model)
    alpha = validate.load(alpha)
    problem = gibbs_problem(model, "ground_state", hard=True)
    if problem.weights == SPHERICAL:
        state = solve_ground_state(model, alpha)
        warn(state)
        return state
    limit = 0.0 if not walled(problem.channel.energy) else capacity_state(model, problem).alpha
    if not alpha > limit:
        raise InvalidInput(
            f"alpha must be > {limit:.10g}, the capacity of {model!r}, got {alpha:g}: at lower loads every pattern can be "
            "satisfied, use solve"
        )
    return _freezing_state(model, alpha)
