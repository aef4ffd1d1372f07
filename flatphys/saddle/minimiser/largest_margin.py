"""Largest margin, and the load at which it vanishes: hard constraints without a loss.

Weights of unit length, w.v/N = t.  A stability of at least kappa is possible for every pattern of the
mixture iff for some t and b (b = 0 without a bias)

    h(t, b) = alpha sum_y rho_y e2(a_y) + t^2 - 1 <= 0,      a_y = (t + y b - kappa)/sqrt(variance),

with e_n(a) = E (g - a)_+^n, g ~ N(0, 1): the length that the constraints demand of the component of w orthogonal to the centre
(Gordon's comparison, exact here).  h is convex in (t, b, kappa) and e2' = -2 e1, so that the largest margin lies where

    rho e1(a_+) = (1 - rho) e1(a_-) = E,     t = 2 alpha E/sqrt(variance),     alpha sum rho_y e2(a_y) = 1 - t^2

(no bias: as for rho = 1/2).  At a given t the first two name E and both a, hence kappa and b, and the third, which rises with t, is one
equation for one unknown, in logarithms: no load is too large and no cloud too narrow.  Separability is kappa = 0: there
a_+ + a_- = 2 t/sqrt(variance) names E, and the second equation alpha.

A teacher with labels flipped with probability eta, tau = cotangent of the angle to it:

    1/alpha_c = min over tau of {(1 + tau^2) [pi/2 - (1 - 2 eta) atan tau] - (1 - 2 eta) tau}/pi,
    at tau [pi/2 - (1 - 2 eta) atan tau] = 1 - 2 eta;   infinite without flips, 2 for eta = 1/2.

Sources: Gardner 1988; Mignacco et al. ICML 2020; Candes & Sur, Annals of Statistics 48 (2020) 27.
"""

import functools
import math
import sys
from typing import NamedTuple

from flatphys._jit import jit
from flatphys.errors import NotConverged
from flatphys.model import GaussianMixture
from flatphys.numerics.gaussian import mills, tail
from flatphys.numerics.roots import bracketed, outwards

ROUNDS = 200
SQUARED = 1e-8  # a step of Newton's method whose square is below rounding
LONGEST = 700.0  # of the search, on either side
SETTLED = 1e-11  # a residual of the threshold


@jit
def log_excess(a):
    """(log e1, log e2, e1/H) at a."""
    _, d, log_h = mills(a)
    share = 1.0 - a * d if a < 200.0 else (2.0 - (10.0 - (74.0 - 706.0 / (a * a)) / (a * a)) / (a * a)) / (a * a)
    return log_h + math.log(d), log_h + math.log(share), d


@jit
def place(log_e1):
    """(a, -da/d log e1) where e1(a) is given: Newton's method on a concave function, monotone from the second step on."""
    a = math.sqrt(-2.0 * log_e1) if log_e1 < -1.0 else 1.0 - math.exp(log_e1)
    d = math.nan
    for _ in range(ROUNDS):
        value, _, d = log_excess(a)
        step = (value - log_e1) * d
        a += step
        if abs(step) <= max(SQUARED, 4e-16 * abs(a)):
            break
    return a, d


@jit
def balance(variance, rho, log_alpha, w):
    """(f, df/dw, log alpha, a_+, a_-) at t = e^w, f the log of alpha sum rho e2 over 1 - t^2.

    log alpha = inf asks for the load where kappa = 0.
    """
    root, log_p, log_m = math.sqrt(variance), math.log(rho), math.log1p(-rho)
    both, target = w + math.log(root) - math.log(2.0), 2.0 * math.exp(w) / root  # log of alpha E; a_+ + a_- where kappa = 0
    margin = log_alpha < math.inf
    log_e = both - log_alpha if margin else log_excess(0.5 * target)[0] - math.log(2.0)
    for _ in range(ROUNDS):
        ap, dp = place(log_e - log_p)
        am, dm = place(log_e - log_m) if rho != 0.5 else (ap, dp)
        step = 0.0 if margin else (ap + am - target) / (dp + dm)
        log_e, ap, am = log_e + step, ap - dp * step, am - dm * step
        if abs(step) <= max(SQUARED, 4e-16 * abs(log_e)):
            break
    rate = 1.0 if margin else -target / (dp + dm)  # d log E/dw
    up, down = log_p + log_excess(ap)[1], log_m + log_excess(am)[1]
    top = max(up, down)
    log_e2 = top + math.log(math.exp(up - top) + math.exp(down - top))
    short = -math.expm1(2.0 * w)
    slope = rate * 2.0 * math.exp(log_e - log_e2) * (dp + dm) + 2.0 * (1.0 - short) / short
    load = both - log_e
    return load + log_e2 - math.log(short), slope + (0.0 if margin else 1.0 - rate), load, ap, am


@jit
def largest(variance, rho, log_alpha):
    """(residual, log alpha, t, a_+, a_-) of the largest margin at a load, or of the load where it vanishes (log alpha = inf).

    Newton's method in s = log(-log t), where t near 1 keeps its digits, inside a bracket.
    """
    s, lo, hi, last = 0.0, -LONGEST, LONGEST, False
    for _ in range(ROUNDS):
        w = -math.exp(s)
        f, slope, load, ap, am = balance(variance, rho, log_alpha, w)
        if f > 0.0:
            lo = s
        else:
            hi = s
        step = f / (slope * w)
        if last or not abs(step) > 0.0:
            break
        last = abs(step) <= SQUARED
        step = min(max(step, -8.0), 8.0)
        s = s - step if last or lo < s - step < hi else 0.5 * (lo + hi)
    return abs(f), load, math.exp(w), ap, am


class Largest(NamedTuple):
    """The largest margin, the overlap with the centres and the bias there, the fraction of support vectors, 1 - m^2, the residual."""

    margin: float
    m: float
    b: float
    support: float
    orthogonal: float
    residual: float


def mixture_margin(data, bias: bool, alpha: float) -> Largest:
    """Largest margin of the mixture at load alpha."""
    rho, root = data.positive if bias else 0.5, math.sqrt(data.variance)
    residual, _, t, ap, am = largest(data.variance, rho, math.log(alpha))
    b = 0.5 * root * (ap - am) if rho != 0.5 else 0.0
    orthogonal = alpha * sum(share * math.exp(log_excess(a)[1]) for share, a in ((rho, ap), (1.0 - rho, am)))
    support = rho * tail(ap) + (1.0 - rho) * tail(am)
    return Largest(t - 0.5 * root * (ap + am), t, b, support, orthogonal, residual)


@functools.lru_cache(maxsize=256)
def mixture_capacity(variance: float, share: float, margin: float) -> float:
    """The load up to which weights on the sphere reach a margin on every pattern of the mixture; `share` of `kernels.codes.Labels`."""
    rho, root = share if share < 1.0 else 0.5, math.sqrt(variance)

    def excess(log_alpha):
        _, _, t, ap, am = largest(variance, rho, log_alpha)
        return t - 0.5 * root * (ap + am) - margin

    what = f"the capacity of the mixture at margin {margin:g}"
    return math.exp(bracketed(excess, *outwards(excess, -1.0, 1.0, (-600.0, 600.0), what), what))


def mixture_threshold(data, bias: bool = False) -> float:
    """The load at which the mixture's two classes stop being linearly separable; inf where it exceeds every double."""
    residual, log_alpha, t, _, _ = largest(data.variance, data.positive if bias else 0.5, math.inf)
    if not residual <= SETTLED * max(1.0, abs(log_alpha)):
        raise NotConverged(f"the separability threshold of {data} was not found", {"log alpha": log_alpha, "m": t}, residual)
    return math.exp(log_alpha) if log_alpha < math.log(sys.float_info.max) else math.inf


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
