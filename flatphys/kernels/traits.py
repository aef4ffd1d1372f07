"""What sets losses and energies apart where they are not treated alike: flags to ask, in place of names to compare.

Nothing here is compiled, so that the list of questions can ask without loading a compiler.
"""

import math
from typing import NamedTuple

from flatphys.model import ENERGIES
from flatphys.model_losses import LOSSES, Smoothed


class Traits(NamedTuple):
    """Of a loss l(t) whose special place, if any, is t = 1; of an energy with t - 1 = Delta - kappa.

    exact_fit   its minimum is t = 1 alone: l' changes sign there, and with l2 -> 0 (beta -> inf) every margin is held at 1
    margin_fit  its minimum is every t >= 1, where l is not analytic: with l2 -> 0 (beta -> inf) margins below are lifted to 1
    kinked      l or l' jumps at t = 1: an atom of margins is held there, and there is no Hessian
    quadratic   it is (1-t)^2/2 on all of the line: training is a linear map
    bend        l'' on the side t < 1 (of a quadratic one, on both) where that is one number, nan where it is none

    Without either fit the minimum lies at infinity.
    """

    exact_fit: bool = False
    margin_fit: bool = False
    kinked: bool = False
    quadratic: bool = False
    bend: float = math.nan


SMOOTH = Traits()
PARABOLA, HALF_PARABOLA = Traits(exact_fit=True, quadratic=True, bend=1.0), Traits(margin_fit=True, bend=1.0)
RAMP = Traits(margin_fit=True, kinked=True, bend=0.0)
STEP = RAMP  # counted errors: flat on either side, and a jump is no smoother than a kink

_OF_LOSS = dict(zip(LOSSES, (PARABOLA, SMOOTH, RAMP, HALF_PARABOLA), strict=True))
_OF_ENERGY = dict(zip(ENERGIES, (STEP, RAMP, HALF_PARABOLA, PARABOLA, SMOOTH), strict=True))


def loss_traits(loss) -> Traits:
    """Of a loss by name, or smoothed: then the square stays one and the others lose what is special at t = 1.

    A `CustomLoss` is smooth, and all that is known of its minimum is that no solver relies on it.
    """
    if isinstance(loss, Smoothed):
        return PARABOLA if _OF_LOSS[loss.loss].quadratic else SMOOTH
    return _OF_LOSS[loss] if isinstance(loss, str) else SMOOTH


def energy_traits(energy: str) -> Traits:
    """Of an energy by name."""
    return _OF_ENERGY[energy]
