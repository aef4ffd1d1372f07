"""The one decorator of every kernel: compiler flags, and the name under which compiled code is kept (`flatphys._shelf` keeps it).

numba decides whether a cached function is stale by looking at the file that defines it, not at the files it calls, so after an
edit in one module a cached caller elsewhere would go on returning the old number.  Here compiled code is found by a hash of the
instructions of a function and of every function and constant that it can reach.  Nothing is named by hand, and an edit leaves standing
whatever it cannot change: code elsewhere, and everything where only words were changed.
"""

import functools
import hashlib
import pickle
import re
import sys
import types

import llvmlite
import numba
import numpy
from numba.core import caching, config
from numba.core.compiler import CompileResult
from numba.core.dispatcher import Dispatcher
from numba.core.extending import _Intrinsic
from numba.core.serialize import dumps

from flatphys._boxes import VERSION as BOXES, install as install_boxes
from flatphys._shelf import Shelf

__all__ = ["direct", "inlined", "jit", "unkept"]

_FLAGS = {"error_model": "numpy", "nogil": True}
_INLINED = {"forceinline": True}
# With the functions, all that decides which machine code results: nothing else of this file is hashed.
_FORMAT = repr(("1", _FLAGS, _INLINED, numba.__version__, llvmlite.__version__, numpy.__version__, sys.version, BOXES))
_SHELF = Shelf()


@functools.cache
def _own(function) -> tuple[bytes, frozenset]:
    """(digest of all of a function itself that decides its machine code, the functions that it can reach)."""
    digest, reached = hashlib.sha256(), set()
    names = {name for code in _codes(function.__code__) for name in code.co_names}
    seen = [function.__globals__[name] for name in sorted(names) if name in function.__globals__]
    seen += [function.__defaults__ or (), *(cell.cell_contents for cell in function.__closure__ or ())]
    doc = function.__doc__ and function.__code__.co_consts[:1] == (function.__doc__,)
    parts = [part for code in _codes(function.__code__) for part in _instructions(code, doc and code is function.__code__)]
    for part in (*parts, *(part for value in seen for part in _parts(value, names))):
        if isinstance(part, types.FunctionType):
            reached.add(part)
            part = part.__module__, part.__qualname__, part.__code__.co_code  # which of them this name is
        digest.update(part if isinstance(part, bytes) else repr(part).encode())
        digest.update(b"\n")
    return digest.digest(), frozenset(reached)


def _codes(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _instructions(code, has_doc):
    """What of a code object does not depend on where its lines are."""
    yield code.co_code, code.co_exceptiontable, code.co_flags, code.co_argcount, code.co_kwonlyargcount
    yield code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    for constant in code.co_consts[bool(has_doc) :]:
        if isinstance(constant, frozenset):
            yield sorted(map(repr, constant))  # the order of texts is another in every process
        elif not isinstance(constant, types.CodeType):
            yield constant


def _parts(value, names):
    """Texts, numbers and functions that say all that a kernel sees of a value; `names` are those that it asks modules for."""
    if isinstance(value, Dispatcher):
        yield from (sorted(map(repr, value.targetoptions.items())), value.py_func)
    elif isinstance(value, _Intrinsic):
        yield value._defn
    elif isinstance(value, types.ModuleType):
        yield value.__name__
        if value.__name__.startswith("flatphys"):
            yield from (part for name in sorted(names) if hasattr(value, name) for part in _parts(getattr(value, name), names))
    elif isinstance(value, type):
        yield value.__module__, value.__qualname__, getattr(value, "_fields", ()), getattr(value, "_field_defaults", {})
    elif isinstance(value, numpy.ndarray):
        yield value.dtype.str, value.shape, value.tobytes()
    elif isinstance(value, tuple):
        yield from (type(value).__qualname__, len(value), *(part for item in value for part in _parts(item, names)))
    elif isinstance(value, (types.FunctionType, str, bool, int, float, complex, numpy.generic, types.NoneType)):
        yield value
    elif isinstance(value, types.BuiltinFunctionType):
        yield value.__module__, value.__qualname__
    else:
        raise TypeError(f"a kernel sees {value!r}: say in flatphys._jit what of it decides the machine code")


@functools.cache
def fingerprint(function) -> str:
    """A hash of a function and of every function that it can reach: the same as long as the same machine code results."""
    reached, waiting = set(), {function}
    while waiting:
        reached |= waiting
        waiting = set().union(*(_own(one)[1] for one in waiting)) - reached
    found = sorted(f"{one.__module__}.{one.__qualname__} {_own(one)[0].hex()}" for one in reached)
    return hashlib.sha256("\n".join((_FORMAT, *found)).encode()).hexdigest()


def _spelled(kind) -> str:
    """A numba type as text, its named tuples by module and fields too: several have one name."""
    if isinstance(kind, tuple):
        return ",".join(map(_spelled, kind))
    inner = f"({_spelled(tuple(kind.types))})" if hasattr(kind, "types") else ""
    factory = getattr(kind, "instance_class", None)
    return f"{kind}{factory and (factory.__module__, factory._fields)}{inner}"


class _Cache(caching.NullCache):
    """The compiled code of one function on disk, one file for each set of argument types."""

    def __init__(self, function, flags):
        self._function, self._flags = function, flags

    def _place(self, sig, codegen) -> tuple[str, str]:
        """(room, name): the module; the function with all that it reaches, its argument types, and the processor."""
        options = config.OPT, config.LOOP_VECTORIZE, config.SLP_VECTORIZE, config.BOUNDSCHECK, config.DEBUGINFO_DEFAULT
        key = fingerprint(self._function), self._flags, _spelled(sig), codegen.magic_tuple(), *map(str, options)
        name = re.sub(r"\W", "_", self._function.__qualname__)
        return self._function.__module__, f"{name}-{hashlib.sha256(repr(key).encode()).hexdigest()[:24]}"

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
    compiled._cache = _Cache(function, flags)
    return compiled


def direct(kernel):
    """`kernel` for callers in Python that pass the same types in every call, without numba's search for the right version.

    That search asks the type of each argument; for a named tuple it does so in Python, 2 us where the kernels take 20.  The shortcut is
    taken once a call has gone the long way.  Numbers are then converted to the types of that call: it is not taken where one of them was
    an integer, which would cut fractions off later ones.
    """

    if not hasattr(kernel, "overloads"):  # NUMBA_DISABLE_JIT: a plain function
        return kernel

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
