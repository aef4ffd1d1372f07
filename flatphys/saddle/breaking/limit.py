"""Averages of y -> infinity replicas at fixed mutual overlap: every weight and pattern sits at a maximum.

With q0 = q1 - dq/y and q0_hat = q1_hat - dq_hat/y the inner averages become maxima as y grows.  In units of
sqrt V, V = 1-q1, with a = -d log f/dx of `kernels.channels`, C = -b = da/dx and r = dq/V, a pattern's cavity field x obeys

    X = x + r a(x) = (kappa - sqrt(q1) z)/sqrt V,      value log f(x) - r a^2/2,

and a weight's field l obeys l - dq_hat tanh l = sqrt(q1_hat) z + R_hat, value log 2cosh l - dq_hat tanh^2 l/2.
Where dq_hat > 1 the maximum jumps from -l* to l*, l* = dq_hat tanh l*, as the right side passes 0; a pattern's jumps where counting
errors makes X fall somewhere (`saddle.breaking.jump`).  A binary centre that pulls every replica by the field gamma to its own sign
(`saddle.breaking.star`), the sign of l, subtracts gamma sign(l) on the left: l* = dq_hat tanh l* + gamma.

Both averages are taken over the maximiser: z is an elementary function of it, so nothing is inverted, and the jump
is the gap between two intervals.  A teacher enters by R_hat and by the patterns' weight of `kernels.labels`
with k = R/sqrt(q1 - R^2).  The order 1/y of the free entropy, which counts the regions, is
the Gaussian fluctuation around the maxima.  Source: Baldassi et al., PRL 115, 128101 (2015).
"""

import math

from flatphys._jit import jit
from flatphys.kernels.channels import channel, channel_scalars, features
from flatphys.kernels.codes import RANDOM
from flatphys.kernels.labels import label_weight, signal_slope
from flatphys.kernels.weights import binary
from flatphys.numerics.gaussian import density
from flatphys.numerics.quadrature import LEGENDRE_W, LEGENDRE_X, ORDER, PANEL_RATIO, REACH, panel_end, spoilt
from flatphys.saddle.breaking.averages import PatternMeans, WeightMeans
from flatphys.saddle.breaking.jump import jump_of, response

EMPTY = 90.0  # x^2 below which (x < 0) a pattern is obeyed with certainty: 1 - H(x) < 1e-20; more where r a(x) matters
OBEYED = 1e-15  # where a is larger there, obeying well costs something too (the square)
STEP_FIELD = 1.3  # longest panel in x or l: the nearest poles are 2 or more away from a panel's middle
STEEP = 5.0  # panel length times |x| for x < -4, where M(x) is steep: M^2 changes by e^(2 STEEP) along it
STEP_Z = 1.6  # longest panel in z, along which the density is nearly Gaussian


@jit
def _entry(patterns, jump, steep, floor):
    """x at which the panels start, to their accuracy: where z = REACH, or the floor."""
    ch, sigma, r = patterns.channel, math.sqrt(patterns.v), patterns.spread
    bottom = (ch.margin - REACH * math.sqrt(patterns.q0)) / sigma
    lo, hi = floor, (ch.margin + REACH * math.sqrt(patterns.q0)) / sigma
    if r <= 0.0 and steep:
        lo = max(lo, bottom)  # x >= bottom there
    if jump.below < math.inf:
        if bottom < jump.field:
            hi = min(hi, jump.below)
        else:
            lo = max(lo, jump.above)
    while hi - lo > 0.05:
        mid = 0.5 * (lo + hi)
        if mid + r * response(ch, mid, sigma)[1] < bottom:
            lo = mid
        else:
            hi = mid
    return lo


@jit
def pattern_nodes(patterns, jump, level, floor, x, w):
    """Nodes x > floor and plain weights of panels that cover |z| <= REACH; returns the number of nodes."""
    ch, r, random = patterns.channel, patterns.spread, patterns.labels.kind == RANDOM
    root, sq = math.sqrt(patterns.v), math.sqrt(patterns.q0)
    shrink = 1.0 - 0.25 * level
    if floor >= (ch.margin + REACH * sq) / root:
        return 0
    steep = abs(response(ch, floor, root)[1]) < OBEYED  # a falls like a Gaussian on the side that obeys
    re1, im1, re2, im2 = features(ch, root)
    marks = (re1, im1, re2, im2, jump.turn1, jump.depth, jump.turn2, jump.depth)
    p = _entry(patterns, jump, steep, floor if steep else -1e9)
    n = 0
    right = p + r * response(ch, p, root)[1]
    right *= root
    while (ch.margin - right) / sq > -REACH:
        z = (ch.margin - right) / sq
        cap = STEP_Z * shrink
        if not random:
            cap = min(cap, STEP_Z * shrink * max(1.5 / max(patterns.k, 1e-300), 0.4 * abs(z)))
        length = STEP_FIELD * shrink if p > -4.0 or not steep else STEEP / -p * shrink
        length = min(length, 1.5 * cap * sq / (root * (1.0 - r * response(ch, p, root)[2])))
        length = panel_end(p, math.inf, PANEL_RATIO * shrink, length, marks) - p
        new = right
        for _ in range(200):
            new = (p + length + r * response(ch, p + length, root)[1]) * root
            if (new - right) / sq <= cap:
                break
            length *= 0.75
        leaves = p < jump.below <= p + 1.001 * length  # the panel ends where the field jumps
        if leaves:
            length = jump.below - p
        if n + ORDER > x.size or not p + length > p:
            return spoilt(x, w)
        half = 0.5 * length
        for i in range(ORDER):
            x[n] = p + half * (1.0 + LEGENDRE_X[i])
            w[n] = half * LEGENDRE_W[i]
            n += 1
        p += length
        right = new
        if leaves:
            p, right = jump.above, root * jump.field
    return n


@jit
def maximiser(patterns, x, w):
    """(z, plain weight Dz, log f, a, C, dX/dx) of a node."""
    ch, r, root, sq = patterns.channel, patterns.spread, math.sqrt(patterns.v), math.sqrt(patterns.q0)
    log_f, a, b = channel(ch, x, root)
    jac = 1.0 - r * b
    z = (ch.margin - root * (x + r * a)) / sq
    return z, w * density(z) * (root / sq) * jac, log_f, a, -b, jac


@jit
def lowest_field(r):
    """x below which patterns whose obeying costs nothing contribute nothing."""
    return -math.sqrt(EMPTY + 4.0 * math.log(1.0 + abs(r)))


@jit
def pattern_limit(patterns, level, room):
    """The `PatternMeans` at the maximum: a0 = a1 = E a^2, b with <a> = a, value = E[log f - r a^2/2], external = the patterns' part of

    Sigma, E[r C/(1+r C) - log(1+r C)]/2,  slope = r E[C^2/(1+r C)],  inner = E C^2,  outer = E[(C/(1+r C))^2].  A jump by `gap`
    at the density W Dz of X adds gap to dE<a>/dX: to slope, and with r/2 from external; it makes outer infinite.
    """
    labels, k, r = patterns.labels, patterns.k, patterns.spread
    jump = jump_of(patterns.channel, math.sqrt(patterns.v), r)
    n = pattern_nodes(patterns, jump, level, lowest_field(r), room.u, room.w)
    a0 = b = value = slope = inner = outer = external = 0.0
    for i in range(n):
        z, plain, log_f, a, c, jac = maximiser(patterns, room.u[i], room.w[i])
        weight = plain * label_weight(labels, k, z)
        a0 += weight * a * a
        if labels.kind != RANDOM:
            b += plain * signal_slope(labels, k, z) * a
        value += weight * (log_f - 0.5 * r * a * a)
        e = c / jac
        slope += weight * r * c * e
        inner += weight * c * c
        outer += weight * e * e
        external += weight * 0.5 * (r * e - math.log1p(r * c))
    if jump.below < math.inf:
        scale = math.sqrt(patterns.v / patterns.q0)
        z = patterns.channel.margin / math.sqrt(patterns.q0) - scale * jump.field
        if abs(z) < REACH:
            delta = label_weight(labels, k, z) * density(z) * scale * jump.gap
            slope += delta
            external -= 0.5 * r * delta
            outer = math.inf
    return PatternMeans(a0, a0, math.sqrt(1.0 + k * k) * b, value, external, slope, inner, outer)


@jit
def limit_scalars(patterns, level, room):
    """(share of the patterns below the margin, mean energy per pattern) at the maximum."""
    root = math.sqrt(patterns.v)
    jump = jump_of(patterns.channel, root, patterns.spread)
    n = pattern_nodes(patterns, jump, level, lowest_field(patterns.spread), room.u, room.w)
    share = energy = 0.0
    for i in range(n):
        z, plain, _, _, _, _ = maximiser(patterns, room.u[i], room.w[i])
        weight = plain * label_weight(patterns.labels, patterns.k, z)
        of_share, of_energy = channel_scalars(patterns.channel, room.u[i], root)
        share += weight * of_share
        energy += weight * of_energy
    return share, energy


@jit
def jump_field(dq_hat, pull):
    """l* > 0, the largest root of l = dq_hat tanh l + pull; 0 without a pull for dq_hat <= 1; nan where there is none.

    Without a jump to either side (dq_hat <= 1) a negative pull has a negative root, the smooth continuation of the positive ones.
    """
    if dq_hat <= 1.0 and pull == 0.0:
        return 0.0
    sign = 1.0
    if dq_hat <= 1.0 and pull < 0.0:
        sign, pull = -1.0, -pull
    l = dq_hat + max(pull, 0.0)
    if pull == 0.0:
        l = max(math.sqrt(3.0 * (dq_hat - 1.0) / dq_hat) if dq_hat < 1.5 else dq_hat, 1e-8)
    elif dq_hat < 0.0:
        l = 0.0
    step = l
    for _ in range(80):  # convex for dq_hat > 0: Newton from above the root falls monotonically; else concave, from 0 it rises
        t = math.tanh(l)
        step = (l - dq_hat * t - pull) / (1.0 - dq_hat * (1.0 - t * t))
        l -= step
        if abs(step) <= 1e-15 * abs(l):
            break
    return sign * l if abs(step) <= 1e-7 * abs(l) and l > 0.0 else math.nan


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
            return spoilt(u, w)
        half = 0.5 * length
        for i in range(ORDER):
            u[n] = p + half * (1.0 + LEGENDRE_X[i])
            w[n] = half * LEGENDRE_W[i]
            n += 1
        p += length
        s = new
    return n


@jit
def weight_limit(random, q_hat, r_hat, dq_hat, pull, level, room):
    """The `WeightMeans` at the maximum: v = E sech^2 l, s = E[z tanh l]/sqrt q_hat, r = E tanh l, t4 = E sech^4 l, value =

    E[log 2cosh l - dq_hat tanh^2 l/2], external = -E log|1 - dq_hat sech^2 l|/2, outer = E[(sech^2/(1 - dq_hat sech^2))^2], infinite
    where l jumps; away = E[1 - |tanh l|].  `pull` is the field of a binary centre, 0 without one.
    """
    root = math.sqrt(q_hat)
    star = jump_field(dq_hat, pull)
    t0 = math.tanh(star)
    v = zt = r = value = logdet = t4 = outer = away = 0.0
    for turn in range(1 if random else 2):
        side = 1.0 - 2.0 * turn
        n = weight_nodes(side, root, r_hat, dq_hat, t0, level, room.u, room.w)
        for i in range(n):
            s, slope = shifted(room.u[i], dq_hat, t0)
            z = (side * s - r_hat) / root
            weight = room.w[i] * density(z) * slope / root
            log_2cosh, t, s2, below_one = binary(star + room.u[i])
            t = math.copysign(t, star + room.u[i])
            v += weight * s2
            away += weight * below_one
            zt += weight * z * side * t
            r += weight * side * t
            value += weight * (log_2cosh - 0.5 * dq_hat * t * t)
            logdet += weight * math.log(slope)
            t4 += weight * s2 * s2
            outer += weight * (s2 / slope) ** 2
    if random:  # the other side is its mirror image
        v, zt, value, logdet, t4, outer, away, r = 2.0 * v, 2.0 * zt, 2.0 * value, 2.0 * logdet, 2.0 * t4, 2.0 * outer, 2.0 * away, 0.0
    return WeightMeans(v, zt / root, r, value, -0.5 * logdet, t4, math.inf if dq_hat >= 1.0 or star != 0.0 else outer, away)
