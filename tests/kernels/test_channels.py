"""The channel of every energy against its definition in mpmath, also at |omega| = 30 with V = 1e-6, and where it is not smooth."""

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.special import erfc

from flatphys.kernels.channels import CODES, COUNTED, LOSS, channel, channel_scalars, errors_features, features
from flatphys.kernels.codes import Channel, Loss
from flatphys.kernels.cost import boltzmann, cost
from flatphys.kernels.halves import half
from flatphys.kernels.losses import point
from flatphys.kernels.traits import energy_traits
from flatphys.model import ENERGIES
from flatphys.saddle.equilibrium.limit import ground_response

POINTS = [(x, 1.0) for x in (-30.0, -2.0, -0.3, 0.0, 0.7, 6.0, 30.0)] + [(-4.0, 0.3), (1.5, 0.3), (-3e4, 1e-3), (3e4, 1e-3), (2.0, 1e-3)]
BETAS = [0.01, 1.0, 20.0, 500.0]
NODES = mp.calculus.quadrature.GaussLegendre(mp.mp).calc_nodes(5, 140)


PRICES = {
    "errors": lambda t: 1 if t > 0 else 0,
    "hinge": lambda t: max(t, 0),
    "squared-hinge": lambda t: max(t, 0) ** 2 / 2,
    "square": lambda t: t * t / 2,
    "logistic": lambda t: mp.log1p(mp.exp(t)) if t < 0 else t + mp.log1p(mp.exp(-t)),
}


def intervals(log_weight, x):
    """Ends of intervals on which exp(log_weight), log-concave on either side of x, can be integrated by a fixed rule."""
    cuts = {x}
    for side in (-1.0, 1.0):
        at = lambda d, side=side: log_weight(x + side * max(d, 1e-12 * (1.0 + abs(x))))  # not at a jump
        lo, hi = 0.0, 2.0 * abs(x) + 40.0
        for _ in range(120):
            a, b = (2.0 * lo + hi) / 3.0, (lo + 2.0 * hi) / 3.0
            lo, hi = (a, hi) if at(a) < at(b) else (lo, b)
        width = 1.0
        while min(at(lo + width), at(max(lo - width, 0.0))) < at(lo) - 1.0:
            width *= 0.5
        cuts |= {x + side * max(lo + k * width, 0.0) for k in (-30, -12, -6, -3, -1, 0, 1, 3, 6, 12, 30, 90)}
    return sorted(cuts)


@pytest.mark.parametrize("energy", ENERGIES)
@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("x, sigma", POINTS)
def test_channel_is_the_integral_that_defines_it(energy, beta, x, sigma):
    """f = E_u exp(-beta energy), a = <u>, b = <u^2> - <u>^2 - 1, the share of u < x, the mean energy."""
    log_weight = lambda u: -u * u / 2 - beta * PRICES[energy](sigma * (x - u))
    cuts = intervals(log_weight, x)
    with mp.workdps(40):
        norm = first = second = share = price = mp.mpf(0)
        for low, high in zip(cuts, cuts[1:]):
            half_width, middle = (mp.mpf(high) - low) / 2, (mp.mpf(high) + low) / 2
            for node, plain in NODES:
                u = middle + half_width * node
                weight = plain * half_width * mp.exp(log_weight(u))
                norm, first, second = norm + weight, first + weight * u, second + weight * u * u
                share, price = share + weight * (high <= x), price + weight * PRICES[energy](sigma * (x - u))
        mean = first / norm
        want = mp.log(norm / mp.sqrt(2 * mp.pi)), mean, second / norm - mean**2 - 1, share / norm, price / norm
    want = [float(v) for v in want]
    ch = Channel(CODES[energy], 0.0, beta)
    got = (*channel(ch, x, sigma), *channel_scalars(ch, x, sigma))
    rounding = 1e-15 * (10.0 + min(x * x, 1e3)) + 4e-16 * beta
    assert got[0] == pytest.approx(want[0], rel=1e-13, abs=2e-15 + 4e-16 * beta)
    assert got[1] == pytest.approx(want[1], rel=rounding, abs=1e-16)
    assert got[2] == pytest.approx(want[2], rel=1e-9, abs=rounding * max(abs(want[1]), abs(want[2])) + 1e-30)  # b may cross zero
    assert got[3] == pytest.approx(want[3], rel=rounding, abs=1e-15)
    assert got[4] == pytest.approx(want[4], rel=rounding, abs=1e-15)


@pytest.mark.parametrize("energy", ENERGIES)
@given(x=st.floats(-12.0, 40.0), beta=st.floats(0.01, 60.0), sigma=st.floats(0.01, 1.0))
def test_a_b_and_the_mean_energy_are_slopes_of_log_f(energy, x, beta, sigma):
    code, h = CODES[energy], 2e-3 / (1.0 + abs(x)) ** 0.5
    _, a, b = channel(Channel(code, 0.0, beta), x, sigma)
    values = np.array([channel(Channel(code, 0.0, beta), x + k * h, sigma) for k in (-2, -1, 1, 2)])
    slope = (np.array([1.0, -8.0, 8.0, -1.0]) @ values) / (12.0 * h)
    assert -slope[0] == pytest.approx(a, rel=1e-7, abs=1e-8)
    assert -slope[1] == pytest.approx(b, rel=1e-6, abs=1e-7)
    step = 1e-3 * beta
    log_f = np.array([channel(Channel(code, 0.0, beta + k * step), x, sigma)[0] for k in (-2, -1, 1, 2)])
    mean = -(np.array([1.0, -8.0, 8.0, -1.0]) @ log_f) / (12.0 * step)
    assert mean == pytest.approx(channel_scalars(Channel(code, 0.0, beta), x, sigma)[1], rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("energy", [energy for energy in ENERGIES if energy_traits(energy).margin_fit])
@given(x=st.floats(-20.0, 20.0))
def test_every_flat_energy_becomes_the_hard_constraint(energy, x):
    """At beta = inf exactly; at a finite beta up to what still lies below the margin, 1/(beta sigma) deep or sqrt(1/beta)/sigma."""
    hard = channel(Channel(CODES["errors"], 0.0, math.inf), x, 1.0)
    assert channel(Channel(CODES[energy], 0.0, math.inf), x, 1.0) == hard
    assert channel_scalars(Channel(CODES[energy], 0.0, math.inf), x, 1.0) == (0.0, 0.0)
    near = channel(Channel(CODES[energy], 0.0, {"errors": 700.0, "hinge": 1e9, "squared-hinge": 1e18}[energy]), x, 1.0)
    assert near == pytest.approx(hard, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("energy", ENERGIES)
@given(t=st.floats(-5.0, 5.0), x=st.floats(-6.0, 6.0), u=st.floats(-6.0, 6.0), beta=st.floats(0.1, 20.0), sigma=st.floats(0.1, 1.0))
def test_cost_loss_weight_and_the_halves_say_the_same(energy, t, x, u, beta, sigma):
    """exp(-beta energy) G(u) = A r G(r (u - mu)) on the side of u; the energy is its loss at margin 1 - t (logistic: -t)."""
    code = CODES[energy]
    if LOSS[code] != COUNTED:
        place = 0.0 if energy == "logistic" else 1.0
        assert cost(code, t) == pytest.approx(point(Loss(LOSS[code], 0.0), place - t)[0], rel=1e-12, abs=1e-15)
    ch = Channel(code, 0.0, beta)
    assert boltzmann(ch, t) == pytest.approx(math.exp(-beta * cost(code, t)), rel=1e-14)
    if energy == "logistic":
        return  # one smooth measure, of no halves
    log_a, mu, r = half(ch, x, sigma, sigma * (x - u) > 0.0)  # which may underflow
    whole = log_a + math.log(r) - 0.5 * (r * (u - mu)) ** 2
    assert whole == pytest.approx(-0.5 * u * u - beta * cost(code, sigma * (x - u)), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("beta", [0.01, 0.1, 0.5, 1.0, 2.0, 3.9, 4.1, 7.0, 10.0, 20.0, 50.0, 200.0])
def test_the_declared_zero_of_counted_errors_is_no_farther_from_the_axis_than_the_true_one(beta):
    """Complex zeros of e^-beta + (1 - e^-beta) H(x), by Newton's method from a grid of starts."""
    e = math.exp(-beta)
    f = lambda x: e + 0.5 * (1.0 - e) * erfc(x / math.sqrt(2.0))
    true = nearest(f, lambda x: -(1.0 - e) * gauss(x), 3.0 + math.sqrt(2.0 * beta))
    assert 0.6 * true < errors_features(beta, 1.0)[3] <= true * (1.0 + 1e-3)


@pytest.mark.parametrize("c", [0.01, 0.1, 1.0, 3.0, 10.0])
def test_the_declared_zeros_of_the_hinges_are_no_farther_from_the_axis_than_the_true_ones(c):
    """f = H(x) + e^(c^2/2 - c x) H(c - x), and f = H(x) + e^(-c x^2/(2 r^2)) H(-x/r)/r with r^2 = 1 + c."""
    tail, r = lambda x: 0.5 * erfc(x / math.sqrt(2.0)), math.sqrt(1.0 + c)
    hinge = lambda x: tail(x) + np.exp(0.5 * c * c - c * x) * tail(c - x)
    squared = lambda x: tail(x) + np.exp(-0.5 * c * x * x / r**2) * tail(-x / r) / r
    for energy, f in (("hinge", hinge), ("squared-hinge", squared)):
        slope = lambda x, f=f: (f(x + 1e-6) - f(x - 1e-6)) / 2e-6
        assert features(Channel(CODES[energy], 0.0, c), 1.0)[1] <= nearest(f, slope, 3.0 + c) * (1.0 + 1e-3)


def gauss(x):
    return np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


def nearest(f, slope, right):
    """Least imaginary part of a zero of f in the upper half plane."""
    re, im = np.meshgrid(np.linspace(-3.0, right, 60), np.linspace(0.1, 4.0, 40))
    x = re + 1j * im
    with np.errstate(all="ignore"):
        for _ in range(60):
            x = x - f(x) / slope(x)
        good = (np.abs(f(x)) < 1e-9 * np.abs(slope(x))) & (x.imag > 1e-3) & (np.abs(x.real) < right + 5.0)
    return np.abs(x.imag[good]).min()


def test_every_energy_says_which_loss_it_becomes():
    assert set(LOSS) == set(CODES.values())
    assert [code for code in LOSS if LOSS[code] == COUNTED] == [CODES["errors"]]
    with pytest.raises(KeyError):
        ground_response(Channel(77, 0.0, math.inf), 1.0)
