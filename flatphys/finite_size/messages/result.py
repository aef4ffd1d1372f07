"""`Messages`: the fixed points of message passing on every instance, with what they say of its weights."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from flatphys.display import Table
from flatphys.finite_size.instances import Instances

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Messages(Table):
    """Fixed points of `message_passing`, one for each instance; values are nan where there is none.

    Attributes
    ----------
    instances : Instances
    method : "amp", "bp" or "bp-exact"
    status : (count,) of str
        "ok", or "no_fixed_point".
    free_entropy, entropy : (count,), nats per weight
        (1/N) log of the weighted sum over weights, fields and couplings included; `entropy` is the log count without their terms:
        free_entropy - field.m/N - (self_field/2) q + beta energy.  nan for the entropy of a star: see `local_entropy`.
    q, q_hat : (count,)
        |m|^2/N, and sum_mu g_mu^2/N ("amp").
    train_error, train_loss : (count,)
        Share of the patterns below the margin and mean energy of a pattern, in the measure of the weights.
    energy : (count,)
        alpha * train_loss.
    overlap : (count,)
        m.reference/N with the teacher or the mixture's centre, else with the signs of the field; nan where there is neither.
    at_eigenvalue : (count,)
        Replicon of the instance, 1 - (1/N) sum_mu g'_mu^2 mean[(1-m^2)^2] (spherical: (1-q)^2), with a self-field or a coupling that of
        the responses, a committee's the smallest (`finite_size.messages.stability`); -inf where no finite response is left, nan for edges.
    centre_overlap, local_entropy, external_entropy : (count,)
        Of a star (`coupling`): S = mean overlap with the centre, the log count of weights at that overlap, the log count of centres.
    residual, iterations, damping : (count,)
        Largest change in an undamped update, updates in the attempt that ended it, damping of that attempt.
    magnetizations : (count, n)
    """

    def __init__(self, instances: Instances, method: str, values: dict, coupling=None):
        self.instances, self.method, self.coupling = instances, method, coupling
        self.__dict__.update(values)

    @property
    def weights(self) -> np.ndarray:
        """(count, n) int8: the signs of the magnetizations (+1 at 0); of spherical weights m itself on the sphere, float64."""
        m = self.magnetizations
        if self.instances.model.learner.weights == "binary":
            return np.where(m >= 0.0, 1, -1).astype(np.int8)
        return m * (math.sqrt(self.instances.n) / np.linalg.norm(m, axis=1, keepdims=True))

    @property
    def solved(self) -> np.ndarray:
        """(count,) bool: no stability of `weights` is below the margin."""
        stabilities = self.instances.stabilities(np.nan_to_num(self.weights.astype(float))[:, None, :])[:, 0]
        return (stabilities >= self.instances.model.learner.margin).all(axis=1) & (self.status == "ok")

    def plot(self, ax: "Axes | None" = None, **style: Any) -> "Axes":
        """Draw the law of the magnetizations of every instance on `ax` or a new figure; returns the axes."""
        from flatphys.plotting import new_axes

        ax = new_axes(ax)
        for m in self.magnetizations[self.status == "ok"]:
            ax.hist(m, **{"bins": np.linspace(-1.0, 1.0, 41), "density": True, "histtype": "step", **style})
        ax.set(xlabel="magnetization", ylabel="density")
        return ax

    def _title(self):
        return f"Messages ({self.method}) on {self.instances.count} instances of {self.instances.model!r}"

    def _rows(self):
        good = self.status == "ok"
        rows = [("N", str(self.instances.n)), ("P", str(self.instances.p)), ("fixed points", f"{good.sum()} of {good.size}")]
        names = ["free_entropy", "entropy", "q", "train_error", "overlap", "at_eigenvalue", "centre_overlap", "local_entropy"]
        for name in names:
            some = getattr(self, name)[good]
            if some.size and not np.isnan(some).any():
                error = f" +- {some.std(ddof=1) / math.sqrt(some.size):.2g}" if some.size > 1 else ""
                rows.append((name, f"{some.mean():.10g}{error}"))
        if good.any():
            rows.append(("iterations", f"{int(np.median(self.iterations[good]))} (median)"))
        return rows
