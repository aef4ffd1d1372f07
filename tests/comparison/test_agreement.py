"""The report of agreement: its list covers what it must, and a short version agrees and is written in full."""

import csv
import math

import pytest

from flatphys.comparison.agreement import write_report
from flatphys.comparison.cases import Around, AroundTeacher, full_cases, quick_cases, storage
from flatphys.model import ENERGIES, ERM, WEIGHTS, GaussianMixture, Gibbs, RandomLabels, Teacher


def test_the_full_list_holds_every_agreement_that_is_asked_for():
    cases = full_cases()
    assert len({case.name for case in cases}) == len(cases)
    plain = [c for c in cases if not isinstance(c, Around)]
    stored = {
        (c.model.learner.weights, c.alpha, c.model.learner.beta)
        for c in plain
        if isinstance(c.model.data, RandomLabels) and c.model.learner.energy == "errors"
    }
    assert stored >= {(w, a, b) for w in ("binary", "spherical") for a in (0.5, 1.0, 2.0) for b in (0.5, 1.0, 2.0)}
    gibbs = [c for c in plain if isinstance(c.model.learner, Gibbs)]
    students = {(c.alpha, c.options["start"]) for c in gibbs if isinstance(c.model.data, Teacher)}
    assert students >= {(a, s) for a in (0.5, 0.9) for s in ("hot", "cold")}
    assert {(c.model.learner.weights, c.model.learner.energy) for c in gibbs} == {(w, e) for w in WEIGHTS for e in ENERGIES}
    assert any(
        isinstance(c.model.data, GaussianMixture) and isinstance(c.model.learner, ERM) and c.model.learner.loss == "logistic" for c in cases
    )
    around = [c for c in cases if isinstance(c, Around)]
    assert {len(c.around.get("distance", c.around.get("overlap"))) for c in around} == {3}
    assert any(isinstance(c, AroundTeacher) for c in around) and any(isinstance(c.model.learner, ERM) for c in around)
    assert max(n for c in cases for n in c.sizes) >= 2000


@pytest.mark.long
def test_a_short_version_agrees_and_is_written_in_full(tmp_path):
    said = []
    path, passed = write_report(tmp_path / "report", quick=True, device="cpu", say=said.append)
    assert passed, said
    cases = quick_cases()
    text = path.read_text()
    assert all(case.title in text for case in cases) and len(said) == len(cases)
    rows = list(csv.DictReader((tmp_path / "report" / "rows.csv").read_text().splitlines()))
    z = [float(row["z"]) for row in rows]
    assert len(rows) > 80 and 0.4 < math.sqrt(sum(x * x for x in z) / len(z)) < 1.5
    for case in cases:
        assert (tmp_path / "report" / f"{case.name}.png").stat().st_size > 20_000
    assert (tmp_path / "report" / "z-scores.png").exists()


def test_a_case_that_fails_is_named_and_the_report_says_no(tmp_path, monkeypatch):
    case = storage("binary", 0.5, 0.5, (61,), chains=8, sweeps=100)
    path, passed = write_report(tmp_path, cases=[case], bound=1e-6, device="cpu", say=lambda text: None)
    assert not passed and "binary-0.5-0.5" in path.read_text().split("beyond the bound")[1]
