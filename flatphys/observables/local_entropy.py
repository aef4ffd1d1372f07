"""local_entropy(state, ...): how many solutions surround a given one, as a function of distance (Franz-Parisi).

A reference w~ is drawn from the state; counted are the weights w with overlap p = w.w~/N (Hamming distance
d = (1-p)/2 per weight) that reach `margin` on the same patterns, or at finite `beta` are weighted by
exp(-beta #{stability < margin}):

    free_entropy(p) = (1/N) E log Z(p),     value = free_entropy + beta energy,     energy = alpha train_error

Binary: log counts.  Spherical: log volumes relative to the uniform measure on the whole sphere, the
constraint included ((1/2) log(1-p^2) without patterns).  Which equations belong to which reference is decided
in one table, `_TABLE`: a function of (state, distances, margin, beta) that returns one dict a distance.
Sources: Franz & Parisi 1995; Huang & Kabashima 2014; Baldassi et al., PRL 127 278301 (2021).
"""

import math
import warnings
from dataclasses import dataclass, field

import numpy as np

from flatphys import validate
from flatphys.display import Table, figure
from flatphys.errors import InvalidInput, NegativeEntropyWarning, Unsatisfiable
from flatphys.kernels.codes import BINARY, RANDOM, SPHERICAL, TEACHER
from flatphys.kernels.networks import network_code
from flatphys.model import ERM, Bayes, Gibbs, Hebb, MaxMargin, Model, Teacher, check_model
from flatphys.numerics.roots import bracketed
from flatphys.saddle.franz_parisi import curve as gibbs
from flatphys.state import NEGATIVE_ENTROPY, State

_NUMBERS = ("value", "free_entropy", "slope", "energy", "train_error", "q1", "t", "R1", "at_eigenvalue", "residual", "quadrature_error")


@dataclass(frozen=True, eq=False, repr=False)
class LocalEntropy(Table):
    """The local entropy around `reference` at each overlap; all fields are arrays of one shape.

    Attributes
    ----------
    reference : State
    margin, beta : float
        Of the weights that are counted.
    overlap, distance
        p and d = (1-p)/2.
    value, free_entropy
        In nats per weight; value = free_entropy + beta * energy.
    slope
        d free_entropy / d overlap.
    energy, train_error
        Errors of the counted weights: energy = alpha * train_error.
    q1, t, R1
        Overlaps of a counted weight with another one, with another reference, with the teacher (nan without).
    at_eigenvalue
        Replicon of the counted weights, stable iff > 0.
    residual, quadrature_error
        What the numbers are worth.
    status
        "ok" (also where the value is a negative count), "no_solution" (the saddle does not exist there; for binary
        tree committees of an activation that jumps also: among negative counts too deep to be followed),
        "unsat" (no such weights: the numbers are nan).
    """

    reference: State
    margin: float
    beta: float
    overlap: np.ndarray
    distance: np.ndarray
    value: np.ndarray
    free_entropy: np.ndarray
    slope: np.ndarray
    energy: np.ndarray
    train_error: np.ndarray
    q1: np.ndarray
    t: np.ndarray
    R1: np.ndarray
    at_eigenvalue: np.ndarray
    residual: np.ndarray
    quadrature_error: np.ndarray
    status: np.ndarray
    extra: dict = field(default_factory=dict)

    def __getattr__(self, name):
        extra = self.__dict__.get("extra", {})
        if name in extra:
            return extra[name]
        raise AttributeError(f"a local entropy has no {name!r}")

    def _title(self):
        beta = "" if self.beta == math.inf else f", beta {self.beta:g}"
        around = f"{self.reference.model!r}, alpha {self.reference.alpha:g} ({self.reference.branch})"
        return f"Local entropy at margin {self.margin:g}{beta} around {around}, nats per weight"

    def _rows(self):
        columns = ("distance", "value", "slope", "q1", "status")
        rows = [("overlap", " ".join(f"{name:>16}" for name in columns))]
        arrays = [np.ravel(getattr(self, name)) for name in columns]
        for i, p in enumerate(np.ravel(self.overlap)):
            rows.append((figure(p), " ".join(f"{a[i] if isinstance(a[i], str) else figure(a[i]):>16}" for a in arrays)))
        return rows

    def plot(self, ax=None, **style):
        """Draw the local entropy against the distance on `ax` or a new figure (broken where there is no value); returns the axes."""
        from flatphys.plotting import LABELS, new_axes

        ax = new_axes(ax)
        order = np.argsort(np.ravel(self.distance))
        ax.plot(np.ravel(self.distance)[order], np.ravel(self.value)[order], **style)
        ax.set(xlabel=LABELS["distance"], ylabel=LABELS["value"])
        return ax


def is_teacher(state: State) -> bool:
    """Whether the state is the teacher itself, q = R = 1."""
    return state.branch == "teacher" and state.order["q"] == 1.0


def _reference(state: State) -> gibbs.Reference:
    """The numbers of a Gibbs-typical state, or of the teacher itself."""
    learner, data = state.model.learner, state.model.data
    weights = BINARY if learner.weights == "binary" else SPHERICAL
    if is_teacher(state):
        flip = data.flip
        beta = math.log((1.0 - flip) / flip) if flip > 0.0 else math.inf
        return gibbs.Reference((weights, RANDOM, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, beta), state.alpha)
    if "q_hat" not in state.order:
        raise InvalidInput(
            f"the reference must be a replica-symmetric state with q < 1, got the {state.ansatz} {state.branch} state of {state.model!r}: "
            f"use solve(model, alpha) at its margin and beta"
        )
    q, one_minus_q, q_hat = state.order["q"], state.order["one_minus_q"], state.order["q_hat"]
    margin, beta = learner.margin, learner.beta
    if isinstance(data, Teacher):
        if state.order["R"] == 0.0:
            raise InvalidInput(f"the reference has no overlap with its teacher at alpha={state.alpha:g}: raise alpha")
        r, r_hat = state.order["R"], state.order["R_hat"]
        return gibbs.Reference(
            (weights, TEACHER, data.flip, q, one_minus_q, q_hat, r, state.order.get("q_minus_R2", q - r * r), r_hat, margin, beta),
            state.alpha,
        )
    numbers = (weights, RANDOM, 0.0, q, one_minus_q, q_hat, 0.0, q, 0.0, margin, beta)
    return gibbs.Reference(numbers, state.alpha, network_code(learner.network))


def _check_reference(state: State) -> None:
    if getattr(state.model.learner, "weights", None) == "binary" and state.entropy is not None and state.entropy < NEGATIVE_ENTROPY:
        raise Unsatisfiable(
            f"the reference does not exist: the entropy of {state.model!r} at alpha={state.alpha:g} is {state.entropy:.3g} < 0; "
            f"lower alpha or the margin, or use max_margin(model, alpha)"
        )


def _around_gibbs(state, overlaps, distances, margin, beta):
    _check_reference(state)
    return gibbs.curve(_reference(state), distances, margin, beta)


def _around_rule(state, overlaps, distances, margin, beta):
    from flatphys.saddle.franz_parisi.trained import neighbourhood

    return neighbourhood(state, overlaps, margin, beta)


# Learner of the reference -> the equations: a function of (state, overlaps, distances, margin, beta) that returns
# a dict of arrays, "free_entropy" and "status" among them.
_TABLE = {Gibbs: _around_gibbs, ERM: _around_rule, MaxMargin: _around_rule, Hebb: _around_rule, Bayes: _around_rule}


def _equations(state, question):
    """The entry of the table for this state; the teacher itself counts as Gibbs-typical."""
    kind = Gibbs if is_teacher(state) else type(state.model.learner)
    if kind not in _TABLE:
        names = ", ".join(k.__name__ for k in _TABLE)
        raise InvalidInput(f"{question} needs a reference of learner {names}, got {state.model.learner!r}")
    return _TABLE[kind]


def _distances(overlap, distance):
    if (overlap is None) == (distance is None):
        raise InvalidInput("give either overlap or distance, got " + ("both" if overlap is not None else "neither"))
    name, value = ("overlap", overlap) if overlap is not None else ("distance", distance)
    try:
        out = np.array(value, dtype=float)
    except (TypeError, ValueError):
        raise InvalidInput(f"{name} must be a number or an array of numbers, got {value!r}") from None
    if out.size == 0:
        raise InvalidInput(f"{name} must not be empty")
    low, high = (-1.0, 1.0) if name == "overlap" else (0.0, 1.0)
    bad = ~(np.isfinite(out) & (out > low) & (out < high))
    if bad.any():
        raise InvalidInput(f"{name} must be > {low:g} and < {high:g}, got {float(out[bad].flat[0])!r}")
    return ((1.0 - out) / 2.0, out) if name == "overlap" else (out, 1.0 - 2.0 * out)


def local_entropy(state: State, *, overlap=None, distance=None, margin: float = 0.0, beta: float = math.inf) -> LocalEntropy:
    """The local entropy around a reference drawn from `state`.

    Parameters
    ----------
    state : State
        A Gibbs-typical state (`solve`), of a perceptron or a tree committee, or the teacher itself (`teacher_state`); or a trained rule.
    overlap : number or array in (-1, 1)
        p = w.w~/N between the counted weights and the reference; or
    distance : number or array in (0, 1)
        d = (1 - p)/2, for binary weights the fraction that differs.
    margin, beta : float
        Of the counted weights; at beta = inf every pattern must reach the margin.

    Returns
    -------
    LocalEntropy
        Arrays of the shape of the argument.  The grid is solved in a stable order, whatever order is given.

    Raises
    ------
    InvalidInput
        An argument is out of its range or of the wrong type.
    Unsatisfiable
        The reference does not exist (its entropy is negative).
    NotConverged
        The equations could not be solved to tolerance.

    Warns
    -----
    NegativeEntropyWarning
        Where a count of binary weights is negative: the formal value is given, status "ok".

    Examples
    --------
    >>> import flatphys as fp
    >>> state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary")), 0.5)
    >>> fp.local_entropy(state, distance=[0.2]).value.round(10)
    array([0.2659023886])
    """
    validate.instance("state", state, (State,))
    margin = validate.number("margin", margin)
    beta = validate.number("beta", beta, 0.0, infinite=True)
    distance, overlap = _distances(overlap, distance)
    found = _equations(state, "local_entropy")(state, overlap.ravel(), distance.ravel(), margin, beta)
    found = {name: np.asarray(column).reshape(distance.shape) for name, column in found.items()}
    status = found.pop("status")
    found["energy"] = state.alpha * found["train_error"]
    found["value"] = found["free_entropy"] + (beta * found["energy"] if beta < math.inf else 0.0)
    if "m1" in found and isinstance(state.model.data, Teacher):
        found["R1"] = found["m1"]
    arrays = {name: found.pop(name) if name in found else np.full(distance.shape, math.nan) for name in _NUMBERS}
    negative = int((arrays["value"] < NEGATIVE_ENTROPY).sum())
    if negative and getattr(state.model.learner, "weights", None) == "binary":
        warnings.warn(
            f"the local entropy of binary weights is negative at {negative} of {distance.size} distances: "
            f"no such weights exist there, the values are the formal continuation",
            NegativeEntropyWarning,
            stacklevel=2,
        )
    return LocalEntropy(state, margin, beta, overlap, distance, **arrays, status=status, extra=found)


def teacher_state(model: Model, alpha: float) -> State:
    """The teacher itself as a state: q = R = 1, the reference that labelled the patterns.

    Parameters
    ----------
    model : Model
        With Teacher data; its learner says which kind of weights (its margin and beta play no part).
    alpha : float > 0

    Returns
    -------
    State
        With entropy 0 and the train error `flip`, for `local_entropy`.
    """
    check_model(model)
    alpha = validate.load(alpha)
    if not isinstance(model.data, Teacher):
        raise InvalidInput(f"data must be Teacher for teacher_state, got {model.data!r}")
    if not isinstance(model.learner, (Gibbs, Bayes)):
        raise InvalidInput(f"learner must be Gibbs or Bayes for teacher_state, got {model.learner!r}")
    order = {"q": 1.0, "one_minus_q": 0.0, "R": 1.0}
    return State(
        model,
        alpha,
        order,
        branch="teacher",
        entropy=0.0,
        free_entropy=0.0,
        train_error=model.data.flip,
        generalization_error=0.0,
        bayes_error=0.0,
        cosine=1.0,
        residual=0.0,
        quadrature_error=0.0,
    )


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
    margin = validate.number("margin", margin)
    equations = _equations(state, "zero_crossings")

    def at(xi):
        """(value, d value/d xi) at overlap tanh(xi)."""
        if equations is _around_gibbs:
            return follow(xi)
        d = np.array([1.0 / (1.0 + math.exp(2.0 * xi))])
        found = equations(state, 1.0 - 2.0 * d, d, margin, math.inf)
        return float(found["free_entropy"][0]), 4.0 * float(d[0] * (1.0 - d[0]) * found["slope"][0])

    start = gibbs.START_XI
    if equations is _around_gibbs:
        _check_reference(state)
        solver = gibbs.Curve(_reference(state), margin, math.inf)
        start = solver.start_xi

        def follow(xi):
            d = 1.0 / (1.0 + math.exp(2.0 * xi))
            point = solver.at(d)
            return (math.nan, math.nan) if point is None else (solver.free_entropy(point), 4.0 * d * (1.0 - d) * solver.slope(point))

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
    return np.array(sorted(1.0 / (1.0 + math.exp(2.0 * xi)) for xi in zeros))


__all__ = ["LocalEntropy", "local_entropy", "teacher_state", "zero_crossings"]
