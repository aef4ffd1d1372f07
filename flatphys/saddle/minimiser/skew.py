"""The law of a cavity margin on teacher data: a skew normal, mirrored with the probability of a flip.

x has the density 2 G(x) [eta + (1 - 2 eta) Phi(tau x)]: the stability, in units of |w|/sqrt N, of a new
example under weights whose angle to the teacher has the cotangent tau (Azzalini 1985; with Owen's T
function P(x <= u) = Phi(u) - 2 (1 - 2 eta) T(u, tau), which loses its digits in the lower tail).
"""

import math

import numpy as np

from flatphys._jit import jit
from flatphys.numerics.gaussian import density, tail
from flatphys.numerics.quadrature import LEGENDRE_W, LEGENDRE_X, ORDER

PANELS = 8


@jit
def corner(h, a):
    """2 Int_h^inf G(x) H(a x) dx for h >= 0, a >= 0, to full relative accuracy."""
    one = 1.0 + a * a
    rate = h * one
    width = 1.5 / math.sqrt(one)
    if width * rate > 5.0:
        width = 5.0 / rate
    total = 0.0
    for panel in range(PANELS):
        for i in range(ORDER):
            x = h + width * (panel + 0.5 * (1.0 + LEGENDRE_X[i]))
            total += LEGENDRE_W[i] * density(x) * tail(a * x)
    return width * total


@jit
def skew_cdf(u, tau, flip):
    """P(x <= u)."""
    if tau < 0.0:
        return skew_cdf_positive(u, -tau, 1.0 - flip)
    return skew_cdf_positive(u, tau, flip)


@jit
def skew_cdf_positive(u, tau, flip):
    """`skew_cdf` for tau >= 0."""
    if u <= 0.0:
        return 2.0 * flip * tail(-u) + (1.0 - 2.0 * flip) * corner(-u, tau)
    return 1.0 - (2.0 * (1.0 - flip) * tail(u) - (1.0 - 2.0 * flip) * corner(u, tau))


@jit
def skew_pdf(u, tau, flip):
    """Density at u."""
    return 2.0 * density(u) * (flip + (1.0 - 2.0 * flip) * tail(-tau * u))


@jit
def skew_law(u, tau, flip, pdf, cdf):
    """Density and distribution function at every u[i]."""
    for i in range(u.size):
        pdf[i] = skew_pdf(u[i], tau, flip)
        cdf[i] = skew_cdf(u[i], tau, flip)


def skew_arrays(u, tau, flip):
    """(density, distribution function) of an array."""
    u = np.ascontiguousarray(u, dtype=float)
    pdf, cdf = np.empty(u.shape), np.empty(u.shape)
    skew_law(u.ravel(), tau, flip, pdf.ravel(), cdf.ravel())
    return pdf, cdf
