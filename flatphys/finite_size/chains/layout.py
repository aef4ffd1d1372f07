"""What travels into the compiled chains, on the CPU and on a GPU alike: named tuples of numbers and of arrays.

W = instances x replicas x temperatures walkers, in that order; a group is the walkers of one instance and replica.
"""

from typing import NamedTuple

import numpy as np

FLIP, PAIR, ROTATE = 0, 1, 2  # kinds of moves: see `metropolis`


class Span(NamedTuple):
    """Walkers lo to hi (in exchanges: groups) take `steps` steps from step `first` on; k0, k1: key of the random numbers."""

    lo: int
    hi: int
    first: int
    steps: int
    k0: np.uint64
    k1: np.uint64


class Move(NamedTuple):
    """What is proposed: the kind, the first coordinate that may turn, how many weights agree with the reference."""

    mode: int
    low: int
    agree: int


class Cost(NamedTuple):
    """What a pattern costs: energy((threshold - field)/unit), counted in quanta of 1/scale (errors: in errors, scale = 1)."""

    energy: int
    threshold: float
    unit: float
    scale: float


class Bath(NamedTuple):
    """Temperatures: acceptance words (B, largest rise + 1) or (B, 1) where there are too many, beta per quantum (B,), the same two
    for exchanges between neighbours, and the spread of rotations (instances, B)."""

    words: np.ndarray
    rates: np.ndarray
    swaps: np.ndarray
    gaps: np.ndarray
    spread: np.ndarray


class Patterns(NamedTuple):
    """Patterns by weight (instances, n, p), their bits and which bits are no padding, labels (committee), walkers per instance, and
    the number of the first instance that is here."""

    x: np.ndarray
    bits: np.ndarray
    valid: np.ndarray
    labels: np.ndarray
    per_instance: int
    first: int


class State(NamedTuple):
    """What changes: weights, fields, sums of activations, energy in quanta, temperature of each walker, order of the sites (`PAIR`),
    the walker at each temperature, accepted moves and exchanges."""

    w: np.ndarray
    h: np.ndarray
    sums: np.ndarray
    energy: np.ndarray
    level: np.ndarray
    order: np.ndarray
    at: np.ndarray
    accepted: np.ndarray
    swapped: np.ndarray
