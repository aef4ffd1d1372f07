"""Learners at zero temperature: minimisers of a loss, largest margin, Hebb and Bayes, as states.

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

An unbalanced mixture learned by the hinge loss with a bias can be so noisy that w = 0 with the
constant rule b = +-1 is the minimum: the objective is homogeneous of degree 1 around that point, so
that this does not depend on l2 (see `collapse_load`).

Hebb, w = sum y x/(alpha sqrt N): mixture m = 1, q = 1 + D/alpha, teacher m = (1-2 eta) sqrt(2/pi),
q = m^2 + 1/alpha.  Bayes on the mixture (a Gaussian prior of the right length is as good as the
sphere): the posterior mean alpha/(alpha + D) times Hebb's weights, b = (D/2) log(rho/(1-rho)).
Their patterns' own contribution to w adds |x|^2/(alpha N) = D/alpha, or D/(alpha + D), to a stability.

Sources: Mignacco et al. ICML 2020; Aubin et al. NeurIPS 2020; Dobriban & Wager, Ann. Stat. 46 (2018) 247.
"""

import functools
import math

import numpy as np
from scipy.optimize import brentq

from flatphys.errors import InvalidInput, NoSolution, NotConverged, Unsatisfiable
from flatphys.kernels.losses import EXACT_FIT, MARGIN_FIT
from flatphys.model import GaussianMixture
from flatphys.saddle.minimiser.averages import MIXTURE, TEACHER
from flatphys.saddle.minimiser.custom import compiled
from flatphys.saddle.minimiser.largest_margin import mixture_margin, mixture_threshold, teacher_threshold
from flatphys.saddle.minimiser.newton import GOOD
from flatphys.saddle.minimiser.skew import skew_cdf
from flatphys.state import State

QUADRATURE = 1e-8  # a larger disagreement between the two rules is not returned
NEAR_ONE = 1e-9  # relative distance of alpha from the interpolation threshold that counts as there


def separability_threshold(data, bias: bool = False) -> float:
    """The load alpha above which no weights classify every pattern correctly.

    Mixture of any balance, with or without a bias; teacher with flipped labels (math.inf without flips).
    """
    return _threshold(data, bool(bias))


@functools.lru_cache(maxsize=256)
def _threshold(data, bias):
    if isinstance(data, GaussianMixture):
        return mixture_threshold(data, bias)
    if not hasattr(data, "flip"):
        raise InvalidInput(f"data must be GaussianMixture or Teacher, got {data!r}")
    return teacher_threshold(data.flip)


def tail(x: float) -> float:
    """H(x)."""
    return 0.5 * math.erfc(x * math.sqrt(0.5))


# --- loss minimisers --------------------------------------------------------------------------------
def parameters(data, learner, machinery, hard=False, code=None):
    """The tuple p of `minimiser_newton`."""
    code = machinery.code if code is None else code
    if not isinstance(data, GaussianMixture):
        return code, TEACHER, False, hard, 1.0, 0.5, data.flip, 0.0
    bias = learner.bias and data.positive != 0.5  # balanced classes: b = 0 by symmetry
    anchor = float(machinery.bias_alone(code, data.positive)) if bias else 0.0
    return code, MIXTURE, bias, hard, data.variance, data.positive, 0.0, anchor


def _road(data, learner, alpha: float):
    """(solver, p, l2) for one point; raises where there is no solution."""
    machinery, loss, l2 = compiled(learner.loss), learner.loss, learner.l2
    if l2 > 0.0:
        return machinery, parameters(data, learner, machinery), l2
    if loss in EXACT_FIT:
        if abs(alpha - 1.0) <= NEAR_ONE:
            raise NoSolution(f"at l2 = 0 the {loss} loss interpolates up to alpha = 1, where |w| diverges; got alpha = {alpha:g}")
        return machinery, parameters(data, learner, machinery, hard=alpha < 1.0), 0.0
    threshold = _threshold(data, learner.bias)
    if loss in MARGIN_FIT:
        if abs(alpha - threshold) <= NEAR_ONE * alpha:
            raise NoSolution(
                f"at l2 = 0 the norm |w| diverges at the separability threshold alpha = {threshold:.10g}; got alpha = {alpha:g}"
            )
        if alpha < threshold:  # smallest norm with t >= 1, by way of a loss that is smooth on the way there
            fit = compiled("squared-hinge")
            return fit, parameters(data, learner, fit, hard=True), 0.0
    elif alpha <= threshold * (1.0 + NEAR_ONE):
        name = loss if isinstance(loss, str) else loss.name
        raise NoSolution(
            f"at l2 = 0 the {name} loss has no minimiser below the separability threshold alpha = {threshold:.10g} "
            f"(|w| grows without bound); got alpha = {alpha:g}. Use l2 > 0, or MaxMargin for the limiting direction"
        )
    return machinery, parameters(data, learner, machinery), 0.0


def solve_erm(model, alpha: float) -> State:
    """State of ERM(loss, l2, bias) on GaussianMixture or, without bias, on Teacher."""
    machinery, p, l2 = _road(model.data, model.learner, alpha)
    out, info = np.empty((1, 4)), np.empty((1, 4))
    machinery.solve_path(p, np.array([alpha]), np.array([l2]), out, info)
    return _state(model, alpha, machinery, p, out[0], info[0])


def solve_erm_path(model, alpha=None, l2=None) -> list[State]:
    """States along a curve, each point continued from its neighbour: pass alpha, or alpha and l2, as arrays.

    `alpha` and `l2` are broadcast against each other; `l2` defaults to that of the model's learner.
    """
    from dataclasses import replace

    l2 = model.learner.l2 if l2 is None else l2
    alphas, l2s = (np.ascontiguousarray(a, dtype=float) for a in np.broadcast_arrays(np.atleast_1d(alpha), l2))
    models = {value: replace(model, learner=replace(model.learner, l2=value)) for value in dict.fromkeys(l2s.tolist())}
    if not np.all(l2s > 0.0):
        return [solve_erm(models[v], a) for v, a in zip(l2s.tolist(), alphas.tolist())]
    machinery, p, _ = _road(model.data, models[l2s[0]].learner, float(alphas[0]))
    out, info = np.empty((alphas.size, 4)), np.full((alphas.size, 4), math.nan)
    machinery.solve_path(p, alphas, l2s, out, info)
    return [_state(models[v], a, machinery, p, x, i) for v, a, x, i in zip(l2s.tolist(), alphas.tolist(), out, info.tolist())]


def order_parameters(p, x) -> dict:
    """The order parameters at a solution x of `minimiser_newton`."""
    loss, kind, bias, hard, variance, rho, flip, anchor = p
    tau, big_t, beta = float(x[0]), math.exp(x[1]), float(x[3])
    return {
        "m": tau * big_t,
        "q": big_t * big_t * (1.0 + tau * tau),
        "V": math.inf if hard else math.exp(x[2]),
        "b": anchor + beta * big_t if bias else 0.0,
        "q_orthogonal": big_t * big_t,
    }


def _state(model, alpha, machinery, p, x, info) -> State:
    residual, quadrature, train_loss, k2 = info
    loss, kind, bias, hard, variance, rho, flip, anchor = p
    if not residual <= GOOD:
        raise _failure(model, alpha, p, x, residual)
    order = order_parameters(p, x)
    if not quadrature <= QUADRATURE:
        raise NotConverged(f"the quadrature of {model.learner} at alpha = {alpha:g} is only good to {quadrature:.1e}", order, residual)
    tau = float(x[0])
    c = order["V"] * variance
    v = 1.0 / variance if hard else order["V"]
    s = math.sqrt(variance * order["q"])
    if kind == MIXTURE:
        generalization = mixture_error(rho, order["m"], order["b"], s)
    else:
        generalization = math.atan2(1.0, tau) / math.pi
    if hard:
        train_error = train_loss = 0.0
    else:
        edge = c * machinery.point(p[0], 0.0)[1]  # omega above which a pattern ends correctly classified
        if kind == MIXTURE:
            train_error = rho * tail((order["m"] + order["b"] - edge) / s) + (1.0 - rho) * tail((order["m"] - order["b"] - edge) / s)
        else:
            train_error = float(skew_cdf(edge / s, tau, flip))
    return State(
        model=model,
        alpha=alpha,
        branch="minimiser",
        order=order,
        train_error=train_error,
        train_loss=train_loss,
        generalization_error=generalization,
        cosine=tau / math.sqrt(1.0 + tau * tau),
        at_eigenvalue=1.0 - alpha * (variance * v) ** 2 * k2,
        residual=residual,
        quadrature_error=quadrature,
    )


def _failure(model, alpha, p, x, residual):
    """The error for a point that was not reached: physics where that is known, else numerics."""
    loss, kind, bias, hard, variance, rho, flip, anchor = p
    if model.learner.loss == "hinge" and bias:
        limit = collapse_load(variance, rho)
        if alpha >= limit * (1.0 - 1e-6):
            return NoSolution(
                f"the hinge loss on {model.data} has its minimum at w = 0, b = {anchor:+g} (one answer for every pattern) "
                f"for alpha >= {limit:.8g}, whatever l2; got alpha = {alpha:g}"
            )
    best = order_parameters(p, x) if np.all(np.isfinite(x)) else None
    return NotConverged(f"{model.learner} on {model.data} at alpha = {alpha:g} was not solved (residual {residual:.1e})", best, residual)


@functools.lru_cache(maxsize=256)
def collapse_load(variance: float, positive: float) -> float:
    """The load from which the hinge loss with a bias answers an unbalanced mixture by w = 0.

    For w -> 0 the larger class (share rho) crowds at the kink, the smaller one has l' = -1.  In units of
    the cavity field's width, the larger class at mean -u and shift c: f = clip((u - g)/c, 0, 1) and

        rho E f = 1 - rho,   alpha rho P(u - c < g < u) = 1,   (c^2/D) [alpha^2 A^2 + alpha D B] = 1,

    A = 2 (1 - rho), B = rho E f^2 + 1 - rho: the response V l2 = 1 - alpha rho P vanishes there.  Infinite
    where the centres are so far apart that no amount of data makes w = 0 optimal.
    """
    rho = max(positive, 1.0 - positive)
    if rho == 0.5:
        return math.inf

    def partial(a):  # E (a - g)_+ and E (a - g)_+^2
        phi, g = tail(-a), math.exp(-0.5 * a * a) / math.sqrt(2.0 * math.pi)
        return a * phi + g, (1.0 + a * a) * phi + a * g

    def place(c):
        return brentq(lambda u: (partial(u)[0] - partial(u - c)[0]) / c - (1.0 - rho) / rho, -40.0, 40.0 + c, xtol=1e-14)

    def load(c):
        u = place(c)
        return 1.0 / (rho * (tail(u - c) - tail(u)))

    def balance(log_c):
        c = math.exp(log_c)
        u = place(c)
        (_, over2), (inner1, inner2) = partial(u), partial(u - c)
        second = (over2 - inner2 - 2.0 * c * inner1) / (c * c)  # E f^2
        alpha, a = load(c), 2.0 * (1.0 - rho)
        return (c * alpha * a) ** 2 / variance + c * c * alpha * (rho * second + 1.0 - rho) - 1.0

    low, high = math.log(1e-6), math.log(1e3)
    if balance(low) >= 0.0:
        return math.inf
    return load(math.exp(brentq(balance, low, high, xtol=1e-13)))


# --- closed forms -----------------------------------------------------------------------------------
def mixture_error(rho: float, m: float, b: float, s: float) -> float:
    """Error on a new example of the mixture, s = sqrt(D q)."""
    return rho * tail((m + b) / s) + (1.0 - rho) * tail((m - b) / s)


def solve_hebb(model, alpha: float) -> State:
    """State of Hebb(bias) on GaussianMixture, or without bias on Teacher."""
    data = model.data
    if not isinstance(data, GaussianMixture):
        m = (1.0 - 2.0 * data.flip) * math.sqrt(2.0 / math.pi)
        q = m * m + 1.0 / alpha
        tau = m * math.sqrt(alpha)
        return State(
            model=model,
            alpha=alpha,
            branch="rule",
            order={"m": m, "q": q, "b": 0.0, "q_orthogonal": 1.0 / alpha},
            train_error=float(skew_cdf(-1.0 / (alpha * math.sqrt(q)), tau, data.flip)),
            generalization_error=math.atan2(1.0, tau) / math.pi,
            cosine=m / math.sqrt(q),
            residual=0.0,
            quadrature_error=0.0,
        )
    d, rho = data.variance, data.positive
    q = 1.0 + d / alpha
    b = 0.5 * d * q * math.log(rho / (1.0 - rho)) if model.learner.bias else 0.0
    return _closed(model, alpha, 1.0, q, b, d / alpha)


def solve_bayes_mixture(model, alpha: float) -> State:
    """State of Bayes on GaussianMixture: the posterior mean of the centres, the prior log-odds as its bias."""
    d, rho = model.data.variance, model.data.positive
    q = alpha / (alpha + d)
    return _closed(model, alpha, q, q, 0.5 * d * math.log(rho / (1.0 - rho)), d / (alpha + d))


def _closed(model, alpha, m, q, b, own) -> State:
    """A rule on the mixture without equations; `own` is what a pattern adds to its own stability."""
    rho, s = model.data.positive, math.sqrt(model.data.variance * q)
    return State(
        model=model,
        alpha=alpha,
        branch="rule",
        order={"m": m, "q": q, "b": b, "q_orthogonal": q - m * m},
        train_error=mixture_error(rho, m + own, b, s),
        generalization_error=mixture_error(rho, m, b, s),
        cosine=m / math.sqrt(q),
        residual=0.0,
        quadrature_error=0.0,
    )


def bayes_error_mixture(data, alpha: float) -> float:
    """Smallest error on new examples that alpha N examples of the mixture allow."""
    d, rho = data.variance, data.positive
    q = alpha / (alpha + d)
    return mixture_error(rho, q, 0.5 * d * math.log(rho / (1.0 - rho)), math.sqrt(d * q))


def solve_max_margin_mixture(model, alpha: float) -> State:
    """State of MaxMargin(bias) on GaussianMixture; raises Unsatisfiable beyond the separability threshold."""
    data, bias = model.data, model.learner.bias
    threshold = _threshold(data, bias)
    if alpha >= threshold:
        raise Unsatisfiable(
            f"{data} is not linearly separable{' with a bias' if bias else ''} at alpha = {alpha:g}: "
            f"the separability threshold is {threshold:.10g}"
        )
    best = mixture_margin(data, bias, alpha)
    m, b, root = best["m"], best["b"], math.sqrt(data.variance)
    return State(
        model=model,
        alpha=alpha,
        branch="max_margin",
        order={"m": m, "q": 1.0, "b": b, "margin": best["margin"]},
        train_error=0.0,
        generalization_error=mixture_error(data.positive, m, b, root),
        cosine=m,
        at_eigenvalue=1.0 - alpha * best["support"],
        residual=best["residual"],
        quadrature_error=0.0,
    )
