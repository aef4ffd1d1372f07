"""The command find: what it prints and writes is the library's; parameters are set by name."""

import json

from typer.testing import CliRunner

import flatphys as fp
from flatphys.cli import app

SMALL = ("find", "0.4", "--n", "101", "--instances", "3", "--seed", "5")


def cli(*arguments):
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_find_prints_and_writes_what_the_library_finds(tmp_path):
    want = fp.find(fp.make_instances(fp.Model(), 101, 0.4, 3, 5), fp.ReinforcedBP(tau=300.0, damping=0.1), 5, progress=False)
    chosen = ("--algorithm", "reinforced-bp", "--set", "tau=300", "--set", "damping = 0.1")
    status, out, err = cli(*SMALL, *chosen, "--json", "--out", str(tmp_path / "found.npz"), "--checkpoint", str(tmp_path / "kept.npz"))
    assert status == 0, err
    answer = json.loads(out)
    assert answer["algorithm"] == {"name": "reinforced-bp", "tau": 300.0, "steps": 5000, "damping": 0.1, "attempts": 3}
    assert answer["success"]["value"] == want.success.value == 1.0 and (tmp_path / "kept.npz").exists()
    assert [row["iterations"] for row in answer["instances"]] == want.iterations.tolist()
    assert (fp.load(tmp_path / "found.npz").weights == want.weights).all()
    status, out, err = cli(*SMALL, *chosen, "--out", str(tmp_path / "found.csv"))
    assert status == 0 and "3 of 3" in out and len((tmp_path / "found.csv").read_text().splitlines()) == 4


def test_schedules_and_texts_are_parameters_too():
    status, out, err = cli(*SMALL, "--algorithm", "simulated-annealing", "--set", "beta=0.5:4:20", "--set", "sweeps=40", "--json")
    assert status == 0, err
    assert json.loads(out)["algorithm"]["beta"]["gamma1"] == 4


def test_replicas_have_an_option_of_their_own():
    status, out, err = cli(*SMALL, "--algorithm", "replicated-sgd", "--replicas", "3", "--json")
    assert status == 0, err
    assert json.loads(out)["algorithm"]["replicas"] == 3
    status, _, err = cli(*SMALL, "--algorithm", "sbpi", "--replicas", "3")
    assert status == 2 and "--set must be one of" in err


def test_wrong_parameters_are_refused_by_name():
    for given, text in (
        (("--algorithm", "fbp"), "algorithm must be one of 'focusing-bp'"),
        (("--set", "tau=3"), "--set must be one of 'steps'"),
        (("--set", "steps"), "--set must be NAME=VALUE"),
        (("--set", "steps=many"), "steps must be an integer"),
        (("--set", "damping=1"), "damping must be"),
        (("--out", "found.txt"), "--out must end in .npz or .csv"),
        (("--weights", "spherical"), "weights must be 'binary' for FocusingBP"),
        (("--network", "tree-committee", "--hidden", "1", "--activation", "erf"), "odd number of sign units"),
    ):
        status, _, err = cli(*SMALL, *given)
        assert status == 2 and text in err, (given, err)
