"""Every failure is one sentence that names the argument, its value and what is allowed; none is a silent NaN."""

import math
import pickle

import numpy as np
import pytest

import flatphys as fp
from flatphys import errors
from flatphys.errors import InvalidInput

MODEL = fp.Model()
BAD_LOADS = [0, 0.0, -1, -1e-300, math.nan, math.inf, -math.inf, "half", True, None, [0.5], np.array([0.5, 0.6]), 1j]


def sentence(error):
    """The message: one line, naming what was given."""
    text = str(error.value)
    assert "\n" not in text and len(text) < 400
    return text


@pytest.mark.parametrize("alpha", BAD_LOADS, ids=repr)
@pytest.mark.parametrize("function", [fp.solve, fp.branches, fp.max_margin])
def test_a_bad_load(function, alpha):
    with pytest.raises(InvalidInput) as error:
        function(MODEL, alpha)
    text = sentence(error)
    assert text.startswith("alpha must be a finite number > 0, got ") and repr(alpha) in text


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: fp.Gibbs(margin=math.nan), ("margin", "finite number", "nan")),
        (lambda: fp.Gibbs(margin=math.inf), ("margin", "finite number", "inf")),
        (lambda: fp.Gibbs(margin="wide"), ("margin", "finite number", "'wide'")),
        (lambda: fp.Gibbs(margin=True), ("margin", "True")),
        (lambda: fp.Gibbs(margin=None), ("margin", "None")),
        (lambda: fp.Gibbs(beta=0), ("beta", "> 0", "math.inf allowed", "got 0")),
        (lambda: fp.Gibbs(beta=-2.0), ("beta", "> 0", "-2.0")),
        (lambda: fp.Gibbs(beta=-math.inf), ("beta", "> 0", "-inf")),
        (lambda: fp.Gibbs(beta=math.nan), ("beta", "nan")),
        (lambda: fp.Gibbs(beta="inf"), ("beta", "'inf'")),
        (lambda: fp.Gibbs(weights="binry"), ("weights", "'binary', 'spherical'", "'binry'", "did you mean 'binary'?")),
        (lambda: fp.Gibbs(weights="Spherical"), ("weights", "did you mean 'spherical'?")),
        (lambda: fp.Gibbs(weights="xyz"), ("weights", "'xyz'")),
        (lambda: fp.Gibbs(weights=None), ("weights", "None")),
        (lambda: fp.Bayes(weights=2), ("weights", "got 2")),
        (lambda: fp.Teacher(flip=0.5), ("flip", ">= 0 and < 0.5", "0.5")),
        (lambda: fp.Teacher(flip=-0.1), ("flip", ">= 0 and < 0.5", "-0.1")),
        (lambda: fp.Teacher(flip=math.nan), ("flip", "nan")),
        (lambda: fp.Teacher(flip="few"), ("flip", "'few'")),
        (lambda: fp.MaxMargin(bias=1), ("bias", "True or False", "got 1")),
        (lambda: fp.solve(MODEL, 0.5, ansatz="rs"), ("ansatz", "'RS'", "'rs'")),
        (lambda: fp.solve(MODEL, 0.5, ansatz=None), ("ansatz", "None")),
        (lambda: fp.solve("binary", 0.5), ("model must be Model", "'binary'")),
        (lambda: fp.solve(fp.Model, 0.5), ("model must be Model", "write Model(...)")),
        (lambda: fp.branches(fp.Gibbs(), 0.5), ("model must be Model", "Gibbs(")),
        (lambda: fp.bayes_error(fp.RandomLabels(), 0.5), ("data", "RandomLabels()")),
        (lambda: fp.bayes_error(fp.Teacher(), -1.0), ("alpha", "-1.0")),
    ],
)
def test_a_bad_argument_is_named_with_its_value_and_what_is_allowed(make, words):
    with pytest.raises(InvalidInput) as error:
        make()
    text = sentence(error)
    for word in words:
        assert word in text


def test_invalid_input_is_a_value_error_and_the_rest_is_not():
    assert issubclass(InvalidInput, ValueError)
    for kind in (errors.Unsatisfiable, errors.NoSolution, errors.NotConverged):
        assert issubclass(kind, errors.FlatphysError) and not issubclass(kind, ValueError)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'solv'"):
        fp.solv
    with pytest.raises(TypeError):
        fp.Gibbs(kappa=1.0)


def test_a_failed_solve_carries_its_best_point_also_through_a_process_pool():
    error = errors.NotConverged("the branch was lost", {"q": 0.5}, 1e-3)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.best, copy.residual) == ("the branch was lost", {"q": 0.5}, 1e-3)
    assert math.isnan(errors.NotConverged("alone").residual)


@pytest.mark.parametrize(
    "make, kind, words",
    [
        (
            lambda: fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")), 2.5),
            errors.Unsatisfiable,
            ("alpha=2.5", "capacity 2", "ground_state"),
        ),
        (lambda: fp.solve(fp.Model(), 1.5), errors.NoSolution, ("alpha=1.5", "1.273239545", "ground_state")),
        (lambda: fp.solve(fp.Model(fp.Teacher(), fp.Gibbs("spherical", 0.5)), 2.0), errors.Unsatisfiable, ("alpha=2", "capacity")),
        (lambda: fp.solve(fp.Model(fp.Teacher(), fp.Gibbs("binary", 0.5)), 2.0), errors.NoSolution, ("alpha=2", "ends at alpha=")),
        (lambda: fp.solve(fp.Model(fp.Teacher(0.2), fp.MaxMargin()), 5.0), errors.Unsatisfiable, ("alpha=5", "separability threshold")),
    ],
)
def test_physics_that_has_no_answer_says_up_to_where_it_has_one(make, kind, words):
    with pytest.raises(kind) as error:
        make()
    text = sentence(error)
    for word in words:
        assert word in text


@pytest.mark.parametrize("ask", [lambda: fp.separability_threshold(fp.RandomLabels()), lambda: fp.Model(fp.RandomLabels(), fp.ERM())])
def test_rules_on_random_labels_are_told_what_answers(ask):
    with pytest.raises(InvalidInput) as error:
        ask()
    for word in ("RandomLabels", "`capacity`", "`max_margin`", "Teacher(flip) near 1/2"):
        assert word in sentence(error)


def test_an_odd_activation_without_overlap_is_not_called_even():
    with pytest.raises(InvalidInput, match=r"activation must have E\[x phi\(x\)\] other than 0"):
        fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", network=fp.TreeCommittee(lambda x: x**3 - 3.0 * x))), 0.5)
