"""Database: the SQLite file behind a `Store`: made, recognised, read and written.

Tables: `about` (the version that made it), `problem` (everything about a point that is not a number, as JSON), `layout` (names of its
values), `point` (place, values as binary float64, texts, and a checksum over all of it and over the texts of problem and layout),
`damaged` (rows whose checksum did not fit, set aside).  A key is (problem, place); who comes second with the same key is ignored, so that
two processes may write at once.  Every batch is one transaction: a process killed at any moment leaves whole batches behind and
nothing else.
"""

import contextlib
import sqlite3
import threading
import time
import warnings

import numpy as np

import flatphys
from flatphys import validate
from flatphys.errors import CacheWarning, InvalidInput, StoreError
from flatphys.sweeps import opening, rows
from flatphys.sweeps.point import Block

APPLICATION = 0x666C6174  # "flat", in the header of the file
SCHEMA = 2  # raise it with every change of the tables or of what a record means
FETCH = 400  # places in one query
_POINT = """problem INTEGER NOT NULL, place BLOB NOT NULL, layout INTEGER NOT NULL, status TEXT NOT NULL, message TEXT NOT NULL,
    branch TEXT NOT NULL, data BLOB NOT NULL, checksum BLOB NOT NULL"""
_TABLES = f"""
CREATE TABLE about (version TEXT NOT NULL);
CREATE TABLE problem (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, created REAL NOT NULL, version TEXT NOT NULL);
CREATE TABLE layout (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE point ({_POINT}, PRIMARY KEY (problem, place)) WITHOUT ROWID;
CREATE TABLE damaged (noticed REAL NOT NULL, {_POINT});
"""


class Database:
    """The file at `path`; see `flatphys.Store`."""

    def __init__(self, path, create: bool = True):
        self.path = validate.path("path", path).expanduser()
        self._lock, self._told, self._told_version = threading.RLock(), False, False
        self._connect(validate.flag("create", create))

    def _connect(self, create=True):
        self._problems, self._layouts, self._texts = {}, {}, {}  # what the file is known to hold
        try:
            if not create and not self.path.exists():
                raise StoreError(f"there is no store at {self.path}; a sweep with store={str(self.path)!r} makes one")
            self.path.parent.mkdir(parents=True, exist_ok=True)
            missing = not self.path.exists()
            new = missing or self.path.stat().st_size == 0
            self._db, self.writable = opening.connect(self.path)
        except (OSError, ValueError, sqlite3.OperationalError) as error:  # ValueError: a path with a null byte
            raise StoreError(
                f"cannot open the store {self.path}: {error}; check the folder's permissions, or choose another file with store="
            ) from error
        except sqlite3.Error as error:
            raise self._damaged(error) from error
        try:
            self._open(new)
            self._identity = self._found()
        except (sqlite3.Error, OSError, StoreError) as error:
            self._db.close()
            if missing and self._found() is not None and self.path.stat().st_size == 0:
                self.path.unlink()  # no empty file is left where none was
            raise error if isinstance(error, StoreError) else self._damaged(error) from error

    def _found(self):
        """Which file lies at `path`; None where there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _open(self, new):
        if not new:  # looked at before anything is written: the file may belong to another program
            self._recognise()
        if not self.writable:
            return
        opening.journal(self._db, self.path)
        with self._transaction():
            if self._value("SELECT count(*) FROM sqlite_master") == 0:
                for statement in _TABLES.split(";"):
                    self._db.execute(statement)
                self._db.execute("INSERT INTO about VALUES (?)", (flatphys.__version__,))
                self._db.execute(f"PRAGMA application_id={APPLICATION}")
                self._db.execute(f"PRAGMA user_version={SCHEMA}")
        self._recognise()

    def _recognise(self):
        if self._value("SELECT count(*) FROM sqlite_master") == 0:
            return
        application, schema = self._value("PRAGMA application_id"), self._value("PRAGMA user_version")
        if application != APPLICATION:
            raise StoreError(f"{self.path} is an SQLite file, but not a store of flatphys; choose another file")
        if schema != SCHEMA:
            age = "an older" if schema < SCHEMA else "a newer"
            raise StoreError(
                f"the store {self.path} was written by {age} version of flatphys{self._writer()} (format {schema}; this is "
                f"{flatphys.__version__}, which reads {SCHEMA}): choose another file, export it with that version, or delete it "
                f"(its points can be computed again)"
            )
        tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"about", "problem", "layout", "point", "damaged"} <= tables:
            raise sqlite3.DatabaseError("tables are missing")

    def _writer(self) -> str:
        try:
            return f", {self._value('SELECT version FROM about')}"
        except (sqlite3.Error, TypeError):
            return ""

    def _value(self, query, *arguments):
        return self._db.execute(query, arguments).fetchone()[0]

    @contextlib.contextmanager
    def _transaction(self):
        """What is written inside is there whole or not at all."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk has ended it already
                with contextlib.suppress(sqlite3.Error):  # the first error says why
                    self._db.execute("ROLLBACK")
            self._problems.clear()
            self._layouts.clear()
            raise

    @contextlib.contextmanager
    def _using(self):
        """One thread at a time, on the file that lies at `path`; whatever SQLite or a broken record raises is a `StoreError`."""
        with self._lock:
            try:
                self._follow()
                yield
            except InvalidInput:
                raise
            except (sqlite3.Error, TypeError, ValueError, KeyError, IndexError) as error:
                raise self._damaged(error) from error

    def _follow(self):
        """Notice that the file was deleted or replaced, and go on with the one that is there now (or a new one)."""
        if self._found() != self._identity:
            self._warn(f"the store {self.path} was deleted or replaced while it was in use: points kept until then are not in the new file")
            self._db.close()
            self._connect()

    def _warn(self, text):
        warnings.warn(text, CacheWarning, stacklevel=2)

    def _damaged(self, error) -> StoreError:
        if isinstance(error, sqlite3.ProgrammingError):
            return StoreError(f"the store {self.path} is closed")
        if isinstance(error, (sqlite3.OperationalError, OSError)) and not any(
            word in str(error) for word in ("malformed", "no such", "corrupt")
        ):
            return StoreError(
                f"the store {self.path} cannot be used: {error}; is the disk full, or the file read-only or held by another program?"
            )
        saved = "" if "not a database" in str(error) else f"`flatphys store check --store {self.path}` saves what can be saved; "
        return StoreError(
            f"the store {self.path} is damaged ({error}): {saved}move or delete it (its points can be computed again), or choose another "
            "file"
        )

    def read(self, keys, points) -> list[Block]:
        """Blocks of those points that the store has."""
        out = []
        with self._using():
            for problem, at, places in keys.of(points):
                number = self._number(self._problems, "problem", problem, make=False)
                if number is not None:
                    out += self._blocks(number, problem, np.asarray(points)[at], places)
                elif not self._told_version:
                    self._compare_version(problem)
        return out

    def _compare_version(self, problem):
        """Say once that points which would be computed again are there, of another version of flatphys."""
        same = problem[: problem.rindex('"solver"')]  # the last entry
        query = "SELECT version FROM problem WHERE text > ? AND text < ? AND version != ?"
        found = self._db.execute(query, (same, same + "~", flatphys.__version__)).fetchone()
        if found is not None:
            self._told_version = True
            self._warn(
                f"the store {self.path} has points of flatphys {found[0]}; this is {flatphys.__version__}, which computes them again "
                "(`flatphys store prune --other-versions` deletes the old ones)"
            )

    def _blocks(self, number, problem, points, places):
        found, by_layout = self._intact(number, problem, places), {}
        for point, place in zip(points.tolist(), places):
            if place in found:
                at, some = by_layout.setdefault(found[place][1], ([], []))
                at.append(point)
                some.append(found[place])
        return [rows.unpacked(self._layout_text(layout), at, some) for layout, (at, some) in by_layout.items()]

    def _intact(self, number, problem, places) -> dict:
        """place -> row, of those places of a problem that the store has undamaged; the damaged ones are set aside."""
        found = {}
        for start in range(0, len(places), FETCH):
            some = places[start : start + FETCH]
            marks = ",".join("?" * len(some))
            query = f"SELECT {rows.COLUMNS} FROM point WHERE problem = ? AND place IN ({marks})"
            found.update((row[0], row) for row in self._db.execute(query, (number, *some)))
        broken = [place for place, row in found.items() if not rows.is_intact(problem, self._layout_text(row[1]), row)]
        if broken:
            self._warn(
                f"{len(broken)} points of the store {self.path} are damaged (the checksum does not fit): they are set aside and computed "
                "again; `flatphys store check` looks through the whole file"
            )
            self._set_aside((number, place) for place in broken)
        return {place: row for place, row in found.items() if place not in set(broken)}

    def _set_aside(self, keys):
        """Take damaged rows out of the points: what is not there is computed again."""
        if self.writable:
            with self._transaction():
                for key in keys:
                    self._db.execute("INSERT INTO damaged SELECT ?, * FROM point WHERE problem = ? AND place = ?", (time.time(), *key))
                    self._db.execute("DELETE FROM point WHERE problem = ? AND place = ?", key)

    def write(self, keys, blocks, skipped=()) -> None:
        """Add the points of some blocks in one transaction, those with a status in `skipped` left out."""
        if not self.writable:
            if not self._told:
                self._told = True
                self._warn(f"the store {self.path} is read-only: points that it lacks are computed and not kept")
            return
        with self._using(), self._transaction():
            for block in blocks:
                self._add(keys, block, skipped)

    def _add(self, keys, block, skipped):
        packed = rows.packed(block, lambda text: self._number(self._layouts, "layout", text))
        for problem, at, places in keys.of(block.points):
            number = self._number(self._problems, "problem", problem)
            self._db.executemany(
                "INSERT OR IGNORE INTO point VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (number, place, layout, *record, rows.checksum(problem, text, place, *record))
                    for i, place in zip(at.tolist(), places)
                    if block.status[i] not in skipped
                    for layout, text, *record in [packed[i]]
                ],
            )

    def _number(self, known, table, text, make=True):
        """The number of a text in its table."""
        if text not in known:
            if make:
                extra = (time.time(), flatphys.__version__) if table == "problem" else ()
                columns, marks = ("text, created, version", "?, ?, ?") if extra else ("text", "?")
                self._db.execute(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})", (text, *extra))
            found = self._db.execute(f"SELECT id FROM {table} WHERE text = ?", (text,)).fetchone()
            if found is None:
                return None
            known[text] = found[0]
        return known[text]

    def _layout_text(self, number) -> str | None:
        if number not in self._texts:
            found = self._db.execute("SELECT text FROM layout WHERE id = ?", (number,)).fetchone()
            self._texts[number] = None if found is None else found[0]
        return self._texts[number]

    def close(self) -> None:
        """Close the file; committed points stay."""
        with self._lock:
            self._db.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def __repr__(self):
        return f"Store({str(self.path)!r})"
