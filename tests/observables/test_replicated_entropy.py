"""replicated_entropy: what it returns, the stabilities of the dense regions, what it refuses."""

import math

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput, NegativeEntropyWarning, NoSolution, Unsatisfiable
from flatphys.observables.margins.dense import one_step_margins
from flatphys.observables.replicated_entropy import replicated_entropy
from flatphys.saddle.breaking.states import solve_one_step

pytestmark = pytest.mark.filterwarnings("ignore::flatphys.errors.ReplicaSymmetryWarning")  # regions are unstable at small distances
BINARY = fp.Model(fp.RandomLabels(), fp.Gibbs("binary"))
TEACHER = fp.Model(fp.Teacher(), fp.Gibbs("binary"))
NEGATIVE = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", margin=-1.0))


@pytest.mark.parametrize("y", [2.0, math.inf])
def test_arrays_come_back_in_the_order_asked(y):
    distances = [0.2, 0.01, 0.1]
    together = replicated_entropy(BINARY, 0.6, distance=distances, y=y)
    assert np.array_equal(together.distance, distances) and np.array_equal(together.overlap, 1.0 - 2.0 * np.array(distances))
    assert list(together.status) == ["ok"] * 3
    for i, d in enumerate(distances):
        alone = replicated_entropy(BINARY, 0.6, overlap=1.0 - 2.0 * d, y=y)
        assert alone.value[0] == pytest.approx(together.value[i], abs=1e-12)
    assert np.allclose(together.region_entropy + together.external_entropy / y, together.value)


def test_the_table_shows_every_distance():
    dense = replicated_entropy(TEACHER, 0.8, distance=[0.1, 0.05], y=3.0)
    text = repr(dense)
    assert "0.05" in text and "ok" in text and "R" in text.splitlines()[1] and "y=3" in text
    assert "<table>" in dense._repr_html_()


def test_beyond_the_typical_distance_a_few_replicas_have_no_solution():
    dense = replicated_entropy(BINARY, 0.6, distance=[0.2, 0.4], y=4.0)
    assert list(dense.status) == ["ok", "no_solution"]
    assert math.isnan(dense.value[1]) and math.isfinite(dense.value[0])
    with pytest.raises(NoSolution, match="no_solution"):
        dense.margins(1)


def test_what_double_precision_cannot_follow_is_said_so():
    dense = replicated_entropy(BINARY, 0.6, distance=[0.1, 1e-6])
    assert list(dense.status) == ["ok", "not_converged"] and math.isnan(dense.value[1])


def test_a_negative_count_of_binary_weights_is_warned_of():
    with pytest.warns(NegativeEntropyWarning):
        dense = replicated_entropy(BINARY, 0.8, distance=[0.01], y=2.0)
    assert dense.value[0] == pytest.approx(-0.0005579939989804883, rel=1e-9)  # record A6-0105


@pytest.mark.parametrize("model", [BINARY, TEACHER, NEGATIVE], ids=["random", "teacher", "negative margin"])
@pytest.mark.parametrize("y", [2.0, math.inf])
def test_at_the_typical_distance_the_stabilities_are_the_typical_ones(model, y):
    alpha = 7.0 if model is NEGATIVE else 0.6
    state = min(fp.branches(model, alpha), key=lambda s: s.q)
    typical, dense = fp.margins(state), replicated_entropy(model, alpha, distance=0.5 * state.one_minus_q, y=y).margins()
    x = np.linspace(-1.5, 4.0, 12)
    assert np.allclose(dense.pdf(x), typical.pdf(x), atol=1e-11)
    assert np.allclose(dense.cdf(x), typical.cdf(x), atol=1e-11)
    for name in ("mean", "variance", "skewness"):
        assert getattr(dense, name) == pytest.approx(getattr(typical, name), abs=1e-10)
    assert dense.rise_after_noise(0.3) == pytest.approx(typical.rise_after_noise(0.3), abs=1e-11)


@pytest.mark.parametrize(("y", "distance"), [(2.0, 0.02), (30.0, 0.05), (math.inf, 0.01), (math.inf, 0.1)])
@pytest.mark.parametrize("model", [BINARY, TEACHER], ids=["random", "teacher"])
def test_the_law_of_the_stabilities_is_consistent(model, y, distance):
    law = replicated_entropy(model, 0.6, distance=distance, y=y).margins()
    x, w = np.polynomial.legendre.leggauss(200)
    x, w = 4.0 * (x + 1.0), 4.0 * w
    p = law.pdf(x)
    assert w @ p == pytest.approx(1.0, abs=1e-8)
    assert w @ (p * x) == pytest.approx(law.mean, abs=1e-8)
    assert w @ (p * (x - law.mean) ** 2) == pytest.approx(law.variance, abs=1e-7)
    from scipy.special import ndtr

    assert w @ (p * ndtr(-x / 0.4)) == pytest.approx(law.rise_after_noise(0.4), abs=1e-7)
    assert law.mass_below_zero == pytest.approx(0.0, abs=1e-12)


def test_replicas_in_dense_regions_keep_away_from_the_margin():
    """The density at the margin falls with the number of replicas, and with it the local energy."""
    results = [replicated_entropy(BINARY, 0.6, distance=0.05, y=y) for y in (2.0, 5.0, 20.0)]
    density = [r.margins().pdf(0.0) for r in results]
    rise = [r.local_energy(distance=0.02) for r in results]
    typical = fp.margins(fp.solve(BINARY, 0.6)).pdf(0.0)
    assert typical > density[0] > density[1] > density[2]
    assert rise == sorted(rise, reverse=True) and rise[0] < fp.local_energy(fp.solve(BINARY, 0.6), distance=0.02)


def test_local_energy_takes_arrays_of_either_perturbation():
    dense = replicated_entropy(BINARY, 0.6, distance=[0.1, 0.05])
    assert dense.local_energy(1, sigma=[0.0, 0.1, 0.5]).shape == (3,)
    assert dense.local_energy(1, sigma=0.0) == 0.0
    d = 0.1
    assert dense.local_energy(0, distance=d) == pytest.approx(
        dense.local_energy(0, sigma=2.0 * math.sqrt(d * (1 - d)) / (1 - 2 * d)), abs=1e-14
    )


def test_flatter_regions_and_their_centre_generalise_better():
    """Binary teacher: the error of a replica falls as the regions get denser, the centre's is smaller still."""
    results = [replicated_entropy(TEACHER, 0.8, distance=0.1, y=y) for y in (2.0, 5.0, 20.0)]
    replica = [r.generalization_error[0] for r in results]
    typical = min(fp.branches(TEACHER, 0.8), key=lambda s: s.q)
    assert typical.generalization_error > replica[0] > replica[1] > replica[2]
    for r in results:
        assert r.generalization_error[0] == pytest.approx(math.acos(r.R[0]) / math.pi, abs=1e-14)
        assert r.centre_generalization_error[0] < r.generalization_error[0]
        norm = math.sqrt((1.0 + (r.y - 1.0) * r.overlap[0]) / r.y)
        assert r.centre_generalization_error[0] == pytest.approx(math.acos(r.R[0] / norm) / math.pi, abs=1e-14)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"distance": [0.1, 0.6]}, "distance must be a number > 0 and < 0.5, got 0.6"),
        ({"distance": 0.0}, "distance must be a number > 0"),
        ({"distance": [math.nan]}, "got nan"),
        ({"distance": []}, "must not be empty"),
        ({"distance": "near"}, "distance must be a number"),
        ({"overlap": [1.5]}, "overlap must be a number > 0 and < 1, got 1.5"),
        ({}, "either overlap or distance, got neither"),
        ({"distance": 0.1, "overlap": 0.8}, "got both"),
        ({"distance": 0.1, "y": 0.99}, "y must be a number >= 1"),
        ({"distance": 0.1, "y": math.nan}, "y must be"),
    ],
)
def test_bad_arguments_are_named(arguments, says):
    with pytest.raises(InvalidInput, match=says):
        replicated_entropy(BINARY, 0.6, **arguments)


def test_models_without_solutions_to_count_are_refused():
    with pytest.raises(InvalidInput, match="needs a Gibbs learner"):
        replicated_entropy(fp.Model(fp.Teacher(), fp.Bayes()), 0.6, distance=0.1)
    with pytest.raises(Unsatisfiable):
        replicated_entropy(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")), 2.5, distance=0.1)


@pytest.mark.filterwarnings("ignore::flatphys.errors.ReplicaSymmetryWarning")
@pytest.mark.parametrize("alpha", [8.5, 12.0])
def test_the_stabilities_of_a_one_step_state_start_at_the_margin(alpha):
    law = one_step_margins(solve_one_step(NEGATIVE, alpha))
    x, w = np.polynomial.legendre.leggauss(400)
    t = np.exp(2.5 * (x - 1.0)) * 6.5 - 6.5 * math.exp(-5.0)  # dense next to the margin, where the density peaks
    jacobian = 2.5 * np.exp(2.5 * (x - 1.0)) * 6.5
    p = law.pdf(-1.0 + t)
    assert w @ (jacobian * p) == pytest.approx(1.0, abs=1e-6)
    assert w @ (jacobian * p * (-1.0 + t)) == pytest.approx(law.mean, abs=1e-6)
    assert law.cdf(-1.0) == pytest.approx(0.0, abs=1e-9)


def test_frozen_states_have_as_many_errors_below_the_margin_as_they_say():
    state = solve_one_step(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=9.0)), 1.8)
    assert one_step_margins(state).mass_below_zero == pytest.approx(state.train_error, rel=1e-10)


def test_a_point_known_by_one_rule_only_is_not_known():
    """Next to the capacity the second rule has no room for its nodes."""
    re = fp.replicated_entropy(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")), 1.98, distance=[0.12, 0.001])
    assert np.all((re.status == "ok") == (re.quadrature_error <= re.quadrature_tolerance))
    assert np.all(np.isnan(re.value) == (re.status != "ok"))
    assert (re.tolerance, re.quadrature_tolerance) == (1e-10, 1e-8)


def test_a_typical_overlap_below_rounding_ends_in_a_status():
    re = fp.replicated_entropy(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", 0.0, 2.5, energy="square")), 6e-6, distance=[0.16])
    assert re.status[0] == "not_converged" and math.isnan(re.value[0])
