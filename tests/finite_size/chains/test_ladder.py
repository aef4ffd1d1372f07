"""The ladder and the integral over it, on independent patterns whose partition function is known: Z(beta) = (1 - h + h e^-beta)^P."""

import math

import numpy as np
import pytest

from flatphys.finite_size.chains.ladder import angle, ladder, log_ratio_series, log_ratios
from flatphys.finite_size.estimate import Estimate
from flatphys.finite_size.mixing import diagnostics


def violated(h, beta):
    return h * math.exp(-beta) / (1.0 - h + h * math.exp(-beta))


@pytest.mark.parametrize("h", [0.5, 0.1, 0.8])
def test_rungs_are_equally_many_deviations_apart_and_end_where_asked(h):
    for beta in (1.0, 4.0, math.inf):
        betas = ladder(beta, 500, h)
        assert betas[0] == 0.0 and betas[-1] == beta and all(a < b for a, b in zip(betas, betas[1:]))
        steps = -np.diff([angle(b, h) for b in betas])
        assert np.ptp(steps) < 1e-9 and 2.0 * math.sqrt(500) * steps.max() <= 1.3 + 1e-9
        for b in betas[:-1]:
            assert math.sin(angle(b, h)) ** 2 == pytest.approx(violated(h, b), rel=1e-9)
    assert 0.3 < 500 * violated(h, ladder(math.inf, 500, h)[-2]) < 0.6  # half a violation on the last finite rung


@pytest.mark.parametrize("beta", [2.0, math.inf])
def test_the_integral_over_the_ladder_is_the_exact_one(beta):
    rng, p, h = np.random.default_rng(5), 200, 0.3
    betas = ladder(beta, p, h)
    chance = [violated(h, b) for b in betas]
    energies = np.stack([rng.binomial(p, c, size=(30, 2, 400)) for c in chance], axis=2)
    found = log_ratios(energies, betas)
    exact = [p * (math.log(1.0 - h + h * math.exp(-b)) - math.log(1.0 - h + h * math.exp(-a))) for a, b in zip(betas, betas[1:])]
    for k, value in enumerate(exact):
        assert abs(Estimate.of(found[:, k]).z(value)) < 4.5
    total = Estimate.of(found.sum(axis=1))
    assert abs(total.z(sum(exact))) < 4.0
    assert total.error < 0.05  # of log Z itself, which is about -70
    series = log_ratio_series(energies, betas)
    assert series.mean(axis=(1, 2)) == pytest.approx(found.sum(axis=1), abs=1e-9)
    assert diagnostics(series)[0] == pytest.approx(total.error, rel=0.35)  # independent draws: no disorder in it


@pytest.mark.parametrize("betas", [(0.0, 0.7, 1.5), (0.0, 0.9, math.inf)])
def test_the_response_of_the_integral_to_a_draw_is_its_derivative_with_respect_to_the_draws_weight(betas):
    """A draw that is there twice changes the sum of log ratios as the response says, up to 1/draws."""
    rng, draws = np.random.default_rng(7), 4000
    energies = rng.binomial(6, 0.2, size=(1, 1, len(betas), draws))
    response = log_ratio_series(energies, betas)[0, 0] - log_ratios(energies, betas).sum()
    for t in (0, 17, 400):
        twice = np.concatenate([energies, energies[..., t : t + 1]], axis=3)
        moved = log_ratios(twice, betas).sum() - log_ratios(energies, betas).sum()
        assert moved * draws == pytest.approx(response[t], abs=0.02)


def test_a_plain_quadrature_of_the_same_draws_is_visibly_off():
    """Why the ratio of acceptances: with the same draws the trapezoid rule errs by many standard errors."""
    rng, p, h = np.random.default_rng(6), 200, 0.3
    betas = ladder(2.0, p, h)[::2]
    energies = np.stack([rng.binomial(p, violated(h, b), size=(30, 2, 400)) for b in betas], axis=2)
    exact = p * math.log(1.0 - h + h * math.exp(-2.0))
    rule = -np.trapezoid(energies.mean(axis=(1, 3)), betas, axis=1)
    assert abs(Estimate.of(rule).z(exact)) > 6.0
    assert abs(Estimate.of(log_ratios(energies, betas).sum(axis=1)).z(exact)) < 4.0


def test_no_draw_without_violations_is_minus_infinity_not_a_number():
    energies = np.ones((2, 1, 2, 10), dtype=int)
    assert np.all(log_ratios(energies, (1.0, math.inf)) == -math.inf)
