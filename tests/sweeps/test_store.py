"""Store: points come back to the last bit, once; two writers agree; what is no store, old or damaged is refused with a sentence."""

import ast
import os
import shutil
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray

import flatphys as fp
from flatphys.errors import CacheWarning, InvalidInput, StoreError, SweepWarning
from flatphys.sweeps import database, keys, opening, store as store_module
from flatphys.sweeps.store import Store

MODEL = fp.Model()
GRID = {"alpha": np.linspace(0.2, 0.95, 12), "learner.margin": [0.0, 0.2]}
AROUND = {"question": fp.local_entropy, "alpha": [0.5, 0.8], "distance": [1e-3, 0.1, 0.3]}


def sweep(store, **more):
    return fp.sweep(MODEL, store=store, workers=1, **more)


def same(one, two):
    """Equal names, attributes, texts and numbers to the last bit."""
    return one.identical(two) and all(
        one[name].values.tobytes() == two[name].values.tobytes() for name in one.variables if one[name].dtype.kind == "f"
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s.sqlite"


@pytest.fixture
def no_work(monkeypatch):
    """Turn any computation into an error."""

    def refuse(*arguments, **more):
        raise AssertionError("a point is computed")

    return lambda: monkeypatch.setattr("flatphys.sweeps.local.compute", refuse)


# --- points ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "asked",
    [GRID, AROUND, {"question": fp.margins, "alpha": [0.3], "x": [0.0, 1.0]}, {"question": fp.capacity, "learner.margin": [0.0, 1.0]}],
)
def test_what_is_stored_comes_back_to_the_last_bit_and_is_not_computed(path, no_work, asked):
    plain = fp.sweep(MODEL, workers=1, **asked)
    first = sweep(path, **asked)
    no_work()
    assert same(plain, first) and same(plain, sweep(path, **asked))


def test_infinite_values_and_failures_are_stored_too(path, no_work):
    model = fp.Model(fp.Teacher(), fp.Gibbs())
    first = fp.sweep(model, alpha=[0.5, 2.0], store=path, workers=1, **{"learner.margin": [0.0, 0.3]})
    assert np.isinf(first.q_hat).any() and (first.status == "no_solution").any()
    no_work()
    assert same(first, fp.sweep(model, alpha=[0.5, 2.0], store=path, workers=1, **{"learner.margin": [0.0, 0.3]}))


def test_only_new_points_are_computed(path, monkeypatch):
    from flatphys.sweeps import local

    counted, compute = [], local.compute

    def counting(plan, points, keep_going):
        block = compute(plan, points, keep_going)
        counted.extend(block.points.tolist())
        return block

    monkeypatch.setattr(local, "compute", counting)
    sweep(path, alpha=[0.2, 0.4, 0.6], **{"learner.margin": [0.0, 0.1]})
    assert len(counted) == 6
    sweep(path, alpha=[0.3, 0.4, 0.5, 0.6], **{"learner.margin": 0.1})  # one margin, other loads: another grid, the same points
    assert len(counted) == 8
    sweep(path, alpha=0.2)
    assert len(counted) == 8
    sweep(path, alpha=[0.2], **{"learner.weights": ["binary", "spherical"]})
    assert len(counted) == 9
    sweep(path, alpha=0.2, ansatz="RS")  # what was asked is not the same text
    assert len(counted) == 10


def test_equal_models_differently_written_are_the_same_point(path, no_work):
    sweep(path, alpha=0.5, **{"learner.margin": 0.25})
    no_work()
    fp.sweep(fp.Model(fp.RandomLabels(), fp.Gibbs(margin=0.25)), alpha=np.float64(0.5), store=path, workers=1)
    fp.sweep(fp.Model(fp.RandomLabels(), fp.Gibbs(margin=9.0)), alpha=[0.5], store=path, workers=1, **{"learner.margin": np.array([0.25])})
    fp.sweep(MODEL, alpha=[0.5], store=path, workers=1, **{"learner": [fp.Gibbs(margin=0.25)]})


def test_points_of_another_version_of_the_solvers_are_not_read(path, monkeypatch):
    sweep(path, alpha=[0.5])
    monkeypatch.setattr(keys, "solver_version", lambda: "another")
    monkeypatch.setattr(store_module, "solver_version", lambda: "another")
    with Store(path) as store:
        assert [entry["current"] for entry in store.problems()] == [False]
    sweep(path, alpha=[0.5])
    with Store(path) as store:
        assert store.count() == 2 and store.prune(other_versions=True) == 1 and [entry["current"] for entry in store.problems()] == [True]


def test_the_version_follows_every_source_but_those_that_compute_nothing(tmp_path, monkeypatch):
    copy = tmp_path / "flatphys"
    shutil.copytree(keys._PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(keys, "_PACKAGE", copy)

    def version():
        return keys.fingerprint.__wrapped__(keys.SILENT)

    for room in sorted(path for path in copy.iterdir() if path.suffix == ".py" or path.is_dir()):
        before, source = version(), room if room.is_file() else sorted(room.rglob("*.py"))[-1]
        source.write_text(source.read_text() + "\n# edited\n")
        assert (version() == before) == (room.name in keys.SILENT), room.name
    before = version()
    (copy / "a_new_room").mkdir()
    (copy / "a_new_room" / "a_new_solver.py").write_text("")
    assert version() != before


def test_no_source_that_computes_numbers_imports_one_that_does_not_count():
    """But for drawing and printing, and the table of public names."""
    rooms = {name.removesuffix(".py") for name in keys.SILENT} - {"display", "plotting"}
    for path in keys._PACKAGE.rglob("*.py"):
        place = path.relative_to(keys._PACKAGE)
        if place.parts[0] in (*keys.SILENT, "__init__.py"):
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.startswith(f"flatphys.{room}") for name in names for room in rooms), path


def test_functions_of_ones_own_need_a_version(path, no_work):
    def own(model, alpha):
        return 2.0 * alpha

    with pytest.raises(InvalidInput, match="own.version = '1'"):
        sweep(path, alpha=[0.5], question=own)
    own.version = "1"
    assert float(sweep(path, alpha=[0.5], question=own).own[0]) == 1.0
    own.version = "2"
    assert float(sweep(path, alpha=[0.5], question=own).own[0]) == 1.0
    with Store(path) as store:
        assert store.count() == 2
    no_work()
    sweep(path, alpha=[0.5], question=own)


def test_errors_of_ones_own_function_are_not_kept(path):
    def own(model, alpha):
        raise ZeroDivisionError

    own.version = "1"
    with pytest.warns(SweepWarning, match="1 of 1 points failed, the first with ZeroDivisionError"):
        assert sweep(path, alpha=[0.5], question=own).status.values.tolist() == ["failed"]
    with Store(path) as store:
        assert store.count() == 0


def test_models_that_hold_functions_are_refused(path):
    tree = fp.Model(fp.RandomLabels(), fp.Gibbs(network=fp.TreeCommittee(np.tanh)))
    with pytest.raises(InvalidInput, match="cannot be stored"):
        fp.sweep(tree, alpha=[0.5], store=path)


def test_an_open_store_stays_open(path):
    with Store(path) as store:
        sweep(store, alpha=[0.5])
        sweep(store, alpha=[0.5, 0.6])
        assert store.count() == 2 and repr(store) == f"Store({str(path)!r})"


# --- several processes ------------------------------------------------------------------------------------------------------
WRITER = """
import sys, time, numpy as np, flatphys as fp
fp.solve(fp.Model(), 0.5)
print("ready", flush=True)
sys.stdin.readline()
first = int(sys.argv[2])
margins = {"learner.margin": np.arange(first, first + 5) / 20.0}
table = fp.sweep(fp.Model(), alpha=np.linspace(0.1, 0.8, 400), store=sys.argv[1], workers=1, **margins)
print(int((table.status != "interrupted").sum()), flush=True)
"""


@pytest.mark.long
def test_processes_write_the_same_new_store_at_once(path):
    program = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*program, first], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for first in ("0", "0", "2")]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        assert writer.communicate()[0] == "2000\n" and writer.returncode == 0
    with Store(path) as store:
        assert store.count() == 7 * 400
    grid = {"alpha": np.linspace(0.1, 0.8, 400), "learner.margin": np.arange(7) / 20.0}
    assert same(sweep(path, **grid), fp.sweep(MODEL, workers=1, **grid))


def test_a_store_held_by_another_process_is_waited_for(path, monkeypatch):
    sweep(path, alpha=[0.5])
    monkeypatch.setattr(opening, "BUSY", 0.1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        sweep(path, alpha=[0.6])
    other.execute("ROLLBACK")
    other.close()
    sweep(path, alpha=[0.6])


# --- files that are none ------------------------------------------------------------------------------------------------------
def test_a_file_that_is_no_database_is_refused_and_left_alone(path):
    path.write_text("these are my notes, not a database\n" * 50)
    with pytest.raises(StoreError, match="is damaged .*move or delete it"):
        sweep(path, alpha=[0.5])
    assert path.read_text().startswith("these are my notes")


def test_a_truncated_store_is_reported(path):
    sweep(path, alpha=np.linspace(0.1, 0.8, 300))
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(StoreError, match="is damaged"):
        sweep(path, alpha=np.linspace(0.1, 0.8, 300))


def test_a_changed_byte_of_a_value_is_noticed(path):
    sweep(path, alpha=[0.5])
    table = sqlite3.connect(path)
    ((place, data),) = table.execute("SELECT place, data FROM point").fetchall()
    table.execute("UPDATE point SET data = ? WHERE place = ?", (data[:-1] + bytes([data[-1] ^ 1]), place))
    table.commit()
    table.close()
    with pytest.warns(CacheWarning, match="1 points of the store .* are damaged"):
        again = sweep(path, alpha=[0.5])
    assert same(again, fp.sweep(MODEL, workers=1, alpha=[0.5])) and same(again, sweep(path, alpha=[0.5]))


def test_another_programs_database_is_refused_and_left_alone(path):
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE mine (x)")
    other.commit()
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not a store of flatphys"):
        Store(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("schema", "match"), [(database.SCHEMA - 1, "an older version"), (database.SCHEMA + 1, "a newer version")])
def test_another_version_of_the_format_is_refused(path, schema, match):
    sweep(path, alpha=[0.5])
    table = sqlite3.connect(path)
    table.execute(f"PRAGMA user_version={schema}")
    table.close()
    with pytest.raises(StoreError, match=f"{match}.*delete it"):
        sweep(path, alpha=[0.5])


def test_a_store_that_lost_a_table_is_reported(path):
    sweep(path, alpha=[0.5])
    table = sqlite3.connect(path)
    table.execute("DROP TABLE layout")
    table.commit()
    table.close()
    with pytest.raises(StoreError, match="tables are missing"):
        Store(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot open the store"):
        sweep(tmp_path / "file" / "s.sqlite", alpha=[0.5])
    with pytest.raises(StoreError, match="cannot open the store"):
        sweep(tmp_path, alpha=[0.5])


def test_a_full_disk_ends_the_sweep_with_an_error(path, monkeypatch):
    def full(self, *arguments):
        raise self._damaged(sqlite3.OperationalError("database or disk is full"))

    monkeypatch.setattr(Store, "write", full)
    with pytest.raises(StoreError, match="is the disk full"):
        sweep(path, alpha=np.linspace(0.1, 0.5, 30))


def test_an_empty_file_becomes_a_store(path):
    path.write_bytes(b"")
    sweep(path, alpha=[0.5])
    with Store(path, create=False) as store:
        assert store.count() == 1


# --- looking at it --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def filled(path):
    sweep(path, **GRID)
    sweep(path, **AROUND)
    sweep(path, question=fp.capacity)
    with Store(path) as store:
        yield store


def test_problems_say_what_is_stored(filled):
    entries = filled.problems()
    assert [(entry["question"], entry["points"]) for entry in entries] == [("solve", 24), ("local_entropy", 2), ("capacity", 1)]
    assert entries[0]["place"] == ["alpha", "learner.margin", "learner.beta"] and entries[0]["model"]["learner"]["weights"] == "binary"
    assert abs(entries[0]["created"] - time.time()) < 1e4


def test_exported_points_are_those_of_the_sweep(filled, tmp_path):
    table = fp.sweep(MODEL, workers=1, **GRID)
    with xarray.open_dataset(filled.export(tmp_path / "a.nc", 1), engine="scipy") as found:
        assert found.sizes == {"point": 24}
        for i in range(24):
            point = found.isel(point=i)
            there = table.sel(alpha=float(point.alpha), margin=float(point["learner.margin"]))
            for name in ("entropy", "q", "at_eigenvalue"):
                assert point[name].values.tobytes() == there[name].values.tobytes()
            assert str(point.status.values) == str(there.status.values)


def test_exported_lines_hold_every_point_and_every_element(filled, tmp_path):
    lines = filled.export(tmp_path / "a.csv").read_text().splitlines()
    assert len(lines) == 1 + 24 + 2 * 3 + 1
    header = lines[0].split(",")
    assert header[:2] == ["problem", "question"] and header[-3:] == ["branch", "status", "message"]
    with pytest.raises(InvalidInput, match="suffix"):
        filled.export(tmp_path / "a.txt")
    with pytest.raises(InvalidInput, match="problem must be"):
        filled.export(tmp_path / "a.csv", 99)


def test_prune_deletes_what_it_is_told(filled):
    with pytest.raises(InvalidInput, match="say what to delete"):
        filled.prune()
    assert filled.prune(older_than=1.0) == 0 and filled.prune(other_versions=True) == 0
    assert filled.prune(question="local-entropy") == 2 and filled.count() == 25
    assert filled.prune(older_than=0.0, question="capacity") == 1
    assert filled.prune(everything=True) == 24 and filled.problems() == []
    sweep(filled, alpha=[0.5])
    assert filled.count() == 1


def test_a_store_that_must_exist(path):
    with pytest.raises(StoreError, match="there is no store at"):
        Store(path, create=False)
    assert not path.exists()
