"""The centre of infinitely many replicas: the law of its stabilities, and the loss that it minimises.

A pattern whose replicas share the cavity field l (`saddle.breaking.limit`) has, in their mean, the stability

    t = l + D V g(l) = kappa - sigma (x - a(x)),      sigma = sqrt(D V),  x = (kappa - l)/sigma,  V = 1-q1,

D the variance of a mixture's clouds, else 1, and a = sigma g of `kernels.channels`.  t rises with l, for 1 + D V g' = 1 + b is the variance
of a stability in its tilted law.  The centre has the norm sqrt(q1 N): its law is that of t/sqrt(q1), with the density of l carried along;
where l jumps (errors counted at finite beta, `saddle.breaking.jump`) t leaves a gap.

With l_V(t) = max over omega of -log f(omega, D V) - (t - omega)^2/(2 D V) the free entropy of spherical weights is

    phi = max over |c|^2 = q1 N of log(1-q1)/2 - (1/N) sum_mu l_V(t_mu(c)),      l_V = -log f - a^2/2,
    l_V' = -g = -a/sigma,      l_V'' = -g'/(1 + D V g') = -b/(sigma^2 (1 + b)),

so that the centre is the minimiser of l_V at fixed norm.  l_V/beta is E l(t + sigma u) as beta -> 0, the loss smoothed by the spread of
the replicas, and the energy itself as beta -> inf.  (The law of a maximiser: Baldassi et al., PRL 115, 128101 (2015).)
"""

import math

import numpy as np

from flatphys import validate
from flatphys._jit import jit
from flatphys.kernels.codes import TEACHER
from flatphys.kernels.labels import label_weight
from flatphys.kernels.near_one import relative_log_f
from flatphys.numerics.gaussian import density, tail
from flatphys.numerics.quadrature import LEGENDRE_W, LEGENDRE_X, ORDER
from flatphys.observables.margins.distribution import MarginDistribution, skewness
from flatphys.observables.margins.fields import limit_nodes
from flatphys.saddle.breaking.inner import room
from flatphys.saddle.breaking.jump import jump_of, response
from flatphys.saddle.breaking.limit import maximiser
from flatphys.saddle.minimiser.skew import skew_cdf

HALVINGS = 45  # of a panel, towards the place where a perturbed sign turns


@jit
def field_of(ch, sigma, t):
    """x with kappa - sigma (x - a(x)) = t: Newton's method on x - a, which rises, inside a bracket."""
    target = (ch.margin - t) / sigma
    step = 1.0 + abs(target)
    low = high = target
    for _ in range(200):
        if low - response(ch, low, sigma)[1] < target:
            break
        low -= step
        step *= 2.0
    step = 1.0 + abs(target)
    for _ in range(200):
        if high - response(ch, high, sigma)[1] > target:
            break
        high += step
        step *= 2.0
    x = target if low < target < high else 0.5 * (low + high)
    for _ in range(200):
        _, a, b = response(ch, x, sigma)
        value = x - a - target
        if value > 0.0:
            high = x
        else:
            low = x
        new = x - value / (1.0 + b)
        if not low < new < high:
            new = 0.5 * (low + high)
        if abs(new - x) <= 2e-16 * (1.0 + abs(x)):
            break
        x = new
    return x


@jit
def share_below(labels, k, z):
    """Int of W Dz up to z (`kernels.labels`)."""
    return skew_cdf(z, k, labels.flip) if labels.kind == TEACHER else tail(-z)


@jit
def laws(patterns, t, pdf, cdf):
    """Density and distribution function of the stabilities of the centre, at its own norm."""
    ch, labels, k, r = patterns.channel, patterns.labels, patterns.k, patterns.spread
    sigma, root = math.sqrt(patterns.v), math.sqrt(patterns.q0)
    jump = jump_of(ch, sigma, r)
    for i in range(t.size):
        if ch.beta == math.inf and t[i] <= ch.margin:
            pdf[i] = cdf[i] = 0.0
            continue
        x = field_of(ch, sigma, t[i])
        _, a, b = response(ch, x, sigma)
        inside = jump.below < x < jump.above
        z = (ch.margin - sigma * (jump.field if inside else x + r * a)) / root
        cdf[i] = share_below(labels, k, z)
        pdf[i] = 0.0 if inside else label_weight(labels, k, z) * density(z) / root * (1.0 - r * b) / (1.0 + b)


@jit
def moments(patterns, room):
    """(mean, variance, third central moment) of t."""
    sigma = math.sqrt(patterns.v)
    n = limit_nodes(patterns, room)
    mean = variance = third = 0.0
    for turn in range(2):
        total = 0.0
        for i in range(n):
            z, plain, _, a, _, _ = maximiser(patterns, room.u[i], room.w[i])
            weight = plain * label_weight(patterns.labels, patterns.k, z)
            t = patterns.channel.margin - sigma * (room.u[i] - a)
            if turn == 0:
                mean += weight * t
                total += weight
            else:
                e = t - mean
                variance += weight * e * e
                third += weight * e * e * e
        if turn == 0:
            mean /= total
    return mean, variance, third


@jit
def turned(patterns, slope, offset, room):
    """E[H(slope (t + offset))]: the probability that a Gaussian perturbation turns the sign; panels graded towards t = -offset."""
    ch, sigma = patterns.channel, math.sqrt(patterns.v)
    hard = ch.beta == math.inf and -offset <= ch.margin
    spot = math.inf if hard else field_of(ch, sigma, -offset)
    n = limit_nodes(patterns, room)
    total = 0.0
    for panel in range(n // ORDER):
        first, last = room.u[panel * ORDER], room.u[panel * ORDER + ORDER - 1]
        half = (last - first) / (LEGENDRE_X[ORDER - 1] - LEGENDRE_X[0])
        low, high = 0.5 * (first + last) - half, 0.5 * (first + last) + half
        p = low
        while p < high:  # as long as its distance to the spot, no shorter than the perturbation is wide
            narrow = max(0.5 / (slope * sigma), (high - low) * 0.5**HALVINGS)
            length = max(narrow, 0.5 * (spot - p) if p < spot else p - spot)
            end = min(p + length, high)
            for i in range(ORDER):
                x = p + 0.5 * (end - p) * (1.0 + LEGENDRE_X[i])
                z, plain, _, a, _, _ = maximiser(patterns, x, 0.5 * (end - p) * LEGENDRE_W[i])
                weight = plain * label_weight(patterns.labels, patterns.k, z)
                total += weight * tail(slope * (ch.margin - sigma * (x - a) + offset))
            p = end
    return total


class CentreMargins(MarginDistribution):
    """Stabilities of the centre of infinitely many replicas, scaled to the norm sqrt N.

    `patterns`: what they are asked (`saddle.breaking.averages.patterns_of`); q1 the centre's squared norm; shift: the part of a stability
    that the patterns' fields leave out, the signal m1 of a mixture.
    """

    def __init__(self, patterns, q1: float, shift: float = 0.0):
        self._patterns, self._root, self._shift = patterns, math.sqrt(q1), shift
        mean, variance, third = moments(patterns, room())
        spread = 5.0 * math.sqrt(variance / q1)
        centre = (mean + shift) / self._root
        super().__init__(centre, variance / q1, skewness(variance, third), support=(centre - spread, centre + spread))

    def _laws(self, x):
        t = x * self._root - self._shift
        pdf, cdf = np.empty(t.shape), np.empty(t.shape)
        laws(self._patterns, t, pdf, cdf)
        return self._root * pdf, cdf

    def _pdf(self, x):
        return self._laws(x)[0]

    def _cdf(self, x):
        return self._laws(x)[1]

    def _smeared(self, slope):
        return turned(self._patterns, slope / self._root, self._shift, room())

    def _title(self):
        return "Distribution of the training stabilities of the centre, |c|^2 = N"


@jit
def losses_at(ch, sigma, t, out):
    """l_V, its slope and its curvature at every t; of a hard wall infinite, and without derivatives, up to the margin."""
    for i in range(t.size):
        if ch.beta == math.inf and t[i] <= ch.margin:
            out[0, i], out[1, i], out[2, i] = math.inf, math.nan, math.nan
            continue
        x = field_of(ch, sigma, t[i])
        log_f, a, b = response(ch, x, sigma)
        out[0, i] = -relative_log_f(ch, x, sigma, log_f) - 0.5 * a * a
        out[1, i] = -a / sigma
        out[2, i] = -b / (sigma * sigma * (1.0 + b))


class EffectiveLoss:
    """The loss that the centre of infinitely many replicas minimises at its norm sqrt(q1 N): l_V/beta, at beta = inf l_V.

    Called with a stability t (number or array) of that centre it gives the loss; `slope(t)` and `curvature(t)` give the derivatives.  At
    beta = inf it is a wall: infinite for t <= kappa.
    """

    def __init__(self, channel, sigma: float, q1: float):
        self._channel, self.sigma, self.q1 = channel, sigma, q1

    def _at(self, t, row):
        t = validate.array("t", t)
        out = np.empty((3, t.size))
        losses_at(self._channel, self.sigma, np.ascontiguousarray(t.ravel()), out)
        beta = self._channel.beta
        values = (out[row] if beta == math.inf else out[row] / beta).reshape(t.shape)
        return float(values) if values.ndim == 0 else values

    def __call__(self, t):
        return self._at(t, 0)

    def slope(self, t):
        """Its derivative."""
        return self._at(t, 1)

    def curvature(self, t):
        """Its second derivative."""
        return self._at(t, 2)

    def __repr__(self):
        return f"EffectiveLoss(sigma={self.sigma:.10g}, q1={self.q1:.10g})"
