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

A network travels through the jitted code as one float64 array: its code, then what the kernel needs.  A user's own activation is a
table of series (`kernels.activation`), carried by the same array so that nothing is compiled anew.

To add an activation: its code in `kernels.codes`, its name in `model.ACTIVATIONS` and `CODES`, K(1) - K(0) in `VARIANCE`, one line in `phi`
(for finite systems) and in each of the three functions of the overlap.

Sources: Barkai, Hansel & Sompolinsky 1992; Engel et al. 1992 (committee machines); Cho & Saul 2009 (kernels).
"""

import math
from functools import lru_cache

import numpy as np

from flatphys._jit import jit
from flatphys.kernels.activation import NEAR, TERMS, TOP, moments, table
from flatphys.kernels.codes import ERF, PERCEPTRON, RELU, SIGN, TABLE
from flatphys.model import ACTIVATIONS, Perceptron

CLOSE = 0.5  # angles closer than this: the difference of c is an integral
_X, _W = np.polynomial.legendre.leggauss(12)  # 1e-16 for singularities 0.7 away from an interval of length 0.5
_NODES, _WEIGHTS = 0.5 * (1.0 + _X), 0.5 * _W

_ERF_A = 2.0 / 3.0
_ERF_ASIN = math.asin(_ERF_A)
_ERF_ROOT = math.sqrt(1.0 - _ERF_A * _ERF_A)

CODES = dict(zip(ACTIVATIONS, (SIGN, ERF, RELU)))
VARIANCE = {SIGN: 1.0, ERF: 2.0 / math.pi * _ERF_ASIN, RELU: 0.5 - 0.5 / math.pi}  # K(1) - K(0)
_ARRAYS = {code: np.array([float(code)]) for code in (PERCEPTRON, *CODES.values())}
PERCEPTRON_NET = _ARRAYS[PERCEPTRON]


def network_code(network) -> np.ndarray:
    """The array by which a network travels through the jitted code (see the module's docstring).

    A function as activation is tabulated on first use, which takes a second or so; raises `InvalidInput` where that fails.
    """
    if isinstance(network, Perceptron):
        return PERCEPTRON_NET
    if callable(network.activation):
        return _tabulated(network.activation)
    return _ARRAYS[CODES[network.activation]]


@lru_cache(maxsize=128)
def _tabulated(phi) -> np.ndarray:
    return np.array([float(TABLE), *table(phi)])


def output_scale(network) -> float:
    """sqrt(K(1) - K(0)): raw pre-activations sum_l c_l phi(h_l)/sqrt K are this times the normalised ones of the theory."""
    if callable(network.activation):
        return math.sqrt(moments(network.activation)[1])
    return math.sqrt(VARIANCE[CODES[network.activation]])


@jit
def phi(code, h):
    """The activation itself; sign(0) = +1."""
    if code == SIGN:
        return 1.0 if h >= 0.0 else -1.0
    if code == ERF:
        return math.erf(h)
    if code == RELU:
        return max(h, 0.0)
    return math.nan


def first_slope(net) -> float:
    """c'(0): how much of a small overlap the network lets through."""
    return 1.0 if net is PERCEPTRON_NET else overlap_slope(net, 0.0, 1.0)


def last_slope(net) -> float:
    """c'(1), infinite for an activation that jumps."""
    return 1.0 if net is PERCEPTRON_NET else overlap_slope(net, 1.0, 0.0)


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


_SIZES = 3  # places in a table's array: code, k, whether g'(0) != 0, six sizes, the power series, six Chebyshev rows
_SERIES = _SIZES + 6
_ROWS = _SERIES + TERMS


@jit
def _chebyshev(net, row, theta):
    """The Chebyshev row (0-2: g, g', g'' for Q > 0; 3-5: the same of 1-c for Q < 0) at theta."""
    start = _ROWS
    for i in range(row):
        start += int(net[_SIZES + i])
    t = 2.0 * theta / TOP - 1.0
    b0 = b1 = 0.0
    for i in range(start + int(net[_SIZES + row]) - 1, start, -1):
        b0, b1 = 2.0 * t * b0 - b1 + net[i], b0
    return t * b0 - b1 + net[start]


@jit
def _series(net, q, derivative):
    """sum_k a_k^2 Q^k/Var or a derivative of it."""
    total = 0.0
    for k in range(TERMS, derivative - 1 if derivative else 0, -1):
        factor = 1.0 if derivative == 0 else (k if derivative == 1 else k * (k - 1.0))
        total = total * q + factor * net[_SERIES + k - 1]
    return total * q if derivative == 0 else total


@jit
def _table_map(net, q, eps):
    if abs(q) < NEAR:
        c = _series(net, q, 0)
        return c, 1.0 - c
    if q < 0.0:
        other = _chebyshev(net, 3, angle(1.0 + q))
        return 1.0 - other, other
    theta = angle(eps)
    other = _chebyshev(net, 0, theta) * (theta if net[1] == 1.0 else theta * theta)
    return 1.0 - other, other


@jit
def _table_slope(net, q, eps):
    if abs(q) < NEAR:
        return _series(net, q, 1)
    if q < 0.0:  # 1-c = h(t), Q = -cos t
        t = max(angle(1.0 + q), 1e-8)
        return -_chebyshev(net, 4, t) / math.sin(t)
    theta = angle(eps)
    g, slope = _chebyshev(net, 0, theta), _chebyshev(net, 1, theta)
    if net[1] == 1.0:
        return (g + theta * slope) / math.sin(theta)
    return (2.0 * g + theta * slope) * (theta / math.sin(theta) if theta > 0.0 else 1.0)


@jit
def _table_curvature(net, q, eps):
    if abs(q) < NEAR:
        return _series(net, q, 2)
    if q < 0.0:
        t = max(angle(1.0 + q), 1e-5)
        s = math.sin(t)
        return -(_chebyshev(net, 5, t) - _chebyshev(net, 4, t) * math.cos(t) / s) / (s * s)
    theta = angle(eps)
    s = math.sin(theta)
    if net[1] == 2.0 and net[2] == 0.0 and theta < 1e-3:  # g is even: its limit, to a relative theta^2
        return -2.0 / 3.0 * _chebyshev(net, 0, theta) - 4.0 * _chebyshev(net, 2, theta)
    if theta == 0.0:
        return math.inf
    g, slope, bend = _chebyshev(net, 0, theta), _chebyshev(net, 1, theta), _chebyshev(net, 2, theta)
    cot = math.cos(theta) / s
    if net[1] == 1.0:
        return ((g + theta * slope) * cot - 2.0 * slope - theta * bend) / (s * s)
    return (-2.0 * g * _sin_minus(theta) / s + slope * theta * (theta * cot - 4.0) - theta * theta * bend) / (s * s)


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
    if code == TABLE:
        return _table_map(net, q, eps)
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
    if code == TABLE:
        return _table_slope(net, q, eps)
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
    if code == TABLE:
        return _table_curvature(net, q, eps)
    return math.nan


@jit
def overlap_difference(net, low, eps_low, high, eps_high, gap):
    """c(high) - c(low) to the relative precision of gap = high - low; eps = 1 - Q of both.

    In the angle theta = acos Q, in which c is smooth up to Q = 1,

        c(high) - c(low) = Int_{theta_high}^{theta_low} c'(cos theta) sin theta dtheta
        sin((theta_low - theta_high)/2) = gap/(2 sin((theta_low + theta_high)/2))
    """
    if net[0] == PERCEPTRON:
        return gap
    wide, narrow = angle(eps_low), angle(eps_high)
    mean = math.sin(0.5 * (wide + narrow))
    if mean > 0.0 and abs(gap) < 2.0 * math.sin(0.5 * CLOSE) * mean:
        turn = 2.0 * math.asin(0.5 * gap / mean)
        total = 0.0
        for i in range(_NODES.size):
            theta = narrow + turn * _NODES[i]
            half = math.sin(0.5 * theta)
            eps = 2.0 * half * half
            total += _WEIGHTS[i] * overlap_slope(net, 1.0 - eps, eps) * math.sin(theta)
        return turn * total
    return overlap_map(net, high, eps_high)[0] - overlap_map(net, low, eps_low)[0]
