"""One weight: the log of its partition function in a field h, and the derivatives.

    binary, w = +-1:   log Z = log 2cosh h,   <w> = tanh h,   <w^2> - <w>^2 = sech^2 h

log Z is analytic but for branch points at h = i pi/2 (odd multiples), where cosh vanishes.  Spherical weights see the same
Gaussian field in all directions at once: their entropic terms are closed forms, and stand with the equations that use them.
"""

import math

from flatphys._jit import inlined, jit
from flatphys.numerics.vector import decay, exp, log1p, select

BRANCH_POINT = 0.5 * math.pi  # distance of the nearest singularity of log 2cosh from the real axis


@inlined
def binary_beside(h):
    """(log 2cosh h - |h|, tanh |h|, sech^2 h, 1 - tanh h): each to full relative accuracy, one exponential for all."""
    e, rest = decay(-2.0 * abs(h))
    inv = 1.0 / (1.0 + e)
    return log1p(e), rest * inv, 4.0 * e * inv * inv, select(h > 0.0, 2.0 * e, 2.0) * inv


@inlined
def binary(h):
    """(log 2cosh h, tanh |h|, sech^2 h, 1 - tanh h)."""
    excess, t, s2, below_one = binary_beside(h)
    return abs(h) + excess, t, s2, below_one


@inlined
def mean(h):
    """tanh h to absolute accuracy, with one exponential."""
    return 1.0 - 2.0 / (1.0 + exp(2.0 * h))


@jit
def chances(h):
    """(P(w = -1), P(w = +1)) in the field h, each to full relative accuracy."""
    e = math.exp(2.0 * h)
    down = 1.0 / (1.0 + e)
    return down, e * down if e < 1.0 else 1.0 / (1.0 + 1.0 / e)
