"""Local entropies of finite systems against exact counts, and the entropy of a shell without patterns."""

import itertools
import math

import mpmath
import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput
from flatphys.finite_size.instances import make_instances
from flatphys.finite_size.integrate import shell_entropy

BINARY = fp.Model(fp.Teacher(), fp.Gibbs("binary"))


def test_shells_hold_as_many_weights_as_they_do():
    limit, exact = shell_entropy(20, 0.5, True)
    assert exact == pytest.approx(math.log(math.comb(20, 5)) / 20, rel=1e-12)
    assert limit == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75), rel=1e-12)
    for n in (5, 50):  # the density of the overlap of two points of the sphere is normalised
        density = lambda p, n=n: mpmath.exp(n * shell_entropy(n, float(p), False)[1])
        assert float(mpmath.quad(density, [-1 + 1e-12, 0, 1 - 1e-12])) == pytest.approx(1.0, rel=1e-6)
    assert shell_entropy(10**7, 0.5, False)[1] == pytest.approx(shell_entropy(3, 0.5, False)[0], rel=1e-5)


@pytest.mark.parametrize(("beta", "alpha"), [(1.5, 0.6), (math.inf, 0.3)])
def test_counts_around_the_teacher_are_exact_ones(beta, alpha):
    n = 15
    run = fp.sample_local_entropy(
        BINARY, n, alpha, distance=[3 / 15, 6 / 15], reference="teacher", beta=beta, chains=16, sweeps=3000, device="cpu", seed=2
    )
    instances = make_instances(BINARY, n, alpha, count=8, seed=2, patterns="sign")
    weights = np.array(list(itertools.product([-1, 1], repeat=n)))
    counts = np.empty((8, 2))
    for k in range(8):
        energy = (weights @ instances.patterns[k].astype(float) < 0.0).sum(axis=1)
        boltzmann = np.exp(-beta * energy) if beta < math.inf else (energy == 0).astype(float)
        flips = (weights != instances.teacher[k]).sum(axis=1)
        for j, f in enumerate((3, 6)):
            shell = boltzmann[flips == f]
            mean = shell @ energy[flips == f] / shell.sum()
            counts[k, j] = (math.log(shell.sum()) + (beta * mean if beta < math.inf else 0.0)) / n
    # the same instances: what is left is the chains' own noise
    assert run.finite_value.values == pytest.approx(counts, abs=0.02)
    assert np.all(np.abs(run.finite_value.mean - counts.mean(axis=0)) < 4.5 * run.value.time_error + 1e-4)
    shift = run.value.mean - run.finite_value.mean
    assert shift == pytest.approx([np.subtract(*shell_entropy(n, p, True)) for p in run.overlap], rel=1e-9)


def test_the_same_numbers_from_the_same_seed_and_overlaps_of_whole_flips():
    options = {"reference": "teacher", "chains": 4, "sweeps": 200, "device": "cpu"}
    a, b = (fp.sample_local_entropy(BINARY, 31, 0.3, distance=[0.1, 0.21], threads=t, **options) for t in (1, 2))
    assert np.array_equal(a.value.values, b.value.values)
    assert a.distance * 31 == pytest.approx([3, 7])
    assert "distance" in repr(a) and a.record()["points"][0]["value"] == a.value.mean[0]


@pytest.mark.long
def test_around_a_trained_rule_and_around_sampled_weights():
    """At finite beta and alpha small both agree with theory at N of a hundred."""
    mixture = fp.Model(fp.GaussianMixture(), fp.ERM("logistic", 0.1))
    run = fp.sample_local_entropy(mixture, 100, 0.4, overlap=[0.8], beta=2.0, chains=24, sweeps=400, device="cpu", seed=5)
    theory = fp.local_entropy(fp.solve(mixture, run.alpha), overlap=[0.8], beta=2.0)
    assert fp.check(theory, run).passed
    sampled = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=1.0))
    run = fp.sample_local_entropy(sampled, 101, 0.4, overlap=[0.6], beta=1.0, chains=24, sweeps=400, device="cpu", seed=5)
    theory = fp.local_entropy(fp.solve(sampled, run.alpha), overlap=run.overlap, beta=1.0)
    assert fp.check(theory, run).passed


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"overlap": [0.5]}, "either overlap or distance"),
        ({"distance": [1.5]}, "distance must"),
        ({"distance": [0.001]}, "flipped"),
        ({"reference": "nobody"}, "reference"),
        ({"model": fp.Model(fp.RandomLabels(), fp.Gibbs())}, "reference 'teacher'"),
        ({"beta": 0.0}, "beta"),
        ({"chains": 3}, "chains"),
        ({"sweeps": 1}, "sweeps"),
        ({"distance": []}, "distance must"),
        ({"distance": None}, "neither"),
    ],
)
def test_bad_arguments_are_refused_by_name(change, named):
    call = {
        "model": BINARY,
        "n": 31,
        "alpha": 0.5,
        "distance": [0.2],
        "reference": "teacher",
        "chains": 4,
        "sweeps": 20,
        "device": "cpu",
        **change,
    }
    with pytest.raises(InvalidInput, match=named):
        fp.sample_local_entropy(**call)
