"""The best regularisation where it is hard to find: beyond any fixed range, in dips, at limits."""

import math

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import NoSolution, NotConverged


def error_at(model, alpha, l2):
    learner = model.learner
    return fp.solve(fp.Model(model.data, fp.ERM(learner.loss, l2, learner.bias)), alpha).generalization_error


@pytest.mark.parametrize("loss, scale", [("logistic", 0.11164), ("hinge", 0.78207), ("squared_hinge", 1.1815)])
@pytest.mark.parametrize("alpha", [3e3, 6155.0, 4e5])
def test_on_clean_teachers_the_best_l2_falls_with_the_square_of_the_load(loss, scale, alpha):
    assert fp.optimal_l2(fp.Model(fp.Teacher(), fp.ERM(loss)), alpha) * alpha**2 == pytest.approx(scale, rel=1e-4)


PROBLEMS = [
    (fp.Teacher(), fp.ERM("hinge"), 0.005),
    (fp.Teacher(0.2), fp.ERM("hinge"), 0.0007),
    (fp.Teacher(0.03), fp.ERM("logistic"), 3.0),
    (fp.GaussianMixture(0.012, 0.3), fp.ERM("logistic", bias=True), 1.5),
    (fp.GaussianMixture(0.3, 0.3), fp.ERM("squared_hinge", bias=True), 0.7),
    (fp.GaussianMixture(2.0, 0.2), fp.ERM("hinge", bias=True), 0.8),
]


@pytest.mark.parametrize("data, learner, alpha", PROBLEMS, ids=str)
def test_no_l2_of_a_fine_grid_is_better(data, learner, alpha):
    model = fp.Model(data, learner)
    best = fp.optimal_l2(model, alpha)
    assert 0.0 < best < math.inf
    least = error_at(model, alpha, best)
    near = best * np.geomspace(0.5, 2.0, 41)
    for l2 in (*near, *np.geomspace(1e-12, 1e5, 160)):
        assert error_at(model, alpha, float(l2)) >= least * (1.0 - 1e-13)


def test_a_dip_narrower_than_a_grid_is_found():
    """Few patterns, one by one: the hinge's response saturates at l2 = 1 within sqrt(alpha)."""
    for alpha in (1e-5, 3e-4):
        best = fp.optimal_l2(fp.Model(fp.Teacher(), fp.ERM("hinge")), alpha)
        assert abs(best - 1.0) < 2.0 * math.sqrt(alpha)


@pytest.mark.parametrize("loss", ["hinge", "logistic", "squared_hinge"])
def test_extreme_loads_end_in_an_answer_or_a_sentence(loss):
    for data, bias in (
        (fp.GaussianMixture(0.0239), False),
        (fp.GaussianMixture(1.0), True),
        (fp.Teacher(), False),
        (fp.Teacher(0.3), False),
    ):
        for alpha in (4.35e-4, 500.0, 5e7):
            try:
                assert fp.optimal_l2(fp.Model(data, fp.ERM(loss, bias=bias)), alpha) >= 0.0
            except (NotConverged, NoSolution) as error:
                assert "nan" not in str(error)
