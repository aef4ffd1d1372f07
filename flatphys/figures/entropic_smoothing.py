"""Figure: what noise on the weights does to the minimiser on the mixture: from ERM to the Bayes-optimal direction.

Lines: the saddle of the loss averaged over noise of width sigma, which Entropy-SGD minimises at a strong coupling gamma and the temperature
gamma sigma^2/2 (steps 1/gamma long, which forget each other).  Open dots: gradient descent on that loss, on finite systems.  Full dots:
Entropy-SGD on the loss itself, on half of the same systems.
Compare Pittorino et al., ICLR 2021 (maximum flatness reaches the Bayes-optimal estimator); Mignacco et al., ICML 2020.
"""

import math

import numpy as np

import flatphys as fp
from flatphys.plotting import style

DATA, ALPHA, L2 = fp.GaussianMixture(), 2.0, 0.1
LOSSES = {"hinge": (style.BLUE, "o"), "logistic": (style.VERMILION, "s")}
DOTS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
SIZE, INSTANCES, SEED = 300, 16, 1
ENTROPIC, COUPLING = (0.5, 1.0, 2.0), 5.0  # widths at which Entropy-SGD descends the hinge, and its gamma
EPOCHS = 2500


def model(loss, sigma: float) -> fp.Model:
    """ERM by a loss averaged over noise."""
    return fp.Model(DATA, fp.ERM(fp.smoothed(loss, sigma), L2))


def entropic(sigma: float, epochs: int = EPOCHS) -> fp.EntropySGD:
    """Entropy-SGD whose noise on the weights is sigma; the more of it, the longer the average must be."""
    epochs = int(epochs * max(1.0, sigma))
    return fp.EntropySGD(20, COUPLING, 0.5 * COUPLING * sigma**2, 1.0 / COUPLING, outer_rate=0.1, averaging=0.85, epochs=epochs)


def _cosines(found) -> np.ndarray:
    w, v = found.weights, found.instances.direction
    return np.sum(w * v, axis=1) / np.linalg.norm(w, axis=1) / np.linalg.norm(v, axis=1)


def _dot(kind, loss, sigma, found) -> dict:
    cosines = _cosines(found)
    error = float(cosines.std(ddof=1)) / math.sqrt(cosines.size)
    return {"kind": kind, "loss": loss, "sigma": sigma, "cosine": float(cosines.mean()), "error": error, "n": found.instances.n}


def compute(points: int = 50, instances: int = INSTANCES, epochs: int = EPOCHS) -> list[dict]:
    """Records kind ("theory", "gradient descent", "Entropy-SGD"), loss, sigma, cosine, error, n."""
    out = []
    for loss in LOSSES:
        for sigma in np.geomspace(0.05, 40.0, points).tolist():
            out.append({"kind": "theory", "loss": loss, "sigma": sigma, "cosine": fp.solve(model(loss, sigma), ALPHA).cosine})
        for sigma in DOTS:
            samples = fp.make_instances(model(loss, sigma), SIZE, ALPHA, count=instances, seed=SEED)
            found = fp.find(samples, fp.GradientDescent(tolerance=1e-6), progress=False)
            out.append(_dot("gradient descent", loss, sigma, found))
    plain = fp.make_instances(
        fp.Model(DATA, fp.ERM("hinge", L2)), SIZE, ALPHA, count=max(2, instances // 2), seed=SEED
    )  # some of the dots'
    for sigma in ENTROPIC:
        out.append(_dot("Entropy-SGD", "hinge", sigma, fp.find(plain, entropic(sigma, epochs), progress=False)))
    return out


def draw(records: list[dict]):
    """Cosine against the width of the noise, with the loss itself and the Bayes-optimal rule as the ends."""
    figure, ax = style.panels(1, 1, height=2.9)
    best = fp.solve(fp.Model(DATA, fp.Bayes()), ALPHA).cosine
    n = next(record["n"] for record in records if record["kind"] == "gradient descent")
    for loss, (colour, marker) in LOSSES.items():
        ax.semilogx(*style.select(records, "sigma", "cosine", kind="theory", loss=loss), color=colour, label=f"{loss}, theory")
        ax.axhline(fp.solve(fp.Model(DATA, fp.ERM(loss, L2)), ALPHA).cosine, 0.0, 0.12, color=colour, lw=0.7, ls=":")
        dots = [r for r in records if r["kind"] == "gradient descent" and r["loss"] == loss]
        look = dict(fmt=marker, ms=3.2, color=colour, mfc="white", elinewidth=0.7, mew=0.7, zorder=3)
        label = f"{loss}, gradient descent, $N = {n}$"
        ax.errorbar([r["sigma"] for r in dots], [r["cosine"] for r in dots], [r["error"] for r in dots], **look, label=label)
    found = [r for r in records if r["kind"] == "Entropy-SGD"]
    if found:
        look = dict(fmt="D", ms=3.6, color=style.BLACK, elinewidth=0.8, zorder=4, label="hinge, Entropy-SGD")
        ax.errorbar([r["sigma"] for r in found], [r["cosine"] for r in found], [r["error"] for r in found], **look)
    ax.axhline(best, color=style.BLACK, lw=1.4, zorder=1)
    ax.text(0.06, best - 0.003, "Bayes optimal", va="top", fontsize="small")
    ax.set(xlim=(0.05, 40.0), ylim=(0.6, 0.83), xlabel=r"noise on the weights $\sigma$", ylabel="cosine with the centroids")
    style.plain_ticks(ax.xaxis, (0.1, 1, 10))
    ax.legend(loc="lower right", fontsize="x-small")
    return figure
