"""Stability, freezing and ground states: where the replica-symmetric picture ends."""

import math
from dataclasses import replace

from flatphys import validate
from flatphys.errors import InvalidInput, NoSolution, NotConverged
from flatphys.kernels.codes import BINARY, RANDOM, SPHERICAL, SQUARE_ENERGY
from flatphys.model import Model, check_model
from flatphys.numerics.roots import bracketed
from flatphys.problem import problem_of
from flatphys.saddle.equilibrium import states as equilibrium
from flatphys.saddle.equilibrium.curve import branch_names, roots
from flatphys.saddle.equilibrium.ground import solve_ground_state
from flatphys.saddle.equilibrium.states import solvable, state_at, warn
from flatphys.state import State
from flatphys.thresholds.capacity import capacity_state
from flatphys.thresholds.walk import gibbs_problem, zero_on_branches

COLDEST = {True: 9.0, False: 14.0}  # log beta up to which freezing is sought: a continuous energy freezes later, next to capacity


def at_line(model: Model) -> float:
    """The load at which the replicon of de Almeida and Thouless vanishes, at the learner's margin and beta.

    Replica symmetry is stable below it.  Binary weights may reach it only past the vanishing of their
    entropy.  Raises `NoSolution` where the replicon stays positive (spherical weights at
    non-negative margin: stable up to capacity).
    """
    problem = gibbs_problem(model, "at_line")
    solvable(model)
    state = zero_on_branches(model, problem, "replicon")
    if state is None:
        raise NoSolution(f"the replicon of {model!r} stays positive: replica symmetry is stable up to the end of the branch")
    return state.alpha


def _low_branch(model: Model, alpha: float) -> State | None:
    """The stable branch of smallest overlap, the one that freezes; None where it has ended."""
    problem = problem_of(model)
    if problem.labels.kind == RANDOM:
        return equilibrium.dominant(model, alpha)
    for name, root in roots(problem, math.log(alpha), stable_only=True):
        if name == branch_names(problem.labels.kind)[0]:
            return state_at(model, problem, alpha, name, root.s, root.r)
    return None


def _freezing_state(model: Model, alpha: float) -> State:
    problem = gibbs_problem(model, "freezing_beta")
    if problem.weights != BINARY:
        raise InvalidInput(
            f"freezing_beta needs weights='binary', got {model.learner.weights!r}: a spherical entropy is a volume and may be negative"
        )

    def state(log_beta):
        return _low_branch(replace(model, learner=replace(model.learner, beta=math.exp(log_beta))), alpha)

    # Downwards to a positive entropy, then upwards to a negative one, in shorter steps where the branch ends.
    lo = 0.0
    while (now := state(lo)) is None or not now.entropy > 0.0:
        lo -= 0.7
        if lo < -12.0:
            raise NoSolution(f"{model!r} has no branch of positive entropy at alpha={alpha:g} at any beta down to {math.exp(lo):.1e}")
    hi, step = lo, 0.7
    while True:
        now = state(hi + step)
        if now is None:
            step *= 0.5
            if step < 1e-9:
                raise NoSolution(
                    f"the {branch_names(problem.labels.kind)[0]} branch of {model!r} at alpha={alpha:g} ends at beta={math.exp(hi):.6g} "
                    f"(entropy {state(hi).entropy:.4g}), before it freezes; see first_order_transition"
                )
            continue
        hi += step
        if now.entropy < 0.0:
            break
        lo = hi
        if hi > COLDEST[model.learner.energy == "errors"]:
            raise NoSolution(
                f"{model!r} does not freeze at alpha={alpha:g} at any beta up to {math.exp(hi):.0f}: "
                f"below its capacity the entropy of the ground state is positive"
            )
    frozen = state(bracketed(lambda x: state(x).entropy, lo, hi))
    if not abs(frozen.entropy) < 1e-9:  # a jump between branches, not a zero
        raise NotConverged(f"the entropy of {model!r} at alpha={alpha:g} jumps across zero", frozen.order, abs(frozen.entropy))
    return frozen


def freezing_beta(model: Model, alpha: float) -> float:
    """The inverse temperature at which the entropy of binary weights vanishes; the learner's own beta is not used.

    Beyond it the system is frozen: energy and train error stay what they are there (Krauth & Mezard
    1989; exact one-step solution).  Raises `NoSolution` below capacity, where solutions remain.
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
    limit = 0.0 if problem.channel.energy == SQUARE_ENERGY else capacity_state(model, problem).alpha
    if not alpha > limit:
        raise InvalidInput(
            f"alpha must be > {limit:.10g}, the capacity of {model!r}, got {alpha:g}: at lower loads every pattern can be "
            "satisfied, use solve"
        )
    return _freezing_state(model, alpha)
