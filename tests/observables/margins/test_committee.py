"""Stabilities and local energy of tree committees: against draws from the joint law of replicas, in their limits, and without a kernel."""

import math
import warnings

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

import flatphys as fp
from flatphys.model import ACTIVATIONS

NETWORKS = [fp.TreeCommittee(name) for name in ACTIVATIONS]
OVERLAPS = {  # c(q) of docs/theory.md
    "sign": lambda q: 2.0 / np.pi * np.arcsin(q),
    "erf": lambda q: np.arcsin(2.0 * q / 3.0) / np.arcsin(2.0 / 3.0),
    "relu": lambda q: (np.sqrt(1.0 - q * q) + q * (np.pi - np.arccos(q)) - 1.0) / (np.pi - 1.0),
}


def overlap(network, q):
    return OVERLAPS[network.activation](q)


def committee(weights, network, margin=0.0, beta=math.inf):
    return fp.Model(fp.RandomLabels(), fp.Gibbs(weights, margin, beta, network=network))


def solved(weights, network, margin, beta, alpha):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fp.solve(committee(weights, network, margin, beta), alpha)


def draws(state, n=400_000, seed=3):
    """(z, Delta) of n patterns: the common field of all replicas, and the stability tilted by its Boltzmann factor."""
    learner = state.model.learner
    c = float(overlap(learner.network, state.q))
    rng = np.random.default_rng(seed)
    z = rng.standard_normal(n)
    x = (learner.margin - math.sqrt(c) * z) / math.sqrt(1.0 - c)
    boltzmann = math.exp(-learner.beta)
    low, high = ndtr(x) * boltzmann, ndtr(-x)  # masses of both sides
    u = rng.random(n) * (low + high)
    y = np.where(u < low, ndtri(np.minimum(u / boltzmann, 1.0)) if boltzmann else 0.0, -ndtri(np.clip(u - low, 1e-300, None)))
    y = np.where(u < low, y, -ndtri(np.clip(high - (u - low), 1e-300, 1.0)))
    return z, math.sqrt(c) * z + math.sqrt(1.0 - c) * y, rng


@pytest.mark.parametrize("network", NETWORKS, ids=str)
@pytest.mark.parametrize("weights, margin, beta, alpha", [("binary", 0.2, math.inf, 0.6), ("spherical", 0.4, 2.0, 2.0)])
def test_stabilities_and_local_energy_are_those_of_draws_from_the_replicas_joint_law(network, weights, margin, beta, alpha):
    state = solved(weights, network, margin, beta, alpha)
    law = fp.margins(state)
    z, delta, rng = draws(state)
    n = z.size
    for value, values in (
        (law.mean, delta),
        (law.cdf(1.0), delta <= 1.0),
        (law.mass_below_zero, delta < 0.0),
        (law.variance, (delta - law.mean) ** 2),
    ):
        assert abs(np.mean(values) - value) < 4.5 * np.std(values) / math.sqrt(n) + 1e-12
    for d in (0.02, 0.2, 0.6):
        p = 1.0 - 2.0 * d
        # covariance of (z, Delta, Delta'): replicas share sqrt(c(q)) z, and Delta' has c(pq) with them, c(p) with its own
        cq, cp, cpq = (float(overlap(network, x)) for x in (state.q, p, p * state.q))
        known = np.array([[1.0, math.sqrt(cq)], [math.sqrt(cq), 1.0]])
        with_new = np.array([cpq / math.sqrt(cq), cp])
        share = np.linalg.solve(known, with_new)
        turned = share[0] * z + share[1] * delta + math.sqrt(1.0 - share @ with_new) * rng.standard_normal(n)
        change = (turned < 0.0) * 1.0 - (delta < 0.0)
        assert abs(change.mean() - fp.local_energy(state, distance=d)) < 4.5 * change.std() / math.sqrt(n)
        sigma = math.sqrt(1.0 / p**2 - 1.0)
        if p > 0.0:
            assert fp.local_energy(state, sigma=sigma) == pytest.approx(fp.local_energy(state, distance=d), rel=1e-10)


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_density_and_distribution_function_belong_together(network):
    law = fp.margins(solved("binary", network, 0.1, 3.0, 1.5))
    for x in (-0.7, 0.3, 1.4):
        assert (law.cdf(x + 1e-5) - law.cdf(x - 1e-5)) / 2e-5 == pytest.approx(law.pdf(x), rel=1e-7)
    assert law.pdf(np.nextafter(0.1, 1.0)) / law.pdf(np.nextafter(0.1, -1.0)) == pytest.approx(math.exp(3.0), rel=1e-10)
    assert law.cdf(0.1) == pytest.approx(solved("binary", network, 0.1, 3.0, 1.5).train_error, rel=1e-11)


@pytest.mark.parametrize("weights, beta, alpha", [("binary", math.inf, 0.5), ("spherical", 3.0, 2.0)])
def test_without_a_kernel_turned_weights_are_those_of_the_perceptron(weights, beta, alpha):
    """p Delta + sqrt(1-p^2) g: the committee's road at the perceptron's overlaps, and in the ground state."""
    states = [solved(weights, fp.Perceptron(), 0.3, beta, alpha)]
    if weights == "spherical":
        with pytest.warns(fp.errors.ReplicaSymmetryWarning):
            states.append(fp.ground_state(committee(weights, fp.Perceptron(), 0.3), 4.0))
    for state in states:
        law = fp.margins(state)
        for d in (0.0, 1e-9, 1e-3, 0.1, 0.5, 0.9, 1.0):
            assert law.rise_after_turn(2.0 * d) == pytest.approx(fp.local_energy(state, distance=d), rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_local_energy_in_its_limits(network):
    """Nothing at no perturbation, orthogonal weights err on half of the patterns, and a jumping activation notices the smallest ones."""
    state = solved("spherical", network, 0.0, 4.0, 1.5)
    below = fp.margins(state).mass_below_zero
    assert fp.local_energy(state, distance=0.0) == fp.local_energy(state, sigma=0.0) == 0.0
    assert fp.local_energy(state, distance=0.5) == pytest.approx(0.5 - below, rel=1e-12)
    assert fp.local_energy(state, sigma=1e9) == pytest.approx(0.5 - below, rel=1e-7)
    small = fp.local_energy(state, distance=[1e-8, 4e-8])
    exponent = math.log(small[1] / small[0]) / math.log(4.0)
    # the density jumps at 0: the rise is proportional to the noise, whose variance is 1 - c(p)^2
    assert exponent == pytest.approx(0.25 if network.activation == "sign" else 0.5, abs=0.01)


@pytest.mark.parametrize("activation", ["erf", "relu"])
def test_the_ground_state_has_the_margins_and_local_energy_of_low_temperature(activation):
    network = fp.TreeCommittee(activation)
    with pytest.warns(fp.errors.ReplicaSymmetryWarning):
        ground = fp.ground_state(committee("spherical", network, 0.3), 4.0)
    law = fp.margins(ground)
    assert law.cdf(np.nextafter(0.3, 0.0)) == pytest.approx(ground.train_error, rel=1e-12)
    gaps = []
    for beta in (4e3, 16e3, 64e3):
        warm = solved("spherical", network, 0.3, beta, 4.0)
        gaps.append(
            [
                abs(fp.margins(warm).mean - law.mean),
                *np.abs(fp.local_energy(warm, distance=[0.02, 0.2, 0.7]) - fp.local_energy(ground, distance=[0.02, 0.2, 0.7])),
            ]
        )
    gaps = np.array(gaps)
    assert (gaps[-1] < 1.5e-3).all() and (gaps[-1, 1:] < 0.5 * gaps[0, 1:]).all()
