"""Rows of a store: a point as SQLite keeps it, and the checksum over everything that it says."""

import hashlib
import json

import numpy as np

from flatphys.sweeps.point import Block

COLUMNS = "place, layout, status, message, branch, data, checksum"


def checksum(problem: str, layout: str, place: bytes, status: str, message: str, branch: str, data: bytes) -> bytes:
    """Over the question, the names of the values, the place, the texts and the values: none can change unnoticed."""
    digest = hashlib.blake2b(digest_size=8)
    for part in (problem, layout, place, status, message, branch, data):
        kind, raw = (b"t", part.encode("utf-8", "surrogateescape")) if isinstance(part, str) else (b"b", part)
        digest.update(kind + b"%d:" % len(raw))
        digest.update(raw)
    return digest.digest()


def _text(value) -> str:
    return value if isinstance(value, str) else "\t" + json.dumps(value, separators=(",", ":"))


def _untext(text: str):
    return tuple(json.loads(text[1:])) if text.startswith("\t") else text


def packed(block, layout_of) -> list[tuple]:
    """(layout, its text, status, message, branch, data) of every point of a block; `layout_of` numbers a layout's text."""
    out = [None] * block.points.size
    for names, vector_names, places, scalars, vectors in block.groups:
        size = 0 if vectors is None else vectors.shape[2]
        text = json.dumps([names, vector_names, size])
        layout = layout_of(text)
        whole = scalars if vectors is None else np.concatenate([scalars, vectors.reshape(len(places), -1)], axis=1)
        raw, width = np.ascontiguousarray(whole, dtype="<f8").tobytes(), 8 * whole.shape[1]
        for i, place in enumerate(places.tolist()):
            texts = _text(block.status[place]), _text(block.message[place]), block.branch[place]
            out[place] = layout, text, *texts, raw[i * width : (i + 1) * width]
    return out


def is_intact(problem: str, layout: str | None, row) -> bool:
    """Whether a row of `COLUMNS` is what was written."""
    place, _, status, message, branch, data, mark = row
    try:
        return checksum(problem, layout, place, status, message, branch, data) == mark
    except (TypeError, AttributeError, ValueError):  # a number where a text was
        return False


def unpacked(layout: str, points, rows) -> Block:
    """The block of some intact rows of one layout."""
    names, vector_names, size = json.loads(layout)
    values = np.frombuffer(b"".join(row[5] for row in rows), dtype="<f8").reshape(len(rows), -1).astype(float)
    vectors = values[:, len(names) :].reshape(len(rows), len(vector_names), size) if vector_names else None
    groups = [(tuple(names), tuple(vector_names), np.arange(len(rows)), values[:, : len(names)], vectors)]
    status, message, branch = ([_untext(row[i]) for row in rows] for i in (2, 3, 4))
    return Block(np.array(points, dtype=np.int64), status, message, branch, groups)
