"""Law of the training stabilities of Gibbs-typical weights.

Given the cavity field sqrt(q) z, with weight W(z) (`kernels.labels`), Delta = sqrt(q) z + sqrt(v) y where y is
Gaussian, tilted by the energy: density G(y) exp(-beta energy(Delta))/f(x), x = (kappa - sqrt(q) z)/sqrt v:

    P(Delta) = Int Dz W(z) G((Delta - sqrt q z)/sqrt v)/sqrt v exp(-beta energy(Delta))/f
    E[y|z] = a,  Var[y|z] = 1 + b,      a, b of `kernels.channels`

so the density follows the energy: it jumps by e^beta at kappa where errors are counted.  On either side of x, y is cut from a Gaussian
(`channels.half`), which gives masses and third moments.  (The limit q -> 1: `observables.margins.limit`; the Bayes rule's law:
`observables.margins.bayes`.)

A tree committee's stabilities are those of pre-activations of overlap c(q) (`kernels.networks`): q and v stand for c(q) and 1-c(q)
above.  Weights w' at the overlap p with w have the overlap pq with the other replicas, hence the stability

    Delta' = [c(pq)/sqrt(c(q))] z + [(c(p)-c(pq))/sqrt(1-c(q))] y + s g,      s^2 = 1 - (both brackets)^2

on the same pattern, g another standard normal (p Delta + sqrt(1-p^2) g for the perceptron).

Source: Gardner & Derrida 1988; Kepler & Abbott 1988.
"""

import math

import numpy as np

from flatphys._jit import jit
from flatphys.kernels.channels import channel, channel_scalars, cost
from flatphys.kernels.halves import half
from flatphys.kernels.labels import label_weight
from flatphys.kernels.networks import overlap_map
from flatphys.model import Bayes
from flatphys.numerics.gaussian import LOG_SQRT_2PI, log_tail, mills, tail
from flatphys.numerics.quadrature import buffers, gaussian_nodes, panel_nodes
from flatphys.observables.margins.distribution import MarginDistribution, skewness
from flatphys.observables.margins.limit import limit_law
from flatphys.problem import problem_of
from flatphys.saddle.equilibrium.averages import fields, weights_average
from flatphys.saddle.equilibrium.rule import (
    Fields,
    channel_width,
    pattern_poles,
    pattern_reach,
    pattern_rule,
    teacher_ratio,
    teacher_scale,
)


@jit
def _peak(ch, gap, sigma):
    """y where G(y)/f(y + gap) peaks where one side's Gaussian dominates f: y = mu(y + gap), mu linear."""
    for side in range(2):
        below = side == 0
        start = half(ch, 0.0, sigma, below)[1]
        slope = half(ch, 1.0, sigma, below)[1] - start
        y = (start + slope * gap) / (1.0 - slope)
        if y + gap > 0.0 or not below:
            return y
    return math.nan


@jit
def _law_at(problem, f, delta, cumulative, nodes):
    """Density (or, if `cumulative`, distribution function) of Delta at delta."""
    ch, (u, w) = problem.channel, nodes
    kappa, root, c = ch.margin, math.sqrt(f.v), math.sqrt(f.q / f.v)
    reach = pattern_reach(kappa)
    origin = delta / math.sqrt(f.q) if delta * delta < reach * reach * f.q else 0.0
    y0 = 0.0 if origin != 0.0 or delta == 0.0 else delta / root
    gap = (kappa - delta) / root
    x0 = y0 + gap
    rise, narrow = teacher_scale(problem, f)
    peak = (y0 - _peak(ch, gap, root)) / c
    # G(y) is entire but as narrow as sqrt(v/q), so its growth off the axis adds to that of the measure
    marks = (-origin, narrow, peak, 1.5 / c)
    n = gaussian_nodes(0, reach, rise + f.q / f.v, origin, pattern_poles(problem, x0, c, root), marks, u, w)
    k, below = teacher_ratio(problem, f), delta < kappa
    penalty = ch.beta * cost(ch.energy, kappa - delta) if ch.beta < math.inf else 0.0
    total = 0.0
    for i in range(n):
        y, x = y0 - c * u[i], x0 - c * u[i]
        log_f = channel(ch, x, root)[0]
        if not cumulative:
            log_mass = -0.5 * y * y - LOG_SQRT_2PI - penalty
        else:  # of the side beyond delta, seen from kappa
            log_a, mu, r = half(ch, x, root, below)
            log_mass = log_a + log_tail(r * (mu - y) if below else r * (y - mu))
        total += w[i] * label_weight(problem.labels, k, origin + u[i]) * math.exp(log_mass - log_f)
    if not cumulative:
        return total / root
    return total if below else 1.0 - total


@jit
def _law(problem, f, deltas, cumulative, nodes):
    out = np.empty(deltas.size)
    for i in range(deltas.size):
        if problem.channel.beta == math.inf and deltas[i] < problem.channel.margin:
            out[i] = 0.0
        elif math.isinf(deltas[i]):
            out[i] = 1.0 if cumulative and deltas[i] > 0.0 else 0.0
        else:
            out[i] = _law_at(problem, f, deltas[i], cumulative, nodes)
    return out


@jit
def third_moment(ch, x, sigma, a):
    """Third central moment of y in its tilted law, whose mean is a: two Gaussians, each cut at x."""
    share = channel_scalars(ch, x, sigma)[0]
    total = 0.0
    for side in range(2):
        below = side == 1
        weight = share if below else 1.0 - share
        if weight == 0.0:
            continue
        _, mu, r = half(ch, x, sigma, below)
        sign = -1.0 if below else 1.0
        m, d, _ = mills(sign * r * (x - mu))
        shift, variance = mu + sign * m / r - a, (1.0 - m * d) / (r * r)
        total += weight * (shift * (shift * shift + 3.0 * variance) + sign * m * (d * (m + d) - 1.0) / (r * r * r))
    return total


@jit
def _moments(problem, f, nodes):
    """(mean, variance, third central moment) of Delta."""
    (u, w), ch = nodes, problem.channel
    rule, k = pattern_rule(problem, f, 0, nodes), teacher_ratio(problem, f)
    sq, sv = math.sqrt(f.q), math.sqrt(f.v)
    mean = 0.0
    for i in range(rule.n):
        z = rule.origin + u[i]
        w[i] *= label_weight(problem.labels, k, z)
        mean += w[i] * (sq * z + sv * channel(ch, rule.x0 + rule.dx * u[i], sv)[1])
    variance = third = 0.0
    for i in range(rule.n):
        x = rule.x0 + rule.dx * u[i]
        _, a, b = channel(ch, x, sv)
        e = sq * (rule.origin + u[i]) + sv * a - mean  # deviation of the conditional mean
        s2 = f.v * (1.0 + b)  # conditional variance
        variance += w[i] * (e * e + s2)
        third += w[i] * (e * e * e + 3.0 * e * s2 + f.v * sv * third_moment(ch, x, sv, a))
    return mean, variance, third


@jit
def sign_turned(ch, x, sigma, line, nodes):
    """E[H(slope_z z + slope_y y) | z] of the pattern at x, the z part given in line = (slope_z z, slope_y)."""
    t, wt = nodes
    offset, slope = line
    log_f = channel(ch, x, sigma)[0]
    total = 0.0
    for side in range(1 if ch.beta == math.inf else 2):
        log_a, mu, r = half(ch, x, sigma, side == 1)
        sign = -1.0 if side == 1 else 1.0
        cut = sign * r * (x - mu)  # y = mu + sign t/r with t > cut, decaying as exp(-cut (t-cut)) where that is large
        lo, hi = max(cut, -10.0), max(10.0, cut + 45.0 / (max(cut, 0.0) + 6.0)) if cut > -10.0 else 10.0
        cap = 6.0 / cut if cut >= 4.0 else 1.5
        tilt = sign * slope / r
        spot = -(offset + slope * mu) / tilt if tilt != 0.0 else 0.0
        m = panel_nodes(0, lo, hi, 1.5, cap, (spot, 3.0 / max(abs(tilt), 1e-300), 0.0, math.inf, 0.0, math.inf, 0.0, math.inf), t, wt)
        for j in range(m):
            weight = math.exp(-0.5 * t[j] * t[j] - LOG_SQRT_2PI + log_a - log_f)
            total += wt[j] * weight * tail(offset + slope * mu + tilt * t[j])
    return total


@jit
def _smeared(problem, f, slopes, nodes, inner):
    """E[H(slope_z z + slope_y y)]: the probability that a Gaussian perturbation turns the sign of Delta."""
    ch, (u, w), (slope_z, slope_y) = problem.channel, nodes, slopes
    kappa, root, c = ch.margin, math.sqrt(f.v), math.sqrt(f.q / f.v)
    reach = pattern_reach(kappa)
    origin = kappa / math.sqrt(f.q) if kappa * kappa < reach * reach * f.q else 0.0
    x0 = 0.0 if origin != 0.0 or kappa == 0.0 else kappa / root
    rise, narrow = teacher_scale(problem, f)
    smooth = slope_z * slope_z / (1.0 + slope_y * slope_y)  # H once y is averaged over
    narrow = min(narrow, 3.0 / math.sqrt(smooth)) if smooth > 0.0 else narrow
    spot, width = 0.0, math.inf
    if ch.beta < math.inf:  # below the margin y lies around mu, linear in x: the sign turns where that has moved it
        mu, further, r = half(ch, x0, root, True)[1], half(ch, x0 - c, root, True)[1], half(ch, x0, root, True)[2]
        climb = slope_z + slope_y * (further - mu)
        if climb != 0.0:
            spot, width = -(slope_z * origin + slope_y * mu) / climb, 3.0 * math.hypot(1.0, slope_y / r) / abs(climb)
            smooth = max(smooth, 9.0 / (width * width))
    n = gaussian_nodes(0, reach, rise + smooth, origin, pattern_poles(problem, x0, c, root), (-origin, narrow, spot, width), u, w)
    k = teacher_ratio(problem, f)
    total = 0.0
    for i in range(n):
        z = origin + u[i]
        total += w[i] * label_weight(problem.labels, k, z) * sign_turned(ch, x0 - c * u[i], root, (slope_z * z, slope_y), inner)
    return total


def overlaps(state) -> Fields:
    """Overlaps of the fields behind a Gibbs or Bayes state's network, from its conjugates so that nothing cancels."""
    problem = problem_of(state.model)
    signal = state.order.get("m_hat", state.order.get("R_hat", 0.0))
    return fields(problem, weights_average(problem, state.q_hat, signal, 0, buffers()), buffers())


class GibbsMargins(MarginDistribution):
    """Stabilities of weights drawn from the Gibbs measure."""

    def __init__(self, state):
        self._problem, self._fields, self._order = problem_of(state.model), overlaps(state), state.order
        mean, variance, third = _moments(self._problem, self._fields, buffers())
        _, margin, beta = self._problem.channel
        low = margin if beta == math.inf else min(-4.5, margin - 4.5)
        super().__init__(mean, variance, skewness(variance, third), support=(low - 0.2, max(4.5, margin + 4.5)))

    def _pdf(self, x):
        return _law(self._problem, self._fields, x, False, buffers())

    def _cdf(self, x):
        return np.clip(_law(self._problem, self._fields, x, True, buffers()), 0.0, 1.0)

    def _turned(self, slope_z, slope_y):
        return _smeared(self._problem, self._fields, (slope_z, slope_y), buffers(), buffers(1))

    def _smeared(self, slope):
        return self._turned(slope * math.sqrt(self._fields.q), slope * math.sqrt(self._fields.v))

    def rise_after_turn(self, eps: float) -> float:
        """P(Delta' < 0) - P(Delta < 0) of weights at the overlap 1 - eps with the original ones (see the module's docstring)."""
        net, c, gap, p = self._problem.net, self._fields.q, self._fields.v, 1.0 - eps
        q, v = self._order["q"], self._order["one_minus_q"]
        turned = overlap_map(net, p, eps)[1]  # 1 - c(p)
        lost = overlap_map(net, p * q, v + q * eps)[1] - gap  # c(q) - c(pq)
        share = lost * lost / c if c > 0.0 else 0.0  # q = 0 loses nothing
        rest = 2.0 * turned - share - (turned - lost) ** 2 / gap  # s^2: 1 minus both squares, nothing cancels as eps -> 0
        if not rest > 1e-15:  # Delta' = Delta, or -Delta
            return 0.0 if p > 0.0 else 1.0 - 2.0 * self.mass_below_zero
        s = math.sqrt(rest)
        return (
            self._turned((c - lost) / math.sqrt(c) / s if c > 0.0 else 0.0, (gap - turned + lost) / math.sqrt(gap) / s)
            - self.mass_below_zero
        )


def law(state) -> MarginDistribution:
    """The law of a state of a Gibbs, Bayes or (with a teacher) maximum-margin learner."""
    if state.order.get("q") == 1.0 and state.order.get("one_minus_q", 0.0) == 0.0:
        return limit_law(state)
    if isinstance(state.model.learner, Bayes):
        from flatphys.observables.margins.bayes import BayesMargins

        return BayesMargins(state)
    return GibbsMargins(state)
