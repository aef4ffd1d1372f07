"""Figure: which algorithms find solutions of the binary perceptron, up to which load, after how much work.

Work is counted in passes over all patterns (N P products each), so that the figure does not depend on a machine.
"""

import math

import numpy as np

import flatphys as fp
from flatphys.plotting import style
from flatphys.sweeps.flatness_study import passes, within

LOADS = (0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8)
N, INSTANCES, BUDGET = 201, 10, 4000
ALGORITHMS = {
    "FocusingBP": fp.FocusingBP(),
    "SelfFieldBP": fp.SelfFieldBP(),
    "ReinforcedBP": fp.ReinforcedBP(),
    "ReplicatedSGD": fp.ReplicatedSGD(),
    "SBPI": fp.SBPI(),
    "ReplicatedAnnealing": fp.ReplicatedAnnealing(),
    "SimulatedAnnealing": fp.SimulatedAnnealing(),
    "SGD": fp.SGD(),
}
LOOKS = dict(
    zip(
        ALGORITHMS,
        zip((style.BLUE, style.SKY, style.PURPLE, style.VERMILION, style.ORANGE, style.GREEN, style.YELLOW, style.GREY), "oD^svPXd"),
    )
)


def compute(loads=LOADS, n: int = N, instances: int = INSTANCES) -> list[dict]:
    """Records algorithm, alpha, success with its interval, passes (median of those that solve), and the three lines of the theory."""
    limited = {name: within(one, BUDGET) for name, one in ALGORITHMS.items()}
    table = fp.compare_algorithms(fp.Model(), list(loads), limited, n=n, instances=instances, seed=3, workers=1, progress=False)
    out = []
    for name, one in limited.items():
        for alpha in loads:
            cell = table.sel(algorithm=name, alpha=alpha)
            work = passes(one) * cell.iterations.values[cell.solved.values == 1.0]
            out.append(
                {"line": "simulation", "algorithm": name, "alpha": alpha, "n": n, "instances": instances}
                | {key: float(cell[key]) for key in ("success", "success_low", "success_high")}
                | {"passes": float(np.median(work)) if work.size else None}
            )
    model = fp.Model()
    marks = {
        "flatness threshold, maximum margin": fp.flatness_threshold(model, reference="max_margin"),
        "flatness threshold, replicas": fp.flatness_threshold(model, reference="replicated"),
        "capacity": fp.capacity(model),
    }
    return out + [{"line": name, "alpha": float(alpha)} for name, alpha in marks.items()]


def draw(records: list[dict]):
    """(a) fraction solved, (b) passes over the patterns of those that solve."""
    figure, (left, right) = style.panels(1, 2, width=style.PAGE, height=2.9)
    for name, (colour, marker) in LOOKS.items():
        mine = [r for r in records if r.get("algorithm") == name]
        alpha, success = [r["alpha"] for r in mine], [r["success"] for r in mine]
        look = dict(color=colour, marker=marker, ms=3.5, lw=0.9, mew=0.6, mfc="white")
        left.plot(alpha, success, label=name, **look)
        right.plot(alpha, [math.nan if r["passes"] is None else r["passes"] for r in mine], **look)
    marks = [r for r in records if r["line"] != "simulation"]
    for ax in (left, right):
        for mark, dashes in zip(marks, ((1, 1.2), (4, 1.5), (1, 0))):
            ax.axvline(mark["alpha"], color=style.BLACK, lw=0.7, ls=(0, dashes), label=mark["line"] if ax is right else None)
        ax.set(xlabel=style.LABELS["alpha"], xlim=(0.28, 0.86))
    n, count = next((r["n"], r["instances"]) for r in records if r["line"] == "simulation")
    left.set(ylabel="fraction of instances solved", ylim=(-0.03, 1.03), title=rf"(a) success, $N = {n}$, {count} instances")
    left.legend(fontsize="x-small", loc="lower left", handlelength=1.6)
    right.set(yscale="log", ylim=(0.7, None), ylabel="passes over the patterns", title="(b) work of those that solve")
    right.legend(fontsize="x-small", loc="lower left", handlelength=1.8)
    return figure
