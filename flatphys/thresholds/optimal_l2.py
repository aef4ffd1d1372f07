"""The strength of the regularisation with the smallest generalization error.

The derivative of the error with respect to log l2 follows from that of the saddle point, d x/d log l2 =
- J^-1 dF/d log l2, so that the minimum is the root of a smooth function and not the bottom of a flat
valley: mixture, z_y = (m + y b)/sqrt(D q),

    d error/d log l2 = - sum_y rho_y G(z_y) d z_y/d log l2;      teacher: -d tau/d log l2 / (pi (1 + tau^2)).

Strong regularisation of unbalanced clouds with a bias.  Then w ~ 1/l2 while b stays: with |b| >> m and sigma = sqrt(D q),

    error - min(rho, 1-rho) = max(rho, 1-rho) H((|b| + m)/sigma) - min(rho, 1-rho) H((|b| - m)/sigma),

whose terms have the ratio exp(-2 |b| m/sigma^2), up to a constant: it vanishes as l2 -> infinity, for m/sigma^2 ~ l2.  So
the error rises to its limit from below, by amounts as small as exp(-l2^2), and a finite l2 is always better than an infinite
one.  The slope is therefore computed in units of the larger G(z_y), which neither underflows nor changes a sign.
"""

import math
from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from flatphys.errors import InvalidInput, NotConverged
from flatphys.model import ERM
from flatphys.saddle.minimiser.averages import MIXTURE
from flatphys.saddle.minimiser.custom import compiled
from flatphys.saddle.minimiser.states import mixture_error, order_parameters, parameters, solve_erm

LOWEST, HIGHEST, PER_DECADE = -8.0, 6.0, 4  # the search, in decades of l2
FLAT = 1e-9  # a derivative below this fraction of what it is made of has no sign that could be trusted
LEAST = 0.1  # dz/d log l2 that counts as made of at least


def _slope(p, x, dx) -> tuple[float, float]:
    """(d generalization error/d log l2, size of the terms that it is the sum of), both in units of the larger G(z_y) for clouds."""
    loss, kind, bias, hard, variance, rho, flip, anchor = p
    tau, one = x[0], 1.0 + x[0] * x[0]
    if kind != MIXTURE:
        return -dx[0] / (math.pi * one), math.nan
    root = math.sqrt(variance * one)
    shift = anchor * math.exp(-x[1])  # b/T = shift + beta
    terms = []
    for y, share in ((1.0, rho), (-1.0, 1.0 - rho)):
        numerator = tau + y * (shift + x[3])
        z = numerator / root
        dz = (dx[0] + y * (dx[3] - shift * dx[1])) / root - z * tau * dx[0] / one
        terms.append((share, z, dz))
    near = min(z * z for _, z, _ in terms)
    weights = [share * math.exp(0.5 * (near - z * z)) for share, z, _ in terms]
    total = -sum(w * dz for w, (_, _, dz) in zip(weights, terms))
    return total, sum(w * max(abs(dz), LEAST) for w, (_, _, dz) in zip(weights, terms))


def optimal_l2(model, alpha: float) -> float:
    """The l2 that minimises the generalization error of ERM at load alpha (that of the model's learner is ignored).

    math.inf where a larger l2 is always better (as on a mixture that is balanced or learned without a bias), 0.0 where a smaller one is.
    The search covers l2 from 1e-8 to 1e6; `NotConverged` where unbalanced clouds have their best one beyond.
    """
    learner = model.learner
    if not isinstance(learner, ERM):
        raise InvalidInput(f"optimal_l2 needs an ERM learner, got {learner!r}")
    machinery = compiled(learner.loss)
    p = parameters(model.data, learner, machinery)
    decades = np.linspace(HIGHEST, LOWEST, round((HIGHEST - LOWEST) * PER_DECADE) + 1)
    l2s = 10.0**decades
    alphas = np.full(l2s.size, float(alpha))
    out, info = np.empty((l2s.size, 4)), np.empty((l2s.size, 4))
    if machinery.solve_path(p, alphas, l2s, out, info) < l2s.size:
        solve_erm(replace(model, learner=replace(learner, l2=1.0)), alpha)  # raises what is wrong, if it is physics
        raise NotConverged(f"the search for the best l2 of {learner} at alpha = {alpha:g} met a point that was not solved")

    dx = np.empty(4)

    def slope_at(x, l2):
        machinery.sensitivity(p, alpha, l2, x, dx)
        return _slope(p, x, dx)

    slopes, sizes = np.array([slope_at(x, l2) for x, l2 in zip(out, l2s)]).T
    if p[1] != MIXTURE:
        sizes = np.full(l2s.size, np.max(np.abs(slopes)))

    def slope(log_l2):
        l2 = math.exp(log_l2)
        row, note = np.empty((1, 4)), np.empty((1, 4))
        machinery.solve_path(p, np.array([alpha]), np.array([l2]), row, note)
        return slope_at(row[0], l2)[0]

    # From strong to weak regularisation; where the error has settled, the sign of its slope is noise.
    steep = np.flatnonzero(np.abs(slopes) > FLAT * sizes)
    candidates = []  # (error, l2)
    if slopes[steep[0]] < 0.0:
        if p[2]:  # a bias on unbalanced clouds: see the module's docstring
            raise NotConverged(
                f"the best l2 of {learner} at alpha = {alpha:g} lies beyond 1e{HIGHEST:g}: the clouds are balanced but for "
                f"{abs(model.data.positive - 0.5):.1e}"
            )
        candidates.append((_error(p, out[0]), math.inf))
    for i, j in zip(steep, steep[1:]):
        if slopes[i] > 0.0 > slopes[j]:
            best = math.exp(brentq(slope, math.log(l2s[j]), math.log(l2s[i]), xtol=1e-14, rtol=1e-15))
            row, note = np.empty((1, 4)), np.empty((1, 4))
            machinery.solve_path(p, np.array([alpha]), np.array([best]), row, note)
            candidates.append((_error(p, row[0]), best))
    if slopes[steep[-1]] > 0.0:
        candidates.append((_error(p, out[-1]), 0.0))
    return min(candidates)[1]


def _error(p, x) -> float:
    """Generalization error at x."""
    loss, kind, bias, hard, variance, rho, flip, anchor = p
    if kind != MIXTURE:
        return math.atan2(1.0, float(x[0])) / math.pi
    order = order_parameters(p, x)
    return mixture_error(rho, order["m"], order["b"], math.sqrt(variance * order["q"]))
