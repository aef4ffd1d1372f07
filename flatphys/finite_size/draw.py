"""One sample of the data at finite N: the only place where patterns, labels and teachers are drawn."""

import math
from typing import NamedTuple, get_args

import numpy as np

from flatphys import validate
from flatphys.finite_size.hidden import Layer, outputs
from flatphys.model import Data, GaussianMixture, RandomLabels


class Sample(NamedTuple):
    """Patterns as rows, their labels, those without flips, and the teacher or centre of |direction|^2 = N (None: random labels)."""

    x: np.ndarray
    y: np.ndarray
    clean: np.ndarray
    direction: np.ndarray | None


class Rule(NamedTuple):
    """What a teacher (or a centre) is made of: +-1 weights or a point of the sphere, and its hidden layer (None: a perceptron)."""

    binary: bool = False
    layer: Layer | None = None


PLAIN = Rule()


def draw(data, n: int, patterns: int, rng, direction=None, kind: str = "gaussian", rule: Rule = PLAIN) -> Sample:
    """One sample of the data: the only place where patterns, labels and teachers are drawn.

    Patterns are float32 ("gaussian", with a mixture its clouds) or int8 ("sign"), kept by weight: `x.T` is contiguous.
    A `direction` of one's own keeps the teacher or the centre, for fresh examples.
    """
    validate.instance("data", data, get_args(Data))
    if kind == "sign":
        x = signs(rng, (n, patterns))
    else:
        x = rng.standard_normal((n, patterns), dtype=np.float32)
    if isinstance(data, RandomLabels):
        y = signs(rng, (patterns,))
        x *= y  # y x has the law of x: what was drawn is the product
        return Sample(x.T, y, y, None)
    if isinstance(data, GaussianMixture):
        y = np.where(rng.random(patterns) < data.positive, 1, -1).astype(np.int8)
        direction = direction_of(rng, n, rule) if direction is None else direction
        x *= np.float32(math.sqrt(data.variance))  # y z has the law of z
        x += (direction / math.sqrt(n)).astype(np.float32)[:, None]
        x *= y
        return Sample(x.T, y, y, direction)
    direction = direction_of(rng, n, rule) if direction is None else direction
    field = _field(direction, x) if rule.layer is None else outputs(rule.layer, direction[None], x)[0]
    clean = np.where(field >= 0.0, 1, -1).astype(np.int8)
    return Sample(x.T, np.where(rng.random(patterns) < data.flip, -clean, clean), clean, direction)


def _field(w, x):
    """w.x in float64 (exact for +-1), a few rows at a time: the patterns are never copied whole."""
    total = np.zeros(x.shape[1])
    for lo in range(0, len(w), 256):
        total += w[lo : lo + 256].astype(np.float64) @ x[lo : lo + 256].astype(np.float64)
    return total


def signs(rng, shape):
    """+-1 from the bits of the generator."""
    count = math.prod(shape)
    bits = np.unpackbits(np.frombuffer(rng.bytes((count + 7) // 8), np.uint8), count=count)
    return (2 * bits.astype(np.int8) - 1).reshape(shape)


def direction_of(rng, n, rule):
    """+-1, or a point of the sphere; in a committee every unit has its share of the norm."""
    if rule.binary:
        return signs(rng, (n,))
    w = rng.standard_normal(n)
    if rule.layer is None:
        return w * (math.sqrt(n) / np.linalg.norm(w))
    units = w.reshape(rule.layer.signs.size, -1)
    return (units * (math.sqrt(units.shape[1]) / np.linalg.norm(units, axis=1, keepdims=True))).ravel()
