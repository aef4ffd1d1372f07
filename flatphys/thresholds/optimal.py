"""The best that can be done: Bayes-optimal errors, and the strength of the regularisation with the smallest error.

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

from flatphys import validate
from flatphys.errors import InvalidInput, NotConverged
from flatphys.kernels.codes import MIXTURE
from flatphys.model import ERM, Bayes, GaussianMixture, Model, Teacher, check_model
from flatphys.numerics.roots import bracketed
from flatphys.saddle.equilibrium import states as equilibrium
from flatphys.saddle.minimiser.closed import bayes_error_mixture
from flatphys.saddle.minimiser.custom import compiled
from flatphys.saddle.minimiser.newton import Solution
from flatphys.saddle.minimiser.states import generalization_error, order_parameters, parameters, solve_erm

LOWEST, HIGHEST, PER_DECADE = -8.0, 6.0, 4  # the search, in decades of l2
FLAT = 1e-9  # a derivative below this fraction of what it is made of has no sign that could be trusted
LEAST = 0.1  # dz/d log l2 that counts as made of at least


def bayes_error(data: Teacher | GaussianMixture, alpha: float, weights: str = "spherical") -> float:
    """The least generalization error that any rule can have on `data` at load alpha.

    Parameters
    ----------
    data : Teacher or GaussianMixture
        A teacher's labels may be flipped with probability `flip`; the error counts clean labels.
    weights : "spherical" or "binary"
        The teacher's prior (not used on the mixture).
    """
    validate.instance("data", data, (Teacher, GaussianMixture))
    if isinstance(data, GaussianMixture):
        return bayes_error_mixture(data, validate.load(alpha))
    return equilibrium.dominant(Model(data, Bayes(weights)), validate.load(alpha)).generalization_error


def error_slope(p, solution, dx) -> tuple[float, float]:
    """(d generalization error/d log l2, size of the terms that it is the sum of) from d x/d log l2 at a solution.

    For clouds in units of the larger G(z_y).
    """
    tau, one = solution.tau, 1.0 + solution.tau * solution.tau
    if p.labels.kind != MIXTURE:
        return -dx[0] / (math.pi * one), math.nan
    root = math.sqrt(p.variance * one)
    shift = p.anchor * math.exp(-solution.log_t)  # b/T = shift + beta
    terms = []
    for y, share in ((1.0, p.positive), (-1.0, 1.0 - p.positive)):
        numerator = tau + y * (shift + solution.beta)
        z = numerator / root
        dz = (dx[0] + y * (dx[3] - shift * dx[1])) / root - z * tau * dx[0] / one
        terms.append((share, z, dz))
    near = min(z * z for _, z, _ in terms)
    weights = [share * math.exp(0.5 * (near - z * z)) for share, z, _ in terms]
    total = -sum(w * dz for w, (_, _, dz) in zip(weights, terms))
    return total, sum(w * max(abs(dz), LEAST) for w, (_, _, dz) in zip(weights, terms))


class Regularisation:
    """How the generalization error of a model's ERM learner answers to l2 at a load (the learner's own l2 is ignored)."""

    def __init__(self, model: Model, alpha: float):
        self.alpha, self.machinery = alpha, compiled(model.learner.loss)
        self.p = parameters(model.data, model.learner, self.machinery)

    def solve(self, l2: float) -> Solution:
        """The solution at one l2."""
        return self.machinery.solve_point(self.p, self.alpha, l2)

    def solve_all(self, l2s) -> list[Solution]:
        """The solutions at an array of l2, each from its neighbour, up to the first that is not found."""
        out = np.empty((l2s.size, len(Solution._fields)))
        solved = self.machinery.solve_path(self.p, np.full(l2s.size, self.alpha), l2s, out)
        return [Solution(*row) for row in out[:solved].tolist()]

    def slope(self, l2: float, solution: Solution) -> tuple[float, float]:
        """`error_slope` at a solution."""
        dx = np.empty(4)
        self.machinery.sensitivity(self.p, self.alpha, l2, np.array(solution[:4]), dx)
        return error_slope(self.p, solution, dx)

    def error(self, solution: Solution) -> float:
        """The generalization error of a solution."""
        return generalization_error(self.p, order_parameters(self.p, solution))


def optimal_l2(model: Model, alpha: float) -> float:
    """The l2 that minimises the generalization error of ERM at load alpha; the learner's own l2 is not used.

    math.inf where a larger l2 is always better (a mixture that is balanced or learned without a bias), 0.0 where a smaller one is.
    The search covers l2 from 1e-8 to 1e6; `NotConverged` where unbalanced clouds have their best one beyond.
    """
    check_model(model)
    learner, alpha = model.learner, validate.load(alpha)
    if not isinstance(learner, ERM):
        raise InvalidInput(f"optimal_l2 needs an ERM learner, got {learner!r}")
    system = Regularisation(model, alpha)
    l2s = 10.0 ** np.linspace(HIGHEST, LOWEST, round((HIGHEST - LOWEST) * PER_DECADE) + 1)
    found = system.solve_all(l2s)
    if len(found) < l2s.size:
        solve_erm(replace(model, learner=replace(learner, l2=1.0)), alpha)  # raises what is wrong, if it is physics
        raise NotConverged(f"the search for the best l2 of {learner} at alpha = {alpha:g} met a point that was not solved")
    slopes, sizes = np.array([system.slope(l2, x) for x, l2 in zip(found, l2s.tolist())]).T
    if system.p.labels.kind != MIXTURE:
        sizes = np.full(l2s.size, np.max(np.abs(slopes)))

    def slope(log_l2):
        l2 = math.exp(log_l2)
        return system.slope(l2, system.solve(l2))[0]

    # From strong to weak regularisation; where the error has settled, the sign of its slope is noise.
    steep = np.flatnonzero(np.abs(slopes) > FLAT * sizes)
    candidates = []  # (error, l2)
    if slopes[steep[0]] < 0.0:
        if system.p.bias:  # on unbalanced clouds: see the module's docstring
            raise NotConverged(
                f"the best l2 of {learner} at alpha = {alpha:g} lies beyond 1e{HIGHEST:g}: "
                f"the clouds are balanced but for {abs(model.data.positive - 0.5):.1e}"
            )
        candidates.append((system.error(found[0]), math.inf))
    for i, j in zip(steep[:-1], steep[1:]):
        if slopes[i] > 0.0 > slopes[j]:
            best = math.exp(bracketed(slope, math.log(l2s[j]), math.log(l2s[i])))
            candidates.append((system.error(system.solve(best)), best))
    if slopes[steep[-1]] > 0.0:
        candidates.append((system.error(found[-1]), 0.0))
    return min(candidates)[1]
