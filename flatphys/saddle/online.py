"""Online stochastic gradient descent at N -> infinity: differential equations for the overlap m and the squared norm q.

Every example is seen once, w += -(eta/sqrt N) l'(t) x - (eta l2/N) w with t = x.w/sqrt N (x signed by its label), and alpha counts the
examples per weight.  With f = -l'(t) and D = |x|^2/N,

    dm/dalpha = eta E[f nu] - eta l2 m,        dq/dalpha = 2 eta E[f t] + eta^2 D E[f^2] - 2 eta l2 q,

nu the signed field of the teacher or the centroids.  Partial integration gives it from averages over t alone:

    mixture   t = m + sqrt(D q) g,     E[f nu] = E[f (1 + sqrt(D/q) m g)]
    teacher   t = sqrt q z with density 2 G(z) Psi(tau z), Psi = eta_f + (1 - 2 eta_f) Phi, tau = m/T, T^2 = q - m^2, D = 1,
              E[f nu] = (m/q) E[f t] + (1 - m^2/q) (1 - 2 eta_f) sqrt(2/pi) E[f(T g)]

eta_f the probability of an inverted label.  Rule: Gauss-Legendre panels split at the kink and graded towards what is narrow.

Source: Biehl & Schwarze, J. Phys. A 28 (1995) 643; Saad & Solla, Phys. Rev. E 52 (1995) 4225.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from flatphys import validate
from flatphys.errors import InvalidInput, NotConverged
from flatphys.kernels.codes import LOGISTIC
from flatphys.kernels.losses import coded, slopes
from flatphys.model import ERM, CustomLoss, GaussianMixture, Model, RandomLabels, check_model, spread_of
from flatphys.numerics.quadrature import PANEL_RATIO, REACH, buffers, panel_nodes
from flatphys.saddle.minimiser.closed import mixture_error

if TYPE_CHECKING:
    import xarray

DIGITS = 1e-11  # relative accuracy of a step of the integrator
LARGEST = 1e8  # |w|^2/N, in units of its start and of eta^2, from which the descent has diverged: m would be lost in rounding


def online_learning(model: Model, learning_rate: float, alpha: ArrayLike, m0: float = 0.0, q0: float = 1.0) -> "xarray.Dataset":
    """What online stochastic gradient descent has learned after alpha N examples, each seen once.

    Parameters
    ----------
    model : Model
        `ERM(loss, l2)` without a bias, any loss, on a `Teacher` (flips included) or a `GaussianMixture`.
    learning_rate : float > 0
        eta: an example moves the weights by -(eta/sqrt N) l'(t) x.
    alpha : float or array, >= 0
        Examples per weight.
    m0, q0 : float
        w.v/N with the teacher or the centre, and |w|^2/N > 0, before the first example; m0^2 <= q0.

    Returns
    -------
    xarray.Dataset over "alpha"
        m, q, cosine and generalization_error.

    Raises
    ------
    InvalidInput
    NotConverged
        The norm diverges: the learning rate is too large for this loss.

    >>> model = fp.Model(fp.Teacher(flip=0.1), fp.ERM("logistic", l2=0.1))
    >>> fp.online_learning(model, 1.0, [2.0, 4.0]).generalization_error.values.round(4)
    array([0.3212, 0.2253])
    """
    import xarray

    check_model(model)
    rate = validate.number("learning_rate", learning_rate, 0.0)
    alphas = np.atleast_1d(validate.array("alpha", alpha, 0.0, closed="[", dimensions=1))
    q0 = validate.number("q0", q0, 0.0)
    m0 = validate.number("m0", m0, -math.sqrt(q0), math.sqrt(q0), closed="[]")
    learner = validate.instance("learner", model.learner, (ERM,))
    if isinstance(model.data, RandomLabels) or learner.bias:
        raise InvalidInput(f"model must be ERM without a bias on a teacher or a mixture, got {model!r}")
    places, back = np.unique(alphas, return_inverse=True)
    m, q = _integrate(Flow(model, rate), m0, q0, places)[:, back]
    table = xarray.Dataset({"m": ("alpha", m), "q": ("alpha", q), "cosine": ("alpha", m / np.sqrt(q))}, {"alpha": alphas})
    table["generalization_error"] = "alpha", [_error(model.data, *pair) for pair in zip(m.tolist(), q.tolist())]
    table.attrs = {"model": repr(model), "learning_rate": rate, "m0": m0, "q0": q0}
    return table


def _error(data, m, q):
    if isinstance(data, GaussianMixture):
        return mixture_error(0.5, m, 0.0, math.sqrt(data.variance * q))
    return math.atan2(math.sqrt(max(q - m * m, 0.0)), m) / math.pi


def _integrate(flow, m0, q0, places):
    """m and q at increasing places."""
    from scipy.integrate import solve_ivp

    if places[-1] == 0.0:
        return np.array([[m0], [q0]])

    largest = LARGEST * (q0 + max(1.0, flow.rate) ** 2)

    def diverged(alpha, x):
        return largest - x[1]

    diverged.terminal = True
    with np.errstate(all="ignore"):
        found = solve_ivp(flow, (0.0, places[-1]), [m0, q0], "DOP853", places, rtol=DIGITS, atol=1e-13, events=diverged)
    if not found.success or len(found.t) < places.size or not np.isfinite(found.y).all():
        raise NotConverged(
            f"the norm of online descent at the learning rate {flow.rate:g} diverges before alpha = {places[-1]:g}: use a smaller rate, "
            "a larger l2 or a smaller alpha"
        )
    return found.y


class Flow:
    """(dm, dq)/dalpha of the module's docstring at a learning rate."""

    def __init__(self, model, rate: float):
        self.data, self.l2, self.loss, self.rate = model.data, model.learner.l2, model.learner.loss, rate
        self.mixture, self.spread = isinstance(model.data, GaussianMixture), spread_of(model.data)

    def __call__(self, alpha, x):
        m, q = float(x[0]), float(x[1])
        if not 0.0 < q < math.inf:
            return [math.nan, math.nan]
        signal, work, square = self._mixture(m, q) if self.mixture else self._teacher(m, q)
        rate, own = self.rate, self.rate * self.l2
        return [rate * signal - own * m, 2.0 * rate * work + (rate * self.spread) ** 2 * square - 2.0 * own * q]

    def _mixture(self, m, q):
        """(E[f nu], E[f t], E[f^2])."""
        scale = self.spread * math.sqrt(q)
        g, w = self._nodes(m, scale, math.inf)
        f = self._force(m + scale * g)
        mean, turned = w @ f, w @ (f * g)
        return mean + self.spread * m / math.sqrt(q) * turned, m * mean + scale * turned, w @ (f * f)

    def _teacher(self, m, q):
        from scipy.special import ndtr

        flip, across = self.data.flip, math.sqrt(max(q - m * m, 0.0))
        tau = m / max(across, 1e-150)
        z, w = self._nodes(0.0, math.sqrt(q), 1.0 / max(abs(tau), 1e-150))
        w = w * (2.0 * (flip + (1.0 - 2.0 * flip) * ndtr(tau * z)))
        t = math.sqrt(q) * z
        f = self._force(t)
        g, v = self._nodes(0.0, max(across, 1e-150), math.inf)
        plain = v @ self._force(across * g)
        work = w @ (f * t)
        return m / q * work + (1.0 - m * m / q) * (1.0 - 2.0 * flip) * math.sqrt(2.0 / math.pi) * plain, work, w @ (f * f)

    def _force(self, t):
        if isinstance(self.loss, CustomLoss):
            return -np.array([self.loss.slope(x) for x in t.tolist()])
        out = np.empty(t.size)
        slopes(coded(self.loss, self.spread), t, out)
        return -out

    def _nodes(self, mean, scale, narrow):
        """Nodes g and weights (density included) of an average of functions of mean + scale g; `narrow`: the width of a step at g = 0."""
        if isinstance(self.loss, CustomLoss):
            place, width = 1.0, 0.0
        else:
            code = coded(self.loss, self.spread)
            place, width = (0.0, math.pi) if code.code == LOGISTIC else (1.0, code.sigma)
        kink = (place - mean) / scale
        marks = (kink, width / scale if width else math.inf, 0.0, narrow, 0.0, math.inf, 0.0, math.inf)
        u, w = buffers()
        edges = [-REACH, *([kink] if not width and abs(kink) < REACH else []), REACH]
        count = 0
        for low, high in zip(edges, edges[1:]):
            count = panel_nodes(count, low, high, PANEL_RATIO, PANEL_RATIO, marks, u, w)
        g = u[:count].copy()
        return g, w[:count] * np.exp(-0.5 * g * g) / math.sqrt(2.0 * math.pi)
