"""Online learning and smoothed losses on the command line: numbers are the library's, what cannot be is one sentence."""

import csv
import io
import json

import pytest
from typer.testing import CliRunner

import flatphys as fp
from flatphys.cli import app


def run(*arguments):
    """(exit status, stdout, stderr)."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_online_learning_prints_the_librarys_numbers_and_draws_them(tmp_path):
    want = fp.online_learning(fp.Model(fp.Teacher(0.1), fp.ERM("logistic", 0.05)), 0.7, [0.0, 1.0, 2.0], 0.2, 2.0)
    arguments = [
        "online-learning",
        "--flip",
        "0.1",
        "--l2",
        "0.05",
        "--learning-rate",
        "0.7",
        "--alpha",
        "0:2:3",
        "--m0",
        "0.2",
        "--q0",
        "2",
    ]
    status, _, err = run(*arguments, "--out", str(tmp_path / "a.csv"), "--plot", str(tmp_path / "a.png"))
    assert status == 0, err
    rows = list(csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text())))
    answer = json.loads(run(*arguments, "--json")[1])
    for k, (row, point) in enumerate(zip(rows, answer["points"], strict=True)):
        for name in ("alpha", "m", "q", "cosine", "generalization_error"):
            assert float(row[name]) == point[name] == want[name].values[k]
    assert answer["learning_rate"] == 0.7 and answer["model"]["learner"]["l2"] == 0.05
    assert (tmp_path / "a.png").stat().st_size > 5000


def test_smoothing_averages_the_loss_for_every_command():
    chosen = ["--data", "gaussian-mixture", "--loss", "hinge", "--smoothing", "0.5"]
    state = fp.solve(fp.Model(fp.GaussianMixture(), fp.ERM(fp.smoothed("hinge", 0.5))), 2.0)
    answer = json.loads(run("solve", *chosen, "2", "--json")[1])
    assert answer["cosine"] == state.cosine
    assert answer["model"]["learner"] == {"kind": "erm", "loss": "hinge", "smoothing": 0.5, "l2": 0.1, "bias": False}
    assert next(csv.DictReader(io.StringIO(run("curve", *chosen, "--alpha", "2")[1])))["cosine"] == repr(state.cosine)
    online = fp.online_learning(state.model, 1.0, 2.0).m.values[0]
    assert json.loads(run("online-learning", *chosen, "--learning-rate", "1", "--alpha", "2", "--json")[1])["points"][0]["m"] == online


@pytest.mark.parametrize(
    "arguments, status, sentence",
    [
        (["solve", "--data", "gaussian-mixture", "--smoothing", "-0.5", "2"], 2, "smoothing must be a finite number >= 0, got -0.5"),
        (["solve", "--data", "gaussian-mixture", "--smoothing", "wide", "2"], 2, "smoothing must be a number, got 'wide'"),
        (["solve", "--smoothing", "0.5", "2"], 2, "--smoothing does not apply to random-labels data with the learner gibbs"),
        (["online-learning", "--alpha", "2"], 2, "Missing option '--learning-rate'"),
        (["online-learning", "--learning-rate", "-1", "--alpha", "2"], 2, "learning_rate must be a finite number > 0, got -1"),
        (["online-learning", "--learning-rate", "1", "--alpha", "2", "--plot", "a.jpg"], 2, "--plot must end in .png or .pdf"),
        (["online-learning", "--learning-rate", "100", "--loss", "square", "--alpha", "10"], 1, "use a smaller rate"),
    ],
)
def test_what_cannot_be_is_a_sentence(arguments, status, sentence):
    code, out, err = run(*arguments)
    assert (code, out) == (status, "") and sentence in err
