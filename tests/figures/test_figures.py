"""The gallery: the physics of each figure's data, and files that are complete and the same in every run."""

import csv
import io
import math

import flatphys as fp
import numpy as np
import pytest
from flatphys import figures
from flatphys.cli import app
from flatphys.figures import style
from typer.testing import CliRunner


@pytest.mark.parametrize("name", figures.names())
def test_files_are_complete_and_deterministic(name, tmp_path):
    first = figures.make(name, tmp_path / "a")
    second = figures.make(name, tmp_path / "b")
    assert [path.name for path in first] == [f"{name}.png", f"{name}.pdf", f"{name}.csv"]
    for one, two in zip(first, second):
        assert one.read_bytes() == two.read_bytes()
    assert first[0].read_bytes().startswith(b"\x89PNG\r\n\x1a\n") and first[0].stat().st_size > 30_000
    assert first[1].read_bytes().startswith(b"%PDF") and b"CreationDate" not in first[1].read_bytes()
    rows = list(csv.DictReader(io.StringIO(first[2].read_text())))
    assert len(rows) > 100


def test_the_command_writes_a_figure_and_lists_all(tmp_path):
    listed = CliRunner().invoke(app, ["figure", "--list"])
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(figures.names())
    result = CliRunner().invoke(app, ["figure", "entropy_vs_alpha", "--out", str(tmp_path / "new" / "folder")])
    assert result.exit_code == 0
    assert sorted(path.suffix for path in (tmp_path / "new" / "folder").iterdir()) == [".csv", ".pdf", ".png"]


def test_a_users_own_matplotlib_settings_change_nothing(tmp_path):
    import matplotlib

    plain = figures.make("entropy-vs-alpha", tmp_path / "a")[0].read_bytes()
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "lines.linewidth": 9}):
        assert figures.make("entropy-vs-alpha", tmp_path / "b")[0].read_bytes() == plain


def test_an_unknown_figure_is_refused():
    with pytest.raises(fp.errors.InvalidInput, match="did you mean 'learning-curves'"):
        figures.make("learning-curve")


def test_entropy_starts_at_log_2_and_vanishes_at_capacity():
    records = figures.load("entropy-vs-alpha").compute(points=20)
    for margin in dict.fromkeys(record["margin"] for record in records):
        mine = [record for record in records if record["margin"] == margin]
        assert mine[0]["entropy"] == math.log(2.0)
        assert np.all(np.diff([record["entropy"] for record in mine]) < 0.0)
        for record in mine:
            assert (record["entropy"] > 0.0) == (record["alpha"] < record["capacity"])
    assert next(r["capacity"] for r in records if r["margin"] == 0.0) == pytest.approx(0.8330786, abs=1e-7)  # Krauth & Mezard 1989


def test_capacity_lines_are_ordered_and_meet_at_margin_zero():
    records = figures.load("capacity-vs-margin").compute(points=9)
    lines = {name: dict(zip(*style.select(records, "margin", "alpha", line=name))) for name in dict.fromkeys(r["line"] for r in records)}
    symmetric, broken, stability, binary = (lines[n] for n in ("spherical, RS", "spherical, 1RSB", "spherical, AT line", "binary, zero entropy"))
    assert symmetric[0.0] == broken[0.0] == stability[0.0] == 2.0
    for margin in (-2.0, -1.5, -1.0, -0.5):
        assert stability[margin] < broken[margin] < symmetric[margin]
    assert all(binary[margin] < 2.0 / math.pi * symmetric[margin] for margin in symmetric)
    assert stability[-0.5] == pytest.approx(fp.at_line(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", margin=-0.5))), rel=1e-12)


def test_learning_curves_jump_at_the_transition_and_meet_at_the_spinodal():
    records = figures.load("learning-curves").compute(points=12)

    def line(name, learner="Gibbs", weights="binary"):
        return style.select(records, "alpha", "generalization_error", weights=weights, learner=learner, line=name)

    jump = fp.first_order_transition(fp.Model(fp.Teacher(), fp.Gibbs("binary")))
    alpha, error = line("equilibrium")
    assert alpha[-1] == jump.transition == pytest.approx(1.24468, abs=1e-5)  # Gyorgyi 1990: 1.245
    assert error[-1] > 0.25 and set(line("after the jump")[1]) == {0.0}
    assert line("after the jump")[0][0] == pytest.approx(jump.transition, abs=1e-8)
    ends = {name: line(name) for name in ("metastable student", "intermediate")}
    assert all(x[-1] == jump.spinodal for x, _ in ends.values())
    assert ends["metastable student"][1][-1] == ends["intermediate"][1][-1]
    # Bayes errs less than Gibbs, and arccos(sqrt R)/pi against arccos(R)/pi on every branch (Nishimori)
    for name in ("equilibrium", "metastable student", "intermediate"):
        for gibbs, bayes in zip(line(name)[1], line(name, "Bayes")[1]):
            assert math.cos(math.pi * bayes) ** 2 == pytest.approx(math.cos(math.pi * gibbs), rel=1e-9, abs=1e-12)
    # asymptotics of spherical weights: Gyorgyi & Tishby 1990; Opper & Haussler 1991; Opper et al. 1990
    for learner, limit in (("Gibbs", 0.625), ("Bayes", 0.442), ("max margin", 0.5)):
        alpha, error = line("equilibrium", learner, "spherical")
        assert alpha[-1] * error[-1] == pytest.approx(limit, rel=2e-3)


def test_margin_distributions_have_their_jumps_and_atoms():
    records = figures.load("margin-distributions").compute(points=40)
    for beta in (0.5, 1.0, 2.0, 4.0):  # at the margin the density jumps by e^beta
        x, pdf = style.select(records, "stability", "pdf", law=rf"$\beta={beta:g}$")
        at = x.index(0.0)
        assert pdf[at] / pdf[at - 1] == pytest.approx(math.exp(beta), rel=1e-9)
    laws = {record["law"] for record in records if record["panel"] == "a"}
    assert len(laws) == 4
    x, pdf = style.select(records, "stability", "pdf", law=r"student, $\kappa=0$")
    assert pdf == pytest.approx([2.0 * math.exp(-0.5 * t * t) / math.sqrt(2.0 * math.pi) if t >= 0.0 else 0.0 for t in x], rel=1e-9)
    atoms = {record["law"].split(" (")[0]: record for record in records if record["atom"] is not None}
    assert set(atoms) == {"maximum margin", "ground state"}
    assert atoms["maximum margin"]["cdf"] == pytest.approx(atoms["maximum margin"]["atom"])  # nothing below the support vectors
    x, pdf = style.select(records, "stability", "pdf", law=atoms["ground state"]["law"], atom=None)
    gap = [t for t, p in zip(x, pdf) if p == 0.0 and t < 0.0]
    assert min(gap) < -1.4 and max(gap) > -0.1  # Gardner & Derrida 1988: no stabilities just below the margin
