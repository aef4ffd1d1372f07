"""Boundaries as curves: every vertex solves its equation, and vertices are as close as the curve bends.

Two ways along a curve.  `graph` follows an explicit boundary y = f(t) in its natural parameter and halves an
interval of t as long as its middle lies visibly beside the chord of its ends.  `follow` continues a
solution z of n - 1 equations in n unknowns by pseudo-arclength: with t the unit tangent and ds the
step, Newton's method (Broyden's updates of the Jacobian) solves

    F(z) = 0,    t . (z - z_0) = ds                                     (Keller 1977)

from the predictor z_0 + ds t, so that folds and cusps of the projected curve are ordinary points of the way.  Visible
is measured in a `Frame`, the box of the plot scaled to the unit square.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from flatphys.errors import FlatphysError, NotConverged
from flatphys.numerics.newton import CONVERGED, Options, newton

BESIDE = 2e-4  # of the plot's size: half a pixel of a printed column
LONGEST = 0.04  # chord, of the plot's size
CLOSE = 1e-7  # of the natural parameter's range: how well the end of a graph without an equation for it is known
SHARPEST = math.cos(0.12)  # cosine of the turn, in radians, between two steps of a continuation
CORRECTOR = Options(steps=12, longest=math.inf, tries=(3, 1))
FIRST, STALLED = 0.02, 1e-3  # the first step of a continuation, in units of the unknowns' scale; one so much shorter ends it
MOST = 600  # vertices of a continuation


@dataclass(frozen=True)
class Frame:
    """The plotted box: names of the two coordinates, their limits, and whether they are logarithmic."""

    x: str
    y: str
    xlim: tuple
    ylim: tuple
    xlog: bool = False
    ylog: bool = False

    def unit(self, row: dict) -> np.ndarray:
        """A point in units of the box: (0, 0) lower left, (1, 1) upper right."""
        out = []
        for value, (low, high), log in ((row[self.x], self.xlim, self.xlog), (row[self.y], self.ylim, self.ylog)):
            if log:
                value, low, high = (math.log(v) if v > 0.0 else -math.inf for v in (value, low, high))
            out.append((value - low) / (high - low))
        return np.array(out)

    def holds(self, row: dict, slack: float = 1e-9) -> bool:
        """Whether the point lies in the box."""
        return bool(np.all(np.abs(self.unit(row) - 0.5) <= 0.5 + slack))


def _offside(point, a, b) -> float:
    """Distance of `point` from the segment between a and b."""
    along = b - a
    length = float(along @ along)
    t = min(1.0, max(0.0, float((point - a) @ along) / length)) if length > 0.0 else 0.0
    return float(np.linalg.norm(point - a - t * along))


def graph(
    function, start: float, stop: float, frame: Frame, first: int = 8, longest: float = LONGEST, beside: float = BESIDE
) -> list[dict]:
    """Rows function(t) from t = start to t = stop (with start > stop backwards).

    `function(t)` returns a row, a dict with the frame's coordinates among its entries, or None where there is no
    boundary.  Where the boundary ends inside, the end is searched for by halving, and the row next to it kept.  The middle
    of an interval becomes a vertex as long as it lies further than `beside` from the chord or the chord is longer than `longest`
    (intervals outside of the box are left as they are).
    """
    rows = {}

    def at(t):
        if t not in rows:
            rows[t] = function(t)
        return rows[t]

    def refine(a, b):
        one, two = at(a), at(b)
        if one is None and two is None:
            return
        if one is None or two is None:
            if abs(b - a) > CLOSE * abs(stop - start):
                middle = 0.5 * (a + b)
                refine(a, middle)
                refine(middle, b)
            return
        u, v = frame.unit(one), frame.unit(two)
        if not (frame.holds(one) or frame.holds(two)) or abs(b - a) <= CLOSE * abs(stop - start):
            return
        length = float(np.linalg.norm(v - u))
        if length < 2.0 * beside:
            return
        middle = 0.5 * (a + b)
        new = at(middle)
        if new is None or length > longest or _offside(frame.unit(new), u, v) > beside:
            refine(a, middle)
            refine(middle, b)

    grid = [start + (stop - start) * k / first for k in range(first + 1)]
    for a, b in zip(grid, grid[1:]):
        refine(a, b)
    return [rows[t] for t in sorted(rows, reverse=start > stop) if rows[t] is not None]


@dataclass(frozen=True)
class Traced:
    """A continuation: the unknowns of every vertex, the rows read off them, and why it ended."""

    points: list
    rows: list
    reason: str


def jacobian(system, z, scale):
    """Forward differences, in units of `scale`: the predictor and the first Newton step need no more."""
    f = np.asarray(system(z), dtype=float)
    return np.array([(np.asarray(system(z + 1e-6 * step)) - f) / 1e-6 for step in np.diag(scale)]).T


def corrected(system, guess, scale, row, matrix, tolerance):
    """The solution of F(z) = 0 on the plane of normal `row` through the guess, as (a `Root` in units of `scale`, the Jacobian there)."""
    target = float(row @ (guess / scale))
    found = newton(
        lambda y: np.append(system(y * scale), row @ y - target),
        guess / scale,
        np.vstack([matrix, row]),
        CORRECTOR._replace(goal=tolerance, tolerance=tolerance),
    )
    return found, matrix if found.jacobian is None else found.jacobian[:-1]


class Way(NamedTuple):
    """How a curve is followed.

    Attributes
    ----------
    frame : Frame, optional
        No chord is longer than LONGEST in it.
    tolerance : float
        Largest residual of a vertex.
    longest : float
        The longest step, in units of the unknowns' scale.
    """

    frame: Frame | None = None
    tolerance: float = 1e-10
    longest: float = LONGEST


ANYWHERE = Way()


def follow(system, start, scale, heading, row, inside, way: Way = ANYWHERE) -> Traced:
    """The curve of solutions of `system` through `start`, in the direction in which heading . z/scale grows.

    Parameters
    ----------
    system : function of z
        Returns the n - 1 residuals; nan where it is not defined.
    start : array (n,)
        A solution, or close to one.
    scale : array (n,)
        Units of the unknowns in which steps and angles are measured.
    heading : array (n,)
        The first direction, in units of `scale`; only its sign along the tangent counts.
    row : function of z
        The row of the curve's table at a vertex.
    inside : function of the row
        The curve ends at the first vertex for which it is false (this vertex is kept).

    Raises
    ------
    NotConverged
        The start could not be improved to a solution.
    """
    frame, tolerance, longest = way
    scale, z = np.asarray(scale, dtype=float), np.asarray(start, dtype=float)
    across = np.asarray(heading, dtype=float) / np.linalg.norm(heading)
    matrix = jacobian(system, z, scale)
    found, matrix = corrected(system, z, scale, _null(matrix, across), matrix, tolerance)
    if found.status != CONVERGED:
        raise NotConverged(f"the start of a boundary was solved only to a residual of {found.residual:.1e}", None, found.residual)
    tangent = _null(matrix, across)
    points, rows, step = [found.x * scale], [row(found.x * scale)], FIRST
    if not inside(rows[0]):
        return Traced(points, rows, "outside")
    while len(points) < MOST:
        base = points[-1]
        found, updated = corrected(system, base + step * tangent * scale, scale, tangent, matrix, tolerance)
        new = found.x * scale
        chord = (new - base) / scale
        if found.status == CONVERGED and float(chord @ tangent) > SHARPEST * float(np.linalg.norm(chord)):
            seen = row(new)
            if frame is None or float(np.linalg.norm(frame.unit(seen) - frame.unit(rows[-1]))) < 1.5 * LONGEST:
                points.append(new)
                rows.append(seen)
                matrix, tangent = updated, _null(updated, chord)
                if not inside(seen):
                    return Traced(points, rows, "left the box")
                step = min(1.4 * step, longest)
                continue
        step *= 0.5
        if step < STALLED * FIRST:
            return Traced(points, rows, "lost")
        matrix = jacobian(system, base, scale)  # it may have been stale, and the tangent with it
        tangent = _null(matrix, tangent)
    return Traced(points, rows, "limit")


def _null(matrix, along):
    """The unit vector in the kernel of an (n-1, n) matrix, on the side of `along`."""
    _, _, v = np.linalg.svd(matrix)
    t = v[-1]
    return t if t @ along >= 0.0 else -t


def attempt(function):
    """`function` with None instead of the library's errors about physics and numerics: where a boundary has no point."""

    def tried(*args):
        try:
            return function(*args)
        except FlatphysError:
            return None

    return tried


__all__ = ["Frame", "Traced", "Way", "attempt", "follow", "graph"]
