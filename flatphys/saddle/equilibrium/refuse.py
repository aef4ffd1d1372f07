"""The error for a load at which a Gibbs learner has no state."""

import math

from flatphys.errors import NoSolution, NotConverged, Unsatisfiable
from flatphys.kernels.codes import SPHERICAL, Problem
from flatphys.model import Model
from flatphys.saddle.equilibrium.curve import LOG_LARGE, branch_end, curve_of


def beyond(model: Model, problem: Problem, alpha: float) -> Exception:
    """The error for a load at which no branch was found: physics only where the branches are known to end."""
    spherical, pieces, end = problem.weights == SPHERICAL, curve_of(problem).pieces, branch_end(problem)
    ended = pieces[-1].direction < 0.0 or (problem.channel.beta == math.inf and pieces[-1].la[-1] < LOG_LARGE)
    if end == math.inf and not spherical and ended:  # at a fold, or where q -> 1
        end = math.exp(max(float(piece.la.max()) for piece in pieces))
    if not alpha >= end:
        return NotConverged(
            f"the state of {model!r} at alpha={alpha:g} could not be found: its branches were followed to smaller loads only, "
            f"use a smaller load, or the power laws that it approaches"
        )
    hint = "a finite beta admits errors"
    if spherical:
        return Unsatisfiable(
            f"alpha={alpha:g} is beyond the capacity {end:.10g} of {model!r}: no weights reach the margin on every pattern; "
            f"ground_state(model, alpha) gives the least energy, {hint}"
        )
    return NoSolution(
        f"the replica-symmetric branch of {model!r} ends at alpha={end:.10g}, got alpha={alpha:g}; "
        f"no binary weights exist beyond capacity(model), {hint}, ground_state(model, alpha) gives the least energy"
    )
