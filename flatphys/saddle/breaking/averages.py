"""Nested averages of one step of replica-symmetry breaking, for any Parisi parameter m > 0.

Patterns.  The inner measure is that of `saddle.breaking.inner` at x0 = (kappa - sqrt(q0) z0)/sqrt V, the outer one Dz0 W(z0), the
weight of `kernels.labels` with k = R/sqrt(q0 - R^2).  Weights.  With dh = q1_hat - q0_hat the inner measure is
Dz1 (2 cosh A)^m / J(A0), A = A0 + sqrt(dh) z1, A0 = sqrt(q0_hat) z0 + R_hat; it can have two modes, both within m sqrt(dh) of 0 in z1.
"""

import math
from typing import NamedTuple

from flatphys._jit import jit
from flatphys.kernels.channels import H_ZERO_RE, channel_scalars, features, log_concave
from flatphys.kernels.codes import MIXTURE, RANDOM, Channel, Labels
from flatphys.kernels.labels import label_weight, signal_slope
from flatphys.kernels.weights import BRANCH_POINT, binary
from flatphys.numerics.gaussian import LOG_SQRT_2PI
from flatphys.numerics.quadrature import NOWHERE, REACH, gaussian_nodes, trapezoid_step
from flatphys.saddle.breaking.inner import NEGLIGIBLE, SIZE, Inner, P, X, inner_nodes, inner_patterns
from flatphys.saddle.breaking.jump import jump_of, response


class Patterns(NamedTuple):
    """What patterns are asked: energy and labels, then the overlaps that they see.

    `spread` is (q1-q0)/V for a number of replicas, y (q1-q0)/V for infinitely many; k = R/sqrt(q0-R^2).  On a mixture of clouds of
    variance D the fields are m1 + sqrt(D) times those of random labels: D V and D q0 are seen, at the margin kappa - m1 (`patterns_of`).
    """

    channel: Channel
    labels: Labels
    v: float
    q0: float
    k: float
    spread: float


@jit
def patterns_of(problem, v, q0, k, signal, spread):
    """What patterns are asked that see the overlaps 1-v and q0; `signal`: the overlap with the clouds' centre, k: with a teacher."""
    ch, labels = problem.channel, problem.labels
    if labels.kind != MIXTURE:
        return Patterns(ch, labels, v, q0, k, spread)
    return Patterns(Channel(ch.energy, ch.margin - signal, ch.beta), labels, labels.variance * v, labels.variance * q0, 0.0, spread)


class PatternMeans(NamedTuple):
    """Pattern averages with the outer weight; <.> is the inner measure, C = -b.

    a0 = E<a>^2,  a1 = E<a^2>,  b = sqrt(1+k^2) Int Dz0 W'(k z0) <a> (on a mixture E<a>/sqrt D),  value = E log I/m,
    external = E [log I - m <log f>],
    inner = E<C^2>,  outer = E [m (<a^2> - <a>^2) - <C>]^2;  slope: at m = inf only, see `saddle.breaking.limit`.
    """

    a0: float
    a1: float
    b: float
    value: float
    external: float
    slope: float
    inner: float
    outer: float


class WeightMeans(NamedTuple):
    """Averages of binary weights in their field A.

    v = E<sech^2>,  s = E[z0 <tanh>]/sqrt q0_hat,  r = E<tanh>,  value = E log J/m,  external = E [log J - m <log 2cosh>],
    t4 = E<sech^4>,  outer = E [<sech^2> + m (<tanh^2> - <tanh>^2)]^2;  away = 1 - E<|tanh|>: at m = inf only.
    """

    v: float
    s: float
    r: float
    value: float
    external: float
    t4: float
    outer: float
    away: float


@jit
def pattern_zero(spread, m):
    """(centre, width) in x0 of the zeros of I nearest to the real axis, for hard constraints; those of softer energies lie further off.

    Fits: those of 1 + r M'(x) = 0 at x0 = x + r M(x) for m -> infinity at r = m spread, M the inverse Mills ratio (computed for r from
    1e-3 to 1e8), broadened by the Gaussian of variance `spread`.
    """
    r = m * spread
    ladder = 2.0 * math.log(1.0 + 0.95 * math.sqrt(r) + 1.5 * r)
    return -math.sqrt(3.67 + ladder), 0.9 * math.sqrt(math.pi**2 / (1.245 + ladder) + 4.0 * spread)


@jit
def pattern_zeros(inner):
    """(centre, width) twice in x0: the zeros of I that belong to the two zeros of f."""
    spread, m = inner.spread, inner.m
    centre, width = pattern_zero(spread, m)
    if not log_concave(inner.channel):  # obeying and not obeying balance at the jump: I vanishes where their weights have opposite signs
        jump = jump_of(inner.channel, inner.sigma, m * spread)
        return centre, width, jump.field, max(jump.width, 0.7 * math.pi / (m * max(jump.gap, 1e-2 + 1.0 / m)))
    re1, im1, re2, im2 = features(inner.channel, inner.sigma)
    if im2 == math.inf:
        return centre, width, H_ZERO_RE, math.inf
    r = m * spread
    first = re1 + r * response(inner.channel, re1, inner.sigma)[1]
    second = re2 + r * response(inner.channel, re2, inner.sigma)[1]
    return centre, width, first + second - centre, width


@jit
def pattern_nodes(patterns, m, level, u, w):
    """Outer nodes: (number, x0 at u = 0, dx0/du, z at u = 0)."""
    kappa, q0, k = patterns.channel.margin, patterns.q0, patterns.k
    c = math.sqrt(q0 / patterns.v)
    low = kappa / math.sqrt(patterns.labels.variance)
    reach = REACH + max(0.0, -low - 2.0 if low > -32.0 else 30.0)
    origin = kappa / math.sqrt(q0) if kappa * kappa < reach * reach * q0 else 0.0
    x0 = 0.0 if origin != 0.0 or kappa == 0.0 else kappa / math.sqrt(patterns.v)
    growth, narrow = 1.0, math.inf
    if patterns.labels.kind != RANDOM:
        growth, narrow = 1.0 + k * k, 3.0 / max(k, 1e-300)
    c1, w1, c2, w2 = pattern_zeros(Inner(patterns.channel, math.sqrt(patterns.v), patterns.spread, m))
    poles = ((x0 - c1) / c, w1 / c, (x0 - c2) / c, w2 / c)
    n = gaussian_nodes(level, reach, growth, origin, poles, (-origin, narrow, 0.0, math.inf), u, w)
    return n, x0, -c, origin


@jit
def pattern_average(patterns, m, level, room):
    """The `PatternMeans` of m replicas."""
    labels, k = patterns.labels, patterns.k
    inner = Inner(patterns.channel, math.sqrt(patterns.v), patterns.spread, m)
    n, start, dx, origin = pattern_nodes(patterns, m, level, room.u, room.w)
    a0 = a1 = b = log_i = log_f = squares = outer = 0.0
    for i in range(n):
        z = origin + room.u[i]
        li, m1, m2, c1, c2, lf = inner_patterns(inner, start + dx * room.u[i], level, room.inner)
        weight = room.w[i] * label_weight(labels, k, z)
        a0 += weight * m1 * m1
        a1 += weight * m2
        if labels.kind != RANDOM:
            b += room.w[i] * signal_slope(labels, k, z) * m1
        log_i += weight * li
        log_f += weight * lf
        squares += weight * c2
        outer += weight * (m * (m2 - m1 * m1) - c1) ** 2
    return PatternMeans(a0, a1, math.sqrt(1.0 + k * k) * b, log_i / m, log_i - m * log_f, 0.0, squares, outer)


@jit
def pattern_scalars(patterns, m, level, room):
    """(share of the patterns below the margin, mean energy per pattern) among m replicas."""
    inner = Inner(patterns.channel, math.sqrt(patterns.v), patterns.spread, m)
    n, start, dx, origin = pattern_nodes(patterns, m, level, room.u, room.w)
    share = energy = 0.0
    for i in range(n):
        weight = room.w[i] * label_weight(patterns.labels, patterns.k, origin + room.u[i])
        size, _ = inner_nodes(inner, start + dx * room.u[i], level, math.inf, room.inner)
        for j in range(size):
            of_share, of_energy = channel_scalars(inner.channel, room.inner[X, j], inner.sigma)
            share += weight * room.inner[P, j] * of_share
            energy += weight * room.inner[P, j] * of_energy
    return share, energy


@jit
def inner_weights(a0, dh, m, level):
    """(log J, <tanh>, <sech^2>, <tanh^2>, <sech^4>, <log 2cosh>) at the outer field a0."""
    root = math.sqrt(dh)
    far = m * root  # the modes lie at |z1| <= m sqrt(dh)
    step = trapezoid_step(BRANCH_POINT / max(root, 1e-300), 1.0) * (1.0 - 0.25 * level)
    peak = abs(a0) + m * dh
    for _ in range(6):
        peak = abs(a0) + m * dh * math.tanh(peak)
    t = (peak - abs(a0)) / root if root > 0.0 else 0.0
    top = m * binary(peak)[0] - 0.5 * t * t
    lo = -far * math.tanh(max(m * dh - abs(a0), 0.0)) - SIZE  # the lesser mode, if there is one, is no further than this
    count = int((far + SIZE - lo) / step) + 2
    norm = s1 = s2 = s4 = t2 = lc = 0.0
    for j in range(count):
        t = lo + (j + 0.37 * level) * step
        a = abs(a0) + root * t
        log_2cosh, th, sech, _ = binary(a)
        arg = m * log_2cosh - 0.5 * t * t - top
        if arg < -NEGLIGIBLE:
            continue
        p = math.exp(arg)
        if a < 0.0:
            th = -th
        norm += p
        s1 += p * th
        s2 += p * sech
        s4 += p * sech * sech
        t2 += p * th * th
        lc += p * log_2cosh
    sign = 1.0 if a0 >= 0.0 else -1.0
    log_j = top + math.log(norm * step) - LOG_SQRT_2PI
    return log_j, sign * s1 / norm, s2 / norm, t2 / norm, s4 / norm, lc / norm


@jit
def weight_zero(dh, m):
    """Distance from the real axis of the zeros of J(A0): between those of the maximum (m -> infinity) and of two peaks."""
    d = m * dh
    limit = math.acos(math.sqrt(d)) - math.sqrt(d * (1.0 - d)) if d < 1.0 else 0.0
    quartic = 0.7 * m**-0.75
    peaks = BRANCH_POINT / m if d > 1.0 else 0.0
    return min(BRANCH_POINT, max(limit, peaks, quartic if d < 1.0 + 1.0 / math.sqrt(m) else 0.0))


@jit
def weight_average(q0_hat, r_hat, dh, m, level, room):
    """The `WeightMeans` of m replicas."""
    root = math.sqrt(q0_hat)
    origin = -r_hat / root
    reach = REACH
    if abs(origin) < 25.0:
        reach = max(reach, abs(origin) + 7.0)
    else:
        origin = 0.0
    start = r_hat + root * origin
    n = gaussian_nodes(level, reach, 1.0, origin, (-start / root, weight_zero(dh, m) / root, 0.0, math.inf), NOWHERE, room.u, room.w)
    v = zt = r = log_j = lc = t4 = outer = 0.0
    for i in range(n):
        lj, t1, s2, t2, s4, l = inner_weights(start + root * room.u[i], dh, m, level)
        wi = room.w[i]
        v += wi * s2
        zt += wi * (origin + room.u[i]) * t1
        r += wi * t1
        log_j += wi * lj
        lc += wi * l
        t4 += wi * s4
        outer += wi * (s2 + m * (t2 - t1 * t1)) ** 2
    return WeightMeans(v, zt / root, r, log_j / m, log_j - m * lc, t4, outer, math.nan)
