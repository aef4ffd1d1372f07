"""Files that are there whole or not at all, and whether a place on disk is the user's own."""

import contextlib
import itertools
import os
import pathlib
import platform
import re
import stat
import time
from collections.abc import Iterator

_COUNT = itertools.count()
_FORGOTTEN = 24 * 3600.0  # seconds after which a temporary file of another machine is no longer being written


@contextlib.contextmanager
def replaced(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """A temporary path beside `path` that takes its place at the end: forced to disk first, gone where anything fails.

    What a killed process has left there is removed by the next that writes the same file.
    """
    path = pathlib.Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(2, "no such folder", str(path.parent))
    beside = path.with_name(f".{path.stem}.{_machine()}-{os.getpid()}-{next(_COUNT)}.part{path.suffix}")
    _sweep_up(path)
    try:
        yield beside
        handle = os.open(beside, os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    _settle(path.parent)


def _machine() -> str:
    return re.sub(r"\W", "_", platform.node()) or "here"


def _settle(folder):
    """Force the rename itself to disk, where folders can be opened."""
    if hasattr(os, "O_DIRECTORY"):
        with contextlib.suppress(OSError):
            handle = os.open(folder, os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _sweep_up(path):
    """Remove temporary files of `path` that nobody writes any more."""
    pattern = re.compile(rf"\.{re.escape(path.stem)}\.(\w+)-(\d+)-\d+\.part{re.escape(path.suffix)}")
    for name in os.listdir(path.parent):
        found = pattern.fullmatch(name)
        if found:
            with contextlib.suppress(OSError):
                other = path.with_name(name)
                mine = found[1] == _machine() and not _alive(int(found[2]))
                if mine or time.time() - other.stat().st_mtime > _FORGOTTEN:
                    other.unlink()


def _alive(process: int) -> bool:
    """Whether a process of this machine runs; where that cannot be asked without harm (Windows), every one does."""
    if os.name == "posix":
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass
    return True


def not_ours(found: os.stat_result) -> str:
    """Why the contents of a file or folder may be a stranger's; "" where only this user or root can have written them."""
    if not hasattr(os, "geteuid"):
        return ""
    if found.st_uid not in (os.geteuid(), 0):
        return f"it belongs to user {found.st_uid}, who is neither you nor root"
    return "anybody may write there" if found.st_mode & stat.S_IWOTH and not stat.S_ISLNK(found.st_mode) else ""
