"""Minimisers of a loss as states.

A minimiser of sum_mu l(t_mu) + (l2/2)|w|^2 at load alpha has m = w.v/N (v the centres or the teacher),
q = |w|^2/N, and the response V = (1/N) Tr[l2 I + (1/N) sum l''(t) x x^T]^-1.  They solve the equations
of `saddle.minimiser.newton`; D is the variance of the noise (1 for a teacher).

    replicon             1 - alpha D^2 V^2 E[(l''/(1 + c l''))^2],  c = V D;  positive for a convex loss,
                         for 1 - alpha D^2 V^2 E k^2 >= 1 - alpha D V E k = l2 V
    generalization error mixture: rho H((m+b)/sqrt(D q)) + (1-rho) H((m-b)/sqrt(D q));  teacher: arccos(m/sqrt q)/pi
    training error       P(t < 0) = P(omega < c l'(0))

l2 = 0 is the limit from above.  Where the patterns can be fitted exactly (square loss: alpha < 1;
hinge: separable) that is the solution of the smallest norm, V = infinity; a loss without a minimum at
finite margins has no such limit below the separability threshold.

Sources: Mignacco et al. ICML 2020; Aubin et al. NeurIPS 2020; Dobriban & Wager, Ann. Stat. 46 (2018) 247.
"""

import math
from dataclasses import replace

import numpy as np

from flatphys.errors import NoSolution, NotConverged
from flatphys.kernels.codes import MIXTURE, TEACHER, Labels, Minimiser
from flatphys.kernels.traits import loss_traits
from flatphys.model import GaussianMixture, spread_of
from flatphys.saddle.accept import Tolerance, accept
from flatphys.saddle.minimiser.closed import mixture_error
from flatphys.saddle.minimiser.collapse import collapse_load
from flatphys.saddle.minimiser.custom import compiled
from flatphys.saddle.minimiser.largest_margin import mixture_margin, separability
from flatphys.saddle.minimiser.newton import GOOD, Setting, Solution
from flatphys.saddle.minimiser.skew import skew_cdf
from flatphys.state import State

TOLERANCE = Tolerance(GOOD, 1e-8)
ADVICE = "a larger l2, or a load further from the separability threshold, is easier"
CLOUDS = Labels(MIXTURE, 0.0)
LARGEST = 340.0  # natural log of a length whose square is still a number
NEXT_TO_NONE = 1e-30  # an l2 that shifts lifted margins by less than rounding
NEAR_ONE = 1e-9  # relative distance of alpha from the interpolation threshold that counts as there


def parameters(data, learner, machinery) -> Minimiser:
    """What the kernels are told of a learner at its data."""
    if not isinstance(data, GaussianMixture):
        return Minimiser(machinery.code, Labels(TEACHER, data.flip), 1.0, 0.5, False, 0.0)
    bias = learner.bias and data.positive != 0.5  # balanced classes: b = 0 by symmetry
    anchor = float(machinery.bias_alone(machinery.code, data.positive)) if bias else 0.0
    return Minimiser(machinery.code, CLOUDS, data.variance, data.positive, bias, anchor)


def road(data, learner, alpha: float):
    """(solver, parameters) for one point; raises where there is no solution."""
    machinery, loss = compiled(learner.loss, spread_of(data)), learner.loss
    if learner.l2 > 0.0:
        return machinery, parameters(data, learner, machinery)
    traits = loss_traits(loss)
    if traits.exact_fit:
        if abs(alpha - 1.0) <= NEAR_ONE:
            raise NoSolution(f"at l2 = 0 the {loss} loss interpolates up to alpha = 1, where |w| diverges; got alpha = {alpha:g}")
        return machinery, parameters(data, learner, machinery)
    threshold = separability(data, learner.bias)
    if traits.margin_fit:
        if abs(alpha - threshold) <= NEAR_ONE * alpha:
            raise NoSolution(
                f"at l2 = 0 the norm |w| diverges at the separability threshold alpha = {threshold:.10g}; got alpha = {alpha:g}"
            )
    elif alpha <= threshold * (1.0 + NEAR_ONE):
        name = getattr(loss, "name", loss)
        raise NoSolution(
            f"at l2 = 0 the {name} loss has no minimiser below the separability threshold alpha = {threshold:.10g} "
            f"(|w| grows without bound); got alpha = {alpha:g}. Use l2 > 0, or MaxMargin for the limiting direction"
        )
    return machinery, parameters(data, learner, machinery)


def solve_erm(model, alpha: float) -> State:
    """State of ERM(loss, l2, bias) on GaussianMixture or, without bias, on Teacher."""
    machinery, p = road(model.data, model.learner, alpha)
    l2 = model.learner.l2
    lifted = l2 == 0.0 and loss_traits(model.learner.loss).margin_fit and alpha < separability(model.data, model.learner.bias)
    return state_at(model, alpha, machinery, p, smallest_norm(model, alpha, p) if lifted else machinery.solve_point(p, alpha, l2))


def smallest_norm(model, alpha: float, p: Minimiser) -> Solution:
    """The limit l2 -> 0 where every margin can be lifted to 1: the weights of the largest margin kappa, divided by it.

    The largest margin of the mixture is known; with a teacher it is that of a squared hinge whose l2 makes no difference.
    """
    data = model.data
    if p.labels.kind != MIXTURE:
        soft = compiled("squared-hinge")
        found = soft.solve_point(p._replace(loss=soft.code), alpha, NEXT_TO_NONE)
        lifted = found.k2 * (1.0 + math.exp(found.log_v)) ** 2  # the fraction of support vectors
        return found._replace(log_v=math.inf, loss=0.0, k2=lifted)
    best = mixture_margin(data, model.learner.bias, alpha)
    apart = math.sqrt(best.orthogonal)
    beta = (best.b - p.anchor * best.margin) / apart if p.bias else 0.0
    return Solution(best.m / apart, math.log(apart / best.margin), math.inf, beta, best.residual, 0.0, 0.0, best.support)


def solve_erm_path(model, alpha=None, l2=None) -> list[State]:
    """States along a curve, each point continued from its neighbour: pass alpha, or alpha and l2, as arrays.

    `alpha` and `l2` are broadcast against each other; `l2` defaults to that of the model's learner.
    """
    l2 = model.learner.l2 if l2 is None else l2
    alphas, l2s = (np.ascontiguousarray(a, dtype=float) for a in np.broadcast_arrays(np.atleast_1d(alpha), l2))
    models = {value: replace(model, learner=replace(model.learner, l2=value)) for value in dict.fromkeys(l2s.tolist())}
    if not np.all(l2s > 0.0):
        return [solve_erm(models[v], a) for v, a in zip(l2s.tolist(), alphas.tolist())]
    machinery, p = road(model.data, models[l2s[0]].learner, float(alphas[0]))
    found = solve_along(machinery, p, alphas.tolist(), l2s.tolist())
    return [state_at(models[at.l2], at.alpha, machinery, p, solution) for at, solution in found]


def solve_along(machinery, p, alphas, l2s):
    """(setting, solution) at every load and l2 > 0 of two lists, each continued from its neighbour where that leads there."""
    known = start = None
    for at in map(Setting, alphas, l2s):
        found = machinery.solve_from(p, start, known, *at) if start else None
        if found is None or not found.residual <= GOOD:
            found = machinery.solve_point(p, *at)
        yield at, found
        start, known = (at, found) if found.residual <= GOOD else (None, None)


def order_parameters(p, solution) -> dict:
    """The order parameters of a solution."""
    big_t = math.exp(solution.log_t)
    return {
        "m": solution.tau * big_t,
        "q": big_t * big_t * (1.0 + solution.tau * solution.tau),
        "V": math.exp(solution.log_v),
        "b": p.anchor + solution.beta * big_t if p.bias else 0.0,
        "q_orthogonal": big_t * big_t,
    }


def generalization_error(p, order) -> float:
    """Error on a new, clean example at order parameters."""
    if p.labels.kind != MIXTURE:
        return math.atan2(math.sqrt(order["q_orthogonal"]), order["m"]) / math.pi
    return mixture_error(p.positive, order["m"], order["b"], math.sqrt(p.variance * order["q"]))


def state_at(model, alpha, machinery, p, solution) -> State:
    """The state of a solution; raises what is wrong where it is none."""
    if not solution.residual <= GOOD:
        _refuse_collapse(model, alpha, p)
        # whatever they are, the unknowns have exponentials: `accept` refuses them
        solution = Solution(*np.nan_to_num(np.clip(solution[:4], -300.0, 300.0)).tolist(), *solution[4:])
    elif not (abs(solution.log_t) < LARGEST and (solution.log_v == math.inf or abs(solution.log_v) < 2.0 * LARGEST)):
        raise NotConverged(
            f"{model!r} at alpha={alpha:g} has weights of length 10^{solution.log_t / math.log(10.0):.0f} and a response of "
            f"10^{solution.log_v / math.log(10.0):.0f}, outside what double precision can hold: use an l2 closer to 1"
        )
    order, tau = order_parameters(p, solution), solution.tau
    c, s = order["V"] * p.variance, math.sqrt(p.variance * order["q"])
    if c == math.inf:
        train_error, train_loss = 0.0, float(machinery.point(machinery.code, 1.0)[0])
    else:
        train_loss, edge = solution.loss, c * machinery.slope_at_zero  # edge: omega above which a pattern ends correctly classified
        if p.labels.kind == MIXTURE:
            train_error = mixture_error(p.positive, order["m"] - edge, order["b"], s)
        else:
            train_error = float(skew_cdf(edge / s, tau, p.labels.flip))
    state = State.of_floats(
        model=model,
        alpha=alpha,
        branch="minimiser",
        order=order,
        train_error=train_error,
        train_loss=train_loss,
        generalization_error=generalization_error(p, order),
        cosine=tau / math.sqrt(1.0 + tau * tau),
        at_eigenvalue=1.0 - alpha * (1.0 if c == math.inf else c) ** 2 * solution.k2,
        residual=solution.residual,
        quadrature_error=solution.quadrature,
    )
    return accept(state, TOLERANCE, ADVICE)


def _refuse_collapse(model, alpha, p):
    """Raises where a point was not reached because the minimum lies at w = 0."""
    if model.learner.loss == "hinge" and p.bias:  # `collapse_load` is the law of this loss alone
        limit = collapse_load(p.variance, p.positive)
        if alpha >= limit * (1.0 - 1e-6):
            raise NoSolution(
                f"the hinge loss on {model.data} has its minimum at w = 0, b = {p.anchor:+g} (one answer for every pattern) "
                f"for alpha >= {limit:.8g}, whatever l2; got alpha = {alpha:g}"
            )
