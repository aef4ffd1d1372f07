"""How a pattern is seen by weights near a trained rule: its fields, how the rule moves them, and where sums over them have structure.

The notation is that of `trained_averages`.
"""

import math
from typing import NamedTuple

import numpy as np

from flatphys._jit import jit
from flatphys.kernels.channels import channel, features
from flatphys.kernels.codes import ERRORS, MIXTURE, TEACHER, Channel, Labels, Loss
from flatphys.kernels.labels import label_slope, label_weight
from flatphys.kernels.losses import KINKED, features as loss_features, response
from flatphys.numerics.gaussian import density
from flatphys.numerics.quadrature import LEGENDRE_W, LEGENDRE_X, MAX_TRAPEZOID, REACH, gaussian_nodes, panel_nodes, trapezoid_step
from flatphys.saddle.franz_parisi.weights import panel_ratio

BY_LOSS, CONSTANT, LIFTED, FITTED, POSTERIOR = 0, 1, 2, 3, 4  # how the reference moves a pattern
COARSEST, FINE, MOST_PANELS = 12, 1e-14, 1000  # panels on which a move of unknown structure is smooth: at first, to what share, at most
NO_EDGES = np.empty(0)


class Rule(NamedTuple):
    """A trained rule: its labels (kind MIXTURE or TEACHER), how it moves a pattern, its overlaps, and the variance of the patterns.

    `edge` is the margin lifted to, or the posterior's beta; c the strength of the move (`move`); `edges` the panels in g on which the
    move of a smoothed loss is smooth (`panels_of`), empty where its structure is known.
    """

    labels: Labels
    moves: int
    loss: Loss
    c: float
    edge: float
    m: float
    q: float
    d: float
    edges: np.ndarray


class Place(NamedTuple):
    """Where the averages are taken: the overlap p, gap = 1 - p^2, and the unknowns dm, dr, B."""

    p: float
    gap: float
    dm: float
    dr: float
    b: float


class View(NamedTuple):
    """How the field of width `unit` is seen by the teacher: its slope rho in xi, the variance v0 left, and the growth off the axis."""

    unit: float
    rho: float
    v0: float
    growth: float
    narrow: float


@jit
def move(rule, omega):
    """(delta, d delta/d omega) at cavity margin omega."""
    if rule.moves == BY_LOSS:
        _, f, k, _ = response(rule.loss, 1.0 - omega, rule.c)
        return rule.c * f, -rule.c * k
    if rule.moves == CONSTANT:
        return rule.c, 0.0
    if rule.moves == LIFTED:
        return (rule.edge - omega, -1.0) if omega < rule.edge else (0.0, 0.0)
    if rule.moves == FITTED:
        return rule.edge - omega, -1.0
    if rule.moves == POSTERIOR:  # c = 1 - q is the posterior's variance
        root = math.sqrt(rule.c)
        _, a, b = channel(Channel(ERRORS, 0.0, rule.edge), -omega / root, root)
        return root * a, b
    return math.nan, math.nan


@jit
def _cavity_margin(rule, g):
    """omega of a field g."""
    return (rule.m if rule.labels.kind == MIXTURE else 0.0) + math.sqrt(rule.d * rule.q) * g


@jit
def _moved_on(rule, a, b):
    """Integrals of G delta and G delta' over g in [a, b] by one panel."""
    half, mid = 0.5 * (b - a), 0.5 * (a + b)
    total = slope = 0.0
    for i in range(LEGENDRE_X.size):
        g = mid + half * LEGENDRE_X[i]
        delta, bend = move(rule, _cavity_margin(rule, g))
        weight = half * LEGENDRE_W[i] * density(g)
        total += weight * delta
        slope += weight * bend
    return total, slope


@jit
def panels_of(rule):
    """Edges of panels on which the move is smooth: halved until the sums over the halves agree with that over the whole."""
    edges, left, right = np.empty(MOST_PANELS + 1), np.empty(MOST_PANELS), np.empty(MOST_PANELS)
    size, bent, length = 0.0, 0.0, 2.0 * REACH / COARSEST
    for i in range(COARSEST):  # the first panel on top
        left[COARSEST - 1 - i], right[COARSEST - 1 - i] = i * length - REACH, (i + 1) * length - REACH
        total, slope = _moved_on(rule, i * length - REACH, (i + 1) * length - REACH)
        size, bent = size + abs(total), bent + abs(slope)
    n, top = 0, COARSEST - 1
    edges[0] = -REACH
    while top >= 0:
        a, b = left[top], right[top]
        mid = 0.5 * (a + b)
        t0, s0 = _moved_on(rule, a, b)
        t1, s1 = _moved_on(rule, a, mid)
        t2, s2 = _moved_on(rule, mid, b)
        fine = abs(t0 - t1 - t2) <= FINE * size and abs(s0 - s1 - s2) <= FINE * bent
        if fine or n + top + 2 > MOST_PANELS or not a < mid < b:  # where there are too many, two rules of sums will differ
            n, top = n + 1, top - 1
            edges[n] = b
            continue
        right[top], left[top] = b, mid
        top += 1
        left[top], right[top] = a, mid
    return edges[: n + 1].copy()


@jit
def field_mean(rule, at, g):
    """(mean of the counted field mu given g, delta, d delta/d omega)."""
    mixture = rule.labels.kind == MIXTURE
    delta, bend = move(rule, _cavity_margin(rule, g))
    m1 = rule.m * at.p / math.sqrt(rule.q) + at.dm if mixture else 0.0
    return m1 + at.p * math.sqrt(rule.d) * g + (at.p / math.sqrt(rule.q) + at.dr) * delta, delta, bend


@jit
def edge_of_constraint(rule, at, level):
    """The g at which the mean field is `level` (the middle of a sign change; an end of the range if there is none)."""
    lo, hi = -REACH, REACH
    low, high = field_mean(rule, at, lo)[0] - level, field_mean(rule, at, hi)[0] - level
    if low * high > 0.0:
        return lo if abs(low) < abs(high) else hi
    for _ in range(30):
        mid = 0.5 * (lo + hi)
        if (field_mean(rule, at, mid)[0] - level) * low > 0.0:
            lo = mid
        else:
            hi = mid
    return 0.5 * (lo + hi)


@jit
def _structure(rule):
    """(whether the move has kinks, its two kinks or centres of singularities in g, their distance from the axis)."""
    scale = math.sqrt(rule.d * rule.q)
    shift = rule.m if rule.labels.kind == MIXTURE else 0.0
    if rule.moves == LIFTED:
        return True, (rule.edge - shift) / scale, REACH, math.inf
    if rule.moves == BY_LOSS:
        nature, p1, w1, p2, w2 = loss_features(rule.loss, rule.c)  # in e = 1 - omega
        near = math.inf if nature == KINKED else min(w1, w2) / scale
        return nature == KINKED, (1.0 - p1 - shift) / scale, (1.0 - p2 - shift) / scale, near
    if rule.moves == POSTERIOR:
        root = math.sqrt(rule.c)
        re, im, other, other_im = features(Channel(ERRORS, 0.0, rule.edge), root)
        unit = root / scale
        return False, -re * unit, -other * unit, min(im, other_im) * unit
    return False, 0.0, 0.0, math.inf


@jit
def outer_nodes(rule, one, two, spread, level, u, w):
    """Nodes in g; the integrand has singularities at `one` and `two`, each (centre, width) for centre +- i width, and grows like
    exp(spread^2 y^2/2) off the axis, most of it around the first."""
    growth = 1.0 + spread * spread
    if rule.labels.kind == TEACHER:
        growth += rule.m * rule.m / max(rule.q - rule.m * rule.m, 1e-300)
    kinked, first, second, near = _structure(rule)
    turn = (0.0, 3.0 / math.sqrt(max(growth - 1.0 - spread * spread, 1e-30)) if rule.labels.kind == TEACHER and rule.m != 0.0 else math.inf)
    narrow = 3.0 / math.sqrt(growth - 1.0) if growth > 2.0 else math.inf
    if rule.edges.size > 0:
        return _panelled(rule, (*one, one[0], narrow, *two, *turn), level, u, w)
    if not kinked:
        width = min(one[1], two[1])
        if 2.0 * REACH > MAX_TRAPEZOID * trapezoid_step(min(width, near), growth):  # panels
            width = min(one[1], narrow)
        other = two if two[1] < math.inf else turn
        return gaussian_nodes(level, REACH, growth, 0.0, (one[0], width, first, near), (second, near, *other), u, w)
    ratio = panel_ratio(level)
    n, start = 0, -REACH
    marks = (*one, one[0], narrow, *two, *turn)
    for stop in (min(max(min(first, second), -REACH), REACH), min(max(max(first, second), -REACH), REACH), REACH):
        if stop > start:
            n = panel_nodes(n, start, stop, ratio, ratio, marks, u, w)
            start = stop
    for i in range(n):
        w[i] *= density(u[i])
    return n


@jit
def _panelled(rule, marks, level, u, w):
    """Nodes on the rule's own panels, each graded towards the marks; the second rule of an error cuts every panel in two."""
    ratio, n = panel_ratio(level), 0
    for i in range(rule.edges.size - 1):
        a, b = rule.edges[i], rule.edges[i + 1]
        middle = a + 0.45 * (b - a) if level > 0 else b
        n = panel_nodes(n, a, middle, ratio, ratio, marks, u, w)
        if level > 0:
            n = panel_nodes(n, middle, b, ratio, ratio, marks, u, w)
    for i in range(n):
        w[i] *= density(u[i])
    return n


@jit
def view(rule, at, v1):
    """The `View` of fields whose given part leaves the variance D v1; v0 is not positive where no such weights exist."""
    rho, v0 = 0.0, 1.0 - rule.m * rule.m / rule.q
    growth, narrow = 1.0, math.inf
    if rule.labels.kind == TEACHER:
        rho = at.dm / math.sqrt(at.b) if at.b > 0.0 else 0.0
        v0 -= rho * rho
        growth += rho * rho / v0
        narrow = 3.0 * math.sqrt(v0) / max(abs(rho), 1e-300)
    return View(math.sqrt(rule.d * v1), rho, v0 if rule.labels.kind == TEACHER else 1.0, growth, narrow)


@jit
def label_weights(rule, seen, g, xi):
    """(W, what takes its place where labels turn) at the fields g and xi: both 1 on the mixture."""
    if rule.labels.kind != TEACHER:
        return 1.0, 1.0
    root = math.sqrt(seen.v0)
    sign = (rule.m * g / math.sqrt(rule.q) + seen.rho * xi) / root
    return label_weight(rule.labels, 1.0, sign), label_slope(rule.labels, 1.0, sign) / root
