"""The equilibrium of Gibbs and Bayes learners: pinned values, limits, identities, stationarity, and that nothing fails."""

import json
import math
import pathlib
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from scipy.special import log_ndtr, ndtr

import flatphys as fp
from flatphys.errors import FlatphysError, NegativeEntropyWarning, NoSolution, NotConverged, ReplicaSymmetryWarning, Unsatisfiable
from flatphys.problem import problem_of
from flatphys.saddle.equilibrium.curve import roots
from flatphys.saddle.equilibrium.states import state_at

RECORDS = [json.loads(line) for line in (pathlib.Path(__file__).parents[2] / "data" / "equilibrium.jsonl").read_text().splitlines()]
SMALL_MARGIN = 0.02  # margins closer to zero may be refused next to a binary teacher
NOT_OURS = {"beta_one_minus_q"}


def quiet_solve(model, alpha):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fp.solve(model, alpha)


def model_of(record):
    p = {k: math.inf if v == "inf" else v for k, v in record["params"].items()}
    data = fp.RandomLabels() if record["data"] == "random_labels" else fp.Teacher(p.get("flip", 0.0))
    learner = {"max_margin": lambda: fp.MaxMargin(), "bayes": lambda: fp.Bayes(record["weights"])}.get(
        record["objective"], lambda: fp.Gibbs(record["weights"], p.get("margin", 0.0), p.get("beta", math.inf))
    )()
    return fp.Model(data, learner), p["alpha"]


@pytest.mark.parametrize(
    "record", [r for r in RECORDS if r["query"] in ("equilibrium", "bayes", "ground_state", "max_margin")], ids=lambda r: r["id"]
)
def test_reference_value(record):
    """Values from an independent derivation in multiprecision (project reference tables `equilibrium`, `optimal`)."""
    model, alpha = model_of(record)
    if record["status"] in ("unsat", "no_solution"):
        with pytest.raises((Unsatisfiable, NoSolution)):
            quiet_solve(model, alpha)
        return
    expected = record["expected"]
    if record["query"] == "ground_state":
        with pytest.warns(ReplicaSymmetryWarning, match="lower bound"):
            state = fp.ground_state(model, alpha)
    elif record["at"].get("branch"):
        state = min(fp.branches(model, alpha), key=lambda s: abs(s.q - expected["q"]))
        assert state.branch == record["at"]["branch"]
    else:
        state = quiet_solve(model, alpha)
    for name, want in expected.items():
        if name == "kappa_max":
            got = state.margin
        elif name == "bayes_error" and record["query"] == "bayes":
            got = state.generalization_error
        elif name in NOT_OURS and name not in state.order:
            continue
        else:
            got = getattr(state, name)
        assert got == pytest.approx(want, rel=record["tolerance"]["rel"], abs=record["tolerance"]["abs"]), name


# --- limits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights, free", [("binary", math.log(2.0)), ("spherical", 0.0)])
@pytest.mark.parametrize("kappa", [-1.5, 0.0, 0.8])
@pytest.mark.parametrize("beta", [0.3, 4.0, math.inf])
def test_without_patterns_every_weight_counts(weights, free, kappa, beta):
    """alpha -> 0: entropy -> log 2 (or 0), q_hat/alpha -> a0^2, the squared field of a pattern at q = 0."""
    state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs(weights, kappa, beta)), 1e-9)
    violated = 0.0 if beta == math.inf else math.exp(-beta)
    f = violated + (1.0 - violated) * ndtr(-kappa)
    a0 = (1.0 - violated) * math.exp(-0.5 * kappa**2) / math.sqrt(2.0 * math.pi) / f
    assert state.entropy == pytest.approx(free, abs=2e-8)
    assert (state.free_entropy - free) / 1e-9 == pytest.approx(math.log(f), rel=1e-5)
    assert state.q_hat / 1e-9 == pytest.approx(a0**2, rel=1e-7)
    assert state.at_eigenvalue == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize("weights", ["binary", "spherical"])
@pytest.mark.parametrize("data", [fp.RandomLabels(), fp.Teacher(), fp.Teacher(0.2)])
def test_infinite_temperature_ignores_the_patterns(weights, data):
    """beta -> 0: every pattern is violated with its prior probability H(-kappa), the free entropy is -beta alpha H(-kappa)."""
    beta, alpha, kappa = 1e-5, 2.0, 0.3
    state = fp.solve(fp.Model(data, fp.Gibbs(weights, kappa, beta)), alpha)
    free = math.log(2.0) if weights == "binary" else 0.0
    assert state.train_error == pytest.approx(ndtr(kappa), rel=1e-4)
    assert state.free_entropy - free == pytest.approx(-beta * alpha * ndtr(kappa), rel=1e-4)
    assert state.entropy == pytest.approx(free, abs=1e-9)
    assert state.q < 1e-9


@pytest.mark.parametrize("weights", ["binary", "spherical"])
@pytest.mark.parametrize("kappa", [-6.0, -12.0, -50.0])
def test_a_very_negative_margin_forbids_nothing(weights, kappa):
    state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs(weights, kappa)), 3.0)
    assert state.entropy == pytest.approx(math.log(2.0) if weights == "binary" else 0.0, abs=1e-8)
    assert 0.0 <= state.q < 1e-12 and state.at_eigenvalue == pytest.approx(1.0, abs=1e-8)


def test_a_large_beta_is_the_hard_constraint_below_capacity():
    for weights, alpha in (("binary", 0.5), ("spherical", 1.2)):
        hard = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs(weights)), alpha)
        soft = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs(weights, beta=200.0)), alpha)
        for name in ("q", "q_hat", "entropy", "free_entropy", "at_eigenvalue"):
            assert getattr(soft, name) == pytest.approx(getattr(hard, name), rel=1e-10), name
        assert soft.train_error < 1e-50


def test_learning_curves_decay_as_the_known_constants_over_alpha():
    """alpha eps_Gibbs -> 0.625, alpha eps_Bayes -> 0.442 for spherical weights (Opper & Haussler 1991)."""
    state = fp.solve(fp.Model(fp.Teacher(), fp.Gibbs("spherical")), 1e4)
    assert 1e4 * state.generalization_error == pytest.approx(0.625, abs=5e-4)
    assert 1e4 * state.bayes_error == pytest.approx(0.442, abs=5e-4)
    assert fp.bayes_error(fp.Teacher(), 1e4) == pytest.approx(state.bayes_error, rel=1e-9)


# --- identities ------------------------------------------------------------------------------------

SMOOTH = st.tuples(  # models whose dominant branch is far from capacity and transitions
    st.sampled_from(["binary", "spherical"]),
    st.sampled_from([fp.RandomLabels(), fp.Teacher(), fp.Teacher(0.1), fp.Teacher(0.3)]),
    st.integers(-10, 6).map(lambda k: k / 10),  # margins next to zero have their own test
    st.floats(-1.5, 2.0).map(math.exp),  # beta
    st.floats(-2.0, 0.0).map(math.exp),  # alpha
)


@settings(max_examples=60)
@given(SMOOTH)
def test_entropy_energy_and_errors_are_consistent(case):
    weights, data, kappa, beta, alpha = case
    state = quiet_solve(fp.Model(data, fp.Gibbs(weights, kappa, beta)), alpha)
    assert state.entropy == pytest.approx(state.free_entropy + beta * state.energy, rel=1e-12, abs=1e-13)
    assert state.energy == alpha * state.train_error
    assert state.q + state.one_minus_q == pytest.approx(1.0, abs=1e-15)
    if isinstance(data, fp.Teacher):
        assert state.generalization_error == pytest.approx(math.acos(state.R) / math.pi, rel=1e-9)
        assert state.bayes_error == pytest.approx(math.acos(state.R / math.sqrt(state.q)) / math.pi, rel=1e-6)
        assert state.bayes_error <= state.generalization_error + 1e-12
        assert state.cosine == state.R
    else:
        assert state.generalization_error is state.bayes_error is state.cosine is None


@settings(max_examples=60)
@given(SMOOTH)
def test_the_slope_in_beta_is_minus_the_energy(case):
    """d phi / d beta = -energy at fixed alpha, because phi is stationary in the order parameters."""
    weights, data, kappa, beta, alpha = case
    h = 1e-3 * beta

    def free(b):
        return quiet_solve(fp.Model(data, fp.Gibbs(weights, kappa, b)), alpha).free_entropy

    slope = (free(beta - 2 * h) - 8 * free(beta - h) + 8 * free(beta + h) - free(beta + 2 * h)) / (12 * h)
    state = quiet_solve(fp.Model(data, fp.Gibbs(weights, kappa, beta)), alpha)
    assert -slope == pytest.approx(state.energy, rel=1e-8, abs=1e-11 / beta)


def energetic(state):
    """G_E = Int Dz W log f, by a dense trapezoid sum in numpy."""
    z = np.linspace(-11.0, 11.0, 4001)
    d = z[1] - z[0]
    learner, q = state.model.learner, state.q
    x = (learner.margin - math.sqrt(q) * z) / math.sqrt(state.one_minus_q)
    log_h = log_ndtr(-x)
    log_f = log_h if learner.beta == math.inf else np.logaddexp(-learner.beta, math.log(-math.expm1(-learner.beta)) + log_h)
    weight = 1.0
    if isinstance(state.model.data, fp.Teacher):
        k = state.R / math.sqrt(q - state.R**2)
        flip = state.model.data.flip
        weight = 2.0 * ((1.0 - flip) * ndtr(k * z) + flip * ndtr(-k * z))
    return float(np.sum(weight * log_f * np.exp(-0.5 * z * z)) * d / math.sqrt(2.0 * math.pi))


@settings(max_examples=60)
@given(SMOOTH, st.booleans())
def test_the_slope_in_alpha_is_the_energetic_term(case, hard):
    """d phi / d alpha = G_E at the saddle."""
    weights, data, kappa, beta, alpha = case
    if hard:
        beta, alpha = math.inf, 0.3 * alpha
        data = fp.Teacher() if isinstance(data, fp.Teacher) else data  # flipped labels have their own small capacity
    model, h = fp.Model(data, fp.Gibbs(weights, kappa, beta)), 1e-3 * alpha

    def free(a):
        return quiet_solve(model, a).free_entropy

    slope = (free(alpha - 2 * h) - 8 * free(alpha - h) + 8 * free(alpha + h) - free(alpha + 2 * h)) / (12 * h)
    assert slope == pytest.approx(energetic(quiet_solve(model, alpha)), rel=1e-8, abs=1e-9)


@settings(max_examples=40)
@given(weights=st.sampled_from(["binary", "spherical"]), flip=st.floats(0.01, 0.4), log_alpha=st.floats(-3.0, 1.0))
def test_nishimori_identities_emerge_from_the_general_equations(weights, flip, log_alpha):
    """At margin 0 and e^-beta = flip/(1-flip) a student drawn from the posterior is as close to the teacher as to
    another student: R = q, R_hat = q_hat.  A margin of 1e-12 sends the same problem down the general road."""
    alpha, beta = math.exp(log_alpha), math.log((1.0 - flip) / flip)
    bound = [s for s in fp.branches(fp.Model(fp.Teacher(flip), fp.Gibbs(weights, 0.0, beta)), alpha) if s.branch == "student"]
    assume(bound)  # beyond the spinodal of binary weights only the teacher is left
    bound = bound[0]
    model = fp.Model(fp.Teacher(flip), fp.Gibbs(weights, 1e-12, beta))
    problem = problem_of(model)
    student = next(root for name, root in roots(problem, log_alpha) if name == "student")
    general = state_at(model, problem, alpha, "student", student.s, student.r)
    assert general.R == pytest.approx(general.q, rel=1e-8)
    assert general.R_hat == pytest.approx(general.q_hat, rel=1e-8)
    for name in ("q", "q_hat", "free_entropy", "entropy", "train_error", "generalization_error", "bayes_error", "at_eigenvalue"):
        assert getattr(general, name) == pytest.approx(getattr(bound, name), rel=1e-7, abs=1e-9), name


@pytest.mark.parametrize("flip", [0.0, 0.1])
@pytest.mark.parametrize("weights, alpha", [("binary", 0.8), ("spherical", 3.0)])
def test_the_bayes_rule_is_the_vote_of_its_gibbs_learner(flip, weights, alpha):
    """Same posterior, same order parameters; the posterior mean errs as the vote, and on new data no rule errs less."""
    beta = math.log((1.0 - flip) / flip) if flip else math.inf
    gibbs = fp.solve(fp.Model(fp.Teacher(flip), fp.Gibbs(weights, 0.0, beta)), alpha)
    bayes = fp.solve(fp.Model(fp.Teacher(flip), fp.Bayes(weights)), alpha)
    assert bayes.order == gibbs.order
    assert bayes.generalization_error == gibbs.bayes_error < gibbs.generalization_error
    assert bayes.cosine == pytest.approx(math.sqrt(gibbs.q), rel=1e-14)
    assert bayes.train_error <= gibbs.train_error
    assert (bayes.train_error > 0.0) == (flip > 0.0)


# --- stationarity -----------------------------------------------------------------------------------


def functional(model, alpha, q, r, q_hat, r_hat):
    """The free entropy as a function of its order parameters (`docs/theory.md`), by trapezoid sums in numpy."""
    z = np.linspace(-12.0, 12.0, 6001)
    w = np.exp(-0.5 * z * z) * (z[1] - z[0]) / math.sqrt(2.0 * math.pi)
    learner, data = model.learner, model.data
    if learner.weights == "binary":
        h = math.sqrt(q_hat) * z + r_hat
        entropic = -r * r_hat - 0.5 * q_hat * (1.0 - q) + w @ np.logaddexp(h, -h)
    else:
        entropic = 0.5 * (math.log1p(-q) + (q - r * r) / (1.0 - q))
    log_h = log_ndtr((math.sqrt(q) * z - learner.margin) / math.sqrt(1.0 - q))
    log_f = log_h if learner.beta == math.inf else np.logaddexp(-learner.beta, math.log(-math.expm1(-learner.beta)) + log_h)
    if isinstance(data, fp.Teacher):
        u = r * z / math.sqrt(q - r * r)
        log_f = 2.0 * ((1.0 - data.flip) * ndtr(u) + data.flip * ndtr(-u)) * log_f
    return entropic + alpha * (w @ log_f)


STATIONARY = [
    (fp.RandomLabels(), "binary", 0.0, math.inf, 0.7),
    (fp.RandomLabels(), "spherical", -0.5, math.inf, 1.5),
    (fp.RandomLabels(), "binary", 0.4, 3.0, 1.1),
    (fp.Teacher(), "binary", 0.0, math.inf, 1.35),
    (fp.Teacher(), "spherical", 0.3, math.inf, 1.0),
    (fp.Teacher(0.1), "binary", -0.3, 2.0, 2.0),
    (fp.Teacher(0.2), "spherical", 0.2, 5.0, 4.0),
]


@pytest.mark.parametrize("data, weights, kappa, beta, alpha", STATIONARY)
def test_the_free_entropy_is_stationary_at_every_branch(data, weights, kappa, beta, alpha):
    model = fp.Model(data, fp.Gibbs(weights, kappa, beta))
    states = [s for s in fp.branches(model, alpha) if s.q < 1.0]
    assert states
    for state in states:
        point = [state.q, state.order.get("R", 0.0), state.q_hat, state.order.get("R_hat", 0.0)]
        assert functional(model, alpha, *point) == pytest.approx(state.free_entropy, rel=1e-11, abs=1e-12)
        moved = [0] + [1] * isinstance(data, fp.Teacher) + ([2] + [3] * isinstance(data, fp.Teacher) if weights == "binary" else [])
        for i in moved:
            h = 2e-4 * min(point[i], 1.0 - point[i] if i == 0 else 1.0, (point[0] - point[1] ** 2) if i < 2 else 1.0)

            def at(step, i=i, point=point):
                return functional(model, alpha, *(x + step * (j == i) for j, x in enumerate(point)))

            slope = (at(-2 * h) - 8 * at(-h) + 8 * at(h) - at(2 * h)) / (12 * h)
            curvature = abs(at(2 * h) - 2 * at(0.0) + at(-2 * h)) / (4 * h * h)  # what a step off the saddle would give
            assert abs(slope) < 1e-6 * max(1.0, curvature * point[i]), (state.branch, i)


# --- warnings and refusals --------------------------------------------------------------------------


def test_a_negative_binary_entropy_is_returned_with_a_warning():
    with pytest.warns(NegativeEntropyWarning, match=r"alpha=0\.9"):
        state = fp.solve(fp.Model(), 0.9)
    assert state.phase == "unsat" and state.entropy < 0.0


def test_an_unstable_replicon_is_returned_with_a_warning():
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", -1.0))
    with pytest.warns(ReplicaSymmetryWarning, match="at_line"):
        state = fp.solve(model, 9.0)
    assert state.phase == "rs_unstable" and not state.stable


@pytest.mark.parametrize("kappa", [-1.0, 0.0, 0.7])
def test_spherical_weights_exist_just_below_capacity_and_not_above(kappa):
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", kappa))
    limit = fp.capacity(model)
    below = quiet_solve(model, limit * (1.0 - 1e-9))
    assert below.residual < 1e-11 and below.one_minus_q < 1e-8
    with pytest.raises(Unsatisfiable, match="capacity"):
        fp.solve(model, limit * (1.0 + 1e-9))


@pytest.mark.parametrize("kappa", [-0.5, 0.0, 0.4])
def test_the_binary_branch_ends_at_two_over_pi_of_gardners_capacity(kappa):
    end = 2.0 / math.pi * fp.capacity(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", kappa)))
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", kappa))
    near = quiet_solve(model, end * (1.0 - 1e-6))
    assert near.one_minus_q < 1e-3 and near.phase == "unsat"
    with pytest.raises(NoSolution, match="ends at alpha"):
        fp.solve(model, end * (1.0 + 1e-6))


def test_errors_of_physics_are_not_value_errors():
    for kind in (Unsatisfiable, NoSolution):
        assert issubclass(kind, FlatphysError) and not issubclass(kind, ValueError)


# --- every input is answered -----------------------------------------------------------------------


@pytest.mark.long
@settings(max_examples=600)
@given(
    weights=st.sampled_from(["binary", "spherical"]),
    data=st.one_of(st.just(fp.RandomLabels()), st.just(fp.Teacher()), st.floats(1e-3, 0.49).map(fp.Teacher)),
    kappa=st.one_of(st.just(0.0), st.floats(-2.0, 2.0)),
    beta=st.one_of(st.just(math.inf), st.floats(math.log(0.01), math.log(50.0)).map(math.exp)),
    alpha=st.floats(math.log(1e-3), math.log(30.0)).map(math.exp),
)
def test_every_model_is_solved_to_tolerance_or_refused_for_a_physical_reason(weights, data, kappa, beta, alpha):
    """No NotConverged, no NaN, no number out of range (9500 further inputs were tried by hand, up to |kappa| = 9, beta = 2000).

    Margins that are almost, but not, zero have their own test, `test_branch`: next to their teacher binary weights
    are then exponentially close to it.
    """
    assume(not (isinstance(data, fp.Teacher) and weights == "binary" and 0.0 < abs(kappa) < SMALL_MARGIN))
    try:
        state = quiet_solve(fp.Model(data, fp.Gibbs(weights, kappa, beta)), alpha)
    except (Unsatisfiable, NoSolution):
        assert beta == math.inf
        return
    assert state.residual < 1e-11 and state.quadrature_error < 1e-9
    teacher_itself = state.branch == "teacher" and state.q == 1.0
    assert 0.0 <= state.q < 1.0 or teacher_itself
    assert 0.0 <= state.train_error <= 1.0 and math.isfinite(state.free_entropy) and math.isfinite(state.entropy)
    if isinstance(data, fp.Teacher):
        assert state.R**2 <= state.q * (1.0 + 1e-12)
        assert 0.0 <= state.bayes_error <= state.generalization_error * (1.0 + 1e-9) <= 0.5 * (1.0 + 1e-9)


# --- far out: huge loads, next to the teacher, near the end of a branch --------------------------------


@pytest.mark.parametrize("alpha", [2e7, 3e11, 5e29])
@pytest.mark.parametrize("learner, constant", [(fp.Bayes(), 0.4417000436), (fp.Gibbs("spherical"), 0.4417000436 * math.sqrt(2.0))])
def test_learning_curves_reach_any_load(learner, constant, alpha):
    """error * alpha tends to 0.44170004 for the vote and sqrt(2) times that for one student (Opper & Haussler 1991)."""
    state = quiet_solve(fp.Model(fp.Teacher(), learner), alpha)
    assert state.generalization_error * alpha == pytest.approx(constant, rel=3e-10)
    (only,) = fp.branches(state.model, alpha)
    assert only.generalization_error == state.generalization_error


@pytest.mark.parametrize(
    "data, learner", [(fp.Teacher(), fp.Bayes()), (fp.Teacher(0.2), fp.Bayes()), (fp.Teacher(), fp.Gibbs("spherical", 0.0, 3.0))]
)
def test_a_limit_of_double_precision_is_not_called_physics(data, learner):
    with pytest.raises(NotConverged, match="alpha"):
        quiet_solve(fp.Model(data, learner), 1e200)


@pytest.mark.parametrize("flip, margin", [(0.0, 0.4), (0.2, 0.0), (0.05, -0.7)])
def test_spherical_students_are_unsatisfiable_exactly_where_capacity_says_so(flip, margin):
    model = fp.Model(fp.Teacher(flip), fp.Gibbs("spherical", margin))
    end = fp.capacity(model)
    assert quiet_solve(model, end * (1.0 - 1e-9)).one_minus_q < 1e-7
    for beyond in (end * (1.0 + 1e-9), 3.0 * end, 1e9 * end):
        with pytest.raises(Unsatisfiable, match="beyond the capacity"):
            fp.solve(model, beyond)


@pytest.mark.parametrize("weights, margin, short", [("spherical", 0.3, 1e-10), ("binary", -1.0, 1e-9), ("spherical", -2.6, 1e-9)])
def test_branches_know_the_state_next_to_the_end(weights, margin, short):
    model = fp.Model(fp.RandomLabels(), fp.Gibbs(weights, margin))
    end = fp.capacity(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", margin))) * (1.0 if weights == "spherical" else 2.0 / math.pi)
    one, (same, *_) = quiet_solve(model, end * (1.0 - short)), fp.branches(model, end * (1.0 - short))
    assert (one.q, one.entropy) == (same.q, same.entropy)
    assert one.one_minus_q < 10.0 * short


@pytest.mark.parametrize(
    "model, alpha",
    [
        (fp.Model(fp.RandomLabels(), fp.Gibbs("binary", 0.3, 3e-6)), 1e12),
        (fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", -0.4, 2e-4, energy="hinge")), 3e8),
        (fp.Model(fp.RandomLabels(), fp.Gibbs("binary", 0.1, 1e-3, energy="squared_hinge")), 1e6),
        (fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", 0.5)), 0.967 * (1.0 - 1e-7)),
    ],
)
def test_the_worth_covers_what_cancels(model, alpha):
    """Entropies that are small differences of large terms, against 20 digits."""
    if model.learner.margin == 0.5:
        alpha *= fp.capacity(model) / 0.967
    state = quiet_solve(model, alpha)
    exact = fp.precise.refine(state, 20)
    for name in ("free_entropy", "entropy"):
        error = abs(float(getattr(exact, name)) - getattr(state, name)) / max(1.0, abs(state.entropy))
        assert error <= max(state.quadrature_error, 1e-15) < 1e-6


def test_next_to_the_teacher_the_free_entropy_is_that_of_its_own_violations():
    """At a tiny margin the teacher violates alpha 2 G(0) margin patterns per weight, and hardly any other weights are left."""
    margin, beta, alpha = 4e-10, 3.0, 30.0
    state = quiet_solve(fp.Model(fp.Teacher(), fp.Gibbs("binary", margin, beta)), alpha)
    assert state.free_entropy == pytest.approx(-alpha * beta * 2.0 * margin / math.sqrt(2.0 * math.pi), rel=1e-3)
    assert abs(state.entropy) < 1e-10


@pytest.mark.parametrize("beta", [1e-300, 1e-200, 1e-150])
def test_almost_no_temperature_at_all_is_answered(beta):
    state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", 0.2, beta)), 1.5)
    assert state.entropy == pytest.approx(math.log(2.0), rel=1e-14)
