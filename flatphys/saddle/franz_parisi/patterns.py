"""One pattern that the reference has learnt: averages over its fields.

Given the field z that all references share, the reference's own field is h = sqrt(qt) z + sqrt(1-qt) u and a
counted weight's mean field is (A, B, D, V of `weights`)

    M = M_z z + A u + sqrt(B) eta,     M_z = sqrt(qt) p + sqrt(1-qt) D

u is weighted by the reference's likelihood exp(-beta_ref energy_ref(h))/f_ref(k'), k' = (kappa_ref - sqrt(qt) z)/sqrt(1-qt): for hard
constraints by theta(u > k')/H(k').  A u + sqrt(B) eta = S m with one Gaussian m, given which u = c m + sqrt(1-c^2) e, c = A/S,
so that the average over u is the reference's channel again, at the conditional mean and width:

    < F > = Int Dz Int Dm F(M_z z + S m) Q(z, m),    Q = f_ref((k' - c m)/sqrt(1-c^2); sqrt((1-qt)(1-c^2))) / f_ref(k'; sqrt(1-qt))

and the sums are, in the notation of `kernels.channels` at x = (kappa - M)/sqrt V (counted) and k' (reference),

    q1_hat = alpha <a^2>/V,  t_hat = alpha <a a_ref>/sqrt(V (1-qt)),  G_E = <log f>,  E[g'^2] = <b^2>/V^2.

(The second: t is the covariance of M with the h of the other references, n-1 -> -1 of them, each a factor f_ref'/f_ref.)
The nodes are those of `rules`.

On a mixture the fields of either weight are m + sqrt(D) h and m1 + sqrt(D) M: all of the above holds with the margins
(kappa_ref - m)/sqrt D and (kappa - m1)/sqrt D, the channels as wide as the fields, and m1_hat = alpha <a>/sqrt(D V).

With a teacher a pattern also weighs 2 [flip + (1-2 flip) H(-Y)] (`label`), and R1_hat = alpha <a>_teacher/sqrt V,
the average with 2 (1-2 flip) G(Y)/sqrt(v0) in its place.  Where its dependence on the field left out is strong, and for references
whose likelihood is no step, the three-dimensional sums of `explicit` take over.

Slope.  G_E depends on p, at fixed q1 and t, through the covariance p - t of h and M given z alone.  By Price's theorem

    d G_E/dp = E_z (1/f_ref) E[ d exp(-beta_ref energy_ref)/dh  g(M) ],    g = d log f/dM = a/sqrt V

Where the likelihood is a step its derivative is a delta function: Int Dz g_ref(z) Int Deta g at u = k' (`boundary_sum`).
Otherwise, summed over e like the likelihood itself, < a_ref(e0)/sigma  a >/sqrt V with a_ref at the e0 and sigma of Q above (`response`).
"""

import math
from typing import NamedTuple

import numpy as np

from flatphys._jit import jit
from flatphys.kernels.channels import channel, nearest, steps
from flatphys.kernels.codes import MIXTURE, TEACHER
from flatphys.kernels.rows import channel_rows, label_rows, places, scalar_rows, slope_rows
from flatphys.numerics.gaussian import INV_SQRT_2PI, density
from flatphys.numerics.quadrature import SHORT_REACH as REACH
from flatphys.numerics.vector import dot, exp, fma
from flatphys.saddle.franz_parisi.label import half_line, whole_line
from flatphys.saddle.franz_parisi.rules import (
    ENOUGH,
    STEP,
    Line,
    fields_of,
    nodes_along,
    outer_nodes,
    outer_step,
    reference_pole,
    rule_along,
    turn_of,
)
from flatphys.saddle.franz_parisi.weights import finer, sum_step

FAINT = -44.0  # logarithm of a weight below which a node is passed over
WHOLE = 1e-5  # coarse sums lack less of the total weight: more, and the nodes have missed the fields (references next to capacity)


class Patterns(NamedTuple):
    """<a^2>, <a a_ref>, <log f>, <b^2>, <P(Delta < kappa)>, <energy>, <a>_teacher, d G_E/dp (no step), and the evaluations it took.

    P and energy are needed once a point, and summed by the finest rule alone.
    """

    aa: float
    ar: float
    log_f: float
    bb: float
    share: float
    loss: float
    turned: float
    response: float
    evaluations: int


@jit
def lost(evaluations):
    """What is returned where the sums failed."""
    nan = math.nan
    return Patterns(nan, nan, nan, nan, nan, nan, nan, nan, evaluations)


@jit
def _labelled(ref, g, z, m, e0):
    """(likelihood, the same turned by the teacher) of a reference of step-like likelihood, for labels of a teacher, times
    exp(e0^2/2) where that is hard and e0 > 0."""
    flip, beta = ref.labels.flip, ref.channel.beta
    stay, gain = math.exp(-beta), -math.expm1(-beta)
    alpha = g.tilt_z * z + g.tilt_m * m
    share = toward = 0.0
    if e0 < 40.0:
        i0, share, toward = half_line(max(e0, -40.0), alpha, g.gamma)
        scale = gain if beta == math.inf or e0 <= 0.0 else gain * math.exp(-0.5 * e0 * e0)
        share = scale * (flip * i0 + (1.0 - 2.0 * flip) * share)
        toward *= scale
    if stay > 0.0:
        full, full_turn = whole_line(alpha, g.gamma)
        share += stay * (flip + (1.0 - 2.0 * flip) * full)
        toward += stay * full_turn
    return 2.0 * share, (1.0 - 2.0 * flip) * 2.0 / g.root_0 * toward


@jit
def _labelled_weights(ref, g, line, grid, weight, turned):
    """The weights of a line's nodes, and the same turned by the teacher, for a reference whose likelihood is a step.

    grid = (spread of e0, nodes, their weights).
    """
    rest, y, yw = grid
    hard = ref.channel.beta == math.inf
    for j in range(line.count):
        m = line.origin + y[j]
        e0 = (line.gap - g.c * y[j]) / rest
        bound = -0.5 * m * m - line.log_f - (0.5 * e0 * e0 if hard and e0 > 0.0 else 0.0)
        weight[j] = turned[j] = 0.0 * yw[j]  # spoilt nodes are heard even if they are passed over
        if not bound < FAINT:
            likely, toward = _labelled(ref, g, line.z, m, e0)
            scale = math.exp(bound) * yw[j]
            weight[j], turned[j] = scale * likely, scale * toward


@jit
def _line_sums(ref, ch, g, rule, line, y, yw):
    """The averages of `Patterns` over one line, and its weight: (1, aa, a, log f, bb, share, loss, turned, response)."""
    n = line.count
    if n == 0:
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    labelled, along = ref.labels.kind == TEACHER, 1.0 / math.sqrt(ref.labels.variance) if ref.labels.kind == MIXTURE else 0.0
    rest = g.rest if rule.narrow > 0.0 else STEP
    rows = np.empty((6, n))
    weight, turned, log_f, a, b, other = rows[0], rows[1], rows[2], rows[3], rows[4], rows[5]
    if labelled:
        _labelled_weights(ref, g, line, (rest, y, yw), weight, turned)
    else:
        channel_rows(ref.channel, places(line.gap / rest, -g.c / rest, y, n), g.wide_t * rest, rows[2:5])
        for j in range(n):
            m = line.origin + y[j]
            weight[j] = exp(fma(-0.5 * m, m, log_f[j] - line.log_f)) * yw[j]
            turned[j] = weight[j] * a[j]  # what the response weighs with
    x = places(line.x, -g.s / g.root_v, y, n)
    channel_rows(ch, x, g.wide_v, rows[2:5])
    t_a, t_f = dot(weight, a, n), dot(weight, log_f, n)
    t_t = dot(turned, a, n) if labelled else along * t_a
    t_r = 0.0 if steps(ref.channel) or labelled else dot(turned, a, n) / (g.root_t * rest)
    for j in range(n):
        other[j], a[j], b[j] = 1.0, a[j] * a[j], b[j] * b[j]
    t_w, t_aa, t_bb = dot(weight, other, n), dot(weight, a, n), dot(weight, b, n)
    if not rule.scalars:
        return t_w, t_aa, t_a, t_f, t_bb, 0.0, 0.0, t_t, t_r
    scalar_rows(ch, x, g.wide_v, rows[3:5])
    return t_w, t_aa, t_a, t_f, t_bb, dot(weight, a, n), dot(weight, b, n), t_t, t_r


@jit
def pattern_sums(ref, ch, o, level, outer, inner):
    """`Patterns` at overlaps o (`weights.Overlaps`) of weights counted by the channel ch; outer and inner are node buffers."""
    u, w = outer
    y, yw = inner
    g = fields_of(ref, ch, o)
    rule = rule_along(ref, ch, g, level)
    n = 1
    u[0], w[0] = 0.0, 1.0
    if ref.q > 0.0:
        h, smooth, lean = outer_step(nearest(ch, g.wide_v)[1] * g.root_v, g, reference_pole(ref))
        n = outer_nodes(level, (h, smooth), turn_of(ref, g, lean), ref, rule.reach, u, w)
    mass = aa = ar = log_f = bb = share = loss = turned = response = 0.0
    evaluations = 0
    for i in range(n):
        z = u[i]
        k = (ref.channel.margin - g.root_q * z) / g.root_t
        log_ref, a_ref, _ = channel(ref.channel, k, g.wide_t)
        x0 = (ch.margin - g.mz * z) / g.root_v
        count, origin, gap = nodes_along(ref, g, rule, (z, k, x0), y, yw)
        evaluations += count
        if evaluations > ENOUGH:
            return lost(evaluations)
        line = Line(z, gap, log_ref, x0 - g.s / g.root_v * origin, origin, count)
        t_w, t_aa, t_a, t_f, t_bb, t_s, t_e, t_t, t_r = _line_sums(ref, ch, g, rule, line, y, yw)
        weight = w[i] * INV_SQRT_2PI
        mass += weight * t_w
        aa += weight * t_aa
        ar += weight * a_ref * t_a
        log_f += weight * t_f
        bb += weight * t_bb
        share += weight * t_s
        loss += weight * t_e
        turned += weight * t_t
        response += weight * t_r
    if not abs(mass - 1.0) < WHOLE:
        return lost(evaluations)
    return Patterns(aa, ar, log_f, bb, share, loss, turned, response / g.root_v, evaluations)


@jit
def boundary_sum(ref, ch, o, level, outer, inner):
    """d G_E/dp where the reference's likelihood is a step; with a teacher its weight at (z, eta) is included."""
    u, w = outer
    y, yw = inner
    g = fields_of(ref, ch, o)
    root_b = math.sqrt(o.b)
    width = nearest(ch, g.wide_v)[1] * g.root_v
    labelled = ref.labels.kind == TEACHER
    tilt_e = o.c / (root_b * g.root_0) if labelled and o.b > 0.0 else 0.0
    h, offset = finer(sum_step(width / max(root_b, 1e-300), 1.0 + tilt_e * tilt_e + g.bend * o.b), level)
    half = int(REACH / h)
    count = 2 * half + 1
    if count > y.size:
        return math.nan
    for j in range(count):
        y[j] = (j - half) * h + offset
        yw[j] = h * density(y[j])
    rows, n = np.empty((2, count)), 1
    u[0], w[0] = 0.0, 1.0
    if ref.q > 0.0:
        turn = o.d / g.root_t  # how M moves with z while h stays at the margin
        grow = 1.0 + g.bend * turn * turn
        open_width = width / max(abs(turn), 1e-300)
        h = sum_step(min(open_width, reference_pole(ref)), grow + g.tilt_z * g.tilt_z + ref.q / ref.v)
        tilt = 3.0 / max(abs(g.tilt_z), 1e-300)
        n = outer_nodes(level, (h, sum_step(open_width, grow)), (0.0, tilt, 0.0, math.inf), ref, REACH, u, w)
    total = 0.0
    for i in range(n):
        z = u[i]
        k = (ref.channel.margin - g.root_q * z) / g.root_t
        a_ref = channel(ref.channel, k, g.wide_t)[1]
        x0 = (ch.margin - g.mz * z - o.a * k) / g.root_v
        slope_rows(ch, places(x0, -root_b / g.root_v, y, count), g.wide_v, rows)
        if labelled:
            label_rows(ref.labels, 1.0, places(g.tilt_z * z, tilt_e, y, count), rows[1])
            for j in range(count):
                rows[0, j] *= rows[1, j]
        total += w[i] * a_ref * dot(yw, rows[0], count)
    return total / (g.root_t * g.root_v)
