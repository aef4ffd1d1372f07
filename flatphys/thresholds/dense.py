"""Where the densest regions break up: the load at which the replicated entropy stops being monotonic.

As the load grows, d phi/d d develops a local minimum below the typical distance; the flatness threshold is the load at
which that minimum reaches zero.  Beyond it phi(d) has a maximum at small d: regions of solutions that are cut
off from the rest.  Three such loads exist, by the number of replicas that define a region:

* y = inf, the densest regions of all (0.7553020 for the binary perceptron at margin 0);
* y fixed;
* y at which the external entropy vanishes, y*(d): regions that are actually there.  Where Sigma is positive
  even at y = inf, y* = inf; elsewhere the y = inf entropy belongs to regions whose number is exp(-N |Sigma|), so
  that the entropy on the line Sigma = 0 is the one of the densest existing regions.

The slope at fixed y is the slope along the line too, since d phi/dy = -Sigma/y^2 vanishes there.
"""

import math
from dataclasses import dataclass

import numpy as np

from flatphys import quantities, validate
from flatphys.display import Table, figure
from flatphys.errors import InvalidInput, NoSolution
from flatphys.kernels.codes import BINARY, RANDOM
from flatphys.model import GaussianMixture, Model, check_model
from flatphys.numerics.gaussian import log_tail
from flatphys.numerics.roots import OneSign, bracketed
from flatphys.problem import problem_of
from flatphys.saddle.breaking.branch import branch_of
from flatphys.saddle.breaking.line import Line
from flatphys.saddle.equilibrium import states as equilibrium
from flatphys.saddle.equilibrium.curve import curve_of
from flatphys.saddle.equilibrium.states import solvable
from flatphys.thresholds.walk import gibbs_problem

SMALLEST = 2e-3  # distances below, as a fraction of the typical one, are not searched
GRID = 24  # points of the coarse search in log d
FIT, FIT_WIDTHS = 9, (0.25, 0.08)  # Chebyshev points and half-widths in log d of the polynomials through a minimum
LOADS, FIRST_LOAD, LAST_LOAD = 13, 0.26, 0.98  # the coarse search in alpha, in units of the end of the replica-symmetric branch
BEYOND_ANNEALED = 1.5  # the perceptron's branch ends at 1.53 times its capacity


@dataclass(frozen=True, eq=False, repr=False)
class DenseThreshold(Table):
    """The flatness threshold of the replicated entropy.

    Attributes
    ----------
    alpha : float
        The load.
    distance : float
        Where the slope first vanishes.
    value : float
        The entropy per replica there, nats per weight.
    y : float
        The number of replicas there.
    external_entropy : float
        Logarithm of the number of such regions per weight.
    """

    alpha: float
    distance: float
    value: float
    y: float
    external_entropy: float

    def _title(self):
        return "Flatness threshold of the replicated entropy"

    def _rows(self):
        printed = {name: quantities.of(name, "replicated_flatness_threshold").printed for name in self.__dataclass_fields__}
        return [(name, f"{figure(getattr(self, name)):<18} {unit}") for name, unit in printed.items()]


class _Slopes:
    """d phi/d d along one curve, and the lowest of its local minima."""

    def __init__(self, model: Model, alpha: float, y):
        curve = branch_of(model, alpha, math.inf if y == "line" else y)
        self.curve = Line(curve) if y == "line" else curve
        self.y = y
        self.top = math.log(self.curve.start_v)

    def point(self, log_v):
        """(Point, y) at log V, None where there is none."""
        found = self.curve.at(math.exp(log_v))
        if found is None:
            return None
        return found, (self.curve.y_of(found) if self.y == "line" else self.y)

    def slope(self, log_v):
        """d phi/d d = -2 d phi/dq1; nan where there is no point."""
        found = self.curve.at(math.exp(log_v))
        return -2.0 * found.slope if found is not None else math.nan

    def lowest(self, near=None):
        """(log V, slope, whether it is an interior minimum) where the slope is lowest; interior minima come first.

        `near` is a guess of an interior minimum, around which the search is tried first.
        """
        if near is not None:
            polished = self._polish(near, FIT_WIDTHS)
            if polished is not None:
                return *polished, True
        grid = self.top + np.linspace(-0.05, math.log(SMALLEST), GRID)
        values = np.array([self.slope(x) for x in grid])
        known = np.where(np.isfinite(values), values, math.inf)
        inner = [
            i
            for i in range(1, GRID - 1)
            if values[i] < values[i - 1] and values[i] <= values[i + 1] and np.isfinite(values[i - 1 : i + 2]).all()
        ]
        if not inner:
            k = int(np.argmin(known[1:])) + 1  # the slope vanishes at the typical distance anyway
            return grid[k], known[k], False
        k = min(inner, key=lambda i: values[i])
        # at a kink (where y on the line becomes infinite) the grid's minimum has to do
        polished = self._polish(grid[k], (grid[0] - grid[1], *FIT_WIDTHS))
        return (*polished, True) if polished is not None else (grid[k], values[k], True)

    def _polish(self, near, widths):
        """(log V, slope) at the minimum of polynomials through points around `near`; None where one has none."""
        low = math.nan
        for width in widths:
            nodes = np.cos(math.pi * (np.arange(FIT) + 0.5) / FIT)
            places = np.minimum(near + width * nodes, self.top - 1e-3 * (1.0 - nodes))
            values = np.array([self.slope(x) for x in places])
            if not np.isfinite(values).all():
                return None
            fit = np.polynomial.Chebyshev.fit(places, values, FIT - 1)
            flat = [
                r.real
                for r in fit.deriv().roots()
                if abs(r.imag) < 1e-9 and places.min() <= r.real <= places.max() and fit.deriv(2)(r.real) > 0.0
            ]
            if not flat:
                return None
            near = min(flat, key=fit)
            low = float(fit(near))
        return near, low


def _last_load(model: Model) -> float:
    """The load at which the replica-symmetric state of least overlap ends."""
    problem = problem_of(model)
    if problem.labels.kind == RANDOM:
        end = equilibrium.branch_end(problem)
        if end < math.inf or problem.weights != BINARY:
            return end
        # an activation that jumps: formal solutions at every load, weights at none beyond the annealed bound log 2 + alpha log H(kappa) = 0
        return BEYOND_ANNEALED * math.log(2.0) / -log_tail(problem.channel.margin)
    return math.exp(float(curve_of(problem).pieces[0].la.max()))


def _refuse_other_models(model: Model, question: str) -> None:
    """Regions are counted of solutions, so that only hard constraints have them."""
    gibbs_problem(model, question, hard=True)
    solvable(model)
    if isinstance(model.data, GaussianMixture):
        raise InvalidInput(f"data must be RandomLabels or Teacher for {question}, got {model.data!r}")


def replicated_flatness_threshold(model: Model, y: float = math.inf, vanishing_external: bool = False) -> DenseThreshold:
    """The smallest load at which the replicated entropy is not monotonic in the distance up to its maximum.

    That is where the lowest interior minimum of its slope reaches zero.  (At small fixed y the slope turns negative from
    d = 0 on, where the replicas coincide, and has no such minimum.)

    Parameters
    ----------
    model : Model
        A Gibbs learner with hard constraints, any margin.
    y : float
        The number of replicas.
    vanishing_external : bool
        Take at every distance the y at which the external entropy vanishes instead (inf where it is positive even there).

    Raises
    ------
    InvalidInput
        For other models, or a y that is not > 1.
    NoSolution
        No such minimum reaches zero up to the end of the replica-symmetric branch.
    """
    check_model(model)
    y = validate.number("y", y, 1.0, infinite=True)
    kind = "line" if validate.flag("vanishing_external", vanishing_external) else y
    _refuse_other_models(model, "replicated_flatness_threshold")
    end = _last_load(model)
    if not math.isfinite(end):
        raise NoSolution(f"{model!r} has solutions at every load; no flatness threshold is searched for")

    loads = np.linspace(FIRST_LOAD, LAST_LOAD, LOADS) * end
    found = []  # (alpha, (log V, slope, interior)) of the coarse search
    place = [None]

    def lowest(alpha):
        out = _Slopes(model, alpha, kind).lowest(place[0])
        if out[2]:
            place[0] = out[0]
        return out[1]

    for alpha in loads:
        found.append((alpha, _Slopes(model, alpha, kind).lowest()))
        if len(found) < 2 or not found[-1][1][1] < 0.0 < found[-2][1][1]:
            continue
        (low, _), (high, (log_v, _, interior)) = found[-2:]
        place[0] = log_v if interior else None
        try:
            root = float(bracketed(lowest, low, high, zero=math.inf))  # what is found is looked at below
        except OneSign:  # the guess led to another minimum at one of the ends
            place[0] = None
            continue
        slopes = _Slopes(model, root, kind)
        log_v, slope, interior = slopes.lowest(place[0])
        if interior and abs(slope) < 1e-9:
            point, replicas = slopes.point(log_v)
            return DenseThreshold(root, 0.5 * math.exp(log_v), point.value, float(replicas), point.external)
        place[0] = None  # it turned negative from the smallest distances on: look for a tangency at larger loads
    raise NoSolution(
        f"the replicated entropy of {model!r} does not lose its monotonicity by a tangency at a load between {loads[0]:.6g} and "
        f"{loads[-1]:.6g}"
        + ("; few replicas fall with the distance near d = 0 at every load, use a larger y" if not vanishing_external and y < 20.0 else "")
    )


def vanishing_external_y(model: Model, alpha: float, distance: float) -> float:
    """The number of replicas at which the external entropy vanishes; inf where it is positive even at y = inf.

    Raises `InvalidInput` for models without hard constraints and distances outside (0, 1/2), `NoSolution` where the equations have no
    solution at this distance.
    """
    check_model(model)
    alpha, distance = validate.load(alpha), validate.number("distance", distance, 0.0, 0.5)
    _refuse_other_models(model, "vanishing_external_y")
    line = Line(branch_of(model, alpha, math.inf))
    point = line.at(2.0 * distance)
    if point is None:
        raise NoSolution(f"no y with vanishing external entropy was found at alpha={alpha:g}, distance={distance:g}")
    return float(line.y_of(point))


__all__ = ["DenseThreshold", "replicated_flatness_threshold", "vanishing_external_y"]
