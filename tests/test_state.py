"""State: order parameters as attributes, phases, and how it prints."""

import dataclasses
import math
import pickle
import warnings

import pytest

import flatphys as fp


@pytest.fixture(scope="module")
def student():
    return fp.branches(fp.Model(fp.Teacher(), fp.Gibbs("binary")), 1.3)[1]


@pytest.fixture(scope="module")
def stored():
    return fp.solve(fp.Model(), 0.5)


def test_order_parameters_are_attributes_and_listed(student):
    assert student.order.keys() == {"q", "one_minus_q", "q_hat", "R", "R_hat"}
    for name, value in student.order.items():
        assert getattr(student, name) == value and name in dir(student)


def test_an_unknown_attribute_names_the_order_parameters(stored):
    with pytest.raises(AttributeError, match="no 'R'; its order parameters are q, one_minus_q, q_hat"):
        stored.R


def test_quantities_that_the_learner_lacks_are_none(stored, student):
    assert stored.generalization_error is stored.bayes_error is stored.cosine is None
    assert stored.train_loss == stored.train_error == 0.0  # counted errors cost one each
    assert student.generalization_error > student.bayes_error > 0.0


def test_the_phase_is_physics_and_the_residual_numerics(stored):
    assert stored.phase == "sat" and stored.stable is True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert fp.solve(fp.Model(), 0.9).phase == "unsat"
        assert fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", -1.0)), 9.0).phase == "rs_unstable"
        # a spherical entropy is a log volume: negative everywhere, and no sign of trouble
        assert fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")), 1.5).phase == "sat"


def test_rounding_of_a_zero_entropy_is_not_unsat(stored):
    assert dataclasses.replace(stored, entropy=-1e-13).phase == "sat"
    assert dataclasses.replace(stored, entropy=-1e-8).phase == "unsat"


def test_scalars_are_flat_and_finite(student, stored):
    for state in (student, stored):
        scalars = state.scalars()
        assert scalars["alpha"] == state.alpha and scalars["q"] == state.q and scalars["energy"] == 0.0
        assert all(isinstance(value, float) and math.isfinite(value) for value in scalars.values())
    assert "R" in student.scalars() and "R" not in stored.scalars()


def test_a_state_prints_every_number_with_its_worth(student):
    text = repr(student)
    for word in ("q_hat", "free_entropy", "replicon", "residual", "student branch", "nats per weight", "alpha", "1.3"):
        assert word in text
    assert student._repr_html_().startswith("<table>")


def test_a_state_survives_pickling(student):
    copy = pickle.loads(pickle.dumps(student))
    assert copy.order == student.order and copy.model == student.model and repr(copy) == repr(student)


def test_a_state_is_frozen(stored):
    with pytest.raises(dataclasses.FrozenInstanceError):
        stored.alpha = 1.0
