"""Averages over one weight and one pattern that enter the replica-symmetric saddle of a Gibbs learner.

Weights.  Given the conjugates (q_hat, R_hat), binary: h = sqrt(q_hat) z + R_hat,

    q = E tanh^2 h,  R = E tanh h,  G_S = -R R_hat - q_hat (1-q)/2 + E log 2cosh h,  T4 = E sech^4 h

spherical: v = 1-q solves (q_hat + R_hat^2) v^2 + v = 1, R = R_hat v,
G_S = [log v + q_hat v]/2, T4 = v^2.  In both, T^2 = q - R^2 and 1-R are returned without cancellation.

Patterns.  With x = (kappa - sqrt(q) z)/sqrt(v), u = R z/T and the weight W(z) = 1 (random labels) or
2 [(1-flip) H(-u) + flip H(u)] (teacher), in the notation of `kernels.counting`:

    q_hat = alpha A / v,                      A = Int Dz W a^2
    R_hat = alpha B / sqrt v,                 B = 2 (1 - 2 flip) (sqrt q / T) Int Dz G(u) a
    G_E = Int Dz W log f,  E[g'^2] = C / v^2, C = Int Dz W b^2,  train error = Int Dz W (1-s) H(-x)

With a tree committee (`kernels.networks`, random labels) the patterns see c(q) and 1-c(q) in place of q and v: the caller
of a pattern average passes those, and the chain rule gives q_hat = alpha c'(q) A / (1-c).

Sources: Gardner & Derrida 1988; Krauth & Mezard 1989; Gyorgyi 1990; Seung, Sompolinsky & Tishby 1992.
"""

import math

from flatphys._jit import jit
from flatphys.kernels.counting import error_counting
from flatphys.kernels.networks import overlap_map, overlap_slope
from flatphys.numerics.gaussian import density, tail
from flatphys.numerics.quadrature import NOWHERE, gaussian_nodes

BINARY, SPHERICAL = 0, 1
RANDOM, TEACHER, NISHIMORI = 0, 1, 2  # NISHIMORI: the learner is the posterior, so R = q and R_hat = q_hat

REACH = 9.6  # Gaussian averages are cut where the density is 1e-20 of its maximum
# The zero of H(x) nearest to the real axis (measured, like the fits of `f_zero`, by complex Newton).
H_ZERO_RE, H_ZERO_IM = -1.916, 2.816


@jit
def f_zero(beta):
    """(real part, imaginary part) of the zero of f(x) = e^-beta + (1-e^-beta) H(x) nearest to the real axis.

    Asymptotically where log H(x) = -beta +- i pi; the fits below keep the imaginary part a lower bound
    (3.71, 2.96, 1.95, 1.06, 0.75 at beta = 0.01, 0.1, 1, 5, 10).  Infinite at beta = inf, where f = H.
    """
    if beta == math.inf:
        return 0.0, math.inf
    if beta < 1.0:
        return 0.35 + 0.85 * math.sqrt(beta), 1.93 - 0.32 * math.log(beta)
    if beta < 4.0:
        return 0.35 + 0.85 * math.sqrt(beta), math.pi / math.sqrt(2.0 * beta + 0.63)
    return math.sqrt(2.0 * beta - math.log(4.0 * math.pi * beta)), math.pi / math.sqrt(2.0 * beta + 0.63)


@jit
def weights_average(weights, kind, q_hat, r_hat, level, u, w):
    """(v, q, R, T^2, 1-R, G_S, T4) of the module's docstring; u and w are node buffers."""
    if weights == SPHERICAL:
        v = 2.0 / (1.0 + math.sqrt(1.0 + 4.0 * (q_hat + r_hat * r_hat)))
        r = r_hat * v
        t2 = q_hat * v * v
        return v, t2 + r * r, r, t2, (v + t2) / (1.0 + r), 0.5 * (math.log(v) + q_hat * v), v * v
    root = math.sqrt(q_hat)
    origin = -r_hat / root
    reach = REACH
    if abs(origin) < 25.0:
        reach = max(reach, abs(origin) + 7.0)
    else:
        origin = 0.0
    h0 = r_hat + root * origin
    width = 0.5 * math.pi / root
    n = gaussian_nodes(level, reach, 1.0, origin, (-h0 / root, width, 0.0, math.inf), NOWHERE, u, w)
    v = q = up = s4 = logz = 0.0
    for i in range(n):
        h = h0 + root * u[i]
        e = math.exp(-2.0 * abs(h))
        inv = 1.0 / (1.0 + e)
        t = (1.0 - e) * inv if e < 0.9 else math.tanh(abs(h))  # 1 - e loses the digits of a small h
        s2 = 4.0 * e * inv * inv
        up += w[i] * (2.0 * e * inv if h > 0.0 else 2.0 * inv)
        q += w[i] * t * t
        v += w[i] * s2
        s4 += w[i] * s2 * s2
        logz += w[i] * (abs(h) + math.log1p(e))
    if n < 0:
        v = math.nan
    q = min(q, 1.0)  # rounding next to the teacher
    r, t2, one_minus_r = 0.0, q, 1.0
    if kind == NISHIMORI:
        r, t2, one_minus_r = q, q * v, v
    elif kind == TEACHER:
        r, one_minus_r, t2 = 1.0 - up, up, 0.0
        near_zero = up > 0.5
        if near_zero:
            r = 0.0
            for i in range(n):
                r += w[i] * math.tanh(h0 + root * u[i])
        for i in range(n):  # the variance of tanh, centred on whichever end it is close to: q - R^2 cancels at both
            h = h0 + root * u[i]
            if near_zero:
                dev = math.tanh(h) - r
            else:
                e = math.exp(-2.0 * abs(h))
                dev = (2.0 * e / (1.0 + e) if h > 0.0 else 2.0 / (1.0 + e)) - up
            t2 += w[i] * dev * dev
    return v, q, r, t2, one_minus_r, -r * r_hat - 0.5 * q_hat * v + logz, s4


@jit
def teacher_scale(kind, q, r, t2):
    """(growth off the axis, width of a panel's share) of Dz H(-Rz/T): both as a Gaussian of variance T^2/q."""
    if kind == RANDOM:
        return 1.0, math.inf
    return q / t2, 3.0 * math.sqrt(t2) / max(r, 1e-300)


@jit
def pattern_rule(kind, kappa, beta, v, q, r, t2, level, u, w):
    """Nodes for the pattern average: (number, x at u = 0, dx/du, z at u = 0)."""
    c = math.sqrt(q / v)
    reach = REACH + max(0.0, -kappa - 2.0 if kappa > -32.0 else 30.0)
    origin = kappa / math.sqrt(q) if kappa * kappa < reach * reach * q else 0.0
    # nodes are exact relative to the sharper step: the student's at z = kappa/sqrt(q), or the teacher's at z = 0
    if kind == TEACHER and t2 < v * r * r:
        origin = 0.0
    x0 = 0.0 if origin != 0.0 or kappa == 0.0 else kappa / math.sqrt(v)
    growth, narrow = teacher_scale(kind, q, r, t2)
    re, im = f_zero(beta)
    poles = ((x0 - H_ZERO_RE) / c, H_ZERO_IM / c, (x0 - re) / c, im / c)
    n = gaussian_nodes(level, reach, growth, origin, poles, (-origin, narrow, 0.0, math.inf), u, w)
    return n, x0, -c, origin


@jit
def pattern_weight(kind, flip, k, z):
    """W(z): density ratio of the cavity field's sign-corrected law to the Gaussian (k = R/T)."""
    if kind == RANDOM:
        return 1.0
    correct = tail(-k * z)
    if flip == 0.0:
        return 2.0 * correct
    return 2.0 * (flip + (1.0 - 2.0 * flip) * correct)


@jit
def pattern_saddle(kind, flip, kappa, beta, v, q, r, t2, level, u, w):
    """(A, B) of the module's docstring: all that the saddle-point equations need."""
    n, x0, dx, origin = pattern_rule(kind, kappa, beta, v, q, r, t2, level, u, w)
    if n < 0:
        return math.nan, math.nan
    k = r / math.sqrt(t2) if kind != RANDOM else 0.0
    sum_a = sum_b = 0.0
    for i in range(n):
        _, a, _, _ = error_counting(x0 + dx * u[i], beta)
        z = origin + u[i]
        sum_a += w[i] * pattern_weight(kind, flip, k, z) * a * a
        if kind == TEACHER:
            sum_b += w[i] * density(k * z) * a
    return sum_a, 2.0 * (1.0 - 2.0 * flip) * math.sqrt(q / t2) * sum_b if kind == TEACHER else 0.0


@jit
def pattern_scalars(kind, flip, kappa, beta, v, q, r, t2, level, u, w):
    """(G_E, C, train error) of the module's docstring: read off once, at the saddle."""
    n, x0, dx, origin = pattern_rule(kind, kappa, beta, v, q, r, t2, level, u, w)
    if n < 0:
        return math.nan, math.nan, math.nan
    k = r / math.sqrt(t2) if kind != RANDOM else 0.0
    energetic = curvature = error = 0.0
    for i in range(n):
        x = x0 + dx * u[i]
        log_f, _, b, free = error_counting(x, beta)
        weight = w[i] * pattern_weight(kind, flip, k, origin + u[i])
        energetic += weight * log_f
        curvature += weight * b * b
        if free > 0.0:
            error += weight * free * tail(-x)
    return energetic, curvature, error


@jit
def log_alphas(weights, kind, flip, kappa, beta, net, log_q_hat, log_r_hat, level, u, w):
    """Loads at which each saddle equation holds, as logarithms: (log alpha_q, log alpha_R).

    With the conjugates chosen, the overlaps follow from the weights and each pattern equation
    names the load it wants; a saddle is where the two agree (alpha_R = alpha_q when R is bound).
    """
    q_hat = math.exp(log_q_hat)
    r_hat = 0.0 if kind == RANDOM else (q_hat if kind == NISHIMORI else math.exp(log_r_hat))
    v, q, r, t2, _, _, _ = weights_average(weights, kind, q_hat, r_hat, level, u, w)
    cq, cv = overlap_map(net, q, v)
    a, b = pattern_saddle(kind, flip, kappa, beta, cv, cq, r, t2, level, u, w)
    la = log_q_hat + math.log(cv) - math.log(a * overlap_slope(net, q, v))
    if kind == TEACHER:
        return la, log_r_hat + 0.5 * math.log(v) - math.log(b)
    return la, la
