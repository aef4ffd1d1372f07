"""Two coupled replicas of a small instance, summed over all pairs of binary weight vectors: what coupled chains must agree with."""

import math
from typing import NamedTuple

import numpy as np

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.finite_size.instances import Instances
from flatphys.finite_size.measure import mean_energy
from flatphys.model import Gibbs

LARGEST = 20  # weights


class Pair(NamedTuple):
    """Two coupled replicas, exactly: log Z/(2 N), overlap of the two, energy per weight and replica; arrays over the instances."""

    free_entropy: np.ndarray
    mutual_overlap: np.ndarray
    energy: np.ndarray


def enumerate_pair(instances: Instances, coupling: float) -> Pair:
    """Two replicas of binary weights with the weight exp(-beta (E(w) + E(w')) + J w.w'), summed over all pairs.

    exp(J w.w') is a product over the sites, so that a Walsh-Hadamard transform makes it diagonal: with A = exp(-beta E) and k a set of
    sites, sum_w' exp(J w.w') A(w') has the transform (2 cosh J)^(N-|k|) (2 sinh J)^|k| A_k.  N 2^N steps instead of 4^N.

    Parameters
    ----------
    instances : Instances
        Of binary weights of a perceptron with N <= 20, at the learner's margin, energy and beta.
    coupling : float
        J.

    Raises
    ------
    InvalidInput
    """
    validate.instance("instances", instances, (Instances,))
    learner = validate.instance("learner", instances.model.learner, (Gibbs,))
    coupling, n = validate.number("coupling", coupling), instances.n
    if learner.weights != "binary" or instances.hidden is not None:
        raise InvalidInput(f"learner must be Gibbs('binary') with a perceptron for an enumeration, got {learner!r}")
    if n > LARGEST:
        raise InvalidInput(f"n must be at most {LARGEST} for an enumeration of pairs, got {n}")
    size = np.array([int(k).bit_count() for k in range(1 << n)])
    up, down = math.log(2.0 * math.cosh(coupling)), math.tanh(coupling)
    found = []
    for k in range(instances.count):
        energy = _energies(instances.patterns[k].astype(float), learner, n)
        low = energy.min()
        above = energy > low
        a = np.ones(energy.size)
        a[above] = np.exp(-learner.beta * (energy[above] - low))  # at beta = inf the weights of least energy
        other = _transform(down**size * _transform(a)) / 2**n  # up^n taken out
        z = float(a @ other)
        moved = size * down ** np.maximum(size - 1, 0) * (1.0 - down * down)
        by_coupling = float(a @ _transform(moved * _transform(a))) / 2**n / z + n * down
        free = math.log(z) + n * up - (2.0 * learner.beta * low if low > 0.0 else 0.0)
        found.append((free / (2.0 * n), by_coupling / n, float((a * energy) @ other) / z / n))
    return Pair(*np.array(found).T)


def _energies(x, learner, n):
    """The energy of every weight vector; bit i of its number is one where w_i = -1."""
    out = np.empty(1 << n)
    for lo in range(0, 1 << n, 1 << 12):
        codes = np.arange(lo, min(lo + (1 << 12), 1 << n))
        weights = 1.0 - 2.0 * ((codes[:, None] >> np.arange(n)) & 1)
        out[codes] = len(x[0]) * mean_energy(weights @ x / math.sqrt(n), learner.energy, learner.margin)
    return out


def _transform(a):
    """sum_w (-1)^(w.k) a(w), for every k."""
    a, h = a.copy(), 1
    while h < len(a):
        pairs = a.reshape(-1, 2, h)
        a = np.stack((pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]), axis=1).ravel()
        h *= 2
    return a
