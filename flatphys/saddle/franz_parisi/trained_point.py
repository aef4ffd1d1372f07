"""The saddle of the local entropy around a trained rule at one overlap: Newton's method, from nothing counted to all of it.

The equations stand in `saddle.franz_parisi.trained_averages`.  On the way to a point, sums are coarse ones.
"""

import math
from typing import NamedTuple

import numpy as np

from flatphys.errors import NotConverged
from flatphys.kernels.codes import Channel
from flatphys.numerics.continuation import extrapolate, vanishing
from flatphys.numerics.newton import Options, largest, newton
from flatphys.numerics.quadrature import buffers
from flatphys.saddle.accept import accept_point, good
from flatphys.saddle.franz_parisi.budget import Budget
from flatphys.saddle.franz_parisi.point import COARSE, TOLERANCE
from flatphys.saddle.franz_parisi.trained_averages import Sums, step
from flatphys.saddle.franz_parisi.trained_fields import Place, Rule

OPTIONS = Options(goal=1e-13, tolerance=TOLERANCE.residual, longest=math.inf, tries=(10, 1), shrink=0.5, content=1e-11)
LONGEST = (math.inf, math.inf, 2.0)  # step of the unknowns on the way: sums are costly where B comes close to 1-p^2
ON_THE_WAY = OPTIONS._replace(goal=COARSE.residual, tolerance=COARSE.residual, steps=12, tries=(3, 1), longest=LONGEST)
NEAR = 1e-3  # where coarse sums stall closer than this, full ones go on
CLOSED = 3e-2  # v1/(1-p^2) below which the load is taken to end where it vanishes linearly: no numerical obstacle
STEADY = 0.5  # of the room that is left: how well two estimates of the end agree (they do not where v1 falls like a power only)
SHORTEST = 1e-4  # step of the load, as a share of it
SHORT = 0.5  # first step of the logarithm of the load after a first load that was too much
FIRST = 0.3  # B/(1-p^2) that the first load would reach if nothing resisted
WEAK = 1e-26  # B/(1-p^2) and the like below which the constraints have no effect
ADVICE = "(costly are large loads and betas, overlaps near 1 or -1, and overlaps that the constraints contradict); count at another of them"


class Point(NamedTuple):
    """One overlap's solution: the unknowns, v1 = 1 - q1, and what is reported."""

    dm: float
    dr: float
    b: float
    v1: float
    found: dict


class Equations:
    """The equations of weights counted by `channel` at one overlap p, gap = 1 - p^2, with a rule trained at load alpha."""

    def __init__(self, rule: Rule, alpha: float, channel: Channel, p: float, budget: Budget | None = None):
        self.rule, self.alpha, self.channel, self.p, self.gap = rule, alpha, channel, p, (1.0 - p) * (1.0 + p)
        self.budget = Budget() if budget is None else budget

    def answer(self, x, load, level=0, scalars=False):
        """(dm, dr, B) that x = (dm, dr, B) implies at the load of the counted constraints, and the averages."""
        if self.budget.over:
            found = dict(zip(("dm", "dr", "B"), map(float, x), strict=True))
            raise self.budget.refusal(f"the local entropy at overlap {self.p:.6g}", ADVICE, found)
        out = step(self.rule, load, self.channel, Place(self.p, self.gap, *x), Sums(level, scalars), buffers(), buffers(1))
        self.budget.spend(out[3].evaluations)
        return out

    def scaled(self, x):
        """x in units of sqrt(B), in which weak and strong constraints look alike."""
        scale = math.sqrt(x[2])
        return np.array([x[0] / scale, x[1] / scale, math.log(x[2] / (self.gap - x[2]))])

    def unscaled(self, z):
        b = self.gap / (1.0 + math.exp(-z[2])) if z[2] > -700.0 else 0.0
        return np.array([math.sqrt(b) * z[0], math.sqrt(b) * z[1], b])

    def polish(self, z, load, fine=True, jacobian=None):
        """(z, residual, Jacobian) of the solution near the scaled z at this load: by coarse sums first, and by full ones to be `fine`."""

        def gaps(z, level):
            x = self.unscaled(z)
            if not 0.0 < x[2] < self.gap:
                return np.full(3, math.nan)
            new = self.answer(x, load, level)
            scale = math.sqrt(x[2])
            return np.array([(new[0] - x[0]) / scale, (new[1] - x[1]) / scale, (new[2] - x[2]) / x[2]])

        root = newton(lambda z: gaps(z, -1), z, jacobian, ON_THE_WAY)
        if fine and root.residual <= NEAR:
            root = newton(lambda z: gaps(z, 0), root.x, root.jacobian, OPTIONS)
        elif fine:
            return root.x, math.inf, None
        return root.x, root.residual, root.jacobian

    def read(self, x, residual) -> Point:
        """Free entropy and the rest at the unknowns x, by both rules; `NotConverged` where they are not good enough."""
        dm, dr, b = (float(part) for part in x)
        m, q, d, beta = self.rule.m, self.rule.q, self.rule.d, self.channel.beta
        v1, r = self.gap - b, self.p / math.sqrt(q) + dr
        both = []
        for level in (0, 1):
            out = self.answer(x, self.alpha, level, beta < math.inf)[3]
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
        z, residual, _ = equations.polish(equations.scaled(guess), equations.alpha)
        if good(TOLERANCE, residual):
            return equations.read(equations.unscaled(z), residual)
    nothing = np.zeros(3)
    dm, dr, b, _ = equations.answer(nothing, equations.alpha)
    if max(dm * dm, equations.rule.q * dr * dr, b) <= WEAK * equations.gap:  # every pattern is fulfilled: the volume is left
        return equations.read(nothing, 0.0)
    return _loaded(equations, equations.alpha * min(1.0, FIRST * equations.gap / max(b, 1e-300)))


def _loaded(equations: Equations, first: float) -> Point | None:
    """The saddle from no constraints to all of them: the load of the counted constraint grows from `first`, the reference stays."""
    alpha, hard, target, stride, room = equations.alpha, equations.channel.beta == math.inf, first, math.log(3.0), math.inf
    loads, openness, points, jacobian, steady = [0.0], [1.0], [], None, False
    while loads[-1] < alpha:
        load = loads[-1]
        if points:  # unknowns in units of sqrt B follow powers of the load
            target = min(alpha, load * math.exp(stride), load + 0.7 * room)
            guess = extrapolate(list(map(math.log, loads[1:])), points, math.log(target), 3)
        else:
            dm, dr, b, _ = equations.answer(np.zeros(3), target)
            guess = equations.scaled(np.array([dm, dr, min(max(b, 1e-280), 0.3 * equations.gap)]))
        z, residual, found = equations.polish(guess, target, target == alpha, jacobian)
        if good(TOLERANCE if target == alpha else COARSE, residual):
            stride = 1.7 * math.log(target / load) if points else stride
            loads.append(target)
            points.append(z)
            openness.append(1.0 - equations.unscaled(z)[2] / equations.gap)
            jacobian = found
            if hard and openness[-1] < 0.5:
                before, room = load + room, vanishing(loads, openness)
                steady = abs(target + room - before) < STEADY * room
            if openness[-1] < CLOSED and alpha - target > 1.5 * room and steady:
                return None
            continue
        if not points and target > SHORTEST * first:
            target, stride = 0.4 * target, SHORT
            continue
        stride = 0.4 * math.log(target / load) if points else 0.0
        if stride < SHORTEST * min(1.0, 10.0 * openness[-1]):
            if hard and openness[-1] < CLOSED and steady:
                return None
            raise NotConverged(
                f"the local entropy at overlap {equations.p:.6g} was followed only up to a fraction {load / alpha:.3g} of the constraints; "
                f"count at another overlap, margin or beta",
                dict(zip(("dm", "dr", "B"), equations.unscaled(points[-1]) if points else np.zeros(3), strict=True)),
                residual,
            )
    return equations.read(equations.unscaled(points[-1]), residual)
