"""Tuples from compiled code: an exception while Python makes one (Ctrl-C) is passed on.

The class of a named tuple is unpickled and called in the interpreter, which handles a signal that came while the kernel ran at its
first instruction, so that this is where most interruptions are raised.  numba looks for no error there: an inner tuple that could
not be made is put into the outer one as a null pointer, which ends the process.
"""

import functools
import importlib
from contextlib import ExitStack

from numba.core import cgutils, pythonapi, types

VERSION = 1  # raise it with every change: what is below is part of every compiled kernel


def _box(kind, value, c):
    """The Python tuple of a native one, or null with an error set."""
    result = cgutils.alloca_once_value(c.builder, c.pyapi.get_null_object())
    with ExitStack() as stack:
        items = c.pyapi.tuple_new(kind.count)
        with cgutils.early_exit_if_null(c.builder, stack, items):
            pass
        for i, inner in enumerate(kind):
            item = c.box(inner, c.builder.extract_value(value, i))
            with cgutils.early_exit_if_null(c.builder, stack, item):
                c.pyapi.decref(items)
            c.pyapi.tuple_setitem(items, i, item)
        if isinstance(kind, types.BaseNamedTuple):
            factory = c.pyapi.unserialize(c.pyapi.serialize_object(kind.instance_class))
            with cgutils.early_exit_if_null(c.builder, stack, factory):
                c.pyapi.decref(items)
            named = c.pyapi.call(factory, items)
            c.pyapi.decref(factory)
            c.pyapi.decref(items)
            items = named
        c.builder.store(items, result)
    return c.builder.load(result)


@functools.cache
def install() -> None:
    """Make the tuples of whatever is compiled from now on this way (imports what only a compilation needs)."""
    importlib.import_module("numba.core.boxing")  # registers numba's own, which are replaced
    for kind in (types.Tuple, types.UniTuple, types.NamedTuple, types.NamedUniTuple):
        pythonapi._boxers.functions[kind] = _box
