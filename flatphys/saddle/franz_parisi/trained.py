"""Local entropy around a trained rule: which states are references, and the solve along a range of overlaps.

The equations stand in `saddle.franz_parisi.trained_averages`.  Hard constraints (beta = inf) can be met only at overlaps
where the load at which q1 -> 1, alpha'(p) with the reference held fixed, exceeds the actual one.
"""

import math

import numpy as np

from flatphys.errors import InvalidInput, NotConverged, Unsatisfiable
from flatphys.kernels.codes import MIXTURE, TEACHER, Channel, Labels, Loss
from flatphys.kernels.losses import CODES, coded
from flatphys.kernels.traits import loss_traits
from flatphys.model import ERM, Bayes, CustomLoss, GaussianMixture, Hebb, MaxMargin, spread_of
from flatphys.numerics.continuation import Path, Steps, extrapolate, vanishing
from flatphys.numerics.newton import newton
from flatphys.numerics.quadrature import buffers
from flatphys.saddle.accept import good
from flatphys.saddle.franz_parisi.budget import FLAT, Budget
from flatphys.saddle.franz_parisi.point import COARSE, TOLERANCE
from flatphys.saddle.franz_parisi.trained_averages import limit_step
from flatphys.saddle.franz_parisi.trained_fields import BY_LOSS, CONSTANT, FITTED, LIFTED, NO_EDGES, POSTERIOR, Place, Rule, panels_of
from flatphys.saddle.franz_parisi.trained_point import ON_THE_WAY, OPTIONS, Equations, Point, solve_point
from flatphys.state import State

NO_LOSS = Loss(-1, 0.0)
STEEP = 5.0  # d log(1-p^2)/d log load from which the range of overlaps is taken to close where its inverse square vanishes
MIDDLE = 0.5  # overlap from which others are reached
STEPS = Steps(first=0.2, longest=0.7, shortest=1e-3)  # in atanh p, from a solved overlap to one that is not reached at once
NAMES = ("value", "free_entropy", "slope", "train_error", "train_loss", "at_eigenvalue", "residual", "quadrature_error", "q1", "m1", "r")


def rule_of(state: State) -> Rule:
    """The rule's numbers for the kernels; refuses states for which the theory has not been derived."""
    data, learner = state.model.data, state.model.learner
    mixture = isinstance(data, GaussianMixture)
    if mixture and (data.positive != 0.5 or state.order.get("b", 0.0) != 0.0):
        raise InvalidInput(
            f"local_entropy around a trained rule needs the balanced mixture without bias (positive = 0.5, b = 0), got {data!r}, "
            f"b = {state.b:g}"
        )
    labels, d = (Labels(MIXTURE, 0.0), data.variance) if mixture else (Labels(TEACHER, data.flip), 1.0)
    if isinstance(learner, Bayes) and learner.weights != "spherical":
        raise InvalidInput(f"local_entropy around the Bayes rule counts spherical weights, got weights={learner.weights!r}")
    loss, c, edge = NO_LOSS, 0.0, 0.0
    m, q = float(state.order.get("m", state.order.get("R", 0.0))), float(state.q)
    if isinstance(learner, ERM):
        if isinstance(learner.loss, CustomLoss):
            names = ", ".join(CODES)
            raise InvalidInput(f"local_entropy needs a built-in loss ({names}) or one of them smoothed, got {learner.loss!r}")
        square = loss_traits(learner.loss).quadratic  # a smoothed one moves patterns as the loss itself does
        moves, loss, c = BY_LOSS, CODES["square"] if square else coded(learner.loss, spread_of(data)), state.V * d
        if math.isinf(state.V):  # the limit l2 -> 0 of an exact fit
            moves, loss, c, edge = (FITTED if loss_traits(learner.loss).exact_fit else LIFTED), NO_LOSS, 0.0, 1.0
    elif isinstance(learner, Hebb) or (isinstance(learner, Bayes) and mixture):
        # the Bayes rule has the direction of Hebb's; w = sum y x/(alpha sqrt N) moves a pattern by |x|^2/(alpha N)
        moves, c = CONSTANT, d / state.alpha
        m, q = (1.0, 1.0 + d / state.alpha) if mixture else (m, q)
    elif isinstance(learner, MaxMargin):
        moves, edge = LIFTED, state.margin
    elif isinstance(learner, Bayes):
        moves, c, m = POSTERIOR, state.one_minus_q, q
        edge = math.log((1.0 - data.flip) / data.flip) if data.flip > 0.0 else math.inf
    else:
        raise InvalidInput(f"{learner!r} is not a trained rule")
    rule = Rule(labels, moves, loss, float(c), float(edge), m, q, float(d), NO_EDGES)
    return rule if not loss.sigma > 0.0 else rule._replace(edges=panels_of(rule))


class _Path:
    """The largest overlap along the load of the counted constraint: z = (dm, dr, log gap) in units of sqrt gap, by log load.

    Where the two ends of the range of overlaps meet, z bends back like a square root, and (d log load/dz)^2 vanishes linearly.
    """

    def __init__(self, place, z):
        self.places, self.points, self.inverse = [place], [z], []

    def add(self, place, z):
        self.inverse.append(((place - self.places[-1]) / (z[2] - self.points[-1][2])) ** 2)
        self.places.append(place)
        self.points.append(z)

    def room(self):
        """How far beyond the last place the range closes, inf where nothing speaks for that."""
        if len(self.inverse) < 2 or not self.inverse[-1] < STEEP**-2:
            return math.inf
        middles = [0.5 * (a + b) for a, b in zip(self.places[-3:-1], self.places[-2:], strict=True)]
        return vanishing(middles, self.inverse[-2:]) - 0.5 * (self.places[-1] - self.places[-2])


def largest_overlap(state: State, margin: float) -> float:
    """The largest overlap with the rule at which weights reach `margin` on every pattern (1 if the rule itself does).

    Solves the equations at q1 = 1 for 1 - p^2, from a vanishing load of the counted constraint, where p = 1, up to
    the actual one.  Raises `Unsatisfiable` where the two ends of the range of feasible overlaps have met.
    """
    rule, alpha, budget = rule_of(state), state.alpha, Budget()
    square = limit_step(rule, 1.0, margin, Place(1.0, 1e-12, 0.0, 0.0, 1e-12), 0, buffers(), buffers(1))[2]
    if square < 1e-16:
        return 1.0

    def residuals(z, load, level):
        if not -690.0 < z[2] < 0.0:
            return np.full(3, math.nan)
        gap = math.exp(z[2])
        width = math.sqrt(gap)
        if budget.over:
            raise budget.refusal(
                f"the largest overlap with {state.model!r}", f"(it got to {load:.6g} of alpha={alpha:g}); lower either", {}
            )
        at = Place(math.sqrt(1.0 - gap), gap, width * z[0], width * z[1], gap)
        new = limit_step(rule, load, margin, at, level, buffers(), buffers(1))
        budget.spend(int(FLAT * new[3]))
        return np.array([new[0] / width - z[0], new[1] / width - z[1], new[2] / gap - 1.0])

    def solved(place, guess, jacobian=None, level=-1):
        options = ON_THE_WAY if level < 0 else OPTIONS
        root = newton(lambda y: residuals(y, min(math.exp(place), alpha), level), guess, jacobian, options)
        return root if good(COARSE if level < 0 else TOLERANCE, root.residual) else None

    start, end = math.log(min(alpha, 1e-5 / square)), math.log(alpha)
    root = solved(start, np.array([0.0, 0.0, start + math.log(square)]))
    if root is None:
        raise NotConverged(f"the largest overlap with {state.model!r} could not be followed from small loads")
    path, stride = _Path(start, root.x), math.log(4.0)
    while path.places[-1] < end:
        room, at = path.room(), path.places[-1]
        if end > at + 2.0 * room:
            raise _beyond(state, margin, math.exp(at + room))
        place = min(end, at + min(stride, 0.7 * room))
        found = solved(place, extrapolate(path.places, path.points, place, 3), root.jacobian)
        if found is not None:
            root = found
            path.add(place, root.x)
            stride = 1.7 * (place - at)
            continue
        stride = 0.4 * (place - at)
        if stride < 1e-6:
            if room < 1e-3:
                raise _beyond(state, margin, math.exp(at + room))
            best = {"overlap": math.sqrt(1.0 - math.exp(path.points[-1][2])), "load": math.exp(at)}
            raise NotConverged(f"the largest overlap with {state.model!r} was lost at {math.exp(at):.6g} of alpha={alpha:g}", best)
    root = solved(end, root.x, root.jacobian, 0)
    if root is None:
        raise NotConverged(
            f"the largest overlap with {state.model!r} at alpha={alpha:g} could not be polished: the range of overlaps closes"
        )
    return math.sqrt(1.0 - math.exp(root.x[2]))


def _beyond(state, margin, load):
    return Unsatisfiable(
        f"at alpha={state.alpha:g} no weights reach margin {margin:g} on every pattern at any overlap with {state.model.learner!r} "
        f"(possible up to about {load:.4g}); lower alpha or the margin, or count at a finite beta"
    )


def _pulls_only_forward(state: State) -> bool:
    """Whether the rule is a sum of the labelled patterns with positive weights only (every -l' > 0).

    Its overlap with w is then a positive combination of the stabilities of w, so that none with overlap <= 0 fulfils
    hard constraints at margin >= 0.
    """
    learner, data = state.model.learner, state.model.data
    if isinstance(learner, Bayes):
        return isinstance(data, GaussianMixture) or data.flip == 0.0
    return not (isinstance(learner, ERM) and loss_traits(learner.loss).exact_fit)


def _solve_near(rule, alpha, channel, p, last) -> Point | None:
    """The saddle at p from the one at another overlap (`last` = (overlap, point)), in steps where a single one fails.

    The second way has what the first has left of the budget of a point.
    """
    budget = Budget()

    def equations(p):
        return Equations(rule, alpha, channel, p, budget)

    there, guess = equations(p), None
    if last is not None:
        near = last[1]
        guess = np.array([near.dm, near.dr, near.b * min(1.0, there.gap / (near.b + near.v1))])
    try:
        return solve_point(there, guess)
    except NotConverged as error:
        failure = error
    try:
        z = _reached(equations, p, last)
    except NotConverged:
        z = None
    if z is None:
        raise failure
    z, residual, _ = there.polish(z, alpha)
    return there.read(there.unscaled(z), residual)


def _reached(equations, p, last):
    """The scaled unknowns at p, in steps from the point at another overlap, that in the middle if there is no `last`; or None."""
    if last is None and p != MIDDLE:
        point = solve_point(equations(MIDDLE))
        last = None if point is None or point.b == 0.0 else (MIDDLE, point)
    if last is None:
        return None

    def step(xi, z):
        here = equations(math.tanh(xi))
        z, residual, _ = here.polish(z, here.alpha, fine=False)
        return z if good(COARSE, residual) else None

    start = equations(last[0]).scaled(np.array([last[1].dm, last[1].dr, last[1].b]))
    return Path(math.atanh(last[0]), start, STEPS, p - last[0]).reach(step, math.atanh(p))


def local_entropies(state: State, overlaps, channel: Channel) -> dict:
    """Everything `local_entropy` reports at `overlaps` (any order), as arrays; statuses "ok" or "unsat"."""
    rule, alpha, margin = rule_of(state), state.alpha, channel.margin
    overlaps = np.asarray(overlaps, dtype=float)
    out = {name: np.full(overlaps.shape, math.nan) for name in NAMES}
    status = np.full(overlaps.shape, "unsat", dtype="<U12")
    hard = channel.beta == math.inf
    top = largest_overlap(state, margin) if hard else 1.0
    bottom = 0.0 if hard and margin >= 0.0 and _pulls_only_forward(state) else -1.0
    last = None
    for i in np.argsort(-overlaps):  # the largest overlaps, where the constraint bites, lean on their neighbours
        p = float(overlaps[i])
        if p > top or p <= bottom:
            continue
        point = _solve_near(rule, alpha, channel, p, last)
        if point is None:
            if margin >= 0.0:  # the weights that fulfil such constraints are a convex cone: its overlaps, an interval
                bottom = p
            continue
        last, status[i] = (p, point) if point.b > 0.0 else None, "ok"
        for name in NAMES:
            out[name][i] = point.found[name]
    return {**out, "status": status}
