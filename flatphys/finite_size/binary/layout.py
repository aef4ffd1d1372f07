"""Patterns of one instance as the algorithms for binary weights read them: by pattern, signed for every unit, +-1 as bits beside.

A perceptron is a committee of one unit.  Unit l of a committee with output weights c_l is right on pattern mu if its field

    h_mu,l = sum_i z_mu,l,i w_l,i,    z_mu,l = y_mu c_l x_mu,l

is >= a threshold (perceptron: kappa sqrt N; sign unit: above 0), and the pattern is right if at least `needed` units are.  A field of
exactly 0 (even numbers of +-1 inputs) counts as wrong for a sign unit: no pattern is taken for right that is not.

With +-1 patterns h = n - 2 |x XOR w|, n inputs a unit and 64 of them a word; other patterns are summed in float64, in eight parts.
"""

import math
from typing import NamedTuple

import numpy as np

from flatphys._jit import inlined, jit
from flatphys.errors import InvalidInput
from flatphys.finite_size.chains.moves import LANES, integer_threshold, popcount
from flatphys.finite_size.hidden import committee_unit, output_signs
from flatphys.model import Gibbs, Model, TreeCommittee

PARTS = 8  # of a sum of real numbers, side by side
BLOCK = 32  # patterns that are looked at together


class Patterns(NamedTuple):
    """One instance.

    x : (p, units, 64 words) int8 or real, signed, 0 beyond the inputs
    bits : (p, units, words) uint64, one where x > 0; no words for real patterns
    valid : (words,) uint64, a one for every input
    size : inputs of a unit
    threshold : float that the field of a right unit reaches
    needed : right units of a right pattern
    """

    x: np.ndarray
    bits: np.ndarray
    valid: np.ndarray
    size: int
    threshold: float
    needed: int


def check_binary(model: Model, name: str) -> None:
    """`InvalidInput` unless the learner has binary weights and is a perceptron or a committee of sign units."""
    learner = model.learner
    if not isinstance(learner, Gibbs) or learner.weights != "binary":
        raise InvalidInput(f"learner must be Gibbs with binary weights for {name}, got {learner!r}")
    if isinstance(learner.network, TreeCommittee) and learner.network.activation != "sign":
        raise InvalidInput(f"network must be a perceptron or a committee of 'sign' units for {name}, got {learner.network!r}")


def patterns_of(instances, k: int) -> Patterns:
    """The patterns of instance k."""
    learner, units, p = instances.model.learner, instances.hidden or 1, instances.p
    size, words = instances.n // units, -(-(instances.n // units) // LANES)
    signed = instances.patterns[k].T.reshape(p, units, size)
    x = np.zeros((p, units, LANES * words), signed.dtype)
    x[:, :, :size] = signed
    if instances.hidden is not None:
        x *= (instances.labels[k][:, None] * output_signs(units)).astype(x.dtype)[:, :, None]
    whole = instances.kind == "sign"
    bits = words_of(x > 0) if whole else np.empty((p, units, 0), np.uint64)
    valid = words_of(np.arange(LANES * words) < size)
    if instances.hidden is None:
        threshold = float(integer_threshold(learner.margin, size)) if whole else learner.margin * math.sqrt(size)
        return Patterns(x, bits, valid, size, threshold, 1)
    threshold = 1.0 if whole else math.ulp(0.0)
    return Patterns(x, bits, valid, size, threshold, _needed(learner, units))


def _needed(learner, units):
    """The smallest number of right units whose stability (2 right - K)/sqrt K is not below the margin; K + 1 where there is none."""
    unit = committee_unit(learner.network, units)
    return next((right for right in range(units + 1) if not (2 * right - units) / unit < learner.margin), units + 1)


def words_of(positive: np.ndarray) -> np.ndarray:
    """Truth values (..., 64 words) as bits, the first one lowest."""
    return np.packbits(positive, axis=-1, bitorder="little").view("<u8").astype(np.uint64)


@jit
def look(patterns, mus, words, signs, fields):
    """fields[k, unit] = h of pattern mus[k], of weights given as bits and as +-1."""
    bits, units, count = patterns.bits, words.shape[0], patterns.bits.shape[2]
    if count:
        for k in range(mus.size):
            mu = mus[k]
            for unit in range(units):
                apart = np.uint64(0)
                for at in range(count):
                    apart += popcount(bits[mu, unit, at] ^ words[unit, at])
                fields[k, unit] = float(patterns.size - 2 * np.int64(apart))
        return
    x, total = patterns.x, np.empty(PARTS)
    for k in range(mus.size):
        mu = mus[k]
        for unit in range(units):
            total[:] = 0.0
            for i in range(0, x.shape[2], PARTS):
                for part in range(PARTS):
                    total[part] += x[mu, unit, i + part] * signs[unit, i + part]
            fields[k, unit] = total.sum()


@inlined
def rights(fields, k, threshold):
    """How many units are right in row k of the fields."""
    right = 0
    for unit in range(fields.shape[1]):
        right += fields[k, unit] >= threshold
    return right


@jit
def count_errors(patterns, words, signs, most):
    """Number of wrong patterns; the count ends soon after `most`."""
    p, wrong = patterns.x.shape[0], 0
    fields = np.empty((min(p, BLOCK), words.shape[0]))
    for lo in range(0, p, BLOCK):
        mus = np.arange(lo, min(p, lo + BLOCK))
        look(patterns, mus, words, signs, fields)
        for k in range(mus.size):
            wrong += rights(fields, k, patterns.threshold) < patterns.needed
        if wrong >= most:
            break
    return wrong
