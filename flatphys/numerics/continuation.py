"""Following solutions along a parameter: the next guess, the next step, and why a path has ended.

A path grows from its last point by a step that lengthens with success and shortens with failure; guesses are extrapolated from the last
points.  Where steps have shrunk to nothing either two solutions have met, a fold, next to which the unknowns
change like the square root of the distance, or the method is stuck.  What a solution is, is the caller's matter.
"""

import math
from typing import NamedTuple

import numpy as np

FOLD, STUCK = "fold", "stuck"
SQUARE_ROOT = 0.7  # exponent below which the last points approach the end like a square root


class Steps(NamedTuple):
    """Lengths of steps in the parameter: the first, the longest, the one that is too short, growth and shrinking."""

    first: float
    longest: float = math.inf
    shortest: float = 1e-3
    growth: float = 1.4
    shrink: float = 0.4


def extrapolate(places, points, at, order=4):
    """The polynomial through the last `order` points, at the place `at`."""
    places, points = places[-order:], points[-order:]
    out = np.zeros_like(points[0])
    for i, (p, x) in enumerate(zip(places, points, strict=True)):
        weight = 1.0
        for j, q in enumerate(places):
            if j != i:
                weight *= (at - q) / (p - q)
        out = out + weight * x
    return out


def vanishing(places, values) -> float:
    """How far beyond the last place a positive quantity that falls would vanish linearly; inf where it does not fall."""
    (p, q), (before, now) = places[-2:], values[-2:]
    return now * abs(q - p) / (before - now) if before > now else math.inf


class Path:
    """Solved points in the order of their places, and the step to the next one.

    `direction` is the sign of the steps; `order` the number of points a guess leans on.  `ended` is "" as long as the path grows, then
    FOLD or STUCK.
    """

    def __init__(self, place: float, point, steps: Steps, direction: float = 1.0, order: int = 4):
        self.places, self.points = [place], [point]
        self.steps, self.direction, self.order = steps, math.copysign(1.0, direction), order
        self.step, self.ended = steps.first, ""

    def ahead(self, place: float) -> float:
        """How far `place` lies beyond the last point."""
        return (place - self.places[-1]) * self.direction

    def next(self, limit: float | None = None) -> float:
        """The place of the next attempt, not beyond `limit`."""
        if limit is not None and self.ahead(limit) <= self.step:
            return limit
        return self.places[-1] + self.direction * self.step

    def guess(self, place: float):
        """The last points, extrapolated."""
        return extrapolate(self.places, self.points, place, self.order)

    def between(self, place: float):
        """The points around `place`, interpolated (extrapolated beyond the last)."""
        near = int(np.argmin(np.abs(np.array(self.places) - place)))
        first = min(max(near - 1, 0), max(len(self.places) - self.order, 0))
        chosen = slice(first, first + self.order)
        return extrapolate(self.places[chosen], self.points[chosen], place, self.order)

    def succeed(self, place: float, point):
        """Keep a solved point; the step grows once guesses have a slope."""
        self.places.append(place)
        self.points.append(point)
        if len(self.places) > 2:
            self.step = min(self.steps.longest, self.steps.growth * self.step)

    def fail(self, place: float) -> bool:
        """Shorten the step after a failure at `place`; False, with the reason in `ended`, where nothing is left of it."""
        self.step = self.steps.shrink * min(self.step, abs(self.ahead(place)))
        if self.step < self.steps.shortest:
            self.ended = FOLD if self.folds() else STUCK
        return not self.ended

    def folds(self) -> bool:
        """Whether the path bends back about where it stops: x - x_c ~ (p_c - p)^(1/2) there, but (p_c - p) where it is smooth."""
        if len(self.places) < 4:
            return False
        whole, last = (np.abs(self.points[-1] - self.points[-k]) for k in (3, 2))
        moved = float(np.max(last) / np.max(whole)) if np.max(whole) > 0.0 else 0.0
        along = (self.places[-1] - self.places[-2]) / (self.places[-1] - self.places[-3])
        return 0.0 < moved < 1.0 and math.log(moved) / math.log(along) < SQUARE_ROOT

    def advance(self, solve, limit: float | None = None) -> bool:
        """One more point by `solve(place, guess)`, which returns it or None; False where the path ends."""
        while not self.ended:
            place = self.next(limit)
            point = solve(place, self.guess(place))
            if point is not None:
                self.succeed(place, point)
                return True
            self.fail(place)
        return False

    def reach(self, solve, target: float):
        """The point at `target`, grown up to there; None where the path ends before."""
        while self.ahead(target) > 0.0:
            if not self.advance(solve, target):
                return None
        return self.points[-1]
