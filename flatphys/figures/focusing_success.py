"""Figure: the fraction of instances that a focusing algorithm solves against the load, beside the thresholds of theory.

Where the densest regions break up (flatness thresholds) algorithms stop finding solutions, well below the load at which solutions vanish
(Baldassi et al., PNAS 113 E7655 (2016); PRL 127 278301 (2021)).
"""

import numpy as np

import flatphys as fp
from flatphys.plotting import style

SIZES = {201: 32, 501: 24, 1001: 16}  # N -> instances
LOADS = (0.62, 0.66, 0.7, 0.72, 0.74, 0.76, 0.78, 0.8)
ALGORITHM = fp.FocusingBP(steps=1000, attempts=1)
SEED = 1


def thresholds() -> dict:
    """Loads by name: flatness around the largest margin and around the best centre, capacity."""
    model = fp.Model()
    return {
        "flat, largest margin": fp.flatness_threshold(model),
        "flat, densest": fp.flatness_threshold(model, reference="replicated"),
        "capacity": fp.capacity(model),
    }


def compute(sizes: dict = SIZES) -> list[dict]:
    """Records n, instances, alpha, success, low, high (95%), iterations (median); and line, alpha for the thresholds."""
    records = [{"line": name, "alpha": alpha} for name, alpha in thresholds().items()]
    for n, count in sizes.items():
        for alpha in LOADS:
            found = fp.find(fp.make_instances(fp.Model(), n, alpha, count, SEED), ALGORITHM, seed=SEED, progress=False)
            value, low, high = found.success
            steps = float(np.median(found.iterations))
            records.append({"n": n, "instances": count, "alpha": found.instances.alpha, "success": value, "low": low, "high": high})
            records[-1]["iterations"] = steps
    return records


def draw(records: list[dict]):
    """Symbols: fractions solved with their 95% intervals."""
    figure, ax = style.panels(height=2.7)
    sizes = list(dict.fromkeys(r["n"] for r in records if "n" in r))
    for n, colour, marker in zip(sizes, (style.ORANGE, style.GREEN, style.BLUE), "sDo"):
        dots = [r for r in records if r.get("n") == n]
        x, y = [r["alpha"] for r in dots], [r["success"] for r in dots]
        bars = [[r["success"] - r["low"] for r in dots], [r["high"] - r["success"] for r in dots]]
        ax.errorbar(x, y, bars, fmt=f"{marker}-", ms=3.5, mew=0.8, mfc="white", color=colour, lw=0.8, elinewidth=0.7, label=f"$N = {n}$")
    names = {"flat, largest margin": "flat: largest margin", "flat, densest": "flat: densest regions", "capacity": "capacity"}
    for (name, label), dashes in zip(names.items(), ((0, (1, 1.2)), (0, (4, 1.5)), "-")):
        place = next(r["alpha"] for r in records if r.get("line") == name)
        ax.axvline(place, color=style.GREY, lw=0.8, ls=dashes, zorder=1, label=rf"{label}, ${place:.4f}$")
    ax.set(xlim=(0.6, 0.85), ylim=(-0.02, 1.02), xlabel=style.LABELS["alpha"], ylabel="fraction of instances solved")
    ax.legend(loc="lower left", fontsize="x-small")
    return figure
