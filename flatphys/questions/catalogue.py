"""The questions that flatphys answers, one entry per public function: a new one is added here, and only here."""

import math

import flatphys as fp
from flatphys import validate
from flatphys.errors import InvalidInput, NoSolution
from flatphys.model import ENERGIES, ERM, Bayes, GaussianMixture, Gibbs, Hebb, MaxMargin, Perceptron, RandomLabels, Teacher
from flatphys.questions.answer import Answer
from flatphys.questions.domain import where
from flatphys.questions.question import Option, Question, own_question
from flatphys.saddle.dispatch import ANSATZE

REFERENCES = ("state", "teacher", "max_margin")


# --- options ----------------------------------------------------------------------------------------------------------------
def _in(low=-math.inf, high=math.inf, closed="", infinite=False):
    return lambda name, value: validate.number(name, value, low, high, closed=closed, infinite=infinite)


def _one_of(*allowed):
    return lambda name, value: validate.choice(name, value, allowed)


_ANSATZ = Option("ansatz", _one_of(*ANSATZE), "replica ansatz  [default: RS]", "|".join(ANSATZE), kind="text")
_REFERENCE = Option("reference", _one_of(*REFERENCES), "which state the question is about", "|".join(REFERENCES), kind="text")
_MARGIN = Option("margin", _in(), "margin that the counted weights reach  [default: 0]", "KAPPA", "counted-margin")
_BETA = Option("beta", _in(0.0, infinite=True), "inverse temperature of the counted weights; inf: no errors", "BETA", "counted-beta")
_ENERGY = Option("energy", _one_of(*ENERGIES), "energy of the counted weights  [default: errors]", "ENERGY", "counted-energy", "text")
_Y = Option("y", _in(1.0, infinite=True), "number of solutions per region, or inf  [default: inf]", "Y")
_VANISHING = Option("vanishing_external", validate.flag, "at the y whose external entropy vanishes", kind="switch")
_FLATNESS = Option(
    "reference", _one_of("max_margin", "replicated"), "whose neighbourhood  [default: max_margin]", "max_margin|replicated", kind="text"
)
_NORMALISED = Option("normalised", validate.flag, "divide by |w|/sqrt N", kind="switch")


def _vector(name, low, high, closed=""):
    return Option(name, _in(low, high, closed), metavar="GRID", vector=True)


# --- models -----------------------------------------------------------------------------------------------------------------
_ALL = (RandomLabels, Teacher, GaussianMixture)
_LABELLED = (RandomLabels, Teacher)
_RULES = (ERM, MaxMargin, Hebb)
_SIGNAL = (Teacher, GaussianMixture)
_STATES = (
    where(RandomLabels, Gibbs, energy="errors"),
    where(Teacher, Gibbs, network=Perceptron, energy="errors"),
    where(Teacher, (Bayes, *_RULES)),
    where(GaussianMixture, (Bayes, *_RULES)),
)
_GIBBS = _STATES[:2]
_EVERY_ENERGY = (where(RandomLabels, Gibbs), where(Teacher, Gibbs, network=Perceptron))
_HARD = tuple(where(pattern.data, pattern.learner, **dict(pattern.fields), beta=math.inf) for pattern in _GIBBS)
_AROUND_RULES = (  # whose local entropy is known: of spherical weights, on a balanced mixture
    where(Teacher, Bayes, weights="spherical"),
    where(Teacher, _RULES),
    where(GaussianMixture, (Bayes, *_RULES), positive=0.5),
)


# --- functions of another signature, and results that are no plain number -----------------------------------------------------
def _bayes_error(model, alpha):
    return fp.bayes_error(model.data, alpha, getattr(model.learner, "weights", "spherical"))


def _separability(model):
    return fp.separability_threshold(model.data, getattr(model.learner, "bias", False))


def _largest_overlap(state, margin=0.0):
    return fp.largest_overlap(state, margin)


def _vanishing_y(model, alpha, distance):
    found = []
    for d in distance:
        try:
            found.append(fp.vanishing_external_y(model, alpha, float(d)))
        except NoSolution:
            found.append(math.nan)
    return found


def _vanishing_answer(found, options):
    status = ["no_solution" if y != y else "ok" for y in found]
    reasons = {"no_solution": "no y with vanishing external entropy was found at this distance"}
    return Answer(vectors={"vanishing_external_y": found}, status=status, reasons=reasons)


def _margins(state, normalised=False, x=None):
    law = fp.margins(state)
    return law.normalised() if normalised else law


def _moments(law, options):
    answer = Answer({name: getattr(law, name) for name in ("mean", "variance", "skewness", "mass_below_zero")})
    if law.atoms:
        answer.scalars["atom_place"], answer.scalars["atom_mass"] = max(law.atoms, key=lambda atom: atom[1])
    if "x" in options:
        answer.vectors = {"pdf": law.pdf(options["x"]), "cdf": law.cdf(options["x"])}
    return answer


def _dense_threshold(found, options):
    names = ("distance", "value", "y", "external_entropy")
    return Answer({"replicated_flatness_threshold": found.alpha, **{name: getattr(found, name) for name in names}})


_ENTRIES = (
    Question(
        "solve",
        "order parameters, entropies, errors and stability of the dominant state",
        options=(_ANSATZ,),
        columns=("train_error",),
        answers=_STATES,
        call=lambda state: state,
        command=True,
    ),
    Question(
        "ground_state",
        "the fewest errors at T = 0 beyond capacity",
        "load",
        columns=("train_error",),
        answers=_HARD,
        example={"alpha": 3.0},
    ),
    Question(
        "teacher_state",
        "the teacher itself as a state",
        "load",
        columns=("train_error",),
        answers=(where(Teacher, (Gibbs, Bayes)),),
        data="teacher",
    ),
    Question(
        "local_energy",
        "increase of the training error under random perturbations of the weights",
        options=(_REFERENCE, _vector("sigma", 0.0, math.inf, "["), _vector("distance", 0.0, 1.0, "[]")),
        needs_vector=True,
        answers=_STATES,
        command=True,
        example={"sigma": [0.5]},
    ),
    Question(
        "local_entropy",
        "how many solutions surround a state, as a function of distance",
        options=(_REFERENCE, _MARGIN, _BETA, _ENERGY, _vector("distance", 0.0, 1.0), _vector("overlap", -1.0, 1.0)),
        needs_vector=True,
        columns=(
            *("value", "free_entropy", "slope", "energy", "train_loss", "train_error", "q1", "t", "R1"),
            *("at_eigenvalue", "residual", "quadrature_error"),
        ),
        printed=("value", "free_entropy", "slope", "train_error", "q1", "status", "residual"),
        answers=(*_EVERY_ENERGY, *_AROUND_RULES),
        command=True,
        example={"overlap": [0.3]},
    ),
    Question(
        "zero_crossings",
        "distances at which the local entropy around a state vanishes",
        options=(_REFERENCE, _MARGIN),
        along=("crossing", 6),
        answers=(*_EVERY_ENERGY, *_AROUND_RULES),
    ),
    Question(
        "largest_overlap",
        "the largest overlap of a trained rule with error-free weights",
        options=(_MARGIN,),
        call=_largest_overlap,
        answers=_AROUND_RULES,
        learner="erm",
    ),
    Question(
        "replicated_entropy",
        "the densest regions of solutions, as a function of mutual distance",
        "load",
        options=(_Y, _vector("distance", 0.0, 0.5), _vector("overlap", 0.0, 1.0)),
        needs_vector=True,
        columns=(
            *("value", "slope", "external_entropy", "region_entropy", "q0", "R", "generalization_error", "barycentre_error"),
            *("inner_eigenvalue", "outer_eigenvalue", "residual", "quadrature_error"),
        ),
        printed=("value", "slope", "external_entropy", "q0", "R", "inner_eigenvalue", "outer_eigenvalue", "status", "residual"),
        answers=_HARD,
        command=True,
        example={"distance": [0.1]},
    ),
    Question(
        "vanishing_external_y",
        "the number of replicas at which the external entropy vanishes",
        "load",
        options=(_vector("distance", 0.0, 0.5),),
        needs_vector=True,
        call=_vanishing_y,
        read=_vanishing_answer,
        answers=_HARD,
        example={"distance": [0.1]},
    ),
    Question(
        "margins",
        "the law of the training stabilities",
        options=(_ANSATZ, _REFERENCE, _NORMALISED, _vector("x", -math.inf, math.inf)),
        columns=("mean", "variance", "skewness"),
        call=_margins,
        read=_moments,
        answers=_STATES,
        command=True,
    ),
    Question(
        "relative_flatness",
        "|w|^2 Tr Hessian / N of the mean training loss at a minimiser",
        answers=(where(_SIGNAL, ERM, loss=("square", "logistic", "squared-hinge", fp.CustomLoss)),),
        learner="erm",
        command=True,
    ),
    Question("capacity", "the largest load with solutions", "model", options=(_ANSATZ,), answers=_HARD),
    Question("max_margin", "the largest margin with solutions at a load", "load", answers=_GIBBS),
    Question("at_line", "the load at which the replicon vanishes", "model", answers=_GIBBS),
    Question(
        "freezing_beta",
        "the inverse temperature at which the entropy of binary weights vanishes",
        "load",
        answers=tuple(where(w.data, w.learner, weights="binary", **dict(w.fields)) for w in _GIBBS),
        example={"alpha": 1.0},
    ),
    Question(
        "first_order_transition",
        "where the learner jumps to its teacher: equal entropies and spinodals",
        "model",
        columns=("transition", "lower_spinodal", "spinodal"),
        answers=(where(Teacher, Gibbs, weights="binary", network=Perceptron, energy="errors"), where(Teacher, Bayes, weights="binary")),
    ),
    Question(
        "separability_threshold",
        "the load beyond which no plane separates the data",
        "model",
        call=_separability,
        answers=(where(_ALL, (Gibbs, Bayes, *_RULES)),),
        learner="max-margin",
        aliases={"separability": {}},
    ),
    Question(
        "optimal_l2", "the regularisation of the smallest generalization error", "load", answers=(where(_SIGNAL, ERM),), learner="erm"
    ),
    Question(
        "bayes_error",
        "the smallest generalization error that any learner reaches",
        "load",
        call=_bayes_error,
        answers=(where(_SIGNAL, (Gibbs, Bayes, *_RULES)),),
        learner="bayes",
    ),
    Question(
        "flatness_threshold",
        "the smallest load at which the local entropy stops being monotonic",
        "model",
        options=(_FLATNESS,),
        answers=(where(RandomLabels, Gibbs, weights="binary", beta=math.inf, energy="errors"),),
        aliases={"flatness": {}, "dense-flatness": {"reference": "replicated"}},
    ),
    Question(
        "replicated_flatness_threshold",
        "the same of the densest regions: y replicas, or those whose external entropy vanishes",
        "model",
        options=(_Y, _VANISHING),
        read=_dense_threshold,
        answers=_HARD,
    ),
)
QUESTIONS = {question.name: question for question in _ENTRIES}


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
            f"question {name} is not one of {', '.join(QUESTIONS)}; wrap it in a function of (model, alpha) that returns "
            f"a number or a dict of numbers"
        )
    version = getattr(question, "version", None)
    return own_question(name, question, tuple(getattr(question, "vectors", ())), None if version is None else str(version))
