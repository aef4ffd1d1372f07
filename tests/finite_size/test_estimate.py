"""Errors of estimates on synthetic chains whose statistics are known exactly."""

import math

import numpy as np
import pytest

from flatphys.errors import InvalidInput
from flatphys.finite_size.estimate import Estimate, fit_in_inverse_size
from flatphys.finite_size.mixing import complaints, start_limit


def autoregressive(rng, instances, chains, draws, rho, spread):
    """x_t = rho x_{t-1} + sqrt(1-rho^2) g, stationary with unit variance, about a mean of each instance of width `spread`."""
    x = np.empty((instances, chains, draws))
    x[..., 0] = rng.standard_normal((instances, chains))
    for t in range(1, draws):
        x[..., t] = rho * x[..., t - 1] + math.sqrt(1.0 - rho * rho) * rng.standard_normal((instances, chains))
    return x + spread * rng.standard_normal((instances, 1, 1))


def test_errors_of_autoregressive_chains_are_their_known_ones():
    rng, rho, spread = np.random.default_rng(1), 0.8, 0.3
    found = Estimate.of_series(autoregressive(rng, 200, 2, 400, rho, spread), every=5, cold=[False, True])
    tau = (1.0 + rho) / (1.0 - rho)  # integrated autocorrelation time in draws
    assert found.autocorrelation == pytest.approx(5 * tau, rel=0.1)
    assert found.effective_samples == pytest.approx(200 * 2 * 400 / tau, rel=0.1)
    per_instance = math.sqrt(tau / 800)
    assert found.time_error == pytest.approx(per_instance / math.sqrt(200), rel=0.1)
    assert found.error == pytest.approx(math.hypot(per_instance, spread) / math.sqrt(200), rel=0.15)  # sd of a sd of 200: 5%
    assert abs(found.mean) < 4.0 * found.error
    assert found.r_hat < 1.12 and abs(found.start_z) < 4.0  # the worst of 200
    assert complaints("x", found, 400) == []


def test_the_error_covers_the_mean_as_often_as_it_should():
    rng = np.random.default_rng(2)
    z = [Estimate.of_series(autoregressive(rng, 20, 2, 40, 0.5, 0.5)).z(0.0) for _ in range(300)]
    assert np.std(z) == pytest.approx(math.sqrt(19 / 17), abs=0.15)  # Student's t of 19 degrees of freedom
    assert abs(np.mean(z)) < 4.0 / math.sqrt(300) * 1.06


def test_chains_that_remember_their_start_are_seen():
    rng = np.random.default_rng(3)
    series = autoregressive(rng, 50, 2, 200, 0.5, 0.3)
    series[:, 1] += 0.14  # a seventh of a standard deviation: no single instance can tell
    found = Estimate.of_series(series, cold=[False, True])
    assert found.r_hat < 1.15 and found.start_z < -4.5
    assert any("hot and cold" in text for text in complaints("x", found, 100))
    stuck = autoregressive(rng, 50, 2, 200, 0.5, 0.0) + rng.standard_normal((50, 2, 1))  # each chain in a valley of its own
    found = Estimate.of_series(stuck, cold=[False, True])
    assert found.r_hat > 1.1 and abs(found.start_z) < 4.5
    assert any("R-hat" in text for text in complaints("x", found, 100))
    short = autoregressive(rng, 50, 2, 200, 0.99, 0.0)
    assert any("effective samples" in text for text in complaints("x", Estimate.of_series(short), 100))


def test_one_instance_in_a_hundred_that_is_stuck_is_seen():
    rng = np.random.default_rng(4)
    series = autoregressive(rng, 100, 2, 200, 0.5, 0.3)
    assert complaints("x", Estimate.of_series(series), 200) == []
    series[37, 1] += 5.0
    assert any("R-hat" in text for text in complaints("x", Estimate.of_series(series), 200))
    series[37] = rng.standard_cauchy((2, 200)) * [[1.0], [20.0]]  # no variance to compare: ranks see the different widths
    assert any("R-hat" in text for text in complaints("x", Estimate.of_series(series), 200))


@pytest.mark.parametrize(("instances", "limit"), [(2, 636.619), (3, 31.599), (11, 4.587), (61, 3.460)])
def test_the_limit_between_hot_and_cold_is_the_tabulated_quantile_of_students_t(instances, limit):
    assert start_limit(instances) == pytest.approx(limit, abs=1e-3)  # tables of t: two-sided 0.001 at 1, 2, 10, 60 degrees of freedom


@pytest.mark.parametrize(("instances", "rho", "runs"), [(2, 0.5, 300), (6, 0.0, 150), (40, 0.7, 40)])
def test_mixed_chains_hardly_ever_raise_an_alarm(instances, rho, runs):
    rng = np.random.default_rng(5)
    many = [Estimate.of_series(autoregressive(rng, instances, 2, 200, rho, 0.3), cold=[False, True]) for _ in range(runs)]
    assert sum(bool(complaints("x", found, 2 * instances)) for found in many) <= 1


def test_frozen_chains_count_as_mixed_only_where_they_agree():
    zero = np.zeros((4, 2, 50))
    found = Estimate.of_series(zero, cold=[False, True], resolution=1e-3)
    assert (found.mean, found.error, found.r_hat, found.start_z) == (0.0, 0.0, 1.0, 0.0)
    assert found.z(0.0) == 0.0 and found.z(2e-3) == pytest.approx(-2.0)
    zero[:, 1] = 1.0
    found = Estimate.of_series(zero, cold=[False, True])
    assert found.r_hat == math.inf and found.start_z < -1e6


def test_chains_that_never_moved_know_nothing_about_time():
    rng = np.random.default_rng(6)
    series = autoregressive(rng, 20, 2, 100, 0.5, 0.3)
    series[3] = 0.7
    frozen = np.arange(20) == 3
    found, blind = Estimate.of_series(series, frozen=frozen), Estimate.of_series(series)
    assert found.mean == blind.mean and found.error == blind.error
    assert (found.time_error, found.r_hat) == (math.inf, math.inf) and blind.time_error < 0.1
    still = Estimate.of_series(np.full((2, 2, 50), 0.3), frozen=np.array([True, True]))
    assert (still.effective_samples, still.autocorrelation, still.time_error) == (0.0, math.inf, math.inf)
    assert len(complaints("x", still, 4)) == 2


def test_extrapolation_recovers_a_line_in_one_over_n_and_its_error():
    rng = np.random.default_rng(4)
    sizes, errors, z, chi2 = np.array([100, 200, 400, 800]), np.array([1.0, 0.8, 0.9, 1.1]) * 1e-3, [], []
    for _ in range(400):
        fit = fit_in_inverse_size("x", sizes, 0.3 - 2.0 / sizes + errors * rng.standard_normal(4), errors)
        z.append(fit.z(0.3))
        chi2.append(fit.chi2)
    assert abs(np.mean(z)) < 4.0 / 20.0 and np.std(z) == pytest.approx(1.0, abs=0.12)
    assert fit.freedom == 2 and np.mean(chi2) == pytest.approx(2.0, abs=4.0 * 2.0 / 20.0)
    exact = fit_in_inverse_size("x", sizes, 0.3 - 2.0 / sizes, errors)
    assert (exact.mean, exact.slope) == pytest.approx((0.3, -2.0), rel=1e-10)


def test_extrapolation_needs_two_sizes():
    with pytest.raises(InvalidInput, match="two different n"):
        fit_in_inverse_size("x", [100, 100], [1.0, 2.0], [0.1, 0.1])


def test_a_second_order_in_one_over_n_is_recovered_too():
    sizes, errors = np.array([10, 20, 40, 80]), np.full(4, 1e-3)
    fit = fit_in_inverse_size("x", sizes, 0.3 - 2.0 / sizes + 7.0 / sizes**2, errors, order=2)
    assert (fit.mean, fit.slope) == pytest.approx((0.3, -2.0), rel=1e-9) and fit.freedom == 1
    with pytest.raises(InvalidInput, match="four different n"):
        fit_in_inverse_size("x", [10, 20, 40], [1.0, 2.0, 3.0], errors[:3], order=3)
    with pytest.raises(InvalidInput, match="order must"):
        fit_in_inverse_size("x", sizes, errors, errors, order=0)
