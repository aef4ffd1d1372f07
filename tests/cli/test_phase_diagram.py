"""The command phase-diagram: files, JSON, and what it says about bad input."""

import csv
import json

import pytest
from typer.testing import CliRunner

import flatphys as fp
from flatphys import phase_diagrams
from flatphys.cli import app


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def cli(*arguments):
    return CliRunner().invoke(app, ["phase-diagram", *arguments])


def test_it_lists_all_names():
    assert [line.split()[0] for line in cli("--list").stdout.splitlines()] == list(phase_diagrams.names())


def test_it_writes_three_files_with_the_vertices(tmp_path):
    result = cli("spherical_perceptron", "--out", str(tmp_path / "new"))
    assert result.exit_code == 0 and result.stderr == ""
    assert [line.rpartition("/")[2] for line in result.stdout.split()] == [
        f"phase-spherical-perceptron.{kind}" for kind in ("png", "pdf", "csv")
    ]
    with open(tmp_path / "new" / "phase-spherical-perceptron.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    diagram = fp.phase_diagram("spherical-perceptron")
    assert [float(r["alpha"]) for r in rows if r["boundary"] == "stability"] == diagram["stability"].alpha.tolist()
    assert {r["equation"] for r in rows if r["boundary"] == "stability"} == {"the replicon is 0"}


def test_json_has_every_boundary_and_writes_files_only_on_demand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = cli("spherical-perceptron", "--json")
    (answer,) = json.loads(result.stdout)
    diagram = fp.phase_diagram("spherical-perceptron")
    assert [b["name"] for b in answer["boundaries"]] == [b.name for b in diagram.boundaries]
    assert answer["boundaries"][0]["vertices"]["margin"] == diagram.boundaries[0].margin.tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    result = cli("spherical-perceptron", "--json", "--out", "here")
    assert json.loads(result.stdout) == [answer] and len(list((tmp_path / "here").iterdir())) == 3


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "give the NAME of a phase diagram or all"),
        (["binary-percptron"], "did you mean 'binary-perceptron'?"),
        (["spherical-perceptron", "--style", "talk"], "--style must be one of 'paper', 'notebook', got 'talk'"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(arguments, message):
    result = cli(*arguments)
    assert result.exit_code == 2 and message in result.stderr and result.stderr.count("\n") == 1


def test_a_folder_that_cannot_be_made_is_status_1(tmp_path):
    (tmp_path / "file").write_text("")
    result = cli("spherical-perceptron", "--out", str(tmp_path / "file"))
    assert result.exit_code == 1 and "cannot write" in result.stderr
