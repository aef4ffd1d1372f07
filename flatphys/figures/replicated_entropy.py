"""Figure: the densest regions of binary solutions beside the typical ones, as functions of distance.

Baldassi et al., PRL 115 128101 (2015) (y -> infinity); Huang & Kabashima 2014 (typical solutions).
"""

import warnings

import numpy as np

import flatphys as fp
from flatphys.errors import NegativeEntropyWarning, ReplicaSymmetryWarning
from flatphys.figures.local_entropy_curve import draw_count, without_patterns
from flatphys.plotting import style

LOADS = (0.4, 0.6, 0.7, 0.8)
NEAREST = 2e-3


def compute(points: int = 110) -> list[dict]:
    """Records alpha, kind ("replicated" at y = inf, "typical"), distance, value, status."""
    model, distance = fp.Model(fp.RandomLabels(), fp.Gibbs("binary")), np.geomspace(NEAREST, 0.5, points)
    records = []
    for alpha in LOADS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NegativeEntropyWarning)
            warnings.simplefilter("ignore", ReplicaSymmetryWarning)
            found = {
                "replicated": fp.replicated_entropy(model, alpha, distance=distance[:-1]),
                "typical": fp.local_entropy(fp.solve(model, alpha), distance=distance),
            }
        for kind, answer in found.items():
            for d, value, status in zip(answer.distance.tolist(), answer.value.tolist(), answer.status.tolist()):
                records.append({"alpha": alpha, "kind": kind, "distance": d, "value": value if status == "ok" else None, "status": status})
    return records


def draw(records: list[dict]):
    """Solid: replicated solutions at mutual distance d; dashed: solutions at distance d from a typical one; dotted: all weights."""
    figure, axes = style.panels(1, 2, width=style.PAGE, height=2.7)
    for ax, kind, title in zip(axes, ("replicated", "typical"), ("(a) densest regions, $y = \\infty$", "(b) around typical solutions")):
        ax.axhline(0.0, color=style.GREY, lw=0.6)
        for alpha, colour in zip(LOADS, (style.BLUE, style.GREEN, style.ORANGE, style.VERMILION)):
            x, y = style.select(records, "distance", "value", alpha=alpha, kind=kind, status="ok")
            draw_count(ax, x, y, color=colour, label=rf"$\alpha = {alpha:g}$")
        x = np.geomspace(NEAREST, 0.499, 200)
        # weights at mutual distance d surround a barycentre at distance (1 - sqrt(1-2d))/2, at which they are counted
        reach = 0.5 * (1.0 - np.sqrt(1.0 - 2.0 * x)) if kind == "replicated" else x
        ax.plot(x, without_patterns(reach), color=style.GREY, ls=(0, (1, 1.2)), lw=1.2, label=r"bound, $\alpha = 0$")
        ax.set(xscale="log", xlim=(NEAREST, 0.4), ylim=(-0.03, 0.32), title=title)
        ax.plot([], [], color=style.GREY, lw=0.9, ls=(0, (3, 1.2)), label="no such weights")
    axes[0].set(xlabel=r"mutual distance $d$", ylabel=style.LABELS["replicated_entropy.value"])
    axes[1].set(xlabel=style.LABELS["distance"], ylabel=style.LABELS["value"])
    axes[0].legend(loc="upper left")
    return figure
