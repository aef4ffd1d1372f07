"""zero_crossings(state): the distances at which the local entropy around a state vanishes."""

import math

import numpy as np

from flatphys import validate
from flatphys.errors import NotConverged
from flatphys.kernels.codes import BINARY
from flatphys.numerics.roots import bracketed
from flatphys.observables.local_entropy import around_gibbs, counted_channel
from flatphys.saddle.franz_parisi.curve import curve_around, distance_of
from flatphys.saddle.franz_parisi.trained import rule_of
from flatphys.state import State

TOP, STEP = 0.5 * math.log(1e4), 0.2  # distances from 1e-4 to 1 - 1e-4 are searched, in steps of atanh(overlap)


def _searched(curve, at):
    """xi and (value, slope) there, in increasing order: a grid, and on each side the last place before the curve ends.

    Out of reach, next to the reference or to its opposite, a negative count stays one: the search ends there, too.
    """
    grid = np.linspace(-TOP, TOP, 2 * round(TOP / STEP) + 1)
    middle, found = int(np.argmin(np.abs(grid - curve.start_xi))), {}
    for side, order in ((1, grid[middle:]), (-1, grid[:middle][::-1])):
        value = math.nan
        for xi in order:
            try:
                values = at(xi)
            except NotConverged:
                if not value < 0.0:
                    raise
                break
            value = values[0]
            if math.isnan(values[0]):
                last = max(curve.points, key=lambda solved: side * solved)
                found[last] = at(last)
                break
            found[xi] = values
    return sorted((xi, values) for xi, values in found.items() if not math.isnan(values[0]))


def zero_crossings(state: State, margin: float = 0.0) -> np.ndarray:
    """Distances at which the local entropy around `state` vanishes, in increasing order.

    Parameters
    ----------
    state : State
        A reference as in `local_entropy`.
    margin : float
        Of the counted weights.

    Notes
    -----
    Binary weights: where the value is negative no solutions exist.  Distances from 1e-4 to 1 - 1e-4 are searched on
    a grid of 0.2 in atanh(overlap) up to the ends of the curve, and between grid points of equal sign where the slopes announce an
    extremum.  Spherical weights: the value, at most that of the volume (1/2) log(1-p^2), vanishes nowhere.
    """
    validate.instance("state", state, (State,))
    channel = counted_channel(margin, math.inf)
    if not around_gibbs(state):
        rule_of(state)  # refuses what is no reference
        return np.empty(0)
    curve = curve_around(state, channel)
    if curve.equations.ref.weights != BINARY:
        return np.empty(0)

    def at(xi):
        d = distance_of(xi)
        point = curve.at(d)
        return (math.nan, math.nan) if point is None else (curve.free_entropy(point), 4.0 * d * (1.0 - d) * curve.slope(point))

    zeros, searched = [], _searched(curve, at)
    for (xi0, (f0, s0)), (xi1, (f1, s1)) in zip(searched, searched[1:]):
        cuts = [xi0, xi1]
        if f0 * f1 > 0.0 and s0 * s1 < 0.0 and s0 * f0 < 0.0:  # an extremum towards zero
            cuts.insert(1, bracketed(lambda xi: at(xi)[1], *cuts))
        for lo, hi in zip(cuts, cuts[1:]):
            if at(lo)[0] * at(hi)[0] < 0.0:
                zeros.append(bracketed(lambda xi: at(xi)[0], lo, hi))
    return np.array(sorted(distance_of(xi) for xi in zeros))


__all__ = ["zero_crossings"]
