"""The inner measure of one step of replica-symmetry breaking: the replicas' cavity field of one pattern, walked over once for everybody.

At the outer field x0, in units of sigma = sqrt V, m replicas share the field x = x0 - sqrt(spread) t with the measure

    Dt f(x)^m / I(x0),   I(x0) = Int Dt f(x)^m,   spread = (q1-q0)/V

f the partition function of `kernels.channels`.  The mode solves x + m spread a(x) = x0.  Where log f is concave the rule starts
there and walks outwards until the integrand is negligible: equal steps where the integrand is one Gaussian, else panels no longer
than the local width 1/sqrt(1 - m spread b) or their distance to the zeros of f.  Counting errors at finite temperature makes log f
neither convex nor concave, and two modes (obeyed or not) compete: equal steps then cover both.
"""

import math
import threading
from typing import NamedTuple

import numpy as np

from flatphys._jit import jit
from flatphys.kernels.channels import channel, features, log_concave
from flatphys.kernels.codes import Channel
from flatphys.numerics.gaussian import LOG_SQRT_2PI
from flatphys.numerics.quadrature import LEGENDRE_W, LEGENDRE_X, ORDER, buffers, trapezoid_step
from flatphys.saddle.breaking.jump import response

NEGLIGIBLE = 38.0  # an integrand e^-38 below its maximum is left out
SIZE = math.sqrt(2.0 * NEGLIGIBLE)  # where a Gaussian is
CERTAIN, OBEYED = -9.5, 1e-19  # a pattern that far on its right side pulls by less than OBEYED where that costs nothing
SHORT_STEP = 0.2  # equal inner steps below this cost more than panels
WIDTHS = 4.0  # panel length in local widths: 16 Gauss-Legendre nodes are exact there
MOST_NODES = 16384
X, P, A, C, LOG_F = 0, 1, 2, 3, 4  # rows of the array of inner nodes: field, normalised weight, a, -b, log f


class Room(NamedTuple):
    """Buffers of the averages: outer nodes and weights, and the inner nodes' rows."""

    u: np.ndarray
    w: np.ndarray
    inner: np.ndarray


class Inner(NamedTuple):
    """An inner measure: what one pattern costs at sigma = sqrt V, (q1-q0)/V, and the number of replicas (or Parisi parameter)."""

    channel: Channel
    sigma: float
    spread: float
    m: float


_local = threading.local()


def room() -> Room:
    """This thread's buffers, allocated once."""
    try:
        return _local.room
    except AttributeError:
        _local.room = Room(*buffers(), np.empty((5, MOST_NODES)))
        return _local.room


@jit
def inner_mode(inner, x0):
    """x at the maximum of m log f(x) - t^2/2, for a concave log f."""
    r = inner.m * inner.spread
    low = high = math.nan
    x, last = x0, math.inf
    for i in range(100):  # x + r a(x) rises; for hard constraints it is convex, and Newton falls monotonically from x0
        _, a, b = response(inner.channel, x, inner.sigma)
        if i == 0:
            low, high = min(x0, x0 - r * a), max(x0, x0 - r * a)
        value = x + r * a - x0
        if value > 0.0:
            high = x
        else:
            low = x
        step = value / (1.0 - r * b)
        x -= step
        if abs(step) <= 1e-7 * (1.0 + abs(x)):
            break
        if not low <= x <= high or abs(value) > 0.5 * last:  # a that saturates makes Newton's method go back and forth
            x = 0.5 * (low + high)
        last = abs(value)
    return x


@jit
def _put(inner, x, t, at, n):
    """Store the node at t; returns the exponent of the integrand."""
    log_f, a, b = channel(inner.channel, x, inner.sigma)
    at[X, n] = x
    at[A, n] = a
    at[C, n] = -b
    at[LOG_F, n] = log_f
    return inner.m * log_f - 0.5 * t * t


@jit
def _steps(inner, x0, level, step, at):
    """(number of nodes, exponent at the mode) of equal steps outwards from the mode."""
    root = math.sqrt(inner.spread)
    x = inner_mode(inner, x0)
    log_f, a, _ = response(inner.channel, x, inner.sigma)
    t0 = inner.m * root * a
    top = inner.m * response(inner.channel, x0 - root * t0, inner.sigma)[0] - 0.5 * t0 * t0
    start = t0 + 0.37 * step * level
    n = 0
    for side in range(2):
        sign = 1.0 - 2.0 * side
        j = side
        while n < at.shape[1]:
            t = start + sign * j * step
            e = _put(inner, x0 - root * t, t, at, n) - top
            at[P, n] = step * math.exp(e)
            n += 1
            j += 1
            if e < -NEGLIGIBLE:
                break
    return n, top


@jit
def _reach(zeros, x, sign):
    """Length in x of the longest panel from x on, towards smaller x if sign > 0, that the zeros of f allow."""
    length = math.inf
    for k in range(2):
        away = sign * (zeros[2 * k] - x)  # distance by which the zeros lie behind
        length = min(length, max(1.5 * zeros[2 * k + 1], 1.5 * away if away > 0.0 else -0.6 * away))
    return length


@jit
def _panels(inner, x0, level, cap, at):
    """(number of nodes, exponent at the mode) of panels at most `cap` long in x, outwards from the mode."""
    root = math.sqrt(inner.spread)
    r = inner.m * inner.spread
    x = inner_mode(inner, x0)
    t0 = inner.m * root * response(inner.channel, x, inner.sigma)[1]
    top = inner.m * response(inner.channel, x0 - root * t0, inner.sigma)[0] - 0.5 * t0 * t0
    zeros = features(inner.channel, inner.sigma)
    shrink = 1.0 - 0.25 * level
    first = 1 if inner.channel.beta < math.inf else 2  # -b rises with x for hard constraints, else it may peak inside a panel
    n = 0
    for side in range(2):
        sign = 1.0 - 2.0 * side
        p = t0
        while n + ORDER <= at.shape[1]:
            x = x0 - root * p
            pole = min(cap, shrink * _reach(zeros, x, sign)) / root
            length = min(pole, shrink * WIDTHS / math.sqrt(1.0 - r * response(inner.channel, x, inner.sigma)[2]))
            for j in range(first, 3 if sign < 0.0 or first == 1 else 2):
                b = response(inner.channel, x - sign * root * length * 0.5 * j, inner.sigma)[2]
                length = min(length, shrink * WIDTHS / math.sqrt(1.0 - r * b))
            half = 0.5 * length
            e = 0.0
            for i in range(ORDER):
                t = p + sign * half * (1.0 + LEGENDRE_X[i])
                e = _put(inner, x0 - root * t, t, at, n) - top
                at[P, n] = half * LEGENDRE_W[i] * math.exp(e)
                n += 1
            p += sign * length
            if e < -NEGLIGIBLE:
                break
    return n, top


@jit
def _sweep(inner, x0, level, step, at):
    """(number of nodes, largest exponent) of equal steps over every t at which the integrand may matter.

    f falls with x, so that modes lie at t >= 0, and the integrand is below exp(-t^2/2) but at its maximum above f(x0)^m.
    """
    root = math.sqrt(inner.spread)
    low, high = -SIZE, math.sqrt(2.0 * (NEGLIGIBLE - inner.m * response(inner.channel, x0, inner.sigma)[0]))
    n, top = 0, -math.inf
    t = low + 0.37 * step * level
    while t < high and n < at.shape[1]:
        at[P, n] = _put(inner, x0 - root * t, t, at, n)
        top = max(top, at[P, n])
        n += 1
        t = low + (n + 0.37 * level) * step
    for i in range(n):
        e = at[P, i] - top
        at[P, i] = step * math.exp(e) if e > -2.0 * NEGLIGIBLE else 0.0
    return n, top


@jit
def inner_nodes(inner, x0, level, cap, at):
    """Fill the rows of `at` with the inner measure at x0; (number of nodes, log I).  nan where they do not fit.

    A finite `cap` asks for panels no longer than that in x, for functions that are smooth on that scale but not as analytic as f.
    """
    root = math.sqrt(inner.spread)
    zeros = features(inner.channel, inner.sigma)
    step = trapezoid_step(min(zeros[1], zeros[3]) / max(root, 1e-300), 1.0 + inner.m * inner.spread)
    short = min(step, 0.25 * cap / max(root, 1e-300)) * (1.0 - 0.25 * level)
    if not log_concave(inner.channel):
        n, top = _sweep(inner, x0, level, short, at)
    elif cap == math.inf and step > SHORT_STEP:
        n, top = _steps(inner, x0, level, short, at)
    else:
        n, top = _panels(inner, x0, level, cap, at)
    norm = 0.0
    for i in range(n):
        norm += at[P, i]
    if n + ORDER > at.shape[1]:
        norm = math.nan
    for i in range(n):
        at[P, i] /= norm
    return n, top + math.log(norm) - LOG_SQRT_2PI


@jit
def inner_patterns(inner, x0, level, at):
    """(log I, <a>, <a^2>, <-b>, <b^2>, <log f>) at the outer field x0."""
    edge = x0 + 9.0 * math.sqrt(inner.spread)
    if edge < CERTAIN and abs(response(inner.channel, edge, inner.sigma)[1]) < OBEYED:
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    n, log_i = inner_nodes(inner, x0, level, math.inf, at)
    a1 = a2 = c1 = c2 = log_f = 0.0
    for i in range(n):
        p, a, c = at[P, i], at[A, i], at[C, i]
        a1 += p * a
        a2 += p * a * a
        c1 += p * c
        c2 += p * c * c
        log_f += p * at[LOG_F, i]
    return log_i, a1, a2, c1, c2, log_f
