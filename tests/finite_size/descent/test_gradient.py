"""Forces are slopes of the objective, along the sphere where there is one; curvatures bound them; what has no slope is refused."""

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput
from flatphys.finite_size.descent.gradient import Landscape

SPHERES = [fp.Gibbs("spherical", -0.2, energy=energy) for energy in ("hinge", "squared-hinge", "square", "errors")]
COMMITTEES = [fp.Gibbs("spherical", 0.1, energy=e, network=fp.TreeCommittee(a)) for e, a in (("square", "erf"), ("squared-hinge", "relu"))]


def landscape(learner, data=None):
    data = data or (fp.GaussianMixture(0.5) if isinstance(learner, fp.ERM) else fp.RandomLabels())
    instances = fp.make_instances(fp.Model(data, learner), 15, 1.4, seed=2, hidden=3 if learner in COMMITTEES else None)
    land = Landscape(instances, 0, 0.05, 1.5)
    if land.counted:
        land.widen(0.8)
    return land


@pytest.mark.parametrize("learner", [fp.ERM("logistic", 0.3), fp.ERM(fp.smoothed("hinge", 0.4), 0.3), *SPHERES, *COMMITTEES], ids=repr)
def test_the_force_is_minus_the_slope_of_the_objective(learner):
    land, rng = landscape(learner), np.random.default_rng(5)
    w = rng.standard_normal(15)
    land.settle(w)
    force, h = np.empty(15), 1e-6
    land.force(w, force)
    for direction in rng.standard_normal((4, 15)):
        if not land.free:  # along the sphere
            units, ways = w.reshape(land.units, -1), direction.reshape(land.units, -1)
            ways -= units * (np.sum(units * ways, axis=1) / np.sum(units * units, axis=1))[:, None]
        slope = (land.value(w + h * direction)[0] - land.value(w - h * direction)[0]) * land.n / (2.0 * h)
        assert force @ direction == pytest.approx(-slope, rel=2e-6, abs=1e-6)


@pytest.mark.parametrize("learner", [fp.ERM("square", 0.0), *COMMITTEES], ids=repr)
def test_the_stretch_is_the_largest_eigenvalue_of_the_slopes_of_stabilities(learner):
    land, w, h = landscape(learner), np.random.default_rng(1).standard_normal(15), 1e-6
    stabilities = fp.make_instances(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")), 15, 1.4, seed=2)
    if learner in COMMITTEES:
        stabilities = fp.make_instances(fp.Model(fp.RandomLabels(), learner), 15, 1.4, seed=2, hidden=3)
    else:
        stabilities = fp.make_instances(fp.Model(fp.GaussianMixture(0.5), learner), 15, 1.4, seed=2)
    rows = np.array([w + h * unit for unit in np.eye(15)] + [w - h * unit for unit in np.eye(15)])
    t = stabilities.stabilities(rows[None])[0]
    jacobian = (t[:15] - t[15:]) / (2.0 * h)
    largest = np.linalg.eigvalsh(jacobian @ jacobian.T)[-1]
    assert 0.9 * largest < land.stretch(w) < 1.2 * largest


def test_a_batch_has_its_share_of_the_force():
    land, w = landscape(fp.ERM("logistic", 0.3)), np.random.default_rng(3).standard_normal(15)
    whole, part, total = np.empty(15), np.empty(15), np.zeros(15)
    land.force(w, whole)
    for chosen in np.array_split(np.random.default_rng(1).permutation(land.p), 4):
        land.force(w, part, chosen)
        total += part
    np.testing.assert_allclose(total, whole, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    "learner, data, hidden",
    [
        (fp.Gibbs("binary"), fp.RandomLabels(), None),
        (fp.Gibbs("spherical", network=fp.TreeCommittee("sign")), fp.RandomLabels(), 3),
        (fp.ERM("logistic", bias=True), fp.GaussianMixture(0.5, 0.3), None),
        (fp.Bayes(), fp.Teacher(), None),
    ],
)
@pytest.mark.parametrize("algorithm", [fp.GradientDescent(), fp.EntropySGD()], ids=repr)
def test_what_cannot_be_descended_is_refused_before_any_work(learner, data, hidden, algorithm):
    instances = fp.make_instances(fp.Model(data, learner), 15, 1.0, hidden=hidden)
    with pytest.raises(InvalidInput, match="GradientDescent|EntropySGD"):
        fp.find(instances, algorithm, progress=False)
