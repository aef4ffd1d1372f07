"""What algorithms find, beside the theory of what they descend: rules with a loss, and ground states on the sphere."""

import pytest

import flatphys as fp
from flatphys.errors import InvalidInput


def found(model, alpha, algorithm, n=200, count=12):
    return fp.find(fp.make_instances(model, n, alpha, count=count, seed=1), algorithm, progress=False, threads=1)


@pytest.mark.parametrize(
    "algorithm",
    [fp.GradientDescent(), fp.EntropySGD(), fp.ReplicatedSGD(2, fp.Schedule(0.01, 1.0, 20), batch=10**6, epochs=5000)],
    ids=lambda one: type(one).__name__,
)
def test_on_a_convex_loss_every_algorithm_arrives_at_the_saddle(algorithm):
    model = fp.Model(fp.GaussianMixture(), fp.ERM(fp.smoothed("hinge", 0.5), 0.3))
    weights = found(model, 1.5, algorithm)
    report = fp.check(fp.solve(model, 1.5), weights)
    assert report.passed, report
    assert {"q", "m", "cosine", "generalization_error", "train_loss", "margins.mean", "local_energy(sigma=0.5)"} <= {
        row.quantity for row in report.rows
    }


def test_a_wrong_temperature_is_seen():
    """Entropy-SGD at a high temperature and strong coupling is not at the saddle of the loss itself."""
    model = fp.Model(fp.GaussianMixture(), fp.ERM("squared-hinge", 0.3))
    noisy = fp.EntropySGD(30, gamma=5.0, temperature=20.0, averaging=0.9, outer_rate=0.3, epochs=100)
    assert not fp.check(fp.solve(model, 1.5), found(model, 1.5, noisy), sigma=[]).passed


@pytest.mark.parametrize("energy", ["squared-hinge", "square"])
def test_gradient_descent_on_the_sphere_finds_the_ground_state(energy):
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", 0.5, energy=energy))
    weights = found(model, 1.5, fp.GradientDescent(slack=0.0), 120, 8)
    report = fp.check(fp.ground_state(model, 1.5), weights, sigma=[0.5], distance=[])
    assert report.passed and {"energy", "train_loss", "train_error"} <= {row.quantity for row in report.rows}, report


def test_a_single_instance_has_no_errors():
    model = fp.Model(fp.GaussianMixture(), fp.ERM("square", 0.3))
    with pytest.raises(InvalidInput, match="at least two"):
        fp.check(fp.solve(model, 1.0), found(model, 1.0, fp.GradientDescent(), 20, 1))
