"""Spherical weights as q -> 1: how one pattern responds, and the equations of capacity, maximum margin and ground state.

All weights are then the same ones.  With x = lim beta (1-q) a pattern of cavity field z ends at the minimum t(z) of

    (t - z)^2/(2 c) + energy(t),        c = c'(1) x      (c'(1) = 1 for a perceptron, see `kernels.networks`)

For a continuous energy that is the proximal map of its loss (`kernels.losses`).  Where errors are counted, Delta = z above kappa, a
pattern within the window (kappa - w, kappa) is lifted to kappa, w = sqrt(2c), and below it is given up; hard constraints
have w = inf.  With D0 = sqrt(1 - R^2), k = R/D0 and W the labels' weight (`kernels.labels`; 1 with random labels, where R = 0):

    c'(1) (1 - R^2) = alpha Int Dz W(k z) (t - z)^2
    R               = (alpha/D0) Int Dz W'(k z) (t - z)
    loss = Int Dz W energy(t),    errors = Int Dz W [t < kappa],    1 - replicon = alpha Int Dz W (1 - dt/dz)^2     (perceptron)

A tree committee (random labels) sees c(q) in place of q, and 1-c -> c'(1) (1-q): the perceptron's equation at the load alpha/c'(1).
Where c'(1) is infinite (an activation that jumps: 1-c ~ sqrt(1-q)) it has no solution at any load: q < 1 and no errors at zero
temperature.

Sources: Gardner 1988; Gardner & Derrida 1988, 1989; Gyorgyi & Tishby 1990; Griniasty & Gutfreund 1991; Bouten 1994.
"""

import math
from typing import NamedTuple

from flatphys._jit import jit
from flatphys.errors import NoSolution
from flatphys.kernels import channels, losses
from flatphys.kernels.channels import COUNTED
from flatphys.kernels.codes import RANDOM, TEACHER, Labels
from flatphys.kernels.labels import label_slope, label_weight
from flatphys.numerics.gaussian import density, tail
from flatphys.numerics.quadrature import buffers, panel_nodes
from flatphys.numerics.roots import bracketed

LOWEST = -12.0  # the Gaussian measure below is 1e-33


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
    """Averages over the patterns: (t-z)^2, the overlap's integral (1/D0) Int Dz W' (t-z), energy, share below, (1-dt/dz)^2."""

    second: float
    overlap: float
    loss: float
    below: float
    stiffness: float


def hard(margin: float) -> Response:
    """No pattern may stay below the margin."""
    return Response(COUNTED, margin, math.inf)


def ground_response(channel, c: float) -> Response:
    """The response of an energy's patterns at zero temperature."""
    return Response(channels.LOSS[channel.energy], channel.margin, c)


@jit
def moved(response, e):
    """`Moved` of a pattern with field kappa - e."""
    if response.loss == COUNTED:
        if e <= 0.0:
            return Moved(0.0, 0.0, 0.0, 0.0)
        if e < math.sqrt(2.0 * response.c):
            return Moved(e, 1.0, 0.0, 0.0)
        return Moved(0.0, 0.0, 1.0, 1.0)
    t, f, k, loss = losses.response(response.loss, e, response.c)
    return Moved(response.c * f, response.c * k, loss, 1.0 if t < 1.0 else 0.0)


@jit
def edges(response):
    """(e1, e2), e1 >= e2: where the response, linear in between, bends or a pattern begins to lie below the margin."""
    if response.loss == COUNTED:
        return math.sqrt(2.0 * response.c), 0.0
    _, e1, _, e2, _ = losses.features(response.loss, response.c)
    return max(e1, 0.0), min(e2, 0.0)


@jit
def moments(response, labels, k, level, nodes):
    """`Moments` of the patterns at the overlap ratio k = R/D0."""
    u, w = nodes
    e1, e2 = edges(response)
    kappa = response.margin
    marks = (0.0, 3.0 / max(k, 1e-300), 0.0, math.inf, 0.0, math.inf, 0.0, math.inf)  # W varies around z = 0 on the scale 1/k
    ratio = 1.5 - 0.4 * level
    cuts = (LOWEST, max(LOWEST, min(kappa - e1, -LOWEST)), max(LOWEST, min(kappa - e2, -LOWEST)), -LOWEST)
    second = overlap = loss = below = stiffness = 0.0
    for piece in range(3):
        n = panel_nodes(0, cuts[piece], cuts[piece + 1], ratio, ratio, marks, u, w) if cuts[piece + 1] > cuts[piece] else 0
        for i in range(n):
            there = moved(response, kappa - u[i])
            plain = w[i] * density(u[i])
            weight = plain * label_weight(labels, k, u[i])
            second += weight * there.shift * there.shift
            overlap += plain * label_slope(labels, k, u[i]) * there.shift
            loss += weight * there.loss
            below += weight * there.below
            stiffness += weight * there.stiffness * there.stiffness
    return Moments(second, overlap * math.sqrt(1.0 + k * k), loss, below, stiffness)


@jit
def second_moment(x):
    """Int_{z < x} Dz (x - z)^2 = (1 + x^2) H(-x) + x G(x), without cancellation for x far below 0."""
    if x > -3.0:
        return (1.0 + x * x) * tail(-x) + x * density(x)
    # Laplace's continued fraction for the repeated integrals of the Gaussian tail: i2/i1, i1/i0
    y = -x
    r2 = r1 = r0 = y
    for j in range(120, 0, -1):
        r2 = y + (j + 2) / r2
        r1 = y + (j + 1) / r1
        r0 = y + j / r0
    return 2.0 * density(y) / (r0 * r1 * r2)


@jit
def random_label_capacity(kappa):
    """Gardner's capacity 1/Int_{z<kappa} Dz (kappa - z)^2."""
    return 1.0 / second_moment(kappa)


@jit
def error_mass(top, k, flip, u, w):
    """Int_{z < top} Dz W(z): the patterns given up; k = inf is the teacher itself."""
    if top <= LOWEST:
        return 0.0
    if k == 0.0:
        return tail(-top)
    if k == math.inf:
        return 2.0 * flip * tail(-top) if top < 0.0 else flip + (1.0 - flip) * (1.0 - 2.0 * tail(top))
    n = panel_nodes(0, LOWEST, min(top, -LOWEST), 1.5, 1.5, (0.0, 3.0 / k, 0.0, math.inf, 0.0, math.inf, 0.0, math.inf), u, w)
    total = 0.0
    for i in range(n):
        total += w[i] * density(u[i]) * label_weight(Labels(TEACHER, flip), k, u[i])
    return total


def loads(response, labels, k, level=0):
    """The loads that the norm equation and the overlap equation name at overlap ratio k; the second is nan with random labels."""
    found = moments(response, labels, k, level, buffers())
    # below kappa = 0 the overlap's integral vanishes exponentially as R -> 1: no load supports such an R
    overlap = k / math.sqrt(1.0 + k * k) / found.overlap if found.overlap > 0.0 else math.inf
    return 1.0 / (found.second * (1.0 + k * k)), math.nan if labels.kind == RANDOM else overlap


def saddle(response, labels) -> tuple[float, float]:
    """(k, load) at which both equations name the same load; k = 0 with random labels."""
    if labels.kind == RANDOM:
        return 0.0, loads(response, labels, 0.0)[0]

    def disagreement(log_k):
        norm, overlap = loads(response, labels, math.exp(log_k))
        return math.log(norm) - math.log(overlap)

    lo, hi = -20.0, 20.0
    if not disagreement(lo) > 0.0 > disagreement(hi):
        raise NoSolution(
            f"no overlap with the teacher solves the equations of zero temperature at margin {response.margin:g}, flip {labels.flip:g}"
        )
    k = math.exp(bracketed(disagreement, lo, hi))
    return k, loads(response, labels, k)[0]


def worth(response, labels, k, load) -> tuple[float, float]:
    """(residual of the equations, their change under a finer rule), relative."""
    norm, overlap = loads(response, labels, k)
    fine, _ = loads(response, labels, k, 1)
    residual = abs(norm / load - 1.0)
    return residual if labels.kind == RANDOM else max(residual, abs(overlap / load - 1.0)), abs(norm / fine - 1.0)


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
    lo, hi = -1.0, 1.0
    while random_label_capacity(lo) < alpha:
        lo *= 2.0
    while random_label_capacity(hi) > alpha:
        hi *= 2.0
    target = math.log(alpha)
    return bracketed(lambda x: math.log(random_label_capacity(x)) - target, lo, hi)


def largest_margin_teacher(alpha, flip):
    """(kappa_max, R/D0) of spherical weights with a spherical teacher at load alpha."""
    target = math.log(alpha)

    def excess(kappa):
        return math.log(capacity_teacher(kappa, flip)[0]) - target

    hi = 1.0
    while excess(hi) > 0.0:
        hi *= 2.0
    if flip == 0.0:
        lo = 0.5 * hi
        while excess(lo) < 0.0:
            lo *= 0.5
    else:
        lo = -1.0
        while excess(lo) < 0.0:
            lo *= 2.0
            if lo < -8.0:
                raise NoSolution(f"alpha={alpha:g} is too large for a margin above -8 with flip={flip:g}")
    kappa = bracketed(excess, lo, hi)
    return kappa, capacity_teacher(kappa, flip)[1]
