"""Walking along the dominant branch: which one it is at every load, scalars of the curve's points, and where they vanish."""

import math
from typing import NamedTuple

from flatphys.errors import InvalidInput, NotConverged
from flatphys.kernels.codes import RANDOM, Problem
from flatphys.model import Gibbs, check_model
from flatphys.numerics.quadrature import buffers
from flatphys.numerics.roots import bracketed
from flatphys.numerics.secant import CONVERGED
from flatphys.problem import problem_of
from flatphys.saddle.equilibrium.branch import ReadOff, entropy, read_off
from flatphys.saddle.equilibrium.curve import branch_end, curve_of, first_field, root_on_piece
from flatphys.saddle.equilibrium.empty import empty
from flatphys.saddle.equilibrium.follow import Chord, ChordPoint, chord_point
from flatphys.saddle.equilibrium.states import empty_state, state_at, teacher_free_entropy
from flatphys.state import State

LOOKS = 12  # loads at which branches are compared between two of their ends
START = -18.0  # log of a load at which nothing has been learnt
INSET = 1e-9  # distance from such an end, where two of them meet
EMPTY, TEACHER_ITSELF = -1, -2  # in place of a piece's number: q = 0 of an even energy, and q = R = 1, at every load


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


class Stretch(NamedTuple):
    """Log loads between which one branch dominates: the number of its piece, and whether another overtakes it at the end.

    Where none does it gives way by a jump: the other begins there with the better free entropy, or its own end is reached.
    """

    piece: int
    low: float
    high: float
    overtaken: bool


class Walk:
    """Scalars along a branch, evaluated at any point of its curve."""

    def __init__(self, problem: Problem):
        self.problem, self.curve = problem, curve_of(problem)

    def between(self, chord: Chord, t) -> ChordPoint:
        """The point of the curve at the parameter t of the chord between two of its points."""
        return chord_point(self.problem, chord, t, 0.0, CONVERGED, self.curve.side, buffers())

    def at(self, i: int, la: float) -> ChordPoint:
        """The point of piece i at the load exp(la)."""
        root = root_on_piece(self.curve, self.curve.pieces[i], la)
        return ChordPoint(la, root.s, root.r, 0.0, 0.0)

    def read(self, point) -> ReadOff:
        """What `read_off` says of a point (la, s, r) of the curve."""
        return read_off(self.problem, point.la, point.s, point.r, 0, buffers())

    def scalar(self, name, point):
        """The scalar "entropy" or "replicon" at a point of the curve."""
        out = self.read(point)
        return out.replicon if name == "replicon" else entropy(self.problem, point.la, out)

    def free(self, i: int, la: float) -> float:
        """Free entropy of piece i at the load exp(la)."""
        if i == TEACHER_ITSELF:
            return teacher_free_entropy(self.problem, math.exp(la))
        return empty(self.problem, math.exp(la)).free if i == EMPTY else self.read(self.at(i, la)).free

    def dominance(self) -> list[Stretch]:
        """Which stable branch dominates, by growing load: that of the largest free entropy, with random labels the smallest."""
        end = branch_end(self.problem)
        spans = {i: (p.la[0], p.la[-1]) for i, p in enumerate(self.curve.pieces) if p.direction > 0.0}
        last = max((high for _, high in spans.values()), default=self.curve.pieces[0].la[0])
        if self.curve.has_teacher:
            spans[TEACHER_ITSELF] = (-math.inf, math.inf)
        if first_field(self.problem.channel) == 0.0:
            spans[EMPTY] = (-math.inf, math.inf)
        last = min(last, math.log(end)) if end < math.inf else last
        if len(spans) == 1:
            return [Stretch(i, low, last, False) for i, (low, _) in spans.items()]
        first = min(low for low, _ in spans.values() if low > -math.inf) if self.curve.pieces[0].direction > 0.0 else START
        ends = sorted({min(max(x, first), last) for span in spans.values() for x in span})
        found: list[Stretch] = []
        for low, high in zip(ends, ends[1:]):
            there = [i for i, span in spans.items() if span[0] <= low and span[1] >= high]
            for stretch in self._compared(there, low, high):
                before = found[-1] if found else None
                if before is not None and before.piece == stretch.piece:
                    found[-1] = stretch._replace(low=before.low)
                else:
                    found.append(stretch)
        return found

    def _compared(self, there: list, low: float, high: float) -> list[Stretch]:
        """The dominant stretches between two loads through which these pieces go on."""
        sign = -1.0 if self.problem.labels.kind == RANDOM else 1.0

        def best(la):
            return max(there, key=lambda i: sign * self.free(i, la)) if len(there) > 1 else there[0]

        looks = [low + (high - low) * min(max(k / LOOKS, INSET), 1.0 - INSET) for k in range(LOOKS + 1)] if len(there) > 1 else [low, high]
        ahead, start, out = [best(la) for la in looks], low, []
        for k in range(len(looks) - 1):
            i, j = ahead[k], ahead[k + 1]
            if i != j:
                here = bracketed(
                    lambda la, i=i, j=j: self.free(i, la) - self.free(j, la), looks[k], looks[k + 1], "the equality of free entropies"
                )
                out.append(Stretch(i, start, here, True))
                start = here
        return [*out, Stretch(ahead[-1], start, high, False)] if there else []

    def points(self, stretch: Stretch) -> list[ChordPoint]:
        """The points of the curve along a stretch, without the fold that it may end at: there the replicon may touch zero."""
        s, r, la, _ = self.curve.pieces[stretch.piece]
        inner = [ChordPoint(x, a, b, 0.0, 0.0) for a, b, x in zip(s[:-1], r[:-1], la[:-1]) if stretch.low <= x <= stretch.high]
        first = [self.at(stretch.piece, stretch.low)] if stretch.low > la[0] else []
        last = [self.at(stretch.piece, stretch.high)] if stretch.high < la[-1] else []
        whole = len(self.curve.pieces) == 1 and not last  # no fold
        return [*first, *inner, *last, *([ChordPoint(la[-1], s[-1], r[-1], 0.0, 0.0)] if whole else [])]

    def zero(self, name, points) -> ChordPoint | None:
        """Where `name` first falls through zero along points of the curve (at the first if it has fallen before); None if nowhere."""
        if not points:
            return None
        lo, hi = 0, len(points) - 1
        if not self.scalar(name, points[lo]) > 0.0:
            return points[lo]
        if name == "entropy" and self.scalar(name, points[hi]) < 0.0:  # under hard constraints it only falls
            while hi - lo > 1:
                mid = (lo + hi) // 2
                lo, hi = (mid, hi) if self.scalar(name, points[mid]) > 0.0 else (lo, mid)
        else:
            lo = next((k for k in range(hi) if not self.scalar(name, points[k + 1]) > 0.0), None)
            if lo is None:
                return None
        chord = Chord(points[lo].s, points[lo].r, points[lo + 1].s, points[lo + 1].r)
        return self.between(chord, bracketed(lambda t: self.scalar(name, self.between(chord, t)), 0.0, 1.0, f"the zero of the {name}"))


def first_zero(model, problem: Problem, name: str) -> State | None:
    """The state at which `name` of the dominant branch is first not positive; where it jumps there the state behind the jump."""
    walk = Walk(problem)
    for stretch in walk.dominance():
        if stretch.piece == TEACHER_ITSELF:
            return None  # the learner is the teacher from here on, and stable
        if stretch.piece == EMPTY:
            load = empty(problem, 1.0).last
            if load <= math.exp(stretch.high):
                return empty_state(model, problem, load)
            continue
        found = walk.zero(name, walk.points(stretch))
        if found is not None:
            return state_at(model, problem, math.exp(found.la), walk.curve.names[stretch.piece], found.s, found.r)
    return None


def unfollowed(model) -> NotConverged:
    """What to raise where the branch next to the teacher could not be followed and may matter."""
    return NotConverged(
        f"the branches of {model!r} could not be followed to their teacher: use margin 0, where it is exact, or one further from 0"
    )
