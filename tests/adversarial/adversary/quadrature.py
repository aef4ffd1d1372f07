"""Gaussian averages by panels that close in on whatever is sharp: numpy and scipy only, nothing of the solver."""

import math

import numpy as np
from scipy.special import erfcx, log_ndtr, ndtr

NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
EDGE = 39.0  # exp(-39^2/2) is below the smallest double
LOG_ROOT = 0.5 * math.log(2.0 * math.pi)


def panels(features, low=-EDGE, high=EDGE, widest=1.0):
    """(nodes, weights) on [low, high], with panels that double in width away from each (place, scale) of `features`."""
    edges = [np.linspace(low, high, 2 + int(min((high - low) / widest, 500)))]
    for place, scale in features:
        if not (math.isfinite(place) and scale > 0.0):
            continue
        steps = np.concatenate(([0.0], max(scale, 1e-14) * 0.5 * 2.0 ** np.arange(60)))
        near = np.concatenate((place - steps, place + steps))
        edges.append(near[(near > low) & (near < high)])
    edges = np.unique(np.concatenate(edges))
    half, middle = 0.5 * np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
    return (middle[:, None] + half[:, None] * NODES).ravel(), (half[:, None] * WEIGHTS).ravel()


def gaussian(features=()):
    """(z, weights) of the standard normal law."""
    z, w = panels(features)
    return z, w * np.exp(-0.5 * z * z - LOG_ROOT)


def mills(x):
    """G(x)/H(x)."""
    x = np.asarray(x, dtype=float)
    with np.errstate(over="ignore"):
        return math.sqrt(2.0 / math.pi) / erfcx(x / math.sqrt(2.0))


def density(x):
    """G(x)."""
    return np.exp(-0.5 * np.square(x) - LOG_ROOT)


def log_scaled(x, y):
    """log of e^(y^2/2 - x^2/2) H(y): the tail that is left of a tilted Gaussian, y = c - x."""
    safe = np.maximum(y, -20.0)
    close = -0.5 * x * x + np.log(0.5 * erfcx(safe / math.sqrt(2.0)))
    return np.where(y > -20.0, close, 0.5 * (y * y - x * x) + log_ndtr(-y))


def channel(energy, x, beta, sigma):
    """(log f, a = -d log f/dx) of a pattern at x = (kappa - omega)/sigma."""
    if beta == math.inf and energy != "square":
        return log_ndtr(-x), mills(x)
    if energy == "errors":
        fulfilled = math.log(-math.expm1(-beta)) + log_ndtr(-x)
        log_f = np.logaddexp(-beta, fulfilled) if beta > 1.0 else np.log1p(math.expm1(-beta) * ndtr(x))
        return log_f, mills(x) * np.exp(fulfilled - log_f)
    if energy == "hinge":
        c = beta * sigma
        second = log_scaled(x, c - x)
        log_f = np.logaddexp(log_ndtr(-x), second)
        return log_f, c * np.exp(second - log_f)
    c = beta * sigma * sigma
    r = math.sqrt(1.0 + c)
    if energy == "square":
        return -math.log(r) - c * x * x / (2.0 * r * r), c * x / (r * r)
    second = -math.log(r) - c * x * x / (2.0 * r * r) + log_ndtr(x / r)
    log_f = np.logaddexp(log_ndtr(-x), second)
    return log_f, c / (r * r) * (np.exp(-0.5 * x * x - LOG_ROOT - log_f) + x * np.exp(second - log_f))


def cost(energy, stability, margin):
    """Energy of a pattern."""
    short = np.maximum(0.0, margin - stability)
    return {
        "errors": (stability < margin) * 1.0,
        "hinge": short,
        "squared-hinge": 0.5 * short**2,
        "square": 0.5 * (margin - stability) ** 2,
    }[energy]


def correlation(activation, overlap, gap):
    """(c, 1 - c, c') of a hidden layer at overlap Q with 1 - Q = gap; None is the perceptron."""
    if activation is None:
        return overlap, gap, 1.0
    if activation == "sign":
        slope = 2.0 / math.pi / math.sqrt(gap * (1.0 + overlap)) if gap > 0.0 else math.inf
        return 2.0 / math.pi * math.asin(overlap), 4.0 / math.pi * math.asin(math.sqrt(0.5 * gap)), slope
    if activation == "erf":
        a = 2.0 / 3.0
        top, here = math.sqrt(1.0 - a * a), math.sqrt(1.0 - a * a * overlap * overlap)
        # asin(a) - asin(a Q) by the sine of the difference
        rest = math.asin(a * (here - overlap * top)) if gap > 0.0 else 0.0
        if 0.0 < gap < 1e-3:  # here - Q top = (here^2 - Q^2 top^2)/(here + Q top) = (1 - Q^2)/(...)
            rest = math.asin(a * gap * (1.0 + overlap) / (here + overlap * top))
        return math.asin(a * overlap) / math.asin(a), rest / math.asin(a), a / (math.asin(a) * here)
    angle = 2.0 * math.asin(math.sqrt(0.5 * gap))
    lost = (
        math.sin(angle) - angle * math.cos(angle)
        if angle > 0.1
        else angle**3 / 3.0 * (1.0 - angle**2 / 10.0 + angle**4 / 280.0 - angle**6 / 15120.0)
    )
    one_minus = (math.pi * gap - lost) / (math.pi - 1.0)
    return 1.0 - one_minus, one_minus, (math.pi - angle) / (math.pi - 1.0)
