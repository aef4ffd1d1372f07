"""First-order transitions between the student and the teacher branch."""

import math
from dataclasses import dataclass, replace

import numpy as np

from flatphys.display import Table, figure
from flatphys.errors import InvalidInput, NoSolution, NotConverged
from flatphys.model import Bayes, Gibbs, Model, Teacher, check_model
from flatphys.numerics.roots import bracketed, newton
from flatphys.numerics.quadrature import buffers
from flatphys.saddle.averages import TEACHER, weights_average
from flatphys.saddle.branch import conjugates, curve_point, read_off
from flatphys.saddle.curve import Code, curve_of, roots
from flatphys.saddle.equilibrium import state_at
from flatphys.state import State
from flatphys.thresholds.spinodal import Folds
from flatphys.thresholds.trace import follow
from flatphys.thresholds.walk import FREE, Walk

SOUND = 1e-4  # derivative of the load along the branch at what is taken for its fold; 1e-7 at a true one
FURTHEST = -0.06  # margins from which the continuation towards 0 starts


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
        right = 1.4 * self.spinodal
        for s, partner, log_alpha, direction in curve_of(code.args).pieces:
            keep = log_alpha < math.log(right) + 1.0
            fine = np.interp(np.linspace(0.0, 1.0, 8 * keep.sum() - 7), np.linspace(0.0, 1.0, keep.sum()), s[keep])
            loads, overlaps = [], []
            for place, guess in zip(fine, np.interp(fine, s, partner)):
                la, other, _ = curve_point(*code.args, place, guess, 0, u, w)
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
    if not curve.folds or curve.pieces[0][3] < 0.0:
        raise NoSolution(f"{model!r} learns continuously: alpha(q) has no fold, no first-order transition")
    fold_s, fold_partner, fold_la = curve.folds[0]
    spinodal = math.exp(fold_la)
    if code.kind == TEACHER and code.kappa < 0.0 and not _sound(Folds(model), curve, code.kappa):
        return _next_to_the_teacher(model, code, curve)
    high = curve.pieces[2] if len(curve.pieces) > 2 else None
    if high is None and not code.has_teacher_state:
        raise NoSolution(f"the student branch of {model!r} ends at alpha={spinodal:.10g} without another branch to jump to")
    lower = 0.0 if high is None else math.exp(curve.folds[1][2])
    walk = Walk(code)
    s, partner = curve.pieces[0][0], curve.pieces[0][1]

    def gap(x, guess):
        """Free entropy of the student minus that of the teacher branch, at the student's load."""
        la, _, out = walk.at(x, guess)
        alpha = math.exp(la)
        if code.has_teacher_state:
            other = -alpha * code.beta * code.flip if code.flip > 0.0 else 0.0
        else:
            if la < curve.folds[1][2]:
                return math.inf
            last = roots(code, la, stable_only=True)[-1]
            other = read_off(*code.args, la, last[1], last[2], 0, walk.u, walk.w)[FREE]
        return out[FREE] - other

    values = np.array([gap(a, b) for a, b in zip(s, partner)])
    falls = np.flatnonzero((values[:-1] > 0.0) & (values[1:] <= 0.0))
    if not falls.size:
        raise NoSolution(f"the student branch of {model!r} dominates up to its spinodal at alpha={spinodal:.10g}")
    i = falls[-1]
    root = bracketed(lambda x: min(gap(x, partner[i]), 1e3), s[i], s[i + 1])
    la, r, _ = walk.at(root, partner[i])
    name = curve.names(code.kind)[0]
    return FirstOrderTransition(
        math.exp(la), spinodal, lower,
        state_at(model, code, math.exp(la), name, root, r), state_at(model, code, spinodal, name, fold_s, fold_partner),
    )  # fmt: skip


def _sound(folds: Folds, curve, kappa: float) -> bool:
    """Whether the end of the teacher branch is where the curve says: a fold in the load, and not one in R_hat that it stumbled over."""
    return len(curve.folds) > 1 and abs(folds.turn(*curve.folds[1][:2], kappa)) < SOUND


def _next_to_the_teacher(model: Model, code: Code, curve) -> FirstOrderTransition:
    """At small negative margins, where R_hat turns around along the teacher branch: followed in the margin from where it does not.

    (`saddle.curve` follows branches along R_hat, and loses or skips a part of this one.)
    """
    folds, start, further = Folds(model), None, model
    while start is None and further.learner.margin > FURTHEST:
        further = replace(model, learner=replace(model.learner, margin=2.0 * further.learner.margin))
        other = curve_of(Code(further).args)
        start = other.folds[1] if _sound(folds, other, further.learner.margin) else None
    if start is None:
        raise NotConverged(f"the teacher branch of {model!r} could not be followed from more negative margins", None, math.nan)
    margin = further.learner.margin
    found = roots(Code(further), math.log(first_order_transition(further).transition), stable_only=True)
    low = _followed(folds.spinodal, [*start[:2], margin], code.kappa)
    both = _followed(folds.coexistence, [*found[0][1:3], *found[-1][1:3], margin], code.kappa)
    transition, name = folds.load(both), curve.names(code.kind)[0]
    s, partner, la = curve.folds[0]
    return FirstOrderTransition(
        transition, math.exp(la), folds.load(low),
        state_at(model, code, transition, name, both[0], both[1]), state_at(model, code, math.exp(la), name, s, partner),
    )  # fmt: skip


def _followed(system, start, kappa: float) -> np.ndarray:
    """The solution of `system` at margin kappa, by continuation from `start` at a more negative one."""
    n, margin = len(start), start[-1]
    scale = np.append(np.full(n - 1, 0.5), -margin)
    path = follow(
        system, start, scale, np.eye(n)[-1], lambda z: {"margin": float(z[-1])}, lambda row: row["margin"] < kappa, tolerance=1e-11
    )  # fmt: skip
    before, after = path.points[-2:] if len(path.points) > 1 else (start, start)
    if not before[-1] <= kappa <= after[-1]:
        raise NotConverged(f"a boundary was lost at margin {after[-1]:.3g} on the way to {kappa:.3g}: use margin 0, where it is exact", None, math.nan)
    guess = before + (kappa - before[-1]) / (after[-1] - before[-1]) * (after - before)
    x, residual = newton(lambda x: system(np.append(x, kappa)), guess[:-1], target=1e-13)
    if not residual < 1e-9:
        raise NotConverged(f"a boundary at margin {kappa:.3g} was solved only to a residual of {residual:.1e}", None, float(residual))
    return np.append(x, kappa)
