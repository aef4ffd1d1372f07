"""Figures of message passing: dots on their curves, curves in their order."""

import math

import numpy as np
import pytest

import flatphys as fp
from flatphys import figures
from flatphys.plotting import style

DRAWN = ("state-evolution", "self-field-messages", "found-local-entropy", "focusing-success")


@pytest.fixture(scope="module")
def records():
    """Small ones of each."""
    few = {"n": 201, "count": 3}
    return {
        "state-evolution": figures.load("state-evolution").compute(**few),
        "self-field-messages": figures.load("self-field-messages").compute(**few),
        "found-local-entropy": figures.load("found-local-entropy").compute(**few, points=15),
        "focusing-success": figures.load("focusing-success").compute({51: 6, 101: 6}),
    }


def test_messages_start_on_the_curves_of_state_evolution(records):
    mine = records["state-evolution"]
    for panel, alpha in (("random labels", 0.5), ("random labels", 0.7), ("teacher", 1.0)):
        _, theory = style.select(mine, "iteration", "value", panel=panel, alpha=alpha, kind="theory")
        dots = [r for r in mine if r["panel"] == panel and r["alpha"] == alpha and r["kind"] == "instances"]
        off = np.array([dot["value"] - value for dot, value in zip(dots, theory)])
        assert (np.abs(off) < 5.0 * np.array([max(dot["error"], 0.15 / math.sqrt(3 * 201)) for dot in dots])).all()
        assert abs(theory[-1] - theory[0]) > 0.2
    assert {r["spinodal"] for r in mine} == {None, fp.first_order_transition(fp.Model(fp.Teacher(), fp.Gibbs())).spinodal}


def test_messages_with_a_self_field_lie_on_the_curve_of_infinitely_many_replicas(records):
    mine = records["self-field-messages"]
    for alpha in (0.4, 0.6):
        d, value = style.select(mine, "distance", "value", alpha=alpha, kind="theory")
        _, strength = style.select(mine, "distance", "self_field", alpha=alpha, kind="theory")
        weak = [r for r in mine if r["kind"] == "instances" and r["alpha"] == alpha and r["self_field"] < 0.5]
        assert len(weak) > 2
        for dot in weak:
            assert abs(dot["value"] - np.interp(dot["distance"], d, value)) < 5.0 * max(dot["error"], 0.3 / math.sqrt(3 * 201))
            assert abs(dot["self_field"] - np.interp(dot["distance"], d, strength)) < 0.15


def test_what_is_found_lies_between_typical_solutions_and_the_best_centre(records):
    mine = records["found-local-entropy"]
    names = ("around the best centre", "around the largest margin", "around typical solutions")
    best, wide, typical = (dict(zip(*style.select(mine, "distance", "value", name=name, status="ok"))) for name in names)
    for d, value in best.items():
        assert all(other.get(d, -math.inf) < value for other in (wide, typical))
        if d < 0.05 and d in typical and d in wide:
            assert typical[d] < wide[d]
    d, value = np.array(sorted(best)), np.array([best[x] for x in sorted(best)])
    dots = [r for r in mine if r["kind"] == "instances"]
    assert len(dots) > 6 and all(r["value"] < np.interp(r["distance"], d, value) + 4.0 * max(r["error"], 0.01) for r in dots)


def test_success_falls_where_theory_says(records):
    mine = records["focusing-success"]
    lines = {r["line"]: r["alpha"] for r in mine if "line" in r}
    assert list(lines.values()) == pytest.approx([0.7290328, 0.7553020, 0.8330786], abs=1e-7)
    for n in (51, 101):
        rates = [r["success"] for r in mine if r.get("n") == n]
        assert np.mean(rates[:3]) > np.mean(rates[-3:]) and all(r["low"] <= r["success"] <= r["high"] for r in mine if "n" in r)


@pytest.mark.parametrize("name", DRAWN)
def test_they_can_be_drawn(name, records, tmp_path):
    with style.paper():
        paths = style.save(figures.load(name).draw(records[name]), records[name], tmp_path / name)
    assert paths[0].stat().st_size > 30_000
