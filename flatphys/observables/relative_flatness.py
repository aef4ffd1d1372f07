"""Relative flatness of trained weights: |w|^2 Tr Hessian/N of the mean training loss or energy.

For one layer of weights (Petzka et al., arXiv 1912.00058 and NeurIPS 2021)

    |w|^2 Tr[(1/P) sum_mu l''(t_mu) x_mu x_mu^T/N]/N = q D E l''(t),

with D = |x|^2/N the variance of the patterns' noise and t the training stabilities.  It does not change
when the weights are multiplied by a factor and the loss is evaluated at the margin divided by it.  For the square the average is 1, for
the squared hinge, whose curvature jumps at its margin, the share of patterns below it.
"""

import numpy as np

from flatphys import validate
from flatphys.answers import answer_for
from flatphys.errors import InvalidInput
from flatphys.kernels.traits import energy_traits, loss_traits
from flatphys.model import ENERGIES, ERM, GaussianMixture, Gibbs, TreeCommittee, spread_of
from flatphys.observables.margins.minimiser import CavityLaw, law
from flatphys.saddle.minimiser.custom import compiled
from flatphys.state import State


def relative_flatness(state: State) -> float:
    """q D E l''(t) of an ERM or Gibbs state; hinge (its curvature is a point mass at the kink) and counted errors have none.

    Or of weights on instances (`instances.measure(weights)`), with errors over them.
    """
    if (answer := answer_for("relative_flatness", state)) is not None:
        return answer(state)
    learner = validate.instance("state", state, (State,)).model.learner
    if isinstance(learner, Gibbs):
        return _of_energy(state, learner)
    if not isinstance(learner, ERM):
        raise InvalidInput(f"relative flatness needs a loss: the learner must be ERM or Gibbs, got {learner!r}")
    if loss_traits(learner.loss).kinked:
        raise InvalidInput(f"relative flatness is not defined for the {learner.loss} loss, whose curvature is a point mass at margin 1")
    data, traits = state.model.data, loss_traits(learner.loss)
    scale = state.q * (data.variance if isinstance(data, GaussianMixture) else 1.0)
    if traits.bend > 0.0:  # a pattern is trained to a margin below 1 if it was below before
        return scale * traits.bend * (1.0 if traits.quadratic else float(CavityLaw(state).cdf(np.ones(1))[0]))
    machinery = compiled(learner.loss, spread_of(data))

    def curvature(t):
        bend = np.empty(t.shape)
        machinery.bends(machinery.code, t, bend)
        return bend

    return scale * float(law(state).expect(curvature))


def _of_energy(state, learner) -> float:
    """D E energy''(Delta) on |w|^2 = N."""
    traits = energy_traits(learner.energy)
    if not traits.bend > 0.0:
        names = " or ".join(repr(one) for one in ENERGIES if energy_traits(one).bend > 0.0)
        raise InvalidInput(f"energy must be {names} for relative flatness, got {learner.energy!r}: it has no Hessian")
    if isinstance(learner.network, TreeCommittee):
        raise InvalidInput(f"network must be Perceptron() for relative flatness, got {learner.network!r}: the formula is that of one layer")
    scale = getattr(state.model.data, "variance", 1.0) * traits.bend
    return scale * (1.0 if traits.quadratic else state.train_error)
