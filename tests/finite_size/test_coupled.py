"""Coupled replicas: exact sums over pairs, theory, independence of threads and interruptions, refusals."""

import math
import warnings

import numpy as np
import pytest

import flatphys as fp
from flatphys.comparison.replicated import coupling_of
from flatphys.errors import InvalidInput, NotMixedWarning
from flatphys.finite_size.pairs import enumerate_pair

BINARY = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=1.0))


def by_hand(instances, coupling):
    """(log Z/(2N), overlap, energy) of the first instance, by the sum over all pairs."""
    n, learner = instances.n, instances.model.learner
    w = np.array([[1.0 - 2.0 * ((k >> i) & 1) for i in range(n)] for k in range(1 << n)])
    stabilities = w @ instances.patterns[0].astype(float) / math.sqrt(n)
    short = np.maximum(learner.margin - stabilities, 0.0)
    energy = {"errors": stabilities < learner.margin, "hinge": short}[learner.energy].sum(axis=1).astype(float)
    cost = np.where(energy > 0.0, -learner.beta * np.maximum(energy, 1e-300), 0.0)
    pairs = np.exp(cost[:, None] + cost[None, :] + coupling * (w @ w.T))
    z = pairs.sum()
    return math.log(z) / (2 * n), (pairs * (w @ w.T)).sum() / z / n, (pairs * energy[:, None]).sum() / z / n


@pytest.mark.parametrize("learner", [fp.Gibbs("binary", 0.1, 0.7), fp.Gibbs("binary"), fp.Gibbs("binary", 0.5, 2.0, energy="hinge")])
@pytest.mark.parametrize("coupling", [0.0, 0.3, -0.2])
def test_a_transform_sums_over_all_pairs(learner, coupling):
    instances = fp.make_instances(fp.Model(fp.RandomLabels(), learner), 7, 0.6, count=1, seed=3)
    got = enumerate_pair(instances, coupling)
    assert [float(x[0]) for x in got] == pytest.approx(by_hand(instances, coupling), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("learner", [fp.Gibbs("binary", beta=1.0), fp.Gibbs("binary", 0.3, 1.5, energy="hinge")])
def test_chains_of_two_replicas_agree_with_the_sum_over_all_pairs(learner):
    model, coupling = fp.Model(fp.Teacher(0.1), learner), 0.25
    instances = fp.make_instances(model, 13, 1.0, count=8, seed=5)
    run = fp.sample(model, 13, 1.0, chains=32, sweeps=3000, replicas=2, coupling=coupling, instances=instances, seed=2)
    exact = enumerate_pair(instances, coupling)
    for name in ("mutual_overlap", "energy"):
        found = run.estimates[name]
        gap = float(np.mean(found.values - getattr(exact, name)))
        assert abs(gap) < 4.5 * found.time_error, name
        assert found.time_error < 0.02
    assert run.complaints == []


def test_uncoupled_replicas_are_like_those_of_another_system():
    run = fp.sample(BINARY, 31, 0.6, chains=32, sweeps=800, replicas=2, coupling=0.0)
    gap = run.mutual_overlap.values - run.overlap.values
    assert abs(gap.mean()) < 4.5 * gap.std(ddof=1) / math.sqrt(len(gap))


@pytest.mark.parametrize(
    ("model", "y"),
    [(fp.Model(fp.Teacher(), fp.Gibbs("spherical", beta=1.0)), 3), (fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=1.0)), 2)],
)
@pytest.mark.filterwarnings("ignore::flatphys.errors.NotMixedWarning")  # the centre of mass is slow: its errors say so
def test_coupled_replicas_lie_where_the_slope_of_their_entropy_says(model, y):
    theory = fp.replicated_entropy(model, 0.8, distance=[0.18], y=y)
    coupling = float(coupling_of(theory)[0])
    run = fp.sample(model, 61, 0.8, chains=16 * y, sweeps=600, replicas=y, coupling=coupling, seed=4)
    report = fp.check(theory, run, finite_size=0.5)
    names = [row.quantity for row in report.rows]
    assert {"mutual_overlap", "energy", "overlap"} <= set(names) and report.passed, str(report)
    wrong = fp.replicated_entropy(model, 0.8, distance=[0.12], y=y)
    with pytest.raises(InvalidInput, match="run must be at the coupling"):
        fp.check(wrong, run)


@pytest.mark.filterwarnings("ignore::flatphys.errors.NotMixedWarning")
def test_threads_and_interruptions_change_no_bit(tmp_path):
    model, options = fp.Model(fp.Teacher(), fp.Gibbs("spherical", beta=2.0)), {"replicas": 3, "coupling": 1.0, "burn_in": 20, "every": 2}
    one = fp.sample(model, 21, 0.7, chains=12, sweeps=60, threads=1, **options)
    two = fp.sample(model, 21, 0.7, chains=12, sweeps=60, threads=2, **options)
    short = fp.sample(model, 21, 0.7, chains=12, sweeps=40, checkpoint=tmp_path / "run.npz", interval=10, **options)
    longer, resumed = short.extend(60), fp.sample(model, 21, 0.7, chains=12, sweeps=60, checkpoint=tmp_path / "run.npz", **options)
    for run in (two, longer, resumed):
        assert {name: e.mean for name, e in run.estimates.items()} == {name: e.mean for name, e in one.estimates.items()}
        assert np.array_equal(run.energies, one.energies)
    assert one.replicas == 3 and one.record()["coupling"] == 1.0 and "coupling 1" in str(one)


@pytest.mark.parametrize(
    ("model", "options", "match"),
    [
        (BINARY, {"coupling": "strong"}, "coupling must be a finite number"),
        (BINARY, {"coupling": math.nan}, "coupling must be"),
        (BINARY, {"coupling": 1.0, "exchange": True}, "exchange must be None with a coupling"),
        (BINARY, {"coupling": 1.0, "replicas": 1}, "replicas must be"),
        (BINARY, {"coupling": 1.0, "device": "cuda"}, "device must be"),
        (
            fp.Model(fp.RandomLabels(), fp.Gibbs("binary", network=fp.TreeCommittee())),
            {"coupling": 1.0, "hidden": 3},
            "coupling needs a perceptron",
        ),
        (fp.Model(fp.Teacher(), fp.Hebb()), {"coupling": 1.0}, "coupling belongs to Markov chains"),
    ],
)
def test_what_coupled_replicas_cannot_do_is_said_before_any_work(model, options, match):
    with pytest.raises(InvalidInput, match=match):
        fp.sample(model, 21, 0.7, chains=24, sweeps=10, **options)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_replicas_at_zero_temperature_keep_their_solutions():
    model = fp.Model(fp.Teacher(), fp.Gibbs("spherical"))
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotMixedWarning)
        run = fp.sample(model, 31, 0.3, chains=8, sweeps=200, replicas=2, coupling=0.5, start="cold")
    assert run.energy.mean == 0.0 and 0.0 < run.mutual_overlap.mean < 1.0
