"""Laws of training stabilities at zero temperature: normalised, consistent with the state, with the right atoms."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

import flatphys as fp
from flatphys.kernels.losses import CODES

MIXTURE, TEACHER = fp.GaussianMixture(0.6, 0.3), fp.Teacher(0.15)
STATES = {
    **{f"mixture {loss}": (MIXTURE, fp.ERM(loss, 0.05, True)) for loss in sorted(CODES)},
    **{f"teacher {loss}": (TEACHER, fp.ERM(loss, 0.05)) for loss in sorted(CODES)},
    "separable logistic": (fp.GaussianMixture(0.6), fp.ERM("logistic", 1e-6)),
    "largest margin": (MIXTURE, fp.MaxMargin(bias=True)),
    "mixture hebb": (MIXTURE, fp.Hebb(bias=True)),
    "teacher hebb": (TEACHER, fp.Hebb()),
    "bayes": (MIXTURE, fp.Bayes()),
    "hard margins": (MIXTURE, fp.ERM("hinge", 0.0, True)),
}


@pytest.fixture(scope="module", params=STATES, ids=str)
def state(request):
    return fp.solve(fp.Model(*STATES[request.param]), 1.3)


def panels(law, function, pieces=2000):
    """Composite Simpson sum between the places where the law has jumps; another rule than the package's."""
    low, high = law.support
    jumps = sorted({low, high, *(p for p, _ in law.atoms), *(p for p in (1.0,) if low < p < high)})
    total = 0.0
    for a, b in zip(jumps, jumps[1:]):
        x = np.linspace(np.nextafter(a, b), np.nextafter(b, a), 2 * pieces + 1)
        total += integrate.simpson(function(x), x=x)
    return total


def test_density_and_atoms_add_up_to_one_and_give_the_moments(state):
    law = fp.margins(state)
    atoms = np.array(law.atoms).reshape(-1, 2)
    assert panels(law, law.pdf) + atoms[:, 1].sum() == pytest.approx(1.0, abs=2e-7)
    mean = panels(law, lambda t: t * law.pdf(t)) + atoms[:, 0] @ atoms[:, 1]
    variance = panels(law, lambda t: (t - mean) ** 2 * law.pdf(t)) + (atoms[:, 0] - mean) ** 2 @ atoms[:, 1]
    third = panels(law, lambda t: (t - mean) ** 3 * law.pdf(t)) + (atoms[:, 0] - mean) ** 3 @ atoms[:, 1]
    assert (law.mean, law.variance) == pytest.approx((mean, variance), rel=1e-6)
    assert law.skewness == pytest.approx(third / variance**1.5, rel=1e-5, abs=1e-5)


def test_the_distribution_function_is_the_integral_of_the_density(state):
    law = fp.margins(state)
    low, high = law.support
    for a, b in ((0.2, 0.4), (0.5, 0.55), (0.6, 0.9)):
        a, b = low + a * (high - low), low + b * (high - low)
        x = np.linspace(a, b, 20001)
        jumps = sum(mass for place, mass in law.atoms if a < place <= b)
        assert law.cdf(b) - law.cdf(a) == pytest.approx(integrate.trapezoid(law.pdf(x), x) + jumps, abs=2e-4)
    assert law.cdf(low - 1.0) < 1e-12 and law.cdf(high + 1e3 * (high - low)) == pytest.approx(1.0, abs=1e-12)


def test_the_law_knows_the_training_error_of_the_state(state):
    assert fp.margins(state).mass_below_zero == pytest.approx(state.train_error, rel=1e-12, abs=1e-15)


def test_the_local_energy_is_the_average_over_stabilities_of_the_chance_to_turn(state):
    law = fp.margins(state)
    a = law.norm * math.sqrt(getattr(state.model.data, "variance", 1.0))
    for sigma in (0.3, 1.0, 4.0):
        turned = panels(law, lambda t: stats.norm.sf(t / (sigma * a)) * law.pdf(t))
        turned += sum(mass * stats.norm.sf(place / (sigma * a)) for place, mass in law.atoms)
        assert fp.local_energy(state, sigma=sigma) == pytest.approx(turned - state.train_error, abs=3e-7)


def test_small_perturbations_cost_what_the_slope_of_the_density_at_zero_says():
    """dE = (sigma a)^2 p'(0)/2 + O(sigma^4): cancellation-free far below the spacing of doubles at the training error."""
    state = fp.solve(fp.Model(MIXTURE, fp.ERM("logistic", 0.05, True)), 4.0)
    law = fp.margins(state)
    a = law.norm * math.sqrt(MIXTURE.variance)
    slope = (law.pdf(1e-4) - law.pdf(-1e-4)) / 2e-4
    assert fp.local_energy(state, sigma=1e-4) == pytest.approx(0.5 * (1e-4 * a) ** 2 * slope, rel=1e-5)


def test_local_energy_takes_arrays():
    state = fp.solve(fp.Model(MIXTURE, fp.ERM("hinge", 0.1, True)), 2.0)
    sigma = np.array([[0.1, 0.5], [1.0, 2.0]])
    rise = fp.local_energy(state, sigma=sigma)
    assert rise.shape == (2, 2) and np.all(np.diff(rise.ravel()) > 0.0)
    assert fp.local_energy(state, sigma=0.5) == rise[0, 1]


@pytest.mark.parametrize("data, bias", [(MIXTURE, True), (TEACHER, False)])
def test_the_hinge_holds_a_finite_fraction_at_one(data, bias):
    state = fp.solve(fp.Model(data, fp.ERM("hinge", 0.05, bias)), 2.0)
    law = fp.margins(state)
    ((place, mass),) = law.atoms
    assert place == 1.0
    assert law.cdf(1.0) - law.cdf(np.nextafter(1.0, 0.0)) == pytest.approx(mass, rel=1e-12)
    assert 1.0 - 2.0 * mass == pytest.approx(0.05 * state.V, rel=1e-12)  # 1/V = l2 + alpha P(atom)/V
    assert law.pdf(1.0) > 0.0 and state.train_loss == pytest.approx(law.expect(lambda t: np.maximum(0.0, 1.0 - t)), rel=1e-12)


def test_support_vectors_sit_at_the_largest_margin():
    state = fp.solve(fp.Model(MIXTURE, fp.MaxMargin(bias=True)), 1.3)
    law = fp.margins(state)
    ((place, mass),) = law.atoms
    assert place == state.margin and law.cdf(np.nextafter(place, 0.0)) == 0.0
    assert state.at_eigenvalue == pytest.approx(1.0 - 1.3 * mass, rel=1e-12)


def test_weights_that_interpolate_have_one_stability():
    law = fp.margins(fp.solve(fp.Model(TEACHER, fp.ERM("square", 0.0)), 0.5))
    assert law.atoms == ((1.0, 1.0),) and (law.mean, law.variance) == (1.0, 0.0)
    assert law.cdf([0.999, 1.0]).tolist() == [0.0, 1.0]


def test_normalised_margins_are_divided_by_the_norm(state):
    law, unit = fp.margins(state), fp.margins(state).normalised()
    norm = math.sqrt(state.order["q"])
    assert (unit.mean, unit.variance) == pytest.approx((law.mean / norm, law.variance / norm**2), rel=1e-13)
    assert unit.cdf(0.3) == pytest.approx(law.cdf(0.3 * norm), abs=1e-15)


@pytest.mark.parametrize("loss", ["square", "logistic", "squared-hinge"])
def test_relative_flatness_is_the_norm_times_the_mean_curvature(loss):
    for data, bias, variance in ((MIXTURE, True, 0.6), (TEACHER, False, 1.0)):
        state = fp.solve(fp.Model(data, fp.ERM(loss, 0.05, bias)), 1.3)
        law = fp.margins(state)
        curvature = {
            "square": np.ones_like,
            "logistic": lambda t: 0.25 / np.cosh(0.5 * t) ** 2,
            "squared-hinge": lambda t: np.where(t < 1.0, 1.0, 0.0),
        }[loss]
        assert fp.relative_flatness(state) == pytest.approx(state.q * variance * panels(law, lambda t: curvature(t) * law.pdf(t)), rel=1e-6)


def test_bad_sigma_is_named():
    state = fp.solve(fp.Model(MIXTURE, fp.ERM("square", 0.1)), 1.0)
    for bad in (-0.1, math.nan, "much"):
        with pytest.raises(fp.errors.InvalidInput, match="sigma"):
            fp.local_energy(state, sigma=bad)
