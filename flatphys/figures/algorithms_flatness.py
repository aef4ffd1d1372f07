"""Figure: how flat the solutions that algorithms find are, between the typical ones and the densest regions.

(a) local entropies by messages on the instances, (b) local energies, (c) where replicas stand on the entropy of replicated solutions.
"""

import warnings

import numpy as np

import flatphys as fp
from flatphys.plotting import style
from flatphys.sweeps.contest import mutual_overlap

N, INSTANCES, ALPHA = 501, 5, 0.6
DISTANCES = (0.03, 0.06, 0.1, 0.15, 0.2)
FLIPS = (0.01, 0.03, 0.06, 0.1, 0.15)
ALGORITHMS = {"FocusingBP": fp.FocusingBP(), "ReplicatedSGD": fp.ReplicatedSGD(), "SBPI": fp.SBPI()}
LOOKS = dict(zip(ALGORITHMS, ((style.BLUE, "o"), (style.VERMILION, "s"), (style.GREEN, "v"))))


def _theory():
    model = fp.Model()
    typical = fp.solve(model, ALPHA)
    wide = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", margin=fp.max_margin(model, ALPHA))), ALPHA)
    grid, fine = np.linspace(0.005, 0.22, 44), np.linspace(0.0, 0.16, 33)
    star = fp.replicated_entropy(model, ALPHA, distance=grid, centre="binary")
    curves = {
        "typical": fp.local_entropy(typical, distance=grid),
        "maximum margin": fp.local_entropy(wide, distance=grid),
        "star of replicas": star,
    }
    for name, curve in curves.items():
        yield from _records("a", name, grid, np.where(curve.status == "ok", curve.value, np.nan))
    for name, state in (("typical", typical), ("maximum margin", wide)):
        yield from _records("b", name, fine, fp.local_energy(state, distance=fine))
    mutual = np.linspace(0.005, 0.3, 40)
    for name, y in (("infinitely many replicas", np.inf), ("7 replicas", 7.0)):
        curve = fp.replicated_entropy(model, ALPHA, distance=mutual, y=y)
        yield from _records("c", name, mutual, np.where(curve.status == "ok", curve.value, np.nan))


def _records(panel, name, x, values, errors=None):
    kind = "theory" if errors is None else "simulation"
    for i, (place, value) in enumerate(zip(np.asarray(x).tolist(), np.asarray(values).tolist())):
        if value == value:
            yield {"panel": panel, "kind": kind, "curve": name, "x": place, "value": value, "error": None if errors is None else errors[i]}


def compute(n: int = N, instances: int = INSTANCES) -> list[dict]:
    """Records panel, kind (theory, simulation), curve, x, value, error; in panel c a simulation is a mutual distance and its spread."""
    with warnings.catch_warnings():
        for category in (fp.errors.ReplicaSymmetryWarning, fp.errors.NegativeEntropyWarning):  # both are drawn and known
            warnings.simplefilter("ignore", category)
        out = list(_theory())
    given = fp.make_instances(fp.Model(), n, ALPHA, count=instances, seed=5)
    for name, algorithm in ALGORITHMS.items():
        found = fp.find(given, algorithm, seed=1, threads=1, progress=False)
        solved = given[np.flatnonzero(found.solved)].measure(found.weights[found.solved]) if not found.solved.all() else found
        around = fp.local_entropy(solved, distance=DISTANCES)
        out += _records("a", name, DISTANCES, around.mean, around.error.tolist())
        rise = fp.local_energy(solved, distance=FLIPS)
        out += _records("b", name, FLIPS, rise.mean, np.asarray(rise.error).tolist())
        if name == "ReplicatedSGD":
            apart = np.array([0.5 * (1.0 - mutual_overlap(one)) for one in found.replicas])
            out.append(
                {"panel": "c", "kind": "simulation", "curve": name, "x": float(apart.mean()), "value": None, "error": float(apart.std())}
            )
    return out


def draw(records: list[dict]):
    """(a) local entropy, (b) local energy, (c) replicas."""
    figure, axes = style.panels(1, 3, width=style.PAGE, height=2.6)
    lines = {"typical": (style.GREY, (4, 1.5)), "maximum margin": (style.GREY, (1, 1.2)), "star of replicas": (style.BLACK, (1, 0))}
    lines |= {"infinitely many replicas": (style.BLACK, (1, 0)), "7 replicas": (style.PURPLE, (4, 1.5))}
    for ax, panel in zip(axes, "abc"):
        for name, (colour, dashes) in lines.items():
            x, y = style.select(records, "x", "value", panel=panel, kind="theory", curve=name)
            if x:
                ax.plot(x, y, color=colour, ls=(0, dashes), lw=1.0, label=name)
        for name, (colour, marker) in LOOKS.items():
            dots = [r for r in records if r["panel"] == panel and r["kind"] == "simulation" and r["curve"] == name]
            if panel == "c":
                for dot in dots:
                    ax.axvspan(
                        dot["x"] - dot["error"], dot["x"] + dot["error"], color=colour, alpha=0.3, lw=0.0, label=f"{name}, 7 replicas"
                    )
            elif dots:
                look = dict(fmt=marker, ms=3.0, color=colour, elinewidth=0.7, mew=0.7, mfc="white", label=name)
                ax.errorbar([r["x"] for r in dots], [r["value"] for r in dots], [r["error"] or 0.0 for r in dots], **look)
        ax.legend(fontsize="x-small", loc="upper left" if panel == "b" else "lower right", handlelength=1.6)
    axes[0].set(xlabel=r"distance $d$", ylabel=style.LABELS["value"], xlim=(0.0, 0.22), ylim=(0.0, None), title="(a) around solutions")
    axes[1].set(xlabel="fraction of weights flipped", ylabel="rise of the training error", ylim=(0.0, None), title="(b) local energy")
    axes[2].set(
        xlabel=r"mutual distance $d$",
        ylabel="entropy of a replica",
        xlim=(0.0, 0.3),
        ylim=(0.0, None),
        title=rf"(c) replicas, $\alpha = {ALPHA:g}$",
    )
    return figure
