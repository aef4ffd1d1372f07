"""Figure: capacity against margin by activation of a tree committee, beside the perceptron; binary and spherical weights.

Barkai, Hansel & Sompolinsky 1992; Baldassi, Malatesta & Zecchina, PRL 123 170602 (2019).
"""

import numpy as np

import flatphys as fp
from flatphys.plotting import style

NETWORKS = {
    "perceptron": fp.Perceptron(),
    "sign": fp.TreeCommittee("sign"),
    "erf": fp.TreeCommittee("erf"),
    "relu": fp.TreeCommittee("relu"),
}
LOOKS = {
    "perceptron": dict(color=style.BLACK, label="perceptron"),
    "sign": dict(color=style.BLUE, label="sign"),
    "erf": dict(color=style.GREEN, label="erf"),
    "relu": dict(color=style.VERMILION, label="ReLU"),
}
RANGE = (-1.0, 1.5)


def compute(points: int = 51) -> list[dict]:
    """Records weights, network, ansatz, margin, alpha; spherical sign committees, whose capacity is infinite, are left out."""
    records = []
    for weights, ansatze in (("binary", ("RS",)), ("spherical", ("RS", "1RSB"))):
        for name, network in NETWORKS.items():
            if weights == "spherical" and name == "sign":
                continue
            for ansatz in ansatze:
                for margin in np.round(np.linspace(*RANGE, points), 12).tolist():
                    alpha = fp.capacity(fp.Model(fp.RandomLabels(), fp.Gibbs(weights, margin, network=network)), ansatz=ansatz)
                    records.append({"weights": weights, "network": name, "ansatz": ansatz, "margin": margin, "alpha": alpha})
    return records


def draw(records: list[dict]):
    """(a) binary weights, zero entropy; (b) spherical weights, one-step and (thin, dotted) replica-symmetric capacities."""
    figure, axes = style.panels(1, 2, width=style.PAGE, height=2.7)
    for ax, weights, letter in zip(axes, ("binary", "spherical"), "ab"):
        for name, look in LOOKS.items():
            x, y = style.select(records, "margin", "alpha", weights=weights, network=name, ansatz="RS")
            if not x:
                continue
            if weights == "binary":
                ax.semilogy(x, y, **look)
                continue
            ax.semilogy(x, y, color=look["color"], ls=(0, (1, 1.2)), lw=1.0)
            ax.semilogy(*style.select(records, "margin", "alpha", weights=weights, network=name, ansatz="1RSB"), **look)
        ax.set(xlim=RANGE, xlabel=style.LABELS["margin"])
        ax.set_title(f"({letter}) {weights} weights")
    axes[0].set(ylim=(0.15, 5.0), ylabel=r"capacity $\alpha_{\mathrm{c}}$")
    axes[1].set(ylim=(0.25, 25.0))
    style.plain_ticks(axes[0].yaxis, (0.2, 0.5, 1, 2, 5))
    style.plain_ticks(axes[1].yaxis, (0.5, 1, 2, 5, 10, 20))
    axes[0].legend(title="activation", title_fontsize="small", alignment="left")
    axes[1].plot([], [], color=style.GREY, ls=(0, (1, 1.2)), lw=1.0, label="replica symmetric")
    axes[1].plot([], [], color=style.GREY, label="one-step RSB")
    axes[1].legend(handles=axes[1].lines[-2:], loc="upper right")
    style.letter(axes[1], r"sign: $\alpha_{\mathrm{c}} = \infty$", x=0.04, y=0.08)
    return figure
