"""Curves of replicated solutions in the distance, followed from the replica-symmetric state.

The parameter is log(V/(1-V)), V = 1-q1 = 2d: the logarithm of the distance where that is small, minus that of the
overlap where that is (at small loads the typical overlap is).
"""

import math

import numpy as np

from flatphys.errors import InvalidInput
from flatphys.kernels.codes import MIXTURE, NISHIMORI, RANDOM, TEACHER, Labels, Problem
from flatphys.model import Gibbs, Model, check_model
from flatphys.numerics.continuation import Path, Steps
from flatphys.numerics.newton import DEFAULT
from flatphys.saddle.accept import Tolerance, good
from flatphys.saddle.breaking.replicas import TOLERANCE, Point, Replicas
from flatphys.saddle.equilibrium import states as equilibrium
from flatphys.saddle.equilibrium.curve import roots
from flatphys.saddle.equilibrium.refuse import beyond
from flatphys.state import State

STEPS = Steps(first=0.15, longest=0.6, shortest=2e-3)  # in log(V/(1-V))
ROUGH, ROUGH_TOLERANCE = DEFAULT._replace(goal=1e-9), Tolerance(1e-8)  # intermediate points are only guesses for the next
FARTHEST = 1.0 - 1e-9  # 1-q beyond which the typical overlap is lost in 1-q1: curves start here, where little has changed
NEW = 1e-3  # points further beyond the last one are kept


def replicated_problem(model: Model) -> Problem:
    """What replicas of a Gibbs learner are asked; a posterior's replicas are not at its Nishimori point."""
    check_model(model)
    learner = model.learner
    if not isinstance(learner, Gibbs):
        raise InvalidInput(f"replicated solutions need a Gibbs learner, got {learner!r}")
    problem = equilibrium.solvable(model)
    if problem.labels.kind == NISHIMORI:
        return problem._replace(labels=Labels(TEACHER, problem.labels.flip))
    if getattr(learner, "bias", False) and model.data.positive != 0.5:
        raise InvalidInput(
            f"bias must be False for replicated solutions on unbalanced clouds, got True with {model.data!r}: train without one, "
            "and set it afterwards"
        )
    return problem


def lowest_state(model: Model, alpha: float) -> State:
    """The replica-symmetric state of least overlap."""
    problem = equilibrium.solvable(model)
    if problem.labels.kind in (RANDOM, MIXTURE):
        return equilibrium.dominant(model, alpha)
    found = roots(problem, math.log(alpha), stable_only=True)
    if not found:
        raise beyond(model, problem, alpha)
    name, root = found[0]
    return equilibrium.state_at(model, problem, alpha, name, root.s, root.r)


def signal_of(state: State) -> float:
    """Overlap of the weights with the teacher or the clouds' centre; 0 with random labels."""
    return state.order.get("m", state.order.get("R", 0.0))


def _place(v):
    return math.log(v / (1.0 - v))


class Branch:
    """The curve of solutions, grown from its start as far as it is asked for.

    `system` offers solve(v, guess, jacobian, options), point(v, unknowns) and y, as `saddle.breaking.replicas.Replicas` does.
    """

    def __init__(self, system, v: float, start: np.ndarray):
        self.system = system
        self.start_v = v
        self.origin = _place(v)
        self.arms = {side: Path(self.origin, start, STEPS, side) for side in (-1.0, 1.0)}
        self.jacobians = {-1.0: None, 1.0: None}

    def at(self, v: float) -> Point | None:
        """The point at 1-q1 = v; None where the branch does not reach."""
        unknowns = self.unknowns(v)
        if unknowns is None:
            return None
        point = self.system.point(v, unknowns)
        return point if point.good else None

    def unknowns(self, v: float) -> np.ndarray | None:
        """The solved unknowns there, without anything that is read off."""
        target = _place(v)
        return None if self.repulsive(v) else self._near(-1.0 if target <= self.origin else 1.0, target, v)

    def repulsive(self, v: float) -> bool:
        """Whether a finite number of replicas would be further apart than typical ones: q0 > q1, no real inner measure."""
        return self.system.y < math.inf and _place(v) > self.origin + 1e-12

    def _near(self, side, target, v):
        """Solved unknowns at `target`, growing the arm up to there."""
        arm = self.arms[side]

        def rough(place, guess):
            return self._solve(side, 1.0 / (1.0 + math.exp(-place)), guess, ROUGH, ROUGH_TOLERANCE)

        while arm.ahead(target) > arm.step:
            if not arm.advance(rough):
                return None
        while True:
            found = self._solve(side, v, arm.between(target), DEFAULT, TOLERANCE)
            if found is not None:
                if arm.ahead(target) > NEW:
                    arm.succeed(target, found)
                return found
            if arm.ahead(target) <= 0.0 or not arm.fail(target) or not arm.advance(rough):
                return None

    def _solve(self, side, v, guess, options, tolerance):
        """The unknowns at 1-q1 = v, or None; the arm's Jacobian is carried along."""
        root = self.system.solve(v, guess, self.jacobians[side], options)
        if not good(tolerance, root.residual):
            self.jacobians[side] = None
            return None
        self.jacobians[side] = root.jacobian
        return root.x


def branch_of(model: Model, alpha: float, y: float) -> Branch:
    """The curve of y replicated solutions of a model at a load, from the typical distance on."""
    system, state = Replicas(replicated_problem(model), alpha, y), lowest_state(model, alpha)
    return Branch(system, min(state.one_minus_q, FARTHEST), system.start(signal_of(state), state.q))
