"""Binary perceptron with random labels: capacity, stability and flatness in the plane of load and margin.

Solutions exist up to where the replica-symmetric entropy vanishes (Krauth & Mezard 1989); the formal branch goes on, loses its stability
at the line of de Almeida and Thouless, and ends where q -> 1, at (2/pi) times the spherical capacity.

Two lines of flatness (Baldassi et al., PRL 115 128101 (2015) and PRL 127 278301 (2021)):

* around a typical solution of margin kappa the number of solutions of margin 0 grows with the distance from it, monotonically up
  to its maximum, for margins above a line kappa_u(alpha): there the largest interior maximum over d of the slope d phi/dp touches
  zero.  The line meets that of the largest margin at alpha = 0.729 (`flatness_threshold(model)`); at larger loads no typical
  solution of any margin has such surroundings.
* at y -> inf solutions of margin kappa at mutual distance d, the densest regions there are, the same tangency is at
  `flatness_threshold(model, reference="replicated")`.
"""

import math

import numpy as np

from flatphys import plotting as p
from flatphys.errors import FlatphysError
from flatphys.model import Gibbs, Model, RandomLabels
from flatphys.saddle.equilibrium.states import dominant
from flatphys.thresholds import at_line, capacity, max_margin
from flatphys.thresholds.flatness import Neighbourhood, flatness_threshold
from flatphys.thresholds.trace import Frame, Way, follow, graph

PLANES = {"margin": Frame("alpha", "margin", (0.0, 1.8), (-0.5, 1.0)), "flatness": Frame("alpha", "margin", (0.3, 0.9), (0.0, 0.25))}
LOOKS = {
    "zero entropy": dict(color=p.BLACK, lw=1.4, label="capacity (zero entropy)"),
    "stability": dict(color=p.BLUE, ls=(0, (1, 1.2)), lw=1.5, label="stability of replica symmetry (AT)"),
    "end of branch": dict(color=p.PURPLE, ls=(0, (5, 1.2, 1, 1.2)), lw=1.0, label=r"end of the branch, $q \to 1$"),
    "dense regions": dict(color=p.GREEN, ls=(0, (4, 1.5)), label=r"densest regions become cut off, $y = \infty$"),
    "typical solutions": dict(color=p.VERMILION, lw=1.2, label="typical solutions:\nend of flat regions"),
}
SHOWN = {
    "margin": ("dense regions", "zero entropy", "stability", "end of branch"),
    "flatness": ("typical solutions", "dense regions", "zero entropy"),
}
LEAST_LOAD = 0.25  # of the line of typical solutions
COARSE = 0.15, 5e-4  # chord and bend of the slowest line, which is nearly straight


def look(name: str) -> dict:
    """How a boundary is drawn."""
    return LOOKS[name]


def model(margin: float = 0.0) -> Model:
    """Binary weights, hard constraints."""
    return Model(RandomLabels(), Gibbs("binary", margin=margin))


def end_of_branch(margin: float) -> float:
    """The load at which q -> 1: (2/pi) alpha_Gardner."""
    return 2.0 / math.pi * capacity(Model(RandomLabels(), Gibbs("spherical", margin=margin)))


def boundaries():
    """(plane, name, equation, rows) of every boundary."""
    frame = PLANES["margin"]
    low, high = frame.ylim

    def rows(load, **options):
        pieces = [graph(lambda k: {"alpha": load(k), "margin": k}, *ends, frame, first=4, **options) for ends in ((low, 0.0), (0.0, high))]
        return pieces[0] + pieces[1][1:]  # margin 0 is a vertex

    yield "margin", "zero entropy", "the entropy is 0", rows(lambda k: capacity(model(k)))
    yield "margin", "stability", "the replicon is 0", rows(lambda k: at_line(model(k)))
    yield "margin", "end of branch", "the overlap q is 1", rows(end_of_branch)
    dense = rows(lambda k: flatness_threshold(model(k), reference="replicated"), longest=COARSE[0], beside=COARSE[1])
    yield "margin", "dense regions", "the smallest slope of the replicated entropy at y = inf is 0", dense
    yield "flatness", "typical solutions", "the largest interior slope of the local entropy at margin 0 is 0", typical_line()


def typical_line() -> list[dict]:
    """Rows of kappa_u(alpha), from its meeting with the largest margin to LEAST_LOAD, with the distance at which the slope touches zero."""
    around = Neighbourhood(model())
    alpha = flatness_threshold(model())
    start = np.array([alpha, max_margin(model(), alpha)])

    def steepest(z):
        try:
            value = around.steepest_around(dominant(model(float(z[1])), float(z[0])))
        except FlatphysError:
            return np.array([math.nan])
        return np.array([value if value > -math.inf else math.nan])

    def row(z):
        return {"alpha": float(z[0]), "margin": float(z[1]), "distance": 1.0 / (1.0 + math.exp(2.0 * around.place))}

    steepest(start)
    path = follow(steepest, start, [0.6, 0.25], [-1.0, 0.0], row, lambda r: r["alpha"] > LEAST_LOAD, Way(None, 1e-9, 0.06))
    return path.rows


def decorate(ax, plane: str, lines: dict):
    """Named regions and labels."""
    ax.set(xlabel=p.LABELS["alpha"], ylabel=p.LABELS["margin"])
    small = dict(fontsize="small", ha="center", va="center")
    if plane == "margin":
        zero, dense = lines["zero entropy"], lines["dense regions"]
        y = np.linspace(*ax.get_ylim(), 300)
        right = np.interp(y, zero.margin, zero.alpha)
        left = np.interp(y, dense.margin, dense.alpha / np.interp(dense.margin, zero.margin, zero.alpha)) * right
        ax.fill_betweenx(y, 0.0, left, color=p.GREEN, alpha=0.12, lw=0)
        ax.fill_betweenx(y, left, right, color=p.ORANGE, alpha=0.16, lw=0)
        ax.text(0.28, 0.0, "solutions with\ndense regions", **small)
        ax.annotate("solutions,\ncut off", (0.97, -0.16), (0.6, -0.38), arrowprops=dict(arrowstyle="-", lw=0.6, shrinkB=0), **small)
        ax.text(1.5, 0.12, "no solutions", **small)
        ax.legend(loc="upper right")
        return
    zero, flat = lines["zero entropy"], lines["typical solutions"]
    order = np.argsort(flat.alpha)
    x = np.linspace(flat.alpha[order][0], flat.alpha[order][-1], 300)
    top = np.interp(x, zero.alpha[::-1], zero.margin[::-1])
    ax.fill_between(x, np.interp(x, flat.alpha[order], flat.margin[order]), top, color=p.GREEN, alpha=0.12, lw=0)
    ax.plot(flat.alpha[0], flat.margin[0], "o", color=p.BLACK, zorder=5)
    ax.annotate(
        rf"$\alpha^* = {flat.alpha[0]:.4f}$", (flat.alpha[0], flat.margin[0]), xytext=(6, 3), textcoords="offset points", fontsize="small"
    )
    ax.text(0.43, 0.13, "typical solutions\nin flat regions", **small)
    ax.text(0.545, 0.012, "typical solutions isolated or behind a barrier", **small)
    ax.text(0.8, 0.19, "no solutions", **small)
    (line,) = (one for one in ax.lines if one.get_label() == look("typical solutions")["label"])
    ax.legend(handles=[line], loc="upper left")
