"""The hidden layer of a tree committee with K units: output signs, and activations whose sums are exact in any order.

A field is kept as sum_i w_i x_i over the N/K inputs of a unit, an exact integer for binary weights and +-1 patterns; the unit gives
phi(field/sqrt(N/K)), rounded to a multiple of 2^-40.  Adding and subtracting 6144 does that in float64.  The sum S = sum_l c_l phi(h_l) is
then exact whatever the order of the additions: two units that cancel give 0, never -1e-17, on every device.
"""

import math
from typing import NamedTuple

import numpy as np

from flatphys._jit import jit
from flatphys.kernels.codes import ERF
from flatphys.kernels.networks import network_code, output_scale, phi

ROUNDING = 6144.0  # 1.5 2^12: float64 has a spacing of 2^-40 around it


class Layer(NamedTuple):
    """The code of phi, sqrt(N/K), c_l, and erf(k/root) for k = -N/K ... N/K where all fields are integers (else empty)."""

    code: int
    root: float
    signs: np.ndarray
    table: np.ndarray


def output_signs(hidden: int) -> np.ndarray:
    """The output weights: +1 for the first half of the units (the larger one for odd K), -1 for the others."""
    return np.where(np.arange(hidden) < (hidden + 1) // 2, 1.0, -1.0)


def committee_unit(network, hidden: int) -> float:
    """sqrt(K [K(1) - K(0)]): a unit of the stability in terms of the sum of outputs."""
    return math.sqrt(hidden) * output_scale(network)


def layer_of(network, n: int, hidden: int, integers: bool = False) -> Layer:
    """The layer of `hidden` units on n inputs."""
    code, size = int(network_code(network)[0]), n // hidden
    root = math.sqrt(size)
    steps = range(-size, size + 1) if integers and code == ERF else ()
    return Layer(code, root, output_signs(hidden), np.array([activate(code, k / root) for k in steps], np.float64))


@jit
def activate(code, h):
    """phi(h) rounded to a multiple of 2^-40."""
    return (phi(code, h) + ROUNDING) - ROUNDING


@jit
def add_outputs(layer, unit, fields, total):
    """total += c_l phi(field/root) of one unit, arrays of one dimension."""
    for mu in range(fields.size):
        total[mu] += layer.signs[unit] * activate(layer.code, fields[mu] / layer.root)


def outputs(layer: Layer, weights, patterns) -> np.ndarray:
    """sum_l c_l phi(h_l) of weights (rows, n) on patterns (n, p), shape (rows, p), in float64."""
    size = weights.shape[1] // layer.signs.size
    total = np.zeros((len(weights), patterns.shape[1]))
    for unit in range(layer.signs.size):
        part = slice(unit * size, (unit + 1) * size)
        fields = weights[:, part].astype(np.float64) @ patterns[part].astype(np.float64)
        add_outputs(layer, unit, fields.ravel(), total.reshape(-1))
    return total
