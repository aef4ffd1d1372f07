"""Answer: the named numbers in what a function of flatphys, or one of the user's own, has returned."""

import math
from dataclasses import dataclass, field

from flatphys.errors import NotConverged
from flatphys.state import NEGATIVE_ENTROPY, State

NEGATIVE, UNSTABLE = "negative_entropy", "rs_unstable"

# Why an element of an array has no value, where the library gives a status and no sentence.
REASONS = {
    "unsat": "no weights fulfil the constraint at this distance from the reference",
    "no_solution": "the equations have no saddle point at this distance: the weights counted there have closed in on each other, "
    "or two saddles have met",
    "not_converged": "the curve of solutions could not be followed to this distance",
    NEGATIVE: "the count of binary weights is negative: no such weights exist there, the value is the formal continuation",
    UNSTABLE: "the replicon is negative: the replica-symmetric value is an approximation or a bound",
}
# Attribute of a state or of an answer -> its name among the numbers of a point.
_TOLERANCES = {"tolerance": "tolerance_residual", "quadrature_tolerance": "tolerance_quadrature"}


@dataclass
class Answer:
    """Named numbers of one point; `vectors` and `status` along the vector option, `reasons` where the usual sentences do not fit."""

    scalars: dict = field(default_factory=dict)
    vectors: dict = field(default_factory=dict)
    status: object = None
    branch: str = ""
    reasons: dict = field(default_factory=dict)


def answer_in(result, question, options: dict) -> Answer:
    """The numbers in what a function has returned."""
    if question.own:
        sizes = {len(value) for value in options.values() if hasattr(value, "shape")}
        return _own_answer(result, question.name, max(sizes, default=None))
    if question.read is not None:
        return question.read(result, options)
    if isinstance(result, State):
        return of_state(result)
    if question.along is not None:
        return _padded(result, question)
    if hasattr(result, "status"):
        return _elements(result, question.columns)
    if question.columns:
        return Answer({name: getattr(result, name) for name in question.columns})
    return Answer(vectors={question.name: result}) if question.needs_vector else Answer({question.name: float(result)})


def of_state(state: State) -> Answer:
    """The scalars of a state, its load apart."""
    scalars = state.scalars() | _tolerances(state)
    scalars.pop("alpha", None)
    return Answer(scalars, branch=state.branch)


def _tolerances(found) -> dict:
    """What the residual and the quadrature error had to stay below, where the result says so."""
    values = {name: getattr(found, attribute, math.nan) for attribute, name in _TOLERANCES.items()}
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}


def _elements(found, columns) -> Answer:
    """Arrays with a status each: "ok" is refined by the sign of counts and replicons; columns without any value are dropped."""
    import numpy as np

    status = np.array(found.status, dtype="<U16")
    fine, arrays = status == "ok", {name: getattr(found, name) for name in columns}
    for name, array in arrays.items():
        if name.endswith("_eigenvalue"):  # -inf, the outer replicon where regions do not exist, says "unstable" as any negative number
            status[fine & (array < 0.0)] = UNSTABLE
    model = found.model if hasattr(found, "model") else found.reference.model
    if getattr(model.learner, "weights", None) == "binary":
        status[fine & (arrays["value"] < NEGATIVE_ENTROPY)] = NEGATIVE
    kept = {name: np.asarray(array, dtype=float) for name, array in arrays.items() if array is not None and np.isfinite(array[fine]).any()}
    return Answer(_tolerances(found), kept, status)


def _padded(values, question) -> Answer:
    """A list of any length along the dimension that the answer brings."""
    import numpy as np

    name, size = question.along
    if len(values) > size:
        raise NotConverged(f"{question.name} has {len(values)} values, more than the {size} that a table has room for: call the function")
    out = np.full(size, math.nan)
    out[: len(values)] = values
    status = np.where(np.isnan(out), "no_solution", "ok")
    return Answer(vectors={question.name: out}, status=status, reasons={"no_solution": f"there is no further {name}"})


def _own_answer(value, name: str, vector_size: int | None) -> Answer:
    """What a user's own function returned: a number, a State, or a dict of numbers and arrays along the vector option."""
    import numpy as np

    if isinstance(value, State):
        return of_state(value)
    if isinstance(value, Answer):
        return value
    items = value.items() if isinstance(value, dict) else [(name, value)]
    answer = Answer()
    for key, item in items:
        try:
            array = np.asarray(item, dtype=float)
        except (TypeError, ValueError):
            array = None
        if array is None or not (array.ndim == 0 or array.shape == (vector_size,)):
            along = f" or an array of {vector_size} along its vector option" if vector_size else ""
            raise TypeError(f"{name} must return a number, a State or a dict of numbers{along}, got {item!r} for {key!r}")
        if array.ndim == 0:
            answer.scalars[str(key)] = float(array)
        else:
            answer.vectors[str(key)] = array
    return answer
