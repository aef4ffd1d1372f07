"""Trained samples against the theory: inside the error bars for the right parameters, far outside for wrong ones.

Fixed seeds.  `FALSE_ALARM` bounds the probability that a test with another seed would fail by chance:
the mean over instances is compared with Student's t at FALSE_ALARM divided by the number of comparisons.
Corrections of order 1/N stay well inside the error bars at the sizes and numbers of instances used.
"""

import numpy as np
import pytest
from scipy import stats

import flatphys as fp
from flatphys.finite_size import trained as finite

FALSE_ALARM = 1e-4
AT, SIGMA = [-0.5, 0.0, 0.5, 0.95, 1.6, 2.5], [0.3, 1.0]


def scores(run, state):
    """z-score of everything that both the run and the theory know."""
    law = fp.margins(state)
    theory = {
        "m": state.m,
        "q": state.order.get("q", 1.0),
        "b": state.b,
        "cosine": state.cosine,
        "train_error": state.train_error,
        "train_loss": state.train_loss,
        "generalization_error": state.generalization_error,
        "margin_mean": law.mean,
        "margin_variance": law.variance,
        "margins_cdf": law.cdf(run.at),
        "local_energy": fp.local_energy(state, sigma=run.sigma),
        "V": state.order.get("V"),
    }
    if "relative_flatness" in run.estimates:
        theory["relative_flatness"] = fp.relative_flatness(state)
    if "susceptibility" in run.estimates:  # (1/N) Tr G^2 = V^2/replicon: what the replicon means
        theory["susceptibility"] = state.V**2 / state.at_eigenvalue
    return {k: np.atleast_1d(run.estimates[k].z(v)) for k, v in theory.items() if k in run.estimates and v is not None}


def limit(run, comparisons):
    return stats.t.ppf(1.0 - FALSE_ALARM / (2 * comparisons), run.instances - 1)


def assert_agrees(run, state):
    z = scores(run, state)
    bound = limit(run, sum(v.size for v in z.values()))
    assert {k: v for k, v in z.items() if np.any(np.abs(v) > bound)} == {}


UNBALANCED = fp.GaussianMixture(0.5, 0.2)


@pytest.mark.parametrize(
    "data, learner, alpha",
    [
        (UNBALANCED, fp.ERM("logistic", 0.1, True), 2.0),
        (UNBALANCED, fp.ERM("square", 0.1, True), 2.0),
        (UNBALANCED, fp.ERM("squared-hinge", 0.1, True), 2.0),
        (UNBALANCED, fp.MaxMargin(bias=True), 1.0),
        (UNBALANCED, fp.Hebb(bias=True), 1.0),
        (UNBALANCED, fp.Bayes(), 1.0),
        (UNBALANCED, fp.ERM("square", 0.0, True), 0.5),
        (fp.Teacher(0.1), fp.ERM("logistic", 0.1), 2.0),
        (fp.Teacher(0.1), fp.ERM("hinge", 0.5), 2.0),
        (fp.Teacher(0.1), fp.Hebb(), 1.0),
    ],
    ids=repr,
)
def test_samples_of_moderate_size_agree_with_the_theory(data, learner, alpha):
    model = fp.Model(data, learner)
    run = finite.train(model, 200, alpha, instances=16, seed=11, sigma=SIGMA, at=AT)
    assert_agrees(run, fp.solve(model, run.alpha))


def test_a_bias_of_the_wrong_sign_a_wrong_loss_or_a_wrong_load_are_found_out():
    model = fp.Model(UNBALANCED, fp.ERM("logistic", 0.1, True))
    run = finite.train(model, 200, 2.0, instances=16, seed=11, sigma=SIGMA, at=AT)
    mirrored = fp.solve(fp.Model(fp.GaussianMixture(0.5, 0.8), model.learner), run.alpha)
    assert np.abs(scores(run, mirrored)["b"]) > 3 * limit(run, 30)
    for wrong in (fp.ERM("square", 0.1, True), fp.ERM("logistic", 0.2, True), fp.ERM("logistic", 0.1, False)):
        z = scores(run, fp.solve(fp.Model(UNBALANCED, wrong), run.alpha))
        assert max(np.abs(v).max() for v in z.values()) > limit(run, 30)


@pytest.mark.long
@pytest.mark.parametrize("loss", ["logistic", "square"])
def test_an_unbalanced_mixture_with_a_bias_at_n_1000_agrees_with_the_theory(loss):
    model = fp.Model(fp.GaussianMixture(1.0, 0.2), fp.ERM(loss, 0.1, True))
    run = finite.train(model, 1000, 2.0, instances=12, seed=7, sigma=SIGMA, at=AT)
    assert_agrees(run, fp.solve(model, run.alpha))


@pytest.mark.long
def test_the_hinge_loss_with_a_bias_agrees_and_gives_up_a_noisy_minority():
    model = fp.Model(UNBALANCED, fp.ERM("hinge", 0.3, True))
    run = finite.train(model, 150, 2.0, instances=10, seed=3, sigma=SIGMA, at=AT)
    assert_agrees(run, fp.solve(model, run.alpha))
    noisy = fp.Model(fp.GaussianMixture(9.0, 0.8), fp.ERM("hinge", 0.05, True))
    lost = finite.train(noisy, 60, 20.0, instances=3, seed=1)  # the theory's limit is alpha = 8.3
    assert lost.q.mean < 1e-3 and lost.b.mean == pytest.approx(1.0, abs=1e-2)
    with pytest.raises(fp.errors.NoSolution):
        fp.solve(noisy, lost.alpha)


def test_runs_are_reproducible_and_name_bad_input():
    model = fp.Model(fp.Teacher(), fp.Hebb())
    one, two = (finite.train(model, 50, 1.0, instances=3, seed=5) for _ in range(2))
    assert one.m.mean == two.m.mean and "m" in repr(one)
    with pytest.raises(fp.errors.InvalidInput, match="instances"):
        finite.train(model, 50, 1.0, instances=1)
    with pytest.raises(fp.errors.InvalidInput, match="alpha"):
        finite.train(model, 50, -1.0)
    with pytest.raises(AttributeError, match="measured"):
        one.charm
