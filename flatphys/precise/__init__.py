"""flatphys.precise: a state's equations at any number of digits, by an independent road.

`flatphys.solve` works in double precision.  `refine(state, digits)` takes its answer as a guess, solves
the same saddle-point equations in mpmath and returns every number to `digits` digits; `residuals` says how
well the state itself fulfils them; `free_entropy` is the function that the saddle makes stationary.

Nothing here is shared with the compiled solver: the equations are written out again from their
definitions (G the standard normal density, H its upper tail, Dz = G(z) dz), the averages are another
quadrature (`precise.quadrature`), the integrals of the limit q -> 1 are closed forms with Owen's T function.

    >>> import mpmath as mp, flatphys as fp
    >>> state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary")), 0.5)
    >>> mp.nstr(fp.precise.refine(state, digits=30).entropy, 30)
    '0.314390066855625118729105096452'
"""

import math
import numbers

import mpmath as mp

from flatphys import validate
from flatphys.errors import InvalidInput, NotConverged
from flatphys.model import ERM, Bayes, Gibbs, MaxMargin, Model, RandomLabels, Teacher, check_model
from flatphys.precise.equilibrium import Equilibrium
from flatphys.precise.limit import Limit
from flatphys.precise.minimiser import Minimiser
from flatphys.precise.quadrature import GUARD
from flatphys.precise.result import Refined
from flatphys.state import State

__all__ = ["Refined", "free_entropy", "refine", "residuals"]

MIN_DIGITS, MAX_DIGITS = 10, 300
STEPS = 30  # Newton steps before a refinement is given up


def _digits(digits) -> int:
    return validate.integer("digits", digits, MIN_DIGITS, MAX_DIGITS)


def _exact(name, value):
    """A number with all its digits, which an mpf or a fraction has more of than a float."""
    if isinstance(value, mp.mpf) and mp.isfinite(value):
        return value
    x = validate.number(name, value)
    return value if isinstance(value, numbers.Rational) else x


def _problem(state, digits):
    """The equations that answer `state`; None for the teacher's own state, which is exact."""
    digits = _digits(digits)
    validate.instance("state", state, (State,))
    model = state.model
    known = isinstance(model.data, (RandomLabels, Teacher)) and isinstance(model.learner, (Gibbs, Bayes, MaxMargin))
    clouds = isinstance(model.learner, Gibbs) and not known and state.order.get("b", 0.0) == 0.0 and state.branch != "ground_state"
    if isinstance(model.learner, ERM):
        return Minimiser(state, digits)
    if not (known or clouds) or state.ansatz != "RS":
        raise InvalidInput(
            f"state must be a replica-symmetric one of a Gibbs, Bayes or MaxMargin learner with random labels or a teacher, of a Gibbs "
            f"learner without a bias at finite overlap on a mixture, or of ERM by a smooth loss without a bias, got {model!r}"
        )
    if state.branch in ("max_margin", "ground_state"):
        return Limit(state, digits)
    return None if state.one_minus_q == 0.0 else Equilibrium.of(state, digits)


def residuals(state: State, digits: int = 30) -> dict:
    """How well the numbers of `state` fulfil its saddle-point equations.

    Parameters
    ----------
    state : State
        Of a Gibbs learner (any branch, ground states included), Bayes, MaxMargin on Teacher data, or ERM without a bias by the square,
        logistic or a smoothed loss.
    digits : int
        Accuracy of the evaluation, 10 to 300.

    Returns
    -------
    dict[str, mpf]
        For each order parameter the relative difference between what its equation demands and what the
        state says: q, one_minus_q, R against the weights' averages at the state's (q_hat, R_hat); q_hat, R_hat
        against the patterns' averages at those overlaps.  In the limit q -> 1 (maximum margin, spherical ground
        state) "norm" and "overlap", the two equations of `Limit`; of ERM m, q_orthogonal and V.  About 1e-15 for a good state.
    """
    problem = _problem(state, digits)
    if problem is None:
        return {name: mp.mpf(0) for name in state.order}
    with mp.workdps(problem.dps):
        return problem.residuals(state)


def refine(state: State, digits: int = 30) -> Refined:
    """The saddle point next to `state`, to `digits` digits.

    The load, margin, beta and flip are taken as the exact binary numbers that the state holds.

    Parameters
    ----------
    state : State
        Of a Gibbs learner (any branch, ground states included), Bayes, MaxMargin on Teacher data, or ERM without a bias by the square,
        logistic or a smoothed loss.
    digits : int
        Relative accuracy of the order parameters, 10 to 300.  An ordinary point takes half a second
        at 30 digits, a few seconds at 100.

    Raises
    ------
    InvalidInput
        `digits` or `state` is not of this kind.
    NotConverged
        The digits were not reached: the load lies at the end of a branch (spinodal), where it determines the
        order parameters only to the square root of its own precision.

    Examples
    --------
    >>> import flatphys as fp
    >>> state = fp.solve(fp.Model(fp.Teacher(), fp.Gibbs("spherical")), 1.0)
    >>> refined = fp.precise.refine(state, digits=30)
    >>> bool(abs(refined.q - refined.R) < 1e-30)
    True
    """
    problem = _problem(state, digits)
    if problem is None:
        return _teacher(state, _digits(digits))
    with mp.workdps(problem.dps):
        x, tolerance = problem.start, mp.mpf(10) ** (-problem.digits - 1)
        problem.prepare(x)
        for _ in range(4):
            x, inverse = _newton(problem, x, state)
            if max(map(abs, inverse * mp.matrix(problem.equations(x, second=True)))) < tolerance:
                break
            problem.finer()
        else:
            raise NotConverged(
                f"two quadratures of {state.model!r} at alpha={state.alpha:g} do not agree to {digits} digits; ask for fewer",
                dict(state.order),
                state.residual,
            )
        order, violations, scalars = problem.result(state, x)
        return Refined(state.model, problem.alpha, state.branch, problem.digits, order, violations, **scalars)


def _newton(problem, x, state):
    """(root, inverse Jacobian): Newton's method with a Jacobian that is kept while it serves."""
    target = mp.mpf(10) ** (-problem.digits - 4)
    delta = mp.mpf(10) ** (-(problem.digits // 2) - 2)
    inverse, last = None, mp.inf
    for _ in range(STEPS):
        values = problem.equations(x)
        if inverse is None:
            columns = [problem.equations([xi + (delta if i == j else 0) for i, xi in enumerate(x)]) for j in range(len(x))]
            jacobian = mp.matrix(len(x), len(x))
            for j, column in enumerate(columns):
                for i, (moved, value) in enumerate(zip(column, values)):
                    jacobian[i, j] = (moved - value) / delta
            try:
                inverse = jacobian**-1
            except ZeroDivisionError:
                break
        step = inverse * mp.matrix(values)
        size = max(map(abs, step))
        if not size < 0.5:  # the guess was good to many digits: this is no longer its saddle
            break
        x = [xi - si for xi, si in zip(x, step)]
        if size < target:
            return x, inverse
        if size > last / 1000:
            inverse = None
        last = size
    raise NotConverged(
        f"the {state.branch} branch of {state.model!r} at alpha={state.alpha:g} was not refined to {problem.digits} digits: "
        f"the load lies too close to the end of the branch, where it does not determine the order parameters",
        dict(state.order),
        float(max(map(abs, values))),
    )


def _teacher(state, digits):
    """q = R = 1: the learner is the teacher, and nothing is left to refine."""
    with mp.workdps(digits + GUARD):
        alpha, flip = mp.mpf(state.alpha), mp.mpf(state.model.data.flip)
        learner = state.model.learner
        beta = mp.log((1 - flip) / flip) if isinstance(learner, Bayes) and flip else mp.mpf(getattr(learner, "beta", math.inf))
        zero, one = mp.mpf(0), mp.mpf(1)
        return Refined(
            state.model,
            alpha,
            state.branch,
            digits,
            {name: mp.mpf(value) for name, value in state.order.items()},
            {name: zero for name in state.order},
            free_entropy=-alpha * beta * flip if flip else zero,
            entropy=zero,
            train_error=flip,
            train_loss=None if isinstance(learner, Bayes) else flip,
            generalization_error=zero,
            centre_generalization_error=zero,
            bayes_error=zero,
            cosine=one,
            at_eigenvalue=one,
        )


def free_entropy(model: Model, alpha: float, q, q_hat=None, R=0, R_hat=0, digits: int = 30):
    """The replica-symmetric free entropy as a function of its order parameters, in nats per weight.

    binary:    -R R_hat - q_hat (1-q)/2 + E log 2cosh(sqrt(q_hat) z + R_hat) + alpha Int Dz W(z) log f
    spherical: [log(1-q) + (q-R^2)/(1-q)]/2 + alpha Int Dz W(z) log f        (conjugates eliminated)

    with c(q) in place of q in f for a tree committee of a built-in activation.

    A state is a stationary point of it: the derivatives with respect to q, R, q_hat and R_hat vanish there.

    Parameters
    ----------
    model : Model
        With a Gibbs or Bayes learner.
    alpha : float > 0
    q, R : numbers (mpf for more digits than a float has), 0 < q < 1, R^2 < q
        Overlap of two weights, and with the teacher.
    q_hat, R_hat : numbers
        The conjugates (binary weights only).
    digits : int
        10 to 300.
    """
    check_model(model)
    digits, alpha = _digits(digits), validate.load(alpha)
    if not isinstance(model.learner, (Gibbs, Bayes)):
        raise InvalidInput(f"model must have a Gibbs or Bayes learner, got {model.learner!r}")
    binary = model.learner.weights == "binary"
    q, R, R_hat = _exact("q", q), _exact("R", R), _exact("R_hat", R_hat)
    q_hat = _exact("q_hat", q_hat) if binary or q_hat is not None else None
    if not (0 < q < 1 and R * R < q and (not binary or q_hat > 0)):
        raise InvalidInput(f"q must lie in (0, 1), R^2 below q and q_hat above 0, got q={q}, R={R}, q_hat={q_hat}")
    problem = Equilibrium(model, alpha, digits, float(1 - q))
    with mp.workdps(problem.dps):
        q, R, R_hat = mp.mpf(q), mp.mpf(R), mp.mpf(R_hat)
        v, t2 = 1 - q, q - R * R
        if binary:
            q_hat = mp.mpf(q_hat)
            weight = problem._weight(q_hat, R_hat)
            log_z = problem._weight_rule(q_hat, R_hat).settle(weight).average(weight)[5]
            entropic = -R * R_hat - q_hat * v / 2 + log_z
        else:
            entropic = (mp.log(v) + t2 / v) / 2
        v, q = problem.network.overlap(v, q)
        pattern = problem._pattern(v, q, R, t2, True)
        return entropic + problem.alpha * problem._pattern_rule(v, q, R, t2).settle(pattern).average(pattern)[2]
