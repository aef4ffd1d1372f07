"""Data sets from every source, what is drawn from them, and files that are refused."""

import gzip

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'flatphys[torch]'")

from flatphys import deep
from flatphys.errors import InvalidInput

RNG = np.random.default_rng(0)
IMAGES = {"train": RNG.integers(0, 256, (20, 4, 6), dtype=np.uint8), "t10k": RNG.integers(0, 256, (7, 4, 6), dtype=np.uint8)}
LABELS = {part: (np.arange(len(x)) % 3).astype(np.uint8) for part, x in IMAGES.items()}


def idx(folder, packed=False):
    """Writes the four files."""
    for part in IMAGES:
        for what, array in (("images", IMAGES[part]), ("labels", LABELS[part])):
            head = bytes([0, 0, 8, array.ndim]) + b"".join(int(n).to_bytes(4, "big") for n in array.shape)
            name = f"{part}-{what}-idx{array.ndim}-ubyte"
            content = head + array.tobytes()
            (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)
    return f"idx:{folder}"


def raw(x, like):
    """Pixels from standardised ones, by the two numbers of the training set."""
    return x * like.std() + like.mean()


def test_digits_not_trained_on_are_the_test_set():
    data = deep.load_data("digits", train=1000, seed=3)
    assert data.train_x.shape == (1000, 1, 8, 8) and data.test_x.shape == (797, 1, 8, 8) and data.classes == 10
    assert abs(float(data.train_x.mean())) < 1e-5 and float(data.train_x.std(unbiased=False)) == pytest.approx(1, rel=1e-5)
    both = torch.cat([data.train_x, data.test_x]).reshape(1797, -1)
    assert len(torch.unique(both.round(decimals=4), dim=0)) == 1797  # no image stands in both
    assert torch.equal(deep.load_data("digits", train=1000, seed=3).train_x, data.train_x)
    assert not torch.equal(deep.load_data("digits", train=1000, seed=4).train_y, data.train_y)


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_are_read_packed_or_not(tmp_path, packed):
    data = deep.load_data(idx(tmp_path, packed))
    order = np.lexsort(IMAGES["train"].reshape(20, -1).T)
    mine = raw(data.train_x.double().numpy(), IMAGES["train"]).reshape(20, -1)
    assert np.allclose(mine[np.lexsort(mine.round().T)], IMAGES["train"].reshape(20, -1)[order], atol=1e-3)
    assert np.allclose(raw(data.test_x.double().numpy(), IMAGES["train"])[:, 0], IMAGES["t10k"], atol=1e-3)
    assert np.array_equal(data.test_y.numpy(), LABELS["t10k"])


def test_pooled_pixels_are_means_over_squares(tmp_path):
    np.savez(tmp_path / "a.npz", train_x=IMAGES["train"], train_y=LABELS["train"], test_x=IMAGES["t10k"], test_y=LABELS["t10k"])
    data = deep.load_data(f"npz:{tmp_path / 'a.npz'}", pool=2)
    pooled = {part: x.reshape(-1, 2, 2, 3, 2).mean(axis=(2, 4)) for part, x in IMAGES.items()}
    assert np.allclose(raw(data.test_x.double().numpy(), pooled["train"])[:, 0], pooled["t10k"], atol=1e-3)
    with pytest.raises(InvalidInput, match="pool must divide"):
        deep.load_data(f"npz:{tmp_path / 'a.npz'}", pool=4)


@pytest.mark.parametrize("split", [False, True])
def test_a_folder_has_a_folder_for_each_class(tmp_path, split):
    from PIL import Image

    for part in ("train", "test") if split else ("",):
        for label, name in enumerate(("cat", "dog")):
            (tmp_path / part / name).mkdir(parents=True)
            for k in range(6):
                Image.fromarray(np.full((4, 4, 3), 100 * label + k, np.uint8)).save(tmp_path / part / name / f"{k}.png")
    data = deep.load_data(f"folder:{tmp_path}")
    assert data.train_x.shape == ((12, 3, 4, 4) if split else (8, 3, 4, 4)) and len(data.test_x) == (12 if split else 4)
    assert torch.equal((data.train_x[:, 0, 0, 0] > data.train_x.mean()).long(), data.train_y)  # class 1 is bright
    Image.fromarray(np.zeros((5, 4, 3), np.uint8)).save(tmp_path / ("train" if split else "") / "cat" / "wrong.png")
    with pytest.raises(InvalidInput, match="pictures of one size"):
        deep.load_data(f"folder:{tmp_path}")


def test_label_noise_replaces_its_share_by_other_classes():
    clean, noisy = (deep.load_data("digits", train=1000, label_noise=share) for share in (0.0, 0.25))
    assert int((clean.train_y != noisy.train_y).sum()) == 250
    assert torch.equal(clean.test_y, noisy.test_y) and torch.equal(clean.train_x, noisy.train_x)


def test_arrays_keep_their_values_and_their_dtype():
    x = np.arange(12.0).reshape(4, 3)
    data = deep.Data.from_arrays(x, [0, 1, 1, 0], x[:2], [1, 1])
    assert data.train_x.dtype == torch.float64 and np.array_equal(data.train_x.numpy(), x) and len(data.test_y) == 2
    assert deep.Data.from_arrays(x.astype(np.float32), [0, 1, 1, 0]).train_x.dtype == torch.float32
    assert "4" in repr(data) and "<table>" in data._repr_html_()
    assert len(data.subset(3, seed=1).train_y) == 3 and len(data.subset(3, seed=1).test_y) == 2


def test_wrong_sources_and_arrays_are_named(tmp_path):
    idx(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x14abc")
    for source, words in (
        (f"idx:{tmp_path}", "cut short"),
        ("idx:/nowhere/mnist", "apt-get install dataset-fashion-mnist"),
        (f"idx:{tmp_path / 'train-labels-idx1-ubyte'}", "there is no folder"),
        (f"npz:{tmp_path / 'train-labels-idx1-ubyte'}", "no npz archive"),
        (f"folder:{tmp_path}", "two classes or more"),
        ("digitz", "source must be 'digits'"),
        ("digits:x", "source must be"),
        ("idx:", "source must be"),
        (None, "source must be a text"),
    ):
        with pytest.raises(InvalidInput, match=words):
            deep.load_data(source)
    for arguments, words in (
        ({"train": 1797}, "train"),
        ({"train": 0}, "train"),
        ({"seed": -1}, "seed"),
        ({"label_noise": 1.5}, "label_noise"),
        ({"pool": 0}, "pool"),
        ({"test": 10**6}, "test"),
    ):
        with pytest.raises(InvalidInput, match=words):
            deep.load_data("digits", **arguments)
    x = np.ones((3, 2))
    for arrays, words in (
        ((x, [0, 1]), "shapes"),
        ((x, [0, 1, -1]), "integers >= 0"),
        ((x, [-1, 1, 1]), "labels -1 and"),
        ((x * np.nan, [0, 1, 1]), "X"),
        ((x[:0], []), "shapes"),
        ((torch.full((3, 2), torch.inf), [0, 1, 1]), "X must be finite"),
        ((x, [0, 1, 1], x), "together"),
        ((x, [0, 1, 1], x[:, :1], [1, 1, 1]), "test_x must have the shape"),
        (("abc", [0, 1, 1]), "X must be"),
    ):
        with pytest.raises(InvalidInput, match=words):
            deep.Data.from_arrays(*arrays)
