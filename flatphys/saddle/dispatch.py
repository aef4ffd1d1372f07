"""Which set of equations answers which model: the one table, behind `solve` and `branches`."""

from flatphys import validate
from flatphys.model import Bayes, Gibbs, MaxMargin, Model, RandomLabels, Teacher, check_model
from flatphys.saddle import equilibrium, margin_limit
from flatphys.state import State

ANSATZE = ("RS",)

# (data, learner) -> (the dominant state, every branch)
_TABLE = {
    (RandomLabels, Gibbs): (equilibrium.solve, equilibrium.branches),
    (Teacher, Gibbs): (equilibrium.solve, equilibrium.branches),
    (Teacher, Bayes): (equilibrium.solve, equilibrium.branches),
    (Teacher, MaxMargin): (margin_limit.solve_max_margin, None),
}


def solve(model: Model, alpha: float, ansatz: str = "RS") -> State:
    """The saddle point of the dominant branch at load alpha = P/N.

    Parameters
    ----------
    model : Model
        Data and learner.
    alpha : float > 0
        Patterns per weight.
    ansatz : "RS"
        The replica-symmetric ansatz.

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
    return _TABLE[type(model.data), type(model.learner)][0](model, alpha)


def branches(model: Model, alpha: float) -> list[State]:
    """Every saddle point at load alpha, the dominant one first, unstable ones last.

    `state.branch` names each: "typical" (random labels), "student", "teacher" (highest overlap) and
    "intermediate" (never stable).  Emits no warnings; `state.phase` and `state.stable` say the same.
    Raises as `solve` does.
    """
    check_model(model)
    alpha = validate.load(alpha)
    one, every = _TABLE[type(model.data), type(model.learner)]
    return [one(model, alpha)] if every is None else every(model, alpha)
