"""A store looked through from end to end: what is damaged is set aside, what is not is saved."""

import contextlib
import json
import os
import pathlib
import sqlite3
from dataclasses import dataclass

import numpy as np

from flatphys.sweeps import rows

_ROWS = f"""SELECT problem, (SELECT text FROM problem WHERE id = point.problem), (SELECT text FROM layout WHERE id = point.layout),
{rows.COLUMNS} FROM point ORDER BY problem {{0}}, place {{0}}"""


@dataclass(frozen=True)
class Report:
    """What `Store.check` found.

    Attributes
    ----------
    points : int
        Those that are there now.
    damaged : tuple of str
        The points whose checksum did not fit, by question and place.
    sqlite : tuple of str
        What SQLite's own check says is wrong with the file.
    kept : path or None
        Where a damaged file lies now that a new one has taken its place.
    """

    points: int
    damaged: tuple
    sqlite: tuple
    kept: pathlib.Path | None

    @property
    def good(self) -> bool:
        """Whether nothing was wrong."""
        return not (self.damaged or self.sqlite)


def check(store) -> Report:
    """`Store.check`."""
    with store._using():
        wrong = _integrity(store._db)
        damaged, good = {}, []
        for number, problem, layout, row in _scan(store._db, wrong):
            if problem is None or not rows.is_intact(problem, layout, row):
                damaged[number, row[0]] = _named(problem, row[0])
            elif wrong:
                good.append((problem, layout, row))
        kept = None
        if store.writable:
            if wrong:
                kept = _rebuild(store, good)
            else:
                store._set_aside(damaged)
                with store._transaction():  # a problem whose text is damaged has lost all its points
                    store._db.execute("DELETE FROM problem WHERE id NOT IN (SELECT problem FROM point)")
        return Report(store._value("SELECT count(*) FROM point"), tuple(damaged.values()), tuple(wrong), kept)


def _integrity(db) -> list[str]:
    try:
        return [text for (text,) in db.execute("PRAGMA integrity_check") if text != "ok"]
    except sqlite3.DatabaseError as error:
        return [_broken(error)]


def _broken(error) -> str:
    """What SQLite says of a broken file; other errors (locked, closed) are raised, they say nothing about it."""
    if type(error) is not sqlite3.DatabaseError:
        raise error
    return str(error)


def _scan(db, wrong):
    """(number of the problem, its text, the layout's text, row) of every point; past a broken page from the other end."""
    seen = set()
    for order in ("ASC", "DESC"):
        try:
            for number, problem, layout, *row in db.execute(_ROWS.format(order)):
                if (number, row[0]) not in seen:
                    if wrong:
                        seen.add((number, row[0]))
                    yield number, problem, layout, row
            return
        except sqlite3.DatabaseError as error:
            wrong.append(_broken(error))


def _named(problem, place) -> str:
    """A point by its question and its numbers, as far as they can be read."""
    try:
        about = json.loads(problem)
        numbers = np.frombuffer(place, dtype="<f8").tolist()
        return f"{about['question']} at " + ", ".join(f"{name}={value:g}" for name, value in zip(about["place"], numbers, strict=True))
    except (TypeError, ValueError, KeyError):
        return f"an unreadable question at {place!r}"


def _rebuild(store, good) -> pathlib.Path:
    """Put a new file with these rows in the place of a damaged one; returns where that lies now."""
    fresh = store.path.with_name(f"{store.path.name}.new")
    for suffix in ("", "-wal", "-shm", "-journal"):
        pathlib.Path(f"{fresh}{suffix}").unlink(missing_ok=True)
    with type(store)(fresh) as other, other._transaction():
        for problem, layout, row in good:
            number = other._number(other._problems, "problem", problem)
            row[1] = other._number(other._layouts, "layout", layout)
            other._db.execute("INSERT OR IGNORE INTO point VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (number, *row))
    store._db.close()
    kept = store.path.with_name(f"{store.path.name}.damaged")
    count = 1
    while kept.exists():
        count += 1
        kept = store.path.with_name(f"{store.path.name}.damaged-{count}")
    for suffix in ("-wal", "-shm", "-journal", ""):  # the log belongs to the old file
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{store.path}{suffix}", f"{kept}{suffix}")
    os.replace(fresh, store.path)
    store._connect()
    return kept
