"""Exact counts of small instances."""

import itertools
import json
import math
import pathlib

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput

RECORDS = [json.loads(line) for line in (pathlib.Path(__file__).parents[1] / "data" / "messages.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("record", [record for record in RECORDS if record["kind"] == "exact"], ids=lambda record: record["id"])
def test_pinned_counts(record, signed_patterns):
    what, expected = record["instance"], record["expected"]
    x, _ = signed_patterns(what["kind"], what["n"], what["p"], what["seed"])
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", record["params"]["margin"]))
    instances = fp.Instances.from_arrays(model, x, np.ones(what["p"]))
    counts = fp.enumerate_weights(instances, reference=np.ones(what["n"]))
    assert counts.by_errors[0].tolist() == expected["by_errors"]
    assert counts.solutions_by_distance[0].tolist() == expected["solutions_by_distance"]
    assert counts.solutions[0] == expected["solutions"] and counts.entropy[0] == pytest.approx(expected["entropy"], rel=1e-12)
    for beta in (0.5, 1.0, 3.0):
        assert counts.free_entropy(beta)[0] == pytest.approx(expected[f"free_entropy_beta_{beta}"], rel=1e-12)
    assert counts.magnetizations()[0, :3] == pytest.approx(expected["magnetization"], abs=1e-12)


@pytest.mark.parametrize("n", [3, 12, 14])
def test_gaussian_patterns_counted_by_brute_force(n):
    instances = fp.make_instances(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", -0.2)), n, 0.8, count=2, seed=n, patterns="gaussian")
    reference = np.where(np.arange(n) % 3, 1, -1)
    counts = fp.enumerate_weights(instances, reference)
    every = np.array(list(itertools.product((-1, 1), repeat=n)))
    for k in range(2):
        wrong = (every @ instances.patterns[k].astype(float) / math.sqrt(n) < -0.2).sum(axis=1)
        assert counts.by_errors[k].tolist() == np.bincount(wrong, minlength=instances.p + 1).tolist()
        far = (every[wrong == 0] != reference).sum(axis=1)
        assert counts.solutions_by_distance[k].tolist() == np.bincount(far, minlength=n + 1).tolist()
        weight = np.exp(-1.3 * wrong)
        assert counts.magnetizations(1.3)[k] == pytest.approx(weight @ every / weight.sum(), abs=1e-12)


def test_every_vector_is_counted_once_and_the_teacher_is_the_reference():
    instances = fp.make_instances(fp.Model(fp.Teacher(), fp.Gibbs("binary")), 15, 1.0, count=3, seed=4)
    counts = fp.enumerate_weights(instances)
    assert (counts.by_errors.sum(axis=1) == 2**15).all()
    assert (counts.solutions_by_distance[:, 0] == 1).all()  # the teacher makes no error


def test_too_many_weights_and_other_weights_are_refused():
    with pytest.raises(InvalidInput, match="at most 28"):
        fp.enumerate_weights(fp.make_instances(fp.Model(), 29, 0.5))
    with pytest.raises(InvalidInput, match="learner"):
        fp.enumerate_weights(fp.make_instances(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")), 9, 0.5))
    with pytest.raises(InvalidInput, match="reference"):
        fp.enumerate_weights(fp.make_instances(fp.Model(), 9, 0.5), reference=np.zeros(9))
    with pytest.raises(InvalidInput, match="beta"):
        fp.enumerate_weights(fp.make_instances(fp.Model(), 9, 0.5)).free_entropy(-1.0)
