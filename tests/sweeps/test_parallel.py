"""Sweeps over processes: the same bits whoever computes what, and whoever dies meanwhile."""

import concurrent.futures
import os
import pathlib
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import SweepWarning, WorkerError
from flatphys.sweeps.chunks import DEADLY, Chunks

MODEL = fp.Model()
GRID = {"alpha": np.linspace(0.1, 0.8, 30), "learner.margin": [-0.2, 0.0, 0.1, 0.3]}
AROUND = {
    "question": fp.local_entropy,
    "alpha": np.linspace(0.1, 0.75, 12),
    "distance": [0.01, 0.1, 0.3],
    "learner.margin": [0.0, 0.1, 0.2],
}
linux = pytest.mark.skipif(not pathlib.Path("/proc/self/stat").exists(), reason="finds processes in /proc")


def same(one, two):
    """Equal names, attributes, texts and numbers to the last bit."""
    return one.identical(two) and all(
        one[name].values.tobytes() == two[name].values.tobytes() for name in one.variables if one[name].dtype.kind == "f"
    )


@pytest.fixture(scope="module")
def around():
    return fp.sweep(MODEL, workers=1, **AROUND)


def children(pid: int) -> list[int]:
    """Worker processes whose parent is `pid`."""
    out = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            after = stat.read_text().rpartition(")")[2].split()
            program = stat.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if int(after[1]) == pid and b"flatphys.sweeps.worker" in program:
            out.append(int(stat.parent.name))
    return out


# --- who computes does not matter -----------------------------------------------------------------------------------------
def test_two_processes_give_the_same_bits(around):
    assert same(fp.sweep(MODEL, workers=2, **AROUND), around)


def test_threads_and_processes_of_the_callers_own_give_the_same_bits(around):
    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        assert same(fp.sweep(MODEL, executor=threads, **AROUND), around)


@pytest.mark.long
def test_a_process_pool_gives_the_same_bits(around):
    import multiprocessing

    with concurrent.futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert same(fp.sweep(MODEL, executor=pool, **AROUND), around)


def test_threads_collect_each_their_own_warnings():
    grid = {"alpha": np.linspace(0.7, 0.95, 40), "learner.margin": [0.0, 0.02]}
    alone = fp.sweep(MODEL, workers=1, **grid)
    assert {"ok", "negative_entropy"} <= set(alone.status.values.ravel())
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        assert same(fp.sweep(MODEL, executor=threads, **grid), alone)


def test_functions_of_the_main_program_and_closures_travel_by_value():
    factor = 3.0
    table = fp.sweep(MODEL, alpha=np.linspace(0.1, 0.5, 20), question=lambda model, alpha: (factor * alpha, time.sleep(0.01))[0], workers=2)
    assert np.allclose(table["<lambda>"], 3.0 * table.alpha)


def test_a_script_needs_no_main_guard(tmp_path):
    (tmp_path / "script.py").write_text(
        textwrap.dedent("""
        import time
        import flatphys as fp
        print("once")
        def own(model, alpha):
            print("noise")
            time.sleep(0.02)
            return alpha
        print(float(fp.sweep(fp.Model(), alpha=[0.1 * i for i in range(1, 31)], question=own, workers=2).own.sum()))
    """)
    )
    out = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, check=True).stdout.split()
    assert out.count("once") == 1 and float(out[-1]) == pytest.approx(46.5)


def test_progress_reports_every_point_once():
    seen = []
    fp.sweep(MODEL, workers=1, progress=lambda done, total: seen.append((done, total)), **GRID)
    assert seen == sorted(seen) and seen[-1] == (120, 120)


def test_a_bar_only_on_a_terminal(capsys):
    fp.sweep(MODEL, workers=1, alpha=[0.1, 0.2])
    assert capsys.readouterr() == ("", "")
    fp.sweep(MODEL, workers=1, alpha=np.linspace(0.1, 0.5, 50), progress=True)
    assert capsys.readouterr().out == ""


# --- chunks ---------------------------------------------------------------------------------------------------------------
def test_chunks_hand_out_every_point_once_and_grow():
    chunks, seen, sizes = Chunks(np.arange(1000), 2), [], []
    while (points := chunks.take()) is not None:
        seen += points.tolist()
        sizes.append(points.size)
        chunks.done(points.size, 1e-4 * points.size)
    assert seen == list(range(1000)) and sizes[0] == 1 and max(sizes) > 100 and sizes[-1] == 1


def test_points_whose_process_died_are_tried_alone_and_at_last_given_up():
    chunks = Chunks(np.arange(8), 1)
    for _ in range(4):
        chunks.done(8, 1e-6)
    points = chunks.take()
    assert chunks.died(points).size == 0
    again = chunks.take()
    assert again.tolist() == points.tolist() and chunks.take(fresh_only=True).min() > points.max()
    chunks.died(again)
    for _ in range(2, DEADLY):
        alone = [chunks.take() for _ in points]
        assert all(p.size == 1 for p in alone)
        lost = [chunks.died(p) for p in alone]
    assert np.concatenate(lost).tolist() == points.tolist()


# --- who dies does not matter ---------------------------------------------------------------------------------------------
@linux
def test_a_killed_worker_is_replaced(around):
    killed = []

    def kill(done, total):
        if done > 4 * (len(killed) + 1) and len(killed) < 3 and (found := children(os.getpid())):
            killed.append(found[0])
            os.kill(found[0], signal.SIGKILL)

    table = fp.sweep(MODEL, workers=3, progress=kill, **AROUND)
    assert killed and same(table, around)
    assert not set(children(os.getpid())) & set(killed)


@linux
def test_a_point_that_kills_its_process_is_given_up_and_the_others_are_done():
    here = os.getpid()

    def deadly(model, alpha):
        if os.getpid() == here:
            time.sleep(0.3)  # the other process meets the load first
        elif alpha == 0.2:
            os.kill(os.getpid(), signal.SIGKILL)
        return alpha

    loads = [0.3, 0.2, *np.linspace(0.4, 0.8, 5)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SweepWarning)  # that the point failed, where the other process met it
        table = fp.sweep(MODEL, alpha=loads, question=deadly, workers=2)
    status = dict(zip(loads, table.status.values.tolist()))
    assert status.pop(0.2) in ("failed", "ok") and set(status.values()) == {"ok"}
    if (table.status == "failed").any():
        assert "died again and again" in str(table.message.sel(alpha=0.2).values)


@pytest.mark.long
def test_a_broken_pool_is_replaced_by_local_processes(around):
    import multiprocessing

    with concurrent.futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:

        def kill(done, total):
            if done > 3 and pool._processes:
                for process in list(pool._processes.values()):
                    process.kill()

        with pytest.warns(SweepWarning, match="the executor broke"):
            table = fp.sweep(MODEL, executor=pool, progress=kill, **AROUND)
    assert same(table, around)


def test_an_executor_that_cannot_run_points_is_named():
    class Broken(concurrent.futures.Executor):
        def submit(self, function, *arguments):
            future = concurrent.futures.Future()
            future.set_exception(ModuleNotFoundError("No module named 'flatphys'"))
            return future

    with pytest.raises(WorkerError, match="is this version of flatphys installed") as caught:
        fp.sweep(MODEL, executor=Broken(), alpha=[0.1, 0.2])
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


@pytest.mark.parametrize(
    ("submit", "cause"),
    [
        (lambda *_: 1 / 0, ZeroDivisionError),  # refuses
        (lambda *_: object(), TypeError),  # no future
        (lambda function, *_: concurrent.futures.ThreadPoolExecutor(1).submit(lambda: "not points"), TypeError),
    ],
)
def test_whatever_an_executor_does_comes_as_an_error_of_flatphys(submit, cause):
    executor = concurrent.futures.ThreadPoolExecutor(1)
    executor.submit = submit
    with pytest.raises(WorkerError) as caught:
        fp.sweep(MODEL, executor=executor, alpha=[0.1, 0.2])
    assert isinstance(caught.value.__cause__, cause)


def test_a_question_that_cannot_travel_is_asked_here():
    lock = threading.Lock()

    def own(model, alpha):
        with lock:
            return alpha

    with pytest.warns(SweepWarning, match="cannot be sent to another process .*this process computes alone"):
        assert fp.sweep(MODEL, alpha=[0.1, 0.2, 0.3], question=own, workers=2).own.values.tolist() == [0.1, 0.2, 0.3]
    with concurrent.futures.ThreadPoolExecutor(1) as threads, pytest.raises(WorkerError, match="workers=1"):
        fp.sweep(MODEL, alpha=[0.1], question=own, executor=threads)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_that_loses_a_worker_gives_the_same_bits(around):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster:
        with distributed.Client(cluster) as client:
            killed = []

            def kill(done, total):
                if done > 8 and not killed:
                    killed.append(pids[0])
                    os.kill(pids[0], signal.SIGKILL)

            pids = list(client.run(os.getpid).values())
            table = fp.sweep(MODEL, executor=client.get_executor(), progress=kill, **AROUND)
            assert killed and same(table, around)


# --- interruptions --------------------------------------------------------------------------------------------------------
SCRIPT = """
import sys, time
import numpy as np
import flatphys as fp

store, out, workers = sys.argv[1:]

def say(done, total):
    print("done", done, flush=True)

table = fp.sweep(
    fp.Model(), alpha=np.linspace(0.1, 0.75, 30), question=fp.local_entropy, distance=[0.02, 0.2],
    store=store or None, workers=int(workers), progress=say, **{"learner.margin": [0.0, 0.05, 0.1, 0.15, 0.2]},
)
table.to_netcdf(out, engine="scipy")
print("status", *sorted(set(table.status.values.ravel())), flush=True)
"""


class Driver:
    """A sweep in a process of its own, whose progress can be read."""

    def __init__(self, folder, store, out, workers=3):
        (folder / "driver.py").write_text(SCRIPT)
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", folder / "driver.py", store, out, str(workers)], stdout=subprocess.PIPE, text=True
        )
        self.done, self.last = 0, ""

    def reach(self, points) -> bool:
        """Read on until so many points are done; False where the program ended before."""
        for line in self.process.stdout:
            self.last = line
            if line.startswith("done"):
                self.done = int(line.split()[1])
                if self.done >= points:
                    return True
        self.process.wait()
        self.process.stdout.close()
        return False


def table_of(path):
    import xarray

    with xarray.open_dataset(path, engine="scipy") as table:
        return table.load()


@linux
@pytest.mark.long
def test_ten_random_deaths_of_workers_and_driver_end_with_the_same_bits(tmp_path):
    undisturbed = Driver(tmp_path, "", str(tmp_path / "calm.nc"), workers=1)
    assert not undisturbed.reach(math_inf) and undisturbed.process.returncode == 0
    rng = random.Random(20211)
    moments = sorted(rng.sample(range(2, 135), 10))
    victims = ["driver", "worker"] * 5
    rng.shuffle(victims)
    store, out = str(tmp_path / "s.sqlite"), str(tmp_path / "stormy.nc")
    driver, deaths, orphans = Driver(tmp_path, store, out), [], []
    for moment, victim in zip(moments, victims):
        assert driver.reach(max(moment, driver.done)), f"ended before {victim} at {moment}"
        time.sleep(rng.uniform(0.0, 0.05))
        workers = children(driver.process.pid)
        if victim == "worker":
            limit = time.monotonic() + 20.0
            while not (workers := children(driver.process.pid)) and time.monotonic() < limit and driver.process.poll() is None:
                time.sleep(0.01)
            os.kill(rng.choice(sorted(workers)), signal.SIGKILL)
        else:
            os.kill(driver.process.pid, signal.SIGKILL)
            driver.process.wait()
            driver.process.stdout.close()
            orphans += workers
            driver = Driver(tmp_path, store, out)
        deaths.append(victim)
    assert not driver.reach(math_inf) and driver.process.returncode == 0
    assert len(deaths) == 10 and same(table_of(tmp_path / "calm.nc"), table_of(tmp_path / "stormy.nc"))
    limit = time.monotonic() + 10.0  # workers leave with their driver
    while any(pathlib.Path(f"/proc/{pid}").exists() for pid in orphans) and time.monotonic() < limit:
        time.sleep(0.05)
    assert not [pid for pid in orphans if pathlib.Path(f"/proc/{pid}").exists()]


math_inf = float("inf")


@pytest.mark.long
@pytest.mark.skipif(os.name != "posix", reason="SIGINT")
def test_ctrl_c_returns_what_is_done_and_the_same_call_goes_on(tmp_path):
    store, out = str(tmp_path / "s.sqlite"), tmp_path / "a.nc"
    driver = Driver(tmp_path, store, str(out), workers=2)
    assert driver.reach(20)
    driver.process.send_signal(signal.SIGINT)
    assert not driver.reach(math_inf) and driver.process.returncode == 0
    assert "interrupted" in driver.last.split()
    part = table_of(out)
    done = (part.status != "interrupted").any("distance")
    assert 20 <= int(done.sum()) < 150
    assert np.isfinite(part.value.where(part.status == "ok")).sum() == (part.status == "ok").sum()
    with fp.Store(store) as kept:
        assert kept.count() == int(done.sum())
    again = Driver(tmp_path, store, str(out), workers=1)
    assert again.reach(1) and again.done >= int(done.sum()) and not again.reach(math_inf)
    whole = table_of(out)
    assert not (whole.status == "interrupted").any()
    for name in ("value", "slope", "q1"):
        assert whole[name].where(done, drop=False).equals(part[name].where(done, drop=False))


def test_ctrl_c_inside_a_point_keeps_the_points_before_it():
    def question(model, alpha):
        if alpha == 0.3:
            threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
            time.sleep(30.0)
        return alpha

    with pytest.warns(SweepWarning, match="2 of 4 points are done"):
        table = fp.sweep(MODEL, alpha=[0.1, 0.2, 0.3, 0.4], question=question, workers=1)
    assert table.status.values.tolist() == ["ok", "ok", "interrupted", "interrupted"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
