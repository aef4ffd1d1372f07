"""SBPI: every presentation beside a few lines of NumPy, and what it solves."""

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput
from flatphys.finite_size.binary.hidden import SECURE, shuffled
from flatphys.finite_size.chains.philox import philox


def plain(search, x, needed, threshold, epochs, algorithm):
    """H (units, inputs) after so many epochs, from the definition."""
    p, units, size = x.shape
    h = search.hidden[0][:, :size].astype(float)
    bound = algorithm.bound or np.inf
    for epoch in range(epochs):
        order, draws = np.empty(p, np.int32), np.empty((4, (p + 3) // 4), np.uint64)
        shuffled(order, draws, epoch, 0, *search.key)
        for at, mu in enumerate(order, start=1):
            fields = (x[mu] * np.where(h >= 0.0, 1, -1)).sum(axis=1)
            right = fields >= threshold
            if right.sum() < needed:
                for unit in [u for u in np.argsort(-fields, kind="stable") if not right[u]][: needed - right.sum()]:
                    h[unit] = np.clip(h[unit] + 2 * x[mu, unit], -bound, bound)
            elif right.sum() == needed:
                for unit in np.flatnonzero(right & (fields <= threshold + algorithm.theta)):
                    word = philox(np.uint64(epoch * p + at), np.uint64(0), np.uint64(unit), SECURE, *search.key)[0]
                    if word < 2.0**32 * algorithm.probability:
                        h[unit] = np.clip(h[unit] + np.where(h[unit] * x[mu, unit] > 0, 2 * x[mu, unit], 0), -bound, bound)
    return h


@pytest.mark.parametrize("algorithm", [fp.SBPI(epochs=4), fp.SBPI(theta=3.0, probability=0.7, bound=5, epochs=4)], ids=["free", "bounded"])
@pytest.mark.parametrize("hidden", [None, 3])
def test_presentations_are_what_the_definition_says(algorithm, hidden):
    network = fp.Perceptron() if hidden is None else fp.TreeCommittee("sign")
    instances = fp.make_instances(fp.Model(fp.RandomLabels(), fp.Gibbs(network=network)), 45, 1.5, seed=3, hidden=hidden)
    search, units = algorithm.begin(instances, 0, 9), hidden or 1
    signs = np.where(np.arange(units) < (units + 1) // 2, 1, -1)[:, None]
    x = instances.patterns[0].T.reshape(instances.p, units, -1).astype(int)
    x = x if hidden is None else x * instances.labels[0][:, None, None] * signs
    expected = plain(search, x, units // 2 + 1, 0 if hidden is None else 1, 4, algorithm)
    assert search.advance() and search.iterations == 4
    got = search.hidden[0][:, : 45 // units]
    assert np.array_equal(got, expected) and np.all(got % 2 == 1) and np.abs(got).max() <= (algorithm.bound or np.inf)
    assert search.row()["hidden_weight"] == pytest.approx(np.abs(expected).mean(), rel=1e-6)


@pytest.mark.parametrize("kind", ["sign", "gaussian"])
def test_it_solves_far_beyond_plain_descent(kind):
    """Real fields lie in the window half as often as odd integers do: the window of the latter is twice as wide."""
    instances = fp.make_instances(fp.Model(), 501, 0.6 if kind == "sign" else 0.55, count=4, seed=1, patterns=kind)
    found = fp.find(instances, fp.SBPI(theta=1.0 if kind == "sign" else 2.0), progress=False)
    assert found.solved.all() and found.iterations.max() < 1500


def test_without_the_second_rule_it_does_not():
    instances = fp.make_instances(fp.Model(), 501, 0.6, count=4, seed=1)
    assert fp.find(instances, fp.SBPI(probability=0.0, epochs=400), progress=False).solved.sum() == 0


def test_wrong_fields_are_refused():
    for wrong in ({"theta": -1.0}, {"probability": 1.5}, {"bound": 4}, {"bound": 0}, {"epochs": 0}):
        with pytest.raises(InvalidInput, match=next(iter(wrong))):
            fp.SBPI(**wrong)
