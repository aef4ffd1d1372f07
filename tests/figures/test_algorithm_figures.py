"""Figures of algorithms: their data on small systems."""

import math

import pytest

from flatphys import figures
from flatphys.figures import algorithms_success


def test_success_falls_with_the_load_and_work_is_counted_in_passes(monkeypatch):
    names = ("SBPI", "ReplicatedSGD", "SGD")
    monkeypatch.setattr(algorithms_success, "ALGORITHMS", {name: algorithms_success.ALGORITHMS[name] for name in names})
    records = algorithms_success.compute(loads=(0.2, 1.2), n=45, instances=2)
    mine = {(r["algorithm"], r["alpha"]): r for r in records if r["line"] == "simulation"}
    assert all(mine[name, 0.2]["success"] == 1.0 and mine[name, 1.2]["success"] == 0.0 for name in names)
    assert all(mine[name, 1.2]["passes"] is None for name in names) and 2.0 * mine["ReplicatedSGD", 0.2]["passes"] % 7.0 == 0.0
    lines = {r["line"]: r["alpha"] for r in records if r["line"] != "simulation"}
    assert [round(alpha, 4) for alpha in lines.values()] == [0.729, 0.7553, 0.8331]
    assert figures.load("algorithms-success").draw(records) is not None


@pytest.mark.long
def test_what_algorithms_find_lies_between_typical_and_densest():
    records = figures.load("algorithms-flatness").compute(n=201, instances=3)
    curve = {(r["panel"], r["curve"], round(r["x"], 3)): r["value"] for r in records}
    for name in ("FocusingBP", "ReplicatedSGD", "SBPI"):
        found = curve["a", name, 0.1]
        assert curve["a", "typical", 0.1] < found < curve["a", "star of replicas", 0.1] + 0.02
        assert curve["b", name, 0.06] < curve["b", "typical", 0.06]
    apart = next(r for r in records if r["panel"] == "c" and r["kind"] == "simulation")
    assert 0.0 < apart["x"] < 0.2 and math.isfinite(apart["error"])
