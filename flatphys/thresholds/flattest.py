"""flattest(model, alpha): how far apart replicas should be for their centre to generalise best, and how close to Bayes that is.

The cosine of the centre is followed along the curve of `replicated_entropy` in places log(V/(1-V)), V = 2 d.  Every maximum of a coarse
grid is refined by the quartic through five neighbours, twice: the cosine is flat there, so that its place is known to the root of the
precision of its value.  At y = inf the curve ends at d = 1/2 (or where spherical solutions of margin kappa > 0 end), at Hebb's rule, the
analytic centre or the rule of largest margin (`saddle.breaking.far`), which may be the best of all.
"""

import math
from dataclasses import dataclass

import numpy as np

from flatphys import validate
from flatphys.display import Table, figure
from flatphys.errors import InvalidInput, NoSolution, NotConverged
from flatphys.model import GaussianMixture, Gibbs, Model, RandomLabels, check_model
from flatphys.observables.regions import ReplicatedEntropy
from flatphys.observables.replicated_entropy import error_at, replicated_entropy
from flatphys.saddle.breaking.branch import branch_of, replicated_problem
from flatphys.saddle.breaking.far import End, far_end
from flatphys.saddle.breaking.replicas import order_at
from flatphys.thresholds.optimal import bayes_error

GRID = 0.35  # in log(V/(1-V))
NEAREST, FARTHEST = 5e-4, 0.495  # distances between which the curve is searched, the latter as a part of 2 d at the end
WIDTHS = (0.12, 0.05)  # of the quartic's five points
ROUNDING = 1e-14  # of an error
AT_THE_END = 1e-13  # a cosine that much below the limit's is no better


@dataclass(frozen=True, eq=False, repr=False)
class Flattest(Table):
    """The distance at which the centre of the replicas generalises best.

    Attributes
    ----------
    model, alpha, y, attractive
        What was asked.
    distance : float
        Of two replicas, per weight.
    cosine, centre_generalization_error : float
        Of their centre: the cosine of its angle to the teacher or the clouds' centre, and its error on new examples.
    bayes_error, excess : float
        The least error of all rules, and how far the centre's lies above it.
    typical_distance : float
        Of two weights of the Gibbs learner: closer replicas attract each other, replicas further apart repel.
    at_limit : bool
        Whether the best is approached only as the distance goes to its end, where the centre becomes Hebb's rule (solutions of margin 0:
        the analytic centre; of a larger one: the rule of largest margin).  The numbers are those of the limit.
    replicated : ReplicatedEntropy
        The replicas there; at the limit those at the largest distance that was looked at.
    """

    model: Model
    alpha: float
    y: float
    attractive: bool
    distance: float
    cosine: float
    centre_generalization_error: float
    bayes_error: float
    excess: float
    typical_distance: float
    at_limit: bool
    replicated: ReplicatedEntropy

    def __str__(self) -> str:
        where = f"as the distance goes to {self.distance:.3g}" if self.at_limit else f"at distance {self.distance:.3g}"
        return f"the centre is best {where}, {self.excess:.2g} above Bayes; typical distance {self.typical_distance:.3g}"

    def _title(self) -> str:
        return str(self)

    def _rows(self):
        names = ("distance", "cosine", "centre_generalization_error", "bayes_error", "excess", "typical_distance")
        return [(name, figure(getattr(self, name))) for name in names]


class Search:
    """The cosine of the centre along the curve of a model."""

    def __init__(self, model: Model, alpha: float, y: float):
        self.problem, self.branch, self.y = replicated_problem(model), branch_of(model, alpha, y), y

    def cosine(self, place: float) -> float:
        """At log(V/(1-V)) = place; nan where the curve does not reach."""
        v = 1.0 / (1.0 + math.exp(-place))
        unknowns = self.branch.unknowns(v)
        if unknowns is None:
            return math.nan
        r = order_at(self.problem, self.y, v, self.branch.system.place(unknowns)).r
        return r / math.sqrt(1.0 - v if self.y == math.inf else (1.0 + (self.y - 1.0) * (1.0 - v)) / self.y)

    def grid(self, top: float):
        """(places, cosines) from the smallest distance to `top`, as far as the curve reaches; the typical distance is among them."""
        start = self.branch.origin
        bottom = math.log(2.0 * NEAREST / (1.0 - 2.0 * NEAREST))
        up = [start + GRID * k for k in range(1, max(0, math.floor((top - start) / GRID)) + 1)]
        if top > (up[-1] if up else start) + 1e-9:
            up.append(top)
        down = [start - GRID * k for k in range(1, max(0, math.floor((start - bottom) / GRID)) + 1)]
        found = {start: self.cosine(start)}
        for side in (up, down):
            for place in side:
                value = self.cosine(place)
                if value != value:
                    break
                found[place] = value
        places = sorted(found)
        return places, [found[place] for place in places]

    def peak(self, place: float, top: float) -> float:
        """The maximum next to a place of the grid."""
        for width in WIDTHS:
            at = min(place, top - 2.0 * width) + width * np.arange(-2.0, 3.0)
            values = np.array([self.cosine(x) for x in at.tolist()])
            if np.isnan(values).any():
                return math.nan
            quartic = np.polynomial.Polynomial.fit(at - place, values - values[2], 4)
            turns = [x.real for x in quartic.deriv().roots() if abs(x.imag) < 1e-9 and quartic.deriv(2)(x.real) < 0.0]
            turns = [x for x in turns if abs(x) < 2.0 * GRID]
            if not turns:
                return place + float((at - place)[int(np.argmax(values))])
            place += min(turns, key=abs)
        return min(place, top)


def flattest(model: Model, alpha: float, y: float = math.inf, attractive: bool = False) -> Flattest:
    """The distance at which the centre of y replicas (`replicated_entropy`) generalises best.

    Parameters
    ----------
    model : Model
        A Gibbs learner of any energy with a teacher or on a balanced mixture.
    alpha : float > 0
        Patterns per weight.
    y : float > 1 or math.inf
        The number of replicas; finitely many are never further apart than typical weights.
    attractive : bool
        Whether replicas that repel each other, beyond the typical distance, are left out.

    Raises
    ------
    InvalidInput
        Random labels, unbalanced clouds (whose best centre has a threshold besides), another learner, or an argument out of range.
    NoSolution
        The centre gets better as long as the replicas come closer: the best is a ground state of one of them.
    NotConverged
        The curve was lost where the centre still gets better.
    Unsatisfiable
        No weights have energy 0 at beta = inf.

    Examples
    --------
    >>> import flatphys as fp
    >>> best = fp.flattest(fp.Model(fp.Teacher(), fp.Gibbs("spherical", beta=5.0, energy="hinge")), 2.0)
    >>> print(best)
    the centre is best at distance 0.111, 6.4e-05 above Bayes; typical distance 0.206
    """
    check_model(model)
    alpha, y = validate.load(alpha), validate.number("y", y, 1.0, infinite=True)
    attractive, data = validate.flag("attractive", attractive), model.data
    if isinstance(data, RandomLabels) or not isinstance(model.learner, Gibbs):
        raise InvalidInput(f"flattest needs a Gibbs learner with a Teacher or on a GaussianMixture, got {model!r}")
    replicated_problem(model)  # whether there are such weights at all
    if isinstance(data, GaussianMixture) and data.positive != 0.5:
        raise InvalidInput(
            f"positive must be 0.5 for flattest, got {data.positive!r}: on unbalanced clouds the best centre has a threshold"
        )
    search = Search(model, alpha, y)
    free = y == math.inf and not attractive
    end = far_end(model, alpha) if free else End(0.5 * search.branch.start_v, -math.inf)
    v = 2.0 * FARTHEST * 2.0 * end.distance if free else search.branch.start_v
    top = max(math.log(v / (1.0 - v)), search.branch.origin)
    place, cosine, limit = _best(search, top, end.cosine, f"{model!r} at alpha={alpha:g}")
    distance = 0.5 / (1.0 + math.exp(-place))
    there = replicated_entropy(model, alpha, distance=[distance], y=y)
    if limit:
        distance, cosine = end.distance, end.cosine
    error = float(error_at(search.problem.labels, np.array([cosine]))[0])
    least = bayes_error(data, alpha, model.learner.weights)
    typical = 0.5 * search.branch.start_v
    excess = error - least if abs(error - least) > ROUNDING else 0.0
    return Flattest(model, alpha, y, attractive, distance, cosine, error, least, excess, typical, limit, there)


def _best(search: Search, top: float, limit: float, what: str):
    """(place, cosine, whether the limit at the end of the curve is better)."""
    places, values = search.grid(top)
    reached = places[-1] >= top - 1e-9
    candidates = []
    for i, here in enumerate(values):
        before, after = values[i - 1] if i else -math.inf, values[i + 1] if i + 1 < len(values) else -math.inf
        if 0 < i and before <= here >= after:
            place = places[i] if i + 1 == len(values) else search.peak(places[i], places[-1])
            candidates.append((search.cosine(place), place))
    inside = [one for one in candidates if one[0] == one[0]]
    cosine, place = max(inside, default=(-math.inf, places[-1]))
    if limit > max(cosine, values[0]) - AT_THE_END:
        return places[-1], limit, True
    if values[0] > cosine:
        raise NoSolution(
            f"the centre of {what} gets the better the closer the replicas are, down to the distance "
            f"{0.5 / (1.0 + math.exp(-places[0])):.2g}: the best is one of them alone, at the inverse temperature y beta; "
            "for y = inf see ground_state"
        )
    if place == places[-1] and not reached:
        raise NotConverged(
            f"the centre of {what} still gets better at the distance {0.5 / (1.0 + math.exp(-place)):.3g}, where the curve was lost: "
            "use a smaller beta or load"
        )
    return place, cosine, False
