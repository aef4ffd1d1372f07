"""Store: results of sweeps in one SQLite file, so that a point already known is not computed again."""

import contextlib
import datetime
import json
import os
import pathlib
import sqlite3
import time
import warnings
from collections.abc import Iterator

import numpy as np

from flatphys import validate
from flatphys.errors import CacheWarning, InvalidInput, StoreError
from flatphys.sweeps.database import Database
from flatphys.sweeps.keys import solver_version
from flatphys.sweeps.repair import Report, check
from flatphys.sweeps.rows import unpacked


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
        with self._using():
            return self._value("SELECT count(*) FROM point")

    def problems(self) -> list[dict]:
        """What is stored: one dict per problem with its number `id`, `question`, `options`, `model`, `points`, `created`, `version` and
        `current`.

        `version` is that of flatphys; `current` is False where the solvers have changed since: such points are never read by a sweep.
        """
        query = "SELECT id, created, version, text, (SELECT count(*) FROM point WHERE problem = problem.id) FROM problem ORDER BY id"
        with self._using():
            return [
                {"id": number, "created": created, "version": version, "points": points, **_described(json.loads(text))}
                for number, created, version, text, points in self._db.execute(query)
            ]

    def records(self, problem: int | None = None) -> Iterator[dict]:
        """Every point (of one problem) as a flat dict: problem, question, numbers of the model, values, status, message.

        Where the question has an array option, one dict per element.
        """
        if problem is not None:
            problem = validate.integer("problem", problem)
            if problem not in {entry["id"] for entry in self.problems()}:
                raise InvalidInput(f"problem must be a number that the store lists, got {problem!r}")
        return self._records(problem)

    def _records(self, problem):
        for entry in self.problems():
            if problem is not None and entry["id"] != problem:
                continue
            common = {"problem": entry["id"], "question": entry["question"]} | {
                name: _plain(value) for name, value in entry["options"].items() if not isinstance(value, list)
            }
            axis = next(((name, [float(v) for v in value]) for name, value in entry["options"].items() if isinstance(value, list)), None)
            with self._using():
                number, text = entry["id"], self._value("SELECT text FROM problem WHERE id = ?", entry["id"])
                places = [place for (place,) in self._db.execute("SELECT place FROM point WHERE problem = ? ORDER BY place", (number,))]
                found = self._intact(number, text, places)
                blocks = {place: unpacked(self._layout_text(row[1]), [0], [row]) for place, row in found.items()}
            for place, block in sorted(blocks.items()):
                where = common | dict(zip(entry["place"], np.frombuffer(place, dtype="<f8").tolist()))
                yield from _rows(where, axis, block)

    def check(self) -> Report:
        """Look through the whole file: SQLite's own check, and the checksum of every point.

        Damaged points are set aside and computed again by the next sweep that asks for them.  Where the file itself is damaged, what can
        be read is moved into a new one, and the old one is kept beside it.
        """
        return check(self)

    def export(self, path: str | os.PathLike, problem: int | None = None) -> pathlib.Path:
        """Write the points (of one problem) as a table: netCDF (.nc, one dimension "point") or CSV (.csv)."""
        from flatphys.sweeps.files import save_records

        path = validate.path("path", path)
        validate.choice("the file's suffix", path.suffix, (".nc", ".csv"))
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
        other_versions, everything = validate.flag("other_versions", other_versions), validate.flag("everything", everything)
        question = None if question is None else validate.text("question", question)
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
        with self._using():
            with self._transaction():
                for entry in chosen:
                    self._db.execute("DELETE FROM point WHERE problem = ?", (entry["id"],))
                    self._db.execute("DELETE FROM problem WHERE id = ?", (entry["id"],))
            self._problems.clear()
            with contextlib.suppress(sqlite3.OperationalError):  # another process reads: the file shrinks another time
                self._db.execute("VACUUM")
        return sum(entry["points"] for entry in chosen)


class Spare(Store):
    """A store to do without: the first time that it cannot be used is said, and everything is computed and not kept."""

    def __init__(self, path):
        self._idle = False
        try:
            super().__init__(path)
        except StoreError as error:
            self._give_up(error)

    def _give_up(self, error):
        self._idle = True
        warnings.warn(f"results are not kept: {error}", CacheWarning, stacklevel=2)

    def read(self, keys, points):
        """As far as the store can be read."""
        try:
            return [] if self._idle else super().read(keys, points)
        except StoreError as error:
            self._give_up(error)
            return []

    def write(self, keys, blocks, skipped=()):
        """As far as the store can be written."""
        try:
            if not self._idle:
                super().write(keys, blocks, skipped)
        except StoreError as error:
            self._give_up(error)

    def close(self):
        """Close the file, if there is one."""
        if hasattr(self, "_db"):
            super().close()


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
