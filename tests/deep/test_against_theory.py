"""A logistic layer at N = 1000 is the solvable model: every measure of a network against the saddle point's value."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'flatphys[torch]'")

import flatphys as fp
from flatphys import deep

N, ALPHA, L2, INSTANCES = 1000, 1.5, 0.3, 16
FALSE_ALARM = 4.0  # as a normal deviate: 6e-5 a number


def z(values, exact):
    """Normal quantile of the deviation of a mean from `exact`, its spread estimated from the values themselves (Student's t)."""
    from scipy.stats import norm, t

    values = np.asarray(values)
    score = (values.mean() - exact) / (values.std(ddof=1) / math.sqrt(len(values)))
    return norm.isf(t.sf(abs(score), len(values) - 1))


@pytest.fixture(scope="module", params=[fp.Teacher(0.05), fp.GaussianMixture(1.0)], ids=["teacher", "mixture"])
def trained(request):
    """(state, [(network, data)]): a logistic layer on x/sqrt N, minimised to rounding with weight decay."""
    model = fp.Model(request.param, fp.ERM("logistic", L2))
    found = []
    for k in range(INSTANCES):
        one = fp.make_instances(model, N, ALPHA, seed=5, first=k)
        x = (one.patterns[0] * one.labels[0]).T.astype(np.float64) / math.sqrt(N)
        data = deep.Data.from_arrays(x, (one.labels[0] + 1) // 2)
        network = torch.nn.Linear(N, 1, bias=False).double()
        optimiser = torch.optim.LBFGS(network.parameters(), max_iter=500, tolerance_grad=1e-12, line_search_fn="strong_wolfe")
        sign = torch.from_numpy(one.labels[0].astype(np.float64))

        def closure():
            optimiser.zero_grad()
            loss = torch.nn.functional.softplus(-sign * network(data.train_x)[:, 0]).sum() + 0.5 * L2 * network.weight.square().sum()
            loss.backward()
            return loss

        optimiser.step(closure)
        found.append((network, data, one))
    return fp.solve(model, one.alpha), found


def test_local_energy_of_a_logistic_layer_is_the_theory_s(trained):
    state, found = trained
    sigma = np.array([0.3, 1.0])
    measured = np.array(
        [deep.local_energy(net, data, sigma, draws=8, seed=k, loss="logistic").value for k, (net, data, _) in enumerate(found)]
    )
    exact = fp.local_energy(state, sigma=sigma)
    assert all(z(measured[:, i], exact[i]) < FALSE_ALARM for i in range(2))


def test_two_outputs_of_opposite_weights_are_one_logit_at_sigma_over_root_two(trained):
    state, found = trained
    measured = []
    for k, (net, data, _) in enumerate(found):
        two = torch.nn.Linear(N, 2, bias=False).double()
        with torch.no_grad():
            two.weight[1] = net.weight[0] / 2
            two.weight[0] = -net.weight[0] / 2
        measured.append(deep.local_energy(two, data, 1.0, draws=8, seed=100 + k).value)
        if not k:
            alone = deep.relative_flatness(net, data, loss="logistic").value
            assert deep.relative_flatness(two, data).value == pytest.approx(alone, rel=1e-12)
    assert z(measured, fp.local_energy(state, sigma=1.0 / math.sqrt(2.0))) < FALSE_ALARM


def test_relative_flatness_of_a_logistic_layer_is_n_times_the_theory_s(trained):
    state, found = trained
    measured = [deep.relative_flatness(net, data, loss="logistic").value for net, data, _ in found]
    assert z(measured, N * fp.relative_flatness(state)) < FALSE_ALARM


def test_errors_and_margins_of_a_logistic_layer_are_the_theory_s(trained):
    state, found = trained
    outputs = [(one.labels[0] * net(data.train_x)[:, 0].detach().numpy()) for net, data, one in found]
    assert z([(t < 0).mean() for t in outputs], state.train_error) < FALSE_ALARM
    law = fp.margins(state)
    assert z([t.mean() for t in outputs], law.mean) < FALSE_ALARM
    cosine = [
        float(net.weight[0].detach().numpy() @ np.ravel(one.direction[0]) / (net.weight.norm().item() * math.sqrt(N)))
        for net, _, one in found
    ]
    assert z(cosine, state.cosine) < FALSE_ALARM
