"""zero_crossings(state): the distances at which the local entropy around a state vanishes."""

import math

import numpy as np

from flatphys import validate
from flatphys.numerics.roots import bracketed
from flatphys.observables.local_entropy import around_gibbs, counted_channel
from flatphys.saddle.franz_parisi.curve import START_XI, curve_around, distance_of
from flatphys.state import State


def _values(state, channel):
    """(xi -> (value, d value/d xi) at overlap tanh(xi), the xi from which to go outwards)."""
    if around_gibbs(state):
        curve = curve_around(state, channel)

        def at(xi):
            d = distance_of(xi)
            point = curve.at(d)
            return (math.nan, math.nan) if point is None else (curve.free_entropy(point), 4.0 * d * (1.0 - d) * curve.slope(point))

        return at, curve.start_xi
    from flatphys.saddle.franz_parisi.trained import local_entropies

    def at(xi):
        d = distance_of(xi)
        found = local_entropies(state, [1.0 - 2.0 * d], channel)
        return float(found["free_entropy"][0]), 4.0 * d * (1.0 - d) * float(found["slope"][0])

    return at, START_XI


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
    a grid of 0.2 in atanh(overlap), and between grid points of equal sign where the slopes announce an extremum.
    """
    validate.instance("state", state, (State,))
    at, start = _values(state, counted_channel(margin, math.inf))
    top = 0.5 * math.log(1e4)
    grid = np.linspace(-top, top, 47)
    middle = int(np.argmin(np.abs(grid - start)))
    values = np.full((grid.size, 2), math.nan)
    for order in (range(middle, grid.size), range(middle - 1, -1, -1)):
        for i in order:
            values[i] = at(grid[i])
            if math.isnan(values[i, 0]):
                break
    zeros = []
    for i in range(grid.size - 1):
        (f0, s0), (f1, s1) = values[i], values[i + 1]
        if math.isnan(f0) or math.isnan(f1):
            continue
        cuts = [grid[i], grid[i + 1]]
        if f0 * f1 > 0.0 and s0 * s1 < 0.0 and s0 * f0 < 0.0:  # an extremum towards zero
            cuts.insert(1, bracketed(lambda xi: at(xi)[1], *cuts))
        for lo, hi in zip(cuts, cuts[1:]):
            if at(lo)[0] * at(hi)[0] < 0.0:
                zeros.append(bracketed(lambda xi: at(xi)[0], lo, hi))
    return np.array(sorted(distance_of(xi) for xi in zeros))


__all__ = ["zero_crossings"]
