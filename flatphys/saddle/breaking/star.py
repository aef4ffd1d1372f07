"""Infinitely many replicas around one binary centre: the densest regions, seen from the place that lies best in them.

Every replica is pulled by the field gamma s_i to a centre s in {-1, 1}^N, which is summed over: y replicas have the weight
sum_s prod_a exp(gamma s.w_a) of their partition functions.  As y grows s_i becomes the sign of the replicas' field l, and the equations
are those of `saddle.breaking.limit` with one change and one more condition,

    sqrt(q1_hat) z + R_hat = l - dq_hat tanh l - gamma sign(l),        d phi/d q1 = 0

the second because the overlap q1 of two replicas is free: with c' = 1 for a perceptron, dq_hat = alpha dq E[C^2/(1+r C)]/V^2.  With the
overlap of a replica with its centre S = E|tanh l| = d phi/d gamma,

    local entropy = phi - gamma S + beta energy,   its slope d(phi - gamma S)/dS = -gamma

At gamma = 0 both this and replicas at the mutual overlap q1 where d phi/d q1 = 0 are one saddle.  The curve starts at the typical
state, where gamma = 0 and dq = 0; further from the centre than that every solution is still found, around a centre whose components
are partly random, so that gamma stays 0 there.  Where gamma is negative the centre still follows the signs of l, and the value is
the formal continuation that ends in another place with gamma = 0.

Source: Baldassi et al., PNAS 113, E7655 (2016), in the limit y -> infinity; the equations: docs/theory.md.
"""

import math

import numpy as np

from flatphys.model import Model
from flatphys.numerics.newton import DEFAULT, largest, newton
from flatphys.saddle.breaking.branch import FARTHEST, Branch, lowest_state, replicated_problem, signal_of
from flatphys.saddle.breaking.replicas import Place, Point, Replicas, Values


class Star(Replicas):
    """The equations at 1 - S = `away`, what a `Branch` in `away` is made of; unknowns: log V/(1-V), gamma, then those of `Replicas`."""

    def __init__(self, problem, alpha: float):
        super().__init__(problem, alpha, math.inf)
        self.rows = [*self.rows, Values._fields.index("slope")]

    def place(self, unknowns) -> Place:
        """The unknowns with their names."""
        return super().place(unknowns[2:])._replace(pull=float(unknowns[1]))

    def around(self, unknowns, level=0) -> Values:
        """All that `evaluate` returns."""
        return self.raw(_share(unknowns[0]), unknowns, level) if abs(unknowns[0]) < 300.0 else self.raw(math.nan, unknowns, level)

    def solve(self, away, guess, jacobian=None, options=DEFAULT):
        """The `Root` at 1 - S = away near a guess."""

        def violations(x):
            out = self.around(x)
            return np.array([_apart(out, away), *(out[i] for i in self.rows)])

        return newton(violations, guess, jacobian, options)

    def point(self, away, unknowns) -> Point:
        """As `Replicas.point`; value is the local entropy and slope its slope -gamma in S."""
        found, field = super().point(_share(unknowns[0]), unknowns), float(unknowns[1])
        worth = [largest([of, _apart(self.around(unknowns, level), away)]) for level, of in enumerate((found.residual, found.quadrature))]
        values, value = found.values._replace(slope=0.0 - field), found.value - field * (1.0 - away)
        return found._replace(values=values, value=value, residual=worth[0], quadrature=worth[1])


def _share(place):
    return 1.0 / (1.0 + math.exp(-place))


def _apart(out, away):
    """Violation of 1 - S = away."""
    return math.log(out.away / away) if out.away > 0.0 else math.nan


class StarBranch(Branch):
    """Points around the best centre at every distance: on the curve, or beyond its start, where the typical solutions are met."""

    def __init__(self, system: Star, v: float, start: np.ndarray):
        typical = np.array([math.log(v / (1.0 - v)), 0.0, *start])
        super().__init__(system, system.around(typical).away, typical)

    def at(self, away: float) -> Point | None:
        """The point at 1 - S = away; None where the branch does not reach."""
        if away < self.start_v:
            return super().at(away)
        point = self.system.point(self.start_v, self.arms[1.0].points[0])
        return point if point.good else None


def star_of(model: Model, alpha: float) -> StarBranch:
    """The curve of infinitely many replicas of binary weights around a binary centre, from the typical distance on."""
    system, state = Star(replicated_problem(model), alpha), lowest_state(model, alpha)
    return StarBranch(system, min(state.one_minus_q, FARTHEST), system.start(signal_of(state), state.q))
