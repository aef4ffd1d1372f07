"""Separability: known limits, two roads to one number, refusals."""

import math

import mpmath as mp
import pytest

import flatphys as fp
from flatphys.saddle.equilibrium.limit import capacity_teacher


def test_separability_thresholds_have_their_known_limits():
    assert fp.separability_threshold(fp.Teacher()) == math.inf
    assert fp.separability_threshold(fp.Teacher(0.4999999)) == pytest.approx(2.0, abs=1e-6)
    assert fp.separability_threshold(fp.GaussianMixture(1e9)) == pytest.approx(2.0, rel=1e-4)  # no signal: Cover 1965
    free, bound = (fp.separability_threshold(fp.GaussianMixture(1.0, 0.2), bias=b) for b in (True, False))
    assert free > bound
    # the margin vanishes there
    almost = fp.solve(fp.Model(fp.GaussianMixture(1.0, 0.2), fp.MaxMargin(bias=True)), free * (1.0 - 1e-9))
    assert 0.0 < almost.margin < 1e-8


@pytest.mark.parametrize("flip", [1e-12, 1e-6, 0.01, 0.1, 0.3, 0.49])
def test_a_noisy_teachers_threshold_is_gardners_capacity_at_margin_0(flip):
    """Gordon's comparison (Candes & Sur 2020) and q -> 1 of the replica-symmetric equations share no code."""
    found = fp.separability_threshold(fp.Teacher(flip))
    assert found == pytest.approx(capacity_teacher(0.0, flip)[0], rel=1e-8)
    assert found == pytest.approx(float(exact(flip)), rel=1e-14)


def exact(flip):
    """The minimum of the module's formula at 60 digits, found without its stationarity condition in double precision."""
    with mp.workdps(60):
        eta = mp.mpf(flip)
        clean = 1 - 2 * eta
        tau = mp.findroot(lambda t: t * (mp.pi / 2 - clean * mp.atan(t)) - clean, mp.cot(mp.cbrt(3 * mp.pi * eta) / (1 + eta)))
        return mp.pi / ((1 + tau**2) * (mp.pi / 2 - clean * mp.atan(tau)) - clean * tau)


def test_a_mixtures_threshold_does_not_mind_which_class_is_the_larger():
    for bias in (False, True):
        one, two = (fp.separability_threshold(fp.GaussianMixture(0.7, rho), bias) for rho in (0.2, 0.8))
        assert one == pytest.approx(two, rel=1e-13)


def test_bad_input_is_named():
    with pytest.raises(fp.errors.InvalidInput, match="bias must be False on Teacher data"):
        fp.separability_threshold(fp.Teacher(0.1), bias=True)
    with pytest.raises(fp.errors.InvalidInput, match="data must be"):
        fp.separability_threshold(fp.RandomLabels())
    assert fp.capacity(fp.Model(fp.GaussianMixture(0.5), fp.MaxMargin())) == fp.separability_threshold(fp.GaussianMixture(0.5))
