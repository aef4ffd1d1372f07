"""A store under faults: what it returns is right to the last bit or computed again, and nothing but a `StoreError` comes out of it."""

import math
import os
import shutil
import sqlite3
import warnings

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import CacheWarning, NoSolution, StoreError
from flatphys.questions.catalogue import question_of
from flatphys.sweeps import opening, store as store_module
from flatphys.sweeps.database import Database
from flatphys.sweeps.grid import plan as make_plan
from flatphys.sweeps.keys import Keys
from flatphys.sweeps.point import compute
from flatphys.sweeps.store import Spare, Store

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
LOADS = np.linspace(0.05, 3.0, 60)


def echo(model, alpha, distance):
    """A question that costs nothing, with a text and an array that differ from point to point."""
    if alpha > 2.5:
        raise NoSolution(f"there is none at {alpha:.17g}")
    return {"first": math.sin(alpha), "second": alpha * np.asarray(distance)}


echo.version = "1"
echo.vectors = ("distance",)


class Asked:
    """A plan with what is true about it."""

    def __init__(self, distance, loads=LOADS):
        self.plan = make_plan(fp.Model(), loads, question_of(echo), {"distance": distance, "learner.margin": [0.0, 0.5]})
        self.keys = Keys(self.plan)
        self.block = compute(self.plan, np.arange(self.plan.size))
        self.truth = self.spelled([self.block])

    def spelled(self, blocks):
        """point -> everything that is said of it, bit for bit."""
        out = {}
        for block in blocks:
            for names, vector_names, places, scalars, vectors in block.groups:
                for i, at in enumerate(places.tolist()):
                    said = block.status[at], block.message[at], block.branch[at]
                    more = None if vectors is None else vectors[i].tobytes()
                    out[int(block.points[at])] = names, vector_names, scalars[i].tobytes(), more, *said
        return out

    def found(self, store):
        """What a store says, checked against the truth."""
        found = self.spelled(store.read(self.keys, np.arange(self.plan.size)))
        for point, said in found.items():
            assert said == self.truth[point], point
        return found


@pytest.fixture(scope="module")
def near():
    return Asked([0.01, 0.1, 0.3])


@pytest.fixture(scope="module")
def far():  # one bit of the problem's text away
    return Asked([0.01, 0.1, 0.7])


@pytest.fixture
def path(tmp_path, near, far):
    with Store(tmp_path / "s.sqlite") as store:
        for asked in (near, far):
            store.write(asked.keys, [asked.block])
    return tmp_path / "s.sqlite"


def read_and_mend(path, askeds):
    """What a sweep does with a store, checked; then `check`, after which everything is there again or computed again."""
    kind = "as it was"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)
        for go_on in (True, False):
            try:
                with Store(path) as store:
                    for asked in askeds:
                        if len(asked.found(store)) < asked.plan.size:
                            kind = "computed again"
                        store.write(asked.keys, [asked.block])
                        if asked.found(store) != asked.truth:  # a key out of order is neither found nor replaced
                            assert not store.check().good
                            store.write(asked.keys, [asked.block])
                        assert asked.found(store) == asked.truth
                    list(store.records())
                    return kind
            except StoreError as error:
                kind = "damaged"
                assert go_on and ("delete it" in str(error) or "choose another file" in str(error)), error
                try:
                    with Store(path) as store:
                        store.check()
                except StoreError as told:  # its first page: no database, or one of another program or version
                    assert "delete it" in str(told) or "another file" in str(told)
                    path.unlink()
    raise AssertionError


@pytest.mark.parametrize("count", [30, pytest.param(500, marks=pytest.mark.long)])
def test_flipped_bits_are_never_believed(path, faults, near, far, count, tmp_path):
    seen = []
    for changed in faults.flips(path.read_bytes(), count, 7):
        place = tmp_path / "flipped" / "s.sqlite"
        place.parent.mkdir()
        place.write_bytes(changed)
        seen.append(read_and_mend(place, (near, far)))
        shutil.rmtree(place.parent)
    assert {"as it was", "computed again"} <= set(seen)


@pytest.mark.parametrize(
    "column", ["problem.text", "layout.text", "point.status", "point.message", "point.branch", "point.data", "point.place"]
)
def test_every_column_of_a_row_is_covered(path, near, far, column):
    table, name = column.split(".")
    db = sqlite3.connect(path)
    ((_, text),) = db.execute(
        f"SELECT rowid, {name} FROM {table} LIMIT 1" if table != "point" else f"SELECT place, {name} FROM point LIMIT 1"
    )
    raw = bytearray(text.encode() if isinstance(text, str) else text) or bytearray(b"x")
    raw[len(raw) // 2] ^= 1
    changed = raw.decode() if isinstance(text, str) else bytes(raw)
    db.execute(f"UPDATE {table} SET {name} = ? WHERE {name} = ?", (changed, text))
    db.commit()
    db.close()
    with Store(path) as store:
        report = store.check()
        assert report.damaged and not report.sqlite and not report.good and report.kept is None
        assert all(" at alpha=" in one or "unreadable" in one for one in report.damaged)
        assert store.check().good
        lost = 2 * near.plan.size - len(near.found(store)) - len(far.found(store))
        assert lost == len(report.damaged) and report.points == 2 * near.plan.size - lost
    assert read_and_mend(path, (near, far)) == "computed again"


def test_check_saves_what_can_be_read_of_a_broken_file(path, near, far):
    whole, saved = path.read_bytes(), []
    for page in range(4096, len(whole), 4096):
        path.write_bytes(whole[:page] + b"\xff" * 4096 + whole[page + 4096 :])
        with Store(path) as store:
            report = store.check()
            assert report.sqlite and report.kept.exists() and store.check().good and store.count() == report.points
            assert len(near.found(store)) + len(far.found(store)) == report.points
            saved.append(report.points)
    assert max(saved) > near.plan.size and not list(path.parent.glob("*.new*"))


def test_killed_writers_leave_whole_batches(tmp_path, faults, near):
    path = tmp_path / "s.sqlite"

    def writes():
        while True:
            with Store(path) as store:
                for _ in range(5):
                    store.write(near.keys, [near.block])
                    store._db.execute("DELETE FROM point")

    for i in range(20):
        faults.killed(writes, 0.004 * (i + 1))
        with Store(path) as store:
            assert len(near.found(store)) in (0, near.plan.size) and store.check().good


@pytest.mark.parametrize("count", [2, 10])
def test_processes_that_make_one_store_at_once_agree(tmp_path, faults, near, far, count):
    def job(asked):
        def write():
            with Store(tmp_path / "s.sqlite") as store:
                store.write(asked.keys, [asked.block])
                return len(asked.found(store))

        return write

    assert faults.elsewhere(*[job((near, far)[i % 2]) for i in range(count)]) == [near.plan.size] * count
    with Store(tmp_path / "s.sqlite") as store:
        assert store.count() == 2 * near.plan.size and store.check().good


def test_a_full_disk_is_called_full(tmp_path, faults, near):
    path = tmp_path / "s.sqlite"

    def write():
        with Store(path) as store:
            store.write(near.keys, [near.block])

    for limit in (0, 2000, 30000):
        (error,) = faults.elsewhere(write, limit=limit)
        assert type(error) is StoreError and "rollback" not in str(error), error
        assert limit or not path.exists()  # no empty file
    with Store(path) as store:
        store._db.execute("PRAGMA max_page_count=10")
        with pytest.raises(StoreError, match="database or disk is full; is the disk full"):
            store.write(near.keys, [near.block])
    with Store(path) as store:
        store.write(near.keys, [near.block])
        assert near.found(store) == near.truth


@pytest.mark.parametrize("how", ["mode=ro", "immutable=1"])
def test_a_complete_store_on_a_read_only_medium_is_read(path, near, monkeypatch, how):
    connect = sqlite3.connect

    def unwritable(place, **options):
        if how not in str(place) and options.get("uri"):
            raise sqlite3.OperationalError("unable to open database file")
        return connect(place, **options)

    monkeypatch.setattr(opening.os, "access", lambda path, mode: False)
    monkeypatch.setattr(sqlite3, "connect", unwritable)
    before = path.read_bytes()
    with Store(path) as store:
        assert not store.writable and near.found(store) == near.truth and store.check().good
        with pytest.warns(CacheWarning, match="is read-only: points that it lacks are computed and not kept"):
            store.write(near.keys, [near.block])
        store.write(near.keys, [near.block])  # said once
        with pytest.raises(StoreError, match="read-only|readonly"):
            store.prune(everything=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("how", ["deleted", "replaced", "replaced by notes"])
def test_a_store_that_goes_away_under_way_is_noticed(path, near, tmp_path, how):
    with Store(path) as store:
        path.unlink()
        if how == "replaced":
            Store(path).close()
        if how == "replaced by notes":
            path.write_text("notes\n" * 1000)
            with pytest.warns(CacheWarning), pytest.raises(StoreError, match="not a database"):
                store.write(near.keys, [near.block])
            assert path.read_text().startswith("notes")
            return
        with pytest.warns(CacheWarning, match="was deleted or replaced while it was in use"):
            store.write(near.keys, [near.block])
        assert near.found(store) == near.truth
    with Store(path) as store:
        assert store.count() == near.plan.size


def test_a_store_says_which_version_wrote_it(path, near, monkeypatch):
    import flatphys
    from flatphys.sweeps import keys

    monkeypatch.setattr(flatphys, "__version__", "9.9")
    monkeypatch.setattr(keys, "solver_version", lambda: "another")
    newer = Asked([0.01, 0.1, 0.3])
    with Store(path) as store:
        with pytest.warns(CacheWarning, match="has points of flatphys 0.1.0; this is 9.9"):
            assert newer.found(store) == {}
        store.write(newer.keys, [newer.block])
        assert sorted(entry["version"] for entry in store.problems()) == ["0.1.0", "0.1.0", "9.9"]
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(StoreError, match=r"a newer version of flatphys, 0.1.0 \(format 99; this is 9.9"):
        Store(path)


def test_without_shared_memory_there_is_no_write_ahead_log(tmp_path, near, monkeypatch):
    monkeypatch.setattr(opening, "_is_shared", lambda path: True)
    with Store(tmp_path / "a.sqlite") as store:
        assert store._value("PRAGMA journal_mode") == "delete"
        store.write(near.keys, [near.block])
        assert near.found(store) == near.truth
    monkeypatch.undo()
    connect = sqlite3.connect

    def dotfile(place, **options):  # locks and no shared memory, as on many network file systems
        return connect(f"{place.as_uri()}?vfs=unix-dotfile", uri=True, **options)

    monkeypatch.setattr(sqlite3, "connect", dotfile)
    with Store(tmp_path / "b.sqlite") as store:
        assert store._value("PRAGMA journal_mode") == "delete"
        store.write(near.keys, [near.block])
        assert near.found(store) == near.truth


@pytest.mark.parametrize("what", ["notes", "another program's", "locked", "a folder", "nowhere"])
def test_a_spare_store_that_cannot_be_used_is_said_once(tmp_path, near, monkeypatch, what):
    path = tmp_path / "s.sqlite"
    if what == "notes":
        path.write_text("notes\n" * 1000)
    elif what == "a folder":
        path.mkdir()
    elif what in ("another program's", "locked"):
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("CREATE TABLE mine (x)" if what != "locked" else "BEGIN EXCLUSIVE")
        monkeypatch.setattr(opening, "BUSY", 0.05)
    else:
        path = tmp_path / "file" / "s.sqlite"
        (tmp_path / "file").write_text("")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with Spare(path) as store:
            table = fp.sweep(fp.Model(), alpha=LOADS[:5], question=echo, distance=[0.1], store=store, workers=1)
            assert near.found(store) == {}
        with pytest.raises(StoreError):
            Store(path)
    assert table.first.values.tolist() == np.sin(LOADS[:5]).tolist()
    assert [one.category for one in said] == [CacheWarning] and str(said[0].message).startswith("results are not kept: ")


def test_a_spare_store_that_fills_the_disk_is_said_once(tmp_path, near, monkeypatch):
    def full(self, *arguments):
        raise self._damaged(sqlite3.OperationalError("database or disk is full"))

    monkeypatch.setattr(Database, "write", full)
    with Spare(tmp_path / "s.sqlite") as store:
        with pytest.warns(CacheWarning, match="results are not kept: .* is the disk full"):
            store.write(near.keys, [near.block])
        store.write(near.keys, [near.block])


def test_records_that_are_no_json_are_a_store_error(path):
    db = sqlite3.connect(path)
    for value in ("{", b"\xff\xfe", "[1]", 7):
        db.execute("UPDATE problem SET text = ? WHERE id = 1", (value,))
        db.commit()
        with Store(path) as store:
            for look in (store.problems, lambda store=store: list(store.records()), lambda store=store: store.prune(everything=True)):
                with pytest.raises(StoreError, match="store check"):
                    look()
    db.close()


def test_a_closed_store_says_so(path, near):
    store = Store(path)
    store.close()
    for look in (store.count, store.problems, store.check, lambda: near.found(store)):
        with pytest.raises(StoreError, match="is closed"):
            look()
    assert store_module.default_path().name and os.path.exists(path)
