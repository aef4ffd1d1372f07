"""Averages of y -> infinity replicas at fixed mutual overlap: every weight and pattern sits at a maximum.

With q0 = q1 - dq/y and q0_hat = q1_hat - dq_hat/y the inner averages become maxima as y grows.  In units of
sqrt V, V = 1-q1, with M = G/H, M' = M (M - x) > 0 and r = dq/V, a pattern's cavity field x obeys

    x + r M(x) = (kappa - sqrt(q1) z)/sqrt V,      value log H(x) - r M^2/2,

and a weight's field l obeys l - dq_hat tanh l = sqrt(q1_hat) z + R_hat, value log 2cosh l - dq_hat tanh^2 l/2.
Where dq_hat > 1 the maximum jumps from -l* to l*, l* = dq_hat tanh l*, as the right side passes 0.

Both averages are taken over the maximiser: z is an elementary function of it, so nothing is inverted, and the jump
is the gap between two intervals.  A teacher enters by R_hat and by the patterns' weight W(z) of
`saddle.equilibrium.averages` with k = R/sqrt(q1 - R^2).  The order 1/y of the free entropy, which counts the regions, is
the Gaussian fluctuation around the maxima.  Source: Baldassi et al., PRL 115, 128101 (2015).
"""

import math

from flatphys._jit import jit
from flatphys.kernels.codes import RANDOM
from flatphys.kernels.counting import pattern_weight
from flatphys.numerics.gaussian import density, mills
from flatphys.numerics.quadrature import LEGENDRE_W, LEGENDRE_X, ORDER, REACH

EMPTY = 90.0  # x^2 below which (x < 0) a pattern is obeyed with certainty: 1 - H(x) < 1e-20; more where r M(x) matters
STEP_FIELD = 1.3  # longest panel in x or l: the nearest poles are 2 or more away from a panel's middle
STEEP = 5.0  # panel length times |x| for x < -4, where M(x) is steep: M^2 changes by e^(2 STEEP) along it
STEP_Z = 1.6  # longest panel in z, along which the density is nearly Gaussian


@jit
def pattern_nodes(kind, kappa, v, q, r, k, level, floor, x, w):
    """Nodes x > floor and plain weights of panels that cover |z| <= REACH; the number of nodes, -1 if the buffers are full."""
    root, sq = math.sqrt(v), math.sqrt(q)
    shrink = 1.0 - 0.25 * level
    top = (kappa + REACH * sq) / root
    bottom = (kappa - REACH * sq) / root  # x + r M(x) where z = REACH
    if floor >= top:
        return 0
    lo, hi = floor, top
    if r <= 0.0:
        lo = max(lo, bottom)  # x >= bottom there
    while hi - lo > 0.05:
        mid = 0.5 * (lo + hi)
        if mid + r * mills(mid)[0] < bottom:
            lo = mid
        else:
            hi = mid
    p = lo
    n = 0
    right = (p + r * mills(p)[0]) * root
    while (kappa - right) / sq > -REACH:
        z = (kappa - right) / sq
        cap = STEP_Z * shrink
        if kind != RANDOM:
            cap = min(cap, STEP_Z * shrink * max(1.5 / max(k, 1e-300), 0.4 * abs(z)))
        length = STEP_FIELD * shrink if p > -4.0 else STEEP / -p * shrink
        m, d, _ = mills(p)
        length = min(length, 1.5 * cap * sq / (root * (1.0 + r * m * d)))
        new = right
        for _ in range(200):
            new = (p + length + r * mills(p + length)[0]) * root
            if (new - right) / sq <= cap:
                break
            length *= 0.75
        if n + ORDER > x.size or not p + length > p:
            return -1
        half = 0.5 * length
        for i in range(ORDER):
            x[n] = p + half * (1.0 + LEGENDRE_X[i])
            w[n] = half * LEGENDRE_W[i]
            n += 1
        p += length
        right = new
    return n


@jit
def pattern_limit(kind, flip, kappa, v, q, r, k, level, x, w):
    """Pattern averages at the maximum, with weight W Dz:

    (A, B, value, slope, inner, outer, log det, base, mass) = (E M^2, 2 (1-2 flip) sqrt(1+k^2) Int Dz G(kz) M,
    E[log H - r M^2/2], E[M'^2/(1+r M')], E M'^2, E[(M'/(1+r M'))^2], E log(1+r M'), E[M'/(1+r M')], Int Dz).
    """
    n = pattern_nodes(kind, kappa, v, q, r, k, level, -math.sqrt(EMPTY + 4.0 * math.log(1.0 + abs(r))), x, w)
    a = b = value = slope = inner = outer = logdet = base = mass = 0.0
    if n < 0:
        a = math.nan
    root, sq = math.sqrt(v), math.sqrt(q)
    scale = root / sq
    for i in range(n):
        m, d, log_h = mills(x[i])
        c = m * d
        jac = 1.0 + r * c
        z = (kappa - root * (x[i] + r * m)) / sq
        plain = w[i] * density(z) * scale * jac
        weight = plain * pattern_weight(kind, flip, k, z)
        a += weight * m * m
        if kind != RANDOM:
            b += plain * density(k * z) * m
        value += weight * (log_h - 0.5 * r * m * m)
        e = c / jac
        slope += weight * c * e
        inner += weight * c * c
        outer += weight * e * e
        logdet += weight * math.log1p(r * c)
        base += weight * e
        mass += plain
    return a, 2.0 * (1.0 - 2.0 * flip) * math.sqrt(1.0 + k * k) * b, value, slope, inner, outer, logdet, base, mass


@jit
def jump_field(dq_hat):
    """l* = dq_hat tanh l* > 0 for dq_hat > 1, else 0."""
    if dq_hat <= 1.0:
        return 0.0
    l = math.sqrt(3.0 * (dq_hat - 1.0) / dq_hat) if dq_hat < 1.5 else dq_hat
    l = max(l, 1e-8)
    for _ in range(60):  # l - dq_hat tanh l is convex: Newton from above its root falls monotonically
        t = math.tanh(l)
        step = (l - dq_hat * t) / (1.0 - dq_hat * (1.0 - t * t))
        l -= step
        if abs(step) <= 1e-15 * l:
            break
    return l


@jit
def shifted(u, dq_hat, t0):
    """s(l* + u) = u - dq_hat [tanh(l* + u) - tanh l*], t0 = tanh l*, and ds/du."""
    t = math.tanh(u)
    gap = t * (1.0 - t0 * t0) / (1.0 + t0 * t)
    full = t0 + gap
    return u - dq_hat * gap, 1.0 - dq_hat * (1.0 - full * full)


@jit
def _field_at(s, dq_hat, t0):
    """u with s(u) = s > 0, to panel accuracy."""
    hi = s + 2.0 * max(dq_hat, 0.0) + 1e-12
    lo = 0.0
    for _ in range(200):
        mid = 0.5 * (lo + hi)
        if shifted(mid, dq_hat, t0)[0] < s:
            lo = mid
        else:
            hi = mid
        if hi - lo <= 1e-3 * hi:
            break
    return lo


@jit
def weight_nodes(side, root, r_hat, dq_hat, t0, level, u, w):
    """Nodes u = |l| - l* and plain weights on the side of sign `side` of the jump, covering |z| <= REACH."""
    top = REACH * root + side * r_hat
    if top <= 0.0:
        return 0
    bottom = side * r_hat - REACH * root
    shrink = 1.0 - 0.25 * level
    p = _field_at(bottom, dq_hat, t0) if bottom > 0.0 else 0.0
    s, slope = shifted(p, dq_hat, t0)
    n = 0
    while s < top:
        length = STEP_FIELD * shrink
        if slope > 0.0:
            length = min(length, 1.5 * STEP_Z * shrink * root / slope)
        new = s
        for _ in range(400):
            new, slope = shifted(p + length, dq_hat, t0)
            if new - s <= STEP_Z * shrink * root:
                break
            length *= 0.75
        if n + ORDER > u.size or not new > s:
            return -1
        half = 0.5 * length
        for i in range(ORDER):
            u[n] = p + half * (1.0 + LEGENDRE_X[i])
            w[n] = half * LEGENDRE_W[i]
            n += 1
        p += length
        s = new
    return n


@jit
def weight_limit(random, q_hat, r_hat, dq_hat, level, u, w):
    """Weight averages at the maximum:

    (V, zt, R, value, log det, T4, outer, mass) = (E sech^2 l, E[z tanh l]/sqrt q_hat, E tanh l,
    E[log 2cosh l - dq_hat tanh^2 l/2], E log|1 - dq_hat sech^2 l|, E sech^4 l,
    E[(sech^2/(1 - dq_hat sech^2))^2] (inf where l jumps), Int Dz).
    """
    root = math.sqrt(q_hat)
    star = jump_field(dq_hat)
    t0 = math.tanh(star)
    v = zt = r = value = logdet = t4 = outer = mass = 0.0
    for turn in range(1 if random else 2):
        side = 1.0 - 2.0 * turn
        n = weight_nodes(side, root, r_hat, dq_hat, t0, level, u, w)
        if n < 0:
            v = math.nan
        for i in range(n):
            s, slope = shifted(u[i], dq_hat, t0)
            z = (side * s - r_hat) / root
            weight = w[i] * density(z) * slope / root
            l = star + u[i]
            e = math.exp(-2.0 * l)
            inv = 1.0 / (1.0 + e)
            t = (1.0 - e) * inv if e < 0.9 else math.tanh(l)
            s2 = 4.0 * e * inv * inv
            v += weight * s2
            zt += weight * z * side * t
            r += weight * side * t
            value += weight * (l + math.log1p(e) - 0.5 * dq_hat * t * t)
            logdet += weight * math.log(slope)
            t4 += weight * s2 * s2
            outer += weight * (s2 / slope) ** 2
            mass += weight
    if random:
        v, zt, value, logdet, t4, outer, mass, r = 2.0 * v, 2.0 * zt, 2.0 * value, 2.0 * logdet, 2.0 * t4, 2.0 * outer, 2.0 * mass, 0.0
    if dq_hat >= 1.0:
        outer = math.inf
    return v, zt / root, r, value, logdet, t4, outer, mass
