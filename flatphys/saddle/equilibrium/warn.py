"""The warnings that a replica-symmetric state calls for."""

import math
import warnings

from flatphys.errors import NegativeEntropyWarning, ReplicaSymmetryWarning
from flatphys.state import State


def warn(state: State, stacklevel: int = 3) -> None:
    """The warnings that a state calls for."""
    if state.phase == "unsat":
        warnings.warn(
            f"the entropy of binary weights is negative ({state.entropy:.6g} nats per weight) at alpha={state.alpha:g}: "
            f"no such weights exist, the values are the formal continuation; see capacity, max_margin or freezing_beta",
            NegativeEntropyWarning,
            stacklevel,
        )
    if state.at_eigenvalue == -math.inf:
        warnings.warn(
            f"the ground state with errors at alpha={state.alpha:g} breaks replica symmetry: its train error is a lower bound",
            ReplicaSymmetryWarning,
            stacklevel,
        )
    elif state.stable is False:
        warnings.warn(
            f"replica symmetry is unstable at alpha={state.alpha:g} (replicon {state.at_eigenvalue:.4g} < 0): "
            f'the values are approximations or bounds; see at_line, and solve(..., ansatz="1RSB") where one step is offered',
            ReplicaSymmetryWarning,
            stacklevel,
        )
