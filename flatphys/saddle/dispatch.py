"""Which set of equations answers which model: the one table, behind `solve` and `branches`."""

import importlib
from collections.abc import Callable
from functools import cache

from flatphys import validate
from flatphys.model import ERM, Bayes, GaussianMixture, Gibbs, Hebb, MaxMargin, Model, RandomLabels, Teacher, check_model
from flatphys.state import State

ANSATZE = ("RS", "1RSB")

# (data, learner) -> module, the function for the dominant state, the one for every branch.  Modules are
# imported on first use: each brings its own compiled code.
_TABLE = {
    (RandomLabels, Gibbs): ("equilibrium.states", "solve", "branches"),
    (Teacher, Gibbs): ("equilibrium.states", "solve", "branches"),
    (Teacher, Bayes): ("equilibrium.states", "solve", "branches"),
    (Teacher, MaxMargin): ("equilibrium.ground", "solve_max_margin", None),
    (Teacher, ERM): ("minimiser.states", "solve_erm", None),
    (Teacher, Hebb): ("minimiser.closed", "solve_hebb", None),
    (GaussianMixture, Gibbs): ("equilibrium.states", "solve", "branches"),
    (GaussianMixture, ERM): ("minimiser.states", "solve_erm", None),
    (GaussianMixture, MaxMargin): ("minimiser.closed", "solve_max_margin_mixture", None),
    (GaussianMixture, Hebb): ("minimiser.closed", "solve_hebb", None),
    (GaussianMixture, Bayes): ("minimiser.closed", "solve_bayes_mixture", None),
}


@cache
def _road(data: type, learner: type) -> tuple[Callable[[Model, float], State], Callable[[Model, float], list[State]]]:
    """(function for the dominant state, function for every branch)."""
    name, one, every = _TABLE[data, learner]
    module = importlib.import_module(f"flatphys.saddle.{name}")
    solver = getattr(module, one)
    return solver, getattr(module, every) if every else lambda model, alpha: [solver(model, alpha)]


def _kinds(model: Model) -> tuple[type, type]:
    return type(model.data), type(model.learner)


def solve(model: Model, alpha: float, ansatz: str = "RS") -> State:
    """The saddle point of the dominant branch at load alpha = P/N.

    Parameters
    ----------
    model : Model
        Data and learner.
    alpha : float > 0
        Patterns per weight.
    ansatz : "RS" or "1RSB"
        Replica symmetry, or one step of its breaking: spherical weights at negative margin beyond the stability
        line, binary weights at finite beta beyond the freezing one (order parameters q0, q1, parisi_m).

    Returns
    -------
    State
        Order parameters and observables (entropies in nats per weight) with their residual and
        quadrature error.

    Raises
    ------
    InvalidInput
        An argument is out of its range or of the wrong type.
    Unsatisfiable
        Hard constraints beyond capacity (spherical weights, maximum margin).
    NoSolution
        The ansatz has no saddle point at this load (binary weights past the end of the branch).
    NotConverged
        The equations could not be solved to tolerance; the error carries the best point.

    Warns
    -----
    NegativeEntropyWarning
        Binary weights with a negative entropy: the formal state is returned, phase "unsat".
    ReplicaSymmetryWarning
        The replicon is negative, phase "rs_unstable".

    Examples
    --------
    >>> import flatphys as fp
    >>> state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary")), alpha=0.5)
    >>> round(state.entropy, 10)
    0.3143900669
    """
    check_model(model)
    alpha = validate.load(alpha)
    validate.choice("ansatz", ansatz, ANSATZE)
    if ansatz == "1RSB":
        from flatphys.saddle.breaking.states import solve_one_step

        return solve_one_step(model, alpha)
    return _road(*_kinds(model))[0](model, alpha)


def branches(model: Model, alpha: float) -> list[State]:
    """Every saddle point at load alpha, the dominant one first, unstable ones last.

    `state.branch` names each: "typical" (random labels), "student", "teacher" (highest overlap) and
    "intermediate" (never stable).  Emits no warnings; `state.phase` and `state.stable` say the same.
    Raises as `solve` does.
    """
    check_model(model)
    alpha = validate.load(alpha)
    return _road(*_kinds(model))[1](model, alpha)
