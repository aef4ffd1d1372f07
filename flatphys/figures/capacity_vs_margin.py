"""Figure: capacity against margin for binary and spherical weights, stability line, one-step RSB capacity.

Gardner 1988; Gardner & Derrida 1988; Krauth & Mezard 1989; Franz & Parisi 2016 (negative margins).
"""

import numpy as np

import flatphys as fp
from flatphys.plotting import style

LINES = {
    "spherical, RS": ("spherical", fp.capacity),
    "spherical, 1RSB": ("spherical", lambda model: fp.capacity(model, ansatz="1RSB")),
    "spherical, AT line": ("spherical", fp.at_line),
    "binary, zero entropy": ("binary", fp.capacity),
}


def compute(points: int = 81) -> list[dict]:
    """Records line, margin, alpha; the 1RSB and stability lines only at negative margins, where they differ."""
    records = []
    for line, (weights, question) in LINES.items():
        negative_only = line in ("spherical, 1RSB", "spherical, AT line")
        for margin in np.round(np.linspace(-2.0, 2.0, points), 12).tolist():
            if margin >= 0.0 and negative_only:
                continue
            alpha = question(fp.Model(fp.RandomLabels(), fp.Gibbs(weights, margin=margin)))
            records.append({"line": line, "margin": margin, "alpha": alpha})
        if negative_only:  # all of them meet in Gardner's capacity at margin 0
            records.append({"line": line, "margin": 0.0, "alpha": 2.0})
    return records


def draw(records: list[dict]):
    """Loads on a logarithmic axis; the region between stability line and capacity is shaded."""
    figure, ax = style.panels(height=2.7)
    looks = {
        "spherical, RS": dict(color=style.BLUE, label="spherical, RS capacity"),
        "spherical, 1RSB": dict(color=style.VERMILION, ls=(0, (4, 1.5)), label="spherical, 1RSB capacity"),
        "spherical, AT line": dict(color=style.GREEN, ls=(0, (1, 1.2)), lw=1.5, label="spherical, AT stability line"),
        "binary, zero entropy": dict(color=style.BLACK, label="binary capacity (zero entropy)"),
    }
    lines = {line: style.select(records, "margin", "alpha", line=line) for line in looks}
    for line, look in looks.items():
        ax.semilogy(*lines[line], **look)
    x, top = lines["spherical, 1RSB"]
    ax.fill_between(x, lines["spherical, AT line"][1], top, color=style.GREEN, alpha=0.15, lw=0, label="replica symmetry broken")
    ax.set(xlim=(-2.0, 2.0), ylim=(0.1, 200.0), xlabel=style.LABELS["margin"], ylabel=style.LABELS["alpha"])
    ax.legend()
    return figure
