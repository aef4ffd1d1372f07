"""Where the field of a pattern among many replicas jumps: counting errors at finite temperature.

The field of infinitely many replicas (in units of sigma, r = dq/V) maximises log f(x) - r a(x)^2/2 at fixed

    X(x) = x + r a(x),      dX/dx = 1 - r b(x)

Where log f is concave X rises and there is nothing to choose.  Counting errors makes b positive next to x = sqrt(2 beta), where
it costs as much to obey as not to: for r b > 1 two maxima compete, and as X grows the field jumps from the end of the branch that
obeys, x1, to the start of the one that does not, x2, where both have the same value (Maxwell's construction; d value = -a dX).
"""

import math
from typing import NamedTuple

from flatphys._jit import jit
from flatphys.kernels.channels import channel, log_concave

SCAN, SPAN = 0.25, 8.0  # step and width of the coarse search for the largest b


class Jump(NamedTuple):
    """The field jumps from `below` to `above` (both inf: it does not) as X passes `field`; gap = a(below) - a(above).

    dX/dx vanishes at turn1 and turn2 on the way (width = 0), or next to turn1 = turn2 at the distance `depth` from the real axis;
    `width` is that distance in X.
    """

    below: float
    above: float
    field: float
    gap: float
    turn1: float
    turn2: float
    depth: float
    width: float


@jit
def response(ch, x, sigma):
    """`channels.channel`, compiled once for all who call it now and then: inlined everywhere it takes long to compile."""
    return channel(ch, x, sigma)


@jit
def _steepest(ch, sigma):
    """x at which b is largest."""
    best, at = -math.inf, 0.0
    start = math.sqrt(2.0 * ch.beta) - 0.5 * SPAN
    for i in range(int(SPAN / SCAN) + 1):
        b = response(ch, start + i * SCAN, sigma)[2]
        if b > best:
            best, at = b, start + i * SCAN
    low, high = at - SCAN, at + SCAN
    for _ in range(40):  # golden section
        x, y = high - 0.6180339887498949 * (high - low), low + 0.6180339887498949 * (high - low)
        if response(ch, x, sigma)[2] > response(ch, y, sigma)[2]:
            high = y
        else:
            low = x
    return 0.5 * (low + high)


@jit
def _turn(ch, sigma, r, inside, outside):
    """x between two places at which dX/dx < 0 and > 0: where it vanishes."""
    for _ in range(60):
        x = 0.5 * (inside + outside)
        if 1.0 - r * response(ch, x, sigma)[2] < 0.0:
            inside = x
        else:
            outside = x
    return 0.5 * (inside + outside)


@jit
def field_at(ch, sigma, r, target, low, high):
    """x in [low, high] with X(x) = target, X rising there: Newton's method inside a shrinking bracket."""
    x = 0.5 * (low + high)
    for _ in range(100):
        _, a, b = response(ch, x, sigma)
        value = x + r * a - target
        if value > 0.0:
            high = x
        else:
            low = x
        new = x - value / (1.0 - r * b)
        if not low < new < high:
            new = 0.5 * (low + high)
        if abs(new - x) <= 4e-16 * (1.0 + abs(x)):
            break
        x = new
    return x


@jit
def jump_of(ch, sigma, r):
    """The `Jump` of a channel at r = dq/V."""
    none = math.inf
    if log_concave(ch):
        return Jump(none, none, 0.0, 0.0, 0.0, 0.0, none, none)
    x = _steepest(ch, sigma)
    _, a, b = response(ch, x, sigma)
    slope = 1.0 - r * b
    if slope >= 0.0:
        h = 0.05
        bend = r * (2.0 * b - response(ch, x - h, sigma)[2] - response(ch, x + h, sigma)[2]) / (h * h)
        depth = math.sqrt(2.0 * slope / max(bend, 1e-12))
        return Jump(none, none, x + r * a, 0.0, x, x, depth, 2.0 / 3.0 * slope * depth)
    top = 2.0 + math.sqrt(2.0 * ch.beta)  # more than a ever is
    far = x + 1.0
    while 1.0 - r * response(ch, far, sigma)[2] < 0.0:
        far += 1.0
    turn1, turn2 = _turn(ch, sigma, r, x, x - 12.0), _turn(ch, sigma, r, x, far)
    high, low = turn1 + r * response(ch, turn1, sigma)[1], turn2 + r * response(ch, turn2, sigma)[1]
    at = 0.5 * (low + high)
    x1, x2, gap = turn1, turn2, 0.0
    for _ in range(100):
        x1, x2 = field_at(ch, sigma, r, at, at - r * top, turn1), field_at(ch, sigma, r, at, turn2, at)
        f1, a1, _ = response(ch, x1, sigma)
        f2, a2, _ = response(ch, x2, sigma)
        gap = a1 - a2
        excess = f1 - f2 - 0.5 * r * (a1 + a2) * gap  # of the branch that obeys; falls as X grows
        if excess > 0.0:
            low = at
        else:
            high = at
        new = at + excess / gap
        if not low < new < high:
            new = 0.5 * (low + high)
        if abs(new - at) <= 4e-16 * (1.0 + abs(at)):
            break
        at = new
    return Jump(x1, x2, at, gap, turn1, turn2, 0.0, 0.0)
