"""Comparisons and correlations: stored, resumed, the numbers of single runs; Kendall's tau; the command line."""

import json
import pathlib

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'flatphys[torch]'")

from typer.testing import CliRunner

from flatphys import deep
from flatphys.deep.columns import measures
from flatphys.deep.correlation import kendall
from flatphys.errors import InvalidInput, SweepWarning

BUDGET = 2000


def small():
    return deep.load_data("digits", train=200, test=300)


def mlp():
    return deep.network("mlp", (1, 8, 8), 10, hidden=(16,))


def test_a_comparison_holds_what_single_runs_give():
    data = small()
    table = deep.compare(mlp, data, [deep.SGD(), deep.ReplicatedSGD()], seeds=[3, 4], budget=BUDGET, draws=4, progress=False)
    assert dict(table.sizes) == {"network": 1, "algorithm": 2, "seed": 2, "sigma": 2}
    run = deep.train(mlp, data, deep.SGD(), BUDGET, seed=4)
    one = table.sel(network="mlp", algorithm="SGD", seed=4)
    assert float(one.test_error) == pytest.approx(run.test_error, abs=1 / 300)  # an example may lie on the boundary to rounding
    found = measures(run.network, data, draws=4)
    assert float(one.relative_flatness) == pytest.approx(found["relative_flatness"], rel=1e-4)
    assert float(one.gap) == pytest.approx(float(one.test_error - one.train_error))
    assert float(one.gradients) == BUDGET and np.isnan(float(one.get("distance", np.nan)))
    assert float(table.test_error_error.sel(algorithm="SGD")[0]) == pytest.approx(
        abs(float(table.test_error[0, 0, 0] - table.test_error[0, 0, 1])) / 2
    )


def test_stored_runs_are_not_made_again(tmp_path):
    data, calls = small(), []

    def counted():
        calls.append(1)
        return mlp()

    given = {"seeds": 2, "budget": BUDGET, "draws": 4, "progress": False, "store": tmp_path / "runs.db"}
    first = deep.compare(counted, data, [deep.SGD()], **given)
    made = len(calls)
    again = deep.compare(counted, data, [deep.SGD()], **given)
    assert len(calls) == made + 1  # the check before any work
    assert again.test_loss.equals(first.test_loss)
    other = deep.compare(counted, data, [deep.SGD(lr=0.05)], **given)
    assert not other.test_loss.equals(first.test_loss)


def test_a_run_that_diverges_says_so_and_the_others_go_on():
    with pytest.warns(SweepWarning, match="TrainingDiverged"):
        table = deep.compare(mlp, small(), {"wild": deep.SGD(lr=1e20), "tame": deep.SGD()}, seeds=1, budget=BUDGET, draws=4, progress=False)
    assert (table.status.sel(algorithm="wild") == "failed").all() and (table.status.sel(algorithm="tame") == "ok").all()


def test_runs_stop_at_one_training_loss():
    data = small()
    table = deep.correlate(mlp, data, runs=3, budget=60_000, stop_loss=0.5, draws=4, sigma=[0.2], progress=False)
    assert (table.train_loss.values <= 0.5).all() and (table.train_loss.values > 0.05).all()
    assert (table.gradients.values < 60_000).all() and len(set(table.lr.values)) == 3
    assert {"tau", "tau_low", "tau_high"} <= set(table.data_vars)


def test_kendall_s_tau_is_scipy_s_with_ties():
    from scipy.stats import kendalltau

    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 5, (3, 30)), rng.integers(0, 7, (2, 30))
    assert kendall(a, b) == pytest.approx(np.array([[kendalltau(x, y).statistic for y in b] for x in a]), abs=1e-14)


def test_wrong_arguments_are_named():
    data = small()
    for arguments, words in (
        ((mlp, data, []), "algorithms must not be empty"),
        ((mlp, data, deep.SGD()), "algorithms must be a list"),
        ((mlp, data, ["sgd"]), "an algorithm must be SGD"),
        ((mlp(), data, [deep.SGD()]), "builders must be functions"),
        ((mlp, "digits", [deep.SGD()]), "data must be Data"),
        ((mlp, data, [deep.SGD()], 0), "seeds"),
        ((mlp, data, [deep.SGD()], [1, 1]), "seeds must be different"),
        ((mlp, data, [deep.SGD()], 2, 10), "budget must be at least 50"),
    ):
        with pytest.raises(InvalidInput, match=words):
            deep.compare(*arguments)
    with pytest.raises(InvalidInput, match="runs must be an integer >= 3"):
        deep.correlate(mlp, data, runs=2)


def command(*words):
    from flatphys.cli import app

    return CliRunner().invoke(app, ["deep", *words])


@pytest.mark.long
def test_the_commands_write_tables_and_figures(tmp_path):
    out = str(tmp_path / "found")
    done = command("train", "--train", "200", "--budget", "3000", "--algorithm", "rsgd", "--set", "replicas=2", "--out", out, "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["gradients"] == 3000
    done = command("measure", "--train", "200", "--weights", f"{out}/network.pt", "--draws", "4", "--out", out)
    assert done.exit_code == 0 and "relative_flatness" in done.stdout
    done = command(
        "compare", "--train", "200", "--budget", "2000", "--seeds", "2", "--algorithms", "sgd,esgd", "--draws", "4", "--out", out
    )
    assert done.exit_code == 0 and "esgd" in done.stdout
    done = command("correlate", "--train", "200", "--budget", "2000", "--runs", "4", "--draws", "4", "--out", out)
    assert done.exit_code == 0 and "local_energy(0.2)" in done.stdout
    names = {path.name for path in pathlib.Path(out).iterdir()}
    assert {
        "history.csv",
        "history.png",
        "compare.csv",
        "compare.nc",
        "errors_against_local_energy.png",
        "taus.png",
        "correlate.csv",
    } <= names


def test_wrong_options_are_named():
    for words, message in (
        (("train", "--algorithm", "sdg"), "did you mean 'sgd'"),
        (("train", "--set", "foo=3"), "--set must be NAME=VALUE"),
        (("train", "--network", "no_such_module:build"), "no_such_module"),
        (("measure", "--weights", "nowhere.pt"), "does not exist"),
        (("compare", "--data", "idx:/nowhere"), "there is no folder"),
        (("measure", "--sigma", "a"), "--sigma must be numbers"),
    ):
        done = command(*words)
        assert done.exit_code == 2 and message in done.output


def test_another_network_of_the_same_name_is_not_looked_up(tmp_path):
    given = {"seeds": 1, "budget": BUDGET, "draws": 4, "progress": False, "store": tmp_path / "runs.db"}
    widths = [
        deep.compare(lambda width=width: deep.network("mlp", (1, 8, 8), 10, hidden=(width,)), small(), [deep.SGD()], **given)
        for width in (8, 16)
    ]
    assert float(widths[0].norm[0, 0, 0]) != float(widths[1].norm[0, 0, 0])


def test_a_run_that_does_not_reach_the_loss_has_no_values():
    table = deep.compare(mlp, small(), [deep.SGD()], seeds=1, budget=BUDGET, stop_loss=1e-6, draws=4, progress=False)
    assert (table.status == "not_converged").all() and "raise budget" in str(table.message.values.flat[0])
