"""local-entropy --instance: what an algorithm finds, and how many solutions surround it, as the library says."""

import csv
import io
import json
import re

import pytest
from typer.testing import CliRunner

import flatphys as fp
from flatphys.cli import app

SMALL = ["--instance", "--n", "101", "--instances", "2", "--seed", "3"]


def cli(*arguments):
    result = CliRunner().invoke(app, ["local-entropy", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_the_rows_are_means_over_instances_of_what_the_algorithm_finds(tmp_path):
    given = ("0.4", *SMALL, "--algorithm", "reinforced-bp", "--distance", "0.05,0.2", "--plot", str(tmp_path / "a.png"))
    status, out, err = cli(*given)
    assert status == 0, err
    rows = list(csv.DictReader(io.StringIO(out)))
    found = fp.find(fp.make_instances(fp.Model(), 101, 0.4, 2, 3), fp.ReinforcedBP(), seed=3)
    want = fp.local_entropy(found, distance=[0.05, 0.2])
    assert [float(row["value"]) for row in rows] == want.mean.tolist() and [row["instances"] for row in rows] == ["2", "2"]
    assert [float(row["error"]) for row in rows] == want.error.tolist() and [row["distance"] for row in rows] == ["0.05", "0.2"]
    assert (tmp_path / "a.png").stat().st_size > 5_000


def test_around_the_teacher_of_every_instance():
    status, out, err = cli("0.8", "--teacher", "--overlap", "0.7", "--counted-beta", "2", *SMALL, "--json")
    assert status == 0, err
    answer = json.loads(out)
    instances = fp.make_instances(fp.Model(fp.Teacher(), fp.Gibbs()), 101, 0.8, 2, 3)
    want = fp.local_entropy(instances.measure(instances.teacher), overlap=[0.7], beta=2.0)
    assert answer["values"] == want.value.tolist() and answer["reference"] == "teacher" and answer["solved"] == [True, True]
    assert answer["counted"] == {"margin": 0.0, "beta": 2.0, "energy": "errors"}


def test_around_what_is_found_for_a_committee():
    network = ["--network", "tree-committee", "--hidden", "3"]
    status, out, err = cli(
        "0.3", *network, "--instance", "--n", "63", "--instances", "2", "--algorithm", "sbpi", "--distance", "0.1", "--json"
    )
    assert status == 0, err
    model = fp.Model(fp.RandomLabels(), fp.Gibbs(network=fp.TreeCommittee("sign")))
    found = fp.find(fp.make_instances(model, 63, 0.3, 2, 1, hidden=3), fp.SBPI(), seed=1)
    assert json.loads(out)["values"] == fp.local_entropy(found, distance=[0.1]).value.tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("0.4", "--n", "101"), "--n belongs to --instance"),
        (("0.4", "--instance", "--branch", "student"), "--branch does not go with --instance"),
        (("0.4", "--instance", "--around-max-margin"), "--around-max-margin does not go with --instance"),
        (("0.4", "--instance", "--data", "teacher", "--teacher", "--algorithm", "sbpi"), "--teacher with --algorithm does not go"),
        (("0.4", "--instance", "--algorithm", "annealing"), "algorithm must be one of"),
        (("0.4", "--instance", "--teacher", "--data", "random-labels", "--n", "11"), "--teacher needs data with a teacher"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments, message):
    status, out, err = cli(*arguments, "--distance", "0.1")
    assert status == 2 and out == ""
    assert re.search(message, err), err
