"""Figure: law of the training stabilities below and above the separability threshold, with simulations.

Mignacco, Krzakala, Lu, Urbani & Zdeborova 2020.  The dots are means over samples trained by an
optimiser of SciPy, which knows nothing of the theory.
"""

import math

import numpy as np
from scipy import optimize

import flatphys as fp
from flatphys.figures.erm_learning_curves import strength
from flatphys.finite_size import trained as finite
from flatphys.plotting import style

DATA = fp.GaussianMixture()  # separable up to alpha = 3.70
LEARNERS = {"logistic": fp.ERM("logistic", 0.01), "hinge": fp.ERM("hinge", 0.1), "max margin": fp.MaxMargin()}
LOADS = {"logistic": (2.0, 4.5), "hinge": (2.0, 4.5), "max margin": (1.0, 2.0)}
RANGES = {"logistic": (-4.5, 14.5), "hinge": (-3.0, 6.0), "max margin": (-0.6, 3.9)}
WIDTHS = {"logistic": 0.6, "hinge": 0.3, "max margin": 0.2}  # of the histograms' bins
N, SAMPLES, SEED = 800, 3, 1
ATOM_LABELS_LEFT = (("hinge", 4.5), ("max margin", 2.0))
ACCURACY = {"logistic": 1e-4, "hinge": 1e-2, "max margin": 1e-2}  # of the gradient: much finer than a bin


def train(name: str, alpha: float, n: int, rng):
    """(training stabilities, which of them are in the atom) of one sample."""
    patterns = round(alpha * n)
    x, y, _, _ = finite.draw(DATA, n, patterns, rng)
    kind = float if name == "logistic" else np.float32  # digits enough for the slow dual, in half the time
    z = (y[:, None] * x / math.sqrt(n)).astype(kind)
    l2 = getattr(LEARNERS[name], "l2", 1.0)

    def forward(w):  # einsum and not @: one thread, sums in the same order everywhere
        return np.einsum("pi,i->p", z, w.astype(kind)).astype(float)

    def back(a):
        return np.einsum("pi,p->i", z, a.astype(kind)).astype(float)

    def logistic(w):
        t = forward(w)
        gradient = l2 * w - back(0.5 - 0.5 * np.tanh(0.5 * t))
        return np.logaddexp(0.0, -t).sum() + 0.5 * l2 * w @ w, gradient

    def dual(a):  # of the hinge loss, w = z'a/l2; without the upper bound that of the smallest norm with every t >= 1
        w = back(a) / l2
        return 0.5 * l2 * w @ w - a.sum(), forward(w) - 1.0

    options = {"maxiter": 5000, "ftol": 0.0, "gtol": ACCURACY[name]}
    if name == "logistic":
        w = optimize.minimize(logistic, np.zeros(n), jac=True, method="L-BFGS-B", options=options).x
        return forward(w), np.zeros(patterns, dtype=bool)
    top = 1.0 if name == "hinge" else math.inf
    a = optimize.minimize(dual, np.full(patterns, 0.5), jac=True, method="L-BFGS-B", bounds=[(0.0, top)] * patterns, options=options).x
    held = (a > 0.0) & (a < top)  # these patterns are at the kink
    w = back(a) / l2
    if name == "max margin":
        w *= math.sqrt(n) / np.linalg.norm(w)
    return forward(w), held


def compute(points: int = 241, n: int = N, samples: int = SAMPLES, seed: int = SEED) -> list[dict]:
    """Records learner, alpha, kind, stability, value, error.

    kind "theory": density; "atom": place and mass; "bin": the theory's mass in a bin, atoms not counted;
    "simulation", "simulated atom": the same in the samples.  The error of the mean is the larger one of
    the counting error and what the spread between samples tells.
    """
    records = []
    for name, learner in LEARNERS.items():
        for alpha in LOADS[name]:
            state = fp.solve(fp.Model(DATA, learner), alpha)
            law, patterns = fp.margins(state), round(alpha * n)
            place = state.margin if name == "max margin" else 1.0
            width, (low, high) = WIDTHS[name], RANGES[name]
            start = 0 if name == "max margin" else math.ceil((low - place) / width)
            edges = place + width * np.arange(start, math.floor((high - place) / width) + 1)

            def add(kind, stability, value, error=None, of=(name, alpha)):
                records.append(dict(zip(("learner", "alpha", "kind", "stability", "value", "error"), (*of, kind, stability, value, error))))

            grid = np.unique([*np.linspace(*RANGES[name], points), place, np.nextafter(place, -math.inf)])
            for x, density in zip(grid.tolist(), law.pdf(grid).tolist()):
                add("theory", x, density)
            for x, mass in law.atoms:
                add("atom", x, mass)
            counts, places = [], []
            for child in np.random.SeedSequence([seed, patterns]).spawn(samples):
                t, held = train(name, alpha, n, np.random.default_rng(child))
                places.append(float(np.median(t[held])) if held.any() else place)
                if name == "max margin":  # every sample has a largest margin of its own: stabilities count from there
                    t = t + (place - places[-1])
                counts.append([held.sum(), *np.histogram(t[~held], edges)[0]])
            shares = np.array(counts) / patterns
            mean, spread = shares.mean(axis=0), shares.std(axis=0, ddof=1) / math.sqrt(samples)
            counting = np.sqrt(np.maximum(mean * (1.0 - mean), 1.0 / patterns) / (patterns * samples))
            mean, error = mean.tolist(), np.maximum(spread, counting).tolist()
            if law.atoms:
                add("simulated atom", float(np.mean(places)), mean[0], error[0])
            inside = np.diff(law.cdf(edges)).tolist()
            for left, right, mass, value, bar in zip(edges.tolist(), edges[1:].tolist(), inside, mean[1:], error[1:]):
                add("bin", 0.5 * (left + right), mass - sum(m for x, m in law.atoms if left < x <= right))
                add("simulation", 0.5 * (left + right), value, bar)
    return records


def draw(records: list[dict]):
    """One panel per learner; an atom is an arrow as high as its mass."""
    figure, axes = style.panels(1, 3, width=style.PAGE, height=2.6)
    threshold = fp.separability_threshold(DATA)
    titles = {
        "logistic": f"(a) logistic, {strength(0.01)}",
        "hinge": f"(b) hinge, {strength(0.1)}",
        "max margin": r"(c) maximum margin, $|w|^2 = N$",
    }
    colours = {1.0: style.GREEN, 2.0: style.BLUE, 4.5: style.VERMILION}
    for ax, (name, title) in zip(axes, titles.items()):
        for alpha in LOADS[name]:
            mine, colour = [r for r in records if r["learner"] == name and r["alpha"] == alpha], colours[alpha]
            side = "<" if alpha < threshold else ">"
            ax.plot(
                *style.select(mine, "stability", "value", kind="theory"),
                color=colour,
                label=rf"$\alpha = {alpha:g} {side} \alpha_{{\mathrm{{sep}}}}$",
            )
            dots = [r for r in mine if r["kind"] == "simulation"]
            look = dict(fmt="o", ms=2.4, color=colour, elinewidth=0.7, mfc="white", mew=0.7)
            bars = [[r[key] / WIDTHS[name] for r in dots] for key in ("value", "error")]
            ax.errorbar([r["stability"] for r in dots], bars[0], bars[1], **look)
            for atom in (r for r in mine if r["kind"] == "atom"):
                place, mass = atom["stability"], atom["value"]
                arrow = dict(arrowstyle="-|>", color=colour, lw=1.6, shrinkA=0, shrinkB=0)
                ax.annotate("", (place, mass), (place, 0.0), arrowprops=arrow)
                left = (name, alpha) in ATOM_LABELS_LEFT
                text = dict(color=colour, fontsize="small", va="center", ha="right" if left else "left")
                ax.text(place + (-0.04 if left else 0.04) * np.ptp(RANGES[name]), mass, f"{mass:.3f}", **text)
            for atom in (r for r in mine if r["kind"] == "simulated atom"):
                ax.errorbar([atom["stability"]], [atom["value"]], [atom["error"]], **look)
        ax.errorbar(
            [], [], [], fmt="o", ms=2.4, color=style.GREY, elinewidth=0.7, mfc="white", mew=0.7, label=f"{SAMPLES} samples, $N = {N}$"
        )
        if name != "logistic":
            ax.plot([], [], color=style.GREY, marker="^", lw=1.6, ms=4.0, label="atom and its mass")
        ax.set(xlim=RANGES[name], xlabel=style.LABELS["x"])
        ax.set_ylim(0.0, 1.6 * max(r["value"] for r in records if r["learner"] == name and r["kind"] in ("theory", "atom")))
        ax.legend(loc="upper right", title=title, alignment="left", title_fontsize="small", borderaxespad=0.3)
    axes[0].set_ylabel(style.LABELS["pdf"])
    return figure
