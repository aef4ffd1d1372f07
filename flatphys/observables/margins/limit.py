"""Law of the training stabilities as q -> 1: the cavity field's law, moved by the patterns' response (`saddle.equilibrium.limit`).

Of a pattern with field z and density G(z) W(z) the stability is t(z), which does not decrease and is linear on a few pieces: with hard
constraints and counted errors t = z except in the window (kappa - w, kappa), whose mass is an atom at kappa; an energy that grows
continuously moves every pattern below kappa.  The teacher's own stabilities are |z|, up to the flips.

Weights w' at the overlap p with w have on the same pattern, of a tree committee of kernel c(Q) (the perceptron's is Q), the stability

    Delta' = c(p) z + [p c'(p)/c'(1)] (t - z) + s g,      s^2 = 1 - c(p)^2,    g standard normal.

Source: Kepler & Abbott 1988.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from flatphys.errors import InvalidInput
from flatphys.kernels.codes import LOGISTIC, MIXTURE
from flatphys.kernels.networks import PERCEPTRON_NET, last_slope, overlap_map, overlap_slope
from flatphys.model import MaxMargin
from flatphys.numerics.gaussian import INV_SQRT_2PI
from flatphys.numerics.quadrature import REACH, buffers, panel_nodes
from flatphys.observables.margins.distribution import MarginDistribution, central_moments
from flatphys.problem import ground_problem
from flatphys.saddle.equilibrium.limit import Response, edges, error_mass, ground_response, hard, moved

STEEPEST = 4.0  # a panel over which the measure falls by no more than e^-4 where it is steep


class Piece(NamedTuple):
    """t = offset + slope z for low < z < high; slope 0 is an atom."""

    low: float
    high: float
    slope: float
    offset: float


FREE = (Piece(-math.inf, math.inf, 1.0, 0.0),)


def pieces_of(response: Response) -> list[Piece]:
    """The linear pieces of t(z)."""
    places = sorted({response.margin - edge for edge in edges(response) if edge < math.inf})
    out = []
    for low, high in zip([-math.inf, *places], [*places, math.inf]):
        z = high - 1.0 if low == -math.inf else (low + 1.0 if high == math.inf else 0.5 * (low + high))
        there = moved(response, response.margin - z)
        slope = 1.0 - there.stiffness
        if slope < 1e-13:
            out.append(Piece(low, high, 0.0, response.margin))
        else:
            out.append(Piece(low, high, slope, z + there.shift - slope * z))
    return out


class LimitMargins(MarginDistribution):
    """Stabilities of weights that are all alike; k = R/sqrt(1-R^2), inf for the teacher itself."""

    def __init__(self, pieces, k: float, flip: float, net=PERCEPTRON_NET):
        self._pieces, self._k, self._flip, self._net = pieces, k, flip, net
        atoms = [(p.offset, self._below(p.high) - self._below(p.low)) for p in pieces if p.slope == 0.0]
        atoms = [(place, mass) for place, mass in atoms if mass > 0.0]
        place, mass = atoms[0] if atoms else (0.0, 0.0)  # there is one at most
        top = pieces[-1].low
        lift = 0.5 * max(top, 0.0) ** 2 if pieces[0].slope == 0.0 else 0.0  # all but the atom lies above
        moments = central_moments(place, lambda function: self._integral(lambda t, z: function(t - place), lift=lift), mass, lift)
        left = top - 0.3 if pieces[0].slope == 0.0 else -4.5
        super().__init__(*moments, atoms, support=(left, max(4.5, top + 4.5)))

    def _weight(self, z):
        if self._k == 0.0:
            return np.ones_like(z)
        correct = np.where(z >= 0.0, 1.0, 0.0) if self._k == math.inf else ndtr(self._k * z)
        return 2.0 * (self._flip + (1.0 - 2.0 * self._flip) * correct)

    def _below(self, z):
        return error_mass(z, self._k, self._flip, *buffers())

    def _integral(self, function, bend=None, atoms: bool = False, lift: float = 0.0):
        """e^lift Int Dz W(z) function(t, z) over all z but the atoms' (or over them too); one number for each row of the function.

        `bend(piece)` = (centre, width) says where in z, and on what scale, the function varies on a piece.
        """
        total, width = 0.0, 3.0 / self._k if self._k > 0.0 else math.inf
        for piece in self._pieces:
            if piece.slope == 0.0 and not atoms:
                continue
            centre, scale = bend(piece) if bend else (0.0, math.inf)
            marks = (0.0, max(width, 1e-12), centre, max(scale, 1e-12), 0.0, math.inf, 0.0, math.inf)
            low = max(piece.low, -math.hypot(REACH, min(piece.high, 0.0)))  # what is cut has 1e-20 of the piece's mass
            high = min(piece.high, math.hypot(REACH, max(piece.low, 0.0)))
            cuts = [low, 0.0, high] if low < 0.0 < high else [low, high]
            for a, b in zip(cuts, cuts[1:]):
                if b > a:
                    u, w = buffers()
                    cap = min(1.5, STEEPEST / max(a, -b, 1.0))
                    n = panel_nodes(0, a, b, 1.5, cap, marks, u, w)
                    z = u[:n]
                    values = function(piece.offset + piece.slope * z, z)
                    total = total + np.sum(w[:n] * np.exp(lift - 0.5 * z * z) * INV_SQRT_2PI * self._weight(z) * values, axis=-1)
        return total

    def _pdf(self, x):
        out = np.zeros_like(x)
        for piece in self._pieces:
            if piece.slope > 0.0:
                z = (x - piece.offset) / piece.slope
                there = (z >= piece.low) & (z < piece.high)
                out += np.where(there, np.exp(-0.5 * z * z) * INV_SQRT_2PI * self._weight(z) / piece.slope, 0.0)
        return out

    def _cdf(self, x):
        reached = np.full_like(x, -math.inf)  # the largest z with t(z) <= x
        for piece in self._pieces:
            if piece.slope == 0.0:
                z = np.where(x >= piece.offset, piece.high, -math.inf)
            else:
                z = (x - piece.offset) / piece.slope
                z = np.where(z >= piece.low, np.minimum(z, piece.high), -math.inf)
            reached = np.maximum(reached, z)
        return np.array([self._below(float(z)) for z in reached])

    def _turned(self, slope_z, slope_t):
        """E[H(slope_z z + slope_t t)]."""

        def bend(piece):
            steep, shift = slope_z + slope_t * piece.slope, slope_t * piece.offset
            return (-shift / steep, 3.0 / abs(steep)) if steep != 0.0 else (0.0, math.inf)

        return self._integral(lambda t, z: ndtr(-slope_z * z - slope_t * t), bend, atoms=True)

    def _smeared(self, slope):
        centre = (lambda p: (-p.offset / p.slope, 3.0 / abs(slope * p.slope))) if slope != 0.0 else None
        smooth = self._integral(lambda t, z: ndtr(-slope * t), centre)
        return smooth + sum(mass * float(ndtr(-slope * place)) for place, mass in self.atoms)

    def rise_after_turn(self, eps: float) -> float:
        """P(Delta' < 0) - P(Delta < 0) of weights at the overlap 1 - eps with the original ones (see the module's docstring)."""
        p = 1.0 - eps
        c, gap = overlap_map(self._net, p, eps)
        if not gap * (1.0 + c) > 1e-15:
            return 0.0 if p > 0.0 else 1.0 - 2.0 * self.mass_below_zero
        s = math.sqrt(gap * (1.0 + c))
        pull = p * overlap_slope(self._net, p, eps) / overlap_slope(self._net, 1.0, 0.0)
        return self._turned((c - pull) / s, pull / s) - self.mass_below_zero


class CloudLimitMargins(LimitMargins):
    """The same in the fields m + sqrt(D) z of a mixture."""

    def __init__(self, pieces, m: float, variance: float):
        spread, self._variance = math.sqrt(variance), variance
        moved_to = [Piece((p.low - m) / spread, (p.high - m) / spread, p.slope * spread, p.offset + p.slope * m) for p in pieces]
        super().__init__(moved_to, 0.0, 0.0)

    def rise_after_turn(self, eps: float) -> float:
        """P(Delta' < 0) - P(Delta < 0) of weights at the overlap 1 - eps: Delta' = p Delta + sqrt((1-p^2) D) g."""
        noise = math.sqrt(self._variance * eps * (2.0 - eps))
        return self._smeared((1.0 - eps) / noise) - self.mass_below_zero if noise > 0.0 else 0.0


def limit_law(state) -> LimitMargins:
    """The law of a maximum-margin, ground or teacher state."""
    learner, order = state.model.learner, state.order
    flip = getattr(state.model.data, "flip", 0.0)
    r = order.get("R", 0.0)
    k = r / math.sqrt(1.0 - r * r) if r < 1.0 else math.inf
    if isinstance(learner, MaxMargin):
        return LimitMargins(pieces_of(hard(state.margin)), k, flip)
    if state.branch != "ground_state":
        return LimitMargins(FREE, math.inf, flip)
    problem = ground_problem(state.model)
    variance = problem.labels.variance
    response = ground_response(problem.channel, last_slope(problem.net) * variance * state.beta_one_minus_q)
    if response.loss == LOGISTIC or state.order.get("b", 0.0) != 0.0:
        raise InvalidInput(
            f"state must be of an energy that moves fields piece by piece, without a bias, for the law of a ground state's stabilities, "
            f"got {state.model!r}: the law at a large finite beta comes close to it"
        )
    if problem.labels.kind == MIXTURE:
        return CloudLimitMargins(pieces_of(response), state.m, variance)
    return LimitMargins(pieces_of(response), k, flip, problem.net)
