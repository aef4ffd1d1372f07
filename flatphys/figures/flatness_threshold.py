"""Figure: the load at which the surroundings of maximum-margin binary solutions stop being flat.

Baldassi et al., PRL 127 278301 (2021): below it the local entropy grows up to its maximum; above, a barrier opens.
"""

import warnings

import numpy as np

import flatphys as fp
from flatphys.errors import NegativeEntropyWarning
from flatphys.figures.local_entropy_curve import draw_count, without_patterns
from flatphys.plotting import style

LOADS = (0.65, 0.7, None, 0.75, 0.78)  # None: the threshold
RANGE = (3e-4, 0.5)


def compute(points: int = 120) -> list[dict]:
    """Records alpha, threshold, margin (the largest), distance, value, slope (d value / d distance), bound."""
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("binary"))
    threshold = fp.flatness_threshold(model)
    places = np.geomspace(*RANGE, points)
    records = []
    for alpha in (threshold if load is None else load for load in LOADS):
        margin = fp.max_margin(model, alpha)
        state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", margin=margin)), alpha)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NegativeEntropyWarning)
            found = fp.local_entropy(state, distance=places)
        columns = (found.distance, found.value, -2.0 * found.slope, without_patterns(places), found.status)
        for d, value, slope, bound, status in zip(*(column.tolist() for column in columns)):
            one = {"alpha": alpha, "threshold": threshold, "margin": margin, "distance": d}
            numbers = {"value": value, "slope": slope} if status == "ok" else {"value": None, "slope": None}
            records.append({**one, **numbers, "bound": bound, "status": status})
    return records


def draw(records: list[dict]):
    """Left the local entropy, right its slope, which touches zero at the threshold."""
    figure, (left, right) = style.panels(1, 2, width=style.PAGE, height=2.7)
    threshold = records[0]["threshold"]
    loads = list(dict.fromkeys(record["alpha"] for record in records))
    for ax in (left, right):
        ax.axhline(0.0, color=style.GREY, lw=0.6)
    left.plot(*style.select(records, "distance", "bound", alpha=loads[0]), color=style.GREY, ls=(0, (1, 1.2)), label=r"bound, $\alpha = 0$")
    for alpha, colour in zip(loads, (style.BLUE, style.SKY, style.BLACK, style.ORANGE, style.VERMILION)):
        at = alpha == threshold
        look = dict(color=colour, lw=1.6 if at else 1.2, zorder=3 if at else 2)
        text = rf"$\alpha^{{*}} = {alpha:.4f}$" if at else rf"${alpha:g}$" if alpha != loads[0] else rf"$\alpha = {alpha:g}$"
        draw_count(left, *style.select(records, "distance", "value", alpha=alpha, status="ok"), label=text, **look)
        x, slope = style.select(records, "distance", "slope", alpha=alpha, status="ok")
        right.plot(x, slope, **look)
        if at:
            inner = [i for i in range(1, len(x) - 1) if slope[i - 1] > slope[i] < slope[i + 1]]
            touch = min(inner, key=lambda i: abs(slope[i]))
            _, value = style.select(records, "distance", "value", alpha=alpha, status="ok")
            left.plot(x[touch], value[touch], "o", color=colour, zorder=4)
            right.plot(x[touch], slope[touch], "o", color=colour, zorder=4)
    left.plot([], [], color=style.GREY, lw=0.9, ls=(0, (3, 1.2)), label="no such weights")
    left.set(xscale="log", xlim=RANGE, ylim=(-0.035, 0.2), xlabel=style.LABELS["distance"], ylabel=style.LABELS["value"])
    right.set(xscale="log", xlim=RANGE, ylim=(-1.6, 2.4), xlabel=style.LABELS["distance"], ylabel="slope of the local entropy in $d$")
    left.legend(title="(a) around the maximum margin", title_fontsize="small", alignment="left", loc="upper left")
    style.letter(right, "(b)")
    return figure
