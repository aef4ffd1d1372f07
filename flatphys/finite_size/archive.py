"""`Instances` and `Found` as files: `save` and `load`, to the same bits.

A file is an archive of arrays with a checksum (`finite_size.checkpoint`), whole or not there at all (`flatphys.files`).  Models and
algorithms are dataclasses: they are written as their names and fields, and made anew from them.  Patterns and weights of +-1 are bits.
"""

import dataclasses
import os
from typing import Any

import numpy as np

import flatphys as fp
from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.files import replaced
from flatphys.finite_size.checkpoint import packed, unpacked
from flatphys.finite_size.found import Found
from flatphys.finite_size.instances import Instances

FORMAT = 1
_OF_INSTANCES = ("patterns", "labels", "teacher", "centre")
_OF_FOUND = ("weights", "iterations", "seconds", "replicas")


def save(thing: Instances | Found, path: str | os.PathLike) -> None:
    """Write instances or what was found on them to `path` (its suffix is free), replacing what is there; `load` reads it.

    Raises `InvalidInput` where the model holds a function of one's own (a loss, an activation), which no file can hold, and OSError where
    the file cannot be written.
    """
    path = validate.path("path", path)
    found = thing if isinstance(thing, Found) else None
    instances = thing.instances if isinstance(thing, Found) else validate.instance("thing", thing, (Instances,))
    meta = {"format": FORMAT, "kind": type(thing).__name__, "model": _told(instances.model)}
    meta |= {"seed": instances.seed, "hidden": instances.hidden}
    arrays = {name: getattr(instances, name) for name in _OF_INSTANCES}
    if found is not None:
        algorithm = found.algorithm
        own = algorithm is not None and not dataclasses.is_dataclass(algorithm)
        meta["algorithm"] = getattr(algorithm, "__qualname__", repr(algorithm)) if own else _told(algorithm)
        arrays |= {f"found/{name}": getattr(found, name) for name in _OF_FOUND}
        arrays |= {f"found/records/{name}": array for name, array in (found.records or {}).items()}
    stored = {}
    for name, array in arrays.items():
        if array is not None:
            stored |= _bits(name, array)
    with replaced(path) as beside:
        beside.write_bytes(packed(meta, stored))


def load(path: str | os.PathLike) -> Instances | Found:
    """What `Instances.save` or `Found.save` wrote to `path`, equal to what it was.

    A function of one's own that found the weights comes back as its name.

    Raises
    ------
    InvalidInput
        No such file, a damaged one, another kind of file, or one of a later version.

    Examples
    --------
    >>> fp.make_instances(fp.Model(), 101, 0.5).save("instances.npz")  # doctest: +SKIP
    >>> fp.load("instances.npz").p  # doctest: +SKIP
    50
    """
    path = validate.path("path", path)
    try:
        meta, arrays = unpacked(path)
        if meta.get("kind") not in ("Instances", "Found"):
            raise ValueError("it holds something else")
    except FileNotFoundError:
        raise InvalidInput(f"path must be a file of instances or of what was found on them; there is no {path}") from None
    except ValueError as error:
        raise InvalidInput(f"path {path} is damaged or no file of instances or of what was found on them ({error})") from None
    if meta["format"] != FORMAT:
        raise InvalidInput(
            f"path {path} was written by flatphys {meta['version']} (format {meta['format']}; {fp.__version__} reads {FORMAT}): "
            "read it with that version"
        )
    try:
        return _made(meta, _unbits(arrays))
    except (KeyError, AttributeError, TypeError) as error:
        raise InvalidInput(
            f"path {path} names what {fp.__version__} does not have ({error}); flatphys {meta['version']} wrote it"
        ) from None


def _made(meta, arrays) -> Instances | Found:
    instances = Instances(_made_of(meta["model"]), meta["seed"], meta["hidden"], *(arrays.get(name) for name in _OF_INSTANCES))
    if meta["kind"] == "Instances":
        return instances
    algorithm = meta["algorithm"] if isinstance(meta["algorithm"], str) else _made_of(meta["algorithm"])
    records = {name[14:]: array for name, array in arrays.items() if name.startswith("found/records/")}
    of_run = {name: arrays.get(f"found/{name}") for name in _OF_FOUND[1:]}
    return Found(instances, arrays["found/weights"], algorithm, **of_run, records=records or None)


# --- arrays -----------------------------------------------------------------------------------------
def _bits(name, array) -> dict:
    """The array by its name; +-1 in int8 as bits with their shape."""
    if array.dtype != np.int8 or not array.size or not (np.abs(array) == 1).all():
        return {name: array}
    return {f"{name}/bits": np.packbits(array > 0), f"{name}/shape": np.array(array.shape)}


def _unbits(arrays) -> dict:
    out = {name: array for name, array in arrays.items() if not name.endswith(("/bits", "/shape"))}
    for name, bits in arrays.items():
        if name.endswith("/bits"):
            shape = arrays[f"{name[:-5]}/shape"]
            ones = np.unpackbits(bits, count=int(np.prod(shape))).astype(np.int8)
            out[name[:-5]] = (2 * ones - 1).reshape(shape)
    return out


# --- dataclasses ------------------------------------------------------------------------------------
def _told(value: Any) -> Any:
    """A dataclass of flatphys as its name and fields, plain values as they are."""
    if dataclasses.is_dataclass(value) and hasattr(fp, type(value).__name__):
        return {
            "class": type(value).__name__,
            "fields": {f.name: _told(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init},
        }
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, tuple):
        return {"tuple": [_told(item) for item in value]}
    raise InvalidInput(f"a file cannot hold functions of one's own, got {validate.shown(value)}")


def _made_of(told: Any) -> Any:
    if not isinstance(told, dict):
        return told
    if "tuple" in told:
        return tuple(_made_of(item) for item in told["tuple"])
    return getattr(fp, told["class"])(**{name: _made_of(value) for name, value in told["fields"].items()})
