"""What is measured on weights: losses and energies by their formulas, errors on new examples by counting, what perturbations keep."""

import math

import numba
import numpy as np
import pytest

import flatphys as fp
from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.finite_size import measure
from flatphys.finite_size.instances import make_instances

T = np.array([[-2.0, -0.3, 0.0], [0.7, 1.0, 3.0]])
GAP = np.maximum(1.0 - T, 0.0)


@pytest.mark.parametrize(
    ("loss", "value", "slope", "curvature"),
    [
        ("square", 0.5 * (1.0 - T) ** 2, T - 1.0, np.ones_like(T)),
        ("logistic", np.log1p(np.exp(-T)), -1.0 / (1.0 + np.exp(T)), 0.25 / np.cosh(0.5 * T) ** 2),
        ("hinge", GAP, -1.0 * (T < 1.0), 0.0 * T),
        ("squared-hinge", 0.5 * GAP**2, -GAP, 1.0 * (T < 1.0)),
    ],
)
def test_losses_are_their_formulas(loss, value, slope, curvature):
    for found, expected in zip(measure.loss_of(loss, T), (value, slope, curvature)):
        assert found == pytest.approx(expected, abs=1e-14)


def test_a_loss_of_ones_own_is_measured_too():
    own = fp.CustomLoss(numba.njit(lambda t: math.exp(-t)), numba.njit(lambda t: -math.exp(-t)), numba.njit(lambda t: math.exp(-t)))
    value, slope, curvature = measure.loss_of(own, T)
    assert value == pytest.approx(np.exp(-T)) and slope == pytest.approx(-value) and curvature == pytest.approx(value)


def test_energies_and_errors_are_means_over_the_patterns():
    gap = 0.5 - T
    for energy, cost in (
        ("errors", gap > 0.0),
        ("hinge", np.maximum(gap, 0.0)),
        ("squared-hinge", 0.5 * np.maximum(gap, 0.0) ** 2),
        ("square", 0.5 * gap**2),
    ):
        assert measure.mean_energy(T, energy, 0.5) == pytest.approx(np.mean(cost, axis=1), rel=1e-15)
    assert measure.errors(T, 0.0).tolist() == [2.0 / 3.0, 0.0]  # a stability equal to the margin is no error


@pytest.mark.parametrize("data", [fp.Teacher(0.2), fp.GaussianMixture(0.5, 0.3)])
def test_the_error_on_new_examples_is_what_counting_gives(data):
    instances = make_instances(fp.Model(data, fp.ERM()), 60, 1.0, count=3, seed=2)
    rng = np.random.default_rng(1)
    weights = instances.direction + rng.standard_normal((3, 60))
    weights *= math.sqrt(60) / np.linalg.norm(weights, axis=1, keepdims=True)
    expected = measure.generalization_error(data, measure.overlaps(weights, instances.direction))
    counted = [
        np.mean([measure.fresh_error(data, w, 0.0, direction, rng) for _ in range(200)])
        for w, direction in zip(weights, instances.direction)
    ]
    assert np.abs(counted - expected).max() < 4.5 * math.sqrt(0.25 / (200 * 4 * 60))


def test_perturbations_keep_what_they_should():
    rng = np.random.default_rng(0)
    signs, w = rng.choice([-1.0, 1.0], (5, 41)), rng.standard_normal((5, 41))
    assert np.all((measure.perturb(signs, "distance", 10 / 41, True, rng) != signs).sum(axis=1) == 10)
    turned = measure.perturb(w, "distance", 0.2, False, rng)
    assert np.linalg.norm(turned, axis=1) == pytest.approx(np.linalg.norm(w, axis=1))
    assert np.sum(turned * w, axis=1) / np.sum(w * w, axis=1) == pytest.approx(np.full(5, 0.6))
    noise = measure.perturb(np.ones((400, 41)), "sigma", 0.3, False, rng) - 1.0
    assert noise.std() == pytest.approx(0.3, rel=0.03)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"sigma": 0.1, "distance": 0.1}, "got both"),
        ({"sigma": None, "distance": None}, "got neither"),
        ({"sigma": "wide", "distance": None}, "sigma must be a number"),
        ({"sigma": None, "distance": 1.5}, ">= 0 and <= 1"),
    ],
)
def test_a_bad_perturbation_is_named(question, words):
    with pytest.raises(InvalidInput, match=words):
        validate.perturbation(**question)


def test_weights_of_ones_own_are_measured_like_any_others():
    instances = make_instances(fp.Model(fp.Teacher(), fp.Gibbs("binary")), 101, 2.0, count=4, seed=3)
    teacher = instances.teacher[:, None]
    assert np.all(measure.errors(instances.stabilities(teacher)) == 0.0)
    rise = measure.local_energy(instances, teacher, validate.perturbation(None, [0.0, 0.1]), np.random.default_rng(1), 20, binary=True)
    exact = math.acos(1.0 - 2.0 * 10 / 101) / math.pi  # flips of the teacher err like a student of that overlap
    assert rise.shape == (4, 2) and np.all(rise[:, 0] == 0.0) and rise[:, 1].mean() == pytest.approx(exact, abs=0.02)
