"""Local entropies of instances fluctuate around the theory's: counted by other energies and betas, about teachers and trained rules."""

import math

import numpy as np
import pytest

import flatphys as fp

DISTANCES, N, COUNT = [0.1, 0.2, 0.3], 501, 24
BINARY, SPHERICAL = fp.Gibbs("binary"), fp.Gibbs("spherical")


def agrees(found, state, options):
    """abs(z) < 4 at every distance, with a value on every instance."""
    got, theory = fp.local_entropy(found, distance=DISTANCES, **options), fp.local_entropy(state, distance=DISTANCES, **options)
    assert (got.status == "ok").all() and (got.error < 0.02).all()
    z = (got.mean - theory.value) / got.error
    assert (np.abs(z) < 4.0).all(), z
    assert (np.abs(got.train_loss.mean(axis=0) - theory.train_loss) < 5.0 * got.train_loss.std(axis=0) / math.sqrt(COUNT) + 1e-12).all()


@pytest.mark.long
@pytest.mark.parametrize(
    "data, learner, alpha, options",
    [
        (fp.Teacher(), BINARY, 1.0, {"beta": 1.0}),
        (fp.Teacher(0.1), BINARY, 0.6, {"beta": 2.0}),
        (fp.Teacher(), BINARY, 0.6, {"beta": 2.0, "energy": "hinge", "margin": 0.3}),
        (fp.Teacher(), SPHERICAL, 1.0, {}),
        (fp.Teacher(), SPHERICAL, 1.0, {"beta": 3.0, "energy": "squared-hinge", "margin": 0.5}),
    ],
    ids=repr,
)
def test_about_teachers(data, learner, alpha, options):
    """48 instances of N = 1001 gave abs(z) <= 1.93, with errors of 1.5e-4 to 1.6e-3."""
    model = fp.Model(data, learner)
    instances = fp.make_instances(model, N, alpha, COUNT, seed=2027, patterns="gaussian")
    agrees(instances.measure(instances.teacher), fp.teacher_state(model, instances.alpha), options)


@pytest.mark.long
@pytest.mark.parametrize(
    "data, rule, options",
    [
        (fp.GaussianMixture(0.5), fp.Hebb(), {"beta": 2.0}),
        (fp.GaussianMixture(), fp.ERM("logistic", 0.1), {"beta": 2.0}),
        (fp.GaussianMixture(), fp.ERM(fp.smoothed("hinge", 1.0), 0.1), {"beta": 1.0, "energy": "hinge", "margin": 1.0}),
        (fp.GaussianMixture(), fp.ERM("logistic", 0.1), {}),
    ],
    ids=repr,
)
def test_about_trained_rules(data, rule, options):
    """48 instances of N = 1001 gave abs(z) <= 1.43, with errors of 6e-5 (smoothed hinge) to 4e-3 (hard constraints)."""
    trained, counted = (
        fp.make_instances(fp.Model(data, learner), N, 1.0, COUNT, 2027, patterns="gaussian") for learner in (rule, SPHERICAL)
    )
    assert np.array_equal(trained.patterns, counted.patterns)
    if isinstance(rule, fp.Hebb):
        weights = trained.patterns.sum(axis=2, dtype=float)
    else:
        weights = fp.find(trained, fp.GradientDescent(), progress=False).weights
    agrees(counted.measure(weights), fp.solve(trained.model, trained.alpha), options)
