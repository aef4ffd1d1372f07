"""`supported()`: the matrix says what the functions do, prints, and is the page of the docs."""

import itertools
import math
import pathlib
import warnings

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput, NoSolution, NotConverged, Unsatisfiable
from flatphys.model import ENERGIES, LOSSES
from flatphys.questions.catalogue import QUESTIONS
from flatphys.questions.domain import where
from flatphys.questions.question import Question

NETWORKS = (fp.Perceptron(), fp.TreeCommittee("relu"))
COSTLY = (
    "flatness_threshold",
    "flattest",
    "replicated_flatness_threshold",
    "first_order_transition",
    "zero_crossings",
)  # their answers are other tests' business


def models():
    """One of every kind that the matrix may tell apart; labels are flipped, so that a teacher's pupil has a capacity."""
    kinds = itertools.product(("binary", "spherical"), NETWORKS, ENERGIES, (math.inf, 2.0))
    gibbs = [
        fp.Gibbs(weights, 0.0 if energy in ("errors", "logistic") else 0.2, beta, network, energy)
        for weights, network, energy, beta in kinds
    ]
    yield from (fp.Model(data, learner) for data in (fp.RandomLabels(), fp.Teacher(0.1), fp.GaussianMixture()) for learner in gibbs)
    rules = [*map(fp.ERM, LOSSES), fp.MaxMargin(), fp.Hebb(), fp.Bayes(), fp.Bayes("binary")]
    for data in (fp.Teacher(), fp.GaussianMixture(), fp.GaussianMixture(1.0, 0.3)):
        yield from (fp.Model(data, learner) for learner in rules)


def asked(question, model):
    """The name of the error that the question raises, None where it is answered; physics' own refusals are answers."""
    options = {name: np.array(value) if isinstance(value, list) else value for name, value in question.example.items()}
    alpha = options.pop("alpha", 0.5)
    try:
        question.ask(model, alpha if question.loads else None, **options)
    except (NoSolution, NotConverged, Unsatisfiable) as error:
        return None if fp.supported(model)[question.name] else type(error).__name__
    except InvalidInput:
        return "InvalidInput"
    return None


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_matrix_says_what_the_functions_do(name):
    question, wrong = QUESTIONS[name], {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for model in models():
            said = fp.supported(model).error(name)
            slow = name == "local_entropy" and getattr(model.learner, "energy", "") == "logistic"  # a sum for every node of two sums
            if said is None and (slow or name in COSTLY):
                continue
            if asked(question, model) != said:
                wrong[model] = said
    assert not wrong


def test_the_page_of_the_docs_is_current():
    page = pathlib.Path(__file__).parents[2] / "docs" / "supported.md"
    remedy = "write it anew: python -c 'import flatphys; print(flatphys.supported().markdown(), end=\"\")' > docs/supported.md"
    assert page.read_text(encoding="utf-8") == fp.supported().markdown(), remedy


def test_one_model():
    answers = fp.supported(fp.Model(fp.GaussianMixture(1.0, 0.3), fp.ERM()))
    assert answers["optimal-l2"] and answers["optimal_l2"] and not answers["capacity"]
    assert answers.error("capacity") == "InvalidInput" and answers.error("solve") is None
    assert not answers["local_entropy"] and fp.supported(fp.Model(fp.GaussianMixture(), fp.ERM()))["local_entropy"]
    assert set(answers.answered) | set(answers.errors) == set(answers) == set(QUESTIONS)
    with pytest.raises(InvalidInput, match="did you mean 'capacity'"):
        answers["capcity"]
    with pytest.raises(InvalidInput, match="model must be Model"):
        fp.supported(fp.ERM())


def test_the_matrix_prints_in_a_terminal_and_a_notebook():
    matrix = fp.supported()
    assert (fp.RandomLabels, fp.Gibbs) in matrix.pairs and (fp.RandomLabels, fp.ERM) not in matrix.pairs
    assert matrix["optimal-l2"][fp.GaussianMixture, fp.ERM] == "yes" and matrix["optimal-l2"][fp.Teacher, fp.Hebb] == "-"
    assert matrix["local_entropy"][fp.GaussianMixture, fp.ERM] == "positive 0.5"
    assert "ERM on GaussianMixture" in repr(matrix) and max(map(len, repr(matrix).splitlines())) < 110
    assert matrix._repr_html_().count("<tr>") == len(QUESTIONS) + 1
    assert fp.supported(fp.Model())._repr_html_().count("<tr>") == len(QUESTIONS)


def test_a_pattern_fits_classes_and_fields():
    pattern = where((fp.Teacher, fp.RandomLabels), fp.Gibbs, network=fp.Perceptron, beta=math.inf)
    assert pattern.fits(fp.Model()) and pattern.conditions == "network Perceptron, beta inf"
    assert not pattern.fits(fp.Model(fp.RandomLabels(), fp.Gibbs(beta=2.0)))
    assert not pattern.fits(fp.Model(fp.RandomLabels(), fp.Gibbs(network=fp.TreeCommittee())))
    assert not pattern.fits(fp.Model(fp.Teacher(), fp.Bayes()))


def test_an_error_of_its_own_is_named(monkeypatch):
    toy = Question(
        "toy", answers=(where(fp.RandomLabels, fp.Gibbs),), otherwise=((where(fp.RandomLabels, fp.Gibbs, beta=2.0), "Unsatisfiable"),)
    )
    monkeypatch.setitem(QUESTIONS, "toy", toy)
    assert fp.supported(fp.Model()).error("toy") is None
    assert fp.supported(fp.Model(fp.RandomLabels(), fp.Gibbs(beta=2.0))).error("toy") == "Unsatisfiable"
