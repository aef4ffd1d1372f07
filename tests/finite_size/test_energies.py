"""Energies in the sampler: exact sums over all weights of small systems, an integral over a circle, hard constraints, theory.

The sums use the energies' definitions, written here once more; sampled means of the same instances differ by the chains' noise alone.
"""

import itertools
import math

import numpy as np
import pytest
from scipy.special import erf, ndtr

import flatphys as fp
from flatphys.errors import InvalidInput
from flatphys.finite_size.chains.ensemble import Chains
from flatphys.finite_size.chains.ladder import ladder_of, log_ratios
from flatphys.finite_size.instances import make_instances
from flatphys.finite_size.schedule import sampled_channel

COSTS = {
    "errors": lambda t: (t > 0.0).astype(float),
    "hinge": lambda t: np.maximum(t, 0.0),
    "squared-hinge": lambda t: 0.5 * np.maximum(t, 0.0) ** 2,
    "square": lambda t: 0.5 * t * t,
}
each_energy = pytest.mark.parametrize("energy", [name for name in COSTS if name != "errors"])
quick = pytest.mark.filterwarnings("ignore::flatphys.errors.NotMixedWarning")


def configurations(n):
    return np.array(list(itertools.product([-1, 1], repeat=n)), dtype=float)


def exact(instances, k, energy, margin, beta):
    """(energy, log Z, fraction below the margin, overlap of two draws, overlap with the direction) per instance by enumeration."""
    weights = configurations(instances.n)
    t = instances.stabilities(np.broadcast_to(weights, (instances.count, *weights.shape)))[k]
    total = COSTS[energy](margin - t).sum(axis=1)
    law = np.exp(-beta * total)
    z = law.sum()
    mean = law @ weights / z
    along = mean @ instances.direction[k] / instances.n if instances.direction is not None else 0.0
    return law @ total / z, math.log(z), law @ (t < margin).mean(axis=1) / z, mean @ mean / instances.n, along


MODELS = {
    "random labels": (fp.RandomLabels(), fp.Perceptron(), {}),
    "teacher": (fp.Teacher(0.1), fp.Perceptron(), {}),
    "mixture": (fp.GaussianMixture(0.5, 0.3), fp.Perceptron(), {}),
    "teacher committee": (fp.Teacher(0.1), fp.TreeCommittee("relu"), {"hidden": 3}),
    "committee on a mixture": (fp.GaussianMixture(), fp.TreeCommittee("erf"), {"hidden": 3}),
}


@each_energy
@pytest.mark.parametrize("where", MODELS)
def test_every_estimate_agrees_with_exact_enumeration(energy, where):
    data, network, more = MODELS[where]
    margin, beta, n = 0.4, 2.0, 9
    model = fp.Model(data, fp.Gibbs("binary", margin, beta, network, energy))
    run = fp.sample(model, n, 0.8, chains=16, sweeps=2000, device="cpu", seed=3, threads=1, exchange=True, **more)
    instances = run.source.instances
    assert instances.direction is None or set(np.unique(instances.direction)) == {-1.0, 1.0}
    found = np.array([exact(instances, k, energy, margin, beta) for k in range(instances.count)])
    energies, log_z, below, overlap, along = found.mean(axis=0)
    pairs = [(run.energy, energies / n), (run.free_entropy, log_z / n), (run.train_error, below), (run.overlap, overlap)]
    if instances.direction is not None:
        pairs.append((run.cosine, along))
    for estimate, value in pairs:
        assert abs(estimate.mean - value) < 4.0 * estimate.time_error
    assert run.train_loss.mean == pytest.approx(run.energy.mean * n / instances.p, rel=1e-12)
    assert run.entropy.mean == pytest.approx(run.free_entropy.mean + beta * run.energy.mean, rel=1e-8)


@pytest.mark.long
@each_energy
@pytest.mark.parametrize("patterns", ["sign", "gaussian"])
def test_independent_chains_have_the_boltzmann_law(energy, patterns):
    instances = make_instances(fp.Model(fp.RandomLabels(), fp.Gibbs()), 9, 0.8, seed=3, patterns=patterns)
    weights = configurations(9)
    total = COSTS[energy](0.3 - instances.stabilities(weights[None])[0]).sum(axis=1)
    chains = Chains(instances, margin=0.3, energy=energy, betas=(0.5, 1.5), replicas=6000, seed=1).advance(60)
    places = 2 ** np.arange(9)[::-1]
    for b, beta in enumerate(chains.betas):
        law = np.exp(-beta * total)
        law /= law.sum()
        expected = 6000 * law
        seen = np.bincount(((chains.weights[0, :, b] > 0) @ places).astype(int), minlength=512)
        chi2 = np.sum((seen - expected) ** 2 / expected)
        assert abs(chi2 - 511) < 4.5 * math.sqrt(2 * 511 + np.sum(1.0 / expected))
    assert np.all(chains.exchange > 0.3)


@each_energy
def test_rotations_sample_the_circle(energy):
    instances = make_instances(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")), 2, 3.0, seed=4, patterns="gaussian")
    chains = Chains(instances, weights="spherical", margin=0.5, energy=energy, betas=0.5, replicas=20000, seed=3, tune=5).advance(200)
    u = (np.arange(20000) + 0.5) * (2.0 * math.pi / 20000)
    circle = math.sqrt(2.0) * np.stack([np.cos(u), np.sin(u)], axis=1)
    total = COSTS[energy](0.5 - instances.stabilities(circle[None])[0]).sum(axis=1)
    law = np.exp(-0.5 * total)
    law /= law.sum()
    mean = law @ total
    assert abs(chains.energy.mean() - mean) < 4.5 * math.sqrt(law @ (total - mean) ** 2 / 20000)
    drift = chains.recompute()
    assert drift < 1e-9  # float64 fields, and energies in quanta of 2^-32


def test_hinge_like_energies_at_infinite_beta_are_the_hard_constraint():
    runs = [
        fp.sample(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", energy=e)), 13, 0.4, chains=8, sweeps=600, device="cpu", seed=5)
        for e in ("errors", "hinge", "squared-hinge")
    ]
    for run in runs[1:]:
        assert np.array_equal(run.energies, runs[0].energies) and run.entropy.mean == runs[0].entropy.mean
        assert run.train_loss.mean == run.energy.mean == run.train_error.mean == 0.0
    square = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", energy="square"))
    with pytest.raises(InvalidInput, match="'square', got inf"):
        fp.sample(square, 13, 0.4)
    with pytest.raises(InvalidInput, match="'square', got inf"):
        Chains(make_instances(square, 13, 0.4), energy="square", betas=(1.0, math.inf))


@each_energy
@pytest.mark.parametrize("margin", [0.0, 1.0])
def test_the_integral_over_the_ladder_of_independent_patterns_is_known(energy, margin):
    """P patterns with stabilities of their own: Z(beta) = E[exp(-beta energy)]^P, by quadrature."""
    rng, p, beta = np.random.default_rng(5), 60, 3.0
    betas = ladder_of(sampled_channel(energy, margin, beta), p)
    assert betas[0] == 0.0 and betas[-1] == beta and all(a < b for a, b in itertools.pairwise(betas))
    t = np.linspace(-9.0, 9.0, 20001)
    cost, density = COSTS[energy](margin - t), np.exp(-0.5 * t * t)
    energies = np.empty((20, 2, len(betas), 200))
    for k, b in enumerate(betas):
        law = np.cumsum(density * np.exp(-b * cost))
        draws = np.interp(rng.random((20, 2, 200, p)), law / law[-1], t)
        energies[:, :, k] = COSTS[energy](margin - draws).sum(axis=-1)
    value = p * math.log(np.sum(density * np.exp(-beta * cost)) / np.sum(density))
    total = log_ratios(energies, betas).sum(axis=1)
    assert abs(total.mean() - value) < 4.0 * total.std() / math.sqrt(20) + 1e-3
    deviations = energies.std(axis=(0, 1, 3))
    steps = np.diff(betas) * 0.5 * (deviations[1:] + deviations[:-1])
    assert np.all(steps < 1.6) and steps.mean() > 0.5  # neighbours exchange often, and there are not too many of them


@each_energy
def test_local_entropies_count_with_any_energy(energy):
    n, alpha, beta, margin = 13, 0.6, 1.5, 0.3
    model = fp.Model(fp.Teacher(), fp.Gibbs("binary"))
    options = {"reference": "teacher", "margin": margin, "beta": beta, "energy": energy, "patterns": "gaussian"}
    run = fp.sample_local_entropy(model, n, alpha, distance=[3 / 13], chains=16, sweeps=2000, device="cpu", seed=2, **options)
    instances = make_instances(model, n, alpha, count=8, seed=2, patterns="gaussian")
    weights, values, losses = configurations(n), [], []
    for k in range(8):
        shell = weights[(weights != instances.teacher[k]).sum(axis=1) == 3]
        total = COSTS[energy](margin - instances.stabilities(np.broadcast_to(shell, (8, *shell.shape)))[k]).sum(axis=1)
        law = np.exp(-beta * total)
        mean = law @ total / law.sum()
        values.append((math.log(law.sum()) + beta * mean) / n)
        losses.append(mean / instances.p)
    assert abs(run.finite_value.mean[0] - np.mean(values)) < 4.5 * run.value.time_error[0] + 1e-4
    assert abs(run.train_loss.mean[0] - np.mean(losses)) < 4.5 * run.train_loss.time_error[0] + 1e-4
    assert run.energy.mean == pytest.approx(run.alpha * run.train_loss.mean) and run.cost == energy
    assert energy in repr(run) and run.record()["points"][0]["train_loss"] == run.train_loss.mean[0]


@pytest.mark.long
@pytest.mark.parametrize(
    ("model", "counted"),
    [
        (fp.Model(fp.Teacher(), fp.Gibbs("spherical", beta=1.0)), {"energy": "squared-hinge", "margin": 0.5, "beta": 2.0}),
        (fp.Model(fp.GaussianMixture(), fp.ERM("logistic", 0.1)), {"energy": "square", "margin": 1.0, "beta": 1.0}),
    ],
)
def test_local_entropies_agree_with_theory_whatever_the_reference(model, counted):
    run = fp.sample_local_entropy(model, 150, 0.5, overlap=[0.4, 0.7], chains=32, sweeps=300, device="cpu", **counted)
    report = fp.check(fp.local_entropy(fp.solve(model, run.alpha), overlap=run.overlap, **counted), run)
    assert report.passed and len(report.rows) == 6  # value, train_error, train_loss at two overlaps


@quick
def test_a_checkpoint_continues_a_run_with_an_energy(tmp_path):
    import os
    import signal

    model = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", 0.5, 1.0, energy="hinge"))
    call = {"n": 31, "alpha": 0.5, "chains": 8, "sweeps": 60, "burn_in": 20, "every": 1, "device": "cpu", "exchange": True}
    press = lambda done, total: os.kill(os.getpid(), signal.SIGINT) if done == 40 else None
    with pytest.warns(fp.errors.InterruptedRunWarning):
        fp.sample(model, **call, checkpoint=tmp_path / "run.npz", progress=press)
    resumed, whole = fp.sample(model, **call, checkpoint=tmp_path / "run.npz"), fp.sample(model, **call)
    assert repr(resumed.record()) == repr(whole.record()) and np.array_equal(resumed.energies, whole.energies)
    other = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", 0.5, 1.0, energy="square"))
    with pytest.raises(InvalidInput, match="another call; they differ in .*model"):
        fp.sample(other, **call, checkpoint=tmp_path / "run.npz")


def test_weights_on_a_mixture_generalise_as_fresh_examples_say():
    data = fp.GaussianMixture(0.5, 0.3)
    run = fp.sample(fp.Model(data, fp.Gibbs("spherical", 0.5, 2.0, energy="hinge")), 40, 2.0, chains=8, sweeps=400, device="cpu", seed=2)
    weights, centre = run.source.weights[0].reshape(-1, 40), run.source.instances.centre
    m = weights @ centre / 40
    assert run.m.values[0] == pytest.approx(m.mean(), abs=0.1) and run.cosine.mean == run.m.mean
    rng = np.random.default_rng(1)
    fresh = centre / math.sqrt(40) + math.sqrt(0.5) * rng.standard_normal((20000, 40))  # times its label
    assert np.mean(fresh @ weights.T < 0.0) == pytest.approx(ndtr(-m / math.sqrt(0.5)).mean(), abs=0.005)


@pytest.mark.parametrize(
    "activation, phi", [("relu", lambda h: np.maximum(h, 0.0)), ("erf", erf), ("sign", lambda h: np.where(h >= 0, 1, -1))]
)
@pytest.mark.parametrize("weights", ["binary", "spherical"])
def test_a_teacher_committee_labels_by_its_own_units(activation, phi, weights):
    model = fp.Model(fp.Teacher(0.2), fp.Gibbs(weights, network=fp.TreeCommittee(activation)))
    instances = make_instances(model, 15, 40.0, 2, seed=1, hidden=3, patterns="gaussian")
    units = instances.teacher[0].astype(float).reshape(3, 5)
    assert np.allclose((units**2).sum(axis=1), 5.0)
    x = instances.patterns[0].astype(float).reshape(3, 5, -1)
    total = np.array([1.0, 1.0, -1.0]) @ phi(np.einsum("ui,uip->up", units, x) / math.sqrt(5))
    flipped = instances.labels[0] != np.where(total >= -1e-9, 1, -1)
    assert abs((flipped.mean() - 0.2) / math.sqrt(0.16 / flipped.size)) < 4.5
