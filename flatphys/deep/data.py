"""Data sets: images and labels in memory, from scikit-learn, files on disk or arrays, never from a download.

Images are (n, channels, height, width); what is loaded is standardised by one mean and one standard deviation over all pixels of the
training images, arrays of one's own are left as they are.
"""

from dataclasses import dataclass

import numpy as np
import torch

from flatphys import validate
from flatphys.deep.sources import SHARE, read
from flatphys.display import Table
from flatphys.errors import InvalidInput


@dataclass(frozen=True, eq=False, repr=False)
class Data(Table):
    """Training and test examples.

    Attributes
    ----------
    train_x, train_y : tensors (n, ...) and (n,) of int64
    test_x, test_y : the same; None where there are none
    name : str
    """

    train_x: torch.Tensor
    train_y: torch.Tensor
    test_x: torch.Tensor | None = None
    test_y: torch.Tensor | None = None
    name: str = "arrays"

    def __post_init__(self):
        for part in ("train", "test"):
            x, y = getattr(self, f"{part}_x"), getattr(self, f"{part}_y")
            if part == "test" and x is None and y is None:
                continue
            if not isinstance(x, torch.Tensor) or not isinstance(y, torch.Tensor):
                raise InvalidInput(f"{part}_x and {part}_y must be tensors, got {validate.shown(x)} and {validate.shown(y)}")
            if x.ndim < 2 or not len(x) or y.shape != (len(x),):
                raise InvalidInput(
                    f"{part}_x and {part}_y must be examples (n, ...) and labels (n,), got the shapes {tuple(x.shape)}, {tuple(y.shape)}"
                )
        if self.test_x is not None and self.test_x.shape[1:] != self.train_x.shape[1:]:
            raise InvalidInput(
                f"test_x must have the shape (n, {str(tuple(self.train_x.shape[1:]))[1:-1]}), got {tuple(self.test_x.shape)}"
            )

    @classmethod
    def from_arrays(cls, X, y, X_test=None, y_test=None) -> "Data":
        """Arrays or tensors of one's own; examples keep their values and their dtype.

        Parameters
        ----------
        X : (n, ...) finite floats
        y : (n,) integers >= 0: the classes; 0 and 1 for a single logistic output
        X_test, y_test : the same for examples that are not trained on, optional

        Raises
        ------
        InvalidInput
            nan or infinite inputs, other labels, lengths that differ, nothing in them.
        """
        if (X_test is None) != (y_test is None):
            raise InvalidInput("give X_test and y_test together, or neither")
        parts = [_inputs("X", X), _labels("y", y)]
        if X_test is not None:
            parts += [_inputs("X_test", X_test), _labels("y_test", y_test)]
        return cls(*parts)

    @property
    def classes(self) -> int:
        """One more than the largest label."""
        return 1 + int(max(self.train_y.max(), self.train_y.max() if self.test_y is None else self.test_y.max()))

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self.train_x.shape[1:])

    def to(self, device) -> "Data":
        """The same examples on another device."""
        parts = (self.train_x, self.train_y, self.test_x, self.test_y)
        return Data(*(None if part is None else part.to(device) for part in parts), self.name)

    def subset(self, train: int, seed: int = 0) -> "Data":
        """`train` of the training examples, drawn without replacement; the test examples stay."""
        train = validate.integer("train", train, 1, len(self.train_x))
        rows = torch.from_numpy(np.random.default_rng([validate.seed(seed), 1]).permutation(len(self.train_x))[:train])
        return Data(self.train_x[rows], self.train_y[rows], self.test_x, self.test_y, self.name)

    def _title(self):
        return f"Data {self.name!r}"

    def _rows(self):
        tests = 0 if self.test_x is None else len(self.test_x)
        return [
            ("inputs", " x ".join(map(str, self.input_shape))),
            ("classes", str(self.classes)),
            ("train", str(len(self.train_x))),
            ("test", str(tests)),
        ]


def _inputs(name, value):
    """A tensor that shares memory with what was given where it can."""
    if isinstance(value, torch.Tensor):
        x = value.detach()
    else:
        validate.array(name, value, empty=True)
        x = torch.as_tensor(np.asarray(value))
    x = x if x.is_floating_point() else x.to(torch.get_default_dtype())
    if not bool(torch.isfinite(x).all()):
        raise InvalidInput(f"{name} must be finite, got nan or inf among {tuple(x.shape)} numbers")
    return x


def _labels(name, value):
    y = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
    y = validate.array(name, y, empty=True)
    if (y != np.floor(y)).any() or (y < 0).any():
        hint = "; labels -1 and +1 are (y + 1)/2 here" if np.isin(y, (-1.0, 1.0)).all() else ""
        raise InvalidInput(f"{name} must be integers >= 0, got {validate.shown(value)}{hint}")
    out = torch.from_numpy(y.astype(np.int64))
    return out.to(value.device) if isinstance(value, torch.Tensor) else out


def load_data(
    source: str, train: int | None = None, test: int | None = None, seed: int = 0, *, pool: int = 1, label_noise: float = 0.0
) -> Data:
    """Images from this machine.

    Parameters
    ----------
    source : str
        "digits": scikit-learn's 1797 images of 8 x 8.  "idx:FOLDER": the four IDX files of MNIST and its relatives, gz or not
        (Fashion-MNIST: `apt-get install dataset-fashion-mnist`, then "idx:/usr/share/datasets/fashion-mnist").  "npz:FILE": arrays
        train_x, train_y, test_x, test_y.  "folder:PATH": one folder a class, or PATH/train and PATH/test of such.
    train : int, optional
        Training images, drawn by `seed`.  None: all of them; two thirds where the source doesn't say which are for tests.
    test : int, optional
        Test images, drawn by `seed`.  None: all; what is not in `train` where the source doesn't say.
    pool : int
        Mean over squares of pool x pool pixels.
    label_noise : float in [0, 1]
        Share of training labels that are replaced by another class, drawn by `seed`.

    Raises
    ------
    InvalidInput
        Unknown sources, files that are missing (with the way to get them) or damaged, more images than there are.

    >>> deep.load_data("digits", train=1000).test_x.shape
    torch.Size([797, 1, 8, 8])
    """
    kind, _, where = validate.text("source", source).partition(":")
    rng = np.random.default_rng([validate.seed(seed), 0])
    pool, noise = validate.integer("pool", pool, 1), validate.number("label_noise", label_noise, 0.0, 1.0, closed="[]")
    images, labels, images_test, labels_test = read(kind, where)
    order = rng.permutation(len(images))
    if images_test is None:
        train = round(SHARE * len(images)) if train is None else validate.integer("train", train, 1, len(images) - 1)
        rest = order[train:]
        images_test, labels_test = images[rest], labels[rest]
    train = validate.integer("train", len(images) if train is None else train, 1, len(images))
    images, labels = images[order[:train]], labels[order[:train]]
    if test is not None:
        rows = rng.permutation(len(images_test))[: validate.integer("test", test, 1, len(images_test))]
        images_test, labels_test = images_test[rows], labels_test[rows]
    classes = 1 + int(max(labels.max(), labels_test.max()))
    if noise > 0.0:
        wrong = rng.permutation(train)[: round(noise * train)]
        labels = labels.copy()
        labels[wrong] = (labels[wrong] + rng.integers(1, classes, len(wrong))) % classes
    images, images_test = (_pooled(x, pool).astype(np.float32) for x in (images, images_test))
    mean, spread = float(images.mean(dtype=np.float64)), float(images.std(dtype=np.float64))
    parts = (torch.from_numpy((x - np.float32(mean)) / np.float32(spread or 1.0)) for x in (images, images_test))
    x, x_test = parts
    return Data(x, torch.from_numpy(labels.astype(np.int64)), x_test, torch.from_numpy(labels_test.astype(np.int64)), source)


def _pooled(images, pool):
    """Means over squares of pool x pool pixels."""
    if pool == 1:
        return images
    if images.ndim != 4 or images.shape[2] % pool or images.shape[3] % pool:
        raise InvalidInput(f"pool must divide the height and width of the images, got {pool} for the shape {images.shape[1:]}")
    n, channels, height, width = images.shape
    return images.reshape(n, channels, height // pool, pool, width // pool, pool).mean(axis=(3, 5))
