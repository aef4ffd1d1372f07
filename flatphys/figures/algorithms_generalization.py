"""Figure: flatness of the solutions that algorithms find on a binary teacher's problems against their test error, at the same budget."""

import math

import flatphys as fp
from flatphys.figures.algorithms_success import ALGORITHMS, LOOKS
from flatphys.plotting import style

PROBLEMS = {  # panel -> (title, network, load, N, hidden, measure, label)
    "a": ("perceptron", fp.Perceptron(), 0.7, 201, None, "local_entropy", "local entropy at $d = 0.05$"),
    "b": ("perceptron", fp.Perceptron(), 0.7, 201, None, "local_energy", "local energy at $d = 0.05$"),
    "c": ("committee, 3 sign units", fp.TreeCommittee("sign"), 0.4, 201, 3, "local_entropy", "local entropy at $d = 0.05$"),
    "d": ("committee, 3 sign units", fp.TreeCommittee("sign"), 0.4, 201, 3, "local_energy", "local energy at $d = 0.05$"),
}
INSTANCES, BUDGET = 20, 6000


def compute(instances: int = INSTANCES) -> list[dict]:
    """Records panel, algorithm, instance, flatness and test error (x, y: minus the instance's mean); a line of correlations each."""
    out, seen = [], {}
    for panel, (_, network, alpha, n, hidden, measure, _) in PROBLEMS.items():
        if hidden not in seen:
            model = fp.Model(fp.Teacher(), fp.Gibbs("binary", network=network))
            run = {"n": n, "hidden": hidden, "instances": instances, "budget": BUDGET, "seed": 7, "workers": 1, "progress": False}
            seen[hidden] = fp.flatness_against_generalization(model, alpha, ALGORITHMS, **run)
        table = seen[hidden]
        solved = table.solved.values == 1.0
        inner = table.where(table.solved == 1.0)
        x, y = inner[measure] - inner[measure].mean("algorithm"), inner.generalization_error - inner.generalization_error.mean("algorithm")
        for a, name in enumerate(table.algorithm.values.tolist()):
            for k in range(table.instance.size):
                if solved[a, k] and math.isfinite(x.values[a, k]):
                    record = {"panel": panel, "algorithm": name, "instance": k, "x": float(x[a, k]), "y": float(y[a, k])}
                    out.append(record | {measure: float(table[measure][a, k]), "test_error": float(table.generalization_error[a, k])})
        cell = table.sel(measure=measure, kind="within instances")
        out.append({"panel": panel} | {name: float(cell[name]) for name in ("correlation", "correlation_low", "correlation_high", "runs")})
    return out


def draw(records: list[dict]):
    """Deviations from the mean of an instance, with the rank correlation within instances and its interval."""
    figure, axes = style.panels(2, 2, width=style.PAGE, height=4.8)
    for ax, (panel, (title, _, alpha, n, _, _, label)) in zip(axes.flat, PROBLEMS.items()):
        for name, (colour, marker) in LOOKS.items():
            x, y = style.select(records, "x", "y", panel=panel, algorithm=name)
            ax.plot(x, y, marker, color=colour, ms=2.5, mew=0.5, mfc="none", label=name)
        sum_up = next(r for r in records if r["panel"] == panel and "correlation" in r)
        words = "rank correlation {correlation:.2f} [{correlation_low:.2f}, {correlation_high:.2f}], {runs:.0f} runs".format(**sum_up)
        ax.set_title(rf"({panel}) {title}, $\alpha = {alpha:g}$, $N = {n}$" + f"\n{words}", fontsize="small")
        ax.set(xlabel=f"{label}\n(minus the instance's mean)")
    for ax in axes[:, 0]:
        ax.set(ylabel="test error (minus the instance's mean)")
    axes[0, 1].legend(fontsize="xx-small", loc="lower right", handlelength=1.0, ncols=2)
    return figure
