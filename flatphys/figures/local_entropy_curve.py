"""Local entropy against distance or overlap, from the table of `flatphys local-entropy` (not part of the gallery)."""

import math
import pathlib

import numpy as np

from flatphys.plotting import style


def without_patterns(distance, weights: str = "binary"):
    """The local entropy at alpha = 0, an upper bound at any load: h(d), or (1/2) log(1 - p^2) for spherical weights."""
    d = np.asarray(distance, dtype=float)
    if weights == "binary":
        return -d * np.log(d) - (1.0 - d) * np.log1p(-d)
    return 0.5 * np.log(4.0 * d * (1.0 - d))


def draw_count(ax, x, y, **look):
    """A line that is dashed and thinner where the count is negative: there its weights do not exist."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    turns = np.flatnonzero(y[1:] * y[:-1] < 0.0)
    zeros = x[turns] - y[turns] * (x[turns + 1] - x[turns]) / (y[turns + 1] - y[turns])
    x, y = np.insert(x, turns + 1, zeros), np.insert(y, turns + 1, 0.0)  # the two styles meet
    beside = (y < 0.0) | (np.append(y[1:], 1.0) < 0.0) | (np.insert(y[:-1], 0, 1.0) < 0.0)
    ax.plot(x, np.where(y >= 0.0, y, np.nan), **look)
    look.pop("label", None)
    ax.plot(x, np.where(beside & (y <= 0.0), y, np.nan), **{**look, "lw": 0.9, "ls": (0, (3, 1.2))})


def draw(rows: list[dict], against: str, weights: str):
    """Value against `against` ("distance" or "overlap") with the bound; broken where there is no value."""
    figure, ax = style.panels()
    rows = sorted(rows, key=lambda row: row[against])
    x = [row[against] for row in rows]
    y = [math.nan if row["value"] is None else row["value"] for row in rows]
    logarithmic = against == "distance" and x[-1] > 50.0 * x[0]
    low, high = x[0], x[-1]
    places = np.geomspace(low, high, 201) if logarithmic else np.linspace(low, high, 201)
    bound = without_patterns(places if against == "distance" else (1.0 - places) / 2.0, weights)
    if weights == "binary":
        ax.axhline(0.0, color=style.GREY, lw=0.6)
    ax.plot(places, bound, color=style.GREY, ls=(0, (4, 1.5)), lw=0.9, label=r"no patterns ($\alpha=0$)")
    ax.plot(x, y, color=style.BLUE, marker="." if len(x) < 30 else None)
    if logarithmic:
        ax.set_xscale("log")
    ax.set(xlabel=style.LABELS[against], ylabel=style.LABELS["value"])
    ax.legend()
    return figure


def draw_to(rows: list[dict], against: str, weights: str, path: pathlib.Path) -> pathlib.Path:
    """Draw and save as PNG or PDF."""
    with style.paper():
        return style.save_figure(draw(rows, against, weights), path)
