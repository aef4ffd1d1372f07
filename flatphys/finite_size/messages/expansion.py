"""log f of one pattern in the neighbourhood that its N messages see, as a polynomial: two Horner sums for a message, no logarithms.

The messages of a pattern ask for log f at omega = w - (x_i m_i -+ x_i)/sqrt N and V - x_i^2 (1-m_i^2)/N, all within O(1/sqrt N) of w and
O(1/N) of V.  Where errors are counted or forbidden f depends on x = (kappa - omega)/sqrt V alone, which is scaled to [-1, 1] here;
Chebyshev's interpolation has the error of the first coefficient left out.  The last ones that are kept decide whether the polynomial may
stand for log f: where it turns faster than that (small N, cold errors), and for other energies, the caller asks the channel itself.
"""

import math

import numpy as np
from numpy.polynomial import chebyshev

from flatphys._jit import inlined, jit
from flatphys.kernels.channels import channel

DEGREE = 14
ENOUGH = 1e-13  # of the last two coefficients kept: the error is smaller again by the factor that they fall by


def _transforms():
    """(Chebyshev's nodes, matrix from values there to the series, matrix from the series to powers).

    In two steps: the second has entries of 10^4, and the series has fallen by more where they stand.
    """
    k, angles = np.arange(DEGREE + 1), math.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1)
    series = np.where(k == 0, 1.0, 2.0)[:, None] / (DEGREE + 1) * np.cos(k[:, None] * angles)
    powers = np.zeros((DEGREE + 1, DEGREE + 1))
    for column in k:
        powers[: column + 1, column] = chebyshev.cheb2poly(np.eye(DEGREE + 1)[column][: column + 1])
    return np.cos(angles), series, powers


NODES, SERIES, POWERS = _transforms()


@jit
def expand(ch, x, half, narrow, wide, values, out):
    """Fills the coefficients (DEGREE + 1,) of log f, but for a constant, on x +- half; True where they are enough.

    For sqrt V from `narrow` to `wide`; `values` (DEGREE + 1,) is room.
    """
    if channel(ch, x, narrow)[0] != channel(ch, x, wide)[0]:
        return False
    for j in range(DEGREE + 1):
        values[j] = channel(ch, x + half * NODES[j], wide)[0]
    middle = values[DEGREE // 2]  # messages are differences
    size, left = 1.0 + abs(middle), 0.0
    for j in range(DEGREE + 1):
        values[j] -= middle
    out[:] = 0.0
    for k in range(DEGREE + 1):
        one = 0.0
        for j in range(DEGREE + 1):
            one += SERIES[k, j] * values[j]
        for a in range(k + 1):
            out[a] += POWERS[a, k] * one
        if k >= DEGREE - 1:
            left = max(left, abs(one))
    return left <= ENOUGH * size


@inlined
def horner(c, s):
    """sum_a c_a s^a."""
    p = c[14]
    p = p * s + c[13]
    p = p * s + c[12]
    p = p * s + c[11]
    p = p * s + c[10]
    p = p * s + c[9]
    p = p * s + c[8]
    p = p * s + c[7]
    p = p * s + c[6]
    p = p * s + c[5]
    p = p * s + c[4]
    p = p * s + c[3]
    p = p * s + c[2]
    p = p * s + c[1]
    return p * s + c[0]
