"""Figure: local entropy around minimisers of the logistic loss of growing l2, on the balanced mixture at alpha = 1.

Compare Baldassi, Malatesta, Negri & Zecchina 2020 (wide flat minima on the Gaussian mixture).  A strong l2 errs on
some training patterns, so that weights without errors keep a distance from it; further out there are more of them.
"""

import math

import numpy as np

import flatphys as fp
from flatphys.figures.local_entropy_curve import without_patterns
from flatphys.plotting import style

ALPHA = 1.0
STRENGTHS = (0.01, 0.1, 0.3, 1.0, 10.0)
BETAS = (math.inf, 5.0)
RANGE = (3e-4, 0.42)  # distances


def _distances(nearest, points):
    """Logarithmic, and finer towards the nearest distance at which the constraint can be met."""
    if nearest < RANGE[0]:
        return np.geomspace(*RANGE, points)
    close = nearest * (1.0 + np.geomspace(0.01, 0.3, points // 3, endpoint=False))
    return np.concatenate([close, np.geomspace(1.3 * nearest, RANGE[1], points - close.size)])


def compute(points: int = 50) -> list[dict]:
    """Records beta (of the counted weights), l2, distance, overlap, value, bound, status, and largest_overlap where hard."""
    records = []
    for l2 in STRENGTHS:
        state = fp.solve(fp.Model(fp.GaussianMixture(), fp.ERM(loss="logistic", l2=l2)), ALPHA)
        for beta in BETAS:
            largest = fp.largest_overlap(state) if beta == math.inf else None
            places = _distances(0.0 if largest is None else 0.5 * (1.0 - largest), points)
            found = fp.local_entropy(state, distance=places, beta=beta)
            columns = (found.distance, found.overlap, found.value, without_patterns(found.distance, "spherical"), found.status)
            for d, p, value, bound, status in zip(*(column.tolist() for column in columns)):
                one = {"alpha": ALPHA, "beta": beta, "l2": l2, "largest_overlap": largest, "distance": d, "overlap": p}
                one |= {"value": value if status == "ok" else None, "bound": bound, "status": status}
                records.append({**one, "train_error": state.train_error, "generalization_error": state.generalization_error})
    return records


def draw(records: list[dict]):
    """(a) no errors, with the bound; what the local entropy falls short of it, (b) for no errors, (c) for errors at a price."""
    figure, (left, middle, right) = style.panels(1, 3, width=style.PAGE, height=2.5)
    places = np.geomspace(*RANGE, 201)
    left.plot(places, without_patterns(places, "spherical"), color=style.GREY, ls=(0, (1, 1.2)), label=r"$\frac{1}{2}\,\log(1-p^2)$")
    for ax in (middle, right):
        ax.axhline(0.0, color=style.GREY, ls=(0, (1, 1.2)))
    for l2, colour in zip(STRENGTHS, (style.BLACK, style.BLUE, style.SKY, style.ORANGE, style.VERMILION)):
        for beta, ax in zip(BETAS, (middle, right)):
            x, y = style.select(records, "distance", "value", beta=beta, l2=l2, status="ok")
            _, bound = style.select(records, "distance", "bound", beta=beta, l2=l2, status="ok")
            ax.plot(x, np.subtract(y, bound), color=colour)
            if beta == math.inf:
                left.plot(x, y, color=colour, label=rf"penalty $\lambda = {l2:g}$" if l2 == STRENGTHS[0] else f"{l2:g}")
    left.set(ylim=(-4.2, 0.2), ylabel=style.LABELS["value"], title="(a) no errors")
    middle.set(ylim=(-1.6, 0.06), ylabel="local entropy minus bound", title="(b) no errors")
    right.set(ylim=(-0.8, 0.03), title=rf"(c) errors at a price, $\beta = {BETAS[1]:g}$")
    for ax in (left, middle, right):
        ax.set(xscale="log", xlim=RANGE, xlabel=r"distance $d = (1-p)/2$")
    left.legend(loc="upper left", borderaxespad=0.3)
    return figure
