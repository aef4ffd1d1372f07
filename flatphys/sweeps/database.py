"""Database: the SQLite file behind a `Store`: made, recognised, read and written.

Tables: `problem` (everything about a point that is not a number, as JSON), `layout` (names of its values), `point` (place, values as
binary float64 with a checksum, texts).  A key is (problem, place); who comes second with the same key is ignored, so that
two processes may write at once.  Every batch is one transaction in write-ahead mode: a process killed at any moment leaves
whole batches behind and nothing else.
"""

import json
import pathlib
import sqlite3
import threading
import time
import zlib

import numpy as np

from flatphys.errors import StoreError
from flatphys.sweeps.point import Block

APPLICATION = 0x666C6174  # "flat", in the header of the file
SCHEMA = 1  # raise it with every change of the tables or of what a record means
BUSY = 60.0  # seconds to wait for another process's transaction
FETCH = 400  # places in one query
_TABLES = """
CREATE TABLE problem (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, created REAL NOT NULL);
CREATE TABLE layout (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE point (
    problem INTEGER NOT NULL, place BLOB NOT NULL, layout INTEGER NOT NULL, status TEXT NOT NULL, message TEXT NOT NULL,
    branch TEXT NOT NULL, data BLOB NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY (problem, place)
) WITHOUT ROWID;
"""


def _text(value) -> str:
    return value if isinstance(value, str) else "\t" + json.dumps(value, separators=(",", ":"))


def _untext(text: str):
    return tuple(json.loads(text[1:])) if text.startswith("\t") else text


class Database:
    """The file at `path`; see `flatphys.Store`."""

    def __init__(self, path, create: bool = True):
        self.path = pathlib.Path(path).expanduser()
        if not create and not self.path.exists():
            raise StoreError(f"there is no store at {self.path}; a sweep with store={str(self.path)!r} makes one")
        self._lock = threading.RLock()
        self._problems, self._layouts, self._layout_names = {}, {}, {}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = not self.path.exists() or self.path.stat().st_size == 0
            self._db = sqlite3.connect(self.path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"cannot open the store {self.path}: {error}; check the folder's permissions, or choose another file with store="
            ) from None
        try:
            self._open(new)
        except sqlite3.Error as error:
            self._db.close()
            raise self._damaged(error) from None
        except StoreError:
            self._db.close()
            raise

    def _open(self, new):
        if not new:  # looked at before anything is written: the file may belong to another program
            self._recognise()
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")  # a killed process loses nothing; a power cut at most the last batches
        self._db.execute("BEGIN IMMEDIATE")
        try:
            if self._value("SELECT count(*) FROM sqlite_master") == 0:
                for statement in _TABLES.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA application_id={APPLICATION}")
                self._db.execute(f"PRAGMA user_version={SCHEMA}")
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
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
                f"the store {self.path} was written by {age} version of flatphys (format {schema}, this one reads {SCHEMA}): "
                f"choose another file, export it with that version, or delete it (its points can be computed again)"
            )
        tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"problem", "layout", "point"} <= tables:
            raise sqlite3.DatabaseError("tables are missing")

    def _value(self, query, *arguments):
        return self._db.execute(query, arguments).fetchone()[0]

    def _damaged(self, error) -> StoreError:
        if isinstance(error, sqlite3.OperationalError) and not any(word in str(error) for word in ("malformed", "no such", "corrupt")):
            return StoreError(
                f"the store {self.path} cannot be used: {error}; is the disk full, or the file read-only or held by another program?"
            )
        return StoreError(
            f"the store {self.path} is damaged ({error}): move or delete it (its points can be computed again), or choose another file"
        )

    def read(self, keys, points) -> list[Block]:
        """Blocks of those points that the store has."""
        out = []
        with self._lock:
            try:
                for problem, rows, places in keys.of(points):
                    number = self._problem(problem, make=False)
                    if number is not None:
                        out += self._blocks(number, np.asarray(points)[rows], places)
            except sqlite3.Error as error:
                raise self._damaged(error) from None
        return out

    def _blocks(self, problem, points, places):
        found = {}
        for start in range(0, len(places), FETCH):
            some = places[start : start + FETCH]
            marks = ",".join("?" * len(some))
            query = f"SELECT place, layout, status, message, branch, data, checksum FROM point WHERE problem = ? AND place IN ({marks})"
            for place, *record in self._db.execute(query, (problem, *some)):
                found[place] = record
        by_layout = {}
        for point, place in zip(points.tolist(), places):
            if place in found:
                by_layout.setdefault(found[place][0], []).append((point, place, found[place]))
        return [self._block(problem, layout, rows) for layout, rows in by_layout.items()]

    def _block(self, problem, layout, rows):
        names, vector_names, size = self._layout_of(layout)
        for _, place, (*_, data, checksum) in rows:
            if zlib.crc32(data, zlib.crc32(place)) != checksum or len(data) != 8 * (len(names) + len(vector_names) * size):
                raise sqlite3.DatabaseError("the checksum of a point does not fit its values")
        values = np.frombuffer(b"".join(row[2][4] for row in rows), dtype="<f8").reshape(len(rows), -1).astype(float)
        groups = [
            (
                names,
                vector_names,
                np.arange(len(rows)),
                values[:, : len(names)],
                values[:, len(names) :].reshape(len(rows), len(vector_names), size) if vector_names else None,
            )
        ]
        status, message, branch = ([_untext(row[2][i]) for row in rows] for i in (1, 2, 3))
        return Block(np.array([row[0] for row in rows], dtype=np.int64), status, message, branch, groups)

    def write(self, keys, blocks, skipped=()) -> None:
        """Add the points of some blocks in one transaction, those with a status in `skipped` left out."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    for block in blocks:
                        self._add(keys, block, skipped)
                    self._db.execute("COMMIT")
                except BaseException:
                    self._db.execute("ROLLBACK")
                    self._problems.clear()
                    self._layouts.clear()
                    raise
            except sqlite3.Error as error:
                raise self._damaged(error) from None

    def _add(self, keys, block, skipped):
        record = [None] * block.points.size
        for names, vector_names, places, scalars, vectors in block.groups:
            size = 0 if vectors is None else vectors.shape[2]
            layout = self._number(self._layouts, "layout", json.dumps([names, vector_names, size]))
            whole = scalars if vectors is None else np.concatenate([scalars, vectors.reshape(len(places), -1)], axis=1)
            raw, width = np.ascontiguousarray(whole, dtype="<f8").tobytes(), 8 * whole.shape[1]
            for i, place in enumerate(places.tolist()):
                record[place] = layout, raw[i * width : (i + 1) * width]
        for problem, rows, places in keys.of(block.points):
            number = self._problem(problem)
            self._db.executemany(
                "INSERT OR IGNORE INTO point VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        number,
                        place,
                        record[row][0],
                        _text(block.status[row]),
                        _text(block.message[row]),
                        block.branch[row],
                        record[row][1],
                        zlib.crc32(record[row][1], zlib.crc32(place)),
                    )
                    for row, place in zip(rows.tolist(), places)
                    if block.status[row] not in skipped
                ],
            )

    def _problem(self, text, make=True):
        return self._number(self._problems, "problem", text, make)

    def _number(self, known, table, text, make=True):
        """The number of a text in its table."""
        if text not in known:
            if make:
                extra = (time.time(),) if table == "problem" else ()
                columns, marks = ("text, created", "?, ?") if extra else ("text", "?")
                self._db.execute(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})", (text, *extra))
            found = self._db.execute(f"SELECT id FROM {table} WHERE text = ?", (text,)).fetchone()
            if found is None:
                return None
            known[text] = found[0]
        return known[text]

    def _layout_of(self, number):
        if number not in self._layout_names:
            names, vector_names, size = json.loads(self._value("SELECT text FROM layout WHERE id = ?", number))
            self._layout_names[number] = tuple(names), tuple(vector_names), size
        return self._layout_names[number]

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
