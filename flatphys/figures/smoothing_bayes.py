"""Figure: three roads to Hebb's rule on the mixture: smoothing the loss, a strong l2, a small norm; and what a trained bias changes.

Compare Mignacco et al., ICML 2020 (l2 -> infinity is Bayes-optimal on balanced clouds).  All of them make the loss linear over the range of
the stabilities.  On unbalanced clouds a bias that is trained along spoils it: the limit is the difference of the class means, of the
cosine 1/sqrt(1 + D/(4 rho (1-rho) alpha)); trained without a bias, and a threshold set afterwards, the limit is Bayes again.
"""

import math

import numpy as np

import flatphys as fp
from flatphys.plotting import style
from flatphys.saddle.minimiser.closed import mixture_error

ALPHA, L2, RARE = 2.0, 0.1, 0.2
LOSSES = {"hinge": style.BLUE, "squared-hinge": style.VERMILION, "logistic": style.GREEN}
SIGMAS, STRENGTHS = (0.05, 30.0), (0.01, 300.0)


def threshold_set(state) -> float:
    """Error of a state without a bias once the best threshold is set."""
    data = state.model.data
    d, rho = data.variance, data.positive
    b = 0.5 * d * state.q / state.m * math.log(rho / (1.0 - rho))
    return mixture_error(rho, state.m, b, math.sqrt(d * state.q))


def compute(points: int = 16) -> list[dict]:
    """Records road ("sigma", "l2", "norm", "bias trained", "bias set"), loss, x, error, cosine."""
    records, balanced, rare = [], fp.GaussianMixture(), fp.GaussianMixture(1.0, RARE)
    for loss in LOSSES:
        for sigma in np.geomspace(*SIGMAS, points).tolist():
            smooth = fp.smoothed(loss, sigma)
            state = fp.solve(fp.Model(balanced, fp.ERM(smooth, L2)), ALPHA)
            records.append({"road": "sigma", "loss": loss, "x": sigma, "error": state.generalization_error, "cosine": state.cosine})
            for road, bias in (("bias trained", True), ("bias set", False)):
                state = fp.solve(fp.Model(rare, fp.ERM(smooth, L2, bias=bias)), ALPHA)
                error = state.generalization_error if bias else threshold_set(state)
                records.append({"road": road, "loss": loss, "x": sigma, "error": error, "cosine": state.cosine})
        for l2 in np.geomspace(*STRENGTHS, points).tolist():
            state = fp.solve(fp.Model(balanced, fp.ERM(loss, l2)), ALPHA)
            one = {"loss": loss, "error": state.generalization_error, "cosine": state.cosine}
            records += [one | {"road": "l2", "x": l2}, one | {"road": "norm", "x": math.sqrt(state.q)}]
    return records


def draw(records: list[dict]):
    """(a) smoothing, (b) l2, (c) norm, on balanced clouds; (d) unbalanced ones, the bias trained (dashed) and set afterwards (solid)."""
    figure, axes = style.panels(2, 2, width=style.PAGE, height=4.6)
    (a, b), (c, d) = axes
    bayes = fp.bayes_error(fp.GaussianMixture(), ALPHA)
    rare = fp.GaussianMixture(1.0, RARE)
    words = {
        "sigma": (a, r"noise on the weights $\sigma$", rf"(a) smoothed, $\lambda = {L2:g}$"),
        "l2": (b, r"regularisation $\lambda$", "(b) plain"),
        "norm": (c, r"norm $|w|/\sqrt{N}$", "(c) plain"),
    }
    for road, (ax, label, title) in words.items():
        for loss, colour in LOSSES.items():
            ax.plot(*style.select(records, "x", "error", road=road, loss=loss), color=colour, label=loss)
        ax.axhline(bayes, color=style.GREY, lw=0.8, ls=":", label="Bayes")
        ax.set(xscale="log", xlabel=label, ylabel=style.LABELS["generalization_error"], title=title)
    for loss, colour in LOSSES.items():
        d.plot(*style.select(records, "x", "error", road="bias set", loss=loss), color=colour)
        d.plot(*style.select(records, "x", "error", road="bias trained", loss=loss), color=colour, ls="--")
    d.plot([], [], color=style.GREY, label="bias set afterwards")
    d.plot([], [], color=style.GREY, ls="--", label="bias trained")
    d.axhline(fp.bayes_error(rare, ALPHA), color=style.GREY, lw=0.8, ls=":")
    d.set(xscale="log", xlabel=words["sigma"][1], ylabel=style.LABELS["generalization_error"], title=rf"(d) smoothed, $\rho = {RARE:g}$")
    c.invert_xaxis()
    a.legend()
    d.legend()
    return figure
