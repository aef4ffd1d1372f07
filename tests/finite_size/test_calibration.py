"""Simulation-based calibration: many runs against exact enumeration, so that errors are neither too small nor too large.

Two errors belong to an estimate.  Given its instances, the exact value is that of their enumerated weights and
z = (mean - exact) / time_error is standard normal.  Over instances, the exact value is the mean over their law and
z = (mean - exact) / error is Student's t of one degree of freedom less than there are instances.  An alarm about
chains that are as well mixed as these is a false one.
"""

import itertools
import math

import numpy as np
import pytest
from scipy import special

import flatphys as fp

pytestmark = pytest.mark.filterwarnings("ignore::flatphys.errors.NotMixedWarning")  # they are counted instead
N, ALPHA, CHAINS = 9, 0.8, 48
CASES = {
    "errors": fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=1.0)),
    "teacher": fp.Model(fp.Teacher(0.2), fp.Gibbs("binary", 0.2, beta=1.0)),
    "hinge": fp.Model(fp.RandomLabels(), fp.Gibbs("binary", 0.5, beta=1.0, energy="hinge")),
}
WEIGHTS = np.array(list(itertools.product([-1, 1], repeat=N)), dtype=np.int8)


def exact(instances):
    """Means over all weights of every instance, by the names of the estimates."""
    learner = instances.model.learner
    stabilities = instances.stabilities(np.broadcast_to(WEIGHTS, (instances.count, *WEIGHTS.shape)))
    wrong = stabilities < learner.margin
    cost = wrong if learner.energy == "errors" else np.maximum(learner.margin - stabilities, 0.0)
    energy = cost.sum(axis=2)
    boltzmann = np.exp(-learner.beta * energy)
    z = boltzmann.sum(axis=1)
    chance = boltzmann / z[:, None]
    mean = chance @ WEIGHTS
    log_z, energy = np.log(z) / N, np.sum(chance * energy, axis=1) / N
    out = {"energy": energy, "overlap": np.sum(mean**2, axis=1) / N, "free_entropy": log_z, "entropy": log_z + learner.beta * energy}
    out["train_error"] = np.sum(chance * wrong.mean(axis=2), axis=1)
    if instances.teacher is not None:
        out["teacher_overlap"] = np.sum(mean * instances.teacher, axis=1) / N
    return out


def calibrated(case, runs, population=8000):
    """(z given the instances, z over instances) of so many runs, (quantities, runs) each, and how many of them raise an alarm."""
    model, alarms, given, over, law = CASES[case], 0, [], [], None
    options = {"n": N, "alpha": ALPHA, "chains": CHAINS, "sweeps": 300, "burn_in": 100, "every": 2, "device": "cpu", "threads": 1}
    for seed in range(runs):
        run = fp.sample(model, seed=seed + 1, exchange=case == "teacher", **options)
        if law is None:
            law = exact(fp.make_instances(model, N, run.alpha, count=population, seed=10**6, patterns=run.patterns))
        own = exact(run.source.instances)
        found = {name: run.estimates[name] for name in own if name in run.estimates and name != "train_error"}
        given.append([(one.mean - own[name].mean()) / one.time_error for name, one in found.items()])
        over.append([one.z(law[name].mean()) for name, one in found.items()])
        alarms += bool(run.complaints)
    return np.array(given).T, np.array(over).T, alarms


def uncovered(z, freedom):
    """How much more often than they should the intervals of three confidences hold the exact value."""
    levels = np.array([0.6827, 0.9, 0.95])
    return np.mean(np.abs(z) < special.stdtrit(freedom, 0.5 + 0.5 * levels)[:, None], axis=1) - levels


def test_errors_of_a_few_runs_are_about_right():
    given, over, alarms = calibrated("teacher", 20, 1000)
    for z in (*given, *over):
        assert 0.6 < np.sqrt(np.mean(z**2)) < 1.5 and abs(np.mean(z)) < 4.0 / math.sqrt(20.0)
    assert alarms <= 1


@pytest.mark.nightly
@pytest.mark.long
def test_errors_are_calibrated_over_a_thousand_runs():
    runs, freedom = 340, CHAINS // 2 - 1
    given, over, alarms = zip(*(calibrated(case, runs) for case in CASES))
    given, over = (np.concatenate([z.ravel() for z in found]) for found in (given, over))
    spread = math.sqrt(np.mean(over**2) * (freedom - 2) / freedom)  # in units of Student's own
    assert 0.93 < math.sqrt(np.mean(given**2)) < 1.07 and 0.93 < spread < 1.07
    assert np.abs(uncovered(given, 1e9)).max() < 0.02 and np.abs(uncovered(over, freedom)).max() < 0.02
    assert sum(alarms) <= 0.01 * runs * len(CASES)
