"""Local energy: its definition, what leaves it alone, batch norm, and arguments that are refused."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'flatphys[torch]'")

from flatphys import deep
from flatphys.errors import InvalidInput


def pair(dtype=torch.float64, norm=False):
    torch.manual_seed(2)
    middle = [torch.nn.BatchNorm1d(8)] if norm else []
    network = torch.nn.Sequential(torch.nn.Linear(5, 8), *middle, torch.nn.ReLU(), torch.nn.Linear(8, 3)).to(dtype)
    x = torch.randn(200, 5, dtype=dtype)
    return network, deep.Data.from_arrays(x, network(x).argmax(dim=1) if not norm else torch.arange(200) % 3)


def test_relative_noise_of_one_weight_flips_the_share_of_draws_that_the_normal_law_says():
    """One weight w and inputs 1: the sign of w(1 + sigma z) changes with probability H(1/sigma)."""
    network = torch.nn.Linear(1, 1, bias=False).double()
    data = deep.Data.from_arrays(np.ones((3, 1)), [int(network.weight.item() > 0)] * 3)
    found = deep.local_energy(network, data, 0.8, draws=4000, loss="logistic")
    exact = 0.5 * math.erfc(1 / 0.8 / math.sqrt(2))
    assert abs(found.value - exact) < 4 * math.sqrt(exact * (1 - exact) / 4000)
    assert found.error == pytest.approx(math.sqrt(exact * (1 - exact) / 4000), rel=0.2)


def test_the_rise_of_a_quadratic_loss_is_half_the_curvature_times_the_variance():
    """loss = w^2 x^2/2: rises by sigma^2 w^2 x^2/2 under relative noise and filters of one weight, sigma^2 x^2/2 under absolute."""
    network = torch.nn.Linear(1, 1, bias=False).double()
    data = deep.Data.from_arrays(np.full((2, 1), 1.5), [0, 0])
    w = float(network.weight.detach())
    loss = lambda output, target: 0.5 * output.square()[:, 0]
    for noise, scale in (("relative", abs(w)), ("absolute", 1.0), ("filter", abs(w))):
        found = deep.local_energy(network, data, [0.1, 0.4], draws=3000, noise=noise, loss=loss)
        exact = 0.5 * (np.array([0.1, 0.4]) * scale * 1.5) ** 2
        assert (np.abs(found.loss - exact) < 4 * found.loss_error).all()


def test_more_draws_extend_the_same_sequence_and_every_sigma_has_the_same_noise():
    network, data = pair()
    one, two = deep.local_energy(network, data, [0.5, 0.7], draws=4), deep.local_energy(network, data, 0.7, draws=8)
    again = deep.local_energy(network, data, 0.7, draws=4)
    assert again.value == one.value[1]
    assert two.value != again.value
    rest = 2 * two.value - again.value  # the mean of draws 5 to 8
    assert 0 <= rest + two.train_error <= 1


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_relative_noise_sees_no_rescaling_that_leaves_the_function_alone(dtype, tolerance):
    network, data = pair(dtype)
    before = {noise: deep.local_energy(network, data, 0.5, draws=8, noise=noise) for noise in ("relative", "absolute")}
    with torch.no_grad():
        scale = torch.logspace(-1, 1, 8, dtype=dtype)
        network[0].weight *= scale[:, None]
        network[0].bias *= scale
        network[2].weight /= scale
    after = {noise: deep.local_energy(network, data, 0.5, draws=8, noise=noise) for noise in before}
    assert after["relative"].loss == pytest.approx(before["relative"].loss, rel=tolerance)
    assert abs(after["absolute"].loss / before["absolute"].loss - 1) > 0.1


def test_filters_have_noise_of_their_own_norm():
    network, data = pair()
    found = deep.local_energy(network, data, 0.5, draws=8, noise="filter")
    with torch.no_grad():  # a rotation of a row keeps its norm: signs flip, inputs with them
        network[0].weight[:, 0] *= -1
    flipped = deep.Data.from_arrays(data.train_x * torch.tensor([-1.0, 1, 1, 1, 1]), data.train_y)
    assert deep.local_energy(network, flipped, 0.5, draws=8, noise="filter").train_loss == pytest.approx(found.train_loss, rel=1e-12)


def test_the_user_s_module_its_mode_and_the_global_generator_stay():
    network, data = pair(norm=True)
    network.train()
    before, state = {k: v.clone() for k, v in network.state_dict().items()}, torch.get_rng_state()
    deep.local_energy(network, data, 0.3, draws=2)
    assert network.training and all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(w.requires_grad and w.grad is None for w in network.parameters())


def test_batch_norm_measured_anew_undoes_a_rescaling_that_frozen_statistics_do_not():
    """sigma -> 0 with statistics that are wrong: measured anew the loss is the one of right statistics."""
    network, data = pair(norm=True)
    network.train()
    for _ in range(200):
        network(data.train_x)
    right = deep.local_energy(network, data, 0.0, draws=2)
    network[1].running_var *= 100.0
    assert deep.local_energy(network, data, 0.0, draws=2).train_loss == pytest.approx(right.train_loss, rel=1e-12)
    assert abs(deep.local_energy(network, data, 0.0, draws=2, statistics="frozen").train_loss / right.train_loss - 1) > 0.01


def test_wrong_arguments_are_named():
    network, data = pair()
    for arguments, words in (
        ({"sigma": -0.1}, "sigma must be .* >= 0"),
        ({"sigma": []}, "sigma must not be empty"),
        ({"sigma": math.nan}, "sigma"),
        ({"sigma": 0.1, "draws": 0}, "draws must be an integer >= 2"),
        ({"sigma": 0.1, "noise": "relativ"}, "did you mean 'relative'"),
        ({"sigma": 0.1, "statistics": "fresh"}, "statistics must be one of"),
        ({"sigma": 0.1, "loss": "mse"}, "loss must be one of"),
        ({"sigma": 0.1, "batch": 0}, "batch must be"),
    ):
        with pytest.raises(InvalidInput, match=words):
            deep.local_energy(network, data, **arguments)
    with pytest.raises(InvalidInput, match="network must be Module"):
        deep.local_energy("net", data, 0.1)
    with pytest.raises(InvalidInput, match="must have parameters"):
        deep.local_energy(torch.nn.Flatten(), data, 0.1)
    with pytest.raises(InvalidInput, match="labels must be from 0 to 2"):
        deep.local_energy(network, deep.Data.from_arrays(np.ones((2, 5)), [0, 3]), 0.1)
    with pytest.raises(InvalidInput, match="don't fit the network"):
        deep.local_energy(network, deep.Data.from_arrays(np.ones((2, 4)), [0, 1]), 0.1)
