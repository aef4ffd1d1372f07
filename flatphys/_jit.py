"""The one decorator of every kernel: compiler flags, and the name under which compiled code is kept (`flatphys._shelf` keeps it).

numba decides whether a cached function is stale by looking at the file that defines it, not at the files it calls, so after an
edit in one module a cached caller elsewhere would go on returning the old number.  A kernel can only call what its module
imports: the compiled code of each module is therefore found by a hash of its source and of everything in this package that it
imports, directly or not.  No room is named by hand, and an edit leaves the compiled code of unrelated modules standing.
"""

import functools
import hashlib
import pathlib
import pickle
import re
import sys

import llvmlite
import numba
import numpy
from numba.core import caching, config
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from flatphys._boxes import VERSION as BOXES, install as install_boxes
from flatphys._shelf import Shelf

__all__ = ["direct", "inlined", "jit", "unkept"]

_PACKAGE = pathlib.Path(__file__).parent
_FLAGS = {"error_model": "numpy", "nogil": True}
_INLINED = {"forceinline": True}
# With the sources, all that decides which machine code results: this file itself is not hashed.
_FORMAT = repr(("1", _FLAGS, _INLINED, numba.__version__, llvmlite.__version__, numpy.__version__, sys.version, BOXES))
_SHELF = Shelf()


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

    Imports inside functions bind no name that a kernel can see; what keeps compiled code does not change it.
    """
    found = set()
    for source, names, alone in _IMPORT.findall(path.read_text(encoding="utf-8")):
        found.add(_file(source or alone))
        found |= {_file(f"{source}.{name}") for name in re.findall(r"\w+", names)}
    return frozenset(found - {None, _PACKAGE / "_jit.py"})


def sources(path: pathlib.Path) -> set:
    """`path` and every file of this package that it imports, directly or through others."""
    reached, waiting = set(), {path}
    while waiting:
        reached |= waiting
        waiting = set().union(*(_imports(one) for one in waiting)) - reached
    return reached


@functools.cache
def _source_hash(path: pathlib.Path) -> str:
    digest = hashlib.sha256(_FORMAT.encode())
    digest.update(path.relative_to(_PACKAGE).as_posix().encode())
    for one in sorted(sources(path)):
        digest.update(one.relative_to(_PACKAGE).as_posix().encode() + b"\0" + one.read_bytes())
    return digest.hexdigest()[:16]


def _spelled(kind) -> str:
    """A numba type as text, its named tuples by module too: several have one name."""
    if isinstance(kind, tuple):
        return ",".join(map(_spelled, kind))
    inner = f"({_spelled(tuple(kind.types))})" if hasattr(kind, "types") else ""
    return f"{kind}{getattr(getattr(kind, 'instance_class', None), '__module__', '')}{inner}"


class _Cache(caching.NullCache):
    """The compiled code of one function on disk, one file for each set of argument types."""

    def __init__(self, function):
        self._function, self._path = function, pathlib.Path(function.__code__.co_filename)

    def _place(self, sig, codegen) -> tuple[str, str]:
        """(room, name): the version of the module, the function with its argument types and the processor."""
        code = self._function.__code__
        options = config.OPT, config.LOOP_VECTORIZE, config.SLP_VECTORIZE, config.BOUNDSCHECK, config.DEBUGINFO_DEFAULT
        key = self._function.__qualname__, code.co_firstlineno, _spelled(sig), codegen.magic_tuple(), *map(str, options)
        name = re.sub(r"\W", "_", code.co_name)
        return _source_hash(self._path), f"{name}-{hashlib.sha256(repr(key).encode() + code.co_code).hexdigest()[:24]}"

    def load_overload(self, sig, target_context):
        """numba's result of an earlier compilation, None where there is none that can be used."""
        target_context.refresh()
        place = self._place(sig, target_context.codegen())
        body = _SHELF.read(*place)
        if body is not None:
            try:
                return CompileResult._rebuild(target_context, *pickle.loads(body))
            except Exception as error:  # whatever pickle, numba and LLVM say of code that they did not write
                _SHELF.damaged(*place, f"{type(error).__name__}: {error}")
        install_boxes()  # it is compiled next
        return None

    def save_overload(self, sig, data):
        """Keep the result of a compilation."""
        if not (data.library.has_dynamic_globals or any(not lifted.can_cache for lifted in data.lifted)):
            _SHELF.write(*self._place(sig, data.codegen), dumps(data._reduce()))


def jit(function, **flags):
    """Compile `function` in nopython mode and keep the machine code on disk.

    Division by zero follows IEEE (inf, nan) instead of raising, so that loops vectorise;
    no flag lets LLVM reassociate or fuse: every operation rounds as it is written.  With fused multiply-adds ("contract") a
    process that had compiled a kernel itself returned other last bits than one that loaded it from the disk, because the copies of a
    callee in different callers are optimised differently and the first one loaded serves all (measured; it costs a tenth of the speed).
    """
    compiled = numba.njit(**_FLAGS, **flags)(function)
    compiled._cache = _Cache(function)
    return compiled


def direct(kernel):
    """`kernel` for callers in Python that pass the same types in every call, without numba's search for the right version.

    That search asks the type of each argument; for a named tuple it does so in Python, 2 us where the kernels take 20.  The shortcut is
    taken once a call has gone the long way.  Numbers are then converted to the types of that call: it is not taken where one of them was
    an integer, which would cut fractions off later ones.
    """

    def first(*args):
        nonlocal call
        found = kernel(*args)
        (signature, compiled), *others = kernel.overloads.items()
        if not others and not any(isinstance(kind, numba.types.Integer | numba.types.Boolean) for kind in signature):
            call = compiled.entry_point
        return found

    call = first
    return functools.wraps(kernel)(lambda *args: call(*args))


def unkept(function):
    """`jit` for what is made in this process and not kept on disk."""
    install_boxes()
    return numba.njit(**_FLAGS)(function)


def inlined(function):
    """`jit` for a scalar kernel inside hot loops: a caller that uses one of its results does not compute the others."""
    return jit(function, **_INLINED)
