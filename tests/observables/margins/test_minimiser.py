"""Laws of training stabilities at zero temperature: normalised, consistent with the state, with the right atoms."""

import math

import mpmath as mp
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


@pytest.mark.parametrize(
    "data, bias, alpha", [(fp.Teacher(), False, 0.006), (fp.Teacher(0.2), False, 0.04), (fp.GaussianMixture(0.6, 0.2), True, 0.013)]
)
def test_moments_of_the_largest_margin_keep_their_digits_at_small_loads(data, bias, alpha):
    """Next to all of the law is one atom; the tail above it at 60 digits (of which the quadrature keeps those after 1e-40)."""
    state = fp.solve(fp.Model(data, fp.MaxMargin(bias)), alpha)
    law = fp.margins(state)
    with mp.workdps(60):
        place, m = mp.mpf(state.margin), mp.mpf(state.m)
        if isinstance(data, fp.Teacher):
            slant = m / mp.sqrt(1 - m * m)
            density = lambda t: 2 * mp.npdf(t) * (data.flip + (1 - 2 * mp.mpf(data.flip)) * mp.ncdf(slant * t))
        else:
            root, rho, b = mp.sqrt(mp.mpf(data.variance)), mp.mpf(data.positive), mp.mpf(state.b)
            density = lambda t: rho * mp.npdf(t, m + b, root) + (1 - rho) * mp.npdf(t, m - b, root)
        one, two, three = (
            mp.quad(lambda t, n=n: (t - place) ** n * density(t), [place + mp.mpf(j) / place for j in (0, 2, 8, 25, 80)]) for n in (1, 2, 3)
        )
        variance, third = two - one**2, three - 3 * one * two + 2 * one**3
        assert law.mean == pytest.approx(float(place + one), rel=1e-14)
        assert float(law.variance / variance) == pytest.approx(1.0, abs=1e-11)
        assert float(law.skewness * variance ** mp.mpf(1.5) / third) == pytest.approx(1.0, abs=1e-11)


@pytest.mark.parametrize("alpha", [1e-3, 1e-5])
def test_moments_beyond_the_range_of_floats_are_no_exception(alpha):
    law = fp.margins(fp.solve(fp.Model(fp.Teacher(), fp.MaxMargin()), alpha))
    assert law.variance >= 0.0
    assert law.skewness > 1e50


@pytest.mark.parametrize("loss", ["squared_hinge", "hinge", "square"])
def test_margins_that_crowd_at_one_are_those_of_the_limit(loss):
    near, limit = (fp.margins(fp.solve(fp.Model(fp.Teacher(0.1), fp.ERM(loss, l2)), 0.6)) for l2 in (1e-12, 0.0))
    assert near.mean == pytest.approx(limit.mean, rel=1e-9)
    assert near.variance == pytest.approx(limit.variance, rel=1e-8, abs=1e-20)


def test_the_flatness_of_the_squared_hinge_counts_patterns_before_they_are_trained():
    """Where stabilities round to 1, every pattern below before is still one that pulls."""
    data = fp.GaussianMixture(3.0)
    state = fp.solve(fp.Model(data, fp.ERM("squared_hinge", 2e-14)), 3e-6)
    share = stats.norm.cdf((1.0 - state.m) / math.sqrt(data.variance * state.q))
    assert fp.relative_flatness(state) == pytest.approx(state.q * data.variance * share, rel=1e-13)


@pytest.mark.parametrize("learner", [fp.MaxMargin(bias=True), fp.Bayes(), fp.MaxMargin()], ids=str)
def test_turned_weights_on_the_mixture_keep_their_bias_and_meet_the_clouds_noise(learner):
    """y (x.w'/sqrt N + b) for w' at the overlap p with w, class by class, by quadrature of both Gaussians."""
    data = fp.GaussianMixture(1.7, 0.3)
    state = fp.solve(fp.Model(data, learner), 0.8)
    scale, own = math.sqrt(data.variance * state.order.get("q", 1.0)), data.variance / (0.8 + data.variance)
    g, step = np.linspace(-9.0, 9.0, 400001, retstep=True)
    w = step * stats.norm.pdf(g)
    for d in (0.0, 0.02, 0.3, 0.5, 0.8, 1.0):
        p, total = 1.0 - 2.0 * d, 0.0
        noise = math.sqrt(1.0 - p * p) * scale
        for share, kept in ((data.positive, state.b), (1.0 - data.positive, -state.b)):
            omega = state.m + kept + scale * g
            t = np.maximum(omega, state.order["margin"]) if "margin" in state.order else omega + own
            moved = p * t + (1.0 - p) * kept
            after = stats.norm.cdf(-moved / noise) if noise else (moved < 0.0)
            total += share * np.sum(w * (1.0 * after - (t < 0.0)))
        assert fp.local_energy(state, distance=d) == pytest.approx(total, abs=1e-4)
    small = fp.local_energy(state, distance=1e-10)
    assert 0.0 <= small < 1e-8
