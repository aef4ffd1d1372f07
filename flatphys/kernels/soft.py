"""One pattern of a Gibbs learner whose energy is logistic, log(1 + exp(-Delta)): no margin, no closed form, one sum.

Notation of `kernels.channels`, kappa = 0.  The measure of u, exp(-beta log(1 + e^(-sigma (u - x))) - u^2/2), is log-concave with a
curvature between 1 and 1 + beta sigma^2/4 and singular at no less than pi/sigma from the real axis: a trapezoid sum around its mode,
the proximal map of the loss at c = beta sigma^2.  With p = 1/(1 + e^Delta), by parts,

    a = beta sigma E[p],     b = beta sigma Cov(p, u),     mean = E[log(1 + e^-Delta)]

which keep their digits where beta or sigma is small and a, b nearly vanish.  Masses beyond a cut, and averages of functions that are no
smoother than a Gaussian tail of their own, are panels outwards from the cut.
"""

import math

import numpy as np

from flatphys._jit import jit
from flatphys.kernels.losses import logistic_response
from flatphys.numerics.gaussian import LOG_SQRT_2PI, tail

FAINT = 40.0  # an integrand e^-40 below its maximum is left out
STEEPEST = 0.55  # step in units of the narrowest width: an error of e^-60
EVERYTHING = (-40.0, 0.0)  # the line of a tail that is 1
FREE_STEP, HELD_STEP = 0.36, 4.5  # the step in units of 1/sigma: singularities at pi, where the integrand grows as cos(1.3)^-beta
H_ZERO_RE = -1.916  # as in `kernels.channels`
ORDER = 16
_X, _W = np.polynomial.legendre.leggauss(ORDER)
LEGENDRE_X, LEGENDRE_W = _X.copy(), _W.copy()


@jit
def soft_step(beta, sigma):
    """Step in u of the trapezoid sum."""
    return min(STEEPEST / math.sqrt(1.0 + 0.25 * beta * sigma * sigma), FREE_STEP / sigma, HELD_STEP / (sigma * (1.0 + beta) ** 0.5))


@jit
def soft_mode(x, beta, sigma):
    """(u of the mode, exponent -beta l - u^2/2 there)."""
    p = logistic_response(1.0 + sigma * x, beta * sigma * sigma)[1]
    u = beta * sigma * p
    return u, -beta * soft_cost(-sigma * (u - x)) - 0.5 * u * u


@jit
def soft_cost(t):
    """log(1 + e^t) at t = -Delta."""
    return math.log1p(math.exp(-abs(t))) + max(t, 0.0)


@jit
def soft_sums(x, beta, sigma):
    """(log f, E p, Cov(p, u), mean energy, third central moment of u)."""
    u0, top = soft_mode(x, beta, sigma)
    delta0, h = sigma * (u0 - x), soft_step(beta, sigma)
    p0 = u0 / (beta * sigma)
    s_w = s_p = s_v = s_pv = s_l = s_vv = s_vvv = 0.0
    for side in range(2):
        sign = 1.0 - 2.0 * side
        j = side
        while True:
            v = sign * j * h
            delta = delta0 + sigma * v
            e = math.exp(-abs(delta))
            loss = math.log1p(e)
            if delta >= 0.0:
                p = e / (1.0 + e)
            else:
                p = 1.0 / (1.0 + e)
                loss -= delta
            exponent = -beta * loss - 0.5 * (u0 + v) * (u0 + v) - top
            if not exponent >= -FAINT:  # nan ends it too
                break
            w = math.exp(exponent)
            d = p - p0
            s_w += w
            s_p += w * d
            s_v += w * v
            s_pv += w * d * v
            s_l += w * loss
            s_vv += w * v * v
            s_vvv += w * v * v * v
            j += 1
    mean_d, mean_v, mean_vv = s_p / s_w, s_v / s_w, s_vv / s_w
    third = s_vvv / s_w - 3.0 * mean_vv * mean_v + 2.0 * mean_v * mean_v * mean_v
    return math.log(h * s_w) + top - LOG_SQRT_2PI, p0 + mean_d, s_pv / s_w - mean_d * mean_v, s_l / s_w, third


@jit
def soft_channel(x, beta, sigma):
    """(log f, a, b)."""
    log_f, p, cov, _, _ = soft_sums(x, beta, sigma)
    return log_f, beta * sigma * p, beta * sigma * cov


@jit
def soft_scalars(x, beta, sigma):
    """(share of Delta < 0, mean energy)."""
    log_f, _, _, loss, _ = soft_sums(x, beta, sigma)
    return soft_below(x, beta, sigma, log_f, x), loss


@jit
def soft_features(beta, sigma):
    """Zeros of f: those of H, farther off where the energy bends more slowly than the field is wide, and their mirror images.

    f(beta sigma - x) is f(x) but for a factor.  Measured at beta = 0.01 ... 100, sigma = 0.05 ... 10: 2.85 for sigma = 10, 3.0 to 4.1 for
    4, 3.5 to 4.9 for 2, and beyond pi/sigma, where the energy itself is singular, at every sigma.
    """
    im = max(2.8, math.pi / sigma)
    return H_ZERO_RE, im, beta * sigma - H_ZERO_RE, im


@jit
def _panel(u, sign, x, beta, sigma):
    """Length of a panel from u on: a few local widths, and no more than the singularity at u = x, pi/sigma off the axis, allows."""
    e = math.exp(-abs(sigma * (u - x)))
    bend = e / ((1.0 + e) * (1.0 + e)) if sign * (u - x) >= 0.0 else 0.25
    return min(3.0 / math.sqrt(1.0 + beta * sigma * sigma * bend), max(3.0 / sigma, abs(u - x)))


@jit
def _outwards(x, beta, sigma, cut, sign, line):
    """Integral of the measure times H(line[0] + line[1] u) from the cut to sign inf, times exp(-exponent at its mode)."""
    _, top = soft_mode(x, beta, sigma)
    offset, slope = line
    most = 2.5 / max(abs(slope), 1e-300)
    total, u = 0.0, cut
    while True:
        length = min(_panel(u, sign, x, beta, sigma), max(most, 0.8 * abs(u + offset / slope)) if slope != 0.0 else math.inf)
        last = 0.0
        for i in range(ORDER):
            v = u + sign * 0.5 * length * (1.0 + LEGENDRE_X[i])
            last = -beta * soft_cost(-sigma * (v - x)) - 0.5 * v * v - top
            total += 0.5 * length * LEGENDRE_W[i] * math.exp(last) * tail(offset + slope * v)
        u += sign * length
        if not last > -FAINT:
            return total, top


@jit
def soft_below(x, beta, sigma, log_f, cut):
    """P(u < cut), from the side that the mode does not lie on."""
    sign = 1.0 if cut > soft_mode(x, beta, sigma)[0] else -1.0
    total, top = _outwards(x, beta, sigma, cut, sign, EVERYTHING)
    mass = math.exp(top - LOG_SQRT_2PI - log_f) * total
    return 1.0 - mass if sign > 0.0 else mass


@jit
def soft_turned(x, beta, sigma, line):
    """E[H(line[0] + line[1] u)] in the measure of u."""
    u0, _ = soft_mode(x, beta, sigma)
    log_f = soft_sums(x, beta, sigma)[0]
    up, top = _outwards(x, beta, sigma, u0, 1.0, line)
    down, _ = _outwards(x, beta, sigma, u0, -1.0, line)
    return math.exp(top - LOG_SQRT_2PI - log_f) * (up + down)
