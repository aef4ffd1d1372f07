"""Every public object is a value: pickled or copied it equals itself, it hashes or says that it cannot, and its text can be read."""

import copy
import functools
import math
import pickle
import warnings

import numpy as np
import pytest
from numba import njit

import flatphys as fp
from flatphys import errors
from flatphys.phase_diagrams import PhaseDiagram
from flatphys.thresholds.dense import DenseThreshold
from flatphys.thresholds.transition import FirstOrderTransition
from flatphys.values import same

BINARY, SPHERICAL = fp.Model(), fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", beta=2.0))
CLOUDS = fp.GaussianMixture(0.7)


@njit
def value(t):
    return 0.5 * (1.0 - t) ** 2


@njit
def slope(t):
    return t - 1.0


@njit
def curvature(t):
    return 1.0


def solved(data, learner, alpha=0.6):
    return lambda: fp.solve(fp.Model(data, learner), alpha)


def law(*problem):
    return lambda: fp.margins(solved(*problem)())


def run(**options):
    return fp.sample(SPHERICAL, 11, 0.5, chains=4, sweeps=20, device="cpu", progress=False, **options)


def trained():
    return fp.sample(fp.Model(CLOUDS, fp.Hebb()), 11, 0.5, chains=4, progress=False)


def instances():
    return fp.make_instances(fp.Model(fp.Teacher(), fp.Gibbs()), 11, 0.5, count=2, seed=1)


def diagram():
    row = {"plane": "margin", "boundary": "Gardner capacity", "equation": "f = 0", "alpha": 2.0, "margin": 0.0}
    return PhaseDiagram.from_records("spherical-perceptron", [row, row | {"margin": math.nan}])


OBJECTS = {
    "RandomLabels": fp.RandomLabels,
    "Teacher": lambda: fp.Teacher(0.1),
    "GaussianMixture": lambda: CLOUDS,
    "Perceptron": fp.Perceptron,
    "TreeCommittee": lambda: fp.TreeCommittee("erf"),
    "Gibbs": fp.Gibbs,
    "Bayes": fp.Bayes,
    "MaxMargin": fp.MaxMargin,
    "Hebb": fp.Hebb,
    "ERM": lambda: fp.ERM("hinge", 0.3),
    "CustomLoss": lambda: fp.CustomLoss(value, slope, curvature, "mine"),
    "Model": lambda: fp.Model(fp.Teacher(), fp.ERM(fp.CustomLoss(value, slope, curvature))),
    "State": solved(fp.RandomLabels(), fp.Gibbs()),
    "margins of Gibbs": law(fp.RandomLabels(), fp.Gibbs()),
    "margins of Bayes": law(fp.Teacher(0.1), fp.Bayes()),
    "margins of MaxMargin": law(fp.Teacher(), fp.MaxMargin()),
    "margins of ERM": law(CLOUDS, fp.ERM("logistic")),
    "margins of hinge": law(CLOUDS, fp.ERM("hinge")),
    "margins of an interpolator": law(CLOUDS, fp.ERM("square", 0.0)),
    "margins of largest margin": law(CLOUDS, fp.MaxMargin()),
    "margins of Hebb": law(CLOUDS, fp.Hebb()),
    "margins normalised": lambda: law(CLOUDS, fp.ERM("square"))().normalised(),
    "LocalEntropy": lambda: fp.local_entropy(solved(fp.RandomLabels(), fp.Gibbs())(), overlap=[0.2, 0.9999999]),
    "ReplicatedEntropy": lambda: fp.replicated_entropy(BINARY, 0.6, distance=[0.2]),
    "margins of replicas": lambda: fp.replicated_entropy(BINARY, 0.6, distance=[0.2]).margins(0),
    "FirstOrderTransition": lambda: FirstOrderTransition(1.2, math.nan, 1.5, *[solved(fp.RandomLabels(), fp.Gibbs())()] * 2),
    "DenseThreshold": lambda: DenseThreshold(0.7, 0.1, 0.2, math.inf, math.nan),
    "PhaseDiagram": diagram,
    "Boundary": lambda: diagram()["Gardner capacity"],
    "Refined": lambda: fp.precise.refine(solved(fp.RandomLabels(), fp.Gibbs("spherical"))(), digits=40),
    "Support": fp.supported,
    "ModelSupport": lambda: fp.supported(BINARY),
    "Instances": instances,
    "Chains": lambda: fp.Chains(instances(), replicas=1).advance(2),
    "Run": run,
    "Run of a rule": trained,
    "Estimate": lambda: run().train_error,
    "SampledMargins": lambda: run().margins,
    "Extrapolation": lambda: fp.extrapolate([trained(), fp.sample(fp.Model(CLOUDS, fp.Hebb()), 22, 0.5, chains=4)], "train_error"),
    "CheckReport": lambda: fp.check(fp.solve(trained().model, trained().alpha), trained()),
    "FiniteRun": lambda: fp.finite.train(fp.Model(CLOUDS, fp.Hebb()), 11, 0.5, instances=2, seed=1),
    "SampledLocalEntropy": lambda: fp.sample_local_entropy(
        fp.Model(fp.Teacher(), fp.Gibbs()), 11, 0.5, overlap=[0.5], reference="teacher", chains=4, sweeps=20, device="cpu", progress=False
    ),
}


@functools.cache
def made(name):
    """The object of that name, made once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return OBJECTS[name]()


@pytest.mark.parametrize("name", OBJECTS)
def test_pickles_and_copies_are_equal(name):
    thing = made(name)
    for other in (pickle.loads(pickle.dumps(thing)), copy.copy(thing), copy.deepcopy(thing)):
        assert other == thing and not other != thing and repr(other) == repr(thing)
        assert thing != "another thing" and other is not None


@pytest.mark.parametrize("name", OBJECTS)
def test_equal_things_have_one_hash_or_none(name):
    thing = made(name)
    if type(thing).__hash__ is None:
        with pytest.raises(TypeError, match=f"unhashable type: '{type(thing).__name__}'"):
            hash(thing)
    else:
        assert hash(pickle.loads(pickle.dumps(thing))) == hash(thing)


@pytest.mark.parametrize("name", OBJECTS)
def test_texts_can_be_read(name):
    text = repr(made(name))
    assert " at 0x" not in text and "<" not in text.replace("<=", "").replace("< ", "") and max(map(len, text.splitlines())) < 400


def test_what_differs_is_not_equal():
    state = solved(fp.RandomLabels(), fp.Gibbs())()
    assert state == solved(fp.RandomLabels(), fp.Gibbs())() and state != solved(fp.RandomLabels(), fp.Gibbs(), 0.5)()
    assert fp.margins(state) != fp.margins(solved(fp.RandomLabels(), fp.Gibbs(), 0.5)())
    assert same([np.array([math.nan, 1.0])], [np.array([math.nan, 1.0])]) and not same(np.zeros(2), np.zeros(3))
    assert not same(1.0, 1) and not same({"a": 1}, {"b": 1}) and not same((1, 2), (1, 3)) and same(math.nan, math.nan)


@pytest.mark.parametrize("kind", [kind for kind in vars(errors).values() if isinstance(kind, type)], ids=lambda kind: kind.__name__)
def test_errors_travel(kind):
    error = pickle.loads(pickle.dumps(kind("a sentence")))
    assert type(error) is kind and error.args == ("a sentence",) and repr(error) == f"{kind.__name__}('a sentence')"
