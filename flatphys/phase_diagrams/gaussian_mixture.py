"""Gaussian mixture: separability, Bayes error and the best regularisation of the logistic loss in the plane of load and variance.

Two planes.  Balanced classes: the lines of equal Bayes-optimal error, and the load at which the training patterns stop
being linearly separable; the best l2 is infinite in the whole plane, where every loss becomes the Bayes-optimal Hebb rule (Mignacco et al.
2020).  Unbalanced classes, with a bias: the best l2 is finite, and its contours are the curves on which

    d log(generalization error)/d log l2 = 0

at a given l2 (`thresholds.optimal` has the derivative), to 2e-9 in log l2.  Where the clouds are broad nothing is gained over the
answer "always the larger class" and the best l2 grows without bound; where they are narrow it vanishes.
"""

import math

import numpy as np

from flatphys import plotting as p
from flatphys.errors import NotConverged
from flatphys.model import ERM, GaussianMixture, Model
from flatphys.numerics.roots import bracketed
from flatphys.thresholds import bayes_error, separability_threshold
from flatphys.thresholds.optimal import Path, optimal_l2
from flatphys.thresholds.trace import Frame, Way, follow, graph

UNBALANCED = 0.2  # share of the smaller class
BALANCED_ERRORS = (0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4)
UNBALANCED_ERRORS = (0.001, 0.01, 0.05, 0.1, 0.15, 0.19)
PENALTIES = (1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0)
NEARBY = 1e-2  # in log l2, of the curvature
PLACES = {1e-3: 1.2, 1e-2: 1.9, 0.1: 5.0}  # loads at which the small ones are written
_BOX = ((0.3, 100.0), (0.1, 5.0), True, True)
PLANES = {"balanced": Frame("alpha", "variance", *_BOX), "unbalanced": Frame("alpha", "variance", *_BOX)}


def _errors(plane):
    return BALANCED_ERRORS if plane == "balanced" else UNBALANCED_ERRORS


def _bayes_name(plane, error):
    return f"Bayes error {error:g}" + ("" if plane == "balanced" else f", positive {UNBALANCED:g}")


def _separable_name(plane):
    return "separability" if plane == "balanced" else f"separability with bias, positive {UNBALANCED:g}"


def _penalty_name(l2):
    return f"optimal l2 {l2:g}"


SHOWN = {plane: (_separable_name(plane), *(_bayes_name(plane, error) for error in _errors(plane))) for plane in PLANES}
SHOWN["unbalanced"] += tuple(_penalty_name(l2) for l2 in PENALTIES)


def look(name: str) -> dict:
    """How a boundary is drawn."""
    if name.startswith("separability"):
        return dict(color=p.BLACK, lw=1.6)
    return dict(color=p.BLUE, lw=0.9, ls=(0, (4, 1.5))) if name.startswith("Bayes") else dict(color=p.VERMILION, lw=1.1)


def data(plane: str, variance: float) -> GaussianMixture:
    """The mixture of a plane."""
    return GaussianMixture(variance=variance, positive=0.5 if plane == "balanced" else UNBALANCED)


def boundaries():
    """(plane, name, equation, rows) of every boundary."""
    for plane, frame in PLANES.items():
        bias = plane == "unbalanced"
        low, high = (math.log(v) for v in frame.ylim)

        def edge(log_variance, plane=plane, bias=bias):
            variance = math.exp(log_variance)
            return {"alpha": separability_threshold(data(plane, variance), bias), "variance": variance}

        yield plane, _separable_name(plane), "the largest margin is 0", graph(edge, low, high, frame)
        for error in _errors(plane):
            rows = graph(
                lambda x, plane=plane, error=error: _bayes_row(plane, error, math.exp(x)), *(math.log(a) for a in frame.xlim), frame
            )
            yield plane, _bayes_name(plane, error), f"the Bayes error is {error:g}", rows
    for l2 in PENALTIES:
        yield (
            "unbalanced",
            _penalty_name(l2),
            f"d generalization error / d log l2 is 0 at l2 = {l2:g} (logistic loss, bias)",
            penalty_line(l2),
        )


def _bayes_row(plane, error, alpha):
    """The variance at which the Bayes error has this value; None outside of a box twice as high as the plot."""

    def excess(log_variance):
        return math.log(bayes_error(data(plane, math.exp(log_variance)), alpha) / error)

    low, high = math.log(0.02), math.log(20.0)
    if not excess(low) < 0.0 < excess(high):
        return None
    return {"alpha": alpha, "variance": math.exp(bracketed(excess, low, high))}


class Regularised:
    """The unbalanced mixture with logistic loss and bias at one l2: how the generalization error answers to l2."""

    def __init__(self, l2: float):
        self.l2 = l2

    def slope(self, z, factor: float = 1.0) -> float:
        """d log error / d log l2 at z = (log alpha, log variance) and `factor` times this l2, in the units of `error_slope`.

        nan where nothing was solved.
        """
        path = Path(Model(data("unbalanced", math.exp(z[1])), ERM("logistic", bias=True)), math.exp(z[0]))
        try:
            there = path.at(math.log(self.l2 * factor))
        except NotConverged:
            return math.nan
        return there.slope / there.error

    def offset(self, z) -> np.ndarray:
        """[log(this l2/the best one)] to first order: slope over curvature, since the valley is flat where the clouds are broad."""
        ahead, behind = (self.slope(z, math.exp(sign * NEARBY)) for sign in (1.0, -1.0))
        return np.array([self.slope(z) * 2.0 * NEARBY / (ahead - behind)])


def penalty_line(l2: float) -> list[dict]:
    """Rows of the contour on which this l2 is the best one."""
    frame = PLANES["unbalanced"]
    system = Regularised(l2)

    def best(log_variance):  # grows with the variance
        found = optimal_l2(Model(data("unbalanced", math.exp(log_variance)), ERM("logistic", bias=True)), 1.0)
        return max(min(math.log(max(found, 1e-12) / l2), 30.0), -30.0)

    # a rough start by the search over all l2, then the contour's own equation
    low, high = math.log(0.05), math.log(8.0)
    for _ in range(12):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if best(middle) > 0.0 else (middle, high)
    start = np.array([0.0, bracketed(lambda v: system.slope((0.0, v)), low - 0.05, high + 0.05)])

    def row(z):
        return {"alpha": math.exp(z[0]), "variance": math.exp(z[1]), "l2": l2}

    right, left = (follow(system.offset, start, [6.0, 4.0], [sign, 0.0], row, frame.holds, Way(frame, 2e-9)).rows for sign in (1.0, -1.0))
    return left[:0:-1] + right


def decorate(ax, plane: str, lines: dict):
    """Contours labelled on the spot, named regions."""
    ax.set(xlabel=p.LABELS["alpha"], ylabel=p.LABELS["variance"])
    place = 0.45 if plane == "balanced" else 0.62
    _write_levels(ax, [(lines[_bayes_name(plane, e)], f"{e:g}", place) for e in _errors(plane)], p.BLUE)
    ax.plot([], [], **look("separability"), label="linear separability" + (" (with bias)" if plane == "unbalanced" else ""))
    ax.plot([], [], **look("Bayes"), label="Bayes-optimal error")
    if plane == "unbalanced":
        _write_levels(ax, [(lines[_penalty_name(l2)], _power(l2), PLACES.get(l2, 30.0)) for l2 in PENALTIES], p.VERMILION)
        ax.plot([], [], **look("optimal"), label=r"best penalty $\lambda$, logistic loss")
    box = dict(boxstyle="square,pad=0.15", fc="white", ec="none", alpha=0.8)
    for text, x, y in (
        ("separable", 1.0, 0.58 if plane == "balanced" else 3.0),
        ("not separable", 25.0, 0.9 if plane == "balanced" else 1.1),
    ):
        ax.text(x, y, text, bbox=box, fontsize="small", ha="center", va="center")
    ax.set_xticks([0.3, 1, 3, 10, 30, 100], minor=False)
    ax.set_yticks([0.1, 0.2, 0.5, 1, 2, 5], minor=False)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_formatter(lambda value, _: "")
    ax.legend(loc="upper right", frameon=True, framealpha=0.9, edgecolor="none")


def _power(value):
    exponent = round(math.log10(value))
    return rf"$10^{{{exponent}}}$" if value == 10.0**exponent and value < 0.1 else f"{value:g}"


def _write_levels(ax, lines, colour):
    """The value of each contour written on it at its load, in a gap of the line."""
    box = dict(boxstyle="square,pad=0.1", fc="white", ec="none")
    for boundary, text, alpha in lines:
        order = np.argsort(boundary.alpha)
        y = math.exp(np.interp(math.log(alpha), np.log(boundary.alpha[order]), np.log(boundary.variance[order])))
        if ax.get_ylim()[0] * 1.08 < y < ax.get_ylim()[1] / 1.08:
            ax.text(alpha, y, text, color=colour, fontsize="x-small", ha="center", va="center", bbox=box)
