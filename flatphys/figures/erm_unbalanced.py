"""Figure: an unbalanced Gaussian mixture learned with and without a bias (Mignacco, Krzakala, Lu, Urbani & Zdeborova 2020)."""

import numpy as np

import flatphys as fp
from flatphys.figures.erm_learning_curves import COLOURS, DASHED, DOTTED, RANGE, at_best_l2, bayes, loads, record, strength
from flatphys.plotting import style
from flatphys.saddle.minimiser.states import solve_erm_path

DATA = fp.GaussianMixture(positive=0.2)
WEAK = 1e-2  # l2


def compute(points: int = 60) -> list[dict]:
    """Records line (loss or Bayes), bias, l2 (a number, or "optimal"), alpha, generalization_error, excess (over Bayes).

    Without a bias the balance of the classes does not matter: the optimal l2 is infinite for every loss
    and gives the Bayes error of the balanced mixture (line "without bias").
    """
    records = []
    for bias in (False, True):
        alphas = loads(DATA, points, bias)
        for loss in COLOURS:
            states = solve_erm_path(fp.Model(DATA, fp.ERM(loss, WEAK, bias)), alphas)
            records += [record("mixture", loss, WEAK, s) | {"bias": bias} for s in states]
    alphas = np.geomspace(*RANGE, points)
    for loss in COLOURS:
        states = at_best_l2(fp.Model(DATA, fp.ERM(loss, bias=True)), alphas.tolist())
        records += [record("mixture", loss, "optimal", s) | {"bias": True} for s in states]
    balanced = bayes("mixture", fp.GaussianMixture(), alphas.tolist())
    records += [point | {"line": "without bias", "l2": "optimal", "bias": False} for point in balanced]
    records += bayes("mixture", DATA, alphas.tolist())
    return [r | {"excess": r["generalization_error"] - fp.bayes_error(DATA, r["alpha"])} for r in records]


def draw(records: list[dict]):
    """Above: errors at weak regularisation; below: what the best regularisation leaves above the Bayes error."""
    figure, (top, bottom) = style.panels(2, 1, height=4.9, sharex=True)
    for loss, colour in COLOURS.items():
        for bias, look in ((True, "-"), (False, DASHED)):
            x, y = style.select(records, "alpha", "generalization_error", line=loss, bias=bias, l2=WEAK)
            top.semilogx(x, y, color=colour, ls=look, label=f"{loss} loss" if bias else None)
        bottom.loglog(*style.select(records, "alpha", "excess", line=loss, l2="optimal"), color=colour, label=f"{loss} loss, with bias")
    top.plot(
        *style.select(records, "alpha", "generalization_error", line="Bayes"), color=style.BLACK, lw=2.0, zorder=1, label="Bayes optimal"
    )
    top.axhline(DATA.positive, color=style.GREY, lw=0.8, ls=DOTTED, label="always the larger class")
    top.plot([], [], color=style.GREY, label="with bias")
    top.plot([], [], color=style.GREY, ls=DASHED, label="without bias")
    x, y = style.select(records, "alpha", "excess", line="without bias")
    bottom.loglog(x, y, color=style.BLACK, ls=DASHED, label="every loss, without bias")
    limit = [DATA.positive - fp.bayes_error(DATA, alpha) for alpha in x]
    bottom.loglog(x, limit, color=style.GREY, lw=0.8, ls=DOTTED, label="always the larger class")
    top.set(xlim=RANGE, ylim=(0.1, 0.56), ylabel=style.LABELS["generalization_error"])
    top.legend(
        loc="upper right", title=f"(a) {DATA.positive:.0%} positive, {strength(WEAK)}", alignment="left", title_fontsize="small", ncols=2
    )
    bottom.set(ylim=(4e-4, 0.4), xlabel=style.LABELS["alpha"], ylabel=r"excess error $\epsilon_{\mathrm{g}} - \epsilon_{\mathrm{Bayes}}$")
    bottom.legend(loc="lower right", title=f"(b) {strength('optimal')}", alignment="left", title_fontsize="small")
    style.plain_ticks(bottom.xaxis, (0.1, 0.3, 1, 3, 10))
    figure.align_ylabels()
    return figure
