"""The local entropy around a Gibbs-typical reference, as a curve in the overlap.

    phi(p) = extr { entropic part + alpha G_E },     value = phi + beta alpha train_loss

(`weights` and `patterns` hold the two parts, `point` one saddle.)  The counted weights are weighted by exp(-beta energy), with
energy = alpha train_loss; the reference has an energy, a margin and a beta of its own.
A curve starts at d = 1/4, where the equations are benign, or at another distance if there is nothing to count
there (`start`).  From there it is followed both ways in xi = atanh p, in steps that shrink where
Newton's method does not arrive.  Where the steps shrink to nothing the saddle has disappeared: either q1 -> 1,
the counted weights have closed in on each other (spherical: the volume is zero beyond, "unsat"; binary: typical
solutions are isolated, "no_solution"; never behind a network whose c'(1) is
infinite), or the Jacobian is singular, two saddles have met ("no_solution").
Steps that shrink for any other reason raise `NotConverged`.

Replicon of the counted weights: 1 - alpha E[g'^2] T4.  Behind a tree committee the patterns see every overlap through
its kernel (`network`); the curves are followed alike.
Sources: Franz & Parisi 1995; Huang & Kabashima 2014; Baldassi et al. 2020, 2021.
"""

import math

import numpy as np

from flatphys.errors import NotConverged
from flatphys.kernels.codes import MIXTURE, SPHERICAL, Channel
from flatphys.numerics.continuation import vanishing
from flatphys.numerics.newton import largest
from flatphys.saddle.accept import accept_point
from flatphys.saddle.franz_parisi.point import TOLERANCE, Equations, Point, openness, solve
from flatphys.saddle.franz_parisi.reference import reference_of
from flatphys.saddle.franz_parisi.start import CLOSED, first_point
from flatphys.state import State

START = 0.25  # distance at which a curve starts
CLOSE = 0.1  # spherical references this close to each other know more of the counted weights at their own distance
LONGEST = 0.7  # step in xi between solved points
SHORTEST = 1e-4  # a step this short has met an end of the curve
SINGULAR = 0.05  # smallest singular value of the logarithmic Jacobian that counts as a fold
START_XI = 0.5 * math.log((1.0 - START) / START)


def xi_of(distance: float) -> float:
    """xi = atanh p of a distance (1-p)/2."""
    return 0.5 * math.log((1.0 - distance) / distance)


def distance_of(xi: float) -> float:
    """The distance at xi = atanh p."""
    return 1.0 / (1.0 + math.exp(2.0 * xi))


def _follow_one(now, before, r):
    """Linear continuation, in the inverse where the quantity grows towards a pole."""
    if abs(now) > 3.0 and now * before > 0.0 and abs(now) > abs(before):
        inverse = (1.0 + r) / now - r / before
        if inverse * now > 0.25:
            return 1.0 / inverse
    return now + r * (now - before)


def _follow_power(now, before, r):
    """As `_follow_one`, where a quantity that grows does so exponentially in xi."""
    if abs(now) > 1.0 and now * before > 0.0 and abs(now) > abs(before):
        return now * min((now / before) ** r, 1e3)
    return now + r * (now - before)


def _follow(now, before, r, open_ended):
    """Conjugates (a, b^2, R1_hat) continued by the fraction r of the last step; b^2 stays positive."""
    if open_ended:
        a, b2 = (_follow_power(x, y, r) for x, y in zip(now[:2], before[:2]))
        return np.array([a, max(b2, 0.25 * now[1]), 0.0])
    b = _follow_one(math.sqrt(now[1]), math.sqrt(before[1]), r)
    b = max(b, 0.5 * math.sqrt(now[1]))
    return np.array([_follow_one(now[0], before[0], r), b * b, _follow_one(now[2], before[2], r)])


def _scaled_singular(point: Point) -> float:
    """Smallest singular value of the Jacobian in the logarithms of the conjugates."""
    jacobian = point.jacobian
    if jacobian is None or not np.isfinite(jacobian).all():  # solved by its guess
        return math.inf
    x = np.maximum(np.abs(point.x), 0.1)[[1] if jacobian.shape[0] == 1 else slice(jacobian.shape[0])]
    return float(np.linalg.svd(jacobian * x[None, :] / x[:, None], compute_uv=False)[-1])


class Curve:
    """Saddle points of one problem, found from each other."""

    def __init__(self, equations: Equations, near: float = START):
        self.equations = equations
        self.points: dict[float, Point] = {}  # solved, by xi
        self.ends = [-math.inf, math.inf]  # beyond these xi there is no solution
        self.reasons = ["no_solution", "no_solution"]
        self.asked = False  # for a point yet
        self._closed = "unsat" if equations.ref.weights == SPHERICAL else "no_solution"
        self._begin(near)

    def _begin(self, near):
        """Solve one distance from which others, those about `near` first, can be reached; none means that there is nothing to count."""
        own, failure = self.equations.own, None
        close = own < CLOSE and self._closed == "unsat" and xi_of(near) > 0.5 * (xi_of(own) + START_XI)
        for distance in (own, START, 0.02, 0.4) if close else (START, own, 0.02, 0.4):
            try:
                point = first_point(self.equations, distance)
            except NotConverged as error:  # elsewhere than at START this says nothing
                failure = error if distance == START else failure
                continue
            if point is not None:
                self.start_xi = xi_of(distance)
                self.points[self.start_xi] = point
                return
        if failure is not None:
            raise failure
        self.start_xi, self.ends = START_XI, [START_XI, START_XI]
        self.reasons = [self._closed] * 2

    def at(self, distance: float) -> Point | None:
        """The saddle at `distance`, None where it does not exist."""
        xi = xi_of(distance)
        side = 1 if xi > self.start_xi else -1
        if not self.ends[0] < xi < self.ends[1]:
            return None
        known = sorted(self.points, key=lambda k: abs(k - xi))
        here = known[0]
        if self.points[here].distance == distance and self.points[here].fine:
            return self.points[here]
        self._allow()
        step = math.inf
        while True:
            left = xi - here
            room = self._room(here, side)
            if self._closing(here) and abs(left) > 1.5 * room:
                length = 1.5 * room
                break
            length = min(abs(left), LONGEST, step, 0.7 * room)
            target = here + math.copysign(length, left)
            arriving = length == abs(left)
            d = distance if arriving else distance_of(target)
            point = solve(self.equations, d, *self._guess(here, target), fine=arriving)
            if point.solved:
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
        end = here + math.copysign(length, left)
        if self._closing(here):
            self._end(side, end, self._closed)
        elif _scaled_singular(last) < SINGULAR or (
            self.equations.open_ended and self.free_entropy(last) < 0.0 and self._closed == "no_solution"
        ):
            self._end(side, end, "no_solution")  # open-ended and binary: deep among negative counts, where the conjugates grow like 1/d
        else:
            raise NotConverged(
                f"the local entropy at distance {distance:.6g} was solved only to a residual of {failed.residual:.1e} "
                f"(it is known at distance {last.distance:.6g})",
                {"q1": 1.0 - failed.weights.overlaps.v},
                failed.residual,
            )
        return None

    def _allow(self):
        """A budget for the point asked for; where that is the first one, less what the start has cost."""
        if self.asked:
            self.equations.budget.renew()
        else:
            self.equations.budget.reach()
        self.asked = True

    def _closing(self, here):
        """Whether the counted weights have nearly closed in on each other at `here`."""
        return openness(self.points[here]) < CLOSED and not self.equations.open_ended

    def _room(self, here, side):
        """Distance in xi from `here` to where the openness would vanish linearly, going to `side`."""
        if self.equations.open_ended:
            return math.inf
        behind = [k for k in self.points if (here - k) * side > 0.0]
        if not behind:
            return math.inf
        last = max(behind, key=lambda k: k * side)
        now, before = openness(self.points[here]), openness(self.points[last])
        if now > 0.5 or not now < 0.9 * before:
            return math.inf
        return vanishing((last, here), (before, now))

    def _end(self, side, xi, reason):
        self.ends[side > 0], self.reasons[side > 0] = xi, reason

    def reason(self, distance: float) -> str:
        """Why there is no point at `distance`: "no_solution" or "unsat"."""
        return self.reasons[xi_of(distance) > self.start_xi]

    def _guess(self, here, target):
        """Conjugates, field and Jacobian at `target`, from the solved points around `here`."""
        point = self.points[here]
        others = sorted((k for k in self.points if k != here), key=lambda k: abs(k - here))
        x, field = point.x, point.field + target - here
        if x[1] == 0.0:  # other references, which are all alike: b grows linearly away from them
            return np.array([x[0], self.equations.ref.q_hat * (target - here) ** 2, x[2]]), field, None
        if others and abs(others[0] - here) > 0.02 * abs(target - here):
            k = others[0]
            other = self.points[k]
            r = min(max((target - here) / (here - k), -2.0), 2.0)
            x = _follow(point.x, other.x, r, self.equations.open_ended)
            field = (_follow_power if self.equations.open_ended else _follow_one)(point.field, other.field, r)
        return x, field, point.jacobian

    def free_entropy(self, point: Point) -> float:
        """The extremal phi at a point."""
        return self.equations.free_entropy(point.weights, point.patterns)

    def slope(self, point: Point) -> float:
        """d phi/d overlap at a point."""
        return self.equations.slope(point.distance, point.x, point.weights, point.patterns)

    def read(self, point: Point) -> dict:
        """Everything that is reported of a point, by both rules; `NotConverged` where they are not good enough."""
        equations, ref, o = self.equations, self.equations.ref, point.weights.overlaps
        mixture = ref.labels.kind == MIXTURE
        free, slope, replicon = (
            self.free_entropy(point),
            self.slope(point),
            equations.replicon(point.distance, point.weights, point.patterns),
        )
        image, fine_w, fine_p = equations.map(point.distance, point.x, point.field, level=1)
        doubts = [
            *((image - point.x) / (1.0 + np.abs(point.x))).tolist(),
            (equations.free_entropy(fine_w, fine_p) - free) / max(1.0, abs(free)),
            (equations.slope(point.distance, point.x, fine_w, fine_p, 1) - slope) / max(1.0, abs(slope)),
            (equations.replicon(point.distance, fine_w, fine_p) - replicon) / max(1.0, abs(replicon)),
            fine_w.overlaps.v / o.v - 1.0,
        ]
        beta = equations.channel.beta
        found = {
            "value": free + (beta * equations.alpha * fine_p.loss if beta < math.inf else 0.0),
            "free_entropy": free,
            "slope": slope,
            "train_error": fine_p.share,
            "train_loss": fine_p.loss,
            "q1": 1.0 - o.v,
            "t": math.nan if equations.flat else ref.q * o.p + o.d * math.sqrt(ref.q * ref.v),
            "m1" if mixture else "R1": o.p if equations.flat else (point.weights.r1 if equations.teacher else math.nan),
            "at_eigenvalue": replicon,
            "residual": point.residual,
            "quadrature_error": largest(doubts),
        }
        return accept_point(TOLERANCE, f"the local entropy at distance {point.distance:.6g}", found, self.volume(point.distance))

    def volume(self, distance: float) -> float:
        """The logarithm of all weights there are at `distance`, which no count exceeds."""
        if self.equations.ref.weights == SPHERICAL:
            return 0.5 * math.log(4.0 * distance * (1.0 - distance))
        return -distance * math.log(distance) - (1.0 - distance) * math.log1p(-distance)


def curve_around(state: State, channel: Channel, formal: bool = False, near: float = START) -> Curve:
    """The curve of weights counted by `channel` around references drawn from `state`, wanted at distances about `near`.

    `formal` and what is raised as in `reference_of`.
    """
    reference, net = reference_of(state, formal)
    return Curve(Equations(reference, state.alpha, channel, net), near)


def local_entropies(state: State, distances, channel: Channel) -> dict:
    """What `Curve.read` says at `distances`, and "status", as arrays: solved outwards from the start whatever their order."""
    rows, status = [{}] * len(distances), np.full(len(distances), "ok", dtype="<U11")
    solver = curve_around(state, channel, near=float(np.median(distances)))
    for i in sorted(range(len(distances)), key=lambda i: abs(xi_of(distances[i]) - solver.start_xi)):
        point = solver.at(float(distances[i]))
        if point is None:
            status[i] = solver.reason(float(distances[i]))
            continue
        rows[i] = solver.read(point)
    names = next((tuple(row) for row in rows if row), ("value", "free_entropy", "train_error", "train_loss"))
    return {**{name: np.array([row.get(name, math.nan) for row in rows]) for name in names}, "status": status}
