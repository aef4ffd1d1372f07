"""Where the landscape around maximum-margin solutions stops being flat."""

import math

import pytest

import flatphys as fp
from flatphys.errors import InvalidInput
from flatphys.flatness import flatness_threshold

BINARY = fp.Model(fp.RandomLabels(), fp.Gibbs("binary"))


def test_threshold_around_maximum_margin_solutions():
    """0.7290328105420797 with kappa_max 0.10432595168461604: the project's reference table, record F2-0095."""
    got = flatness_threshold(BINARY)
    assert got == pytest.approx(0.7290328105420797, rel=1e-9)
    assert fp.max_margin(BINARY, got) == pytest.approx(0.10432595168461604, rel=1e-9)


@pytest.mark.parametrize(
    "model",
    [
        fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")),
        fp.Model(fp.Teacher(), fp.Gibbs("binary")),
        fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=2.0)),
    ],
)
def test_other_models_are_refused(model):
    with pytest.raises(InvalidInput, match="flatness_threshold"):
        flatness_threshold(model)


def test_unknown_references_are_refused():
    with pytest.raises(InvalidInput, match="did you mean 'max_margin'"):
        flatness_threshold(BINARY, reference="max-margin")
    assert math.isfinite(fp.capacity(BINARY))
