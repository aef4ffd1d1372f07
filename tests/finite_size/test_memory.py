"""What does not fit into memory is refused before any work, with the memory that it would need."""

import math

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput
from flatphys.finite_size import memory

BINARY = fp.Model(fp.RandomLabels(), fp.Gibbs("binary"))
COMMITTEE = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=1.0, network=fp.TreeCommittee("erf")))
LARGEST = 2**63 - 1

HUGE = [
    lambda: fp.sample(BINARY, 10**9, 0.5),
    lambda: fp.sample(BINARY, 1001, 1e12),
    lambda: fp.sample(BINARY, LARGEST, 1e280),
    lambda: fp.sample(BINARY, 1001, 0.5, chains=10**12),
    lambda: fp.sample(BINARY, 101, 0.5, chains=10**9, replicas=10**9),
    lambda: fp.sample(BINARY, 101, 0.5, chains=2, sweeps=10**13, every=1),
    lambda: fp.sample(COMMITTEE, 10**5, 1e-4, chains=2 * 10**8, replicas=10**8, hidden=10**4),
    lambda: fp.sample(fp.Model(fp.GaussianMixture(), fp.Hebb()), 10**7, 1.0, chains=2),
    lambda: fp.finite.train(fp.Model(fp.Teacher(), fp.ERM("logistic", 0.1)), 10**6, 10.0, instances=2),
    lambda: fp.make_instances(fp.Model(), LARGEST, 0.5),
    lambda: fp.make_instances(fp.Model(), 101, 0.5, count=LARGEST),
    lambda: fp.Chains(fp.make_instances(fp.Model(), 101, 0.5), replicas=10**12),
    lambda: fp.sample_local_entropy(BINARY, 10**8, 1.0, distance=0.1),
    lambda: fp.sample_local_entropy(BINARY, 101, 1.0, distance=0.1, chains=4, sweeps=10**14, every=1),
    lambda: fp.sample(fp.Model(fp.GaussianMixture(), fp.Hebb()), 20, 1.0, chains=2).local_energy(sigma=0.1, perturbations=10**14),
]


@pytest.mark.parametrize("call", HUGE, ids=map(str, range(len(HUGE))))
def test_a_huge_size_is_refused_with_the_memory_it_needs(call):
    with pytest.raises(InvalidInput, match=r"would need [\d.e+]+ [kMGTPE]?B of memory, this machine has [\d.]+ GB"):
        call()


def test_numbers_beyond_counting_are_refused_too():
    with pytest.raises(InvalidInput, match="alpha n patterns must be finitely many"):
        fp.sample(BINARY, LARGEST, 1e300)
    with pytest.raises(InvalidInput, match="sweeps n steps must be fewer"):
        fp.sample(BINARY, 101, 0.5, sweeps=2**60)


def test_what_is_estimated_is_what_is_taken():
    """Within a factor of two, or nothing that fits would be refused and what does not fit let in."""
    seen = []
    fits = memory.fits
    try:
        memory.fits = lambda needed, what: seen.append(needed)
        instances = fp.make_instances(fp.Model(), 300, 4.0, count=10, patterns="gaussian")
        chains = fp.Chains(instances, weights="spherical", betas=(0.5, 1.0), replicas=3)
    finally:
        memory.fits = fits
    taken = sum(array.nbytes for array in chains.snapshot().values())
    assert 0.5 < seen[0] / instances.patterns.nbytes < 2.0 and 0.5 < seen[1] / taken < 2.0
    assert memory.installed() > 2**28 and math.isfinite(float(np.float64(memory.installed())))
