"""The weights' side of message passing: what N weights answer to their cavity fields.

B_i is the field of the patterns, h_i one from outside, lam a self-field (the mutual coupling of y = infinity replicas).

    binary      m = tanh(B + h + lam m), on the branch with the sign of B + h;  c = 1 - m^2
                log Z_i = log 2cosh(B + h + lam m) - B m - (lam/2) m^2
    star        y replicas of w around a binary centre s, each coupled by gamma s w (gamma, y; no h, no lam):
                Z_i = sum_s (2cosh(B + gamma s))^y,  p_s its weights,  m = sum_s p_s tanh(B + gamma s),  c = 1 - m^2
                log Z_i / y - B m per replica;  centre S = sum_s p_s s tanh(B + gamma s);
                local = sum_s p_s log 2cosh(B + gamma s) - B m - gamma S
    spherical   m = (B + h) c',  1/c' = A + l2 - lam,  c = 1/(A + l2), l2 such that sum_i m_i^2 + c_i = N
                log Z_i = (1/2) log c_i + h_i m_i + (lam/2) m_i^2

Every log Z_i is stationary in m at given B, so errors of a fixed point enter the free entropy squared.

Sources: Mezard 1989; Kabashima 2003 (the equations without edges); Baldassi et al. PNAS 2016 (the star).
"""

import math
from typing import NamedTuple

from flatphys._jit import jit
from flatphys.kernels.codes import BINARY
from flatphys.numerics.gaussian import log_2cosh, logistic

SELF_STEPS = 200  # of Newton's iteration for one weight, each of which at least halves a bracket


class Site(NamedTuple):
    """What weights are, beside their fields: the kind, a self-field, the coupling and the number of replicas of a star (1: none)."""

    weights: int
    self_field: float
    coupling: float
    replicas: float


@jit
def self_consistent(field, self_field):
    """The m of the sign of `field` that solves m = tanh(field + self_field m), the outermost where there are several.

    From m = +-1 Newton's iteration comes down on it monotonically: tanh is concave there.
    """
    sign = 1.0 if field >= 0.0 else -1.0
    field = abs(field)
    if field == 0.0 and self_field <= 1.0:
        return 0.0
    m = 1.0
    for _ in range(SELF_STEPS):
        t = math.tanh(field + self_field * m)
        step = (m - t) / (1.0 - self_field * (1.0 - t * t))
        m -= step
        if not abs(step) > 1e-16 * m:
            break
    return sign * m


@jit
def star(field, coupling, replicas):
    """(m, log Z / y, S, sum_s p_s log 2cosh(B + gamma s)) of one weight of a star."""
    up, down = field + coupling, field - coupling
    high, low = log_2cosh(up), log_2cosh(down)
    x = replicas * (high - low)
    p = 1.0 / (1.0 + math.exp(-x))
    other = 1.0 / (1.0 + math.exp(x))
    a, b = math.tanh(up), math.tanh(down)
    log_z = high + math.log1p(math.exp(-x)) / replicas if x > 0.0 else low + math.log1p(math.exp(x)) / replicas
    return p * a + other * b, log_z, p * a - other * b, p * high + other * low


@jit
def answer(site, b, h, a, m, c, guess):
    """Fills the means m and variances c of all weights in the fields b + h; `a` is the reaction A_i.  Returns l2 (spherical; else 0).

    `guess` is the l2 of the iteration before.
    """
    n = b.size
    if site.weights == BINARY:
        for i in range(n):
            if site.replicas != 1.0:
                m[i] = star(b[i], site.coupling, site.replicas)[0]
            elif site.self_field != 0.0:
                m[i] = self_consistent(b[i] + h[i], site.self_field)
            else:
                m[i] = math.tanh(b[i] + h[i])
            e = math.exp(-2.0 * abs(b[i] + h[i]))
            c[i] = 4.0 * e / ((1.0 + e) * (1.0 + e)) if site.replicas == 1.0 and site.self_field == 0.0 else 1.0 - m[i] * m[i]
        return 0.0
    l2 = _multiplier(site.self_field, b, h, a, guess)
    for i in range(n):
        c[i] = 1.0 / (a[i] + l2)
        m[i] = (b[i] + h[i]) / (a[i] + l2 - site.self_field)
    return l2


@jit
def answers(site, b, c, x):
    """Fills X_i = dm_i/dB_i at no self-field and given l2: the variance, and more for replicas, which move together."""
    for i in range(b.size):
        x[i] = c[i]
        if site.replicas != 1.0:
            up, down = b[i] + site.coupling, b[i] - site.coupling
            p = logistic(site.replicas * (log_2cosh(up) - log_2cosh(down)))
            x[i] += (site.replicas - 1.0) * p * (1.0 - p) * (math.tanh(up) - math.tanh(down)) ** 2


@jit
def _multiplier(self_field, b, h, a, guess):
    """l2 of the sphere: the root of the falling function (1/N) sum_i [(B_i + h_i)^2/(A_i + l2 - lam)^2 + 1/(A_i + l2)] = 1."""
    n = b.size
    low = max(0.0, self_field) - a.min()  # every denominator is positive above
    high = math.inf
    x = guess if guess > low else low + 1.0
    for _ in range(SELF_STEPS):
        value, slope = -1.0, 0.0
        for i in range(n):
            u, v = (b[i] + h[i]) / (a[i] + x - self_field), 1.0 / (a[i] + x)
            value += (u * u + v) / n
            slope -= (2.0 * u * u / (a[i] + x - self_field) + v * v) / n
        if not math.isfinite(value):
            return math.nan
        if value > 0.0:
            low = x
        else:
            high = x
        step = value / slope
        if abs(step) <= 1e-15 * abs(x - low + 1.0):
            return x - step
        x -= step
        if not low < x < high:
            x = 0.5 * (low + high) if high < math.inf else 2.0 * low + 1.0 - 1.0 * min(low, 0.0)
    return x


@jit
def log_z(site, b, h, m, c):
    """(sum of log Z_i, sum of S, sum of the local entropy's site terms): the last two are those of a star."""
    total = centre = local = 0.0
    for i in range(b.size):
        if site.weights != BINARY:
            total += 0.5 * math.log(c[i]) + h[i] * m[i] + 0.5 * site.self_field * m[i] * m[i]
        elif site.replicas != 1.0:
            _, log_zi, s, mean_log = star(b[i], site.coupling, site.replicas)
            total += log_zi - b[i] * m[i]
            centre += s
            local += mean_log - b[i] * m[i] - site.coupling * s
        else:
            total += log_2cosh(b[i] + h[i] + site.self_field * m[i]) - b[i] * m[i] - 0.5 * site.self_field * m[i] * m[i]
    return total, centre, local
