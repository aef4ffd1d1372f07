"""Losses averaged over Gaussian noise on the margin, l_sigma(t) = E l(t + sigma z): values, slopes, curvatures, proximal maps.

With the shortfall s = 1 - t and u = s/sigma,

    square          (s^2 + sigma^2)/2                      -l' = s                         l'' = 1
    hinge           sigma [u Phi(u) + G(u)]                -l' = Phi(u)                    l'' = G(u)/sigma
    squared hinge   sigma^2 [(1+u^2) Phi(u) + u G(u)]/2    -l' = sigma [u Phi(u) + G(u)]   l'' = Phi(u)

Logistic: outside its kink at x = 0, log(1 + e^-x) = max(0, -x) + sum_k (-1)^(k+1) e^(-k|x|)/k, and the noise turns each exponential
into a tail.  With tau = t/sigma >= 0 (negative t by reflection) and M = H/G,

    E_k = E[e^(-kx); x > 0] = G(tau) M(k sigma - tau),        F_k = E[e^(kx); x < 0] = G(tau) M(k sigma + tau)

    l   = sigma [G(tau) - tau H(tau)] + sum_k (-1)^(k+1) (E_k + F_k)/k
    -l' = H(tau)                      + sum_k (-1)^(k+1) (E_k - F_k)
    l'' =                               sum_k (-1)^(k+1) (E_k + F_k) k

The sums alternate and their terms are moments of a positive measure on [0, 1], so that weights made of a Chebyshev polynomial sum
them: the error falls like 5.8^-TERMS, whatever sigma and t are.
Source of the summation: Cohen, Rodriguez Villegas & Zagier, Experimental Mathematics 9 (2000) 3, algorithm 1.
"""

import math

import numpy as np

from flatphys._jit import jit
from flatphys.kernels.codes import HINGE, LOGISTIC, SQUARE, SQUARED_HINGE
from flatphys.numerics.gaussian import density, mills_excess, tail

TERMS = 24


def _weights(terms: int) -> np.ndarray:
    """c_k with sum_k (-1)^k a_k = sum_k c_k a_k to within 5.8^-terms, for moments a_k."""
    whole = (3.0 + math.sqrt(8.0)) ** terms
    whole = 0.5 * (whole + 1.0 / whole)
    out, b, c = np.empty(terms), -1.0, -whole
    for k in range(terms):
        c = b - c
        out[k] = c / whole
        b *= (k + terms) * (k - terms) / ((k + 0.5) * (k + 1.0))
    return out


WEIGHTS = _weights(TERMS)


@jit
def _share(tau, g, shift):
    """G(tau) M(shift - tau) for shift >= 0 and g = G(tau), without overflow."""
    y = shift - tau
    if y >= 0.0:
        return g / (y + mills_excess(y))
    return math.exp(shift * (0.5 * shift - tau)) * tail(y)


@jit
def _logistic(t, sigma):
    """(l, l', l'')."""
    tau = abs(t) / sigma
    g = density(tau)
    value = force = bend = 0.0
    for i in range(TERMS):
        k = i + 1.0
        near, far = _share(tau, g, k * sigma), g / (k * sigma + tau + mills_excess(k * sigma + tau))
        value += WEIGHTS[i] * (near + far) / k
        force += WEIGHTS[i] * (near - far)
        bend += WEIGHTS[i] * (near + far) * k
    rest = mills_excess(tau)
    value += sigma * g * rest / (tau + rest)
    force += tail(tau)
    if t >= 0.0:
        return value, -force, bend
    return value - t, force - 1.0, bend


@jit
def _ramp(u):
    """u Phi(u) + G(u), to full relative accuracy for either sign."""
    if u >= 0.0:
        return u * tail(-u) + density(u)
    rest = mills_excess(-u)
    return density(u) * rest / (rest - u)


@jit
def _half_parabola(u):
    """[(1 + u^2) Phi(u) + u G(u)]/2."""
    if u >= 0.0:
        return 0.5 * ((1.0 + u * u) * tail(-u) + u * density(u))
    rest = mills_excess(-u)
    return 0.5 * density(u) * (1.0 + u * rest) / (rest - u)


@jit
def smoothed_point(loss, t):
    """(l, l', l'') of a loss with sigma > 0 at margin t."""
    sigma, s = loss.sigma, 1.0 - t
    u = s / sigma
    if loss.code == SQUARE:
        return 0.5 * (s * s + sigma * sigma), -s, 1.0
    if loss.code == LOGISTIC:
        return _logistic(t, sigma)
    if loss.code == HINGE:
        return sigma * _ramp(u), -tail(-u), density(u) / sigma
    if loss.code == SQUARED_HINGE:
        return sigma * sigma * _half_parabola(u), -sigma * _ramp(u), tail(-u)
    return math.nan, math.nan, math.nan


@jit
def smoothed_response(loss, e, c):
    """(t, f, k, l) of a cavity margin 1 - e: Newton's method on s + c l'(1-s) = e, kept inside a bracket.

    -l' rises with the shortfall s, so that the root lies between e and e + c l'(1 - e).
    """
    if loss.code == SQUARE:
        s = e / (1.0 + c)
        return 1.0 - s, s, 1.0 / (1.0 + c), 0.5 * (s * s + loss.sigma * loss.sigma)
    high = e
    value, slope, bend = smoothed_point(loss, 1.0 - e)
    low = e + c * slope
    s, previous = e, high - low
    for _ in range(100):
        gap = s - c * slope - e
        if gap > 0.0:
            high = s
        else:
            low = s
        new = s - gap / (1.0 + c * bend)
        if not low < new < high or abs(new - s) > 0.5 * previous:  # Newton's method alone can cycle
            new = 0.5 * (low + high)
        previous = abs(new - s)
        s = new
        value, slope, bend = smoothed_point(loss, 1.0 - s)
        if previous <= 1e-9 * (abs(s) + loss.sigma) and abs(s - c * slope - e) <= 4e-16 * (abs(s) + abs(c * slope) + abs(e)):
            break
        if previous <= 2e-16 * (abs(s) + abs(e)) or high - low <= 2e-16 * abs(s):
            break
    return 1.0 - s, -slope, bend / (1.0 + c * bend), value
