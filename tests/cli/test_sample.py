"""The commands sample and check: what they print is the library's, their exit status says what happened."""

import json

import pytest
from typer.testing import CliRunner

import flatphys as fp
from flatphys.cli import app

SMALL = ["--n", "61", "--chains", "16", "--sweeps", "200", "--device", "cpu"]
pytestmark = pytest.mark.filterwarnings("ignore::flatphys.errors.NotMixedWarning")


def cli(*arguments):
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_sample_prints_the_librarys_estimates(tmp_path):
    status, out, err = cli("sample", "0.5", "--beta", "1", *SMALL, "--json")
    assert status == 0, err
    answer = json.loads(out)
    run = fp.sample(fp.Model(fp.RandomLabels(), fp.Gibbs(beta=1.0)), 61, 0.5, chains=16, sweeps=200, device="cpu")
    assert answer["estimates"]["train_error"]["mean"] == run.train_error.mean
    assert answer["model"]["learner"]["beta"] == 1.0 and answer["alpha"] == run.alpha
    status, out, err = cli(
        "sample", "0.5", "--beta", "1", *SMALL, "--plot", str(tmp_path / "a.png"), "--checkpoint", str(tmp_path / "c.npz")
    )
    assert status == 0 and "fraction of patterns" in out and (tmp_path / "a.png").stat().st_size > 10_000 and (tmp_path / "c.npz").exists()


def test_coupled_replicas_are_sampled():
    """Their own estimates, in the record as on the page."""
    words = "--data teacher --weights spherical --beta 1 0.8 --n 21 --chains 8 --sweeps 400 --replicas 2 --coupling 0.5 --json"
    status, out, err = cli("sample", *words.split())
    assert status == 0, err
    answer = json.loads(out)
    assert answer["coupling"] == 0.5 and answer["replicas"] == 2
    assert {"mutual_overlap", "R", "cosine", "centre_train_error"} <= set(answer["estimates"])


def test_sample_of_a_local_entropy():
    status, out, err = cli("sample", "--data", "teacher", "0.3", "--teacher", "--distance", "0.1,0.2", *SMALL, "--json")
    assert status == 0, err
    points = json.loads(out)["points"]
    assert [point["distance"] for point in points] == pytest.approx([6 / 61, 12 / 61])


def test_the_counted_weights_may_have_an_energy_of_their_own():
    counted = ("--counted-margin", "0.2", "--counted-beta", "1", "--counted-energy", "squared_hinge")
    status, out, err = cli("sample", "--data", "teacher", "0.3", "--teacher", "--distance", "0.2", *counted, *SMALL, "--json")
    assert status == 0, err
    assert json.loads(out)["counted"] == {"margin": 0.2, "beta": 1.0, "energy": "squared-hinge"}


def test_check_passes_the_theory_and_writes_a_figure(tmp_path):
    status, out, err = cli("check", "0.5", "--beta", "1", *SMALL, "--finite-size", "0.5", "--out", str(tmp_path / "check.pdf"))
    assert status == 0, out + err
    assert "train_error" in out and "agrees within the bound 4" in out and "0.5/N" in out
    assert (tmp_path / "check.pdf").read_bytes().startswith(b"%PDF")


def test_check_exits_with_1_beyond_the_bound():
    status, out, _ = cli("check", "0.5", "--beta", "1", *SMALL, "--bound", "0.001", "--json")
    answer = json.loads(out)
    assert status == 1 and answer["passed"] is False and max(abs(row["z"]) for row in answer["rows"]) > 0.001


def test_check_of_a_local_entropy_and_of_several_sizes():
    status, out, err = cli("check", "--data", "teacher", "0.3", "--teacher", "--distance", "0.1,0.2", *SMALL, "--json")
    assert status == 0, out + err
    assert [row["quantity"][:5] for row in json.loads(out)["rows"]] == ["value", "value"]
    status, out, err = cli("check", "0.5", "--beta", "0.5", *SMALL, "--n", "31,61,121", "--sigma", "0.5", "--json")
    assert status == 0, out + err
    assert all("chi2" in row for row in json.loads(out)["rows"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("sample", "-1"),
        ("sample", "0.5", "--n", "1"),
        ("sample", "0.5", "--start", "warm"),
        ("sample", "0.5", "--teacher"),
        ("sample", "0.5", "--counted-energy", "hinge"),
        ("sample", "0.5", "--distance", "0.1", "--counted-energy", "hing"),
        ("check",),
        ("check", "0.5", "--n", "many"),
        ("check", "0.5", "--bound", "-1", *SMALL),
        ("check", "0.5", "--report", "x"),
        ("check", "0.5", "--quick"),
        ("check", "0.5", "--out", "a.txt"),
        ("sample", "0.5", *SMALL, "--exchange", "5,4"),
        ("sample", "0.5", *SMALL, "--device", "tpu"),
    ],
)
def test_bad_input_is_status_2_in_one_sentence(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = cli(*arguments)
    assert status == 2 and err.startswith("error: ") and len(err.strip().splitlines()) == 1, err
    assert not list(tmp_path.iterdir())
