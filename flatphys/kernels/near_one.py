"""log f of a pattern to its last digits where f is close to 1, hardly anything being asked (`kernels.channels`: to absolute accuracy)."""

import math

import numpy as np

from flatphys._jit import inlined, jit
from flatphys.kernels.channels import hinge_scalars, squared_hinge_scalars, walled
from flatphys.kernels.codes import ERRORS, HINGE_ENERGY
from flatphys.numerics.gaussian import tail
from flatphys.numerics.vector import log1p, select

WEAK = 0.2  # an energy so weak in units of the field's width is integrated over beta
_X, _W = np.polynomial.legendre.leggauss(6)
_WEAK_X, _WEAK_W = 0.5 * (1.0 + _X), 0.5 * _W


@inlined
def relative_log_f(ch, x, sigma, log_f):
    """`log_f` of the channel, made good to its last digits where f is close to 1: log(1 - (1-e^-beta) H(-x)), or -Int_0^beta mean(b) db."""
    if ch.beta == math.inf or not walled(ch.energy):
        return log_f
    if ch.energy == ERRORS:
        return select((x < -1.0) | (ch.beta < 0.7), log1p(math.expm1(-ch.beta) * tail(-x)), log_f)
    c = ch.beta * sigma if ch.energy == HINGE_ENERGY else ch.beta * sigma * sigma
    return -ch.beta * _mean_to(ch, x, sigma) if c < WEAK else log_f


@jit
def _mean_to(ch, x, sigma):
    """Mean energy of a weak hinge or squared hinge, averaged over the inverse temperatures up to beta."""
    total = 0.0
    for i in range(_WEAK_X.size):
        beta = ch.beta * _WEAK_X[i]
        total += _WEAK_W[i] * (hinge_scalars(x, beta, sigma) if ch.energy == HINGE_ENERGY else squared_hinge_scalars(x, beta, sigma))[1]
    return total
