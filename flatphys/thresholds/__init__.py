"""Capacities, transitions and stability lines, each a point of the branch that alpha(s) describes.

Nothing here scans the load: with a conjugate chosen, the load and every scalar follow (`saddle.equilibrium.branch`), and a
threshold is where a scalar of the branch vanishes.
"""

from flatphys.thresholds.capacity import capacity, max_margin
from flatphys.thresholds.freezing import at_line, freezing_beta, ground_state
from flatphys.thresholds.optimal import bayes_error, optimal_l2
from flatphys.thresholds.separability import separability_threshold
from flatphys.thresholds.transition import FirstOrderTransition, first_order_transition

__all__ = [
    "FirstOrderTransition",
    "at_line",
    "bayes_error",
    "capacity",
    "first_order_transition",
    "freezing_beta",
    "ground_state",
    "max_margin",
    "optimal_l2",
    "separability_threshold",
]
