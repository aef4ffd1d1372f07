"""Where images come from: scikit-learn's digits, IDX files, npz archives, folders of pictures.

Each source is one function (where) -> (images, labels, test images, test labels); the last two None where the source doesn't say.
"""

import gzip
import pathlib
import zlib

import numpy as np

from flatphys import validate
from flatphys.errors import InvalidInput

SHARE = 2.0 / 3.0  # of the images that are trained on where neither the source nor the user says how many
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def read(kind: str, where: str):
    """The images of a source; `InvalidInput` for one that is unknown, missing or damaged."""
    if kind not in SOURCES or (kind == "digits") != (where == ""):
        raise InvalidInput(
            f"source must be 'digits', 'idx:FOLDER', 'npz:FILE' or 'folder:PATH', got {validate.shown(':'.join((kind, where)))}"
        )
    return SOURCES[kind](where)


def _digits(_):
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError("source 'digits' needs scikit-learn: pip install 'flatphys[torch]'") from error
    found = load_digits()
    return found.images[:, None].astype(np.float32), found.target, None, None


def _idx(where):
    folder = _existing(where, "folder")
    parts = []
    for part in ("train", "t10k"):
        for what, rank in (("images", 3), ("labels", 1)):
            names = [f"{part}-{what}{dot}idx{rank}-ubyte{end}" for dot in "-." for end in ("", ".gz")]
            found = next((folder / name for name in names if (folder / name).is_file()), None)
            if found is None:
                raise InvalidInput(f"source 'idx:{where}' lacks {names[0]} (or {names[1]})")
            parts.append(_idx_file(found, rank))
    images, labels, images_test, labels_test = parts
    if len(images) != len(labels) or len(images_test) != len(labels_test):
        raise InvalidInput(f"source 'idx:{where}' has images and labels of different numbers")
    return images[:, None], labels, images_test[:, None], labels_test


def _idx_file(path, rank):
    """One IDX file: two zero bytes, the type (8: unsigned bytes), the rank, sizes as big-endian integers, the bytes."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            raw = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(f"source: {path} cannot be read ({error})") from None
    head = 4 + 4 * rank
    if len(raw) < head or raw[:2] != b"\0\0" or raw[2] != 8 or raw[3] != rank:
        raise InvalidInput(f"source: {path} is no IDX file of {rank} dimension{'s' if rank > 1 else ''} of bytes")
    shape = tuple(np.frombuffer(raw, ">u4", rank, 4).astype(int))
    if len(raw) - head != np.prod(shape):
        raise InvalidInput(f"source: {path} is cut short or too long: {len(raw) - head} bytes for the shape {tuple(map(int, shape))}")
    return np.frombuffer(raw, np.uint8, offset=head).reshape(shape)


def _npz(where):
    path = _existing(where, "file")
    names = ("train_x", "train_y", "test_x", "test_y")
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive.files]
            if missing:
                raise InvalidInput(f"source 'npz:{where}' must have the arrays {', '.join(names)}, it lacks {', '.join(missing)}")
            parts = [archive[name] for name in names]
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise error if isinstance(error, InvalidInput) else InvalidInput(f"source: {path} is no npz archive ({error})") from None
    for name, part in zip(names, parts):
        values = validate.array(name, part)
        if name.endswith("_y") and (values.ndim != 1 or (values != np.floor(values)).any() or (values < 0).any()):
            raise InvalidInput(f"{name} must be (n,) integers >= 0, got {validate.shown(part)}")
    for x, y in (parts[:2], parts[2:]):
        if x.ndim < 2 or len(x) != len(y):
            raise InvalidInput(f"source 'npz:{where}' must have as many examples (n, ...) as labels, got {x.shape} and {y.shape}")
    images, labels, images_test, labels_test = parts
    if images.ndim == 3:  # pictures without a channel
        images, images_test = images[:, None], images_test[:, None]
    return images, labels.astype(int), images_test, labels_test.astype(int)


def _folder(where):
    root = _existing(where, "folder")
    if (root / "train").is_dir() and (root / "test").is_dir():
        classes = _classes(root / "train")
        return *_pictures(root / "train", classes), *_pictures(root / "test", classes)
    return *_pictures(root, _classes(root)), None, None


def _classes(root):
    found = sorted(one.name for one in root.iterdir() if one.is_dir() and not one.name.startswith("."))
    if len(found) < 2:
        raise InvalidInput(f"source: {root} must have a folder for each of two classes or more, it has {len(found)}")
    return found


def _pictures(root, classes):
    from PIL import Image, UnidentifiedImageError

    images, labels = [], []
    for label, name in enumerate(classes):
        for path in sorted((root / name).glob("*")):
            if path.suffix.lower() not in PICTURES:
                continue
            try:
                with Image.open(path) as picture:
                    pixels = np.asarray(picture if picture.mode == "L" else picture.convert("RGB"))
            except (UnidentifiedImageError, OSError) as error:
                raise InvalidInput(f"source: {path} is no picture that can be read ({error})") from None
            images.append(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))
            labels.append(label)
    shapes = {image.shape for image in images}
    if len(shapes) != 1:
        what = f"pictures of the sizes {sorted(shapes)}" if shapes else f"no pictures ({', '.join(PICTURES)})"
        raise InvalidInput(f"source: {root} must have pictures of one size and one number of channels, it has {what}")
    return np.stack(images), np.array(labels)


def _existing(where, kind) -> pathlib.Path:
    path = validate.path("source", where)
    if path.is_dir() if kind == "folder" else path.is_file():
        return path
    hint = "; Fashion-MNIST comes with: apt-get install dataset-fashion-mnist" if "mnist" in where.lower() else ""
    raise InvalidInput(f"source: there is no {kind} {where}{hint}")


SOURCES = {"digits": _digits, "idx": _idx, "npz": _npz, "folder": _folder}
