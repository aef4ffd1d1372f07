"""Averages over one weight and one pattern that enter the replica-symmetric saddle of a Gibbs learner.

Weights.  Given the conjugates (q_hat, R_hat), binary: h = sqrt(q_hat) z + R_hat,

    q = E tanh^2 h,  R = E tanh h,  G_S = -R R_hat - q_hat (1-q)/2 + E log 2cosh h,  T4 = E sech^4 h

With a teacher G_S is written (1-R) R_hat - q_hat (1-q)/2 + E log(1 + e^-2h), which is the same as E h = R_hat: next to the teacher
R_hat is 1e9 and more, and G_S next to nothing;

spherical: v = 1-q solves (q_hat + R_hat^2) v^2 + v = 1, R = R_hat v,
G_S = [log v + q_hat v]/2, T4 = v^2.  In both, T^2 = q - R^2 and 1-R are returned without cancellation.

Patterns.  With x = (kappa - sqrt(q) z)/sqrt(v), the weight W(z) of their labels (`kernels.labels`) and log f, a, b of the channel at
sigma = sqrt v (`kernels.channels`):

    q_hat = alpha A / v,                      A = Int Dz W a^2
    R_hat = alpha B / sqrt v,                 B = (sqrt q / T) Int Dz W'(z R/T) a
    G_E = Int Dz W log f,  E[g'^2] = C / v^2, C = Int Dz W b^2,  share below the margin and mean energy likewise

On a mixture of variance D and centre overlap m (`kernels.labels`), each cloud has x = (kappa - m -+ b - sqrt(D q) z)/sqrt(D v) and the
channel sigma = sqrt(D v); A as above, averaged over the clouds, and

    m_hat = alpha B/sqrt v,     B = Int Dz a/sqrt D      (in place of R_hat; the weights' equations are those of a teacher, R = m)

A bias b is stationary where the share-weighted Int Dz a of both clouds agree.

With a tree committee (`kernels.networks`, random labels) the patterns see c(q) and 1-c(q) in place of q and v (`fields`), and the
chain rule gives q_hat = alpha c'(q) A / (1-c).

Sources: Gardner & Derrida 1988; Krauth & Mezard 1989; Gyorgyi 1990; Seung, Sompolinsky & Tishby 1992.
"""

import math
from typing import NamedTuple

import numpy as np

from flatphys._jit import jit
from flatphys.kernels.codes import NISHIMORI, RANDOM, SPHERICAL, TEACHER
from flatphys.kernels.labels import cloud, clouds, guided
from flatphys.kernels.networks import overlap_map, overlap_slope
from flatphys.kernels.rows import channel_rows, label_rows, places, relative_rows, scalar_rows, signal_rows, slope_rows, weight_rows
from flatphys.kernels.weights import BRANCH_POINT
from flatphys.numerics.quadrature import NOWHERE, REACH, gaussian_nodes
from flatphys.numerics.vector import dot
from flatphys.saddle.equilibrium.rule import Fields, channel_width, pattern_rule, stationary_bias, teacher_ratio


class WeightMoments(NamedTuple):
    """What the weights say of themselves in their fields: v = 1-q, t2 = q - R^2."""

    v: float
    q: float
    r: float
    t2: float
    one_minus_r: float
    entropic: float
    t4: float


class PatternMoments(NamedTuple):
    """Averages over one pattern: A, B, G_E, C of the module's docstring, share below the margin, mean energy."""

    a: float
    b: float
    energetic: float
    curvature: float
    share: float
    loss: float


@jit
def weights_average(problem, q_hat, r_hat, level, nodes):
    """`WeightMoments` at these conjugates."""
    if problem.weights == SPHERICAL:
        v = 2.0 / (1.0 + math.sqrt(1.0 + 4.0 * (q_hat + r_hat * r_hat)))
        r = r_hat * v
        t2 = q_hat * v * v
        return WeightMoments(v, t2 + r * r, r, t2, (v + t2) / (1.0 + r), 0.5 * (math.log(v) + q_hat * v), v * v)
    u, w = nodes
    kind = problem.labels.kind
    root = math.sqrt(q_hat)
    origin = -r_hat / root
    reach = REACH
    if abs(origin) < 25.0:
        reach = max(reach, abs(origin) + 7.0)
    else:
        origin = 0.0
    h0 = r_hat + root * origin
    n = gaussian_nodes(level, reach, 1.0, origin, (-h0 / root, BRANCH_POINT / root, 0.0, math.inf), NOWHERE, u, w)
    h, rows = places(h0, root, u, n), np.empty((4, n))
    weight_rows(h, rows)
    excess, t, s2, below_one = rows[0], rows[1], rows[2], rows[3]
    v = dot(w, s2, n)
    for i in range(n):
        excess[i] += abs(h[i]) if kind == RANDOM else max(0.0, -2.0 * h[i])
        s2[i] *= s2[i]
    logz, s4 = dot(w, excess, n), dot(w, s2, n)
    r, t2, one_minus_r = 0.0, math.nan, 1.0
    if guided(problem.labels):
        up = one_minus_r = dot(w, below_one, n)
        near_zero = up > 0.5
        if near_zero:
            for i in range(n):
                excess[i] = math.copysign(t[i], h[i])
            r = dot(w, excess, n)
        else:
            r = 1.0 - up
        # the variance of tanh, centred on whichever end it is close to: q - R^2 cancels at both, and tanh itself where h hardly varies
        if root < 1e-3:
            for i in range(n):
                dev = math.sinh(h[i] - r_hat) / (math.cosh(h[i]) * math.cosh(r_hat)) if abs(h[i]) < 700.0 else 0.0
                s2[i] = dev * dev
        else:
            for i in range(n):
                dev = excess[i] - r if near_zero else below_one[i] - up
                s2[i] = dev * dev
        t2 = dot(w, s2, n)
    for i in range(n):
        t[i] *= t[i]
    q = min(dot(w, t, n), 1.0)  # rounding next to the teacher
    if not guided(problem.labels):
        t2 = q
    if kind == NISHIMORI:
        r, t2, one_minus_r = q, q * v, v
    return WeightMoments(v, q, r, t2, one_minus_r, one_minus_r * r_hat - 0.5 * q_hat * v + logz, s4)


@jit
def fields(problem, weight, nodes):
    """The overlaps of the fields behind the network, and the stationary bias."""
    q, v = overlap_map(problem.net, weight.q, weight.v)
    seen = Fields(v, q, weight.r, weight.t2, 0.0)
    if clouds(problem.labels) == 1:
        return seen
    return Fields(v, q, weight.r, weight.t2, stationary_bias(problem, seen, nodes))


@jit
def pattern_saddle(problem, f, level, nodes):
    """(A, B) of the module's docstring: all that the saddle-point equations need."""
    u, w = nodes
    labels, k, sigma = problem.labels, teacher_ratio(problem, f), channel_width(problem, f)
    sum_a = sum_b = 0.0
    for i in range(clouds(labels)):
        share, mean = cloud(labels, i, f.r, f.b)
        rule = pattern_rule(problem, f, mean, False, level, nodes)
        n = rule.n
        x, rows = places(rule.x0, rule.dx, u, n), np.empty((2, n))
        slope_rows(problem.channel, x, sigma, rows)
        a, weight = rows[0], rows[1]
        if labels.kind == RANDOM:
            for j in range(n):
                weight[j] = a[j] * a[j]
            return dot(w, weight, n), 0.0
        z = places(rule.origin, 1.0, u, n)
        label_rows(labels, k, z, weight)
        for j in range(n):
            weight[j] *= a[j] * a[j]
        sum_a += share * dot(w, weight, n)
        if guided(labels):
            signal_rows(labels, k, z, weight)
            for j in range(n):
                weight[j] *= a[j]
            sum_b += share * dot(w, weight, n)
    return sum_a, math.sqrt(f.q / f.t2) * sum_b if labels.kind == TEACHER else sum_b


@jit
def pattern_moments(problem, f, level, nodes):
    """`PatternMoments`: read off once, at the saddle."""
    u, w = nodes
    labels, k, sigma = problem.labels, teacher_ratio(problem, f), channel_width(problem, f)
    sum_a = sum_b = energetic = curvature = below = loss = 0.0
    for i in range(clouds(labels)):
        share, mean = cloud(labels, i, f.r, f.b)
        rule = pattern_rule(problem, f, mean, True, level, nodes)
        n = rule.n
        x, z, rows = places(rule.x0, rule.dx, u, n), places(rule.origin, 1.0, u, n), np.empty((6, n))
        channel_rows(problem.channel, x, sigma, rows)
        scalar_rows(problem.channel, x, sigma, rows[3:5])
        relative_rows(problem.channel, x, sigma, rows[0])
        label_rows(labels, k, z, rows[5])
        log_f, a, b, under, cost, weight = rows[0], rows[1], rows[2], rows[3], rows[4], rows[5]
        for j in range(n):
            weight[j] *= share * w[j]
            b[j] *= b[j]
        energetic += dot(weight, log_f, n)
        curvature += dot(weight, b, n)
        below += dot(weight, under, n)
        loss += dot(weight, cost, n)
        if guided(labels):
            signal_rows(labels, k, z, cost)
            for j in range(n):
                cost[j] *= a[j]
            sum_b += share * dot(w, cost, n)
        for j in range(n):
            a[j] *= a[j]
        sum_a += dot(weight, a, n)
    if labels.kind == TEACHER:
        sum_b *= math.sqrt(f.q / f.t2)
    return PatternMoments(sum_a, sum_b, energetic, curvature, below, loss)


@jit
def log_alphas(problem, log_q_hat, log_r_hat, level, nodes):
    """Loads at which each saddle equation holds, as logarithms: (log alpha_q, log alpha_R).

    With the conjugates chosen, the overlaps follow from the weights and each pattern equation
    names the load it wants; a saddle is where the two agree (alpha_R = alpha_q when R is bound).
    """
    kind = problem.labels.kind
    q_hat = math.exp(log_q_hat)
    r_hat = 0.0 if kind == RANDOM else (q_hat if kind == NISHIMORI else math.exp(log_r_hat))
    weight = weights_average(problem, q_hat, r_hat, level, nodes)
    f = fields(problem, weight, nodes)
    a, b = pattern_saddle(problem, f, level, nodes)
    la = log_q_hat + math.log(f.v) - math.log(a * overlap_slope(problem.net, weight.q, weight.v))
    if guided(problem.labels):
        return la, log_r_hat + 0.5 * math.log(weight.v) - math.log(b)
    return la, la
