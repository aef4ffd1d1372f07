"""Figure: predictions at N = infinity beside finite systems: training error, law of stabilities, local entropy.

Compare Gardner & Derrida 1989 (training error above saturation), Kepler & Abbott 1988 (stabilities).
"""

import math
import warnings
from dataclasses import replace

import numpy as np

import flatphys as fp
from flatphys.errors import NotMixedWarning
from flatphys.plotting import style

RUNGS = (0.0, 0.3, 0.6, 0.9, 1.2, 1.5)
CURVES = {  # label -> (learner at the last rung, load, N, chains, sweeps)
    r"binary, $\alpha = 0.5$": (fp.Gibbs("binary", beta=RUNGS[-1]), 0.5, 201, 32, 500),
    r"binary, $\alpha = 2$": (fp.Gibbs("binary", beta=RUNGS[-1]), 2.0, 101, 32, 1600),
    r"spherical, $\alpha = 1$, $\kappa = 0.5$": (fp.Gibbs("spherical", margin=0.5, beta=RUNGS[-1]), 1.0, 100, 24, 500),
}
DISTANCES = {0.25: (0.03, 0.1, 0.2, 0.3), 0.5: (0.03, 0.06, 0.1, 0.15, 0.2)}
SEED = 2
LAWS = {
    "binary": (
        r"random labels, binary, $\alpha = 1$, $\beta = 1$",
        fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=1.0)),
        1.0,
        301,
        {"chains": 32, "sweeps": 400},
    ),
    "logistic": (
        r"mixture, logistic, $l_2 = 0.1$, $\alpha = 2$",
        fp.Model(fp.GaussianMixture(), fp.ERM("logistic", 0.1)),
        2.0,
        300,
        {"chains": 16},
    ),
}


def _training_errors(scale):
    """Training error against beta: one ladder of replica exchange per curve gives every point."""
    for label, (learner, alpha, n, chains, sweeps) in CURVES.items():
        model = fp.Model(fp.RandomLabels(), learner)
        run = fp.sample(model, n, alpha, chains=chains, sweeps=int(sweeps * scale), exchange=RUNGS, device="cpu", seed=SEED, progress=False)
        by_instance = run.energies.mean(axis=(1, 3)) / round(run.alpha * n)
        base = {"panel": "a", "curve": label, "n": n}
        for k, beta in enumerate(RUNGS[1:], 1):
            value, error = by_instance[:, k].mean(), by_instance[:, k].std(ddof=1) / math.sqrt(run.instances)
            yield base | {"kind": "simulation", "x": beta, "value": float(value), "error": float(error)}
        for beta in np.linspace(0.02, 1.65, 34).tolist():
            state = fp.solve(fp.Model(fp.RandomLabels(), replace(learner, beta=beta)), run.alpha)
            yield base | {"kind": "theory", "x": beta, "value": state.train_error}


def _laws():
    for name, (_, model, alpha, n, options) in LAWS.items():
        run = fp.sample(model, n, alpha, device="cpu", seed=SEED, progress=False, **options)
        law = fp.margins(fp.solve(model, run.alpha))
        x, density = run.margins.density(36)
        base = {"panel": "b", "law": name, "alpha": alpha, "n": n}
        for place, value, error in zip(x.tolist(), density.mean.tolist(), density.error.tolist()):
            yield base | {"kind": "simulation", "x": place, "value": value, "error": error}
        grid = np.unique([*np.linspace(-2.5, 7.0, 241), 0.0, np.nextafter(0.0, -1.0)])
        for place, value in zip(grid.tolist(), law.pdf(grid).tolist()):
            yield base | {"kind": "theory", "x": place, "value": value}


def _local_entropies(scale):
    model = fp.Model(fp.Teacher(), fp.Gibbs("binary"))
    options = {"chains": 64, "sweeps": int(500 * scale), "device": "cpu", "seed": SEED, "progress": False}
    for alpha in DISTANCES:
        run = fp.sample_local_entropy(model, 101, alpha, distance=DISTANCES[alpha], reference="teacher", **options)
        base = {"panel": "c", "alpha": alpha, "n": run.n}
        for d, value, error in zip(run.distance.tolist(), run.value.mean.tolist(), run.value.error.tolist()):
            yield base | {"kind": "simulation", "x": d, "value": value, "error": error}
        curve = fp.local_entropy(fp.teacher_state(model, run.alpha), distance=np.linspace(0.005, 0.35, 70))
        for d, value in zip(curve.distance.tolist(), curve.value.tolist()):
            yield base | {"kind": "theory", "x": d, "value": value}


def compute(scale: float = 1.0) -> list[dict]:
    """Records panel ("a", "b", "c"), what distinguishes the curves, kind (theory, simulation), x, value, error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotMixedWarning)  # dots of a figure: short chains, errors drawn
        return [*_training_errors(scale), *_laws(), *_local_entropies(scale)]


def draw(records: list[dict]):
    """(a) training error, (b) law of stabilities, (c) local entropy around the teacher."""
    figure, (left, middle, right) = style.panels(1, 3, width=style.PAGE, height=2.6)

    def pair(ax, colour, marker, label, **wanted):
        ax.plot(*style.select(records, "x", "value", kind="theory", **wanted), color=colour, lw=1.0)
        dots = [r for r in records if r["kind"] == "simulation" and all(r.get(k) == v for k, v in wanted.items())]
        look = dict(fmt=marker, ms=3.0, color=colour, elinewidth=0.7, mew=0.7, mfc="white")
        ax.errorbar([r["x"] for r in dots], [r["value"] for r in dots], [r["error"] for r in dots], **look, label=label)

    for (label, (_, _, n, *_)), colour, marker in zip(CURVES.items(), (style.BLUE, style.VERMILION, style.GREEN), "oDs"):
        pair(left, colour, marker, rf"{label}, $N = {n}$", panel="a", curve=label)
    left.set(
        xlim=(0.0, 1.65),
        ylim=(0.15, 0.85),
        xlabel=r"inverse temperature $\beta$",
        ylabel=style.LABELS["train_error"],
        title="(a) random labels",
    )
    left.legend(loc="upper right", fontsize="x-small", handlelength=1.0, borderaxespad=0.3)
    for (name, (label, *_)), colour, marker in zip(LAWS.items(), (style.BLUE, style.VERMILION), "os"):
        pair(middle, colour, marker, rf"{label}, $N = {LAWS[name][3]}$", panel="b", law=name)
    middle.set(xlim=(-2.5, 8.5), ylim=(0.0, 0.85), xlabel=style.LABELS["x"], ylabel=style.LABELS["pdf"], title="(b) stabilities")
    middle.legend(loc="upper right", fontsize="x-small", handlelength=1.0, borderaxespad=0.2)
    for alpha, colour, marker in zip(DISTANCES, (style.BLUE, style.VERMILION), "os"):
        pair(right, colour, marker, rf"$\alpha = {alpha:g}$", panel="c", alpha=alpha)
    n = next(r["n"] for r in records if r["panel"] == "c")
    right.set(
        xlim=(0.0, 0.35),
        ylim=(0.0, None),
        xlabel=r"distance $d$",
        ylabel=style.LABELS["value"],
        title=f"(c) around a binary teacher, $N = {n}$",
    )
    right.legend(loc="upper left")
    return figure
