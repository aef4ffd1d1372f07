"""The command message-passing: its rows are the library's, instance by instance, and what it refuses it names."""

import csv
import io
import json

import numpy as np
import pytest
from typer.testing import CliRunner

import flatphys as fp
from flatphys.cli import app

SMALL = ["--n", "101", "--instances", "3", "--seed", "2"]


def cli(*arguments):
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_a_row_for_every_instance_with_the_librarys_numbers(tmp_path):
    status, out, err = cli("message-passing", "0.5", *SMALL, "--plot", str(tmp_path / "m.pdf"))
    assert status == 0, err
    rows = list(csv.DictReader(io.StringIO(out)))
    want = fp.message_passing(fp.make_instances(fp.Model(), 101, 0.5, 3, 2))
    assert [float(row["entropy"]) for row in rows] == want.entropy.tolist()
    assert [row["status"] for row in rows] == ["ok"] * 3 and {row["overlap"] for row in rows} == {""}
    assert (tmp_path / "m.pdf").read_bytes().startswith(b"%PDF")


def test_fields_self_fields_and_stars_are_asked_for(tmp_path):
    status, out, err = cli("message-passing", "1.0", "--data", "teacher", "--field", "0.3", *SMALL, "--json")
    assert status == 0, err
    model = fp.Model(fp.Teacher(), fp.Gibbs())
    instances = fp.make_instances(model, 101, 1.0, 3, 2)
    answer = json.loads(out)
    want = fp.message_passing(instances, field=0.3 * instances.teacher)
    assert [point["overlap"] for point in answer["points"]] == want.overlap.tolist() and answer["p"] == 101
    given = ("--self-field", "0.4", "--damping", "0.5", "--tolerance", "1e-8", "--cavity-variance", "pattern")
    rows = list(csv.DictReader(io.StringIO(cli("message-passing", "0.5", *given, *SMALL)[1])))
    own = fp.make_instances(fp.Model(), 101, 0.5, 3, 2)
    assert [float(row["q"]) for row in rows] == fp.message_passing(
        own, variance="pattern", self_field=0.4, damping=0.5, tolerance=1e-8
    ).q.tolist()
    rows = list(csv.DictReader(io.StringIO(cli("message-passing", "0.5", "--coupling", "0.3,3", *SMALL)[1])))
    np.testing.assert_array_equal([float(row["local_entropy"]) for row in rows], fp.message_passing(own, coupling=(0.3, 3.0)).local_entropy)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("0.5", "--field", "1"), 2, "--field needs a teacher or a centre"),
        (("0.5", "--coupling", "0.3"), 2, "coupling must be a pair"),
        (("0.5", "--method", "bp", "--weights", "spherical"), 2, "method must be 'amp'"),
        (("0.5", "--learner", "max-margin", "--data", "teacher"), 2, "learner must be"),
        (("0.5", "--plot", "a.txt"), 2, "--plot must end in"),
        (("1.6", "--max-iterations", "5"), 1, "no fixed point"),
    ],
)
def test_what_is_wrong_is_named(arguments, status, message):
    got, out, err = cli("message-passing", *arguments, *SMALL)
    assert got == status and message in err and out == ""
