"""The command `compare-algorithms`: its table, its files, what it refuses."""

import json

import pytest
import xarray
from typer.testing import CliRunner

from flatphys.cli import app

SMALL = ("compare-algorithms", "--n", "45", "--instances", "2", "--algorithm", "sbpi", "--algorithm", "sgd", "--workers", "1")


def run(*arguments):
    return CliRunner().invoke(app, [*SMALL, *arguments])


def test_the_table_has_a_row_for_every_load(tmp_path):
    store = str(tmp_path / "store.sqlite")
    answer = run("--alpha", "0.2,0.3", "--store", store)
    assert answer.exit_code == 0, answer.stderr
    lines = answer.stdout.splitlines()
    assert lines[1].split() == ["alpha", "SBPI", "SGD"] and [line.split()[0] for line in lines[2:]] == ["0.2", "0.3"]
    assert "2 of 2, " in lines[2]
    again = run("--alpha", "0.2,0.3", "--store", store)
    assert again.stdout == answer.stdout  # the times too: nothing was run again


def test_json_and_files_hold_every_point(tmp_path):
    out = tmp_path / "found.nc"
    answer = run("--alpha", "0.3", "--no-store", "--json", "--out", str(out), "--distance", "0.1")
    assert answer.exit_code == 0, answer.stderr
    said, table = json.loads(answer.stdout), xarray.load_dataset(out, engine="scipy")
    assert len(said["rows"]) == 4 and {row["algorithm"] for row in said["rows"]} == {"SBPI", "SGD"}
    assert said["success"][0] == {
        "algorithm": "SBPI",
        "alpha": 0.3,
        "success": 1.0,
        "success_low": pytest.approx(0.158, abs=1e-3),
        "success_high": 1.0,
    }
    assert dict(table.sizes) == {"algorithm": 2, "alpha": 1, "instance": 2} and (table.local_entropy > 0.0).any()
    csv = tmp_path / "found.csv"
    assert run("--alpha", "0.3", "--no-store", "--out", str(csv)).exit_code == 0 and len(csv.read_text().splitlines()) == 5


def test_wrong_options_are_refused():
    for wrong, text in (
        (("--alpha", "0.3", "--algorithm", "spbi"), "did you mean 'sbpi'"),
        (("--alpha", "-1"), "alpha must be"),
        (("--alpha", "0.3", "--out", "found.txt"), "--out must end in"),
        (("--alpha", "0.3", "--network", "tree-committee", "--hidden", "3", "--activation", "erf"), "network must be a perceptron"),
    ):
        answer = run("--no-store", *wrong) if wrong[-1] else None
        assert answer.exit_code == 2 and text in answer.stderr, answer.stderr
