"""Checkpoints: everything a run has, in one file that is either the old or the new one, never a torn mixture.

A snapshot is written beside the target, forced to disk and renamed over it, which POSIX makes atomic.  The file is a NumPy
archive with two more entries: the call that it belongs to and a SHA-256 of all arrays.
"""

import hashlib
import io
import json
import math
import os
import pathlib

import numpy as np

from flatphys.errors import InvalidInput

FORMAT = 2


def digest(arrays: dict) -> str:
    """SHA-256 of named arrays: names, types, shapes and bytes."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def save(path, call: dict, arrays: dict) -> None:
    """Replace `path` by a snapshot of `arrays` that belongs to `call` (plain values)."""
    path = pathlib.Path(path)
    meta = json.dumps({"format": FORMAT, "call": call, "sha256": digest(arrays)})
    buffer = io.BytesIO()
    np.savez(buffer, __meta__=np.frombuffer(meta.encode(), dtype=np.uint8), **arrays)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(beside, "wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    if hasattr(os, "O_DIRECTORY"):  # the rename itself, where folders can be opened
        folder = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def load(path, call: dict, growing: str) -> dict | None:
    """The arrays of the snapshot at `path`, None where there is no such file; refuses what is damaged or of another call.

    The number called `growing` may be smaller in the file: the call then asks for more of the same.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise InvalidInput(f"checkpoint must be a file, {path} is a folder")
    if not path.parent.is_dir():
        raise InvalidInput(f"checkpoint must lie in an existing folder, got {path}")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        meta = json.loads(arrays.pop("__meta__").tobytes().decode())
        good = meta["format"] == FORMAT and meta["sha256"] == digest(arrays)
        stored = dict(meta["call"])
    except FileNotFoundError:
        return None
    except Exception as error:  # whatever zip, npy and json say about broken bytes
        raise InvalidInput(
            f"checkpoint {path} is damaged or no checkpoint ({error}): delete it to start afresh, or name another file"
        ) from None
    if not good:
        raise InvalidInput(f"checkpoint {path} is damaged (its checksum does not fit): delete it to start afresh, or name another file")
    call = json.loads(json.dumps(call))
    if {**stored, growing: call[growing]} != call or not stored.get(growing, math.inf) <= call[growing]:
        names = [name for name in sorted({*stored, *call}) if stored.get(name) != call.get(name)]
        told = ", ".join(f"{name} (there {_short(stored.get(name))}, here {_short(call.get(name))})" for name in names)
        raise InvalidInput(
            f"checkpoint {path} belongs to another call; they differ in {told}: repeat that call, delete the file or name another one"
        )
    return arrays


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
