"""The centre of replicas: limits, derivatives, its law by sums that share no code with it, the loss that it minimises."""

import math

import numpy as np
import pytest
from scipy.special import log_ndtr, ndtr

import flatphys as fp
from flatphys.errors import InvalidInput, ReplicaSymmetryWarning

pytestmark = pytest.mark.filterwarnings("ignore::flatphys.errors.ReplicaSymmetryWarning")
CLOUDS, TEACHER = fp.GaussianMixture(), fp.Teacher(0.1)
HINGE = fp.Gibbs("spherical", 1.0, 1.0, energy="hinge")
COUNTED = fp.Gibbs("spherical", 0.0, 1.0)
data = pytest.mark.parametrize("data", [CLOUDS, TEACHER], ids=["mixture", "teacher"])
learners = pytest.mark.parametrize(
    "learner", [HINGE, COUNTED, fp.Gibbs("binary", 0.5, 1.0, energy="squared-hinge")], ids=lambda g: g.energy
)


def replicas(data, learner, distance, y=math.inf, alpha=2.0):
    found = fp.replicated_entropy(fp.Model(data, learner), alpha, distance=distance, y=y)
    assert list(found.status) == ["ok"] * found.distance.size
    return found


def typical(data, learner, alpha=2.0):
    return min(fp.branches(fp.Model(data, learner), alpha), key=lambda state: state.q)


@data
@learners
def test_one_replica_is_the_gibbs_learner_at_every_overlap(data, learner):
    state = typical(data, learner)
    found = replicas(data, learner, [0.1, 0.2], 1.0)
    for name, want in (("free_entropy", state.free_entropy), ("energy", state.energy), ("cosine", state.cosine), ("q0", state.q)):
        np.testing.assert_allclose(getattr(found, name), want, rtol=1e-10)
    np.testing.assert_allclose(found.slope, 0.0, atol=1e-11)
    np.testing.assert_allclose(found.centre_norm, 1.0, atol=1e-15)


@data
@learners
def test_at_the_typical_distance_the_centre_is_the_mean_of_the_measure(data, learner):
    state = typical(data, learner)
    found = replicas(data, learner, [0.5 * state.one_minus_q])
    assert found.delta_q[0] == pytest.approx(0.0, abs=1e-10)
    assert found.centre_norm[0] == pytest.approx(math.sqrt(state.q), rel=1e-14)
    assert found.centre_generalization_error[0] == pytest.approx(state.centre_generalization_error, abs=1e-11)
    assert found.generalization_error[0] == pytest.approx(state.generalization_error, abs=1e-11)


@pytest.mark.parametrize("weights", ["spherical", "binary"])
@pytest.mark.parametrize("distance", [0.1, 0.3])
def test_slope_and_energy_on_the_mixture_are_derivatives_also_across_the_jump(weights, distance):
    """Errors counted at beta = 1: the fields of patterns jump at y = inf; without the jump the slope would be wrong by a percent."""
    learner = fp.Gibbs(weights, 0.0, 1.0)
    step = 2e-3
    around = replicas(CLOUDS, learner, distance + step * np.array([-2.0, -1.0, 0.0, 1.0, 2.0]))
    assert np.isneginf(around.outer_eigenvalue).any() or distance > 0.2
    phi = around.free_entropy
    slope = -0.5 * (phi[0] - 8.0 * phi[1] + 8.0 * phi[3] - phi[4]) / (12.0 * step)
    assert around.slope[2] == pytest.approx(slope, rel=1e-6, abs=1e-8)
    hot, warm = (replicas(CLOUDS, fp.Gibbs(weights, 0.0, 1.0 + h), distance).free_entropy[0] for h in (-1e-3, 1e-3))
    assert around.energy[2] == pytest.approx((hot - warm) / 2e-3, rel=1e-6)
    assert around.value[2] == around.free_entropy[2] + around.energy[2]


def test_the_external_entropy_on_the_mixture_is_the_derivative_in_the_number_of_replicas():
    low, mid, high = (replicas(CLOUDS, HINGE, 0.1, y) for y in (2.99, 3.0, 3.01))
    assert mid.external_entropy[0] == pytest.approx(-9.0 * (high.free_entropy[0] - low.free_entropy[0]) / 0.02, rel=1e-5)


def test_many_replicas_approach_infinitely_many():
    limit, hundred, double = (replicas(CLOUDS, HINGE, 0.1, y).cosine[0] for y in (math.inf, 100.0, 200.0))
    assert 2.0 * double - hundred == pytest.approx(limit, abs=3e-5)
    assert abs(double - limit) < 0.6 * abs(hundred - limit)


def test_clouds_without_end_are_random_labels():
    """D -> inf at margin sqrt(D) kappa and beta/sqrt(D)."""
    d = 1e6
    wide = replicas(fp.GaussianMixture(d), fp.Gibbs("spherical", 0.5 * math.sqrt(d), 2.0 / math.sqrt(d), energy="hinge"), 0.1, alpha=1.0)
    plain = replicas(fp.RandomLabels(), fp.Gibbs("spherical", 0.5, 2.0, energy="hinge"), 0.1, alpha=1.0)
    assert plain.cosine is None and plain.m1 is None
    for name in ("free_entropy", "slope", "external_entropy", "delta_q", "inner_eigenvalue", "outer_eigenvalue"):
        assert getattr(wide, name)[0] == pytest.approx(getattr(plain, name)[0], rel=2e-6)


def test_the_square_has_one_centre_at_every_temperature():
    cosines = [replicas(CLOUDS, fp.Gibbs("spherical", 1.0, beta, energy="square"), [0.1, 0.3]).cosine for beta in (0.1, 1.0, 10.0)]
    np.testing.assert_allclose(cosines[0], [0.5649, 0.6861], atol=5e-5)
    np.testing.assert_allclose(cosines[1:], [cosines[0]] * 2, rtol=1e-10)


def test_far_apart_the_centre_becomes_hebbs_rule_with_the_known_correction():
    """D = 1, alpha = 2: 1 - cosine/Bayes = q1 (k/g0)^2/6 + O(q1^1.5)."""
    found = replicas(CLOUDS, fp.Gibbs("spherical", 1.0, 1.0, energy="squared-hinge"), np.array([0.4995, 0.4999]))
    bayes = fp.solve(fp.Model(CLOUDS, fp.Hebb()), 2.0).cosine
    # w0 + g(w0) = 0 at V = 1, g = (kappa - w) p/2 + ..., by the closed form and differences
    w = np.linspace(-8.0, 2.0, 200001)
    x = 1.0 - w
    log_f = np.logaddexp(log_ndtr(-x), -0.5 * math.log(2.0) - 0.25 * x * x + log_ndtr(x / math.sqrt(2.0)))
    g = np.gradient(log_f, w)
    i = int(np.argmin(np.abs(w + g)))
    dg = np.gradient(g, w)[i]
    ratio = (dg / (1.0 + dg) / g[i]) ** 2 / 6.0
    short, root = (1.0 - found.cosine / bayes) / found.overlap, np.sqrt(found.overlap)
    assert (root[0] * short[1] - root[1] * short[0]) / (root[0] - root[1]) == pytest.approx(ratio, rel=2e-3)
    assert np.all(found.cosine < bayes)


def test_the_centre_of_spherical_solutions_becomes_the_analytic_one():
    found = replicas(CLOUDS, fp.Gibbs("spherical"), [0.45, 0.48, 0.495])
    assert found.cosine[0] < found.cosine[1] < found.cosine[2] < 0.706128127
    assert found.cosine[2] == pytest.approx(0.706128126, abs=2e-3)


@data
@learners
@pytest.mark.parametrize("distance", [0.05, 0.3])
def test_the_law_of_the_centre_has_its_moments_and_its_mass(data, learner, distance):
    law = replicas(data, learner, distance).centre_margins()
    t = np.linspace(-14.0, 14.0, 28001)
    middle, width = 0.5 * (t[1:] + t[:-1]), np.diff(t)
    mass = np.diff(law.cdf(t))
    assert mass.sum() == pytest.approx(1.0, abs=1e-9)
    assert mass @ middle == pytest.approx(law.mean, abs=1e-6)
    assert mass @ (middle - law.mean) ** 2 == pytest.approx(law.variance, rel=1e-5)
    far = np.abs(law.pdf(middle) * width - mass) < 1e-6  # but for the steps next to a jump
    assert far.sum() >= far.size - 2
    noisy = law.rise_after_noise(0.4)
    assert noisy == pytest.approx(mass @ ndtr(-middle / 0.4) - law.mass_below_zero, abs=1e-6)


def test_the_centre_of_gibbs_weights_is_stabler_than_they_are():
    found = replicas(CLOUDS, HINGE, 0.2)
    assert found.centre_margins().mean > found.margins().mean > 0.0
    assert found.centre_margins().mass_below_zero < found.margins().mass_below_zero


@pytest.mark.parametrize("learner", [HINGE, COUNTED, fp.Gibbs("spherical", 1.0, 2.0, energy="square"), fp.Gibbs("spherical")], ids=repr)
def test_slope_and_curvature_belong_to_the_loss(learner):
    loss = replicas(CLOUDS, learner, 0.1).effective_loss()
    t, h = np.linspace(0.05, 2.0, 9), 1e-3
    values = np.array([loss(t + k * h) for k in (-2, -1, 0, 1, 2)])
    np.testing.assert_allclose(loss.slope(t), (values[0] - 8 * values[1] + 8 * values[3] - values[4]) / (12 * h), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        loss.curvature(t), (-values[0] + 16 * values[1] - 30 * values[2] + 16 * values[3] - values[4]) / (12 * h * h), rtol=1e-3, atol=1e-5
    )


def test_the_loss_is_the_smoothed_one_when_hot_and_the_plain_one_when_cold():
    t = np.linspace(-3.0, 4.0, 15)
    hot = replicas(CLOUDS, fp.Gibbs("spherical", 1.0, 1e-4, energy="hinge"), 0.2).effective_loss()
    gap, sigma = 1.0 - t, hot.sigma
    assert sigma == pytest.approx(math.sqrt(0.4), rel=1e-14)
    smooth = gap * ndtr(gap / sigma) + sigma * np.exp(-0.5 * (gap / sigma) ** 2) / math.sqrt(2.0 * math.pi)
    np.testing.assert_allclose(hot(t), smooth, atol=1e-4)
    cold = replicas(CLOUDS, fp.Gibbs("spherical", 1.0, 60.0, energy="hinge"), 0.02).effective_loss()
    np.testing.assert_allclose(cold(t), np.maximum(gap, 0.0), atol=0.12)
    square = replicas(CLOUDS, fp.Gibbs("spherical", 1.0, 3.0, energy="square"), 0.2).effective_loss()
    np.testing.assert_allclose(square(t) - square(1.0), 0.5 * gap * gap, atol=1e-12)
    wall = replicas(CLOUDS, fp.Gibbs("spherical"), 0.1).effective_loss()
    assert wall(-0.1) == math.inf and wall(1e-4) - wall(1e-3) == pytest.approx(math.log(10.0), rel=1e-2)


def test_the_centre_minimises_its_loss_at_fixed_norm():
    """t = omega + s g with the response s = D (V + dq): the stationarity of the loss plus a quadratic, at the law's own nodes."""
    found = replicas(CLOUDS, HINGE, 0.2)
    loss, law, root = found.effective_loss(), found.centre_margins(), math.sqrt(found.overlap[0])
    t = root * (law.mean + math.sqrt(law.variance) * np.linspace(-2.0, 2.0, 9))
    s = 0.4 + found.delta_q[0]
    omega = t + s * loss.slope(t)  # beta = 1
    # omega is m1 + sqrt(q1) z: the law of t is that of a Gaussian pushed through the proximal map
    np.testing.assert_allclose(law.cdf(t / root), ndtr((omega - found.m1[0]) / root), rtol=1e-9)


@data
def test_no_centre_beats_bayes(data):
    bayes = fp.bayes_error(data, 2.0)
    for learner in (HINGE, COUNTED, fp.Gibbs("spherical", 0.5, 5.0, energy="squared-hinge")):
        assert np.all(replicas(data, learner, np.linspace(0.01, 0.48, 12)).centre_generalization_error >= bayes - 1e-12)


def test_errors_counted_at_the_noise_of_the_teacher_reach_bayes_at_the_typical_distance():
    learner = fp.Gibbs("spherical", 0.0, math.log(9.0))
    state = typical(TEACHER, learner)
    d = 0.5 * state.one_minus_q
    cosine = replicas(TEACHER, learner, [0.8 * d, d, 1.2 * d]).cosine
    assert cosine[1] == pytest.approx(math.sqrt(state.q), abs=1e-12) and cosine[1] > max(cosine[0], cosine[2])
    bayes = fp.bayes_error(TEACHER, 2.0)
    assert math.acos(cosine[1]) / math.pi == pytest.approx(bayes, abs=1e-11)


def test_unstable_replicas_are_warned_of_by_block():
    with pytest.warns(ReplicaSymmetryWarning, match="the outer replicon .* among regions"):
        fp.replicated_entropy(fp.Model(CLOUDS, COUNTED), 2.0, distance=0.05)
    with pytest.warns(ReplicaSymmetryWarning, match="the inner replicon .* among the replicas of a region"):
        fp.replicated_entropy(fp.Model(fp.Teacher(), fp.Gibbs("spherical", 0.0, 5.0, energy="hinge")), 2.0, distance=0.48)


def test_the_old_name_of_the_centres_error_warns():
    found = replicas(TEACHER, HINGE, 0.1)
    with pytest.warns(FutureWarning, match="centre_generalization_error"):
        assert np.array_equal(found.barycentre_error, found.centre_generalization_error)


def test_margins_of_solutions_end_where_their_centre_has_the_largest_margin():
    model = fp.Model(CLOUDS, fp.Gibbs("spherical", 0.3))
    largest = fp.solve(fp.Model(CLOUDS, fp.MaxMargin()), 1.0).margin
    end = 0.5 * (1.0 - (0.3 / largest) ** 2)
    found = fp.replicated_entropy(model, 1.0, distance=[0.9 * end, 1.01 * end])
    assert list(found.status) == ["ok", "no_solution"]


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: replicas(CLOUDS, HINGE, 0.1, 3.0).centre_margins(), "y must be math.inf for centre_margins, got 3"),
        (lambda: replicas(CLOUDS, HINGE, 0.1, 3.0).effective_loss(), "y must be math.inf for effective_loss, got 3"),
        (lambda: replicas(CLOUDS, HINGE, 0.1).centre_margins(1), "index"),
        (lambda: replicas(CLOUDS, HINGE, 0.1).effective_loss()("a"), "t must be"),
        (
            lambda: replicas(fp.GaussianMixture(1.0, 0.3), fp.Gibbs("spherical", 1.0, 1.0, energy="hinge", bias=True), 0.1),
            "bias must be False",
        ),
        (
            lambda: replicas(fp.RandomLabels(), fp.Gibbs("binary", network=fp.TreeCommittee()), 0.1, alpha=0.5).centre_margins(),
            "network must be Perceptron",
        ),
    ],
)
def test_what_has_no_centre_is_refused(ask, says):
    with pytest.raises(InvalidInput, match=says):
        ask()
