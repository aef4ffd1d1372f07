"""Samples of the data at finite N: patterns, labels, teachers, centres, reproducible from one seed.

Instance k of a seed is drawn from its own stream, so it does not depend on how many are drawn.  Patterns are kept by weight:
`patterns[k, i]` holds component i of every pattern, contiguous, because a change of weight i needs just that row.
"""

import math
import numbers

import numpy as np

from flatphys import validate
from flatphys.display import Table
from flatphys.errors import InvalidInput
from flatphys.model import GaussianMixture, Gibbs, Perceptron, RandomLabels, Teacher, TreeCommittee, check_model

__all__ = ["ACTIVATION_CODES", "Instances", "activation_values", "committee_scale", "integer", "make_instances", "output_signs"]

KINDS = ("sign", "gaussian")
_CENTRE = 0xC0FFEE  # stream of the mixture's centre, which all instances of a seed share

# --- the tree committee -----------------------------------------------------------------------------
ACTIVATION_CODES = {"sign": 1, "erf": 2, "relu": 3}
_SPREAD = {  # K(1) - K(0), K(Q) = E[phi(u) phi(v)]
    "sign": 1.0,
    "erf": 2.0 / math.pi * math.asin(2.0 / 3.0),
    "relu": 0.5 - 0.5 / math.pi,
}
_ROUNDING = 6144.0  # added and subtracted, it rounds to multiples of 2^-40: sums of activations are exact in any order


def integer(name: str, value, low: int = 0) -> int:
    """`value` as an integer of at least `low`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < low:
        raise InvalidInput(f"{name} must be an integer >= {low}, got {value!r}")
    return int(value)


def output_signs(hidden: int) -> np.ndarray:
    """The output weights: +1 for the first half of the units (the larger one for odd K), -1 for the others."""
    return np.where(np.arange(hidden) < (hidden + 1) // 2, 1.0, -1.0)


def committee_scale(activation: str, hidden: int) -> float:
    """sqrt(K [K(1) - K(0)]): a unit of the stability in terms of the sum of outputs."""
    return math.sqrt(hidden * _SPREAD[activation])


def activation_values(activation: str, h: np.ndarray) -> np.ndarray:
    """phi(h), rounded to a multiple of 2^-40; sign(0) = +1."""
    if activation == "sign":
        return np.where(h >= 0.0, 1.0, -1.0)
    if activation == "relu":
        values = np.maximum(h, 0.0)
    else:
        from scipy.special import erf

        values = erf(h)
    return (values + _ROUNDING) - _ROUNDING


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
        int8 for binary weights, float64 with |w|^2 = N for spherical ones.
    centre : (n,) float64 or None
        Of the mixture, |v|^2 = N; the same for all instances of a seed.
    """

    def __init__(self, model, n, p, seed, kind, hidden, patterns, labels, teacher=None, centre=None):
        self.model, self.n, self.p, self.seed, self.kind, self.hidden = model, n, p, seed, kind, hidden
        self.patterns, self.labels, self.teacher, self.centre = patterns, labels, teacher, centre

    @property
    def count(self) -> int:
        return len(self.patterns)

    @property
    def alpha(self) -> float:
        """The load P/N, which a rounded P makes differ a little from the one asked for."""
        return self.p / self.n

    def stabilities(self, weights) -> np.ndarray:
        """Stabilities from scratch, in float64.

        Parameters
        ----------
        weights : (count, ..., n)

        Returns
        -------
        (count, ..., p) float64
            Perceptron: y x.w / sqrt N.  Committee: y sum_l c_l phi(h_l) / sqrt(K [K(1) - K(0)]), h_l = sum_i w_i x_i / sqrt(N/K) over
            the inputs of unit l (the l-th N/K of them), c_l from `output_signs`.
        """
        weights = np.asarray(weights)
        if weights.ndim < 2 or weights.shape[0] != self.count or weights.shape[-1] != self.n:
            raise InvalidInput(f"weights must have the shape ({self.count}, ..., {self.n}), got {weights.shape}")
        out = np.empty(weights.shape[:-1] + (self.p,))
        for k in range(self.count):
            rows = weights[k].reshape(-1, self.n).astype(np.float64)
            out[k] = self._one(k, rows).reshape(out[k].shape)
        return out

    def _one(self, k, rows):
        if self.hidden is None:
            return rows @ self.patterns[k].astype(np.float64) / math.sqrt(self.n)
        activation = self.model.learner.network.activation
        size = self.n // self.hidden
        total = np.zeros((len(rows), self.p))
        for unit, sign in enumerate(output_signs(self.hidden)):
            part = slice(unit * size, (unit + 1) * size)
            field = rows[:, part] @ self.patterns[k, part].astype(np.float64) / math.sqrt(size)
            total += sign * activation_values(activation, field)
        return self.labels[k] * total / committee_scale(activation, self.hidden)

    def _title(self):
        return f"{self.count} instances of {self.model.data!r}"

    def _rows(self):
        rows = [("N", str(self.n)), ("P", str(self.p)), ("alpha", f"{self.alpha:.6g}"), ("patterns", self.kind), ("seed", str(self.seed))]
        return rows + ([("hidden units", str(self.hidden))] if self.hidden else [])


def make_instances(model, n, alpha, count=1, seed=0, patterns=None, hidden=None) -> Instances:
    """Draw `count` samples of `model.data` in n dimensions at load `alpha`.

    Parameters
    ----------
    model : Model
        Its data; the learner says what kind of weights a teacher has (its own; spherical where it has none) and the network.
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

    Raises
    ------
    InvalidInput

    >>> make_instances(fp.Model(), n=1001, alpha=0.5, count=8, seed=1).patterns.shape
    (8, 1001, 500)
    """
    check_model(model)
    n, count, seed = integer("n", n, 2), integer("count", count, 1), integer("seed", seed)
    p = max(1, round(validate.load(alpha) * n))
    mixture = isinstance(model.data, GaussianMixture)
    kind = validate.choice("patterns", patterns, KINDS) if patterns is not None else ("gaussian" if mixture else "sign")
    if mixture and kind != "gaussian":
        raise InvalidInput("patterns must be 'gaussian' for a GaussianMixture, got 'sign'")
    hidden = _hidden(model, n, hidden)
    if not isinstance(model.data, (RandomLabels, Teacher, GaussianMixture)):
        raise InvalidInput(f"the data {model.data!r} cannot be sampled")

    x = np.empty((count, n, p), np.int8 if kind == "sign" else np.float32)
    labels = np.empty((count, p), np.int8)
    teacher = np.empty((count, n), np.int8 if _binary(model) else np.float64) if isinstance(model.data, Teacher) else None
    centre = _sphere(np.random.default_rng([seed, _CENTRE]), n) if mixture else None
    for k in range(count):
        _draw(model.data, np.random.default_rng([seed, k, 0]), x[k], labels[k], None if teacher is None else teacher[k], centre, hidden)
    return Instances(model, n, p, seed, kind, hidden, x, labels, teacher, centre)


def _draw(data, rng, x, y, teacher, centre, hidden):
    """One instance into x (n, p), y (p,) and teacher (n,)."""
    n, p = x.shape
    if x.dtype == np.int8:
        _signs(rng, x)
    else:
        rng.standard_normal(out=x, dtype=np.float32)
    if isinstance(data, RandomLabels):
        _signs(rng, y)
        # y x has the law of x: what was drawn is taken for the product, so that only a committee needs the labels
        return
    if isinstance(data, GaussianMixture):
        y[:] = np.where(rng.random(p) < data.positive, 1, -1)
        x *= np.float32(math.sqrt(data.variance))  # y z has the law of z
        x += (centre / math.sqrt(n)).astype(np.float32)[:, None]
        return
    if teacher.dtype == np.int8:
        _signs(rng, teacher)
    else:
        teacher[:] = _sphere(rng, n)
    y[:] = np.where(_field(teacher, x) >= 0.0, 1, -1)
    y[rng.random(p) < data.flip] *= -1
    x *= y.astype(x.dtype)


def _field(w, x):
    """w.x in float64 (exact for +-1), a few rows at a time: the patterns are never copied whole."""
    total = np.zeros(x.shape[1])
    for lo in range(0, len(w), 256):
        total += w[lo : lo + 256].astype(np.float64) @ x[lo : lo + 256].astype(np.float64)
    return total


def _signs(rng, out):
    """+-1 from the bits of the generator."""
    bits = np.unpackbits(np.frombuffer(rng.bytes((out.size + 7) // 8), np.uint8), count=out.size)
    out[...] = (2 * bits.astype(np.int8) - 1).reshape(out.shape)


def _sphere(rng, n):
    w = rng.standard_normal(n)
    return w * (math.sqrt(n) / np.linalg.norm(w))


def _binary(model) -> bool:
    return getattr(model.learner, "weights", "spherical") == "binary"


def _hidden(model, n, hidden):
    network = getattr(model.learner, "network", Perceptron())
    if not isinstance(network, TreeCommittee):
        if hidden is not None:
            raise InvalidInput(f"hidden must be None for a perceptron, got {hidden!r}")
        return None
    if callable(network.activation):
        raise InvalidInput(
            f"activation must be one of 'sign', 'erf', 'relu' in the sampler, got a function of one's own ({network.activation!r})"
        )
    if not isinstance(model.learner, Gibbs) or hidden is None:
        raise InvalidInput("hidden must be the number of units of the tree committee, got None")
    hidden = integer("hidden", hidden, 1)
    if n % hidden:
        raise InvalidInput(f"hidden must divide n = {n}, got {hidden}: every unit sees n/hidden inputs of its own")
    return hidden
