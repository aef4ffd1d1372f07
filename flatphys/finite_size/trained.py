"""Classifiers trained on sampled data at finite N: the same questions as the theory's, without its equations.

Data are drawn, the objective is handed to an optimiser of SciPy (or, for the square loss, to LAPACK),
and every quantity is measured on the result: overlaps and norms from the weights, errors on the
training set and on fresh examples, the local energy by perturbing the weights, the flatness by its
definition.  Nothing is imported from the solver, so that agreement means something.

    run = finite.train(model, n=1000, alpha=2.0, instances=16, seed=1, sigma=[0.5], at=[0.0, 1.0])
    run.m.mean, run.m.error, run.margins_cdf.mean, run.local_energy.mean

Estimates are means over independent instances with their standard errors.  Corrections of order 1/N
are not part of the error bars.
"""

import contextlib
import math
from dataclasses import dataclass, field

import numpy as np
from scipy import optimize

from flatphys import validate
from flatphys.display import figure, html_table, text_table
from flatphys.errors import InvalidInput, NotConverged, Unsatisfiable

TEST_EXAMPLES = 4  # fresh examples per weight, for the generalization error
PERTURBATIONS = 16  # of the weights, for the local energy
GRADIENT = 1e-6  # largest gradient per pattern that counts as a minimum
HINGE_BIAS = 1e-4  # accuracy of the bias that the hinge loss is trained with
BIAS_SCALE = 1e3  # of the constant input that plays the bias of the largest margin


@dataclass(frozen=True)
class Estimate:
    """A mean over instances and its standard error: numbers, or arrays of them.

    `resolution` is the smallest step that the mean can take (a fraction of so many patterns): an
    event too rare to be seen once has a standard error of 0, but it is not known better than that.
    """

    mean: object
    error: object
    values: np.ndarray = field(repr=False, default=None)
    resolution: float = 1e-12

    @classmethod
    def of(cls, values, resolution=1e-12):
        """From one value (or array) per instance."""
        values = np.asarray(values, dtype=float)
        error = values.std(axis=0, ddof=1) / math.sqrt(len(values))
        mean = values.mean(axis=0)
        if values.ndim == 1:
            mean, error = float(mean), float(error)
        return cls(mean, error, values, resolution)

    def z(self, value):
        """How many standard errors the mean lies above `value` (errors below the resolution count as that)."""
        return (self.mean - np.asarray(value)) / np.maximum(self.error, self.resolution)


@dataclass(frozen=True, repr=False)
class FiniteRun:
    """What `train` measured; every quantity is an attribute (`run.m`, `run.train_error`, ...) and an `Estimate`."""

    model: object
    n: int
    alpha: float
    instances: int
    sigma: np.ndarray
    at: np.ndarray
    estimates: dict

    def __getattr__(self, name):
        estimates = self.__dict__.get("estimates", {})
        if name in estimates:
            return estimates[name]
        raise AttributeError(f"this run has no {name!r}; it measured {', '.join(estimates) or 'nothing'}")

    def _rows(self):
        return [(k, f"{figure(e.mean)} +- {figure(e.error)}") for k, e in self.estimates.items() if np.ndim(e.mean) == 0]

    def _title(self):
        return f"{self.model} at N = {self.n}, alpha = {self.alpha:.6g}, {self.instances} instances"

    def __repr__(self) -> str:
        return text_table(self._title(), self._rows())

    def _repr_html_(self) -> str:
        return html_table(self._title(), self._rows())


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


# --- data -------------------------------------------------------------------------------------------
def draw(data, n: int, patterns: int, rng, direction=None):
    """(x, y, clean labels, direction): patterns as rows, |direction|^2 = n (drawn unless given)."""
    if direction is None:
        direction = rng.standard_normal(n)
        direction *= math.sqrt(n) / np.linalg.norm(direction)
    x = rng.standard_normal((patterns, n))
    if hasattr(data, "variance"):
        y = np.where(rng.random(patterns) < data.positive, 1.0, -1.0)
        x *= math.sqrt(data.variance)
        x += np.outer(y, direction / math.sqrt(n))
        return x, y, y, direction
    if not hasattr(data, "flip"):
        raise InvalidInput(f"data must be GaussianMixture or Teacher, got {data!r}")
    clean = np.where(x @ direction >= 0.0, 1.0, -1.0)
    return x, np.where(rng.random(patterns) < data.flip, -clean, clean), clean, direction


# --- training ---------------------------------------------------------------------------------------
def _loss(loss):
    """(value, slope, curvature) on arrays."""
    if loss == "square":
        return lambda t: 0.5 * (1.0 - t) ** 2, lambda t: t - 1.0, np.ones_like
    if loss == "logistic":
        sigmoid = lambda t: 0.5 * (1.0 - np.tanh(0.5 * t))  # 1/(1 + e^t)
        return lambda t: np.logaddexp(0.0, -t), lambda t: -sigmoid(t), lambda t: sigmoid(t) * (1.0 - sigmoid(t))
    if loss == "hinge":
        return lambda t: np.maximum(0.0, 1.0 - t), None, None
    if loss == "squared-hinge":
        return (lambda t: 0.5 * np.maximum(0.0, 1.0 - t) ** 2, lambda t: -np.maximum(0.0, 1.0 - t), lambda t: np.where(t < 1.0, 1.0, 0.0))
    return tuple(np.vectorize(f, otypes=[float]) for f in (loss.value, loss.slope, loss.curvature))


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


def _smooth(z, y, loss, l2, bias):
    """Any differentiable loss, by L-BFGS with exact gradients."""
    value, slope, _ = _loss(loss)
    p, n = z.shape

    def objective(theta):
        w = theta[:n]
        t = z @ w + (y * theta[n] if bias else 0.0)
        force = slope(t)
        gradient = z.T @ force + l2 * w
        if bias:
            gradient = np.append(gradient, y @ force)
        return value(t).sum() + 0.5 * l2 * w @ w, gradient

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
    p, n = z.shape
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


def fit(learner, data, x, y, alpha):
    """(w, b) of a learner trained on patterns x (rows) with labels y."""
    p, n = x.shape
    z = y[:, None] * x / math.sqrt(n)
    name, bias = type(learner).__name__, bool(getattr(learner, "bias", False))
    if name == "ERM":
        if learner.loss == "square":
            w = _square(z, y, learner.l2, bias)
            return w, float(np.mean(y * (1.0 - z @ w))) if bias else 0.0
        if learner.loss == "hinge":
            return _hinge(z, y, learner.l2, bias)
        return _smooth(z, y, learner.loss, learner.l2, bias)
    if name == "MaxMargin":
        return _max_margin(z, y, bias)
    w = z.sum(axis=0) / alpha
    odds = math.log(data.positive / (1.0 - data.positive)) if hasattr(data, "positive") else 0.0
    if name == "Hebb":
        return w, 0.5 * (w @ w) / n * data.variance * odds if bias else 0.0
    if name == "Bayes" and hasattr(data, "variance"):
        return w * alpha / (alpha + data.variance), 0.5 * data.variance * odds
    raise InvalidInput(f"finite.train knows ERM, MaxMargin, Hebb and (on a mixture) Bayes, got {learner!r}")


# --- measuring --------------------------------------------------------------------------------------
def train(model, n: int, alpha: float, instances: int = 16, seed=None, sigma=(), at=()) -> FiniteRun:
    """Train `model.learner` on `instances` samples of round(alpha n) patterns and measure.

    Parameters
    ----------
    model : Model
        GaussianMixture or Teacher with ERM, MaxMargin, Hebb or (mixture) Bayes.
    n : int
        Weights; `alpha` is rounded so that alpha n is an integer (`run.alpha`).
    instances : int >= 2
        Independent samples.
    seed : int, optional
    sigma : numbers > 0
        Relative noise on the weights for `local_energy`.
    at : numbers
        Where to measure `margins_cdf`, the fraction of training stabilities <= at.

    Returns
    -------
    FiniteRun with m, q, b, cosine, train_error, train_loss, generalization_error (on fresh clean
    examples), margin (largest margin only), margins_cdf, local_energy, relative_flatness (losses with a
    curvature), margin_mean, margin_variance; for losses with a curvature also V = (1/N) Tr G and the
    spin-glass susceptibility (1/N) Tr G^2 of the inverse Hessian G.
    """
    alpha = validate.load(alpha)
    for name, value, least in (("n", n, 2), ("instances", instances, 2)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise InvalidInput(f"{name} must be an integer >= {least}, got {value!r}")
    p = round(alpha * n)
    if p < 1:
        raise InvalidInput(f"alpha must give at least one pattern, got {alpha!r} at n = {n}")
    sigma, at = (np.atleast_1d(np.asarray(v, dtype=float)) for v in (sigma, at))
    records = []
    with one_thread():
        for child in np.random.SeedSequence(seed).spawn(instances):
            records.append(_one(model, n, p, np.random.default_rng(child), sigma, at))
    steps = {name: 1.0 / (p * instances) for name in ("train_error", "margins_cdf", "local_energy")}
    estimates = {name: Estimate.of([r[name] for r in records], steps.get(name, 1e-12)) for name in records[0]}
    return FiniteRun(model, int(n), p / n, int(instances), sigma, at, estimates)


def _one(model, n, p, rng, sigma, at):
    """Every quantity on one sample."""
    data, learner, root = model.data, model.learner, math.sqrt(n)
    x, y, _, direction = draw(data, n, p, rng)
    w, b = fit(learner, data, x, y, p / n)
    t = y * (x @ w / root + b)
    fresh, labels, clean, _ = draw(data, n, TEST_EXAMPLES * n, rng, direction)
    norm2 = w @ w / n
    out = {
        "m": w @ direction / n,
        "q": norm2,
        "b": b,
        "cosine": w @ direction / n / math.sqrt(norm2),
        "train_error": np.mean(t < 0.0),
        "generalization_error": np.mean(clean * (fresh @ w / root + b) < 0.0),
        "margin_mean": t.mean(),
        "margin_variance": t.var(),
    }
    if type(learner).__name__ == "MaxMargin":
        out["margin"] = t.min()
    if hasattr(learner, "loss"):
        value, _, curvature = _loss(learner.loss)
        out["train_loss"] = value(t).mean()
        if curvature is not None:
            bend = curvature(t)
            out["relative_flatness"] = norm2 * np.mean(bend * np.sum(x * x, axis=1)) / n
            if learner.l2 > 0.0:
                hessian = (x * bend[:, None]).T @ x / n
                response = 1.0 / (learner.l2 + np.linalg.eigvalsh(hessian))
                out["V"], out["susceptibility"] = response.mean(), np.mean(response**2)
    if at.size:
        out["margins_cdf"] = np.mean(t[:, None] <= at, axis=0)
    if sigma.size:
        noise = rng.standard_normal((PERTURBATIONS, n))
        out["local_energy"] = np.array(
            [np.mean(y[:, None] * (x @ (w * (1.0 + s * noise)).T / root + b) < 0.0) - out["train_error"] for s in sigma]
        )
    return out
