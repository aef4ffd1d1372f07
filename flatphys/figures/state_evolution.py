"""Figure: message passing on instances, iteration by iteration, on the curves of state evolution.

With a binary teacher the curves tell which branch messages that know nothing reach: the student up to its spinodal, beyond it the teacher
(Donoho, Maleki & Montanari 2009; Bolthausen 2014).
"""

import math

import numpy as np

import flatphys as fp
from flatphys.finite_size.messages.amp import Task, amp
from flatphys.finite_size.messages.sites import Site
from flatphys.kernels.codes import BINARY
from flatphys.plotting import style
from flatphys.problem import channel_of

N, INSTANCES, SEED = 1001, 8, 1
PANELS = {  # panel -> (data, overlap that is drawn, loads, iterations)
    "random labels": (fp.RandomLabels(), "q", (0.5, 0.7, 0.8), 40),
    "teacher": (fp.Teacher(), "R", (1.0, 1.4, 1.55, 1.8), 40),
}


def messages(instances, k: int, iterations: int):
    """(q, R) of the magnetizations after 0 ... iterations of message passing from none, on instance k; R is 0 without a teacher.

    With a teacher messages end at the first signs that make no error: variances vanish there.
    """
    learner, n = instances.model.learner, instances.n
    channel = channel_of(learner.energy, learner.margin, learner.beta)
    task = Task(instances.patterns[k].astype(np.float64), None, 1.0, 1, channel, Site(BINARY, 0.0, 0.0, 1.0), np.zeros(n))
    teacher = np.zeros(n) if instances.teacher is None else instances.teacher[k]
    rows, point = [(0.0, 0.0)], None
    for _ in range(iterations):
        point, *_ = amp(task, 0.0, math.inf, 1, point)
        signs = np.sign(point.m)
        if teacher.any() and (signs @ task.x >= 0.0).all():
            rows += [(1.0, float(signs @ teacher) / n)] * (iterations + 1 - len(rows))
            break
        rows.append((point.q, float(point.m @ teacher) / n))
    return np.array(rows)


def compute(n: int = N, count: int = INSTANCES) -> list[dict]:
    """Records panel, alpha, iteration, kind ("theory", "instances"), value, error (over instances), n, spinodal (teacher)."""
    records = []
    for panel, (data, name, loads, iterations) in PANELS.items():
        model = fp.Model(data, fp.Gibbs("binary"))
        spinodal = fp.first_order_transition(model).spinodal if panel == "teacher" else None
        for alpha in loads:
            instances = fp.make_instances(model, n, alpha, count, SEED)
            seen = np.stack([messages(instances, k, iterations) for k in range(count)])[:, :, 0 if name == "q" else 1]
            theory = fp.state_evolution(model, instances.alpha, iterations)[name].values
            base = {"panel": panel, "alpha": alpha, "n": n, "spinodal": spinodal}
            for t in range(iterations + 1):
                records.append(base | {"iteration": t, "kind": "theory", "value": float(theory[t])})
                error = float(seen[:, t].std(ddof=1)) / math.sqrt(count)
                records.append(base | {"iteration": t, "kind": "instances", "value": float(seen[:, t].mean()), "error": error})
    return records


def draw(records: list[dict]):
    """Lines: state evolution; symbols: means over instances with their errors, every second iteration."""
    figure, axes = style.panels(1, 2, width=style.PAGE, height=2.7)
    for ax, letter, (panel, (_, name, loads, iterations)) in zip(axes, "ab", PANELS.items()):
        for alpha, colour, marker in zip(loads, (style.BLUE, style.GREEN, style.ORANGE, style.VERMILION), "osD^"):
            ax.plot(*style.select(records, "iteration", "value", panel=panel, alpha=alpha, kind="theory"), color=colour, lw=1.0)
            dots = [r for r in records if r["panel"] == panel and r["alpha"] == alpha and r["kind"] == "instances"][::2]
            look = dict(fmt=marker, ms=3.0, mew=0.7, mfc="white", color=colour, elinewidth=0.8, clip_on=False)
            x, y, error = ([r[key] for r in dots] for key in ("iteration", "value", "error"))
            ax.errorbar(x, y, error, **look, label=rf"$\alpha = {alpha:g}$")
        what = "teacher and student" if name == "R" else panel
        ax.set(xlim=(0, iterations), ylim=(0.0, 1.0 if name == "R" else None), xlabel="iteration", ylabel=style.LABELS[name])
        ax.set_title(rf"({letter}) {what}, $N = {records[0]['n']}$")
        ends = next((r["spinodal"] for r in records if r["panel"] == panel), None)
        ax.legend(loc="lower right", title=None if ends is None else rf"spinodal $\alpha = {ends:.3f}$")
    return figure
