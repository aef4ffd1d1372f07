"""Scalar functions of the Gaussian law at full double precision, for every argument and without a branch (`numerics.vector`).

G is the standard normal density, H its upper tail, m = G/H the inverse Mills ratio.  All follow from one polynomial,

    m(x) - x = r MILLS(8 r - 1),   r = 1/(4 + x),   x >= 0

so that m(x) (m(x) - x), the curvature of log H, keeps its digits where m(x) and x agree to fifteen of them.
"""

import math

from flatphys._jit import inlined, jit
from flatphys.numerics.coefficients import MILLS
from flatphys.numerics.vector import exp, fma, log, log1p, polynomial, select

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
FARTHEST = 1e300  # in place of an infinite argument, where infinity would meet zero
_mills_polynomial = polynomial("_mills_polynomial", MILLS, 4)


@inlined
def density(x):
    """G(x) = exp(-x^2/2) / sqrt(2 pi); the rounding of x^2, which the exponential would amplify, is made good."""
    square = x * x
    lost = select(square < 1e300, fma(x, x, -square), 0.0)
    g = INV_SQRT_2PI * exp(-0.5 * square)
    return fma(g, -0.5 * lost, g)


@inlined
def mills_excess(x):
    """m(x) - x for x >= 0, without cancellation (about 1/x for large x)."""
    r = 1.0 / (4.0 + x)
    return r * _mills_polynomial(fma(8.0, r, -1.0))


@inlined
def ratio(x):
    """(m, m - x) at x: the inverse Mills ratio and its excess over x."""
    e = mills_excess(abs(x))
    left = x < 0.0
    above, g = select(left, min(-x, FARTHEST), x) + e, density(x)
    below = g * above / (above - g)  # 1 - H(-x) = 1 - g/m(|x|)
    return select(left, below, above), select(left, below - x, e)


@inlined
def tail(x):
    """H(x) = P(g > x), to full relative accuracy for either sign."""
    a = abs(x)
    h = density(x) / (a + mills_excess(a))
    return select(x < 0.0, 1.0 - h, h)


@inlined
def mills(x):
    """(m, m - x, log H) at x: the inverse Mills ratio, its excess over x, the log of the tail."""
    a = abs(x)
    e = mills_excess(a)
    above = a + e
    g = density(x)
    left = x < 0.0
    h = g / above  # H(|x|)
    w = select(left, 1.0 - h, above)
    inverse, log_w = 1.0 / w, log(w)
    below = g * inverse
    log_h = select(left, fma((1.0 - w) - h, inverse, log_w), fma(-0.5 * x, x, -LOG_SQRT_2PI) - log_w)
    return select(left, below, above), select(left, below - x, e), log_h


@jit
def log_tail(x):
    """log H(x), without underflow."""
    return mills(x)[2]


@inlined
def log_2cosh(x):
    """log(2 cosh x), without overflow."""
    a = abs(x)
    return a + log1p(exp(-2.0 * a))


@inlined
def logistic(x):
    """1 / (1 + e^-x), to full relative accuracy for either sign."""
    e = exp(-abs(x))
    return select(x >= 0.0, 1.0, e) / (1.0 + e)
