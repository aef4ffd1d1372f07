"""The questions that flatphys itself answers: one entry per public function."""

import math
from dataclasses import replace

import numpy as np

import flatphys as fp
from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.model import ERM, Gibbs
from flatphys.questions.question import NEGATIVE, UNSTABLE, Answer, Own, Question, of_state, own_question
from flatphys.saddle.dispatch import ANSATZE
from flatphys.state import NEGATIVE_ENTROPY, State

REFERENCES = ("state", "teacher", "max_margin")


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
            raise InvalidInput(
                f"reference='max_margin' is for binary weights of a Gibbs learner, got {model.learner!r}; trained rules have MaxMargin"
            )
        model = replace(model, learner=replace(model.learner, margin=fp.max_margin(model, alpha)))
    return _solved(model, alpha, ansatz)


def _elements(columns: dict, status, binary: bool, replicons=("at_eigenvalue",)) -> Answer:
    """Arrays with a status each: "ok" is refined by the sign of counts and replicons; columns without any value are dropped."""
    status = np.array(status, dtype="<U16")
    fine = status == "ok"
    for name in replicons:
        status[fine & (columns[name] < 0.0)] = UNSTABLE
    if binary:
        status[fine & (columns["value"] < NEGATIVE_ENTROPY)] = NEGATIVE
    kept = {
        name: np.asarray(column, dtype=float) for name, column in columns.items() if column is not None and np.isfinite(column[fine]).any()
    }
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
    "value",
    "slope",
    "external_entropy",
    "region_entropy",
    "q0",
    "R",
    "generalization_error",
    "barycentre_error",
    "inner_eigenvalue",
    "outer_eigenvalue",
    "residual",
    "quadrature_error",
)


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


_SIGMA, _DISTANCE, _OVERLAP = _within(0.0, math.inf, "["), _within(0.0, 1.0), _within(-1.0, 1.0)

QUESTIONS = {
    question.name: question
    for question in (
        Question("solve", _ask_solve, options={"ansatz": _ansatz}),
        Question("ground_state", _ask_ground_state, always=("train_error",)),
        Question(
            "local_energy",
            _ask_local_energy,
            vectors=("sigma", "distance"),
            needs_vector=True,
            always=("local_energy",),
            options={"reference": _chosen_reference, "sigma": _SIGMA, "distance": _within(0.0, 1.0, "[]")},
        ),
        Question(
            "local_entropy",
            _ask_local_entropy,
            vectors=("distance", "overlap"),
            needs_vector=True,
            always=("value",),
            options={"reference": _chosen_reference, "margin": _margin, "beta": _beta, "distance": _DISTANCE, "overlap": _OVERLAP},
        ),
        Question(
            "replicated_entropy",
            _ask_replicated_entropy,
            vectors=("distance", "overlap"),
            needs_vector=True,
            always=("value",),
            options={"y": _y, "distance": _within(0.0, 0.5), "overlap": _within(0.0, 1.0)},
        ),
        Question(
            "margins",
            _ask_margins,
            vectors=("x",),
            always=("mean", "variance", "skewness"),
            options={"ansatz": _ansatz, "reference": _chosen_reference, "normalised": _flag, "x": _within(-math.inf, math.inf)},
        ),
        _simple("relative_flatness", lambda model, alpha: fp.relative_flatness(_solved(model, alpha))),
        _simple(
            "largest_overlap",
            lambda model, alpha, margin=0.0: fp.largest_overlap(_solved(model, alpha), margin),
            options={"margin": _margin},
        ),
        _simple("max_margin", lambda model, alpha: fp.max_margin(model, alpha)),
        _simple("freezing_beta", lambda model, alpha: fp.freezing_beta(model, alpha)),
        _simple("optimal_l2", lambda model, alpha: fp.optimal_l2(model, alpha)),
        _simple("bayes_error", lambda model, alpha: fp.bayes_error(model.data, alpha, getattr(model.learner, "weights", "spherical"))),
        _simple("capacity", lambda model, alpha, ansatz="RS": fp.capacity(model, ansatz=ansatz), False, {"ansatz": _ansatz}),
        _simple("at_line", lambda model, alpha: fp.at_line(model), False),
        _simple(
            "separability_threshold",
            lambda model, alpha: fp.separability_threshold(model.data, getattr(model.learner, "bias", False)),
            False,
        ),
        _simple(
            "flatness_threshold",
            lambda model, alpha, reference="max_margin": fp.flatness_threshold(model, reference),
            False,
            {"reference": lambda name, value: validate.choice(name, value, ("max_margin", "replicated"))},
        ),
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
        raise InvalidInput(
            f"question must be a function such as flatphys.local_energy, its name, or a function of (model, alpha), got {question!r}"
        )
    name = getattr(question, "__name__", type(question).__name__)
    if (getattr(question, "__module__", "") or "").partition(".")[0] == "flatphys":
        if getattr(fp, name, None) is question and name in QUESTIONS:
            return QUESTIONS[name]
        raise InvalidInput(
            f"question {name} is not one of {', '.join(QUESTIONS)}; wrap it in a function of (model, alpha) that returns a number "
            "or a dict of numbers"
        )
    vectors = tuple(getattr(question, "vectors", ()))
    version = getattr(question, "version", None)
    return own_question(name, Own(name, question), vectors, None if version is None else str(version))
