"""The averages over one weight and one pattern against scipy's adaptive quadrature of their definitions."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from scipy.integrate import quad
from scipy.special import log_ndtr, ndtr

from flatphys.kernels.channels import CODES, channel, channel_scalars
from flatphys.kernels.codes import BINARY, ERRORS, NISHIMORI, RANDOM, SPHERICAL, TEACHER, Channel, Labels, Problem
from flatphys.kernels.networks import PERCEPTRON_NET
from flatphys.model import ENERGIES
from flatphys.numerics.quadrature import buffers
from flatphys.saddle.equilibrium.averages import Fields, pattern_moments, pattern_saddle, weights_average


def gaussian_average(function, marks=()):
    """Int Dz function(z) by adaptive quadrature, told where to look."""
    cuts = sorted({-13.0, 13.0, 0.0, *(m for m in marks if -13.0 < m < 13.0)})
    density = lambda z: math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return sum(quad(lambda z: function(z) * density(z), a, b, epsabs=1e-14, epsrel=1e-13, limit=400)[0] for a, b in zip(cuts, cuts[1:]))


def weights(kind, labels):
    """A problem of these weights; its patterns are not asked."""
    return Problem(kind, Labels(labels, 0.0), Channel(ERRORS, 0.0, math.inf), PERCEPTRON_NET)


def patterns(kind, flip, kappa, beta, energy="errors"):
    """A problem of these patterns; its weights are not asked."""
    return Problem(SPHERICAL, Labels(kind, flip), Channel(CODES[energy], kappa, beta), PERCEPTRON_NET)


def log_f(x, beta):
    return log_ndtr(-x) if beta == math.inf else float(np.logaddexp(-beta, math.log(-math.expm1(-beta)) + log_ndtr(-x)))


def field(x, beta):
    """a = (1 - e^-beta) G(x)/f."""
    log_g = -0.5 * x * x - 0.5 * math.log(2.0 * math.pi)
    return math.exp(log_g - log_f(x, beta)) * (1.0 if beta == math.inf else -math.expm1(-beta))


@pytest.mark.parametrize(
    "q_hat, r_hat", [(1e-6, 0.0), (0.3, 0.0), (4.0, 0.0), (300.0, 0.0), (0.5, 0.4), (3.0, 3.0), (9.0, 40.0), (30.0, 5.0)]
)
def test_binary_weight_averages_are_their_definitions(q_hat, r_hat):
    v, q, r, t2, one_minus_r, entropic, t4 = weights_average(weights(BINARY, TEACHER), q_hat, r_hat, 0, buffers())
    root = math.sqrt(q_hat)
    marks = (-r_hat / root,)
    tanh = lambda z: math.tanh(root * z + r_hat)
    sech2 = lambda z: 1.0 / math.cosh(min(abs(root * z + r_hat), 300.0)) ** 2
    assert v == pytest.approx(gaussian_average(sech2, marks), rel=1e-11)
    assert t4 == pytest.approx(gaussian_average(lambda z: sech2(z) ** 2, marks), rel=1e-11)
    assert q == pytest.approx(gaussian_average(lambda z: tanh(z) ** 2, marks), rel=1e-12)
    mean = gaussian_average(tanh, marks)
    assert r == pytest.approx(mean, rel=1e-12, abs=1e-14)
    assert t2 == pytest.approx(gaussian_average(lambda z: (tanh(z) - mean) ** 2, marks), rel=1e-9)
    assert one_minus_r == pytest.approx(
        gaussian_average(lambda z: 2.0 / (1.0 + math.exp(min(2.0 * (root * z + r_hat), 600.0))), marks), rel=1e-11
    )
    log_z = gaussian_average(lambda z: float(np.logaddexp(root * z + r_hat, -root * z - r_hat)), marks)
    assert entropic == pytest.approx(log_z - r * r_hat - 0.5 * q_hat * v, rel=1e-12, abs=1e-12)


@given(q_hat=st.floats(1e-8, 1e8), r_hat=st.floats(0.0, 1e4))
def test_spherical_weight_averages_invert_their_saddle_equations(q_hat, r_hat):
    """q_hat = (q - R^2)/(1-q)^2, R_hat = R/(1-q)."""
    v, q, r, t2, one_minus_r, entropic, t4 = weights_average(weights(SPHERICAL, TEACHER), q_hat, r_hat, 0, buffers())
    assert t2 / v**2 == pytest.approx(q_hat, rel=1e-13)
    assert r / v == pytest.approx(r_hat, rel=1e-13, abs=1e-15)
    assert q + v == pytest.approx(1.0, abs=1e-14)
    assert t2 == pytest.approx(q - r * r, abs=1e-14)
    assert (1.0 - one_minus_r) == pytest.approx(r, abs=1e-14)
    assert entropic == pytest.approx(0.5 * (math.log(v) + t2 / v), rel=1e-12, abs=1e-14)
    assert t4 == v * v


@given(log_q_hat=st.floats(-15.0, 4.0))
def test_on_the_nishimori_line_the_weights_give_equal_overlaps(log_q_hat):
    """E tanh = E tanh^2 at R_hat = q_hat: the mean of a posterior is its own squared average."""
    q_hat = math.exp(log_q_hat)
    free = weights_average(weights(BINARY, TEACHER), q_hat, q_hat, 0, buffers())
    bound = weights_average(weights(BINARY, NISHIMORI), q_hat, q_hat, 0, buffers())
    assert free.r == pytest.approx(free.q, rel=1e-12)
    assert bound[:4] == pytest.approx(free[:4], rel=1e-10)
    assert bound.one_minus_r == pytest.approx(free.one_minus_r, rel=1e-11)


CASES = [  # kind, flip, kappa, beta, v, R/sqrt q
    (RANDOM, 0.0, 0.0, math.inf, 0.4, 0.0),
    (RANDOM, 0.0, -2.0, math.inf, 0.9, 0.0),
    (RANDOM, 0.0, 1.5, math.inf, 0.01, 0.0),
    (RANDOM, 0.0, 0.3, 1.0, 0.5, 0.0),
    (RANDOM, 0.0, 0.0, 20.0, 0.05, 0.0),
    (RANDOM, 0.0, -0.5, 0.01, 0.999, 0.0),
    (TEACHER, 0.0, 0.5, math.inf, 0.2, 0.8),
    (TEACHER, 0.1, -0.4, 3.0, 0.3, 0.7),
    (TEACHER, 0.2, 0.0, 20.0, 0.02, 0.95),
    (TEACHER, 0.0, 0.0, math.inf, 1e-3, 0.9999),
]


@pytest.mark.parametrize("kind, flip, kappa, beta, v, cosine", CASES)
def test_pattern_averages_are_their_definitions(kind, flip, kappa, beta, v, cosine):
    q = 1.0 - v
    r = cosine * math.sqrt(q)
    t2 = q - r * r
    k = r / math.sqrt(t2)
    weight = (lambda z: 1.0) if kind == RANDOM else (lambda z: 2.0 * ((1.0 - flip) * ndtr(k * z) + flip * ndtr(-k * z)))
    argument = lambda z: (kappa - math.sqrt(q) * z) / math.sqrt(v)
    marks = [kappa / math.sqrt(q) + s * math.sqrt(v / q) for s in (-5.0, -1.0, 0.0, 1.0, 5.0)]
    if beta < math.inf:
        marks += [(kappa - math.sqrt(2.0 * beta * v)) / math.sqrt(q) + s * math.sqrt(v) for s in (-0.5, 0.0, 0.5)]
    marks += [s / k for s in (-4.0, 4.0)] if k else []
    average = lambda function: gaussian_average(function, marks)

    problem, fields = patterns(kind, flip, kappa, beta), Fields(v, q, r, t2)
    a, b = pattern_saddle(problem, fields, 0, buffers())
    assert a == pytest.approx(average(lambda z: weight(z) * field(argument(z), beta) ** 2), rel=1e-11)
    if kind == TEACHER:
        kernel = lambda z: math.exp(-0.5 * (k * z) ** 2) / math.sqrt(2.0 * math.pi) * field(argument(z), beta)
        assert b == pytest.approx(2.0 * (1.0 - 2.0 * flip) * math.sqrt(q / t2) * average(kernel), rel=1e-11)
    moments = pattern_moments(problem, fields, 0, buffers())
    assert (moments.a, moments.b) == pytest.approx((a, b), rel=1e-14)  # sums in another order
    assert moments.energetic == pytest.approx(average(lambda z: weight(z) * log_f(argument(z), beta)), rel=1e-11)

    def squared_slope(z):
        x = argument(z)
        return weight(z) * (field(x, beta) * (x - field(x, beta))) ** 2 if x < 1e3 else weight(z)

    assert moments.curvature == pytest.approx(average(squared_slope), rel=1e-8)  # x - a cancels in the definition, not in the package
    if beta < math.inf:
        violated = lambda z: weight(z) * math.exp(-beta - log_f(argument(z), beta)) * ndtr(argument(z))
        assert moments.loss == moments.share == pytest.approx(average(violated), rel=1e-11)
    else:
        assert moments.share == 0.0


ENERGY_CASES = [(-0.5, 0.1, 0.9), (0.0, 5.0, 0.4), (0.7, 50.0, 0.05), (0.3, 1000.0, 0.01), (1.5, 2.0, 1e-3)]  # kappa, beta, v


@pytest.mark.parametrize("energy", ENERGIES)
@pytest.mark.parametrize("kappa, beta, v", ENERGY_CASES)
def test_pattern_averages_of_every_energy_are_integrals_of_its_channel(energy, kappa, beta, v):
    """The rule knows where the channel is not smooth; an adaptive one finds out."""
    q, sigma = 1.0 - v, math.sqrt(v)
    problem, cosine = patterns(TEACHER, 0.1, kappa, beta, energy), 0.8
    r = cosine * math.sqrt(q)
    fields = Fields(v, q, r, q - r * r)
    k = r / math.sqrt(fields.t2)
    weight = lambda z: 2.0 * (0.9 * ndtr(k * z) + 0.1 * ndtr(-k * z))
    at = lambda z: (kappa - math.sqrt(q) * z) / sigma
    steps = [x * sigma for x in (-8.0, -5.0, -2.0, -1.0, 0.0, 1.0, 3.0)]
    marks = [(kappa - shift - s) / math.sqrt(q) for shift in (0.0, beta * v, math.sqrt(2.0 * beta * v)) for s in steps]
    average = lambda function: gaussian_average(lambda z: weight(z) * function(at(z)), marks)
    moments = pattern_moments(problem, fields, 0, buffers())
    ch = problem.channel
    assert moments.a == pytest.approx(average(lambda x: channel(ch, x, sigma)[1] ** 2), rel=1e-11)
    assert moments.energetic == pytest.approx(average(lambda x: channel(ch, x, sigma)[0]), rel=1e-11)
    assert moments.curvature == pytest.approx(average(lambda x: channel(ch, x, sigma)[2] ** 2), rel=1e-10)
    assert moments.share == pytest.approx(average(lambda x: channel_scalars(ch, x, sigma)[0]), rel=1e-11)
    assert moments.loss == pytest.approx(average(lambda x: channel_scalars(ch, x, sigma)[1]), rel=1e-11)


@given(
    kappa=st.floats(-2.0, 2.0),
    log_beta=st.one_of(st.floats(math.log(0.01), math.log(50.0)), st.just(math.inf)),
    log_v=st.floats(-14.0, -1e-3),
    cosine=st.floats(0.0, 0.999),
    flip=st.floats(0.0, 0.49),
    kind=st.sampled_from([RANDOM, TEACHER]),
    energy=st.sampled_from(ENERGIES),
)
def test_the_two_quadrature_rules_agree_everywhere(kappa, log_beta, log_v, cosine, flip, kind, energy):
    """Down to 1-q = 1e-6 and beta = 50, where a step made for beta = inf errs by 3e-3."""
    beta, v = math.exp(log_beta), math.exp(log_v)
    q = 1.0 - v
    r = cosine * math.sqrt(q)
    assume(kind == RANDOM or r > 1e-3)
    assume(energy == "errors" or beta < math.inf)
    problem, fields = patterns(kind, flip, kappa, beta, energy), Fields(v, q, r, q - r * r)
    for function in (pattern_saddle, pattern_moments):
        coarse, fine = (function(problem, fields, level, buffers()) for level in (0, 1))
        assert coarse == pytest.approx(fine, rel=1e-11, abs=1e-14)
