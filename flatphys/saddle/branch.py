"""The saddle of a Gibbs learner as a curve: choose q_hat, read off the load.

With the conjugate q_hat chosen (and R_hat, where it is free, found from the agreement of the two
loads that the equations name), alpha is a function of s = log q_hat.  Every branch, fold and
threshold lies on this one curve, and a solve at given alpha is a scalar root on a monotone piece of
it.  Loads are kept as logarithms; `rho` is log R_hat.
"""

import math

from flatphys._jit import jit
from flatphys.saddle.averages import (
    NISHIMORI,
    RANDOM,
    TEACHER,
    log_alphas,
    pattern_saddle,
    pattern_scalars,
    weights_average,
)

CONVERGED = 1e-14  # relative violation of an equation at which a root search is content
MAX_STEPS = 80


@jit
def next_root_guess(x0, f0, x1, f1, lo, hi, cap):
    """Secant step from (x0, f0), (x1, f1), kept inside [lo, hi] and no longer than `cap`."""
    x = x1 - f1 * (x1 - x0) / (f1 - f0) if f1 != f0 else x1 + cap
    if x > x1 + cap:
        x = x1 + cap
    elif x < x1 - cap:
        x = x1 - cap
    if math.isnan(x) or x <= lo or x >= hi:
        if lo > -1e300 and hi < 1e300:
            x = 0.5 * (lo + hi)
        elif x <= lo:
            x = lo + cap
        else:
            x = hi - cap
    return x


@jit
def curve_point(weights, kind, flip, kappa, beta, s, rho, level, u, w):
    """(log alpha, rho, disagreement of the two loads) at log q_hat = s; `rho` is the guess."""
    if kind != TEACHER:
        la, _ = log_alphas(weights, kind, flip, kappa, beta, s, 0.0, level, u, w)
        return la, s, 0.0
    # F(rho) = log alpha_q - log alpha_R falls from +inf to -inf.
    lo, hi = -math.inf, math.inf
    la, lr = log_alphas(weights, kind, flip, kappa, beta, s, rho, level, u, w)
    x0, f0 = rho, la - lr
    best, best_f, best_la = x0, f0, la
    x1 = x0 + 0.3 if f0 > 0.0 else x0 - 0.3
    if abs(f0) < 0.3:
        x1 = x0 + f0
    cap = 1.0
    for _ in range(MAX_STEPS):
        if abs(best_f) <= CONVERGED:
            break
        la, lr = log_alphas(weights, kind, flip, kappa, beta, s, x1, level, u, w)
        f1 = la - lr
        if math.isnan(f1):
            return math.nan, math.nan, math.inf
        if abs(f1) < abs(best_f):
            best, best_f, best_la = x1, f1, la
        if f1 > 0.0:
            lo = max(lo, x1)
        else:
            hi = min(hi, x1)
        x2 = next_root_guess(x0, f0, x1, f1, lo, hi, cap)
        cap *= 1.5
        if abs(x2 - x1) <= 1e-16 * (1.0 + abs(x1)):
            break
        x0, f0, x1 = x1, f1, x2
    return best_la, best, abs(best_f)


@jit
def root_at_load(weights, kind, flip, kappa, beta, log_alpha, s, rho, lo, hi, direction, u, w):
    """Solve log alpha(s) = log_alpha on a monotone piece (direction +-1) inside [lo, hi] from guess s.

    Returns (s, rho, residual, evaluations).
    """
    la, rho, inner = curve_point(weights, kind, flip, kappa, beta, s, rho, 0, u, w)
    x0, f0 = s, direction * (la - log_alpha)
    best, best_rho, best_f = x0, rho, max(abs(f0), inner)
    if f0 < 0.0:
        lo = max(lo, x0)
    else:
        hi = min(hi, x0)
    x1 = x0 - f0
    if not abs(f0) < 1.0:
        x1 = x0 - 1.0 if f0 > 0.0 else x0 + 1.0
    if x1 <= lo or x1 >= hi:
        x1 = next_root_guess(x0, f0, x0, f0, lo, hi, 1.0)
    cap = 2.0
    count = 1
    for _ in range(MAX_STEPS):
        if best_f <= CONVERGED:
            break
        la, rho, inner = curve_point(weights, kind, flip, kappa, beta, x1, rho, 0, u, w)
        count += 1
        f1 = direction * (la - log_alpha)
        if math.isnan(f1):
            return best, best_rho, math.inf, count
        if max(abs(f1), inner) < best_f:
            best, best_rho, best_f = x1, rho, max(abs(f1), inner)
        if f1 < 0.0:
            lo = max(lo, x1)
        else:
            hi = min(hi, x1)
        x2 = next_root_guess(x0, f0, x1, f1, lo, hi, cap)
        cap = min(8.0, 1.5 * cap)
        if abs(x2 - x1) <= 2e-16 * (1.0 + abs(x1)):
            break
        x0, f0, x1 = x1, f1, x2
    return best, best_rho, best_f, count


@jit
def trace(weights, kind, flip, kappa, beta, s_grid, rho, v_min, la, rhos, u, w):
    """log alpha and rho along `s_grid`, from guess `rho` at its start; returns the number of points kept.

    Ends where 1-q < v_min, where an equation has no root, or where the buffers are too small.
    """
    kept = 0
    for i in range(s_grid.size):
        if kept > 1:  # follow the branch linearly
            rho = rhos[kept - 1] + (rhos[kept - 1] - rhos[kept - 2]) * (s_grid[i] - s_grid[i - 1]) / (s_grid[i - 1] - s_grid[i - 2])
        elif kept == 1:
            rho = rhos[0] + s_grid[1] - s_grid[0]
        value, rho, inner = curve_point(weights, kind, flip, kappa, beta, s_grid[i], rho, 0, u, w)
        if math.isnan(value) or inner > 1e-9:
            break
        la[i], rhos[i] = value, rho
        kept += 1
        q_hat = math.exp(s_grid[i])
        r_hat = 0.0 if kind == RANDOM else math.exp(rho)
        if weights_average(weights, kind, q_hat, r_hat, 0, u, w)[0] < v_min:
            break
    return kept


@jit
def fold(weights, kind, flip, kappa, beta, a, b, rho, direction, u, w):
    """Extremum of log alpha(s) in [a, b] (direction +1: a maximum) by golden section: (s, rho, log alpha)."""
    ratio = 0.5 * (math.sqrt(5.0) - 1.0)
    x1, x2 = b - ratio * (b - a), a + ratio * (b - a)
    f1, rho, _ = curve_point(weights, kind, flip, kappa, beta, x1, rho, 0, u, w)
    f2, rho, _ = curve_point(weights, kind, flip, kappa, beta, x2, rho, 0, u, w)
    while b - a > 3e-8 * (1.0 + abs(a)):  # an extremum is flat: closer than this lies in the noise
        if direction * f1 > direction * f2:
            b, x2, f2 = x2, x1, f1
            x1 = b - ratio * (b - a)
            f1, rho, _ = curve_point(weights, kind, flip, kappa, beta, x1, rho, 0, u, w)
        else:
            a, x1, f1 = x1, x2, f2
            x2 = a + ratio * (b - a)
            f2, rho, _ = curve_point(weights, kind, flip, kappa, beta, x2, rho, 0, u, w)
    s = 0.5 * (a + b)
    la, rho, _ = curve_point(weights, kind, flip, kappa, beta, s, rho, 0, u, w)
    return s, rho, la


@jit
def read_off(weights, kind, flip, kappa, beta, log_alpha, s, rho, level, u, w):
    """Everything a state reports, at conjugates (s, rho) and load alpha, by one quadrature rule.

    (v, q, R, T^2, 1-R, q_hat, R_hat, residual, free entropy, train error, replicon)
    """
    alpha = math.exp(log_alpha)
    q_hat = math.exp(s)
    r_hat = 0.0 if kind == RANDOM else (q_hat if kind == NISHIMORI else math.exp(rho))
    v, q, r, t2, one_minus_r, entropic, t4 = weights_average(weights, kind, q_hat, r_hat, level, u, w)
    a, b = pattern_saddle(kind, flip, kappa, beta, v, q, r, t2, level, u, w)
    energetic, curvature, error = pattern_scalars(kind, flip, kappa, beta, v, q, r, t2, level, u, w)
    residual = abs(math.log(alpha * a / (v * q_hat)))
    if kind == TEACHER:
        residual = max(residual, abs(math.log(alpha * b / (math.sqrt(v) * r_hat))))
    replicon = 1.0 - alpha * curvature / (v * v) * t4
    return v, q, r, t2, one_minus_r, q_hat, r_hat, residual, entropic + alpha * energetic, error, replicon
