"""Curves of replicated solutions in the distance, followed from the replica-symmetric state.

The parameter is log(V/(1-V)), V = 1-q1 = 2d: the logarithm of the distance where that is small, minus that of the
overlap where that is (at small loads the typical overlap is).
"""

import math

import numpy as np

from flatphys.errors import InvalidInput
from flatphys.kernels.codes import RANDOM, TEACHER
from flatphys.model import Gibbs, Model, check_model
from flatphys.problem import problem_of, refuse_energies
from flatphys.saddle.breaking.newton import extrapolate
from flatphys.saddle.breaking.replicas import TOLERANCE, Point, Replicas
from flatphys.saddle.equilibrium import states as equilibrium
from flatphys.saddle.equilibrium.curve import roots
from flatphys.state import State

FIRST_STEP, LONGEST_STEP, SHORTEST_STEP = 0.15, 0.6, 2e-3  # in log(V/(1-V))
GROWTH = 1.4  # of the step after a success
ROUGH, ROUGH_TOLERANCE = 1e-9, 1e-8  # intermediate points are only guesses for the next


def replicas_of(model: Model, alpha: float, y: float) -> tuple[Replicas, State]:
    """The equations of y replicas and the replica-symmetric state of least overlap, where their curve starts."""
    check_model(model)
    if not isinstance(model.learner, Gibbs) or model.learner.beta < math.inf:
        raise InvalidInput(f"replicated solutions need a Gibbs learner at beta=math.inf, got {model.learner!r}")
    refuse_energies(model, "one step of replica-symmetry breaking")
    problem = problem_of(model)
    if problem.labels.kind == RANDOM:
        state = equilibrium.dominant(model, alpha)
    else:
        found = roots(problem, math.log(alpha), stable_only=True)
        if not found:
            raise equilibrium.beyond(model, problem, alpha)
        state = equilibrium.state_at(model, problem, alpha, found[0][0], found[0][1].s, found[0][1].r)
    kind = RANDOM if problem.labels.kind == RANDOM else TEACHER
    return Replicas(problem.weights, kind, problem.labels.flip, problem.channel.margin, alpha, problem.net, y), state


def _place(v):
    return math.log(v / (1.0 - v))


class Branch:
    """The curve of solutions, grown from its start as far as it is asked for.

    `system` offers solve(v, guess, jacobian, goal), point(v, unknowns) and y, as `saddle.breaking.replicas.Replicas` does.
    """

    def __init__(self, system, v: float, start: np.ndarray):
        self.system = system
        self.start_v = v
        self.origin = _place(v)
        # places and unknowns of one list that grows downwards and one that grows upwards
        self.arms = {side: ([self.origin], [start]) for side in (-1.0, 1.0)}
        self.jacobians = {-1.0: None, 1.0: None}
        self.steps = {-1.0: FIRST_STEP, 1.0: FIRST_STEP}

    def at(self, v: float) -> Point | None:
        """The point at 1-q1 = v; None where the branch does not reach."""
        target = _place(v)
        side = -1.0 if target <= self.origin else 1.0
        if self.repulsive(v):
            return None
        unknowns = self._near(side, target, v)
        if unknowns is None:
            return None
        point = self.system.point(v, unknowns)
        return point if point.residual <= TOLERANCE and math.isfinite(point.value) else None

    def repulsive(self, v: float) -> bool:
        """Whether a finite number of replicas would be further apart than typical ones: q0 > q1, no real inner measure."""
        return self.system.y < math.inf and _place(v) > self.origin + 1e-12

    def _near(self, side, target, v):
        """Solved unknowns at `target`, growing the arm up to there."""
        places, points = self.arms[side]
        while (target - places[-1]) * side > self.steps[side]:
            if not self._advance(side):
                return None
        while True:
            near = int(np.argmin(np.abs(np.array(places) - target)))
            first = min(max(near - 1, 0), max(len(places) - 4, 0))
            guess = extrapolate(places[first : first + 4], points[first : first + 4], target)
            found, residual, jacobian = self.system.solve(v, guess, self.jacobians[side])
            if residual <= TOLERANCE:
                if (target - places[-1]) * side > 1e-3:
                    self._grow(side, target, found, jacobian)
                return found
            gap = abs(target - places[-1])
            if (target - places[-1]) * side <= 0.0 or not self._shorten(side, gap) or not self._advance(side):
                return None

    def _grow(self, side, place, found, jacobian):
        self.arms[side][0].append(place)
        self.arms[side][1].append(found)
        self.jacobians[side] = jacobian

    def _shorten(self, side, gap):
        self.steps[side] = 0.4 * min(self.steps[side], gap)
        self.jacobians[side] = None
        return self.steps[side] > SHORTEST_STEP

    def _advance(self, side):
        """One step of continuation; False where the branch ends."""
        places, points = self.arms[side]
        while True:
            place = places[-1] + side * self.steps[side]
            guess = extrapolate(places, points, place)
            found, residual, jacobian = self.system.solve(1.0 / (1.0 + math.exp(-place)), guess, self.jacobians[side], ROUGH)
            if residual <= ROUGH_TOLERANCE:
                self._grow(side, place, found, jacobian)
                if len(places) > 2:
                    self.steps[side] = min(LONGEST_STEP, GROWTH * self.steps[side])
                return True
            if not self._shorten(side, self.steps[side]):
                return False


def branch_of(model: Model, alpha: float, y: float) -> Branch:
    """The curve of y replicated solutions of a model at a load, from the typical distance on."""
    system, state = replicas_of(model, alpha, y)
    return Branch(system, state.one_minus_q, system.start(state.order.get("R", 0.0), state.q))
