"""Smoothed losses are the Gaussian averages of their definitions, and their proximal maps solve what they say."""

import mpmath as mp
import numpy as np
import pytest

from flatphys.kernels.codes import Loss
from flatphys.kernels.losses import CODES, point, response

SLOPE = {
    "square": lambda t: t - 1,
    "logistic": lambda t: -1 / (1 + mp.exp(t)),
    "hinge": lambda t: mp.mpf(-1 if t < 1 else 0),
    "squared-hinge": lambda t: min(t - 1, mp.mpf(0)),
}
VALUE = {
    "square": lambda t: (1 - t) ** 2 / 2,
    "logistic": lambda t: mp.log1p(mp.exp(-t)),
    "hinge": lambda t: max(mp.mpf(0), 1 - t),
    "squared-hinge": lambda t: max(mp.mpf(0), 1 - t) ** 2 / 2,
}


def averages(name, t, sigma):
    """(l, l', l'') by quadrature of the definition in 22 digits; the curvature by partial integration."""
    t, sigma = mp.mpf(t), mp.mpf(sigma)
    marks = {mp.mpf(x) for x in range(-16, 17, 4)} | {z for z in ((1 - t) / sigma, -t / sigma) if abs(z) < 16}
    edges = sorted(marks)
    parts = (lambda z: VALUE[name](t + sigma * z), lambda z: SLOPE[name](t + sigma * z), lambda z: SLOPE[name](t + sigma * z) * z / sigma)
    return [mp.quad(lambda z, part=part: mp.npdf(z) * part(z), edges) for part in parts]


@pytest.mark.parametrize("name", sorted(CODES))
@pytest.mark.parametrize("sigma", [0.05, 0.8, 6.0])
def test_value_slope_and_curvature_are_averages_of_the_definition(name, sigma):
    with mp.workdps(22):
        for t in (-3.0, 1.3) if name == "logistic" else (-3.0, 0.0, 1.0, 2.5):
            for got, exact in zip(point(Loss(CODES[name].code, sigma), t), averages(name, t, sigma), strict=True):
                assert got == pytest.approx(float(exact), rel=1e-13, abs=1e-17)


@pytest.mark.parametrize("name", sorted(CODES))
def test_the_proximal_map_is_stationary_and_its_slope_is_k(name):
    for sigma in (0.05, 0.8, 6.0, 1e4):
        loss = Loss(CODES[name].code, sigma)
        for c in (1e-3, 1.0, 1e3):
            for e in np.linspace(-8.0, 9.0, 9):
                t, f, k, value = response(loss, e, c)
                own, slope, curvature = point(loss, t)
                assert (f, value) == pytest.approx((-slope, own), rel=1e-10, abs=1e-30)
                assert abs(t - (1.0 - e) - c * f) <= 1e-13 * (abs(t) + abs(e) + c * f + sigma * 1e-3)
                assert k == pytest.approx(curvature / (1.0 + c * curvature), rel=1e-9)


@pytest.mark.parametrize("name", sorted(CODES))
def test_no_noise_is_the_loss_itself_and_little_noise_is_close(name):
    for t in (-2.0, 0.4, 3.0):
        plain = point(CODES[name], t)
        assert point(Loss(CODES[name].code, 1e-4), t) == pytest.approx(plain, rel=1e-6, abs=1e-7)


def test_far_in_the_tail_slopes_keep_their_digits():
    """E log(1 + e^-x) = e^(sigma^2/2 - t) there, less relative corrections e^-t."""
    value, slope, curvature = point(Loss(CODES["logistic"].code, 2.0), 60.0)
    assert (value, -slope, curvature) == pytest.approx([float(np.exp(-58.0))] * 3, rel=1e-12)
