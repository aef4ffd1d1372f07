"""flatness_threshold(model): the load at which the landscape around the best solutions stops being flat.

Around solutions of the largest margin, kappa_ref = kappa_max(alpha), the local entropy phi(d) at margin 0 grows
with the distance up to its maximum at small loads.  The first load at which it does not is where the
largest interior maximum of its slope d phi/dp touches zero (Baldassi et al., PRL 127 278301 (2021)).  The
margin kappa parametrises the search, since its zero-entropy state and load follow at once: one scalar
root in kappa, with one maximum over the distance inside.
"""

import math
from dataclasses import replace

from flatphys import validate
from flatphys.errors import InvalidInput, NoSolution
from flatphys.kernels.codes import ERRORS, Channel
from flatphys.model import Gibbs, Model, Perceptron, RandomLabels, check_model
from flatphys.numerics.roots import bracketed
from flatphys.problem import problem_of
from flatphys.saddle.franz_parisi.curve import START_XI, curve_around, distance_of
from flatphys.thresholds.capacity import capacity_state

HIGHEST_XI, HIGHEST_COMMITTEE = 4.0, 7.0  # distances down to 1.7e-4 are searched, with a tree committee to 8e-7
STARTS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6)  # margins at which the slope may turn positive; below a maximum can lie at smaller distances yet
GRID = 0.25
CLOSE = 2e-3  # half the distance over which the slope of the slope is taken; the maximum is wrong by its square's square


class Neighbourhood:
    """The slope of the local entropy at margin 0 around typical solutions; with `steepest` around those of zero entropy at margin kappa."""

    def __init__(self, model: Model):
        self.model = model
        self.place = None  # xi of the slope's maximum at the last kappa
        self.highest = HIGHEST_XI if isinstance(model.learner.network, Perceptron) else HIGHEST_COMMITTEE

    def steepest(self, kappa: float) -> float:
        """The largest interior maximum of d phi/dp over the distance; -inf where the slope has none."""
        model = replace(self.model, learner=replace(self.model.learner, margin=kappa))
        return self.steepest_around(capacity_state(model, problem_of(model)))

    def steepest_around(self, state) -> float:
        """The same around the typical solutions of `state`, continued beyond zero entropy: a line that ends there has a slope there."""
        curve = curve_around(state, Channel(ERRORS, 0.0, math.inf), formal=True)

        def slope(xi):
            point = curve.at(distance_of(xi))
            return -math.inf if point is None else curve.slope(point)

        def tilt(xi):
            return slope(xi + CLOSE) - slope(xi - CLOSE)

        lo, hi = (self.place - 0.15, self.place + 0.15) if self.place is not None else (0.0, 0.0)
        if self.place is None or not tilt(lo) > 0.0 > tilt(hi):
            grid = [START_XI + GRID * k for k in range(int((self.highest - START_XI) / GRID) + 1)]
            values = [slope(xi) for xi in grid]
            peaks = [k for k in range(1, len(grid) - 1) if values[k - 1] < values[k] > values[k + 1]]
            if not peaks:
                return -math.inf
            k = max(peaks, key=values.__getitem__)
            lo, hi = grid[k - 1], grid[k + 1]
        self.place = bracketed(tilt, lo, hi)
        return slope(self.place)


def _around_max_margin(model: Model) -> float:
    if not isinstance(model.data, RandomLabels) or not isinstance(model.learner, Gibbs) or model.learner.weights != "binary":
        raise InvalidInput(
            f"flatness_threshold around maximum-margin solutions needs binary weights, random labels and a Gibbs learner, got {model!r}"
        )
    if model.learner.beta < math.inf:
        raise InvalidInput(f"flatness_threshold is about hard constraints: beta must be math.inf, got {model.learner.beta:g}")
    around = Neighbourhood(model)
    # from large loads (small margins) down: the slope is positive somewhere until the threshold
    step = 0.05
    hi = next((kappa for kappa in STARTS if around.steepest(kappa) > 0.0), None)
    if hi is None:
        raise NoSolution(f"the local entropy of {model!r} is monotonic up to the capacity")
    lo = hi + step
    while around.steepest(lo) > 0.0:
        hi, lo = lo, lo + step
        if lo > 1.0:
            raise NoSolution(f"the local entropy of {model!r} is not monotonic even around margin {hi:g}")
    # where the maximum has vanished altogether the slope is negative too: a finite stand-in keeps the sign
    kappa = bracketed(lambda k: max(around.steepest(k), -1.0), hi, lo)
    final = replace(model, learner=replace(model.learner, margin=kappa))
    return capacity_state(final, problem_of(final)).alpha


def _of_replicated(model: Model) -> float:
    """Load from which the densest regions, y -> inf solutions at mutual distance d, stop growing with d."""
    from flatphys.thresholds.dense import replicated_flatness_threshold

    return replicated_flatness_threshold(model).alpha


# reference -> the search; other references slot in here
_SEARCHES = {"max_margin": _around_max_margin, "replicated": _of_replicated}


def flatness_threshold(model: Model, reference: str = "max_margin") -> float:
    """The smallest load at which the local entropy stops growing monotonically up to its maximum.

    Parameters
    ----------
    model : Model
        Binary weights, a perceptron or a tree committee; with "max_margin" on random labels, where the learner's own margin is
        not used.
    reference : "max_margin" or "replicated"
        Whose neighbourhood is looked at: solutions with the largest margin at each load, or the densest
        regions there are (`replicated_entropy` at y = inf, at the learner's margin).

    Raises
    ------
    InvalidInput
        For other models or references.

    Examples
    --------
    >>> import flatphys as fp
    >>> round(fp.flatness_threshold(fp.Model(fp.RandomLabels(), fp.Gibbs("binary"))), 7)
    0.7290328
    """
    check_model(model)
    reference = validate.choice("reference", reference, tuple(_SEARCHES))
    return _SEARCHES[reference](model)


__all__ = ["flatness_threshold"]
