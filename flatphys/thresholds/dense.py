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

from flatphys.display import Table, figure
from flatphys.errors import NoSolution
from flatphys.kernels.codes import BINARY, RANDOM
from flatphys.model import Model
from flatphys.numerics.gaussian import log_tail
from flatphys.numerics.roots import bracketed
from flatphys.problem import problem_of
from flatphys.saddle.breaking.branch import Branch, branch_of
from flatphys.saddle.breaking.newton import solve_system
from flatphys.saddle.breaking.replicas import TOLERANCE, Replicas
from flatphys.saddle.equilibrium import states as equilibrium
from flatphys.saddle.equilibrium.curve import curve_of

SMALLEST = 2e-3  # distances below, as a fraction of the typical one, are not searched
GRID = 24  # points of the coarse search in log d
FIT, FIT_WIDTHS = 9, (0.25, 0.08)  # Chebyshev points and half-widths in log d of the polynomials through a minimum
LOADS, FIRST_LOAD, LAST_LOAD = 13, 0.26, 0.98  # the coarse search in alpha, in units of the end of the replica-symmetric branch
BEYOND_ANNEALED = 1.5  # the perceptron's branch ends at 1.53 times its capacity
FEWEST_INVERSE = 2.5e-4  # 1/y below which the line Sigma = 0 is not followed
ENTRANCE_STEP = 0.2  # in log d, of the search for the place where Sigma turns negative
EXTERNAL = 10  # place of Sigma in what `saddle.breaking.replicas.evaluate` returns


@dataclass(frozen=True, repr=False)
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
        units = {"alpha": "load", "distance": "fraction of weights", "value": "nats per replica and weight", "y": "replicas"}
        return [(name, f"{figure(getattr(self, name)):<18} {units.get(name, 'nats per weight')}") for name in self.__dataclass_fields__]


class _Existing:
    """The equations together with Sigma = 0; 1/y is the last unknown."""

    y = math.inf  # not fixed: both directions of the distance are open

    def __init__(self, head):
        self.head = head

    def _system(self, inverse):
        return Replicas(*self.head, 1.0 / inverse)

    def solve(self, v, guess, jacobian=None, goal=2e-14):
        """As `Replicas.solve`."""

        def violations(x):
            if not FEWEST_INVERSE < x[-1] < 1.0:
                return np.full(x.size, math.nan)
            system = self._system(x[-1])
            out = system.raw(v, x[:-1])
            return np.array([*(out[i] for i in system.rows), out[EXTERNAL] * x[-1]])

        return solve_system(violations, guess, jacobian, goal)

    def point(self, v, unknowns):
        """As `Replicas.point`; the unknowns keep 1/y."""
        return self._system(unknowns[-1]).point(v, unknowns[:-1])._replace(unknowns=np.array(unknowns))

    def enter(self, v, unknowns):
        """From y = inf down in y, at fixed V, to the first positive Sigma and the zero next to it; None if there is none."""
        inverse, step, previous = 0.0, 1e-3, FEWEST_INVERSE
        while inverse < 0.5:
            inverse = min(inverse + step, 0.5)
            system = self._system(inverse)
            unknowns, residual, _ = system.solve(v, unknowns)
            if not residual <= TOLERANCE:
                return None
            if system.point(v, unknowns).external > 0.0:
                x, residual, _ = self.solve(v, np.append(unknowns, 0.5 * (inverse + previous)))
                return x if residual <= TOLERANCE else None
            previous, step = inverse, 1.6 * step
        return None


class _Line:
    """Points on the line Sigma = 0, at y = inf where Sigma is positive even there."""

    def __init__(self, limit: Branch):
        self.limit, self.start_v = limit, limit.start_v
        self.system = _Existing(limit.system.head[:-1])
        self.existing = None

    def at(self, v):
        """The point at 1-q1 = v, or None; its y is `y_of(point)`."""
        point = self.limit.at(v)
        if point is None or point.external >= 0.0:
            return point
        if self.existing is None:
            self.existing = self._entrance(v)
            if self.existing is None:
                return None
        return self.existing.at(v)

    def _entrance(self, v):
        """A branch on the line, entered at the largest distance where Sigma is negative at y = inf (y* is largest there)."""
        for k in range(1, math.ceil(math.log(self.start_v / v) / ENTRANCE_STEP) + 1):
            place = max(self.start_v * math.exp(-ENTRANCE_STEP * k), v)
            point = self.limit.at(place)
            if point is not None and point.external < 0.0:
                start = self.system.enter(place, point.unknowns)
                return None if start is None else Branch(self.system, place, start)
        return None

    def y_of(self, point):
        """The number of replicas of a point."""
        return math.inf if point.unknowns.size == len(self.limit.system.places) else 1.0 / point.unknowns[-1]


class _Slopes:
    """d phi/d d along one curve, and the lowest of its local minima."""

    def __init__(self, model: Model, alpha: float, y):
        curve = branch_of(model, alpha, math.inf if y == "line" else y)
        self.curve = _Line(curve) if y == "line" else curve
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
    NoSolution
        No such minimum reaches zero up to the end of the replica-symmetric branch.
    """
    kind = "line" if vanishing_external else y
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
            root = float(bracketed(lowest, low, high))
        except ValueError:  # the guess led to another minimum at one of the ends
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

    Raises `NoSolution` where the equations have no solution at this distance.
    """
    line = _Line(branch_of(model, alpha, math.inf))
    point = line.at(2.0 * distance)
    if point is None:
        raise NoSolution(f"no y with vanishing external entropy was found at alpha={alpha:g}, distance={distance:g}")
    return float(line.y_of(point))


__all__ = ["DenseThreshold", "replicated_flatness_threshold", "vanishing_external_y"]
