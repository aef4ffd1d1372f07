"""Checkpoints: everything a run has, in one file that is either the old or the new one, never a torn mixture.

The file (`flatphys.files.replaced`) is a NumPy archive with one more entry: the call that it belongs to, the version that wrote it, and
a SHA-256 of all arrays.
"""

import hashlib
import io
import json
import math
import pathlib
import warnings

import numpy as np

import flatphys
from flatphys.errors import CacheWarning, InvalidInput
from flatphys.files import replaced

FORMAT = 2


def digest(arrays: dict) -> str:
    """SHA-256 of named arrays: names, types, shapes and bytes."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def packed(meta: dict, arrays: dict) -> memoryview:
    """The bytes of an archive: the arrays, and `meta` (plain values) with the version that writes it and their checksum."""
    text = json.dumps({"version": flatphys.__version__, **meta, "sha256": digest(arrays)})
    buffer = io.BytesIO()
    np.savez(buffer, __meta__=np.frombuffer(text.encode(), dtype=np.uint8), **arrays)
    return buffer.getbuffer()


def unpacked(path) -> tuple[dict, dict]:
    """(meta, arrays) of the archive at `path`; raises FileNotFoundError, or ValueError with the reason why it is none."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        meta = json.loads(arrays.pop("__meta__").tobytes().decode())
        good = meta["sha256"] == digest(arrays)
    except FileNotFoundError:
        raise
    except Exception as error:  # whatever zip, npy and json say about broken bytes
        raise ValueError(str(error)) from None
    if not good:
        raise ValueError("its checksum does not fit")
    return meta, arrays


def save(path, call: dict, arrays: dict) -> None:
    """Replace `path` by a snapshot of `arrays` that belongs to `call` (plain values); `CacheWarning` where it cannot be written."""
    path = pathlib.Path(path)
    body = packed({"format": FORMAT, "call": call}, arrays)
    try:
        with replaced(path) as beside:
            beside.write_bytes(body)
    except OSError as error:  # hours of sampling are worth more than their copy
        text = f"checkpoint {path} cannot be written ({error.strerror or error}): the run goes on, what was kept there before stays"
        warnings.warn(text, CacheWarning, stacklevel=4)


def load(path, call: dict, growing: str | None = None) -> dict | None:
    """The arrays of the snapshot at `path`, None where there is no such file; refuses what is damaged or of another call.

    The number called `growing` may be smaller in the file: the call then asks for more of the same.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise InvalidInput(f"checkpoint must be a file, {path} is a folder")
    if not path.parent.is_dir():
        raise InvalidInput(f"checkpoint must lie in an existing folder, got {path}")
    try:
        meta, arrays = unpacked(path)
        stored, version, written = dict(meta["call"]), meta.get("version", "of before"), meta["format"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(
            f"checkpoint {path} is damaged or no checkpoint ({error}): delete it to start afresh, or name another file"
        ) from None
    if written != FORMAT:
        raise InvalidInput(
            f"checkpoint {path} was written by flatphys {version} (format {written}; {flatphys.__version__} reads {FORMAT}): finish the "
            "run with that version, delete the file or name another one"
        )
    call = json.loads(json.dumps(call))
    same = stored == call
    if growing is not None:
        same = {**stored, growing: call[growing]} == call and stored.get(growing, math.inf) <= call[growing]
    if not same:
        names = [name for name in sorted({*stored, *call}) if stored.get(name) != call.get(name)]
        told = ", ".join(f"{name} (there {_short(stored.get(name))}, here {_short(call.get(name))})" for name in names)
        raise InvalidInput(
            f"checkpoint {path} belongs to another call; they differ in {told}: repeat that call, delete the file or name another one"
        )
    if version != flatphys.__version__:
        text = (
            f"checkpoint {path} was written by flatphys {version}; {flatphys.__version__} goes on from it, perhaps with other last digits"
        )
        warnings.warn(text, CacheWarning, stacklevel=4)
    return arrays


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
