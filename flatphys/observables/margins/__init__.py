"""margins(state): which law of training stabilities belongs to which state."""

from flatphys import validate
from flatphys.answers import answer_for
from flatphys.model import ERM, GaussianMixture, Gibbs, Hebb
from flatphys.observables.margins.distribution import MarginDistribution
from flatphys.state import State


def margins(state: State) -> MarginDistribution:
    """The law of the training stabilities y (x.w / sqrt N + b) in `state`; of a tree committee, those of its normalised output.

    Of weights on instances (`instances.measure(weights)`) it is their pooled law.

    Returns a `MarginDistribution`: `pdf(x)`, `cdf(x)` (arrays in, arrays out), `mean`, `variance`,
    `skewness`, `atoms` (point masses: support vectors at the maximum margin), `mass_below_zero`,
    `normalised()` (divided by |w|/sqrt N) and `plot()`.

    >>> import flatphys as fp
    >>> law = fp.margins(fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary")), 0.5))
    >>> law.mass_below_zero
    0.0
    """
    if (answer := answer_for("margins", state)) is not None:
        return answer(state)
    validate.instance("state", state, (State,))
    # imported here: each road compiles code that the others do not need
    if state.ansatz == "1RSB":
        from flatphys.observables.margins.dense import one_step_margins as law
    elif isinstance(state.model.learner, Gibbs):
        from flatphys.observables.margins.gibbs import law
    elif isinstance(state.model.learner, (ERM, Hebb)) or isinstance(state.model.data, GaussianMixture):
        from flatphys.observables.margins.minimiser import law
    else:
        from flatphys.observables.margins.gibbs import law
    return law(state)
