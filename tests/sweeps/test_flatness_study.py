"""`flatness_against_generalization`: budgets, what is measured, and correlations with their intervals."""

import numpy as np
import pytest
import xarray
from scipy.stats import spearmanr

import flatphys as fp
from flatphys.errors import InvalidInput
from flatphys.sweeps.flatness_study import correlations, passes, within


def table(error, energy, solved=None):
    dims = ("algorithm", "instance")
    solved = np.ones_like(error) if solved is None else solved
    return xarray.Dataset({"generalization_error": (dims, error), "local_energy": (dims, energy), "solved": (dims, solved)})


def test_correlations_are_spearmans_and_within_instances_those_of_ranks_there():
    rng = np.random.default_rng(1)
    hard = rng.standard_normal(30)  # of the instance: moves both, in opposite directions
    own = rng.standard_normal((6, 30))
    error, energy = own + 5.0 * hard, own + 0.1 * rng.standard_normal((6, 30)) - 5.0 * hard
    found = correlations(table(error, energy))
    assert found.correlation.sel(kind="all").item() == pytest.approx(spearmanr(error.ravel(), energy.ravel())[0], abs=1e-12)
    each = np.mean([spearmanr(error[:, k], energy[:, k])[0] for k in range(30)])
    assert found.correlation.sel(kind="within instances").item() == pytest.approx(each, abs=1e-12) and each > 0.9
    assert (found.correlation_low < found.correlation).all() and (found.correlation < found.correlation_high).all()
    assert found.correlation_high.sel(kind="all").item() < 0.0 and (found.runs == 180).all()


def test_intervals_cover_no_correlation_as_often_as_they_say(monkeypatch):
    """60 tables without one, runs on an instance alike: 46 or more cover 0 (false alarm < 1e-4 where 93% do)."""
    monkeypatch.setattr("flatphys.sweeps.flatness_study.BOOTSTRAPS", 100)
    rng, covered = np.random.default_rng(2), 0
    for seed in range(60):
        error, energy = (0.3 * rng.standard_normal((4, 25)) + rng.standard_normal(25) for _ in range(2))
        found = correlations(table(error, energy), seed).sel(kind="all")
        covered += found.correlation_low.item() <= 0.0 <= found.correlation_high.item()
    assert covered >= 46


def test_runs_without_a_solution_do_not_count():
    rng = np.random.default_rng(3)
    error, energy = rng.standard_normal((2, 3, 20))
    solved = (rng.random((3, 20)) < 0.5).astype(float)
    found = correlations(table(error, energy, solved))
    assert (found.runs.sel(kind="all") == solved.sum()).all()
    good = solved == 1.0
    assert found.correlation.sel(kind="all").item() == pytest.approx(spearmanr(error[good], energy[good])[0], abs=1e-12)
    nothing = correlations(table(error, energy, np.zeros((3, 20))))
    assert np.isnan(nothing.correlation).all() and (nothing.runs == 0).all()


def test_every_algorithm_gets_the_same_budget():
    for one in (fp.SBPI(), fp.SGD(), fp.ReplicatedSGD(replicas=5), fp.ReplicatedAnnealing(), fp.SimulatedAnnealing(), fp.FocusingBP()):
        limited = within(one, 300.0)
        field = next(name for name in ("steps", "epochs", "sweeps") if hasattr(limited, name))
        used = passes(limited) * getattr(limited, field)
        assert 300.0 - passes(limited) < used <= 300.0
    assert within(fp.ReplicatedSGD(replicas=5), 300.0).gamma == fp.Schedule(0.05, 0.55, steps=60)  # it grows within the run
    assert passes(fp.ReplicatedSGD(replicas=5)) == 5.0 and passes(fp.ReinforcedBP()) == 2.0


def test_a_teachers_problem_is_measured():
    some = [fp.SBPI(), fp.ReplicatedSGD(replicas=3)]
    found = fp.flatness_against_generalization(
        fp.Model(fp.Teacher()), 0.5, some, n=45, instances=3, distance=0.1, budget=600, workers=1, progress=False
    )
    assert found.measure.values.tolist() == ["local_energy", "local_entropy", "relative_flatness"] and found.budget == 600
    one = fp.make_instances(fp.Model(fp.Teacher()), 45, 0.5, seed=1)
    again = fp.find(one, fp.SBPI(epochs=600), seed=1, progress=False)
    h = 1.0 / (4.0 * np.cosh(again.stabilities[0] / 2.0) ** 2)
    assert found.relative_flatness.values[0, 0] == pytest.approx(h.mean(), rel=1e-12)  # |w|^2 = N, |x|^2 = N
    assert found.iterations.max() <= 600
    committee = fp.Model(fp.Teacher(), fp.Gibbs(network=fp.TreeCommittee("sign")))
    three = fp.flatness_against_generalization(committee, 0.3, some, n=45, hidden=3, instances=2, budget=600, workers=1, progress=False)
    assert three.measure.values.tolist() == ["local_energy", "local_entropy"] and (three.generalization_error < 0.5).any()


def test_labels_without_a_teacher_are_refused():
    with pytest.raises(InvalidInput, match="must have a signal"):
        fp.flatness_against_generalization(fp.Model(), 0.5)
