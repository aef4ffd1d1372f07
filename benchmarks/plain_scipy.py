"""The equilibrium equations as one would write them in an afternoon: quad inside root finders.

Both functions return what `flatphys.solve` reports: order parameters, free entropy, train error, replicon
(flatphys adds a residual and a quadrature error, which the plain version cannot give).
"""

import math

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq, root
from scipy.special import log_ndtr


def gauss(function):
    """Int Dz function(z), by adaptive quadrature."""
    return quad(
        lambda z: math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) * function(z), -10.0, 10.0, epsabs=1e-13, epsrel=1e-12, limit=200
    )[0]


def log_f(x, beta):
    """log of e^-beta + (1 - e^-beta) H(x)."""
    return log_ndtr(-x) if beta == math.inf else np.logaddexp(-beta, math.log(-math.expm1(-beta)) + log_ndtr(-x))


def slope(x, beta):
    """-d log f / dx."""
    log_g = -0.5 * x * x - 0.5 * math.log(2.0 * math.pi) + (0.0 if beta == math.inf else math.log(-math.expm1(-beta)))
    return math.exp(log_g - log_f(x, beta))


def random_labels(weights, kappa, beta, alpha):
    """(q, free entropy, train error, replicon) with random labels: a bracketed root in q."""

    def conjugate(q):
        v = 1.0 - q
        return alpha * gauss(lambda z: slope((kappa - math.sqrt(q) * z) / math.sqrt(v), beta) ** 2) / v

    def gap(q):
        if weights == "spherical":
            return q / (1.0 - q) ** 2 - conjugate(q)
        root_q = math.sqrt(conjugate(q))
        return q - gauss(lambda z: math.tanh(root_q * z) ** 2)

    q = brentq(gap, 1e-9, 0.9, xtol=1e-14, rtol=1e-14)
    v = 1.0 - q
    x = lambda z: (kappa - math.sqrt(q) * z) / math.sqrt(v)
    energetic = gauss(lambda z: log_f(x(z), beta))
    error = 0.0 if beta == math.inf else gauss(lambda z: math.exp(-beta + log_ndtr(x(z)) - log_f(x(z), beta)))
    curvature = gauss(lambda z: (slope(x(z), beta) * (x(z) - slope(x(z), beta))) ** 2)
    if weights == "spherical":
        return q, 0.5 * (math.log(v) + q / v) + alpha * energetic, error, 1.0 - alpha * curvature
    root_q = math.sqrt(conjugate(q))
    entropic = gauss(lambda z: np.logaddexp(root_q * z, -root_q * z)) - 0.5 * root_q**2 * v
    fourth = gauss(lambda z: math.cosh(root_q * z) ** -4)
    return q, entropic + alpha * energetic, error, 1.0 - alpha * curvature / v**2 * fourth


def teacher_binary(kappa, alpha, guess):
    """(q, R, free entropy, replicon) of binary weights with a teacher, hard constraints: a two-dimensional root."""

    def conjugates(q, r):
        v, t = 1.0 - q, math.sqrt(q - r * r)
        x = lambda z: (kappa - math.sqrt(q) * z) / math.sqrt(v)
        q_hat = 2.0 * alpha * gauss(lambda z: math.exp(log_ndtr(r * z / t)) * slope(x(z), math.inf) ** 2) / v
        r_hat = (
            2.0
            * alpha
            * math.sqrt(q)
            / t
            * gauss(lambda z: math.exp(-0.5 * (r * z / t) ** 2) / math.sqrt(2.0 * math.pi) * slope(x(z), math.inf))
            / math.sqrt(v)
        )
        return v, r / t, x, q_hat, r_hat, lambda z: math.sqrt(q_hat) * z + r_hat

    def equations(y):
        *_, h = conjugates(*y)
        return [y[0] - gauss(lambda z: math.tanh(h(z)) ** 2), y[1] - gauss(lambda z: math.tanh(h(z)))]

    q, r = root(equations, guess, tol=1e-12).x
    v, k, x, q_hat, r_hat, h = conjugates(q, r)
    weight = lambda z: 2.0 * math.exp(log_ndtr(k * z))
    free = (
        -r * r_hat
        - 0.5 * q_hat * v
        + gauss(lambda z: np.logaddexp(h(z), -h(z)))
        + alpha * gauss(lambda z: weight(z) * log_f(x(z), math.inf))
    )
    curvature = gauss(lambda z: weight(z) * (slope(x(z), math.inf) * (x(z) - slope(x(z), math.inf))) ** 2)
    return q, r, free, 1.0 - alpha * curvature / v**2 * gauss(lambda z: math.cosh(h(z)) ** -4)
