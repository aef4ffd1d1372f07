"""Relative flatness of weights on instances: the trace of a Hessian by differences, and the theory's number."""

import math

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput


def log_loss(t):
    return np.logaddexp(0.0, -t)


@pytest.mark.parametrize(
    ("learner", "cost"),
    [
        (fp.ERM("logistic", l2=0.1), log_loss),
        (fp.ERM("square", l2=0.1), lambda t: 0.5 * (1.0 - t) ** 2),
        (fp.Gibbs("spherical", margin=0.3, beta=1.0, energy="squared-hinge"), lambda t: 0.5 * np.maximum(0.3 - t, 0.0) ** 2),
    ],
)
def test_it_is_the_trace_of_the_hessian_times_the_norm(learner, cost):
    n, model = 9, fp.Model(fp.Teacher(), learner)
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((7, n)), rng.choice([-1, 1], 7)
    found = fp.Instances.from_arrays(model, x, y).measure(rng.standard_normal((1, n)))
    w, step = found.weights[0], 1e-4
    mean = lambda w: cost(y * (x @ w) / math.sqrt(n)).mean()
    trace = sum((mean(w + step * e) - 2.0 * mean(w) + mean(w - step * e)) / step**2 for e in np.eye(n))
    assert fp.relative_flatness(found).mean == pytest.approx((w @ w) * trace / n, rel=1e-5)


def test_trained_weights_have_the_theorys():
    model = fp.Model(fp.Teacher(), fp.ERM("square", l2=0.5))
    n, alpha = 200, 2.0
    instances = fp.make_instances(model, n, alpha, 12, 1, patterns="gaussian")
    weights = [np.linalg.solve(z @ z.T / n + 0.5 * np.eye(n), z.sum(axis=1) / math.sqrt(n)) for z in instances.patterns.astype(float)]
    got, want = fp.relative_flatness(instances.measure(np.array(weights))), fp.relative_flatness(fp.solve(model, alpha))
    assert abs(got.mean - want) < 4.0 * got.error + 3.0 / n


@pytest.mark.parametrize("learner", [fp.ERM("hinge"), fp.Gibbs("spherical", beta=1.0), fp.MaxMargin()])
def test_what_has_no_hessian_is_refused(learner):
    instances = fp.make_instances(fp.Model(fp.Teacher(), learner), 11, 1.0, 2, 1)
    with pytest.raises(InvalidInput, match="smooth loss or energy"):
        fp.relative_flatness(instances.measure(np.ones((2, 11))))
