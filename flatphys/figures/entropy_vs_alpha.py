"""Figure: how many binary solutions there are, against the load, for several margins (Krauth & Mezard 1989)."""

import math
import warnings

import numpy as np

import flatphys as fp
from flatphys.errors import NegativeEntropyWarning
from flatphys.plotting import style

MARGINS = (-0.5, -0.25, 0.0, 0.25, 0.5, 1.0)
BEYOND = 1.12  # how far past capacity the formal, negative continuation is followed


def compute(points: int = 80) -> list[dict]:
    """Records margin, alpha, entropy (nats per weight), capacity: up to the capacity and a little beyond."""
    records = []
    for margin in MARGINS:
        model = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", margin=margin))
        capacity = fp.capacity(model)
        records.append({"margin": margin, "alpha": 0.0, "entropy": math.log(2.0), "phase": "sat", "capacity": capacity})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NegativeEntropyWarning)
            for alpha in np.linspace(0.0, BEYOND * capacity, points + 1)[1:].tolist():
                state = fp.solve(model, alpha)
                records.append({"margin": margin, "alpha": alpha, "entropy": state.entropy, "phase": state.phase, "capacity": capacity})
    return records


def draw(records: list[dict]):
    """Solid where solutions exist, dashed below zero, a dot at each capacity."""
    figure, ax = style.panels()
    ax.axhline(0.0, color=style.GREY, lw=0.6)
    for margin, colour in zip(MARGINS, (style.PURPLE, style.SKY, style.BLACK, style.BLUE, style.GREEN, style.VERMILION)):
        x, y = style.select(records, "alpha", "entropy", margin=margin)
        capacity = next(record["capacity"] for record in records if record["margin"] == margin)
        count = sum(value > 0.0 for value in y)
        ax.plot([*x[:count], capacity], [*y[:count], 0.0], color=colour, label=rf"$\kappa = {margin:g}$")
        ax.plot([capacity, *x[count:]], [0.0, *y[count:]], color=colour, ls=(0, (2, 1.5)), lw=0.9)
        ax.plot(capacity, 0.0, "o", color=colour, clip_on=False, zorder=4)
    ax.set(xlim=(0.0, 1.95), ylim=(-0.09, 0.72), xlabel=style.LABELS["alpha"], ylabel=style.LABELS["entropy"])
    ax.legend(title="dots: capacity $\\alpha_{\\mathrm{c}}(\\kappa)$\ndashed: no solutions", title_fontsize="small", alignment="left")
    return figure
