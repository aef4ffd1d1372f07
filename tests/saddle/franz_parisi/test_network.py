"""The local entropy behind a tree committee: records, the potential written out again, limits and identities.

`tests/data/committee_local_entropy.jsonl`: the local entropies of the project's reference table of committees, an independent
derivation in multiprecision arithmetic.
"""

import json
import math
import pathlib
import warnings

import mpmath as mp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import log_ndtr, ndtr

import flatphys as fp
from flatphys.kernels.codes import ERRORS, Channel
from flatphys.kernels.networks import network_code, overlap_difference, overlap_map
from flatphys.model import ACTIVATIONS
from flatphys.observables.local_entropy import local_entropy
from flatphys.saddle.franz_parisi.curve import curve_around
from flatphys.saddle.franz_parisi.network import seen_overlaps
from flatphys.saddle.franz_parisi.reference import reference_of
from flatphys.thresholds.crossings import zero_crossings

RECORDS = [
    json.loads(line) for line in (pathlib.Path(__file__).parents[2] / "data" / "committee_local_entropy.jsonl").read_text().splitlines()
]
NAMES = {"local_entropy": "value", "dphi_dp": "slope", "q1": "q1", "t": "t"}
CODES = {name: network_code(fp.TreeCommittee(name)) for name in ACTIVATIONS}
activations = pytest.mark.parametrize("activation", ACTIVATIONS)
weights_kinds = pytest.mark.parametrize("weights", ("binary", "spherical"))


def state(activation, weights="binary", alpha=0.5, margin=0.0, beta=math.inf):
    network = fp.Perceptron() if activation is None else fp.TreeCommittee(activation)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs(weights, margin, beta, network=network)), alpha)


def kernel(activation, q):
    """c(q) written out again."""
    if activation == "sign":
        return 2 / math.pi * math.asin(q)
    if activation == "erf":
        return math.asin(2 * q / 3) / math.asin(2 / 3)
    return (math.sqrt(1 - q * q) + q * (math.pi - math.acos(q)) - 1) / (math.pi - 1)


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r["id"])
def test_reference_records(record):
    p, at, tolerance = record["params"], record["at"], record["tolerance"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got = local_entropy(
            state(p["activation"], record["weights"], p["alpha"], p["margin"]), distance=at["distance"], margin=at["counted_margin"]
        )
    assert got.status == "ok"
    assert any(w.category is fp.errors.NegativeEntropyWarning for w in caught) == (record["status"] == "negative_entropy")
    for name, want in record["expected"].items():
        assert float(getattr(got, NAMES[name])) == pytest.approx(want, rel=tolerance["rel"], abs=tolerance["abs"]), name


def pattern_average(activation, margin_ref, kappa, qt, q1, p, t):
    """G_E at given overlaps: a plain triple sum over z, the reference's field u > k' and eta, on the definition."""
    qt, q1, p, t = (kernel(activation, q) for q in (qt, q1, p, t))
    a = (p - t) / math.sqrt(1 - qt)
    b = math.sqrt(q1 - t * t / qt - (p - t) ** 2 / (1 - qt))
    z = np.arange(-9, 9.01, 0.15)
    x, w = np.polynomial.legendre.leggauss(60)
    k = (margin_ref - math.sqrt(qt) * z) / math.sqrt(1 - qt)
    low = np.maximum(k, -9.0)
    u = low[:, None] + 4.75 * (1 + x)[None, :]
    log_weight = -0.5 * u * u - 0.5 * math.log(2 * math.pi) - log_ndtr(-k)[:, None] + np.log(4.75 * w)[None, :]
    mean = t / math.sqrt(qt) * z[:, None, None] + a * u[:, :, None] + b * z[None, None, :]
    inner = log_ndtr(-(kappa - mean) / math.sqrt(1 - q1))
    density = 0.15 * np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return float(np.einsum("i,ij,k,ijk->", density, np.exp(log_weight), density, inner))


def potential(activation, weights, alpha, reference, kappa, q1, t, p, hats):
    """phi at any q1, t, p and (binary) conjugates (q1_hat, t_hat, p_hat): `docs/theory.md`, with every overlap through c."""
    qt, qt_hat, margin = reference.q, reference.q_hat, reference.model.learner.margin
    g_e = pattern_average(activation, margin, kappa, qt, q1, p, t)
    if weights == "spherical":
        s = (p * p - t * t - qt * (p - t) ** 2 / (1 - qt)) / (1 - qt)
        return 0.5 * (math.log(1 - q1) + (q1 - s) / (1 - q1)) + alpha * g_e
    q1_hat, t_hat, p_hat = hats
    z = np.arange(-9, 9.01, 0.1)
    w = 0.1 * np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    zeta, g_s = math.sqrt(qt_hat) * z, 0.0
    a = t_hat / math.sqrt(qt_hat)
    b = math.sqrt(q1_hat - a * a)
    for s in (1, -1):
        h = a * z[:, None] + b * z[None, :] + (p_hat - t_hat) * s
        g_s += (w * np.exp(s * zeta) / (2 * np.cosh(zeta))) @ np.logaddexp(h, -h) @ w
    return -p_hat * p + t_hat * t + 0.5 * q1_hat * (q1 - 1) + g_s + alpha * g_e


@activations
@weights_kinds
@pytest.mark.parametrize("margin_ref, kappa, d", [(0.2, 0.0, 0.1), (0.0, 0.1, 0.3)])
def test_the_potential_alone_is_stationary_there_and_its_slope_is_the_slope(activation, weights, margin_ref, kappa, d):
    alpha = 0.4
    reference = state(activation, weights, alpha, margin_ref)
    got = local_entropy(reference, distance=d, margin=kappa)
    point = curve_around(reference, Channel(ERRORS, kappa, math.inf)).at(d)
    a, b2, field = point.x[0], point.x[1], point.field
    t_hat = a * math.sqrt(reference.q_hat)
    place = np.array([float(got.q1), float(got.t), 1 - 2 * d, a * a + b2, t_hat, field + t_hat])

    def phi(y):
        return potential(activation, weights, alpha, reference, kappa, *y[:3], y[3:])

    assert phi(place) == pytest.approx(float(got.free_entropy), abs=3e-13)
    step = 1e-4
    for i in range(6 if weights == "binary" else 3):
        moved = step * np.eye(6)[i]
        slope = (8 * (phi(place + moved) - phi(place - moved)) - phi(place + 2 * moved) + phi(place - 2 * moved)) / (12 * step)
        assert slope == pytest.approx(float(got.slope) if i == 2 else 0.0, abs=2e-10), i


@activations
@weights_kinds
@pytest.mark.parametrize("alpha, margin, beta", [(0.02, -0.3, math.inf), (0.5, 0.1, math.inf), (0.8, 0.0, math.inf), (0.8, 0.2, 2.0)])
def test_at_the_references_own_overlap_it_is_the_equilibrium(activation, weights, alpha, margin, beta):
    reference = state(activation, weights, alpha, margin, beta)
    got = local_entropy(reference, overlap=reference.q, margin=margin, beta=beta)
    assert float(got.free_entropy) == pytest.approx(reference.free_entropy, abs=1e-13)
    assert float(got.slope) == pytest.approx(0.0, abs=1e-11)
    assert float(got.q1) == pytest.approx(reference.q, abs=1e-12)
    assert float(got.t) == pytest.approx(reference.q, abs=1e-12)
    assert float(got.train_error) == pytest.approx(reference.train_error, abs=1e-12)
    assert float(got.at_eigenvalue) == pytest.approx(reference.at_eigenvalue, abs=3e-11)


@activations
@weights_kinds
@pytest.mark.parametrize("beta", [math.inf, 2.0])
def test_to_first_order_in_the_load_it_is_one_pattern_with_q1_equal_to_p_squared(activation, weights, beta):
    """c(p^2) > c(p)^2: two counted weights share more of a pattern than what each shares with the reference."""
    alpha, margin = 1e-8, 0.2
    reference = state(activation, weights, alpha, 0.1)
    d = np.array([1e-3, 0.02, 0.2, 0.6, 0.95])
    got = local_entropy(reference, distance=d, margin=margin, beta=beta)
    y = np.arange(-9, 9.01, 0.02)
    density = 0.02 * np.exp(-0.5 * y * y) / math.sqrt(2 * math.pi)
    for i, x in enumerate(d):
        c_p, c_1 = kernel(activation, 1 - 2 * x), kernel(activation, (1 - 2 * x) ** 2)

        def weighted(u, c_p=c_p, c_1=c_1):
            log_h = log_ndtr(-(margin - c_p * u - math.sqrt(c_1 - c_p * c_p) * y) / math.sqrt(1 - c_1))
            log_f = log_h if beta == math.inf else np.logaddexp(-beta, math.log(-math.expm1(-beta)) + log_h)
            return math.exp(-0.5 * u * u) * float(density @ log_f)

        first = sum(quad(weighted, a, b, epsabs=1e-10)[0] for a, b in ((0.1, 0.25), (0.25, 0.6), (0.6, 2.0), (2.0, 9.0)))
        first /= math.sqrt(2 * math.pi) * ndtr(-0.1)
        zero = -x * math.log(x) - (1 - x) * math.log1p(-x) if weights == "binary" else 0.5 * math.log(4 * x * (1 - x))
        assert (got.free_entropy[i] - zero) / alpha == pytest.approx(first, rel=1e-6)


@activations
def test_differences_of_the_kernel_keep_their_digits(activation):
    net = CODES[activation]
    mp.mp.dps = 40
    for q in (-0.7, 0.01, 0.6, 0.999, 1 - 1e-9):
        for gap in (1e-12 * (1 - q), 1e-3 * (1 - q), 0.1 * (1 - q), 0.9 * (1 - q), -1e-6 * (1 + q)):
            exact_q, exact_gap = mp.mpf(q), mp.mpf(gap)
            both = []
            for x in (exact_q, exact_q + exact_gap):
                if activation == "relu":
                    both.append((mp.sqrt(1 - x * x) + x * (mp.pi - mp.acos(x)) - 1) / (mp.pi - 1))
                else:
                    both.append(2 / mp.pi * mp.asin(x) if activation == "sign" else mp.asin(2 * x / 3) / mp.asin(mp.mpf(2) / 3))
            eps = float(1 - exact_q)
            got = overlap_difference(net, q, eps, q + gap, float(1 - exact_q - exact_gap), gap)
            assert got == pytest.approx(float(both[1] - both[0]), rel=3e-14, abs=0)


def test_the_perceptrons_overlaps_pass_unchanged():
    """Its network seen through the committee's code: the same numbers to the last digits."""
    net = network_code(fp.Perceptron())
    for weights, alpha, kappa, d in (("binary", 0.5, 0.0, 0.1), ("binary", 0.6, -0.2, 0.02), ("spherical", 1.5, 0.0, 0.3)):
        curve = curve_around(state(None, weights, alpha, 0.1), Channel(ERRORS, kappa, math.inf))
        point, equations = curve.at(d), curve.equations
        seen = seen_overlaps(net, equations.ref, equations.ref, d, point.weights.overlaps)
        np.testing.assert_allclose(seen.overlaps, point.weights.overlaps, rtol=1e-13, atol=1e-16)
        assert seen[1:] == (1.0, 1.0, 1.0, 0.0)
        plain = equations.map(d, point.x, point.field)[0]
        equations.net = net
        np.testing.assert_allclose(equations.map(d, point.x, point.field)[0], plain, rtol=1e-12, atol=1e-14)


def _identity(x):
    return x


@weights_kinds
def test_the_identity_as_activation_is_the_perceptron(weights):
    d = np.geomspace(1e-4, 0.4, 7)
    for alpha, margin, kappa, beta in ((0.6, 0.1, 0.0, math.inf), (0.4, 0.0, 0.1, 3.0)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fp.errors.NegativeEntropyWarning)
            one, other = (
                local_entropy(state(kind, weights, alpha, margin), distance=d, margin=kappa, beta=beta) for kind in (None, _identity)
            )
        assert one.status.tolist() == other.status.tolist()
        for name in ("value", "q1", "t", "train_error", "at_eigenvalue"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-11, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(one.slope, other.slope, rtol=1e-11, atol=1e-11)


@activations
def test_a_committee_is_no_perceptron(activation):
    a, b = (local_entropy(state(kind), distance=0.2).value for kind in (None, activation))
    assert abs(float(a) - float(b)) > 2e-3


def test_sign_never_closes():
    """c'(1) is infinite: spherical weights exist at every distance even at a larger margin; binary ones formally, far below zero."""
    d = [1e-6, 1e-3, 0.03]
    assert local_entropy(state("sign", "spherical"), distance=d, margin=0.3).status.tolist() == ["ok"] * 3
    assert local_entropy(state("erf", "spherical"), distance=d, margin=0.3).status.tolist() == ["unsat", "unsat", "ok"]
    with pytest.warns(fp.errors.NegativeEntropyWarning):
        got = local_entropy(state("sign"), distance=np.geomspace(1e-6, 0.4, 12))
    assert (got.status == "ok").all() and got.residual.max() < 1e-10


def test_isolation_as_for_the_perceptron():
    with pytest.warns(fp.errors.NegativeEntropyWarning):
        got = local_entropy(state("relu", alpha=0.85), distance=[1e-3, 0.01, 0.3])
    assert got.status.tolist() == ["no_solution", "ok", "ok"]


def test_zero_crossings_are_zeros():
    reference = state("sign", alpha=0.7)
    places = zero_crossings(reference)
    assert places.size > 0
    np.testing.assert_allclose(local_entropy(reference, distance=places).value, 0.0, atol=1e-11)


def test_close_to_capacity_the_reference_keeps_its_digits():
    """1 - q = 2.7e-3, at a margin where replica symmetry holds: c_p - c_t keeps the digits of p - t.

    Rounding is amplified by the curvature 1/(1-q)^2 = 1e5; a c_p - c_t by subtraction would leave four digits.
    """
    margin = 3.0
    capacity = fp.capacity(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", margin, network=fp.TreeCommittee("erf"))))
    reference = state("erf", "spherical", capacity * (1 - 3e-3), margin)
    assert reference.one_minus_q < 3e-3 and reference.stable
    got = local_entropy(reference, overlap=reference.q, margin=margin)
    assert float(got.free_entropy) == pytest.approx(reference.free_entropy, rel=1e-9)
    assert float(1 - got.q1) == pytest.approx(reference.one_minus_q, rel=2e-8)
    assert float(got.slope) * reference.one_minus_q == pytest.approx(0.0, abs=2e-8)


def test_a_reference_sees_its_network():
    assert overlap_map(reference_of(state("relu"))[1], 0.5, 0.5)[0] == pytest.approx(kernel("relu", 0.5), rel=1e-14)
