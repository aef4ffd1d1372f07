"""Annealing: the stationary law of the walk beside the exact one, the two kernels beside each other, and what coupled replicas gain."""

import itertools

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput
from flatphys.finite_size.binary import annealing
from flatphys.finite_size.binary.walk import Columns, walk_columns, walk_marks


def exact_law(instances, y, beta, gamma):
    """Probability of every configuration (2^n)^y of exp(-beta sum E + sum_i log 2cosh(gamma S_i))."""
    n = instances.n
    every = np.array(list(itertools.product((-1, 1), repeat=n)), np.int8)
    energy = (instances.stabilities(every[None])[0] < 0.0).sum(axis=1)
    logs = []
    for rows in itertools.product(range(len(every)), repeat=y):
        total = every[list(rows)].sum(axis=0, dtype=float)
        logs.append(-beta * energy[list(rows)].sum() + np.log(2.0 * np.cosh(gamma * total)).sum())
    p = np.exp(np.array(logs) - max(logs))
    return energy, p / p.sum()


@pytest.mark.parametrize("hidden", [None, 3])
def test_the_walk_has_the_law_that_it_says(hidden):
    """2 replicas of 3 weights: 64 configurations, 40000 looks; chi squared, false alarms below 1e-4 (8 batches give its scale)."""
    network = fp.Perceptron() if hidden is None else fp.TreeCommittee("sign")
    instances = fp.make_instances(fp.Model(fp.RandomLabels(), fp.Gibbs(network=network)), 3, 6.0, seed=11, hidden=hidden)
    beta, gamma = 0.4, 0.6
    energy, law = exact_law(instances, 2, beta, gamma)
    assert energy.min() > 0  # the walk would end
    search = fp.ReplicatedAnnealing(replicas=2, beta=beta, gamma=gamma).begin(instances, 0, 1)
    walk = walk_columns if hidden else walk_marks
    seen, looks = np.zeros((8, 64)), 5000
    powers = 2 ** np.arange(5, -1, -1)
    for batch in range(8):
        for _ in range(looks):
            assert walk(search.sight, search.walkers, search.course, 30) == -1
            seen[batch, ((search.w.ravel() + 1) // 2 * powers).sum()] += 1
    frequencies = seen / looks
    z = (frequencies.mean(axis=0) - law) / np.sqrt(law * (1.0 - law) / (8 * looks))
    assert np.abs(z).max() < 6.0 and np.mean(z**2) < 2.0
    assert np.array_equal(search.walkers.sums, search.w.sum(axis=0, dtype=np.int64))


def test_marks_and_columns_take_the_same_walk():
    instances = fp.make_instances(fp.Model(), 45, 1.1, seed=2)
    marks, columns = (fp.ReplicatedAnnealing(accepted=2.0).begin(instances, 0, 4) for _ in range(2))
    signed = instances.patterns[0].astype(np.float64)
    wide = np.zeros(columns.h.shape)
    wide[...] = columns.h
    walkers = columns.walkers._replace(h=wide[:, :, : instances.p].copy())
    sight = Columns(signed, marks.patterns.threshold, 1)
    for _ in range(20):
        assert walk_marks(marks.sight, marks.walkers, marks.course, 2000) == walk_columns(sight, walkers, columns.course, 2000)
        assert np.array_equal(marks.w, columns.w) and np.array_equal(marks.walkers.energy, walkers.energy)
    errors = (instances.stabilities(marks.w[None])[0] < 0.0).sum(axis=1)
    assert np.array_equal(errors, marks.walkers.energy) and marks.counters[1] > 3


def test_fields_are_kept_right():
    model = fp.Model(fp.Teacher(0.2), fp.Gibbs(margin=0.2, network=fp.TreeCommittee("sign")))
    for instances in (
        fp.make_instances(model, 45, 1.1, seed=2, hidden=5),
        fp.make_instances(fp.Model(), 45, 1.1, seed=2, patterns="gaussian"),
    ):
        search = fp.SimulatedAnnealing(beta=1.0).begin(instances, 0, 4)
        search.advance()
        margin = instances.model.learner.margin
        assert search.walkers.energy[0] == (instances.stabilities(search.w[None])[0] < margin).sum()


def test_the_schedule_follows_the_accepted_moves():
    instances = fp.make_instances(fp.Model(), 45, 1.5, seed=2)
    search = fp.SimulatedAnnealing(beta=fp.Schedule(0.0, 1.0, steps=10), accepted=1.0).begin(instances, 0, 4)
    walk_marks(search.sight, search.walkers, search.course, 45 * 5)  # at beta = 0 every move is accepted
    assert search.counters.tolist()[0] == 225 and search.counters[1] >= 1
    assert 45 * search.counters[1] + search.counters[2] <= 225 and search.row()["beta"] == pytest.approx(0.1 * search.counters[1])


def test_coupled_replicas_need_fewer_moves_than_one_walker(monkeypatch):
    monkeypatch.setattr(annealing, "CHUNK", 10**9)
    instances = fp.make_instances(fp.Model(), 301, 0.3, count=6, seed=1)
    alone, three = (fp.find(instances, one, progress=False) for one in (fp.SimulatedAnnealing(), fp.ReplicatedAnnealing()))
    assert alone.solved.all() and three.solved.all()
    assert np.median(3 * three.iterations) < 0.8 * np.median(alone.iterations)


def test_wrong_fields_are_refused():
    for wrong in ({"beta": -1.0}, {"beta": None}, {"accepted": 0.0}, {"sweeps": 0}, {"gamma": None}, {"gamma": "fast"}, {"replicas": 1}):
        with pytest.raises(InvalidInput, match=next(iter(wrong))):
            fp.ReplicatedAnnealing(**wrong)
