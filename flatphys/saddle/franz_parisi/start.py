"""The first point of a local-entropy curve: the counted weights are shown a growing share of the patterns.

Without patterns the saddle is known (all conjugates vanish), and it moves continuously with the share that the
counted weights have to satisfy, the reference unchanged.  Either all patterns are reached, or the counted weights
close in on each other, q1 -> 1, at a smaller share: then no such weights exist at this distance.
"""

import math

import numpy as np

from flatphys.errors import NotConverged
from flatphys.numerics.continuation import vanishing
from flatphys.saddle.franz_parisi.point import Point, openness, solve, violation

CLOSED = 0.03  # openness below which the curve, or the share, is taken to end where it vanishes linearly
TRY = 0.25  # of the budget of a point: there are four distances to start at
SHORTEST = 1e-3  # step of the share


def first_point(equations, distance: float) -> Point | None:
    """The saddle at `distance` from no other; None where the counted weights close in on each other.

    Raises `NotConverged` where neither is found.
    """
    xi = 0.5 * math.log((1.0 - distance) / distance)
    x, field, jacobian = np.zeros(3), xi, None
    equations.budget.renew(TRY)
    if distance == equations.own:  # counted alike, the weights are other references: q1 = t = p
        ref = equations.ref
        x, field = np.array([equations.root_hat, 0.0, ref.R_hat if equations.teacher else 0.0]), 0.0
        image, weights, patterns = equations.map(distance, x, field)
        point = Point(distance, x, weights, patterns, violation(image - x, x), True)
        if point.solved:
            return point
    for _ in range(8):  # the damped map: often close enough to start with all patterns
        image, weights, _ = equations.map(distance, x, field, level=-1)
        if not np.all(np.isfinite(image)):
            break
        x, field = 0.5 * (x + image), weights.field
        x[1] = max(x[1], 0.0)
    point = solve(equations, distance, x, field, fine=False)
    if point.solved:
        return point
    trail = [(0.0, np.zeros(3), xi, 1.0)]  # share, conjugates, field, openness
    step = 0.2
    while trail[-1][0] < 1.0:
        share, x, field, opening = trail[-1]
        room = math.inf
        if len(trail) > 1 and opening < 0.5:
            if not equations.open_ended:
                room = vanishing((trail[-2][0], share), (trail[-2][3], opening))
            if opening < CLOSED and 1.0 - share > 1.5 * room:
                return None
        trial = min(1.0, share + min(step, 0.7 * room))
        if len(trail) == 1:  # linear response: at x = 0 itself the Jacobian does not exist with a teacher
            x, weights, _ = equations.map(distance, x, field, trial, -1)
            field = weights.field
        else:
            before, old, old_field, _ = trail[-2]
            r = (trial - share) / (share - before)
            x, field = x + r * (x - old), field + r * (field - old_field)
            x[1] = max(x[1], 0.5 * trail[-1][1][1])
        point = solve(equations, distance, x, field, jacobian, trial, fine=False)
        if point.solved:
            step = 1.5 * (trial - share)
            trail.append((trial, point.x, point.field, openness(point)))
            jacobian = point.jacobian
            continue
        step, jacobian = 0.3 * (trial - share), None
        if step < SHORTEST * min(1.0, 10.0 * opening):
            if opening < CLOSED and not equations.open_ended:
                return None
            raise NotConverged(
                f"the local entropy at distance {distance:g} was followed only up to a share {share:.3g} of the patterns "
                f"(residual {point.residual:.1e} beyond)",
                {"q1": 1.0 - point.weights.overlaps.v},
                point.residual,
            )
    return point
