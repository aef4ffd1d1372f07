"""A user's own activation phi as a table: c(Q) of a tree committee by quadrature of its definition.

With u and v standard Gaussians of correlation cos(theta) and Var = E[phi^2] - E[phi]^2,

    1 - c(cos theta) = E[(phi(u) - phi(v))^2] / (2 Var),      c(Q) = sum_k a_k^2 Q^k / Var,  a_k = E[phi He_k]/sqrt(k!)

(Mehler).  The first form has no cancellation as Q -> 1; the second converges fast around Q = 0.  An activation that is
analytic between finitely many kinks and jumps makes 1-c = theta^k g(theta) with a smooth g: k = 1 where phi jumps, k = 2 elsewhere
(g is even in theta if phi has no kink either).  The table holds the a_k^2/Var for |Q| < `NEAR` and Chebyshev coefficients of g and
its derivatives for the rest, a second set for Q < 0, where 1 - c(-cos theta) = E[(phi(u) - phi(-v))^2]/(2 Var) itself is smooth.

The expectation is a double integral over a and b, u, v = cos(theta/2) a +- sin(theta/2) b, on panels whose edges are
the places where u or v crosses a kink (inner integral, over a) and where two such crossings meet (outer integral).  Kinks are found
by bisection: phi is interpolated on panels, and those where that fails are halved.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev, legendre

from flatphys.errors import InvalidInput

NEAR = 0.6  # |Q| below which the power series is used
TERMS = 72  # of it: 0.6^72 = 1e-16
TOP = 0.94  # the Chebyshev range in theta; acos(0.6) = 0.927
SIZES = (16, 32, 64, 128, 256)  # of Chebyshev tables that are tried
NOISE = 1e-13  # coefficients below this fraction of the largest are rounding errors
AGREEMENT = 1e-11  # of a table with fresh values, relative
REACH = 11.0  # Gaussian integrals are cut where the density is 5e-27 of its maximum
ORDER = 16  # nodes of a panel
TINY = 1e-6  # panels shorter than this surround a kink or jump
SHORTEST = 1e-13
MAX_PANELS = 3000  # of the search for kinks
MAX_EDGES = 160
DEPTH = 8  # of the outer integral's bisection
_X, _W = legendre.leggauss(ORDER)
_EDGE = 1.0 - 4e-12  # a jump between a panel's edge and its first node is seen from here only
_CHECK = np.array([-_EDGE, -0.97, -0.8, -0.55, -0.2, 0.1, 0.35, 0.7, 0.9, _EDGE])
_TO_CHECK = legendre.legvander(_CHECK, ORDER - 1) @ np.linalg.inv(legendre.legvander(_X, ORDER - 1))
_TO_LEGENDRE = np.linalg.inv(legendre.legvander(_X, ORDER - 1))


def _density(x):
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


class _Pieces:
    """phi's panels: `edges` on which it is resolved by interpolation, and `breaks`, those of them at which it is not smooth."""

    def __init__(self, phi):
        self.phi = phi
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
        self.edges, _ = self._refine(np.union1d(base, self.breaks))
        if self.edges.size > MAX_EDGES:
            raise InvalidInput(f"activation must be piecewise smooth, got {phi!r}, which takes {self.edges.size} panels to resolve")

    def _place(self, x):
        """A kink or jump near x: where the smooth functions on its sides meet, or x where they do not."""
        sides = []
        for side in (-1.0, 1.0):
            half = 0.5e-2
            t = x + side * (1e-5 + half * (1.0 + _X))
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
            values = evaluate(self.phi, mid[:, None] + half[:, None] * _X)
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
        """Nodes and Gaussian weights of the one-dimensional averages, close enough for Hermite polynomials of degree TERMS."""
        edges = np.union1d(self.edges, np.linspace(-REACH, REACH, 41))
        edges = edges[np.abs(edges) <= REACH]
        half, mid = 0.5 * np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
        x = (mid[:, None] + half[:, None] * _X).ravel()
        return x, (half[:, None] * _W).ravel() * _density(x)


def _difference(pieces, theta, sign):
    """E[(phi(u) - phi(sign v))^2]/2 at correlation cos(theta) of u and v."""
    c, s = math.cos(0.5 * theta), math.sin(0.5 * theta)
    # places of a at which u or v meets an edge move with b in opposite directions and meet here
    meets = ((pieces.breaks[:, None] - sign * pieces.breaks[None, :]) / (2.0 * s)).ravel()
    low = -REACH if sign < 0.0 else 0.0  # the integrand is even in b for sign +1
    edges = np.unique(np.concatenate([np.arange(low, REACH + 1.0, 2.0), [REACH], meets]))
    edges = edges[(edges >= low) & (edges <= REACH)]
    edges = edges[np.concatenate([[True], np.diff(edges) > 1e-13])]
    shift = sign * pieces.edges

    def inner(b):
        """The integral over a at each b."""
        cuts = np.concatenate([(pieces.edges - s * b[:, None]) / c, (shift + s * b[:, None]) / c], axis=1)
        cuts = np.sort(np.clip(cuts, -REACH, REACH), axis=1)
        half, mid = 0.5 * np.diff(cuts, axis=1), 0.5 * (cuts[:, 1:] + cuts[:, :-1])
        keep = half.max(axis=0) > 0.0
        half, mid = half[:, keep], mid[:, keep]
        a = mid[..., None] + half[..., None] * _X
        step = s * b[:, None, None]
        gap = evaluate(pieces.phi, c * a + step) - evaluate(pieces.phi, sign * (c * a - step))
        return np.einsum("ijk,ij,k->i", gap * gap * _density(a), half, _W)

    todo, total, scale = list(zip(edges[:-1], edges[1:])), 0.0, 0.0
    for depth in range(DEPTH):
        if not todo:
            break
        a, b = np.array(todo).T
        half, mid = 0.5 * (b - a), 0.5 * (a + b)
        x = mid[:, None] + half[:, None] * _X
        values = np.array([inner(row) for row in x]) * _density(x)
        sums = half * (values @ _W)
        scale = max(scale, abs(sums).max())
        # the last Legendre coefficients say whether the panel is resolved
        tail = half * np.abs(values @ _TO_LEGENDRE.T)[:, -3:].max(axis=1)
        good = (tail < 3e-14 * scale) | (depth == DEPTH - 1)
        total += sums[good].sum()
        todo = [part for (a, b), ok in zip(todo, good) if not ok for part in ((a, 0.5 * (a + b)), (0.5 * (a + b), b))]
    return total * (1.0 if sign < 0.0 else 2.0) / 2.0


def _chebyshev(function, what, phi):
    """Chebyshev coefficients of `function` on [0, TOP]: tables of growing size until the last coefficients are rounding errors."""
    rough, fine = function(1e-3), function(1e-5)
    smooth = abs(rough / fine - 1.0) < 0.1
    for n in SIZES if smooth else ():
        t = np.cos(math.pi * (np.arange(n) + 0.5) / n)
        values = np.array([function(0.5 * TOP * (1.0 + x)) for x in t])
        coefficients = np.array([2.0 / n * values @ np.cos(math.pi * k * (np.arange(n) + 0.5) / n) for k in range(n)])
        coefficients[0] *= 0.5
        size = np.abs(coefficients)
        if size[-n // 4 :].max() > NOISE * size.max():
            continue
        # what is kept beyond the rounding errors would only spoil the derivatives
        coefficients = coefficients[: np.flatnonzero(size > 0.1 * NOISE * size.max())[-1] + 1]
        for theta, value in ((1e-3, rough), *((x, function(x)) for x in (0.03, 0.2, 0.5, 0.8, TOP))):
            if abs(chebyshev.chebval(2.0 * theta / TOP - 1.0, coefficients) - value) > AGREEMENT * abs(value):
                break
        else:
            return coefficients
    raise InvalidInput(
        f"activation must let overlaps through smoothly, got {phi!r}: {what} is not resolved to {AGREEMENT:g} by {SIZES[-1]} Chebyshev "
        f"polynomials (features narrower than about 0.1, or singularities other than kinks and jumps, do this)"
    )


@lru_cache(maxsize=128)
def moments(phi) -> tuple[float, float]:
    """(E phi, Var phi) over a standard Gaussian: K(0) = mean^2, K(1) - K(0) = variance."""
    return _moments(_pieces(phi))


@lru_cache(maxsize=128)
def _pieces(phi) -> _Pieces:
    check(phi)
    return _Pieces(phi)


def _moments(pieces):
    x, w = pieces.nodes()
    values = evaluate(pieces.phi, x)
    mean = float(w @ values)
    variance = float(w @ (values - mean) ** 2)
    edge = np.array([-REACH, REACH])
    if not np.max(evaluate(pieces.phi, edge) ** 2) * _density(REACH) * REACH < 1e-13 * variance:
        if variance < 1e-28 * max(1.0, mean * mean):
            raise InvalidInput(f"activation must not be constant, got {pieces.phi!r}")
        raise InvalidInput(f"activation must grow at most polynomially, got {pieces.phi!r}")
    return mean, variance


@lru_cache(maxsize=128)
def table(phi) -> tuple[float, ...]:
    """What `kernels.networks` needs of phi: k, the power series' a_1^2/Var..., then three Chebyshev rows (value, slope, curvature) of
    g for Q > 0 and three of 1-c for Q < 0, the rows' lengths first."""
    pieces = _pieces(phi)
    mean, variance = moments(phi)
    x, w = pieces.nodes()
    values = w * (evaluate(phi, x) - mean)
    series, before, now = [], np.ones_like(x), x
    for k in range(1, TERMS + 1):  # normalised Hermite polynomials: He_k/sqrt(k!)
        series.append(float(values @ now) ** 2 / variance)
        before, now = now, (x * now - math.sqrt(k) * before) / math.sqrt(k + 1.0)
    if series[0] < 1e-20:
        raise InvalidInput(
            f"activation must not be even: E[x phi(x)] must not vanish, got {phi!r}: c'(0) = 0, and the saddle at small loads is "
            "q = 0 itself"
        )
    jumps = [abs(np.diff(evaluate(phi, np.array([b - 1e-9, b + 1e-9])))[0]) for b in pieces.breaks]
    power = 1 if any(jump > 1e-6 * math.sqrt(variance) for jump in jumps) else 2
    near = _chebyshev(lambda theta: _difference(pieces, theta, 1.0) / variance / theta**power, "1 - c(Q) as Q -> 1", phi)
    far = _chebyshev(lambda theta: _difference(pieces, theta, -1.0) / variance, "c(Q) as Q -> -1", phi)
    joint = _joint_error(series, near, far, power)
    if joint > AGREEMENT:
        raise InvalidInput(f"activation {phi!r} could not be tabulated: two expansions of c(Q) differ by {joint:.1e} where they meet")
    bent = power == 1 or _bent(near)
    rows = []
    for row in (near, far):
        slope = chebyshev.chebder(row) * (2.0 / TOP) if row.size > 1 else np.zeros(1)
        bend = chebyshev.chebder(slope) * (2.0 / TOP) if slope.size > 1 else np.zeros(1)
        rows += [row, slope, bend]
    sizes = [float(row.size) for row in rows]
    return (float(power), float(bent), *sizes, *series, *(float(x) for row in rows for x in row))


def _bent(near):
    """Whether g'(0) differs from 0: phi has a kink, and c''(1) is infinite."""
    value, slope = chebyshev.chebval(-1.0, near), chebyshev.chebval(-1.0, chebyshev.chebder(near)) * 2.0 / TOP if near.size > 1 else 0.0
    return abs(slope) > 1e-7 * abs(value)


def _joint_error(series, near, far, power):
    """Largest difference of the power series and the Chebyshev tables where they meet, |Q| = NEAR."""
    theta = math.acos(NEAR)
    t = 2.0 * theta / TOP - 1.0
    above = sum(a * NEAR ** (k + 1) for k, a in enumerate(series)) - (1.0 - theta**power * chebyshev.chebval(t, near))
    below = sum(a * (-NEAR) ** (k + 1) for k, a in enumerate(series)) - (1.0 - chebyshev.chebval(t, far))
    return max(abs(above), abs(below))
