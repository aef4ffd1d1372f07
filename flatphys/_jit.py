"""The one decorator of every kernel: compiler flags and the folder of compiled code.

numba decides whether a cached function is stale by looking at the file that defines it, not
at the files it calls, so after an edit in one module a cached caller elsewhere would go on
returning the old number.  The cache folder is therefore named by a hash of the sources of all rooms
that hold kernels: any edit there starts an empty folder.
"""

import hashlib
import os
import pathlib
import shutil
import time

import numba
import platformdirs

__all__ = ["cache_folder", "jit"]

_PACKAGE = pathlib.Path(__file__).parent
_ROOMS = ("numerics", "kernels", "saddle", "observables", "finite_size")  # a kernel elsewhere must be added here: a test looks for it
_STALE_SECONDS = 30 * 24 * 3600.0  # folders of other versions unused for a month are removed


def _source_hash() -> str:
    digest = hashlib.sha256()
    digest.update(pathlib.Path(__file__).read_bytes())  # the flags below
    for path in sorted(p for room in _ROOMS for p in (_PACKAGE / room).rglob("*.py")):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _prepare_folder() -> str:
    base = pathlib.Path(os.environ.get("NUMBA_CACHE_DIR") or platformdirs.user_cache_dir("flatphys")) / "kernels"
    folder = base / _source_hash()
    try:
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
            for other in base.iterdir():
                if other != folder and time.time() - other.stat().st_mtime > _STALE_SECONDS:
                    shutil.rmtree(other, ignore_errors=True)
        os.utime(folder)
    except OSError:  # read-only home: numba then falls back to its own choice of folder
        return ""
    return str(folder)


cache_folder: str = _prepare_folder()


def jit(function):
    """Compile `function` in nopython mode and keep the machine code on disk.

    Division by zero follows IEEE (inf, nan) instead of raising, so that loops vectorise;
    no flag lets LLVM reassociate or fuse: every operation rounds as it is written.  With fused multiply-adds ("contract") a
    process that had compiled a kernel itself returned other last bits than one that loaded it from the disk, because the copies of a
    callee in different callers are optimised differently and the first one loaded serves all (measured; it costs a tenth of the speed).
    """
    saved = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = cache_folder or saved  # read once, when the decorator runs
    try:
        return numba.njit(cache=True, error_model="numpy", nogil=True)(function)
    finally:
        numba.config.CACHE_DIR = saved
