"""Figures of the densest regions: what their numbers must obey."""

import numpy as np

import flatphys as fp
from flatphys.figures import flatness_phase_diagram, flatness_scales, replicated_entropy


def test_dense_regions_hold_more_than_typical_neighbourhoods_and_less_than_everything():
    records = replicated_entropy.compute(points=12)
    entropy = lambda d: -d * np.log(d) - (1 - d) * np.log1p(-d)
    for record in records:
        if record["status"] != "ok" or record["kind"] != "replicated":
            continue
        d = record["distance"]
        assert record["value"] < entropy(0.5 * (1.0 - np.sqrt(1.0 - 2.0 * d))) + 1e-12
        twin = next(r for r in records if r["kind"] == "typical" and r["alpha"] == record["alpha"] and r["distance"] == d)
        if twin["status"] == "ok" and d < 0.05:
            assert record["value"] > twin["value"]


def test_dense_regions_break_up_before_solutions_vanish_at_every_margin():
    records = flatness_phase_diagram.compute(points=3)
    dense = [record for record in records if record["line"] == "dense"]
    assert len(dense) == 3
    for record in dense:
        capacity = fp.capacity(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", margin=record["margin"])))
        assert 0.0 < record["alpha"] < capacity


def test_flat_and_good_oppose_at_small_scales():
    """Values of an independent solver of replicas; no rule has a larger local free entropy than the robust centre at its scale."""
    records = flatness_scales.compute(points=3)
    pick = lambda rule, p: [r for r in records if r["rule"] == rule and r["p"] == p]
    for p, robust, hebb in ((0.6, -0.603735, -0.607652), (0.9, -0.961944, -1.059245)):
        assert abs(pick("robust centre", p)[0]["free_entropy"] - robust) < 1e-6
        assert abs(pick("Hebb", p)[0]["free_entropy"] - hebb) < 1e-6
        assert all(r["free_entropy"] < robust for r in pick("logistic", p))
    gap = [pick("robust centre", p)[0]["error"] - pick("Hebb", p)[0]["error"] for p in flatness_scales.OVERLAPS]
    assert 0.0 < gap[0] < gap[1] < gap[2]
