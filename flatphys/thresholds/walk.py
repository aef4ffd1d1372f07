"""Walking along a branch: scalars as functions of the curve's parameter, and where they vanish."""

import math

from flatphys.errors import InvalidInput
from flatphys.model import Gibbs, check_model
from flatphys.numerics.quadrature import buffers
from flatphys.numerics.roots import bracketed
from flatphys.saddle.equilibrium.branch import CONVERGED, curve_point, read_off
from flatphys.saddle.equilibrium.curve import Code, curve_of
from flatphys.saddle.equilibrium.follow import chord_point
from flatphys.saddle.equilibrium.states import state_at
from flatphys.state import State

FREE, ERROR, REPLICON = 8, 9, 10  # places in what `read_off` returns


def gibbs_code(model, question: str, hard: bool = False) -> Code:
    """The kernels' code of a Gibbs model, refusing others in terms of the question asked."""
    check_model(model)
    if not isinstance(model.learner, Gibbs):
        raise InvalidInput(f"{question} needs a Gibbs learner, got {model.learner!r}")
    if hard and model.learner.beta < math.inf:
        raise InvalidInput(
            f"{question} is about hard constraints: beta must be math.inf, got {model.learner.beta:g} "
            f"(freezing_beta and at_line answer at finite beta)"
        )
    return Code(model)


class Walk:
    """Scalars along a branch, evaluated at any s between two points of its grid."""

    def __init__(self, code: Code):
        self.code = code
        self.u, self.w = buffers()

    def at(self, s, partner):
        """(log alpha, partner, everything `read_off` returns) at the point of the curve next to (s, partner) with the same s."""
        la, partner, _ = curve_point(*self.code.args, s, partner, 0, self.u, self.w)
        return la, partner, read_off(*self.code.args, la, s, partner, 0, self.u, self.w)

    def between(self, one, two, t):
        """(s, partner, log alpha, everything `read_off` returns) at the parameter t of the chord between two points (s, partner)."""
        la, s, partner, _, _ = chord_point(*self.code.args, *one, *two, t, 0.0, CONVERGED, curve_of(self.code.args).side, 0, self.u, self.w)
        return s, partner, la, read_off(*self.code.args, la, s, partner, 0, self.u, self.w)

    def read(self, s, partner, la):
        """Everything `read_off` returns at a point of the curve."""
        return read_off(*self.code.args, la, s, partner, 0, self.u, self.w)

    def scalar(self, name, la, out):
        """The scalar "entropy" or "replicon" among what `read_off` returned."""
        if name == "replicon":
            return out[REPLICON]
        return out[FREE] + (self.code.beta * math.exp(la) * out[ERROR] if self.code.beta < math.inf else 0.0)

    def zero(self, name, s, partner, log_alpha):
        """(s, partner, log alpha) where `name` first falls through zero along a piece of the curve; None if nowhere."""

        def quantity(i):
            return self.scalar(name, log_alpha[i], self.read(s[i], partner[i], log_alpha[i]))

        lo, hi = 0, s.size - 1
        if not quantity(lo) > 0.0 or not quantity(hi) < 0.0:
            values = [quantity(i) for i in range(s.size)]
            falls = [i for i in range(len(values) - 1) if values[i] > 0.0 >= values[i + 1]]
            if not falls:
                return None
            lo, hi = falls[0], falls[0] + 1
        while hi - lo > 1:
            mid = (lo + hi) // 2
            if quantity(mid) > 0.0:
                lo = mid
            else:
                hi = mid
        one, two = (s[lo], partner[lo]), (s[hi], partner[hi])
        t = bracketed(lambda t: self.scalar(name, *self.between(one, two, t)[2:]), 0.0, 1.0)
        return self.between(one, two, t)[:3]


def zero_on_branches(model, code: Code, name: str) -> State | None:
    """The state at which `name` first vanishes along the stable pieces, in the order of growing overlap."""
    walk = Walk(code)
    curve = curve_of(code.args)
    for (s, partner, la, direction), label in zip(curve.pieces, curve.names(code.kind)):
        if direction < 0.0:
            continue
        inner = slice(0, -1 if len(curve.pieces) > 1 else None)  # at a fold itself the replicon may touch zero
        found = walk.zero(name, s[inner], partner[inner], la[inner])
        if found is not None:
            root, r, place = found
            return state_at(model, code, math.exp(place), label, root, r)
    return None
