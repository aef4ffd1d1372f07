"""First-order transitions between the student and the teacher branch."""

import math
from dataclasses import dataclass

import numpy as np

from flatphys.display import Table, figure
from flatphys.errors import InvalidInput, NoSolution, NotConverged
from flatphys.kernels.codes import ERRORS
from flatphys.model import Bayes, Gibbs, Model, Teacher, check_model
from flatphys.problem import problem_of
from flatphys.saddle.equilibrium.follow import Chord
from flatphys.saddle.equilibrium.states import solvable, state_at
from flatphys.state import State
from flatphys.thresholds.walk import Walk, unfollowed


@dataclass(frozen=True, eq=False, repr=False)
class FirstOrderTransition(Table):
    """A discontinuous transition between the student and the teacher branch.

    Attributes
    ----------
    transition : float
        Load at which both branches have the same free entropy.
    spinodal : float
        Load at which the student branch ends.
    lower_spinodal : float
        Load from which the teacher branch exists (0: at every load).
    at_transition, at_spinodal : State
        The student state there.
    """

    transition: float
    spinodal: float
    lower_spinodal: float
    at_transition: State
    at_spinodal: State

    def _rows(self):
        return [(name, figure(getattr(self, name))) for name in ("lower_spinodal", "transition", "spinodal")]

    def plot(self, ax=None, **style):
        """Draw the overlap with the teacher along all branches, and the loads of the transition and the spinodals; returns the axes."""
        from flatphys.plotting import BLUE, GREY, LABELS, VERMILION, new_axes

        ax, model = new_axes(ax), self.at_spinodal.model
        problem = problem_of(model)
        right, walk = 1.4 * self.spinodal, Walk(problem)
        for s, r, log_alpha, direction in walk.curve.pieces:
            last = int(np.count_nonzero(log_alpha < math.log(right) + 1.0)) if direction > 0.0 else s.size  # a rising piece leaves the plot
            points = []
            for i in range(last - 1):
                for t in np.arange(8) / 8.0 if i < last - 2 else np.arange(9) / 8.0:
                    points.append(walk.between(Chord(s[i], r[i], s[i + 1], r[i + 1]), t))
            loads, overlaps = [math.exp(point.la) for point in points], [walk.read(point).r for point in points]
            ax.plot(loads, overlaps, **{"color": BLUE, "ls": "-" if direction > 0.0 else ":", **style})
        if walk.curve.has_teacher:
            ax.plot([0.0, right], [1.0, 1.0], **{"color": BLUE, **style})
        ax.axvline(self.transition, color=VERMILION, lw=1.0, label="transition")
        for place, text in ((self.spinodal, "spinodals"), (self.lower_spinodal, None)):
            ax.axvline(place, color=GREY, lw=1.0, ls="--", label=text)
        ax.set(xlim=(0.0, right), ylim=(0.0, 1.02), xlabel=LABELS["alpha"], ylabel=LABELS["R"])
        ax.legend(loc="lower right")
        return ax

    def _title(self):
        return f"First-order transition of {self.at_spinodal.model!r} (loads alpha)"


def first_order_transition(model: Model) -> FirstOrderTransition:
    """Where the learner jumps to the teacher: the equality of free entropies and the spinodals.

    Binary weights with a teacher (Gyorgyi 1990; Seung, Sompolinsky & Tishby 1992), at the learner's
    margin and beta, Gibbs or Bayes.  Raises `NoSolution` where learning is continuous.
    """
    check_model(model)
    if not isinstance(model.data, Teacher) or not isinstance(model.learner, (Gibbs, Bayes)):
        raise InvalidInput(f"first_order_transition needs Teacher data and a Gibbs or Bayes learner, got {model!r}")
    problem = solvable(model)
    walk = Walk(problem)
    curve, has_teacher = walk.curve, walk.curve.has_teacher
    # of a continuous energy only the approach to R = 1 at larger loads can be lost behind the branch closest to the teacher
    complete = curve.resolved or (problem.channel.energy != ERRORS and curve.sound and curve.pieces[-1].direction > 0.0)
    if not complete and not (has_teacher and curve.folds):
        raise unfollowed(model)
    if not curve.folds or curve.pieces[0].direction < 0.0:
        raise NoSolution(f"{model!r} learns continuously: alpha(q) has no fold, no first-order transition")
    fold_s, fold_r, fold_la = curve.folds[0]
    spinodal = math.exp(fold_la)
    high = curve.pieces[2] if len(curve.pieces) > 2 else None
    if high is None and not has_teacher:
        raise NoSolution(f"the student branch of {model!r} ends at alpha={spinodal:.10g} without another branch to jump to")
    lower_la = -math.inf if high is None else curve.folds[1][2]
    student = walk.dominance()[0]
    if not student.overtaken and not has_teacher and high.la[-1] < fold_la:
        raise NotConverged(f"the branch of {model!r} next to its teacher could not be followed to the transition: use a smaller beta")
    if not student.overtaken and student.high >= fold_la:
        raise NoSolution(f"the student branch of {model!r} dominates up to its spinodal at alpha={spinodal:.10g}")
    if not student.overtaken:
        raise NotConverged(
            f"the free entropies of {model!r} jump past each other at alpha={math.exp(lower_la):.10g}, where the branch next to the "
            f"teacher begins with the larger one: they are equal at no load, and below this one the student dominates; see branches"
        )
    place = walk.at(0, student.high)
    name = curve.names[0]
    return FirstOrderTransition(
        math.exp(place.la),
        spinodal,
        math.exp(lower_la),
        state_at(model, problem, math.exp(place.la), name, place.s, place.r),
        state_at(model, problem, spinodal, name, fold_s, fold_r),
    )
