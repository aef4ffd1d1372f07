"""A user's own activation phi as a table: c(Q) of a tree committee by quadrature of its definition.

With u and v standard Gaussians of correlation cos(theta) and Var = E[phi^2] - E[phi]^2,

    1 - c(cos theta) = E[(phi(u) - phi(v))^2] / (2 Var),      c(Q) = sum_k a_k^2 Q^k / Var,  a_k = E[phi He_k]/sqrt(k!)

(Mehler).  The first form has no cancellation as Q -> 1; the second converges fast around Q = 0.  An activation that is
analytic between finitely many kinks and jumps makes 1-c = theta^k g(theta) with a smooth g: k = 1 where phi jumps, k = 2 elsewhere
(g is even in theta if phi has no kink either).  The table holds the a_k^2/Var for |Q| < `NEAR` and Chebyshev coefficients of g and
its derivatives for the rest, a second set for Q < 0, where 1 - c(-cos theta) = E[(phi(u) - phi(-v))^2]/(2 Var) itself is smooth.

The expectation is a double integral over a and b, u, v = cos(theta/2) a +- sin(theta/2) b, on panels whose edges are
the places where u or v crosses a kink (inner integral, over a) and where two such crossings meet (outer integral), found by
`kernels.pieces`; without kinks and jumps it is a trapezoid sum where that settles.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev, legendre

from flatphys.errors import InvalidInput
from flatphys.kernels.pieces import ORDER, REACH, Pieces, W, X, check, density, evaluate

NEAR = 0.6  # |Q| below which the power series is used
TERMS = 72  # of it: 0.6^72 = 1e-16
TOP = 0.94  # the Chebyshev range in theta; acos(0.6) = 0.927
SIZES = (16, 32, 64, 128, 256)  # of Chebyshev tables that are tried
NOISE = 1e-13  # coefficients below this fraction of the largest are rounding errors
AGREEMENT = 1e-11  # of a table with fresh values, relative
STEPS = (0.25, 0.125, 0.0625)  # of trapezoid sums
SETTLED = 1e-9  # between two of them: the error of the second is the square
DEPTH = 8  # of the outer integral's bisection
_TO_LEGENDRE = np.linalg.inv(legendre.legvander(X, ORDER - 1))


def _trapezoid(pieces, c, s, sign):
    """`_difference` of an activation without kinks and jumps by trapezoid sums; None where those have not settled.

    Half the step squares the error of an analytic integrand.
    """
    before = math.nan
    for step in STEPS:
        half = math.ceil(REACH / step)
        x = step * np.arange(-half, half + 1)
        weight = step * density(x)
        u, v = c * x[:, None] + s * x, sign * (c * x[:, None] - s * x)
        gap = pieces.at(u) - pieces.at(v)
        now = 0.5 * float(weight @ (gap * gap) @ weight)
        if abs(now - before) <= SETTLED * abs(now):
            return now
        before = now
    return None


def _difference(pieces, theta, sign):
    """E[(phi(u) - phi(sign v))^2]/2 at correlation cos(theta) of u and v."""
    c, s = math.cos(0.5 * theta), math.sin(0.5 * theta)
    if pieces.smooth:
        found = _trapezoid(pieces, c, s, sign)
        if found is not None:
            return found
        pieces.smooth = False  # too steep for them
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
        a = mid[..., None] + half[..., None] * X
        step = s * b[:, None, None]
        gap = pieces.at(c * a + step) - pieces.at(sign * (c * a - step))
        return np.einsum("ijk,ij,k->i", gap * gap * density(a), half, W)

    todo, total, scale = list(zip(edges[:-1], edges[1:])), 0.0, 0.0
    for depth in range(DEPTH):
        if not todo:
            break
        a, b = np.array(todo).T
        half, mid = 0.5 * (b - a), 0.5 * (a + b)
        x = mid[:, None] + half[:, None] * X
        values = np.array([inner(row) for row in x]) * density(x)
        sums = half * (values @ W)
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
def _pieces(phi) -> Pieces:
    check(phi)
    return Pieces(phi)


def _moments(pieces):
    x, w = pieces.nodes()
    values = evaluate(pieces.phi, x)
    mean = float(w @ values)
    variance = float(w @ (values - mean) ** 2)
    edge = np.array([-REACH, REACH])
    if not np.max(evaluate(pieces.phi, edge) ** 2) * density(REACH) * REACH < 1e-13 * variance:
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
            f"activation must have E[x phi(x)] other than 0, which no even function has and not every odd one (x^3 - 3x), got {phi!r}: "
            "c'(0) = 0, and the saddle at small loads is q = 0 itself"
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
