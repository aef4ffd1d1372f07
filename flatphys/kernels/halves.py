"""The two Gaussians that the measure of one pattern is cut from, at the margin (`kernels.channels`)."""

import math

from flatphys._jit import jit
from flatphys.kernels.codes import ERRORS, HINGE_ENERGY, SQUARE_ENERGY, SQUARED_HINGE_ENERGY


@jit
def half(ch, x, sigma, below):
    """(log A, mu, r) of the Gaussian that one side is cut from: exp(-beta energy) G(u) = A r G(r (u - mu)) for u < x (below) or u > x.

    Its mass beyond any u, and its moments, are closed forms; mu is linear in x.  A logistic energy has no such sides: nan.
    """
    if ch.energy == SQUARE_ENERGY or (below and ch.energy == SQUARED_HINGE_ENERGY):
        c = ch.beta * sigma * sigma
        r = math.sqrt(1.0 + c)
        return -math.log(r) - 0.5 * c / (1.0 + c) * x * x, c / (1.0 + c) * x, r
    if not below:
        return 0.0, 0.0, 1.0
    if ch.energy == ERRORS:
        return -ch.beta, 0.0, 1.0
    if ch.energy == HINGE_ENERGY:
        c = ch.beta * sigma
        return c * (0.5 * c - x), c, 1.0
    return math.nan, math.nan, math.nan
