"""Figure: generalization error of trained classifiers against the load, with the Bayes-optimal error as the floor.

Mignacco, Krzakala, Lu, Urbani & Zdeborova 2020 (mixture); Aubin, Krzakala, Lu & Zdeborova 2020 (teacher);
Opper, Kinzel, Kleinz & Nehl 1990 (the peak of the square loss where it stops to interpolate).
"""

import math
from dataclasses import replace

import numpy as np

import flatphys as fp
from flatphys.plotting import style
from flatphys.saddle.minimiser.states import solve_erm_path

COLOURS = {"square": style.BLUE, "logistic": style.VERMILION, "hinge": style.GREEN}
WEAK, STRONG = 1e-4, 1.0  # l2
MIXTURE, TEACHER = fp.GaussianMixture(), fp.Teacher(flip=0.05)
RANGE = (0.1, 20.0)
DASHED, DOTTED = (0, (4, 1.5)), (0, (1, 1.2))


def loads(data, points: int, bias: bool = False) -> np.ndarray:
    """A logarithmic grid over `RANGE`, finer around the interpolation peak at alpha = 1 and the threshold of separability."""
    near = 1.0 + np.geomspace(0.003, 0.5, max(points // 4, 2))
    edge = [k * x for k in (1.0, fp.separability_threshold(data, bias)) for x in (*1.0 / near, 1.0, *near)]
    return np.unique(np.round([*np.geomspace(*RANGE, points), *edge], 12))


def record(data: str, line: str, l2, state) -> dict:
    """One point of a curve."""
    return {"data": data, "line": line, "l2": l2, "alpha": state.alpha, "generalization_error": state.generalization_error}


def at_best_l2(model, alphas) -> list:
    """States at the l2 with the smallest generalization error, one per load."""
    found = []
    for alpha in alphas:
        best = replace(model.learner, l2=fp.optimal_l2(model, alpha))
        found.append(fp.solve(replace(model, learner=best), alpha))
    return found


def bayes(name: str, data, alphas) -> list[dict]:
    """The floor."""
    return [{"data": name, "line": "Bayes", "alpha": a, "generalization_error": fp.bayes_error(data, a)} for a in alphas]


def compute(points: int = 60) -> list[dict]:
    """Records data, line (loss or Bayes), l2 (a number, or "optimal"), alpha, generalization_error."""
    records = []
    for name, data in (("mixture", MIXTURE), ("teacher", TEACHER)):
        alphas = loads(data, points)
        for loss in COLOURS:
            for l2 in (WEAK, STRONG) if data is MIXTURE else (WEAK,):
                states = solve_erm_path(fp.Model(data, fp.ERM(loss, l2)), alphas)
                records += [record(name, loss, l2, s) for s in states]
            if data is TEACHER:  # on the balanced mixture that is l2 = inf, the Bayes-optimal rule itself
                states = at_best_l2(fp.Model(data, fp.ERM(loss)), np.geomspace(*RANGE, points // 2).tolist())
                records += [record(name, loss, "optimal", s) for s in states]
        records += bayes(name, data, alphas.tolist())
    return records


def strength(l2) -> str:
    """The strength of the regularisation in a legend, with lambda for l2: the objective has (lambda/2)|w|^2."""
    if l2 == "optimal":
        return r"optimal penalty $\lambda$"
    return rf"penalty $\lambda = {l2:g}$" if l2 >= 1.0 else rf"penalty $\lambda = 10^{{{math.log10(l2):.0f}}}$"


def draw(records: list[dict]):
    """Above: the balanced mixture; below: a teacher whose labels are sometimes flipped."""
    figure, axes = style.panels(2, 1, height=4.9, sharex=True)
    for ax, data, other in zip(axes, (MIXTURE, TEACHER), (STRONG, "optimal")):
        name = "mixture" if data is MIXTURE else "teacher"
        lines = {}
        for loss, colour in COLOURS.items():
            for l2, look in ((WEAK, "-"), (other, DASHED)):
                x, y = style.select(records, "alpha", "generalization_error", data=name, line=loss, l2=l2)
                (lines[loss, l2],) = ax.semilogx(x, y, color=colour, ls=look)
        x, y = style.select(records, "alpha", "generalization_error", data=name, line="Bayes")
        (floor,) = ax.plot(x, y, color=style.BLACK, lw=2.0, zorder=1)
        for place, text in ((1.0, r"$\alpha = 1$"), (fp.separability_threshold(data), r"$\alpha_{\mathrm{sep}}$")):
            ax.axvline(place, 0.0, 0.62, color=style.GREY, lw=0.5, ls=":")
            ax.text(place * 1.04, 0.04, text, transform=ax.get_xaxis_transform(), fontsize="small")
        for l2, look in ((WEAK, "-"), (other, DASHED)):
            ax.plot([], [], color=style.GREY, ls=look, label=strength(l2))
        title = "(a) balanced Gaussian mixture" if data is MIXTURE else f"(b) teacher, {TEACHER.flip:.0%} of labels flipped"
        key = ax.legend(loc="upper right", title=title, alignment="left", title_fontsize="small")
        ax.set(xlim=RANGE, ylabel=style.LABELS["generalization_error"])
        style.plain_ticks(ax.xaxis, (0.1, 0.3, 1, 3, 10))
    axes[0].set(ylim=(0.14, 0.52))
    axes[1].set(ylim=(0.0, 0.52), xlabel=style.LABELS["alpha"])
    handles = [*(lines[loss, WEAK] for loss in COLOURS), floor]
    axes[1].add_artist(key)  # stays beside the second legend
    axes[1].legend(handles, [*(f"{loss} loss" for loss in COLOURS), "Bayes optimal"], loc="lower left")
    figure.align_ylabels()
    return figure
