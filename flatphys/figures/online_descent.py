"""Figure: online stochastic gradient descent beside its differential equations, teacher and mixture.

Compare Biehl & Schwarze 1995; Saad & Solla 1995.
"""

import math

import numpy as np

import flatphys as fp
from flatphys.plotting import style

MODELS = {
    "teacher": (r"teacher, $10\%$ flipped, logistic", fp.Model(fp.Teacher(0.1), fp.ERM("logistic", 0.05)), style.BLUE, "o"),
    "mixture": (
        r"mixture, $\Delta = 1/2$, squared hinge",
        fp.Model(fp.GaussianMixture(0.5), fp.ERM("squared-hinge", 0.05)),
        style.VERMILION,
        "s",
    ),
}
RATES = {0.3: "--", 1.0: "-"}
PLACES = (0.25, 0.5, 1.0, 2.0, 3.0, 4.5, 6.0)
SIZE, RUNS = 1000, 4


def descend(model, rate: float, places, rng, n: int = SIZE) -> list[tuple[float, float]]:
    """(m, q) of descent on examples that are each seen once, after so many of them per weight; |w|^2 = N across the teacher at first."""
    from flatphys.finite_size.draw import PLAIN, direction_of, draw as sample

    v, w, done, out = direction_of(rng, n, PLAIN), rng.standard_normal(n), 0, []
    w -= v * (w @ v) / n
    w *= math.sqrt(n) / np.linalg.norm(w)
    loss = model.learner.loss
    for place in places:
        fresh = sample(model.data, n, round(place * n) - done, rng, v)
        for x, y in zip(fresh.x.astype(np.float64), fresh.y.tolist()):
            t = y * (x @ w) / math.sqrt(n)
            slope = -1.0 / (1.0 + math.exp(t)) if loss == "logistic" else min(t - 1.0, 0.0)
            w -= (rate / math.sqrt(n) * slope * y) * x + (rate * model.learner.l2 / n) * w
        done = round(place * n)
        out.append((float(w @ v) / n, float(w @ w) / n))
    return out


def compute(runs: int = RUNS) -> list[dict]:
    """Records kind ("theory", "run"), model, rate, alpha, m, q, generalization_error."""
    out = []
    for name, (_, model, *_) in MODELS.items():
        for rate in RATES:
            table = fp.online_learning(model, rate, np.linspace(0.0, PLACES[-1], 61))
            columns = ("m", "q", "generalization_error")
            for place, *values in zip(table.alpha.values.tolist(), *(table[column].values.tolist() for column in columns)):
                out.append({"kind": "theory", "model": name, "rate": rate, "alpha": place} | dict(zip(columns, values)))
            for seed in range(runs):
                for place, (m, q) in zip(PLACES, descend(model, rate, PLACES, np.random.default_rng([seed, 5]))):
                    error = _error(model.data, m / math.sqrt(q))
                    out.append({"kind": "run", "model": name, "rate": rate, "alpha": place, "m": m, "q": q, "generalization_error": error})
    return out


def _error(data, cosine: float) -> float:
    if isinstance(data, fp.Teacher):
        return math.acos(cosine) / math.pi
    return 0.5 * math.erfc(cosine / math.sqrt(2.0 * data.variance))


def draw(records: list[dict]):
    """(a) overlap, (b) squared norm, (c) error on new examples."""
    figure, axes = style.panels(1, 3, width=style.PAGE, height=2.5)
    titles = {"m": "(a) overlap $m$", "q": "(b) squared norm $q$", "generalization_error": r"(c) error $\epsilon_{\mathrm{g}}$"}
    for ax, (column, title) in zip(axes, titles.items()):
        for name, (label, _, colour, marker) in MODELS.items():
            for rate, line in RATES.items():
                ax.plot(*style.select(records, "alpha", column, kind="theory", model=name, rate=rate), color=colour, ls=line)
                dots = style.select(records, "alpha", column, kind="run", model=name, rate=rate)
                ax.plot(*dots, marker, ms=2.6, color=colour, mfc="white", mew=0.6, ls="none")
            ax.plot([], [], marker=marker, ms=2.6, color=colour, mfc="white", mew=0.6, label=label)
        ax.set(xlabel=r"examples per weight $\alpha$", title=title, xlim=(0.0, 6.2))
    for rate, line in RATES.items():
        axes[1].plot([], [], color=style.GREY, ls=line, label=rf"$\eta = {rate:g}$")
    axes[1].plot([], [], "o", ms=2.6, color=style.GREY, mfc="white", mew=0.6, label=f"runs, $N = {SIZE}$")
    axes[2].legend(*(part[:2] for part in axes[2].get_legend_handles_labels()), loc="upper right", fontsize="x-small")
    handles, labels = axes[1].get_legend_handles_labels()
    axes[1].legend(handles[2:], labels[2:], loc="best", fontsize="x-small")
    return figure
