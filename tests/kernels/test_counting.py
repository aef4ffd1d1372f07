"""The channel of error counting against its definition in mpmath, also at |x| = 30 and beta = 500."""

import math

import mpmath as mp
import pytest
from hypothesis import given, strategies as st

from flatphys.kernels.counting import error_counting

FIELDS = [-30.0, -8.0, -2.0, -0.3, 0.0, 0.7, 3.0, 6.0, 12.0, 30.0, 300.0]
BETAS = [0.01, 0.5, 1.0, 5.0, 20.0, 50.0, 500.0, math.inf]


def definition(x, beta):
    """(log f, a, b, violated share): f = Int Dy exp(-beta theta(x - y)), a = -d log f/dx, b = d^2 log f/dx^2."""
    x, e = mp.mpf(x), mp.exp(-mp.mpf(beta))
    f = e * mp.erfc(-x / mp.sqrt(2)) / 2 + mp.erfc(x / mp.sqrt(2)) / 2
    g = (1 - e) * mp.npdf(x) / f
    return mp.log(f), g, x * g - g * g, e / f


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("x", FIELDS)
def test_channel_agrees_with_mpmath(x, beta):
    with mp.workdps(60):
        want = definition(x, beta)
    got = error_counting(x, beta)
    rounding = 4e-16 * beta if beta < math.inf else 0.0  # of exp(-beta), and of sums with beta
    # log f = log(1 - small) for large negative x: absolute accuracy is what free entropies need
    assert got[0] == pytest.approx(float(want[0]), rel=1e-14, abs=1e-15 + rounding)
    # exp(-x^2/2) amplifies the rounding of its argument; b crosses zero between the two regimes of finite beta
    loose = 1e-15 * (10.0 + x * x)
    assert got[1] == pytest.approx(float(want[1]), rel=loose, abs=1e-300)
    assert got[2] == pytest.approx(
        float(want[2]), rel=4 * loose, abs=loose * float(want[1] * (1 + abs(want[1] - x))) * (beta < math.inf) + 1e-300
    )
    assert got[3] == pytest.approx(float(want[3]), rel=loose + rounding, abs=1e-300)


@given(x=st.floats(-12.0, 40.0), beta=st.floats(0.01, 60.0))
def test_a_and_b_are_derivatives_of_log_f(x, beta):
    h = 2e-3 / (1.0 + abs(x)) ** 0.5
    values = [error_counting(x + k * h, beta) for k in (-2, -1, 1, 2)]

    def slope(i):
        return (values[0][i] - 8 * values[1][i] + 8 * values[2][i] - values[3][i]) / (12 * h)

    _, a, b, _ = error_counting(x, beta)
    assert -slope(0) == pytest.approx(a, rel=1e-7, abs=1e-8)
    assert -slope(1) == pytest.approx(b, rel=1e-6, abs=1e-7)


@given(x=st.floats(-30.0, 30.0))
def test_large_beta_becomes_the_hard_constraint(x):
    hard, soft = error_counting(x, math.inf), error_counting(x, 700.0)
    assert soft[:3] == pytest.approx(hard[:3], rel=1e-12)
    assert hard[3] == 0.0


@given(x=st.floats(-30.0, 30.0), beta=st.floats(1e-6, 1e-3))
def test_small_beta_is_a_weak_penalty(x, beta):
    """f = 1 - beta H(-x) + O(beta^2)."""
    log_f, a, _, violated = error_counting(x, beta)
    assert log_f == pytest.approx(-beta * 0.5 * math.erfc(-x / math.sqrt(2.0)), rel=1.5 * beta, abs=1e-15)
    assert 0.0 <= a <= beta and violated == pytest.approx(1.0, abs=2 * beta)
