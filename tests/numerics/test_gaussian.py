"""Every Gaussian function against mpmath at 40 digits, to a few units in the last place, for every argument."""

import math

import mpmath as mp
import pytest
from hypothesis import given, strategies as st

from flatphys.numerics import gaussian

ULP = 2.0**-52
POINTS = [0.0, 1e-300, 1e-8, 0.1, 0.5, 1.0, 1.9, 2.0, 3.0, 5.0, 8.0, 12.0, 26.0, 37.5, 60.0, 1e3, 1e6, 1e12]
BOTH_SIGNS = POINTS + [-x for x in POINTS[1:]]


def exact_tail(x):
    return mp.erfc(mp.mpf(x) / mp.sqrt(2)) / 2


def exact_mills(x):
    """G/H; mpmath's erfc keeps its relative precision for arguments as large as these."""
    return mp.npdf(mp.mpf(x)) / exact_tail(x)


def off(got, want):
    """Relative error in units in the last place."""
    return float(abs((mp.mpf(got) - want) / want)) / ULP if want else abs(got) / ULP


@pytest.mark.parametrize("x", BOTH_SIGNS)
def test_mills_ratio_tail_and_logarithm_agree_with_mpmath(x):
    with mp.workdps(60):
        m, _, log_h = gaussian.mills(x)
        if x > -38.0:  # further out G itself is below the smallest double
            assert off(m, exact_mills(x)) < 8 + 0.5 * x * x * (x < 0.0)  # exp(-x^2/2) amplifies the rounding of x^2
        if x < 38.0:
            assert off(gaussian.tail(x), exact_tail(x)) < 8 + x * x
        assert (
            off(log_h, mp.log1p(-exact_tail(-x)) if x < 0 else mp.log(exact_tail(x))) < 8 + (x * x if -38.0 < x < 0.0 else 0.0) or x < -38.0
        )
        assert gaussian.log_tail(x) == log_h


@given(st.floats(0.0, 200.0))
def test_curvature_of_log_tail_keeps_its_digits_where_m_and_x_agree(x):
    """m (m - x), the curvature of -log H: at x = 100 the difference of m and x has lost four digits, the polynomial none."""
    with mp.workdps(50):
        m = exact_mills(x)
        assert off(gaussian.mills_excess(x), m - mp.mpf(x)) < 8
        got, excess, _ = gaussian.mills(x)
        assert off(got * excess, m * (m - mp.mpf(x))) < 12


@given(st.floats(-37.0, 300.0))
def test_mills_ratio_is_minus_the_slope_of_log_tail(x):
    h = 1e-4 * max(1.0, abs(x))
    slope = (gaussian.log_tail(x - 2 * h) - 8 * gaussian.log_tail(x - h) + 8 * gaussian.log_tail(x + h) - gaussian.log_tail(x + 2 * h)) / (
        12 * h
    )
    assert -slope == pytest.approx(gaussian.mills(x)[0], rel=1e-8, abs=1e-11)


@given(st.floats(-30.0, 30.0))
def test_the_two_tails_add_to_one(x):
    assert gaussian.tail(x) + gaussian.tail(-x) == pytest.approx(1.0, abs=2 * ULP)


@given(st.floats(-800.0, 800.0))
def test_log_2cosh_and_logistic_agree_with_mpmath(x):
    with mp.workdps(400):
        assert off(gaussian.log_2cosh(x), mp.log(2 * mp.cosh(mp.mpf(x)))) < 4
        want = 1 / (1 + mp.exp(-mp.mpf(x)))
        if want > 1e-300:
            assert off(gaussian.logistic(x), want) < 4 + abs(x)


def test_density_underflows_to_zero_and_not_to_nan():
    assert gaussian.density(0.0) == pytest.approx(1.0 / math.sqrt(2.0 * math.pi), rel=ULP)
    assert gaussian.density(1e10) == 0.0
