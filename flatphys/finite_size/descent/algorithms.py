"""`SGD` and `ReplicatedSGD`: what the algorithms are, for binary and for real weights; the kernels are elsewhere.

Binary weights (`finite_size.binary`) are the signs of hidden ones, which patterns with an error move; real weights
(`finite_size.descent`) descend a loss.  A field that only one kind of weights has is None unless it is set, and refused for the other kind.
"""

from collections.abc import Callable
from dataclasses import dataclass

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.finite_size.binary.descent import HiddenDescent
from flatphys.finite_size.descent.gradient import check_real
from flatphys.finite_size.descent.real import BATCH, RealDescent, pace_of
from flatphys.finite_size.descent.schedule import Schedule, schedule
from flatphys.finite_size.instances import Instances
from flatphys.finite_size.search import Algorithm, Search
from flatphys.model import Gibbs, Model
from flatphys.model_losses import put

MOST = 127  # replicas of binary weights: their sums are bytes
CENTRES = ("traced", "explicit")
EPOCHS = 1000  # of real weights


def has_binary_weights(model: Model) -> bool:
    """Whether the learner's weights are +-1."""
    return isinstance(model.learner, Gibbs) and model.learner.weights == "binary"


def refuse(algorithm: object, names: tuple[str, ...], kind: str) -> None:
    """`InvalidInput` if one of the fields is set: weights of this kind do not have it."""
    for name in names:
        value = getattr(algorithm, name)
        if value is not None:
            what = f"{name} must be None for {kind} weights, got {validate.shown(value)}"
            raise InvalidInput(f"{what}: {type(algorithm).__name__} has it for the other kind of weights only")


def optional(check: Callable, name: str, value: object, *allowed: object, **more: object) -> object:
    """The checked value, or None."""
    return None if value is None else check(name, value, *allowed, **more)


@dataclass(frozen=True)
class SGD(Algorithm):
    """Stochastic gradient descent in batches of patterns.

    Binary weights: hidden weights H, w = sign H; a pattern of a batch that is wrong adds learning_rate x to H (in a committee only the
    units that are closest to repairing the output).  Real weights: descends the learner's loss.

    Parameters
    ----------
    learning_rate : float > 0 or Schedule, optional
        Binary weights: 1 (a number).
    batch : int >= 1, optional
        Patterns between two updates of the weights; default 80 for binary weights, fewer where there are fewer patterns.
    epochs : int >= 1, optional
        Budget: how often every pattern is presented at most; default 1000 for binary weights.
    sigma : Schedule or float, optional
        Real weights, errors counted: the width of H(stability/sigma + foot), which replaces the count.
    slack : float >= 0, optional
        Real weights: what the stabilities are asked beyond the margin, so that a descent ends below it after finite time.
    foot : float >= 0, optional
        Real weights, errors counted: see sigma; default 1.5.  0 is the local energy, which gives the worst patterns up.
    """

    learning_rate: float | Schedule | None = None
    batch: int | None = None
    epochs: int | None = None
    sigma: Schedule | float | None = None
    slack: float | None = None
    foot: float | None = None

    def __post_init__(self) -> None:
        check_descent(self)

    def check(self, instances: Instances) -> None:
        """`InvalidInput` for a model whose weights this does not find, and for a field of the other kind of weights."""
        model = instances.model
        if has_binary_weights(model):
            _check_binary(self, model)
            return
        check_real(model, type(self).__name__)

    def begin(self, instances: Instances, k: int, seed: int) -> Search:
        """A search on instance k; its random numbers depend on (seed, k) alone."""
        if has_binary_weights(instances.model):
            return HiddenDescent(self, instances, k, seed)
        return RealDescent(self, instances, k, seed, pace_of(self, instances.p, EPOCHS, BATCH))


@dataclass(frozen=True)
class ReplicatedSGD(Algorithm):
    """`SGD` of several replicas that attract each other.

    Binary weights, after each batch, for every replica a and weight i, with S_i = sum_b w_b,i:

        centre "traced"     H_a,i += pull [tanh(gamma S_i) - w_a,i]           the mean of a centre that is summed over
        centre "explicit"   H_a,i += pull [tanh(gamma y) w_i - w_a,i]         w = sign H a centre with hidden weights of its own,
                            H_i   += pull sum_a (w_a,i - w_i)/y

    A replica or their majority (the centre) without an error ends the search.  Source: Baldassi et al., PNAS 113, E7655 (2016).

    Parameters
    ----------
    replicas : int >= 2
    gamma : Schedule or float, optional
        The coupling, a step being an epoch; binary weights: from 0.05 up to 0.55 in 2000 epochs.
    learning_rate, batch, epochs, sigma, slack, foot
        As those of `SGD`; of binary weights 2000 epochs.
    centre : "traced" or "explicit", optional
        Binary weights: see above; default "traced".
    pull : float > 0, optional
        Binary weights: see above; default 0.75.
    """

    replicas: int = 7
    gamma: Schedule | float | None = None
    learning_rate: float | Schedule | None = None
    batch: int | None = None
    epochs: int | None = None
    centre: str | None = None
    pull: float | None = None
    sigma: Schedule | float | None = None
    slack: float | None = None
    foot: float | None = None

    def __post_init__(self) -> None:
        check_descent(self)
        put(
            self,
            replicas=validate.integer("replicas", self.replicas, 2),
            gamma=schedule("gamma", self.gamma),
            centre=optional(validate.choice, "centre", self.centre, CENTRES),
            pull=optional(validate.number, "pull", self.pull, 0.0),
        )

    def check(self, instances: Instances) -> None:
        """`InvalidInput` for a model whose weights this does not find, and for a field of the other kind of weights."""
        model = instances.model
        if has_binary_weights(model):
            _check_binary(self, model)
            return
        check_real(model, type(self).__name__)
        refuse(self, ("centre", "pull"), "real")

    def begin(self, instances: Instances, k: int, seed: int) -> Search:
        """A search on instance k; its random numbers depend on (seed, k) alone."""
        if has_binary_weights(instances.model):
            return HiddenDescent(self, instances, k, seed)
        return RealDescent(self, instances, k, seed, pace_of(self, instances.p, EPOCHS, BATCH))


def check_descent(algorithm: object) -> None:
    """Check the fields that all descents have: learning_rate, batch (where there is one), epochs, sigma, slack, foot."""
    rate = algorithm.learning_rate
    if hasattr(algorithm, "batch"):
        put(algorithm, batch=optional(validate.integer, "batch", algorithm.batch, 1))
    if isinstance(rate, Schedule):
        if not rate.gamma0 > 0.0:
            raise InvalidInput(f"learning_rate must start > 0, got {rate!r}")
    else:
        rate = optional(validate.number, "learning_rate", rate, 0.0)
    put(
        algorithm,
        learning_rate=rate,
        epochs=optional(validate.integer, "epochs", algorithm.epochs, 1),
        sigma=schedule("sigma", algorithm.sigma),
        slack=optional(validate.number, "slack", algorithm.slack, 0.0, closed="["),
        foot=optional(validate.number, "foot", algorithm.foot, 0.0, closed="["),
    )


def _check_binary(algorithm: SGD | ReplicatedSGD, model: Model) -> None:
    from flatphys.finite_size.binary.layout import check_binary

    check_binary(model, type(algorithm).__name__)
    refuse(algorithm, ("sigma", "slack", "foot"), "binary")
    validate.integer("replicas", getattr(algorithm, "replicas", 1), 1, MOST)
    if isinstance(algorithm.learning_rate, Schedule):
        raise InvalidInput(f"learning_rate must be a number for binary weights, got {algorithm.learning_rate!r}")
