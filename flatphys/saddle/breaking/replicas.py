"""y replicas at one mutual overlap q1 = 1 - 2d: the densest regions of solutions, or of weights exp(-beta energy).

The replicas are one block of a one-step RSB matrix with Parisi parameter m = y; q1 is given and its conjugate
equation dropped.  With V = 1-q1, dq = y (q1-q0), dq_hat = y (q1_hat - q0_hat), S = V + dq and the averages of
`saddle.breaking.averages` (y finite) or `saddle.breaking.limit` (y = inf, q0 = q1, q0_hat = q1_hat), the free
entropy per replica is

    binary     phi = -[q1_hat (V + dq) + q0 dq_hat]/2 - R R_hat + (1/y) E log J + (alpha/y) E log I
    spherical  phi = log(V)/2 + log(S/V)/(2y) + (q0-R^2)/(2S) + (alpha/y) E log I

and stationary where

    q0_hat = alpha E<a>^2/V,   R_hat = alpha B/sqrt V
    binary     V = E<sech^2>,  S = E[z0 <tanh>]/sqrt q0_hat,  R = E<tanh>
    spherical  (q0 - R^2)/S^2 = q0_hat,  R/S = R_hat

(the second binary equation is q0 = E<tanh>^2 by parts, free of cancellation).  Along y the external entropy

    Sigma = -y^2 d phi/dy,      free entropy of a region = phi - Sigma/y

is the logarithm of the number of regions per weight (y phi = max of Sigma + y s).  At finite beta the entropy is
phi + beta energy, energy = alpha E<e> (`kernels.channels`).  Replicons: between regions

    outer = 1 - alpha E[(d<g>/dh)^2] E[(d<tanh>/dA)^2]    (S^2 for spherical weights)

and inside one, inner = 1 - alpha E<g'^2> E<sech^4> (V^2).  As d grows to the typical distance (1-q)/2 of the
replica-symmetric state, dq and dq_hat vanish: every curve starts there (`saddle.breaking.branch`).

A tree committee's terms: `saddle.breaking.network`.
Source: Baldassi et al., PRL 115, 128101 (2015); the terms of the teacher, the network and of finite beta: docs/theory.md.
"""

import math
from typing import NamedTuple

import numpy as np

from flatphys._jit import jit
from flatphys.kernels.codes import BINARY, RANDOM, Problem
from flatphys.numerics.newton import DEFAULT, largest, newton
from flatphys.saddle.accept import Tolerance, good
from flatphys.saddle.breaking.averages import pattern_average, pattern_scalars, patterns_of, weight_average
from flatphys.saddle.breaking.inner import room
from flatphys.saddle.breaking.limit import limit_scalars, pattern_limit, weight_limit
from flatphys.saddle.breaking.network import block_overlaps

TOLERANCE = Tolerance(residual=1e-10, quadrature=1e-8)  # of a point that is returned


class Place(NamedTuple):
    """The unknowns: asinh(dq/V), dq_hat of binary weights, asinh(R/sqrt(q0-R^2)) with a teacher; 0 where there is none.

    `pull` is the field of a binary centre (`saddle.breaking.star`).
    """

    log_r: float
    dq_hat: float
    log_k: float
    pull: float = 0.0


class Order(NamedTuple):
    """Overlaps at a place: t2 = q0 - R^2, k = R/sqrt(t2)."""

    m: float
    v: float
    dq: float
    s: float
    q0: float
    k: float
    r: float
    t2: float
    random: bool


class WeightPart(NamedTuple):
    """What the weights add: violations of the V and the S equation, the R that they want, and the terms of each result."""

    violation_v: float
    violation_s: float
    r: float
    q1_hat: float
    dq_hat: float
    value: float
    slope: float
    external: float
    t4: float
    outer: float
    away: float


class Values(NamedTuple):
    """Violations of the V, S and R equation, and everything that is read off at one place; `away` as in `WeightMeans`."""

    violation_v: float
    violation_s: float
    violation_r: float
    q0: float
    q0_hat: float
    q1_hat: float
    dq: float
    dq_hat: float
    r: float
    r_hat: float
    free_entropy: float
    slope: float
    external: float
    inner: float
    outer: float
    away: float


NOWHERE = Values(*(math.nan,) * len(Values._fields))


@jit
def order_at(problem, m, v, place):
    """The `Order` of m replicas at 1-q1 = v."""
    random = problem.labels.kind == RANDOM
    dq = math.sinh(place.log_r) * v
    k = math.sinh(place.log_k)
    q0 = 1.0 - v if m == math.inf else 1.0 - v - dq / m
    over = 0.0 if random or not q0 > 0.0 else math.sqrt(q0) * k / math.sqrt(1.0 + k * k)
    return Order(m, v, dq, v + dq, q0, k, over, q0 / (1.0 + k * k), random)


@jit
def patterns_at(problem, order, seen):
    """What the patterns are asked there."""
    spread = order.dq / order.v * seen.stretch
    if order.m < math.inf:
        spread = max(spread, 0.0) / order.m
    return patterns_of(problem, seen.v, seen.q0, order.k, order.r, spread)


@jit
def binary_part(order, q0_hat, r_hat, place, level, room):
    """Binary weights in the field of the conjugates."""
    m, v, s, dq_hat = order.m, order.v, order.s, place.dq_hat
    if m == math.inf:
        q1_hat = q0_hat
        means = weight_limit(order.random, q0_hat, r_hat, dq_hat, place.pull, level, room)
        external = means.external - 0.5 * dq_hat * v
        slope = -0.5 * dq_hat
    else:
        q1_hat = q0_hat + dq_hat / m
        means = weight_average(q0_hat, r_hat, max(dq_hat, 0.0) / m, m, level, room)
        external = means.external + 0.5 * m * (q1_hat * order.dq + order.q0 * dq_hat)
        slope = 0.5 * (1.0 - m) * q1_hat
    value = means.value - 0.5 * (q1_hat * s + order.q0 * dq_hat) - order.r * r_hat
    violation = math.log(means.s / s) if means.s > 0.0 else math.nan
    log_v = math.log(means.v / v) if means.v > 0.0 else math.nan
    return WeightPart(log_v, violation, means.r, q1_hat, dq_hat, value, slope, external, means.t4, means.outer, means.away)


@jit
def spherical_part(order, q0_hat, r_hat):
    """Spherical weights, their conjugates eliminated."""
    m, v, dq, s, t2 = order.m, order.v, order.dq, order.s, order.t2
    r = dq / v
    value = 0.5 * math.log(v) + 0.5 * t2 / s
    external = 0.5 * math.log1p(r) - 0.5 * dq / s
    q1_hat, slope = t2 / (s * s), -0.5 * r / s
    if m < math.inf:
        value += 0.5 * math.log1p(r) / m
        external += 0.5 * m * dq * t2 / (s * s)
        q1_hat += r / (m * s)
        slope = 0.5 * (1.0 - m) * q1_hat
    return WeightPart(0.0, math.log(t2 / (s * s * q0_hat)), r_hat * s, q1_hat, r / s, value, slope, external, v * v, s * s, math.nan)


@jit
def evaluate(problem, alpha, m, v, place, level, room):
    """The `Values` of m replicas at 1-q1 = v."""
    order = order_at(problem, m, v, place)
    if not order.q0 > 0.0 or not order.s > 0.0:
        return NOWHERE
    limit = m == math.inf
    seen = block_overlaps(problem.net, v, order.q0, 0.0 if limit else order.dq / m)
    patterns = patterns_at(problem, order, seen)
    means = pattern_limit(patterns, level, room) if limit else pattern_average(patterns, m, level, room)
    scale = alpha / seen.v
    q0_hat = scale * seen.rise0 * means.a0
    r_hat = alpha * means.b / math.sqrt(v)
    part = binary_part(order, q0_hat, r_hat, place, level, room) if problem.weights == BINARY else spherical_part(order, q0_hat, r_hat)
    external = part.external + alpha * means.external
    if limit:
        bend = seen.bend1 * order.dq * means.a0
        slope = part.slope + 0.5 * scale * (seen.rise1 * means.slope + bend)
        external -= 0.25 * scale * bend * order.dq
    else:
        slope = part.slope + 0.5 * (m - 1.0) * scale * seen.rise1 * means.a1
    inner = seen.rise1 * seen.rise1 * means.inner + seen.bend1 * means.a1 * seen.v
    outer = seen.rise0 * seen.rise0 * means.outer + seen.bend0 * means.a0 * seen.v
    return Values(
        part.violation_v,
        part.violation_s,
        0.0 if order.random else (part.r - order.r) / math.sqrt(order.q0),
        order.q0,
        q0_hat,
        part.q1_hat,
        order.dq,
        part.dq_hat,
        order.r,
        r_hat,
        part.value + alpha * means.value,
        slope,
        external,
        1.0 - scale / seen.v * inner * part.t4,
        1.0 - scale / seen.v * outer * part.outer,
        part.away,
    )


@jit
def scalars(problem, m, v, place, level, room):
    """(share of the patterns below the margin, mean energy per pattern) of m replicas."""
    order = order_at(problem, m, v, place)
    limit = m == math.inf
    patterns = patterns_at(problem, order, block_overlaps(problem.net, v, order.q0, 0.0 if limit else order.dq / m))
    return limit_scalars(patterns, level, room) if limit else pattern_scalars(patterns, m, level, room)


class Point(NamedTuple):
    """One solution of the equations, with what is read off there."""

    v: float
    unknowns: np.ndarray
    values: Values
    train_error: float
    train_loss: float
    energy: float
    value: float
    residual: float
    quadrature: float

    def __getattr__(self, name):
        if name in Values._fields:
            return getattr(self.values, name)
        raise AttributeError(name)

    @property
    def good(self) -> bool:
        """Whether it may be returned."""
        return good(TOLERANCE, self.residual, self.quadrature, self.value, self.values.slope)


class Replicas:
    """The equations of y replicas of one problem at one load."""

    def __init__(self, problem: Problem, alpha: float, y: float):
        self.problem, self.alpha, self.y = problem, alpha, y
        binary, teacher = problem.weights == BINARY, problem.labels.kind != RANDOM
        self.places = [i for i, there in enumerate((True, binary, teacher)) if there]  # of `Place`
        self._order = [self.places.index(i) if i in self.places else -1 for i in range(3)]  # -1: what is appended to the unknowns
        self.rows = [i for i, there in enumerate((binary, True, teacher)) if there]  # of the violations in `Values`

    def place(self, unknowns) -> Place:
        """The unknowns with their names."""
        full = [*unknowns.tolist(), 0.0]
        return Place(full[self._order[0]], full[self._order[1]], full[self._order[2]])

    def raw(self, v, unknowns, level=0) -> Values:
        """All that `evaluate` returns."""
        place = self.place(unknowns)
        if abs(place.log_r) > 300.0 or abs(place.log_k) > 300.0 or abs(place.dq_hat) > 1e3:
            return NOWHERE
        return evaluate(self.problem, self.alpha, self.y, v, place, level, room())

    def violations(self, v, unknowns, level=0):
        """The violated equations as an array."""
        out = self.raw(v, unknowns, level)
        return np.array([out[i] for i in self.rows])

    def start(self, big_r, q):
        """Unknowns at the replica-symmetric state, where dq = dq_hat = 0."""
        full = [0.0, 0.0, math.asinh(big_r / math.sqrt(max(q - big_r * big_r, 1e-300)))]
        return np.array([full[i] for i in self.places])

    def solve(self, v, guess, jacobian=None, options=DEFAULT):
        """The `Root` at 1-q1 = v near a guess."""
        return newton(lambda x: self.violations(v, x), guess, jacobian, options)

    def point(self, v, unknowns) -> Point:
        """Everything at a solution, with the violations of the equations by both quadrature rules."""
        out, fine = self.raw(v, unknowns), self.raw(v, unknowns, 1)
        residual = largest([out[i] for i in self.rows])
        share = loss = energy = doubt = 0.0
        value, beta = out.free_entropy, self.problem.channel.beta
        if beta < math.inf and residual < math.inf:
            share, loss = scalars(self.problem, self.y, v, self.place(unknowns), 0, room())
            doubt = abs(loss - scalars(self.problem, self.y, v, self.place(unknowns), 1, room())[1])
            energy = self.alpha * loss
            value += beta * energy
        doubts = [(b - a) / max(1.0, abs(a)) for a, b in ((out.free_entropy, fine.free_entropy), (out.slope, fine.slope))]
        quadrature = largest([*(fine[i] for i in self.rows), *doubts, doubt])
        return Point(v, np.array(unknowns), out, share, loss, energy, value, residual, quadrature)
