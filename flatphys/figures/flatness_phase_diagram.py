"""Figure: capacity and flatness thresholds of the binary perceptron in the plane of load and margin.

Baldassi et al., PRL 115 128101 (2015) and PRL 127 278301 (2021).
"""

import numpy as np

import flatphys as fp
from flatphys.figures import style


def compute(points: int = 13) -> list[dict]:
    """Records margin, capacity (zero entropy) and dense_threshold (y = inf replicated solutions)."""
    records = []
    for margin in np.linspace(-0.4, 0.8, points).tolist():
        model = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", margin=margin))
        records.append({"margin": margin, "capacity": fp.capacity(model), "dense_threshold": fp.flatness_threshold(model, reference="replicated")})
    return records


def draw(records: list[dict]):
    """Loads on the abscissa, as in phase diagrams of storage."""
    figure, ax = style.panels()
    margin = [record["margin"] for record in records]
    capacity, dense = ([record[name] for record in records] for name in ("capacity", "dense_threshold"))
    ax.fill_betweenx(margin, 0.0, dense, color=style.GREEN, alpha=0.14, lw=0)
    ax.fill_betweenx(margin, dense, capacity, color=style.ORANGE, alpha=0.18, lw=0)
    ax.plot(capacity, margin, color=style.BLACK, label="capacity (zero entropy)")
    ax.plot(dense, margin, color=style.VERMILION, ls="--", label=r"flatness threshold, $y = \infty$")
    ax.text(0.09, -0.28, "dense regions", fontsize=7.5)
    ax.text(1.32, 0.12, "no solutions", fontsize=7.5, ha="center")
    ax.set(xlim=(0.0, 1.65), ylim=(margin[0], margin[-1]), xlabel=style.LABELS["alpha"], ylabel=style.LABELS["margin"])
    ax.legend(loc="upper right")
    return figure
