"""Spherical perceptron with random labels: capacity and stability in the plane of load and margin.

Gardner's capacity (1988) bounds the loads with solutions; at negative margins the solution space stops being convex, replica symmetry
breaks at the line of de Almeida and Thouless below it, and one step of breaking lowers the bound (Franz & Parisi 2016).  All
three meet at margin 0, alpha = 2.
"""

import numpy as np

from flatphys import plotting as p
from flatphys.model import Gibbs, Model, RandomLabels
from flatphys.thresholds import at_line, capacity
from flatphys.thresholds.trace import Frame, attempt, graph

PLANES = {"margin": Frame("alpha", "margin", (0.2, 150.0), (-2.0, 1.5), xlog=True)}
LOOKS = {
    "Gardner capacity": dict(color=p.BLACK, lw=1.4, label="capacity, replica symmetric (Gardner)"),
    "1RSB capacity": dict(color=p.VERMILION, ls=(0, (4, 1.5)), label="capacity, one-step RSB"),
    "stability": dict(color=p.BLUE, ls=(0, (1, 1.2)), lw=1.5, label="stability of replica symmetry (AT)"),
}
SHOWN = {"margin": tuple(LOOKS)}
NEAREST = -1e-3  # closer to margin 0 the lines coincide within 1e-3


def look(name: str) -> dict:
    """How a boundary is drawn."""
    return LOOKS[name]


def model(margin: float) -> Model:
    """Spherical weights, hard constraints."""
    return Model(RandomLabels(), Gibbs("spherical", margin=margin))


def boundaries():
    """(plane, name, equation, rows) of every boundary."""
    frame = PLANES["margin"]
    low, high = frame.ylim

    def rows(load, top):
        found = graph(attempt(lambda k: {"alpha": load(model(k)), "margin": k}), low, top, frame)
        return [*found, {"alpha": capacity(model(0.0)), "margin": 0.0}]

    halves = [graph(lambda k: {"alpha": capacity(model(k)), "margin": k}, *ends, frame) for ends in ((low, 0.0), (0.0, high))]
    yield "margin", "Gardner capacity", "the overlap q is 1", halves[0] + halves[1][1:]  # margin 0 is a vertex
    yield (
        "margin",
        "1RSB capacity",
        "the overlap q1 is 1, stationary in q0 and m/(1-q1)",
        rows(lambda m: capacity(m, ansatz="1RSB"), NEAREST),
    )
    yield "margin", "stability", "the replicon is 0", rows(at_line, NEAREST)


def decorate(ax, plane: str, lines: dict):
    """The region of broken symmetry, named phases, labels."""
    ax.set(xlabel=p.LABELS["alpha"], ylabel=p.LABELS["margin"])
    margin = np.linspace(ax.get_ylim()[0], 0.0, 200)
    at = {name: np.exp(np.interp(margin, b.margin, np.log(b.alpha))) for name, b in lines.items()}
    ax.fill_betweenx(margin, at["stability"], at["1RSB capacity"], color=p.BLUE, alpha=0.13, lw=0)
    small = dict(fontsize="small", ha="center", va="center")
    ax.text(0.7, -1.0, "solutions,\nreplica symmetric", **small)
    ax.annotate(
        "solutions,\nreplica symmetry\nbroken", (22.0, -1.4), (2.0, -1.65), arrowprops=dict(arrowstyle="-", lw=0.6, shrinkB=0), **small
    )
    ax.text(20.0, -0.25, "no solutions", **small)
    ax.axhline(0.0, color=p.GREY, lw=0.5, zorder=0)
    ax.plot(2.0, 0.0, "o", color=p.BLACK, zorder=5)
    ax.annotate(r"$\alpha = 2$", (2.0, 0.0), xytext=(4, 4), textcoords="offset points", fontsize="small")
    ax.set_xticks([0.2, 0.5, 1, 2, 5, 10, 20, 50, 100], minor=False)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.xaxis.set_minor_formatter(lambda value, _: "")
    ax.legend(loc="upper right")
