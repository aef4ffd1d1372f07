"""Largest margin, and the load at which it vanishes: hard constraints without a loss.

Weights of unit length, w.v/N = t.  A stability of at least kappa is possible for every pattern of the
mixture iff for some t and b (b = 0 without a bias)

    h(t, b) = alpha sum_y rho_y e2(a_y) + t^2 - 1 <= 0,      a_y = (t + y b - kappa)/sqrt(variance),

with e_n(a) = E (g - a)_+^n, g ~ N(0, 1): the length that the constraints demand of the component of w
orthogonal to the centre (Gordon's comparison, exact here).  h is convex in (t, b, kappa), so that

    e2' = -2 e1, e1' = -H:   stationary where  t = (alpha/sqrt(variance)) sum rho_y e1(a_y),  sum y rho_y e1(a_y) = 0;
    largest margin:           min over (t, b) of h vanishes; Newton's method in kappa from above is monotone;
    separability (kappa = 0): 1/alpha_c = min over (t, b) of sum rho_y e2(a_y)/(1 - t^2) (Dinkelbach's iteration).

A teacher with labels flipped with probability eta, tau = cotangent of the angle to it:

    1/alpha_c = min over tau of {(1 + tau^2) [pi/2 - (1 - 2 eta) atan tau] - (1 - 2 eta) tau}/pi,
    at tau [pi/2 - (1 - 2 eta) atan tau] = 1 - 2 eta;   infinite without flips, 2 for eta = 1/2.

Sources: Gardner 1988; Mignacco et al. ICML 2020; Candes & Sur, Annals of Statistics 48 (2020) 27.
"""

import functools
import math
from typing import NamedTuple

from flatphys._jit import jit
from flatphys.errors import NotConverged
from flatphys.model import GaussianMixture
from flatphys.numerics.gaussian import mills, tail
from flatphys.numerics.roots import bracketed

ROUNDS = 200


@jit
def excess_moments(a):
    """(H, e1, e2) at a: e_n(a) = E (g - a)_+^n."""
    m, d, _ = mills(a)
    h = tail(a)
    return h, h * d, h * (1.0 - a * d)


@jit
def demand(variance, rho, kappa, t, b):
    """sum rho_y of (e2, e1, y e1, H, y H)."""
    root = math.sqrt(variance)
    hp, p1, p2 = excess_moments((t + b - kappa) / root)
    hm, m1, m2 = excess_moments((t - b - kappa) / root)
    q = 1.0 - rho
    return rho * p2 + q * m2, rho * p1 + q * m1, rho * p1 - q * m1, rho * hp + q * hm, rho * hp - q * hm


@jit
def minimise(variance, rho, bias, alpha, kappa, t, b):
    """(t, b) with the smallest h, by damped Newton steps on a convex function."""
    root = math.sqrt(variance)
    e2, e1, e1y, h0, h1 = demand(variance, rho, kappa, t, b)
    value = alpha * e2 + t * t - 1.0
    for _ in range(ROUNDS):
        gt, gb = 2.0 * (t - alpha / root * e1), -2.0 * alpha / root * e1y
        att, atb = 2.0 + 2.0 * alpha / variance * h0, 2.0 * alpha / variance * h1
        if bias:
            det = att * att - 2.0 * att - atb * atb  # abb = att - 2
            if not det > 0.0:
                det = 1e-300
            dt, db = -((att - 2.0) * gt - atb * gb) / det, -(att * gb - atb * gt) / det
        else:
            dt, db = -gt / att, 0.0
        longest = max(abs(dt), abs(db)) / (0.5 + abs(t) + abs(b) + root)
        damping = min(1.0, 1.0 / longest) if longest > 0.0 else 1.0
        moved = False
        for _ in range(40):
            nt, nb = t + damping * dt, b + damping * db
            e2, e1, e1y, h0, h1 = demand(variance, rho, kappa, nt, nb)
            new = alpha * e2 + nt * nt - 1.0
            if new <= value + 1e-15 * (1.0 + abs(value)):
                moved = True
                break
            damping *= 0.5
        if not moved:
            break
        t, b, value = nt, nb, new
        if longest < 1e-14:
            break
    return t, b


@jit
def margin_of_mixture(variance, rho, bias, alpha, kappa):
    """(kappa, t, b) of the largest margin; `kappa` is a first guess."""
    t, b, root = 0.5, 0.0, math.sqrt(variance)
    for _ in range(ROUNDS):
        t, b = minimise(variance, rho, bias, alpha, kappa, t, b)
        e2, e1, _, _, _ = demand(variance, rho, kappa, t, b)
        step = (alpha * e2 + t * t - 1.0) * root / (2.0 * alpha * e1)
        step = max(-1.0 - abs(kappa), min(1.0 + abs(kappa), step))
        kappa -= step
        if abs(step) <= 4e-16 * (abs(kappa) + 0.01):
            break
    return kappa, t, b


@jit
def threshold_of_mixture(variance, rho, bias):
    """(alpha_c, t, b) at which the largest margin vanishes."""
    alpha, t, b = 1.0, 0.5, 0.0
    for _ in range(ROUNDS):
        t, b = minimise(variance, rho, bias, alpha, 0.0, t, b)
        e2, _, _, _, _ = demand(variance, rho, 0.0, t, b)
        new = (1.0 - t * t) / e2
        change = abs(new - alpha)
        alpha = new
        if change <= 4e-16 * alpha:
            break
    return alpha, t, b


class Largest(NamedTuple):
    """The largest margin, the overlap with the centres and the bias there, the fraction of support vectors, the residual."""

    margin: float
    m: float
    b: float
    support: float
    residual: float


def mixture_margin(data, bias: bool, alpha: float) -> Largest:
    """Largest margin of the mixture at load alpha."""
    bias = bias and data.positive != 0.5  # by symmetry
    kappa, t, b = margin_of_mixture(data.variance, data.positive, bias, alpha, 1.0)
    e2, e1, e1y, h0, _ = demand(data.variance, data.positive, kappa, t, b)
    root = math.sqrt(data.variance)
    residual = max(abs(alpha * e2 + t * t - 1.0), abs(alpha / root * e1 - t) / t, abs(e1y) / e1 if bias else 0.0)
    return Largest(kappa, t, b, h0, residual)


def mixture_threshold(data, bias: bool = False) -> float:
    """The load at which the mixture's two classes stop being linearly separable."""
    bias = bias and data.positive != 0.5
    alpha, t, b = threshold_of_mixture(data.variance, data.positive, bias)
    if not (math.isfinite(alpha) and alpha > 0.0):
        raise NotConverged(f"the separability threshold of {data} was not found", {"alpha": alpha, "m": t, "b": b}, math.nan)
    return alpha


# 1 - x cot x = sum of 2^2n |B_2n| x^2n/(2n)!
COTANGENT = (1 / 3, 1 / 45, 2 / 945, 1 / 4725, 2 / 93555, 1382 / 638512875, 4 / 18243225)


def _short_of_one(x):
    """1 - x cot x for 0 < x < pi/2, without cancellation."""
    if x > 0.3:
        return 1.0 - x / math.tan(x)
    return x * x * sum(c * x ** (2 * n) for n, c in reversed(list(enumerate(COTANGENT))))


def teacher_threshold(flip: float) -> float:
    """The load at which labels of a teacher, flipped with probability `flip`, stop being linearly separable."""
    if flip == 0.0:
        return math.inf
    clean = 1.0 - 2.0 * flip

    def stationarity(log_angle):  # angle = atan(1/tau) falls like flip^(1/3)
        angle = math.exp(log_angle)
        return flip * math.pi / math.tan(angle) - clean * _short_of_one(angle)

    angle = math.exp(bracketed(stationarity, -260.0, math.log(0.5 * math.pi - 1e-12)))
    return math.pi / (flip * math.pi + clean * angle)  # the minimum itself: (1 + tau^2) share - clean tau = share where tau share = clean


@functools.lru_cache(maxsize=256)
def separability(data, bias: bool) -> float:
    """The load from which on no weights (and bias) classify every pattern of the data correctly; inf for a clean teacher."""
    return mixture_threshold(data, bias) if isinstance(data, GaussianMixture) else teacher_threshold(data.flip)
