"""The panels on which a user's activation is resolved by interpolation, and the kinks and jumps between them.

They are found by bisection: phi is interpolated on panels, and those where that fails are halved.
"""

import math

import numpy as np
from numpy.polynomial import legendre

from flatphys.errors import InvalidInput

REACH = 11.0  # Gaussian integrals are cut where the density is 5e-27 of its maximum
ORDER = 16  # nodes of a panel
TINY = 1e-6  # panels shorter than this surround a kink or jump
SHORTEST = 1e-13
MAX_PANELS = 3000  # of the search for kinks
MAX_EDGES = 160
MOST_VALUES = 5e8  # of phi behind one table: ten seconds
X, W = legendre.leggauss(ORDER)
_EDGE = 1.0 - 4e-12  # a jump between a panel's edge and its first node is seen from here only
_CHECK = np.array([-_EDGE, -0.97, -0.8, -0.55, -0.2, 0.1, 0.35, 0.7, 0.9, _EDGE])
_TO_CHECK = legendre.legvander(_CHECK, ORDER - 1) @ np.linalg.inv(legendre.legvander(X, ORDER - 1))


def density(x):
    """The standard normal density of an array, in Python: kernels have `numerics.gaussian`."""
    return np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


def evaluate(phi, x):
    """phi(x) as a float array, or `InvalidInput` naming what is wrong with it.

    phi is handed a one-dimensional copy, so that it may index or overwrite its argument.
    """
    shape, x = x.shape, x.ravel()
    try:
        with np.errstate(all="ignore"):
            values = np.asarray(phi(x.copy()), dtype=float)
    except Exception as error:  # whatever a function of the user's raises
        raise InvalidInput(
            f"activation must be a function that takes and returns an array of numbers, got {phi!r}, which raises "
            f"{type(error).__name__}: {error}"
        ) from error
    if values.shape != x.shape:
        raise InvalidInput(
            f"activation must return an array of the shape of its argument {x.shape}, got {phi!r}, which returns {values.shape}"
        )
    if not np.isfinite(values).all():
        bad = x[~np.isfinite(values)].flat[0]
        raise InvalidInput(f"activation must be finite everywhere, got {phi!r}, which is not at {bad:.6g}")
    return values.reshape(shape)


def check(phi) -> None:
    """The quick part of the validation: vectorised, finite, not constant, hashable."""
    try:
        hash(phi)
    except TypeError:
        raise InvalidInput(f"activation must be hashable, got {phi!r}; use a function, or a class without __eq__") from None
    values = evaluate(phi, np.linspace(-3.05, 2.95, 25))
    if np.ptp(values) == 0.0 and np.ptp(evaluate(phi, np.linspace(-8.0, 8.0, 1601))) == 0.0:
        raise InvalidInput(f"activation must not be constant, got {phi!r}")


class Pieces:
    """phi's panels: `edges` on which it is resolved by interpolation, and `breaks`, those of them at which it is not smooth."""

    def __init__(self, phi):
        self.phi, self.spent = phi, 0
        far = 1.5 * REACH
        base = np.linspace(-far, far, 12) + 0.0371  # no edge at a place that activations like
        edges, stuck = self._refine(base)
        small = edges[:-1][np.diff(edges) < TINY]
        clusters = np.split(small, np.flatnonzero(np.diff(small) > 2.0 * TINY) + 1) if small.size else []
        breaks = []
        for cluster in clusters:
            inside = stuck[(stuck >= cluster[0]) & (stuck <= cluster[-1] + TINY)]
            breaks.append(self._place(inside.mean() if inside.size else np.median(cluster)))
        self.breaks = np.array(breaks)
        self.smooth = self.breaks.size == 0  # and trapezoid sums have not failed
        self.edges, _ = self._refine(np.union1d(base, self.breaks))
        if self.edges.size > MAX_EDGES:
            raise InvalidInput(f"activation must be piecewise smooth, got {phi!r}, which takes {self.edges.size} panels to resolve")

    def at(self, x):
        """phi(x), as long as the budget lasts."""
        self.spent += x.size
        if self.spent > MOST_VALUES:
            raise InvalidInput(
                f"activation must let overlaps through smoothly, got {self.phi!r}: its c(Q) is not known after {MOST_VALUES:.0e} values "
                f"on {self.edges.size} panels (features narrower than about 0.3, or a dozen kinks and jumps, do this)"
            )
        return evaluate(self.phi, x)

    def _place(self, x):
        """A kink or jump near x: where the smooth functions on its sides meet, or x where they do not."""
        sides = []
        for side in (-1.0, 1.0):
            half = 0.5e-2
            t = x + side * (1e-5 + half * (1.0 + X))
            fit = legendre.Legendre.fit(t, evaluate(self.phi, t), 8)
            sides.append((fit(x), fit.deriv()(x)))
        (left, slope), (right, other) = sides
        if slope == other or abs(left - right) > 1e-8 * (abs(slope - other) + abs(left)):
            return x
        return x - (left - right) / (slope - other)

    def _refine(self, edges):
        """(edges of panels on which phi is resolved, midpoints of those that are too short to be halved)."""
        todo, done, stuck = list(zip(edges[:-1], edges[1:])), [], []
        scale = np.max(np.abs(evaluate(self.phi, np.linspace(-3.0, 3.0, 301))))
        while todo:
            if len(todo) + len(done) > MAX_PANELS:
                raise InvalidInput(f"activation must be piecewise smooth, got {self.phi!r}, which needs more than {MAX_PANELS} panels")
            a, b = np.array(todo).T
            half, mid = 0.5 * (b - a), 0.5 * (a + b)
            values = evaluate(self.phi, mid[:, None] + half[:, None] * X)
            checks = evaluate(self.phi, mid[:, None] + half[:, None] * _CHECK)
            error = np.max(np.abs(values @ _TO_CHECK.T - checks), axis=1)
            good = error <= 1e-13 * (scale + np.max(np.abs(values), axis=1))
            short = b - a < SHORTEST * (1.0 + np.abs(mid))
            stuck += mid[short & ~good].tolist()
            good |= short
            done += [pair for pair, ok in zip(todo, good) if ok]
            rest = [pair for pair, ok in zip(todo, good) if not ok]
            todo = [half_pair for a, b in rest for half_pair in ((a, 0.5 * (a + b)), (0.5 * (a + b), b))]
        return np.unique(np.array(done)), np.array(stuck)

    def nodes(self):
        """Nodes and Gaussian weights of the one-dimensional averages, close enough for Hermite polynomials of degree 72."""
        edges = np.union1d(self.edges, np.linspace(-REACH, REACH, 41))
        edges = edges[np.abs(edges) <= REACH]
        half, mid = 0.5 * np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
        x = (mid[:, None] + half[:, None] * X).ravel()
        return x, (half[:, None] * W).ravel() * density(x)
