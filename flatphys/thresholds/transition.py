"""First-order transitions between the student and the teacher branch."""

import math
from dataclasses import dataclass

import numpy as np

from flatphys.display import Table, figure
from flatphys.errors import InvalidInput, NoSolution, NotConverged
from flatphys.model import Bayes, Gibbs, Model, Teacher, check_model
from flatphys.numerics.quadrature import buffers
from flatphys.numerics.roots import bracketed
from flatphys.saddle.equilibrium.averages import weights_average
from flatphys.saddle.equilibrium.branch import CONVERGED, conjugates
from flatphys.saddle.equilibrium.curve import Code, curve_of, roots
from flatphys.saddle.equilibrium.follow import chord_point
from flatphys.saddle.equilibrium.states import state_at
from flatphys.state import State
from flatphys.thresholds.walk import FREE, Walk


@dataclass(frozen=True, repr=False)
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
        code = Code(model)
        u, w = buffers()
        right, curve = 1.4 * self.spinodal, curve_of(code.args)
        for s, partner, log_alpha, direction in curve.pieces:
            last = int(np.count_nonzero(log_alpha < math.log(right) + 1.0)) if direction > 0.0 else s.size  # a rising piece leaves the plot
            loads, overlaps = [], []
            for i in range(last - 1):
                for t in np.arange(8) / 8.0 if i < last - 2 else np.arange(9) / 8.0:
                    ends = s[i], partner[i], s[i + 1], partner[i + 1]
                    la, place, other, _, _ = chord_point(*code.args, *ends, t, 0.0, CONVERGED, curve.side, 0, u, w)
                    loads.append(math.exp(la))
                    overlaps.append(weights_average(code.weights, code.kind, *conjugates(code.kind, place, other), 0, u, w)[2])
            ax.plot(loads, overlaps, **{"color": BLUE, "ls": "-" if direction > 0.0 else ":", **style})
        if code.has_teacher_state:
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
    code = Code(model)
    curve = curve_of(code.args)
    if not curve.resolved and not (code.has_teacher_state and curve.folds):
        raise NotConverged(
            f"the branches of {model!r} could not be followed to their teacher: use margin 0, where it is exact, or one further from 0",
            None,
            math.nan,
        )
    if not curve.folds or curve.pieces[0][3] < 0.0:
        raise NoSolution(f"{model!r} learns continuously: alpha(q) has no fold, no first-order transition")
    fold_s, fold_partner, fold_la = curve.folds[0]
    spinodal = math.exp(fold_la)
    high = curve.pieces[2] if len(curve.pieces) > 2 else None
    if high is None and not code.has_teacher_state:
        raise NoSolution(f"the student branch of {model!r} ends at alpha={spinodal:.10g} without another branch to jump to")
    lower = 0.0 if high is None else math.exp(curve.folds[1][2])
    walk = Walk(code)
    s, partner, loads, _ = curve.pieces[0]

    def gap(la, out):
        """Free entropy of the student minus that of the teacher branch, at the student's load."""
        alpha = math.exp(la)
        if code.has_teacher_state:
            other = -alpha * code.beta * code.flip if code.flip > 0.0 else 0.0
        else:
            if la < curve.folds[1][2]:
                return math.inf
            last = roots(code, la, stable_only=True)[-1]
            other = walk.read(last[1], last[2], la)[FREE]
        return out[FREE] - other

    values = np.array([gap(la, walk.read(a, b, la)) for a, b, la in zip(s, partner, loads)])
    falls = np.flatnonzero((values[:-1] > 0.0) & (values[1:] <= 0.0))
    if not falls.size:
        raise NoSolution(f"the student branch of {model!r} dominates up to its spinodal at alpha={spinodal:.10g}")
    i = falls[-1]
    one, two = (s[i], partner[i]), (s[i + 1], partner[i + 1])
    t = bracketed(lambda t: min(gap(*walk.between(one, two, t)[2:]), 1e3), 0.0, 1.0)
    root, r, la, _ = walk.between(one, two, t)
    name = curve.names(code.kind)[0]
    return FirstOrderTransition(
        math.exp(la),
        spinodal,
        lower,
        state_at(model, code, math.exp(la), name, root, r),
        state_at(model, code, spinodal, name, fold_s, fold_partner),
    )
