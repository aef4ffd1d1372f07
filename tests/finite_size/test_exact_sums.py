"""Theory against exact sums over all 2^N binary weights, N = 8 to 16, at finite temperature.

The quenched averages of log Z/N and of the energy over random instances approach the theory as 1/N.  They are
extrapolated linearly from three sizes; the tolerance is 4.5 standard errors (false alarm 7e-6 a number) plus
1e-3 for the curvature in 1/N (b/N^2 with b up to 0.1; b = 0.05 was measured up to N = 20).  The annealed average, which ignores
the fluctuations of Z, must fail the same test: the comparison is sharp enough to see replica physics.
"""

import math

import numba
import numpy as np
import pytest
from scipy.special import ndtr

import flatphys as fp

SIZES = {8: 30_000, 12: 15_000, 16: 3_500}  # N: instances
CURVATURE = 1e-3


@numba.njit
def count_errors(patterns, margin):
    """Number of weight vectors with each number of errors, in Gray-code order: one flip from each to the next."""
    p, n = patterns.shape
    threshold = margin * math.sqrt(n)
    weights, fields = np.ones(n), np.zeros(p)
    for mu in range(p):
        for i in range(n):
            fields[mu] += patterns[mu, i]
    columns = 2.0 * patterns.T.copy()
    counts = np.zeros(p + 1, np.int64)
    for code in range(1, 2**n + 1):
        errors = 0
        for mu in range(p):
            errors += fields[mu] < threshold
        counts[errors] += 1
        i = 0
        while i < n - 1 and (code >> i) & 1 == 0:
            i += 1
        s = weights[i]
        weights[i] = -s
        for mu in range(p):
            fields[mu] -= s * columns[i, mu]
    return counts


def test_the_enumeration_counts_every_weight_vector_once():
    rng = np.random.default_rng(0)
    patterns = rng.standard_normal((4, 6))
    every = np.array(np.meshgrid(*[[-1.0, 1.0]] * 6)).reshape(6, -1)
    errors = (patterns @ every < 0.3 * math.sqrt(6)).sum(axis=0)
    assert (count_errors(patterns, 0.3) == np.bincount(errors, minlength=5)).all()


def quenched(n, instances, data, alpha, margin, beta):
    """(mean, standard error) of (log Z/N, energy/N) over instances."""
    rng, p = np.random.default_rng(n), round(alpha * n)
    number = np.arange(p + 1)
    out = np.empty((instances, 2))
    for k in range(instances):
        patterns = rng.standard_normal((p, n))
        if isinstance(data, fp.Teacher):  # the teacher (1, ..., 1); patterns are multiplied by their labels
            patterns *= (np.sign(patterns.sum(axis=1)) * np.where(rng.random(p) < data.flip, -1.0, 1.0))[:, None]
        boltzmann = count_errors(patterns, margin) * np.exp(-beta * number)
        out[k] = math.log(boltzmann.sum()) / n, boltzmann @ number / boltzmann.sum() / n
    return out.mean(axis=0), out.std(axis=0) / math.sqrt(instances)


def extrapolate(sizes, values, errors):
    """Weighted linear fit in 1/N: (value at 1/N = 0, its standard error)."""
    design = np.stack([np.ones(len(sizes)), 1.0 / np.array(sizes)], axis=1) / errors[:, None]
    inverse = np.linalg.inv(design.T @ design)
    return (inverse @ design.T @ (values / errors))[0], math.sqrt(inverse[0, 0])


@pytest.mark.long
@pytest.mark.parametrize("data, margin", [(fp.RandomLabels(), 0.0), (fp.Teacher(0.1), 0.0)])
def test_free_entropy_and_energy_agree_with_exact_enumeration(data, margin, alpha=0.5, beta=2.0):
    state = fp.solve(fp.Model(data, fp.Gibbs("binary", margin, beta)), alpha)
    f = math.exp(-beta) + (1.0 - math.exp(-beta)) * ndtr(-margin)
    annealed = math.log(2.0) + alpha * math.log(f)
    means, errors = (np.array(x) for x in zip(*(quenched(n, count, data, alpha, margin, beta) for n, count in SIZES.items())))
    for column, theory in enumerate((state.free_entropy, state.energy)):
        value, error = extrapolate(list(SIZES), means[:, column], errors[:, column])
        tolerance = 4.5 * error + CURVATURE
        assert tolerance < 5e-3
        assert abs(value - theory) < tolerance
        if column == 0:
            assert abs(value - annealed) > tolerance
