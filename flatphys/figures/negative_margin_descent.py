"""Figure: gradient descent on the harmonic energy of the spherical perceptron at a negative margin, beside its capacities.

The descent asks for a slack beyond the margin; dots are fractions of instances that it solves, with intervals at 95%.
Compare Franz & Parisi 2016 (the negative perceptron as a model of jamming).
"""

import flatphys as fp
from flatphys.plotting import style

MARGIN = -0.5
SIZES = {100: (style.BLUE, "o"), 200: (style.VERMILION, "s")}
LOADS = (3.8, 4.2, 4.4, 4.6, 4.8)
INSTANCES, EPOCHS, SEED = 10, 12000, 1


def compute(instances: int = INSTANCES, sizes=tuple(SIZES), epochs: int = EPOCHS) -> list[dict]:
    """Records kind ("line": name, alpha; "success": n, alpha, value, low, high; "instance": n, alpha, number, value, steps)."""
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", MARGIN, energy="squared-hinge"))
    counted = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", MARGIN))
    lines = {"stability": fp.at_line(counted), "one-step": fp.capacity(counted, ansatz="1RSB"), "symmetric": fp.capacity(counted)}
    out = [{"kind": "line", "name": name, "alpha": float(alpha)} for name, alpha in lines.items()]
    for n in sizes:
        for alpha in LOADS:
            found = fp.find(
                fp.make_instances(model, n, alpha, count=instances, seed=SEED), fp.GradientDescent(epochs=epochs), progress=False
            )
            out.append({"kind": "success", "n": n, "alpha": found.instances.alpha, **found.success._asdict()})
            for k, (solved, steps) in enumerate(zip(found.solved.tolist(), found.iterations.tolist())):
                out.append(
                    {"kind": "instance", "n": n, "alpha": found.instances.alpha, "value": float(solved), "number": k, "steps": steps}
                )
    return out


def draw(records: list[dict]):
    """Success against the load; vertical lines: where the symmetric solution becomes unstable, and the capacities."""
    figure, ax = style.panels(1, 1, height=2.6)
    words = {"stability": ("RS unstable", ":"), "one-step": ("1RSB capacity", "--"), "symmetric": ("RS capacity", "-")}
    for record in records:
        if record["kind"] == "line":
            label, line = words[record["name"]]
            ax.axvline(record["alpha"], color=style.GREY, lw=0.9, ls=line, label=rf"{label} ${record['alpha']:.3f}$")
    for n, (colour, marker) in SIZES.items():
        mine = [r for r in records if r["kind"] == "success" and r["n"] == n]
        if mine:
            values = [r["value"] for r in mine]
            bars = [[v - r["low"] for v, r in zip(values, mine)], [r["high"] - v for v, r in zip(values, mine)]]
            look = dict(fmt=marker + "-", ms=3.2, lw=0.8, color=colour, elinewidth=0.6, mew=0.7)
            side = 0.006 if n == max(SIZES) else -0.006  # bars of two sizes beside each other
            ax.errorbar([r["alpha"] + side for r in mine], values, bars, **look, label=f"$N = {n}$")
    ax.set(
        xlabel=style.LABELS["alpha"],
        ylabel="fraction solved",
        ylim=(-0.05, 1.05),
        title=rf"gradient descent, $\kappa = {MARGIN:g}$, at most {EPOCHS} steps",
    )
    ax.legend(loc="lower left", fontsize="x-small", frameon=True, framealpha=1.0, edgecolor="none")
    return figure
