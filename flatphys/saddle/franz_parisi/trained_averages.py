"""Averages for the local entropy around a trained rule: how a pattern is seen by weights near it.

The reference has overlap m with the signal (centres or teacher), squared norm Q and moves a pattern's cavity
margin omega to omega + delta(omega).  Counted weights |w|^2 = N at overlap p with its direction see a
field that is Gaussian given omega, apart from their response r to that move.  With g, xi ~ N(0, 1):

    mixture   omega = m + sqrt(D Q) g,  mu = m1 + p sqrt(D) g + r delta(omega) + sqrt(D B) xi,     W = 1
    teacher   omega = sqrt(Q) g,        mu = p g + r delta(omega) + sqrt(B) xi,
              W = 2 [flip + (1 - 2 flip) Phi(k)],  k = (m g/sqrt(Q) + rho xi)/sqrt(v0),
              rho = dm/sqrt(B),  v0 = 1 - m^2/Q - rho^2      (the teacher's field given omega and mu)

B = q1 - p^2.  The counted channel is Z(mu) = f((kappa - mu)/sqrt(D v1)) of `kernels.counting`, v1 = 1 - q1, and f', f''
are derivatives of log Z with respect to mu.  The free entropy, relative to the uniform sphere,

    phi = (1/2) [log v1 + (q1 - s)/v1] + alpha E[W log Z],   s = m1^2 + 2 r (P - m1 m) - (Q - m^2) r^2,  P = p sqrt Q

is stationary in q1, m1, r.  Measured from their values without constraints, m1 = m P/Q + dm and r = P/Q + dr,
nothing cancels:

    dm - m dr = A,   -m dm - (Q - m^2) dr = C,   B = dm^2 - 2 m dm dr - (Q - m^2) dr^2 + alpha D v1^2 E[W f'^2]
    A = alpha v1 E[f'] (mixture),  alpha v1 (1 - 2 flip) E[2 G(k)/sqrt(v0) f'] (teacher: the labels turn at its field 0)
    C = alpha v1 E[W f' delta]
    d phi/dp = sqrt(Q) r (-1/v1 + alpha D E[W f'' delta'])
    replicon 1 - alpha D^2 v1^2 E[W f''^2],   train error E[W (1-s_x) H(-x)]

Derivation: the Franz-Parisi potential of `saddle.franz_parisi.curve` with a reference whose own replicas
approach each other, (p - t)/(1 - qt) -> r; for the teacher A is the derivative of a Gaussian average by a
covariance.  Moves delta: loss minimisers prox(omega) - omega; Hebb c; maximum margin (kappa_ref - omega)_+;
posterior mean V g(omega).
"""

import math

from flatphys._jit import jit
from flatphys.kernels.channels import H_ZERO_IM, H_ZERO_RE
from flatphys.kernels.counting import error_counting, f_zero
from flatphys.kernels.losses import KINKED, features, response
from flatphys.numerics.gaussian import density, tail
from flatphys.numerics.quadrature import INV_SQRT_2PI, NOWHERE, gaussian_nodes, panel_nodes

MIXTURE, TEACHER = 1, 2
BY_LOSS, CONSTANT, LIFTED, FITTED, POSTERIOR = 0, 1, 2, 3, 4  # how the reference moves a pattern
REACH = 9.6


@jit
def move(rule, loss, c, edge, omega):
    """(delta, d delta/d omega) at cavity margin omega; `edge` is the margin lifted to, or the posterior's beta."""
    if rule == BY_LOSS:
        _, f, k, _ = response(loss, 1.0 - omega, c)
        return c * f, -c * k
    if rule == CONSTANT:
        return c, 0.0
    if rule == LIFTED:
        return (edge - omega, -1.0) if omega < edge else (0.0, 0.0)
    if rule == FITTED:
        return edge - omega, -1.0
    if rule == POSTERIOR:  # c = 1 - q is the posterior's variance
        root = math.sqrt(c)
        _, a, b, _ = error_counting(-omega / root, edge)
        return root * a, b
    return math.nan, math.nan


@jit
def field_mean(reference, p, dm, dr, g):
    """(mean of the counted field mu given g, delta, d delta/d omega)."""
    kind, rule, loss, c, edge, m, q, d, flip = reference
    shift = m if kind == MIXTURE else 0.0
    delta, bend = move(rule, loss, c, edge, shift + math.sqrt(d * q) * g)
    m1 = m * p / math.sqrt(q) + dm if kind == MIXTURE else 0.0
    return m1 + p * math.sqrt(d) * g + (p / math.sqrt(q) + dr) * delta, delta, bend


@jit
def edge_of_constraint(reference, p, dm, dr, kappa):
    """The g at which the mean field is kappa (the middle of a sign change; an end of the range if there is none)."""
    lo, hi = -REACH, REACH
    low, high = field_mean(reference, p, dm, dr, lo)[0] - kappa, field_mean(reference, p, dm, dr, hi)[0] - kappa
    if low * high > 0.0:
        return lo if abs(low) < abs(high) else hi
    for _ in range(30):
        mid = 0.5 * (lo + hi)
        if (field_mean(reference, p, dm, dr, mid)[0] - kappa) * low > 0.0:
            lo = mid
        else:
            hi = mid
    return 0.5 * (lo + hi)


@jit
def outer_nodes(reference, centre, width, spread, level, u, w):
    """Nodes in g; the integrand has singularities at centre +- i width and grows like exp(spread^2 y^2/2) off the axis."""
    kind, rule, loss, c, edge, m, q, d, flip = reference
    scale = math.sqrt(d * q)
    shift = m if kind == MIXTURE else 0.0
    growth = 1.0 + spread * spread
    if kind == TEACHER:
        growth += m * m / max(q - m * m, 1e-300)
    pole1, pole2, near = 0.0, 0.0, math.inf
    cut1, cut2 = -REACH, REACH
    kinked = rule == LIFTED
    if kinked:
        cut1 = (edge - shift) / scale
    elif rule == BY_LOSS:
        nature, p1, w1, p2, w2 = features(loss, c)
        if nature == KINKED:
            kinked = True
            cut1, cut2 = (1.0 - p1 - shift) / scale, (1.0 - p2 - shift) / scale
        else:  # the features are given in e = 1 - omega
            pole1, pole2, near = (1.0 - p1 - shift) / scale, (1.0 - p2 - shift) / scale, min(w1, w2) / scale
    elif rule == POSTERIOR:
        re, im = f_zero(edge)
        root = math.sqrt(c) / scale
        pole1, pole2, near = -H_ZERO_RE * root, -re * root, min(H_ZERO_IM, im) * root
    narrow = 3.0 / math.sqrt(growth - 1.0) if growth > 2.0 else math.inf
    if not kinked:
        return gaussian_nodes(level, REACH, growth, 0.0, (centre, width, pole1, near), (pole2, near, centre, narrow), u, w)
    ratio = 1.5 if level == 0 else 1.1
    n, start = 0, -REACH
    marks = (centre, width, centre, narrow, 0.0, math.inf, 0.0, math.inf)
    for stop in (min(max(min(cut1, cut2), -REACH), REACH), min(max(max(cut1, cut2), -REACH), REACH), REACH):
        if stop > start:
            n = panel_nodes(n, start, stop, ratio, ratio, marks, u, w)
            if n < 0:
                return n
            start = stop
    for i in range(n):
        w[i] *= INV_SQRT_2PI * math.exp(-0.5 * u[i] * u[i])
    return n


@jit
def averages(reference, p, gap, kappa, beta, dm, dr, b, level, u, w, y, wy):
    """(E W log Z, E f' (mixture) or its teacher's form, E W f' delta, E W f'^2, E W f''^2, E W f'' delta', train error).

    `gap` = 1 - p^2; v1 = gap - b.
    """
    kind, rule, loss, c, edge, m, q, d, flip = reference
    v1 = gap - b
    root_q = math.sqrt(q)
    unit = math.sqrt(d * v1)  # width of the counted channel
    inner = math.sqrt(b / v1)  # d x / d xi
    n0 = 1.0 - m * m / q
    rho, v0 = 0.0, n0
    if kind == TEACHER:
        rho = dm / math.sqrt(b) if b > 0.0 else 0.0
        v0 = n0 - rho * rho
        if not v0 > 0.0:
            return math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan
    re, im = f_zero(beta)
    steep = max(abs(p), abs(dr) * root_q) * math.sqrt(d) / unit  # largest |dx/dg|
    centre = edge_of_constraint(reference, p, dm, dr, kappa)
    n = outer_nodes(reference, centre, 0.9 * min(H_ZERO_IM, im) / steep if steep > 0.0 else math.inf, 0.0, level, u, w)
    if n < 0:
        return math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan
    growth = 1.0 + (rho * rho / v0 if kind == TEACHER else 0.0)
    narrow = 3.0 * math.sqrt(v0) / max(abs(rho), 1e-300) if kind == TEACHER else math.inf
    z0 = z1 = z2 = z3 = z4 = z5 = z6 = 0.0
    for i in range(n):
        g = u[i]
        mean, delta, bend = field_mean(reference, p, dm, dr, g)
        x0 = (kappa - mean) / unit
        centre = x0 / inner if inner > 0.0 else 0.0
        origin = centre if abs(centre) < REACH else 0.0
        start = 0.0 if origin != 0.0 else x0
        poles = ((start - H_ZERO_RE) / inner, H_ZERO_IM / inner, (start - re) / inner, im / inner) if inner > 0.0 else NOWHERE
        field = -m * g / root_q / rho if rho != 0.0 else 0.0
        k = gaussian_nodes(level, REACH, growth, origin, poles, (field - origin, narrow, 0.0, math.inf), y, wy)
        if k < 0:
            return math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan
        s0 = s1 = s2 = s4 = s3 = s6 = 0.0
        for j in range(k):
            x = start - inner * y[j]
            log_f, a, curvature, free = error_counting(x, beta)
            weight, turn = wy[j], wy[j]
            if kind == TEACHER:
                sign = (m * g / root_q + rho * (origin + y[j])) / math.sqrt(v0)
                weight *= 2.0 * (flip + (1.0 - 2.0 * flip) * tail(-sign))
                turn *= 2.0 * (1.0 - 2.0 * flip) * density(sign) / math.sqrt(v0)
            s0 += weight * log_f
            s1 += turn * a
            s2 += weight * a
            s3 += weight * a * a
            s4 += weight * curvature * curvature
            s6 += weight * curvature
            if free > 0.0:
                z6 += w[i] * weight * free * tail(-x)
        z0 += w[i] * s0
        z1 += w[i] * s1
        z2 += w[i] * s2 * delta
        z3 += w[i] * s3
        z4 += w[i] * s4
        z5 += w[i] * s6 * bend
    return z0, z1 / unit, z2 / unit, z3 / (unit * unit), z4 / unit**4, z5 / (unit * unit), z6


@jit
def step(reference, alpha, p, gap, kappa, beta, dm, dr, b, level, u, w, y, wy):
    """What the equations answer to (dm, dr, B), with the averages: (dm', dr', B', averages...)."""
    kind, rule, loss, c, edge, m, q, d, flip = reference
    v1 = gap - b
    out = averages(reference, p, gap, kappa, beta, dm, dr, b, level, u, w, y, wy)
    big_a, big_c = alpha * v1 * out[1], alpha * v1 * out[2]
    new_dr = -(m * big_a + big_c) / q
    new_dm = big_a + m * new_dr
    new_b = new_dm * new_dm - 2.0 * m * new_dm * new_dr - (q - m * m) * new_dr * new_dr + alpha * d * v1 * v1 * out[3]
    return new_dm, new_dr, new_b, out


@jit
def limit_averages(reference, p, gap, kappa, dm, dr, level, u, w, y, wy):
    """(E (kappa-mu)_+ or its teacher's form, E W (kappa-mu)_+ delta, E W (kappa-mu)_+^2) as q1 -> 1, B = 1 - p^2."""
    kind, rule, loss, c, edge, m, q, d, flip = reference
    root_q = math.sqrt(q)
    width = math.sqrt(d * gap)
    n0 = 1.0 - m * m / q
    rho, v0 = 0.0, n0
    if kind == TEACHER:
        rho = dm / math.sqrt(gap)
        v0 = n0 - rho * rho
        if not v0 > 0.0:
            return math.nan, math.nan, math.nan
    centre = edge_of_constraint(reference, p, dm, dr, kappa)
    n = outer_nodes(reference, centre, math.inf, max(abs(p), abs(dr) * root_q) / math.sqrt(gap), level, u, w)
    if n < 0:
        return math.nan, math.nan, math.nan
    ratio = 1.5 - 0.4 * level
    z1 = z2 = z3 = 0.0
    for i in range(n):
        g = u[i]
        mean, delta, _ = field_mean(reference, p, dm, dr, g)
        top = min((kappa - mean) / width, REACH)
        if top <= -REACH:
            continue
        field = -m * g / root_q / rho if rho != 0.0 else 0.0
        narrow = 3.0 * math.sqrt(v0) / max(abs(rho), 1e-300) if kind == TEACHER else math.inf
        k = panel_nodes(0, -REACH, top, ratio, ratio, (field, narrow, 0.0, math.inf, 0.0, math.inf, 0.0, math.inf), y, wy)
        if k < 0:
            return math.nan, math.nan, math.nan
        s1 = s2 = s3 = 0.0
        for j in range(k):
            short = kappa - mean - width * y[j]
            weight = wy[j] * density(y[j])
            turn = weight
            if kind == TEACHER:
                sign = (m * g / root_q + rho * y[j]) / math.sqrt(v0)
                weight *= 2.0 * (flip + (1.0 - 2.0 * flip) * tail(-sign))
                turn *= 2.0 * (1.0 - 2.0 * flip) * density(sign) / math.sqrt(v0)
            s1 += turn * short
            s2 += weight * short
            s3 += weight * short * short
        z1 += w[i] * s1
        z2 += w[i] * s2 * delta
        z3 += w[i] * s3
    return z1, z2, z3


@jit
def limit_step(reference, alpha, p, gap, kappa, dm, dr, level, u, w, y, wy):
    """What the equations at q1 = 1 answer to (dm, dr, 1 - p^2)."""
    kind, rule, loss, c, edge, m, q, d, flip = reference
    one, moved, square = limit_averages(reference, p, gap, kappa, dm, dr, level, u, w, y, wy)
    big_a, big_c = alpha / d * one, alpha / d * moved
    new_dr = -(m * big_a + big_c) / q
    new_dm = big_a + m * new_dr
    quadratic = new_dm * new_dm - 2.0 * m * new_dm * new_dr - (q - m * m) * new_dr * new_dr
    return new_dm, new_dr, quadratic + alpha / d * square
