"""Figure: flat and good agree at large scales and oppose at small ones: local free entropy against generalization error on the mixture.

Errors counted at beta = 1 around Hebb's rule, around minimisers of the logistic loss of every l2, and around the best centres there are
(the centre of infinitely many replicas at mutual overlap p^2, `replicated_entropy`), at three overlaps p with the counted weights.
"""

import warnings

import numpy as np

import flatphys as fp
from flatphys.errors import FlatphysError, ReplicaSymmetryWarning
from flatphys.plotting import style

ALPHA, BETA = 2.0, 1.0
OVERLAPS = (0.6, 0.8, 0.9)
STRENGTHS = (1e-2, 1e2)  # of l2
MIXTURE = fp.GaussianMixture()


def _around(learner, what, l2):
    """Records of the local free entropy around a rule."""
    state = fp.solve(fp.Model(MIXTURE, learner), ALPHA)
    for p in OVERLAPS:
        try:
            found = fp.local_entropy(state, overlap=[p], beta=BETA)
        except FlatphysError:
            continue
        if found.status[0] == "ok":
            yield {"rule": what, "p": p, "l2": l2, "free_entropy": float(found.free_entropy[0]), "error": state.generalization_error}


def compute(points: int = 25) -> list[dict]:
    """Records rule ("Hebb", "logistic", "robust centre"), p, l2, free_entropy, error."""
    records = list(_around(fp.Hebb(), "Hebb", None))
    for l2 in np.geomspace(*STRENGTHS, points).tolist():
        records += _around(fp.ERM("logistic", l2), "logistic", l2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReplicaSymmetryWarning)
        model = fp.Model(MIXTURE, fp.Gibbs("spherical", 0.0, BETA))
        found = fp.replicated_entropy(model, ALPHA, distance=[0.5 * (1.0 - p * p) for p in OVERLAPS])
    for p, phi, error in zip(OVERLAPS, found.free_entropy.tolist(), found.centre_generalization_error.tolist()):
        records.append({"rule": "robust centre", "p": p, "l2": None, "free_entropy": phi, "error": error})
    return records


def draw(records: list[dict]):
    """One panel per overlap; the path in l2 from weak (left mark) to strong."""
    figure, axes = style.panels(1, 3, width=style.PAGE, height=2.5)
    bayes = fp.bayes_error(MIXTURE, ALPHA)
    for ax, p, letter in zip(axes, OVERLAPS, "abc"):
        x, y = style.select(records, "error", "free_entropy", rule="logistic", p=p)
        ax.plot(x, y, color=style.BLUE, label=r"logistic loss, $\lambda$ from 0.01")
        ax.plot(x[:1], y[:1], ".", color=style.BLUE)
        for rule, colour, mark in (("Hebb", style.GREEN, "s"), ("robust centre", style.VERMILION, "*")):
            ax.plot(
                *style.select(records, "error", "free_entropy", rule=rule, p=p), mark, color=colour, label=rule, ms=7 if mark == "*" else 4
            )
        ax.axvline(bayes, color=style.GREY, lw=0.8, ls=":", label="Bayes" if p == OVERLAPS[0] else None)
        ax.set(xlabel=style.LABELS["generalization_error"], title=rf"({letter}) $p = {p:g}$, $d = {0.5 * (1.0 - p):g}$")
    axes[0].set(ylabel="local free entropy [nats per weight]")
    axes[0].legend(fontsize="x-small")
    return figure
