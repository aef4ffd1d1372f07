"""Samples of the data at finite N: patterns, labels, teachers, centres, reproducible from one seed.

Instance k of a seed is drawn from its own stream, so it does not depend on how many are drawn.  Patterns are kept by weight:
`patterns[k, i]` holds component i of every pattern, contiguous, because a change of weight i needs just that row.
"""

import math
import os
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from flatphys import validate
from flatphys.display import Table
from flatphys.errors import InvalidInput
from flatphys.finite_size import memory
from flatphys.finite_size.draw import Rule, direction_of, draw
from flatphys.finite_size.hidden import committee_unit, layer_of, outputs
from flatphys.model import ACTIVATIONS, GaussianMixture, Gibbs, Model, Perceptron, RandomLabels, Teacher, TreeCommittee, check_model

if TYPE_CHECKING:
    from flatphys.finite_size.found import Found

KINDS = ("sign", "gaussian")
BLOCK = 2**26  # components of patterns that are in double precision at a time
_CENTRE = 0xC0FFEE  # stream of the mixture's centre, which all instances of a seed share


class Instances(Table):
    """`count` samples of P patterns in N dimensions.

    Attributes
    ----------
    model : Model
    n, p, count : int
    seed : int or None
        None for arrays of one's own.
    kind : "sign" (components +-1) or "gaussian" (standard normal; with a mixture, its clouds)
    hidden : int or None
        Units of the tree committee; None for a perceptron.
    patterns : (count, n, p) int8 ("sign") or float32 ("gaussian"; float64 where one's own are)
        Component i of every pattern, times its label for a perceptron (y x), without it for a committee (x).
    labels : (count, p) int8
    teacher : (count, n) or None
        int8 for binary weights, float64 with |w|^2 = N for spherical ones (in a committee every unit has its share of it).
    centre : (n,) or None
        Of the mixture, |v|^2 = N, of the learner's kind of weights; the same for all instances of a seed.
    """

    def __init__(self, model, seed, hidden, patterns, labels, teacher=None, centre=None):
        _checked(model)
        for name, array, kinds, dimensions in (
            ("patterns", patterns, (np.int8, np.float32, np.float64), 3),
            ("labels", labels, (np.int8,), 2),
        ):
            if not isinstance(array, np.ndarray) or array.dtype not in kinds or array.ndim != dimensions:
                allowed = " or ".join(kind.__name__ for kind in kinds)
                raise InvalidInput(f"{name} must be an array of {allowed} with {dimensions} dimensions, got {validate.shown(array)}")
        self.model, self.seed, self.hidden = model, None if seed is None else validate.seed(seed), hidden
        self.patterns, self.labels, self.teacher, self.centre = patterns, labels, teacher, centre
        self.n, self.p = patterns.shape[1:]
        self.kind = "sign" if patterns.dtype == np.int8 else "gaussian"

    @classmethod
    def from_arrays(
        cls, model: Model, X: ArrayLike, y: ArrayLike, teacher: ArrayLike | None = None, hidden: int | None = None
    ) -> "Instances":
        """Patterns and labels of one's own as instances of `model`.

        Parameters
        ----------
        model : Model
            Its learner says what weights are asked for, its data what the patterns are taken to be.
        X : (P, N) or (count, P, N)
            Patterns without their labels; all +-1 are kept as int8, anything else as it is (float32) or as float64.
        y : (P,) or (count, P) of +-1
        teacher : (N,) or (count, N), optional
            Weights that made the labels, or the centre of a mixture: overlaps are taken with them.
        hidden : int, optional
            Units of the tree committee; unit l sees the l-th N/hidden components.

        Raises
        ------
        InvalidInput
            Shapes that do not fit, labels other than +-1, patterns with nan, a number of units that does not divide N.

        >>> Instances.from_arrays(fp.Model(), np.eye(3), [1, -1, 1]).patterns.shape
        (1, 3, 3)
        """
        _checked(model)
        x = validate.array("X", X)
        if x.ndim not in (2, 3) or x.shape[-1] < 2:
            raise InvalidInput(f"X must have the shape (P, N) or (count, P, N) with N >= 2, got {x.shape}")
        labels = validate.array("y", y)
        if labels.shape != x.shape[:-1] or not np.isin(labels, (-1.0, 1.0)).all():
            raise InvalidInput(f"y must be +-1 in the shape {x.shape[:-1]}, got {validate.shown(y)} of the shape {labels.shape}")
        n = x.shape[-1]
        x, labels = x.reshape(-1, *x.shape[-2:]), labels.reshape(-1, x.shape[-2]).astype(np.int8)
        hidden = _hidden(model, n, hidden)
        dtype = (
            np.int8
            if np.abs(x).min() == np.abs(x).max() == 1.0
            else (np.float32 if getattr(X, "dtype", None) == np.float32 else np.float64)
        )
        patterns = np.empty((len(x), n, x.shape[1]), dtype)
        for k in range(len(x)):
            np.multiply(x[k].T, labels[k] if hidden is None else 1, out=patterns[k], casting="unsafe")
        direction = None
        if teacher is not None:
            direction = validate.array("teacher", teacher)
            if direction.shape not in ((n,), (len(x), n)):
                raise InvalidInput(f"teacher must have the shape ({n},) or ({len(x)}, {n}), got {direction.shape}")
            direction = np.broadcast_to(direction, (len(x), n)).copy()
        return cls(model, None, hidden, patterns, labels, direction)

    @property
    def count(self) -> int:
        return len(self.patterns)

    def __getitem__(self, which: "int | slice") -> "Instances":
        """Some of the instances, by number or slice, as `Instances` of the same arrays (no copy)."""
        if not isinstance(which, slice):
            k = validate.integer("instance", which, -self.count, self.count - 1) % self.count
            which = slice(k, k + 1)
        if not len(range(self.count)[which]):
            raise InvalidInput(f"instance must choose at least one of {self.count}, got {which!r}")
        teacher = None if self.teacher is None else self.teacher[which]
        return Instances(self.model, self.seed, self.hidden, self.patterns[which], self.labels[which], teacher, self.centre)

    def __iter__(self):
        return (self[k] for k in range(self.count))

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

    def measure(self, weights: ArrayLike) -> "Found":
        """Any weights (count, n) on these instances as `Found`, for `fp.margins`, `fp.local_energy` and `fp.local_entropy`.

        Raises `InvalidInput` for weights of another shape or kind than the learner's.
        """
        from flatphys.finite_size.measured import measured

        return measured(self, weights)

    def save(self, path: "str | os.PathLike") -> None:
        """Write the instances to `path`; `fp.load` reads them (`finite_size.archive`)."""
        from flatphys.finite_size.archive import save

        save(self, path)

    def _one(self, k, rows):
        if self.hidden is None:
            width = max(1, BLOCK // self.n)  # patterns in double precision at a time
            blocks = [self.patterns[k, :, low : low + width] for low in range(0, self.p, width)]
            return np.concatenate([rows @ block.astype(np.float64) for block in blocks], axis=1) / math.sqrt(self.n)
        network = self.model.learner.network
        total = outputs(layer_of(network, self.n, self.hidden), rows, self.patterns[k])
        return self.labels[k] * total / committee_unit(network, self.hidden)

    def _title(self):
        return f"{self.count} instances of {self.model.data!r}"

    def _rows(self):
        rows = [("N", str(self.n)), ("P", str(self.p)), ("alpha", f"{self.alpha:.6g}"), ("patterns", self.kind), ("seed", str(self.seed))]
        return rows + ([("hidden units", str(self.hidden))] if self.hidden else [])


def _checked(model) -> Model:
    """`model`, unless its weights are drawn with a bias, of which finite systems know nothing."""
    check_model(model)
    if isinstance(model.learner, Gibbs) and model.learner.bias:
        raise InvalidInput("bias must be False for the weights of a Gibbs learner on finite systems, got True: the theory alone has one")
    return model


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
    _checked(model)
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
    centre = direction_of(np.random.default_rng([seed, _CENTRE]), n, rule) if mixture else None
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
