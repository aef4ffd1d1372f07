"""Records that were computed before: one JSON file a figure, named by everything that could change it.

The key is a hash of the package's sources and of the versions of Python and of the numerical libraries, so that a file written by
another version is never read.  Files are written whole: two processes may write at once, and a killed one leaves nothing
half-written.  A file that cannot be read, or whose checksum does not fit, counts as missing, a folder that cannot be written as no store.
"""

import functools
import hashlib
import json
import os
import pathlib
import platform
import time

import platformdirs

from flatphys.files import replaced
from flatphys.sweeps.keys import fingerprint

_STALE_SECONDS = 30 * 24 * 3600.0  # files of other versions unused for a month are removed


@functools.cache
def version_key() -> str:
    """The hash of sources and versions."""
    import numba
    import numpy
    import scipy

    versions = (platform.python_version(), numpy.__version__, scipy.__version__, numba.__version__)
    return hashlib.sha256(" ".join((*versions, fingerprint(("cli",)))).encode()).hexdigest()[:16]


def folder(store) -> pathlib.Path | None:
    """The folder that `store` stands for."""
    if store is False or store is None:
        return None
    return pathlib.Path(platformdirs.user_cache_dir("flatphys")) / "figures" if store is True else pathlib.Path(store)


def records(name: str, compute, store) -> list[dict]:
    """compute(), or what an earlier call has stored under this name."""
    place = folder(store)
    path = None if place is None else place / f"{name}-{version_key()}.json"
    if path is not None:
        try:
            mark, _, text = path.read_text(encoding="utf-8").partition("\n")
            if mark == _checksum(text):
                os.utime(path)
                return json.loads(text)
        except (OSError, ValueError):
            pass
    text = json.dumps(compute())
    if path is not None:
        _write(path, text)
    return json.loads(text)  # the same values, from a store or not (floats keep all their digits)


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _write(path: pathlib.Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(path) as beside:
            beside.write_text(f"{_checksum(text)}\n{text}", encoding="utf-8")
        for other in path.parent.iterdir():
            if other != path and time.time() - other.stat().st_mtime > _STALE_SECONDS:
                other.unlink(missing_ok=True)
    except OSError:
        return
