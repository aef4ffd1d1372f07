"""Entropy-SGD as torch's optimiser: the closed form on a quadratic, one closure an inner step, its state."""

import copy

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'flatphys[torch]'")

from flatphys import deep
from flatphys.errors import InvalidInput


def minimise(steps=3, momentum=0.0, **options):
    w = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
    optimiser = deep.optim.EntropySGD(
        [w], lr=0.9, inner_lr=0.3, langevin_steps=5, gamma=0.5, growth=1.0, temperature=0.0, momentum=momentum, **options
    )
    calls = []

    def closure():
        calls.append(1)
        optimiser.zero_grad()
        loss = 0.35 * (w - 1.3).square().sum()
        loss.backward()
        return loss

    losses = [optimiser.step(closure) for _ in range(steps)]
    return w.detach(), losses, len(calls)


def test_a_step_on_a_quadratic_is_its_closed_form_and_calls_the_closure_once_an_inner_step():
    w, losses, calls = minimise()
    exact, h, e, gamma, a = 0.0, 0.7, 0.3, 0.5, 0.75
    for _ in range(3):
        m, r = (h * 1.3 + gamma * exact) / (h + gamma), 1 - e * (h + gamma)
        mu = m + (exact - m) * (a**5 + (1 - a) * sum(a ** (5 - k) * r**k for k in range(1, 6)))
        exact -= 0.9 * (exact - mu)
    assert calls == 15 and w.numpy() == pytest.approx(exact, rel=1e-9)
    assert losses[0] > losses[1] > losses[2]


def test_it_is_the_algorithm_of_train():
    data = deep.Data.from_arrays(torch.randn(20, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64), torch.arange(20) % 3)
    network = torch.nn.Linear(4, 3).double()
    algorithm = deep.EntropySGD(temperature=0.0, momentum=0.6, batch=20, weight_decay=0.01, drops=())
    run = deep.train(network, data, algorithm, 20 * 5 * 10)
    twin = copy.deepcopy(network)
    optimiser = deep.optim.EntropySGD(twin.parameters(), temperature=0.0, momentum=0.6, weight_decay=0.01, steps=10)

    def closure():
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(twin(data.train_x), data.train_y)
        loss.backward()
        return loss

    for _ in range(10):
        optimiser.step(closure)
    assert torch.allclose(run.network.weight, twin.weight, rtol=1e-12, atol=1e-14)
    other = deep.optim.EntropySGD(twin.parameters())
    other.load_state_dict(optimiser.state_dict())
    assert other.taken == 10 and other.param_groups[0]["momentum"] == 0.6


def test_wrong_arguments_are_named():
    w = [torch.nn.Parameter(torch.zeros(2))]
    for options, words in (
        ({"gamma": -1.0}, "gamma"),
        ({"lr": 0.0}, "lr"),
        ({"langevin_steps": 0}, "langevin_steps"),
        ({"momentum": 1.0}, "momentum"),
        ({"steps": 0}, "steps"),
    ):
        with pytest.raises(InvalidInput, match=words):
            deep.optim.EntropySGD(w, **options)
    with pytest.raises(InvalidInput, match="closure"):
        deep.optim.EntropySGD(w).step()
