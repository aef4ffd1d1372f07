"""The polynomial that stands for log f of one pattern, and the messages made with it."""

import math

import numpy as np
import pytest

from flatphys.finite_size.messages.edges import cavities, expanded_pattern, gaussian_pattern
from flatphys.finite_size.messages.expansion import DEGREE, expand, horner
from flatphys.kernels.channels import channel
from flatphys.problem import channel_of


@pytest.mark.parametrize(
    "beta, kappa, x, half", [(math.inf, 0.0, 0.3, 0.3), (1.0, 0.3, -1.0, 0.2), (3.0, 0.0, 4.0, 0.05), (math.inf, 0.5, 30.0, 0.1)]
)
def test_differences_of_log_f_are_those_of_the_channel(beta, kappa, x, half):
    ch, p = channel_of("errors", kappa, beta), np.empty(DEGREE + 1)
    assert expand(ch, x, half, 0.69, 0.7, np.empty(DEGREE + 1), p)
    at = np.linspace(-1.0, 1.0, 21)
    exact = np.array([channel(ch, x + half * s, 0.7)[0] for s in at])
    got = np.array([horner(p, s) for s in at])
    assert got - got[0] == pytest.approx(exact - exact[0], abs=1e-14 * (1.0 + np.abs(exact).max()))


@pytest.mark.parametrize("energy, beta, half", [("errors", 30.0, 1.0), ("errors", math.inf, 4.0), ("hinge", 1.0, 0.1)])
def test_a_channel_that_turns_too_fast_or_depends_on_v_is_asked_itself(energy, beta, half):
    assert not expand(channel_of(energy, 0.3, beta), -5.0, half, 0.69, 0.7, np.empty(DEGREE + 1), np.empty(DEGREE + 1))


@pytest.mark.parametrize("n, kind", [(1001, "gaussian"), (301, "sign"), (21, "gaussian")])
@pytest.mark.parametrize("beta", [math.inf, 1.5])
def test_messages_are_those_of_two_logarithms_each(n, kind, beta):
    rng, ch = np.random.default_rng(n), channel_of("errors", 0.2, beta)
    x = rng.standard_normal(n) if kind == "gaussian" else rng.choice([-1.0, 1.0], n)
    m = np.tanh(rng.standard_normal(n))
    direct, fast = np.empty(n), np.empty(n)
    room = np.empty(n), np.empty(n), np.empty(DEGREE + 1), np.empty(DEGREE + 1)
    scalars = expanded_pattern(ch, x, np.abs(x).max(), m, 1.0 - m * m, fast, room)
    assert scalars == pytest.approx(gaussian_pattern(ch, x, m, direct), abs=1e-13)
    assert fast == pytest.approx(direct, abs=1e-13)


@pytest.mark.parametrize("size", [0.1, 1.0, 3.0])
def test_cavity_means_keep_their_digits_where_fields_are_strong(size):
    rng = np.random.default_rng(1)
    h, u = np.concatenate((20.0 * rng.standard_normal(200), [0.0])), size * rng.uniform(-1.0, 1.0, 201)
    m, spread = np.empty(201), np.empty(201)
    cavities(h, np.tanh(h), 1.0 / np.cosh(h) ** 2, u, size, m, spread)
    assert m == pytest.approx(np.tanh(h - u), abs=1e-15)
    if size <= 1.0:
        assert spread == pytest.approx(1.0 / np.cosh(h - u) ** 2, rel=1e-13)
