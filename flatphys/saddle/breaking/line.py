"""The line on which the external entropy vanishes: regions that are actually there.

At every distance y* is the number of replicas at which Sigma = 0; y* = inf where Sigma is positive even there.  Where it is not,
the y = inf free entropy belongs to regions whose number is exp(-N |Sigma|).
"""

import math

import numpy as np

from flatphys.numerics.newton import DEFAULT, newton
from flatphys.saddle.accept import good
from flatphys.saddle.breaking.branch import Branch
from flatphys.saddle.breaking.replicas import TOLERANCE, Replicas

FEWEST_INVERSE = 2.5e-4  # 1/y below which the line is not followed
ENTRANCE_STEP = 0.2  # in log d, of the search for the place where Sigma turns negative


class Existing:
    """The equations together with Sigma = 0; 1/y is the last unknown."""

    y = math.inf  # not fixed: both directions of the distance are open

    def __init__(self, limit: Replicas):
        self.limit = limit

    def _system(self, inverse):
        return Replicas(self.limit.problem, self.limit.alpha, 1.0 / inverse)

    def solve(self, v, guess, jacobian=None, options=DEFAULT):
        """As `Replicas.solve`."""

        def violations(x):
            if not FEWEST_INVERSE < x[-1] < 1.0:
                return np.full(x.size, math.nan)
            system = self._system(x[-1])
            out = system.raw(v, x[:-1])
            return np.array([*(out[i] for i in system.rows), out.external * x[-1]])

        return newton(violations, guess, jacobian, options)

    def point(self, v, unknowns):
        """As `Replicas.point`; the unknowns keep 1/y."""
        return self._system(unknowns[-1]).point(v, unknowns[:-1])._replace(unknowns=np.array(unknowns))

    def enter(self, v, unknowns):
        """From y = inf down in y, at fixed V, to the first positive Sigma and the zero next to it; None if there is none."""
        inverse, step, previous = 0.0, 1e-3, FEWEST_INVERSE
        while inverse < 0.5:
            inverse = min(inverse + step, 0.5)
            system = self._system(inverse)
            root = system.solve(v, unknowns)
            if not good(TOLERANCE, root.residual):
                return None
            unknowns = root.x
            if system.point(v, unknowns).external > 0.0:
                root = self.solve(v, np.append(unknowns, 0.5 * (inverse + previous)))
                return root.x if good(TOLERANCE, root.residual) else None
            previous, step = inverse, 1.6 * step
        return None


class Line:
    """Points on the line, at y = inf where Sigma is positive even there."""

    def __init__(self, limit: Branch):
        self.limit, self.start_v = limit, limit.start_v
        self.system = Existing(limit.system)
        self.existing = None

    def at(self, v):
        """The point at 1-q1 = v, or None; its y is `y_of(point)`."""
        point = self.limit.at(v)
        if point is None or point.external >= 0.0:
            return point
        if self.existing is None:
            self.existing = self._entrance(v)
            if self.existing is None:
                return None
        return self.existing.at(v)

    def _entrance(self, v):
        """A branch on the line, entered at the largest distance where Sigma is negative at y = inf (y* is largest there)."""
        for k in range(1, math.ceil(math.log(self.start_v / v) / ENTRANCE_STEP) + 1):
            place = max(self.start_v * math.exp(-ENTRANCE_STEP * k), v)
            point = self.limit.at(place)
            if point is not None and point.external < 0.0:
                start = self.system.enter(place, point.unknowns)
                return None if start is None else Branch(self.system, place, start)
        return None

    def y_of(self, point):
        """The number of replicas of a point."""
        return math.inf if point.unknowns.size == len(self.limit.system.places) else 1.0 / point.unknowns[-1]
