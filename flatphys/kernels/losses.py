"""Convex losses of a margin t, chosen by integer code inside compiled loops.

A loss l(t) enters the theory of its minimiser through the proximal map alone: a pattern whose cavity
margin is omega ends at

    t = prox_{c l}(omega) = argmin_t (t - omega)^2/(2 c) + l(t),        omega = t + c l'(t),

and what the saddle-point equations need of it is the response

    f = (t - omega)/c = -l'(t),      k = -df/d omega = l''(t)/(1 + c l''(t)).

At a kink of l the first form of f holds: any subgradient is available there.

To add a loss, write its block below (`<name>_point`, `<name>_response`, `<name>_features`), give it
the next code in `kernels.codes`, one line in each of the three ladders, its name in `model.LOSSES` and `CODES`, and its flags in
`kernels.traits`.  Nothing else in flatphys needs to know.  A loss of one's own without touching the package is a `CustomLoss`.
A loss whose `sigma` is positive is averaged over noise on the margin (`kernels.smoothed`).

Source of the averages that use these: Mignacco, Krzakala, Lu, Urbani & Zdeborova, ICML 2020.
"""

import math

from flatphys._jit import jit
from flatphys.kernels.codes import HINGE, LOGISTIC, SQUARE, SQUARED_HINGE, Loss
from flatphys.kernels.smoothed import smoothed_point, smoothed_response
from flatphys.model_losses import LOSSES, Smoothed

CODES = {name: Loss(code, 0.0) for name, code in zip(LOSSES, (SQUARE, LOGISTIC, HINGE, SQUARED_HINGE), strict=True)}

# What `features` says about the response.
ANALYTIC, KINKED, UNKNOWN = 0, 1, 2


def coded(loss, spread: float = 1.0) -> Loss:
    """A built-in loss as the kernels want it; `spread` is the width of the patterns' components, which smoothing scales with."""
    if isinstance(loss, Smoothed):
        return Loss(CODES[loss.loss].code, loss.sigma * spread)
    return CODES[loss]


# --- square: (1-t)^2 / 2 ----------------------------------------------------------------------------
@jit
def square_point(t):
    """(l, l', l'') at t."""
    return 0.5 * (1.0 - t) * (1.0 - t), t - 1.0, 1.0


@jit
def square_response(e, c):
    """(t, f, k, l) of a cavity margin 1 - e."""
    f = e / (1.0 + c)
    return 1.0 - f, f, 1.0 / (1.0 + c), 0.5 * f * f


@jit
def square_features(c):
    """The response is linear."""
    return ANALYTIC, 0.0, math.inf, 0.0, math.inf


# --- logistic: log(1 + e^-t) ------------------------------------------------------------------------
@jit
def logistic_point(t):
    """(l, l', l'') at t, to full relative accuracy for either sign."""
    e = math.exp(-abs(t))
    small, large = e / (1.0 + e), 1.0 / (1.0 + e)
    if t >= 0.0:
        return math.log1p(e), -small, small * large
    return math.log1p(e) - t, -large, small * large


@jit
def logistic_response(e, c):
    """(t, f, k, l) of a cavity margin 1 - e.

    t - c/(1 + e^t) = omega is increasing, and concave for t > 0; the reflection t -> -t,
    omega -> -omega - c gives the other half.  Halley's method, from a start that solves
    t - omega = c e^-t by an approximation of Lambert's function; should it not have settled soon,
    Newton's method, which climbs to the root of a concave function from below.
    """
    omega = 1.0 - e
    reflected = omega < -0.5 * c
    o = -omega - c if reflected else omega
    lz = math.log(c) - o if c > 0.0 else -math.inf
    log1pz = lz if lz > 36.0 else math.log1p(math.exp(lz))
    t = max(0.0, o + log1pz * (1.0 - math.log1p(log1pz) / (2.0 + log1pz)))
    small = large = decay = 0.0
    for i in range(80):
        decay = math.exp(-t)
        large = 1.0 / (1.0 + decay)
        small = decay * large
        gap = t - c * small - o
        slope = 1.0 + c * small * large
        step = gap / slope
        if i < 6:
            step /= 1.0 + 0.5 * step * c * small * large * (large - small) / slope
        t -= step
        if t < 0.0:  # a long step, or rounding
            t = 0.0
        if abs(step) <= (2e-6 if i < 6 else 1e-8) * (1.0 + t):  # the next step would be below rounding
            break
    decay = math.exp(-t)
    large = 1.0 / (1.0 + decay)
    small = decay * large
    loss = math.log1p(decay)
    curvature = small * large
    k = curvature / (1.0 + c * curvature)
    if reflected:
        return -t, large, k, loss + t
    return t, small, k, loss


@jit
def logistic_features(c):
    """Branch points where 1 + c l''(t) = 0: t = i pi +- 2a, sinh a = sqrt(c)/2, all at Im omega = +-pi."""
    half = 0.5 * math.sqrt(c)
    two_a = 2.0 * math.asinh(half)
    up = math.expm1(two_a)
    return ANALYTIC, 1.0 - two_a - up / (1.0 + up), math.pi, 1.0 + two_a + up, math.pi


# --- hinge: max(0, 1-t) -----------------------------------------------------------------------------
@jit
def hinge_point(t):
    """(l, l', l'') at t; at the kink the derivative from the right, the curvature's point mass left out."""
    if t < 1.0:
        return 1.0 - t, -1.0, 0.0
    return 0.0, 0.0, 0.0


@jit
def hinge_response(e, c):
    """(t, f, k, l) of a cavity margin 1 - e: free above 1, held at 1, or moved by c."""
    if e <= 0.0:
        return 1.0 - e, 0.0, 0.0, 0.0
    if e < c:
        return 1.0, e / c, 1.0 / c, 0.0
    return 1.0 - e + c, 1.0, 0.0, e - c


@jit
def hinge_features(c):
    """Kinks at both ends of the interval that is held at t = 1."""
    return KINKED, c, 0.0, 0.0, 0.0


# --- squared hinge: max(0, 1-t)^2 / 2 ---------------------------------------------------------------
@jit
def squared_hinge_point(t):
    """(l, l', l'') at t; at t = 1 the curvature from the right."""
    if t < 1.0:
        return square_point(t)
    return 0.0, 0.0, 0.0


@jit
def squared_hinge_response(e, c):
    """(t, f, k, l) of a cavity margin 1 - e."""
    if e > 0.0:
        return square_response(e, c)
    return 1.0 - e, 0.0, 0.0, 0.0


@jit
def squared_hinge_features(c):
    """One kink."""
    return KINKED, 0.0, 0.0, 0.0, 0.0


# --- the ladders ------------------------------------------------------------------------------------
@jit
def point(loss, t):
    """(l, l', l'') of the loss with this code at margin t."""
    if loss.sigma > 0.0:
        return smoothed_point(loss, t)
    if loss.code == SQUARE:
        return square_point(t)
    if loss.code == LOGISTIC:
        return logistic_point(t)
    if loss.code == HINGE:
        return hinge_point(t)
    if loss.code == SQUARED_HINGE:
        return squared_hinge_point(t)
    return math.nan, math.nan, math.nan


@jit
def response(loss, e, c):
    """(t, f, k, l): the margin after training, f = (t-omega)/c, k = -df/d omega, and the loss at t.

    The cavity margin is given as e = 1 - omega, so that losses with a kink at 1 keep their digits
    when all margins crowd there; c >= 0.
    """
    if loss.sigma > 0.0:
        return smoothed_response(loss, e, c)
    if loss.code == SQUARE:
        return square_response(e, c)
    if loss.code == LOGISTIC:
        return logistic_response(e, c)
    if loss.code == HINGE:
        return hinge_response(e, c)
    if loss.code == SQUARED_HINGE:
        return squared_hinge_response(e, c)
    return math.nan, math.nan, math.nan, math.nan


@jit
def features(loss, c):
    """(kind, p1, w1, p2, w2): where the response, as a function of e, is not smooth.

    ANALYTIC: nearest singularities at p +- i w.  KINKED: f has kinks at p1 >= p2, is a
    polynomial above and between them, and vanishes with l below p2.  UNKNOWN: the quadrature has to find out.
    """
    if loss.sigma > 0.0:
        return UNKNOWN, math.nan, math.nan, math.nan, math.nan
    if loss.code == SQUARE:
        return square_features(c)
    if loss.code == LOGISTIC:
        return logistic_features(c)
    if loss.code == HINGE:
        return hinge_features(c)
    if loss.code == SQUARED_HINGE:
        return squared_hinge_features(c)
    return UNKNOWN, math.nan, math.nan, math.nan, math.nan


@jit
def proximal(loss, omega, c):
    """argmin over t of (t - omega)^2/(2 c) + l(t)."""
    return response(loss, 1.0 - omega, c)[0]


@jit
def untrain(loss, t, c, omega, jacobian):
    """The way back, for arrays: omega = t + c l'(t) and d omega/dt = 1 + c l''(t)."""
    for i in range(t.size):
        _, slope, curvature = point(loss, t[i])
        omega[i] = t[i] + c * slope
        jacobian[i] = 1.0 + c * curvature


@jit
def bends(loss, t, curvature):
    """l''(t) for arrays."""
    for i in range(t.size):
        curvature[i] = point(loss, t[i])[2]


@jit
def slopes(loss, t, slope):
    """l'(t) for arrays."""
    for i in range(t.size):
        slope[i] = point(loss, t[i])[1]
