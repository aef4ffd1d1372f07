"""Figure: does the centre of a wide flat region generalise best?  Its error against the distance of its replicas, beside Bayes' error.

The mixture at variance 1 and a spherical teacher, both at alpha = 2, y = infinity.  Pittorino et al., ICLR 2021 (first version), claim that
maximal flatness finds Bayes-optimal classifiers on the mixture: as the replicas are driven apart every centre becomes Hebb's rule, whose
error is Bayes' there; only solutions alone (beta = infinity) end elsewhere, at the analytic centre.
"""

import math
import warnings

import numpy as np

import flatphys as fp
from flatphys.errors import ReplicaSymmetryWarning
from flatphys.figures.replicas import line
from flatphys.plotting import style
from flatphys.saddle.breaking.far import far_end

ALPHA = 2.0
CURVES = {
    "mixture": {
        r"errors, $\beta = \infty$": fp.Gibbs("spherical"),
        r"errors, $\beta = 5$": fp.Gibbs("spherical", 0.0, 5.0),
        r"errors, $\beta = 1$": fp.Gibbs("spherical", 0.0, 1.0),
        r"errors, $\beta = 0.1$": fp.Gibbs("spherical", 0.0, 0.1),
        r"hinge, $\beta = 1$": fp.Gibbs("spherical", 1.0, 1.0, energy="hinge"),
        r"squared hinge, $\beta = 1$": fp.Gibbs("spherical", 1.0, 1.0, energy="squared-hinge"),
        r"logistic, $\beta = 1$": fp.Gibbs("spherical", 0.0, 1.0, energy="logistic"),
        r"square": fp.Gibbs("spherical", 1.0, 1.0, energy="square"),
    },
    "teacher": {
        r"errors, $\beta = \infty$": fp.Gibbs("spherical"),
        r"errors, $\beta = 1$": fp.Gibbs("spherical", 0.0, 1.0),
        r"hinge, $\kappa = 0$, $\beta = 5$": fp.Gibbs("spherical", 0.0, 5.0, energy="hinge"),
        r"hinge, $\kappa = 0.5$, $\beta = 1$": fp.Gibbs("spherical", 0.5, 1.0, energy="hinge"),
    },
}
DATA = {"mixture": fp.GaussianMixture(), "teacher": fp.Teacher()}
SAMPLED = (r"hinge, $\beta = 1$", r"logistic, $\beta = 1$", r"hinge, $\kappa = 0.5$, $\beta = 1$")
N, CHAINS, SEED = 200, 64, 3
RANGE = (0.01, 0.49)
NOTES = {
    ("mixture", "Bayes"): (0.012, 2),
    ("mixture", "analytic centre"): (0.225, -8),
    ("teacher", "Bayes"): (0.44, 2),
}  # where lines are named


def sampled(model: fp.Model, sweeps: int) -> tuple[float, float, float]:
    """(distance, error of the centre, its standard error) of sampled weights, which lie at the typical distance from each other."""
    run = fp.sample(model, N, ALPHA, chains=CHAINS, sweeps=sweeps, start="hot", device="cpu", seed=SEED, progress=False)
    signal, overlap = (
        run.estimates[name] for name in ("m" if isinstance(model.data, fp.GaussianMixture) else "teacher_overlap", "overlap")
    )
    cosine, spread = signal.mean / math.sqrt(overlap.mean), signal.error / math.sqrt(overlap.mean)
    error = error_of(model.data, cosine)
    return 0.5 * (1.0 - overlap.mean), error, abs(error_of(model.data, cosine - spread) - error)


def error_of(data, cosine: float) -> float:
    """Error on a new example of weights at this cosine."""
    return 0.5 * math.erfc(cosine / math.sqrt(2.0 * data.variance)) if isinstance(data, fp.GaussianMixture) else math.acos(cosine) / math.pi


def compute(points: int = 50, sweeps: int = 400) -> list[dict]:
    """Records panel, curve, kind ("centre", "typical", "sampled", "line"), distance, error, stable."""
    records = []
    distance = np.linspace(*RANGE, points)
    for panel, data in DATA.items():
        base = {"panel": panel, "kind": "line", "distance": None}
        records.append(base | {"curve": "Bayes", "error": fp.bayes_error(data, ALPHA)})
        for curve, learner in CURVES[panel].items():
            model, base = fp.Model(data, learner), {"panel": panel, "curve": curve}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ReplicaSymmetryWarning)
                found = fp.replicated_entropy(model, ALPHA, distance=distance)
            stable = (found.inner_eigenvalue > 0.0) & (found.outer_eigenvalue > 0.0)
            for d, error, good in zip(distance.tolist(), found.centre_generalization_error.tolist(), stable.tolist()):
                records.append(base | {"kind": "centre", "distance": d, "error": error if error == error else None, "stable": good})
            state = fp.solve(model, ALPHA)
            error = state.centre_generalization_error
            records.append(base | {"kind": "typical", "distance": 0.5 * state.one_minus_q, "error": error, "stable": True})
            if curve in SAMPLED:
                at, error, spread = sampled(model, sweeps)
                records.append(base | {"kind": "sampled", "distance": at, "error": error, "spread": spread})
    analytic = error_of(DATA["mixture"], far_end(fp.Model(DATA["mixture"], fp.Gibbs("spherical")), ALPHA).cosine)
    records.append({"panel": "mixture", "curve": "analytic centre", "kind": "line", "distance": None, "error": analytic})
    return records


def draw(records: list[dict]):
    """Dashed where a replicon is negative, circles at the typical distance, error bars from samples."""
    figure, axes = style.panels(1, 2, width=style.PAGE, height=3.3)
    for ax, panel, title in zip(axes, DATA, ("(a) mixture, $D = 1$", "(b) teacher")):
        colours = iter((*style.CYCLE, style.GREY, style.BLACK))
        for curve in CURVES[panel]:
            colour = next(colours)
            mine = [r for r in records if r["panel"] == panel and r["curve"] == curve]
            x, y, stable = (np.array([r[name] for r in mine if r["kind"] == "centre"], float) for name in ("distance", "error", "stable"))
            line(ax, x, y, stable > 0.0, colour, curve, lw=1.1)
            for r in mine:
                if r["kind"] == "typical":
                    ax.plot(r["distance"], r["error"], "o", color=colour, ms=4.0, mfc="white", zorder=4)
                elif r["kind"] == "sampled":
                    ax.errorbar(r["distance"], r["error"], r["spread"], fmt=".", color=style.BLACK, ms=3.5, lw=0.8, capsize=1.5, zorder=5)
        for r in records:
            if r["kind"] == "line" and r["panel"] == panel:
                ax.axhline(r["error"], color=style.GREY, lw=0.8, ls=":" if r["curve"] == "Bayes" else "-.", zorder=0)
                x, up = NOTES[panel, r["curve"]]
                ax.annotate(r["curve"], (x, r["error"]), textcoords="offset points", xytext=(0, up), fontsize="x-small", color=style.GREY)
        ax.set(xlabel=r"mutual distance of the replicas $d$", xlim=(0.0, 0.5), title=title)
        ax.legend(fontsize="x-small", loc="upper right" if panel == "mixture" else "upper left")
    axes[0].set(ylabel=style.LABELS["centre_generalization_error"], ylim=(0.202, 0.305))
    axes[1].set(ylim=(0.172, 0.235))
    return figure
