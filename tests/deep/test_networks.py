"""The papers' networks: parameter counts from their tables, shapes, sizes that are refused."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'flatphys[torch]'")

from flatphys import deep
from flatphys.errors import InvalidInput

# He et al. 2016 for 10 classes of 3 x 32 x 32; Tan & Le 2019 (5,288,548 with 1000 classes) with 10; the others by hand from their layers.
COUNTS = [
    ("resnet18", (3, 32, 32), 11_173_962),
    ("efficientnet-b0", (3, 32, 32), 4_020_358),
    ("convnet", (1, 14, 14), 80 + 1168 + 1450),
    ("lenet", (28, 28), 156 + 2416 + 400 * 84 + 84 + 850),
    ("mlp", (196,), 197 * 64 + 65 * 64 + 650),
]


@pytest.mark.parametrize("name, shape, count", COUNTS)
def test_networks_have_the_parameters_of_their_tables(name, shape, count):
    network = deep.network(name, shape, 10)
    assert sum(w.numel() for w in network.parameters()) == count
    assert network(torch.zeros(2, *shape)).shape == (2, 10)


def test_efficientnet_has_its_published_count_with_a_thousand_classes():
    assert sum(w.numel() for w in deep.network("efficientnet-b0", (3, 64, 64), 1000).parameters()) == 5_288_548


def test_sizes_are_arguments():
    assert [w.shape[0] for w in deep.network("mlp", (4, 4), 2, hidden=(7,)).parameters()] == [7, 7, 2, 2]
    assert deep.network("convnet", (8, 8), 3, channels=(4, 5, 6))(torch.zeros(1, 8, 8)).shape == (1, 3)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("resnet", (3, 32, 32), 10), "did you mean 'resnet18'"),
        (("mlp", (3, 32, 32, 1), 10), "input_shape"),
        (("mlp", 7, 10), "input_shape"),
        (("lenet", (8, 8), 10), "too small"),
        (("convnet", (3, 3), 10), "too small"),
        (("lenet", (64,), 10), "height, width"),
        (("mlp", (64,), 0), "classes"),
    ],
)
def test_wrong_arguments_are_named(arguments, words):
    with pytest.raises(InvalidInput, match=words):
        deep.network(*arguments)
    with pytest.raises(InvalidInput, match="channels is no size of 'mlp'"):
        deep.network("mlp", (4,), 2, channels=(3,))
    with pytest.raises(InvalidInput, match="hidden"):
        deep.network("mlp", (4,), 2, hidden=(0,))
