"""largest_overlap(state): how close to a trained rule weights without errors can be found."""

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.model import Gibbs
from flatphys.state import State


def largest_overlap(state: State, margin: float = 0.0) -> float:
    """The largest overlap with a trained rule at which weights reach `margin` on every training pattern.

    Beyond it the hard-constraint local entropy (`local_entropy` at beta = inf) is "unsat"; it is 1 where the rule itself
    fulfils the constraint.  The end of the range is where two such weights coincide, q1 -> 1 (equations in
    `saddle.franz_parisi.trained_averages`).

    Parameters
    ----------
    state : State
        Of an ERM, MaxMargin, Hebb or Bayes learner, on the balanced mixture or with a teacher.
    margin : float
        Stability, in units of |w|^2 = N, that every pattern must reach.

    Raises
    ------
    Unsatisfiable
        No weights at any overlap do so: the load is beyond capacity.
    NotConverged
        The equations could not be followed to this load.
    """
    validate.instance("state", state, (State,))
    margin = validate.number("margin", margin)
    if isinstance(state.model.learner, Gibbs):
        raise InvalidInput(
            f"largest_overlap needs a trained rule (ERM, MaxMargin, Hebb, Bayes), got {state.model.learner!r}: "
            f"around a typical solution read the status of local_entropy"
        )
    from flatphys.saddle.franz_parisi.trained import largest_overlap as solve

    return solve(state, margin)
