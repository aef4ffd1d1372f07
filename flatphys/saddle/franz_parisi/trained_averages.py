"""Averages for the local entropy around a trained rule: how a pattern is seen by weights near it.

The reference has overlap m with the signal (centres or teacher), squared norm Q and moves a pattern's cavity
margin omega to omega + delta(omega).  Counted weights |w|^2 = N at overlap p with its direction see a
field that is Gaussian given omega, apart from their response r to that move.  With g, xi ~ N(0, 1):

    mixture   omega = m + sqrt(D Q) g,  mu = m1 + p sqrt(D) g + r delta(omega) + sqrt(D B) xi,     W = 1
    teacher   omega = sqrt(Q) g,        mu = p g + r delta(omega) + sqrt(B) xi,
              W = 2 [flip + (1 - 2 flip) Phi(k)],  k = (m g/sqrt(Q) + rho xi)/sqrt(v0),
              rho = dm/sqrt(B),  v0 = 1 - m^2/Q - rho^2      (the teacher's field given omega and mu)

B = q1 - p^2.  The counted channel is Z(mu) = f((kappa - mu)/sqrt(D v1); sqrt(D v1)) of `kernels.channels`, of any energy, v1 = 1 - q1,
and f', f'' are derivatives of log Z with respect to mu.  The free entropy, relative to the uniform sphere,

    phi = (1/2) [log v1 + (q1 - s)/v1] + alpha E[W log Z],   s = m1^2 + 2 r (P - m1 m) - (Q - m^2) r^2,  P = p sqrt Q

is stationary in q1, m1, r.  Measured from their values without constraints, m1 = m P/Q + dm and r = P/Q + dr,
nothing cancels:

    dm - m dr = A,   -m dm - (Q - m^2) dr = C,   B = dm^2 - 2 m dm dr - (Q - m^2) dr^2 + alpha D v1^2 E[W f'^2]
    A = alpha v1 E[f'] (mixture),  alpha v1 (1 - 2 flip) E[2 G(k)/sqrt(v0) f'] (teacher: the labels turn at its field 0)
    C = alpha v1 E[W f' delta]
    d phi/dp = sqrt(Q) r (-1/v1 + alpha D E[W f'' delta'])
    replicon 1 - alpha D^2 v1^2 E[W f''^2],   train error E[W share],  train loss E[W mean energy]

Derivation: the Franz-Parisi potential of `saddle.franz_parisi.curve` with a reference whose own replicas
approach each other, (p - t)/(1 - qt) -> r; for the teacher A is the derivative of a Gaussian average by a
covariance.  Moves delta: loss minimisers prox(omega) - omega; Hebb c; maximum margin (kappa_ref - omega)_+;
posterior mean V g(omega).
"""

import math
from typing import NamedTuple

from flatphys._jit import jit
from flatphys.kernels.channels import channel, channel_scalars, features, growth
from flatphys.numerics.gaussian import density
from flatphys.numerics.quadrature import NOWHERE, REACH, gaussian_nodes, panel_nodes
from flatphys.saddle.franz_parisi.trained_fields import edge_of_constraint, field_mean, label_weights, outer_nodes, view
from flatphys.saddle.franz_parisi.weights import panel_ratio


class Averages(NamedTuple):
    """E[W log Z], E[f'] (mixture) or its teacher's form, E[W f' delta], E[W f'^2], E[W f''^2], E[W f'' delta'], train error and loss,
    and the evaluations of the integrand that it took."""

    log_z: float
    turned: float
    moved: float
    square: float
    curvature: float
    bent: float
    share: float
    loss: float
    evaluations: int


class Sums(NamedTuple):
    """How finely is summed (the `level` of `numerics.quadrature`), and whether train error and loss are summed as well."""

    level: int
    scalars: bool


@jit
def _xi_sums(rule, ch, seen, line, sums, nodes):
    """Over xi at `line` = (g, x0, stretch), x = x0 - stretch xi: (W log f, turned a, W a, W a^2, W b^2, W b, W share, W energy), number."""
    y, wy = nodes
    g, x0, stretch = line
    centre = x0 / stretch if stretch > 0.0 else 0.0
    origin = centre if abs(centre) < REACH else 0.0
    start = 0.0 if origin != 0.0 else x0
    re, im, other, other_im = features(ch, seen.unit)
    poles = NOWHERE
    if stretch > 0.0:
        poles = ((start - re) / stretch, im / stretch, (start - other) / stretch, other_im / stretch)
    field = -rule.m * g / math.sqrt(rule.q) / seen.rho if seen.rho != 0.0 else 0.0
    bend = growth(ch, seen.unit) * stretch * stretch
    k = gaussian_nodes(sums.level, REACH, seen.growth + bend, origin, poles, (field - origin, seen.narrow, 0.0, math.inf), y, wy)
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    for j in range(k):
        x = start - stretch * y[j]
        log_f, a, b = channel(ch, x, seen.unit)
        weight, turn = label_weights(rule, seen, g, origin + y[j])
        weight *= wy[j]
        s0 += weight * log_f
        s1 += wy[j] * turn * a
        s2 += weight * a
        s3 += weight * a * a
        s4 += weight * b * b
        s5 += weight * b
        if sums.scalars:
            share, loss = channel_scalars(ch, x, seen.unit)
            s6 += weight * share
            s7 += weight * loss
    return s0, s1, s2, s3, s4, s5, s6, s7, k


@jit
def averages(rule, ch, at, sums, outer, inner):
    """The `Averages` at a `Place` of weights counted by the channel ch; outer and inner are node buffers."""
    u, w = outer
    nan = math.nan
    nothing = Averages(nan, nan, nan, nan, nan, nan, nan, nan, 0)
    v1 = at.gap - at.b
    seen = view(rule, at, v1)
    if not seen.v0 > 0.0:
        return nothing
    unit = seen.unit
    stretch = math.sqrt(at.b / v1)  # d x / d xi
    steep = max(abs(at.p), abs(at.dr) * math.sqrt(rule.q)) * math.sqrt(rule.d) / unit  # largest |dx/dg|
    _, im, other, other_im = features(ch, unit)
    near = 0.9 / steep if steep > 0.0 else math.inf
    first = edge_of_constraint(rule, at, ch.margin), near * min(im, other_im)
    second = (edge_of_constraint(rule, at, ch.margin - unit * other), near * other_im) if other_im < math.inf else (0.0, math.inf)
    n = outer_nodes(rule, first, second, math.sqrt(growth(ch, unit)) * steep, sums.level, u, w)
    z0 = z1 = z2 = z3 = z4 = z5 = z6 = z7 = 0.0
    evaluations = 0
    for i in range(n):
        mean, delta, bend = field_mean(rule, at, u[i])
        s0, s1, s2, s3, s4, s5, s6, s7, k = _xi_sums(rule, ch, seen, (u[i], (ch.margin - mean) / unit, stretch), sums, inner)
        z0 += w[i] * s0
        z1 += w[i] * s1
        z2 += w[i] * s2 * delta
        z3 += w[i] * s3
        z4 += w[i] * s4
        z5 += w[i] * s5 * bend
        z6 += w[i] * s6
        z7 += w[i] * s7
        evaluations += k
    return Averages(z0, z1 / unit, z2 / unit, z3 / (unit * unit), z4 / unit**4, z5 / (unit * unit), z6, z7, evaluations)


@jit
def step(rule, alpha, ch, at, sums, outer, inner):
    """What the equations answer to the unknowns, with the averages: (dm', dr', B', `Averages`)."""
    v1 = at.gap - at.b
    out = averages(rule, ch, at, sums, outer, inner)
    dm, dr, quadratic = _moved(rule, alpha * v1 * out.turned, alpha * v1 * out.moved)
    return dm, dr, quadratic + alpha * rule.d * v1 * v1 * out.square, out


@jit
def _moved(rule, big_a, big_c):
    """(dm, dr, dm^2 - 2 m dm dr - (Q - m^2) dr^2) of the equations' right-hand sides A and C."""
    m = rule.m
    dr = -(m * big_a + big_c) / rule.q
    dm = big_a + m * dr
    return dm, dr, dm * dm - 2.0 * m * dm * dr - (rule.q - m * m) * dr * dr


@jit
def limit_averages(rule, kappa, at, level, outer, inner):
    """(E (kappa-mu)_+ or its teacher's form, E W (kappa-mu)_+ delta, E W (kappa-mu)_+^2) as q1 -> 1, B = 1 - p^2, and evaluations."""
    u, w = outer
    y, wy = inner
    seen = view(rule, at, at.gap)
    if not seen.v0 > 0.0:
        return math.nan, math.nan, math.nan, 0
    width = seen.unit
    edge = edge_of_constraint(rule, at, kappa), math.inf
    n = outer_nodes(rule, edge, (0.0, math.inf), max(abs(at.p), abs(at.dr) * math.sqrt(rule.q)) / math.sqrt(at.gap), level, u, w)
    ratio = panel_ratio(level)
    z1 = z2 = z3 = 0.0
    evaluations = 0
    for i in range(n):
        g = u[i]
        mean, delta, _ = field_mean(rule, at, g)
        top = min((kappa - mean) / width, REACH)
        if top <= -REACH:
            continue
        field = -rule.m * g / math.sqrt(rule.q) / seen.rho if seen.rho != 0.0 else 0.0
        k = panel_nodes(0, -REACH, top, ratio, ratio, (field, seen.narrow, 0.0, math.inf, 0.0, math.inf, 0.0, math.inf), y, wy)
        evaluations += k
        s1 = s2 = s3 = 0.0
        for j in range(k):
            short = kappa - mean - width * y[j]
            weight, turn = label_weights(rule, seen, g, y[j])
            plain = wy[j] * density(y[j])
            s1 += plain * turn * short
            s2 += plain * weight * short
            s3 += plain * weight * short * short
        z1 += w[i] * s1
        z2 += w[i] * s2 * delta
        z3 += w[i] * s3
    return z1, z2, z3, evaluations


@jit
def limit_step(rule, alpha, kappa, at, level, outer, inner):
    """What the equations at q1 = 1 answer to (dm, dr, 1 - p^2), and evaluations."""
    one, moved, square, evaluations = limit_averages(rule, kappa, at, level, outer, inner)
    dm, dr, quadratic = _moved(rule, alpha / rule.d * one, alpha / rule.d * moved)
    return dm, dr, quadratic + alpha / rule.d * square, evaluations
