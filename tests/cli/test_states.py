"""The command line: run as a process and through typer's runner, its files opened and compared with the library."""

import csv
import io
import json
import math
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import flatphys as fp
from flatphys.cli import app

BINARY = fp.Model(fp.RandomLabels(), fp.Gibbs("binary"))
TEACHER = fp.Model(fp.Teacher(), fp.Gibbs("binary"))


def process(*arguments, cwd=None):
    """(exit status, stdout, stderr) of `python -m flatphys` with these arguments."""
    done = subprocess.run([sys.executable, "-m", "flatphys", *arguments], capture_output=True, text=True, cwd=cwd, timeout=120)
    return done.returncode, done.stdout, done.stderr


def cli(*arguments):
    """The same in this process, which is faster."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def good(*arguments):
    """stdout of a command that succeeds."""
    status, out, err = cli(*arguments)
    assert status == 0, err
    return out


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


class TestProcess:
    def test_solve_answers_with_the_librarys_entropy(self):
        status, out, err = process("solve", "0.5")
        assert (status, err) == (0, "")
        assert f"{fp.solve(BINARY, 0.5).entropy:.10g}" in out
        assert "nats per weight" in out
        assert "\x1b[" not in out  # piped: no colours, no boxes

    def test_json_holds_every_scalar_and_the_warnings(self):
        status, out, err = process("solve", "0.9", "--json")
        answer = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        assert status == 0
        assert answer["model"]["learner"] == {
            "kind": "gibbs",
            "weights": "binary",
            "margin": 0.0,
            "beta": "inf",
            "network": {"kind": "perceptron"},
            "energy": "errors",
            "bias": False,
        }
        assert answer["phase"] == "unsat"
        with pytest.warns(fp.errors.NegativeEntropyWarning):
            state = fp.solve(BINARY, 0.9)
        for name, value in state.scalars().items():
            assert answer[name] == value
        assert [entry["category"] for entry in answer["warnings"]] == ["NegativeEntropyWarning"]
        assert err.startswith("warning: the entropy of binary weights is negative") and err.count("\n") == 1

    @pytest.mark.parametrize(
        "arguments, status, sentence",
        [
            (["solve", "half"], 2, "error: alpha must be a number, got 'half'"),
            (["solve", "-1"], 2, "error: alpha must be a finite number > 0, got -1"),
            (["solve", "0.5", "--bogus", "1"], 2, "No such option"),
            (["solve", "--weights", "spherical", "2.5"], 1, "error: alpha=2.5 is beyond the capacity 2 of"),
        ],
    )
    def test_a_failure_is_a_sentence_and_an_exit_status(self, arguments, status, sentence):
        code, out, err = process(*arguments)
        assert (code, out) == (status, "")
        assert sentence in err
        assert "Traceback" not in err

    def test_help_compiles_nothing(self):
        code = "import sys; sys.argv = ['flatphys', '--help']\nfrom flatphys.cli import app\n"
        code += "try: app()\nexcept SystemExit: pass\nprint('numba' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == "False"

    def test_curve_writes_table_and_plot(self, tmp_path):
        status, out, err = process("curve", "--alpha", "0.1:0.5:3", "--out", "a.csv", "--plot", "a.pdf", cwd=tmp_path)
        assert (status, out) == (0, "")
        assert "wrote a.csv" in err and "wrote a.pdf" in err
        assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
        assert len(table((tmp_path / "a.csv").read_text())) == 3


@pytest.mark.parametrize(
    "text, values",
    [
        ("0.2:0.8:4", [0.2, 0.4, 0.6, 0.8]),
        ("0.1:1:10", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        ("log:1e-3:1e3:7", [1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1000.0]),
        ("0.30000000000000004:1:2", [0.30000000000000004, 1.0]),
        ("0.3:1:1", [0.3]),
    ],
)
def test_grids_hold_the_decimals_that_are_meant(text, values):
    from flatphys.cli.options import read_grid

    assert read_grid("--alpha", text) == values


@pytest.mark.parametrize(
    "command",
    ["solve", "curve", "threshold", "margins", "local-energy", "local-entropy", "replicated-entropy", "relative-flatness", "figure"],
)
def test_every_command_has_help_with_examples(command):
    out = good(command, "--help")
    assert "Examples:" in out and f"  flatphys {command} " in out


def test_version():
    assert good("--version").strip() == f"flatphys {fp.__version__}"


@pytest.mark.parametrize(
    "arguments, named",
    [
        (["solve", "nan"], "alpha"),
        (["solve", "inf"], "alpha"),
        (["solve", "0"], "alpha"),
        (["solve", "--weights", "binry", "0.5"], "did you mean 'binary'?"),
        (["solve", "--data", "teachers", "0.5"], "did you mean 'teacher'?"),
        (["solve", "--learner", "svm", "0.5"], "--learner must be one of"),
        (["solve", "--data", "teacher", "--flip", "0.7", "0.5"], "flip must be a number >= 0 and < 0.5, got 0.7"),
        (["solve", "--flip", "0.1", "0.5"], "--flip does not apply to random-labels data"),
        (["solve", "--data", "teacher", "--learner", "max-margin", "--beta", "1", "0.5"], "it belongs to --learner gibbs"),
        (["solve", "--margin", "nan", "0.5"], "margin must be a finite number, got nan"),
        (["solve", "--margin", "wide", "0.5"], "margin must be a number, got 'wide'"),
        (["solve", "--beta", "0", "0.5"], "beta must be a number > 0"),
        (["solve", "--beta", "-2", "0.5"], "beta must be a number > 0"),
        (["solve", "--learner", "max-margin", "1"], "learner MaxMargin is not defined on RandomLabels data"),
        (["solve", "--ansatz", "2RSB", "0.5"], "ansatz must be one of"),
        (["solve", "--energy", "hing", "0.5"], "did you mean 'hinge'?"),
        (
            ["solve", "--data", "teacher", "--learner", "erm", "--energy", "hinge", "1"],
            "--energy does not apply to teacher data with the learner erm",
        ),
        (["solve"], "Missing argument"),
        (["curve"], "Missing option"),
        (["curve", "--alpha", "0.1:0.5"], "--alpha must be START:STOP:COUNT"),
        (["curve", "--alpha", "0.1:0.5:0"], "COUNT between 1 and"),
        (["curve", "--alpha", "log:-1:2:3"], "positive ends"),
        (["curve", "--alpha", "0:1:3"], "alpha must be a finite number > 0, got 0"),
        (["curve", "--alpha", "0.1,0.2", "--format", "xml"], "--format must be one of"),
        (["curve", "--alpha", "0.1,0.2", "--plot", "a.jpg"], ".png"),
        (["curve", "--alpha", "0.1,0.2", "--plot", "a.png", "--quantity", "entrpy"], "did you mean 'entropy'?"),
        (["threshold", "capcity"], "did you mean 'capacity'?"),
        (["threshold", "max-margin"], "max-margin needs --alpha"),
        (["threshold", "capacity", "--alpha", "1"], "--alpha does not apply"),
        (["threshold", "at-line", "--ansatz", "1RSB"], "--ansatz applies to capacity"),
        (["threshold", "ground-state", "--weights", "spherical", "--alpha", "1"], "alpha must be > 2, the capacity"),
        (["threshold", "first-order-transition"], "needs Teacher data"),
        (["margins", "0.5", "--branch", "teacher"], "--branch must be one of 'typical'"),
        (["margins", "0.5", "--at", "nan"], "nan"),
        (["local-energy", "0.5"], "either --sigma or --distance"),
        (["local-energy", "0.5", "--distance", "2"], "distance must be a number >= 0 and <= 1"),
        (["figure", "entropy"], "figure must be one of"),
        (["figure"], "the figures are"),
    ],
)
def test_bad_input_is_refused_by_name_with_status_2(arguments, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = cli(*arguments)
    assert (status, out) == (2, "")
    assert named in err
    assert not list(tmp_path.iterdir())


def test_hard_constraints_beyond_capacity_name_both_questions_that_remain():
    status, _, err = cli("solve", "--weights", "spherical", "2.5")
    assert status == 1
    error, hint = err.splitlines()
    assert "beyond the capacity 2 of" in error and "ground_state" in error and "finite beta" in error
    assert "flatphys threshold ground-state" in hint and "--beta" in hint
    assert good("threshold", "ground-state", "--weights", "spherical", "--alpha", "2.5").strip()
    assert good("solve", "--weights", "spherical", "--beta", "10", "2.5").strip()


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["solve", "1.3"], "branch of"),  # binary weights past 4/pi
        (["curve", "--alpha", "2,3", "--plot", "a.png"], "branch of"),  # no point has a value that could be drawn
        (["threshold", "freezing-beta", "--alpha", "0.5"], "does not freeze"),
        (["threshold", "at-line", "--weights", "spherical"], "replicon"),
        (["curve", "--alpha", "0.1,0.2", "--out", "missing/a.csv"], "cannot write missing/a.csv"),
    ],
)
def test_what_has_no_answer_ends_with_status_1(arguments, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = cli(*arguments)
    assert (status, out) == (1, "")
    assert err.startswith("error: ") and sentence in err


def test_model_options_reach_the_model():
    answer = json.loads(
        good("solve", "--data", "teacher", "--flip", "0.1", "--margin", "-0.25", "--beta", "2", "--weights", "spherical", "1.5", "--json")
    )
    state = fp.solve(fp.Model(fp.Teacher(flip=0.1), fp.Gibbs("spherical", margin=-0.25, beta=2.0)), 1.5)
    assert answer["model"]["data"] == {"kind": "teacher", "flip": 0.1}
    assert answer["R"] == state.R and answer["train_error"] == state.train_error
    bayes = json.loads(good("solve", "--data", "teacher", "--learner", "bayes", "2", "--json"))
    assert bayes["generalization_error"] == fp.bayes_error(fp.Teacher(), 2.0)


@pytest.mark.parametrize("spelled", ["squared-hinge", "squared_hinge"])
def test_energies_and_losses_are_spelled_with_hyphen_or_underscore(spelled):
    options = ("--weights", "spherical", "--beta", "2", "--margin", "0.3", "--energy", spelled)
    answer = json.loads(good("solve", *options, "0.5", "--json"))
    state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", 0.3, 2.0, energy="squared-hinge")), 0.5)
    assert answer["model"]["learner"]["energy"] == "squared-hinge" and answer["train_loss"] == state.train_loss
    assert answer["energy"] == state.energy == 0.5 * state.train_loss and "energy per weight" in good("solve", *options, "0.5")
    rule = json.loads(good("solve", "--data", "teacher", "--learner", "erm", "--loss", spelled, "1", "--json"))
    assert rule["model"]["learner"]["loss"] == "squared-hinge"


def test_relative_flatness_is_asked_of_the_learner_that_the_data_allow():
    """Random labels know only the gibbs learner; elsewhere the question is about minimisers."""
    out = json.loads(good("relative-flatness", "--energy", "squared-hinge", "--beta", "2", "--margin", "0.5", "0.7", "--json"))
    state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", 0.5, 2.0, energy="squared-hinge")), 0.7)
    assert out["relative_flatness"] == fp.relative_flatness(state)
    assert "ERM" in good("relative-flatness", "--data", "teacher", "2")


def test_branches_are_listed_dominant_first_with_infinities_as_strings():
    states = json.loads(good("solve", "--data", "teacher", "--branches", "1.3", "--json"))["states"]
    assert (
        [state["branch"] for state in states]
        == [state.branch for state in fp.branches(TEACHER, 1.3)]
        == ["teacher", "student", "intermediate"]
    )
    assert states[0]["q_hat"] == "inf"
    lines = good("solve", "--data", "teacher", "--branches", "1.3").splitlines()
    assert lines[1].split() == ["teacher", "student", "intermediate", "unit"]


def test_curve_agrees_with_solve_and_explains_missing_values():
    assert [row["status"] for row in table(good("curve", "--alpha", "2,3"))] == ["no_solution"] * 2
    status, out, err = cli("curve", "--alpha", "0.25:1.5:6")
    rows = table(out)
    assert status == 0 and len(rows) == 6
    for row in rows[:3]:
        assert float(row["entropy"]) == fp.solve(BINARY, float(row["alpha"])).entropy
    assert [row["status"] for row in rows] == ["ok"] * 5 + ["no_solution"]
    assert rows[-1]["entropy"] == "" and "ends at alpha=1.27323954" in rows[-1]["message"]
    assert all(row["message"] == "" for row in rows[:-1])
    assert "(and at 1 more point)" in err  # one line per kind of warning, not per point


def test_curve_in_json_with_branches(tmp_path):
    path = tmp_path / "curve.json"
    good("curve", "--data", "teacher", "--branches", "--alpha", "log:0.5:2:3", "--out", str(path))
    answer = json.loads(path.read_text())
    assert [(row["alpha"], row["branch"]) for row in answer["rows"]] == [
        (alpha, branch)
        for alpha, branches in (
            (0.5, ("student", "teacher", "intermediate")),
            (1.0, ("student", "teacher", "intermediate")),
            (2.0, ("teacher",)),
        )
        for branch in branches
    ]
    assert set(answer["rows"][0]) <= set(answer["columns"])


def test_curve_draws_png(tmp_path):
    path = tmp_path / "curve.png"
    good(
        "curve",
        "--weights",
        "spherical",
        "--margin",
        "-1",
        "--alpha",
        "1:12:12",
        "--plot",
        str(path),
        "--quantity",
        "q",
        "--out",
        str(tmp_path / "a.csv"),
    )
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n") and path.stat().st_size > 10_000


@pytest.mark.parametrize(
    "arguments, key, value",
    [
        (["capacity"], "capacity", 0.8330785997),  # Krauth & Mezard 1989: 0.833
        (["capacity", "--weights", "spherical"], "capacity", 2.0),  # Gardner 1988
        (["first-order-transition", "--data", "teacher"], "transition", 1.24468399),  # Gyorgyi 1990: 1.245
        (["first-order-transition", "--data", "teacher"], "spinodal", 1.49263182),  # Seung et al. 1992: 1.493
        (["at-line"], "at_line", 1.01465361),  # Krauth & Mezard 1989: 1.015
        (["capacity", "--weights", "spherical", "--margin", "-1", "--ansatz", "1RSB"], "capacity", 12.31963435),
    ],
)
def test_threshold_gives_the_published_numbers(arguments, key, value):
    assert json.loads(good("threshold", *arguments, "--json"))[key] == pytest.approx(value, rel=1e-8)


def test_threshold_questions_at_a_load():
    assert json.loads(good("threshold", "max-margin", "--alpha", "0.5", "--json"))["max_margin"] == fp.max_margin(BINARY, 0.5)
    assert json.loads(good("threshold", "bayes-error", "--data", "teacher", "--alpha", "2", "--json"))["bayes_error"] == fp.bayes_error(
        fp.Teacher(), 2.0
    )
    frozen = json.loads(good("threshold", "ground-state", "--alpha", "1", "--json"))
    assert frozen["beta"] == json.loads(good("threshold", "freezing-beta", "--alpha", "1", "--json"))["freezing_beta"]
    assert frozen["train_error"] == fp.ground_state(BINARY, 1.0).train_error
    assert json.loads(good("threshold", "capacity", "--data", "teacher", "--json"))["capacity"] == "inf"


def test_margins_and_local_energy():
    law = fp.margins(fp.solve(BINARY, 0.5))
    rows = table(good("margins", "0.5", "--at", "-1:2:4"))
    assert [float(row["x"]) for row in rows] == [-1.0, 0.0, 1.0, 2.0]
    assert [float(row["pdf"]) for row in rows] == [law.pdf(x) for x in (-1.0, 0.0, 1.0, 2.0)]
    summary = json.loads(good("margins", "0.5", "--json"))
    assert (summary["mean"], summary["points"]) == (law.mean, [])
    assert "skewness" in good("margins", "0.5")
    ground = json.loads(good("margins", "--weights", "spherical", "3", "--branch", "ground-state", "--json"))
    assert ground["atoms"][0]["place"] == 0.0 and 0.0 < ground["atoms"][0]["mass"] < 1.0
    rows = table(good("local-energy", "0.5", "--sigma", "0,0.5"))
    assert float(rows[0]["local_energy"]) == 0.0
    assert float(rows[1]["local_energy"]) == fp.local_energy(fp.solve(BINARY, 0.5), sigma=0.5)
    teacher = json.loads(good("local-energy", "--data", "teacher", "1", "--branch", "teacher", "--distance", "0.1", "--json"))
    assert teacher["points"][0]["local_energy"] == pytest.approx(math.acos(0.8) / math.pi, rel=1e-12)  # two hyperplanes at overlap 0.8


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_gets_a_drawn_table():
    import os
    import pty

    main, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-m", "flatphys", "solve", "0.5"], stdout=terminal, stderr=subprocess.PIPE, env=environment, timeout=120
    )
    os.close(terminal)
    drawn = os.read(main, 100_000).decode()
    os.close(main)
    assert done.returncode == 0, done.stderr
    assert "──" in drawn and "0.3143900669" in drawn


class TestTreeCommittee:
    RELU = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", 0.2, network=fp.TreeCommittee("relu")))

    def test_network_and_activation_reach_the_model(self):
        answer = json.loads(good("solve", "0.5", "--margin", "0.2", "--network", "tree-committee", "--activation", "relu", "--json"))
        assert answer["entropy"] == fp.solve(self.RELU, 0.5).entropy
        assert answer["model"]["learner"]["network"] == {"kind": "tree-committee", "activation": "relu"}
        assert json.loads(good("solve", "0.5", "--json"))["model"]["learner"]["network"] == {"kind": "perceptron"}

    def test_sign_is_the_default_activation(self):
        answer = json.loads(good("threshold", "capacity", "--network", "tree-committee", "--json"))
        assert answer["capacity"] == pytest.approx(0.9469524, abs=5e-8)

    def test_an_infinite_capacity_is_spelled_out(self):
        answer = json.loads(good("threshold", "capacity", "--weights", "spherical", "--network", "tree-committee", "--json"))
        assert answer["capacity"] == "inf"

    def test_margins_curve_and_local_energy_know_it(self):
        options = ("--margin", "0.2", "--network", "tree-committee", "--activation", "relu")
        state = fp.solve(self.RELU, 0.5)
        assert json.loads(good("margins", "0.5", *options, "--json"))["mean"] == fp.margins(state).mean
        rows = table(good("curve", "--alpha", "0.5", *options))
        assert float(rows[0]["q"]) == state.q

    @pytest.mark.parametrize(
        "options, named",
        [
            (("--activation", "relu"), "--network tree-committee"),
            (("--network", "tree-committee", "--activation", "tanh"), "activation"),
            (("--network", "committee"), "--network"),
            (("--data", "teacher", "--network", "tree-committee"), "network"),
            (("--data", "teacher", "--learner", "erm", "--network", "perceptron"), "--network"),
        ],
    )
    def test_what_does_not_fit_is_refused_by_name(self, options, named):
        status, _, err = cli("solve", "0.5", *options)
        assert status == 2 and named in err
