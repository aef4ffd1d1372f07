"""Smooth losses of a margin in mpmath: value, slope and curvature, as they are and averaged over Gaussian noise.

With s = 1 - t, u = s/sigma and the normal law's Phi and G, noise of width sigma makes of

    square          (s^2 + sigma^2)/2
    hinge           s Phi(u) + sigma G(u)                           slope -Phi(u)                     curvature G(u)/sigma
    squared hinge   [(s^2 + sigma^2) Phi(u) + s sigma G(u)]/2       slope -[s Phi(u) + sigma G(u)]    curvature Phi(u)
    logistic        Int Dz log(1 + e^-(t + sigma z)), by a trapezoid sum: its poles lie pi/sigma off the axis
"""

import mpmath as mp

from flatphys.errors import InvalidInput
from flatphys.model import Smoothed
from flatphys.precise.quadrature import density


def square(t, sigma):
    """(l, l', l'')."""
    return ((1 - t) ** 2 + sigma**2) / 2, t - 1, mp.mpf(1)


def hinge(t, sigma):
    """(l, l', l''), sigma > 0."""
    s, u = 1 - t, (1 - t) / sigma
    below, g = mp.ncdf(u), density(u)
    return s * below + sigma * g, -below, g / sigma


def squared_hinge(t, sigma):
    """(l, l', l''), sigma > 0."""
    s, u = 1 - t, (1 - t) / sigma
    below, g = mp.ncdf(u), density(u)
    return ((s * s + sigma**2) * below + s * sigma * g) / 2, -(s * below + sigma * g), below


def logistic(t):
    """(l, l', l'')."""
    e = mp.exp(-abs(t))
    small, large = e / (1 + e), 1 / (1 + e)
    return mp.log1p(e) + max(-t, 0), -small if t > 0 else -large, small * large


class NoisyLogistic:
    """The logistic loss averaged over noise: nodes are kept for the digits at which they were made."""

    def __init__(self, sigma):
        self._sigma, self._dps, self._nodes = sigma, None, []

    def __call__(self, t):
        if self._dps != mp.mp.dps:
            self._dps, length = mp.mp.dps, (mp.mp.dps + 5) * mp.log(10)
            reach = mp.sqrt(2 * length) + 1
            h = 2 * mp.pi / max(mp.sqrt(2 * length), length * self._sigma / mp.pi)
            steps = [h * k for k in range(-int(reach / h), int(reach / h) + 1)]
            self._nodes = [(self._sigma * z, h * density(z)) for z in steps]
        columns = zip(*([weight * value for value in logistic(t + shift)] for shift, weight in self._nodes))
        return tuple(mp.fsum(column) for column in columns)


def smooth_loss(loss, spread):
    """((t) -> (l, l', l''), place, width): the loss, and where it varies; the noise's width is sigma times `spread`."""
    name, sigma = (loss.loss, mp.mpf(loss.sigma) * spread) if isinstance(loss, Smoothed) else (loss, mp.mpf(0))
    if name == "square":
        return lambda t: square(t, sigma), mp.mpf(1), mp.inf
    if name == "logistic":
        return (NoisyLogistic(sigma) if sigma else logistic), mp.mpf(0), mp.pi + sigma
    if name in ("hinge", "squared-hinge") and sigma:
        form = hinge if name == "hinge" else squared_hinge
        return lambda t: form(t, sigma), mp.mpf(1), 2 * sigma
    raise InvalidInput(f"loss must be 'square' or 'logistic' or a smoothed one for flatphys.precise, got {loss!r}")
