"""The saddle of the local entropy at one overlap: Newton's method on the conjugates.

Unknowns (a, b^2, R1_hat) of `local_entropy_weights`.  They are good variables because every value of them
belongs to overlaps that exist, because the map is close to linear in them where the representation degenerates
(b^2 -> 0 at the reference's own overlap), and because they merely vanish where the counted constraints have
no effect.  One evaluation is conjugates -> overlaps (weights) -> conjugates (patterns); the residual is the
difference, relative to 1 + the value.  The Jacobian is taken by differences once and then carried along a
curve with Broyden's updates.
"""

import math

import numpy as np

from flatphys.kernels.codes import RANDOM
from flatphys.kernels.networks import PERCEPTRON, overlap_map, overlap_slope
from flatphys.numerics.quadrature import buffers
from flatphys.saddle.franz_parisi.explicit import teacher_sums
from flatphys.saddle.franz_parisi.label import MOST_GAMMA
from flatphys.saddle.franz_parisi.network import seen_overlaps
from flatphys.saddle.franz_parisi.patterns import boundary_sum, pattern_sums
from flatphys.saddle.franz_parisi.weights import scratch, weights_part

ROUGH = 1e-6  # the same on coarse sums
NEAR = 1e-3  # where coarse sums stall closer than this, full ones are tried
CONVERGED = 1e-13  # residual at which the iteration is content
TOLERANCE = 1e-10  # largest residual of a point that is returned
MOST_STEPS = 30
DIFFERENCE = 1e-6


class Problem:
    """What is counted around what: the reference's numbers, the load, the counted margin and beta.

    ref : tuple, see `local_entropy_weights.weights_part`.
    network : array, see `kernels.networks`; None: a perceptron.
    """

    def __init__(self, ref, alpha, kappa, beta, network=None):
        self.ref, self.alpha, self.kappa, self.beta = ref, alpha, kappa, beta
        self.network = None if network is None or network[0] == PERCEPTRON else network
        self.seen_ref = ref  # the reference as the patterns see it
        # an infinite c'(1) keeps the counted weights apart at every distance and load: 1-q1 falls like a power only
        self.open_ended = self.network is not None and overlap_slope(self.network, 1.0, 0.0) == math.inf
        if self.network is not None:
            c_qt, c_vt = overlap_map(self.network, ref[3], ref[4])
            self.seen_ref = (*ref[:3], c_qt, c_vt, ref[5], 0.0, c_qt, *ref[8:])
        self.teacher = ref[1] != RANDOM
        self.flat = ref[3] == 0.0  # no shared field z: the teacher as reference
        self.active = [1] if self.flat else ([0, 1, 2] if self.teacher else [0, 1])
        self.root_hat = math.sqrt(ref[5])
        self.evaluations = 0  # of the integrand
        self.iterations = 0  # of the map

    def seen(self, distance, weights):
        """What the patterns see of the overlaps `weights`: (p, V, A, D, B, C, v0), c'(q1), c'(t), c'(p), c''(q1)."""
        if self.network is None:
            return (1.0 - 2.0 * distance, *weights[:6], 1.0, 1.0, 1.0, 0.0)
        v, a_u, d, _, c, v0 = weights[:6]
        out = seen_overlaps(self.network, *self.ref[3:5], *self.seen_ref[3:5], distance, v, a_u, d)
        return (*out[:5], c, v0, *out[5:])

    def patterns(self, p, weights, level):
        """(<a^2>, <a a_ref>, G_E, <b^2>, error, <teacher's share>) at the overlaps `weights`, as the patterns see them."""
        v, a_u, d, big_b, c, v0 = weights[:6]
        u, w = buffers(0)
        y, yw = buffers(1)
        if self.teacher and _gamma(a_u, big_b, c, v0) > MOST_GAMMA:
            out = teacher_sums(self.ref, self.kappa, self.beta, p, v, a_u, d, big_b, c, v0, level, u, w, y, yw, scratch())
        elif v0 > 0.0:
            out = pattern_sums(self.seen_ref, self.kappa, self.beta, p, v, a_u, d, big_b, c, v0, level, u, w, y, yw)
        else:  # b = 0 away from the reference's own overlap: no such weights
            return (math.nan,) * 5 + (0, math.nan)
        self.evaluations += out[5]
        self.iterations += 1
        return out

    def map(self, distance, x, field, share=1.0, level=0):
        """(image of the conjugates x, weights' averages, patterns' averages); `share` scales the load."""
        p = 1.0 - 2.0 * distance
        weights = weights_part(self.ref, p, distance, x[0], max(x[1], 0.0), x[2], field, max(level, 0), scratch())
        seen = self.seen(distance, weights)
        patterns = self.patterns(seen[0], seen[1:], level)
        alpha, v = share * self.alpha, seen[1]
        image = np.zeros(3)
        if not self.flat:
            image[0] = alpha * seen[8] * patterns[1] / math.sqrt(v * self.seen_ref[4]) / self.root_hat
        image[1] = alpha * seen[7] * patterns[0] / v - image[0] * image[0]
        if self.teacher:
            image[2] = alpha * patterns[6] / math.sqrt(v)
        return image, weights, patterns

    def slope(self, distance, x, weights, level=0):
        """d free entropy / d overlap."""
        seen = self.seen(distance, weights)
        moved = boundary_sum(self.seen_ref, self.kappa, self.beta, *seen[:7], level, *buffers(0), *buffers(1))
        return -weights[7] - x[0] * self.root_hat + self.alpha * seen[9] * moved

    def replicon(self, point):
        """1 - alpha E[g'^2] T4, or its form behind a network: the stability of the counted weights."""
        seen = self.seen(point.distance, point.weights)
        v, curvature = seen[1], seen[7] * seen[7] * point.patterns[3]
        if self.network is not None:
            curvature += seen[10] * point.patterns[0] * v
        return 1.0 - self.alpha * curvature / (v * v) * point.weights[9]


class Point:
    """A solution of the equations, or the best attempt."""

    __slots__ = ("distance", "field", "jacobian", "patterns", "residual", "weights", "x")

    def __init__(self, distance, x, field, jacobian, weights, patterns, residual):
        self.distance, self.x, self.field, self.jacobian = distance, x, field, jacobian
        self.weights, self.patterns, self.residual = weights, patterns, residual


def _gamma(a_u, big_b, c, v0):
    """Slope of the teacher's field in the field that two-dimensional sums leave out (`local_entropy_label`)."""
    total = math.sqrt(a_u * a_u + big_b)
    return abs(c / math.sqrt(big_b * v0) * a_u / total) if big_b > 0.0 and v0 > 0.0 else 0.0


def openness(point: Point) -> float:
    """(1-q1)/(1-p^2): 1 without constraints, 0 where the counted weights close in on each other."""
    return point.weights[0] / (4.0 * point.distance * (1.0 - point.distance))


def _residual(x, image):
    scale = 1.0 + np.abs(x)
    scale[1] = 1.0 + x[1] + x[0] * x[0]
    return (image - x) / scale


def _jacobian(problem, distance, x, field, share, base, level):
    n = len(problem.active)
    jacobian = np.empty((n, n))
    for k, i in enumerate(problem.active):
        step = DIFFERENCE * (1.0 + abs(x[i]))
        moved = x.copy()
        moved[i] += step
        image, _, _ = problem.map(distance, moved, field, share, level)
        jacobian[:, k] = ((image - moved) - base)[problem.active] / step
    return jacobian


def solve(problem, distance, x, field, jacobian=None, share=1.0, fine=True) -> Point:
    """The saddle near the guess (x, field); the residual of the answer says whether it was reached.

    Newton's iteration runs on coarse sums first, and on full ones (if `fine`) only to polish.
    """
    point = _iterate(problem, distance, x, field, jacobian, share, -1, ROUGH)
    if not fine or not point.residual <= NEAR:
        return point
    jacobian = point.jacobian if point.residual <= 100.0 * ROUGH else None
    return _iterate(problem, distance, point.x, point.field, jacobian, share, 0, CONVERGED)


def _iterate(problem, distance, x, field, jacobian, share, level, goal):
    active = problem.active
    image, weights, patterns = problem.map(distance, x, field, share, level)
    difference = image - x
    size = float(np.max(np.abs(_residual(x, image))))
    best = Point(distance, x, weights[7], jacobian, weights, patterns, size if math.isfinite(size) else math.inf)
    fresh = False
    for _ in range(MOST_STEPS):
        if best.residual <= goal or best.residual == math.inf:
            break
        if jacobian is None:
            jacobian, fresh = _jacobian(problem, distance, best.x, best.field, share, difference, level), True
        try:
            step = -np.linalg.solve(jacobian, difference[active])
        except np.linalg.LinAlgError:
            break
        if not np.all(np.isfinite(step)):
            break
        damping = min(1.0, float(np.min(0.7 * (0.3 + np.abs(best.x[active])) / np.maximum(np.abs(step), 1e-300))))
        for _ in range(4 if fresh else 1):
            trial = best.x.copy()
            trial[active] += damping * step
            trial[1] = max(trial[1], 0.1 * best.x[1] if problem.teacher else 0.0)
            image, weights, patterns = problem.map(distance, trial, best.field, share, level)
            size = float(np.max(np.abs(_residual(trial, image))))
            if size < (0.9 if fresh else 0.4) * best.residual:
                break
            damping *= 0.4
        else:
            if fresh or best.residual < 1e-11:  # at the level of rounding there is nothing to gain
                break
            jacobian = None
            continue
        moved, new = (trial - best.x)[active], image - trial
        change = (new - difference)[active] - jacobian @ moved
        jacobian = jacobian + np.outer(change, moved) / (moved @ moved)
        difference, fresh = new, False
        best = Point(distance, trial, weights[7], jacobian, weights, patterns, size)
    best.jacobian = jacobian
    return best
