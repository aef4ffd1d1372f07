"""A quantity against the load, from the table of `flatphys curve` (not part of the gallery)."""

import math
import pathlib

from flatphys import quantities
from flatphys.plotting import style


def draw(rows: list[dict], quantity: str):
    """One line per branch, dashed where replica symmetry or the entropy forbids it, broken where there is no value."""
    figure, ax = style.panels()
    branches = list(dict.fromkeys(row["branch"] for row in rows if row["status"] == "ok"))
    formal = False
    for branch, colour in zip(branches, style.CYCLE):
        mine = [row for row in rows if row["status"] != "ok" or row["branch"] == branch]
        x = [row["alpha"] for row in mine]
        y = [row.get(quantity) if row["status"] == "ok" else math.nan for row in mine]
        y = [value if value is not None and math.isfinite(value) else math.nan for value in y]
        fine = [row.get("phase") == "sat" for row in mine]
        near = [any(fine[max(0, i - 1) : i + 2]) for i in range(len(fine))]  # the two styles meet without a gap
        marker = "." if len(x) < 30 else None
        ax.plot(x, [v if n else math.nan for v, n in zip(y, near)], color=colour, marker=marker, label=branch)
        if not all(fine):
            formal = True
            ax.plot(x, [math.nan if f else v for v, f in zip(y, fine)], color=colour, marker=marker, ls="--")
    if formal:
        ax.plot([], [], color=style.GREY, ls="--", label="unstable or formal")
    ax.set_xlabel(style.LABELS["alpha"])
    drawn = quantities.of(quantity, "solve")
    ax.set_ylabel(drawn.label)
    ax.set_yscale("log" if drawn.log else "linear")
    if formal or len(branches) > 1:
        ax.legend()
    return figure


def draw_to(rows: list[dict], quantity: str, path: pathlib.Path) -> pathlib.Path:
    """Draw and save as PNG or PDF."""
    with style.paper():
        return style.save_figure(draw(rows, quantity), path)
