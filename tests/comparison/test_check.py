"""check: the right theory passes, a slightly wrong one fails, and what cannot be compared is refused."""

import dataclasses
import math

import numpy as np
import pytest

import flatphys as fp
from flatphys.comparison.check import normal_score
from flatphys.errors import InvalidInput

MODEL = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=1.0))


@pytest.fixture(scope="module")
def run():
    return fp.sample(MODEL, 501, 0.5, chains=64, sweeps=600, device="cpu", seed=2)


@pytest.fixture(scope="module")
def state(run):
    return fp.solve(MODEL, run.alpha)


def test_the_right_theory_passes_with_errors_that_are_small_enough_to_matter(run, state):
    report = fp.check(state, run)
    assert report.passed and len(report.rows) > 12
    z = np.array([row.z for row in report.rows])
    assert 0.3 < math.sqrt(np.mean(z**2)) < 2.0  # the errors are neither too small nor padded
    assert {"train_error", "overlap", "margins.mean", "margins.variance"} <= {row.quantity for row in report.rows}
    assert next(row for row in report.rows if row.quantity == "train_error").error < 0.01 * state.train_error
    assert "agrees within the bound 4" in repr(report) and "FAILS" not in repr(report)


def test_a_theory_at_a_slightly_wrong_temperature_or_load_fails(run, state):
    for model, alpha in ((fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=1.08)), run.alpha), (MODEL, 1.3 * run.alpha)):
        wrong = fp.solve(model, alpha)
        disguised = dataclasses.replace(wrong, model=MODEL, alpha=state.alpha)
        report = fp.check(disguised, run, sigma=(), distance=())
        assert not report.passed and "FAILS" in repr(report) and "EXCEEDS" in report.verdict()
        assert fp.check(disguised, run, bound=1e3, sigma=(), distance=()).passed


@pytest.mark.parametrize(("name", "shift"), [("train_error", 1.05), ("q", 1.25)])
def test_one_wrong_number_is_found(run, state, name, shift):
    changed = {"order": {**state.order, "q": state.q * shift}} if name == "q" else {name: getattr(state, name) * shift}
    report = fp.check(dataclasses.replace(state, **changed), run, sigma=(), distance=())
    wrong = [row.quantity for row in report.rows if abs(row.z) > 4.0]
    assert wrong and {"train_error": "train_error", "q": "overlap"}[name] in wrong


def test_an_allowance_is_taken_off_and_stated(run, state):
    plain, allowed = fp.check(state, run), fp.check(state, run, finite_size=0.5)
    for a, b in zip(plain.rows, allowed.rows):
        assert b.allowance == 0.5 / 501 and abs(b.z) <= abs(a.z)
        gap = max(abs(a.simulation - a.theory) - 0.5 / 501, 0.0) / a.error
        assert abs(b.z) == pytest.approx(normal_score(gap, 31), abs=1e-9)
    assert "0.5/N" in repr(allowed) and "/N" not in repr(plain)


def test_several_sizes_are_extrapolated(state):
    runs = [fp.sample(MODEL, n, 0.5, chains=64, sweeps=400, device="cpu", seed=n) for n in (41, 81, 161)]
    report = fp.check(fp.solve(MODEL, 0.5), runs, sigma=(), distance=())
    assert report.passed and all(row.fit is not None and row.fit.freedom == 1 for row in report.rows)
    assert "extrapolated to N = infinity" in repr(report)
    single = fp.extrapolate(runs, "overlap")
    row = next(row for row in report.rows if row.quantity == "overlap")
    assert row.error == pytest.approx(single.error, rel=1e-9)
    assert single.slope > 0.0  # overlaps of small systems are larger: E q^2 > 0 even where q = 0
    with pytest.raises(InvalidInput, match="one model"):
        fp.extrapolate([runs[0], fp.sample(fp.Model(fp.RandomLabels(), fp.Gibbs(beta=0.5)), 81, 0.5, chains=8, sweeps=100, device="cpu")])
    with pytest.raises(InvalidInput, match="estimate of the runs"):
        fp.extrapolate(runs, "temperature")


def test_the_theory_is_asked_again_where_whole_patterns_move_the_load():
    """31 weights at alpha = 0.5 have 16 patterns, 0.516: the difference in train error is that of the theory there."""
    runs = [fp.sample(MODEL, n, 0.5, chains=16, sweeps=200, device="cpu", seed=n) for n in (31, 61)]
    report = fp.check(fp.solve(MODEL, runs[1].alpha), runs, sigma=(), distance=())
    row = next(row for row in report.rows if row.quantity == "train_error")
    assert row.fit.values == pytest.approx([r.train_error.mean - fp.solve(MODEL, r.alpha).train_error for r in runs], abs=1e-12)


def test_trained_rules_are_checked_too():
    model = fp.Model(fp.GaussianMixture(positive=0.3), fp.ERM("square", 0.5, bias=True))
    run = fp.sample(model, 300, 2.0, chains=24, seed=1)
    report = fp.check(fp.solve(model, run.alpha), run)
    assert report.passed
    assert {"m", "q", "b", "cosine", "train_loss", "generalization_error", "local_energy(sigma=0.5)"} <= {
        row.quantity for row in report.rows
    }
    other = fp.solve(fp.Model(fp.GaussianMixture(positive=0.3), fp.ERM("square", 0.6, bias=True)), run.alpha)
    assert not fp.check(dataclasses.replace(other, model=model), run, sigma=()).passed


def test_local_entropies_are_checked_and_a_wrong_one_fails():
    model = fp.Model(fp.Teacher(), fp.Gibbs("binary"))
    options = {"chains": 24, "sweeps": 400, "device": "cpu", "seed": 3}
    run = fp.sample_local_entropy(model, 151, 0.25, distance=[0.05, 0.1, 0.15], reference="teacher", **options)
    theory = fp.local_entropy(fp.teacher_state(model, run.alpha), overlap=run.overlap)
    report = fp.check(theory, run)
    assert report.passed and len(report.rows) == 3
    assert not fp.check(dataclasses.replace(theory, value=theory.value + 0.02), run).passed
    from matplotlib.figure import Figure

    axes = Figure().subplots(1, 2)
    report.draw_on(axes)
    assert axes[0].lines[0].get_xdata().size == 40
    with pytest.raises(InvalidInput, match="reference"):
        fp.check(fp.local_entropy(fp.solve(model, run.alpha), overlap=run.overlap), run)
    with pytest.raises(InvalidInput, match="margin"):
        fp.check(fp.local_entropy(fp.teacher_state(model, run.alpha), overlap=run.overlap, margin=-0.2), run)


def test_what_cannot_be_compared_is_refused(run, state):
    with pytest.raises(InvalidInput, match="solve at run.alpha"):
        fp.check(fp.solve(MODEL, 0.6), run)
    with pytest.raises(InvalidInput, match="model"):
        fp.check(fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=2.0)), run.alpha), run)
    for theory, simulation in ((run, state), (state, []), (state, state), (None, run)):
        with pytest.raises(InvalidInput):
            fp.check(theory, simulation)


def test_the_normal_score_has_the_tail_of_students_law():
    assert normal_score(2.0, 10**9) == pytest.approx(2.0, abs=1e-6)
    assert normal_score(-12.706, 1) == pytest.approx(-1.96, abs=1e-3)  # 2.5% of Student's law of one degree of freedom
    assert normal_score(math.inf, 5) == math.inf and normal_score(0.0, 5) == 0.0


def test_a_report_draws_itself(run, state):
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots(1, 2)
    fp.check(state, run).draw_on(axes)
    assert axes[0].get_xlabel() and len(axes[1].get_yticklabels()) > 10
