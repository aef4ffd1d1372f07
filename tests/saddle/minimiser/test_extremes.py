"""Trained rules where digits are scarce: interpolation, clean teachers at large loads, vanishing l2, numbers at the edge of floats."""

import math

import mpmath as mp
import numpy as np
import pytest
from scipy import stats

import flatphys as fp
from flatphys.errors import NoSolution, NotConverged
from flatphys.kernels.losses import CODES
from flatphys.saddle.minimiser import path, square
from flatphys.saddle.minimiser.custom import compiled
from flatphys.saddle.minimiser.states import parameters

DATA = [(fp.Teacher(0.1), False), (fp.GaussianMixture(0.7, 0.3), True), (fp.GaussianMixture(2.0, 0.3), False)]


@pytest.mark.parametrize("l2", [1e-9, 3e-20, 1e-40])
@pytest.mark.parametrize("flip", [0.0, 0.2])
def test_the_square_at_interpolation_keeps_its_digits(flip, l2):
    """Three moments of a linear response, at 80 digits; alpha = 1."""
    state = fp.solve(fp.Model(fp.Teacher(flip), fp.ERM("square", l2)), 1.0)
    with mp.workdps(80):
        lam = mp.mpf(l2)
        v = (-lam + mp.sqrt(lam * lam + 4 * lam)) / (2 * lam)  # l2 V + V/(1 + V) = 1
        r = (1 - 2 * mp.mpf(flip)) * mp.sqrt(2 / mp.pi)
        g = v / (1 + v)
        m = g * r
        orthogonal = g * g * (1 - 2 * r * m + m * m) / (1 - g * g)
        assert state.q == pytest.approx(float(m * m + orthogonal), rel=1e-13)
        assert state.m == pytest.approx(float(m), rel=1e-14)


@pytest.mark.parametrize("data, bias", DATA)
@pytest.mark.parametrize("alpha", [0.4, 1.0, 3.0])
def test_the_square_in_closed_form_solves_the_equations_of_every_loss(alpha, data, bias):
    p = parameters(data, fp.ERM("square", 1.0, bias), compiled("square"))
    for l2 in (1e-3, 0.6):
        found, other = square.solve_point(p, alpha, l2), path.solve_point(p, alpha, l2)
        assert found[:4] == pytest.approx(other[:4], rel=1e-11, abs=1e-13)
        assert found[6:] == pytest.approx(other[6:], rel=1e-10)
        here, there = np.empty(4), np.empty(4)
        square.sensitivity(p, alpha, l2, found[:4], here)
        path.sensitivity(p, alpha, l2, np.array(found[:4]), there)
        assert here == pytest.approx(there, rel=1e-10, abs=1e-13)


def test_the_worth_covers_what_interpolation_loses():
    """The general solver at alpha = 1, where l2 -> 0 multiplies rounding errors by 1/sqrt(l2)."""
    p = parameters(fp.Teacher(), fp.ERM("square", 1.0), compiled("square"))
    for l2 in (1e-8, 1e-14, 1e-22):
        found, exact = path.solve_point(p, 1.0, l2), square.solve_point(p, 1.0, l2)
        assert abs(found.log_t - exact.log_t) < found.quadrature
    assert found.quadrature > 1e-8  # such a state is refused


@pytest.mark.parametrize("loss", sorted(set(CODES) - {"square"}))
def test_clean_teachers_are_solved_at_every_load_and_l2(loss):
    machinery = compiled(loss)
    p = parameters(fp.Teacher(), fp.ERM(loss, 1.0), machinery)
    for alpha in (1e-6, 0.02, 40.0, 1e4, 1e7):
        for scale in (1e5, 1.0, 1e-7, 1e-16):
            found = machinery.solve_point(p, alpha, scale / alpha**2)
            assert found.residual < 1e-11
            assert found.quadrature < 1e-12
            if loss == "logistic":
                continue
            # an equation that is not among those solved, m/V = alpha sqrt(2/pi) E f(T g), in closed form
            v, t = math.exp(found.log_v), math.exp(found.log_t)
            short = lambda top: top * stats.norm.cdf(top / t) + t * stats.norm.pdf(top / t)
            force = (short(1.0) - short(1.0 - v)) / v if loss == "hinge" else short(1.0) / (1.0 + v)
            pulled = v * alpha * math.sqrt(2.0 / math.pi) * force / t
            assert pulled == pytest.approx(found.tau, rel=1e-13 + 1e-15 * (1.0 + found.tau**2) + 1e-15 / v)


@pytest.mark.parametrize("alpha", [0.3, 30.0, 2000.0])
def test_the_smallest_norm_on_a_teacher_is_the_largest_margins(alpha):
    """The same limit from the equations of zero temperature."""
    lifted = fp.solve(fp.Model(fp.Teacher(1e-13), fp.ERM("hinge", 0.0)), alpha)
    widest = fp.solve(fp.Model(fp.Teacher(1e-13), fp.MaxMargin()), alpha)
    assert lifted.generalization_error == pytest.approx(widest.generalization_error, rel=1e-11)
    assert lifted.q * widest.margin**2 == pytest.approx(1.0, rel=1e-10)
    assert lifted.at_eigenvalue == pytest.approx(widest.at_eigenvalue, rel=1e-10)


def test_few_flips_at_a_large_load_have_no_gaps_in_l2():
    found = [
        fp.solve(fp.Model(fp.Teacher(3e-6), fp.ERM("hinge", 10.0**k)), 700.0).generalization_error for k in np.arange(-13.0, -3.0, 0.4)
    ]
    assert np.all(np.diff(found) > 0.0)
    assert found[0] == pytest.approx(found[1], rel=1e-6)


@pytest.mark.parametrize("l2", [5e-324, 1e-310, 1e200, 1e300])
@pytest.mark.parametrize("loss", sorted(CODES))
def test_an_l2_at_the_edge_of_floats_ends_in_a_number_or_a_sentence(loss, l2):
    for data, bias in DATA:
        for alpha in (0.7, 1e25):
            try:
                state = fp.solve(fp.Model(data, fp.ERM(loss, l2, bias)), alpha)
                assert 0.0 <= state.generalization_error <= 0.5
            except (NotConverged, NoSolution) as error:
                assert "nan" not in str(error)


@pytest.mark.parametrize("variance, positive, alpha", [(0.006, 0.3, 1e30), (0.005, 0.5, 1e20), (0.02, 1e-9, 1e12), (1e6, 0.3, 1.9)])
def test_the_largest_margin_of_narrow_and_broad_clouds_is_a_minimum_at_every_load(variance, positive, alpha):
    """Gordon's function at 40 digits: zero at the margin, and flat in t and b."""
    state = fp.solve(fp.Model(fp.GaussianMixture(variance, positive), fp.MaxMargin(bias=True)), alpha)
    with mp.workdps(40):
        root = mp.sqrt(mp.mpf(variance))
        kappa, t, b = mp.mpf(state.margin), mp.mpf(state.m), mp.mpf(state.b)

        def short(t, b):
            total = mp.mpf(0)
            for share, y in ((mp.mpf(positive), 1), (1 - mp.mpf(positive), -1)):
                a = (t + y * b - kappa) / root
                total += share * ((1 + a * a) * mp.ncdf(-a) - a * mp.npdf(a))
            return alpha * total + t * t - 1

        scale = 1 - t * t
        assert abs(short(t, b)) < 1e-11 * scale * max(1.0, float(abs(kappa) / root))
        assert abs(mp.diff(short, (t, b), (1, 0))) < 1e-9
        assert abs(mp.diff(short, (t, b), (0, 1))) < 1e-9


@pytest.mark.parametrize("data", [fp.GaussianMixture(1e-4), fp.GaussianMixture(1e-7, 0.2)])
def test_clouds_too_narrow_for_a_float_are_separable_at_every_load(data):
    assert fp.separability_threshold(data, bias=True) == math.inf
    assert 0.0 < fp.solve(fp.Model(data, fp.MaxMargin(True)), 1e100).margin < 1.0
