"""Losses: each is its own definition, and its proximal map minimises what it says."""

import cmath
import math

import mpmath as mp
import numba
import numpy as np
import pytest

import flatphys as fp
from flatphys.kernels import losses
from flatphys.kernels.codes import Loss
from flatphys.kernels.losses import CODES, features, point, proximal, response
from flatphys.model import CustomLoss

NAMES = sorted(CODES)
DEFINITION = {
    "square": lambda t: (1 - t) ** 2 / 2,
    "logistic": lambda t: mp.log1p(mp.exp(-t)),
    "hinge": lambda t: max(mp.mpf(0), 1 - t),
    "squared-hinge": lambda t: max(mp.mpf(0), 1 - t) ** 2 / 2,
}


@pytest.mark.parametrize("name", NAMES)
def test_value_slope_and_curvature_are_those_of_the_definition(name):
    with mp.workdps(40):
        for t in (-40.0, -3.0, -0.2, 0.0, 0.7, 1.5, 8.0, 40.0):
            got = point(CODES[name], t)
            for order, number in enumerate(got):
                exact = mp.diff(DEFINITION[name], mp.mpf(t), order) if order else DEFINITION[name](mp.mpf(t))
                assert number == pytest.approx(float(exact), rel=2e-15, abs=1e-30)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("c", [1e-6, 0.3, 4.0, 50.0, 1e8])
def test_proximal_map_is_stationary_for_its_objective(name, c):
    for omega in (-1e3, -30.0, -2.0, 0.0, 0.5, 0.999, 1.0, 3.0, 50.0, 1e3):
        t, f, k, loss = response(CODES[name], 1.0 - omega, c)
        assert t == pytest.approx(proximal(CODES[name], omega, c), rel=1e-15)
        assert t == pytest.approx(omega + c * f, rel=1e-14, abs=1e-15 * (1.0 + abs(omega) + c * abs(f)))
        value, slope, curvature = point(CODES[name], t)
        if name == "hinge" and abs(t - 1.0) < 1e-12:
            assert 0.0 <= f <= 1.0  # any subgradient
        else:
            assert f == pytest.approx(-slope, rel=1e-11, abs=1e-300) or abs(f + slope) < 1e-15
            assert k == pytest.approx(curvature / (1.0 + c * curvature), rel=1e-9, abs=1e-300)
        assert loss == pytest.approx(value, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("c", [1e-6, 1e-3, 0.3, 4.0, 50.0, 1e3])
def test_proximal_map_minimises_its_objective(name, c):
    """Golden section on the definition, in 60 digits: the objective is strictly convex, and flat to half of them at its minimum."""
    ratio = (mp.sqrt(5) - 1) / 2
    with mp.workdps(60):
        for omega in (-30.0, -2.0, 0.0, 0.5, 0.9999995, 1.0, 1.3, 3.0, 30.0):

            def objective(t, omega=omega):
                return (t - omega) ** 2 / (2 * mp.mpf(c)) + DEFINITION[name](t)

            # no loss has a slope below l'(omega) >= omega - 2 or pulls backwards beyond 1
            low, high = min(mp.mpf(omega), 1) - 1, max(mp.mpf(omega) + c, 1) + 1
            left, right = high - ratio * (high - low), low + ratio * (high - low)
            values = objective(left), objective(right)
            while high - low > mp.mpf(10) ** -22:
                if values[0] < values[1]:
                    high, right, left = right, left, right - ratio * (right - low)
                    values = objective(left), values[0]
                else:
                    low, left, right = left, right, left + ratio * (high - left)
                    values = values[1], objective(right)
            assert proximal(CODES[name], omega, c) == pytest.approx(float((low + high) / 2), rel=1e-14, abs=2e-15 * (1.0 + abs(omega)))


@pytest.mark.parametrize("name", NAMES)
def test_k_is_the_slope_of_the_response(name):
    for c in (0.2, 3.0, 200.0):
        for e in (-3.0, 0.1, 0.15, 2.9, 7.0, 180.0):
            _, up, _, _ = response(CODES[name], e + 1e-5, c)
            _, down, _, _ = response(CODES[name], e - 1e-5, c)
            assert response(CODES[name], e, c)[2] == pytest.approx((up - down) / 2e-5, rel=1e-6, abs=1e-10)


def test_a_shortfall_far_below_the_spacing_of_doubles_at_one_keeps_its_digits():
    assert response(CODES["hinge"], 3e-25, 1e-24)[1] == pytest.approx(0.3, rel=1e-15)


def test_the_features_of_the_logistic_response_are_the_branch_points_of_its_proximal_map():
    for c in (0.01, 1.0, 30.0, 1e5):
        _, p1, w1, p2, w2 = features(CODES["logistic"], c)
        for sign, place in ((1, p1), (-1, p2)):
            t = 1j * math.pi + sign * 2.0 * math.asinh(math.sqrt(c) / 2.0)
            e = cmath.exp(t)
            assert abs(1.0 + c * e / (1.0 + e) ** 2) < 1e-9
            omega = t - c / (1.0 + e)
            assert omega.real == pytest.approx(1.0 - place, rel=1e-11)
            assert omega.imag == pytest.approx(w1) == pytest.approx(w2)


def test_an_unknown_code_is_nan():
    unknown = Loss(77, 0.0)
    assert all(math.isnan(x) for x in point(unknown, 0.3)) and all(math.isnan(x) for x in response(unknown, 0.3, 1.0))


def test_untraining_undoes_the_proximal_map():
    t = np.linspace(-6.0, 6.0, 41)
    omega, jacobian = np.empty_like(t), np.empty_like(t)
    for name in ("square", "logistic", "squared-hinge"):
        losses.untrain(CODES[name], t, 2.3, omega, jacobian)
        back = [proximal(CODES[name], o, 2.3) for o in omega]
        np.testing.assert_allclose(back, t, rtol=1e-13, atol=1e-13)


@numba.njit
def _value(t):
    return 0.5 * (1.0 - t) ** 2


@numba.njit
def _slope(t):
    return t - 1.0


@numba.njit
def _curvature(t):
    return 1.0


@numba.njit
def _falling(t):
    return -t


@numba.njit
def _root(t):
    return math.sqrt(t)


@pytest.mark.parametrize(
    "parts, message",
    [
        ((lambda t: t, _slope, _curvature), "numba.njit"),
        ((_value, _falling, _curvature), "convex"),
        ((_value, _slope, _falling), "curvature"),
        ((_root, _slope, _curvature), "value must"),
    ],
)
def test_a_custom_loss_that_cannot_be_one_is_refused(parts, message):
    with pytest.raises(fp.errors.InvalidInput, match=message):
        CustomLoss(*parts)


def test_custom_losses_compare_and_print_by_what_they_are():
    assert CustomLoss(_value, _slope, _curvature) == CustomLoss(_value, _slope, _curvature)
    assert repr(CustomLoss(_value, _slope, _curvature, "mine")) == "CustomLoss('mine')"
