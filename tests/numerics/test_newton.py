"""Newton's methods, of Python functions and of compiled code, on systems whose solutions are known, and the status where there are none."""

import math
from itertools import pairwise

import numba
import numpy as np
import pytest

from flatphys.numerics import compiled_newton
from flatphys.numerics.newton import CONVERGED, FOLD, OUT_OF_BUDGET, OUTSIDE, SINGULAR, Options, newton


def circle_and_line(x):
    """x^2 + y^2 = 2, x = y."""
    return np.array([x[0] ** 2 + x[1] ** 2 - 2.0, x[0] - x[1]])


def test_a_root_is_found_to_rounding_with_few_evaluations():
    root = newton(circle_and_line, [2.0, 0.5])
    assert root.status == CONVERGED and root.residual <= 2e-14
    assert root.x == pytest.approx([1.0, 1.0], abs=1e-14)
    assert root.evaluations < 20


def test_convergence_is_faster_than_linear():
    sizes = []
    options = Options(size=lambda x, f: sizes.append(np.max(np.abs(f))) or sizes[-1])
    newton(lambda x: np.array([math.exp(x[0]) - 2.0]), [1.0], options=options)
    orders = [math.log(b) / math.log(a) for a, b in pairwise(sizes) if a < 0.1 and b > 1e-13]
    assert orders and min(orders) > 1.5  # the secant method's is 1.62


def test_a_jacobian_of_a_neighbour_saves_evaluations_and_a_wrong_one_is_replaced():
    shifted = [lambda x, c=c: np.array([x[0] ** 3 + x[1] - c, x[0] - x[1] ** 3]) for c in (2.0, 2.01)]
    first = newton(shifted[0], [1.1, 0.9])
    cold, warm = newton(shifted[1], first.x), newton(shifted[1], first.x, first.jacobian)
    assert warm.status == CONVERGED and warm.evaluations < cold.evaluations
    assert newton(shifted[1], first.x, -first.jacobian).x == pytest.approx(cold.x, abs=1e-13)


@pytest.mark.parametrize("gap", [1.0, 1e-2, 1e-4])
def test_two_solutions_that_have_met_are_reported_as_a_fold(gap):
    root = newton(lambda x: np.array([x[0] ** 2 + gap]), [0.7])
    assert root.status in (FOLD, SINGULAR) and root.residual >= gap
    assert newton(lambda x: np.array([x[0] ** 2 - gap]), [0.7]).status == CONVERGED


def test_a_singular_jacobian_is_reported():
    root = newton(lambda x: np.array([x[0] + x[1] - 1.0, x[0] + x[1] - 2.0]), [0.0, 0.0])
    assert root.status == SINGULAR


def test_the_budget_of_steps_is_kept():
    root = newton(lambda x: np.array([math.atan(x[0] - 100.0)]), [0.0], options=Options(steps=3, longest=1.0))
    assert root.status == OUT_OF_BUDGET and root.x[0] <= 3.0 + 1e-12


def test_no_step_is_longer_than_allowed():
    seen = []
    newton(lambda x: seen.append(x.copy()) or np.array([x[0] - 50.0, x[1] + 1.0]), [0.0, 0.0], options=Options(longest=5.0))
    assert max(np.max(np.abs(b - a)) for a, b in pairwise(seen)) <= 5.0 + 1e-4
    seen.clear()
    each = Options(longest=lambda x: np.array([1.0, 0.25]), steps=2)
    newton(lambda x: seen.append(x.copy()) or np.array([x[0] - 50.0, x[1] - 50.0]), [0.0, 0.0], options=each)
    assert seen[-1] == pytest.approx([0.5, 0.5], abs=1e-4)  # the direction is kept


def test_nan_outside_of_the_domain_shortens_steps():
    root = newton(lambda x: np.array([math.log(x[0]) if x[0] > 0.0 else math.nan]), [2.9], options=Options(longest=10.0))
    assert root.status == CONVERGED and root.x[0] == pytest.approx(1.0, abs=1e-14)
    outside = newton(lambda x: np.array([math.nan]), [1.0])
    assert outside.status == OUTSIDE and outside.residual == math.inf
    assert newton(lambda x: np.array([1.0 if x[0] <= 1.0 else math.nan]), [1.0]).status == OUTSIDE


def test_a_residual_that_has_stopped_falling_converges_if_the_tolerance_allows_it():
    def jump(x):
        return np.array([x[0] - 1.0 + math.copysign(1e-9, x[0] - 1.0)])

    assert newton(jump, [0.0], options=Options(tolerance=1e-8)).status == CONVERGED
    assert newton(jump, [0.0], options=Options(tolerance=1e-10)).status == OUT_OF_BUDGET


def test_inactive_unknowns_keep_their_values():
    root = newton(lambda x: np.array([0.0, x[0] * x[1] - 6.0, 0.0]), [2.0, 1.0, 5.0], options=Options(active=[1]))
    assert root.x.tolist() == pytest.approx([2.0, 3.0, 5.0], abs=1e-14) and root.jacobian.shape == (1, 1)


def test_the_payload_is_that_of_the_best_point():
    def function(x, carried):
        return np.array([x[0] ** 2 - 2.0]), (float(x[0]), carried)

    root = newton(function, [1.0], payload="start")
    assert root.payload[0] == root.x[0] == pytest.approx(math.sqrt(2.0), abs=1e-15)


def test_trial_points_are_confined():
    seen = []

    def function(x):
        seen.append(x[0])
        return np.array([math.sqrt(x[0]) - 0.1])

    root = newton(function, [4.0], options=Options(longest=10.0, confine=lambda trial, x: np.maximum(trial, 0.1 * x)))
    assert root.status == CONVERGED and min(seen) > 0.0 and root.x[0] == pytest.approx(0.01, abs=1e-13)


@numba.njit
def stiff(lam, x, f, jac):
    """e^y = 1e8 x, x + y = lam, scaled badly on purpose; nan for y > 50."""
    f[0], f[1] = 1e6 * (math.exp(x[1]) - 1e8 * x[0]), x[0] + x[1] - lam
    jac[0, 0], jac[0, 1] = -1e14, 1e6 * math.exp(x[1])
    jac[1, 0], jac[1, 1] = 1.0, 1.0
    return max(abs(f[0]) / (1e14 * abs(x[0]) + 1e-300), abs(f[1])) if x[1] < 50.0 else math.nan


@numba.njit
def parabola(lam, x, f, jac):
    """x^2 + lam = 0."""
    f[0], jac[0, 0] = x[0] * x[0] + lam, 2.0 * x[0]
    return abs(f[0])


@numba.njit
def solve_stiff(lam, x):
    work = compiled_newton.workspace(2)
    status = compiled_newton.begin(work, x, stiff(lam, x, work.f, work.jac), 1e-13)
    while status == compiled_newton.RUNNING:
        status = compiled_newton.proceed(work, x, stiff(lam, work.trial, work.new_f, work.new_jac), 1e-13)
    return status, work.size[0], work.size[4]


@numba.njit
def solve_parabola(lam, x):
    work = compiled_newton.workspace(1)
    status = compiled_newton.begin(work, x, parabola(lam, x, work.f, work.jac), 1e-14)
    while status == compiled_newton.RUNNING:
        status = compiled_newton.proceed(work, x, parabola(lam, work.trial, work.new_f, work.new_jac), 1e-14)
    return status, work.size[0], work.size[4]


def test_the_compiled_method_does_not_mind_how_equations_are_scaled():
    x = np.array([1.0, 30.0])
    status, size, steps = solve_stiff(25.0, x)
    assert status == compiled_newton.CONVERGED and size <= 1e-13 and steps < 40
    assert math.exp(x[1]) == pytest.approx(1e8 * x[0], rel=1e-10) and x.sum() == pytest.approx(25.0, rel=1e-13)


def test_the_compiled_method_converges_quadratically_and_says_where_there_is_nothing():
    x = np.array([1.5])
    status, size, steps = solve_parabola(-2.0, x)
    assert status == compiled_newton.CONVERGED and x[0] == pytest.approx(math.sqrt(2.0), abs=1e-15) and steps <= 5
    assert solve_parabola(1.0, np.array([0.7]))[0] in (compiled_newton.FOLD, compiled_newton.SINGULAR, compiled_newton.OUT_OF_BUDGET)
    assert solve_parabola(1.0, np.array([0.0]))[0] == compiled_newton.SINGULAR
    assert solve_parabola(math.nan, np.array([0.7]))[0] == compiled_newton.SINGULAR


def solved(a, b):
    triangles, y = np.empty((b.size, b.size + 1)), b.copy()
    assert compiled_newton.factorise(a, triangles)
    compiled_newton.substitute(triangles, y)
    return y


def test_elimination_with_pivoting_agrees_with_lapack_and_knows_singular_matrices():
    rng = np.random.default_rng(3)
    for n in (1, 2, 4, 7):
        a, b = rng.normal(size=(n, n)), rng.normal(size=n)
        assert solved(a, b) == pytest.approx(np.linalg.solve(a, b), rel=1e-10)
    assert solved(np.array([[0.0, 1.0], [2.0, 0.0]]), np.array([3.0, 5.0])).tolist() == [2.5, 3.0]
    assert not compiled_newton.factorise(np.ones((2, 2)), np.empty((2, 3)))
