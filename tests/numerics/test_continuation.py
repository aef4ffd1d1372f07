"""Paths along known curves: polynomials are predicted exactly, steps follow success and failure, and ends say what they are."""

import math

import numpy as np
import pytest

from flatphys.numerics.continuation import FOLD, STUCK, Path, Steps, extrapolate, vanishing
from flatphys.numerics.newton import CONVERGED, newton


def test_polynomials_up_to_the_order_are_extrapolated_exactly():
    places = [0.0, 0.3, 0.7, 1.0]
    points = [np.array([1.0 + p - 2.0 * p**3, p**2]) for p in places]
    assert extrapolate(places, points, 1.6) == pytest.approx([1.0 + 1.6 - 2.0 * 1.6**3, 1.6**2], abs=1e-12)
    assert extrapolate(places, points, 1.6, order=1) == pytest.approx(points[-1])


def test_where_a_falling_quantity_vanishes():
    assert vanishing([0.0, 1.0], [3.0, 2.0]) == 2.0
    assert vanishing([0.0, -1.0], [3.0, 2.0]) == 2.0
    assert vanishing([0.0, 1.0], [2.0, 3.0]) == math.inf


def root_of(function, attempts=None):
    def solve(place, guess):
        if attempts is not None:
            attempts.append(place)
        root = newton(lambda x: function(place, x), guess)
        return root.x if root.status == CONVERGED else None

    return solve


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_a_smooth_path_is_followed_to_its_target_with_growing_steps(direction):
    attempts = []
    path = Path(0.0, np.array([0.0]), Steps(0.1, longest=1.0, growth=2.0), direction)
    out = path.reach(root_of(lambda p, x: np.array([x[0] + x[0] ** 3 - p]), attempts), 10.0 * direction)
    assert out[0] == pytest.approx(2.0 * direction, abs=1e-13) and path.ended == ""
    lengths = np.abs(np.diff([0.0, *attempts]))
    assert lengths.max() == pytest.approx(1.0) and len(attempts) < 20


def test_a_fold_is_told_from_a_place_where_the_method_is_stuck():
    fold = Path(0.0, np.array([-1.0]), Steps(0.2, shortest=1e-4))
    assert fold.reach(root_of(lambda p, x: np.array([x[0] ** 2 - (1.0 - p)])), 2.0) is None
    assert fold.ended == FOLD and fold.places[-1] == pytest.approx(1.0, abs=1e-3)

    wall = Path(0.0, np.array([1.0]), Steps(0.2, shortest=1e-4))
    assert wall.reach(lambda p, guess: np.array([math.exp(p)]) if p < 0.83 else None, 2.0) is None
    assert wall.ended == STUCK and wall.places[-1] == pytest.approx(0.83, abs=1e-3)


def test_a_failure_shortens_the_step_and_a_path_can_be_read_between_its_points():
    path = Path(0.0, np.array([0.0]), Steps(0.5, shortest=0.01, shrink=0.5))
    assert path.next() == 0.5 and path.next(0.2) == 0.2
    assert path.fail(0.2) and path.next() == pytest.approx(0.1)
    for p in (0.1, 0.2, 0.3, 0.45):
        path.succeed(p, np.array([p + p**3]))
    assert path.between(0.25)[0] == pytest.approx(0.25 + 0.25**3, abs=1e-15)
    assert path.step == pytest.approx(0.1 * 1.4**3)
    while path.fail(path.next()):
        pass
    assert path.ended == STUCK and not path.advance(lambda p, guess: guess)
