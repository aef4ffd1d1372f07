"""The best that can be done: Bayes-optimal errors and the best regularisation."""

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.model import ERM, Bayes, GaussianMixture, Model, Teacher, check_model
from flatphys.saddle.equilibrium import states as equilibrium
from flatphys.saddle.minimiser import states as minimiser


def bayes_error(data, alpha: float, weights: str = "spherical") -> float:
    """The least generalization error that any rule can have on `data` at load alpha.

    Parameters
    ----------
    data : Teacher or GaussianMixture
        A teacher's labels may be flipped with probability `flip`; the error counts clean labels.
    weights : "spherical" or "binary"
        The teacher's prior (not used on the mixture).
    """
    validate.instance("data", data, (Teacher, GaussianMixture))
    if isinstance(data, GaussianMixture):
        return minimiser.bayes_error_mixture(data, validate.load(alpha))
    return equilibrium.dominant(Model(data, Bayes(weights)), validate.load(alpha)).generalization_error


def optimal_l2(model: Model, alpha: float) -> float:
    """The l2 that minimises the generalization error of ERM at load alpha; the learner's own l2 is not used.

    math.inf where a larger l2 is always better (a mixture that is balanced or learned without a bias), 0.0 where a smaller one is.
    """
    check_model(model)
    if not isinstance(model.learner, ERM):
        raise InvalidInput(f"optimal_l2 needs an ERM learner, got {model.learner!r}")
    from flatphys.thresholds.optimal_l2 import optimal_l2 as best

    return best(model, validate.load(alpha))
