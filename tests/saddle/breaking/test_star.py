"""Infinitely many replicas around a binary centre: identities of the curve, the equations by other means, the limits."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.special import log_ndtr

import flatphys as fp
from flatphys.errors import InvalidInput

BINARY = fp.Model(fp.RandomLabels(), fp.Gibbs("binary"))
MODELS = {
    "random": (BINARY, 0.6),
    "margin": (fp.Model(fp.RandomLabels(), fp.Gibbs("binary", margin=0.3)), 0.4),
    "errors at beta 2": (fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=2.0)), 0.7),
    "hinge": (fp.Model(fp.RandomLabels(), fp.Gibbs("binary", margin=0.3, beta=1.5, energy="hinge")), 0.7),
    "teacher": (fp.Model(fp.Teacher(), fp.Gibbs("binary")), 0.8),
    "noisy teacher": (fp.Model(fp.Teacher(flip=0.1), fp.Gibbs("binary", beta=1.5)), 0.9),
    "mixture": (fp.Model(fp.GaussianMixture(0.5), fp.Gibbs("binary", margin=1.0, beta=1.5, energy="hinge")), 1.0),
    "committee": (fp.Model(fp.RandomLabels(), fp.Gibbs("binary", network=fp.TreeCommittee("relu"))), 0.5),
}
models = pytest.mark.parametrize("name", MODELS)


def star(model, alpha, distance):
    return fp.replicated_entropy(model, alpha, distance=distance, centre="binary")


def parts(found):
    """phi without the energy's part, the field, S."""
    return found.free_entropy, found.field, found.overlap


@pytest.mark.parametrize(
    ("alpha", "gamma", "overlap", "q", "dq", "phi", "local"),
    [  # a solution of the same equations by another program
        (0.5, 0.2, 0.6123322753906195, 0.41944302978360093, 0.30178856597500675, 0.4249582445306607, 0.3024917894525368),
        (0.7, 0.15, 0.7092388542768665, 0.5586645321764818, 0.189664395589032, 0.23419847015597062, 0.12781264201444065),
    ],
)
def test_reference_values(alpha, gamma, overlap, q, dq, phi, local):
    found = fp.replicated_entropy(BINARY, alpha, overlap=overlap, centre="binary")
    got = [found.field[0], found.q0[0], found.delta_q[0], found.free_entropy[0], found.value[0]]
    np.testing.assert_allclose(got, [gamma, q, dq, phi, local], atol=1e-12)


@models
def test_the_overlap_is_the_slope_of_the_free_entropy_in_the_field_and_the_field_that_of_the_local_entropy(name):
    model, alpha = MODELS[name]
    step, at = 2e-3, 0.05
    found = star(model, alpha, np.array([at - 2 * step, at - step, at + step, at + 2 * step]))
    assert (found.status == "ok").all() and (found.residual < 1e-10).all() and (found.quadrature_error < 1e-8).all()

    def slope(x):  # to the fourth order in the step, with respect to the distance
        return (8.0 * (x[2] - x[1]) - (x[3] - x[0])) / (12.0 * step)

    phi, gamma, overlap = parts(found)
    assert slope(phi) / slope(gamma) == pytest.approx(1.0 - 2.0 * at, abs=1e-4)
    assert slope(phi - gamma * overlap) == pytest.approx(2.0 * star(model, alpha, at).field[0], abs=1e-5)
    energy = 0.0 if model.learner.beta == math.inf else model.learner.beta * found.energy
    np.testing.assert_allclose(found.value, phi + energy - gamma * overlap, atol=1e-14)
    np.testing.assert_array_equal(found.slope, -gamma)


def maximiser(z, pull, slope, top):
    """The x that solves x - pull(x) = z, rising: by bisection on arrays."""
    low, high = z - top, z + top
    for _ in range(80):
        mid = 0.5 * (low + high)
        below = mid - pull(mid) < z
        low, high = np.where(below, mid, low), np.where(below, high, mid)
    return 0.5 * (low + high)


@pytest.mark.parametrize("beta", [math.inf, 1.0])
def test_the_equations_hold_on_a_grid_of_fields(beta):
    alpha = 0.6 if beta == math.inf else 1.0
    found = star(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=beta)), alpha, 0.06 if beta == math.inf else 0.2)
    q, dq, q_hat, dq_hat, gamma = (float(x[0]) for x in (found.q0, found.delta_q, found.q0_hat, found.delta_q_hat, found.field))
    z, h = (np.arange(60_000) + 0.5) * 1.5e-4, 1.5e-4  # z > 0: what jumps jumps at 0, and the other half is its mirror image
    half = np.exp(-0.5 * z * z) * h / math.sqrt(2.0 * math.pi)
    l = maximiser(math.sqrt(q_hat) * z, lambda x: dq_hat * np.tanh(x) + gamma * np.sign(x), None, dq_hat + gamma)
    t = np.tanh(l)
    assert 2.0 * half @ t**2 == pytest.approx(q, abs=1e-8)
    assert 2.0 * half @ t == pytest.approx(found.overlap[0], abs=1e-8)
    assert 2.0 * half @ (z * t) / math.sqrt(q_hat) == pytest.approx(1.0 - q + dq, abs=1e-7)
    u, v, e = np.concatenate([-z[::-1], z]), 1.0 - q, math.exp(-beta)
    weight = np.concatenate([half[::-1], half])

    def log_f(x):
        return np.logaddexp(math.log(e) if e else -math.inf, math.log1p(-e) + log_ndtr(x / math.sqrt(v)))

    def g(x):
        gauss = np.exp(-0.5 * x * x / v - log_f(x)) / math.sqrt(2.0 * math.pi * v)
        return (1.0 - e) * gauss

    w = maximiser(math.sqrt(q) * u, lambda x: dq * g(x), None, 60.0)
    slope = -g(w) * (w / v + g(w))  # g'
    assert alpha * (weight @ g(w) ** 2) == pytest.approx(q_hat, abs=1e-7)
    assert alpha * dq * (weight @ (slope**2 / (1.0 - dq * slope))) == pytest.approx(dq_hat, abs=1e-7)
    phi = 2.0 * half @ (np.logaddexp(l, -l) - 0.5 * dq_hat * t**2) - 0.5 * (q_hat * (v + dq) + q * dq_hat)
    phi += alpha * (weight @ (log_f(w) - 0.5 * dq * g(w) ** 2))
    assert phi == pytest.approx(found.free_entropy[0], abs=1e-8)


def test_the_external_entropy_is_the_order_one_over_y_of_the_free_entropy():
    alpha = 0.6
    found = star(BINARY, alpha, 0.06)
    q1, dq, q_hat1, dq_hat, gamma = (float(x[0]) for x in (found.q0, found.delta_q, found.q0_hat, found.delta_q_hat, found.field))
    x, w = np.polynomial.hermite_e.hermegauss(80)
    z0, w0 = np.linspace(-9.0, 9.0, 901), 0.02 * np.exp(-0.5 * np.linspace(-9.0, 9.0, 901) ** 2) / math.sqrt(2.0 * math.pi)
    z1 = np.linspace(-1.0, 1.0, 4001)

    def inner(exponent, centre, width):
        """log of the integral over z1, in units of y^(1/2), around the places where it can be large."""
        t = centre + width * z1
        terms = exponent(t)
        top = terms.max(axis=1, keepdims=True)
        return top[:, 0] + np.log(np.exp(terms - top).sum(axis=1) * width * (z1[1] - z1[0])) - 0.5 * math.log(2.0 * math.pi)

    def free_entropy(y):
        """The star's at y replicas, at the place that is stationary for y = inf: it is wrong there by the order 1/y^2."""
        q0, q_hat0 = q1 - dq / y, q_hat1 - dq_hat / y
        a0, o0 = (math.sqrt(q_hat0) * z0)[:, None], (math.sqrt(q0) * z0)[:, None]
        width = math.sqrt(y * dq_hat) * 1.1 + 9.0

        def weights(t):
            field = a0 + math.sqrt(dq_hat / y) * t
            up, down = (np.logaddexp(field + s * gamma, -field - s * gamma) for s in (1.0, -1.0))
            return y * np.maximum(up, down) + np.log1p(np.exp(-y * abs(up - down))) - 0.5 * t * t

        def patterns(t):
            return y * log_ndtr((o0 + math.sqrt(dq / y) * t) / math.sqrt(1.0 - q1)) - 0.5 * t * t

        phi = w0 @ inner(weights, 0.0, width) / y + alpha * (w0 @ inner(patterns, 0.5 * 5.0 * math.sqrt(y), 4.0 * math.sqrt(y))) / y
        return phi + 0.5 * ((1.0 - y) * q1 * q_hat1 + y * q0 * q_hat0 - q_hat1)

    errors = [y * (free_entropy(y) - found.free_entropy[0]) - found.external_entropy[0] for y in (100.0, 200.0)]
    assert abs(2.0 * errors[1] - errors[0]) < 2e-3 and abs(errors[1]) < abs(errors[0])


@pytest.mark.filterwarnings("ignore::flatphys.errors.ReplicaSymmetryWarning")
@pytest.mark.parametrize("alpha", [0.77, 0.8])
def test_without_a_field_it_is_a_maximum_of_replicas_at_one_mutual_distance(alpha):
    d = brentq(lambda d: star(BINARY, alpha, d).field[0], 0.02, 0.06, xtol=1e-12)
    centred = star(BINARY, alpha, d)
    mutual = fp.replicated_entropy(BINARY, alpha, distance=centred.mutual_distance)
    assert abs(mutual.slope[0]) < 1e-9
    for name in ("value", "q0", "q0_hat", "delta_q", "delta_q_hat", "external_entropy", "inner_eigenvalue"):
        assert getattr(centred, name)[0] == pytest.approx(getattr(mutual, name)[0], abs=1e-8), name


def test_the_field_first_vanishes_at_the_load_at_which_mutual_replicas_stop_to_be_monotonic():
    alpha = fp.flatness_threshold(BINARY, reference="replicated")
    assert alpha == pytest.approx(0.75530203, abs=1e-8)
    least = minimize_scalar(lambda d: star(BINARY, alpha, d).field[0], bracket=(0.01, 0.02, 0.03), tol=1e-10)
    assert abs(least.fun) < 1e-8


@models
def test_further_than_the_typical_distance_a_centre_sees_every_typical_solution(name):
    model, alpha = MODELS[name]
    state = min(fp.branches(model, alpha), key=lambda s: s.q)
    found = star(model, alpha, [0.49, 0.45])
    np.testing.assert_array_equal(found.field, 0.0)
    np.testing.assert_allclose(found.value, state.entropy, atol=1e-11)
    np.testing.assert_allclose(found.q0, state.q, atol=1e-11)
    np.testing.assert_allclose(found.outer_eigenvalue, state.at_eigenvalue, atol=1e-9)
    typical = 0.5 - np.abs(np.tanh(math.sqrt(state.q_hat) * np.linspace(-9, 9, 180_001))) @ GAUSS / 2.0
    if name not in ("teacher", "noisy teacher", "mixture"):
        near = star(model, alpha, typical - 1e-6)
        assert 0.0 < near.field[0] < 1e-3 and near.value[0] == pytest.approx(state.entropy, abs=1e-6)


GAUSS = 1e-4 * np.exp(-0.5 * np.linspace(-9, 9, 180_001) ** 2) / math.sqrt(2.0 * math.pi)


def test_the_best_centre_sees_more_than_a_typical_solution_and_no_more_than_there_are():
    d = np.array([0.02, 0.1])
    best = star(BINARY, 0.6, d).value
    typical = fp.local_entropy(fp.solve(BINARY, 0.6), distance=d).value
    shell = -d * np.log(d) - (1.0 - d) * np.log1p(-d)
    assert (typical < best).all() and (best < shell).all()


@pytest.mark.parametrize("alpha", [0.3, 0.7])
def test_next_to_the_best_centre_every_weight_is_a_solution(alpha):
    d = 1e-3
    assert star(BINARY, alpha, d).value[0] == pytest.approx(-d * math.log(d) - (1.0 - d) * math.log1p(-d), rel=1e-5)


def test_the_law_of_the_stabilities_and_the_training_error_go_together():
    model, alpha = MODELS["errors at beta 2"]
    found = star(model, alpha, 0.05)
    law = found.margins(0)
    assert law.cdf(0.0) == pytest.approx(found.train_error[0], abs=1e-9)
    assert found.energy[0] == pytest.approx(alpha * found.train_error[0], abs=1e-12)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")), {"centre": "binary"}, "binary weights"),
        (BINARY, {"centre": "binary", "y": 3.0}, "y = inf"),
        (BINARY, {"centre": "spherical"}, "centre must be one of 'binary'"),
        (BINARY, {"centre": 1}, "centre must be one of 'binary'"),
    ],
)
def test_what_has_no_binary_centre_is_refused(model, options, message):
    with pytest.raises(InvalidInput, match=message):
        fp.replicated_entropy(model, 0.5, distance=0.1, **options)


def test_a_sweep_asks_for_the_centre():
    table = fp.sweep(BINARY, alpha=[0.5, 0.6], question=fp.replicated_entropy, distance=[0.02, 0.1], centre="binary", workers=1)
    want = star(BINARY, 0.6, [0.02, 0.1])
    np.testing.assert_allclose(table["value"].values[1], want.value, rtol=1e-13)
    np.testing.assert_allclose(table["field"].values[1], want.field, rtol=1e-13)
