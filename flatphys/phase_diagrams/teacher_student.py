"""Binary student, binary teacher: planes of load and margin (hard constraints) and of load and temperature (margin 0).

With clean labels the student learns by a jump (Gyorgyi 1990; Seung, Sompolinsky & Tishby 1992).  At margin 0 the teacher's
own weights, q = R = 1, are a solution at every load and beta, so that only the student branch has a spinodal.  At negative margins the
high overlap of the teacher branch is below 1 and the branch exists from a spinodal of its own on; both spinodals and the transition
end in a critical point, beyond which learning is continuous.  At positive margins the teacher itself violates the
constraints: solutions end where the entropy of the student branch vanishes, and beyond the transition at margin 0 none of
positive margin are left.  As the margin rises to 0 the teacher branch's spinodal falls to alpha = 0; the last vertices are at
margins of about -1e-5, from where the curve is closed by its limit.

The equations are those of `thresholds.spinodal`.  Replica symmetry is stable on the student branch at margins up to 0.
"""

import math

import numpy as np

from flatphys import plotting as p
from flatphys.model import Gibbs, Model, Teacher
from flatphys.problem import problem_of
from flatphys.saddle.equilibrium.curve import curve_of, roots
from flatphys.thresholds import capacity, first_order_transition
from flatphys.thresholds.spinodal import Folds
from flatphys.thresholds.trace import Frame, Way, follow, graph

PLANES = {
    "margin": Frame("alpha", "margin", (0.0, 2.4), (-0.3, 0.15)),
    "temperature": Frame("alpha", "temperature", (0.8, 3.8), (0.0, 1.2)),
}
LOOKS = {
    "largest margin": dict(color=p.BLACK, lw=1.4, label="largest margin (zero entropy)"),
    "transition": dict(color=p.VERMILION, lw=1.6, label="first-order transition"),
    "student spinodal": dict(color=p.BLUE, ls=(0, (4, 1.5)), label="spinodal of the student branch"),
    "teacher spinodal": dict(color=p.GREEN, ls=(0, (1, 1.2)), lw=1.5, label="spinodal of the teacher branch"),
    "student freezing": dict(color=p.PURPLE, ls=(0, (5, 1.2, 1, 1.2)), lw=1.0, label="student's entropy vanishes"),
    "transition (T)": dict(color=p.VERMILION, lw=1.6, label="first-order transition"),
    "student spinodal (T)": dict(color=p.BLUE, ls=(0, (4, 1.5)), label="spinodal of the student branch"),
    "student freezing (T)": dict(color=p.PURPLE, ls=(0, (5, 1.2, 1, 1.2)), lw=1.0, label="student's entropy vanishes"),
}
SHOWN = {"margin": tuple(name for name in LOOKS if "(T)" not in name), "temperature": tuple(name for name in LOOKS if "(T)" in name)}
START = -0.1  # the margin from which the curves are followed both ways
WARM = 0.5  # the temperature likewise
CLOSEST = 1e-5  # to margin 0
COLDEST = 0.025  # below, loads differ from those at T = 0 by less than 1e-15
SPINODAL = "both saddle equations hold and d alpha = 0 along the branch"
FREEZING = "both saddle equations hold and the student's entropy is 0"


def look(name: str) -> dict:
    """How a boundary is drawn."""
    return LOOKS[name]


def model(margin: float = 0.0, beta: float = math.inf) -> Model:
    """A clean binary teacher and a binary Gibbs student."""
    return Model(Teacher(), Gibbs("binary", margin=margin, beta=beta))


def both_ways(system, start, scale, row, inside, frame, tolerance=1e-10):
    """(points, rows) through `start`, from the lowest to the highest end of the last unknown's first direction."""
    heading = np.zeros(len(start))
    up, down = (
        follow(system, start, scale, heading + sign * np.eye(len(start))[-1], row, inside, Way(frame, tolerance)) for sign in (1.0, -1.0)
    )
    return down.points[:0:-1] + up.points, down.rows[:0:-1] + up.rows


def boundaries():
    """(plane, name, equation, rows) of every boundary."""
    yield from _margin_plane()
    yield from _temperature_plane()


def _margin_plane():
    frame = PLANES["margin"]
    jump = first_order_transition(model())
    start = model(START)
    folds = Folds(start)

    def row(z):
        return {"alpha": folds.load(z), "margin": float(z[-1]), "beta": math.inf}

    def inside(seen):
        return frame.ylim[0] < seen["margin"] < -CLOSEST and seen["alpha"] > 2e-3

    top = graph(
        lambda k: {"alpha": capacity(model(k)) if k > 0.0 else jump.transition, "margin": k, "beta": math.inf}, 0.0, frame.ylim[1], frame
    )
    last = {"alpha": frame.xlim[1], "margin": 0.0, "beta": math.inf}  # with the margin at 0 the teacher remains at every load
    yield "margin", "largest margin", "zero entropy; beyond the transition margin 0, the teacher's own", [last, *top]

    fold_s, fold_r, _ = curve_of(problem_of(start)).folds[0]
    points, rows = both_ways(folds.spinodal, [fold_s, fold_r, START], [0.5, 0.5, 0.1], row, inside, frame)
    turn = min(range(len(rows)), key=lambda i: rows[i]["margin"])
    cusp = folds.critical(points[turn])
    halves = [rows[:turn], rows[turn + 1 :]]
    if halves[0][0]["alpha"] < halves[1][-1]["alpha"]:
        halves = [halves[1][::-1], halves[0][::-1]]
    ends = ({"alpha": jump.spinodal, "margin": 0.0, "beta": math.inf}, {"alpha": 0.0, "margin": 0.0, "beta": math.inf})
    for name, half, end in zip(("student spinodal", "teacher spinodal"), (halves[0], halves[1][::-1]), ends):
        yield "margin", name, SPINODAL, [end, *(r for r in half if r["margin"] < 0.0), row(cusp)]

    found = roots(problem_of(start), math.log(first_order_transition(start).transition), stable_only=True)
    z = [*found[0][1][:2], *found[-1][1][:2], START]
    _, rows = both_ways(folds.coexistence, z, [0.5, 0.5, 0.5, 0.5, 0.1], row, inside, frame, 1e-11)
    limit = {"alpha": jump.transition, "margin": 0.0, "beta": math.inf}
    yield "margin", "transition", "two saddles have the same load and free entropy", [row(cusp), *rows, limit]

    state = jump.at_transition
    z = [math.log(state.R_hat), math.log(state.q_hat), 0.0]
    path = follow(folds.freezing, z, [0.5, 0.5, 0.1], [0.0, 0.0, -1.0], row, lambda r: r["alpha"] < jump.spinodal * 1.2, Way(frame))
    rows = _up_to_spinodal(folds, path, row)
    yield "margin", "student freezing", FREEZING, rows


def _up_to_spinodal(folds, path, row):
    """The rows of a freezing line up to its end on the student's spinodal."""
    turns = [folds.turn(*z) for z in path.points]
    i = next(i for i in range(1, len(turns)) if turns[i] * turns[1] < 0.0)
    return [*path.rows[:i], row(folds.frozen_spinodal(path.points[i]))]


def _temperature_plane():
    frame = PLANES["temperature"]
    jump = first_order_transition(model())
    warm = model(beta=1.0 / WARM)
    here = first_order_transition(warm)
    folds = Folds(warm, along="temperature")

    def row(z):
        return {"alpha": folds.load(z), "margin": 0.0, "beta": 1.0 / float(z[-1]), "temperature": float(z[-1])}

    def cold(alpha):
        return {"alpha": alpha, "margin": 0.0, "beta": math.inf, "temperature": 0.0}

    def inside(seen):
        return COLDEST < seen["temperature"] < frame.ylim[1] and seen["alpha"] < frame.xlim[1]

    for name, system, equation, state, limit in (
        (
            "transition (T)",
            folds.teacher_transition,
            "both saddle equations hold and the free entropy is the teacher's, 0",
            here.at_transition,
            jump.transition,
        ),
        ("student spinodal (T)", folds.spinodal, SPINODAL, here.at_spinodal, jump.spinodal),
    ):
        z = [math.log(state.R_hat), math.log(state.q_hat), WARM]
        _, rows = both_ways(system, z, [0.5, 0.5, 0.3], row, inside, frame)
        yield "temperature", name, equation, [cold(limit), *rows]

    state = jump.at_transition
    z = [math.log(state.R_hat), math.log(state.q_hat), COLDEST]
    path = follow(folds.freezing, z, [0.5, 0.5, 0.3], [0.0, 0.0, 1.0], row, lambda r: r["alpha"] < frame.xlim[1], Way(frame))
    yield "temperature", "student freezing (T)", FREEZING, [cold(jump.transition), *_up_to_spinodal(folds, path, row)]


def decorate(ax, plane: str, lines: dict):
    """Shaded metastable regions, named phases, labels."""
    ax.set(xlabel=p.LABELS["alpha"], ylabel=p.LABELS[plane])
    small = dict(fontsize="small", ha="center", va="center")
    if plane == "margin":
        jump, low, high = lines["transition"], lines["teacher spinodal"], lines["student spinodal"]
        y = np.linspace(min(low.margin), 0.0, 400)
        at = {b.name: np.interp(y, *_rising(b.margin, b.alpha)) for b in (jump, low, high)}
        ax.fill_betweenx(y, at["teacher spinodal"], at["transition"], color=p.GREEN, alpha=0.13, lw=0)
        ax.fill_betweenx(y, at["transition"], at["student spinodal"], color=p.BLUE, alpha=0.13, lw=0)
        ax.plot(jump.alpha[0], jump.margin[0], "o", color=p.BLACK, zorder=5, label="critical point")
        ax.text(0.5, 0.07, "student:\nlow overlap", **small)
        ax.text(1.8, 0.07, "no solutions", **small)
        ax.text(0.92, -0.018, "teacher metastable", **small)
        ax.text(2.02, -0.06, "teacher:\nhigh overlap", **small)
        ax.annotate("student\nmetastable", (1.45, -0.03), (2.08, -0.14), arrowprops=dict(arrowstyle="-", lw=0.6, shrinkB=0), **small)
        ax.text(1.9, -0.23, "one phase:\nlearning is continuous", **small)
        ax.legend(loc="lower left")
        return
    jump, high = lines["transition (T)"], lines["student spinodal (T)"]
    y = np.linspace(0.0, ax.get_ylim()[1], 300)
    left, right = (np.interp(y, b.temperature, b.alpha) for b in (jump, high))
    ax.fill_betweenx(y, 0.0, left, color=p.GREEN, alpha=0.13, lw=0)
    ax.fill_betweenx(y, left, right, color=p.BLUE, alpha=0.13, lw=0)
    ax.text(1.3, 0.75, "student\n(teacher metastable)", **small)
    ax.text(3.1, 0.52, "teacher:\nperfect generalization", **small)
    ax.annotate("student metastable", (2.35, 0.93), (1.75, 1.1), arrowprops=dict(arrowstyle="-", lw=0.6, shrinkB=0), **small)
    ax.legend(loc="lower right")


def _rising(x, y):
    order = np.argsort(x)
    return x[order], y[order]
