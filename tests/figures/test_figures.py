"""The gallery: the physics of each figure's data, and files that are complete and the same in every run."""

import csv
import io
import math

import numpy as np
import pytest
from typer.testing import CliRunner

import flatphys as fp
from flatphys import figures
from flatphys.cli import app
from flatphys.plotting import style

LONG = {
    *figures.SLOW,
    *(name for name in figures.names() if name.startswith(("phase-", "committee-"))),
    *("flatness-generalization", "flatness-threshold", "flatness-phase-diagram", "local-entropy-vs-margin", "replicated-entropy"),
    *("theory-vs-simulation", "first-order-hysteresis", "erm-margins", "erm-unbalanced"),
    *("state-evolution", "found-local-entropy", "online-descent"),
}
NIGHT = {  # many finite systems, or half a minute and more of curves
    *("self-field-messages", "focusing-success", "entropic-smoothing", "negative-margin-descent", "algorithms-success"),
    *("algorithms-generalization", "flatness-bayes", "smoothing-bayes"),
}


def marks(name):
    """When the test of a figure runs."""
    return [pytest.mark.long, pytest.mark.nightly] if name in NIGHT else [pytest.mark.long] if name in LONG else []


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name)) for name in figures.names()])
def test_files_are_complete_and_deterministic(name, tmp_path):
    store = tmp_path / "store" if name in LONG | NIGHT else False  # the slow ones are computed once, drawn twice
    first = figures.make(name, tmp_path / "a", store=store)
    second = figures.make(name, tmp_path / "b", store=store)
    assert [path.name for path in first] == [f"{name}.png", f"{name}.pdf", f"{name}.csv"]
    for one, two in zip(first, second):
        assert one.read_bytes() == two.read_bytes()
    assert first[0].read_bytes().startswith(b"\x89PNG\r\n\x1a\n") and first[0].stat().st_size > 30_000
    assert first[1].read_bytes().startswith(b"%PDF") and b"CreationDate" not in first[1].read_bytes()
    rows = list(csv.DictReader(io.StringIO(first[2].read_text())))
    assert len(rows) > 25


def test_the_command_writes_a_figure_and_lists_all(tmp_path):
    listed = CliRunner().invoke(app, ["figure", "--list"])
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(figures.names())
    result = CliRunner().invoke(app, ["figure", "entropy_vs_alpha", "--no-store", "--out", str(tmp_path / "new" / "folder")])
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
    symmetric, broken, stability, binary = (
        lines[n] for n in ("spherical, RS", "spherical, 1RSB", "spherical, AT line", "binary, zero entropy")
    )
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


def solved(data, record, bias=False):
    """The state that a record of a learning curve stands for."""
    return fp.solve(fp.Model(data, fp.ERM(record["line"], record["l2"], bias)), record["alpha"])


def test_erm_learning_curves_stay_above_bayes_and_peak_at_interpolation():
    module = figures.load("erm-learning-curves")
    records = module.compute(points=12)
    for name, data in (("mixture", module.MIXTURE), ("teacher", module.TEACHER)):
        mine = [r for r in records if r["data"] == name]
        floor = {r["alpha"]: r["generalization_error"] for r in mine if r["line"] == "Bayes"}
        for record in mine:
            least = floor.get(record["alpha"], fp.bayes_error(data, record["alpha"]))
            assert record["generalization_error"] >= least * (1.0 - 1e-12)
        for record in [r for r in mine if r.get("l2") in (module.WEAK, module.STRONG)][::29]:  # continuation ends where a fresh start does
            assert record["generalization_error"] == pytest.approx(solved(data, record).generalization_error, rel=1e-11)
        x, y = style.select(mine, "alpha", "generalization_error", line="square", l2=module.WEAK)
        assert x[int(np.argmax(y))] == pytest.approx(1.0, abs=0.02)
        before = [e for a, e in zip(x, y) if a < 1.0]
        assert max(y) > 0.42 and min(before) < before[0] and min(before) < 0.8 * max(y)  # down, up to the peak, and down again
    strong = style.select(records, "alpha", "generalization_error", data="mixture", line="square", l2=module.STRONG)[1]
    assert np.all(np.diff(strong) < 0.0)
    for loss in module.COLOURS:  # the best l2 is better than a weak one at every load
        x, best = style.select(records, "alpha", "generalization_error", line=loss, l2="optimal")
        weak = [fp.solve(fp.Model(module.TEACHER, fp.ERM(loss, module.WEAK)), a).generalization_error for a in x]
        assert np.all(np.array(best) <= np.array(weak) * (1.0 + 1e-12))


def test_a_bias_helps_on_the_unbalanced_mixture():
    module = figures.load("erm-unbalanced")
    records = module.compute(points=10)
    assert all(record["excess"] > -1e-12 for record in records)
    for loss in module.COLOURS:
        grids = {
            bias: style.select(records, "alpha", "generalization_error", line=loss, l2=module.WEAK, bias=bias) for bias in (False, True)
        }
        shared = [(a, dict(zip(*grids[False]))[a], e) for a, e in zip(*grids[True]) if a in grids[False][0]]
        assert len(shared) > 10 and all(with_bias < without for _, without, with_bias in shared)
        alpha, without, with_bias = shared[len(shared) // 2]
        for bias, error in ((False, without), (True, with_bias)):
            state = fp.solve(fp.Model(module.DATA, fp.ERM(loss, module.WEAK, bias)), alpha)
            assert error == pytest.approx(state.generalization_error, rel=1e-11)
        # without a bias the error is that of the balanced mixture
        balanced = fp.solve(fp.Model(fp.GaussianMixture(), fp.ERM(loss, module.WEAK)), alpha)
        assert without == pytest.approx(balanced.generalization_error, rel=1e-11)
        best = style.select(records, "alpha", "generalization_error", line=loss, l2="optimal")[1]
        assert max(best) < module.DATA.positive  # better than always answering with the larger class
    assert set(style.select(records, "alpha", "excess", line="Bayes")[1]) == {0.0}
    x, y = style.select(records, "alpha", "generalization_error", line="without bias")
    assert y == [fp.bayes_error(fp.GaussianMixture(), a) for a in x]
    assert fp.optimal_l2(fp.Model(module.DATA, fp.ERM("square")), 2.0) == math.inf


def test_simulated_margins_lie_within_their_errors():
    module = figures.load("erm-margins")
    records = module.compute(points=20, n=300, samples=6)
    for name, learner in module.LEARNERS.items():
        for alpha in module.LOADS[name]:
            mine = [r for r in records if r["learner"] == name and r["alpha"] == alpha]
            theory, dots = ([r for r in mine if r["kind"] == kind] for kind in ("bin", "simulation"))
            assert [r["stability"] for r in theory] == [r["stability"] for r in dots]
            z = [(b["value"] - a["value"]) / b["error"] for a, b in zip(theory, dots)]
            assert np.sqrt(np.mean(np.square(z))) < 1.4 and np.abs(z).max() < 5.0
            law = fp.margins(fp.solve(fp.Model(fp.GaussianMixture(), learner), alpha))
            assert [(r["stability"], r["value"]) for r in mine if r["kind"] == "atom"] == list(law.atoms)
            masses = [r["value"] for r in mine if r["kind"] in ("bin", "atom")]
            assert sum(masses) == pytest.approx(1.0, abs=0.03)  # the range shows nearly everything, and nothing twice
            atoms = [[r for r in mine if r["kind"] == kind] for kind in ("atom", "simulated atom")]
            assert len(atoms[0]) == len(atoms[1]) == (0 if name == "logistic" else 1)
            for atom, seen in zip(*atoms):
                assert seen["value"] == pytest.approx(atom["value"], abs=4.0 * seen["error"] + 0.01)
                assert seen["stability"] == pytest.approx(atom["stability"], abs=1e-3 if name == "hinge" else 0.1)
    places = {r["alpha"]: r["stability"] for r in records if r["learner"] == "max margin" and r["kind"] == "atom"}
    assert places[2.0] == pytest.approx(fp.solve(fp.Model(fp.GaussianMixture(), fp.MaxMargin()), 2.0).margin, rel=1e-12)


def test_flatness_follows_generalization_on_the_mixture_and_leaves_it_with_a_teacher():
    module = figures.load("flatness-generalization")
    records = module.compute(per_decade=3)

    def path(data, loss, quantity):
        return np.array(style.select(records, "l2", quantity, data=data, loss=loss)[1])

    for data in module.DATA:
        for loss in module.LOSSES:
            assert np.all(np.diff(path(data, loss, "local_energy")) < 0.0)  # a larger l2 is always flatter
            assert np.all(path(data, loss, "generalization_error") >= path(data, loss, "bayes") * (1.0 - 1e-12))
    for loss in module.LOSSES:
        assert np.all(np.diff(path("mixture", loss, "generalization_error")) < 0.0)  # and better: the two agree
        error = path("teacher", loss, "generalization_error")
        best = int(np.argmin(error))
        assert 0 < best < len(error) - 1 and error[-1] > 1.05 * error[best]  # beyond the best l2 flatter is worse
        marked = [r for r in records if r["data"] == "teacher" and r["loss"] == loss and r["mark"] == "best"]
        assert len(marked) == 1 and marked[0]["generalization_error"] == error[best]
    # square loss, teacher with 10% noise: optimal l2 from pi/2/(1 - 2 eta)^2 - 1, for every load
    best = next(r["l2"] for r in records if r["mark"] == "best" and r["loss"] == "square")
    assert best == pytest.approx(0.5 * math.pi / 0.8**2 - 1.0, rel=1e-6)
    # logistic, separable: the curvature vanishes as l2 -> 0, where the error is largest
    bend, error = path("mixture", "logistic", "relative_flatness"), path("mixture", "logistic", "generalization_error")
    assert bend[0] < 0.2 * bend.max() and error[0] == error.max()
    for record in records[::37]:
        state = fp.solve(fp.Model(module.DATA[record["data"]], fp.ERM(record["loss"], record["l2"])), module.ALPHA)
        assert record["generalization_error"] == pytest.approx(state.generalization_error, rel=1e-11)
        assert record["local_energy"] == pytest.approx(fp.local_energy(state, sigma=module.SIGMA), rel=1e-9)
        assert record["relative_flatness"] == pytest.approx(fp.relative_flatness(state), rel=1e-9)


def test_committee_capacities_fall_with_the_margin_and_order_as_the_kernels_slopes():
    """Spherical weights: c'(1) times the perceptron's (1, 1.23 erf, 1.47 ReLU), less with one step of symmetry breaking."""
    records = figures.load("committee-capacity").compute(points=6)
    by = {
        (r["weights"], r["network"], r["ansatz"]): [
            x["alpha"] for x in records if all(x[k] == r[k] for k in ("weights", "network", "ansatz"))
        ]
        for r in records
    }
    assert len(by) == 10 and all(np.all(np.diff(column) < 0.0) for column in by.values())
    for name, slope in (("erf", 2.0 / 3.0 / math.asin(2.0 / 3.0) / math.sqrt(5.0 / 9.0)), ("relu", math.pi / (math.pi - 1.0))):
        ratio = np.array(by["spherical", name, "RS"]) / np.array(by["spherical", "perceptron", "RS"])
        assert ratio == pytest.approx(np.full(6, slope), rel=1e-12)
        assert (np.array(by["spherical", name, "1RSB"]) < np.array(by["spherical", name, "RS"])).all()
        assert (np.array(by["binary", name, "RS"]) > np.array(by["binary", "perceptron", "RS"])).all()
