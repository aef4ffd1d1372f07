"""The chains sample exp(-beta E): every configuration of small systems, areas on circles and spheres, moments.

Replicas are independent, so the error of a mean over them needs no autocorrelation time.
"""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

import flatphys as fp
from flatphys.finite_size.chains import moves
from flatphys.finite_size.chains.ensemble import Chains
from flatphys.finite_size.chains.layout import Cost
from flatphys.finite_size.instances import make_instances
from flatphys.kernels.codes import ERRORS

RANDOM = fp.Model(fp.RandomLabels(), fp.Gibbs("binary"))
TIE = 1e-9  # enumerated stabilities are float64 sums: one that equals the margin must not count


def configurations(n):
    return np.array(list(itertools.product((-1.0, 1.0), repeat=n)))


def energies(instances, weights, margin):
    return (instances.stabilities(weights[None])[0] < margin - TIE).sum(axis=-1)


def assert_law(chains, weights, energy, sweeps=60):
    """Final configurations of many replicas against Boltzmann weights over `weights`, at every beta; mean energies too."""
    chains.advance(sweeps)
    places = 2 ** np.arange(weights.shape[1])[::-1]
    index = {int(code): k for k, code in enumerate((weights > 0) @ places)}
    found = chains.weights[0]
    assert np.array_equal(chains.energy, (chains.stabilities < chains.margin - TIE).sum(axis=-1))
    for b, beta in enumerate(chains.betas):
        law = np.where(energy == 0, 1.0, 0.0) if math.isinf(beta) else np.exp(-beta * energy)
        law = law / law.sum()
        seen = np.bincount([index[int(code)] for code in (found[:, b] > 0) @ places], minlength=len(law))
        expected = chains.replicas * law
        order = np.argsort(expected)[::-1]
        common = order[expected[order] >= 3.0]
        rest = expected[np.setdiff1d(order, common)].sum()
        seen_, expected_ = seen[common], expected[common]
        if rest > 0.0:
            seen_, expected_ = np.append(seen_, chains.replicas - seen_.sum()), np.append(expected_, rest)
        assert len(expected_) > 10
        assert stats.chisquare(seen_, expected_ * seen_.sum() / expected_.sum()).pvalue > 1e-4
        mean, square = law @ energy, law @ energy.astype(float) ** 2
        error = math.sqrt(max(square - mean * mean, 0.0) / chains.replicas)
        assert abs(chains.energy[0, :, b].mean() - mean) <= 4.5 * error + 1e-12


@pytest.mark.long
@pytest.mark.parametrize("patterns, margin", [("sign", 0.0), ("sign", 0.5), ("sign", -0.7), ("gaussian", 0.2)])
def test_flips_sample_every_configuration_with_its_boltzmann_weight(patterns, margin):
    instances = make_instances(RANDOM, 11, 0.8, seed=3, patterns=patterns)
    w = configurations(11)
    for beta in (0.0, 0.7, 1.5):
        assert_law(Chains(instances, margin=margin, betas=beta, replicas=12000, seed=1), w, energies(instances, w, margin))


def test_flips_where_stabilities_can_equal_the_margin():
    instances = make_instances(RANDOM, 12, 0.7, seed=5)  # even N: fields are even, margin 0 is a possible value
    w = configurations(12)
    assert_law(Chains(instances, betas=1.0, replicas=12000, seed=2), w, energies(instances, w, 0.0))


@pytest.mark.long
@pytest.mark.parametrize("patterns", ["sign", "gaussian"])
def test_exchange_leaves_the_marginal_of_every_temperature(patterns):
    instances = make_instances(RANDOM, 11, 0.5, seed=7, patterns=patterns)
    w = configurations(11)
    chains = Chains(instances, betas=(0.3, 1.0, 2.0, math.inf), replicas=10000, seed=4)
    assert_law(chains, w, energies(instances, w, 0.0), sweeps=100)
    assert np.all(chains.exchange > 0.05) and np.all(chains.exchange < 1.0)
    walkers = chains.replica_index[0]
    assert np.array_equal(np.sort(walkers, axis=-1), np.broadcast_to(np.arange(4), walkers.shape))
    visits = np.array([[np.mean(walkers[:, b] == k) for k in range(4)] for b in range(4)])
    assert np.all(np.abs(visits - 0.25) < 0.1)  # walkers travel between the temperatures


@pytest.mark.parametrize("patterns", ["sign", "gaussian"])
@pytest.mark.parametrize("overlap, agree", [(3 / 11, 7), (0.5, 8)])
def test_pair_flips_sample_the_shell_of_fixed_overlap(patterns, overlap, agree):
    instances = make_instances(fp.Model(fp.Teacher(), fp.Gibbs("binary")), 11, 0.9, seed=3, patterns=patterns)
    w = configurations(11)
    shell = w[np.isclose(w @ instances.teacher[0], 2 * agree - 11)]
    for betas in ((0.0,), (0.4, 1.5)):
        chains = Chains(instances, betas=betas, replicas=6000, seed=5, reference="teacher", overlap=overlap)
        assert chains.overlap == pytest.approx((2 * agree - 11) / 11)
        assert_law(chains, shell, energies(instances, shell, 0.0))


@pytest.mark.long
@pytest.mark.parametrize("activation", ["sign", "erf", "relu"])
@pytest.mark.parametrize("patterns", ["sign", "gaussian"])
def test_the_committee_samples_every_configuration(activation, patterns):
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", network=fp.TreeCommittee(activation)))
    instances = make_instances(model, 9, 1.0, seed=2, hidden=3, patterns=patterns)
    w = configurations(9)
    energy = energies(instances, w, 0.2)
    assert_law(Chains(instances, margin=0.2, betas=(0.7, 1.5), replicas=3000, seed=1), w, energy, sweeps=40)
    shell = w[np.isclose(w.sum(axis=1), 1.0)]
    chains = Chains(instances, margin=0.2, betas=1.0, replicas=2000, seed=1, reference=np.ones((1, 9)), overlap=1 / 9)
    assert_law(chains, shell, energies(instances, shell, 0.2))


def test_ties_of_cancelling_units_are_no_errors_at_margin_zero():
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", network=fp.TreeCommittee("erf")))
    instances = make_instances(model, 8, 2.0, seed=2, hidden=4)
    chains = Chains(instances, betas=0.5, replicas=500, seed=1).advance(50)
    assert np.any(chains.stabilities == 0.0) and chains.recompute() == 0.0
    assert np.array_equal(chains.energy, (chains.stabilities < 0.0).sum(axis=-1))


# --- spherical weights ------------------------------------------------------------------------------
@pytest.mark.parametrize("patterns", ["sign", "gaussian"])
def test_rotations_at_beta_zero_are_uniform_on_the_sphere(patterns):
    n = 5
    instances = make_instances(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")), n, 1.0, seed=1, patterns=patterns)
    start = np.zeros((1, n))
    start[0, 0] = 1.0  # rescaled to |w|^2 = n
    w = Chains(instances, weights="spherical", betas=0.0, replicas=20000, start=start, seed=3, tune=5).advance(60).weights[0, :, 0]
    assert np.allclose((w**2).sum(axis=1), n, rtol=1e-13)
    fourth = 3.0 * n / (n + 2.0)
    assert np.all(np.abs(w.mean(axis=0)) < 4.5 / math.sqrt(len(w)))
    assert np.all(np.abs((w**2).mean(axis=0) - 1.0) < 4.5 * math.sqrt((fourth - 1.0) / len(w)))
    assert np.all(np.abs((w**4).mean(axis=0) - fourth) < 4.5 * (w**4).std() / math.sqrt(len(w)))
    for i in range(n):  # (w_i/sqrt n)^2 is Beta(1/2, (n-1)/2)
        assert stats.kstest(w[:, i] ** 2 / n, stats.beta(0.5, 0.5 * (n - 1)).cdf).pvalue > 1e-4


def circle_law(instances, first, second, centre, beta, margin):
    """exp(-beta E) over centre + cos u first + sin u second: (mean energy, its variance, P(cos u > 0))."""
    u = (np.arange(200000) + 0.5) * (2.0 * math.pi / 200000)
    w = centre + np.outer(np.cos(u), first) + np.outer(np.sin(u), second)
    energy = (instances.stabilities(w[None])[0] < margin).sum(axis=-1)
    law = np.exp(-beta * energy)
    law /= law.sum()
    mean = law @ energy
    return mean, law @ (energy - mean) ** 2, law[np.cos(u) > 0].sum()


@pytest.mark.parametrize("patterns", ["sign", "gaussian"])
def test_rotations_on_a_circle_have_the_areas_of_their_energies(patterns):
    instances = make_instances(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")), 2, 3.0, seed=4, patterns=patterns)
    chains = Chains(instances, weights="spherical", betas=(0.5, 2.0), margin=0.1, replicas=8000, seed=3).advance(200)
    axes = math.sqrt(2.0) * np.eye(2)
    for b, beta in enumerate((0.5, 2.0)):
        mean, variance, right = circle_law(instances, axes[0], axes[1], 0.0, beta, 0.1)
        assert abs(chains.energy[0, :, b].mean() - mean) < 4.5 * math.sqrt(variance / 8000)
        assert abs((chains.weights[0, :, b, 0] > 0).mean() - right) < 4.5 * math.sqrt(right * (1 - right) / 8000)


@pytest.mark.parametrize("overlap", [-0.4, 0.0, 0.8])
def test_rotations_around_a_reference_keep_the_overlap_and_sample_the_circle(overlap):
    instances = make_instances(fp.Model(fp.Teacher(0.2), fp.Gibbs("spherical")), 3, 2.0, seed=6, patterns="gaussian")
    reference = 7.0 * np.array([[0.3, -1.0, 0.5]])
    chains = Chains(instances, weights="spherical", betas=(0.5, 2.0), replicas=8000, seed=3, reference=reference, overlap=overlap)
    chains.advance(200)
    unit = reference[0] / np.linalg.norm(reference)
    w = chains.weights
    assert np.max(np.abs(w @ unit / math.sqrt(3) - overlap)) < 1e-13 and np.allclose((w**2).sum(axis=-1), 3.0, rtol=1e-13)
    assert np.max(np.abs(chains.stabilities - instances.stabilities(w))) < 1e-6  # turned patterns are float32
    first = np.cross(unit, [0.0, 0.0, 1.0])
    first *= math.sqrt(3 * (1 - overlap**2)) / np.linalg.norm(first)
    second = np.cross(unit, first)
    for b, beta in enumerate((0.5, 2.0)):
        mean, variance, right = circle_law(instances, first, second, math.sqrt(3) * overlap * unit, beta, 0.0)
        assert abs(chains.energy[0, :, b].mean() - mean) < 4.5 * math.sqrt(variance / 8000)
        assert abs((w[0, :, b] @ first > 0).mean() - right) < 4.5 * math.sqrt(right * (1 - right) / 8000)


def test_rotations_of_a_committee_keep_every_unit_and_sample_its_sphere():
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", network=fp.TreeCommittee("relu")))
    instances = make_instances(model, 4, 1.0, seed=2, hidden=2, patterns="gaussian")
    chains = Chains(instances, weights="spherical", betas=1.5, replicas=10000, seed=3).advance(200)
    w = chains.weights[0, :, 0].reshape(-1, 2, 2)
    assert np.allclose((w**2).sum(axis=2), 2.0, rtol=1e-13)
    u = (np.arange(1000) + 0.5) * (2.0 * math.pi / 1000)  # the exact law: two circles
    circle = math.sqrt(2.0) * np.stack([np.cos(u), np.sin(u)], axis=1)
    pairs = np.concatenate([np.repeat(circle, 1000, axis=0), np.tile(circle, (1000, 1))], axis=1)
    energy = (instances.stabilities(pairs[None])[0] < 0.0).sum(axis=-1)
    law = np.exp(-1.5 * energy)
    law /= law.sum()
    mean = law @ energy
    assert abs(chains.energy.mean() - mean) < 4.5 * math.sqrt(law @ (energy - mean) ** 2 / 10000)


# --- tables and words -------------------------------------------------------------------------------
def test_the_integer_threshold_is_exact():
    rng = np.random.default_rng(0)
    for n in (1, 4, 9, 15, 16, 101, 10000):
        root = math.isqrt(n)
        for margin in (0.0, 1.0, -1.0, 0.5, -0.25, 1e-300, -1e-300, *rng.normal(size=20)):
            t = moves.integer_threshold(margin, n)
            if root * root == n:  # compare rationals: margin is a binary fraction
                from fractions import Fraction

                exact = Fraction(margin) * root
                assert t - 1 < exact <= t
            else:
                assert t - 1 < margin * math.sqrt(n) * (1 + 1e-15) + 1e-12 and margin * math.sqrt(n) <= t + 1e-12
    assert moves.integer_threshold(0.5, 16) == 2 and moves.integer_threshold(-0.5, 16) == -2 and moves.integer_threshold(0.3, 16) == 2


def test_acceptance_words_are_boltzmann_factors():
    words = moves.boltzmann_words(0.7, 40)
    assert np.allclose(words / 2.0**32, np.exp(-0.7 * np.arange(41)), atol=2.0**-32)
    assert moves.boltzmann_words(math.inf, 3).tolist() == [2**32, 0, 0, 0]
    assert moves.boltzmann_words(0.0, 3).tolist() == [2**32] * 4


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
@pytest.mark.parametrize("p", [1, 63, 64, 130])
def test_marks_give_the_energy_change_of_every_flip_and_pair(dtype, p):
    rng = np.random.default_rng(p)
    n, words = 15, -(-p // 64)
    x = rng.choice([-1, 1], (n, p))
    w = rng.choice([-1, 1], n)
    packed = np.zeros((n, words * 8), np.uint8)
    packed[:, : -(-p // 8)] = np.packbits(x > 0, axis=1, bitorder="little")
    bits = packed.view(np.uint64)
    valid = np.zeros(words * 8, np.uint8)
    valid[: -(-p // 8)] = np.packbits(np.ones(p, bool), bitorder="little")
    valid = valid.view(np.uint64)
    ones = np.uint64(2**64 - 1)
    for t in (-3, 0, 2):
        threshold = np.array([t], dtype)
        for i in range(n):
            j = (i + 4) % n
            signs = [ones if w[k] > 0 else np.uint64(0) for k in (i, j)]
            for pair in (False, True):
                h = np.zeros(64 * words, dtype)
                h[:p] = w @ x
                upper, lower = np.empty(words, np.uint64), np.empty(words, np.uint64)
                moves.mark(h, threshold, 4 if pair else 2, valid, upper, lower)
                after = w @ x - 2 * w[i] * x[i] - (2 * w[j] * x[j] if pair else 0)
                expected = np.count_nonzero(after < t) - np.count_nonzero(w @ x < t)
                if pair:
                    assert moves.pair_change(bits[i], signs[0], bits[j], signs[1], upper, lower) == expected
                    moves.pair_fields(h, bits[i], signs[0], bits[j], signs[1], threshold, valid, upper, lower)
                else:
                    assert moves.flip_change(bits[i], signs[0], upper, lower) == expected
                    moves.flip_fields(h, bits[i], signs[0], threshold, valid, upper, lower)
                assert np.array_equal(h[:p], after)
                marks = [upper.copy(), lower.copy()]
                moves.mark(h, threshold, 4 if pair else 2, valid, upper, lower)
                assert np.array_equal(marks[0], upper) and np.array_equal(marks[1], lower)


@pytest.mark.parametrize("p", [1, 64, 130])
def test_shifts_from_bits_are_those_from_the_patterns(p):
    rng = np.random.default_rng(p)
    words = -(-p // 64)
    x, z = rng.choice(np.array([-1, 1], np.int8), (2, p))
    pack = lambda row: np.packbits(np.pad(row, (0, 64 * words - p)) > 0, bitorder="little").view(np.uint64)
    h, a, b = 3.0 * rng.standard_normal(64 * words), *rng.standard_normal(2)
    out, plain = np.empty(64 * words), np.empty(p)
    below = moves.shift_bits(h, out, pack(x), a, pack(z), b, 0.3, pack(np.ones(p)))
    assert below == moves.shift_two(h[:p], plain, x, a, z, b, Cost(ERRORS, 0.3, 1.0, 1.0)) == np.count_nonzero(plain < 0.3)
    assert np.allclose(out[:p], plain, rtol=0.0, atol=1e-15)
