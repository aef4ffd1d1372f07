"""How the file of a store is opened: with a write-ahead log where that works, read-only where nothing can be written."""

import contextlib
import os
import pathlib
import sqlite3
import time

BUSY = 60.0  # seconds to wait for another process's transaction
# A write-ahead log lives in memory that all processes share: several machines on one of these have none in common.
_SHARED = ("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "afs", "9p", "sshfs", "gluster", "pvfs", "orangefs", "panfs", "weka")


def connect(path: pathlib.Path) -> tuple[sqlite3.Connection, bool]:
    """(connection, whether it can write)."""
    new = not path.exists()
    if new or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        try:
            return _usable(sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)), True
        except sqlite3.OperationalError as error:
            if new or not any(word in str(error) for word in ("readonly", "unable to open")):
                raise
    for how in ("mode=ro", "immutable=1"):  # a log cannot be read without a shared file beside it, on a medium that takes none
        try:
            place = f"{path.absolute().as_uri()}?{how}"
            return _usable(sqlite3.connect(place, timeout=BUSY, isolation_level=None, check_same_thread=False, uri=True)), False
        except sqlite3.OperationalError as error:
            last = error
    raise last


def _usable(db):
    db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")  # what is no text any more fails its checksum
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        db.close()
        raise
    return db


def journal(db: sqlite3.Connection, path: pathlib.Path) -> None:
    """A write-ahead log where it works, else SQLite's own rollback journal."""
    wanted = "delete" if _is_shared(path) else "wal"
    if wanted == "wal" and _set(db, "wal"):
        db.execute("PRAGMA synchronous=NORMAL")  # a killed process loses nothing; a power cut at most the last batches
    elif not _set(db, "delete"):
        db.execute("PRAGMA journal_mode=DELETE")  # once more, for its error


def _set(db, wanted) -> bool:
    """Whether the journal is of the wanted kind; others that open the same new file are waited for."""
    limit = time.monotonic() + 0.1 * BUSY
    while True:
        try:
            return wanted in (db.execute(f"PRAGMA journal_mode{how}").fetchone()[0] for how in ("", f"={wanted}"))
        except sqlite3.OperationalError as error:  # no shared memory, no locks on it
            if "locked" not in str(error) or time.monotonic() > limit:
                return False
            time.sleep(0.02)


def _is_shared(path) -> bool:
    """Whether a file lies on a file system that several machines may have mounted (as far as Linux tells)."""
    kind, longest = "", -1
    with contextlib.suppress(OSError):
        place = os.path.realpath(path)
        for line in pathlib.Path("/proc/self/mounts").read_text(errors="replace").splitlines():
            _, folder, name, *_ = line.split(" ")
            folder = folder.encode().decode("unicode_escape")
            if (place + "/").startswith(folder.rstrip("/") + "/") and len(folder) > longest:
                kind, longest = name, len(folder)
    return any(name in kind for name in _SHARED)
