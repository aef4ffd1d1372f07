"""Samples of the data: laws, labels, reproducibility, stabilities by definition."""

import math

import numpy as np
import pytest
from scipy.special import erf

import flatphys as fp
from flatphys.errors import InvalidInput
from flatphys.finite_size.instances import make_instances

BINARY, SPHERICAL = fp.Gibbs("binary"), fp.Gibbs("spherical")


def z(values, expected):
    values = np.ravel(values)
    return (values.mean() - expected) / (values.std(ddof=1) / math.sqrt(values.size))


@pytest.mark.parametrize("patterns", ["sign", "gaussian"])
@pytest.mark.parametrize("model", [fp.Model(fp.RandomLabels(), BINARY), fp.Model(fp.Teacher(0.1), SPHERICAL)])
def test_an_instance_depends_on_the_seed_and_its_number_alone(model, patterns):
    many, few = make_instances(model, 21, 1.5, 5, seed=4, patterns=patterns), make_instances(model, 21, 1.5, 2, seed=4, patterns=patterns)
    assert np.array_equal(many.patterns[:2], few.patterns) and np.array_equal(many.labels[:2], few.labels)
    if many.teacher is not None:
        assert np.array_equal(many.teacher[:2], few.teacher)
    other = make_instances(model, 21, 1.5, 2, seed=5, patterns=patterns)
    assert not np.array_equal(other.patterns, few.patterns) and not np.array_equal(few.patterns[0], few.patterns[1])


def test_shapes_types_and_the_number_of_patterns():
    instances = make_instances(fp.Model(), 101, 0.5, count=3)
    assert instances.patterns.shape == (3, 101, 50) and instances.patterns.dtype == np.int8 and instances.patterns.flags.c_contiguous
    assert (instances.p, instances.count, instances.alpha, instances.kind) == (50, 3, 50 / 101, "sign")
    assert make_instances(fp.Model(), 10, 0.01).p == 1
    assert make_instances(fp.Model(), 11, 1, patterns="gaussian").patterns.dtype == np.float32
    assert "alpha" in repr(instances) and "<table" in instances._repr_html_()


@pytest.mark.parametrize("patterns, kurtosis", [("sign", 1.0), ("gaussian", 3.0)])
def test_components_are_independent_with_the_moments_of_their_law(patterns, kurtosis):
    x = make_instances(fp.Model(), 101, 5.0, 8, seed=1, patterns=patterns).patterns.astype(float)
    assert abs(z(x, 0.0)) < 4.5 and abs(z(x[:, 1:] * x[:, :-1], 0.0)) < 4.5 and abs(z(x[..., 1:] * x[..., :-1], 0.0)) < 4.5
    assert abs((x**4).mean() - kurtosis) < 0.1


@pytest.mark.parametrize("learner", [BINARY, SPHERICAL])
@pytest.mark.parametrize("patterns", ["sign", "gaussian"])
def test_the_teacher_errs_on_the_flipped_labels_only(learner, patterns):
    clean = make_instances(fp.Model(fp.Teacher(), learner), 101, 3.0, 4, seed=2, patterns=patterns)
    assert np.all(clean.stabilities(clean.teacher) >= 0.0)
    assert np.allclose((clean.teacher.astype(float) ** 2).sum(axis=1), 101)
    noisy = make_instances(fp.Model(fp.Teacher(0.2), learner), 101, 30.0, 4, seed=2, patterns=patterns)
    errors = noisy.stabilities(noisy.teacher) < 0.0
    assert abs((errors.mean() - 0.2) / math.sqrt(0.16 / errors.size)) < 4.5
    assert abs(z(noisy.labels.astype(float), 0.0)) < 4.5


def test_the_mixture_has_its_centre_variance_and_class_sizes():
    model = fp.Model(fp.GaussianMixture(0.7, 0.3), fp.ERM())
    instances = make_instances(model, 50, 40.0, 4, seed=3)
    assert instances.kind == "gaussian" and np.isclose(instances.centre @ instances.centre, 50)
    along = instances.stabilities(np.broadcast_to(instances.centre, (4, 50)))  # y x.v/sqrt N ~ N(1, variance)
    assert abs(z(along, 1.0)) < 4.5 and abs(z((along - 1.0) ** 2, 0.7)) < 4.5
    positive = instances.labels > 0
    assert abs((positive.mean() - 0.3) / math.sqrt(0.21 / positive.size)) < 4.5
    assert np.array_equal(instances.centre, make_instances(model, 50, 1.0, 1, seed=3).centre)


def test_stabilities_are_the_scalar_products():
    instances = make_instances(fp.Model(fp.Teacher(0.1), SPHERICAL), 21, 1.0, 2, seed=1)
    rng = np.random.default_rng(0)
    w = rng.standard_normal((2, 3, 4, 21))
    got = instances.stabilities(w)
    assert got.shape == (2, 3, 4, 21) and got.dtype == np.float64
    assert got[1, 2, 3, 7] == pytest.approx(sum(w[1, 2, 3, i] * float(instances.patterns[1, i, 7]) for i in range(21)) / math.sqrt(21))


# K(1) - K(0) by their integrals: sign 1 - 0, ReLU 1/2 - 1/(2 pi), erf: E erf^2 = (2/pi) asin(2/3)
@pytest.mark.parametrize(
    "activation, phi, spread",
    [
        ("sign", lambda h: 1.0 if h >= 0 else -1.0, 1.0),
        ("relu", lambda h: max(h, 0.0), 0.5 - 0.5 / math.pi),
        ("erf", erf, 2.0 / math.pi * math.asin(2.0 / 3.0)),
    ],
)
@pytest.mark.parametrize("hidden", [1, 3, 4])
def test_committee_stabilities_are_the_sums_over_the_units(activation, phi, spread, hidden):
    model = fp.Model(fp.RandomLabels(), fp.Gibbs(network=fp.TreeCommittee(activation)))
    instances = make_instances(model, 12, 1.0, 2, seed=1, hidden=hidden)
    w = np.random.default_rng(0).choice([-1, 1], (2, 5, 12))
    got, size = instances.stabilities(w), 12 // hidden
    for mu in range(instances.p):
        total = 0.0
        for unit in range(hidden):
            h = sum(float(w[1, 4, i]) * float(instances.patterns[1, i, mu]) for i in range(unit * size, (unit + 1) * size))
            total += (1.0 if unit < (hidden + 1) // 2 else -1.0) * phi(h / math.sqrt(size))
        assert got[1, 4, mu] == pytest.approx(instances.labels[1, mu] * total / math.sqrt(hidden * spread), abs=1e-11)


def test_committee_stabilities_have_unit_variance_and_mean_zero():
    model = fp.Model(fp.RandomLabels(), fp.Gibbs(network=fp.TreeCommittee("relu")))
    instances = make_instances(model, 400, 5.0, 4, seed=1, hidden=20)
    stabilities = instances.stabilities(np.ones((4, 400)))
    assert abs(z(stabilities, 0.0)) < 4.5 and abs(stabilities.var() - 1.0) < 0.1


MIXTURE = fp.Model(fp.GaussianMixture(), fp.ERM())
COMMITTEE = fp.Model(fp.RandomLabels(), fp.Gibbs(network=fp.TreeCommittee("relu")))
OWN = fp.Model(fp.RandomLabels(), fp.Gibbs(network=fp.TreeCommittee(np.tanh)))


@pytest.mark.parametrize(
    "model, arguments, words",
    [
        (fp.Model(), dict(n=1, alpha=1.0), "n must be"),
        (fp.Model(), dict(n=10.5, alpha=1.0), "n must be"),
        (fp.Model(), dict(n=10, alpha=-1.0), "alpha must be"),
        (fp.Model(), dict(n=10, alpha=1.0, count=0), "count must be"),
        (fp.Model(), dict(n=10, alpha=1.0, seed=-1), "seed must be"),
        (fp.Model(), dict(n=10, alpha=1.0, patterns="signs"), "did you mean 'sign'"),
        (fp.Model(), dict(n=10, alpha=1.0, hidden=5), "hidden must be None"),
        (MIXTURE, dict(n=10, alpha=1.0, patterns="sign"), "patterns must be 'gaussian'"),
        (COMMITTEE, dict(n=10, alpha=1.0), "hidden must be the number"),
        (COMMITTEE, dict(n=10, alpha=1.0, hidden=3), "hidden must divide"),
        (OWN, dict(n=10, alpha=1.0, hidden=5), "activation must be one of"),
        ("model", dict(n=10, alpha=1.0), "model must be"),
    ],
)
def test_bad_input_is_named(model, arguments, words):
    with pytest.raises(InvalidInput, match=words):
        make_instances(model, **arguments)


def test_weights_of_another_shape_are_refused():
    with pytest.raises(InvalidInput, match=r"weights must have the shape \(2, ..., 11\)"):
        make_instances(fp.Model(), 11, 1.0, 2).stabilities(np.ones(11))
