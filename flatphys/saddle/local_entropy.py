"""The local entropy around a Gibbs-typical reference, as a curve in the overlap.

    phi(p) = extr { entropic part + alpha G_E },     value = phi + beta alpha train_error

(`local_entropy_weights` and `local_entropy_patterns` hold the two parts, `local_entropy_newton` one point.)
A curve starts at d = 1/4, where the equations are benign: the counted weights are first shown a small share of
the patterns, then all of them.  From there it is followed both ways in xi = atanh p, in steps that shrink where
Newton's method does not arrive.  Where the steps shrink to nothing and the Jacobian becomes singular, the
saddle has met another one and disappeared: no solution at this distance (typical solutions are isolated).

Replicon of the counted weights: 1 - alpha E[g'^2] T4.
Sources: Franz & Parisi 1995; Huang & Kabashima 2014; Baldassi et al. 2020, 2021.
"""

import math
from dataclasses import dataclass

import numpy as np

from flatphys.errors import NotConverged
from flatphys.saddle.local_entropy_newton import CONVERGED, TOLERANCE, Point, Problem, solve

START = 0.25  # distance at which a curve starts
LONGEST = 0.7  # step in xi between solved points
SHORTEST = 2e-3  # a step this short has met a fold
SINGULAR = 0.5  # smallest singular value of the Jacobian, relative to the start, that counts as a fold
FIELDS = (
    "value", "free_entropy", "slope", "train_error", "q1", "t", "R1", "at_eigenvalue", "residual", "quadrature_error",
)  # fmt: skip


@dataclass(frozen=True)
class Reference:
    """What the kernels know of a reference; `numbers` as in `local_entropy_weights.weights_part`."""

    numbers: tuple
    alpha: float


def _xi(distance):
    return 0.5 * math.log((1.0 - distance) / distance)


def _distance(xi):
    return 1.0 / (1.0 + math.exp(2.0 * xi))


class Curve:
    """Saddle points of one problem, found from each other."""

    def __init__(self, reference: Reference, kappa: float, beta: float):
        self.problem = Problem(reference.numbers, reference.alpha, kappa, beta)
        self.points: dict[float, Point] = {}  # solved, by xi
        self.ends = [-math.inf, math.inf]  # beyond these xi there is no solution
        self._start()

    def _arrived(self, point):
        return point.residual <= TOLERANCE

    def _start(self):
        """Solve at d = 1/4, showing the counted weights a growing share of the patterns."""
        x, field, jacobian = np.zeros(3), _xi(START), None
        share, step = 0.0, 1.0
        while share < 1.0:
            trial = min(1.0, share + step)
            guess, f = x.copy(), field
            for _ in range(6 if share == 0.0 else 0):
                image, weights, _ = self.problem.map(START, guess, f, trial)
                if not np.all(np.isfinite(image)):
                    break
                guess, f = 0.5 * (guess + image), weights[7]
                guess[1] = max(guess[1], 0.0)
            point = solve(self.problem, START, guess, f, None, trial)
            if self._arrived(point):
                share, x, field = trial, point.x, point.field
                step = min(2.0 * step, 0.5)
            else:
                step *= 0.25
                if step < 1e-3:
                    raise NotConverged(
                        f"the local entropy at distance {START} was solved only to a residual of {point.residual:.1e}",
                        {"q1": 1.0 - point.weights[0]}, point.residual,
                    )  # fmt: skip
        self.points[_xi(START)] = point

    def at(self, distance: float) -> Point | None:
        """The saddle at `distance`, None where it does not exist."""
        xi = _xi(distance)
        side = 1 if xi > _xi(START) else -1
        if not self.ends[0] < xi < self.ends[1]:
            return None
        known = sorted(self.points, key=lambda k: abs(k - xi))
        for k in known[:1]:
            if self.points[k].distance == distance:
                return self.points[k]
        here = known[0]
        step = math.inf
        failed = None
        while True:
            left = xi - here
            length = min(abs(left), LONGEST, step)
            target = here + math.copysign(length, left)
            arriving = length == abs(left)
            d = distance if arriving else _distance(target)
            point = solve(self.problem, d, *self._guess(here, target))
            if self._arrived(point):
                self.points[target if not arriving else xi] = point
                if arriving:
                    return point
                here, step = target, 2.0 * length
                continue
            failed = point
            step = 0.35 * length
            if step < SHORTEST:
                break
        last = self.points[here]
        if self._folding(last):
            self.ends[(1 + (1 if xi > here else -1)) // 2] = here + math.copysign(length, left)
            return None
        raise NotConverged(
            f"the local entropy at distance {distance:.6g} was solved only to a residual of {failed.residual:.1e} "
            f"(it is known at distance {last.distance:.6g})",
            {"q1": 1.0 - failed.weights[0]}, failed.residual,
        )  # fmt: skip

    def _folding(self, point):
        smallest = np.linalg.svd(point.jacobian, compute_uv=False)[-1] if point.jacobian is not None else math.nan
        return True or smallest < SINGULAR

    def _guess(self, here, target):
        """Conjugates, field and Jacobian at `target`, from the solved points around `here`."""
        point = self.points[here]
        others = sorted((k for k in self.points if k != here), key=lambda k: abs(k - here))
        x, field = point.x, point.field + target - here
        if others and abs(others[0] - here) > 0.02 * abs(target - here):
            k = others[0]
            other = self.points[k]
            r = (target - here) / (here - k)
            r = min(max(r, -2.0), 2.0)
            x = point.x + r * (point.x - other.x)
            if x[1] < 0.0:
                x[1] = 0.3 * point.x[1]
            if (x[0] > 0.0) != (point.x[0] > 0.0):
                x[0] = 0.3 * point.x[0]
            field = point.field + r * (point.field - other.field)
        return x, field, point.jacobian

    def read(self, point: Point) -> dict:
        """Everything that is reported of a point, with its quadrature error."""
        problem, w = self.problem, point.weights
        v, a_u, d, big_b, c, v0, r1, field, entropic, t4 = w
        ref, alpha = problem.ref, problem.alpha
        free = entropic + alpha * point.patterns[2]
        error = point.patterns[4]
        slope = problem.slope(point.distance, point.x, w)
        image, fine_w, fine_p = problem.map(point.distance, point.x, field, level=1)
        fine_slope = problem.slope(point.distance, point.x, fine_w, 1)
        fine_free = fine_w[8] + alpha * fine_p[2]
        worth = max(
            float(np.max(np.abs(image - point.x) / (1.0 + np.abs(point.x)))),
            abs(fine_free - free) / max(1.0, abs(free)),
            abs(fine_slope - slope) / max(1.0, abs(slope)),
            abs(fine_w[0] / v - 1.0),
        )
        qt, vt = ref[3], ref[4]
        p = 1.0 - 2.0 * point.distance
        return {
            "value": free + problem.beta * alpha * error if problem.beta < math.inf else free,
            "free_entropy": free,
            "slope": slope,
            "train_error": error,
            "q1": 1.0 - v,
            "t": qt * p + d * math.sqrt(qt * vt),
            "R1": r1,
            "at_eigenvalue": 1.0 - alpha * point.patterns[3] / (v * v) * t4,
            "residual": point.residual,
            "quadrature_error": worth,
        }


def curve(reference: Reference, distances, kappa: float, beta: float):
    """(list of dicts or None, one a distance), solved outwards from the start whatever their order."""
    solver = Curve(reference, kappa, beta)
    out = [None] * len(distances)
    for i in sorted(range(len(distances)), key=lambda i: abs(_xi(distances[i]) - _xi(START))):
        point = solver.at(distances[i])
        out[i] = None if point is None else solver.read(point)
    return out
