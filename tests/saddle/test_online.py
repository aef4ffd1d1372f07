"""The equations of online descent: a reference integration, simulations whose scatter falls like 1/sqrt N, exact solutions, refusals."""

import math

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput, NotConverged

SLOPE = {"logistic": lambda t: -1.0 / (1.0 + math.exp(t)), "hinge": lambda t: -1.0 if t < 1.0 else 0.0, "square": lambda t: t - 1.0}


def run(model, rate, n, alpha, seed):
    """(m, q) of descent on examples that are each seen once, from |w|^2 = N across the teacher."""
    rng, data, slope = np.random.default_rng(seed), model.data, SLOPE[model.learner.loss]
    v, w = rng.standard_normal((2, n))
    v *= math.sqrt(n) / np.linalg.norm(v)
    w -= v * (w @ v) / n
    w *= math.sqrt(n) / np.linalg.norm(w)
    for _ in range(round(alpha * n)):
        x = rng.standard_normal(n)
        if isinstance(data, fp.GaussianMixture):
            x = v / math.sqrt(n) + math.sqrt(data.variance) * x
        else:
            x *= (1.0 if rng.random() > data.flip else -1.0) * (1.0 if x @ v > 0.0 else -1.0)
        w -= rate / math.sqrt(n) * slope(x @ w / math.sqrt(n)) * x + rate * model.learner.l2 / n * w
    return w @ v / n, w @ w / n


def test_a_reference_integration_is_reproduced():
    """Runge-Kutta of second order with steps of 1e-3, digits 3e-8."""
    table = fp.online_learning(fp.Model(fp.Teacher(flip=0.1), fp.ERM("logistic", 0.1)), 1.0, [2.0, 4.0], m0=0.001)
    np.testing.assert_allclose(table.m, [0.47495519480740217, 0.7301614895171108], rtol=1e-7)
    np.testing.assert_allclose(table.q, [0.792304703521319, 0.9259499075908542], rtol=1e-7)


@pytest.mark.parametrize(
    "model, rate",
    [
        (fp.Model(fp.Teacher(0.1), fp.ERM("logistic", 0.1)), 1.0),
        (fp.Model(fp.Teacher(), fp.ERM("hinge", 0.05)), 0.5),
        (fp.Model(fp.GaussianMixture(0.5), fp.ERM("square", 0.2)), 0.7),
    ],
)
def test_simulations_scatter_around_the_equations_like_one_over_sqrt_n(model, rate):
    table, alpha, spread = fp.online_learning(model, rate, [0.7]), 0.7, {}
    for n, runs in ((1000, 8), (4000, 4)):
        found = np.array([run(model, rate, n, alpha, seed) for seed in range(runs)])
        gaps = found - [table.m.values[0], table.q.values[0]]
        assert np.all(np.abs(gaps.mean(axis=0)) < 5.0 / math.sqrt(n * runs) + 10.0 / n)
        spread[n] = math.sqrt(n) * np.sqrt(np.mean(gaps**2))
    assert 0.4 < spread[4000] / spread[1000] < 2.5


def test_the_square_on_clouds_follows_its_closed_form():
    """Linear equations: with f = 1 - t, dm/dalpha = eta [1 - (1 + D + l2) m]."""
    d, eta, l2 = 0.5, 0.3, 0.2
    model, alpha = fp.Model(fp.GaussianMixture(d), fp.ERM("square", l2)), np.linspace(0.0, 6.0, 7)
    table, decay = fp.online_learning(model, eta, alpha, m0=0.1, q0=1.0), eta * (1.0 + d + l2)
    m = eta / decay + (0.1 - eta / decay) * np.exp(-decay * alpha)  # E[f nu] = 1 - m - D m
    np.testing.assert_allclose(table.m, m, rtol=1e-9)
    fine = np.linspace(0.0, 6.0, 6001)
    m = eta / decay + (0.1 - eta / decay) * np.exp(-decay * fine)
    rate = 2.0 * eta * (d + l2) - (eta * d) ** 2  # of q: E[f t] = m - m^2 - D q, E f^2 = (1-m)^2 + D q
    source = 2.0 * eta * (m - m * m) + eta * eta * d * (1.0 - m) ** 2
    grown = np.exp(rate * fine) * source
    q = np.exp(-rate * 6.0) * (1.0 + np.sum((grown[1:] + grown[:-1]) / 2.0) * 1e-3)
    assert table.q.values[-1] == pytest.approx(q, rel=1e-6)


def test_the_error_is_that_of_the_overlap_and_order_and_repeats_do_not_matter():
    model = fp.Model(fp.Teacher(), fp.ERM(fp.smoothed("hinge", 0.5), 0.1))
    table, again = fp.online_learning(model, 0.5, [3.0, 1.0, 3.0, 0.0]), fp.online_learning(model, 0.5, 1.0)
    assert table.m.values[0] == table.m.values[2] and table.m.values[1] == pytest.approx(again.m.values[0], rel=1e-9)
    assert (table.m.values[3], table.q.values[3], table.generalization_error.values[3]) == (0.0, 1.0, 0.5)
    np.testing.assert_allclose(table.generalization_error, np.arccos(table.m / np.sqrt(table.q)) / math.pi, rtol=1e-12)


def test_small_rates_find_the_minimiser_of_the_mean_loss():
    """eta -> 0 and alpha -> infinity: as many examples as one likes, alpha_ERM -> infinity at l2/alpha fixed."""
    table = fp.online_learning(fp.Model(fp.Teacher(0.1), fp.ERM("logistic", 0.1)), 0.01, [6000.0])
    state = fp.solve(fp.Model(fp.Teacher(0.1), fp.ERM("logistic", 1e3)), 1e4)
    assert (table.m.values[0], table.q.values[0]) == pytest.approx((state.m, state.q), rel=0.01)


@pytest.mark.parametrize(
    "model, more",
    [
        (fp.Model(fp.Teacher(), fp.Gibbs("spherical")), {}),
        (fp.Model(fp.GaussianMixture(0.5, 0.3), fp.ERM("square", bias=True)), {}),
        (fp.Model(fp.Teacher(), fp.ERM("square")), {"q0": 0.0}),
        (fp.Model(fp.Teacher(), fp.ERM("square")), {"m0": 1.5}),
        (fp.Model(fp.Teacher(), fp.ERM("square")), {"learning_rate": 0.0}),
    ],
)
def test_what_has_no_equations_is_refused(model, more):
    with pytest.raises(InvalidInput):
        fp.online_learning(model, **({"learning_rate": 0.5, "alpha": 1.0} | more))


def test_a_rate_that_is_too_large_is_said():
    with pytest.raises(NotConverged, match="diverges"):
        fp.online_learning(fp.Model(fp.Teacher(), fp.ERM("square", 0.0)), 5.0, 10.0)
