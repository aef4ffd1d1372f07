"""No argument of any public function ends in a foreign exception: a valid answer or an error of flatphys, before any work."""

import dataclasses
import decimal
import fractions
import inspect
import math
import types
import warnings

import numpy as np
import pytest
import xarray
from numba import njit

import flatphys as fp
from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.finite_size.estimate import Estimate
from flatphys.finite_size.law import SampledMargins
from flatphys.questions.catalogue import QUESTIONS


class Tensor:
    """A number as the libraries of neural networks hold it."""

    shape = ()

    def __init__(self, value):
        self.value = value

    def item(self):
        return self.value


class Stranger:
    """Whatever is asked of it goes wrong."""

    shape = ()

    def __float__(self):
        raise OSError("not today")

    __array__ = __int__ = __index__ = __iter__ = __len__ = item = __float__

    def __repr__(self):
        raise OSError("nor that")


WRONG = {
    "None": None,
    "text": "0.5",
    "bytes": b"0.5",
    "nan": math.nan,
    "inf": math.inf,
    "-inf": -math.inf,
    "negative": -0.5,
    "-1": -1,
    "10**400": 10**400,
    "-10**5000": -(10**5000),
    "True": True,
    "complex": 0.1 + 0.5j,
    "[complex]": np.array([0.1 + 0.5j]),
    "empty": [],
    "empty array": np.zeros((0, 2)),
    "ragged": [[0.1], [0.1, 0.2]],
    "[None]": [0.1, None],
    "[True]": [0.1, True],
    "[text]": ["0.1", "0.2"],
    "[bytes]": [b"0.1"],
    "[nan]": [0.1, math.nan],
    "[10**400]": [10**400],
    "masked": np.ma.array([0.1, 0.2], mask=[0, 1]),
    "masked element": np.ma.masked,
    "0-d complex": np.array(0.5j),
    "0-d text": np.array("0.5"),
    "0-d object": np.array(None),
    "duration": np.timedelta64(1, "s"),
    "date": np.datetime64("2020-01-01"),
    "decimal nan": decimal.Decimal("sNaN"),
    "decimal 1e400": decimal.Decimal("1e400"),
    "dict": {"a": 1},
    "set": {0.1},
    "slice": slice(0, 1),
    "type": fp.Model,
    "module": math,
    "model": fp.Model(),
    "learner": fp.Gibbs(),
    "stranger": Stranger(),
    "tensor of text": Tensor("a"),
    "nul": "a\0b",
}
MODEL = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical"))
STATE = fp.State(MODEL, 0.5, {"q": 0.5, "q_hat": 1.0, "one_minus_q": 0.5}, train_error=0.0, entropy=-0.1)
INSTANCES = fp.Instances(fp.Model(), 1, None, np.ones((1, 3, 2), np.int8), np.ones((1, 2), np.int8))

# What an argument without a default may be, by its name.
GOOD = {"model": MODEL, "alpha": 0.5, "state": STATE, "data": fp.Teacher(), "distance": 0.2, "name": "spherical-perceptron", "n": 11}
GOOD |= {"theory": STATE, "run": [], "runs": [], "path": "store.sqlite", "order": {}, "estimates": {}, "q": 0.5, "seed": 1, "hidden": None}
GOOD |= {"patterns": INSTANCES.patterns, "labels": INSTANCES.labels, "instances": INSTANCES, "weights": np.ones((1, 3)), "x": 0.0}
GOOD |= {"margins": SampledMargins(Estimate.of([0.0, 1.0]), Estimate.of([1.0, 1.0]), stabilities=[[0.0, 1.0]]), "chains": 8}
GOOD |= dict.fromkeys(("value", "slope", "curvature"), njit(lambda t: 1.0)) | {
    "sweeps": 1,
    "index": 0,
    "loss": "hinge",
    "learning_rate": 0.5,
    "sigma": 0.5,
    "method": "amp",
    "values": {},
    "found": fp.Found(INSTANCES, np.ones((1, 3))),
    "gamma0": 0.1,
    "algorithm": fp.ReinforcedBP(steps=10),
}
# What a function needs beside, so that the argument under test is the only wrong one.
BESIDE = {"local_energy": {"sigma": 0.1}, "local_entropy": {"overlap": 0.5}, "replicated_entropy": {"distance": 0.2}}
BESIDE |= {"flatness_against_generalization": {"model": fp.Model(fp.Teacher()), "algorithms": [fp.SBPI(epochs=1)], "n": 11}}
BESIDE |= {"compare_algorithms": {"model": fp.Model(), "algorithms": [fp.SBPI(epochs=1)], "n": 11}}
BESIDE |= {"sample_local_entropy": {"overlap": 0.5}, "sweep": {"alpha": 0.5}}
# Values of the list that are right after all.
RIGHT = {"model": {"model"}, "margin": {"negative", "-1"}, "beta": {"inf"}, "y": {"inf"}, "betas": {"inf"}, "progress": {"True", "type"}}
RIGHT |= dict.fromkeys(("path", "store", "checkpoint"), {"text"})
RIGHT |= dict.fromkeys(
    ("State.branch", "State.ansatz", "CustomLoss.name", "extrapolate.name"), {"text", "0-d text", "tensor of text", "nul"}
)
RIGHT["extrapolate.name"] = RIGHT["extrapolate.name"] | {"type"}  # a function of the runs
RIGHT |= dict.fromkeys(("bias", "attractive", "vanishing_external", "create", "other_versions", "everything", "normalised"), {"True"})
RIGHT |= {"x": {"inf", "-inf", "negative", "-1", "empty", "empty array"}, "at": {"negative", "-1", "empty"}, "q_hat": {"negative", "-1"}}
RIGHT |= {"R": {"negative"}, "R_hat": {"negative", "-1", "inf", "-inf"}, "learner": {"learner"}, "check.sigma": {"empty"}}
RIGHT |= {"check.distance": {"empty"}, "train.sigma": {"empty"}, "State.order": {"dict"}, "Run.estimates": {"dict"}}
RIGHT |= {
    "sweep.axes": {"negative", "-1"},
    "local_entropy.overlap": {"negative"},
    "sample_local_entropy.overlap": {"negative"},
    "exchange": {"True", "inf"},
    "sample.coupling": {"negative", "-1"},
}
RIGHT |= {
    "algorithm": set(),
    "m0": {"negative", "-1"},
    "self_field": {"negative", "-1"},
    "State.alpha": {"inf"},
    "Instances.seed": {"None"},
}
SPELLED = {"phase_diagram.name": "phase diagram", "sweep.axes": "margin"}


RIGHT |= {f"State.{field.name}": {"negative", "-1", "nan", "inf", "-inf", "None"} for field in dataclasses.fields(fp.State)[5:]}


def right(function, name, parameter):
    """Keys of WRONG that the argument may have."""
    own = RIGHT.get(f"{function}.{name}", RIGHT.get(name, set()))
    return set(own) | ({"None"} if parameter.default is None else set())


def public():
    """Every public function and class by its name, methods with arguments included."""
    found = {name: getattr(fp, name) for name in fp.__all__ if not isinstance(getattr(fp, name), types.ModuleType)}
    found |= {f"precise.{name}": getattr(fp.precise, name) for name in fp.precise.__all__ if name != "Refined"}
    found |= {"train": fp.finite.train, "Instances.stabilities": INSTANCES.stabilities}
    return found


PUBLIC = public()
RESULTS = {
    "Run": ("model", "n", "alpha", "estimates"),
    "Instances": ("model", "seed", "patterns", "labels"),
    "Messages": (),
    "Found": ("instances", "weights"),
    "Algorithm": (),
    "Search": (),
}


def refusal(call, where):
    """The sentence of the `InvalidInput` that the call must raise."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            call()
    except InvalidInput as error:
        text = str(error)
        assert "\n" not in text and len(text) < 500, (where, text)
        return text
    except Exception as error:
        pytest.fail(f"{where}: {type(error).__name__}: {error}")
    pytest.fail(f"{where} was accepted")


@pytest.mark.parametrize("function", PUBLIC)
def test_every_wrong_value_of_every_argument_is_refused_by_name(function, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, parameters = PUBLIC[function], inspect.signature(PUBLIC[function]).parameters
    needed = {name: GOOD[name] for name, p in parameters.items() if p.default is p.empty and p.kind is not p.VAR_KEYWORD}
    for name, parameter in parameters.items():
        if name not in RESULTS.get(function, parameters):
            continue
        wrong = WRONG.keys() - right(function, name, parameter)
        name = "learner.margin" if parameter.kind is parameter.VAR_KEYWORD else name
        for key in sorted(wrong):
            arguments = needed | BESIDE.get(function, {}) | {name: WRONG[key]}
            text = refusal(lambda arguments=arguments: call(**arguments), f"{function}({name}={key})")
            assert SPELLED.get(f"{function}.{parameter.name}", name) in text, (function, name, key, text)


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_wrong_option_of_a_question_is_refused_by_name(question):
    for option in QUESTIONS[question].options:
        for key in sorted(WRONG.keys() - (RIGHT.get(f"{question}.{option.name}") or RIGHT.get(option.name, set()))):
            value = [WRONG[key]] if option.vector else WRONG[key]
            text = refusal(lambda option=option, value=value: option.checked(value), f"{question}({option.name}={key})")
            assert option.name in text


NUMBERS = [0.25, np.float32(0.25), np.array(0.25), decimal.Decimal("0.25"), fractions.Fraction(1, 4), xarray.DataArray(0.25)]
NUMBERS += [Tensor(0.25), np.ma.array(0.25), np.longdouble(0.25), xarray.DataArray([0.25, 0.5])[0], np.array(fractions.Fraction(1, 4))]


@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: type(value).__name__)
def test_whatever_is_real_and_of_shape_nothing_is_a_number(value):
    kinds = [
        fp.Teacher(value).flip,
        fp.Gibbs("binary", value, value).beta,
        fp.ERM("hinge", value).l2,
        fp.GaussianMixture(value, value).positive,
    ]
    assert all(type(x) is float and x == 0.25 for x in kinds)
    assert fp.State(MODEL, value, {}, entropy=value).entropy == 0.25
    assert validate.array("x", [value, [value]][:1]).tolist() == [0.25] and validate.array("x", value).shape == ()


@pytest.mark.parametrize(
    "value", [3, np.int8(3), np.array(3), xarray.DataArray([3, 4])[0], Tensor(3)], ids=lambda value: type(value).__name__
)
def test_integers_and_truth_values_come_from_arrays_too(value):
    assert fp.make_instances(MODEL, value, 0.5, count=value, seed=value).count == 3
    assert fp.MaxMargin(np.array(True)).bias is True and fp.Hebb(np.False_).bias is False
    assert fp.Gibbs(np.array("spherical")).weights == "spherical"


def test_arrays_keep_their_shape_and_hide_nothing():
    grid = np.arange(6).reshape(2, 3)
    for given in (grid, grid.tolist(), xarray.DataArray(grid), np.ma.array(grid)):
        out = validate.array("x", given)
        assert out.dtype == float and out.shape == (2, 3) and out is not given
    assert "masked elements" in refusal(lambda: validate.array("sigma", WRONG["masked"]), "masked")
    assert "nan in [0.1, nan]" in refusal(lambda: validate.array("sigma", [0.1, math.nan]), "nan")
    assert "must not be empty" in refusal(lambda: validate.array("sigma", [[]]), "empty")
    assert "> 0 and < 1, got 1.5 in" in refusal(lambda: validate.array("p", [0.5, 1.5], 0.0, 1.0), "range")


def test_long_values_are_shown_by_their_ends():
    text = refusal(lambda: fp.solve(MODEL, 10**400), "alpha")
    assert "got 1000000000" in text and "..." in text and len(text) < 150
    assert "of 16610 bits" in refusal(lambda: fp.solve(MODEL, 10**5000), "alpha")
    assert len(refusal(lambda: fp.solve(MODEL, list(range(10**4))), "alpha")) < 150


def test_the_coordinates_of_a_sweep_are_arguments_again():
    loads = xarray.DataArray([0.5, 1.5], dims="alpha")
    assert [fp.capacity(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", 0.0 * a))) for a in loads] == pytest.approx([2.0, 2.0], abs=1e-12)
    for given in ([0.1, True], np.ma.array([0.1, 0.2], mask=[0, 1]), ["0.1"], [0.1, 0.5j], [np.ma.masked]):
        assert "alpha" in refusal(lambda given=given: fp.sweep(MODEL, alpha=given), "sweep")
        assert "sigma" in refusal(lambda given=given: fp.sweep(MODEL, 0.5, question="local_energy", sigma=given), "sweep")
