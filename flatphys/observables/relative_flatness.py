"""Relative flatness of a loss minimiser: |w|^2 Tr Hessian/N of the mean training loss.

For one layer of weights (Petzka et al., arXiv 1912.00058 and NeurIPS 2021)

    |w|^2 Tr[(1/P) sum_mu l''(t_mu) x_mu x_mu^T/N]/N = q D E l''(t),

with D = |x|^2/N the variance of the patterns' noise and t the training stabilities.  It does not change
when the weights are multiplied by a factor and the loss is evaluated at the margin divided by it.
"""

import numpy as np

from flatphys.errors import InvalidInput
from flatphys.model import ERM, GaussianMixture
from flatphys.observables.margins.minimiser import law
from flatphys.saddle.minimiser.custom import compiled


def relative_flatness(state) -> float:
    """q D E l''(t) of an ERM state; the hinge loss, whose curvature is a point mass at its kink, has none."""
    learner = getattr(state.model, "learner", None)
    if not isinstance(learner, ERM):
        raise InvalidInput(f"relative flatness needs a loss: the learner must be ERM, got {learner!r}")
    if learner.loss == "hinge":
        raise InvalidInput("relative flatness is not defined for the hinge loss, whose curvature is a point mass at margin 1")
    machinery, dist = compiled(learner.loss), law(state)
    places = [place for place, _ in dist.atoms]

    def curvature(t):  # at an atom from below, where the limit l2 -> 0 comes from
        below = np.where(np.isin(t, places), np.nextafter(t, -np.inf), t)
        bend = np.empty(t.shape)
        machinery.bends(machinery.code, below, bend)
        return bend

    data = state.model.data
    variance = data.variance if isinstance(data, GaussianMixture) else 1.0
    return state.q * variance * float(dist.expect(curvature))
