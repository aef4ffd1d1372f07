"""Training: every update against its definition or closed form, exact budgets, the same bits, and what runs away."""

import math
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'flatphys[torch]'")

from flatphys import deep
from flatphys.errors import InvalidInput, TrainingDiverged

H, PLACE = 0.7, 1.3  # of the quadratic H |w - PLACE|^2/2


class Weights(torch.nn.Module):
    """A vector of weights that is its own output."""

    def __init__(self, n=2, value=0.0):
        super().__init__()
        self.w = torch.nn.Parameter(torch.full((n,), value, dtype=torch.float64))

    def forward(self, x):
        return self.w.expand(len(x), -1)


def quadratic(output, target):
    return 0.5 * H * (output - PLACE).square().sum(dim=1)


ONE = deep.Data.from_arrays(np.zeros((1, 1)), [0])  # an example of which the quadratic knows nothing
FLAT = {"drops": (), "batch": 1}


def small(dtype=torch.float32, n=60):
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(n, 6, generator=generator, dtype=dtype)
    return deep.Data.from_arrays(x, torch.randint(0, 3, (n,), generator=generator))


def builder(dtype=torch.float32, dropout=0.0):
    layers = [torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Dropout(dropout), torch.nn.Linear(8, 3)]
    return lambda: torch.nn.Sequential(
        *[one.__class__(one.in_features, one.out_features) if isinstance(one, torch.nn.Linear) else one for one in layers]
    ).to(dtype)


def weights(network):
    return torch.cat([w.detach().reshape(-1) for w in network.parameters()])


def test_sgd_is_nesterov_s_as_torch_has_it():
    data = small(torch.float64, 10)
    network = builder(torch.float64)()
    algorithm = deep.SGD(lr=0.1, momentum=0.8, weight_decay=0.02, batch=10, drops=(0.5,), factor=4.0)
    run = deep.train(network, data, algorithm, 10 * 20)
    twin = __import__("copy").deepcopy(network)
    optimiser = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.8, weight_decay=0.02, nesterov=True)
    for t in range(20):
        optimiser.param_groups[0]["lr"] = 0.1 if t < 10 else 0.025
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(twin(data.train_x), data.train_y).backward()
        optimiser.step()
    assert torch.allclose(weights(run.network), weights(twin), rtol=1e-12, atol=1e-12)


def test_averaged_sgd_is_the_mean_of_the_last_weights():
    """On the quadratic without momentum w_t - PLACE = -(1 - lr H)^t PLACE; the last four of eight are averaged."""
    run = deep.train(Weights(), ONE, deep.SGD(lr=0.3, momentum=0.0, weight_decay=0.0, average=0.5, **FLAT), 8, loss=quadratic)
    left = np.mean([(1 - 0.3 * H) ** t for t in (5, 6, 7, 8)])
    assert weights(run.network).numpy() == pytest.approx(PLACE * (1 - left), rel=1e-12)


def test_sam_takes_the_gradient_at_distance_rho_uphill():
    run = deep.train(Weights(), ONE, deep.SAM(lr=0.2, rho=0.4, momentum=0.0, weight_decay=0.0, **FLAT), 2, loss=quadratic)
    above = -0.4 / math.sqrt(2)  # uphill from 0, along -(1, 1)
    assert weights(run.network).numpy() == pytest.approx(-0.2 * H * (above - PLACE), rel=1e-12)


def test_entropy_sgd_on_a_quadratic_is_its_closed_form():
    """z relaxes to m = (H PLACE + gamma w)/(H + gamma) by r = 1 - e (H + gamma) a step, mu follows with the weight a on the old mean."""
    e, gamma, a, steps, lr = 0.3, 0.5, 0.75, 5, 0.9
    algorithm = deep.EntropySGD(lr, e, steps, gamma, growth=1.0, temperature=0.0, averaging=a, weight_decay=0.0, **FLAT)
    run = deep.train(Weights(), ONE, algorithm, 3 * steps, loss=quadratic)
    w, r = 0.0, 1 - e * (H + gamma)
    for _ in range(3):
        m = (H * PLACE + gamma * w) / (H + gamma)
        mu = m + (w - m) * (a**steps + (1 - a) * sum(a ** (steps - k) * r**k for k in range(1, steps + 1)))
        w -= lr * (w - mu)
    assert weights(run.network).numpy() == pytest.approx(w, rel=1e-9)


def test_the_noise_of_entropy_sgd_has_the_variance_of_its_chain():
    e, gamma, a, steps, temperature, n = 0.3, 0.5, 0.75, 5, 0.2, 40_000
    algorithm = deep.EntropySGD(1.0, e, steps, gamma, growth=1.0, temperature=temperature, averaging=a, weight_decay=0.0, **FLAT)
    run = deep.train(Weights(n, PLACE), ONE, algorithm, steps, loss=quadratic)
    r = 1 - e * (H + gamma)
    exact = sum(
        2 * e * temperature * ((1 - a) * sum(a ** (steps - k) * r ** (k - j) for k in range(j, steps + 1))) ** 2
        for j in range(1, steps + 1)
    )
    assert float(weights(run.network).var()) == pytest.approx(exact, rel=4 * math.sqrt(2 / n))


def test_two_replicas_in_a_quadratic_relax_to_its_minimum_and_to_each_other():
    """Centre: (1 - lr H)^t; distance: that times exp(-lr sum_t gamma_t), gamma_t = gamma growth^(t/T)."""
    starts = iter((Weights(2, 0.0), Weights(2, 1.0)))
    algorithm = deep.ReplicatedSGD(lr=0.2, replicas=2, gamma=0.4, growth=3.0, momentum=0.0, weight_decay=0.0, **FLAT)
    run = deep.train(lambda: next(starts), ONE, algorithm, 2 * 6, loss=quadratic)
    relaxed = (1 - 0.2 * H) ** 6
    assert weights(run.network).numpy() == pytest.approx(PLACE + (0.5 - PLACE) * relaxed, rel=1e-12)
    apart = relaxed * math.exp(-0.2 * sum(0.4 * 3.0 ** (t / 6) for t in range(6)))
    assert (weights(run.replicas[1]) - weights(run.replicas[0])).numpy() == pytest.approx(apart, rel=1e-12)
    assert run.history["distance"][-1] == pytest.approx(2 * (apart / 2) ** 2, rel=1e-9)


def test_a_balanced_coupling_costs_its_share_of_the_initial_loss():
    starts = iter((Weights(2, 0.0), Weights(2, 1.0)))
    algorithm = deep.ReplicatedSGD(lr=1e-9, replicas=2, ratio=0.03, growth=1.0, momentum=0.0, weight_decay=0.0, **FLAT)
    run = deep.train(lambda: next(starts), ONE, algorithm, 2, loss=quadratic)
    loss = 0.5 * H * (PLACE**2 + (1 - PLACE) ** 2)  # the mean over the two, each of two weights
    assert 0.5 * float(run.history["gamma"][0]) * 0.5 == pytest.approx(0.03 * loss, rel=1e-6)


@pytest.mark.parametrize(
    "algorithm",
    [
        deep.EntropySGD(momentum=0.0, growth=1.0, gamma=1.0, temperature=0.0, inner_lr=1.0, batch=60, drops=(), weight_decay=0.05),
        deep.ReplicatedSGD(lr=0.5, replicas=2, batch=60, drops=(), weight_decay=0.05),
    ],
    ids=["esgd", "rsgd"],
)
def test_on_a_convex_loss_entropic_algorithms_end_at_the_minimiser(algorithm):
    data = small(torch.float64)
    run = deep.train(lambda: torch.nn.Linear(6, 3).double(), data, algorithm, 1500 * algorithm.cost)
    network = run.network
    gradient = torch.autograd.grad(torch.nn.functional.cross_entropy(network(data.train_x), data.train_y), list(network.parameters()))
    assert max(float((g + 0.05 * w).detach().abs().max()) for g, w in zip(gradient, network.parameters())) < 1e-13


@pytest.mark.parametrize(
    "algorithm, cost",
    [
        (deep.SGD(batch=7), 7),
        (deep.SAM(batch=7), 14),
        (deep.EntropySGD(batch=7, langevin_steps=3), 21),
        (deep.ReplicatedSGD(batch=7, replicas=2), 14),
    ],
)
def test_every_gradient_counts_and_none_is_computed_beyond_the_budget(algorithm, cost):
    seen = []

    def loss(output, target):
        if output.requires_grad:
            seen.append(len(target))
        return torch.nn.functional.cross_entropy(output, target)

    run = deep.train(builder(), small(), algorithm, 100, loss=loss)
    assert run.gradients == sum(seen) == 100 // cost * cost


class Stop(Exception):
    pass


ALL = [
    deep.SGD(batch=20, average=0.4),
    deep.SAM(batch=20),
    deep.EntropySGD(batch=20),
    deep.ReplicatedSGD(batch=20),
    deep.ReplicatedSGD(batch=20, replicas=2),
]


@pytest.mark.parametrize("algorithm", ALL, ids=lambda one: f"{type(one).__name__}-{one.rows}")
def test_a_training_that_was_stopped_goes_on_to_the_same_bits(tmp_path, algorithm):
    budget = 83 * algorithm.cost
    whole = deep.train(builder(dropout=0.3), small(), algorithm, budget, seed=3)

    def stop(done, total):
        assert total == budget
        if done == 60 * algorithm.cost:
            raise Stop

    path = tmp_path / "run.pt"
    with pytest.raises(Stop):
        deep.train(builder(dropout=0.3), small(), algorithm, budget, seed=3, checkpoint=path, progress=stop)
    resumed = []
    again = deep.train(
        builder(dropout=0.3), small(), algorithm, budget, seed=3, checkpoint=path, progress=lambda done, total: resumed.append(done)
    )
    assert resumed[0] == 61 * algorithm.cost
    assert torch.equal(weights(whole.network), weights(again.network)) and again.gradients == whole.gradients
    assert again.history.equals(whole.history)
    other = deep.train(builder(dropout=0.3), small(), algorithm, budget, seed=4)
    assert not torch.equal(weights(whole.network), weights(other.network))


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path):
    program = textwrap.dedent("""
        import sys, time, torch
        from flatphys import deep
        torch.set_num_threads(1)
        data = deep.load_data("digits", train=200)
        slow = (lambda done, total: time.sleep(0.005)) if sys.argv[2] == "slow" else False
        run = deep.train(lambda: deep.network("mlp", (1, 8, 8), 10), data, deep.SGD(), 20_000, 1, checkpoint=sys.argv[1], progress=slow)
        print(torch.cat([w.detach().reshape(-1) for w in run.network.parameters()]).double().sum().item().hex())
    """)
    path = tmp_path / "run.pt"
    call = lambda where, how: [sys.executable, "-c", program, str(where), how]
    process = subprocess.Popen(call(path, "slow"))
    waited = time.monotonic()
    while not path.exists() and time.monotonic() - waited < 120:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and path.exists()
    resumed, whole = (
        subprocess.run(call(where, "fast"), capture_output=True, text=True, check=True).stdout for where in (path, tmp_path / "new.pt")
    )
    assert resumed == whole


def test_stacked_networks_learn_what_single_ones_learn():
    """vmap and a loop differ in rounding only."""
    from flatphys.deep.training import Training

    data, algorithm = small(torch.float64), deep.SGD(batch=20)
    seeds = [5, 6, 7, 8]
    many = Training([builder(torch.float64)], data, algorithm, 20 * 30, seeds, "cross-entropy").run(False)
    for seed, one in zip(seeds, many):
        alone = deep.train(builder(torch.float64), data, algorithm, 20 * 30, seed=seed)
        assert torch.allclose(weights(one.network), weights(alone.network), rtol=1e-9, atol=1e-11)
        assert one.test_error != one.test_error and one.seed == seed


def test_a_builder_is_called_once_for_each_replica_and_a_module_is_copied():
    calls = []

    def build():
        calls.append(torch.rand(()).item())
        return torch.nn.Linear(6, 3)

    deep.train(build, small(), deep.ReplicatedSGD(replicas=4, batch=20), 400, seed=2)
    assert len(set(calls)) == 4
    deep.train(build, small(), deep.ReplicatedSGD(replicas=4, batch=20, starts="common", gamma=0.1), 400, seed=2)
    assert len(calls) == 5 and calls[4] == calls[0]
    network, state = torch.nn.Linear(6, 3), torch.get_rng_state()
    before = weights(network).clone()
    run = deep.train(network, small(), deep.SGD(batch=20), 400)
    assert torch.equal(weights(network), before) and not torch.equal(weights(run.network), before)
    assert torch.equal(torch.get_rng_state(), state)


def test_batch_norm_of_the_centre_is_measured_on_the_training_data():
    layers = lambda: torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    data = small()
    run = deep.train(layers, data, deep.ReplicatedSGD(batch=20), 3000)
    assert torch.allclose(run.network[1].running_mean, run.network[0](data.train_x).mean(dim=0).detach(), rtol=1e-4, atol=1e-5)
    assert not run.network.training


def test_a_training_that_runs_away_stops_with_the_step_and_the_last_good_network():
    with pytest.raises(TrainingDiverged, match="lower lr") as caught:
        deep.train(Weights(), ONE, deep.SGD(lr=5.0, momentum=0.0, weight_decay=0.0, **FLAT), 1000, loss=quadratic)
    assert 10 <= caught.value.step < 40
    assert torch.isfinite(weights(caught.value.network)).all()
    with pytest.raises(TrainingDiverged):
        deep.train(builder(), small(), deep.SGD(lr=1e20, batch=20), 20_000)


def test_weights_that_only_the_last_step_spoils_are_not_returned():
    with pytest.raises(TrainingDiverged):
        deep.train(Weights(), ONE, deep.SGD(lr=1e308, momentum=0.9, weight_decay=1e10, **FLAT), 2, loss=quadratic)


def test_wrong_arguments_are_named():
    data, rsgd = small(), deep.ReplicatedSGD(batch=20)
    for network, algorithm, budget, words in (
        (builder(), deep.SGD(batch=20), 19, "budget must be at least 20"),
        (builder(), deep.SGD(batch=61), 1000, "batch must be at most the 60"),
        (builder(), "sgd", 1000, "algorithm must be SGD"),
        (builder()(), rsgd, 1000, "gamma must be a number .* a function that builds"),
        ("mlp", deep.SGD(batch=20), 1000, "network must be a torch module or a function"),
        (lambda: 1, deep.SGD(batch=20), 1000, "it returned 1"),
        (lambda: Weights(3), deep.ReplicatedSGD(batch=20), 1000, "gamma must be a number"),
        (lambda: torch.nn.Linear(6, 2), deep.SGD(batch=20), 1000, "labels must be from 0 to 1"),
    ):
        with pytest.raises(InvalidInput, match=words):
            deep.train(network, data, algorithm, budget)
    with pytest.raises(InvalidInput, match="gamma must be a number"):
        deep.train(builder(), data, deep.ReplicatedSGD(batch=20, starts="common"), 1000)
    for make, words in (
        (lambda: deep.SGD(lr=0.0), "lr must be"),
        (lambda: deep.SGD(drops=0.5), "drops"),
        (lambda: deep.SGD(drops=(1.5,)), "drops"),
        (lambda: deep.SGD(momentum=1.0), "momentum"),
        (lambda: deep.SGD(average=-0.1), "average"),
        (lambda: deep.SAM(rho=-1.0), "rho"),
        (lambda: deep.EntropySGD(gamma=-0.1), "gamma must be"),
        (lambda: deep.EntropySGD(langevin_steps=0), "langevin_steps"),
        (lambda: deep.ReplicatedSGD(replicas=0), "replicas"),
        (lambda: deep.ReplicatedSGD(starts="comon"), "did you mean 'common'"),
    ):
        with pytest.raises(InvalidInput, match=words):
            make()


def test_a_checkpoint_of_another_run_or_a_damaged_one_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    deep.train(builder(), small(), deep.SGD(batch=20), 1200, seed=1, checkpoint=path)
    with pytest.raises(InvalidInput, match="belongs to another training"):
        deep.train(builder(), small(), deep.SGD(batch=20), 1200, seed=2, checkpoint=path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InvalidInput, match="damaged"):
        deep.train(builder(), small(), deep.SGD(batch=20), 1200, seed=1, checkpoint=path)
