"""Averages over one pattern that enter the saddle point of a loss minimiser, with their derivatives.

The cavity margin omega of a training pattern, before it is trained on, has the law

    mixture   omega = m + y b + s g,  s = sqrt(D q),  y = +-1 with probability rho, 1 - rho
    teacher   density 2 G(x) Psi(x) of x = omega/sqrt q,  Psi = eta + (1 - 2 eta) Phi(tau x)     (D = 1)

with T^2 = q - m^2 and tau = m/T.  Training moves it to t = prox_{cl}(omega), c = V D.  With the response
f = -l'(t), k = l''/(1 + c l'') of `kernels.losses`, the saddle point needs

    A = E f   (teacher: (1 - 2 eta) sqrt(2/pi) E f(T g))      B = E f^2      C = E k      Y = E y f   (teacher: W = E omega f).

The unknowns are (tau, log T, log V, beta), b = b0 + beta T with a constant `anchor` b0, the bias that
would be trained at w = 0: all are of order one or logarithmic both for strong regularisation and
where |w| diverges.  Derivatives need f and k only: those of k are moved to the density by partial
integration, e.g. c E dk/dc = -c E[k f S] with the score S = d log p/d omega.

Rules: trapezoid or graded panels (`numerics.quadrature`) where the loss names the singularities of its
response, panels between the kinks of a piecewise linear response, bisected panels for a loss that is
not known in advance.
"""

import math
from typing import NamedTuple

import numpy as np

from flatphys._jit import jit
from flatphys.kernels.codes import TEACHER, Loss
from flatphys.kernels.labels import label_slope, label_weight
from flatphys.kernels.losses import ANALYTIC, KINKED, features, response
from flatphys.numerics.bisection import LOBATTO_W, LOBATTO_X
from flatphys.numerics.gaussian import density
from flatphys.numerics.quadrature import DIGITS, MAX_NODES, PANEL_RATIO, REACH, gaussian_nodes, panel_nodes, spoilt

A, B, C, Y, K2, LOSS = 0, 1, 2, 3, 4, 5  # rows of the table of averages; of a teacher's, row Y is W
TAU, LOG_T, LOG_V, BIAS = 1, 2, 3, 4  # its columns: derivatives; column 0 is the value
ROWS, COLUMNS = 6, 5

MAX_DEPTH = 40  # a panel is halved at most so often: 1e-12 of its length
MOST_NODES = 1e7  # of all sums of one point, half a second: a hundred times what it should take, and Ctrl-C waits for the end
ADAPTIVE = 3e-15  # accuracy of bisected panels, relative to the largest response


class Trained(NamedTuple):
    """What training makes of the cavity margin omega = 1 - e0 + s u, u ~ N(0, 1)."""

    loss: Loss
    c: float
    e0: float
    s: float


class Buffers(NamedTuple):
    """Nodes, weights, the table of averages, and the number of nodes that were used so far."""

    u: np.ndarray
    w: np.ndarray
    table: np.ndarray
    spent: np.ndarray


@jit
def buffers():
    """Room for the averages."""
    return Buffers(np.empty(MAX_NODES), np.empty(MAX_NODES), np.empty((ROWS, COLUMNS)), np.zeros(1))


@jit
def respond(trained, u):
    """(f, k, l) at a node."""
    _, f, k, loss = response(trained.loss, trained.e0 - trained.s * u, trained.c)
    return f, k, loss


@jit
def nodes(trained, growth, level, u, w):
    """Nodes origin + u and weights w (density G included) for averages of f, k, l: (their number, origin, 1 - omega there).

    Nodes are exact relative to a kink, because all margins may crowd there.  Not for functions that are nonzero where a kinked response
    vanishes.
    """
    kind, p1, w1, p2, w2 = features(trained.loss, trained.c)
    e0, s = trained.e0, trained.s
    narrow = math.sqrt(DIGITS / growth) / 2.0 if growth > 4.0 else math.inf  # of Phi(tau z)
    if kind == ANALYTIC:
        poles = ((e0 - p1) / s, w1 / s, (e0 - p2) / s, w2 / s)
        return gaussian_nodes(level, REACH, growth, 0.0, poles, (0.0, narrow, 0.0, math.inf), u, w), 0.0, e0
    ratio = PANEL_RATIO if level == 0 else 0.75 * PANEL_RATIO
    if kind == KINKED:
        origin, base = (e0 - p2) / s, p2
        if abs(origin) > REACH:
            origin, base = 0.0, e0
        n, start = 0, -REACH - origin
        marks = (-origin, narrow, 0.0, math.inf, 0.0, math.inf, 0.0, math.inf)
        for part in range(2):  # beyond the second kink there is nothing
            stop = min(max((base - (p1 if part == 0 else p2)) / s, start), REACH - origin)
            if stop > start:
                n = panel_nodes(n, start, stop, ratio, ratio, marks, u, w)
                start = stop
        for i in range(n):
            w[i] *= density(origin + u[i])
        return n, origin, base
    return bisected_nodes(trained, narrow, ratio, u, w), 0.0, e0


@jit
def panel_sums(trained, a, b):
    """Integrals of G f, G k and G l over u in [a, b] by one panel."""
    half, mid = 0.5 * (b - a), 0.5 * (a + b)
    sum_f = sum_k = sum_l = 0.0
    for i in range(LOBATTO_X.size):
        x = mid + half * LOBATTO_X[i]
        f, k, loss = respond(trained, x)
        weight = half * LOBATTO_W[i] * density(x)
        sum_f += weight * f
        sum_k += weight * k
        sum_l += weight * loss
    return sum_f, sum_k, sum_l


@jit
def bisected_nodes(trained, narrow, ratio, u, w):
    """`nodes` for a response of unknown structure: panels are halved until their sums agree."""
    edges = np.empty(128)
    n_edges, p = 1, -REACH
    edges[0] = p
    while p < REACH and n_edges < 127:
        p = min(REACH, p + min(ratio, max(ratio * narrow, ratio * abs(p) if p >= 0.0 else -ratio / (1.0 + ratio) * p)))
        edges[n_edges] = p
        n_edges += 1
    scale_f = scale_k = scale_l = 0.0
    for i in range(n_edges - 1):
        sf, sk, sl = panel_sums(trained, edges[i], edges[i + 1])
        scale_f, scale_k, scale_l = scale_f + abs(sf), scale_k + abs(sk), scale_l + abs(sl)
    tolerance = ADAPTIVE * ratio / PANEL_RATIO
    left, right, depth = np.empty(MAX_DEPTH + 2), np.empty(MAX_DEPTH + 2), np.empty(MAX_DEPTH + 2)
    n = 0
    for i in range(n_edges - 1):
        top = 0
        left[0], right[0], depth[0] = edges[i], edges[i + 1], 0
        while top >= 0:
            a, b, d = left[top], right[top], depth[top]
            top -= 1
            mid = 0.5 * (a + b)
            f0, k0, l0 = panel_sums(trained, a, b)
            f1, k1, l1 = panel_sums(trained, a, mid)
            f2, k2, l2 = panel_sums(trained, mid, b)
            fine = (
                abs(f0 - f1 - f2) <= tolerance * scale_f
                and abs(k0 - k1 - k2) <= tolerance * scale_k
                and abs(l0 - l1 - l2) <= tolerance * scale_l
            )
            if not fine and d < MAX_DEPTH:
                left[top + 1], right[top + 1], depth[top + 1] = mid, b, d + 1
                left[top + 2], right[top + 2], depth[top + 2] = a, mid, d + 1
                top += 2
                continue
            if n + 2 * LOBATTO_X.size > u.size:
                return spoilt(u, w)
            for part in range(2):
                lo, half = (a, 0.5 * (mid - a)) if part == 0 else (mid, 0.5 * (b - mid))
                for j in range(LOBATTO_X.size):
                    u[n] = lo + half * (1.0 + LOBATTO_X[j])
                    w[n] = half * LOBATTO_W[j] * density(u[n])
                    n += 1
    return n


@jit
def mixture_averages(p, x, c, level, buf):
    """Fill the table for the mixture at x = (tau, log T, log V, beta)."""
    u, w, table, _ = buf
    tau, big_t = x[0], math.exp(x[1])
    one = 1.0 + tau * tau
    s = math.sqrt(p.variance * one) * big_t
    r_tau = s * tau / one  # d omega/d tau = T + r_tau g
    for label in range(2 if p.bias else 1):
        y, share = 0.0, 1.0  # without a bias both classes have the same law
        if p.bias:
            y, share = (1.0, p.positive) if label == 0 else (-1.0, 1.0 - p.positive)
        shift = (tau + y * x[3]) * big_t
        trained = Trained(p.loss, c, (1.0 - y * p.anchor) - shift, s)
        n, origin, base = nodes(trained, 1.0, level, u, w)
        buf.spent[0] += n
        trained, move_b = Trained(p.loss, c, base, s), y * big_t
        for i in range(n):
            g, weight = origin + u[i], share * w[i]
            f, k, loss = respond(trained, u[i])
            move_tau, move_t = big_t + r_tau * g, shift + s * g
            pk, pkf = weight * k, weight * k * f
            table[A, 0] += weight * f
            table[A, TAU] -= pk * move_tau
            table[A, LOG_T] -= pk * move_t
            table[A, LOG_V] -= pkf
            table[A, BIAS] -= pk * move_b
            table[B, 0] += weight * f * f
            table[B, TAU] -= 2.0 * pkf * move_tau
            table[B, LOG_T] -= 2.0 * pkf * move_t
            table[B, LOG_V] -= 2.0 * pkf * f
            table[B, BIAS] -= 2.0 * pkf * move_b
            table[C, 0] += pk
            table[C, TAU] += pk * (g * move_tau - r_tau) / s
            table[C, LOG_T] += pk * (g * move_t - s) / s
            table[C, LOG_V] += pkf * g / s
            table[C, BIAS] += pk * g * move_b / s
            table[Y, 0] += weight * y * f
            table[Y, TAU] -= pk * y * move_tau
            table[Y, LOG_T] -= pk * y * move_t
            table[Y, LOG_V] -= pkf * y
            table[Y, BIAS] -= pk * y * move_b
            table[K2, 0] += pk * k
            table[LOSS, 0] += weight * loss


@jit
def teacher_averages(p, x, c, level, buf):
    """Fill the table for the teacher at x = (tau, log T, log V, -)."""
    u, w, table, _ = buf
    tau, big_t = x[0], math.exp(x[1])
    one = 1.0 + tau * tau
    root = math.sqrt(one)
    s = root * big_t  # sqrt q
    trained = Trained(p.loss, c, 1.0, s)
    n, origin, base = nodes(trained, one, level, u, w)
    buf.spent[0] += n
    trained = Trained(p.loss, c, base, s)
    for i in range(n):
        z = origin + u[i]
        omega = s * z
        f, k, loss = respond(trained, u[i])
        weight = w[i] * label_weight(p.labels, tau, z)
        v = w[i] * label_slope(p.labels, tau, z)  # d weight/d tau = v z
        a = v * root  # density of T g, times the prefactor of A
        pk, pkf = weight * k, weight * k * f
        scale = tau / one  # d omega/d tau = omega tau/(1 + tau^2),  d omega/d log T = omega
        work, push = f * omega, (f - k * omega) * omega
        stretch = weight * (1.0 - z * z) + v * tau * z  # d(z weight)/dz
        table[A, 0] += a * f
        table[A, LOG_T] -= a * k * omega
        table[A, LOG_V] -= a * k * f
        table[B, 0] += weight * f * f
        table[B, TAU] += v * z * f * f - 2.0 * pkf * omega * scale
        table[B, LOG_T] -= 2.0 * pkf * omega
        table[B, LOG_V] -= 2.0 * pkf * f
        table[C, 0] += pk
        table[C, TAU] += k * (v * z - scale * stretch)
        table[C, LOG_T] -= k * stretch
        table[C, LOG_V] -= k * f * (v * tau - weight * z) / s
        table[Y, 0] += weight * work
        table[Y, TAU] += v * z * work + weight * scale * push
        table[Y, LOG_T] += weight * push
        table[Y, LOG_V] -= pkf * omega
        table[K2, 0] += pk * k
        table[LOSS, 0] += weight * loss


@jit
def averages(p, x, c, level, buf):
    """Fill the table for either kind of data; False if the rule has run out of nodes, or the point of its share of them."""
    if buf.spent[0] > MOST_NODES:
        return False
    table = buf.table
    for row in range(ROWS):
        for column in range(COLUMNS):
            table[row, column] = 0.0
    if p.labels.kind == TEACHER:
        teacher_averages(p, x, c, level, buf)
    else:
        mixture_averages(p, x, c, level, buf)
    for row in range(ROWS):
        table[row, LOG_V] *= c
    return table[A, 0] == table[A, 0]
