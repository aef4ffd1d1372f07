"""Figure: the local entropy of what algorithms find, between that of typical solutions and that around the best centre there is.

Baldassi et al., PNAS 113 E7655 (2016); PRL 127 278301 (2021) for references of the largest margin.
"""

import warnings

import numpy as np

import flatphys as fp
from flatphys.errors import NegativeEntropyWarning, ReplicaSymmetryWarning
from flatphys.figures.local_entropy_curve import draw_count, without_patterns
from flatphys.plotting import style

ALPHA, N, INSTANCES, SEED = 0.6, 1001, 6, 1
NEAREST, FARTHEST = 3e-3, 0.2
DISTANCES = (0.004, 0.008, 0.015, 0.03, 0.06, 0.12)
ALGORITHMS = {"focusing messages": fp.FocusingBP(), "SBPI": fp.SBPI()}
CURVES = {
    "around the best centre": (style.BLACK, "-"),
    "around the largest margin": (style.GREEN, "-"),
    "around typical solutions": (style.BLUE, "-"),
}


def curves(alpha: float, distance) -> dict:
    """Theory's local entropies by the names of `CURVES`."""
    model = fp.Model()
    widest = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", margin=fp.max_margin(model, alpha)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NegativeEntropyWarning)
        warnings.simplefilter("ignore", ReplicaSymmetryWarning)
        return dict(
            zip(
                CURVES,
                (
                    fp.replicated_entropy(model, alpha, distance=distance, centre="binary"),
                    fp.local_entropy(fp.solve(widest, alpha), distance=distance),
                    fp.local_entropy(fp.solve(model, alpha), distance=distance),
                ),
            )
        )


def compute(n: int = N, count: int = INSTANCES, points: int = 60) -> list[dict]:
    """Records kind ("theory", "instances"), name (a curve or an algorithm), alpha, distance, value, error, status, n, solved."""
    instances = fp.make_instances(fp.Model(), n, ALPHA, count, SEED)
    base, records = {"alpha": instances.alpha, "n": n}, []
    for name, curve in curves(instances.alpha, np.geomspace(NEAREST, FARTHEST, points)).items():
        for d, value, status in zip(curve.distance.tolist(), curve.value.tolist(), curve.status.tolist()):
            record = base | {"kind": "theory", "name": name, "distance": d, "status": status}
            records.append(record | {"value": value if status == "ok" else None})
    for name, algorithm in ALGORITHMS.items():
        found = fp.find(instances, algorithm, seed=SEED, progress=False)
        around = fp.local_entropy(found, distance=DISTANCES)
        for d, value, error in zip(around.distance.tolist(), around.mean.tolist(), around.error.tolist()):
            record = base | {"kind": "instances", "name": name, "distance": d, "status": "ok", "solved": int(found.solved.sum())}
            if value == value:
                records.append(record | {"value": value, "error": error})
    return records


def draw(records: list[dict]):
    """Lines: theory, dashed where a count is negative; symbols: means over instances with their errors; dotted: all weights."""
    figure, ax = style.panels(height=2.7)
    for name, (colour, _) in CURVES.items():
        x, y = style.select(records, "distance", "value", kind="theory", name=name, status="ok")
        draw_count(ax, x, y, color=colour, label=name)
    for (name, _), colour, marker in zip(ALGORITHMS.items(), (style.VERMILION, style.ORANGE), "os"):
        dots = [r for r in records if r["kind"] == "instances" and r["name"] == name]
        x, y, error = ([r[key] for r in dots] for key in ("distance", "value", "error"))
        ax.errorbar(x, y, error, fmt=marker, ms=3.5, mew=0.8, mfc="white", color=colour, elinewidth=0.8, label=name, zorder=4)
    grid = np.geomspace(NEAREST, FARTHEST, 100)
    ax.plot(grid, without_patterns(grid), color=style.GREY, ls=(0, (1, 1.2)), lw=1.2, label="all weights")
    ax.axhline(0.0, color=style.GREY, lw=0.6)
    ax.set(xscale="log", xlim=(NEAREST, FARTHEST), ylim=(-0.02, 0.25), xlabel=style.LABELS["distance"], ylabel=style.LABELS["value"])
    ax.set_title(rf"$\alpha = {ALPHA:g}$, $N = {records[0]['n']}$")
    ax.legend(loc="upper left", fontsize="x-small")
    return figure
