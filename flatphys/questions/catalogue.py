"""The questions that flatphys answers, one entry per public function: a new one is added here, and only here."""

import math

import flatphys as fp
from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.kernels.traits import energy_traits, loss_traits
from flatphys.model import ENERGIES, ERM, LOSSES, Bayes, GaussianMixture, Gibbs, Hebb, MaxMargin, Perceptron, RandomLabels, Teacher
from flatphys.model_losses import Smoothed
from flatphys.questions import calls, options as o
from flatphys.questions.domain import where
from flatphys.questions.question import Question, own_question

# --- models -----------------------------------------------------------------------------------------------------------------
_RULES = (ERM, MaxMargin, Hebb)
_SIGNAL = (Teacher, GaussianMixture)
_GIBBS = (where(RandomLabels, Gibbs), where(Teacher, Gibbs, network=Perceptron), where(GaussianMixture, Gibbs, network=Perceptron))
_STATES = (*_GIBBS, where(Teacher, (Bayes, *_RULES)), where(GaussianMixture, (Bayes, *_RULES)))


def _among(patterns, **fields) -> tuple:
    """The same patterns with further conditions."""
    return tuple(where(one.data, one.learner, **dict(one.fields), **fields) for one in patterns)


_REPLICATED = (*_GIBBS[:2], *_among(_GIBBS[2:], bias=False), *_among(_GIBBS[2:], bias=True, positive=0.5))
_FLATTEST = (where(Teacher, Gibbs, network=Perceptron), where(GaussianMixture, Gibbs, network=Perceptron, positive=0.5))
_HARD = _among(_GIBBS, beta=math.inf)
_FLAT = tuple(one for one in ENERGIES if energy_traits(one).margin_fit)
_COUNTING = _among(_HARD, energy=_FLAT)  # no violation is the same for all of them
_SMOOTH = tuple(one for one in ENERGIES if energy_traits(one).bend > 0.0)
_FITTED = tuple(one for one in ENERGIES if energy_traits(one).exact_fit)
_COSTLY = tuple(one for one in ENERGIES if not energy_traits(one).margin_fit)
_NO_SQUARES = tuple((one, "Unsatisfiable") for one in _among(_HARD, energy=_COSTLY))  # no weights cost nothing: a ground state is left
_AROUND_RULES = (  # whose local entropy is known: of spherical weights, on a balanced mixture
    where(Teacher, Bayes, weights="spherical"),
    where(Teacher, _RULES),
    where(GaussianMixture, Bayes, positive=0.5, weights="spherical"),
    where(GaussianMixture, _RULES, positive=0.5),
)

_ENTRIES = (
    Question(
        "solve",
        "order parameters, entropies, errors and stability of the dominant state",
        options=(o.ANSATZ,),
        columns=("train_error",),
        answers=_STATES,
        otherwise=_NO_SQUARES,
        call=lambda state: state,
        command=True,
    ),
    Question(
        "ground_state", "the least energy at T = 0 beyond capacity", "load", columns=("train_error",), answers=_HARD, example={"alpha": 4.0}
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
        options=(o.REFERENCE, o.vector("sigma", 0.0, math.inf, "["), o.vector("distance", 0.0, 1.0, "[]")),
        needs_vector=True,
        answers=_STATES,
        otherwise=_NO_SQUARES,
        command=True,
        example={"sigma": [0.5]},
    ),
    Question(
        "local_entropy",
        "how many solutions surround a state, as a function of distance",
        options=(o.REFERENCE, o.MARGIN, o.BETA, o.ENERGY, o.vector("distance", 0.0, 1.0), o.vector("overlap", -1.0, 1.0)),
        needs_vector=True,
        columns=(
            *("value", "free_entropy", "slope", "energy", "train_loss", "train_error", "q1", "t", "R1"),
            *("at_eigenvalue", "residual", "quadrature_error"),
        ),
        printed=("value", "free_entropy", "slope", "train_error", "q1", "status", "residual"),
        answers=(*_GIBBS, *_AROUND_RULES),
        otherwise=_NO_SQUARES,
        command=True,
        example={"overlap": [0.3]},
    ),
    Question(
        "zero_crossings",
        "distances at which the local entropy around a state vanishes",
        options=(o.REFERENCE, o.MARGIN),
        along=("crossing", 6),
        answers=(*_GIBBS, *_AROUND_RULES),
        otherwise=_NO_SQUARES,
    ),
    Question(
        "largest_overlap",
        "the largest overlap of a trained rule with error-free weights",
        options=(o.MARGIN,),
        call=calls.largest_overlap,
        answers=_AROUND_RULES,
        otherwise=_NO_SQUARES,
        learner="erm",
    ),
    Question(
        "replicated_entropy",
        "the densest regions of solutions, as a function of mutual distance",
        "load",
        options=(o.Y, o.CENTRE, o.vector("distance", 0.0, 0.5), o.vector("overlap", 0.0, 1.0)),
        needs_vector=True,
        columns=(
            *("value", "free_entropy", "field", "mutual_distance", "energy", "train_error", "slope", "external_entropy"),
            *("region_entropy", "q0", "R", "m1", "generalization_error", "centre_norm", "cosine", "centre_generalization_error"),
            *("inner_eigenvalue", "outer_eigenvalue", "residual", "quadrature_error"),
        ),
        printed=(
            *("value", "free_entropy", "field", "energy", "slope", "external_entropy", "q0", "R", "m1", "cosine"),
            *("centre_generalization_error", "inner_eigenvalue", "outer_eigenvalue", "status", "residual"),
        ),
        answers=_REPLICATED,
        otherwise=_NO_SQUARES,
        command=True,
        example={"distance": [0.1]},
    ),
    Question(
        "flattest",
        "the distance at which the centre of replicas generalises best",
        "load",
        options=(o.Y, o.ATTRACTIVE),
        columns=("distance", "cosine", "centre_generalization_error", "bayes_error", "excess", "typical_distance"),
        read=calls.flattest_answer,
        answers=_FLATTEST,
        otherwise=_NO_SQUARES[1:],
        data="teacher",
        command=True,
    ),
    Question(
        "vanishing_external_y",
        "the number of replicas at which the external entropy vanishes",
        "load",
        options=(o.vector("distance", 0.0, 0.5),),
        needs_vector=True,
        call=calls.vanishing_y,
        read=calls.vanishing_answer,
        answers=_COUNTING[:2],
        otherwise=_NO_SQUARES,
        example={"distance": [0.1]},
    ),
    Question(
        "margins",
        "the law of the training stabilities",
        options=(o.ANSATZ, o.REFERENCE, o.NORMALISED, o.vector("x", -math.inf, math.inf)),
        columns=("mean", "variance", "skewness"),
        call=calls.margins,
        read=calls.moments,
        answers=_STATES,
        otherwise=_NO_SQUARES,
        command=True,
    ),
    Question(
        "relative_flatness",
        "|w|^2 Tr Hessian / N of the mean training loss at a minimiser",
        answers=(
            where(_SIGNAL, ERM, loss=(*(one for one in LOSSES if not loss_traits(one).kinked), fp.CustomLoss, Smoothed)),
            *_among(_GIBBS[1:], energy=_SMOOTH),
            where(RandomLabels, Gibbs, network=Perceptron, energy=_SMOOTH),
        ),
        otherwise=_NO_SQUARES,
        learner="erm",
        command=True,
    ),
    Question(
        "capacity",
        "the largest load with solutions",
        "model",
        options=(o.ANSATZ,),
        answers=(*_COUNTING, *_among(_HARD, weights="spherical", energy=_FITTED), where(_SIGNAL, MaxMargin)),
    ),
    Question(
        "max_margin",
        "the largest margin with solutions at a load",
        "load",
        answers=(*_COUNTING, *_among(_HARD, weights="spherical", energy=_FITTED), where(_SIGNAL, MaxMargin)),
    ),
    Question("at_line", "the load at which the replicon vanishes", "model", answers=_GIBBS, otherwise=_NO_SQUARES),
    Question(
        "freezing_beta",
        "the inverse temperature at which the entropy of binary weights vanishes",
        "load",
        answers=_among(_GIBBS, weights="binary"),
        example={"alpha": 1.0},
    ),
    Question(
        "first_order_transition",
        "where the learner jumps to its teacher: equal entropies and spinodals",
        "model",
        columns=("transition", "lower_spinodal", "spinodal"),
        answers=(_GIBBS[1], where(Teacher, Bayes)),
        otherwise=_NO_SQUARES[1:2],
    ),
    Question(
        "separability_threshold",
        "the load beyond which no plane separates the data",
        "model",
        call=calls.separability,
        answers=(where(_SIGNAL, (Gibbs, Bayes, *_RULES)),),
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
        call=calls.bayes_error,
        answers=(where(_SIGNAL, (Gibbs, Bayes, *_RULES)),),
        learner="bayes",
    ),
    Question(
        "flatness_threshold",
        "the smallest load at which the local entropy stops being monotonic",
        "model",
        options=(o.FLATNESS,),
        answers=_among(_COUNTING[:1], weights="binary"),
        aliases={"flatness": {}, "dense-flatness": {"reference": "replicated"}},
    ),
    Question(
        "replicated_flatness_threshold",
        "the same of the densest regions: y replicas, or those whose external entropy vanishes",
        "model",
        options=(o.Y, o.VANISHING),
        read=calls.dense_threshold,
        answers=_COUNTING[:2],
        otherwise=_NO_SQUARES,
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
            "question must be a function such as flatphys.local_energy, its name, or a function of (model, alpha), got "
            + validate.shown(question)
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
