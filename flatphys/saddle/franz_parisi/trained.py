"""Local entropy around a trained rule: which states are references, and the solve along a range of overlaps.

The equations stand in `saddle.franz_parisi.trained_averages`.  Hard constraints (beta = inf) can be met only at overlaps
where the load at which q1 -> 1, alpha'(p) with the reference held fixed, exceeds the actual one.
"""

import math
from typing import NamedTuple

import numpy as np

from flatphys.errors import InvalidInput, NotConverged, Unsatisfiable
from flatphys.kernels.codes import MIXTURE, TEACHER, Channel, Labels, Loss
from flatphys.kernels.losses import CODES
from flatphys.kernels.traits import loss_traits
from flatphys.model import ERM, Bayes, GaussianMixture, Hebb, MaxMargin
from flatphys.numerics.continuation import Path, Steps, vanishing
from flatphys.numerics.newton import Options, largest, newton
from flatphys.numerics.quadrature import buffers
from flatphys.saddle.accept import accept_point, good
from flatphys.saddle.franz_parisi.point import TOLERANCE
from flatphys.saddle.franz_parisi.trained_averages import limit_step, step
from flatphys.saddle.franz_parisi.trained_fields import BY_LOSS, CONSTANT, FITTED, LIFTED, POSTERIOR, Place, Rule
from flatphys.state import State

OPTIONS = Options(goal=1e-13, tolerance=TOLERANCE.residual, longest=math.inf, tries=(10, 1), shrink=0.5)
CLOSED = 3e-2  # v1/(1-p^2) below which the load is taken to end where it vanishes linearly: no numerical obstacle
SHORTEST = 1e-4  # step of the load, as a share of it
WEAK = 1e-26  # B/(1-p^2) and the like below which the constraints have no effect
NO_LOSS = Loss(-1, 0.0)
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
        if not isinstance(learner.loss, str):
            raise InvalidInput(f"local_entropy needs a built-in loss ({', '.join(CODES)}), got {learner.loss!r}")
        moves, loss, c = BY_LOSS, CODES[learner.loss], state.V * d
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
    return Rule(labels, moves, loss, float(c), float(edge), m, q, float(d))


class Point(NamedTuple):
    """One overlap's solution: the unknowns, v1 = 1 - q1, and what is reported."""

    dm: float
    dr: float
    b: float
    v1: float
    found: dict


class Equations:
    """The equations of weights counted by `channel` at one overlap p, gap = 1 - p^2, with a rule trained at load alpha."""

    def __init__(self, rule: Rule, alpha: float, channel: Channel, p: float, gap: float):
        self.rule, self.alpha, self.channel, self.p, self.gap = rule, alpha, channel, p, gap

    def answer(self, x, load, level=0):
        """(dm, dr, B) that x = (dm, dr, B) implies at the load of the counted constraints, and the averages."""
        return step(self.rule, load, self.channel, Place(self.p, self.gap, *x), level, buffers(), buffers(1))

    def scaled(self, x):
        """x in units of sqrt(B), in which weak and strong constraints look alike."""
        scale = math.sqrt(x[2])
        return np.array([x[0] / scale, x[1] / scale, math.log(x[2] / (self.gap - x[2]))])

    def unscaled(self, z):
        b = self.gap / (1.0 + math.exp(-z[2])) if z[2] > -700.0 else 0.0
        return np.array([math.sqrt(b) * z[0], math.sqrt(b) * z[1], b])

    def polish(self, x, load):
        """(x, residual) of the solution near x at this load."""

        def gaps(z):
            x = self.unscaled(z)
            if not 0.0 < x[2] < self.gap:
                return np.full(3, math.nan)
            new = self.answer(x, load)
            scale = math.sqrt(x[2])
            return np.array([(new[0] - x[0]) / scale, (new[1] - x[1]) / scale, (new[2] - x[2]) / x[2]])

        root = newton(gaps, self.scaled(x), options=OPTIONS)
        return self.unscaled(root.x), root.residual

    def read(self, x, residual) -> Point:
        """Free entropy and the rest at the unknowns x, by both rules; `NotConverged` where they are not good enough."""
        dm, dr, b = (float(part) for part in x)
        m, q, d, beta = self.rule.m, self.rule.q, self.rule.d, self.channel.beta
        v1, r = self.gap - b, self.p / math.sqrt(q) + dr
        both = []
        for level in (0, 1):
            out = self.answer(x, self.alpha, level)[3]
            surplus = b - (dm * dm - 2.0 * m * dm * dr - (q - m * m) * dr * dr)  # q1 - s
            phi = 0.5 * (math.log(v1) + surplus / v1) + self.alpha * out.log_z
            slope = math.sqrt(q) * r * (-1.0 / v1 + self.alpha * d * out.bent)
            value = phi + (beta * self.alpha * out.loss if beta < math.inf else 0.0)
            both.append((phi, slope, value, out.share, out.loss, 1.0 - self.alpha * (d * v1) ** 2 * out.curvature))
        found = dict(zip(("free_entropy", "slope", "value", "train_error", "train_loss", "at_eigenvalue"), both[0], strict=True))
        found |= {"q1": self.p * self.p + b, "m1": m * self.p / math.sqrt(q) + dm, "r": r, "residual": residual}
        found["quadrature_error"] = largest([(a - c) / max(1.0, abs(a)) for a, c in zip(*both, strict=True)])
        return Point(dm, dr, b, v1, accept_point(TOLERANCE, f"the local entropy at overlap {self.p:.6g}", found, 0.5 * math.log(self.gap)))


def solve_point(equations: Equations, guess=None) -> Point | None:
    """The saddle at one overlap, from a neighbouring solution or from the unconstrained one; None if unsatisfiable."""
    if guess is not None:
        x, residual = equations.polish(guess, equations.alpha)
        if good(TOLERANCE, residual):
            return equations.read(x, residual)
    nothing = np.zeros(3)
    dm, dr, b, _ = equations.answer(nothing, equations.alpha)
    if max(dm * dm, equations.rule.q * dr * dr, b) <= WEAK * equations.gap:  # every pattern is fulfilled: the volume is left
        return equations.read(nothing, 0.0)
    return _loaded(equations)


def _loaded(equations: Equations) -> Point | None:
    """The saddle from no constraints to all of them: the load of the counted constraint grows, the reference stays."""
    alpha, gap, hard = equations.alpha, equations.gap, equations.channel.beta == math.inf
    loads, points, openness = [0.0], [], [1.0]
    stride, residual, room = alpha, math.nan, math.inf
    while loads[-1] < alpha:
        load = loads[-1]
        target = min(alpha, load + min(stride, 0.7 * room))
        if not points:
            dm, dr, b, _ = equations.answer(np.zeros(3), target)
            trial = np.array([dm, dr, min(max(b, 1e-280), 0.3 * gap)])
        else:
            trial = points[-1]
            if len(points) > 1:
                trial = trial + (target - load) / (load - loads[-2]) * (trial - points[-2])
                trial[2] = min(max(trial[2], 0.3 * points[-1][2]), gap - 0.3 * (gap - points[-1][2]))
        x, residual = equations.polish(trial, target)
        if good(TOLERANCE, residual):
            loads.append(target)
            points.append(x)
            openness.append(1.0 - x[2] / gap)
            stride = 1.7 * (target - load)
            if hard and openness[-1] < 0.5:
                room = vanishing(loads, openness)
            if openness[-1] < CLOSED and alpha - target > 1.5 * room:
                return None
            continue
        stride = 0.4 * (target - load)
        if stride < SHORTEST * alpha * min(1.0, 10.0 * openness[-1]):
            if hard and openness[-1] < CLOSED:
                return None
            raise NotConverged(
                f"the local entropy at overlap {equations.p:.6g} was followed only up to a fraction {load / alpha:.3g} of the constraints; "
                f"count at another overlap, margin or beta",
                dict(zip(("dm", "dr", "B"), points[-1] if points else np.zeros(3), strict=True)),
                residual,
            )
    return equations.read(points[-1], residual)


def largest_overlap(state: State, margin: float) -> float:
    """The largest overlap with the rule at which weights reach `margin` on every pattern (1 if the rule itself does).

    Solves the equations at q1 = 1 for 1 - p^2, from a vanishing load of the counted constraint, where p = 1, up to
    the actual one.  Raises `Unsatisfiable` where the two ends of the range of feasible overlaps have met.
    """
    rule, alpha = rule_of(state), state.alpha
    square = limit_step(rule, 1.0, margin, Place(1.0, 1e-12, 0.0, 0.0, 1e-12), 0, buffers(), buffers(1))[2]
    if square < 1e-16:
        return 1.0

    def residuals(z, load):
        if not -690.0 < z[2] < 0.0:
            return np.full(3, math.nan)
        gap = math.exp(z[2])
        width = math.sqrt(gap)
        at = Place(math.sqrt(1.0 - gap), gap, width * z[0], width * z[1], gap)
        new = limit_step(rule, load, margin, at, 0, buffers(), buffers(1))
        return np.array([new[0] / width - z[0], new[1] / width - z[1], new[2] / gap - 1.0])

    load = min(alpha, 1e-5 / square)
    z, stride, previous = np.array([0.0, 0.0, math.log(load * square)]), math.log(4.0), None
    at = None
    while at is None or at < alpha:
        target = load if at is None else min(alpha, at * math.exp(stride))
        guess = z if previous is None else z + (z - previous[0]) * (math.log(target / at) / math.log(at / previous[1]))
        root = newton(lambda y, t=target: residuals(y, t), guess, options=OPTIONS)
        if good(TOLERANCE, root.residual):
            previous, z, at, stride = (z, at) if at is not None else None, root.x, target, 1.5 * stride
            continue
        if at is None:
            raise NotConverged(f"the largest overlap with {state.model!r} could not be followed from small loads", {}, root.residual)
        stride *= 0.4
        if stride < 1e-6:
            speed = (z[2] - previous[0][2]) / math.log(at / previous[1])  # diverges where the range closes
            best = {"overlap": math.sqrt(1.0 - math.exp(z[2])), "load": at}
            if speed > 30.0:
                raise Unsatisfiable(
                    f"at alpha={alpha:g} no weights reach margin {margin:g} on every pattern at any overlap with {state.model.learner!r} "
                    f"(possible up to {at:.6g}); lower alpha or the margin, or count at a finite beta"
                )
            raise NotConverged(f"the largest overlap with {state.model!r} was lost at {at:.6g} of alpha={alpha:g}", best, root.residual)
    return math.sqrt(1.0 - math.exp(z[2]))


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
    """The saddle at p from the one at another overlap (`last` = (overlap, point)), in steps where a single one fails."""

    def equations(p):
        return Equations(rule, alpha, channel, p, (1.0 - p) * (1.0 + p))

    there, guess = equations(p), None
    if last is not None:
        near = last[1]
        guess = np.array([near.dm, near.dr, near.b * min(1.0, there.gap / (near.b + near.v1))])
    try:
        return solve_point(there, guess)
    except NotConverged as error:
        failure = error
    if last is None and p != MIDDLE:
        point = solve_point(equations(MIDDLE))
        last = None if point is None or point.b == 0.0 else (MIDDLE, point)
    if last is None:
        raise failure

    def step(xi, z):
        here = equations(math.tanh(xi))
        x, residual = here.polish(here.unscaled(z), alpha)
        return here.scaled(x) if good(TOLERANCE, residual) else None

    start = equations(last[0]).scaled(np.array([last[1].dm, last[1].dr, last[1].b]))
    z = Path(math.atanh(last[0]), start, STEPS, p - last[0]).reach(step, math.atanh(p))
    if z is None:
        raise failure
    return there.read(*there.polish(there.unscaled(z), alpha))


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
