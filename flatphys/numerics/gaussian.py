"""Scalar functions of the Gaussian law at full double precision, for every argument.

G is the standard normal density, H its upper tail, m = G/H the inverse Mills ratio.  All follow
from one table of m(x) - x (see `mills_table`), so that m(x) (m(x) - x), the curvature of log H,
keeps its digits where m(x) and x agree to fifteen of them.
"""

import math

from flatphys._jit import inlined, jit
from flatphys.numerics.mills_table import PIECES, TABLE

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)


@jit
def density(x):
    """G(x) = exp(-x^2/2) / sqrt(2 pi)."""
    return INV_SQRT_2PI * math.exp(-0.5 * x * x)


@inlined
def mills_excess(x):
    """m(x) - x for x >= 0, without cancellation (about 1/x for large x)."""
    s = PIECES * 4.0 / (4.0 + x)
    i = int(s)
    if i >= PIECES:
        i = PIECES - 1
    u = 2.0 * (s - i) - 1.0
    c = TABLE[i]
    p = c[8]
    p = p * u + c[7]
    p = p * u + c[6]
    p = p * u + c[5]
    p = p * u + c[4]
    p = p * u + c[3]
    p = p * u + c[2]
    p = p * u + c[1]
    p = p * u + c[0]
    return p / (4.0 + x)


@jit
def tail(x):
    """H(x) = P(g > x), to full relative accuracy for either sign."""
    if x >= 0.0:
        return density(x) / (x + mills_excess(x))
    return 1.0 - density(x) / (mills_excess(-x) - x)


@inlined
def mills(x):
    """(m, m - x, log H) at x: the inverse Mills ratio, its excess over x, the log of the tail."""
    if x >= 0.0:
        d = mills_excess(x)
        m = x + d
        return m, d, -0.5 * x * x - LOG_SQRT_2PI - math.log(m)
    g = density(x)
    opposite = g / (mills_excess(-x) - x)  # H(-x)
    m = g / (1.0 - opposite)
    return m, m - x, math.log1p(-opposite)


@jit
def log_tail(x):
    """log H(x), without underflow."""
    return mills(x)[2]


@jit
def log_2cosh(x):
    """log(2 cosh x), without overflow."""
    a = abs(x)
    return a + math.log1p(math.exp(-2.0 * a))


@inlined
def logistic(x):
    """1 / (1 + exp(-x)), to full relative accuracy for either sign."""
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)
