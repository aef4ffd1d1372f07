"""Walking along a branch: scalars as functions of the curve's parameter, and where they vanish."""

import math

from flatphys.errors import InvalidInput
from flatphys.kernels.codes import Problem
from flatphys.model import Gibbs, check_model
from flatphys.numerics.quadrature import buffers
from flatphys.numerics.roots import bracketed
from flatphys.numerics.secant import CONVERGED
from flatphys.problem import problem_of
from flatphys.saddle.equilibrium.branch import ReadOff, entropy, read_off
from flatphys.saddle.equilibrium.curve import curve_of
from flatphys.saddle.equilibrium.follow import Chord, ChordPoint, chord_point
from flatphys.saddle.equilibrium.states import state_at
from flatphys.state import State


def gibbs_problem(model, question: str, hard: bool = False) -> Problem:
    """The kernels' view of a Gibbs model, refusing others in terms of the question asked."""
    check_model(model)
    if not isinstance(model.learner, Gibbs):
        raise InvalidInput(f"{question} needs a Gibbs learner, got {model.learner!r}")
    if hard and model.learner.beta < math.inf:
        raise InvalidInput(
            f"{question} is about hard constraints: beta must be math.inf, got {model.learner.beta:g} "
            f"(freezing_beta and at_line answer at finite beta)"
        )
    return problem_of(model)


class Walk:
    """Scalars along a branch, evaluated at any point of its curve."""

    def __init__(self, problem: Problem):
        self.problem, self.curve = problem, curve_of(problem)

    def between(self, chord: Chord, t) -> ChordPoint:
        """The point of the curve at the parameter t of the chord between two of its points."""
        return chord_point(self.problem, chord, t, 0.0, CONVERGED, self.curve.side, buffers())

    def read(self, point) -> ReadOff:
        """What `read_off` says of a point (la, s, r) of the curve."""
        return read_off(self.problem, point.la, point.s, point.r, 0, buffers())

    def scalar(self, name, point):
        """The scalar "entropy" or "replicon" at a point of the curve."""
        out = self.read(point)
        return out.replicon if name == "replicon" else entropy(self.problem, point.la, out)

    def zero(self, name, piece) -> ChordPoint | None:
        """Where `name` first falls through zero along a piece of the curve; None if nowhere."""
        points = [ChordPoint(la, s, r, 0.0, 0.0) for s, r, la in zip(*piece[:3])]
        lo, hi = 0, len(points) - 1
        if not self.scalar(name, points[lo]) > 0.0 or not self.scalar(name, points[hi]) < 0.0:
            values = [self.scalar(name, point) for point in points]
            falls = [i for i in range(hi) if values[i] > 0.0 >= values[i + 1]]
            if not falls:
                return None
            lo, hi = falls[0], falls[0] + 1
        while hi - lo > 1:
            mid = (lo + hi) // 2
            if self.scalar(name, points[mid]) > 0.0:
                lo = mid
            else:
                hi = mid
        chord = Chord(points[lo].s, points[lo].r, points[hi].s, points[hi].r)
        return self.between(chord, bracketed(lambda t: self.scalar(name, self.between(chord, t)), 0.0, 1.0))


def zero_on_branches(model, problem: Problem, name: str) -> State | None:
    """The state at which `name` first vanishes along the stable pieces, in the order of growing overlap."""
    walk = Walk(problem)
    for piece, label in zip(walk.curve.pieces, walk.curve.names):
        if piece.direction < 0.0:
            continue
        inner = slice(0, -1 if len(walk.curve.pieces) > 1 else None)  # at a fold itself the replicon may touch zero
        found = walk.zero(name, [line[inner] for line in piece[:3]])
        if found is not None:
            return state_at(model, problem, math.exp(found.la), label, found.s, found.r)
    return None
