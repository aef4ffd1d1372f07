"""Figure: hysteresis at the first-order transition of binary teacher and student (Gyorgyi 1990; Horner 1992 for the dynamics).

Lines are the branches of the saddle-point equations, symbols finite systems started from random weights and from the
teacher, with the same ladder of replica exchange.  Theory has the teacher as a locally stable state at every load; in a finite system its
barrier is low at small loads, and the teacher is forgotten.
"""

import math
import warnings

import numpy as np

import flatphys as fp
from flatphys.errors import ReplicaSymmetryWarning
from flatphys.finite_size.chains.ensemble import Chains
from flatphys.finite_size.chains.ladder import ladder
from flatphys.finite_size.instances import make_instances
from flatphys.finite_size.schedule import starting_weights
from flatphys.plotting import style

BETAS = (math.inf, 2.0)
LOADS = {math.inf: (0.4, 0.6, 0.8, 1.0, 1.2, 1.35, 1.5, 1.7), 2.0: (0.4, 0.7, 1.0, 1.4, 1.6, 1.8, 2.0)}
SIZES = {math.inf: 61, 2.0: 81}
INSTANCES, SWEEPS, EVERY, SEED = 12, 1000, 10, 1
STARTS = ("random", "teacher")
RANGE = {math.inf: (0.3, 1.8), 2.0: (0.3, 2.2)}


def simulate(beta: float, alpha: float, n: int, sweeps: int, instances: int = INSTANCES):
    """(mean overlap with the teacher, its standard error over instances) for each start."""
    model = fp.Model(fp.Teacher(), fp.Gibbs("binary", beta=beta))
    samples = make_instances(model, n, alpha, count=instances, seed=SEED, patterns="sign")
    betas = ladder(beta, samples.p)
    options = {"weights": "binary", "margin": 0.0, "device": "cpu"}
    start = starting_weights(samples, betas, np.array([False, True]), options, SEED, 1)
    chains = Chains(samples, betas=betas, replicas=2, seed=SEED, start=start, **options).advance(sweeps // 2)
    total = np.zeros((instances, 2))
    for _ in range(draws := sweeps // 2 // EVERY):
        chains.advance(EVERY)
        total += np.einsum("irn,in->ir", chains.weights[:, :, -1].astype(float), samples.teacher.astype(float)) / n
    overlap = total / draws
    return list(zip(overlap.mean(axis=0).tolist(), (overlap.std(axis=0, ddof=1) / math.sqrt(instances)).tolist()))


def _theory(beta, points):
    """Records of every branch, with its role."""
    model = fp.Model(fp.Teacher(), fp.Gibbs("binary", beta=beta))
    jump = fp.first_order_transition(model)
    low, high = RANGE[beta]
    near = jump.spinodal - (jump.spinodal - low) * np.linspace(0.0, 1.0, points)[1:] ** 2  # the branches meet in a square root
    loads = [*sorted(near.tolist()), *np.linspace(jump.spinodal * 1.0001, high, 8).tolist(), jump.transition]
    base = {"beta": beta, "transition": jump.transition, "spinodal": jump.spinodal}
    records = [base | {"line": name, "alpha": jump.spinodal, "R": jump.at_spinodal.R} for name in ("student, metastable", "intermediate")]
    for alpha in loads:
        for state in fp.branches(model, alpha):
            line = state.branch
            if line != "intermediate":
                stable = (alpha <= jump.transition) == (line == "student")
                line += "" if stable or alpha == jump.transition else ", metastable"
            records.append(base | {"line": line, "alpha": alpha, "R": state.R})
            if alpha == jump.transition and line in ("student", "teacher"):
                records.append(base | {"line": f"{line}, metastable", "alpha": alpha, "R": state.R})
    return sorted(records, key=lambda record: (record["line"], record["alpha"]))


def compute(points: int = 60, sweeps: int = SWEEPS) -> list[dict]:
    """Records beta, line (a branch and its role, or "start: ..."), alpha, R, error and n (simulation), transition, spinodal."""
    records = []
    for beta in BETAS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReplicaSymmetryWarning)
            records += _theory(beta, points)
        n = SIZES[beta]
        for alpha in LOADS[beta]:
            for start, (overlap, error) in zip(STARTS, simulate(beta, alpha, n, sweeps)):
                records.append(
                    {"beta": beta, "line": f"start: {start}", "alpha": round(alpha * n) / n, "R": overlap, "error": error, "n": n}
                )
    return records


def draw(records: list[dict]):
    """One panel per temperature."""
    figure, axes = style.panels(1, 2, width=style.PAGE, height=2.7, sharey=True)
    looks = {"student": (style.BLUE, "-"), "student, metastable": (style.BLUE, (0, (4, 1.5))), "intermediate": (style.GREY, (0, (1, 1.2)))}
    looks |= {"teacher": (style.BLACK, "-"), "teacher, metastable": (style.BLACK, (0, (4, 1.5)))}
    names = {"random": "started from random weights", "teacher": "started from the teacher"}
    for ax, beta, letter in zip(axes, BETAS, "ab"):
        mine = [record for record in records if record["beta"] == beta]
        for line, (colour, dashes) in looks.items():
            label = {"student": "theory, equilibrium", "student, metastable": "theory, metastable", "intermediate": "theory, unstable"}.get(
                line
            )
            x, y = style.select(mine, "alpha", "R", line=line)
            ax.plot(x, y, color=colour, ls=dashes, lw=1.2 if dashes == "-" else 1.0, clip_on=False)
            if label and letter == "a":
                ax.plot([], [], color=style.GREY, ls=dashes, lw=1.0, label=label)
        n = next(record["n"] for record in mine if "n" in record)
        for start, marker, colour in (("random", "o", style.VERMILION), ("teacher", "s", style.GREEN)):
            dots = [record for record in mine if record["line"] == f"start: {start}"]
            look = dict(fmt=marker, color=colour, ms=4.0, mew=0.8, mfc="white", elinewidth=0.8, clip_on=False, zorder=5)
            ax.errorbar([r["alpha"] for r in dots], [r["R"] for r in dots], [r["error"] for r in dots], **look, label=names[start])
        transition, spinodal = next((r["transition"], r["spinodal"]) for r in mine if "transition" in r)
        for place, name in ((transition, r"\alpha_{\mathrm{TS}}"), (spinodal, r"\alpha_{\mathrm{sp}}")):
            ax.axvline(place, color=style.GREY, lw=0.5, ls=":")
            ax.text(place - 0.015, 0.03, f"${name} = {place:.3f}$", rotation=90, va="bottom", ha="right", fontsize="small")
        text = r"\infty" if beta == math.inf else f"{beta:g}"
        ax.set(xlim=RANGE[beta], ylim=(0.0, 1.05), xlabel=style.LABELS["alpha"], title=rf"({letter}) $\beta = {text}$, $N = {n}$")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize="x-small", columnspacing=1.4)
    axes[0].set_ylabel(style.LABELS["R"])
    return figure
