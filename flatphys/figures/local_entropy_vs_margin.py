"""Figure: local entropy at small distances against the margin of the binary reference, at several loads.

Baldassi et al., PRL 127 278301 (2021): the larger the margin, the more solutions surround it, up to the bound.
"""

import warnings

import numpy as np

import flatphys as fp
from flatphys.errors import NegativeEntropyWarning
from flatphys.figures.local_entropy_curve import draw_count, without_patterns
from flatphys.plotting import style

LOADS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.75)
DISTANCES = (0.005, 0.05)


def compute(points: int = 40) -> list[dict]:
    """Records alpha, distance, margin (0 to the largest), value, bound, status; no value where the saddle is lost."""
    records = []
    for alpha in LOADS:
        largest = fp.max_margin(fp.Model(fp.RandomLabels(), fp.Gibbs("binary")), alpha)
        for margin in np.linspace(0.0, largest, points).tolist():
            state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", margin=margin)), alpha)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NegativeEntropyWarning)
                found = fp.local_entropy(state, distance=DISTANCES)
            for d, value, bound, status in zip(
                DISTANCES, found.value.tolist(), without_patterns(DISTANCES).tolist(), found.status.tolist()
            ):
                one = {"alpha": alpha, "distance": d, "margin": margin, "largest_margin": largest}
                records.append({**one, "value": value if status == "ok" else None, "bound": bound, "status": status})
    return records


def draw(records: list[dict]):
    """One panel a distance; a dot at the largest margin of each load."""
    figure, axes = style.panels(1, len(DISTANCES), width=style.PAGE, height=2.7)
    limits = ((-0.032, 0.038), (-0.03, 0.225))
    for ax, d, name, limit in zip(axes, DISTANCES, "ab", limits):
        mine = [record for record in records if record["distance"] == d]
        bound = mine[0]["bound"]
        ax.axhline(0.0, color=style.GREY, lw=0.6)
        ax.axhline(bound, color=style.GREY, ls=(0, (1, 1.2)), lw=1.2)
        ax.text(
            0.9, bound + 0.015 * (limit[1] - limit[0]), r"bound, $\alpha = 0$", ha="right", va="bottom", fontsize="small", color=style.GREY
        )
        for alpha, colour in zip(LOADS, (style.BLUE, style.SKY, style.GREEN, style.ORANGE, style.VERMILION, style.BLACK)):
            x, y = style.select(mine, "margin", "value", alpha=alpha, status="ok")
            draw_count(ax, x, y, color=colour, label=rf"$\alpha = {alpha:g}$" if alpha == LOADS[0] else f"{alpha:g}")
            ax.plot(x[-1], y[-1], "o", color=colour, zorder=4)
        ax.set(xlim=(-0.01, 0.95), ylim=limit, xlabel="margin $\\kappa$ of the reference")
        ax.set_title(rf"({name}) $d = {d:g}$")
    axes[0].set_ylabel(style.LABELS["value"])
    axes[0].plot([], [], color=style.GREY, lw=0.9, ls=(0, (3, 1.2)), label="no such weights")
    axes[0].legend(title=r"dots: $\kappa_{\max}(\alpha)$", title_fontsize="small", alignment="left", loc="lower right", ncols=2)
    return figure
