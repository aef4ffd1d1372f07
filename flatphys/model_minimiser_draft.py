"""Draft for model.py: the Gaussian mixture and the learners of section 6 (to be merged there)."""

from dataclasses import dataclass

from flatphys import validate
from flatphys.kernels.losses import CODES, CustomLoss
from flatphys.model import _set


@dataclass(frozen=True)
class GaussianMixture:
    """Two Gaussian clouds: x = y v/sqrt N + sqrt(variance) z, |v|^2 = N, z standard normal.

    Parameters
    ----------
    variance : float > 0
        Variance of each cloud, in units of the squared distance of a centre from the origin.
    positive : float in (0, 1)
        Probability of the label +1.
    """

    variance: float = 1.0
    positive: float = 0.5

    def __post_init__(self):
        _set(
            self,
            variance=validate.number("variance", self.variance, 0.0),
            positive=validate.number("positive", self.positive, 0.0, 1.0),
        )


@dataclass(frozen=True)
class ERM:
    """Minimiser of sum_mu loss(y (x.w/sqrt N + b)) + (l2/2)|w|^2 (the sum runs over patterns; b is free).

    Parameters
    ----------
    loss : "square" ((1-t)^2/2), "logistic", "hinge", "squared_hinge" ((1-t)_+^2/2) or a `CustomLoss`
    l2 : float >= 0
        Strength of the regularisation; 0 means its limit from above: the minimiser itself where there
        is one, of the smallest norm where there are many.
    bias : bool
        Whether a bias is trained along with the weights.
    """

    loss: str | CustomLoss = "logistic"
    l2: float = 0.1
    bias: bool = False

    def __post_init__(self):
        loss = self.loss if isinstance(self.loss, CustomLoss) else validate.choice("loss", self.loss, tuple(CODES))
        _set(
            self,
            loss=loss,
            l2=validate.number("l2", self.l2, 0.0, closed="["),
            bias=validate.flag("bias", self.bias),
        )


@dataclass(frozen=True)
class Hebb:
    """The sum of the labelled patterns, w = sum_mu y x / (alpha sqrt N).

    Parameters
    ----------
    bias : bool
        Whether a bias is added: the one with the smallest generalization error.
    """

    bias: bool = False

    def __post_init__(self):
        _set(self, bias=validate.flag("bias", self.bias))
