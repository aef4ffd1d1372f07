"""Nested averages of one step of replica-symmetry breaking, for any Parisi parameter m > 0.

Patterns.  With V = 1-q1, rho = (q1-q0)/V and the outer field x0 = (kappa - sqrt(q0) z0)/sqrt V the inner measure is

    Dz1 H(x)^m / I(x0),   x = x0 - sqrt(rho) z1,   I(x0) = Int Dz1 H(x)^m

and the outer one Dz0 W(z0), the weight of `saddle.equilibrium.averages` with k = R/sqrt(q0 - R^2).  Weights.  With
dh = q1_hat - q0_hat the inner measure is Dz1 (2 cosh A)^m / J(A0), A = A0 + sqrt(dh) z1, A0 = sqrt(q0_hat) z0 + R_hat.

The inner mode of a pattern solves x + m rho M(x) = x0 (M = G/H); around it the integrand is log-concave, so
the rule starts there and walks outwards until the integrand is negligible: equal steps where the
integrand is one Gaussian, else panels no longer than the local width 1/sqrt(1 + m rho M') or their
distance to the zeros of H.  The weights' integrand can have two modes, both within m sqrt(dh) of 0 in z1.
"""

import math

from flatphys._jit import jit
from flatphys.kernels.channels import H_ZERO_IM, H_ZERO_RE
from flatphys.kernels.codes import RANDOM
from flatphys.kernels.counting import pattern_weight
from flatphys.numerics.gaussian import density, mills
from flatphys.numerics.quadrature import LEGENDRE_W, LEGENDRE_X, NOWHERE, ORDER, REACH, gaussian_nodes, trapezoid_step

NEGLIGIBLE = 38.0  # an integrand e^-38 below its maximum is left out
CERTAIN = -9.5  # H(x) = 1 to double precision below
SHORT_STEP = 0.2  # equal inner steps below this cost more than panels
WIDTHS = 4.0  # panel length in local widths: 16 Gauss-Legendre nodes are exact there


@jit
def inner_mode(x0, rho, m):
    """(z1, x) at the maximum of m log H(x) - z1^2/2."""
    root = math.sqrt(rho)
    r = m * rho
    x = x0
    for _ in range(100):  # x + r M(x) - x0 is convex and rising, and x0 lies above its root: Newton falls monotonically
        mm, d, _ = mills(x)
        step = (x + r * mm - x0) / (1.0 + r * mm * d)
        x -= step
        if step <= 1e-7 * (1.0 + abs(x)):
            break
    return m * root * mills(x)[0], x


@jit
def _gather(t, wt, x, m, top, sums):
    """Add one node to (norm, M, M^2, M', M'^2, log H); returns the exponent above `top`."""
    mm, d, log_h = mills(x)
    e = m * log_h - 0.5 * t * t - top
    p = wt * math.exp(e)
    c = mm * d
    s0, s1, s2, s3, s4, s5 = sums
    return e, (s0 + p, s1 + p * mm, s2 + p * mm * mm, s3 + p * c, s4 + p * c * c, s5 + p * log_h)


@jit
def inner_patterns(x0, rho, m, level):
    """(log I, <M>, <M^2>, <M'>, <M'^2>, <log H>) at the outer field x0."""
    root = math.sqrt(rho)
    if x0 + 9.0 * root < CERTAIN:
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    t0, x = inner_mode(x0, rho, m)
    top = m * mills(x0 - root * t0)[2] - 0.5 * t0 * t0
    sums = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    step = trapezoid_step(H_ZERO_IM / max(root, 1e-300), 1.0 + m * rho)
    shrink = 1.0 - 0.25 * level
    if step > SHORT_STEP:
        step *= shrink
        start = t0 + 0.37 * step * level
        for side in range(2):
            sign = 1.0 - 2.0 * side
            j = side
            while True:
                t = start + sign * j * step
                e, sums = _gather(t, step, x0 - root * t, m, top, sums)
                j += 1
                if e < -NEGLIGIBLE:
                    break
    else:
        for side in range(2):
            sign = 1.0 - 2.0 * side
            p = t0
            while True:
                # towards negative x the integrand widens, towards positive x it narrows: ask the narrower end
                x = x0 - root * p
                away = sign * (H_ZERO_RE - x)  # distance by which the zeros of H lie behind
                pole = max(1.5 * H_ZERO_IM, 1.5 * away if away > 0.0 else -0.6 * away) / root
                length = 0.0
                at = x
                for _ in range(2 if sign < 0.0 else 1):
                    mm, d, _ = mills(at)
                    length = shrink * min(pole, WIDTHS / math.sqrt(1.0 + m * rho * mm * d))
                    at = x + root * length
                half = 0.5 * length
                e = 0.0
                for i in range(ORDER):
                    t = p + sign * half * (1.0 + LEGENDRE_X[i])
                    e, sums = _gather(t, half * LEGENDRE_W[i], x0 - root * t, m, top, sums)
                p += sign * length
                if e < -NEGLIGIBLE:
                    break
    s0, s1, s2, s3, s4, s5 = sums
    log_i = top + math.log(s0) - 0.9189385332046727418
    return log_i, s1 / s0, s2 / s0, s3 / s0, s4 / s0, s5 / s0


@jit
def pattern_zero(rho, m):
    """(centre, width) in x0 of the zeros of I nearest to the real axis.

    Fits: those of 1 + r M'(x) = 0 at x0 = x + r M(x) for m -> infinity at r = m rho (computed for r from 1e-3
    to 1e8), broadened by the Gaussian of variance rho.
    """
    r = m * rho
    ladder = 2.0 * math.log(1.0 + 0.95 * math.sqrt(r) + 1.5 * r)
    return -math.sqrt(3.67 + ladder), 0.9 * math.sqrt(math.pi**2 / (1.245 + ladder) + 4.0 * rho)


@jit
def pattern_nodes(kind, kappa, v, q0, k, rho, m, level, u, w):
    """Outer nodes: (number, x0 at u = 0, dx0/du, z at u = 0)."""
    c = math.sqrt(q0 / v)
    reach = REACH + max(0.0, -kappa - 2.0 if kappa > -32.0 else 30.0)
    origin = kappa / math.sqrt(q0) if kappa * kappa < reach * reach * q0 else 0.0
    x0 = 0.0 if origin != 0.0 or kappa == 0.0 else kappa / math.sqrt(v)
    growth, narrow = 1.0, math.inf
    if kind != RANDOM:
        growth, narrow = 1.0 + k * k, 3.0 / max(k, 1e-300)
    centre, width = pattern_zero(rho, m)
    poles = ((x0 - centre) / c, width / c, (x0 - H_ZERO_RE) / c, math.inf)
    n = gaussian_nodes(level, reach, growth, origin, poles, (-origin, narrow, 0.0, math.inf), u, w)
    return n, x0, -c, origin


@jit
def pattern_average(kind, flip, kappa, v, q0, k, rho, m, level, u, w):
    """Pattern averages with the outer weight W Dz0:

    (A0, A1, B, log I, log H, inner, outer) = (E <M>^2, E <M^2>, 2 (1-2 flip) sqrt(1+k^2) Int Dz0 G(k z0) <M>,
    E log I, E <log H>, E <M'^2>, E [m (<M^2> - <M>^2) - <M'>]^2).
    """
    n, start, dx, origin = pattern_nodes(kind, kappa, v, q0, k, rho, m, level, u, w)
    a0 = a1 = b = log_i = log_h = inner = outer = 0.0
    if n < 0:
        a0 = math.nan
    for i in range(n):
        z = origin + u[i]
        li, m1, m2, c1, c2, lh = inner_patterns(start + dx * u[i], rho, m, level)
        weight = w[i] * pattern_weight(kind, flip, k, z)
        a0 += weight * m1 * m1
        a1 += weight * m2
        if kind != RANDOM:
            b += w[i] * density(k * z) * m1
        log_i += weight * li
        log_h += weight * lh
        inner += weight * c2
        outer += weight * (m * (m2 - m1 * m1) - c1) ** 2
    return a0, a1, 2.0 * (1.0 - 2.0 * flip) * math.sqrt(1.0 + k * k) * b, log_i, log_h, inner, outer


@jit
def inner_weights(a0, dh, m, level):
    """(log J, <tanh>, <sech^2>, <tanh^2>, <sech^4>, <log 2cosh>) at the outer field a0."""
    root = math.sqrt(dh)
    far = m * root  # the modes lie at |z1| <= m sqrt(dh)
    step = trapezoid_step(0.5 * math.pi / max(root, 1e-300), 1.0) * (1.0 - 0.25 * level)
    peak = abs(a0) + m * dh
    for _ in range(6):
        peak = abs(a0) + m * dh * math.tanh(peak)
    t = (peak - abs(a0)) / root if root > 0.0 else 0.0
    top = m * (peak + math.log1p(math.exp(-2.0 * peak))) - 0.5 * t * t
    size = math.sqrt(2.0 * NEGLIGIBLE)
    lo = -far * math.tanh(max(m * dh - abs(a0), 0.0)) - size  # the lesser mode, if there is one, is no further than this
    count = int((far + size - lo) / step) + 2
    norm = s1 = s2 = s4 = t2 = lc = 0.0
    for j in range(count):
        t = lo + (j + 0.37 * level) * step
        a = abs(a0) + root * t
        mag = abs(a)
        e = math.exp(-2.0 * mag)
        log2cosh = mag + math.log1p(e)
        arg = m * log2cosh - 0.5 * t * t - top
        if arg < -NEGLIGIBLE:
            continue
        p = math.exp(arg)
        inv = 1.0 / (1.0 + e)
        th = (1.0 - e) * inv if e < 0.9 else math.tanh(mag)
        if a < 0.0:
            th = -th
        sech = 4.0 * e * inv * inv
        norm += p
        s1 += p * th
        s2 += p * sech
        s4 += p * sech * sech
        t2 += p * th * th
        lc += p * log2cosh
    sign = 1.0 if a0 >= 0.0 else -1.0
    log_j = top + math.log(norm * step) - 0.9189385332046727418
    return log_j, sign * s1 / norm, s2 / norm, t2 / norm, s4 / norm, lc / norm


@jit
def weight_zero(dh, m):
    """Distance from the real axis of the zeros of J(A0): between those of the maximum (m -> infinity) and of two peaks."""
    d = m * dh
    limit = math.acos(math.sqrt(d)) - math.sqrt(d * (1.0 - d)) if d < 1.0 else 0.0
    quartic = 0.7 * m**-0.75
    peaks = 0.5 * math.pi / m if d > 1.0 else 0.0
    return min(0.5 * math.pi, max(limit, peaks, quartic if d < 1.0 + 1.0 / math.sqrt(m) else 0.0))


@jit
def weight_average(q0_hat, r_hat, dh, m, level, u, w):
    """Weight averages:

    (V, zt, R, log J, log 2cosh, T4, outer) = (E <sech^2>, E[z0 <tanh>]/sqrt q0_hat, E <tanh>, E log J, E <log 2cosh>,
    E <sech^4>, E [<sech^2> + m (<tanh^2> - <tanh>^2)]^2).
    """
    root = math.sqrt(q0_hat)
    origin = -r_hat / root
    reach = REACH
    if abs(origin) < 25.0:
        reach = max(reach, abs(origin) + 7.0)
    else:
        origin = 0.0
    start = r_hat + root * origin
    n = gaussian_nodes(level, reach, 1.0, origin, (-start / root, weight_zero(dh, m) / root, 0.0, math.inf), NOWHERE, u, w)
    v = zt = r = log_j = lc = t4 = outer = 0.0
    if n < 0:
        v = math.nan
    for i in range(n):
        lj, t1, s2, t2, s4, l = inner_weights(start + root * u[i], dh, m, level)
        v += w[i] * s2
        zt += w[i] * (origin + u[i]) * t1
        r += w[i] * t1
        log_j += w[i] * lj
        lc += w[i] * l
        t4 += w[i] * s4
        outer += w[i] * (s2 + m * (t2 - t1 * t1)) ** 2
    return v, zt / root, r, log_j, lc, t4, outer
