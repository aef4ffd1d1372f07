"""Stabilities in the dense regions: weights that are one of y replicas, and the one-step states.

Given the cavity field l, a replica's stability is l + sqrt(V) t with Gaussian t above x = (kappa - l)/sqrt V, V = 1-q1,
whatever y is; y only decides how l is distributed:

    P(Delta) = E_l G((Delta - l)/sqrt V) theta(Delta - kappa)/(sqrt V H(x))

with l = sqrt(q0) z0 + sqrt(q1-q0) z1 under the nested measure W Dz0 Dz1 H^m / I, or the maximiser at y = inf
(`saddle.breaking.averages`, `saddle.breaking.limit`).  The law of l is kept as nodes and weights in x; averages of
functions that are smooth on the scale 1 in x are then sums.  A tree committee's law is that of the overlaps its patterns see.
Conditional moments: `observables.margins.gibbs`.
"""

import math
from dataclasses import replace

import numpy as np

from flatphys._jit import jit
from flatphys.errors import NotConverged
from flatphys.kernels.codes import RANDOM
from flatphys.kernels.counting import pattern_weight
from flatphys.kernels.networks import network_code
from flatphys.numerics.gaussian import LOG_SQRT_2PI, density, log_tail, mills, tail
from flatphys.numerics.quadrature import LEGENDRE_W, LEGENDRE_X, ORDER, REACH, buffers, panel_nodes
from flatphys.observables.margins.distribution import MarginDistribution
from flatphys.observables.margins.gibbs import GibbsMargins
from flatphys.observables.margins.turn import coefficients, turned_limit, turned_nested
from flatphys.saddle.breaking import limit as replicated_limit
from flatphys.saddle.breaking.averages import inner_mode, inner_patterns, pattern_zero
from flatphys.saddle.breaking.network import block_overlaps
from flatphys.state import State

LIGHT = 1e-19  # nodes of smaller weight are dropped
PANEL = 1.25  # panels of the law of x; 16 nodes resolve the conditional law, of width 1 in x, on them
OUTER = 1.0  # longest outer panel in units of the width of the conditional law of Delta given z0
_INDEX = np.arange(ORDER)
_BARYCENTRIC = (-1.0) ** _INDEX * np.sqrt((1.0 - LEGENDRE_X**2) * LEGENDRE_W)


@jit
def deposit(x, weight, low, length, shared):
    """Share the weight of a node at x among the Gauss-Legendre nodes of its panel, by interpolation."""
    p = min(max(int((x - low) / length), 0), shared.size // ORDER - 1)
    s = 2.0 * ((x - low) / length - p) - 1.0
    total = 0.0
    for j in range(ORDER):
        gap = s - LEGENDRE_X[j]
        if gap == 0.0:
            shared[p * ORDER + j] += weight
            return
        total += _BARYCENTRIC[j] / gap
    for j in range(ORDER):
        shared[p * ORDER + j] += weight * _BARYCENTRIC[j] / (s - LEGENDRE_X[j]) / total


@jit
def limit_fields(kind, flip, kappa, v, q, r, k, low, length, shared, x, w):
    """The law of x at y = inf, shared among panels of `length` from `low` on; False where it does not fit."""
    root, sq = math.sqrt(v), math.sqrt(q)
    n = replicated_limit.pattern_nodes(kind, kappa, v, q, r, k, 1, -1e9, x, w)
    for i in range(n):
        m, d, _ = mills(x[i])
        z = (kappa - root * (x[i] + r * m)) / sq
        weight = w[i] * density(z) * root / sq * (1.0 + r * m * d) * pattern_weight(kind, flip, k, z)
        if weight > LIGHT:
            deposit(x[i], weight, low, length, shared)
    return n >= 0


@jit
def nested_fields(kind, flip, kappa, v, q0, k, rho, m, low, length, shared, u, w):
    """The law of x at finite y, as `limit_fields`."""
    c = math.sqrt(q0 / v)
    start = kappa / math.sqrt(v)
    centre, width = pattern_zero(rho, m)
    narrow = 3.0 / k if k > 0.0 else math.inf
    marks = ((start - centre) / c, width / c, 0.0, narrow, 0.0, math.inf, 0.0, math.inf)
    n = panel_nodes(0, -REACH, REACH, 1.2, min(1.2, OUTER * math.sqrt(1.0 + rho) / c), marks, u, w)
    root = math.sqrt(rho)
    for i in range(n):
        outer = w[i] * density(u[i]) * pattern_weight(kind, flip, k, u[i])
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
                for _ in range(2):  # towards positive x the integrand narrows: ask the panel's far end
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
                        deposit(x, weight, low, length, shared)
                p += sign * step
                if outer * mass < LIGHT:
                    break
    return n >= 0


@jit
def law_at(fields, weights, kappa, v, deltas, cumulative):
    """Density or distribution function at `deltas`."""
    out = np.zeros(deltas.size)
    root = math.sqrt(v)
    for j in range(deltas.size):
        if deltas[j] < kappa:
            continue
        shift = (deltas[j] - kappa) / root
        total = 0.0
        for i in range(fields.size):
            t = fields[i] + shift
            log_h = log_tail(fields[i])
            if cumulative:
                total += weights[i] * math.exp(log_tail(t) - log_h)
            else:
                total += weights[i] * math.exp(-0.5 * t * t - LOG_SQRT_2PI - log_h)
        out[j] = 1.0 - total if cumulative else total / root
    return out


@jit
def field_moments(fields, weights, kappa, v):
    """(mean, variance, third central moment) of Delta."""
    root = math.sqrt(v)
    mean = 0.0
    for i in range(fields.size):
        mean += weights[i] * (kappa - root * fields[i] + root * mills(fields[i])[0])
    variance = third = 0.0
    for i in range(fields.size):
        x = fields[i]
        a, d, _ = mills(x)
        e = kappa - root * x + root * a - mean
        s2 = v * (1.0 - a * d)
        s3 = v * root * ((2.0 + x * x) * a - 3.0 * a * (1.0 + x * a) + 2.0 * a * a * a)
        variance += weights[i] * (e * e + s2)
        third += weights[i] * (e * e * e + 3.0 * e * s2 + s3)
    return mean, variance, third


@jit
def smeared(fields, weights, kappa, v, slope, y, wy):
    """E[H(slope Delta)]: the probability that a Gaussian perturbation turns the sign of Delta."""
    root = math.sqrt(v)
    width = 3.0 / max(abs(slope) * root, 1e-300)
    total = 0.0
    for i in range(fields.size):
        x = fields[i]
        log_h = log_tail(x)
        centre = kappa - root * x  # l
        lo = max(x, -10.0)
        hi = max(10.0, x + 45.0 / (max(x, 0.0) + 6.0)) if x > -10.0 else 10.0
        cap = 6.0 / x if x > 4.0 else 1.5
        n = panel_nodes(0, lo, hi, 1.5, cap, (-centre / root, width, 0.0, math.inf, 0.0, math.inf, 0.0, math.inf), y, wy)
        if n < 0:
            return math.nan
        inner = 0.0
        for j in range(n):
            inner += wy[j] * math.exp(-0.5 * y[j] * y[j] - LOG_SQRT_2PI - log_h) * tail(slope * (centre + root * y[j]))
        total += weights[i] * inner
    return total


class FieldMargins(MarginDistribution):
    """Stabilities above a hard margin, given the law of the cavity field as nodes and weights."""

    _turned = None  # P(Delta' < 0) of perturbed weights, for a tree committee

    def __init__(self, kappa, v, fields, weights):
        self._kappa, self._v = kappa, v
        self._fields, self._weights = fields, weights
        mean, variance, third = field_moments(fields, weights, kappa, v)
        super().__init__(mean, variance, third / variance**1.5, support=(kappa - 0.2, max(4.5, kappa + 4.5)))

    def _pdf(self, x):
        return law_at(self._fields, self._weights, self._kappa, self._v, x, False)

    def _cdf(self, x):
        return np.clip(law_at(self._fields, self._weights, self._kappa, self._v, x, True), 0.0, 1.0)

    def rise_after_turn(self, eps):
        """P(Delta' < 0) - P(Delta < 0) of a tree committee's weights at the overlap 1 - eps with the original ones."""
        return self._turned(eps) - self.mass_below_zero

    def _smeared(self, slope):
        return smeared(self._fields, self._weights, self._kappa, self._v, slope, *buffers(1))


def committee_margins(net, kappa, v, q0, gap, dq, y) -> FieldMargins:
    """The law of a network's stabilities for 1-q1 = v, q1-q0 = gap (0 at y = inf), dq = y gap, and that of perturbed weights."""
    cv, c0, stretch, *_ = block_overlaps(net, v, q0, gap)
    law = dense_margins(RANDOM, 0.0, kappa, cv, c0, 0.0, dq / v * stretch * cv, y)

    def turned(eps):
        of_z, ratio, of_y, rest = coefficients(net, v, q0, gap, eps)
        if not rest > 1e-15:
            return law.mass_below_zero
        weights = (of_z, ratio, of_y, math.sqrt(rest), *buffers(), *buffers(1))
        if y == math.inf:
            return turned_limit(kappa, cv, c0, dq / v * stretch, *weights)
        return turned_nested(kappa, cv, c0, max(gap, 0.0) / v * stretch, y, *weights)

    law._turned = turned
    return law


def dense_margins(kind, flip, kappa, v, q0, k, dq, y) -> FieldMargins:
    """The law for 1-q1 = v, y (q1-q0) = dq, k = R/sqrt(q0 - R^2)."""
    root = math.sqrt(v)
    low, high = (kappa - REACH) / root - 1.0, (kappa + REACH) / root + 1.0
    panels = math.ceil((high - low) / PANEL)
    length = (high - low) / panels
    shared = np.zeros(panels * ORDER)
    if y == math.inf:
        fits = limit_fields(kind, flip, kappa, v, q0, dq / v, k, low, length, shared, *buffers())
    else:
        fits = nested_fields(kind, flip, kappa, v, q0, k, max(dq, 0.0) / (y * v), y, low, length, shared, *buffers())
    mass = float(shared.sum()) if fits else math.nan
    if not abs(mass - 1.0) < 1e-9:
        raise NotConverged(f"the law of the stabilities has total mass {mass:.10g} instead of 1 at 1-q1 = {v:.3g}", None, abs(mass - 1.0))
    nodes = (low + length * (np.arange(panels)[:, None] + 0.5 * (1.0 + LEGENDRE_X))).ravel()
    used = np.repeat(np.any(shared.reshape(panels, ORDER) != 0.0, axis=1), ORDER)
    nodes, shared = nodes[used], shared[used]
    return FieldMargins(kappa, v, nodes, shared)


def one_step_margins(state) -> MarginDistribution:
    """The law in a one-step state (`saddle.breaking.one_step`).

    The nested measure at m = parisi_m; a frozen state (q1 = 1) is the replica-symmetric one at the freezing temperature.
    """
    order, learner = state.order, state.model.learner
    m = state.parisi_m
    if order["one_minus_q1"] == 0.0:
        conjugates = {"q_hat": state.q0_hat * m * m} | ({"R_hat": state.R_hat * m} if "R_hat" in order else {})
        return GibbsMargins(State(replace(state.model, learner=replace(learner, beta=m * learner.beta)), state.alpha, conjugates))
    gap = state.q1 - state.q0
    return committee_margins(network_code(learner.network), learner.margin, state.one_minus_q1, state.q0, gap, m * gap, m)
