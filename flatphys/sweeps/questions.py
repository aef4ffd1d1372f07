"""What a sweep can ask: one entry per public function, which turns its answer into named numbers.

A question's `ask(model, alpha, **options)` returns an `Answer`; whatever it raises or warns of becomes the status of the point
(`sweeps.point`).  Options in `vectors` are arrays that the question takes whole, the innermost dimension of the result.
"""

import difflib
import math
from dataclasses import dataclass, field, replace

import numpy as np

import flatphys as fp
from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.model import ERM, Gibbs
from flatphys.saddle.dispatch import ANSATZE
from flatphys.state import NEGATIVE_ENTROPY, State

NEGATIVE, UNSTABLE = "negative_entropy", "rs_unstable"
REFERENCES = ("state", "teacher", "max_margin")

# Why an element of an array has no value, where the library gives a status and no sentence.
REASONS = {
    "unsat": "no weights fulfil the constraint at this distance from the reference",
    "no_solution": "the equations have no saddle point at this distance: the weights counted there have closed in on each other, or two saddles have met",
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
        return (question_of, (self.name,)) if not self.own else (_own, (self.name, self.ask, self.vectors, self.version))

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


# --- how answers are read -----------------------------------------------------------------------------------------------
def _solved(model, alpha, ansatz="RS") -> State:
    """The dominant state; minimisers of a loss are continued."""
    if isinstance(model.learner, ERM) and ansatz == "RS":
        from flatphys.sweeps.continuation import solve_minimiser

        return solve_minimiser(model, alpha)
    return fp.solve(model, alpha, ansatz=ansatz)


def _reference(model, alpha, reference, ansatz="RS") -> State:
    if reference == "teacher":
        return fp.teacher_state(model, alpha)
    if reference == "max_margin":
        if not (isinstance(model.learner, Gibbs) and model.learner.weights == "binary"):
            raise InvalidInput(f"reference='max_margin' is for binary weights of a Gibbs learner, got {model.learner!r}; trained rules have MaxMargin")
        model = replace(model, learner=replace(model.learner, margin=fp.max_margin(model, alpha)))
    return _solved(model, alpha, ansatz)


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


def _elements(columns: dict, status, binary: bool, replicons=("at_eigenvalue",)) -> Answer:
    """Arrays with a status each: "ok" is refined by the sign of counts and replicons; columns without any value are dropped."""
    status = np.array(status, dtype="<U16")
    fine = status == "ok"
    for name in replicons:
        status[fine & (columns[name] < 0.0)] = UNSTABLE
    if binary:
        status[fine & (columns["value"] < NEGATIVE_ENTROPY)] = NEGATIVE
    kept = {name: np.asarray(column, dtype=float) for name, column in columns.items() if column is not None and np.isfinite(column[fine]).any()}
    return Answer(vectors=kept, status=status)


# --- the questions ------------------------------------------------------------------------------------------------------
def _ask_solve(model, alpha, ansatz="RS"):
    return of_state(_solved(model, alpha, ansatz))


def _ask_ground_state(model, alpha):
    return of_state(fp.ground_state(model, alpha))


def _ask_local_energy(model, alpha, reference="state", **at):
    return Answer(vectors={"local_energy": np.asarray(fp.local_energy(_reference(model, alpha, reference), **at))})


def _ask_local_entropy(model, alpha, reference="state", margin=0.0, beta=math.inf, **at):
    from flatphys.observables.local_entropy import _NUMBERS

    found = fp.local_entropy(_reference(model, alpha, reference), margin=margin, beta=beta, **at)
    binary = getattr(model.learner, "weights", None) == "binary"
    return _elements({name: getattr(found, name) for name in _NUMBERS}, found.status, binary)


_REPLICATED = (
    "value", "slope", "external_entropy", "region_entropy", "q0", "R", "generalization_error", "barycentre_error",
    "inner_eigenvalue", "outer_eigenvalue", "residual", "quadrature_error",
)  # fmt: skip


def _ask_replicated_entropy(model, alpha, y=math.inf, **at):
    found = fp.replicated_entropy(model, alpha, y=y, **at)
    columns = {name: getattr(found, name) for name in _REPLICATED}
    # -inf is the outer replicon where regions do not exist: it says "unstable" as any negative number does
    return _elements(columns, found.status, model.learner.weights == "binary", ("inner_eigenvalue", "outer_eigenvalue"))


def _ask_margins(model, alpha, ansatz="RS", reference="state", normalised=False, x=None):
    law = fp.margins(_reference(model, alpha, reference, ansatz))
    law = law.normalised() if normalised else law
    answer = Answer({name: getattr(law, name) for name in ("mean", "variance", "skewness", "mass_below_zero")})
    if law.atoms:
        answer.scalars["atom_place"], answer.scalars["atom_mass"] = max(law.atoms, key=lambda atom: atom[1])
    if x is not None:
        answer.vectors = {"pdf": law.pdf(x), "cdf": law.cdf(x)}
    return answer


def _ask_first_order_transition(model, alpha):
    found = fp.first_order_transition(model)
    return Answer({name: getattr(found, name) for name in ("lower_spinodal", "transition", "spinodal")})


def _simple(name, call, loads=True, options=None):
    """A question whose answer is one number, called by its own name."""
    return Question(name, _Number(name, call), loads, options=options or {}, always=(name,))


class _Number:
    """Asks a function of (model, alpha, options) that returns one number."""

    def __init__(self, name, call):
        self.name, self.call = name, call

    def __call__(self, model, alpha, **options):
        return Answer({self.name: float(self.call(model, alpha, **options))})


# --- checks of options ----------------------------------------------------------------------------------------------------
def _ansatz(name, value):
    return validate.choice(name, value, ANSATZE)


def _chosen_reference(name, value):
    return validate.choice(name, value, REFERENCES)


def _margin(name, value):
    return validate.number(name, value)


def _beta(name, value):
    return validate.number(name, value, 0.0, infinite=True)


def _y(name, value):
    return validate.number(name, value, 1.0, infinite=True)


def _flag(name, value):
    return validate.flag(name, value)


def _within(low, high, closed=""):
    def check(name, values):
        return tuple(validate.number(name, value, low, high, closed=closed) for value in values)

    return check


_SIDE = {"ansatz": _ansatz, "reference": _chosen_reference}
_SIGMA, _DISTANCE, _OVERLAP = _within(0.0, math.inf, "["), _within(0.0, 1.0), _within(-1.0, 1.0)

QUESTIONS = {
    question.name: question
    for question in (
        Question("solve", _ask_solve, options={"ansatz": _ansatz}),
        Question("ground_state", _ask_ground_state, always=("train_error",)),
        Question(
            "local_energy", _ask_local_energy, vectors=("sigma", "distance"), needs_vector=True, always=("local_energy",),
            options={"reference": _chosen_reference, "sigma": _SIGMA, "distance": _within(0.0, 1.0, "[]")},
        ),
        Question(
            "local_entropy", _ask_local_entropy, vectors=("distance", "overlap"), needs_vector=True, always=("value",),
            options={"reference": _chosen_reference, "margin": _margin, "beta": _beta, "distance": _DISTANCE, "overlap": _OVERLAP},
        ),
        Question(
            "replicated_entropy", _ask_replicated_entropy, vectors=("distance", "overlap"), needs_vector=True, always=("value",),
            options={"y": _y, "distance": _within(0.0, 0.5), "overlap": _within(0.0, 1.0)},
        ),
        Question("margins", _ask_margins, vectors=("x",), always=("mean", "variance", "skewness"), options=_SIDE | {"normalised": _flag, "x": _within(-math.inf, math.inf)}),
        _simple("relative_flatness", lambda model, alpha: fp.relative_flatness(_solved(model, alpha))),
        _simple("largest_overlap", lambda model, alpha, margin=0.0: fp.largest_overlap(_solved(model, alpha), margin), options={"margin": _margin}),
        _simple("max_margin", lambda model, alpha: fp.max_margin(model, alpha)),
        _simple("freezing_beta", lambda model, alpha: fp.freezing_beta(model, alpha)),
        _simple("optimal_l2", lambda model, alpha: fp.optimal_l2(model, alpha)),
        _simple("bayes_error", lambda model, alpha: fp.bayes_error(model.data, alpha, getattr(model.learner, "weights", "spherical"))),
        _simple("capacity", lambda model, alpha, ansatz="RS": fp.capacity(model, ansatz=ansatz), False, {"ansatz": _ansatz}),
        _simple("at_line", lambda model, alpha: fp.at_line(model), False),
        _simple("separability_threshold", lambda model, alpha: fp.separability_threshold(model.data, getattr(model.learner, "bias", False)), False),
        _simple("flatness_threshold", lambda model, alpha, reference="max_margin": fp.flatness_threshold(model, reference), False, {"reference": lambda n, v: validate.choice(n, v, ("max_margin", "replicated"))}),
        Question("first_order_transition", _ask_first_order_transition, False, always=("transition",)),
    )
}


def question_of(question) -> Question:
    """The entry of a public function or of its name; a user's own callable otherwise."""
    if question is None:
        return QUESTIONS["solve"]
    if isinstance(question, str):
        return QUESTIONS[validate.choice("question", question.replace("-", "_"), tuple(QUESTIONS))]
    if isinstance(question, Question):
        return question
    if not callable(question):
        raise InvalidInput(f"question must be a function such as flatphys.local_energy, its name, or a function of (model, alpha), got {question!r}")
    name = getattr(question, "__name__", type(question).__name__)
    if (getattr(question, "__module__", "") or "").partition(".")[0] == "flatphys":
        if getattr(fp, name, None) is question and name in QUESTIONS:
            return QUESTIONS[name]
        raise InvalidInput(f"question {name} is not one of {', '.join(QUESTIONS)}; wrap it in a function of (model, alpha) that returns a number or a dict of numbers")
    vectors = tuple(getattr(question, "vectors", ()))
    version = getattr(question, "version", None)
    return _own(name, Own(name, question), vectors, None if version is None else str(version))


def _own(name, ask, vectors, version):
    return Question(name, ask, None, vectors, options=None, own=True, version=version)


class Own:
    """Asks a user's function: f(model, alpha, **options), or f(model, **options) in a sweep without loads."""

    def __init__(self, name, function):
        self.name, self.function = name, function

    def __call__(self, model, alpha, **options):
        sizes = {len(value) for value in options.values() if isinstance(value, np.ndarray)}
        value = self.function(model, **options) if alpha is None else self.function(model, alpha, **options)
        return read_any(value, self.name, max(sizes, default=None))
