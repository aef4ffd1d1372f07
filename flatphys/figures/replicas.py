"""Entropy and errors of replicas against their distance, as `flatphys replicated-entropy --plot` draws them (not part of the gallery)."""

import math
import pathlib

import numpy as np

import flatphys as fp
from flatphys.plotting import style


def draw(answer):
    """Left the entropy per replica, right (with a teacher or on a mixture) the errors of a replica and of the centre beside Bayes.

    Dashed: a replicon is negative.
    """
    signal = answer.generalization_error is not None
    figure, axes = style.panels(1, 2, width=style.PAGE, height=2.7) if signal else style.panels()
    left = axes[0] if signal else axes
    order = np.argsort(answer.distance)
    x, stable = answer.distance[order], np.minimum(answer.inner_eigenvalue, answer.outer_eigenvalue)[order] > 0.0
    kinds = [(left, answer.value, style.BLUE, None)]
    if signal:
        kinds += [
            (axes[1], answer.generalization_error, style.ORANGE, "one replica"),
            (axes[1], answer.centre_generalization_error, style.BLUE, "centre"),
        ]
    for ax, values, colour, label in kinds:
        line(ax, x, values[order], stable, colour, label)
    left.set(xlabel=r"mutual distance $d$", ylabel=style.LABELS["replicated_entropy.value"])
    if signal:
        bayes = fp.bayes_error(answer.model.data, answer.alpha, answer.model.learner.weights)
        axes[1].axhline(bayes, color=style.GREY, lw=0.8, ls=":", label="Bayes")
        axes[1].set(xlabel=r"mutual distance $d$", ylabel=style.LABELS["generalization_error"])
        axes[1].legend()
    return figure


def line(ax, x, y, stable, colour, label=None, **look):
    """A curve, dashed where it is not stable; the two styles meet without a gap."""
    near = stable.copy()
    near[1:] |= stable[:-1]
    near[:-1] |= stable[1:]
    ax.plot(x, np.where(near, y, math.nan), color=colour, label=label, **look)
    ax.plot(x, np.where(stable, math.nan, y), color=colour, **look | {"ls": (0, (3, 1.2))})


def draw_to(answer, path: pathlib.Path) -> pathlib.Path:
    """Draw and save as PNG or PDF."""
    with style.paper():
        return style.save_figure(draw(answer), path)
