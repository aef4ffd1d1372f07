"""y replicas, all of them solutions, at one mutual overlap q1 = 1 - 2d: the densest regions of solutions.

The replicas are one block of a one-step RSB matrix with Parisi parameter m = y; q1 is given and its conjugate
equation dropped.  With V = 1-q1, dq = y (q1-q0), dq_hat = y (q1_hat - q0_hat), S = V + dq and the averages of
`saddle.breaking.averages` (y finite) or `saddle.breaking.limit` (y = inf, q0 = q1, q0_hat = q1_hat), the free
entropy per replica is

    binary     phi = -[q1_hat (V + dq) + q0 dq_hat]/2 - R R_hat + (1/y) E log J + (alpha/y) E log I
    spherical  phi = log(V)/2 + log(S/V)/(2y) + (q0-R^2)/(2S) + (alpha/y) E log I

and stationary where

    q0_hat = alpha E<M>^2/V,   R_hat = alpha B/sqrt V
    binary     V = E<sech^2>,  S = E[z0 <tanh>]/sqrt q0_hat,  R = E<tanh>
    spherical  (q0 - R^2)/S^2 = q0_hat,  R/S = R_hat

(the second binary equation is q0 = E<tanh>^2 by parts, free of cancellation).  Along y the external entropy

    Sigma = -y^2 d phi/dy,      entropy of a region = phi - Sigma/y

is the logarithm of the number of regions per weight (y phi = max of Sigma + y s).  Replicons: between regions

    outer = 1 - alpha E[(d<g>/dh)^2] E[(d<tanh>/dA)^2]    (S^2 for spherical weights)

and inside one, inner = 1 - alpha E<g'^2> E<sech^4> (V^2).  As d grows to the typical distance (1-q)/2 of the
replica-symmetric state, dq and dq_hat vanish: every curve starts there (`saddle.breaking.branch`).

Tree committees.  The patterns see c_0 = c(q0) and c_1 = c(q1) (`saddle.breaking.network`).  The conjugates gain the slopes,

    q0_hat = alpha c'(q0) E<M>^2/(1-c_1),   q1_hat -> alpha c'(q1) E<M^2>/(1-c_1) in d phi/dq1,

at y = inf d phi/dq1 the change of dq_c = c'(q1) dq with q1, alpha c''(q1) dq E M^2/(2 (1-c_1)), and Sigma the second order
of y (c_1 - c_0), -alpha c''(q1) dq^2 E M^2/(4 (1-c_1)).  Replicons: inside a region
1 - alpha [c'(q1)^2 E<g'^2> + c''(q1) E<g^2>] E<sech^4>, between regions c'(q0)^2 E[(d<g>/dh)^2] + c''(q0) E<g>^2 likewise.

Source: Baldassi et al., PRL 115, 128101 (2015); derivation of the teacher's and the network's terms: `docs/theory.md`.
"""

import math
from typing import NamedTuple

import numpy as np

from flatphys._jit import jit
from flatphys.kernels.codes import BINARY, RANDOM
from flatphys.numerics.quadrature import buffers
from flatphys.saddle.breaking.averages import pattern_average, weight_average
from flatphys.saddle.breaking.limit import pattern_limit, weight_limit
from flatphys.saddle.breaking.network import block_overlaps
from flatphys.saddle.breaking.newton import solve_system

TOLERANCE = 1e-10  # largest residual of a point that is returned


@jit
def evaluate(weights, kind, flip, kappa, alpha, net, m, v, log_r, dq_hat, log_k, level, u, w):
    """Violations of the equations and everything that is read off at one point.

    log_r = asinh(dq/V), log_k = asinh(R/sqrt(q0-R^2)).  Returns (violations of the V, S and R equation,
    q0, q0_hat, q1_hat, R, R_hat, phi, d phi/dq1, Sigma, inner, outer).
    """
    q1 = 1.0 - v
    r = math.sinh(log_r)
    dq = r * v
    s = v + dq
    limit = m == math.inf
    q0 = q1 if limit else q1 - dq / m
    k = math.sinh(log_k)
    if not q0 > 0.0 or not s > 0.0:
        bad = math.nan
        return bad, bad, bad, bad, bad, bad, bad, bad, bad, bad, bad, bad, bad
    over = 0.0 if kind == RANDOM else math.sqrt(q0) * k / math.sqrt(1.0 + k * k)
    t2 = q0 / (1.0 + k * k)
    cv, c0, stretch, rise1, rise0, bend1, bend0 = block_overlaps(net, v, q0, 0.0 if limit else dq / m)
    rc = r * stretch  # dq/V as the patterns see it
    e_i = sigma_e = a1 = lh = slope_e = 0.0
    if limit:
        a0, b, e_i, slope_e, inner, outer, logdet, base, _ = pattern_limit(kind, flip, kappa, cv, c0, rc, k, level, u, w)
        sigma_e = 0.5 * (rc * base - logdet) - 0.25 * bend1 * dq * dq * a0 / cv
        slope_e = rise1 * rc / cv * slope_e + bend1 * dq * a0 / cv
        a1 = a0
    else:
        a0, a1, b, log_i, lh, inner, outer = pattern_average(kind, flip, kappa, cv, c0, k, max(rc, 0.0) / m, m, level, u, w)
        e_i = log_i / m
        sigma_e = log_i - m * lh
    q0_hat = alpha * rise0 * a0 / cv
    r_hat = alpha * b / math.sqrt(v) if kind != RANDOM else 0.0
    f1 = f2 = f3 = 0.0
    if weights == BINARY:
        q1_hat = q0_hat if limit else q0_hat + dq_hat / m
        if limit:
            vw, zt, rw, e_s, logdet, t4, ow, _ = weight_limit(kind == RANDOM, q0_hat, r_hat, dq_hat, level, u, w)
            sigma = -0.5 * logdet - 0.5 * dq_hat * v
            slope = -0.5 * dq_hat + 0.5 * alpha * slope_e
        else:
            vw, zt, rw, log_j, lc, t4, ow = weight_average(q0_hat, r_hat, max(dq_hat, 0.0) / m, m, level, u, w)
            e_s = log_j / m
            sigma = 0.5 * m * (q1_hat * dq + q0 * dq_hat) + log_j - m * lc
            slope = 0.5 * (1.0 - m) * (q1_hat - alpha * rise1 * a1 / cv)
        f1 = math.log(vw / v)
        f2 = math.log(zt / s) if zt > 0.0 else math.nan
        if kind != RANDOM:
            f3 = (rw - over) / math.sqrt(q0)
        phi = -0.5 * (q1_hat * s + q0 * dq_hat) - over * r_hat + e_s + alpha * e_i
    else:
        t4, ow = v * v, s * s
        f2 = math.log(t2 / (s * s * q0_hat))
        if kind != RANDOM:
            f3 = (r_hat * s - over) / math.sqrt(q0)
        q1_hat = t2 / (s * s) + (0.0 if limit else dq / (m * v * s))
        dq_hat = r / s
        phi = 0.5 * math.log(v) + 0.5 * t2 / s + alpha * e_i
        sigma = 0.5 * math.log1p(r) - 0.5 * dq / s
        if limit:
            slope = -0.5 * r / s + 0.5 * alpha * slope_e
        else:
            phi += 0.5 * math.log1p(r) / m
            sigma += 0.5 * m * dq * t2 / (s * s)
            slope = 0.5 * (1.0 - m) * (r / (m * s) + t2 / (s * s) - alpha * rise1 * a1 / cv)
    inner = rise1 * rise1 * inner + bend1 * a1 * cv
    outer = rise0 * rise0 * outer + bend0 * a0 * cv
    scale = alpha / (cv * cv)
    return (
        f1,
        f2,
        f3,
        q0,
        q0_hat,
        q1_hat,
        over,
        r_hat,
        phi,
        slope,
        sigma + alpha * sigma_e,
        1.0 - scale * inner * t4,
        1.0 - scale * outer * ow,
    )


class Point(NamedTuple):
    """One solution of the equations, with what is read off there."""

    v: float
    unknowns: np.ndarray
    q0: float
    q0_hat: float
    q1_hat: float
    dq: float
    dq_hat: float
    r: float
    r_hat: float
    value: float
    slope: float
    external: float
    inner: float
    outer: float
    residual: float
    quadrature: float


class Replicas:
    """The equations of y replicas of one model at one load.

    Arguments are those of `saddle.equilibrium.curve.Code`, the network that of `kernels.networks`.  The unknowns are asinh(dq/V), then
    dq_hat for binary weights, then asinh(R/sqrt(q0-R^2)) with a teacher.
    """

    def __init__(self, weights, kind, flip, kappa, alpha, network, y):
        self.head = (weights, kind, flip, kappa, alpha, network, y)
        self.y = y
        self.places = [0] + ([1] if weights == BINARY else []) + ([2] if kind != RANDOM else [])
        self.rows = ([0] if weights == BINARY else []) + [1] + ([2] if kind != RANDOM else [])

    def raw(self, v, unknowns, level=0):
        """All that `evaluate` returns."""
        full = [0.0, 0.0, 0.0]
        for place, x in zip(self.places, unknowns):
            full[place] = float(x)
        if abs(full[0]) > 300.0 or abs(full[2]) > 300.0 or abs(full[1]) > 1e3:
            return (math.nan,) * 13
        return evaluate(*self.head, v, *full, level, *buffers())

    def violations(self, v, unknowns, level=0):
        """The violated equations as an array."""
        out = self.raw(v, unknowns, level)
        return np.array([out[i] for i in self.rows])

    def start(self, big_r, q):
        """Unknowns at the replica-symmetric state, where dq = dq_hat = 0."""
        full = [0.0, 0.0, math.asinh(big_r / math.sqrt(max(q - big_r * big_r, 1e-300)))]
        return np.array([full[i] for i in self.places])

    def solve(self, v, guess, jacobian=None, goal=2e-14):
        """(unknowns, residual, Jacobian) at 1-q1 = v near a guess."""
        return solve_system(lambda x: self.violations(v, x), guess, jacobian, goal)

    def point(self, v, unknowns):
        """Everything at a solution, with the violations of the equations by both quadrature rules."""
        out = self.raw(v, unknowns)
        fine = self.raw(v, unknowns, 1)
        residual = max(abs(out[i]) for i in self.rows)
        quadrature = max(
            max(abs(fine[i]) for i in self.rows),
            abs(fine[8] - out[8]) / max(1.0, abs(out[8])),
            abs(fine[9] - out[9]) / max(1.0, abs(out[9])),
        )
        full = dict(zip(self.places, unknowns))
        dq = math.sinh(full[0]) * v
        dq_hat = full[1] if 1 in full else math.sinh(full[0]) / (v + dq)
        return Point(v, np.array(unknowns), out[3], out[4], out[5], dq, float(dq_hat), *out[6:13], residual, quadrature)
