"""`flatphys local-entropy` and the thresholds beside it: tables against the library, references, refusals."""

import csv
import io
import json
import math

import pytest
from typer.testing import CliRunner

import flatphys as fp
from flatphys.cli import app

MODEL = fp.Model()
COLUMNS = ["distance", "overlap", "value", "free_entropy", "slope", "train_error", "q1", "status", "residual"]


def cli(*arguments):
    """(exit status, stdout, stderr)."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def good(*arguments):
    """stdout of `flatphys local-entropy` that succeeds."""
    status, out, err = cli("local-entropy", *arguments)
    assert status == 0, err
    return out


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_the_table_has_the_librarys_numbers():
    rows = table(good("0.5", "--distance", "0.1,0.2,0.3"))
    found = fp.local_entropy(fp.solve(MODEL, 0.5), distance=[0.1, 0.2, 0.3])
    assert list(rows[0]) == COLUMNS
    for name in COLUMNS:
        assert [row[name] for row in rows] == [str(value) for value in getattr(found, name).tolist()]


def test_a_tree_committee_is_asked_by_its_network_and_activation():
    """Value: record C3-0195 of the project's reference table (a ReLU committee around its largest margin)."""
    network = ("--network", "tree-committee", "--activation", "relu")
    rows = table(good("0.5", "--distance", "0.1", "--around-max-margin", *network))
    assert float(rows[0]["value"]) == pytest.approx(0.22247861217210002, rel=1e-9)
    answer = json.loads(good("0.5", "--distance", "0.1", "--json", *network))
    assert answer["model"]["learner"]["network"] == {"kind": "tree-committee", "activation": "relu"}
    status, _, err = cli("local-entropy", "0.5", "--distance", "0.1", "--data", "teacher", *network)
    assert status == 2 and "network" in err


def test_overlaps_and_distances_say_the_same():
    by_distance = table(good("--weights", "spherical", "1", "--distance", "0.25,0.75"))
    by_overlap = table(good("--weights", "spherical", "1", "--overlap", "0.5,-0.5"))
    assert by_distance == by_overlap


def test_json_names_reference_and_counted_weights():
    answer = json.loads(good("--data", "gaussian-mixture", "--l2", "10", "2", "--overlap", "0.9", "--counted-beta", "5", "--json"))
    state = fp.solve(fp.Model(fp.GaussianMixture(), fp.ERM("logistic", l2=10.0)), 2.0)
    found = fp.local_entropy(state, overlap=[0.9], beta=5.0)
    assert answer["model"]["learner"]["kind"] == "erm" and answer["alpha"] == 2.0
    assert answer["reference"] == {"kind": "state", "branch": state.branch}
    assert answer["counted"] == {"margin": 0.0, "beta": 5.0, "energy": "errors"}
    assert answer["points"] == [{name: getattr(found, name).tolist()[0] for name in COLUMNS}]


def test_counted_margin_and_reference_margin_are_two_things():
    row = table(good("--weights", "spherical", "--margin", "-0.5", "--counted-margin", "-0.25", "1", "--overlap", "0.5"))[0]
    state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", margin=-0.5)), 1.0)
    assert float(row["value"]) == fp.local_entropy(state, overlap=[0.5], margin=-0.25).value[0]


def test_around_the_maximum_margin():
    answer = json.loads(good("0.7", "--around-max-margin", "--distance", "0.01,0.1", "--json"))
    largest = fp.max_margin(MODEL, 0.7)
    assert answer["reference"]["kind"] == "max-margin" and answer["model"]["learner"]["margin"] == largest
    state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", margin=largest)), 0.7)
    assert [point["value"] for point in answer["points"]] == fp.local_entropy(state, distance=[0.01, 0.1]).value.tolist()


def test_around_the_teacher():
    answer = json.loads(good("--teacher", "1", "--distance", "0.1", "--json"))  # data teacher goes without saying
    model = fp.Model(fp.Teacher(), fp.Gibbs("binary"))
    assert answer["model"]["data"]["kind"] == answer["reference"]["kind"] == "teacher"
    assert answer["points"][0]["value"] == fp.local_entropy(fp.teacher_state(model, 1.0), distance=[0.1]).value[0]
    branch = json.loads(good("--data", "teacher", "--branch", "student", "1.1", "--distance", "0.1", "--json"))
    assert branch["reference"] == {"kind": "state", "branch": "student"}


def test_places_without_a_value_have_a_status_and_empty_cells():
    arguments = ["0.8", "--distance", "log:0.001:0.3:4"]
    rows = table(good(*arguments))
    assert [row["status"] for row in rows] == ["no_solution", "ok", "ok", "ok"]
    assert rows[0]["value"] == rows[0]["q1"] == "" and float(rows[0]["distance"]) == pytest.approx(0.001)
    status, out, err = cli("local-entropy", *arguments, "--json")
    answer = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert status == 0 and answer["points"][0]["value"] is None
    assert [entry["category"] for entry in answer["warnings"]] == ["NegativeEntropyWarning"]
    assert err.startswith("warning: the local entropy of binary weights is negative") and err.count("\n") == 1


@pytest.mark.parametrize("grid", [["--distance", "log:0.001:0.3:5"], ["--overlap", "0.5:0.9:5"], ["--distance", "0.2"]])
def test_files_are_written(tmp_path, grid):
    data, picture = tmp_path / "a.csv", tmp_path / "a.png"
    status, out, err = cli("local-entropy", "0.5", *grid, "--out", str(data), "--plot", str(picture))
    assert (status, out) == (0, "")
    assert f"wrote {data}" in err and f"wrote {picture}" in err
    assert list(table(data.read_text())[0]) == COLUMNS
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n") and picture.stat().st_size > 10_000


def test_help_has_examples():
    out = good("--help")
    assert "Examples:" in out and "  flatphys local-entropy 0.5" in out
    assert "local-entropy" in cli("--help")[1]


@pytest.mark.parametrize(
    "arguments, named",
    [
        (["0.5"], "give either --distance or --overlap, got neither"),
        (["0.5", "--distance", "0.1", "--overlap", "0.8"], "got both"),
        (["0.5", "--distance", "0"], "distance must be a number > 0 and < 1, got 0.0"),
        (["0.5", "--overlap", "1"], "overlap must be a number > -1 and < 1, got 1.0"),
        (["0.5", "--distance", "near"], "--distance must be a number, got 'near'"),
        (["0.5", "--distance", "nan"], "distance must be"),
        (["0.5", "--distance", "0.1:0.2"], "--distance must be START:STOP:COUNT"),
        (["0.5", "--distance", "0.1", "--counted-margin", "inf"], "--counted-margin must be a finite number, got inf"),
        (["0.5", "--distance", "0.1", "--counted-beta", "0"], "--counted-beta must be a number > 0"),
        (["0.5", "--distance", "0.1", "--plot", "a.jpg"], "--plot must end in .png or .pdf"),
        (["0.5", "--distance", "0.1", "--teacher", "--around-max-margin"], "--around-max-margin and --teacher exclude each other"),
        (["0.5", "--distance", "0.1", "--data", "random-labels", "--teacher"], "data must be Teacher"),
        (["0.5", "--distance", "0.1", "--around-max-margin", "--margin", "0.1"], "--margin 0.1 does not apply"),
        (["0.5", "--distance", "0.1", "--around-max-margin", "--weights", "spherical"], "--around-max-margin is for binary weights"),
        (["-1", "--distance", "0.1"], "alpha must be a finite number > 0, got -1"),
        (["--distance", "0.1"], "Missing argument"),
        (["0.5", "--distance", "0.1", "--branch", "teacher"], "--branch must be one of 'typical'"),
        (["--data", "gaussian-mixture", "--positive", "0.2", "1", "--overlap", "0.5"], "balanced mixture"),
    ],
)
def test_bad_input_is_refused_by_name_with_status_2(arguments, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = cli("local-entropy", *arguments)
    assert (status, out) == (2, "")
    assert named in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["0.9", "--distance", "0.1"], "the reference does not exist"),
        (["0.8", "--distance", "0.0001"], 'distance=0.0001: the status is "no_solution"'),
        (["--data", "gaussian-mixture", "--l2", "1", "2", "--overlap", "0.99,0.999"], "any of the 2 overlaps from 0.99 to 0.999"),
        (["0.5", "--distance", "0.1", "--out", "missing/a.csv"], "cannot write missing/a.csv"),
    ],
)
def test_what_has_no_answer_ends_with_status_1(arguments, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = cli("local-entropy", *arguments)
    assert (status, out) == (1, "")
    assert err.splitlines()[-1].startswith("error: ") and sentence in err


def test_thresholds_of_the_local_entropy():
    def ask(*arguments):
        status, out, err = cli("threshold", *arguments, "--json")
        assert status == 0, err
        return json.loads(out)

    assert ask("flatness")["flatness"] == pytest.approx(0.7290328, abs=1e-6)  # Baldassi et al. 2021
    answer = ask("largest-overlap", "--data", "gaussian-mixture", "--l2", "1", "--alpha", "2")
    state = fp.solve(fp.Model(fp.GaussianMixture(), fp.ERM("logistic", l2=1.0)), 2.0)
    assert answer["largest_overlap"] == fp.largest_overlap(state) and answer["model"]["learner"]["kind"] == "erm"
    assert 0.0 < answer["largest_overlap"] < 1.0
    assert cli("threshold", "largest-overlap", "--data", "gaussian-mixture")[0] == 2
    assert cli("threshold", "flatness", "--weights", "spherical")[0] == 2
    assert math.isclose(
        ask("largest-overlap", "--data", "gaussian-mixture", "--l2", "0.001", "--alpha", "1")["largest_overlap"], 1.0, rel_tol=1e-9
    )
