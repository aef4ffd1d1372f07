"""How overlaps pass through a network: c(Q) of a tree committee machine, its complement and derivatives.

With infinitely many hidden units on non-overlapping inputs, the pre-activations of two weight vectors of overlap Q are
jointly Gaussian with correlation c(Q) (K -> infinity after N -> infinity, half of the output weights +1, half -1), so that
the pattern term of every saddle is the perceptron's with Q replaced by

    c(Q) = [K(Q) - K(0)] / [K(1) - K(0)],   K(Q) = E[phi(u) phi(v)], u and v standard Gaussians of correlation Q

    sign    c = (2/pi) asin Q,                                    c' = (2/pi) / sqrt(1-Q^2)
    erf(x)  c = asin(aQ)/asin a, a = 2/3,                         c' = a / (asin a sqrt(1 - a^2 Q^2))
    ReLU    c = [sqrt(1-Q^2) + Q (pi - theta) - 1]/(pi-1),        c' = (pi - theta)/(pi-1),     theta = acos Q

Everything is written in Q and eps = 1-Q, both given by the caller, so that neither a small Q nor a small eps costs digits:
1-c = (4/pi) asin sqrt(eps/2) for sign, which has a square-root singularity at Q = 1.

A network travels through the jitted code as one float64 array: its code, then what the kernel needs.  A further activation is
one entry in `_BUILT_IN` and one line in each of the three functions below.

Sources: Barkai, Hansel & Sompolinsky 1992; Engel et al. 1992 (committee machines); Cho & Saul 2009 (kernels).
"""

import math

import numpy as np

from flatphys._jit import jit
from flatphys.errors import InvalidInput

PERCEPTRON, SIGN, ERF, RELU = 0, 1, 2, 3
_BUILT_IN = {"sign": SIGN, "erf": ERF, "relu": RELU}
_ARRAYS = {code: np.array([float(code)]) for code in (PERCEPTRON, *_BUILT_IN.values())}
PERCEPTRON_NET = _ARRAYS[PERCEPTRON]

_ERF_A = 2.0 / 3.0
_ERF_ASIN = math.asin(_ERF_A)
_ERF_ROOT = math.sqrt(1.0 - _ERF_A * _ERF_A)


def network_code(network) -> np.ndarray:
    """The array by which a network travels through the jitted code (see the module's docstring)."""
    from flatphys.model import Perceptron

    if isinstance(network, Perceptron):
        return _ARRAYS[PERCEPTRON]
    if callable(network.activation):
        raise InvalidInput(f"activation must be one of {', '.join(map(repr, _BUILT_IN))}, got {network.activation!r}")
    return _ARRAYS[_BUILT_IN[network.activation]]


@jit
def angle(eps):
    """theta = acos Q from eps = 1-Q, without cancellation at either end."""
    return 2.0 * math.asin(math.sqrt(0.5 * eps)) if eps < 1.0 else math.acos(max(1.0 - eps, -1.0))


@jit
def _sin_minus(theta):
    """sin theta - theta cos theta."""
    if theta > 0.5:
        return math.sin(theta) - theta * math.cos(theta)
    square = theta * theta
    term = theta * square / 3.0  # 2k/(2k+1)! theta^(2k+1) at k = 1
    total, k = term, 1
    while abs(term) > 1e-18 * total:
        term *= -square * (k + 1.0) / (k * (2.0 * k + 2.0) * (2.0 * k + 3.0))
        total += term
        k += 1
    return total


@jit
def overlap_map(net, q, eps):
    """(c(Q), 1 - c(Q)) for Q = q = 1 - eps."""
    code = net[0]
    if code == PERCEPTRON:
        return q, eps
    if code == SIGN:
        other = 2.0 / math.pi * angle(eps)
        return (2.0 / math.pi * math.asin(q) if abs(q) < 0.5 else 1.0 - other), other
    if code == ERF:
        c = math.asin(_ERF_A * q) / _ERF_ASIN
        if q < 0.0:
            return c, 1.0 - c
        other = math.asin(_ERF_A * eps * (1.0 + q) / (math.sqrt(1.0 - _ERF_A * _ERF_A * q * q) + q * _ERF_ROOT)) / _ERF_ASIN
        return c, other
    if code == RELU:
        theta = angle(eps)
        other = (math.pi * eps - _sin_minus(theta)) / (math.pi - 1.0)
        if abs(q) > 0.5:
            return 1.0 - other, other
        c = (q * (math.pi - theta) - q * q / (1.0 + math.sqrt(1.0 - q * q))) / (math.pi - 1.0)
        return c, other
    return math.nan, math.nan


@jit
def overlap_slope(net, q, eps):
    """c'(Q); infinite for sign at Q = 1."""
    code = net[0]
    if code == PERCEPTRON:
        return 1.0
    if code == SIGN:
        return 2.0 / math.pi / math.sqrt(eps * (1.0 + q))
    if code == ERF:
        return _ERF_A / (_ERF_ASIN * math.sqrt(1.0 - _ERF_A * _ERF_A * q * q))
    if code == RELU:
        return (math.pi - angle(eps)) / (math.pi - 1.0)
    return math.nan


@jit
def overlap_curvature(net, q, eps):
    """c''(Q); infinite at Q = 1 for sign and ReLU."""
    code = net[0]
    if code == PERCEPTRON:
        return 0.0
    if code == SIGN:
        return 2.0 / math.pi * q / (eps * (1.0 + q)) ** 1.5
    if code == ERF:
        return _ERF_A**3 * q / (_ERF_ASIN * (1.0 - _ERF_A * _ERF_A * q * q) ** 1.5)
    if code == RELU:
        return 1.0 / ((math.pi - 1.0) * math.sqrt(eps * (1.0 + q)))
    return math.nan
