"""Figure: flatness of the minimum against generalization error, along a path in l2 at fixed load.

Local energy: Pittorino et al., ICLR 2021; relative flatness: Petzka et al., NeurIPS 2021.
"""

import math

import numpy as np

import flatphys as fp
from flatphys.plotting import style
from flatphys.saddle.minimiser.states import solve_erm_path

ALPHA, SIGMA = 2.0, 0.5
DATA = {"mixture": fp.GaussianMixture(), "teacher": fp.Teacher(flip=0.1)}
LOSSES = {"logistic": style.VERMILION, "square": style.BLUE}
OVERLAP, BETA = 0.9, 2.0  # of the weights counted by the local entropy: close to the minimiser, errors at a price
QUANTITIES = ("local_energy", "entropy_loss", "relative_flatness")
DECADES = (-5, 2)  # of l2
# Where the exponent of l2 stands beside its dot (points to the right and upwards): by default logistic to
# the upper left, square to the lower right; None where dots crowd.
LEFT, RIGHT = (-4, 2), (4, -8)
PLACES = {
    ("mixture", "local_energy", "logistic"): {-4: None, 0: (-1, 5), 1: None, 2: None},
    ("mixture", "local_energy", "square"): {-4: None, -3: None, -2: None, -5: (3, -10), 1: None, 2: None},
    ("mixture", "entropy_loss", "logistic"): {-5: (-2, 5), -4: None, -3: None, -1: (5, -9), 0: (5, 1), 1: None, 2: None},
    ("mixture", "entropy_loss", "square"): {-4: None, -3: None, -2: None, -5: (3, -10), 0: (-3, -10), 1: (5, 3), 2: None},
    ("teacher", "entropy_loss", "logistic"): {-4: None, -3: None, -1: (1, -11), 0: None, 1: None, 2: (4, -8)},
    ("teacher", "entropy_loss", "square"): {-4: None, -3: None, -2: None, 0: None, 1: (-2, 5), 2: None},
    ("mixture", "relative_flatness", "logistic"): {-5: (-5, -5), -4: None, -3: (-1, 5), 0: (5, -4), 1: (5, -3), 2: (5, -3)},
    ("mixture", "relative_flatness", "square"): {-4: None, -3: None, -2: None, -1: (-3, -10), -5: (1, 5), 2: (5, -3)},
    ("teacher", "local_energy", "logistic"): {-4: None, 0: (-4, -8), 1: (-3, -10), 2: (4, -8)},
    ("teacher", "local_energy", "square"): {-4: None, -3: None, -2: None, 0: None, 1: (-2, 5), 2: (-3, 5)},
    ("teacher", "relative_flatness", "logistic"): {-4: None, -5: (-5, -4), -3: (0, 5), 0: (-4, -8), 1: (-5, -6), 2: (-5, -3)},
    ("teacher", "relative_flatness", "square"): {-4: None, -3: None, -2: None, 0: None, 1: (4, -2), 2: (5, -3)},
}
ARROWS = {"logistic": (-1.5, 0.5), "square": (-0.5, 1.5)}  # exponents of l2 where an arrow shows the way


def compute(per_decade: int = 6) -> list[dict]:
    """Records data, loss, l2, generalization_error, local_energy, entropy_loss, relative_flatness, train_error, bayes (the floor).

    entropy_loss is what the patterns take from the entropy of weights near the minimiser, (1/2) log(1-p^2) minus the local
    entropy at overlap p = OVERLAP, inverse temperature BETA.  Column mark: "decade" where l2 is a power of ten, "best" at the l2 with the
    smallest generalization error.
    """
    records = []
    exponents = np.linspace(*DECADES, per_decade * (DECADES[1] - DECADES[0]) + 1)
    for name, data in DATA.items():
        floor = fp.bayes_error(data, ALPHA)
        for loss in LOSSES:
            marks = {10.0 ** float(e): "decade" if float(e).is_integer() else None for e in exponents}
            best = fp.optimal_l2(fp.Model(data, fp.ERM(loss)), ALPHA)
            if math.isfinite(best):
                marks[best] = "best"
            l2s = sorted(marks)
            for l2, state in zip(l2s, solve_erm_path(fp.Model(data, fp.ERM(loss)), ALPHA, l2s)):
                records.append(
                    {
                        "data": name,
                        "loss": loss,
                        "l2": l2,
                        "mark": marks[l2],
                        "generalization_error": state.generalization_error,
                        "local_energy": fp.local_energy(state, sigma=SIGMA),
                        "entropy_loss": _entropy_loss(state),
                        "relative_flatness": fp.relative_flatness(state),
                        "train_error": state.train_error,
                        "bayes": floor,
                    }
                )
    return records


def _entropy_loss(state) -> float:
    around = fp.local_entropy(state, overlap=OVERLAP, beta=BETA)
    return 0.5 * math.log(1.0 - OVERLAP**2) - float(around.value)


def draw(records: list[dict]):
    """Columns: the three measures; rows: where the flattest minimum is the best one, and where it is not."""
    figure, axes = style.panels(2, 3, width=style.PAGE, height=4.6, sharex="row", sharey="col")
    titles = {"mixture": "balanced mixture", "teacher": f"teacher, {DATA['teacher'].flip:.0%} of labels flipped"}
    letters = iter("abcdef")
    for row, name in zip(axes, DATA):
        for ax, quantity in zip(row, QUANTITIES):
            ax.set_yscale("log" if quantity == "relative_flatness" else "linear")
            for loss, colour in LOSSES.items():
                _path(ax, [r for r in records if r["data"] == name and r["loss"] == loss], quantity, colour)
            floor = next(r["bayes"] for r in records if r["data"] == name)
            ax.axvline(floor, color=style.GREY, lw=0.9, ls=":", zorder=1)
            style.letter(ax, f"({next(letters)})", x=0.08)
        row[1].set_title(rf"{titles[name]}, $\alpha = {ALPHA:g}$")
    for loss, colour in LOSSES.items():
        axes[0, 0].plot([], [], "o-", color=colour, label=f"{loss} loss; dots: penalty $\\lambda = 10^k$, $k$ beside")
    axes[0, 0].plot([], [], "*", color="white", ms=8.0, mec=style.BLACK, mew=0.6, label="smallest error")
    axes[0, 0].plot([], [], color=style.GREY, lw=0.9, ls=":", label="Bayes optimal")
    figure.legend(loc="outside upper center", ncols=4)
    axes[0, 0].set(xlim=(0.204, 0.2895), ylim=(0.015, 0.2), ylabel=rf"local energy $\delta E(\sigma = {SIGMA:g})$")
    axes[1, 0].set(xlim=(0.2405, 0.3095), xlabel=style.LABELS["generalization_error"], ylabel=axes[0, 0].get_ylabel())
    axes[0, 1].set(ylim=(0.08, 0.205), ylabel=rf"entropy lost at overlap {OVERLAP:g} [nats]")
    axes[1, 1].set(xlabel=style.LABELS["generalization_error"], ylabel=axes[0, 1].get_ylabel())
    sharp = style.LABELS["relative_flatness"] + " (large: sharp)"
    axes[0, 2].set(ylim=(1e-5, 30.0), ylabel=sharp)
    axes[1, 2].set(xlabel=style.LABELS["generalization_error"], ylabel=sharp)
    figure.align_ylabels()
    return figure


def _path(ax, path, quantity, colour):
    """One curve with its dots, exponents, arrows towards larger l2 and the star of the smallest error."""
    name, loss = path[0]["data"], path[0]["loss"]
    x, y = style.select(path, "generalization_error", quantity)
    ax.plot(x, y, color=colour)
    ax.plot(*style.select(path, "generalization_error", quantity, mark="decade"), "o", color=colour)
    ax.plot(
        *style.select(path, "generalization_error", quantity, mark="best"), "*", color=colour, ms=8.0, mec=style.BLACK, mew=0.6, zorder=5
    )
    exponents = [math.log10(r["l2"]) for r in path]
    for at in ARROWS[loss]:
        i = min(range(len(path)), key=lambda j: abs(exponents[j] - at))
        look = dict(arrowstyle="-|>", color=colour, lw=0.0, mutation_scale=10.0, shrinkA=0, shrinkB=0)
        ax.annotate("", (x[i + 1], y[i + 1]), (x[i], y[i]), arrowprops=look)
    for exponent, r in zip(exponents, path):
        if r["mark"] == "decade":
            place = PLACES[name, quantity, loss].get(round(exponent), LEFT if loss == "logistic" else RIGHT)
            if place is not None:
                look = dict(color=colour, fontsize="small", ha="right" if place[0] < 0 else "left")
                text = f"{exponent:.0f}".replace("-", "\N{MINUS SIGN}")
                ax.annotate(text, (r["generalization_error"], r[quantity]), textcoords="offset points", xytext=place, **look)
