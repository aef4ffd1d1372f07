"""The limit q -> 1: capacity, maximum margin and ground state against direct integrals and known numbers."""

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.integrate import quad
from scipy.special import ndtr

import flatphys as fp
from flatphys.errors import InvalidInput, NotConverged, ReplicaSymmetryWarning, Unsatisfiable
from flatphys.precise.limit import Limit
from flatphys.saddle.equilibrium.limit import capacity_teacher, log_second_moment


def density(z):
    return np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


def integral(function, low, high, k=0.0):
    """Adaptive quadrature, told where the teacher's weight varies."""
    low, high = max(low, -13.0), min(high, 13.0)
    cuts = sorted(
        {low, high, *(c for c in (0.0, 6.0 / k if k else 0.0, -6.0 / k if k else 0.0, -16.0 / k if k else 0.0) if low < c < high)}
    )
    return sum(quad(function, a, b, epsabs=1e-15, epsrel=1e-13, limit=200)[0] for a, b in zip(cuts, cuts[1:]))


@pytest.mark.parametrize("kappa", [-30.0, -12.0, -5.0, -3.0, -2.9, -1.0, 0.0, 0.5, 3.0, 10.0])
def test_gardners_integral_is_accurate_for_either_sign(kappa):
    """Int_{z<kappa} Dz (kappa-z)^2; the textbook form (1+k^2) H(-k) + k G(k) cancels completely at k = -12."""
    with mp.workdps(250):
        k = mp.mpf(kappa)
        want = float((1 + k * k) * mp.erfc(-k / mp.sqrt(2)) / 2 + k * mp.npdf(k))
    assert math.exp(log_second_moment(kappa)) == pytest.approx(want, rel=2e-13 if -3.0 < kappa < 0.0 else 5e-14)


@pytest.mark.parametrize("kappa", [-1.5, -0.3, 0.0, 0.7, 2.0])
def test_spherical_capacity_is_gardners_integral(kappa):
    alpha = fp.capacity(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", kappa)))
    assert 1.0 / alpha == pytest.approx(integral(lambda z: density(z) * (kappa - z) ** 2, -math.inf, kappa), rel=1e-12)


def weight(z, k, flip):
    return 2.0 * ((1.0 - flip) * ndtr(k * z) + flip * ndtr(-k * z))


@pytest.mark.parametrize(
    "flip, alpha", [(0.0, 0.1), (0.0, 0.5), (0.0, 3.0), (0.0, 50.0), (0.0, 1e3), (0.1, 0.5), (0.1, 1.5), (0.3, 1.0), (0.49, 0.2)]
)
def test_maximum_margin_solves_both_saddle_equations(flip, alpha):
    """1-R^2 = alpha Int W (kappa-z)^2, R = (2 alpha/D0)(1-2 flip) Int G(Rz/D0)(kappa-z), by adaptive quadrature."""
    state = fp.solve(fp.Model(fp.Teacher(flip), fp.MaxMargin()), alpha)
    kappa, r = state.margin, state.R
    d0 = math.sin(math.pi * state.generalization_error)
    k = r / d0
    norm = integral(lambda z: density(z) * weight(z, k, flip) * (kappa - z) ** 2, -math.inf, kappa, k)
    overlap = 2.0 * (1.0 - 2.0 * flip) / d0 * integral(lambda z: density(z) * density(k * z) * (kappa - z), -math.inf, kappa, k)
    assert alpha * norm == pytest.approx(d0 * d0, rel=1e-9)
    assert alpha * overlap == pytest.approx(r, rel=1e-9)
    support = integral(lambda z: density(z) * weight(z, k, flip), -math.inf, kappa, k)
    assert state.at_eigenvalue == pytest.approx(1.0 - alpha * support, rel=1e-8, abs=1e-9)
    assert state.stable and state.train_error == 0.0 and (state.m, state.q, state.b) == (r, 1.0, 0.0)
    assert state.generalization_error == pytest.approx(math.acos(r) / math.pi, rel=1e-7)


def test_the_largest_margin_is_where_gibbs_weights_run_out():
    """Gibbs weights just below the largest margin have 1-q -> 0 and the overlap of the maximum-margin solution."""
    best = fp.solve(fp.Model(fp.Teacher(), fp.MaxMargin()), 2.0)
    near = fp.solve(fp.Model(fp.Teacher(), fp.Gibbs("spherical", best.margin * (1.0 - 1e-6))), 2.0)
    assert near.one_minus_q < 1e-5
    assert near.R == pytest.approx(best.R, abs=1e-5)
    with pytest.raises(Unsatisfiable):
        fp.solve(fp.Model(fp.Teacher(), fp.Gibbs("spherical", best.margin * (1.0 + 1e-6))), 2.0)


def test_the_margin_falls_and_the_overlap_rises_with_the_load():
    states = [fp.solve(fp.Model(fp.Teacher(), fp.MaxMargin()), a) for a in np.geomspace(0.05, 500.0, 30)]
    assert np.all(np.diff([s.margin for s in states]) < 0.0)
    assert np.all(np.diff([s.R for s in states]) > 0.0)


def test_flipped_labels_are_separable_only_up_to_a_threshold():
    limit = fp.capacity(fp.Model(fp.Teacher(0.1), fp.MaxMargin()))
    assert fp.solve(fp.Model(fp.Teacher(0.1), fp.MaxMargin()), 0.999 * limit).margin > 0.0
    with pytest.raises(Unsatisfiable, match="separab"):
        fp.solve(fp.Model(fp.Teacher(0.1), fp.MaxMargin()), 1.001 * limit)
    # labels that are almost random have almost the capacity of random labels
    assert fp.capacity(fp.Model(fp.Teacher(0.4999), fp.MaxMargin())) == pytest.approx(2.0, abs=1e-5)


def quiet_ground_state(model, alpha):
    with pytest.warns(ReplicaSymmetryWarning):
        return fp.ground_state(model, alpha)


@settings(max_examples=25)
@given(kappa=st.floats(-1.0, 1.0), log_excess=st.floats(-3.0, 1.5))
def test_ground_state_solves_gardner_and_derridas_equations(kappa, log_excess):
    """alpha Int_{kappa-sqrt(2x)}^kappa Dz (kappa-z)^2 = 1, train error H(sqrt(2x) - kappa), x = lim beta (1-q)."""
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", kappa))
    alpha = fp.capacity(model) * (1.0 + math.exp(log_excess))
    state = quiet_ground_state(model, alpha)
    edge = kappa - math.sqrt(2.0 * state.beta_one_minus_q)
    assert alpha * integral(lambda z: density(z) * (kappa - z) ** 2, edge, kappa) == pytest.approx(1.0, rel=1e-10)
    assert state.train_error == pytest.approx(ndtr(edge), rel=1e-9)
    assert state.at_eigenvalue == -math.inf and state.q == 1.0


@pytest.mark.parametrize("data, kappa, alpha", [(fp.RandomLabels(), 0.0, 4.0), (fp.Teacher(0.1), 0.2, 4.0), (fp.Teacher(), 0.5, 3.0)])
def test_ground_state_is_the_limit_of_low_temperatures(data, kappa, alpha):
    """beta (1-q) and the train error at beta = 300 lie within a few per mille of the limit, and closer than at beta = 100."""
    model = fp.Model(data, fp.Gibbs("spherical", kappa))
    limit = quiet_ground_state(model, alpha)
    off = []
    for beta in (100.0, 300.0):
        state = fp.branches(fp.Model(data, fp.Gibbs("spherical", kappa, beta)), alpha)[0]
        off.append((abs(beta * state.one_minus_q / limit.beta_one_minus_q - 1.0), abs(state.train_error / limit.train_error - 1.0)))
        if limit.cosine is not None:
            assert state.R == pytest.approx(limit.R, abs=0.05)
    assert off[1][0] < off[0][0] < 0.2 and off[1][1] < off[0][1] < 0.1
    assert off[1][1] < 0.03


def test_there_is_no_ground_state_with_errors_below_capacity():
    with pytest.raises(InvalidInput, match="alpha must be > 2"):
        fp.ground_state(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")), 1.9)


# --- extreme margins and flips ------------------------------------------------------------------------


def exact_teacher_capacity(kappa, flip, k):
    """The load of both equations in many digits, by the closed forms of `flatphys.precise` in place of sums, near the overlap ratio k."""
    equations = Limit.__new__(Limit)
    equations.teacher, equations.ground = True, False
    with mp.workdps(60 + int(4 * abs(math.log10(k))) + int(0.5 * kappa * kappa)):
        equations.flip, equations.load, kappa = mp.mpf(flip), mp.mpf(1), mp.mpf(kappa)

        def integrals(log_k):
            plain, skew = equations._moments(-mp.inf, kappa, kappa, mp.exp(log_k))
            return plain[2], skew[1], mp.exp(log_k)

        def disagreement(log_k):
            norm, overlap, k = integrals(log_k)
            return mp.log(overlap / (k * norm))

        near = mp.log(mp.mpf(k))
        root = mp.findroot(disagreement, (near - mp.mpf("1e-6"), near + mp.mpf("1e-6")), tol=mp.mpf("1e-40"), verify=False)
        norm, _, k = integrals(root)
        return float(1 / (norm * (1 + k * k)))


@pytest.mark.parametrize("kappa, flip", [(-7.0, 0.02), (-9.0, 0.2), (0.0, 3e-13), (2e-9, 0.0), (0.0, 0.4999999997), (3.0, 1e-5)])
def test_the_teachers_capacity_keeps_its_digits_wherever_the_window_lies(kappa, flip):
    load, k = capacity_teacher(kappa, flip)
    assert load == pytest.approx(exact_teacher_capacity(kappa, flip, k), rel=3e-14)


@pytest.mark.parametrize("margin", [4e-10, 1e-60])
def test_a_small_margin_costs_a_load_in_inverse_proportion(margin):
    model = fp.Model(fp.Teacher(), fp.Gibbs("spherical", margin))
    assert fp.capacity(model) * margin == pytest.approx(1.0044581322775, rel=1e-12)
    assert fp.max_margin(model, 1.0 / margin) / margin == pytest.approx(1.0044581322775, rel=1e-9)


@pytest.mark.parametrize("data", [fp.RandomLabels(), fp.Teacher(0.2)])
def test_a_load_beyond_the_largest_number_is_no_number(data):
    with pytest.raises(NotConverged, match="exceeds the largest number of double precision"):
        fp.capacity(fp.Model(data, fp.Gibbs("spherical", -39.0)))
