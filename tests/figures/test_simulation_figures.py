"""Figures with simulations: dots on the curves where they must be, and on two branches where the system remembers its start."""

import math

import numpy as np
import pytest

import flatphys as fp
from flatphys import figures
from flatphys.plotting import style


@pytest.fixture(scope="module")
def hysteresis():
    return figures.load("first-order-hysteresis").compute(points=20)


@pytest.mark.long
def test_random_starts_follow_the_student_and_late_teachers_stay(hysteresis):
    for beta in (math.inf, 2.0):
        mine = [record for record in hysteresis if record["beta"] == beta]
        model = fp.Model(fp.Teacher(), fp.Gibbs("binary", beta=beta))
        jump = fp.first_order_transition(model)
        assert (mine[0]["transition"], mine[0]["spinodal"]) == (jump.transition, jump.spinodal)
        dots = {start: {r["alpha"]: r for r in mine if r["line"] == f"start: {start}"} for start in ("random", "teacher")}
        for alpha, dot in dots["random"].items():
            if alpha < 0.8 * jump.transition:  # in equilibrium: within errors and a correction of order 1/N
                student = next(s for s in fp.branches(model, alpha) if s.branch == "student")
                assert abs(dot["R"] - student.R) < 4.0 * dot["error"] + 3.0 / dot["n"]
        later = [alpha for alpha in dots["random"] if 0.95 * jump.transition < alpha < jump.spinodal]
        assert later and all(dots["teacher"][alpha]["R"] > dots["random"][alpha]["R"] + 0.1 for alpha in later)  # hysteresis
        earliest = min(dots["teacher"])
        assert dots["teacher"][earliest]["R"] < 0.5  # forgotten


@pytest.mark.long
def test_the_lines_of_the_hysteresis_are_the_branches_of_theory(hysteresis):
    for record in hysteresis[::17]:
        if record["line"].startswith("start"):
            continue
        if record["alpha"] in (record["spinodal"], record["transition"]):
            continue
        found = fp.branches(fp.Model(fp.Teacher(), fp.Gibbs("binary", beta=record["beta"])), record["alpha"])
        state = next(s for s in found if s.branch == record["line"].split(",")[0])
        assert record["R"] == state.R
        assert ("metastable" in record["line"]) == (state is not found[0]) or record["line"] == "intermediate"


@pytest.mark.long
def test_dots_of_theory_vs_simulation_lie_on_their_curves():
    records = figures.load("theory-vs-simulation").compute(scale=0.5)
    z = []
    for record in (r for r in records if r["kind"] == "simulation"):
        same = {key: record[key] for key in ("panel", "curve", "law", "alpha") if key in record}
        x, y = style.select(records, "x", "value", kind="theory", **same)
        if not record["error"] > 0.0 or (record["panel"] == "b" and record["value"] < 0.02):
            continue
        allowed = {"a": 0.8 / record["n"], "b": 0.02, "c": 1.5 / record["n"]}[record["panel"]]  # 1/N; width of the bins
        gap = abs(record["value"] - np.interp(record["x"], x, y))
        if not (record["panel"] == "b" and abs(record["x"]) < 0.15):  # the jump
            z.append(max(gap - allowed, 0.0) / record["error"])
    assert len(z) > 40 and max(z) < 4.5, max(z)
