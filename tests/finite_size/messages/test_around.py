"""Local entropies of instances: pinned values, exact counts, the slope, and the theory around a teacher."""

import itertools
import json
import math
import pathlib

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput

# Computed by other code: fixed points in a field along the reference, the field by bisection.
RECORDS = [json.loads(line) for line in (pathlib.Path(__file__).parents[2] / "data" / "messages.jsonl").read_text().splitlines()]


def reference_of(params, teacher, n):
    if params["reference"] == "teacher":
        return teacher
    bits = "".join(format(int(digit, 16), "04b") for digit in params["vector"])[:n]
    return np.array([1.0 if bit == "1" else -1.0 for bit in bits])


@pytest.mark.parametrize("record", [record for record in RECORDS if record["kind"] == "tap-distance"], ids=lambda record: record["id"])
def test_pinned_local_entropies(record, signed_patterns):
    what, params, expected = record["instance"], record["params"], record["expected"]
    x, teacher = signed_patterns(what["kind"], what["n"], what["p"], what["seed"])
    instances = fp.Instances.from_arrays(fp.Model(fp.RandomLabels(), fp.Gibbs(params["weights"])), x, np.ones(what["p"]))
    found = instances.measure(reference_of(params, teacher, what["n"])[None])
    got = fp.local_entropy(found, distance=[params["distance"]])
    assert got.value[0, 0] == pytest.approx(expected["local_entropy"], abs=record["tolerance"])
    assert -got.slope[0, 0] == pytest.approx(expected["field"], abs=record["tolerance"])
    assert got.q1[0, 0] == pytest.approx(expected["q"], abs=record["tolerance"]) and got.status[0, 0] == "ok"


def test_they_are_the_legendre_transform_of_exact_counts_to_order_one_over_n():
    instances = fp.make_instances(fp.Model(), 19, 0.2, count=6, seed=8)
    reference = np.ones((6, 19))
    got = fp.local_entropy(instances.measure(reference), overlap=[0.2, 0.4])
    counts = fp.enumerate_weights(instances, reference).solutions_by_distance
    d = np.arange(20)
    gamma = np.linspace(-2.0, 2.0, 4001)
    for k in range(6):
        logs = np.log(np.maximum(counts[k], 1e-300)) + np.outer(gamma, 19 - 2 * d)
        phi = np.logaddexp.reduce(logs, axis=1) / 19
        for i, p in enumerate((0.2, 0.4)):
            exact = phi - gamma * p
            assert 0 < exact.argmin() < exact.size - 1 and got.status[k, i] == "ok"
            assert got.free_entropy[k, i] == pytest.approx(exact.min(), abs=0.06)


def committee_solutions(instances, k):
    """All weights of a committee of three sign units without an error on instance k, from the 128 of every unit: (solutions, 21)."""
    every = np.array(list(itertools.product((-1, 1), repeat=7)))
    signs = [np.sign(every @ x.astype(int)) for x in instances.patterns[k].reshape(3, 7, -1)]
    total = signs[0][:, None, None] + signs[1][None, :, None] - signs[2][None, None]
    rows = np.argwhere((instances.labels[k] * total > 0).all(axis=-1))
    return every[rows].reshape(-1, 21)


@pytest.mark.parametrize("data, error", [(fp.RandomLabels(), 0.06), (fp.Teacher(), 0.03)], ids=repr)
def test_around_weights_of_committees_they_are_exact_to_order_one_over_n(data, error):
    """rms over 6 instances of N = 21, P = 8: 0.042 (random labels, about all +1) and 0.014 (about the teacher) were seen."""
    instances = fp.make_instances(fp.Model(data, fp.Gibbs("binary", network=fp.TreeCommittee("sign"))), 21, 0.4, 6, seed=8, hidden=3)
    reference = np.ones((6, 21)) if instances.teacher is None else instances.teacher
    got, misses = fp.local_entropy(instances.measure(reference), overlap=[0.2, 0.4]), []
    fields, gamma = fp.message_passing(instances, field=0.3 * reference), np.linspace(-3.0, 3.0, 2001)
    for k in range(6):
        overlap = committee_solutions(instances, k) @ reference[k].astype(int)
        counts, d = np.bincount((21 - overlap) // 2, minlength=22), np.arange(22)
        phi = np.logaddexp.reduce(np.log(np.maximum(counts, 1e-300)) + np.outer(gamma, 21 - 2 * d), axis=1) / 21
        misses += [got.free_entropy[k, i] - (phi - gamma * p).min() for i, p in enumerate((0.2, 0.4))]
        assert fields.free_entropy[k] == pytest.approx(np.interp(0.3, gamma, phi), abs=0.05)
        assert fields.overlap[k] == pytest.approx(np.gradient(phi, gamma)[1100], abs=0.1)
    assert (got.status == "ok").all() and 1e-4 < math.sqrt(np.mean(np.square(misses))) < error


def test_a_committees_local_entropy_has_the_slope_of_its_free_entropy():
    model = fp.Model(fp.Teacher(), fp.Gibbs("binary", network=fp.TreeCommittee("sign")))
    instances = fp.make_instances(model, 105, 0.5, count=2, seed=5, hidden=5)
    low, at, high = (fp.local_entropy(instances.measure(instances.teacher), overlap=p, beta=2.0) for p in (0.599, 0.6, 0.601))
    assert (at.status == "ok").all() and (at.train_error > 0.0).all()
    assert (high.free_entropy - low.free_entropy) / 2e-3 == pytest.approx(at.slope, abs=1e-5)


@pytest.mark.parametrize(
    "network, hidden, options, words",
    [
        (fp.TreeCommittee("sign"), 4, {}, "odd number of sign units"),
        (fp.TreeCommittee("erf"), 3, {}, "odd number of sign units"),
        (fp.TreeCommittee("sign"), 3, {"margin": 0.1}, "margin must be 0"),
        (fp.TreeCommittee("sign"), 3, {"energy": "hinge", "beta": 1.0}, "energy 'errors'"),
    ],
)
def test_committees_without_messages_are_refused_by_name(network, hidden, options, words):
    instances = fp.make_instances(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", network=network)), 24, 0.3, hidden=hidden)
    with pytest.raises(InvalidInput, match=words):
        fp.local_entropy(instances.measure(np.ones((1, 24))), distance=0.2, **options)


@pytest.mark.parametrize("learner", [fp.Gibbs("binary"), fp.Gibbs("spherical")], ids=str)
@pytest.mark.parametrize("beta", [math.inf, 2.0])
def test_the_slope_is_the_derivative_of_the_free_entropy(learner, beta):
    instances = fp.make_instances(fp.Model(fp.Teacher(), learner), 101, 0.5, count=2, seed=5, patterns="gaussian")
    found = instances.measure(instances.teacher)
    p = 0.6
    low, at, high = (fp.local_entropy(found, overlap=p + step, beta=beta) for step in (-1e-3, 0.0, 1e-3))
    assert (at.status == "ok").all()
    assert (high.free_entropy - low.free_entropy) / 2e-3 == pytest.approx(at.slope, abs=1e-5)
    paid = 0.0 if beta == math.inf else beta * at.energy
    assert at.value == pytest.approx(at.free_entropy + paid, abs=1e-15)


def test_a_grid_is_found_in_any_order_with_means_and_errors():
    instances = fp.make_instances(fp.Model(fp.Teacher(), fp.Gibbs("binary")), 201, 0.5, count=3, seed=1)
    found = instances.measure(instances.teacher)
    grid = fp.local_entropy(found, distance=[0.3, 0.1, 0.2])
    one = fp.local_entropy(found, distance=0.1)
    assert grid.value[:, 1] == pytest.approx(one.value[:, 0], abs=1e-10)
    assert grid.mean == pytest.approx(grid.value.mean(axis=0)) and grid.error == pytest.approx(
        grid.value.std(axis=0, ddof=1) / math.sqrt(3)
    )
    assert (np.diff(grid.value[:, [1, 2, 0]], axis=1) > 0.0).all()  # more weights farther out
    assert "3" in repr(grid) and grid.plot().get_xlabel()


def test_around_weights_that_solve_nothing_messages_lead_nowhere():
    instances = fp.make_instances(fp.Model(), 51, 0.75, seed=2)
    got = fp.local_entropy(instances.measure(np.ones((1, 51))), distance=[0.002])
    assert got.status[0, 0] == "no_fixed_point" and np.isnan(got.value[0, 0]) and np.isnan(got.mean[0])


@pytest.mark.long
def test_around_teachers_they_fluctuate_about_the_theory():
    """abs(z) < 4 of 48 instances at N = 1001; -1.6, -1.2 and -0.7 were seen."""
    model = fp.Model(fp.Teacher(), fp.Gibbs("binary"))
    instances = fp.make_instances(model, 1001, 0.6, count=48, seed=2027)
    got = fp.local_entropy(instances.measure(instances.teacher), distance=[0.1, 0.2, 0.3])
    theory = fp.local_entropy(fp.teacher_state(model, instances.alpha), distance=[0.1, 0.2, 0.3])
    assert (got.status == "ok").all() and (np.abs(got.mean - theory.value) < 4.0 * got.error).all()


@pytest.mark.parametrize(
    "options, name",
    [
        ({}, "overlap"),
        ({"overlap": 0.5, "distance": 0.2}, "overlap"),
        ({"distance": [0.0]}, "distance"),
        ({"overlap": "half"}, "overlap"),
        ({"overlap": 0.5, "beta": -1.0}, "beta"),
        ({"overlap": 0.5, "margin": math.nan}, "margin"),
        ({"overlap": 0.5, "energy": "quartic"}, "energy"),
    ],
)
def test_bad_input_is_named(options, name):
    instances = fp.make_instances(fp.Model(), 21, 0.3)
    with pytest.raises(InvalidInput, match=name):
        fp.local_entropy(instances.measure(np.ones((1, 21))), **options)
