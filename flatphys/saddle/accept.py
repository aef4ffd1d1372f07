"""The one place that decides whether a number is good enough to be returned.

Every road ends here: states by `accept`, points of a curve by `accept_point` or `good`.  A number is good when the residual of its
equations and the disagreement of two quadrature rules are below the tolerance of its road and nothing that is reported is nan; a worth that
is itself nan is never good.  The state keeps the tolerance that it met, and whoever reports a tolerance (a sweep's attributes, a table)
reads it there.
"""

import math
from operator import itemgetter, ne
from typing import NamedTuple

from flatphys.errors import NotConverged
from flatphys.state import NUMBERS, State

_numbers = itemgetter(*NUMBERS)
SLACK = 1e-10  # rounding of an overlap
ALWAYS = ("value", "free_entropy", "slope", "train_error", "at_eigenvalue", "quadrature_error")  # what every point of a curve has


class Tolerance(NamedTuple):
    """Largest residual of the equations, largest difference between two quadrature rules (both relative)."""

    residual: float
    quadrature: float = math.inf


def good(tolerance: Tolerance, residual: float, quadrature: float = 0.0, *numbers: float) -> bool:
    """Whether numbers with this residual and quadrature error may be returned; False where any of them is nan."""
    return bool(residual <= tolerance.residual and quadrature <= tolerance.quadrature and not any(x != x for x in numbers))


def accept_point(tolerance: Tolerance, what: str, found: dict, ceiling: float = math.inf) -> dict:
    """`found`, the numbers of one point of a curve with "residual" and "quadrature_error", or `NotConverged` that says what is wrong.

    `ceiling` is what "value" cannot exceed: a logarithmic count is at most that of all weights there are.
    """
    residual, quadrature = found["residual"], found["quadrature_error"]
    if not residual <= tolerance.residual:
        reason = f"was solved only to a residual of {residual:.1e} (tolerance {tolerance.residual:g})"
    elif any(found[name] != found[name] for name in ALWAYS):
        reason = "could be averaged by one rule at most: the sums ask for more nodes than there are"
    elif not quadrature <= tolerance.quadrature:
        reason = f"is known only to {quadrature:.1e} (two quadrature rules differ by that; tolerance {tolerance.quadrature:g})"
    elif not -SLACK <= found["q1"] <= 1.0 + SLACK:
        reason = f"was solved by an overlap q1 = {found['q1']:.6g} of the counted weights, which is none"
    elif found["value"] > ceiling + tolerance.quadrature * max(1.0, abs(ceiling)):
        reason = f"was solved by {found['value']:.6g}, more than the {ceiling:.6g} of all weights there: another saddle"
    else:
        return found
    raise NotConverged(f"{what} {reason}; count at another overlap, margin or beta", found, residual)


def accept(state: State, tolerance: Tolerance, advice: str) -> State:
    """`state`, which keeps the tolerance it has met, or `NotConverged`; `advice` tells what the user can do."""
    fields = state.__dict__
    numbers = *state.order.values(), *_numbers(fields)
    if good(tolerance, state.residual, state.quadrature_error) and True not in map(ne, numbers, numbers):
        fields["tolerance"], fields["quadrature_tolerance"] = tolerance  # set here and nowhere else
        return state
    subject = f"the {state.branch} branch of {state.model!r} at alpha={state.alpha:g}"
    if state.residual != state.residual or state.quadrature_error != state.quadrature_error:
        reason = "could not be evaluated in double precision"
    elif not state.residual <= tolerance.residual:
        reason = f"was solved only to a residual of {state.residual:.1e} (tolerance {tolerance.residual:g})"
    elif not state.quadrature_error <= tolerance.quadrature:
        reason = f"is known only to {state.quadrature_error:.1e} (quadrature and rounding; tolerance {tolerance.quadrature:g})"
    else:
        reason = f"has no value of {', '.join(name for name, x in zip([*state.order, *NUMBERS], numbers) if x != x)}"
    raise NotConverged(f"{subject} {reason}: {advice}", state.order, state.residual)
