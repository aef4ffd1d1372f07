"""Spinodals, critical point and transition of binary weights with a teacher, against `first_order_transition` and counts of branches."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq

import flatphys as fp
from flatphys.numerics.quadrature import buffers
from flatphys.problem import problem_of
from flatphys.saddle.equilibrium.branch import curve_point
from flatphys.thresholds.spinodal import Folds


def model(margin=0.0, beta=math.inf):
    return fp.Model(fp.Teacher(), fp.Gibbs("binary", margin=margin, beta=beta))


@pytest.fixture(scope="module")
def lines():
    return fp.phase_diagram("teacher-student")


def at_margin(boundary, margin):
    order = np.argsort(boundary.margin)
    return float(np.interp(margin, boundary.margin[order], boundary.alpha[order]))


@pytest.mark.parametrize("margin", [-0.15, -0.1, -0.05, -0.02])
def test_the_lines_pass_through_the_loads_of_each_margin(lines, margin):
    jump = fp.first_order_transition(model(margin))
    for name, load in (("student spinodal", jump.spinodal), ("teacher spinodal", jump.lower_spinodal), ("transition", jump.transition)):
        assert at_margin(lines[name], margin) == pytest.approx(load, abs=3e-4)  # linear between vertices


def test_every_vertex_of_the_spinodals_has_two_branches_more_on_one_side(lines):
    """Between the spinodals there are three saddles, outside of them one."""
    for name, inside in (("student spinodal", -1.0), ("teacher spinodal", 1.0)):
        boundary = lines[name]
        chosen = np.flatnonzero((boundary.margin < -0.012) & (boundary.margin > -0.16))[::9]
        assert chosen.size > 5
        for i in chosen:
            alpha, margin = float(boundary.alpha[i]), float(boundary.margin[i])
            counts = [len(fp.branches(model(margin), alpha * (1.0 + sign * 1e-5))) for sign in (inside, -inside)]
            assert counts == [3, 1], (name, alpha, margin)


def test_vertices_of_the_spinodals_have_the_load_of_the_curves_own_fold(lines):
    for name, key in (("student spinodal", "spinodal"), ("teacher spinodal", "lower_spinodal")):
        boundary = lines[name]
        for i in np.flatnonzero((boundary.margin < -5e-4) & (boundary.margin > -0.16))[::10]:
            jump = fp.first_order_transition(model(float(boundary.margin[i])))
            assert boundary.alpha[i] == pytest.approx(getattr(jump, key), rel=1e-8)


def test_free_entropies_are_equal_along_the_transition(lines):
    boundary = lines["transition"]
    for i in np.flatnonzero((boundary.margin < -0.012) & (boundary.margin > -0.16))[::25]:
        states = {s.branch: s for s in fp.branches(model(float(boundary.margin[i])), float(boundary.alpha[i]))}
        assert states["student"].free_entropy == pytest.approx(states["teacher"].free_entropy, abs=1e-8)


def test_the_teachers_free_entropy_at_the_transition_in_temperature(lines):
    boundary = lines["transition (T)"]
    for i in range(0, len(boundary), 15):
        states = {s.branch: s for s in fp.branches(model(beta=float(boundary.beta[i])), float(boundary.alpha[i]))}
        assert states["student"].free_entropy == pytest.approx(0.0, abs=1e-8)
    boundary = lines["student spinodal (T)"]
    for i in range(1, len(boundary), 25):
        assert boundary.alpha[i] == pytest.approx(fp.first_order_transition(model(beta=float(boundary.beta[i]))).spinodal, rel=1e-8)


def test_the_students_entropy_vanishes_on_the_freezing_lines(lines):
    for name in ("student freezing", "student freezing (T)"):
        boundary = lines[name]
        for i in range(0, len(boundary) - 1, 8):
            states = {s.branch: s for s in fp.branches(model(float(boundary.margin[i]), float(boundary.beta[i])), float(boundary.alpha[i]))}
            assert states["student"].entropy == pytest.approx(0.0, abs=1e-8)


def test_the_freezing_lines_end_on_the_spinodal(lines):
    end, spinodal = lines["student freezing"], lines["student spinodal"]
    assert at_margin(spinodal, float(end.margin[-1])) == pytest.approx(float(end.alpha[-1]), abs=1e-4)


def test_the_load_turns_around_above_the_critical_margin_and_not_below(lines):
    cusp = float(lines["transition"].alpha[0]), float(lines["transition"].margin[0])
    assert cusp == pytest.approx((1.7692278723, -0.1662517175), abs=1e-8)
    assert {(float(lines[name].alpha[-1]), float(lines[name].margin[-1])) for name in ("student spinodal", "teacher spinodal")} == {cusp}
    for margin, turns in ((cusp[1] + 1e-4, 2), (cusp[1] - 1e-4, 0)):
        problem, guess, loads = problem_of(model(margin)), 0.0, []
        for s in np.arange(0.7, 0.95, 2e-3):
            la, guess, _ = curve_point(problem, s, guess, buffers())
            loads.append(la)
        assert np.count_nonzero(np.diff(np.sign(np.diff(loads)))) == turns


def test_known_loads_at_margin_zero_and_the_limit_from_below(lines):
    assert lines["transition"].alpha[-1] == pytest.approx(1.2446840, abs=1e-7)  # Gyorgyi 1990: 1.245
    assert lines["student spinodal"].alpha[0] == pytest.approx(1.4926318, abs=1e-7)  # Seung et al. 1992: 1.493
    assert lines["largest margin"].alpha[lines["largest margin"].margin == 0.0].min() == pytest.approx(1.2446840, abs=1e-7)
    low = lines["teacher spinodal"]
    assert (low.alpha[0], low.margin[0]) == (0.0, 0.0)
    assert 0.0 < low.alpha[1] < 3e-3 and -1e-4 < low.margin[1] < 0.0
    assert np.all(np.diff(low.alpha) > 0.0) and np.all(np.diff(low.margin) < 0.0)  # also where a search along R_hat fails, -0.01 < margin


def test_next_to_the_teacher_the_spinodal_is_that_of_an_independent_solution(lines):
    """At margin -0.002, where R_hat turns around along the branch: the least load at which both equations can be
    solved in log q_hat and log R_hat next to the teacher, on a grid of log q_hat."""
    folds = Folds(model(-0.002))

    def load(r):  # along log q_hat there is one root in log R_hat
        s = brentq(lambda s: float(np.subtract(*folds.loads(s, r, -0.002))), 1.9, 2.2, xtol=1e-14)
        return float(folds.loads(s, r, -0.002)[0])

    grid = np.linspace(-0.6, 0.4, 41)
    values = [load(r) for r in grid]
    i = int(np.argmin(values))
    fit = np.polynomial.Polynomial.fit(grid[i - 2 : i + 3], values[i - 2 : i + 3], 4)
    place = min(fit.deriv().roots(), key=lambda x: abs(x - grid[i])).real
    diagram = lines["teacher spinodal"]
    order = np.argsort(diagram.margin)
    assert 0 < i < 40 and at_margin(diagram, -0.002) == pytest.approx(math.exp(fit(place)), abs=3e-4)
    near = order[np.searchsorted(diagram.margin[order], -0.002)]
    assert abs(diagram.margin[near] + 0.002) < 2e-3


def test_saddles_of_the_spinodals_are_resolved_by_the_quadrature(lines):
    """A finer rule changes neither equation: next to the teacher, where 1 - q is 1e-5, as elsewhere."""
    folds = Folds(model(-0.002))
    s, r = 2.03981, -0.0705
    assert np.allclose(folds.loads(s, r, -0.002, level=1), folds.loads(s, r, -0.002), rtol=0.0, atol=1e-10)


@pytest.mark.parametrize("margin", [-0.007, -0.005, -0.002, -0.001])
def test_transitions_next_to_margin_zero_have_the_right_end_of_the_teacher_branch(lines, margin):
    """A search along R_hat alone said 0.274, 0.310, 0.743 and nothing."""
    jump = fp.first_order_transition(model(margin))
    assert at_margin(lines["transition"], margin) == pytest.approx(jump.transition, abs=1e-5)
    assert at_margin(lines["teacher spinodal"], margin) == pytest.approx(jump.lower_spinodal, abs=1e-3)
    assert jump.at_transition.residual < 1e-11 and jump.at_transition.branch == "student"
    smaller = fp.first_order_transition(model(1.5 * margin))
    assert (
        jump.lower_spinodal < smaller.lower_spinodal
        and 1.24468399 < jump.transition < smaller.transition < jump.spinodal < smaller.spinodal
    )


def test_folds_are_for_gibbs_students_of_a_teacher():
    with pytest.raises(fp.errors.InvalidInput, match="Gibbs learner with a teacher"):
        Folds(fp.Model())
    with pytest.raises(fp.errors.InvalidInput, match="along must be one of 'margin', 'temperature'"):
        Folds(model(), along="beta")
