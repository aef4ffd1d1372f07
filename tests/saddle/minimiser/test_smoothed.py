"""Smoothed losses as losses of ERM: known cosines, limits, the square's exactness, equality and sweeps."""

import math
import pickle

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput
from flatphys.finite_size import trained as finite

CLOUDS = fp.GaussianMixture()


def model(name, sigma, l2=0.1, data=CLOUDS):
    return fp.Model(data, fp.ERM(fp.smoothed(name, sigma), l2))


@pytest.mark.parametrize("sigma, cosine", [(0.0, 0.6312), (0.5, 0.6714), (2.0, 0.7313), (8.0, 0.7848), (1e6, 0.8165)])
def test_noise_leads_the_hinge_from_its_minimiser_to_the_bayes_optimal_direction(sigma, cosine):
    assert fp.solve(model("hinge", sigma), 2.0).cosine == pytest.approx(cosine, abs=6e-5)


def test_the_limit_of_strong_noise_is_the_bayes_optimal_estimator():
    best = fp.solve(fp.Model(CLOUDS, fp.Bayes()), 2.0)
    assert fp.solve(model("hinge", 1e8), 2.0).cosine == pytest.approx(best.cosine, rel=1e-7)
    assert fp.solve(model("hinge", 1e8), 2.0).generalization_error == pytest.approx(fp.bayes_error(CLOUDS, 2.0), rel=1e-7)


def test_a_smoothed_square_is_the_square_with_a_constant_more():
    for data, spread in ((fp.GaussianMixture(0.5), 0.5), (fp.Teacher(0.1), 1.0)):
        plain, smooth = fp.solve(fp.Model(data, fp.ERM("square", 0.1)), 2.0), fp.solve(model("square", 0.7, data=data), 2.0)
        assert (smooth.m, smooth.q, smooth.V) == (plain.m, plain.q, plain.V)
        assert smooth.train_loss == pytest.approx(plain.train_loss + 0.5 * 0.49 * spread, rel=1e-14)
    assert fp.solve(model("square", 0.7, 0.0), 0.5).train_loss == pytest.approx(0.245, rel=1e-14)


@pytest.mark.parametrize("name", ["hinge", "squared-hinge"])
def test_finite_systems_find_the_minimiser_of_a_smoothed_loss(name):
    """Trained by an optimiser that knows only the loss of width sigma sqrt D."""
    for data in (fp.GaussianMixture(0.5), fp.Teacher()):
        state = fp.solve(model(name, 0.9, 0.2, data), 1.5)
        run = finite.train(state.model, 150, 1.5, instances=24, seed=3)
        for quantity in ("m", "q", "train_loss", "V"):
            assert abs(run.estimates[quantity].z(getattr(state, quantity))) < 4.5, quantity
        assert fp.margins(state).mean == pytest.approx(run.margin_mean.mean, abs=5.0 * run.margin_mean.error)


def test_optimal_l2_of_a_smoothed_loss_is_a_minimum():
    best = fp.optimal_l2(model("hinge", 0.7, data=fp.Teacher()), 2.0)
    errors = [fp.solve(model("hinge", 0.7, x * best, fp.Teacher()), 2.0).generalization_error for x in (0.8, 1.0, 1.25)]
    assert errors[1] < min(errors[0], errors[2])


def test_smoothed_losses_compare_print_travel_and_are_swept():
    loss = fp.smoothed("hinge", 2)
    assert loss == fp.smoothed("hinge", 2.0) != fp.smoothed("hinge", 1.0) and hash(loss) == hash(fp.smoothed("hinge", 2.0))
    assert pickle.loads(pickle.dumps(loss)) == loss and repr(loss) == "smoothed('hinge', sigma=2.0)"
    assert fp.ERM(fp.smoothed("hinge", 0.0)) == fp.ERM("hinge")
    table = fp.sweep(model("hinge", 1.0), alpha=2.0, **{"learner.loss.sigma": [0.0, 0.5, 2.0]}, workers=1)
    np.testing.assert_allclose(table.cosine, [fp.solve(model("hinge", s), 2.0).cosine for s in (0.0, 0.5, 2.0)], rtol=1e-10)


@pytest.mark.parametrize("sigma", [-0.1, math.inf, math.nan, None, "wide", True])
def test_a_width_that_is_none_is_refused(sigma):
    with pytest.raises(InvalidInput, match="sigma must be"):
        fp.smoothed("hinge", sigma)


def test_there_is_no_minimiser_without_l2_where_patterns_are_separable():
    with pytest.raises(fp.errors.NoSolution, match="separability"):
        fp.solve(model("hinge", 0.5, 0.0), 1.0)
