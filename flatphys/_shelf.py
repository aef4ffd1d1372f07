"""Where compiled code lies on disk: found, trusted, checked byte for byte, written whole; numbers never depend on any of it.

Compiled code is unpickled and run, so it is read only from folders and files that nobody but this user or root can have written, and
only if its checksum fits: a flipped bit in machine code would be a wrong number or the end of the process.  Whatever cannot be read or
written here costs a compilation and one warning.
"""

import contextlib
import hashlib
import os
import pathlib
import shutil
import tempfile
import time
import warnings

import platformdirs

from flatphys.errors import CacheWarning
from flatphys.files import not_ours, replaced

_MAGIC = b"flatphys kernel 1\n"
_DIGEST = 32
_STALE_SECONDS = 30 * 24 * 3600.0  # what no process has used for a month is removed


def _places():
    """Folders for compiled code, the best first."""
    asked = os.environ.get("NUMBA_CACHE_DIR")
    if asked:
        yield pathlib.Path(asked).absolute()
    home = pathlib.Path(platformdirs.user_cache_dir("flatphys"))
    if home.is_absolute():  # a user without a home folder has "~"
        yield home
    with contextlib.suppress(OSError):  # no folder for temporary files either
        yield pathlib.Path(tempfile.gettempdir()) / f"flatphys-{os.geteuid() if hasattr(os, 'geteuid') else 'kernels'}"


def _refusal(folder: pathlib.Path) -> str:
    """Why nothing is read from `folder`, "" where it may be; makes it if it is missing."""
    kernels = folder / "kernels"
    try:
        for one in (folder, kernels):
            one.mkdir(mode=0o755, parents=True, exist_ok=True)
        return not_ours(os.lstat(folder)) or not_ours(os.stat(folder)) or not_ours(os.lstat(kernels)) or not_ours(os.stat(kernels))
    except OSError as error:
        return error.strerror or str(error)


class Shelf:
    """Compiled code of this process, by room (a module) and name (a function as it is now, and its types)."""

    def __init__(self):
        self._places, self._read, self._write, self._told, self._cleared = None, [], None, set(), False
        self._wrong = []  # what is wrong with the places before the one in use

    def _look(self):
        """Find the places once, when the first kernel is called."""
        if self._places is None:
            self._places = _places()
            if self._next():
                self._say_where()

    def _next(self) -> bool:
        """Go on to the next place that can be read, and to one that can be written as well; whether any could not even be read."""
        self._write, refused = None, False
        for folder in self._places:
            why = _refusal(folder)
            if why:
                refused = True
                self._wrong.append(f"{folder} is not used ({why})")
                continue
            self._read.append(folder / "kernels")
            if os.access(folder / "kernels", os.W_OK | os.X_OK):
                self._write = folder / "kernels"
                break
            self._wrong.append(f"{folder} cannot be written")
        return refused

    def _say_where(self):
        where = f"is kept in {self._write.parent}" if self._write else "is not kept: every process compiles anew, which takes minutes"
        self._warn(
            "place",
            f"{'; '.join(self._wrong)}: compiled code {where}. Set NUMBA_CACHE_DIR to a folder that is yours, that nobody else can write "
            "and that has room; numbers are not affected",
        )

    def read(self, room: str, name: str) -> bytes | None:
        """What was kept under this name; None where there is nothing, or nothing that can be trusted."""
        self._look()
        for base in self._read:
            try:
                with open(base / room / name, "rb") as file:
                    found = os.fstat(file.fileno())
                    why = not_ours(found) or not_ours(os.stat(base / room))
                    data = b"" if why else file.read()
            except FileNotFoundError:
                continue
            except OSError as error:
                self.damaged(room, name, error.strerror or str(error))
                continue
            body = data[len(_MAGIC) + _DIGEST :]
            if data.startswith(_MAGIC) and data[len(_MAGIC) : len(_MAGIC) + _DIGEST] == _checksum(room, name, body):
                if time.time() - found.st_mtime > 0.1 * _STALE_SECONDS:
                    with contextlib.suppress(OSError):
                        os.utime(base / room / name)
                return body
            self.damaged(room, name, why or "its checksum does not fit")
        return None

    def write(self, room: str, name: str, body: bytes) -> None:
        """Keep `body` under this name, or go on without."""
        self._look()
        while self._write is not None:
            folder = self._write / room
            try:
                self._clear()
                folder.mkdir(mode=0o755, parents=True, exist_ok=True)
                with replaced(folder / name) as beside:
                    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
                        file.write(_MAGIC + _checksum(room, name, body) + body)
                break
            except OSError as error:
                self._wrong.append(f"{self._write.parent} cannot be written ({error.strerror or error})")
                self._next()
        if self._wrong:
            self._say_where()

    def damaged(self, room: str, name: str, why: str) -> None:
        """Take away code that cannot be used, and say so once."""
        for base in self._read:
            place = base / room / name
            with contextlib.suppress(OSError):
                shutil.rmtree(place) if place.is_dir() else place.unlink()
        folders = ", ".join(str(base) for base in self._read)
        self._warn("damage", f"compiled code in {folders} cannot be used ({why}) and is compiled again; numbers are not affected")

    def _warn(self, kind, text):
        if kind not in self._told:
            self._told.add(kind)
            warnings.warn(text, CacheWarning, stacklevel=2)

    def _clear(self):
        """Take away what no process has used for long, once."""
        if not self._cleared:
            self._cleared = True
            with contextlib.suppress(OSError):
                for path in self._write.rglob("*"):
                    if path.is_file() and time.time() - path.stat().st_mtime > _STALE_SECONDS:
                        path.unlink()
                for folder in self._write.iterdir():
                    with contextlib.suppress(OSError):
                        folder.rmdir()  # where it is empty


def _checksum(room, name, body) -> bytes:
    """SHA-256 of a kernel and of where it belongs: code under another's name is damage too."""
    digest = hashlib.sha256(f"{room}/{name}\n".encode())
    digest.update(body)
    return digest.digest()
