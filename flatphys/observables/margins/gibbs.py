"""Law of the training stabilities of Gibbs-typical weights.

Given the cavity field sqrt(q) z, with weight W(z) (`kernels.labels`), Delta = sqrt(q) z + sqrt(v) y where y is
Gaussian, tilted by the energy: density G(y) exp(-beta energy(Delta))/f(x), x = (kappa - sqrt(q) z)/sqrt v:

    P(Delta) = Int Dz W(z) G((Delta - sqrt q z)/sqrt v)/sqrt v exp(-beta energy(Delta))/f
    E[y|z] = a,  Var[y|z] = 1 + b,      a, b of `kernels.channels`

so the density follows the energy: it jumps by e^beta at kappa where errors are counted.  On either side of x, y is cut from a Gaussian
(`channels.half`), which gives masses and third moments.  (The limit q -> 1: `observables.margins.limit`; the Bayes rule's law:
`observables.margins.bayes`.)

On a mixture Delta = m +- b + sqrt(D) (sqrt(q) z + sqrt(v) y) in either cloud.  A logistic energy cuts nothing: its masses are sums of
`kernels.soft`.

A tree committee's stabilities are those of pre-activations of overlap c(q) (`kernels.networks`): q and v stand for c(q) and 1-c(q)
above.  Weights w' at the overlap p with w have the overlap pq with the other replicas, hence the stability

    Delta' = [c(pq)/sqrt(c(q))] z + [(c(p)-c(pq))/sqrt(1-c(q))] y + s g,      s^2 = 1 - (both brackets)^2

on the same pattern, g another standard normal (p Delta + sqrt(1-p^2) g for the perceptron).

Source: Gardner & Derrida 1988; Kepler & Abbott 1988.
"""

import math

import numpy as np

from flatphys._jit import jit
from flatphys.kernels.channels import channel, channel_scalars
from flatphys.kernels.codes import LOGISTIC_ENERGY, MIXTURE
from flatphys.kernels.cost import cost
from flatphys.kernels.halves import half
from flatphys.kernels.labels import cloud, clouds, label_weight
from flatphys.kernels.networks import overlap_map
from flatphys.kernels.soft import soft_below, soft_sums, soft_turned
from flatphys.model import Bayes
from flatphys.numerics.gaussian import LOG_SQRT_2PI, log_tail, mills, tail
from flatphys.numerics.quadrature import buffers, gaussian_nodes, panel_nodes
from flatphys.observables.margins.distribution import MarginDistribution, skewness
from flatphys.observables.margins.limit import limit_law
from flatphys.problem import problem_of
from flatphys.saddle.equilibrium.averages import fields, weights_average
from flatphys.saddle.equilibrium.rule import Fields, channel_width, pattern_poles, pattern_reach, pattern_rule, teacher_ratio, teacher_scale


@jit
def _peak(ch, gap, sigma):
    """y where G(y)/f(y + gap) peaks: where one side's Gaussian dominates f, y = mu(y + gap), mu linear."""
    if ch.energy == LOGISTIC_ENERGY:
        y = 0.0
        for _ in range(40):
            _, a, b = channel(ch, y + gap, sigma)
            step = (y - a) / (1.0 + b)
            y -= step
            if abs(step) < 1e-3:
                break
        return y
    for side in range(2):
        below = side == 0
        start = half(ch, 0.0, sigma, below)[1]
        slope = half(ch, 1.0, sigma, below)[1] - start
        y = (start + slope * gap) / (1.0 - slope)
        if y + gap > 0.0 or not below:
            return y
    return math.nan


@jit
def _law_at(problem, f, mean, delta, cumulative, nodes):
    """Density (or, if `cumulative`, distribution function) of Delta at delta, of the cloud around `mean`."""
    ch, (u, w) = problem.channel, nodes
    spread, width = math.sqrt(problem.labels.variance), channel_width(problem, f)
    kappa, place, root, c = (ch.margin - mean) / spread, (delta - mean) / spread, math.sqrt(f.v), math.sqrt(f.q / f.v)
    reach = pattern_reach(kappa)
    origin = place / math.sqrt(f.q) if place * place < reach * reach * f.q else 0.0
    y0 = 0.0 if origin != 0.0 or place == 0.0 else place / root
    gap = (kappa - place) / root
    x0 = y0 + gap
    rise, narrow = teacher_scale(problem, f)
    peak = (y0 - _peak(ch, gap, width)) / c
    # G(y) is entire but as narrow as sqrt(v/q), so its growth off the axis adds to that of the measure
    marks = (-origin, narrow, peak, 1.5 / c)
    n = gaussian_nodes(0, reach, rise + f.q / f.v, origin, pattern_poles(problem, x0, c, width), marks, u, w)
    k, below, soft = teacher_ratio(problem, f), delta < ch.margin, ch.energy == LOGISTIC_ENERGY
    penalty = ch.beta * cost(ch.energy, ch.margin - delta) if ch.beta < math.inf else 0.0
    total = 0.0
    for i in range(n):
        y, x = y0 - c * u[i], x0 - c * u[i]
        log_f = channel(ch, x, width)[0]
        weight = w[i] * label_weight(problem.labels, k, origin + u[i])
        if not cumulative:
            total += weight * math.exp(-0.5 * y * y - LOG_SQRT_2PI - penalty - log_f)
        elif soft:
            total += weight * soft_below(x, ch.beta, width, log_f, y)
        else:  # of the side beyond delta, seen from kappa
            log_a, mu, r = half(ch, x, width, below)
            total += weight * math.exp(log_a + log_tail(r * (mu - y) if below else r * (y - mu)) - log_f)
    if not cumulative:
        return total / root / spread
    return total if below or soft else 1.0 - total


@jit
def _law(problem, f, deltas, cumulative, nodes):
    out = np.empty(deltas.size)
    for i in range(deltas.size):
        if problem.channel.beta == math.inf and deltas[i] < problem.channel.margin:
            out[i] = 0.0
        elif math.isinf(deltas[i]):
            out[i] = 1.0 if cumulative and deltas[i] > 0.0 else 0.0
        else:
            out[i] = 0.0
            for j in range(clouds(problem.labels)):
                share, mean = cloud(problem.labels, j, f.r, f.b)
                out[i] += share * _law_at(problem, f, mean, deltas[i], cumulative, nodes)
    return out


@jit
def third_moment(ch, x, sigma, a):
    """Third central moment of y in its tilted law, whose mean is a: two Gaussians, each cut at x."""
    if ch.energy == LOGISTIC_ENERGY:
        return soft_sums(x, ch.beta, sigma)[4]
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
def _cloud_moments(problem, f, mean, centre, nodes):
    """(mean, second and third moment about `centre`) of Delta in the cloud around `mean`."""
    (u, w), ch, spread = nodes, problem.channel, math.sqrt(problem.labels.variance)
    rule, k, width = pattern_rule(problem, f, mean, True, 0, nodes), teacher_ratio(problem, f), channel_width(problem, f)
    sq, sv = math.sqrt(f.q), math.sqrt(f.v)
    first = second = third = 0.0
    for i in range(rule.n):
        z, x = rule.origin + u[i], rule.x0 + rule.dx * u[i]
        weight = w[i] * label_weight(problem.labels, k, z)
        _, a, b = channel(ch, x, width)
        there = mean + spread * (sq * z + sv * a)
        e = there - centre  # deviation of the conditional mean
        s2 = problem.labels.variance * f.v * (1.0 + b)  # conditional variance
        first += weight * there
        second += weight * (e * e + s2)
        third += weight * (e * e * e + 3.0 * e * s2 + width * width * width * third_moment(ch, x, width, a))
    return first, second, third


@jit
def _moments(problem, f, nodes):
    """(mean, variance, third central moment) of Delta."""
    centre = variance = third = 0.0
    for i in range(clouds(problem.labels)):
        share, mean = cloud(problem.labels, i, f.r, f.b)
        centre += share * _cloud_moments(problem, f, mean, 0.0, nodes)[0]
    for i in range(clouds(problem.labels)):
        share, mean = cloud(problem.labels, i, f.r, f.b)
        _, two, three = _cloud_moments(problem, f, mean, centre, nodes)
        variance += share * two
        third += share * three
    return centre, variance, third


@jit
def sign_turned(ch, x, sigma, line, nodes):
    """E[H(slope_z z + slope_y y) | z] of the pattern at x, the z part given in line = (slope_z z, slope_y)."""
    if ch.energy == LOGISTIC_ENERGY:
        return soft_turned(x, ch.beta, sigma, line)
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
def _smeared(problem, f, slopes, mean, nodes, inner):
    """E[H(offset + slope_z z + slope_y y)] in the cloud around `mean`: the probability that a Gaussian perturbation turns Delta's sign."""
    ch, (u, w), (offset, slope_z, slope_y) = problem.channel, nodes, slopes
    width = channel_width(problem, f)
    kappa, root, c = (ch.margin - mean) / math.sqrt(problem.labels.variance), math.sqrt(f.v), math.sqrt(f.q / f.v)
    reach = pattern_reach(kappa)
    origin = kappa / math.sqrt(f.q) if kappa * kappa < reach * reach * f.q else 0.0
    x0 = 0.0 if origin != 0.0 or kappa == 0.0 else kappa / root
    rise, narrow = teacher_scale(problem, f)
    smooth = slope_z * slope_z / (1.0 + slope_y * slope_y)  # H once y is averaged over
    narrow = min(narrow, 3.0 / math.sqrt(smooth)) if smooth > 0.0 else narrow
    spot, near = 0.0, math.inf
    if ch.beta < math.inf and ch.energy != LOGISTIC_ENERGY:
        # below the margin y lies around mu, linear in x: the sign turns where that has moved it
        mu, further, r = half(ch, x0, width, True)[1], half(ch, x0 - c, width, True)[1], half(ch, x0, width, True)[2]
        climb = slope_z + slope_y * (further - mu)
        if climb != 0.0:
            spot, near = -(offset + slope_z * origin + slope_y * mu) / climb, 3.0 * math.hypot(1.0, slope_y / r) / abs(climb)
            smooth = max(smooth, 9.0 / (near * near))
    n = gaussian_nodes(0, reach, rise + smooth, origin, pattern_poles(problem, x0, c, width), (-origin, narrow, spot, near), u, w)
    k = teacher_ratio(problem, f)
    total = 0.0
    for i in range(n):
        z = origin + u[i]
        turned = sign_turned(ch, x0 - c * u[i], width, (offset + slope_z * z, slope_y), inner)
        total += w[i] * label_weight(problem.labels, k, z) * turned
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

    def _turned(self, slope_z, slope_y, slope=0.0, turned=0.0):
        """E[H(slope mean + turned b + slope_z z + slope_y y)] over the clouds, b with the sign of the label."""
        total, f = 0.0, self._fields
        for i in range(clouds(self._problem.labels)):
            share, mean = cloud(self._problem.labels, i, f.r, f.b)
            line = (slope * mean + turned * (f.b if i == 0 else -f.b), slope_z, slope_y)
            total += share * _smeared(self._problem, f, line, mean, buffers(), buffers(1))
        return total

    def _smeared(self, slope, turned=0.0):
        scale = slope * math.sqrt(self._problem.labels.variance)
        return self._turned(scale * math.sqrt(self._fields.q), scale * math.sqrt(self._fields.v), slope, turned)

    def rise_after_turn(self, eps: float) -> float:
        """P(Delta' < 0) - P(Delta < 0) of weights at the overlap 1 - eps with the original ones (see the module's docstring)."""
        if self._problem.labels.kind == MIXTURE:  # p Delta + (1-p) y b + sqrt((1-p^2) D) g
            noise = math.sqrt(self._problem.labels.variance * eps * (2.0 - eps))
            turned = self._smeared((1.0 - eps) / noise, eps / noise) if noise > 0.0 else self.mass_below_zero
            return turned - self.mass_below_zero
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
