"""Models are values: they validate, compare, hash and print themselves."""

import dataclasses
import math
import pickle

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput


def test_the_defaults_are_the_binary_storage_problem():
    assert fp.Model() == fp.Model(fp.RandomLabels(), fp.Gibbs(weights="binary", margin=0.0, beta=math.inf))
    assert fp.Teacher().flip == 0.0 and fp.Bayes().weights == "spherical" and fp.MaxMargin().bias is False


def test_equal_models_are_one_key_and_survive_pickling():
    one, other = fp.Model(fp.Teacher(0.1), fp.Gibbs("spherical", 0.5, 2.0)), fp.Model(fp.Teacher(0.1), fp.Gibbs("spherical", 0.5, 2.0))
    assert one == other and len({one, other}) == 1 and pickle.loads(pickle.dumps(one)) == one
    assert one != fp.Model(fp.Teacher(0.1), fp.Gibbs("spherical", 0.5, 3.0))


def test_numbers_become_floats_whatever_they_came_as():
    learner = fp.Gibbs(np.str_("binary"), np.float32(0.5), np.int64(3))
    assert (type(learner.weights), type(learner.margin), type(learner.beta)) == (str, float, float)
    assert repr(learner) == "Gibbs(weights='binary', margin=0.5, beta=3.0, network=Perceptron(), energy='errors', bias=False)"
    assert eval(repr(fp.Teacher(0.25)), {"Teacher": fp.Teacher}) == fp.Teacher(0.25)


def test_models_cannot_be_changed():
    model = fp.Model()
    for thing, name in ((model, "data"), (model.learner, "margin"), (fp.Teacher(), "flip")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(thing, name, 1.0)


def test_replace_validates_again():
    with pytest.raises(InvalidInput, match="beta"):
        dataclasses.replace(fp.Gibbs(), beta=-1.0)


@pytest.mark.parametrize(
    "data, learner, match",
    [
        (fp.RandomLabels(), fp.Bayes(), "Bayes is not defined on RandomLabels data; there it must be Gibbs"),
        (fp.RandomLabels(), fp.MaxMargin(), "MaxMargin is not defined on RandomLabels"),
        (fp.Teacher(), fp.MaxMargin(bias=True), "bias must be False on Teacher data"),
    ],
)
def test_a_pair_without_equations_is_refused_when_the_model_is_made(data, learner, match):
    with pytest.raises(InvalidInput, match=match):
        fp.Model(data, learner)


@pytest.mark.parametrize(
    "data, learner, match",
    [
        ("teacher", fp.Gibbs(), "data must be RandomLabels or Teacher or GaussianMixture, got 'teacher'"),
        (fp.Teacher, fp.Gibbs(), r"data must be .*; write Teacher\(\.\.\.\)"),
        (fp.Gibbs(), fp.Gibbs(), "data must be"),
        (fp.Teacher(), "gibbs", "learner must be"),
        (fp.Teacher(), fp.Gibbs, r"learner must be .*; write Gibbs\(\.\.\.\)"),
        (fp.Teacher(), fp.RandomLabels(), "learner must be"),
        (None, None, "data must be"),
    ],
)
def test_wrong_objects_are_named(data, learner, match):
    with pytest.raises(InvalidInput, match=match):
        fp.Model(data, learner)


def test_a_model_prints_as_a_table_in_a_notebook():
    html = fp.Model(fp.Teacher(0.1), fp.Gibbs())._repr_html_()
    assert html.startswith("<table>") and "Teacher(flip=0.1)" in html and "&#x27;binary&#x27;" in html
