"""Rules on the Gaussian measure: exact on polynomials, and as good as they say near the singularities they are told of."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.special import wofz

from flatphys.numerics.quadrature import MAX_NODES, NOWHERE, ORDER, buffers, gaussian_nodes, panel_nodes, trapezoid_step

REACH = 9.6
FREE = (0.0, math.inf, 0.0, math.inf)


def rule(level=0, reach=REACH, growth=1.0, origin=0.0, poles=FREE, narrow=NOWHERE, relative=False):
    u, w = buffers()
    n = gaussian_nodes(level, reach, growth, origin, poles, narrow, u, w)
    assert n > 0
    return (u[:n].copy() if relative else origin + u[:n]), w[:n].copy()


def pole_average(c, d):
    """E 1/((z-c)^2 + d^2) = sqrt(pi/2) Re w((c + i d)/sqrt 2)/d, w the Faddeeva function."""
    return math.sqrt(math.pi / 2.0) * wofz(complex(c, d) / math.sqrt(2.0)).real / d


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("poles", [FREE, (0.0, 2.0, 0.0, math.inf), (1.0, 1e-3, -2.0, 0.01)])
def test_even_moments_of_the_gaussian_are_exact(level, poles):
    z, w = rule(level, poles=poles)
    for k, moment in ((0, 1.0), (2, 1.0), (4, 3.0), (6, 15.0), (8, 105.0)):
        assert w @ z**k == pytest.approx(moment, rel=1e-14)
        assert w @ z ** (k + 1) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("level", [0, 1])
@given(c=st.floats(-4.0, 4.0), log_d=st.floats(-14.0, 1.5))
def test_a_declared_pole_is_integrated_to_the_last_digits(level, c, log_d):
    """Fixed Gauss-Hermite fails here from d = 1/2 on."""
    d = math.exp(log_d)
    u, w = rule(level, origin=c, poles=(0.0, d, 0.0, math.inf), relative=True)
    assert w @ (1.0 / (u * u + d * d)) == pytest.approx(pole_average(c, d), rel=2e-13)


@given(c=st.floats(-3.0, 3.0), log_d=st.floats(-6.0, 1.0), other=st.floats(-3.0, 3.0), log_e=st.floats(-6.0, 1.0))
def test_two_declared_poles_are_integrated_together(c, log_d, other, log_e):
    d, e = math.exp(log_d), math.exp(log_e)
    z, w = rule(poles=(c, d, other, e))
    for place, width in ((c, d), (other, e)):
        assert w @ (1.0 / ((z - place) ** 2 + width * width)) == pytest.approx(pole_average(place, width), rel=2e-13)


def test_nodes_are_exact_relative_to_their_origin():
    """An integrand as narrow as 1e-9 around z = 2 sees nodes in units of its width, not of the spacing of doubles at 2."""
    d = 1e-9
    u, w = rule(origin=2.0, poles=(0.0, d, 0.0, math.inf), relative=True)
    assert w @ (1.0 / (u * u + d * d)) == pytest.approx(pole_average(2.0, d), rel=1e-12)


@given(log_width=st.floats(-7.0, 1.0), centre=st.floats(-2.0, 2.0))
def test_an_analytic_but_narrow_feature_is_resolved(log_width, centre):
    """E exp(-(z-c)^2/(2 s^2)) in closed form; `growth` and `narrow` announce it."""
    s = math.exp(log_width)
    z, w = rule(growth=1.0 + 1.0 / s**2, narrow=(centre, 1.5 * s, 0.0, math.inf))
    want = s / math.sqrt(1.0 + s * s) * math.exp(-0.5 * centre**2 / (1.0 + s * s))
    assert w @ np.exp(-0.5 * ((z - centre) / s) ** 2) == pytest.approx(want, rel=1e-12)


def test_the_two_levels_share_no_node():
    for poles in (FREE, (0.5, 1e-4, 0.0, math.inf)):
        coarse, fine = rule(0, poles=poles)[0], rule(1, poles=poles)[0]
        assert not set(coarse) & set(fine) and fine.size > coarse.size


def test_a_pole_nearer_than_doubles_resolve_is_refused_instead_of_answered_slowly():
    u, w = buffers()
    n = gaussian_nodes(0, REACH, 1.0, 0.0, (1.0, 0.0, 0.0, math.inf), NOWHERE, u, w)
    assert n == -1 or n <= MAX_NODES
    small = np.empty(ORDER), np.empty(ORDER)
    n = panel_nodes(0, -5.0, 5.0, 1.5, 1.0, (0.0, 1.0) * 4, *small)
    assert n == 1 and math.isnan(small[1][0])  # every sum over such nodes is nan, whether its caller looks or not
    n = panel_nodes(n, 5.0, 5.5, 1.5, 1.0, (0.0, math.inf) * 4, np.empty(64), small[1])
    assert math.isnan(small[1][:n].sum())


def test_the_trapezoid_step_shrinks_with_the_width_and_the_growth():
    steps = [trapezoid_step(width, 1.0) for width in (0.01, 0.1, 1.0, 5.0)]
    assert steps == sorted(steps)
    assert trapezoid_step(1e9, 1.0) == trapezoid_step(1e6, 1.0)  # the Gaussian itself limits the shift of the contour
    assert trapezoid_step(1.0, 50.0) < trapezoid_step(1.0, 1.0)
