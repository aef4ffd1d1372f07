"""Question: what a sweep can ask at every point, and how a function of the user's own becomes one.

A question's `ask(model, alpha, **options)` returns an `Answer`; whatever it raises or warns of becomes the status of the point
(`sweeps.point`).  Options in `vectors` are arrays that the question takes whole, the innermost dimension of the result.
"""

import difflib
from dataclasses import dataclass, field

import numpy as np

from flatphys.errors import InvalidInput
from flatphys.state import State

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


@dataclass
class Answer:
    """Named numbers of one point; `vectors` and `status` along the vector option."""

    scalars: dict = field(default_factory=dict)
    vectors: dict = field(default_factory=dict)
    status: np.ndarray | None = None
    branch: str = ""


@dataclass(frozen=True)
class Question:
    """One thing to ask at every point.

    Attributes
    ----------
    name : str
    ask : function of (model, alpha, **options), returns an `Answer`
    loads : True, False or None
        Whether it is asked at a load; None: as the caller likes.
    vectors : tuple of str
        Options taken whole; exactly one must be given where `needs_vector`.
    options : dict or None
        Name of an option -> its check, a function of the value; None: any option (a function of the user's own).
    always : tuple of str
        Variables that the result has even where no point has a value.
    version : str or None
        None: part of flatphys; else what tells one version of a user's function from another in a store.
    """

    name: str
    ask: object
    loads: bool | None = True
    vectors: tuple = ()
    needs_vector: bool = False
    options: dict | None = field(default_factory=dict)
    always: tuple = ()
    own: bool = False
    version: str | None = None

    def __reduce__(self):  # flatphys' own questions travel by name
        return (_by_name, (self.name,)) if not self.own else (own_question, (self.name, self.ask, self.vectors, self.version))

    def check_names(self, given: dict, fields: list) -> None:
        """Refuse names that are neither a field (with its dot) nor an option of the question."""
        allowed = [*self.vectors, *(self.options or ())]
        for name in given:
            if "." in name or name in fields or name in allowed or self.options is None:
                continue
            dotted = [f for f in fields if f.rpartition(".")[2] == name]
            near = dotted or difflib.get_close_matches(name, [*allowed, *fields], 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            options = f"an option of {self.name} ({', '.join(allowed)})" if allowed else f"an option ({self.name} has none)"
            raise InvalidInput(f"{name!r} is neither {options} nor a field of the model ({', '.join(fields)}){hint}")
        chosen = [name for name in self.vectors if name in given]
        if len(chosen) > 1 or (self.needs_vector and not chosen):
            raise InvalidInput(f"{self.name} needs one of {' or '.join(self.vectors)}, got {' and '.join(chosen) or 'none'}")

    def checked(self, name: str, value):
        """The option's value in its plain form; raises `InvalidInput`."""
        check = (self.options or {}).get(name)
        if name in self.vectors:
            try:
                value = tuple(float(x) for x in value)
            except (TypeError, ValueError):
                raise InvalidInput(f"{name} must be a number or a list of numbers, got {value!r}") from None
        return value if check is None else check(name, value)


def of_state(state: State) -> Answer:
    """The scalars of a state, its load apart."""
    scalars = state.scalars()
    scalars.pop("alpha", None)
    return Answer(scalars, branch=state.branch)


def read_any(value, name: str, vector_size: int | None) -> Answer:
    """What a user's own function returned: a number, a State, or a dict of numbers and arrays along the vector option."""
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


def _by_name(name):
    from flatphys.questions.catalogue import QUESTIONS

    return QUESTIONS[name]


def own_question(name, ask, vectors, version) -> Question:
    """The question that a user's function is."""
    return Question(name, ask, None, vectors, options=None, own=True, version=version)


class Own:
    """Asks a user's function: f(model, alpha, **options), or f(model, **options) in a sweep without loads."""

    def __init__(self, name, function):
        self.name, self.function = name, function

    def __call__(self, model, alpha, **options):
        sizes = {len(value) for value in options.values() if isinstance(value, np.ndarray)}
        value = self.function(model, **options) if alpha is None else self.function(model, alpha, **options)
        return read_any(value, self.name, max(sizes, default=None))
