"""The saddle of a Gibbs learner as a curve: choose q_hat, read off the load.

With one conjugate chosen, s, alpha is a function of it.  Where R_hat is zero or bound to q_hat, s = log q_hat
and the equations name alpha at once.  Where both are free, s = log R_hat, and the partner log q_hat is
the point at which both equations name the same load (log q_hat is no good parameter there: at
negative margins it turns around along a branch, while R_hat grows).  Next to the teacher R_hat may turn around too:
`saddle.equilibrium.follow`
follows the curve by its length.  Every branch, fold and threshold lies on this one curve, and a solve at given alpha is a scalar root
on a monotone piece of it.  Loads are kept as
logarithms; `partner` is the guess, then the value, of the other conjugate's logarithm.

Random labels may be stored by a tree committee: with the overlap c(q) of its pre-activations (`kernels.networks`) in the
pattern averages, the chain rule gives q_hat = alpha c' E[g^2] and the replicon 1 - alpha (c'^2 E[g'^2] + c'' E[g^2]) T4.
"""

import math

from flatphys._jit import jit
from flatphys.kernels.networks import overlap_curvature, overlap_map, overlap_slope
from flatphys.saddle.equilibrium.averages import NISHIMORI, RANDOM, TEACHER, log_alphas, pattern_saddle, pattern_scalars, weights_average

CONVERGED = 1e-14  # relative violation of an equation at which a root search is content
SETTLED = 1e-12  # one at which it is content as well once three steps have not improved it: rounding
MAX_STEPS = 80


@jit
def next_root_guess(x0, f0, x1, f1, lo, hi, cap):
    """Secant step from (x0, f0), (x1, f1), kept inside [lo, hi] and no longer than `cap`."""
    x = x1 - f1 * (x1 - x0) / (f1 - f0) if f1 != f0 else math.nan
    if x > x1 + cap:
        x = x1 + cap
    elif x < x1 - cap:
        x = x1 - cap
    if math.isnan(x):  # equal values: step aside
        x = x1 + 1e-3 * cap
    if x <= lo or x >= hi:
        if lo > -1e300 and hi < 1e300:
            x = 0.5 * (lo + hi)
        elif x <= lo:
            x = lo + cap
        else:
            x = hi - cap
    return x


@jit
def curve_point(weights, kind, flip, kappa, beta, net, s, partner, level, u, w):
    """(log alpha, partner, disagreement of the two loads) at the curve's parameter s."""
    if kind != TEACHER:
        la, _ = log_alphas(weights, kind, flip, kappa, beta, net, s, s, level, u, w)
        return la, s, 0.0
    # F(log q_hat) = log alpha_q - log alpha_R rises from -inf to +inf.
    lo, hi = -math.inf, math.inf
    la, lr = log_alphas(weights, kind, flip, kappa, beta, net, partner, s, level, u, w)
    x0, f0 = partner, la - lr
    if math.isnan(f0):
        return math.nan, math.nan, math.inf
    best, best_f, best_la, idle = x0, f0, la, 0
    x1 = x0 - f0 if abs(f0) < 0.5 else (x0 - 0.5 if f0 > 0.0 else x0 + 0.5)
    cap = 1.0
    for _ in range(MAX_STEPS):
        if abs(best_f) <= CONVERGED or (idle > 2 and abs(best_f) < SETTLED):
            break
        la, lr = log_alphas(weights, kind, flip, kappa, beta, net, x1, s, level, u, w)
        f1 = la - lr
        if math.isnan(f1):
            if abs(best_f) < SETTLED:  # a secant through rounding errors may lead anywhere
                break
            return math.nan, math.nan, math.inf
        idle += 1
        if abs(f1) < abs(best_f):
            best, best_f, best_la, idle = x1, f1, la, 0
        if f1 < 0.0:
            lo = max(lo, x1)
        else:
            hi = min(hi, x1)
        x2 = next_root_guess(x0, f0, x1, f1, lo, hi, cap)
        cap = min(1.5 * cap, 16.0)
        if abs(x2 - x1) <= 1e-16 * (1.0 + abs(x1)):
            break
        x0, f0, x1 = x1, f1, x2
    return best_la, best, abs(best_f)


@jit
def root_at_load(weights, kind, flip, kappa, beta, net, log_alpha, s, partner, lo, hi, direction, u, w):
    """Solve log alpha(s) = log_alpha on a monotone piece (direction +-1) inside [lo, hi] from guess s.

    Returns (s, partner, residual, evaluations).
    """
    la, partner, inner = curve_point(weights, kind, flip, kappa, beta, net, s, partner, 0, u, w)
    x0, f0 = s, direction * (la - log_alpha)
    best, best_partner, best_f, idle = x0, partner, max(abs(f0), inner), 0
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
        if best_f <= CONVERGED or (idle > 2 and best_f < SETTLED):
            break
        la, partner, inner = curve_point(weights, kind, flip, kappa, beta, net, x1, partner, 0, u, w)
        count += 1
        f1 = direction * (la - log_alpha)
        if math.isnan(f1):
            if best_f < SETTLED:
                break
            return best, best_partner, math.inf, count
        idle += 1
        if max(abs(f1), inner) < best_f:
            best, best_partner, best_f, idle = x1, partner, max(abs(f1), inner), 0
        if f1 < 0.0:
            lo = max(lo, x1)
        else:
            hi = min(hi, x1)
        x2 = next_root_guess(x0, f0, x1, f1, lo, hi, cap)
        cap = min(8.0, 1.5 * cap)
        if abs(x2 - x1) <= 2e-16 * (1.0 + abs(x1)):
            break
        x0, f0, x1 = x1, f1, x2
    return best, best_partner, best_f, count


@jit
def conjugates(kind, s, partner):
    """(q_hat, R_hat) at a point of the curve."""
    if kind == RANDOM:
        return math.exp(s), 0.0
    if kind == NISHIMORI:
        return math.exp(s), math.exp(s)
    return math.exp(partner), math.exp(s)


@jit
def read_off(weights, kind, flip, kappa, beta, net, log_alpha, s, partner, level, u, w):
    """Everything a state reports, at the curve's point (s, partner) and load alpha, by one quadrature rule.

    (v, q, R, T^2, 1-R, q_hat, R_hat, residual, free entropy, train error, replicon)
    """
    alpha = math.exp(log_alpha)
    q_hat, r_hat = conjugates(kind, s, partner)
    v, q, r, t2, one_minus_r, entropic, t4 = weights_average(weights, kind, q_hat, r_hat, level, u, w)
    cq, cv = overlap_map(net, q, v)
    slope, bend = overlap_slope(net, q, v), overlap_curvature(net, q, v)
    a, b = pattern_saddle(kind, flip, kappa, beta, cv, cq, r, t2, level, u, w)
    energetic, curvature, error = pattern_scalars(kind, flip, kappa, beta, cv, cq, r, t2, level, u, w)
    residual = abs(math.log(alpha * slope * a / (cv * q_hat)))
    if kind == TEACHER:
        residual = max(residual, abs(math.log(alpha * b / (math.sqrt(v) * r_hat))))
    replicon = 1.0 - alpha * (slope * slope * curvature / (cv * cv) + bend * a / cv) * t4
    return v, q, r, t2, one_minus_r, q_hat, r_hat, residual, entropic + alpha * energetic, error, replicon


@jit
def read_off_twice(weights, kind, flip, kappa, beta, net, log_alpha, s, partner, u, w):
    """`read_off` by the working rule and by the finer one (one call from Python: passing the arguments takes a microsecond)."""
    return (
        read_off(weights, kind, flip, kappa, beta, net, log_alpha, s, partner, 0, u, w),
        read_off(weights, kind, flip, kappa, beta, net, log_alpha, s, partner, 1, u, w),
    )
