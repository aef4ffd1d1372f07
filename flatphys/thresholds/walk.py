"""Walking along a branch: scalars as functions of the curve's parameter, and where they vanish."""

import math

from flatphys.errors import InvalidInput
from flatphys.model import Gibbs, check_model
from flatphys.numerics.quadrature import buffers
from flatphys.numerics.roots import bracketed
from flatphys.saddle.branch import curve_point, read_off
from flatphys.saddle.curve import Code, curve_of
from flatphys.saddle.equilibrium import state_at
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
        """(log alpha, partner, everything `read_off` returns) at the curve's parameter s."""
        la, partner, _ = curve_point(*self.code.args, s, partner, 0, self.u, self.w)
        return la, partner, read_off(*self.code.args, la, s, partner, 0, self.u, self.w)

    def quantity(self, name, s, partner):
        """The scalar "entropy" or "replicon" at s."""
        la, _, out = self.at(s, partner)
        if name == "replicon":
            return out[REPLICON]
        energy = self.code.beta * math.exp(la) * out[ERROR] if self.code.beta < math.inf else 0.0
        return out[FREE] + energy

    def zero(self, name, s, partner):
        """(s, partner, log alpha) where `name` first falls through zero on the grid (s, partner); None if nowhere."""
        lo, hi = 0, s.size - 1
        if not self.quantity(name, s[lo], partner[lo]) > 0.0 or not self.quantity(name, s[hi], partner[hi]) < 0.0:
            values = [self.quantity(name, a, b) for a, b in zip(s, partner)]
            falls = [i for i in range(len(values) - 1) if values[i] > 0.0 >= values[i + 1]]
            if not falls:
                return None
            lo, hi = falls[0], falls[0] + 1
        while hi - lo > 1:
            mid = (lo + hi) // 2
            if self.quantity(name, s[mid], partner[mid]) > 0.0:
                lo = mid
            else:
                hi = mid
        root = bracketed(lambda x: self.quantity(name, x, partner[lo]), s[lo], s[hi])
        la, r, _ = self.at(root, partner[lo])
        return root, r, la


def zero_on_branches(model, code: Code, name: str) -> State | None:
    """The state at which `name` first vanishes along the stable pieces, in the order of growing overlap."""
    walk = Walk(code)
    curve = curve_of(code.args)
    for (s, partner, _, direction), label in zip(curve.pieces, curve.names(code.kind)):
        if direction < 0.0:
            continue
        inner = slice(0, -1 if len(curve.pieces) > 1 else None)  # at a fold itself the replicon may touch zero
        found = walk.zero(name, s[inner], partner[inner])
        if found is not None:
            root, r, la = found
            return state_at(model, code, math.exp(la), label, root, r)
    return None
