"""The local energy against a double quadrature of its definition, against draws, and in its limits."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.special import ndtr

import flatphys as fp
from flatphys.errors import InvalidInput

RANDOM, CLEAN, NOISY = fp.RandomLabels(), fp.Teacher(), fp.Teacher(0.1)
MODELS = {
    "random, hard": (fp.Model(RANDOM, fp.Gibbs("binary", 0.2)), 0.4),
    "random, beta 2": (fp.Model(RANDOM, fp.Gibbs("binary", 0.0, 2.0)), 2.0),
    "spherical, negative margin": (fp.Model(RANDOM, fp.Gibbs("spherical", -0.6, 4.0)), 3.0),
    "spherical, near capacity": (fp.Model(RANDOM, fp.Gibbs("spherical")), 1.95),
    "teacher": (fp.Model(CLEAN, fp.Gibbs("binary")), 1.0),
    "noisy teacher": (fp.Model(NOISY, fp.Gibbs("spherical", 0.2, 3.0)), 2.0),
    "maximum margin": (fp.Model(CLEAN, fp.MaxMargin()), 2.0),
    "Bayes": (fp.Model(NOISY, fp.Bayes("binary")), 1.0),
}


def named(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fp.solve(*MODELS[name])


def by_quadrature(state, noise, scale=1.0):
    """E[P(scale t + noise g < 0)] - P(t < 0), t of the state's density and atoms, on graded panels around margin and 0."""
    law = fp.margins(state)
    nodes, weights = np.polynomial.legendre.leggauss(12)
    margin = getattr(state.model.learner, "margin", 0.0)
    edges = sorted({-14.0, 0.0, margin, 14.0, *(place for place, _ in law.atoms)})
    total = sum(mass * ndtr(-scale * place / noise) for place, mass in law.atoms)
    for a, b in zip(edges, edges[1:]):
        graded = (b - a) * np.geomspace(1e-9, 0.5, 60)
        cuts = np.unique(np.concatenate([np.linspace(a, b, 200), a + graded, b - graded]))
        half = 0.5 * np.diff(cuts)[:, None]
        t = (0.5 * (cuts[1:] + cuts[:-1])[:, None] + half * nodes).ravel()
        total += float(np.sum((half * weights).ravel() * law.pdf(t) * ndtr(-scale * t / noise)))
    return total - law.mass_below_zero


@pytest.mark.parametrize("name", list(MODELS))
def test_local_energy_is_the_average_of_its_definition(name):
    state = named(name)
    norm = math.sqrt(state.q) if name == "Bayes" else 1.0
    for sigma in (0.02, 0.3, 1.5):
        assert fp.local_energy(state, sigma=sigma) == pytest.approx(by_quadrature(state, sigma * norm), abs=1e-10)
    for d in (0.01, 0.2, 0.45):
        noise = 2.0 * math.sqrt(d * (1.0 - d)) * norm
        assert fp.local_energy(state, distance=d) == pytest.approx(by_quadrature(state, noise, 1.0 - 2.0 * d), abs=1e-10)


@pytest.mark.parametrize("name", list(MODELS))
def test_no_perturbation_costs_nothing_and_a_full_turn_inverts_every_answer(name):
    state = named(name)
    law = fp.margins(state)
    assert fp.local_energy(state, sigma=0.0) == fp.local_energy(state, distance=0.0) == 0.0
    assert fp.local_energy(state, distance=0.5) == pytest.approx(0.5 - law.mass_below_zero, abs=1e-12)
    assert fp.local_energy(state, distance=1.0) == pytest.approx(1.0 - 2.0 * law.mass_below_zero, abs=1e-12)
    assert fp.local_energy(state, sigma=1e9) == pytest.approx(0.5 - law.mass_below_zero, abs=1e-8)


@pytest.mark.parametrize("name", list(MODELS))
def test_the_two_perturbations_are_one(name):
    """Flips at rate d are, up to the scale of t, noise of sigma = 2 sqrt(d(1-d))/(1-2d)."""
    state = named(name)
    for d in (1e-6, 0.003, 0.1, 0.3):
        sigma = 2.0 * math.sqrt(d * (1.0 - d)) / (1.0 - 2.0 * d)
        assert fp.local_energy(state, distance=d) == pytest.approx(fp.local_energy(state, sigma=sigma), rel=1e-10, abs=1e-14)


@settings(max_examples=30)
@given(d=st.floats(1e-4, 0.5), name=st.sampled_from(["random, hard", "random, beta 2", "noisy teacher", "maximum margin"]))
def test_flips_beyond_one_half_mirror_those_before(d, name):
    """E(1-d) - 1/2 = -(E(d) - 1/2) for the errors after flipping: a weight vector and its negative."""
    state = named(name)
    before = fp.margins(state).mass_below_zero
    assert fp.local_energy(state, distance=d) + fp.local_energy(state, distance=1.0 - d) + 2.0 * before == pytest.approx(1.0, abs=1e-11)


def test_more_noise_costs_more_around_a_solution():
    values = fp.local_energy(named("random, hard"), sigma=np.linspace(0.0, 3.0, 60))
    assert (np.diff(values) > 0.0).all() and values[-1] < 0.5


def test_a_wide_margin_is_flat_and_a_narrow_one_is_steep():
    """At small noise solutions of margin 0.2 cost exponentially little, those of margin 0 linearly much."""
    wide = fp.local_energy(named("random, hard"), sigma=0.02)
    narrow = fp.local_energy(fp.solve(fp.Model(), 0.4), sigma=0.02)
    assert wide < 1e-15 and narrow > 1e-3
    density = fp.margins(fp.solve(fp.Model(), 0.4)).pdf(0.0)  # dE/dsigma = P(0+) E max(g, 0)
    assert narrow / 0.02 == pytest.approx(density / math.sqrt(2.0 * math.pi), rel=2e-2)


@pytest.mark.parametrize("name", ["random, beta 2", "maximum margin"])
def test_local_energy_agrees_with_draws(name):
    """Draws by inversion of the distribution function, fixed seed: 5 standard errors, false alarm 6e-7 each."""
    state = named(name)
    law, rng, n = fp.margins(state), np.random.default_rng(3), 200_000
    x = np.linspace(-6.0, 7.0, 8001)
    t = np.interp(rng.random(n), law.cdf(x), x)
    t = np.where((t < state.order.get("margin", -9.0)) & (t > state.order.get("margin", -9.0) - 0.002), state.order.get("margin", 0.0), t)
    for d in (0.02, 0.1, 0.3):
        after = (1.0 - 2.0 * d) * t + 2.0 * math.sqrt(d * (1.0 - d)) * rng.standard_normal(n)
        want = fp.local_energy(state, distance=d) + law.mass_below_zero
        assert abs(np.mean(after < 0.0) - want) < 5.0 * math.sqrt(want * (1.0 - want) / n) + 2e-4  # interpolation of the cdf


def test_shapes_follow_the_argument():
    state = named("random, hard")
    assert isinstance(fp.local_energy(state, sigma=0.5), float)
    assert fp.local_energy(state, sigma=[0.1, 0.2]).shape == (2,)
    assert fp.local_energy(state, distance=np.full((2, 3), 0.1)).shape == (2, 3)


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({}, "neither"),
        ({"sigma": 0.1, "distance": 0.1}, "both"),
        ({"sigma": -0.1}, "sigma must be"),
        ({"sigma": math.nan}, "sigma must be"),
        ({"sigma": math.inf}, "sigma must be"),
        ({"sigma": "half"}, "sigma must be"),
        ({"sigma": []}, "sigma must not be empty"),
        ({"distance": np.array([])}, "distance must not be empty"),
        ({"distance": 1.1}, "distance must be a number >= 0 and <= 1, got 1.1"),
        ({"distance": [0.1, -1e-9]}, "distance must be"),
        ({"distance": [[0.1], [0.1, 0.2]]}, "distance must be"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(arguments, match):
    with pytest.raises(InvalidInput, match=match):
        fp.local_energy(named("random, hard"), **arguments)


@pytest.mark.parametrize("thing", [None, 0.5, fp.Model()])
def test_anything_but_a_state_is_refused(thing):
    with pytest.raises(InvalidInput, match="state must be State"):
        fp.local_energy(thing, sigma=0.1)


@pytest.mark.parametrize("alpha, margin, beta", [(3.0, 0.6, 3000.0), (4.5, 0.8, 40.0), (0.5, -0.7, 2.0)])
def test_the_law_of_the_square_with_random_labels_is_a_gaussian_and_turns_like_one(alpha, margin, beta):
    """Delta has the mean c kappa/(1+c) and the variance q/(1+c)^2 + v/(1+c), c = beta v; turned by p it is p Delta + sqrt(1-p^2) g."""
    state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", margin, beta, energy="square")), alpha)
    c = beta * state.one_minus_q
    mean, variance = c * margin / (1.0 + c), state.q / (1.0 + c) ** 2 + state.one_minus_q / (1.0 + c)
    for d in (1e-8, 1e-5, 1e-3, 0.1, 0.5):
        p = 1.0 - 2.0 * d
        exact = ndtr(-p * mean / math.sqrt(p * p * variance + 1.0 - p * p)) - ndtr(-mean / math.sqrt(variance))
        assert fp.local_energy(state, distance=d) == pytest.approx(exact, abs=1e-12)


def test_without_an_overlap_an_even_energy_rises_nowhere():
    state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", 0.0, 0.2, fp.TreeCommittee("sign"), "square")), 2.0)
    assert state.q == 0.0 and fp.local_energy(state, distance=[0.01, 0.3]) == pytest.approx([0.0, 0.0], abs=1e-14)
