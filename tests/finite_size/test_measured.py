"""Weights of any origin on instances: what is measured of them, and which are refused."""

import math

import numpy as np
import pytest
from scipy import stats

import flatphys as fp
from flatphys.errors import InvalidInput


@pytest.fixture(scope="module")
def students():
    """Ten instances of a teacher and the teachers themselves with the first weights flipped."""
    instances = fp.make_instances(fp.Model(fp.Teacher(), fp.Gibbs("binary")), 101, 0.5, count=10, seed=6)
    weights = instances.teacher.copy()
    weights[3:, :10] *= -1
    return instances, instances.measure(weights)


def test_errors_are_counted_and_success_has_its_exact_interval(students):
    instances, found = students
    below = (instances.stabilities(found.weights[:, None, :])[:, 0] < 0.0).mean(axis=1)
    assert np.array_equal(found.train_error, below) and found.solved[:3].all()
    good = int(found.solved.sum())
    value, low, high = found.success
    assert value == good / 10
    assert low == pytest.approx(stats.beta.ppf(0.025, good, 11 - good), rel=1e-12)
    assert high == pytest.approx(stats.beta.ppf(0.975, good + 1, 10 - good), rel=1e-12)
    assert f"{good} of 10" in repr(found)
    nothing = instances.measure(-instances.teacher)
    assert nothing.success[:2] == (0.0, 0.0) and nothing.success.high == pytest.approx(1.0 - 0.025**0.1)


def test_margins_are_pooled_and_generalization_follows_the_overlap(students):
    instances, found = students
    law = fp.margins(found)
    t = instances.stabilities(found.weights[:, None, :])
    assert law.mean.mean == pytest.approx(t.mean()) and law.cdf(0.0).mean == pytest.approx((t <= 0.0).mean())
    error = fp.generalization_error(found)
    overlap = np.array([1.0] * 3 + [1.0 - 20 / 101] * 7)
    assert error.mean == pytest.approx(np.mean(np.arccos(overlap) / math.pi))


def test_all_weights_flipped_turn_every_stability_around(students):
    _, found = students
    rise = fp.local_energy(found, distance=[0.0, 1.0])
    assert rise.mean[0] == 0.0 and rise.mean[1] == pytest.approx(np.mean(1.0 - 2.0 * found.train_error))
    assert fp.local_energy(found, sigma=[0.1, 1.0]).mean[1] > 0.0


def test_spherical_weights_are_put_on_the_sphere_and_rules_are_left_alone():
    instances = fp.make_instances(fp.Model(fp.Teacher(), fp.Gibbs("spherical")), 11, 0.5, count=2)
    weights = np.random.default_rng(0).standard_normal((2, 11)) * 7.0
    assert np.linalg.norm(instances.measure(weights).weights, axis=1) == pytest.approx([math.sqrt(11)] * 2)
    rules = fp.make_instances(fp.Model(fp.GaussianMixture(), fp.ERM("square")), 11, 0.5, count=2)
    assert np.array_equal(rules.measure(weights).weights, weights)


@pytest.mark.parametrize(
    "weights, words",
    [
        (np.ones((3, 21)), "shape"),
        (np.zeros((2, 21)), "zero"),
        (np.full((2, 21), 0.5), r"\+-1"),
        (np.full((2, 21), math.nan), "weights"),
        ("ones", "weights"),
    ],
)
def test_weights_of_another_kind_are_refused(weights, words):
    with pytest.raises(InvalidInput, match=words):
        fp.make_instances(fp.Model(), 21, 0.3, count=2).measure(weights)


def test_random_labels_have_no_generalization_error():
    instances = fp.make_instances(fp.Model(), 21, 0.3)
    with pytest.raises(InvalidInput, match="teacher or a centre"):
        fp.generalization_error(instances.measure(np.ones((1, 21))))
    with pytest.raises(InvalidInput, match="found"):
        fp.generalization_error(instances)


def test_overlaps_of_bytes_do_not_overflow():
    """Weights and teachers are int8: sums of more than 127 products."""
    instances = fp.make_instances(fp.Model(fp.Teacher(), fp.Gibbs("binary")), 401, 0.2, seed=1)
    weights = instances.teacher.copy()
    weights[:, :50] *= -1
    assert fp.generalization_error(instances.measure(weights)).mean == pytest.approx(math.acos(301 / 401) / math.pi)
    assert fp.generalization_error(instances.measure(instances.teacher)).mean == 0.0


@pytest.mark.parametrize("hidden", [3, 4, 5])
def test_a_committees_generalization_is_that_of_fresh_examples(hidden):
    """40000 examples, |z| < 4; Gaussian patterns, units of 101 weights."""
    model = fp.Model(fp.Teacher(), fp.Gibbs("binary", network=fp.TreeCommittee("sign")))
    instances = fp.make_instances(model, 101 * hidden, 0.1, seed=3, hidden=hidden)
    flipped = np.random.default_rng(4).random(instances.n) < np.repeat(np.linspace(0.05, 0.4, hidden), 101)
    weights = np.where(flipped, -1, 1) * instances.teacher
    expected = fp.generalization_error(instances.measure(weights)).mean
    x = np.random.default_rng(5).standard_normal((40000, hidden, 101))
    signs = np.where(np.arange(hidden) < (hidden + 1) // 2, 1, -1)
    student, teacher = (
        (np.sign(np.einsum("ehi,hi->eh", x, w.reshape(hidden, -1))) * signs).sum(axis=1) >= 0 for w in (weights[0], instances.teacher[0])
    )
    seen = np.mean(student != teacher)
    assert abs(seen - expected) < 4.0 * math.sqrt(expected * (1.0 - expected) / 40000) and expected > 0.1


def test_other_committees_have_none():
    model = fp.Model(fp.Teacher(), fp.Gibbs("binary", network=fp.TreeCommittee("erf")))
    instances = fp.make_instances(model, 30, 0.5, hidden=3)
    with pytest.raises(InvalidInput, match="sign units"):
        fp.generalization_error(instances.measure(instances.teacher))
