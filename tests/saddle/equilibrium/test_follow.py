"""The curve of saddles followed by its length: complete next to the teacher, next to the critical margin, and honest where it is lost."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import flatphys as fp
from flatphys.errors import NotConverged
from flatphys.kernels.codes import RANDOM, TEACHER
from flatphys.model import ENERGIES as EVERY
from flatphys.numerics.newton import newton
from flatphys.numerics.quadrature import buffers
from flatphys.problem import problem_of
from flatphys.saddle.equilibrium.averages import log_alphas
from flatphys.saddle.equilibrium.curve import Curve, curve_of, roots
from flatphys.thresholds.spinodal import Folds

ENERGIES = [one for one in EVERY if one != "logistic"]  # which knows no margin
CRITICAL = 1.7692278723, -0.1662517175  # load and margin of the cusp: tests/thresholds/test_spinodal.py


def student(margin, beta=math.inf, flip=0.0):
    return fp.Model(fp.Teacher(flip), fp.Gibbs("binary", margin, beta))


def curve(margin, beta=math.inf, flip=0.0):
    return curve_of(problem_of(student(margin, beta, flip)))


@pytest.mark.parametrize("margin", [-1e-6, -1e-4, -1e-3, -2e-3, -5e-3, -0.0075, -0.05, -0.16225, -0.165, -0.1662])
def test_both_folds_solve_the_equations_of_the_spinodal_that_know_no_curve(margin):
    found = curve(margin)
    assert found.resolved and len(found.folds) == 2
    folds = Folds(student(margin))
    for s, r, la in found.folds:
        root = newton(lambda z: folds.spinodal([*z, margin]), [s, r])
        assert root.residual < 1e-8 and np.allclose(root.x, (s, r), rtol=0.0, atol=1e-4)
        assert math.exp(la) == pytest.approx(folds.load([*root.x, margin]), rel=1e-9)


def test_known_loads_of_the_teachers_spinodal():
    """A grid of R_hat said 0.743 at -0.002 and 0.310 at -0.005; 0.06546 is that of a search along log q_hat in test_spinodal.py."""
    for margin, load in ((-1e-3, 0.0360835), (-2e-3, 0.0654625), (-5e-3, 0.1414563), (-0.0075, 0.1974140), (-0.05, 0.8504942)):
        assert math.exp(curve(margin).folds[1][2]) == pytest.approx(load, abs=1e-7)
    loads = [math.exp(curve(-(10.0**-e)).folds[1][2]) for e in (2, 3, 4, 5, 6, 7)]
    assert np.all(np.diff(loads) < 0.0) and loads[-1] < 1e-5  # to margin 0, where the teacher is there at every load


@pytest.mark.parametrize("alpha", [0.3, 1.0, 1.24, 1.26, 1.45, 1.6, 5.0])
def test_states_tend_to_those_at_margin_zero_as_the_margin_vanishes(alpha):
    exact = {s.branch: s for s in fp.branches(student(0.0), alpha)}
    for margin, tolerance in ((-1e-3, 0.02), (-1e-5, 2e-4), (-1e-7, 2e-6)):
        states = fp.branches(student(margin), alpha)
        assert {s.branch for s in states} == set(exact) and all(s.residual < 1e-11 and s.quadrature_error < 1e-9 for s in states)
        assert states[0].branch == max(exact.values(), key=lambda s: (s.branch != "intermediate", s.free_entropy)).branch
        for s in states:
            if s.branch != "intermediate":
                assert s.free_entropy == pytest.approx(exact[s.branch].free_entropy, abs=tolerance)


def test_at_margin_minus_0_005_the_teacher_dominates_where_the_student_was_returned():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        state = fp.solve(student(-0.005), 1.3)
    assert state.branch == "teacher" and state.R > 0.9999 and 0.0 < state.free_entropy < 1e-2
    assert [s.branch for s in fp.branches(student(-0.005), 1.3)] == ["teacher", "student", "intermediate"]
    assert [s.branch for s in fp.branches(student(-0.005), 0.14)] == ["student"]


@pytest.mark.long
@pytest.mark.parametrize("margin, alpha", [(-1e-5, 1.3), (-0.005, 1.3), (-0.005, 1000.0)])
def test_the_teachers_branch_is_that_of_arbitrary_precision(margin, alpha):
    state = next(s for s in fp.branches(student(margin), alpha) if s.branch == "teacher")
    refined = fp.precise.refine(state, digits=25)
    for name in ("q", "R", "free_entropy"):
        assert float(getattr(refined, name)) == pytest.approx(getattr(state, name), rel=1e-11, abs=1e-14)
    assert float(1 - refined.R) == pytest.approx(1.0 - state.R, rel=1e-4)


def test_the_pair_of_folds_next_to_the_critical_margin_is_found():
    jump = fp.first_order_transition(student(-0.16225))
    assert (jump.lower_spinodal, jump.transition, jump.spinodal) == pytest.approx((1.7519421, 1.7538646, 1.7554079), abs=1e-7)
    assert len(curve(CRITICAL[1] + 1e-6).folds) == 2 and not curve(CRITICAL[1] - 1e-6).folds
    assert math.exp(curve(CRITICAL[1] + 1e-6).folds[0][2]) == pytest.approx(CRITICAL[0], abs=1e-5)
    with pytest.raises(fp.errors.NoSolution, match="learns continuously"):
        fp.first_order_transition(student(-0.167))


@pytest.mark.parametrize("margin", [-1e-10, -1e-12])
def test_where_the_curve_is_lost_no_branch_is_chosen(margin):
    """Two curves come closer than doubles tell: below the student's free entropy of 0.01 nothing is known of the teacher's branch."""
    model = student(margin)
    assert not curve(margin).resolved
    for function in (lambda: fp.solve(model, 1.3), lambda: fp.branches(model, 1.0), lambda: fp.first_order_transition(model)):
        with pytest.raises(NotConverged, match="use margin 0"):
            function()
    assert fp.solve(model, 1.0).branch == "student"  # there the student dominates clearly


@pytest.mark.filterwarnings("ignore::flatphys.errors.NegativeEntropyWarning")
@pytest.mark.parametrize("margin", [1e-13, 1e-12, 3e-12, 1e-11])
def test_a_margin_just_above_zero_forbids_the_teacher_whether_or_not_the_curve_is_told_apart(margin):
    """Rounding decides whether two curves are: the student's formal state is found or refused, never another one."""
    model, want = student(margin), fp.solve(student(1e-9), 1.3)
    try:
        state = fp.solve(model, 1.3)
    except NotConverged as error:
        assert "use margin 0" in str(error)
    else:
        assert state.branch == "student" and state.phase == "unsat" and state.free_entropy == pytest.approx(want.free_entropy, abs=1e-8)


@pytest.mark.parametrize("beta", [20.0, 25.0, 28.0])
def test_at_margin_zero_and_large_beta_the_curve_goes_straight_on_where_another_crosses_it(beta):
    found, hard = curve(0.0, beta), curve(0.0)
    assert found.resolved and len(found.folds) == 1
    assert found.folds[0][2] == pytest.approx(hard.folds[0][2], abs=1e-8)
    for alpha in (0.5, 0.9, 1.3):
        soft, at_zero = fp.branches(student(0.0, beta), alpha), fp.branches(student(0.0), alpha)
        assert [s.branch for s in soft] == [s.branch for s in at_zero]
        assert [s.free_entropy for s in soft] == pytest.approx([s.free_entropy for s in at_zero], abs=1e-5)


def _brute_force(problem):
    """(s, r, log alpha) of every change of sign of log alpha_q - log alpha_R on a grid: no curve is followed."""
    ss, rr = np.arange(-2.0, 3.0, 0.1), np.arange(-4.0, 6.0, 0.2)
    loads = np.array([[log_alphas(problem, r, s, 0, buffers()) for r in rr] for s in ss])
    loads[~np.isfinite(loads)] = math.nan
    gap, la = loads[..., 0] - loads[..., 1], loads[..., 0]
    for i, j in zip(*np.nonzero(gap[:, 1:] * gap[:, :-1] < 0.0)):
        t = gap[i, j] / (gap[i, j] - gap[i, j + 1])
        yield ss[i], rr[j] + 0.2 * t, la[i, j] + t * (la[i, j + 1] - la[i, j])


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    weights=st.sampled_from(["binary", "spherical"]),
    margin=st.floats(-1.5, 1.5).filter(lambda k: abs(k) > 0.06),
    log_beta=st.one_of(st.just(math.inf), st.floats(-1.0, 3.5)),
    flip=st.one_of(st.just(0.0), st.floats(0.01, 0.3)),
    energy=st.sampled_from(ENERGIES),
)
def test_no_saddle_lies_off_the_curve(weights, margin, log_beta, flip, energy):
    if energy == "square":  # no solution with hard constraints; a negative margin is the positive one of the opposite weights
        margin, log_beta = abs(margin), min(log_beta, 3.5)
    problem = problem_of(fp.Model(fp.Teacher(flip), fp.Gibbs(weights, margin, math.exp(log_beta), energy=energy)))
    assert problem.labels.kind == TEACHER
    found = curve_of(problem)
    a, b = (found.points[:2, k].T for k in (slice(-1), slice(1, None)))
    along = b - a
    for s, r, _ in _brute_force(problem):
        t = np.clip(np.sum(((s, r) - a) * along, axis=1) / np.sum(along**2, axis=1), 0.0, 1.0)
        assert np.min(np.linalg.norm(a + t[:, None] * along - (s, r), axis=1)) < 0.1


NETWORKS = [fp.Perceptron(), *map(fp.TreeCommittee, ("sign", "erf", "relu"))]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    weights=st.sampled_from(["binary", "spherical"]),
    network=st.sampled_from(NETWORKS),
    margin=st.floats(-4.5, 1.0),
    log_beta=st.one_of(st.just(math.inf), st.floats(-2.0, 4.0)),
    energy=st.sampled_from(ENERGIES),
)
def test_a_ten_times_finer_grid_finds_no_more_folds_with_random_labels(weights, network, margin, log_beta, energy):
    if energy == "square":  # no solution with hard constraints; the curve of margin 0 starts elsewhere
        margin, log_beta = margin if abs(margin) > 0.1 else 0.1, min(log_beta, 4.0)
    problem = problem_of(fp.Model(fp.RandomLabels(), fp.Gibbs(weights, margin, math.exp(log_beta), network, energy)))
    assert problem.labels.kind == RANDOM
    found = curve_of(problem)
    la = np.array([log_alphas(problem, s, s, 0, buffers())[0] for s in np.arange(-8.0, min(found.points[0, -1], 25.0), 0.02)])
    step = np.diff(la)
    step = step[np.abs(step) > 1e-11]
    assert np.count_nonzero(step[1:] * step[:-1] < 0.0) == len(found.folds)
    for place in np.linspace(found.points[2, 0] + 1.0, min(found.points[2].max(), 8.0) - 1e-3, 5):
        solutions = roots(problem, place)
        assert len(solutions) == np.count_nonzero((la[1:] - place) * (la[:-1] - place) < 0.0) or place < la[0] or place > la[-1]
        assert all(root.residual < 1e-11 for _, root in solutions)


def test_a_load_made_of_rounding_errors_is_refused_and_not_searched_for_folds():
    """What a network leaves whose 1 - c(Q) is computed from c(Q): the load scatters where 1 - Q nears the spacing of doubles."""
    noisy = object.__new__(Curve)
    noisy.problem = problem_of(fp.Model(fp.RandomLabels(), fp.Gibbs("binary")))
    s = np.linspace(50.0, 60.0, 400)
    with pytest.raises(NotConverged, match=r"turns \d+ times .* compute 1 - c\(Q\) from 1 - Q,"):
        noisy._refine(s, s, 0.4 + 1e-3 * np.sin(1e4 * s))
