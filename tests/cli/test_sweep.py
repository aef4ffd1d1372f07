"""`flatphys sweep` and `flatphys store`: the library's numbers, files, resuming, refusals, Ctrl-C."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray
from typer.testing import CliRunner

import flatphys as fp
from flatphys.cli import app
from flatphys.questions.catalogue import QUESTIONS
from flatphys.sweeps.store import Store, default_path

MODEL = fp.Model()


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("FLATPHYS_STORE", str(tmp_path / "default.sqlite"))


def cli(*arguments):
    """(exit status, stdout, stderr)."""
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


def test_lines_have_the_librarys_numbers():
    rows = table(good("sweep", "--alpha", "0.2:0.6:3", "--set", "learner.margin=0,0.1"))
    assert [(row["alpha"], row["margin"]) for row in rows] == [(a, m) for a in ("0.2", "0.4", "0.6") for m in ("0.0", "0.1")]
    assert rows[3]["entropy"] == str(fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs(margin=0.1)), 0.4).entropy)


def test_a_netcdf_file_is_the_librarys_table(tmp_path):
    good(
        "sweep",
        "--question",
        "local-entropy",
        "--alpha",
        "0.3,0.5",
        "--distance",
        "0.1:0.3:3",
        "--set",
        "margin=0.1",
        "--out",
        str(tmp_path / "a.nc"),
    )
    expected = fp.sweep(MODEL, alpha=[0.3, 0.5], question=fp.local_entropy, distance=np.linspace(0.1, 0.3, 3), margin=0.1)
    with xarray.open_dataset(tmp_path / "a.nc", engine="scipy") as found:
        assert found.load().identical(expected)


def test_a_csv_file_and_json(tmp_path):
    good("sweep", "--alpha", "0.2,2", "--out", str(tmp_path / "a.csv"))
    rows = table((tmp_path / "a.csv").read_text())
    assert [row["status"] for row in rows] == ["ok", "no_solution"] and rows[1]["entropy"] == ""
    answer = json.loads(good("sweep", "--alpha", "0.2,2", "--json"))
    assert answer["rows"][0]["entropy"] == float(rows[0]["entropy"]) and answer["rows"][1]["entropy"] is None
    assert answer["warnings"][0]["category"] == "no_solution" and answer["attributes"]["model"] == repr(MODEL)


def test_learners_follow_the_question():
    axes = ("--alpha", "1", "--set", "learner.l2=0.1,1", "--set", "learner.loss=logistic")
    rows = table(good("sweep", "--data", "gaussian-mixture", "--question", "relative-flatness", *axes))
    state = fp.solve(fp.Model(fp.GaussianMixture(), fp.ERM("logistic", 1.0)), 1.0)
    assert float(rows[1]["relative_flatness"]) == pytest.approx(fp.relative_flatness(state), rel=1e-9)
    flags = table(good("sweep", "--data", "gaussian-mixture", "--question", "separability-threshold", "--set", "learner.bias=true,false"))
    assert [row["bias"] for row in flags] == ["True", "False"]


def test_statuses_are_told_on_standard_error():
    status, out, err = cli("sweep", "--alpha", "0.5,0.9")
    assert status == 0 and "warning: negative_entropy at 1 of 2 points" in err


def test_without_any_value_the_command_fails():
    status, out, err = cli("sweep", "--alpha", "2,3")
    assert status == 1 and out == "" and "no point has a value; the first says no_solution" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--alpha", "0.5", "--set", "learner.magin=1"), "did you mean 'learner.margin'"),
        (("--alpha", "0.5", "--set", "margin=1"), "did you mean 'learner.margin'"),
        (("--alpha", "0.5", "--set", "learner.margin"), "--set must be NAME=GRID"),
        (("--alpha", "0.5", "--set", "learner.margin=0:1"), "START:STOP:COUNT"),
        (("--alpha", "0.5", "--set", "alpha=1"), "use --alpha"),
        (("--alpha", "x"), "alpha must be"),
        (("--alpha", "0.5", "--question", "slove"), "did you mean 'solve'"),
        (("--alpha", "0.5", "--question", "local-energy"), "needs one of sigma or distance"),
        (("--alpha", "0.5", "--out", "a.txt"), "--out must end in .nc or .csv"),
        (("--alpha", "0.5", "--out", "a.nc", "--json"), "either --out or --json"),
        (("--alpha", "0.5", "--workers", "two"), "--workers must be a whole number"),
        (("--alpha", "0.5", "--workers", "0"), "workers must be an integer >= 1"),
        (("--alpha", "0.5", "--no-store", "--store", "x"), "exclude each other"),
    ],
)
def test_bad_input_is_refused_with_status_two(arguments, message):
    status, out, err = cli("sweep", *arguments)
    assert (status, out) == (2, "") and message in err


def test_a_scheduler_that_does_not_answer_and_one_that_cannot_be_asked(monkeypatch):
    pytest.importorskip("distributed")

    def refuse(address, timeout):
        raise OSError(f"Timed out trying to connect to {address}")

    monkeypatch.setattr("distributed.Client", refuse)
    status, _, err = cli("sweep", "--alpha", "0.5", "--scheduler", "tcp://127.0.0.1:1")
    assert status == 1 and "no dask scheduler answers at tcp://127.0.0.1:1" in err
    monkeypatch.setitem(sys.modules, "distributed", None)
    status, _, err = cli("sweep", "--alpha", "0.5", "--scheduler", "tcp://127.0.0.1:1")
    assert status == 2 and "pip install 'flatphys[distributed]'" in err


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_a_sweep_on_a_dask_cluster(tmp_path):
    distributed = pytest.importorskip("distributed")
    arguments = ("sweep", "--alpha", "0.1:0.8:12", "--set", "learner.margin=0:0.2:3", "--no-store")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster:
        assert good(*arguments, "--scheduler", cluster.scheduler_address) == good(*arguments)


def test_help_names_every_question():
    out = "".join(good("sweep", "--help").split())
    assert all(name.replace("_", "-") in out for name in QUESTIONS)


# --- the store ---------------------------------------------------------------------------------------------------------------
def test_points_are_kept_and_looked_up_unless_told_otherwise(monkeypatch):
    first = good("sweep", "--alpha", "0.2:0.6:5")
    good("sweep", "--alpha", "0.7", "--no-store")
    with Store(default_path()) as store:
        assert store.count() == 5
    monkeypatch.setattr("flatphys.sweeps.local.compute", None)
    assert good("sweep", "--alpha", "0.2:0.6:5") == first


def test_the_default_store_lies_in_the_users_cache(monkeypatch):
    import platformdirs

    monkeypatch.delenv("FLATPHYS_STORE")
    assert str(default_path()).startswith(platformdirs.user_cache_dir("flatphys"))


def test_a_cache_that_cannot_be_written_costs_a_warning(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FLATPHYS_STORE", str(tmp_path / "file" / "s.sqlite"))
    status, out, err = cli("sweep", "--alpha", "0.5")
    assert status == 0 and "results are not kept" in err and out


def test_list_export_and_prune(tmp_path):
    path = str(tmp_path / "mine.sqlite")
    good("sweep", "--alpha", "0.2:0.6:5", "--store", path)
    good("sweep", "--question", "capacity", "--store", path)
    out = good("store", "list", "--store", path)
    assert "6 points" in out and "RandomLabels(), Gibbs(" in out and "capacity" in out
    answer = json.loads(good("store", "list", "--store", path, "--json"))
    assert [(p["question"], p["points"]) for p in answer["problems"]] == [("solve", 5), ("capacity", 1)]
    good("store", "export", str(tmp_path / "a.csv"), "--store", path)
    assert len(table((tmp_path / "a.csv").read_text())) == 6
    good("store", "export", str(tmp_path / "a.nc"), "--problem", "1", "--store", path)
    with xarray.open_dataset(tmp_path / "a.nc", engine="scipy") as found:
        assert found.sizes["point"] == 5
    assert good("store", "prune", "--question", "capacity", "--store", path) == "deleted 1 points\n"
    assert good("store", "prune", "--older-than", "3", "--store", path) == "deleted 0 points\n"
    assert good("store", "prune", "--all", "--store", path) == "deleted 5 points\n"


def test_the_stores_refusals(tmp_path):
    status, _, err = cli("store", "list", "--store", str(tmp_path / "none"))
    assert status == 1 and "there is no store at" in err
    (tmp_path / "notes").write_text("not a database" * 100)
    status, _, err = cli("sweep", "--alpha", "0.5", "--store", str(tmp_path / "notes"))
    assert status == 1 and "is damaged" in err and "move or delete it" in err
    assert cli("store", "prune")[0] == 2
    assert cli("store", "export", str(tmp_path / "a.csv"), "--problem", "x")[0] == 2


@pytest.mark.parametrize("command", ["list", "export", "prune"])
def test_every_store_command_has_help_with_examples(command):
    assert "Examples:" in good("store", command, "--help")


@pytest.mark.long
@pytest.mark.skipif(os.name != "posix", reason="SIGINT")
def test_ctrl_c_writes_what_is_done_and_says_so_in_the_exit_status(tmp_path):
    path, out = tmp_path / "s.sqlite", tmp_path / "a.csv"
    arguments = ["sweep", "--question", "local-entropy", "--alpha", "0.1:0.75:400", "--distance", "log:0.005:0.45:12", "--workers", "2"]
    arguments += ["--store", str(path), "--out", str(out)]
    running = subprocess.Popen([sys.executable, "-m", "flatphys", *arguments], stderr=subprocess.PIPE, text=True)
    limit = time.monotonic() + 60.0
    kept = 0
    while kept < 5 and time.monotonic() < limit:
        time.sleep(0.05)
        if path.exists():
            try:
                with Store(path) as store:
                    kept = store.count()
            except fp.errors.StoreError:
                continue
    running.send_signal(signal.SIGINT)
    err = running.communicate(timeout=60)[1]
    assert running.returncode == 130, err
    assert "interrupted:" in err and "goes on from there" in err and "Traceback" not in err
    status = [row["status"] for row in table(out.read_text())]
    assert "ok" in status and "interrupted" in status
