"""Law of the training stabilities of Gibbs-typical weights, and its limits.

Given the cavity field sqrt(q) z, with weight W(z) (`saddle.equilibrium.averages`), Delta = sqrt(q) z + sqrt(v) y where y is
Gaussian, tilted by the constraint: density G(y) [theta(y > x) + e^-beta theta(y < x)]/f(x), x = (kappa - sqrt(q) z)/sqrt v:

    P(Delta) = Int Dz W(z) G((Delta - sqrt q z)/sqrt v)/sqrt v [theta(Delta-kappa) + e^-beta theta(kappa-Delta)]/f
    E[y|z] = a,  E[y^2|z] = 1 + x a,  E[y^3|z] = (2 + x^2) a,      a of `kernels.counting`

so the density jumps by e^beta at kappa.  As q -> 1 (maximum margin, ground state) Delta = z except in the window
(kappa - w, kappa), whose mass is an atom at kappa.  The teacher's own stabilities are |z|, up to the flips.
(The Bayes rule's: `observables.margins.bayes`.)

A tree committee's stabilities are those of pre-activations of overlap c(q) (`kernels.networks`): q and v stand for c(q) and 1-c(q)
above.  Weights w' at the overlap p with w have the overlap pq with the other replicas, hence the stability

    Delta' = [c(pq)/sqrt(c(q))] z + [(c(p)-c(pq))/sqrt(1-c(q))] y + s g,      s^2 = 1 - (both brackets)^2

on the same pattern, g another standard normal (p Delta + sqrt(1-p^2) g for the perceptron).  As q -> 1 the second term becomes
[p c'(p)/c'(1)] (kappa - z) inside the window.

Source: Gardner & Derrida 1988; Kepler & Abbott 1988.
"""

import math

import numpy as np
from scipy.special import ndtr

from flatphys._jit import jit
from flatphys.kernels.counting import error_counting
from flatphys.kernels.networks import PERCEPTRON_NET, overlap_map, overlap_slope
from flatphys.model import Bayes
from flatphys.numerics.gaussian import INV_SQRT_2PI, LOG_SQRT_2PI, log_tail, tail
from flatphys.numerics.quadrature import buffers, gaussian_nodes, panel_nodes
from flatphys.observables.margins.distribution import MarginDistribution
from flatphys.saddle.equilibrium.averages import (
    H_ZERO_IM,
    H_ZERO_RE,
    RANDOM,
    REACH,
    f_zero,
    pattern_rule,
    pattern_weight,
    teacher_scale,
    weights_average,
)
from flatphys.saddle.equilibrium.curve import Code
from flatphys.saddle.equilibrium.limit import error_mass


@jit
def _law_at(kind, flip, kappa, beta, v, q, r, t2, delta, cumulative, u, w):
    """Density (or, if `cumulative`, distribution function) of Delta at delta."""
    c, root = math.sqrt(q / v), math.sqrt(v)
    reach = REACH + max(0.0, -kappa - 2.0 if kappa > -32.0 else 30.0)
    origin = delta / math.sqrt(q) if delta * delta < reach * reach * q else 0.0
    y0 = 0.0 if origin != 0.0 or delta == 0.0 else delta / root
    x0 = y0 + (kappa - delta) / root
    growth, narrow = teacher_scale(kind, q, r, t2)
    re, im = f_zero(beta)
    poles = ((x0 - H_ZERO_RE) / c, H_ZERO_IM / c, (x0 - re) / c, im / c)
    # G(y) is entire but as narrow as sqrt(v/q), so its growth off the axis adds to that of the measure
    n = gaussian_nodes(0, reach, growth + q / v, origin, poles, (-origin, narrow, y0 / c, 1.5 / c), u, w)
    if n < 0:
        return math.nan
    k = r / math.sqrt(t2) if kind != RANDOM else 0.0
    total = 0.0
    for i in range(n):
        y = y0 - c * u[i]
        log_f = error_counting(x0 - c * u[i], beta)[0]
        if not cumulative:
            log_mass = -0.5 * y * y - LOG_SQRT_2PI
        elif delta >= kappa:  # one minus the mass above delta
            log_mass = log_tail(y)
        else:
            log_mass = log_tail(-y)
        total += w[i] * pattern_weight(kind, flip, k, origin + u[i]) * math.exp(log_mass - log_f - (beta if delta < kappa else 0.0))
    if not cumulative:
        return total / root
    return 1.0 - total if delta >= kappa else total


@jit
def _law(kind, flip, kappa, beta, v, q, r, t2, deltas, cumulative, u, w):
    out = np.empty(deltas.size)
    for i in range(deltas.size):
        if beta == math.inf and deltas[i] < kappa:
            out[i] = 0.0
        elif math.isinf(deltas[i]):
            out[i] = 1.0 if cumulative and deltas[i] > 0.0 else 0.0
        else:
            out[i] = _law_at(kind, flip, kappa, beta, v, q, r, t2, deltas[i], cumulative, u, w)
    return out


@jit
def _moments(kind, flip, kappa, beta, v, q, r, t2, u, w):
    """(mean, variance, third central moment) of Delta."""
    n, x0, dx, origin = pattern_rule(kind, kappa, beta, v, q, r, t2, 0, u, w)
    k = r / math.sqrt(t2) if kind != RANDOM else 0.0
    sq, sv = math.sqrt(q), math.sqrt(v)
    mean = 0.0
    for i in range(n):
        z = origin + u[i]
        a = error_counting(x0 + dx * u[i], beta)[1]
        w[i] *= pattern_weight(kind, flip, k, z)
        mean += w[i] * (sq * z + sv * a)
    variance = third = 0.0
    for i in range(n):
        _, a, b, _ = error_counting(x0 + dx * u[i], beta)
        x = x0 + dx * u[i]
        e = sq * (origin + u[i]) + sv * a - mean  # deviation of the conditional mean
        s2 = v * (1.0 + b)  # conditional variance
        s3 = v * sv * ((2.0 + x * x) * a - 3.0 * a * (1.0 + x * a) + 2.0 * a * a * a)  # conditional third cumulant
        variance += w[i] * (e * e + s2)
        third += w[i] * (e * e * e + 3.0 * e * s2 + s3)
    return mean, variance, third


@jit
def _smeared(kind, flip, kappa, beta, v, q, r, t2, slope_z, slope_y, u, w, y, wy):
    """E[H(slope_z z + slope_y y)]: the probability that a Gaussian perturbation turns the sign of Delta."""
    c, root = math.sqrt(q / v), math.sqrt(v)
    reach = REACH + max(0.0, -kappa - 2.0 if kappa > -32.0 else 30.0)
    origin = kappa / math.sqrt(q) if kappa * kappa < reach * reach * q else 0.0
    x0 = 0.0 if origin != 0.0 or kappa == 0.0 else kappa / root
    growth, narrow = teacher_scale(kind, q, r, t2)
    smooth = slope_z * slope_z / (1.0 + slope_y * slope_y)  # H once y is averaged over
    narrow = min(narrow, 3.0 / math.sqrt(smooth)) if smooth > 0.0 else narrow
    re, im = f_zero(beta)
    poles = ((x0 - H_ZERO_RE) / c, H_ZERO_IM / c, (x0 - re) / c, im / c)
    n = gaussian_nodes(0, reach, growth + smooth, origin, poles, (-origin, narrow, 0.0, math.inf), u, w)
    if n < 0:
        return math.nan
    k = r / math.sqrt(t2) if kind != RANDOM else 0.0
    width = 3.0 / max(abs(slope_y), 1e-300)
    total = 0.0
    for i in range(n):
        z = origin + u[i]
        x = x0 - c * u[i]
        centre = -slope_z * z / slope_y if slope_y != 0.0 else 0.0
        log_f = error_counting(x, beta)[0]
        inner = 0.0
        for side in range(1 if beta == math.inf else 2):
            if side == 0:  # fulfilled: y > x, decaying as exp(-x (y-x)) where x is large
                lo, hi = max(x, -10.0), max(10.0, x + 45.0 / (max(x, 0.0) + 6.0)) if x > -10.0 else 10.0
                penalty = 0.0
            else:
                lo, hi = min(-10.0, x - 45.0 / (max(-x, 0.0) + 6.0)) if x < 10.0 else -10.0, min(x, 10.0)
                penalty = beta
            cap = 1.5 if abs(x) < 4.0 else 6.0 / abs(x)
            if side == 0 and x < 0.0 or side == 1 and x > 0.0:
                cap = 1.5
            m = panel_nodes(0, lo, hi, 1.5, cap, (centre, width, 0.0, math.inf, 0.0, math.inf, 0.0, math.inf), y, wy)
            if m < 0:
                return math.nan
            for j in range(m):
                weight = math.exp(-0.5 * y[j] * y[j] - LOG_SQRT_2PI - log_f - penalty)
                inner += wy[j] * weight * tail(slope_z * z + slope_y * y[j])
        total += w[i] * pattern_weight(kind, flip, k, z) * inner
    return total


def overlaps(state) -> tuple[float, float, float, float]:
    """(1-q, q, R, q - R^2) of the weights in a Gibbs or Bayes state, from its conjugates so that nothing cancels."""
    code = Code(state.model)
    v, q, r, t2, *_ = weights_average(code.weights, code.kind, state.q_hat, state.order.get("R_hat", 0.0), 0, *buffers())
    return v, q, r, t2


class GibbsMargins(MarginDistribution):
    """Stabilities of weights drawn from the Gibbs measure."""

    def __init__(self, state):
        code = Code(state.model)
        self._net, (self._v, self._q, r, t2) = code.net, overlaps(state)
        c, gap = overlap_map(self._net, self._q, self._v)
        self._args = (code.kind, code.flip, code.kappa, code.beta, gap, c, r, t2)
        mean, variance, third = _moments(*self._args, *buffers())
        low = code.kappa if code.beta == math.inf else min(-4.5, code.kappa - 4.5)
        support = (low - 0.2, max(4.5, code.kappa + 4.5))
        super().__init__(mean, variance, third / variance**1.5, support=support)

    def _pdf(self, x):
        return _law(*self._args, x, False, *buffers())

    def _cdf(self, x):
        return np.clip(_law(*self._args, x, True, *buffers()), 0.0, 1.0)

    def _smeared(self, slope):
        gap, c = self._args[4:6]
        return _smeared(*self._args, slope * math.sqrt(c), slope * math.sqrt(gap), *buffers(), *buffers(1))

    def rise_after_turn(self, eps: float) -> float:
        """P(Delta' < 0) - P(Delta < 0) of weights at the overlap 1 - eps with the original ones (see the module's docstring)."""
        (gap, c), p = self._args[4:6], 1.0 - eps
        turned = overlap_map(self._net, p, eps)[1]  # 1 - c(p)
        lost = overlap_map(self._net, p * self._q, self._v + self._q * eps)[1] - gap  # c(q) - c(pq)
        rest = 2.0 * turned - lost * lost / c - (turned - lost) ** 2 / gap  # s^2: 1 minus both squares, nothing cancels as eps -> 0
        if not rest > 1e-15:  # Delta' = Delta, or -Delta
            return 0.0 if p > 0.0 else 1.0 - 2.0 * self.mass_below_zero
        s = math.sqrt(rest)
        slopes = (c - lost) / math.sqrt(c) / s, (gap - turned + lost) / math.sqrt(gap) / s
        return _smeared(*self._args, *slopes, *buffers(), *buffers(1)) - self.mass_below_zero


class WindowMargins(MarginDistribution):
    """The limit q -> 1: the cavity field's law, with the mass of the window (low, high) moved to `high`.

    With k = R/sqrt(1-R^2) the field has density G(z) W(z); k = inf is the teacher itself.
    """

    def __init__(self, low: float, high: float, k: float, flip: float, net=PERCEPTRON_NET):
        self._low, self._high, self._k, self._flip, self._net = low, high, k, flip, net
        mass = self._below(high) - self._below(low) if high > low else 0.0
        raw = [self._integral(lambda z, n=n: z**n) + mass * (high**n if mass else 0.0) for n in (1, 2, 3)]
        variance = raw[1] - raw[0] ** 2
        third = raw[2] - 3.0 * raw[0] * raw[1] + 2.0 * raw[0] ** 3
        left = high - 0.3 if low == -math.inf and high > -math.inf else -4.5
        super().__init__(
            raw[0], variance, third / variance**1.5, [(high, mass)] if mass > 0.0 else (), support=(left, max(4.5, high + 4.5))
        )

    def _weight(self, z):
        if self._k == 0.0:
            return np.ones_like(z)
        correct = np.where(z >= 0.0, 1.0, 0.0) if self._k == math.inf else ndtr(self._k * z)
        return 2.0 * (self._flip + (1.0 - 2.0 * self._flip) * correct)

    def _below(self, z):
        return error_mass(z, self._k, self._flip, *buffers())

    def _integral(self, function, scale: float = math.inf, centre: float = 0.0, inside: bool = False):
        """Int Dz W(z) function(z) outside (or inside) the window; `scale`: function's width around `centre`."""
        total, width = 0.0, 3.0 / self._k if self._k > 0.0 else math.inf
        marks = (0.0, max(width, 1e-12), centre, max(scale, 1e-12), 0.0, math.inf, 0.0, math.inf)
        cuts = [-REACH, *sorted({min(max(c, -REACH), REACH) for c in (self._low, self._high, 0.0)}), REACH]
        for a, b in zip(cuts[:-1], cuts[1:]):
            if b <= a or (a >= self._low and b <= self._high) != inside:
                continue
            u, w = buffers()
            n = panel_nodes(0, a, b, 1.5, 1.5, marks, u, w)
            z = u[:n]
            total += float(np.sum(w[:n] * np.exp(-0.5 * z * z) * INV_SQRT_2PI * self._weight(z) * function(z)))
        return total

    def _pdf(self, x):
        inside = (x > self._low) & (x < self._high)
        return np.where(inside, 0.0, np.exp(-0.5 * x * x) * INV_SQRT_2PI * self._weight(x))

    def _cdf(self, x):
        moved = np.where((x > self._low) & (x < self._high), self._low, x)
        return np.array([self._below(float(z)) for z in moved])

    def _smeared(self, slope):
        scale = 3.0 / abs(slope) if slope != 0.0 else math.inf
        return self._integral(lambda z: ndtr(-slope * z), scale) + sum(mass * float(ndtr(-slope * place)) for place, mass in self.atoms)

    def rise_after_turn(self, eps: float) -> float:
        """P(Delta' < 0) - P(Delta < 0) of weights at the overlap 1 - eps with the original ones (see the module's docstring)."""
        p = 1.0 - eps
        c, gap = overlap_map(self._net, p, eps)
        if not gap * (1.0 + c) > 1e-15:
            return 0.0 if p > 0.0 else 1.0 - 2.0 * self.mass_below_zero
        s = math.sqrt(gap * (1.0 + c))
        pull = p * overlap_slope(self._net, p, eps) / overlap_slope(self._net, 1.0, 0.0)
        slope, kappa = (c - pull) / s, self._high
        outside = self._integral(lambda z: ndtr(-c / s * z), 3.0 * s / max(abs(c), 1e-300))
        scale, centre = (3.0 / abs(slope), pull * kappa / (pull - c)) if slope != 0.0 else (math.inf, 0.0)
        inside = self._integral(lambda z: ndtr(-slope * z - pull / s * kappa), scale, centre, inside=True)
        return outside + inside - self.mass_below_zero


def law(state) -> MarginDistribution:
    """The law of a state of a Gibbs, Bayes or (with a teacher) maximum-margin learner."""
    learner, order = state.model.learner, state.order
    flip = getattr(state.model.data, "flip", 0.0)
    if state.branch == "max_margin":
        return WindowMargins(-math.inf, state.margin, state.R / math.sqrt(1.0 - state.R**2), flip)
    if state.branch == "ground_state":
        code = Code(state.model)
        width = math.sqrt(2.0 * code.last_slope * state.beta_one_minus_q)
        k = state.R / math.sqrt(1.0 - state.R**2) if "R" in order else 0.0
        return WindowMargins(learner.margin - width, learner.margin, k, flip, code.net)
    if state.q == 1.0 and state.one_minus_q == 0.0:
        return WindowMargins(0.0, 0.0, math.inf, flip)
    if isinstance(learner, Bayes):
        from flatphys.observables.margins.bayes import BayesMargins

        return BayesMargins(state)
    return GibbsMargins(state)
