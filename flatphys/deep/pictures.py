"""Pictures of networks' comparisons, each drawn from a table that `compare`, `correlate`, `local_energy` or `train` returned."""

import numpy as np

from flatphys.plotting import style


def errors_against_flatness(table, sigma: float | None = None):
    """Test error against local energy, a dot a run, a colour an algorithm, a marker a network; means with their errors."""
    sigma = float(table.sigma[0]) if sigma is None else sigma
    figure, ax = style.panels(height=2.9)
    for algorithm, colour in zip(table.algorithm.values, _colours(table.sizes["algorithm"])):
        for network, marker in zip(table.network.values, "os^Dv<>"):
            part = table.sel(algorithm=algorithm, network=network)
            x, y = part.local_energy.sel(sigma=sigma), 100.0 * part.test_error
            label = str(algorithm) if table.sizes["network"] == 1 else f"{algorithm}, {network}"
            ax.plot(x, y, marker, color=colour, ms=3, alpha=0.6, ls="none", label=label)
            error = [float(values.std(ddof=1)) / np.sqrt(values.size) if values.size > 1 else 0.0 for values in (x, y)]
            ax.errorbar(float(x.mean()), float(y.mean()), error[1], error[0], color=colour, marker=marker, ms=5, capsize=2)
    ax.set(xlabel=rf"local energy at $\sigma={sigma:g}$", ylabel="test error (%)")
    ax.legend()
    return figure


def energy_curves(table):
    """Local energy against sigma for each algorithm, means over seeds with their errors."""
    figure, ax = style.panels()
    part = table.isel(network=0)
    for algorithm, colour in zip(table.algorithm.values, _colours(table.sizes["algorithm"])):
        one = part.sel(algorithm=algorithm)
        ax.errorbar(
            table.sigma, one.local_energy_mean, one.local_energy_error, color=colour, marker="o", ms=3, capsize=2, label=str(algorithm)
        )
    ax.set(xlabel=r"relative noise $\sigma$", ylabel="rise of the training error", ylim=(0.0, None))
    ax.legend()
    return figure


def along_a_run(history):
    """Losses along a training and, with replicas, their distance and coupling."""
    coupled = "distance" in history
    figure, axes = style.panels(1, 1 + coupled, width=style.PAGE if coupled else style.COLUMN, height=2.5, squeeze=False)
    left, x = axes[0, 0], history.gradients
    left.semilogy(x, history.loss, color=style.BLUE, label="loss of the minibatches")
    left.semilogy(x, np.maximum(history.error, 1e-4), color=style.VERMILION, label="share of errors (1e-4: none)")
    left.set(xlabel="gradients of examples", ylabel="training")
    left.legend()
    if coupled:
        right = axes[0, 1]
        right.semilogy(x, history.distance, color=style.GREEN, label=r"distance $\langle|w_a-c|^2\rangle$")
        right.semilogy(x, history.gamma, color=style.PURPLE, label=r"coupling $\gamma$")
        right.set(xlabel="gradients of examples", ylabel="replicas")
        right.legend()
    return figure


def taus(table):
    """Kendall's tau of each measure with the test error and with the gap, bars are bootstrap intervals at 95%."""
    targets = [name for name in ("test_error", "gap") if name in table.target.values]
    measures = [str(name) for name in table.measure.values]
    figure, ax = style.panels(height=0.35 + 0.23 * len(measures))
    for k, (target, colour) in enumerate(zip(targets, (style.BLUE, style.VERMILION))):
        part = table.sel(target=target)
        y = np.arange(len(measures)) + 0.12 * (2 * k - 1)
        bars = np.abs(np.stack([part.tau - part.tau_low, part.tau_high - part.tau]))
        label = {"test_error": "test error", "gap": "test - training error"}[target]
        ax.errorbar(part.tau, y, xerr=bars, color=colour, marker="o", ms=3, ls="none", capsize=2, label=f"with the {label}")
    ax.axvline(0.0, color=style.GREY, lw=0.6)
    ax.set(xlim=(-1.0, 1.0), xlabel=r"Kendall's $\tau$", yticks=range(len(measures)), ylim=(len(measures) - 0.5, -0.5))
    ax.set_yticklabels([name.replace("_", " ") for name in measures])
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure


def _colours(count):
    return [style.CYCLE[k % len(style.CYCLE)] for k in range(count)]
