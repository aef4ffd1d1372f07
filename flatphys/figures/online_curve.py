"""Overlap, norm and error of online descent, from the table of `fp.online_learning` (not part of the gallery)."""

import pathlib

from flatphys.plotting import style

PANELS = {
    "cosine": r"cosine $m/\sqrt{q}$",
    "q": r"squared norm $q = |w|^2/N$",
    "generalization_error": style.LABELS["generalization_error"],
}


def draw(table):
    """One panel per quantity against the examples per weight."""
    figure, axes = style.panels(1, 3, width=style.PAGE, height=2.3)
    for ax, (name, label) in zip(axes, PANELS.items()):
        ordered = table[name].sortby("alpha")
        ax.plot(ordered.alpha.values, ordered.values, color=style.BLUE, marker="." if ordered.size < 30 else None)
        ax.set(xlabel=r"examples per weight $\alpha$", ylabel=label)
    return figure


def draw_to(table, path: pathlib.Path) -> pathlib.Path:
    """Draw and save as PNG or PDF."""
    with style.paper():
        return style.save_figure(draw(table), path)
