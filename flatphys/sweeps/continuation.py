"""Minimisers of a loss continued from anchors that depend on the point alone.

Continuing a row from one point to the next makes a point two to four times cheaper than solving it from strong
regularisation, but its last bits would tell which neighbours were computed before it.  Here each
point is continued from an anchor of a fixed lattice in (log alpha, log l2) instead: the same number results whatever grid,
chunk or process asks for it.
"""

import functools
import math
from dataclasses import replace

import numpy as np

from flatphys.model import CustomLoss
from flatphys.numerics.quadrature import MAX_NODES
from flatphys.saddle.minimiser import newton as minimiser_newton
from flatphys.saddle.minimiser.averages import COLUMNS, ROWS
from flatphys.saddle.minimiser.states import _road, _state, solve_erm

SPACING = 0.7  # of the lattice, in log alpha and log l2
LOWEST = 1e-6  # l2 below which a point is solved on its own: the response grows without bound there


@functools.lru_cache(maxsize=4096)
def _anchor(model, row: int, column: int):
    """(p, alpha, l2, unknowns) at a site of the lattice, None where it has no solution."""
    alpha, l2 = math.exp(SPACING * row), math.exp(SPACING * column)
    machinery, p, _ = _road(model.data, replace(model.learner, l2=l2), alpha)
    out, info = np.empty((1, 4)), np.full((1, 4), math.nan)
    machinery.solve_path(p, np.array([alpha]), np.array([l2]), out, info)
    return (p, alpha, l2, out[0]) if info[0, 0] <= minimiser_newton.GOOD else None


def solve_minimiser(model, alpha: float):
    """The state of an ERM learner, as `solve` gives it up to rounding; raises as it does."""
    l2 = model.learner.l2
    if isinstance(model.learner.loss, CustomLoss) or l2 < LOWEST:
        return solve_erm(model, alpha)
    template = replace(model, learner=replace(model.learner, l2=1.0))
    anchor = _anchor(template, round(math.log(alpha) / SPACING), round(math.log(l2) / SPACING))
    if anchor is None:
        return solve_erm(model, alpha)
    p, start, start_l2, unknowns = anchor
    x, u, w, table = unknowns.copy(), np.empty(MAX_NODES), np.empty(MAX_NODES), np.empty((ROWS, COLUMNS))
    residual = minimiser_newton.follow(p, start, start_l2, x, alpha, l2, u, w, table)
    if not residual <= minimiser_newton.GOOD:
        return solve_erm(model, alpha)
    info = np.array([residual, *minimiser_newton.judge(p, alpha, l2, x, u, w, table)])
    return _state(model, alpha, _road(model.data, model.learner, alpha)[0], p, x, info)
