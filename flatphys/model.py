"""Data, learners and their combination: frozen dataclasses that validate themselves.

A model says what is asked; `flatphys.solve` finds how.  Stabilities are y x.w / sqrt(N) with |w|^2 = N
(for ERM, whatever norm the training gives), the load is alpha = P/N.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import get_args

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.model_losses import LOSSES, CustomLoss, Smoothed, put

WEIGHTS = ("binary", "spherical")
ACTIVATIONS = ("sign", "erf", "relu")
ENERGIES = ("errors", "hinge", "squared-hinge", "square", "logistic")  # what each is to a pattern: `kernels.channels`


@dataclass(frozen=True)
class RandomLabels:
    """Labels +-1 drawn independently of the patterns: the storage problem (Gardner 1988)."""


@dataclass(frozen=True)
class Teacher:
    """Labels sign(w*.x / sqrt N) of a teacher with the learner's own kind of weights.

    Parameters
    ----------
    flip : float in [0, 0.5)
        Probability that a training label is inverted.
    """

    flip: float = 0.0

    def __post_init__(self) -> None:
        put(self, flip=validate.number("flip", self.flip, 0.0, 0.5, closed="["))


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

    def __post_init__(self) -> None:
        put(self, variance=validate.number("variance", self.variance, 0.0), positive=validate.number("positive", self.positive, 0.0, 1.0))


@dataclass(frozen=True)
class Perceptron:
    """One unit that sees every input: stability y x.w / sqrt N."""


@dataclass(frozen=True)
class TreeCommittee:
    """One hidden layer of K units on non-overlapping inputs, K -> infinity after N -> infinity.

    Half of the output weights c_l are +1, half -1, and the stability is normalised to unit variance:
    y sum_l c_l phi(h_l) / sqrt(K [K(1) - K(0)]) with h_l = sum_i w_li x_li / sqrt(N/K) and
    K(Q) = E[phi(u) phi(v)] over unit Gaussians of correlation Q.

    Parameters
    ----------
    activation : "sign", "erf", "relu" or a function
        phi.  A function of one's own takes and returns a one-dimensional array.  It must not be constant, even or the like (E[x phi(x)]
        must not vanish), grow at most polynomially, and be smooth but for kinks and jumps; features narrower than about 0.1
        cannot be resolved.  Its c(Q) is tabulated on first use, in a few seconds.  Write it as a module-level function if models are
        to be pickled (sweeps in several processes).
    """

    activation: str | Callable = "sign"

    def __post_init__(self) -> None:
        if callable(self.activation):
            # imported here: importing flatphys must not import numpy for those who have no activation of their own
            from flatphys.kernels.pieces import check

            check(self.activation)
        else:
            put(self, activation=validate.choice("activation", self.activation, ACTIVATIONS))


Network = Perceptron | TreeCommittee


@dataclass(frozen=True)
class Gibbs:
    """Weights drawn from exp(-beta sum_mu energy(stability_mu)).

    Parameters
    ----------
    weights : "binary" (w_i = +-1) or "spherical" (|w|^2 = N)
    margin : float
        The stability kappa that counts as correct; any sign.
    beta : float > 0 or math.inf
        Inverse temperature; inf: every solution alike, violations forbidden (of the square: only least squares are left).
    network : Perceptron() or TreeCommittee(activation)
        What the weights drive; the theory of a tree committee is for random labels.
    energy : "errors", "hinge", "squared-hinge", "square" or "logistic"
        What a pattern of stability Delta costs: 1 where Delta < kappa ("errors"), max(0, kappa - Delta) ("hinge"),
        max(0, kappa - Delta)^2/2 ("squared-hinge", the harmonic energy of jamming), (kappa - Delta)^2/2 ("square"),
        log(1 + exp(-Delta)) ("logistic", which knows no margin).
    bias : bool
        Whether spherical weights on a `GaussianMixture` have a bias b of flat weight; stabilities are then y (x.w/sqrt N + b).
        The theory takes the stationary one; finite systems are sampled without.
    """

    weights: str = "binary"
    margin: float = 0.0
    beta: float = math.inf
    network: Network = field(default_factory=Perceptron)
    energy: str = "errors"
    bias: bool = False

    def __post_init__(self) -> None:
        put(
            self,
            bias=validate.flag("bias", self.bias),
            energy=validate.choice("energy", self.energy, ENERGIES),
            weights=validate.choice("weights", self.weights, WEIGHTS),
            margin=validate.number("margin", self.margin),
            beta=validate.number("beta", self.beta, 0.0, infinite=True),
            network=validate.instance("network", self.network, get_args(Network)),
        )
        if self.energy == "logistic" and self.margin != 0.0:
            raise InvalidInput(f"margin must be 0 for the energy 'logistic', which knows none, got {self.margin!r}")
        if self.bias and self.weights != "spherical":
            raise InvalidInput(f"bias must be False for weights={self.weights!r}, got True: only spherical weights have one")


@dataclass(frozen=True)
class Bayes:
    """The Bayes-optimal rule: the posterior mean under the teacher's own prior and label noise.

    Parameters
    ----------
    weights : "binary" or "spherical"
        The prior of the teacher.
    """

    weights: str = "spherical"

    def __post_init__(self) -> None:
        put(self, weights=validate.choice("weights", self.weights, WEIGHTS))


@dataclass(frozen=True)
class MaxMargin:
    """Spherical weights with the largest smallest stability.

    Parameters
    ----------
    bias : bool
        Whether a bias is trained along with the weights.
    """

    bias: bool = False

    def __post_init__(self) -> None:
        put(self, bias=validate.flag("bias", self.bias))


@dataclass(frozen=True)
class ERM:
    """Minimiser of sum_mu loss(y (x.w/sqrt N + b)) + (l2/2)|w|^2 (the sum runs over patterns; b is free).

    Parameters
    ----------
    loss : "square" ((1-t)^2/2), "logistic", "hinge", "squared-hinge" ((1-t)_+^2/2), one of them `smoothed`, or a `CustomLoss`
    l2 : float >= 0
        Strength of the regularisation; 0 means its limit from above: the minimiser itself where there
        is one, of the smallest norm where there are many.
    bias : bool
        Whether a bias is trained along with the weights.
    """

    loss: str | Smoothed | CustomLoss = "logistic"
    l2: float = 0.1
    bias: bool = False

    def __post_init__(self) -> None:
        loss = self.loss
        if isinstance(loss, Smoothed):
            loss = loss if loss.sigma > 0.0 else loss.loss
        elif not isinstance(loss, CustomLoss):
            loss = validate.choice("loss", loss, LOSSES)
        put(self, loss=loss, l2=validate.number("l2", self.l2, 0.0, closed="["), bias=validate.flag("bias", self.bias))


@dataclass(frozen=True)
class Hebb:
    """The sum of the labelled patterns, w = sum_mu y x / (alpha sqrt N).

    Parameters
    ----------
    bias : bool
        Whether a bias is added: the one with the smallest generalization error.
    """

    bias: bool = False

    def __post_init__(self) -> None:
        put(self, bias=validate.flag("bias", self.bias))


Data = RandomLabels | Teacher | GaussianMixture
Learner = Gibbs | Bayes | MaxMargin | ERM | Hebb

# Where only some learners can be asked; anything else is refused when the model is made.
RANDOM_RULES = "of rules on random labels `capacity`, `max_margin` of spherical weights or Teacher(flip) near 1/2 answer"
_LEARNERS: dict[type, tuple[type, ...]] = {RandomLabels: (Gibbs,)}


@dataclass(frozen=True)
class Model:
    """What is asked: a kind of data and a learner.

    >>> import flatphys as fp
    >>> fp.Model(fp.Teacher(), fp.Gibbs(weights="binary"))
    Model(data=Teacher(flip=0.0), learner=Gibbs(weights='binary', margin=0.0, beta=inf, network=Perceptron(), energy='errors', bias=False))
    """

    data: Data = field(default_factory=RandomLabels)
    learner: Learner = field(default_factory=Gibbs)

    def __post_init__(self) -> None:
        validate.instance("data", self.data, get_args(Data))
        validate.instance("learner", self.learner, get_args(Learner))
        allowed = _LEARNERS.get(type(self.data), get_args(Learner))
        if not isinstance(self.learner, allowed):
            names = ", ".join(kind.__name__ for kind in allowed)
            what = f"learner {type(self.learner).__name__} is not defined on {type(self.data).__name__} data; there it must be {names}"
            raise InvalidInput(f"{what} ({RANDOM_RULES})")
        if getattr(self.learner, "bias", False) and isinstance(self.data, Teacher):
            raise InvalidInput("bias must be False on Teacher data, got True: its labels are balanced and its rule has no bias")
        if getattr(self.learner, "bias", False) and isinstance(self.data, RandomLabels):
            raise InvalidInput("bias must be False on RandomLabels data, got True: labels drawn at random have none")

    def _repr_html_(self) -> str:
        from flatphys.display import html_table

        rows = [(name, repr(part)) for name, part in (("data", self.data), ("learner", self.learner))]
        return html_table("Model", rows)


def spread_of(data: object) -> float:
    """sqrt D: the width of a component of the patterns around their mean."""
    return math.sqrt(data.variance) if isinstance(data, GaussianMixture) else 1.0


def check_model(model: object) -> Model:
    """`model` if it is one."""
    return validate.instance("model", model, (Model,))
