"""Rules in closed form, or nearly: Hebb, Bayes on the mixture, the largest margin of the mixture, as states.

Hebb, w = sum y x/(alpha sqrt N): mixture m = 1, q = 1 + D/alpha, teacher m = (1-2 eta) sqrt(2/pi),
q = m^2 + 1/alpha.  Bayes on the mixture (a Gaussian prior of the right length is as good as the
sphere): the posterior mean alpha/(alpha + D) times Hebb's weights, b = (D/2) log(rho/(1-rho)).
Binary centres have independent posteriors with the fields h_i = sum y x_i/(D sqrt N) = (alpha/D) v_i + sqrt(alpha/D) z_i: the
posterior mean is tanh h_i, and by Nishimori's identity m = q = E tanh^2(alpha/D + sqrt(alpha/D) z).
Their patterns' own contribution to w adds |x|^2/(alpha N) = D/alpha, or for Bayes 1-q, to a stability.
"""

import math

from flatphys.errors import Unsatisfiable
from flatphys.kernels.codes import BINARY, ERRORS, NISHIMORI, Channel, Labels, Problem
from flatphys.kernels.networks import PERCEPTRON_NET
from flatphys.model import GaussianMixture
from flatphys.numerics.quadrature import buffers
from flatphys.saddle.accept import Tolerance, accept
from flatphys.saddle.equilibrium.averages import weights_average
from flatphys.saddle.minimiser.largest_margin import mixture_margin, separability
from flatphys.saddle.minimiser.skew import skew_cdf
from flatphys.state import State

EXACT = Tolerance(0.0, 0.0)  # nothing is solved, nothing is summed
SUMMED = Tolerance(0.0, 1e-12)  # an average over the posterior's fields
TOLERANCE = Tolerance(1e-11, 0.0)  # of the largest margin


def tail(x: float) -> float:
    """H(x)."""
    return 0.5 * math.erfc(x * math.sqrt(0.5))


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
        state = State(
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
        return accept(state, EXACT, "a smaller load helps")
    d, rho = data.variance, data.positive
    q = 1.0 + d / alpha
    b = 0.5 * d * q * math.log(rho / (1.0 - rho)) if model.learner.bias else 0.0
    return _closed(model, alpha, 1.0, q, b, d / alpha)


def solve_bayes_mixture(model, alpha: float) -> State:
    """State of Bayes on GaussianMixture: the posterior mean of the centres, the prior log-odds as its bias."""
    d, rho = model.data.variance, model.data.positive
    q, v, worth = posterior_overlap(d, alpha, model.learner.weights)
    return _closed(model, alpha, q, q, 0.5 * d * math.log(rho / (1.0 - rho)), v, worth)


def posterior_overlap(d: float, alpha: float, weights: str) -> tuple[float, float, float]:
    """(q, 1-q, quadrature error) of the posterior mean of the mixture's centres."""
    if weights == "spherical":
        return alpha / (alpha + d), d / (alpha + d), 0.0
    problem, field = Problem(BINARY, Labels(NISHIMORI, 0.0), Channel(ERRORS, 0.0, math.inf), PERCEPTRON_NET), alpha / d
    found, fine = (weights_average(problem, field, field, level, buffers()) for level in (0, 1))
    return found.q, found.v, max(abs(found.q - fine.q) / max(found.q, 1e-300), abs(found.v - fine.v))


def _closed(model, alpha, m, q, b, own, worth=0.0) -> State:
    """A rule on the mixture without equations; `own` is what a pattern adds to its own stability."""
    rho, s = model.data.positive, math.sqrt(model.data.variance * q)
    state = State(
        model=model,
        alpha=alpha,
        branch="rule",
        order={"m": m, "q": q, "b": b, "q_orthogonal": q * own if m == q else q - m * m},
        train_error=mixture_error(rho, m + own, b, s),
        generalization_error=mixture_error(rho, m, b, s),
        cosine=m / math.sqrt(q),
        residual=0.0,
        quadrature_error=worth,
    )
    return accept(state, SUMMED if worth > 0.0 else EXACT, "a smaller variance helps")


def bayes_error_mixture(data, alpha: float, weights: str = "spherical") -> float:
    """Smallest error on new examples that alpha N examples of the mixture, of centres with this prior, allow."""
    d, rho = data.variance, data.positive
    q = posterior_overlap(d, alpha, weights)[0]
    return mixture_error(rho, q, 0.5 * d * math.log(rho / (1.0 - rho)), math.sqrt(d * q))


def solve_max_margin_mixture(model, alpha: float) -> State:
    """State of MaxMargin(bias) on GaussianMixture; raises Unsatisfiable beyond the separability threshold."""
    data, bias = model.data, model.learner.bias
    threshold = separability(data, bias)
    if alpha >= threshold:
        raise Unsatisfiable(
            f"{data} is not linearly separable{' with a bias' if bias else ''} at alpha = {alpha:g}: "
            f"the separability threshold is {threshold:.10g}"
        )
    best = mixture_margin(data, bias, alpha)
    state = State(
        model=model,
        alpha=alpha,
        branch="max_margin",
        order={"m": best.m, "q": 1.0, "b": best.b, "margin": best.margin},
        train_error=0.0,
        generalization_error=mixture_error(data.positive, best.m, best.b, math.sqrt(data.variance)),
        cosine=best.m,
        at_eigenvalue=1.0 - alpha * best.support,
        residual=best.residual,
        quadrature_error=0.0,
    )
    return accept(state, TOLERANCE, "a load further below the separability threshold is easier")
