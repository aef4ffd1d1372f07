"""Figure: capacity and flatness thresholds of the binary perceptron in the plane of load and margin.

Baldassi et al., PRL 115 128101 (2015) and PRL 127 278301 (2021).
"""

import numpy as np

import flatphys as fp
from flatphys.plotting import style


def compute(points: int = 13) -> list[dict]:
    """Records line ("capacity": zero entropy; "dense": flatness threshold of y = inf replicated solutions), margin, alpha."""

    def line(name, threshold, count):
        margins = np.linspace(-0.4, 0.8, count).tolist()
        models = [fp.Model(fp.RandomLabels(), fp.Gibbs("binary", margin=margin)) for margin in margins]
        return [{"line": name, "margin": margin, "alpha": threshold(model)} for margin, model in zip(margins, models)]

    return line("capacity", fp.capacity, 8 * points - 7) + line(
        "dense", lambda model: fp.flatness_threshold(model, reference="replicated"), points
    )


def draw(records: list[dict]):
    """Loads on the abscissa, as in phase diagrams of storage."""
    figure, ax = style.panels()
    margin, capacity = style.select(records, "margin", "alpha", line="capacity")
    knots, loads = style.select(records, "margin", "alpha", line="dense")
    dense = np.interp(margin, knots, np.array(loads) / np.interp(knots, margin, capacity)) * capacity  # their ratio is smooth
    ax.fill_betweenx(margin, 0.0, dense, color=style.GREEN, alpha=0.14, lw=0)
    ax.fill_betweenx(margin, dense, capacity, color=style.ORANGE, alpha=0.18, lw=0)
    ax.plot(capacity, margin, color=style.BLACK, label="capacity (zero entropy)")
    ax.plot(dense, margin, color=style.VERMILION, ls="--", label=r"flatness threshold, $y = \infty$")
    ax.text(0.09, -0.28, "dense regions", fontsize="small")
    ax.text(1.32, 0.12, "no solutions", fontsize="small", ha="center")
    ax.set(xlim=(0.0, 1.65), ylim=(margin[0], margin[-1]), xlabel=style.LABELS["alpha"], ylabel=style.LABELS["margin"])
    ax.legend(loc="upper right")
    return figure
