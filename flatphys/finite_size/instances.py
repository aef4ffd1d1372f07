"""Samples of the data at finite N: patterns, labels, teachers, centres, reproducible from one seed.

Instance k of a seed is drawn from its own stream, so it does not depend on how many are drawn.  Patterns are kept by weight:
`patterns[k, i]` holds component i of every pattern, contiguous, because a change of weight i needs just that row.
"""

import math
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from flatphys import validate
from flatphys.display import Table
from flatphys.errors import InvalidInput
from flatphys.finite_size import memory
from flatphys.finite_size.hidden import Layer, committee_unit, layer_of, outputs
from flatphys.model import ACTIVATIONS, Data, GaussianMixture, Gibbs, Model, Perceptron, RandomLabels, Teacher, TreeCommittee, check_model

KINDS = ("sign", "gaussian")
_CENTRE = 0xC0FFEE  # stream of the mixture's centre, which all instances of a seed share


# --- the law of the data ----------------------------------------------------------------------------
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
        x = _signs(rng, (n, patterns))
    else:
        x = rng.standard_normal((n, patterns), dtype=np.float32)
    if isinstance(data, RandomLabels):
        y = _signs(rng, (patterns,))
        x *= y  # y x has the law of x: what was drawn is the product
        return Sample(x.T, y, y, None)
    if isinstance(data, GaussianMixture):
        y = np.where(rng.random(patterns) < data.positive, 1, -1).astype(np.int8)
        direction = _direction(rng, n, rule) if direction is None else direction
        x *= np.float32(math.sqrt(data.variance))  # y z has the law of z
        x += (direction / math.sqrt(n)).astype(np.float32)[:, None]
        x *= y
        return Sample(x.T, y, y, direction)
    direction = _direction(rng, n, rule) if direction is None else direction
    field = _field(direction, x) if rule.layer is None else outputs(rule.layer, direction[None], x)[0]
    clean = np.where(field >= 0.0, 1, -1).astype(np.int8)
    return Sample(x.T, np.where(rng.random(patterns) < data.flip, -clean, clean), clean, direction)


def _field(w, x):
    """w.x in float64 (exact for +-1), a few rows at a time: the patterns are never copied whole."""
    total = np.zeros(x.shape[1])
    for lo in range(0, len(w), 256):
        total += w[lo : lo + 256].astype(np.float64) @ x[lo : lo + 256].astype(np.float64)
    return total


def _signs(rng, shape):
    """+-1 from the bits of the generator."""
    count = math.prod(shape)
    bits = np.unpackbits(np.frombuffer(rng.bytes((count + 7) // 8), np.uint8), count=count)
    return (2 * bits.astype(np.int8) - 1).reshape(shape)


def _direction(rng, n, rule):
    """+-1, or a point of the sphere; in a committee every unit has its share of the norm."""
    if rule.binary:
        return _signs(rng, (n,))
    w = rng.standard_normal(n)
    if rule.layer is None:
        return w * (math.sqrt(n) / np.linalg.norm(w))
    units = w.reshape(rule.layer.signs.size, -1)
    return (units * (math.sqrt(units.shape[1]) / np.linalg.norm(units, axis=1, keepdims=True))).ravel()


# --- instances --------------------------------------------------------------------------------------
class Instances(Table):
    """`count` samples of P patterns in N dimensions.

    Attributes
    ----------
    model : Model
    n, p, count, seed : int
    kind : "sign" (components +-1) or "gaussian" (standard normal; with a mixture, its clouds)
    hidden : int or None
        Units of the tree committee; None for a perceptron.
    patterns : (count, n, p) int8 ("sign") or float32 ("gaussian")
        Component i of every pattern, times its label for a perceptron (y x), without it for a committee (x).
    labels : (count, p) int8
    teacher : (count, n) or None
        int8 for binary weights, float64 with |w|^2 = N for spherical ones (in a committee every unit has its share of it).
    centre : (n,) or None
        Of the mixture, |v|^2 = N, of the learner's kind of weights; the same for all instances of a seed.
    """

    def __init__(self, model, seed, hidden, patterns, labels, teacher=None, centre=None):
        check_model(model)
        for name, array, kinds, dimensions in (("patterns", patterns, (np.int8, np.float32), 3), ("labels", labels, (np.int8,), 2)):
            if not isinstance(array, np.ndarray) or array.dtype not in kinds or array.ndim != dimensions:
                allowed = " or ".join(kind.__name__ for kind in kinds)
                raise InvalidInput(f"{name} must be an array of {allowed} with {dimensions} dimensions, got {validate.shown(array)}")
        self.model, self.seed, self.hidden = model, validate.seed(seed), hidden
        self.patterns, self.labels, self.teacher, self.centre = patterns, labels, teacher, centre
        self.n, self.p = patterns.shape[1:]
        self.kind = "sign" if patterns.dtype == np.int8 else "gaussian"

    @property
    def count(self) -> int:
        return len(self.patterns)

    @property
    def alpha(self) -> float:
        """The load P/N, which a rounded P makes differ a little from the one asked for."""
        return self.p / self.n

    @property
    def direction(self) -> np.ndarray | None:
        """(count, n): the teachers, or the centre of the mixture for every instance; None for random labels."""
        if self.centre is not None:
            return np.broadcast_to(self.centre, (self.count, self.n))
        return self.teacher

    def stabilities(self, weights: ArrayLike, bias: ArrayLike | None = None) -> np.ndarray:
        """Stabilities from scratch, in float64.

        Parameters
        ----------
        weights : (count, ..., n)
        bias : (count,), optional
            Of a perceptron.

        Returns
        -------
        (count, ..., p) float64
            Perceptron: y (x.w / sqrt N + b).  Committee: y sum_l c_l phi(h_l) / sqrt(K [K(1) - K(0)]), h_l = sum_i w_i x_i / sqrt(N/K)
            over the inputs of unit l (the l-th N/K of them), c_l as in `finite_size.hidden`.
        """
        weights = validate.array("weights", weights)
        if weights.ndim < 2 or weights.shape[0] != self.count or weights.shape[-1] != self.n:
            raise InvalidInput(f"weights must have the shape ({self.count}, ..., {self.n}), got {weights.shape}")
        bias = None if bias is None else validate.array("bias", bias)
        if bias is not None and bias.shape != (self.count,):
            raise InvalidInput(f"bias must have the shape ({self.count},), got {bias.shape}")
        out = np.empty(weights.shape[:-1] + (self.p,))
        for k in range(self.count):
            rows = weights[k].reshape(-1, self.n).astype(np.float64)
            out[k] = self._one(k, rows).reshape(out[k].shape)
            if bias is not None:
                out[k] += self.labels[k] * bias[k]
        return out

    def _one(self, k, rows):
        if self.hidden is None:
            return rows @ self.patterns[k].astype(np.float64) / math.sqrt(self.n)
        network = self.model.learner.network
        total = outputs(layer_of(network, self.n, self.hidden), rows, self.patterns[k])
        return self.labels[k] * total / committee_unit(network, self.hidden)

    def _title(self):
        return f"{self.count} instances of {self.model.data!r}"

    def _rows(self):
        rows = [("N", str(self.n)), ("P", str(self.p)), ("alpha", f"{self.alpha:.6g}"), ("patterns", self.kind), ("seed", str(self.seed))]
        return rows + ([("hidden units", str(self.hidden))] if self.hidden else [])


def make_instances(
    model: Model,
    n: int,
    alpha: float,
    count: int = 1,
    seed: int = 0,
    patterns: str | None = None,
    hidden: int | None = None,
    *,
    first: int = 0,
) -> Instances:
    """Draw `count` samples of `model.data` in n dimensions at load `alpha`.

    Parameters
    ----------
    model : Model
        Its data; the learner says what kind of weights a teacher or a centre has (its own; spherical where it has none) and the
        network, which is also a teacher's.
    n : int >= 2
        Weights; for a committee divisible by `hidden`.  Odd n (N/K) keeps fields of +-1 patterns away from 0, where sign(0) = +1.
    alpha : float > 0
        Load: P = round(alpha n), at least 1.
    count, seed : int
        Instance k depends on (seed, k) alone.
    patterns : "sign" or "gaussian"
        Their components; the mixture has Gaussian ones only.  Default: "sign", for the mixture "gaussian".
    hidden : int or None
        Units of the tree committee, required with one.
    first : int
        Number of the first instance.

    Raises
    ------
    InvalidInput

    >>> make_instances(fp.Model(), n=1001, alpha=0.5, count=8, seed=1).patterns.shape
    (8, 1001, 500)
    """
    check_model(model)
    n, count, first = (validate.integer(*what) for what in (("n", n, 2), ("count", count, 1), ("first", first)))
    p, seed = max(1, memory.pattern_count(validate.load(alpha), n)), validate.seed(seed)
    data, learner, mixture = model.data, model.learner, isinstance(model.data, GaussianMixture)
    kind = validate.choice("patterns", patterns, KINDS) if patterns is not None else ("gaussian" if mixture else "sign")
    if mixture and kind != "gaussian":
        raise InvalidInput("patterns must be 'gaussian' for a GaussianMixture, got 'sign'")
    hidden = _hidden(model, n, hidden)
    rule = Rule(getattr(learner, "weights", "spherical") == "binary", layer_of(learner.network, n, hidden) if hidden else None)

    memory.instances_fit(count, n, p, kind)
    x = np.empty((count, n, p), np.int8 if kind == "sign" else np.float32)
    labels = np.empty((count, p), np.int8)
    teacher = np.empty((count, n), np.int8 if rule.binary else np.float64) if isinstance(data, Teacher) else None
    centre = _direction(np.random.default_rng([seed, _CENTRE]), n, rule) if mixture else None
    fold = hidden is None or isinstance(data, RandomLabels)  # y x has the law of x there
    for k in range(count):
        sample = draw(data, n, p, np.random.default_rng([seed, first + k, 0]), centre, kind, rule)
        labels[k] = sample.y
        np.multiply(sample.x.T, sample.y, out=x[k]) if fold else np.copyto(x[k], sample.x.T)
        if teacher is not None:
            teacher[k] = sample.direction
    return Instances(model, seed, hidden, x, labels, teacher, centre)


def _hidden(model, n, hidden):
    network = getattr(model.learner, "network", Perceptron())
    if not isinstance(network, TreeCommittee):
        if hidden is not None:
            raise InvalidInput(f"hidden must be None for a perceptron, got {validate.shown(hidden)}")
        return None
    if callable(network.activation):
        raise InvalidInput(
            f"activation must be one of {', '.join(map(repr, ACTIVATIONS))} in the sampler, got a function of one's own "
            f"({network.activation!r})"
        )
    if not isinstance(model.learner, Gibbs) or hidden is None:
        raise InvalidInput("hidden must be the number of units of the tree committee, got None")
    hidden = validate.integer("hidden", hidden, 1)
    if n % hidden:
        raise InvalidInput(f"hidden must divide n = {n}, got {hidden}: every unit sees n/hidden inputs of its own")
    return hidden
