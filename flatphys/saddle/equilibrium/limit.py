"""Spherical weights as q -> 1: how one pattern responds, and the equations of capacity, maximum margin and ground state.

All weights are then the same ones.  With x = lim beta (1-q) a pattern of cavity field z ends at the minimum t(z) of

    (t - z)^2/(2 c) + energy(t),        c = c'(1) x      (c'(1) = 1 for a perceptron, see `kernels.networks`)

For a continuous energy that is the proximal map of its loss (`kernels.losses`).  Where errors are counted, Delta = z above kappa, a
pattern within the window (kappa - w, kappa) is lifted to kappa, w = sqrt(2c), and below it is given up; hard constraints
have w = inf.  With D0 = sqrt(1 - R^2), k = R/D0 and W the labels' weight (`kernels.labels`; 1 with random labels, where R = 0):

    c'(1) (1 - R^2) = alpha Int Dz W(k z) (t - z)^2
    R               = (alpha/D0) Int Dz W'(k z) (t - z)
    loss = Int Dz W energy(t),    errors = Int Dz W [t < kappa],    1 - replicon = alpha Int Dz W (1 - dt/dz)^2     (perceptron)

The two name the same load where O = k S, of the two integrals.  With t = -k z, i1(t) = G(t) - t H(t) and f the flip this is

    (1-2f) Int Dz (t_z - z) i1(-k z) = k { (1-2f) Int Dz (t_z - z) t_z H(-k z) + f Int Dz (t_z - z)^2 },     t_z = t(z)

without the terms that cancel as R -> 1; terms of either sign are summed apart, `pull` to larger overlaps and `push` to smaller ones.

A tree committee (random labels) sees c(q) in place of q, and 1-c -> c'(1) (1-q): the perceptron's equation at the load alpha/c'(1).
Where c'(1) is infinite (an activation that jumps: 1-c ~ sqrt(1-q)) it has no solution at any load: q < 1 and no errors at zero
temperature.

Sources: Gardner 1988; Gardner & Derrida 1988, 1989; Gyorgyi & Tishby 1990; Griniasty & Gutfreund 1991; Bouten 1994.
"""

import math
from typing import NamedTuple

from flatphys._jit import jit
from flatphys.errors import NoSolution, NotConverged
from flatphys.kernels import channels, losses
from flatphys.kernels.channels import COUNTED
from flatphys.kernels.codes import LOGISTIC, RANDOM, TEACHER, Labels, Loss
from flatphys.kernels.labels import label_slope, label_weight
from flatphys.numerics.gaussian import LOG_SQRT_2PI, density, mills, tail
from flatphys.numerics.quadrature import buffers, panel_nodes
from flatphys.numerics.roots import bracketed, outwards

FARTHEST = 12.0  # the Gaussian measure beyond is 1e-33
STEEPEST = 12.0  # panels over which the measure falls by more than exp(12) are cut
TOO_LARGE = "the load at margin {:g} exceeds the largest number of double precision: use a larger margin"
WIDEST_LOG_K = 240.0  # of the overlap ratio: the integrals fall as its cube


class Response(NamedTuple):
    """What moves a pattern: the loss of its energy (`kernels.losses`, or COUNTED), the margin, and c."""

    loss: int
    margin: float
    c: float


class Moved(NamedTuple):
    """Where a pattern went: t - z, 1 - dt/dz, its energy, and whether it is below the margin."""

    shift: float
    stiffness: float
    loss: float
    below: float


class Moments(NamedTuple):
    """Averages over the patterns: (t-z)^2, the overlap's integral (1/D0) Int Dz W' (t-z), energy, share below, (1-dt/dz)^2, pull, push."""

    second: float
    overlap: float
    loss: float
    below: float
    stiffness: float
    pull: float
    push: float


def hard(margin: float) -> Response:
    """No pattern may stay below the margin."""
    return Response(COUNTED, margin, math.inf)


def ground_response(channel, c: float) -> Response:
    """The response of an energy's patterns at zero temperature."""
    return Response(channels.LOSS[channel.energy], channel.margin + channels.PLACE.get(channel.energy, 0.0), c)


@jit
def moved(response, e):
    """`Moved` of a pattern with field kappa - e."""
    if response.loss == COUNTED:
        if e <= 0.0:
            return Moved(0.0, 0.0, 0.0, 0.0)
        if e < math.sqrt(2.0 * response.c):
            return Moved(e, 1.0, 0.0, 0.0)
        return Moved(0.0, 0.0, 1.0, 1.0)
    t, f, k, loss = losses.response(Loss(response.loss, 0.0), e, response.c)
    return Moved(response.c * f, response.c * k, loss, 1.0 if t < (0.0 if response.loss == LOGISTIC else 1.0) else 0.0)


@jit
def edges(response):
    """(e1, e2), e1 >= e2: where the response, linear in between, bends or a pattern begins to lie below the margin."""
    if response.loss == COUNTED:
        return math.sqrt(2.0 * response.c), 0.0
    _, e1, _, e2, _ = losses.features(Loss(response.loss, 0.0), response.c)
    return max(e1, 0.0), min(e2, 0.0)


@jit
def lowest(top):
    """Below this the measure has 1e-31 of what it has below `top`."""
    return -math.sqrt(FARTHEST * FARTHEST + min(top, 0.0) ** 2)


@jit
def window_nodes(start, stop, k, ratio, u, w):
    """Plain nodes and weights between two fields, where the measure falls towards `start` and W varies around 0 on the scale 1/k."""
    if not stop > start:
        return 0
    cap = min(ratio, STEEPEST / max(-start, 1.0))
    return panel_nodes(0, start, stop, ratio, cap, (0.0, 3.0 / max(k, 1e-300), 0.0, math.inf, 0.0, math.inf, 0.0, math.inf), u, w)


@jit
def moments(response, labels, k, level, nodes):
    """`Moments` of the patterns at the overlap ratio k = R/D0; nan where the nodes do not suffice."""
    u, w = nodes
    e1, e2 = edges(response)
    kappa, clean = response.margin, 1.0 - 2.0 * labels.flip
    top = min(kappa - e2, FARTHEST)
    bottom = lowest(top)
    cuts = (bottom, max(bottom, min(kappa - e1, top)), top, FARTHEST)
    second = overlap = loss = below = stiffness = pull = push = 0.0
    for piece in range(3):
        n = window_nodes(cuts[piece], cuts[piece + 1], k, 1.5 - 0.4 * level, u, w)
        for i in range(n):
            z = u[i]
            e = kappa - z
            there = moved(response, e)
            s, plain = there.shift, w[i] * density(z)
            weight = plain * label_weight(labels, k, z)
            second += weight * s * s
            loss += weight * there.loss
            below += weight * there.below
            stiffness += weight * there.stiffness * there.stiffness
            if labels.kind == RANDOM:
                continue
            overlap += plain * label_slope(labels, k, z) * s
            gain = plain * clean * s * repeated_tail(-k * z)
            cost = plain * k * clean * s * (kappa - (e - s)) * tail(-k * z)
            pull += max(gain, 0.0) + max(-cost, 0.0)
            push += max(-gain, 0.0) + max(cost, 0.0) + plain * k * labels.flip * s * s
    return Moments(second, overlap * math.sqrt(1.0 + k * k), loss, below, stiffness, pull, push)


@jit
def repeated_tail(t):
    """i1(t) = Int_t^inf H = G(t) - t H(t), without cancellation."""
    if t < 0.0:
        return density(t) - t * tail(t)
    m, d, _ = mills(t)
    return density(t) * d / m


@jit
def log_second_moment(x):
    """Log of Int_{z < x} Dz (x - z)^2 = (1 + x^2) H(-x) + x G(x), without cancellation or underflow for x far below 0."""
    if x > -3.0:
        return math.log((1.0 + x * x) * tail(-x) + x * density(x))
    # Laplace's continued fraction for the repeated integrals of the Gaussian tail: i2/i1, i1/i0
    y = -x
    r2 = r1 = r0 = y
    for j in range(120, 0, -1):
        r2 = y + (j + 2) / r2
        r1 = y + (j + 1) / r1
        r0 = y + j / r0
    return math.log(2.0 / (r0 * r1 * r2)) - 0.5 * y * y - LOG_SQRT_2PI


@jit
def random_label_capacity(kappa):
    """Gardner's capacity 1/Int_{z<kappa} Dz (kappa - z)^2; inf where it exceeds every double."""
    if kappa > -3.0:
        return 1.0 / ((1.0 + kappa * kappa) * tail(-kappa) + kappa * density(kappa))
    return math.exp(-log_second_moment(kappa))


@jit
def error_mass(top, k, flip, u, w):
    """Int_{z < top} Dz W(z): the patterns given up; k = inf is the teacher itself."""
    if k == 0.0:
        return tail(-top)
    if k == math.inf:
        return 2.0 * flip * tail(-top) if top < 0.0 else flip + (1.0 - flip) * (1.0 - 2.0 * tail(top))
    n = window_nodes(lowest(top), min(top, FARTHEST), k, 1.5, u, w)
    total = 0.0
    for i in range(n):
        total += w[i] * density(u[i]) * label_weight(Labels(TEACHER, flip, 1.0, 1.0), k, u[i])
    return total


def loads(response, labels, k, level=0):
    """(loads that the norm equation and the overlap equation name at overlap ratio k, log of pull over push); nan with random labels."""
    found = moments(response, labels, k, level, buffers())
    if not 1e-307 < found.second * (1.0 + k * k) < math.inf:
        raise NotConverged(TOO_LARGE.format(response.margin))
    norm = 1.0 / (found.second * (1.0 + k * k))
    if labels.kind == RANDOM:
        return norm, math.nan, math.nan
    overlap = k / math.sqrt(1.0 + k * k) / found.overlap if found.overlap > 0.0 else math.inf
    return norm, overlap, (math.log(found.pull) if found.pull > 0.0 else -math.inf) - math.log(max(found.push, 1e-320))


def saddle(response, labels) -> tuple[float, float]:
    """(k, load) at which both equations name the same load; k = 0 with random labels."""
    if labels.kind == RANDOM:
        return 0.0, loads(response, labels, 0.0)[0]

    def pulled(log_k):
        return loads(response, labels, math.exp(log_k))[2]

    what = f"the overlap at margin {response.margin:g}, flip {labels.flip:g}"
    lo, hi = outwards(pulled, -20.0, 20.0, (-WIDEST_LOG_K, WIDEST_LOG_K), what)
    k = math.exp(bracketed(pulled, lo, hi, what))
    return k, loads(response, labels, k)[0]


def worth(response, labels, k, load) -> tuple[float, float]:
    """(residual of the equations, their change under a finer rule), relative."""
    norm, overlap, _ = loads(response, labels, k)
    fine, _, pulled = loads(response, labels, k, 1)
    residual, error = abs(norm / load - 1.0), abs(norm / fine - 1.0)
    return (residual, error) if labels.kind == RANDOM else (max(residual, abs(overlap / load - 1.0)), max(error, abs(pulled)))


def capacity_teacher(kappa, flip):
    """(alpha_c, R/D0) of spherical weights with a spherical teacher; (inf, inf) where the teacher itself fulfils the margin."""
    if flip == 0.0 and kappa <= 0.0:
        return math.inf, math.inf
    k, alpha = saddle(hard(kappa), Labels(TEACHER, flip))
    return alpha, k


def exact_capacity(margin, labels):
    """The load up to which spherical weights have every stability equal to the margin.

    With t = kappa for every field and s = W'(0) the equations are R = alpha kappa s and 1 - R^2 = alpha (1 + kappa^2 - 2 kappa s R).
    """
    s = _slope_of(labels)
    square = margin * margin
    return 2.0 / (1.0 + square + math.sqrt((1.0 + square) ** 2 - 4.0 * square * s * s))


def exact_margin(load, labels):
    """The largest margin that every stability can equal at this load, the inverse of `exact_capacity`."""
    if load >= 1.0:
        raise NoSolution(f"every stability equals the same margin only below one pattern per weight, got alpha={load:g}")
    s = _slope_of(labels)
    return math.sqrt((1.0 - load) / (load * (1.0 - load * s * s)))


def _slope_of(labels):
    return label_slope(labels, 0.0, 0.0) if labels.kind != RANDOM else 0.0


def largest_margin_random(alpha):
    """Margin at which Gardner's capacity is alpha."""
    target = math.log(alpha)

    def excess(kappa):
        return -log_second_moment(kappa) - target

    return bracketed(excess, *outwards(excess, -1.0, 1.0, (-1e3, 1e160)))


def largest_margin_teacher(alpha, flip):
    """(kappa_max, R/D0) of spherical weights with a spherical teacher at load alpha."""
    target, limit = math.log(alpha), capacity_teacher(0.0, flip)[0]
    if alpha == limit:
        return 0.0, capacity_teacher(0.0, flip)[1]
    side, ends = (1.0, (-230.0, 300.0)) if alpha < limit else (-1.0, (-300.0, math.log(37.0)))

    def excess(log_size):
        return side * (math.log(capacity_teacher(side * math.exp(log_size), flip)[0]) - target)

    kappa = side * math.exp(bracketed(excess, *outwards(excess, -1.0, 1.0, ends)))
    return kappa, capacity_teacher(kappa, flip)[1]
