"""flattest: the reference, the limits at the far end, what it refuses."""

import math

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput, NoSolution, Unsatisfiable
from flatphys.kernels.codes import MIXTURE, TEACHER, Labels
from flatphys.saddle.breaking.far import analytic_centre, hebb_cosine

pytestmark = pytest.mark.filterwarnings("ignore::flatphys.errors.ReplicaSymmetryWarning")
CLOUDS = fp.GaussianMixture()


def best(data, learner, alpha=2.0, **options):
    return fp.flattest(fp.Model(data, learner), alpha, **options)


def test_with_the_posterior_of_the_teacher_the_typical_distance_is_best():
    """Records S6-0002 of the reference."""
    found = best(fp.Teacher(0.1), fp.Gibbs("spherical", 0.0, 2.1972245773362196))
    assert found.distance == pytest.approx(0.2390087346286271, rel=1e-5) and found.distance == pytest.approx(
        found.typical_distance, rel=1e-5
    )
    assert found.cosine == pytest.approx(0.7224835895228767, rel=1e-10)
    assert found.centre_generalization_error == pytest.approx(0.24300048494584245, rel=1e-10)
    assert found.excess == pytest.approx(0.0, abs=1e-11) and not found.at_limit


def test_another_energy_has_its_best_inside():
    """Record S6-0004 of the reference."""
    found = best(fp.Teacher(), fp.Gibbs("spherical", 0.5, 1.0, energy="hinge"))
    assert found.distance == pytest.approx(0.03435947862508228, rel=1e-5)
    assert found.cosine == pytest.approx(0.8512257849048066, rel=1e-10)
    assert found.replicated.cosine[0] == pytest.approx(found.cosine, rel=1e-12) and found.excess > 0.0
    near = fp.replicated_entropy(found.model, 2.0, distance=found.distance * np.array([0.9, 1.1]))
    assert np.all(near.cosine < found.cosine)


def test_it_prints_a_sentence():
    found = best(fp.Teacher(), fp.Gibbs("spherical", 0.0, 5.0, energy="hinge"))
    assert str(found) == "the centre is best at distance 0.111, 6.4e-05 above Bayes; typical distance 0.206"
    assert str(found) in repr(found)


def test_on_the_mixture_hebbs_rule_at_the_far_end_is_best_and_bayes():
    found = best(CLOUDS, fp.Gibbs("spherical", 1.0, 1.0, energy="hinge"))
    assert found.at_limit and found.distance == 0.5
    assert found.cosine == pytest.approx(fp.solve(fp.Model(CLOUDS, fp.Hebb()), 2.0).cosine, rel=1e-14)
    assert found.excess == pytest.approx(0.0, abs=1e-14)
    attractive = best(CLOUDS, fp.Gibbs("spherical", 1.0, 1.0, energy="hinge"), attractive=True)
    assert attractive.distance == attractive.typical_distance == pytest.approx(0.2462, abs=5e-5)
    assert attractive.cosine == pytest.approx(0.7887, abs=5e-5) and not attractive.at_limit


def test_solutions_end_at_the_analytic_centre():
    found = best(CLOUDS, fp.Gibbs("spherical"))
    assert found.at_limit and found.cosine == pytest.approx(0.706128, abs=5e-7)


def test_binary_weights_may_be_best_inside():
    found = best(CLOUDS, fp.Gibbs("binary", 1.0, 1.0, energy="hinge"))
    assert found.cosine == pytest.approx(0.833267, abs=5e-7) and found.distance == pytest.approx(0.2475, abs=5e-5)
    assert found.bayes_error == pytest.approx(fp.bayes_error(CLOUDS, 2.0, "binary"), rel=1e-12)


def test_few_replicas_stay_within_the_typical_distance():
    found = best(CLOUDS, fp.Gibbs("spherical", 1.0, 1.0, energy="hinge"), y=4.0)
    assert found.distance == found.typical_distance and not found.at_limit


@pytest.mark.parametrize("labels", [Labels(MIXTURE, 0.0, 1.0), Labels(TEACHER, 0.0, 1.0)], ids=["mixture", "teacher"])
def test_the_analytic_centre_against_a_plain_sum(labels):
    """The two equations, by a fine trapezoid."""
    alpha, cosine = 1.2, analytic_centre(labels, 1.2)
    z = np.linspace(-9.0, 9.0, 40001)
    g = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) * (z[1] - z[0])
    if labels.kind == MIXTURE:
        omega, weight, push = cosine + z, g, g
    else:
        from scipy.special import ndtr

        k = cosine / math.sqrt(1.0 - cosine**2)
        omega, weight = z, 2.0 * g * ndtr(k * z)
        push = math.sqrt(1.0 + k * k) * 2.0 * g * np.exp(-0.5 * (k * z) ** 2) / math.sqrt(2.0 * math.pi)
    s = 1.0
    for _ in range(200):  # the overlap's equation for s at this cosine, then that of the norm
        move = 0.5 * (np.sqrt(omega * omega + 4.0 * s) - omega)
        s *= (cosine / (alpha * (push @ move))) ** 1.5
    assert alpha * (weight @ move**2) == pytest.approx(1.0 - cosine**2, rel=1e-9)


def test_hebbs_cosine_is_that_of_the_rule():
    for data, labels in ((fp.GaussianMixture(2.0), Labels(MIXTURE, 0.0, 2.0)), (fp.Teacher(0.1), Labels(TEACHER, 0.1, 1.0))):
        assert hebb_cosine(labels, 3.0) == pytest.approx(fp.solve(fp.Model(data, fp.Hebb()), 3.0).cosine, rel=1e-14)


HINGE = fp.Gibbs("spherical", 1.0, 1.0, energy="hinge")


@pytest.mark.parametrize(
    ("data", "learner", "options", "error", "says"),
    [
        (fp.RandomLabels(), HINGE, {}, InvalidInput, "RandomLabels"),
        (fp.GaussianMixture(1.0, 0.3), HINGE, {}, InvalidInput, "positive must be 0.5 for flattest, got 0.3"),
        (CLOUDS, fp.Hebb(), {}, InvalidInput, "needs a Gibbs learner"),
        (CLOUDS, HINGE, {"y": 1.0}, InvalidInput, "y must be a number > 1"),
        (CLOUDS, HINGE, {"y": 0.5}, InvalidInput, "y must be a number > 1"),
        (CLOUDS, HINGE, {"attractive": 2}, InvalidInput, "attractive must be"),
        (CLOUDS, fp.Gibbs("spherical"), {"alpha": 3.9}, Unsatisfiable, "ground_state"),
        (CLOUDS, fp.Gibbs("spherical", energy="logistic"), {}, Unsatisfiable, "ground_state"),
        (fp.Teacher(), fp.Gibbs("spherical", 0.5, 1.0, energy="hinge"), {"y": 3.0}, NoSolution, "the closer the replicas"),
    ],
)
def test_what_has_no_best_distance_is_refused(data, learner, options, error, says):
    with pytest.raises(error, match=says):
        best(data, learner, **{"alpha": 2.0} | options)
