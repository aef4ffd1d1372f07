"""Tracing of boundaries: vertices on known curves, folds and cusps passed, ends found, smooth polylines."""

import math

import numpy as np
import pytest

from flatphys.errors import NoSolution, NotConverged
from flatphys.thresholds.trace import BESIDE, Frame, attempt, follow, graph

BOX = Frame("x", "y", (0.0, 2.0), (0.0, 2.0))


def test_a_graph_is_finer_where_it_bends():
    rows = graph(lambda t: {"x": t, "y": 1.0 / (0.05 + t)}, 0.05, 2.0, Frame("x", "y", (0.0, 2.0), (0.0, 10.0)))
    x = np.array([row["x"] for row in rows])
    assert np.all(np.diff(x) > 0.0) and x[0] == 0.05 and x[-1] == 2.0
    middle = 0.5 * (x[1:] + x[:-1])
    chord = np.interp(middle, x, 1.0 / (0.05 + x))
    assert np.abs(chord - 1.0 / (0.05 + middle)).max() / 10.0 < 3.0 * BESIDE
    assert np.diff(x)[x[1:] < 0.2].mean() < 0.3 * np.diff(x)[x[1:] > 1.0].mean()


def test_a_graph_ends_where_its_boundary_does():
    rows = graph(attempt(lambda t: {"x": t, "y": t} if t < 1.2345 else _nowhere()), 0.0, 2.0, BOX)
    assert rows[-1]["x"] == pytest.approx(1.2345, abs=1e-6) and rows[-1]["x"] < 1.2345
    backwards = graph(lambda t: {"x": t, "y": t} if t < 1.2345 else None, 2.0, 0.0, BOX)
    assert [row["x"] for row in backwards] == sorted((row["x"] for row in backwards), reverse=True)


def _nowhere():
    raise NoSolution("beyond the end")


def test_other_errors_than_the_librarys_own_are_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        graph(attempt(lambda t: 1.0 / 0.0), 0.0, 1.0, BOX)


def test_a_continuation_goes_around_a_circle():
    path = follow(
        lambda z: np.array([z[0] ** 2 + z[1] ** 2 - 1.0]),
        [1.0, 0.02],
        [1.0, 1.0],
        [0.0, 1.0],
        lambda z: {"x": z[0], "y": z[1]},
        lambda row: not (row["y"] < 0.0 < row["x"]),
    )
    points = np.array(path.points)
    assert path.reason == "left the box" and len(points) > 50
    assert np.abs(np.hypot(*points.T) - 1.0).max() < 1e-10
    angle = np.unwrap(np.arctan2(points[:, 1], points[:, 0]))
    assert np.all(np.diff(angle) > 0.0) and angle[-1] > 1.5 * math.pi


def test_a_continuation_passes_the_cusp_of_its_projection():
    # the folds of x^3 - b x - a: a = -2 x^3, b = 3 x^2, a cusp at x = 0
    def folds(z):
        x, a, b = z
        return np.array([x**3 - b * x - a, 3.0 * x * x - b])

    path = follow(
        folds, [1.0, -2.0, 3.0], [1.0, 1.0, 1.0], [-1.0, 0.0, 0.0], lambda z: {"a": z[1], "b": z[2], "x": z[0]}, lambda row: row["x"] > -1.0
    )
    points = np.array(path.points)
    assert points[-1, 0] < -1.0 and np.abs(points[:, 1] + 2.0 * points[:, 0] ** 3).max() < 1e-9
    assert np.abs(points[:, 2] - 3.0 * points[:, 0] ** 2).max() < 1e-9


def test_a_continuation_that_is_lost_says_so():
    path = follow(
        lambda z: np.array([z[1] - z[0] ** 2 if z[0] < 0.5 else math.nan]),
        [0.0, 0.0],
        [1.0, 1.0],
        [1.0, 0.0],
        lambda z: {"x": z[0], "y": z[1]},
        lambda row: True,
    )
    assert path.reason == "lost" and path.rows[-1]["x"] == pytest.approx(0.5, abs=1e-3)
    with pytest.raises(NotConverged, match="start of a boundary"):
        follow(lambda z: np.array([z[0] ** 2 + z[1] ** 2 + 1.0]), [0.0, 0.1], [1.0, 1.0], [1.0, 0.0], lambda z: {}, lambda row: True)
