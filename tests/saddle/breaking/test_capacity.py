"""One-step capacity: stationary point of the functional, limits and pinned values."""

import json
import math
import pathlib

import numpy as np
import pytest
from scipy.special import log_ndtr

import flatphys as fp
from flatphys.errors import InvalidInput
from flatphys.saddle.breaking import capacity as rsb_capacity

RECORDS = [json.loads(line) for line in (pathlib.Path(__file__).parents[2] / "data" / "thresholds.jsonl").read_text().splitlines()]


def functional(kappa, q0, c):
    """alpha(c, q0) = -[log(S)/2 + c q0/(2S)] / Int Dz log I(z) (`docs/theory.md`), by a trapezoid sum in numpy."""
    z = np.linspace(-14.0, 14.0, 8001)
    w = np.exp(-0.5 * z * z) * (z[1] - z[0]) / math.sqrt(2.0 * math.pi)
    d0 = 1.0 - q0
    s = 1.0 + c * d0
    a = kappa - math.sqrt(q0) * z
    log_i = np.logaddexp(log_ndtr(-a / math.sqrt(d0)), -0.5 * math.log(s) - 0.5 * c * a * a / s + log_ndtr(a / math.sqrt(d0 * s)))
    return -(0.5 * math.log(s) + 0.5 * c * q0 / s) / (w @ log_i)


@pytest.mark.parametrize("kappa", [-0.2, -0.5, -1.0, -1.5, -2.0, -2.5])
def test_capacity_is_a_stationary_point_of_the_one_step_functional(kappa):
    alpha, q0, c = rsb_capacity.capacity(kappa)
    assert 0.0 < q0 < 1.0 and c > 0.0
    assert functional(kappa, q0, c) == pytest.approx(alpha, rel=1e-10)
    for dq, dc in ((1e-3 * (1.0 - q0), 0.0), (0.0, 1e-3 * c)):
        up, down = functional(kappa, q0 + dq, c + dc), functional(kappa, q0 - dq, c - dc)
        assert abs(up - down) < 1e-7 * alpha  # central difference over a relative 2e-3: the slope is zero


@pytest.mark.parametrize("record", [r for r in RECORDS if {"alpha_c_1rsb", "breaking_ratio"} & set(r["expected"])], ids=lambda r: r["id"])
def test_reference_value(record):
    """Values from an independent derivation (project reference table `thresholds`)."""
    alpha, q0, c = rsb_capacity.capacity(record["params"]["margin"])
    got = {"alpha_c_1rsb": alpha, "q0": q0, "breaking_ratio": c}
    for name, want in record["expected"].items():
        assert got[name] == pytest.approx(want, rel=record["tolerance"]["rel"])


def test_breaking_lowers_the_capacity_at_negative_margin_only():
    def both(kappa):
        model = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", kappa))
        return fp.capacity(model), fp.capacity(model, ansatz="1RSB")

    lowering = []
    for kappa in (-0.01, -0.1, -0.5, -1.0, -2.0, -3.0):
        symmetric, broken = both(kappa)
        lowering.append(1.0 - broken / symmetric)
    assert np.all(np.diff(lowering) > 0.0) and lowering[0] > 0.0 and lowering[0] < 1e-3
    for kappa in (0.0, 0.5):
        symmetric, broken = both(kappa)
        assert broken == symmetric


def test_the_broken_capacity_lies_above_the_instability_of_the_symmetric_solution():
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", -1.0))
    assert fp.at_line(model) < fp.capacity(model, ansatz="1RSB") < fp.capacity(model)


def test_breaking_is_refused_where_it_changes_nothing():
    for model in (fp.Model(), fp.Model(fp.Teacher(), fp.Gibbs("spherical"))):
        with pytest.raises(InvalidInput, match="1RSB"):
            fp.capacity(model, ansatz="1RSB")
