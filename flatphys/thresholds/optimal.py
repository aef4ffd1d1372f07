"""The best that can be done: Bayes-optimal errors, and the strength of the regularisation with the smallest error.

The derivative of the error with respect to log l2 follows from that of the saddle point, d x/d log l2 =
- J^-1 dF/d log l2, so that the minimum is the root of a smooth function and not the bottom of a flat
valley: mixture, z_y = (m + y b)/sqrt(D q),

    d error/d log l2 = - sum_y rho_y G(z_y) d z_y/d log l2;      teacher: -d tau/d log l2 / (pi (1 + tau^2)).

Strong regularisation of unbalanced clouds with a bias.  Then w ~ 1/l2 while b stays: with |b| >> m and sigma = sqrt(D q),

    error - min(rho, 1-rho) = max(rho, 1-rho) H((|b| + m)/sigma) - min(rho, 1-rho) H((|b| - m)/sigma),

whose terms have the ratio exp(-2 |b| m/sigma^2), up to a constant: it vanishes as l2 -> infinity, for m/sigma^2 ~ l2.  So
the error rises to its limit from below, by amounts as small as exp(-l2^2), and a finite l2 is always better than an infinite
one.  The slope is therefore computed in units of the larger G(z_y), which neither underflows nor changes a sign.

The search runs along log l2 and halves every cell on which the unknowns' own slopes d x/d log l2 turn, or inside which the errors and
slopes at its ends ask for an extremum: where patterns begin to saturate (hinge, l2 near 1, few of them) the best l2 lies in a dip of
width sqrt(alpha).  Below the last cell it follows the path down until the error approaches the limit l2 -> 0, which is solved for by
itself, as a power of l2 or (logistic loss, separable patterns) as 1/log l2 does; above, every response is linear.
"""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from flatphys import validate
from flatphys.errors import FlatphysError, InvalidInput, NotConverged
from flatphys.kernels.codes import MIXTURE
from flatphys.kernels.traits import loss_traits
from flatphys.model import ERM, Bayes, CustomLoss, GaussianMixture, Model, Teacher, check_model, spread_of
from flatphys.numerics.gaussian import INV_SQRT_2PI
from flatphys.numerics.roots import bracketed
from flatphys.saddle.equilibrium import states as equilibrium
from flatphys.saddle.minimiser.closed import bayes_error_mixture, mixture_error
from flatphys.saddle.minimiser.custom import compiled
from flatphys.saddle.minimiser.largest_margin import separability
from flatphys.saddle.minimiser.newton import GOOD, Setting, Solution
from flatphys.saddle.minimiser.states import generalization_error, order_parameters, parameters, solve_erm

DECADE = math.log(10.0)
STRONGEST, WEAKEST = 1e6, 1e-3  # where the search begins and how far it goes at least, in units of what patterns exert, and of 1/load^2
PER_DECADE = 3
LOWEST = -290.0 * DECADE  # of log l2
FLAT = 1e-9  # a derivative below this fraction of what it is made of has no sign that could be trusted
LEAST = 0.1  # dz/d log l2 that counts as made of at least
TURN = 0.3  # of the unknowns' slopes on a cell that is narrow enough
NARROWEST = 1e-5  # cell
AGREE = 4  # points in a row, a decade apart, whose distances from the limit follow one law


def bayes_error(data: Teacher | GaussianMixture, alpha: float, weights: str = "spherical") -> float:
    """The least generalization error that any rule can have on `data` at load alpha.

    Parameters
    ----------
    data : Teacher or GaussianMixture
        A teacher's labels may be flipped with probability `flip`; the error counts clean labels.
    weights : "spherical" or "binary"
        The prior of the teacher, or of the mixture's centre (of length sqrt N either way).
    """
    validate.instance("data", data, (Teacher, GaussianMixture))
    alpha, learner = validate.load(alpha), Bayes(weights)
    if isinstance(data, GaussianMixture):
        return bayes_error_mixture(data, alpha, learner.weights)
    return equilibrium.dominant(Model(data, learner), alpha).generalization_error


def error_slope(p, solution, dx) -> tuple[float, float, float]:
    """(d generalization error/d log l2, size of what it is made of, their unit) from d x/d log l2 at a solution.

    The unit is the larger G(z_y) for clouds, 1 with a teacher.
    """
    tau, one = solution.tau, 1.0 + solution.tau * solution.tau
    if p.labels.kind != MIXTURE:
        return -dx[0] / (math.pi * one), abs(tau) / (math.pi * one), 1.0
    root = math.sqrt(p.variance * one)
    shift = p.anchor * math.exp(-solution.log_t)  # b/T = shift + beta
    terms = []
    for y, share in ((1.0, p.positive), (-1.0, 1.0 - p.positive)):
        numerator = tau + y * (shift + solution.beta)
        z = numerator / root
        dz = (dx[0] + y * (dx[3] - shift * dx[1])) / root - z * tau * dx[0] / one
        terms.append((share, z, dz))
    near = min(z * z for _, z, _ in terms)
    weights = [share * math.exp(0.5 * (near - z * z)) for share, z, _ in terms]
    total = -sum(w * dz for w, (_, _, dz) in zip(weights, terms))
    size = sum(w * max(abs(dz), LEAST) for w, (_, _, dz) in zip(weights, terms))
    return total, size, INV_SQRT_2PI * math.exp(-0.5 * near)


class Point(NamedTuple):
    """A place on the path: log l2, the solution, d x/d log l2, the error, its slope; slope and what it is made of as in `error_slope`."""

    log_l2: float
    solution: Solution
    dx: np.ndarray
    error: float
    rate: float
    slope: float
    size: float

    @property
    def sign(self) -> float:
        """-1, 0 or 1: the sign of the slope, 0 where it is not known."""
        return math.copysign(1.0, self.slope) if abs(self.slope) > FLAT * self.size else 0.0


class Path:
    """How the minimiser of a model's ERM loss answers to l2 at a load (the learner's own l2 is ignored)."""

    def __init__(self, model: Model, alpha: float):
        self.model, self.alpha, self.machinery = model, alpha, compiled(model.learner.loss, spread_of(model.data))
        self.p = parameters(model.data, model.learner, self.machinery)

    def at(self, log_l2: float, near: Point | None = None) -> Point:
        """The point at log l2, continued from another one; raises what is wrong where there is none."""
        here, found = Setting(self.alpha, math.exp(log_l2)), None
        if near is not None:
            found = self.machinery.solve_from(self.p, Setting(self.alpha, math.exp(near.log_l2)), near.solution, *here)
        if found is None or not found.residual <= GOOD:
            found = self.machinery.solve_point(self.p, *here)
        if not found.residual <= GOOD:
            solve_erm(self.with_l2(here.l2), self.alpha)
            raise NotConverged(f"the path of {self.model.learner!r} at alpha = {self.alpha:g} was lost at l2 = {here.l2:.3g}")
        dx = np.empty(4)
        self.machinery.sensitivity(self.p, self.alpha, here.l2, np.array(found[:4]), dx)
        slope, size, unit = error_slope(self.p, found, dx)
        return Point(log_l2, found, dx, generalization_error(self.p, order_parameters(self.p, found)), slope * unit, slope, size)

    def with_l2(self, l2: float) -> Model:
        """The model with another l2."""
        return replace(self.model, learner=replace(self.model.learner, l2=l2))

    def weakest(self) -> float:
        """The error in the limit l2 -> 0; nan where it is not known."""
        data, learner = self.model.data, self.model.learner
        learner = replace(learner, l2=0.0)
        if not loss_traits(learner.loss).exact_fit and self.alpha < separability(data, learner.bias):
            if isinstance(learner.loss, CustomLoss):  # the direction in which |w| diverges depends on its tail
                return math.nan
            learner = replace(learner, loss="hinge")  # the largest margin's direction
        try:
            return solve_erm(Model(data, learner), self.alpha).generalization_error
        except FlatphysError:
            return math.nan

    def strongest(self) -> float:
        """The error in the limit l2 -> inf without a bias: Hebb's direction."""
        data = self.model.data
        if isinstance(data, GaussianMixture):
            return mixture_error(0.5, 1.0, 0.0, math.sqrt(data.variance * (1.0 + data.variance / self.alpha)))
        return math.atan2(1.0, (1.0 - 2.0 * data.flip) * math.sqrt(2.0 * self.alpha / math.pi)) / math.pi


def _turns(a: Point, b: Point) -> bool:
    """Whether the cell between two points hides something: slopes of the unknowns that differ, or an extremum of the error."""
    width = b.log_l2 - a.log_l2
    if width < NARROWEST:
        return False
    units = np.array([math.hypot(1.0, max(a.solution.tau, b.solution.tau)), 1.0, 1.0, 1.0 + abs(a.solution.beta)])
    if np.max(np.abs(a.dx - b.dx) / units) > TURN:
        return True
    if a.sign * b.sign <= 0.0 or width < 0.02:  # an extremum is seen anyway
        return False
    middle = 1.5 * (b.error - a.error) / width - 0.25 * (a.rate + b.rate)  # slope of the cubic at the centre
    return middle * a.rate < 0.0 and abs(b.error - a.error) > 1e-12 * a.error


def _cells(path: Path) -> list[Point]:
    """Points from strong to weak regularisation, close enough for none of the error's dips to lie between two of them."""
    load, d = path.alpha, getattr(path.model.data, "variance", 1.0)
    top = math.log(STRONGEST * max(1.0, load * (1.0 + d)))
    bottom = math.log(WEAKEST * min(1e-5, load**-2.0))
    count = math.ceil((top - bottom) / DECADE * PER_DECADE)
    out = [path.at(top)]
    for goal in np.linspace(top, bottom, count + 1)[1:].tolist():
        todo = [path.at(goal, out[-1])]
        while todo:
            if _turns(todo[-1], out[-1]):
                todo.append(path.at(0.5 * (todo[-1].log_l2 + out[-1].log_l2), out[-1]))
            else:
                out.append(todo.pop())
    return out


def _follow_down(path: Path, points: list[Point]) -> float:
    """Extend the path until the error approaches its limit l2 -> 0 by one law; returns that limit, nan where it is not known and larger."""
    limit, laws = path.weakest(), []
    while True:
        last = points[-1]
        gap = last.error - limit
        laws.append(gap / last.rate if last.rate != 0.0 else 0.0)
        if abs(gap) <= 1e-10 * last.error or (last.sign == 0.0 and not gap > 1e-6 * last.error):
            return limit
        changes = np.diff(laws[-AGREE:])
        power = np.all(np.abs(changes) <= 0.1 * abs(laws[-1]))
        logarithm = np.all(np.abs(changes - DECADE) <= 0.5 * DECADE)
        if len(laws) >= AGREE and min(laws[-AGREE:]) > 0.0 and (power or logarithm):
            return limit
        if math.isnan(gap) and len(laws) >= AGREE and all(x.sign < 0.0 for x in points[-AGREE:]):
            return limit
        if last.log_l2 - DECADE < LOWEST:
            raise NotConverged(
                f"the best l2 of {path.model.learner!r} at alpha = {path.alpha:g} may lie below {math.exp(last.log_l2):.1g}, "
                "where the search for it ends"
            )
        points.append(path.at(last.log_l2 - DECADE, last))


def optimal_l2(model: Model, alpha: float) -> float:
    """The l2 that minimises the generalization error of ERM at load alpha; the learner's own l2 is not used.

    math.inf where a larger l2 is always better (a mixture that is balanced or learned without a bias), 0.0 where a smaller one is.
    `NotConverged` where unbalanced clouds have their best one beyond the search, or where the limit l2 -> 0 was not reached.
    """
    check_model(model)
    learner, alpha = model.learner, validate.load(alpha)
    if not isinstance(learner, ERM):
        raise InvalidInput(f"optimal_l2 needs an ERM learner, got {learner!r}")
    path = Path(model, alpha)
    points = _cells(path)
    limit = _follow_down(path, points)
    known = [point for point in points if point.sign != 0.0]
    if not known:  # every l2 gives the same error
        return 0.0
    candidates = []  # (error, l2)
    if known[0].sign < 0.0:
        if path.p.bias:  # on unbalanced clouds: see the module's docstring
            raise NotConverged(
                f"the best l2 of {learner} at alpha = {alpha:g} lies beyond {math.exp(points[0].log_l2):.0e}: "
                f"the clouds are balanced but for {abs(model.data.positive - 0.5):.1e}"
            )
        candidates.append((path.strongest(), math.inf))
    for above, below in zip(known[:-1], known[1:]):
        if above.sign > 0.0 > below.sign:
            what = f"the best l2 of {learner} at alpha = {alpha:g}"
            best = bracketed(lambda x, near=below: path.at(x, near).slope, below.log_l2, above.log_l2, what)
            candidates.append((path.at(best, below).error, math.exp(best)))
    if known[-1].sign > 0.0:
        candidates.append((limit, 0.0))
    return min(candidates)[1]
