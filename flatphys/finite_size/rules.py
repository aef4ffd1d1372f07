"""Rules with finite training: an optimiser of SciPy (or, for the square loss, LAPACK) minimises the learner's objective on patterns.

Nothing is imported from the solver, so that agreement means something: only the losses themselves (`kernels.losses`) are shared.
"""

import contextlib
import math

import numpy as np
from scipy import optimize

from flatphys.errors import InvalidInput, NotConverged, Unsatisfiable
from flatphys.finite_size.measure import loss_of
from flatphys.kernels.traits import loss_traits
from flatphys.model import ERM, Bayes, GaussianMixture, Hebb, MaxMargin

GRADIENT = 1e-6  # largest gradient per pattern that counts as a minimum
HINGE_BIAS = 1e-4  # accuracy of the bias that the hinge loss is trained with
BIAS_SCALE = 1e3  # of the constant input that plays the bias of the largest margin


def one_thread():
    """Context with a single-threaded BLAS (needs threadpoolctl, else it does nothing).

    At N of a few hundred the threads of BLAS wait for each other: on a busy machine a run takes forty
    times as long with two of them as with one.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return contextlib.nullcontext()
    return threadpool_limits(1, "blas")


def fit(learner, data, x, y, alpha):
    """(w, b) of a learner trained on patterns x (rows) with labels y.

    Raises `InvalidInput` (a learner without a weight vector at finite N), `Unsatisfiable` (no separating weights) or `NotConverged`.
    """
    p, n = x.shape
    y = np.asarray(y, dtype=float)
    z = y[:, None] * x / math.sqrt(n)
    if isinstance(learner, ERM):
        return _minimise(learner, data, z, y)
    if isinstance(learner, MaxMargin):
        return _max_margin(z, y, learner.bias)
    w, mixture = z.sum(axis=0) / alpha, isinstance(data, GaussianMixture)
    odds = math.log(data.positive / (1.0 - data.positive)) if mixture else 0.0
    if isinstance(learner, Hebb):
        return w, 0.5 * (w @ w) / n * data.variance * odds if learner.bias else 0.0
    if isinstance(learner, Bayes) and mixture:
        if learner.weights == "binary":
            return np.tanh(w * alpha / data.variance), 0.5 * data.variance * odds
        return w * alpha / (alpha + data.variance), 0.5 * data.variance * odds
    raise InvalidInput(f"learner must be ERM, MaxMargin, Hebb or (on a mixture) Bayes to be trained at finite N, got {learner!r}")


def _minimise(learner, data, z, y):
    traits = loss_traits(learner.loss)
    if traits.quadratic:
        w = _square(z, y, learner.l2, learner.bias)
        return w, float(np.mean(y * (1.0 - z @ w))) if learner.bias else 0.0
    if learner.loss == "hinge":  # the dual below is that of this loss alone
        return _hinge(z, y, learner.l2, learner.bias)
    if traits.kinked:
        raise InvalidInput(f"loss must be 'hinge' or differentiable to be trained at finite N, got {learner.loss!r}")
    return _smooth(z, y, learner, data)


def _square(z, y, l2, bias):
    """Ridge regression on the signed patterns z = y x/sqrt N (smallest norm at l2 = 0)."""
    p, n = z.shape
    if bias:  # the bias is eliminated: weighted means of z and 1 along y are taken out
        z = z - np.outer(y, y @ z) / p
        target = 1.0 - y * y.mean()
    else:
        target = np.ones(p)
    if l2 == 0.0:
        return np.linalg.lstsq(z, target, rcond=None)[0]
    if p < n:
        return z.T @ np.linalg.solve(z @ z.T + l2 * np.eye(p), target)
    return np.linalg.solve(z.T @ z + l2 * np.eye(n), z.T @ target)


def _smooth(z, y, learner, data):
    """Any differentiable loss, by L-BFGS with exact gradients."""
    p, n = z.shape
    l2, bias = learner.l2, learner.bias

    def objective(theta):
        w = theta[:n]
        value, force, _ = loss_of(learner.loss, z @ w + (y * theta[n] if bias else 0.0), data)
        gradient = z.T @ force + l2 * w
        if bias:
            gradient = np.append(gradient, y @ force)
        return value.sum() + 0.5 * l2 * w @ w, gradient

    options = {"maxiter": 20000, "maxfun": 40000, "maxcor": 40, "ftol": 1e-15, "gtol": 1e-9}
    best = optimize.minimize(objective, np.zeros(n + bias), jac=True, method="L-BFGS-B", options=options)
    size = np.linalg.norm(objective(best.x)[1]) / math.sqrt(p)
    if not size < GRADIENT:
        raise NotConverged(f"the optimiser stopped at a gradient of {size:.1e}: {best.message}", best.x, size)
    return best.x[:n], float(best.x[n]) if bias else 0.0


def _hinge(z, y, l2, bias):
    """The hinge loss through its dual, a quadratic program in a box: w = z'a/l2, 0 <= a <= 1, sum a y = 0 with a bias."""
    if l2 == 0.0:
        raise InvalidInput("l2 must be > 0 for the hinge loss at finite N, got 0.0")
    p, _ = z.shape
    start = np.full(p, 0.5)

    def dual(b, gradient=1e-4):
        nonlocal start
        reward = 1.0 - y * b

        def objective(a):
            w = z.T @ a / l2
            return 0.5 * l2 * w @ w - reward @ a, z @ w - reward

        options = {"maxiter": 20000, "maxfun": 40000, "maxcor": 30, "ftol": 1e-14, "gtol": gradient}
        start = optimize.minimize(objective, start, jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * p, options=options).x
        return start

    b = 0.0
    if bias:  # the derivative of the minimum with respect to b is -sum a y, a falling function of b
        middle = float(np.mean(y * (1.0 - z @ _square(z, y, l2, True))))
        seen = {}  # the optimiser's last digits depend on where it starts: ask for each value once

        def pull(b):
            if b not in seen:
                seen[b] = float(dual(b) @ y)
            return seen[b]

        low, high = middle - 0.2, middle + 0.2
        while pull(low) <= 0.0:
            low -= 0.5
        while pull(high) >= 0.0:
            high += 0.5
        b = optimize.brentq(pull, low, high, xtol=HINGE_BIAS)
    return z.T @ dual(b, 1e-6) / l2, b


def _max_margin(z, y, bias):
    """The largest margin through non-negative least squares: w = z'a, stationary where z w >= 1 - sum a."""
    p, n = z.shape
    wide = np.column_stack([z, BIAS_SCALE * y]) if bias else z
    scale = math.sqrt(np.mean(np.sum(wide * wide, axis=1)))
    matrix = np.vstack([wide.T / scale, np.ones(p)])
    a = optimize.nnls(matrix, np.append(np.zeros(wide.shape[1]), 1.0), maxiter=30 * p)[0]
    w = wide.T @ a
    if not (wide @ w).min() > 1e-9 * scale * scale:
        raise Unsatisfiable("this sample is not linearly separable")
    norm = math.sqrt(n) / np.linalg.norm(w[:n])
    return w[:n] * norm, float(w[n] * BIAS_SCALE * norm) if bias else 0.0
