"""The teacher's share of a pattern in the two-dimensional sums: an integral over the one field they do not resolve.

With u = c m + s e, eta = s m - c e (s^2 = 1-c^2) the teacher's field is Y = alpha - gamma e, alpha = tilt_z z + tilt_e s m,
gamma = tilt_e c, tilt_z = R/sqrt(qt v0), tilt_e = C/sqrt(B v0), and e > e0 = (k' - c m)/s.  Needed are

    J = Int_{e0} De H(-Y),     K = Int_{e0} De G(Y) = G(alpha/r)/r H(r e0 - alpha gamma/r),   r^2 = 1 + gamma^2

J is a bivariate normal probability.  gamma is small (the deviation of a counted weight from its reference knows
little of the teacher), and the series in it needs only the moments I_k = Int_{e0} De e^k:

    J = H(-alpha) I_0 - G(alpha) sum_{k>=1} gamma^k/k! He_{k-1}(alpha) I_k,   I_k = e0^(k-1) G(e0) + (k-1) I_{k-2}

For e0 > FAR the same series is taken around e = e0, alpha - gamma e0 for alpha, whose moments
Int_0^inf Dx x^k exp(-e0 x)/k! = T_k fall fast: T_{k+1} = T_k rho_k, rho_k = 1/(e0 + (k+2) rho_{k+1}) (continued fraction), or
(k+1) T_{k+1} = T_{k-1} - e0 T_k, whose errors grow like e0^k: nothing is lost where |gamma| e0 < FORWARD.
For e0 > 0 everything is returned times exp(e0^2/2), so that nothing underflows.
"""

import math

import numpy as np

from flatphys._jit import jit
from flatphys.numerics.gaussian import INV_SQRT_2PI, density, mills, tail

MOST_GAMMA = 0.3  # largest |gamma| for the series: terms that cancel grow like exp(gamma e0 alpha)
MOST_TERMS = 60
FAR = 2.0
FORWARD = 0.3
DEPTH = 20  # steps of the continued fraction before the first that is used


@jit
def _far_share(e0, alpha, gamma, i0):
    """J for e0 > FAR, by the series around e0."""
    g = density(alpha)
    if g == 0.0:
        return tail(-alpha) * i0
    if abs(gamma) * e0 < FORWARD:
        total, power, he_before, he = 0.0, gamma, 0.0, 1.0
        before, now = i0, INV_SQRT_2PI - e0 * i0
        for k in range(1, MOST_TERMS):
            term = power * he * now
            total += term
            if abs(power * now) <= 1e-18 * i0:
                break
            before, now = now, (before - e0 * now) / (k + 1)
            he_before, he = he, alpha * he - (k - 1) * he_before
            power *= gamma
        return tail(-alpha) * i0 - g * total
    terms = min(MOST_TERMS - DEPTH, 4 + int(-38.0 / math.log(abs(gamma)))) if abs(gamma) > 1e-8 else 3
    rho = np.empty(MOST_TERMS + 1)
    k = terms + DEPTH
    rho[k] = 0.5 * (math.sqrt(e0 * e0 + 4.0 * (k + 1.0)) - e0) / (k + 1.0)
    while k > 0:
        k -= 1
        rho[k] = 1.0 / (e0 + (k + 2.0) * rho[k + 1])
    total, size = 0.0, i0
    he_before, he = 0.0, 1.0
    for k in range(1, terms + 1):
        size *= gamma * rho[k - 1]
        total += he * size
        he_before, he = he, alpha * he - (k - 1) * he_before
    return tail(-alpha) * i0 - g * total


@jit
def half_line(e0, alpha, gamma):
    """(I_0, J, K) of the module's docstring, times exp(e0^2/2) for e0 > 0."""
    r = math.sqrt(1.0 + gamma * gamma)
    y = r * e0 - alpha * gamma / r
    if e0 > 0.0:
        edge = INV_SQRT_2PI
        i0 = INV_SQRT_2PI / mills(e0)[0]
        if y > 0.0:
            k_sum = INV_SQRT_2PI * density(alpha - gamma * e0) / (r * mills(y)[0])
        else:
            k_sum = INV_SQRT_2PI * math.exp(0.5 * (e0 * e0 - alpha * alpha / (r * r))) * tail(y) / r
    else:
        edge = density(e0)
        i0 = tail(e0)
        k_sum = density(alpha / r) / r * tail(y)
    j_sum = tail(-alpha) * i0
    if gamma == 0.0:
        return i0, j_sum, k_sum
    if e0 > FAR:
        return i0, _far_share(e0, alpha - gamma * e0, gamma, i0), k_sum
    g = density(alpha)
    if g == 0.0:
        return i0, j_sum, k_sum
    before, now = i0, edge  # I_{k-1}, I_k
    he_before, he = 0.0, 1.0  # He_{k-2}, He_{k-1}
    power, factor = edge, gamma
    quiet = 0
    for k in range(1, MOST_TERMS):
        term = g * factor * he * now
        j_sum -= term
        quiet = quiet + 1 if abs(term) <= 1e-18 * i0 else 0
        if quiet == 2:
            break
        power *= e0
        before, now = now, power + k * before
        he_before, he = he, alpha * he - (k - 1) * he_before
        factor *= gamma / (k + 1)
    return i0, j_sum, k_sum


@jit
def whole_line(alpha, gamma):
    """(J, K) for e0 = -inf."""
    r = math.sqrt(1.0 + gamma * gamma)
    return tail(-alpha / r), density(alpha / r) / r
