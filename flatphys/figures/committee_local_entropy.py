"""Figure: local entropy around the maximum margin of binary tree committees, by activation, and the loads at which flatness ends.

Below the flatness threshold the local entropy grows up to its maximum; above, a barrier opens close to the reference.
"""

import dataclasses
import warnings

import numpy as np

import flatphys as fp
from flatphys.errors import NegativeEntropyWarning
from flatphys.figures.local_entropy_curve import draw_count, without_patterns
from flatphys.plotting import style

LOADS = (0.5, 0.75)
RANGE = (3e-4, 0.5)
NETWORKS = {
    "perceptron": (fp.Perceptron(), style.BLACK),
    "erf": (fp.TreeCommittee("erf"), style.BLUE),
    "ReLU": (fp.TreeCommittee("relu"), style.GREEN),
    "sign": (fp.TreeCommittee("sign"), style.VERMILION),
}


def compute(points: int = 100) -> list[dict]:
    """Records network, around_max_margin, replicated (flatness thresholds), capacity, alpha, margin, distance, value, bound, status."""
    places = np.geomspace(*RANGE, points)
    records = []
    for name, (network, _) in NETWORKS.items():
        model = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", network=network))
        loads = {
            "around_max_margin": fp.flatness_threshold(model),
            "replicated": fp.flatness_threshold(model, reference="replicated"),
            "capacity": fp.capacity(model),
        }
        for alpha in LOADS:
            margin = fp.max_margin(model, alpha)
            reference = dataclasses.replace(model, learner=dataclasses.replace(model.learner, margin=margin))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NegativeEntropyWarning)
                found = fp.local_entropy(fp.solve(reference, alpha), distance=places)
            columns = (found.distance, found.value, without_patterns(places), found.status)
            for d, value, bound, status in zip(*(column.tolist() for column in columns)):
                one = {"network": name, **loads, "alpha": alpha, "margin": margin, "distance": d}
                records.append({**one, "value": value if status == "ok" else None, "bound": bound, "status": status})
    return records


def draw(records: list[dict]):
    """Local entropies at the two loads, and a row of thresholds for each network."""
    figure, axes = style.panels(1, 3, width=style.PAGE, height=2.4, width_ratios=(1.0, 1.0, 0.9))
    for ax, alpha, label in zip(axes, LOADS, "ab"):
        ax.axhline(0.0, color=style.GREY, lw=0.6)
        ax.plot(*style.select(records, "distance", "bound", alpha=alpha, network="sign"), color=style.GREY, ls=(0, (1, 1.2)))
        for name, (_, colour) in NETWORKS.items():
            draw_count(ax, *style.select(records, "distance", "value", alpha=alpha, network=name, status="ok"), color=colour, label=name)
        ax.set(xscale="log", xlim=RANGE, xlabel=style.LABELS["distance"])
        style.letter(ax, rf"({label}) $\alpha = {alpha:g}$")
    axes[0].set(ylim=(-0.03, 0.42), ylabel=style.LABELS["value"])
    axes[1].set(ylim=(-0.14, 0.19))
    axes[0].legend(loc="upper left", bbox_to_anchor=(0.0, 0.9))
    handles = [
        axes[1].plot([], [], color=style.GREY, ls=(0, (1, 1.2)), label=r"bound, $\alpha = 0$")[0],
        axes[1].plot([], [], color=style.GREY, lw=0.9, ls=(0, (3, 1.2)), label="no such weights")[0],
    ]
    axes[1].legend(handles=handles, loc="lower left")
    _draw_thresholds(axes[2], records)
    return figure


def _draw_thresholds(ax, records):
    for row, (name, (_, colour)) in enumerate(reversed(NETWORKS.items())):
        at = next(record for record in records if record["network"] == name)
        ax.plot([0.45, at["capacity"]], [row, row], color=colour, lw=0.8)
        ax.plot(at["around_max_margin"], row, "o", color=colour)
        ax.plot(at["replicated"], row, "o", color=colour, mfc="white")
        ax.plot(at["capacity"], row, "|", color=colour, ms=7)
    for alpha, label in zip(LOADS, "ab"):
        ax.plot([alpha, alpha], [-0.5, len(NETWORKS) - 0.4], color=style.GREY, lw=0.6, ls=(0, (4, 1.5)), zorder=0)
        ax.text(alpha, len(NETWORKS) - 0.35, label, ha="center", va="bottom", color=style.GREY, fontsize="small")
    marks = (("o", style.GREY, "flat around max. margin"), ("o", "white", "dense regions flat"), ("|", style.GREY, "capacity"))
    for marker, face, text in marks:
        ax.plot([], [], marker, color=style.GREY, mfc=face, ms=7 if marker == "|" else None, label=text)
    ax.set(xlim=(0.45, 1.0), ylim=(-2.5, len(NETWORKS) + 0.9), xlabel=style.LABELS["alpha"])
    ax.set_yticks(range(len(NETWORKS)), list(reversed(NETWORKS)))
    ax.tick_params(axis="y", length=0)
    ax.legend(loc="lower left", handlelength=1.0)
    style.letter(ax, "(c) up to which load")
