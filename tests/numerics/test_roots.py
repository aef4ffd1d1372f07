"""Roots of one function in a bracket."""

import math

import pytest

from flatphys.numerics.roots import bracketed


def test_a_bracketed_root_is_found_to_the_last_digit():
    assert bracketed(math.cos, 1.0, 2.0) == pytest.approx(0.5 * math.pi, rel=3e-16)
    assert bracketed(lambda x, a: x * x - a, 0.0, 5.0, args=(2.0,)) == pytest.approx(math.sqrt(2.0), rel=3e-16)


def test_a_bracket_without_a_change_of_sign_is_refused():
    with pytest.raises(ValueError):
        bracketed(lambda x: x * x + 1.0, -1.0, 1.0)
