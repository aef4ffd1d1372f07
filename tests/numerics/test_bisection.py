"""Integrals by halved panels: closed forms, kinks and jumps at places nobody names, and a refusal where nothing settles."""

import math

import numpy as np
import pytest

from flatphys.errors import NotConverged
from flatphys.numerics.bisection import LOBATTO_W, LOBATTO_X, integrate


def test_the_rule_is_exact_for_polynomials_up_to_degree_31():
    for degree in range(0, 32, 2):
        assert LOBATTO_W @ LOBATTO_X**degree == pytest.approx(2.0 / (degree + 1.0), rel=1e-11)  # the outermost nodes stand 1e-12 inside


def test_smooth_functions_and_rows_of_them_are_integrated_to_rounding():
    both = integrate(lambda x: np.stack([np.exp(x), np.cos(x)]), [0.0, 1.0, 3.0])
    assert both == pytest.approx([math.expm1(3.0), math.sin(3.0)], rel=1e-14)


@pytest.mark.parametrize("place", [0.3, 1.0 / 3.0, 0.5, 0.95])
def test_kinks_and_jumps_are_found(place):
    assert integrate(lambda x: np.abs(x - place), [0.0, 1.0]) == pytest.approx(0.5 * (place**2 + (1.0 - place) ** 2), rel=1e-13)
    assert integrate(lambda x: (x > place).astype(float), [0.0, 1.0]) == pytest.approx(1.0 - place, rel=1e-12)


def test_what_does_not_settle_is_refused():
    with pytest.raises(NotConverged, match="did not settle"):
        integrate(lambda x: 1.0 / np.maximum(x, 1e-40), [0.0, 1.0])
