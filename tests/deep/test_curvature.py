"""Relative flatness against the whole Hessian of networks of a hundred parameters, its invariances, and the one that fails."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'flatphys[torch]'")

from torch.func import functional_call, hessian

from flatphys import deep
from flatphys.errors import InvalidInput


def small(dtype=torch.float64):
    """(network of 6-5-4-3, data)"""
    generator = torch.Generator().manual_seed(1)
    layers = [torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3)]
    network = torch.nn.Sequential(*layers).to(dtype)
    with torch.no_grad():
        for w in network.parameters():
            w.copy_(torch.randn(w.shape, generator=generator, dtype=dtype) * 0.8)
    x = torch.randn(40, 6, generator=generator, dtype=dtype)
    return network, deep.Data.from_arrays(x, torch.randint(0, 3, (40,), generator=generator))


def whole_hessian(network, data, name):
    """H[s, k, s', k'] of the mean cross entropy in the weights of one layer, by automatic differentiation of the whole network."""
    w = dict(network.named_parameters())[f"{name}.weight"].detach()

    def loss(weight):
        return torch.nn.functional.cross_entropy(functional_call(network, {f"{name}.weight": weight}, (data.train_x,)), data.train_y)

    return w, hessian(loss)(w).detach()


@pytest.mark.parametrize("layer", ["0", "2", "4"])
def test_relative_flatness_is_the_sum_over_the_hessian(layer):
    network, data = small()
    w, h = whole_hessian(network, data, layer)
    kappa = torch.einsum("sj,tj,sktk->", w, w, h)
    found = deep.relative_flatness(network, data, layer, method="exact", batch=17)
    assert found.value == pytest.approx(float(kappa), rel=1e-8)
    assert found.trace == pytest.approx(float(torch.einsum("sksk->", h)), rel=1e-8)
    assert found.method == ("closed form" if layer == "4" else "exact")


@pytest.mark.parametrize("layer", ["0", "2", "4"])
def test_standardised_features_scale_weights_and_hessian_by_the_spread_of_the_inputs(layer):
    network, data = small()
    w, h = whole_hessian(network, data, layer)
    inputs = network[: int(layer)](data.train_x).detach()
    spread = inputs.std(dim=0, unbiased=False)
    live = spread > 0
    w, s = w[:, live], spread[live]
    h = h[:, live][:, :, :, live]
    kappa = torch.einsum("sj,tj,j,sktk,k->", w, w, s**2, h, s**-2)
    found = deep.relative_flatness(network, data, layer, method="exact", features="standardised", batch=17)
    assert found.value == pytest.approx(float(kappa), rel=1e-8)


@pytest.mark.parametrize("features", ["raw", "standardised"])
def test_hutchinson_s_mean_and_variance_are_those_of_the_whole_hessian(features):
    network, data = small()
    w, h = whole_hessian(network, data, "2")
    spread = network[:2](data.train_x).detach().std(dim=0, unbiased=False) if features == "standardised" else torch.ones(5).double()
    u, s, _ = torch.linalg.svd(w * spread, full_matrices=False)
    root = u * s
    h = h / (spread[:, None, None] * spread)
    inner = torch.einsum("sa,sktl,tb->akbl", root, h, root)
    flat = inner.reshape(root.shape[1] * 5, -1)
    variance = 2 * float((flat - torch.diag(flat.diagonal())).square().sum())
    draws = 4000
    found = deep.relative_flatness(network, data, "2", method="hutchinson", draws=draws, features=features)
    assert abs(found.value - float(flat.trace())) < 4 * found.error  # 6e-5
    # the variance of 4000 draws: relative error sqrt((kurtosis - 1)/4000), kurtosis below 9 for a quadratic form in signs
    assert found.error**2 * draws == pytest.approx(variance, rel=4 * math.sqrt(8 / draws))
    assert abs(found.trace - float(torch.einsum("sksk->", whole_hessian(network, data, "2")[1]))) < 4 * found.trace_error


def test_more_draws_extend_the_same_sequence():
    network, data = small()
    few, many = (deep.relative_flatness(network, data, "0", method="hutchinson", draws=n) for n in (2, 3))
    third = 3 * many.value - 2 * few.value
    alone = np.array([few.value - few.error, few.value + few.error])  # of two draws the error is half their difference
    assert many.error == pytest.approx(np.std([*alone, third], ddof=1) / math.sqrt(3), rel=1e-9)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_rescaling_layers_and_a_layer_s_own_neurons_changes_nothing(dtype, tolerance):
    network, data = small(dtype)
    network[1] = torch.nn.ReLU()
    before = [deep.relative_flatness(network, data, layer, method="exact").value for layer in ("2", "4")]
    with torch.no_grad():
        network[0].weight *= 3.0
        network[0].bias *= 3.0
        scale = torch.tensor([0.2, 5.0, 1.5, 0.7], dtype=dtype)
        network[2].weight *= scale[:, None] / 3.0
        network[2].bias *= scale
        network[4].weight /= scale
    after = deep.relative_flatness(network, data, "2", method="exact").value
    assert after == pytest.approx(before[0], rel=tolerance)
    moved = deep.relative_flatness(network, data, "4", method="exact").value
    assert abs(moved / before[1] - 1) > 0.05  # neurons of the layer before: not invariant, unless the inputs are standardised


def test_standardised_features_see_no_rescaling_of_the_layer_before():
    network, data = small()
    network[1] = torch.nn.ReLU()
    with torch.no_grad():
        network[2].weight[1], network[2].bias[1] = -1e3, -1e3  # may well be dead: left out
    before = deep.relative_flatness(network, data, "4", features="standardised").value
    with torch.no_grad():
        scale = torch.tensor([0.01, 5.0, 1.5, 70.0], dtype=torch.float64)
        network[2].weight *= scale[:, None]
        network[2].bias *= scale
        network[4].weight /= scale
    assert deep.relative_flatness(network, data, "4", features="standardised").value == pytest.approx(before, rel=1e-10)


def test_a_convolution_s_rows_are_its_flattened_filters():
    torch.manual_seed(3)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(32, 3)).double()
    data = deep.Data.from_arrays(torch.randn(20, 1, 4, 4, dtype=torch.float64), torch.arange(20) % 3)
    w, h = whole_hessian(network, data, "0")
    w, h = w.reshape(2, 9), h.reshape(2, 9, 2, 9)
    assert deep.relative_flatness(network, data, "0").value == pytest.approx(float(torch.einsum("sj,tj,sktk->", w, w, h)), rel=1e-8)
    patches = torch.nn.functional.unfold(data.train_x, 3, padding=1).transpose(1, 2).reshape(-1, 9)
    s = patches.std(dim=0, unbiased=False)
    kappa = torch.einsum("sj,tj,j,sktk,k->", w, w, s**2, h, s**-2)
    assert deep.relative_flatness(network, data, "0", features="standardised").value == pytest.approx(float(kappa), rel=1e-8)


def test_wrong_arguments_are_named():
    network, data = small()
    for arguments, words in (
        ({"layer": "1"}, "layer must be the name .*'0', '2', '4'"),
        ({"method": "exakt"}, "did you mean 'exact'"),
        ({"draws": 1}, "draws must be an integer >= 2"),
        ({"features": None}, "features must be one of"),
        ({"loss": "logistic"}, "'logistic' is for one output"),
        ({"seed": -1}, "seed"),
    ):
        with pytest.raises(InvalidInput, match=words):
            deep.relative_flatness(network, data, **arguments)
