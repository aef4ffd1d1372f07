"""Figure: local entropy around typical binary solutions of growing margin, at three loads.

Huang & Kabashima 2014 (typical solutions are isolated); Baldassi et al., PRL 127 278301 (2021) (high margins).
"""

import warnings

import numpy as np

import flatphys as fp
from flatphys.errors import NegativeEntropyWarning
from flatphys.figures.local_entropy_curve import draw_count, without_patterns
from flatphys.plotting import style

LOADS = (0.4, 0.7, 0.8)
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the largest margin
NEAREST = 1e-3


def _curve(state, points):
    """(distance, value, status) on a logarithmic grid, finer where the curve ends."""
    distance = np.geomspace(NEAREST, 0.5, points)
    found = fp.local_entropy(state, distance=distance)
    out = [found.distance, found.value, found.status]
    gone = np.flatnonzero(found.status != "ok")
    if gone.size and gone[-1] + 1 < points:
        end = fp.local_entropy(state, distance=np.geomspace(distance[gone[-1]], distance[gone[-1] + 1], 14)[1:-1])
        order = np.argsort([*distance, *end.distance])
        out = [np.concatenate(pair)[order] for pair in zip(out, (end.distance, end.value, end.status))]
    return out


def compute(points: int = 100) -> list[dict]:
    """Records alpha, share, margin (of the reference), distance, value, bound, status; no value where the saddle is lost."""
    records = []
    for alpha in LOADS:
        largest = fp.max_margin(fp.Model(fp.RandomLabels(), fp.Gibbs("binary")), alpha)
        for share in SHARES:
            state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", margin=share * largest)), alpha)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NegativeEntropyWarning)
                places, values, statuses = _curve(state, points)
            for d, value, bound, status in zip(places.tolist(), values.tolist(), without_patterns(places).tolist(), statuses.tolist()):
                one = {"alpha": alpha, "share": share, "margin": share * largest, "distance": d}
                records.append({**one, "value": value if status == "ok" else None, "bound": bound, "status": status})
    return records


def draw(records: list[dict]):
    """One panel a load: dashed where the count is negative, a cross where the saddle is lost."""
    figure, axes = style.panels(1, len(LOADS), width=style.PAGE, height=2.5)
    limits, texts = ((-0.02, 0.43), (-0.13, 0.16), (-0.18, 0.08)), ("0", "1/4", "1/2", "3/4", "1")
    colours = (style.BLACK, style.BLUE, style.SKY, style.ORANGE, style.VERMILION)
    for ax, alpha, name, limit in zip(axes, LOADS, "abc", limits):
        mine = [record for record in records if record["alpha"] == alpha]
        ax.axhline(0.0, color=style.GREY, lw=0.6)
        for share, colour, text in zip(SHARES, colours, texts):
            x, y = style.select(mine, "distance", "value", share=share, status="ok")
            draw_count(ax, x, y, color=colour, label=text)
            if len(x) < sum(record["share"] == share for record in mine):
                ax.plot(x[0], y[0], "x", color=colour, ms=4.5, mew=1.1)
        x, bound = style.select(mine, "distance", "bound", share=1.0)
        ax.plot(x, bound, color=style.GREY, ls=(0, (1, 1.2)), lw=1.2)
        largest = max(record["margin"] for record in mine)
        ax.set_title(rf"({name}) $\alpha = {alpha:g}$, $\kappa_{{\max}} = {largest:.3f}$")
        ax.set(xscale="log", xlim=(NEAREST, 0.5), ylim=limit, xlabel=style.LABELS["distance"])
    axes[0].legend(title=r"reference's $\kappa/\kappa_{\max}$", title_fontsize="small", alignment="left", loc="upper left")
    axes[0].set_ylabel(style.LABELS["value"])
    _explain(axes[2])
    return figure


def _explain(ax):
    """What the lines' styles mean, in the last panel."""
    handles = [
        ax.plot([], [], color=style.GREY, ls=(0, (1, 1.2)), label=r"bound, $\alpha = 0$")[0],
        ax.plot([], [], color=style.GREY, lw=0.9, ls=(0, (3, 1.2)), label="no such weights")[0],
        ax.plot([], [], "x", color=style.GREY, ms=4.5, mew=1.1, label="saddle lost")[0],
    ]
    ax.legend(handles=handles, loc="lower right", bbox_to_anchor=(0.93, 0.0))
