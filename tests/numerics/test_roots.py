"""A search for a root returns a root, or says why there is none."""

import math

import pytest

from flatphys.errors import NotConverged
from flatphys.numerics.roots import bracketed, outwards


def test_a_root_is_found_to_the_last_digit():
    assert bracketed(lambda x: x * x - 2.0, 0.0, 2.0) == pytest.approx(math.sqrt(2.0), rel=1e-15)
    assert bracketed(lambda x: x - 1.0, 1.0, 2.0) == 1.0


@pytest.mark.parametrize(
    "function, lo, hi, words",
    [
        (lambda x: 1.0 + x * x, -1.0, 1.0, "have one sign"),
        (lambda x: math.copysign(1.0 + x * x, x - 0.3), -1.0, 1.0, "jump across zero at 0.3"),
        (lambda x: 1.0 / (x - 0.7), 0.0, 1.0, "jump across zero at 0.7"),
        (lambda x: math.nan if abs(x) < 0.5 else x, -1.0, 1.0, "there is no value at"),
        (lambda x: math.inf if x < 0.2 else -1.0, 0.0, 1.0, "jump across zero"),
    ],
)
def test_a_search_without_a_root_says_so(function, lo, hi, words):
    with pytest.raises(NotConverged, match=f"the answer was .*{words}"):
        bracketed(function, lo, hi, "the answer")


def test_a_bracket_is_sought_to_the_end_of_its_range_and_no_further():
    lo, hi = outwards(lambda x: 100.0 - x, 0.0, 1.0, (-1e3, 1e3))
    assert lo < 100.0 < hi
    lo, hi = outwards(lambda x: -100.0 - x, 0.0, 1.0, (-1e3, 1e3))
    assert lo < -100.0 < hi
    with pytest.raises(NotConverged, match="up to 50, the end of its range"):
        outwards(lambda x: 100.0 - x, 0.0, 1.0, (-50.0, 50.0))
    with pytest.raises(NotConverged, match="down to -50, the end of its range"):
        outwards(lambda x: -100.0 - x, 0.0, 1.0, (-50.0, 50.0))
