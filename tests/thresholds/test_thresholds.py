"""Capacities, stability lines and transitions: pinned values, their definitions, and what everyone knows."""

import json
import math
import pathlib
import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import flatphys as fp
from flatphys.errors import InvalidInput, NoSolution, NotConverged, ReplicaSymmetryWarning
from flatphys.thresholds import freezing

RECORDS = [json.loads(line) for line in (pathlib.Path(__file__).parents[1] / "data" / "thresholds.jsonl").read_text().splitlines()]


def binary(margin=0.0, beta=math.inf, data=None):
    return fp.Model(data or fp.RandomLabels(), fp.Gibbs("binary", margin, beta))


def spherical(margin=0.0, beta=math.inf, data=None):
    return fp.Model(data or fp.RandomLabels(), fp.Gibbs("spherical", margin, beta))


def quiet_solve(model, alpha):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fp.solve(model, alpha)


def agree(got, want, tolerance):
    return got == pytest.approx(want, rel=tolerance["rel"], abs=tolerance["abs"])


@pytest.mark.parametrize(
    "record", [r for r in RECORDS if not {"alpha_c_1rsb", "breaking_ratio"} & set(r["expected"])], ids=lambda r: r["id"]
)
def test_reference_value(record):
    """Values from an independent derivation in multiprecision (project reference table `thresholds`), with the saddle point there."""
    p, want, tolerance = record["params"], dict(record["expected"]), record["tolerance"]
    data = fp.RandomLabels() if record["data"] == "random_labels" else fp.Teacher()
    model = fp.Model(data, fp.Gibbs(record["weights"], p.get("margin", 0.0)))
    state = None
    if "alpha_c" in want:
        alpha = fp.capacity(model)
        assert agree(alpha, want.pop("alpha_c"), tolerance)
        state = quiet_solve(model, alpha) if want else None
    elif "kappa_max" in want:
        margin = fp.max_margin(model, p["alpha"])
        assert agree(margin, want.pop("kappa_max"), tolerance)
        state = quiet_solve(fp.Model(data, fp.Gibbs(record["weights"], margin)), p["alpha"]) if want else None
    elif "alpha_AT" in want:
        alpha = fp.at_line(model)
        assert agree(alpha, want.pop("alpha_AT"), tolerance)
        state = quiet_solve(model, alpha)
    elif "beta_c" in want:
        beta = fp.freezing_beta(model, p["alpha"])
        assert agree(beta, want.pop("beta_c"), tolerance)
        state = quiet_solve(binary(beta=beta), p["alpha"])
    else:  # the spinodal's saddle point, flat to the square root of the precision
        state = fp.first_order_transition(model).at_spinodal
    for name, value in want.items():
        assert agree(getattr(state, name), value, tolerance), name


# --- what everyone knows -----------------------------------------------------


def test_known_values():
    """Krauth & Mezard 1989; Gardner 1988; Gyorgyi 1990; Seung, Sompolinsky & Tishby 1992."""
    assert fp.capacity(binary()) == pytest.approx(0.8330786, abs=5e-8)
    assert quiet_solve(binary(), fp.capacity(binary())).q == pytest.approx(0.5639491, abs=5e-8)
    assert fp.capacity(spherical()) == pytest.approx(2.0, rel=1e-15)
    transition = fp.first_order_transition(binary(data=fp.Teacher()))
    assert transition.transition == pytest.approx(1.2446840, abs=5e-8)
    assert transition.spinodal == pytest.approx(1.4926318, abs=5e-8)
    assert transition.lower_spinodal == 0.0
    assert fp.capacity(binary(data=fp.Teacher())) == fp.capacity(spherical(data=fp.Teacher())) == math.inf


# --- definitions ------------------------------------------------------------------------------------


@settings(max_examples=12)
@given(st.floats(-1.5, 1.0))
def test_the_binary_entropy_vanishes_at_capacity_and_the_margin_inverts_it(kappa):
    alpha = fp.capacity(binary(kappa))
    assert abs(quiet_solve(binary(kappa), alpha).entropy) < 1e-12
    assert quiet_solve(binary(kappa), 0.99 * alpha).entropy > 0.0 > quiet_solve(binary(kappa), 1.01 * alpha).entropy
    assert fp.max_margin(binary(), alpha) == pytest.approx(kappa, abs=1e-9)


@settings(max_examples=20)
@given(st.floats(-2.0, 3.0))
def test_the_spherical_margin_inverts_the_capacity(kappa):
    assert fp.max_margin(spherical(), fp.capacity(spherical(kappa))) == pytest.approx(kappa, abs=1e-11)


def test_capacities_fall_with_the_margin_and_binary_weights_hold_less():
    margins = np.linspace(-1.5, 1.5, 13)
    both = np.array([[fp.capacity(kind(k)) for k in margins] for kind in (binary, spherical)])
    assert (np.diff(both, axis=1) < 0.0).all() and (both[0] < both[1]).all()


@pytest.mark.parametrize(
    "model",
    [
        spherical(-0.3),
        spherical(-1.0),
        spherical(-2.0),
        binary(),
        binary(-1.0),
        spherical(0.0, 5.0),
        spherical(0.5, 3.0),
        binary(0.0, 6.0),
        spherical(0.0, 6.0, fp.Teacher(0.2)),
    ],
)
def test_the_replicon_vanishes_on_the_stability_line(model):
    """at_line against its definition: positive below, zero at, negative above."""
    alpha = fp.at_line(model)
    at, below, above = (quiet_solve(model, alpha * f) for f in (1.0, 0.99, 1.01))
    assert abs(at.at_eigenvalue) < 1e-10
    assert below.at_eigenvalue > 0.0 > above.at_eigenvalue
    with pytest.warns(ReplicaSymmetryWarning):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fp.errors.NegativeEntropyWarning)
            fp.solve(model, alpha * 1.01)


def test_the_spherical_stability_line_is_q_of_the_second_moments():
    """q E[g'^2] = E[g^2] there (docs/theory.md): the replicon and the saddle point combined."""
    model = spherical(-1.0)
    state = quiet_solve(model, fp.at_line(model))
    # alpha (1-q)^2 E[g'^2] = 1 and alpha E[g^2] = q/(1-q)^2
    assert state.q_hat * state.one_minus_q**2 == pytest.approx(state.q, rel=1e-12)
    assert state.at_eigenvalue == pytest.approx(0.0, abs=1e-11)


@pytest.mark.parametrize("model", [spherical(0.0), spherical(0.7), spherical(0.0, data=fp.Teacher())])
def test_spherical_weights_at_non_negative_margin_are_stable_up_to_capacity(model):
    with pytest.raises(NoSolution, match="replicon .* stays positive"):
        fp.at_line(model)


@pytest.mark.parametrize("alpha", [0.9, 1.5, 3.0, 8.0])
def test_binary_weights_freeze_where_the_entropy_vanishes(alpha):
    beta = fp.freezing_beta(binary(), alpha)
    assert abs(quiet_solve(binary(beta=beta), alpha).entropy) < 1e-12
    state = fp.ground_state(binary(), alpha)
    assert state.model.learner.beta == pytest.approx(beta, rel=1e-12)
    warmer = quiet_solve(binary(beta=0.9 * beta), alpha)
    assert state.train_error < warmer.train_error and warmer.entropy > 0.0
    assert fp.freezing_beta(binary(beta=3.0), alpha) == beta  # the learner's own temperature is not used


def test_the_freezing_beta_diverges_at_capacity():
    limit = fp.capacity(binary())
    betas = [fp.freezing_beta(binary(), limit * (1.0 + e)) for e in (0.3, 0.1, 0.03, 0.01)]
    assert (np.diff(betas) > 0.3).all()
    with pytest.raises(NoSolution, match="does not freeze"):
        fp.freezing_beta(binary(), 0.9 * limit)


def test_the_binary_ground_state_has_fewer_errors_than_the_spherical_bound_allows_none():
    """Spherical weights include the binary ones: their least fraction of errors is lower."""
    for alpha in (2.5, 4.0):
        with pytest.warns(ReplicaSymmetryWarning):
            low = fp.ground_state(spherical(), alpha).train_error
        assert low < fp.ground_state(binary(), alpha).train_error


@pytest.mark.parametrize("data, beta", [(fp.Teacher(), math.inf), (fp.Teacher(0.05), 2.0), (fp.Teacher(), 3.0)])
def test_both_branches_have_the_same_free_entropy_at_the_transition(data, beta):
    model = binary(0.0, beta, data)
    found = fp.first_order_transition(model)
    by_name = {s.branch: s for s in fp.branches(model, found.transition)}
    assert by_name["student"].free_entropy == pytest.approx(by_name["teacher"].free_entropy, abs=1e-11)
    assert found.at_transition.q == pytest.approx(by_name["student"].q, rel=1e-9)
    assert found.transition < found.spinodal
    assert fp.solve(model, found.transition * 0.999).branch == "student"
    assert fp.solve(model, found.transition * 1.001).branch == "teacher"


def test_the_spinodal_is_where_the_replicon_of_the_student_vanishes():
    """On the Nishimori line the loss of stability within the ansatz is the replicon's zero."""
    found = fp.first_order_transition(binary(data=fp.Teacher()))
    assert found.at_spinodal.at_eigenvalue == pytest.approx(0.0, abs=1e-6)
    assert found.at_spinodal.alpha == found.spinodal
    just_below = quiet_solve(binary(data=fp.Teacher()), found.transition)
    assert just_below.stable


def test_the_bayes_rule_jumps_where_its_gibbs_learner_does():
    gibbs, bayes = (fp.first_order_transition(fp.Model(fp.Teacher(), learner)) for learner in (fp.Gibbs("binary"), fp.Bayes("binary")))
    assert (gibbs.transition, gibbs.spinodal) == (bayes.transition, bayes.spinodal)
    assert "spinodal" in repr(gibbs) and "<table>" in gibbs._repr_html_()


def test_a_margin_with_a_teacher_is_limited():
    """Margin above 0 with a teacher: a finite capacity; the largest margin inverts it and falls to 0 past the transition."""
    model = binary(0.3, data=fp.Teacher())
    alpha = fp.capacity(model)
    assert fp.max_margin(model, alpha) == pytest.approx(0.3, abs=1e-9)
    assert fp.max_margin(model, 1.6) == 0.0


@pytest.mark.parametrize("weights", ["binary", "spherical"])
@pytest.mark.parametrize("flip", [0.0, 0.15])
def test_no_learner_errs_less_than_the_bayes_error(weights, flip):
    for alpha in (0.3, 1.0, 4.0):
        least = fp.bayes_error(fp.Teacher(flip), alpha, weights)
        assert 0.0 <= least < 0.5
        for beta in (0.5, 2.0):
            state = quiet_solve(fp.Model(fp.Teacher(flip), fp.Gibbs(weights, 0.0, beta)), alpha)
            if state.branch == "student" and least > 0.0:
                assert least <= state.bayes_error + 1e-12


# --- refusals ---------------------------------------------------------------------------------------


def test_questions_that_a_model_does_not_answer_are_refused_in_its_terms():
    with pytest.raises(InvalidInput, match="beta must be math.inf, got 2"):
        fp.capacity(binary(beta=2.0))
    with pytest.raises(InvalidInput, match="freezing_beta needs weights='binary'"):
        fp.freezing_beta(spherical(), 3.0)
    with pytest.raises(InvalidInput, match="at_line needs a Gibbs learner"):
        fp.at_line(fp.Model(fp.Teacher(), fp.Bayes()))
    with pytest.raises(InvalidInput, match="first_order_transition needs Teacher data"):
        fp.first_order_transition(binary())
    with pytest.raises(NoSolution, match="learns continuously"):
        fp.first_order_transition(spherical(data=fp.Teacher()))
    with pytest.raises(InvalidInput, match="alpha must be > 0.83307"):
        fp.ground_state(binary(), 0.8)
    with pytest.raises(InvalidInput, match="beta must be math.inf"):
        fp.ground_state(binary(beta=1.0), 2.0)
    with pytest.raises(InvalidInput, match="ansatz must be one of 'RS', '1RSB'"):
        fp.capacity(spherical(), ansatz="2RSB")


@pytest.mark.parametrize("function", [fp.max_margin, fp.freezing_beta, fp.ground_state])
@pytest.mark.parametrize("alpha", [0.0, -1.0, math.nan, math.inf, "half", True, None])
def test_a_bad_load_is_refused(function, alpha):
    with pytest.raises(InvalidInput, match="alpha must be a finite number > 0, got"):
        function(binary(), alpha)


@pytest.mark.parametrize("function", [fp.capacity, fp.at_line, fp.first_order_transition])
@pytest.mark.parametrize("model", [None, "binary", fp.Gibbs(), fp.Model])
def test_anything_but_a_model_is_refused(function, model):
    with pytest.raises(InvalidInput, match="model must be Model, got"):
        function(model)


# --- more than one branch -----------------------------------------------------------------------------


@pytest.mark.parametrize("flip, margin, branch", [(1e-6, -0.08, "teacher"), (1e-11, -0.06, "teacher"), (0.02, -0.2, "student")])
def test_the_capacity_is_that_of_the_last_branch_to_survive(flip, margin, branch):
    """With a few flipped labels and a negative margin weights next to the teacher remain when the student's have gone."""
    model = binary(margin, data=fp.Teacher(flip))
    alpha = fp.capacity(model)
    below, above = (quiet_solve(model, alpha * (1.0 + side)) for side in (-1e-4, 1e-4))
    assert below.branch == branch
    assert below.entropy > 0.0 > above.entropy


def test_the_capacity_with_a_few_flips_grows_without_bound_as_they_vanish():
    loads = [fp.capacity(binary(-0.07, data=fp.Teacher(flip))) for flip in (1e-4, 1e-6, 1e-8, 1e-10)]
    assert loads == sorted(loads) and loads[-1] > 1e3
    assert fp.capacity(binary(-0.07, data=fp.Teacher())) == math.inf


@pytest.mark.parametrize("kappa", [3e-10, 2e-7, 4e-4])
def test_the_largest_margin_inverts_the_capacity_next_to_the_transition(kappa):
    alpha = fp.capacity(binary(kappa, data=fp.Teacher()))
    assert fp.max_margin(binary(data=fp.Teacher()), alpha) == pytest.approx(kappa, rel=1e-4, abs=1e-14)


@pytest.mark.parametrize(
    "model",
    [
        spherical(-3.1),
        spherical(-3.8),
        binary(-3.4),
        binary(-3.3, beta=4.0),
        fp.Model(fp.RandomLabels(), fp.Gibbs("binary", 2e-5, 15.0, energy="square")),
        fp.Model(fp.RandomLabels(), fp.Gibbs("binary", 0.0, 15.0, energy="square")),
        binary(0.1, data=fp.Teacher(0.05)),
    ],
)
def test_the_dominant_state_is_stable_below_the_line_and_unstable_above(model):
    alpha = fp.at_line(model)
    assert all(quiet_solve(model, alpha * x).stable for x in (0.3, 0.8, 0.99, 0.9999))
    assert not quiet_solve(model, alpha * 1.0001).stable
    if model.learner.beta == math.inf and isinstance(model.data, fp.RandomLabels) and model.learner.weights == "spherical":
        assert alpha < fp.capacity(model)


def test_free_entropies_that_jump_past_each_other_have_no_transition():
    """Far below margin 0 the branch next to the teacher begins with the larger free entropy already: no load makes the two equal."""
    model = binary(-5.5, 0.474, fp.Teacher(0.4))
    with pytest.raises(NotConverged, match="jump past each other at alpha=6379025") as refusal:
        fp.first_order_transition(model)
    load = float(str(refusal.value).split("alpha=")[1].split(",")[0])
    below, above = (quiet_solve(model, load * (1.0 + side)) for side in (-1e-6, 1e-6))
    assert above.branch == "teacher" != below.branch
    assert above.free_entropy > below.free_entropy + 0.1


@pytest.mark.parametrize(
    "model, alpha",
    [(binary(data=fp.Teacher()), 0.0021), (binary(-0.004, data=fp.Teacher(3e-10)), 0.7), (binary(-3.0), 120.0), (binary(), 0.6)],
)
def test_below_capacity_nothing_freezes_and_one_look_at_zero_temperature_says_so(model, alpha, monkeypatch):
    looks = []
    solve = freezing._low_branch
    monkeypatch.setattr(freezing, "_low_branch", lambda *at: looks.append(at) or solve(*at))
    with pytest.raises(NoSolution, match="below its capacity the entropy of the ground state is positive"):
        fp.freezing_beta(model, alpha)
    assert len(looks) == 1


@pytest.mark.parametrize("alpha", [0.02, 0.2])
def test_the_square_freezes_at_any_load(alpha):
    """At margin 0 and small loads q = 0 and the entropy is log 2 - (alpha/2) [log(1 + beta) - beta/(1 + beta)]."""
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", energy="square"))
    beta = fp.freezing_beta(model, alpha)
    assert 0.5 * alpha * (math.log1p(beta) - beta / (1.0 + beta)) == pytest.approx(math.log(2.0), rel=1e-9)
    with pytest.raises(NotConverged, match="freezes at alpha=2e-05 only beyond beta"):
        fp.freezing_beta(model, 2e-5)


@pytest.mark.parametrize("alpha", [1e6, 1e12])
def test_random_labels_freeze_at_small_beta_where_the_load_is_large(alpha):
    """To second order in beta the errors are a random energy model with correlations: beta sqrt(alpha) tends to a constant."""
    assert fp.freezing_beta(binary(), alpha) * math.sqrt(alpha) == pytest.approx(3.209, abs=5e-3)
