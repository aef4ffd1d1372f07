"""Store: results of sweeps in one SQLite file, so that a point already known is not computed again."""

import contextlib
import datetime
import json
import os
import pathlib
import sqlite3
import time
from collections.abc import Iterator

import numpy as np

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.sweeps.database import Database
from flatphys.sweeps.keys import solver_version


def default_path() -> pathlib.Path:
    """The store of the command line: FLATPHYS_STORE, or store.sqlite in the user's cache folder."""
    import platformdirs

    return pathlib.Path(os.environ.get("FLATPHYS_STORE") or pathlib.Path(platformdirs.user_cache_dir("flatphys")) / "store.sqlite")


class Store(Database):
    """A file of results of sweeps; made where it is missing.

    Parameters
    ----------
    path : str or path
        The SQLite file.
    create : bool
        Whether a missing file is made.

    Raises
    ------
    StoreError
        The file is damaged, not a store, or written by another version of its format.

    Examples
    --------
    >>> import flatphys as fp, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "results.sqlite"
    >>> table = fp.sweep(fp.Model(), alpha=[0.2, 0.4], store=path)
    >>> with fp.Store(path) as store:
    ...     store.count()
    2
    """

    def count(self) -> int:
        """The number of points."""
        with self._lock:
            return self._value("SELECT count(*) FROM point")

    def problems(self) -> list[dict]:
        """What is stored: one dict per problem with its number `id`, `question`, `options`, `model`, `points`, `created` and `current`.

        `current` is False where another version of the solvers computed it: such points are never read by a sweep.
        """
        with self._lock:
            try:
                rows = self._db.execute(
                    "SELECT id, text, created, (SELECT count(*) FROM point WHERE problem = problem.id) FROM problem ORDER BY id"
                ).fetchall()
            except sqlite3.Error as error:
                raise self._damaged(error) from None
        return [{"id": i, "created": created, "points": points, **_described(json.loads(text))} for i, text, created, points in rows]

    def records(self, problem: int | None = None) -> Iterator[dict]:
        """Every point (of one problem) as a flat dict: problem, question, numbers of the model, values, status, message.

        Where the question has an array option, one dict per element.
        """
        for entry in self.problems():
            if problem is not None and entry["id"] != problem:
                continue
            common = {"problem": entry["id"], "question": entry["question"]} | {
                name: _plain(value) for name, value in entry["options"].items() if not isinstance(value, list)
            }
            axis = next(((name, [float(v) for v in value]) for name, value in entry["options"].items() if isinstance(value, list)), None)
            with self._lock:
                query = "SELECT place, layout, status, message, branch, data, checksum FROM point WHERE problem = ? ORDER BY place"
                rows = self._db.execute(query, (entry["id"],)).fetchall()
            for place, *record in rows:
                try:
                    block = self._block(entry["id"], record[0], [(0, place, record)])
                except sqlite3.Error as error:
                    raise self._damaged(error) from None
                where = common | dict(zip(entry["place"], np.frombuffer(place, dtype="<f8").tolist()))
                yield from _rows(where, axis, block)

    def export(self, path: str | os.PathLike, problem: int | None = None) -> pathlib.Path:
        """Write the points (of one problem) as a table: netCDF (.nc, one dimension "point") or CSV (.csv)."""
        from flatphys.sweeps.files import save_records

        path = pathlib.Path(path)
        validate.choice("the file's suffix", path.suffix, (".nc", ".csv"))
        if problem is not None and problem not in {entry["id"] for entry in self.problems()}:
            raise InvalidInput(f"problem must be a number that the store lists, got {problem!r}")
        save_records(list(self.records(problem)), path)
        return path

    def prune(
        self, *, other_versions: bool = False, older_than: float | None = None, question: str | None = None, everything: bool = False
    ) -> int:
        """Delete problems with their points and return how many points; what is given must hold together.

        Parameters
        ----------
        other_versions : bool
            Computed by another version of the solvers.
        older_than : float
            Begun so many days ago or more.
        question : str
            Of that question.
        everything : bool
            All of them.
        """
        if not (other_versions or older_than is not None or question or everything):
            raise InvalidInput("say what to delete: other_versions, older_than, question or everything")
        days = None if older_than is None else validate.number("older_than", older_than, 0.0, closed="[")
        chosen = [
            entry
            for entry in self.problems()
            if not (other_versions and entry["current"])
            and not (days is not None and time.time() - entry["created"] < 86400.0 * days)
            and not (question and entry["question"] != question.replace("-", "_"))
        ]
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    for entry in chosen:
                        self._db.execute("DELETE FROM point WHERE problem = ?", (entry["id"],))
                        self._db.execute("DELETE FROM problem WHERE id = ?", (entry["id"],))
                    self._db.execute("COMMIT")
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                self._problems.clear()
                with contextlib.suppress(sqlite3.OperationalError):  # another process reads: the file shrinks another time
                    self._db.execute("VACUUM")
            except sqlite3.Error as error:
                raise self._damaged(error) from None
        return sum(entry["points"] for entry in chosen)


def _described(problem: dict) -> dict:
    """A problem for people; `place` are the names of its numbers."""
    return {
        "question": problem["question"],
        "options": problem["options"],
        "model": problem["model"],
        "place": problem["place"],
        "current": problem["solver"] == solver_version(),
        "solver": problem["solver"],
    }


def _plain(text):
    """The number that a canonical text spells, or the text."""
    try:
        return float(text) if isinstance(text, str) else text
    except ValueError:
        return text


def _rows(where: dict, axis, block):
    """Flat dicts of a block of one point."""
    names, vector_names, _, scalars, vectors = block.groups[0]
    fixed = where | dict(zip(names, scalars[0].tolist()))
    status, message, branch = block.status[0], block.message[0], block.branch[0]
    if axis is None:
        yield fixed | {"branch": branch, "status": status, "message": message}
        return
    for i, value in enumerate(axis[1]):
        inner = {} if vectors is None else dict(zip(vector_names, vectors[0, :, i].tolist()))
        texts = {"status": status if isinstance(status, str) else status[i], "message": message if isinstance(message, str) else message[i]}
        yield fixed | {axis[0]: value} | inner | {"branch": branch} | texts


def when(seconds: float) -> str:
    """A time as a date and an hour."""
    return datetime.datetime.fromtimestamp(seconds).isoformat(" ", "minutes")
