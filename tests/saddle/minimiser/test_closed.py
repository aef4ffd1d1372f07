"""Rules in closed form: the Bayes rule of the mixture under either prior of its centre."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

import flatphys as fp
from flatphys.errors import InvalidInput
from flatphys.finite_size import rules

CASES = [(1.5, 2.5, 0.5), (0.6, 0.4, 0.25), (4.0, 30.0, 0.5)]


def bayes(variance, positive):
    return fp.Model(fp.GaussianMixture(variance, positive), fp.Bayes("binary"))


@pytest.mark.parametrize("variance, alpha, positive", CASES)
def test_binary_centres_are_known_as_spins_in_their_own_fields(variance, alpha, positive):
    """q = E tanh^2(alpha/D + sqrt(alpha/D) z), and the error of a rule with m = q."""
    k = alpha / variance
    q = quad(lambda z: math.tanh(k + math.sqrt(k) * z) ** 2 * math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi), -12.0, 12.0, epsabs=1e-13)[
        0
    ]
    state = fp.solve(bayes(variance, positive), alpha)
    assert (state.q, state.m) == pytest.approx((q, q), rel=1e-11)
    tail = lambda x: 0.5 * math.erfc(x / math.sqrt(2.0))
    b, s = 0.5 * variance * math.log(positive / (1.0 - positive)), math.sqrt(variance * q)
    error = positive * tail((q + b) / s) + (1.0 - positive) * tail((q - b) / s)
    assert state.generalization_error == pytest.approx(error, rel=1e-11)
    assert fp.bayes_error(state.model.data, alpha, "binary") == state.generalization_error < fp.bayes_error(state.model.data, alpha)
    assert fp.margins(state).cdf(0.0) == pytest.approx(state.train_error, rel=1e-11)


def test_the_rule_of_binary_centres_errs_as_found_by_simulation():
    """Posterior means tanh(sum y x_i/(D sqrt N)) on drawn patterns: training and test errors of 30 instances of 400 weights."""
    rng, n, (variance, alpha, positive) = np.random.default_rng(5), 400, CASES[0]
    train, test = [], []
    for _ in range(30):
        v = rng.choice([-1.0, 1.0], n)
        y = rng.choice([-1.0, 1.0], int(alpha * n) + 1500)
        x = y[:, None] * v / math.sqrt(n) + math.sqrt(variance) * rng.standard_normal((y.size, n))
        known = int(alpha * n)
        w = np.tanh(y[:known] @ x[:known] / (variance * math.sqrt(n)))
        wrong = y * (x @ w) < 0.0
        train.append(wrong[:known].mean())
        test.append(wrong[known:].mean())
    state = fp.solve(bayes(variance, positive), alpha)
    for found, want in ((train, state.train_error), (test, state.generalization_error)):
        assert abs(np.mean(found) - want) < 4.0 * np.std(found) / math.sqrt(len(found))


def test_the_rule_trained_on_patterns_is_the_posterior_mean():
    rng, n, variance = np.random.default_rng(2), 50, 0.8
    x, y = rng.standard_normal((40, n)), rng.choice([-1.0, 1.0], 40)
    w, b = rules.fit(fp.Bayes("binary"), fp.GaussianMixture(variance), x, y, 0.8)
    assert w == pytest.approx(np.tanh(y @ x / (variance * math.sqrt(n))), rel=1e-12)
    assert b == 0.0


def test_spherical_weights_are_not_counted_around_a_rule_of_binary_ones():
    state = fp.solve(bayes(1.5, 0.5), 2.5)
    for question in (lambda: fp.local_entropy(state, overlap=[0.5]), lambda: fp.largest_overlap(state, 0.1)):
        with pytest.raises(InvalidInput, match="got weights='binary'"):
            question()
