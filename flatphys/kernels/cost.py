"""What a pattern costs at its stability Delta, and its Boltzmann weight (`kernels.channels` integrates it over the cavity field)."""

import math

from flatphys._jit import jit
from flatphys.kernels.codes import ERRORS, HINGE_ENERGY, LOGISTIC_ENERGY, SQUARE_ENERGY, SQUARED_HINGE_ENERGY
from flatphys.kernels.soft import soft_cost


@jit
def cost(energy, t):
    """energy(Delta) at t = kappa - Delta."""
    if energy == ERRORS:
        return 1.0 if t > 0.0 else 0.0
    if energy == HINGE_ENERGY:
        return max(t, 0.0)
    if energy == SQUARED_HINGE_ENERGY:
        return 0.5 * max(t, 0.0) ** 2
    if energy == SQUARE_ENERGY:
        return 0.5 * t * t
    if energy == LOGISTIC_ENERGY:
        return soft_cost(t)
    return math.nan


@jit
def boltzmann(ch, t):
    """exp(-beta energy(Delta)) at t = kappa - Delta."""
    if ch.beta == math.inf:
        return 0.0 if cost(ch.energy, t) > 0.0 else 1.0
    return math.exp(-ch.beta * cost(ch.energy, t))
