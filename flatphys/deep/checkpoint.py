"""Checkpoints of a training: one file that is either the old or the new one; read with `weights_only`, so that no code can hide in it."""

import pathlib
import pickle
import warnings

import torch

from flatphys.errors import CacheWarning, InvalidInput
from flatphys.files import replaced

FORMAT = 1


def save(path: pathlib.Path, call: str, content: dict) -> None:
    """Replace `path` by `content`, which belongs to `call`; `CacheWarning` where it cannot be written."""
    try:
        with replaced(path) as beside:
            torch.save({"format": FORMAT, "call": call, **content}, beside)
    except (OSError, RuntimeError) as error:  # torch says RuntimeError of folders that are gone
        text = f"checkpoint {path} cannot be written ({error}): the training goes on, what was kept there before stays"
        warnings.warn(text, CacheWarning, stacklevel=4)


def load(path: pathlib.Path, call: str) -> dict | None:
    """The content of `path`, None where there is no such file; refuses what is damaged or of another call."""
    if path.is_dir() or not path.parent.is_dir():
        raise InvalidInput(f"checkpoint must be a file in an existing folder, got {path}")
    if not path.exists():
        return None
    try:
        found = torch.load(path, weights_only=True, map_location="cpu")
        stored, version = found["call"], found["format"]
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        raise InvalidInput(
            f"checkpoint {path} is damaged or no checkpoint ({str(error).splitlines()[0][:100]}): delete it, or name another"
        ) from None
    if version != FORMAT or stored != call:
        raise InvalidInput(
            f"checkpoint {path} belongs to another training (algorithm, budget, seed, loss, data, network): name another, or delete it"
        )
    return found
