"""Patterns by bits and units: the same errors as the stabilities from scratch."""

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput
from flatphys.finite_size.binary.layout import count_errors, look, patterns_of, words_of

COMMITTEE = fp.TreeCommittee("sign")
CASES = [
    (101, None, 0.0, "sign"),
    (64, None, 0.0, "sign"),
    (101, None, 0.37, "sign"),
    (100, None, -0.25, "gaussian"),
    (5 * 33, 5, 0.0, "sign"),
    (4 * 65, 4, 0.0, "sign"),
    (3 * 21, 3, 0.0, "gaussian"),
    (5 * 21, 5, 0.9, "sign"),
    (5 * 21, 5, 5.0, "sign"),
]


@pytest.mark.parametrize("n, hidden, margin, kind", CASES)
def test_errors_are_those_of_the_stabilities(n, hidden, margin, kind):
    network = COMMITTEE if hidden else fp.Perceptron()
    model = fp.Model(fp.Teacher(0.1), fp.Gibbs("binary", margin, network=network))
    instances = fp.make_instances(model, n, 0.7, seed=4, patterns=kind, hidden=hidden)
    patterns, size = patterns_of(instances, 0), n // (hidden or 1)
    weights = np.random.default_rng(5).choice(np.array([-1, 1], np.int8), (1, 20, n))
    wrong = (instances.stabilities(weights)[0] < margin).sum(axis=1)
    for w, errors in zip(weights[0], wrong):
        signs = -np.ones(patterns.x.shape[1:], np.int8)  # the padding must not count
        signs[:, :size] = w.reshape(-1, size)
        words = words_of(signs > 0) & patterns.valid
        assert count_errors(patterns, words, signs, 10**6) == errors
        fields = np.empty((3, len(signs)))
        look(patterns, np.array([2, 0, 1]), words, signs, fields)
        expected = np.einsum("mui,ui->mu", patterns.x[[2, 0, 1]].astype(float), signs)
        assert np.abs(fields - expected).max() <= (0.0 if kind == "sign" else 1e-12)


def test_a_field_of_zero_is_never_taken_for_right():
    """Units of an even number of inputs: sign(0) = +1 helps the first units and hurts the last ones."""
    model = fp.Model(fp.RandomLabels(), fp.Gibbs(network=COMMITTEE))
    instances = fp.make_instances(model, 3 * 4, 4.0, count=1, seed=1, hidden=3)
    patterns = patterns_of(instances, 0)
    for w in np.random.default_rng(2).choice(np.array([-1, 1], np.int8), (20, 12)):
        signs = np.ones((3, 64), np.int8)
        signs[:, :4] = w.reshape(3, 4)
        found = count_errors(patterns, words_of(signs > 0) & patterns.valid, signs, 10**6)
        assert found >= (instances.stabilities(w[None, None])[0, 0] < 0.0).sum()


@pytest.mark.parametrize(
    "algorithm", [fp.SBPI(), fp.SimulatedAnnealing(), fp.ReplicatedAnnealing(), fp.ReplicatedSGD(), fp.SGD()], ids=repr
)
def test_what_is_not_served_is_refused_before_any_work(algorithm):
    erf = fp.make_instances(fp.Model(fp.RandomLabels(), fp.Gibbs(network=fp.TreeCommittee("erf"))), 33, 0.5, hidden=3)
    with pytest.raises(InvalidInput, match="network must be a perceptron or a committee of 'sign' units"):
        fp.find(erf, algorithm)
    rule = fp.make_instances(fp.Model(fp.Teacher(), fp.Hebb()), 33, 0.5)
    with pytest.raises(InvalidInput, match="learner must"):
        fp.find(rule, algorithm)
