"""Local entropy around a trained rule: which states are references, and the solve along a range of overlaps.

The equations stand in `saddle.minimiser_entropy`.  Hard constraints (beta = inf) can be met only at overlaps
where the load at which q1 -> 1, alpha'(p) with the reference held fixed, exceeds the actual one.
"""

import math
from dataclasses import dataclass

import numpy as np

from flatphys.errors import InvalidInput, NotConverged, Unsatisfiable
from flatphys.kernels.losses import CODES
from flatphys.model import ERM, Bayes, GaussianMixture, Hebb, MaxMargin
from flatphys.numerics.quadrature import buffers
from flatphys.numerics.roots import bracketed, system
from flatphys.saddle.minimiser_entropy import BY_LOSS, CONSTANT, FITTED, LIFTED, MIXTURE, POSTERIOR, TEACHER, limit_step, step
from flatphys.state import State

TOLERANCE = 1e-10
NEAREST = 1e-4  # angle to the reference (radians) from which the range of feasible overlaps is followed


def reference_of(state: State) -> tuple:
    """The reference's numbers for the kernels; refuses states for which the theory has not been derived."""
    data, learner = state.model.data, state.model.learner
    mixture = isinstance(data, GaussianMixture)
    if mixture and (data.positive != 0.5 or state.order.get("b", 0.0) != 0.0):
        raise InvalidInput(
            f"local_entropy around a trained rule needs the balanced mixture without bias (positive = 0.5, b = 0), got {data!r}, b = {state.b:g}"
        )
    kind = MIXTURE if mixture else TEACHER
    d, flip = (data.variance, 0.0) if mixture else (1.0, data.flip)
    loss, c, edge = -1, 0.0, 0.0
    m, q = float(state.order.get("m", state.order.get("R", 0.0))), float(state.q)
    if isinstance(learner, ERM):
        if not isinstance(learner.loss, str):
            raise InvalidInput(f"local_entropy needs a built-in loss ({', '.join(CODES)}), got {learner.loss!r}")
        rule, loss, c = BY_LOSS, CODES[learner.loss], state.V * d
        if math.isinf(state.V):  # the limit l2 -> 0 of an exact fit
            rule, loss, c, edge = (FITTED if learner.loss == "square" else LIFTED), -1, 0.0, 1.0
    elif isinstance(learner, Hebb) or (isinstance(learner, Bayes) and mixture):
        # the Bayes rule has the direction of Hebb's; w = sum y x/(alpha sqrt N) moves a pattern by |x|^2/(alpha N)
        rule, c = CONSTANT, d / state.alpha
        m, q = (1.0, 1.0 + d / state.alpha) if mixture else (m, q)
    elif isinstance(learner, MaxMargin):
        rule, edge = LIFTED, state.margin
    elif isinstance(learner, Bayes):
        if learner.weights != "spherical":
            raise InvalidInput(f"local_entropy around the Bayes rule counts spherical weights, got weights={learner.weights!r}")
        rule, c, m = POSTERIOR, state.one_minus_q, q
        edge = math.log((1.0 - flip) / flip) if flip > 0.0 else math.inf
    else:
        raise InvalidInput(f"{learner!r} is not a trained rule")
    return kind, rule, loss, float(c), float(edge), m, q, float(d), float(flip)


@dataclass
class Point:
    """One overlap's solution: the unknowns and what follows from them."""

    dm: float
    dr: float
    b: float
    v1: float
    phi: float
    slope: float
    train_error: float
    replicon: float
    residual: float
    quadrature_error: float


def _read_off(reference, alpha, p, gap, kappa, beta, x, residual) -> Point:
    """Free entropy and the rest at the unknowns x, by both rules."""
    _, _, _, _, _, m, q, d, _ = reference
    dm, dr, b = x
    v1, r = gap - b, p / math.sqrt(q) + dr
    both = []
    for level in (0, 1):
        *_, out = step(reference, alpha, p, gap, kappa, beta, dm, dr, b, level, *buffers(), *buffers(1))
        surplus = b - (dm * dm - 2.0 * m * dm * dr - (q - m * m) * dr * dr)  # q1 - s
        phi = 0.5 * (math.log(v1) + surplus / v1) + alpha * out[0]
        slope = math.sqrt(q) * r * (-1.0 / v1 + alpha * d * out[5])
        both.append((phi, slope, out[6], 1.0 - alpha * (d * v1) ** 2 * out[4]))
    error = max(abs(a - c) / max(1.0, abs(a)) for a, c in zip(*both))
    return Point(dm, dr, b, v1, *both[0], residual, error)


def solve_point(reference, alpha, p, gap, kappa, beta, guess=None) -> Point | None:
    """The saddle at one overlap, from a neighbouring solution or from the unconstrained one; None if not found."""

    def answer(x, load):
        return step(reference, load, p, gap, kappa, beta, x[0], x[1], x[2], 0, *buffers(), *buffers(1))[:3]

    def unpack(z):
        b = gap / (1.0 + math.exp(-z[2])) if z[2] > -700.0 else 0.0
        return np.array([z[0], z[1], b])

    def gaps(z, load):
        x = unpack(z)
        new = answer(x, load)
        if not all(map(math.isfinite, new)):
            return np.array([1e3, 1e3, 1e3])
        scale = math.sqrt(x[2])
        return np.array([(new[0] - x[0]) / scale, (new[1] - x[1]) / scale, (new[2] - x[2]) / x[2]])

    def polish(x, load):
        x = np.array(x)
        z = np.array([x[0], x[1], math.log(x[2] / (gap - x[2]))])
        with np.errstate(all="ignore"):
            z = system(lambda y: gaps(y, load), z)
        residual = float(np.max(np.abs(gaps(z, load))))
        return unpack(z), residual

    if guess is not None:
        x, residual = polish(guess, alpha)
        if residual < TOLERANCE:
            return _read_off(reference, alpha, p, gap, kappa, beta, x, residual)
    # From no constraints to all of them: the load of the counted constraint grows, the reference stays.
    load, stride, x = 0.0, alpha, None
    while load < alpha:
        target = min(alpha, load + stride)
        trial = x
        if trial is None:
            dm, dr, b = answer(np.zeros(3), target)
            trial = np.array([dm, dr, min(max(b, 1e-14), 0.3 * gap)]) if b > 0.0 and math.isfinite(b) else None
        if trial is not None:
            found, residual = polish(trial, target)
            if residual < TOLERANCE:
                x, load, stride = found, target, 1.7 * stride
                continue
        stride *= 0.4
        if stride < 1e-5 * alpha:
            return None
    return _read_off(reference, alpha, p, gap, kappa, beta, x, residual)


def limit_load(reference, angle, kappa, guess):
    """(alpha'(p), dm, dr) at p = cos(angle): the load up to which the constraint can be met there."""
    p, gap = math.cos(angle), math.sin(angle) ** 2

    def gaps(x):
        new = limit_step(reference, p, gap, kappa, x[0], x[1], 0, *buffers(), *buffers(1))
        return np.array([new[0] - x[0], new[1] - x[1]]) / math.sqrt(gap) if math.isfinite(new[2]) else np.array([1e3, 1e3])

    with np.errstate(all="ignore"):
        x = system(gaps, np.array(guess))
    residual = float(np.max(np.abs(gaps(x))))
    if not residual < 1e-9:
        raise NotConverged(f"the largest feasible load at overlap {p:.6g} was found only to a residual of {residual:.1e}", {"dm": x[0], "dr": x[1]}, residual)
    return limit_step(reference, p, gap, kappa, x[0], x[1], 0, *buffers(), *buffers(1))[2], x[0], x[1]


def overlap_range(state: State, margin: float) -> tuple[float, float]:
    """(smallest, largest) overlap with the rule at which weights reach `margin` on every pattern.

    Raises `Unsatisfiable` where there is none.
    """
    from flatphys.observables.margins import margins

    reference, alpha = reference_of(state), state.alpha
    guess = (0.0, 0.0)
    angle, edges, feasible = NEAREST, [], None
    previous = angle
    while True:
        load, *guess = limit_load(reference, angle, margin, guess)
        now = load > alpha
        if feasible is None and now:  # all the way to the rule itself, if that fulfils the constraint
            law = margins(state)
            if law.cdf(np.nextafter(margin * law.norm, -math.inf)) > 1e-14:
                raise NotConverged(f"the largest overlap lies closer to 1 than {1.0 - math.cos(NEAREST):.1e}", {"overlap": math.cos(NEAREST)}, math.nan)
            edges.append(1.0)
        elif feasible is not None and now != feasible:
            start = tuple(guess)
            edges.append(math.cos(bracketed(lambda a: math.log(limit_load(reference, a, margin, start)[0] / alpha), previous, angle)))
        feasible, previous = now, angle
        if len(edges) == 2:
            break
        if angle >= math.pi - NEAREST:
            if feasible:
                edges.append(-1.0)
            break
        angle = min(angle * 1.5 if angle < 0.1 else angle + 0.06, math.pi - NEAREST)
    if not edges:
        raise Unsatisfiable(
            f"at alpha={alpha:g} no weights reach margin {margin:g} on every pattern at any overlap with {state.model.learner!r}; "
            f"lower alpha or the margin, or count at a finite beta"
        )
    return edges[1], edges[0]
