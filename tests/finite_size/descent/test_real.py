"""Descent of real weights: exact dynamics of quadratics, convex losses end at their one minimum, resumed to the same bits, divergence."""

import math
import warnings

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import DivergenceWarning, InvalidInput
from flatphys.finite_size.rules import fit

MIXTURE, WHOLE = fp.GaussianMixture(0.5), 10**6


def clouds(loss, l2=0.3, n=24, alpha=1.5, count=1):
    return fp.make_instances(fp.Model(MIXTURE, fp.ERM(loss, l2)), n, alpha, count=count, seed=4)


def minimum(instances, k=0):
    """The minimiser by SciPy."""
    signed = instances.patterns[k].astype(float)
    return fit(instances.model.learner, MIXTURE, (signed * instances.labels[k]).T, instances.labels[k], instances.alpha)[0]


def modes(instances):
    """(eigenvalues, eigenvectors, minimum) of a square loss."""
    x, l2 = instances.patterns[0].astype(float), instances.model.learner.l2
    hessian = x @ x.T / instances.n + l2 * np.eye(instances.n)
    values, vectors = np.linalg.eigh(hessian)
    return values, vectors, np.linalg.solve(hessian, x.sum(axis=1) / math.sqrt(instances.n))


def stepped(search, steps):
    """The positions before, and after so many epochs."""
    before = search.positions.copy()
    for _ in range(steps):
        search.epoch()
        search.iterations += 1
    return before, search.positions.copy()


def test_two_coupled_quadratics_follow_their_closed_form():
    """Their mean contracts by 1 - eta a in every mode, their difference by 1 - eta (a + gamma)."""
    instances, eta, gamma = clouds("square"), 0.1, 0.7
    values, vectors, at = modes(instances)
    search = fp.ReplicatedSGD(2, gamma=gamma, learning_rate=eta, batch=WHOLE).begin(instances, 0, 3)
    before, after = (found @ vectors for found in stepped(search, 9))
    at = at @ vectors
    np.testing.assert_allclose(after.mean(axis=0) - at, (1.0 - eta * values) ** 9 * (before.mean(axis=0) - at), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(after[0] - after[1], (1.0 - eta * (values + gamma)) ** 9 * (before[0] - before[1]), rtol=1e-9, atol=1e-12)


def test_entropy_sgd_on_a_quadratic_follows_its_closed_form():
    """u = w' - w obeys u <- rho u - eta a d, rho = 1 - eta (a + gamma), d = w - w*: geometric sums, the running mean's too."""
    instances, eta, gamma = clouds("square"), 0.1, 0.7
    share, keep, steps = 0.8, 0.6, 7
    values, vectors, at = modes(instances)
    algorithm = fp.EntropySGD(steps, gamma, learning_rate=eta, outer_rate=share, averaging=keep)
    before, after = ((found[0] - at) @ vectors for found in stepped(algorithm.begin(instances, 0, 3), 5))
    rho = 1.0 - eta * (values + gamma)
    flat = 1.0 - keep**steps  # sum of (1 - a) a^(L-j)
    decaying = (1.0 - keep) * rho * (rho**steps - keep**steps) / (rho - keep)  # of the same times rho^j
    np.testing.assert_allclose(after, before * (1.0 - share * values / (values + gamma) * (flat - decaying)) ** 5, rtol=1e-9, atol=1e-12)


def test_the_langevin_loop_has_its_stationary_law():
    """Mode by mode a first-order autoregression of variance T/[h (1 - eta h/2)], h = a + gamma, around the proximal point."""
    instances, eta, gamma, temperature = clouds("square", n=10), 0.15, 1.5, 0.3
    values, vectors, at = modes(instances)
    search = fp.EntropySGD(40, gamma, temperature, eta, averaging=0.0).begin(instances, 0, 5)
    w = search.positions[0].copy()
    drawn = np.array([search.langevin(w) for _ in range(1500)]) @ vectors
    h = values + gamma
    mean, variance = (w @ vectors * gamma + at @ vectors * values) / h, temperature / (h * (1.0 - 0.5 * eta * h))
    z = (drawn.mean(axis=0) - mean) / np.sqrt(variance / 1500)
    ratio = drawn.var(axis=0) / variance - 1.0
    assert np.abs(z).max() < 5.0 and np.abs(ratio).max() < 5.0 * math.sqrt(2.0 / 1500)


def strongly_coupled(sigma, gamma, epochs):
    """Entropy-SGD whose noise on the weights is sigma: with eta = 1/gamma its steps forget each other, and T = gamma sigma^2/2."""
    return fp.EntropySGD(20, gamma, 0.5 * gamma * sigma**2, 1.0 / gamma, outer_rate=0.04, averaging=0.85, epochs=epochs)


def shares(found, smooth, plain):
    """(|w - smooth|/|smooth - plain|, the part of it along plain - smooth) of every instance: 1 would be the loss's own minimum."""
    way, off = plain - smooth, found - smooth
    length = np.linalg.norm(way, axis=1)
    return np.linalg.norm(off, axis=1) / length, np.sum(off * way, axis=1) / length**2


def test_at_strong_coupling_and_temperature_entropy_sgd_ends_at_the_minimum_of_the_smoothed_loss():
    """Sampling leaves 0.3 of the way in all directions, 0.08 along it (0.06 of the mean); sigma^2 off by a factor 2 would be 0.35."""
    sigma, plain, smooth = 1.0, clouds("hinge", 0.5, count=2), clouds(fp.smoothed("hinge", 1.0), 0.5, count=2)
    found = fp.find(plain, strongly_coupled(sigma, 6.0, 4000), progress=False, threads=1).weights
    apart, along = shares(found, *(np.array([minimum(each, k) for k in range(2)]) for each in (smooth, plain)))
    assert apart.max() < 0.5 and abs(along.mean()) < 0.2, (apart, along)


@pytest.mark.long  # half a minute of Langevin steps
def test_entropy_sgd_agrees_with_the_saddle_of_the_smoothed_loss_and_not_with_that_of_the_loss():
    sigma, l2, alpha, data = 1.0, 0.5, 2.0, fp.GaussianMixture()
    models = [fp.Model(data, fp.ERM(loss, l2)) for loss in ("hinge", fp.smoothed("hinge", sigma))]
    plain, smooth = (fp.make_instances(model, 60, alpha, count=12, seed=4) for model in models)
    assert np.array_equal(plain.patterns, smooth.patterns)
    found = fp.find(plain, strongly_coupled(sigma, 8.0, 3500), progress=False)
    least = fp.find(smooth, fp.GradientDescent(), progress=False).weights
    apart, along = shares(found.weights, least, fp.find(plain, fp.GradientDescent(epochs=4000), progress=False).weights)
    assert apart.max() < 0.5 and abs(along.mean()) < 0.06, (apart, along)
    assert fp.check(fp.solve(models[1], alpha), smooth.measure(found.weights)).passed
    assert not fp.check(fp.solve(models[0], alpha), found).passed


@pytest.mark.parametrize("loss", ["logistic", "squared-hinge", fp.smoothed("hinge", 0.8)])
@pytest.mark.parametrize(
    "algorithm",
    [fp.GradientDescent(), fp.EntropySGD(), fp.ReplicatedSGD(3, fp.Schedule(0.01, 1.0, 20), batch=WHOLE, epochs=20000)],
    ids=lambda algorithm: type(algorithm).__name__,
)
def test_on_convex_losses_every_algorithm_without_noise_ends_at_the_one_minimum(loss, algorithm):
    """A flatter one, found by whatever is entropic, would be a mistake."""
    instances = clouds(loss)
    found = fp.find(instances, algorithm, progress=False, threads=1)
    np.testing.assert_allclose(found.weights[0], minimum(instances), atol=2e-6)
    assert found.history.force.values[0, -1] <= 1e-8


def test_stochastic_and_kinked_descents_come_close():
    for loss, algorithm in (("logistic", fp.SGD(epochs=300, batch=8)), ("hinge", fp.GradientDescent(epochs=4000))):
        instances = clouds(loss)
        want = minimum(instances)
        found = fp.find(instances, algorithm, progress=False, threads=1).weights[0]
        assert np.linalg.norm(found - want) < 0.03 * np.linalg.norm(want)


@pytest.mark.parametrize("energy", ["hinge", "squared-hinge", "errors"])
@pytest.mark.parametrize("algorithm", [fp.GradientDescent(epochs=600), fp.SGD(epochs=300), fp.EntropySGD(5)], ids=repr)
def test_spheres_are_solved_below_capacity(energy, algorithm):
    instances = fp.make_instances(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", energy=energy)), 60, 0.5, count=2, seed=1)
    found = fp.find(instances, algorithm, progress=False, threads=1)
    assert found.solved.all() and np.allclose(np.sum(found.weights**2, axis=1), 60.0)


def test_counted_errors_are_solved_far_beyond_what_the_local_energy_alone_reaches():
    """Without a foot the step pulls least at the worst patterns, which are given up: 2 of 6 at 0.5 and none at 1.0 were seen."""
    instances = fp.make_instances(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")), 101, 1.4, count=4, seed=3)
    found, flat = (fp.find(instances, fp.GradientDescent(epochs=4000, foot=foot), progress=False, threads=1) for foot in (None, 0.0))
    assert found.solved.all() and not flat.solved.any() and 0.0 < flat.train_error.max() < 0.15


def test_committees_are_solved_and_keep_the_norm_of_every_unit():
    learner = fp.Gibbs("spherical", energy="squared-hinge", network=fp.TreeCommittee("erf"))
    instances = fp.make_instances(fp.Model(fp.RandomLabels(), learner), 60, 0.5, count=2, seed=1, hidden=3)
    found = fp.find(instances, fp.ReplicatedSGD(3, epochs=200, batch=10), progress=False, threads=1)
    assert found.solved.all()
    np.testing.assert_allclose(np.sum(found.weights.reshape(2, 3, 20) ** 2, axis=2), 20.0)
    assert {"mutual_overlap", "coupling_energy", "gamma", "norm"} <= set(found.history)


@pytest.mark.parametrize(
    "algorithm", [fp.SGD(batch=8), fp.ReplicatedSGD(3, batch=8), fp.EntropySGD(4, temperature=0.1), fp.GradientDescent()], ids=repr
)
def test_threads_and_stops_change_no_bit(algorithm):
    instances = clouds("logistic", count=3)
    straight, halfway = algorithm.begin(instances, 1, 7), algorithm.begin(instances, 1, 7)
    for search in (straight, halfway):
        search.steps = 2
    for _ in range(3):
        halfway.advance()
    other = algorithm.begin(instances, 1, 7)
    other.steps = 2
    other.restore(halfway.arrays())
    for _ in range(6):
        straight.advance()
    for _ in range(3):
        other.advance()
    assert np.array_equal(straight.positions, other.positions) and straight.row() == other.row()
    assert np.array_equal(straight.weights, other.weights)


def test_a_descent_that_diverges_stops_and_keeps_its_last_good_weights():
    instances = clouds("square")
    for algorithm in (fp.GradientDescent(learning_rate=50.0), fp.EntropySGD(learning_rate=50.0)):
        with pytest.warns(DivergenceWarning, match="diverges at step"):
            found = fp.find(instances, algorithm, progress=False, threads=1)
        assert np.isfinite(found.weights).all() and found.history.diverged.values[0, -1] == 1.0 and found.iterations[0] < 10000


def test_nothing_warns_where_nothing_diverges():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fp.find(clouds("logistic"), fp.GradientDescent(), progress=False, threads=1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: fp.EntropySGD(0),
        lambda: fp.EntropySGD(gamma=0.0),
        lambda: fp.EntropySGD(gamma=fp.Schedule(1.0, 0.0)),
        lambda: fp.EntropySGD(temperature=-1.0),
        lambda: fp.EntropySGD(averaging=1.0),
        lambda: fp.EntropySGD(outer_rate=0.0),
        lambda: fp.GradientDescent(learning_rate=0.0),
        lambda: fp.GradientDescent(tolerance=0.0),
        lambda: fp.find(clouds("square"), fp.ReplicatedSGD(centre="traced")),
    ],
)
def test_what_cannot_be_is_refused(make):
    with pytest.raises(InvalidInput):
        make()
