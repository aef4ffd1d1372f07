"""Learners at zero temperature: reference values, identities of the saddle point, limits, refusals.

`tests/data/erm.jsonl` holds values of the same equations from an independent implementation in interval arithmetic, or with two
different quadratures.
"""

import json
import math
import pathlib

import numpy as np
import pytest
from scipy import stats

import flatphys as fp
from flatphys.kernels.losses import CODES, point
from flatphys.saddle.minimiser import path
from flatphys.saddle.minimiser.collapse import collapse_load
from flatphys.saddle.minimiser.states import solve_erm_path

RECORDS = [json.loads(line) for line in (pathlib.Path(__file__).parents[2] / "data" / "erm.jsonl").read_text().splitlines()]
IGNORED = {"objective_per_dim", "generalization_error_noisy", "mean_second_derivative", "support_fraction", "excess_over_bayes"}


def model_of(record):
    p = record["params"]
    data = fp.Teacher(p.get("flip", 0.0)) if record["data"] == "teacher" else fp.GaussianMixture(p["variance"], p["positive"])
    bias = p.get("bias") == "optimised"
    kind = record["objective"]
    if kind == "erm":
        return fp.Model(data, fp.ERM(p["loss"], p.get("l2", 1.0), bias))
    return fp.Model(data, {"max_margin": fp.MaxMargin, "hebb": fp.Hebb}[kind](bias) if kind != "bayes" else fp.Bayes())


def answers(record):
    """name -> number, for everything in `expected` that flatphys has a name for."""
    model, alpha, query, at = model_of(record), record["params"].get("alpha"), record["query"], record["at"]
    if query == "threshold":
        return {"alpha_c": fp.separability_threshold(model.data, bias=model.learner.bias)}
    if query == "optimal_l2":
        best = fp.optimal_l2(model, alpha)
        state = fp.solve(fp.Model(model.data, fp.ERM(record["params"]["loss"], best, model.learner.bias)), alpha)
        return {k: best if k == "l2_opt" else getattr(state, k) for k in record["expected"]}
    state = fp.solve(model, alpha)
    if query == "local_energy":
        return {"local_energy": fp.local_energy(state, sigma=at["sigma"])}
    if query == "relative_flatness":
        return {"relative_flatness": fp.relative_flatness(state)}
    if query in ("margin_moments", "margin_cdf"):
        law = fp.margins(state)
        if query == "margin_moments":
            other = {"normalised_mean": law.normalised().mean, "normalised_variance": law.normalised().variance}
            return {k: other[k] if k in other else getattr(law, k) for k in record["expected"] if k != "excess_kurtosis"}
        law = law.normalised() if at.get("normalised") else law
        atoms = dict(law.atoms)
        out = {}
        for name in record["expected"]:
            what, place = name[:-1].split("(")
            x = float(place)
            out[name] = {"cdf": law.cdf(x), "cdf_left": law.cdf(x) - atoms.get(x, 0.0), "atom": atoms.get(x, 0.0)}[what]
        return out
    known = {
        "kappa_max": lambda: state.margin,
        "b_over_norm": lambda: state.b / math.sqrt(state.q),
        "bayes_error": lambda: state.generalization_error,
    }
    return {k: known[k]() if k in known else getattr(state, k) for k in record["expected"] if k not in IGNORED}


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r["id"])
def test_reference_values(record):
    if record["status"] == "unsat":
        with pytest.raises(fp.errors.Unsatisfiable, match="separability threshold"):
            answers(record)
        return
    tolerance = record["tolerance"]
    for name, value in answers(record).items():
        assert value == pytest.approx(record["expected"][name], rel=tolerance["rel"], abs=tolerance["abs"]), name


CASES = [
    (fp.GaussianMixture(0.4, 0.3), True, 2.0, 0.1),
    (fp.GaussianMixture(1.0, 0.5), False, 0.7, 1e-3),
    (fp.GaussianMixture(3.0, 0.1), True, 5.0, 1.0),
    (fp.Teacher(0.0), False, 3.0, 1e-2),
    (fp.Teacher(0.2), False, 1.5, 0.3),
]


@pytest.mark.parametrize("loss", sorted(CODES))
@pytest.mark.parametrize("data, bias, alpha, l2", CASES)
def test_the_norm_balances_the_forces_and_the_objective_has_the_slope_q_over_2(loss, data, bias, alpha, l2):
    def objective(s):
        return alpha * s.train_loss + 0.5 * s.model.learner.l2 * s.q

    states = {f: fp.solve(fp.Model(data, fp.ERM(loss, l2 * f, bias)), alpha) for f in (1.0, 1.001, 0.999)}
    state = states[1.0]
    slope = (objective(states[1.001]) - objective(states[0.999])) / (0.002 * l2)
    assert slope == pytest.approx(0.5 * state.q, rel=1e-6)
    if loss != "hinge":  # l2 q = -alpha E[t l'(t)]: the bias adds a force that averages to 0
        moment = fp.margins(state).expect(lambda t: np.array([x * point(CODES[loss], x)[1] for x in t]))
        assert l2 * state.q == pytest.approx(-alpha * moment, rel=1e-9)


@pytest.mark.parametrize("loss", sorted(CODES))
@pytest.mark.parametrize("data, bias, alpha, l2", CASES)
def test_a_convex_loss_is_stable_and_its_replicon_exceeds_l2_times_v(loss, data, bias, alpha, l2):
    state = fp.solve(fp.Model(data, fp.ERM(loss, l2, bias)), alpha)
    assert state.at_eigenvalue >= l2 * state.V * (1.0 - 1e-12) and state.stable
    if loss == "hinge":  # the response is 0 or complete
        assert state.at_eigenvalue == pytest.approx(l2 * state.V, rel=1e-12)
    assert state.residual < 1e-12 and state.quadrature_error < 1e-11


def test_every_point_of_a_wide_grid_is_solved_or_refused_with_a_reason():
    solved = 0
    rng = np.random.default_rng(5)
    for _ in range(400):
        loss = rng.choice(sorted(CODES))
        mixture = rng.random() < 0.7
        data = (
            fp.GaussianMixture(10 ** rng.uniform(-1.5, 1.5), rng.choice([0.5, 0.2, 0.9])) if mixture else fp.Teacher(rng.choice([0.0, 0.1]))
        )
        l2 = 0.0 if rng.random() < 0.15 else 10 ** rng.uniform(-8, 6)
        bias = bool(mixture and rng.random() < 0.6)
        alpha = 10 ** rng.uniform(-1.5, 2)
        try:
            state = fp.solve(fp.Model(data, fp.ERM(str(loss), l2, bias)), alpha)
        except fp.errors.NoSolution:
            continue
        solved += 1
        assert state.residual < 1e-11 and abs(state.cosine) < 1.0
        assert 0.0 <= state.train_error <= 1.0 and state.train_loss >= 0.0
    assert solved > 330


@pytest.mark.parametrize("alpha", [0.7, 1.5])
def test_weak_regularisation_of_separable_data_grows_logarithmically_and_tends_to_the_largest_margin(alpha):
    data = fp.GaussianMixture(0.5, 0.3)
    limit = fp.solve(fp.Model(data, fp.MaxMargin(bias=True)), alpha)
    cosines = [fp.solve(fp.Model(data, fp.ERM("logistic", l2, True)), alpha).cosine for l2 in (1e-4, 1e-6, 1e-8)]
    gaps = [abs(c - limit.cosine) for c in cosines]
    assert gaps[0] > gaps[1] > gaps[2] and gaps[2] < 0.02


@pytest.mark.parametrize("data, bias", [(fp.GaussianMixture(0.5, 0.3), True), (fp.GaussianMixture(1.0, 0.5), False)])
@pytest.mark.parametrize("loss", ["hinge", "squared-hinge"])
def test_without_regularisation_margin_losses_find_the_largest_margin(loss, data, bias):
    fit = fp.solve(fp.Model(data, fp.ERM(loss, 0.0, bias)), 0.8)
    best = fp.solve(fp.Model(data, fp.MaxMargin(bias)), 0.8)
    assert 1.0 / math.sqrt(fit.q) == pytest.approx(best.margin, rel=1e-12)
    assert (fit.cosine, fit.generalization_error) == pytest.approx((best.cosine, best.generalization_error), rel=1e-11)
    assert fit.at_eigenvalue == pytest.approx(best.at_eigenvalue, rel=1e-11)
    assert fit.V == math.inf and fit.train_error == fit.train_loss == 0.0


def test_without_regularisation_the_square_loss_takes_the_smallest_norm_below_alpha_1():
    for data, bias in ((fp.GaussianMixture(0.5, 0.3), True), (fp.Teacher(0.1), False)):
        exact = fp.solve(fp.Model(data, fp.ERM("square", 0.0, bias)), 0.6)
        near = fp.solve(fp.Model(data, fp.ERM("square", 1e-8, bias)), 0.6)
        assert exact.V == math.inf and exact.train_loss == 0.0
        assert (exact.m, exact.q, exact.cosine) == pytest.approx((near.m, near.q, near.cosine), rel=1e-6)
        beyond = fp.solve(fp.Model(data, fp.ERM("square", 0.0, bias)), 1.6)
        assert beyond.V == pytest.approx(1.0 / (getattr(data, "variance", 1.0) * 0.6), rel=1e-12)  # 1/(D (alpha-1))
    with pytest.raises(fp.errors.NoSolution, match="alpha = 1"):
        fp.solve(fp.Model(fp.Teacher(), fp.ERM("square", 0.0)), 1.0)


def test_without_regularisation_the_logistic_loss_exists_above_the_separability_threshold_only():
    data = fp.Teacher(0.1)
    threshold = fp.separability_threshold(data)
    exact = fp.solve(fp.Model(data, fp.ERM("logistic", 0.0)), 1.2 * threshold)
    near = fp.solve(fp.Model(data, fp.ERM("logistic", 1e-9)), 1.2 * threshold)
    assert (exact.m, exact.q, exact.V) == pytest.approx((near.m, near.q, near.V), rel=1e-6)
    with pytest.raises(fp.errors.NoSolution, match="separability threshold alpha = 2.99"):
        fp.solve(fp.Model(data, fp.ERM("logistic", 0.0)), 0.9 * threshold)


def test_strong_regularisation_gives_hebbs_rule():
    for data in (fp.GaussianMixture(0.7), fp.Teacher(0.1)):
        strong = fp.solve(fp.Model(data, fp.ERM("logistic", 1e6)), 2.0)
        hebb = fp.solve(fp.Model(data, fp.Hebb()), 2.0)
        assert strong.cosine == pytest.approx(hebb.cosine, rel=1e-5)
        assert strong.generalization_error == pytest.approx(hebb.generalization_error, rel=1e-5)


def test_exchanging_the_classes_changes_the_sign_of_the_bias_only():
    for loss in sorted(CODES):
        one = fp.solve(fp.Model(fp.GaussianMixture(0.8, 0.15), fp.ERM(loss, 0.2, True)), 2.0)
        two = fp.solve(fp.Model(fp.GaussianMixture(0.8, 0.85), fp.ERM(loss, 0.2, True)), 2.0)
        assert (two.m, two.q, two.V, -two.b) == pytest.approx((one.m, one.q, one.V, one.b), rel=1e-11)
        assert one.b < 0.0  # towards the larger class


def test_bayes_is_the_best_of_all_rules_and_hebb_with_a_bias_equals_it():
    data = fp.GaussianMixture(1.2, 0.3)
    best = fp.bayes_error(data, 1.7)
    assert fp.solve(fp.Model(data, fp.Bayes()), 1.7).generalization_error == best
    assert fp.solve(fp.Model(data, fp.Hebb(bias=True)), 1.7).generalization_error == pytest.approx(best, rel=1e-14)
    for loss in sorted(CODES):
        assert fp.solve(fp.Model(data, fp.ERM(loss, 0.5, True)), 1.7).generalization_error > best


@pytest.mark.parametrize("alpha", [0.4, 1.0, 6.0])
def test_the_best_ridge_for_a_teacher_is_pi_half_minus_1_at_every_load(alpha):
    assert fp.optimal_l2(fp.Model(fp.Teacher(), fp.ERM("square")), alpha) == pytest.approx(math.pi / 2 - 1, rel=1e-8)


@pytest.mark.parametrize("loss", sorted(CODES))
def test_on_a_balanced_mixture_more_regularisation_is_always_better(loss):
    assert fp.optimal_l2(fp.Model(fp.GaussianMixture(0.6), fp.ERM(loss, bias=True)), 2.0) == math.inf


@pytest.mark.parametrize("loss", ["logistic", "square"])
@pytest.mark.parametrize("variance, positive", [(10.0, 0.1), (10.0, 0.2), (10.0, 0.98), (30.0, 0.3), (3.0, 0.4999)])
def test_on_unbalanced_broad_clouds_the_best_l2_is_finite_however_flat_the_error_is_there(loss, variance, positive):
    """The error rises from below to that of the constant rule (docstring of thresholds.optimal): what is gained over that rule, the
    difference of two tails, is largest at the best l2.  Compared as logarithms, without cancellation."""
    model = fp.Model(fp.GaussianMixture(variance, positive), fp.ERM(loss, bias=True))
    best = fp.optimal_l2(model, 2.0)
    assert 0.0 < best < 1e6

    def log_gain(l2):
        """log of (share of the minority - error), -inf where the constant rule is better."""
        state = fp.solve(fp.Model(model.data, fp.ERM(loss, l2, True)), 2.0)
        sigma, b = math.sqrt(variance * state.q), abs(state.b)
        minority = min(positive, 1.0 - positive)
        won, lost = (math.log(share) + stats.norm.logsf(x / sigma) for share, x in ((minority, b - state.m), (1.0 - minority, b + state.m)))
        return won + math.log1p(-math.exp(lost - won)) if lost < won else -math.inf

    here = log_gain(best)
    assert here > -math.inf
    for factor in (0.5, 0.9, 0.97, 1.03, 1.1, 2.0, 100.0):
        assert log_gain(factor * best) < here


def test_the_best_l2_of_clouds_of_variance_10_lies_between_20_and_25():
    """Where the slope is 1e-11 of its largest: infinity had been returned."""
    for positive in (0.1, 0.3, 0.9):
        assert 20.0 < fp.optimal_l2(fp.Model(fp.GaussianMixture(10.0, positive), fp.ERM("logistic", bias=True)), 2.0) < 25.0


def test_so_noisy_a_minority_is_given_up_by_the_hinge_loss():
    data = fp.GaussianMixture(9.0, 0.8)
    limit = collapse_load(9.0, 0.8)  # 8.32; tests/test_finite.py looks at samples
    norms = [fp.solve(fp.Model(data, fp.ERM("hinge", 10.0, True)), limit * (1.0 - gap)).q for gap in (1e-2, 1e-3, 1e-4)]
    assert norms[0] > 50 * norms[1] > 2500 * norms[2]  # |w| falls linearly
    for l2 in (1e-3, 1.0, 1e3):
        with pytest.raises(fp.errors.NoSolution, match="w = 0"):
            fp.solve(fp.Model(data, fp.ERM("hinge", l2, True)), limit * 1.001)


def test_a_path_gives_the_same_states_as_single_points():
    model = fp.Model(fp.GaussianMixture(0.5, 0.3), fp.ERM("logistic", 0.1, True))
    alphas = np.linspace(0.5, 4.0, 15)
    for along in ({"alpha": alphas}, {"alpha": 2.0, "l2": np.logspace(-6, 2, 15)}):
        for state in solve_erm_path(model, **along):
            alone = fp.solve(state.model, state.alpha)
            assert (state.m, state.q, state.V, state.b) == pytest.approx((alone.m, alone.q, alone.V, alone.b), rel=1e-11)


def test_all_built_in_losses_share_one_compiled_signature():
    for loss in CODES:
        fp.solve(fp.Model(fp.Teacher(0.1), fp.ERM(loss, 0.1)), 1.0)
        fp.solve(fp.Model(fp.GaussianMixture(), fp.ERM(loss, 0.1, True)), 1.0)
    assert len(path.solve_point.signatures) == 1


def test_hyphen_and_underscore_spell_the_same_loss():
    one, two = fp.ERM("squared_hinge", 0.1), fp.ERM("squared-hinge", 0.1)
    assert one == two and hash(one) == hash(two) and repr(one) == repr(two)
    with pytest.raises(fp.errors.InvalidInput, match="'square', 'logistic', 'hinge', 'squared-hinge', got 'squared hing'; did you mean"):
        fp.ERM("squared hing")


def test_bad_input_is_named():
    with pytest.raises(fp.errors.InvalidInput, match="did you mean 'logistic'"):
        fp.ERM("logistik")
    for build in (
        lambda: fp.ERM("square", l2=-1.0),
        lambda: fp.ERM("square", l2=math.inf),
        lambda: fp.ERM("square", bias=1),
        lambda: fp.GaussianMixture(variance=0.0),
        lambda: fp.GaussianMixture(positive=1.0),
        lambda: fp.Hebb(bias="yes"),
    ):
        with pytest.raises(fp.errors.InvalidInput):
            build()
    with pytest.raises(fp.errors.InvalidInput, match="hinge"):
        fp.relative_flatness(fp.solve(fp.Model(fp.Teacher(0.1), fp.ERM("hinge", 0.1)), 1.0))
