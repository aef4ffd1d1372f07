"""Stabilities of perturbed weights in the dense regions, and in the one-step states, of a tree committee.

Weights w' at the overlap p with w, perturbed without regard to the patterns, have the overlap p q1 with the other replicas of
w's region and p q0 with those of other regions.  With a pattern's fields z0 (shared by all), z1 (by the region) and y (w's own,
y > x), c_0 = c(q0), c_1 = c(q1) and the region's field delta = sqrt(c_1 - c_0) z1,

    Delta' = [c(p q0)/sqrt(c_0)] z0 + ratio delta + [(c(p) - c(p q1))/sqrt(1-c_1)] y + s g,
    ratio = [c(p q1) - c(p q0)]/(c_1 - c_0),        s^2 = 1 - what the other terms have without patterns

and for the perceptron p Delta + sqrt(1-p^2) g.  At y = inf replicas delta = sqrt(1-c_1) r M(x), r = dq/V (`saddle.breaking.limit`), and
ratio = p c'(p q1)/c'(q1).  The measure of (z0, z1, y) is that of `observables.margins.dense`.
"""

import math

from flatphys._jit import jit
from flatphys.kernels.codes import RANDOM
from flatphys.kernels.networks import overlap_map, overlap_slope
from flatphys.numerics.gaussian import LOG_SQRT_2PI, density, log_tail, mills, tail
from flatphys.numerics.quadrature import LEGENDRE_W, LEGENDRE_X, ORDER, REACH, panel_nodes
from flatphys.saddle.breaking import limit as replicated_limit
from flatphys.saddle.breaking.averages import inner_mode, inner_patterns, pattern_zero
from flatphys.saddle.franz_parisi.network import overlap_difference

LIGHT = 1e-17  # nodes of smaller weight are passed over
PANEL, OUTER = 1.25, 1.0  # of the inner and outer panels, as in `observables.margins.dense`


@jit
def coefficients(net, v, q0, gap, eps):
    """(of z0, ratio, of y, s^2) of the module's docstring at p = 1 - eps; gap = q1 - q0, 0 at y = inf."""
    p, q1 = 1.0 - eps, 1.0 - v
    _, turned = overlap_map(net, p, eps)
    c1, cv = overlap_map(net, q1, v)
    c0, _ = overlap_map(net, q0, v + gap)
    pq1, pq0 = p * q1, p * q0
    _, far = overlap_map(net, pq1, eps + p * v)
    lost1 = far - cv  # c(q1) - c(p q1)
    if gap > 0.0:
        c_gap = overlap_difference(net, q0, v + gap, q1, v, gap)
        ratio = overlap_difference(net, pq0, eps + p * (v + gap), pq1, eps + p * v, p * gap) / c_gap
    else:
        c_gap, ratio = 0.0, p * overlap_slope(net, pq1, eps + p * v) / overlap_slope(net, q1, v)
    lost0 = lost1 - c_gap * (1.0 - ratio)
    rest = 2.0 * turned - lost0 * lost0 / c0 - c_gap * (1.0 - ratio) ** 2 - (turned - lost1) ** 2 / cv
    return (c0 - lost0) / math.sqrt(c0), ratio, (cv - turned + lost1) / math.sqrt(cv), rest


@jit
def _wrong(x, shift, slope, y, wy):
    """E[H(shift + slope t)] over a Gaussian t above x."""
    log_h = log_tail(x)
    lo = max(x, -10.0)
    hi = max(10.0, x + 45.0 / (max(x, 0.0) + 6.0)) if x > -10.0 else 10.0
    cap = 6.0 / x if x > 4.0 else 1.5
    width, centre = (3.0 / abs(slope), -shift / slope) if slope != 0.0 else (math.inf, 0.0)
    n = panel_nodes(0, lo, hi, 1.5, cap, (centre, max(width, 1e-12), 0.0, math.inf, 0.0, math.inf, 0.0, math.inf), y, wy)
    if n < 0:
        return math.nan
    total = 0.0
    for j in range(n):
        total += wy[j] * math.exp(-0.5 * y[j] * y[j] - LOG_SQRT_2PI - log_h) * tail(shift + slope * y[j])
    return total


@jit
def turned_limit(kappa, cv, c0, r, of_z, ratio, of_y, s, x, w, y, wy):
    """P(Delta' < 0) at y = inf replicas; r = dq/V as the patterns see it."""
    root, sq = math.sqrt(cv), math.sqrt(c0)
    n = replicated_limit.pattern_nodes(RANDOM, kappa, cv, c0, r, 0.0, 1, -1e9, x, w)
    total = 0.0 if n >= 0 else math.nan
    for i in range(n):
        m, d, _ = mills(x[i])
        z = (kappa - root * (x[i] + r * m)) / sq
        weight = w[i] * density(z) * root / sq * (1.0 + r * m * d)
        if weight > LIGHT:
            total += weight * _wrong(x[i], (of_z * z + ratio * root * r * m) / s, of_y / s, y, wy)
    return total


@jit
def turned_nested(kappa, cv, c0, rho, m, of_z, ratio, of_y, s, u, w, y, wy):
    """P(Delta' < 0) at m replicas; rho = (c_1 - c_0)/(1 - c_1)."""
    c, root, rv = math.sqrt(c0 / cv), math.sqrt(rho), math.sqrt(cv)
    start = kappa / rv
    centre, width = pattern_zero(rho, m)
    n = panel_nodes(
        0,
        -REACH,
        REACH,
        1.2,
        min(1.2, OUTER * math.sqrt(1.0 + rho) / c),
        ((start - centre) / c, width / c, 0.0, math.inf, 0.0, math.inf, 0.0, math.inf),
        u,
        w,
    )
    total = 0.0 if n >= 0 else math.nan
    for i in range(n):
        outer = w[i] * density(u[i])
        if outer < LIGHT:
            continue
        x0 = start - c * u[i]
        log_i = inner_patterns(x0, rho, m, 0)[0]
        t0, _ = inner_mode(x0, rho, m)
        for side in range(2):
            sign = 1.0 - 2.0 * side
            p = t0
            while True:
                step = PANEL / max(root, 1e-300)
                for _ in range(2):
                    mm, d, _ = mills(x0 - root * p + (root * step if sign < 0.0 else 0.0))
                    step = min(step, 3.0 / math.sqrt(1.0 + m * rho * mm * d))
                half = 0.5 * step
                mass = 0.0
                for j in range(ORDER):
                    t = p + sign * half * (1.0 + LEGENDRE_X[j])
                    x = x0 - root * t
                    mass = math.exp(m * mills(x)[2] - 0.5 * t * t - LOG_SQRT_2PI - log_i)
                    weight = outer * half * LEGENDRE_W[j] * mass
                    if weight > LIGHT:
                        total += weight * _wrong(x, (of_z * u[i] + ratio * rv * root * t) / s, of_y / s, y, wy)
                p += sign * step
                if outer * mass < LIGHT:
                    break
    return total
