"""The saddle of the local entropy at one overlap: Newton's method on the conjugates.

Unknowns (a, b^2, R1_hat) of `weights`.  They are good variables because every value of them
belongs to overlaps that exist, because the map is close to linear in them where the representation degenerates
(b^2 -> 0 at the reference's own overlap), and because they merely vanish where the counted constraints have
no effect.  One evaluation is conjugates -> overlaps (weights) -> conjugates (patterns); the residual is the
difference, relative to 1 + the value.  The Jacobian is taken by differences once and then carried along a
curve with Broyden's updates.
"""

import math

import numpy as np

from flatphys.kernels.channels import steps
from flatphys.kernels.codes import MIXTURE, PERCEPTRON, RANDOM, TEACHER, Channel
from flatphys.kernels.networks import overlap_map, overlap_slope
from flatphys.numerics.newton import Options, newton
from flatphys.numerics.quadrature import buffers
from flatphys.saddle.accept import Tolerance, good
from flatphys.saddle.franz_parisi.budget import Budget
from flatphys.saddle.franz_parisi.explicit import teacher_sums
from flatphys.saddle.franz_parisi.label import MOST_GAMMA
from flatphys.saddle.franz_parisi.network import Seen, seen_overlaps
from flatphys.saddle.franz_parisi.patterns import boundary_sum, lost, pattern_sums
from flatphys.saddle.franz_parisi.weights import Conjugates, scratch, weights_part

ROUGH = 1e-6  # residual on coarse sums
NEAR = 1e-3  # where coarse sums stall closer than this, full ones are tried
CONVERGED = 1e-13  # residual at which the iteration is content
WEAK, RELAX = 1e-3, 12  # conjugates below which the map is iterated, and how often
NESTED = 0.3  # what one costs inside of three nested sums, where the label is a factor
TOLERANCE = Tolerance(residual=1e-10, quadrature=1e-8)  # of a point that is returned
COARSE = Tolerance(residual=ROUGH)  # of a point on the way
# one try of a step with a Jacobian carried along, at the level of rounding none more: an evaluation costs as much as a column of a new one
OPTIONS = Options(tolerance=0.0, steps=30, tries=(4, 1), decrease=(0.9, 0.4), shrink=0.4, patience=30, content=1e-11)


class Equations:
    """The saddle-point equations of weights counted by `channel` around `reference`, at load alpha and behind the network `net`."""

    def __init__(self, reference, alpha, channel, net):
        self.ref, self.alpha, self.channel = reference, alpha, channel
        self.net = None if net[0] == PERCEPTRON else net
        self.seen_ref = reference  # as the patterns see it
        # an infinite c'(1) keeps the counted weights apart at every distance and load: 1-q1 falls like a power only
        self.open_ended = self.net is not None and overlap_slope(net, 1.0, 0.0) == math.inf
        if self.net is not None:
            c_qt, c_vt = overlap_map(net, reference.q, reference.v)
            self.seen_ref = reference._replace(q=c_qt, v=c_vt, R=0.0, t2=c_qt)
        self.teacher, self.labelled = reference.labels.kind != RANDOM, reference.labels.kind == TEACHER
        self.flat = reference.q == 0.0  # no shared field z: the teacher as reference
        self.own = 0.1 if self.flat else 0.5 * reference.v  # distance of two references
        self.active = [1] if self.flat else ([0, 1, 2] if self.teacher else [0, 1])
        self.stepped = steps(reference.channel)
        self.root_hat = math.sqrt(reference.q_hat)
        self.budget = Budget()
        self.iterations = 0  # of the map

    def seen(self, distance, weights) -> Seen:
        """What the patterns see of the overlaps of `weights`."""
        if self.net is None:
            return Seen(weights.overlaps, 1.0, 1.0, 1.0, 0.0)
        return seen_overlaps(self.net, self.ref, self.seen_ref, distance, weights.overlaps)

    def counted(self, weights) -> Channel:
        """The channel of the counted weights, on a mixture at the margin that is left of theirs (`patterns`)."""
        ch = self.channel
        if self.ref.labels.kind != MIXTURE:
            return ch
        return ch._replace(margin=(ch.margin - weights.r1) / math.sqrt(self.ref.labels.variance))

    def patterns(self, overlaps, weights, level):
        """The averages `patterns.Patterns` at overlaps as the patterns see them."""
        if self.labelled and (not self.stepped or _gamma(overlaps) > MOST_GAMMA):
            out = teacher_sums(self.ref, self.channel, overlaps, level, buffers(0), buffers(1), scratch())
            self.budget.spend(int(NESTED * out.evaluations))
        elif overlaps.v0 > 0.0 or not self.labelled:
            out = pattern_sums(self.seen_ref, self.counted(weights), overlaps, level, buffers(0), buffers(1))
            self.budget.spend(out.evaluations)
        else:  # b = 0 away from the reference's own overlap: no such weights
            return lost(0)
        self.iterations += 1
        return out

    def map(self, distance, x, field, share=1.0, level=0):
        """(image of the conjugates x, weights' averages, patterns' averages); `share` scales the load."""
        if self.budget.over:
            raise self.budget.refusal(
                f"the local entropy at distance {distance:.6g}",
                f"(costly are overlaps near 1, q = {self.ref.q:.10g} of references or q1 of the counted, and references of a soft energy "
                f"with a teacher); count nearer to {self.own:.6g}, the references' own distance, or at a smaller load",
                {"conjugates": x.tolist()},
            )
        conjugates = Conjugates(x[0], max(x[1], 0.0), x[2])
        weights = weights_part(self.ref, distance, conjugates, field, max(level, 0), scratch())
        seen = self.seen(distance, weights)
        patterns = self.patterns(seen.overlaps, weights, level)
        alpha, v = share * self.alpha, seen.overlaps.v
        if not v > 0.0:  # closed in on each other beyond double precision
            return np.full(3, math.nan), weights, patterns
        image = np.zeros(3)
        if not self.flat:
            image[0] = alpha * seen.slope_t * patterns.ar / math.sqrt(v * self.seen_ref.v) / self.root_hat
        image[1] = alpha * seen.slope_q1 * patterns.aa / v - image[0] * image[0]
        if self.teacher:
            image[2] = alpha * patterns.turned / math.sqrt(v)
        return image, weights, patterns

    def free_entropy(self, weights, patterns):
        """phi at conjugates, the weights' overlaps that belong to them and the patterns' averages there."""
        return weights.entropic + self.alpha * patterns.log_f

    def slope(self, distance, x, weights, patterns, level=0):
        """d free entropy / d overlap."""
        seen, moved = self.seen(distance, weights), patterns.response
        if self.stepped:
            moved = boundary_sum(self.seen_ref, self.counted(weights), seen.overlaps, level, buffers(0), buffers(1))
        return -weights.field - x[0] * self.root_hat + self.alpha * seen.slope_p * moved

    def replicon(self, distance, weights, patterns):
        """1 - alpha E[g'^2] T4, or its form behind a network: the stability of the counted weights."""
        seen = self.seen(distance, weights)
        v, curvature = seen.overlaps.v, seen.slope_q1 * seen.slope_q1 * patterns.bb
        if self.net is not None:
            curvature += seen.curvature * patterns.aa * v
        return 1.0 - self.alpha * curvature / (v * v) * weights.t4


class Point:
    """A solution of the equations, or the best attempt, on full sums (`fine`) or on coarse ones."""

    __slots__ = ("distance", "field", "fine", "jacobian", "patterns", "residual", "weights", "x")

    def __init__(self, distance, x, weights, patterns, residual, fine, jacobian=None):
        self.distance, self.x, self.field, self.jacobian = distance, x, weights.field, jacobian
        self.weights, self.patterns, self.residual, self.fine = weights, patterns, residual, fine

    @property
    def solved(self) -> bool:
        return good(TOLERANCE if self.fine else COARSE, self.residual)


def _gamma(o):
    """Slope of the teacher's field in the field that two-dimensional sums leave out (`label`)."""
    total = math.sqrt(o.a * o.a + o.b)
    return abs(o.c / math.sqrt(o.b * o.v0) * o.a / total) if o.b > 0.0 and o.v0 > 0.0 else 0.0


def openness(point: Point) -> float:
    """(1-q1)/(1-p^2): 1 without constraints, 0 where the counted weights close in on each other."""
    return point.weights.overlaps.v / (4.0 * point.distance * (1.0 - point.distance))


def solve(equations, distance, x, field, jacobian=None, share=1.0, fine=True) -> Point:
    """The saddle near the guess (x, field); the residual of the answer says whether it was reached.

    Newton's iteration runs on coarse sums first, and on full ones only to polish, or where coarse ones do not do: a point that is
    not `fine` is a guess for others.
    """
    if np.max(np.abs(x)) < WEAK and (point := _relaxed(equations, distance, x, field, share)) is not None:
        return point
    point = _iterate(equations, distance, x, field, jacobian, share, -1)
    if not point.residual <= NEAR or (point.solved and not fine):
        return point
    jacobian = point.jacobian if point.residual <= 100.0 * ROUGH else None
    return _iterate(equations, distance, point.x, point.field, jacobian, share, 0)


def violation(gaps, x) -> float:
    """Largest violation of the equations at the conjugates x, relative to 1 + what is computed."""
    scale = 1.0 + np.abs(x)
    scale[1] = 1.0 + x[1] + x[0] * x[0]
    return float(np.max(np.abs(gaps / scale)))


def _relaxed(equations, distance, x, field, share) -> Point | None:
    """The saddle by iterating the map, which hardly moves where the counted constraints have next to no effect; None elsewhere.

    (A difference quotient of the conjugates would leave what is possible there: they are tied to each other, not only small.)
    """
    for _ in range(RELAX):
        image, weights, patterns = equations.map(distance, x, field, share)
        if not np.max(np.abs(image)) < WEAK:
            return None
        residual = float(np.max(np.abs(image - x)))
        if residual <= CONVERGED:
            return Point(distance, x, weights, patterns, residual, True)
        x, field = image, weights.field
        x[1] = max(x[1], 0.0)
    return None


def _iterate(equations, distance, x, field, jacobian, share, level):
    def gap(x, payload):
        image, weights, patterns = equations.map(distance, x, payload[0], share, level)
        return image - x, (weights.field, weights, patterns)

    def confine(trial, x):
        trial[1] = max(trial[1], 0.1 * x[1] if equations.teacher else 0.0)
        return trial

    options = OPTIONS._replace(
        goal=ROUGH if level < 0 else CONVERGED,
        longest=lambda x: 0.7 * (0.3 + np.abs(x[equations.active])),
        active=equations.active,
        size=lambda x, f: violation(f, x),
        confine=confine,
    )
    root = newton(gap, x, jacobian, options, (field, None, None))
    return Point(distance, root.x, *root.payload[1:], root.residual, level == 0, root.jacobian)
