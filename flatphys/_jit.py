"""The one decorator of every kernel: compiler flags and the folder of compiled code.

numba decides whether a cached function is stale by looking at the file that defines it, not at the files it calls, so after an
edit in one module a cached caller elsewhere would go on returning the old number.  A kernel can only call what its module
imports: the cache folder of each module is therefore named by a hash of its source and of everything in this package that it
imports, directly or not.  No room is named by hand, and an edit leaves the compiled code of unrelated modules standing.
"""

import functools
import hashlib
import os
import pathlib
import re
import shutil
import time

import numba
import platformdirs
from numba.core import caching

__all__ = ["cache_folder", "inlined", "jit"]

_PACKAGE = pathlib.Path(__file__).parent
_STALE_SECONDS = 30 * 24 * 3600.0  # folders of other versions unused for a month are removed


def _file(dotted: str) -> pathlib.Path | None:
    """The source of a module of this package."""
    path = _PACKAGE.joinpath(*dotted.split(".")[1:])
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


_IMPORT = re.compile(r"^(?:from (flatphys[\w.]*) import (\([^)]*\)|[^\n#]*)|import (flatphys[\w.]*))", re.MULTILINE)


@functools.cache
def _imports(path: pathlib.Path) -> frozenset:
    """Files of this package that the module at `path` imports when it is loaded (by text: parsing takes ten times as long).

    Imports inside functions bind no name that a kernel can see.
    """
    found = set()
    for source, names, alone in _IMPORT.findall(path.read_text(encoding="utf-8")):
        found.add(_file(source or alone))
        found |= {_file(f"{source}.{name}") for name in re.findall(r"\w+", names)}
    return frozenset(found - {None})


def sources(path: pathlib.Path) -> set:
    """`path` and every file of this package that it imports, directly or through others."""
    reached, waiting = set(), {path}
    while waiting:
        reached |= waiting
        waiting = set().union(*(_imports(one) for one in waiting)) - reached
    return reached


@functools.cache
def _source_hash(path: pathlib.Path) -> str:
    digest = hashlib.sha256(pathlib.Path(__file__).read_bytes())  # the flags below
    digest.update(path.relative_to(_PACKAGE).as_posix().encode())
    for one in sorted(sources(path)):
        digest.update(one.relative_to(_PACKAGE).as_posix().encode() + b"\0" + one.read_bytes())
    return digest.hexdigest()[:16]


def _base() -> pathlib.Path:
    return pathlib.Path(os.environ.get("NUMBA_CACHE_DIR") or platformdirs.user_cache_dir("flatphys")) / "kernels"


@functools.cache
def cache_folder(path: pathlib.Path) -> str:
    """Where the compiled code of the module at `path` is kept; "" where nothing can be written."""
    base = _base()
    folder = base / _source_hash(path)
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


class _Locator(caching._CacheLocator):
    """Where numba keeps the code of one function: the folder of its module, whose name already says which sources it holds for.

    numba's own locators add the place of the checkout and the time of the file: two checkouts of one version would compile twice.
    """

    def __init__(self, function, folder: str):
        self._line, self._folder = function.__code__.co_firstlineno, folder

    def get_cache_path(self):
        return self._folder

    def get_source_stamp(self):
        return self._folder.rpartition(os.sep)[2]

    def get_disambiguator(self):
        return str(self._line)

    @classmethod
    def from_function(cls, function, file):
        folder = cache_folder(pathlib.Path(file))
        return cls(function, folder) if folder else None


class _Code(caching.CompileResultCacheImpl):
    _locator_classes = [_Locator, *caching.CacheImpl._locator_classes]


class _Cache(caching.FunctionCache):
    _impl_class = _Code


def jit(function, **flags):
    """Compile `function` in nopython mode and keep the machine code on disk.

    Division by zero follows IEEE (inf, nan) instead of raising, so that loops vectorise;
    no flag lets LLVM reassociate or fuse: every operation rounds as it is written.  With fused multiply-adds ("contract") a
    process that had compiled a kernel itself returned other last bits than one that loaded it from the disk, because the copies of a
    callee in different callers are optimised differently and the first one loaded serves all (measured; it costs a tenth of the speed).
    """
    compiled = numba.njit(error_model="numpy", nogil=True, **flags)(function)
    compiled._cache = _Cache(function)
    return compiled


def inlined(function):
    """`jit` for a scalar kernel inside hot loops: a caller that uses one of its results does not compute the others."""
    return jit(function, forceinline=True)
