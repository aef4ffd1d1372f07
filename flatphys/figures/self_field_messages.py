"""Figure: infinitely many replicas at one mutual distance in theory, and message passing with a self-field on instances.

With the self-field lam the messages' fixed points are weights with the mutual overlap q at which the theory's entropy per replica has the
slope d s/d distance = lam (Baldassi et al., PRL 115 128101 (2015) for the theory).  At strong self-fields many fixed points coexist, and
messages end in others than the maximum that the theory describes.
"""

import math
import warnings

import numpy as np

import flatphys as fp
from flatphys.errors import ReplicaSymmetryWarning
from flatphys.plotting import style

SELF_FIELDS = {0.4: (0.0, 0.2, 0.4, 0.6, 0.8, 0.95, 1.1), 0.6: (0.0, 0.15, 0.3, 0.45, 0.55, 0.65)}  # load -> lam
RANGE = (0.08, 0.4)  # of distances
N, INSTANCES, SEED = 1001, 6, 1
EFFORT = {"damping": 0.5, "tolerance": 1e-8, "max_iterations": 1500}


def compute(n: int = N, count: int = INSTANCES) -> list[dict]:
    """Records alpha, n, kind ("theory", "instances"), distance, value (entropy per replica), self_field, errors, fixed_points."""
    model, records = fp.Model(), []
    for alpha in SELF_FIELDS:
        instances = fp.make_instances(model, n, alpha, count, SEED)
        end = 0.5 * fp.solve(model, instances.alpha).one_minus_q
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReplicaSymmetryWarning)
            dense = fp.replicated_entropy(model, instances.alpha, distance=np.linspace(RANGE[0], end, 60))
        for d, value, slope in zip(dense.distance.tolist(), dense.value.tolist(), dense.slope.tolist()):
            records.append({"alpha": alpha, "n": n, "kind": "theory", "distance": d, "value": value, "self_field": -2.0 * slope})
        for strength in SELF_FIELDS[alpha]:
            found = fp.message_passing(instances, self_field=strength, **EFFORT)
            good = found.status == "ok"
            if good.sum() > 1:
                means = [
                    (float(x[good].mean()), float(x[good].std(ddof=1)) / math.sqrt(good.sum()))
                    for x in (0.5 - 0.5 * found.q, found.entropy)
                ]
                (d, d_error), (value, error) = means
                record = {"alpha": alpha, "n": n, "kind": "instances", "distance": d, "value": value, "self_field": strength}
                records.append(record | {"error": error, "distance_error": d_error, "fixed_points": int(good.sum())})
    return records


def draw(records: list[dict]):
    """Lines: theory; symbols: means over instances with their errors."""
    figure, axes = style.panels(1, 2, width=style.PAGE, height=2.7)
    for alpha, colour, marker in zip(SELF_FIELDS, (style.BLUE, style.VERMILION), "os"):
        dots = [r for r in records if r["alpha"] == alpha and r["kind"] == "instances"]
        look = dict(fmt=marker, ms=3.5, mew=0.8, mfc="white", color=colour, elinewidth=0.8, zorder=4)
        x, dx = [r["distance"] for r in dots], [r["distance_error"] for r in dots]
        for ax, name in zip(axes, ("value", "self_field")):
            ax.plot(*style.select(records, "distance", name, alpha=alpha, kind="theory"), color=colour, lw=1.0)
            errors = [r["error"] for r in dots] if name == "value" else None
            ax.errorbar(x, [r[name] for r in dots], errors, dx, **look, label=rf"$\alpha = {alpha:g}$")
    for ax in axes:
        ax.set(xlim=RANGE, xlabel=r"mutual distance $d = (1 - q)/2$")
    axes[0].set(ylabel=style.LABELS["replicated_entropy.value"], title=r"(a) entropy, $y = \infty$")
    axes[1].set(ylim=(0.0, None), ylabel=r"self-field $\lambda$", title=rf"(b) mutual coupling, $N = {records[0]['n']}$")
    axes[0].legend(loc="lower right", title="theory and messages")
    return figure
