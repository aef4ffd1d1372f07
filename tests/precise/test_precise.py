"""flatphys.precise: right by its own definitions, and the compiled solver agrees with it to 1e-12."""

import ast
import math
import pathlib
import subprocess
import sys
import warnings

import mpmath as mp
import pytest

import flatphys as fp
from flatphys import precise
from flatphys.errors import InvalidInput, NotConverged
from flatphys.quantities import STATE

RANDOM, CLEAN, NOISY = fp.RandomLabels(), fp.Teacher(), fp.Teacher(0.1)


def state_of(model, alpha, branch=None):
    if branch:
        return next(s for s in fp.branches(model, alpha) if s.branch == branch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fp.solve(model, alpha)


def difference(state, refined):
    """Largest relative difference of any number (of O(1) quantities that may vanish: absolute)."""
    worst = 0.0
    for name in (*state.order, *(quantity.name for quantity in STATE)):
        got = getattr(state, name)
        want = getattr(refined, name)
        if got is None or math.isinf(got):
            assert want is None or want == got
            continue
        scale = max(abs(want), 1 if name in ("entropy", "free_entropy", "at_eigenvalue") else mp.mpf(10) ** -30)
        worst = max(worst, float(abs(want - got) / scale))
    return worst


# --- the road is independent ------------------------------------------------------------------------


def test_no_module_of_precise_imports_the_compiled_solver():
    allowed = {
        "flatphys",
        "flatphys.errors",
        "flatphys.validate",
        "flatphys.model",
        "flatphys.state",
        "flatphys.display",
        "flatphys.quantities",
    }
    for path in pathlib.Path(precise.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module] if isinstance(node, ast.ImportFrom) else []
            )
            for name in names:
                assert not name.startswith("flatphys") or name in allowed or name.startswith("flatphys.precise"), (path.name, name)


def test_importing_precise_compiles_nothing():
    code = "import sys, flatphys.precise; assert not {'numba', 'scipy', 'matplotlib'} & set(sys.modules), set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_refined_point_solves_the_equations_written_with_mpmaths_own_quadrature():
    """Binary weights, random labels: q = E tanh^2, q_hat = alpha E g^2, phi, by mp.quad at 20 digits."""
    alpha, kappa = 0.7, 0.2
    refined = precise.refine(state_of(fp.Model(RANDOM, fp.Gibbs("binary", kappa)), alpha), 25)
    with mp.workdps(20):
        q, q_hat, k = refined.q, refined.q_hat, mp.mpf(kappa)
        cuts = [-10, -3, 0, 3, 10]

        def average(function):
            return mp.quad(lambda z: mp.npdf(z) * function(z), cuts)

        def x(z):
            return (k - mp.sqrt(q) * z) / mp.sqrt(1 - q)

        def tail(y):
            return mp.erfc(y / mp.sqrt(2)) / 2

        assert abs(average(lambda z: mp.tanh(mp.sqrt(q_hat) * z) ** 2) - q) < 1e-18
        assert abs(mp.mpf(alpha) * average(lambda z: (mp.npdf(x(z)) / tail(x(z))) ** 2) / (1 - q) - q_hat) < 1e-17
        free = (
            average(lambda z: mp.log(2 * mp.cosh(mp.sqrt(q_hat) * z)))
            - q_hat * (1 - q) / 2
            + mp.mpf(alpha) * average(lambda z: mp.log(tail(x(z))))
        )
        assert abs(free - refined.free_entropy) < 1e-18


def test_the_free_entropy_is_stationary_in_every_order_parameter():
    """Its finite differences vanish at a refined point."""
    for model, alpha in ((fp.Model(NOISY, fp.Gibbs("binary", 0.3, 2.0)), 1.5), (fp.Model(CLEAN, fp.Gibbs("spherical", 0.4)), 1.0)):
        refined = precise.refine(state_of(model, alpha), 30)
        point = {name: refined.order[name] for name in (("q", "R", "q_hat", "R_hat") if model.learner.weights == "binary" else ("q", "R"))}
        assert abs(precise.free_entropy(model, alpha, **point) - refined.free_entropy) < 1e-28
        with mp.workdps(45):
            for name in point:
                step = mp.mpf(10) ** -8
                up, down = (precise.free_entropy(model, alpha, **(point | {name: point[name] + s}), digits=20) for s in (step, -step))
                assert abs((up - down) / (2 * step)) < 1e-12, name


# --- the solver agrees with it -----------------------------------------------------------------------

CASES = [
    # data, learner, alpha, branch, tolerance
    (RANDOM, fp.Gibbs("binary"), 0.5, None, 1e-13),
    (RANDOM, fp.Gibbs("binary"), 1.27, None, 3e-11),  # 1-q = 3e-3, close to the end of the branch at 4/pi = 1.2732
    (RANDOM, fp.Gibbs("binary", -3.0), 10.0, None, 1e-13),
    (RANDOM, fp.Gibbs("binary", 0.5, 20.0), 1.0, None, 1e-11),
    (RANDOM, fp.Gibbs("binary", 0.0, 0.01), 3.0, None, 1e-13),
    (RANDOM, fp.Gibbs("binary", 0.0, 4.0), 1.2, None, 1e-12),
    (RANDOM, fp.Gibbs("spherical"), 1.5, None, 1e-12),
    (RANDOM, fp.Gibbs("spherical"), 1.999, None, 1e-11),
    (RANDOM, fp.Gibbs("spherical", -1.0), 12.0, None, 1e-11),
    (RANDOM, fp.Gibbs("spherical", 0.0, 20.0), 3.0, None, 2e-12),
    (RANDOM, fp.Gibbs("spherical", 0.0, 50.0), 3.0, None, 5e-12),
    (CLEAN, fp.Gibbs("binary"), 1.2, "student", 1e-12),
    (CLEAN, fp.Gibbs("binary"), 1.4, "intermediate", 1e-12),
    (CLEAN, fp.Gibbs("binary", 0.2), 1.0, None, 1e-12),
    (CLEAN, fp.Gibbs("binary", -0.5, 3.0), 2.0, None, 1e-12),
    (CLEAN, fp.Gibbs("spherical"), 1600.0, None, 1e-12),  # 1-q = 7.5e-7
    (CLEAN, fp.Gibbs("spherical", 0.5), 1.0, None, 1e-12),
    (CLEAN, fp.Gibbs("spherical", -1.0), 5.0, None, 1e-12),
    (NOISY, fp.Gibbs("binary", 0.3, 2.0), 1.5, None, 1e-12),
    (NOISY, fp.Gibbs("spherical", 0.0, 20.0), 5.0, None, 1e-12),
    (NOISY, fp.Gibbs("spherical", 0.2), 0.5, None, 1e-12),
    (NOISY, fp.Bayes("spherical"), 5.0, None, 1e-12),
    (NOISY, fp.Bayes("binary"), 1.0, None, 1e-12),
    (CLEAN, fp.Bayes("binary"), 1.0, None, 1e-12),
    (CLEAN, fp.MaxMargin(), 0.3, None, 1e-11),
    (CLEAN, fp.MaxMargin(), 100.0, None, 1e-11),
    (NOISY, fp.MaxMargin(), 1.3, None, 1e-11),
]


@pytest.mark.long
@pytest.mark.parametrize("data, learner, alpha, branch, tolerance", CASES)
def test_solver_agrees_with_25_digits(data, learner, alpha, branch, tolerance):
    state = state_of(fp.Model(data, learner), alpha, branch)
    refined = precise.refine(state, 25)
    assert refined.residual < mp.mpf(10) ** -25
    assert difference(state, refined) < tolerance


@pytest.mark.parametrize(
    "data, kappa, alpha", [(RANDOM, 0.0, 4.0), (RANDOM, -0.5, 8.0), (RANDOM, 0.0, 2.0001), (NOISY, 0.3, 5.0), (CLEAN, 1.0, 9.0)]
)
def test_spherical_ground_states_agree_with_25_digits(data, kappa, alpha):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = fp.ground_state(fp.Model(data, fp.Gibbs("spherical", kappa)), alpha)
    refined = precise.refine(state, 25)
    assert refined.residual < mp.mpf(10) ** -25
    assert difference(state, refined) < (1e-9 if alpha == 2.0001 else 1e-11)


def test_thresholds_are_refined_to_zero_within_the_rounding_of_the_load():
    """The entropy at the binary capacity, and at the freezing temperature, vanishes to 1e-14."""
    capacity = fp.capacity(fp.Model())
    assert abs(precise.refine(state_of(fp.Model(), capacity), 25).entropy) < 1e-14
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frozen = fp.ground_state(fp.Model(), 2.0)
    assert abs(precise.refine(frozen, 25).entropy) < 1e-13


def test_near_capacity_the_solver_loses_what_the_load_itself_does_not_hold():
    """1-q = 2.5e-7: d log(1-q)/d log alpha = 2e6, so a relative rounding of 1e-16 in alpha is 2e-10 in 1-q."""
    state = state_of(fp.Model(RANDOM, fp.Gibbs("spherical")), 1.999999)
    refined = precise.refine(state, 25)
    assert float(abs(refined.one_minus_q / state.one_minus_q - 1)) < 1e-8
    assert difference(state, refined) < 1e-8


def test_the_spinodal_state_is_refined_or_refused_but_never_wrong():
    """There the load fixes q only to the square root of its precision; where a rounded load lies beyond, nothing solves."""
    state = fp.first_order_transition(fp.Model(CLEAN, fp.Gibbs("binary"))).at_spinodal
    assert all(abs(v) < 1e-11 for v in precise.residuals(state, 20).values())
    try:
        refined = precise.refine(state, 20)
    except NotConverged as error:
        assert "end of the branch" in str(error)
    else:
        assert refined.residual < mp.mpf(10) ** -20 and abs(refined.q - state.q) < 1e-6


def test_the_conjugates_that_underflow_doubles_are_found():
    """margin -40: q_hat = alpha G(40)^2 = 1e-696 is 0 in double precision."""
    refined = precise.refine(state_of(fp.Model(RANDOM, fp.Gibbs("binary", -40.0)), 1.0), 20)
    with mp.workdps(40):
        assert abs(refined.q_hat / mp.npdf(40) ** 2 - 1) < 1e-20
        assert abs(refined.q / refined.q_hat - 1) < 1e-20


# --- digits and results ------------------------------------------------------------------------------


def test_more_digits_extend_fewer():
    state = state_of(fp.Model(), 0.5)
    few, many = precise.refine(state, 15), precise.refine(state, 60)
    for name in ("q", "q_hat", "entropy", "at_eigenvalue"):
        assert abs(getattr(few, name) - getattr(many, name)) < 1e-15
    assert mp.nstr(many.entropy, 30) == "0.314390066855625118729105096452"
    assert many.residual < mp.mpf(10) ** -60


def test_nishimori_identities_hold_to_all_digits():
    """R = q and R_hat = q_hat come out of the general equations, which do not assume them."""
    refined = precise.refine(state_of(fp.Model(NOISY, fp.Bayes("binary")), 1.0), 30)
    assert abs(refined.R - refined.q) < 1e-30 and abs(refined.R_hat - refined.q_hat) < 1e-29
    clean = precise.refine(state_of(fp.Model(CLEAN, fp.Gibbs("spherical")), 2.0), 30)
    assert abs(clean.R - clean.q) < 1e-30


def test_the_teacher_itself_is_exact():
    model = fp.Model(fp.Teacher(0.02), fp.Gibbs("binary", 0.0, 3.0))
    state = state_of(model, 2.5, "teacher")
    refined = precise.refine(state)
    assert refined.q == refined.R == 1 and refined.entropy == 0 and refined.train_error == mp.mpf(0.02)
    assert float(refined.free_entropy) == pytest.approx(state.free_entropy, rel=1e-15)
    assert set(precise.residuals(state).values()) == {0}


def test_residuals_name_every_order_parameter_and_see_a_wrong_one():
    from dataclasses import replace

    state = state_of(fp.Model(NOISY, fp.Gibbs("binary", 0.3, 2.0)), 1.5)
    good = precise.residuals(state, 20)
    assert set(good) == set(state.order) and max(map(abs, good.values())) < 1e-13
    wrong = precise.residuals(replace(state, order=state.order | {"q_hat": state.q_hat * (1.0 + 1e-6)}), 20)
    assert max(map(abs, wrong.values())) > 1e-8
    margin = precise.residuals(state_of(fp.Model(CLEAN, fp.MaxMargin()), 2.0))
    assert set(margin) == {"norm", "overlap"} and max(map(abs, margin.values())) < 1e-12


def test_a_refined_state_prints_itself_to_its_digits():
    refined = precise.refine(state_of(fp.Model(), 0.5), 30)
    assert "0.314390066855625118729105096452" in repr(refined) and "to 30 digits" in repr(refined)
    assert "<table>" in refined._repr_html_() and "0.3143900668556251" in refined._repr_html_()
    assert "q_hat" in dir(refined)
    with pytest.raises(AttributeError, match="order parameters are q, one_minus_q, q_hat"):
        refined.R


@pytest.mark.parametrize("digits", [9, 301, 0, -30, 30.0, "30", True, None, math.nan])
def test_bad_digits_are_refused(digits):
    state = state_of(fp.Model(), 0.5)
    for function in (precise.refine, precise.residuals):
        with pytest.raises(InvalidInput, match="digits must be an integer from 10 to 300, got"):
            function(state, digits=digits)


@pytest.mark.parametrize("thing", [None, 0.5, "state", fp.Model(), fp.State])
def test_anything_but_a_state_is_refused(thing):
    for function in (precise.refine, precise.residuals):
        with pytest.raises(InvalidInput, match="state must be State"):
            function(thing)


def test_states_of_other_equations_are_refused():
    state = fp.solve(fp.Model(fp.GaussianMixture(), fp.Hebb()), 1.0)
    with pytest.raises(InvalidInput, match="Gibbs, Bayes or MaxMargin learner"):
        precise.refine(state)


@pytest.mark.parametrize(
    "wrong, match",
    [
        ({"q": 1.0, "q_hat": 1.0}, "q must lie"),
        ({"q": 0.5, "q_hat": 0.0}, "q_hat above 0"),
        ({"q": 0.2, "R": 0.9, "q_hat": 1.0}, "R\\^2 below q"),
        ({"q": "half", "q_hat": 1.0}, "q must be a finite number"),
        ({"q": 0.5, "q_hat": None}, "q_hat must be a finite number"),
        ({"q": 0.5, "q_hat": 1.0, "digits": 3}, "digits"),
    ],
)
def test_a_free_entropy_needs_possible_overlaps(wrong, match):
    with pytest.raises(InvalidInput, match=match):
        precise.free_entropy(fp.Model(CLEAN, fp.Gibbs("binary")), 1.0, **wrong)
    with pytest.raises(InvalidInput, match="Gibbs or Bayes"):
        precise.free_entropy(fp.Model(CLEAN, fp.MaxMargin()), 1.0, q=0.5, q_hat=1.0)


# --- tree committees --------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["sign", "erf", "relu"])
@pytest.mark.parametrize(
    "weights, alpha, margin, beta", [("binary", 0.5, 0.1, math.inf), ("spherical", 2.0, 0.2, 3.0), ("spherical", 0.8, -0.3, math.inf)]
)
def test_tree_committees_agree_with_the_compiled_solver(activation, weights, alpha, margin, beta):
    state = state_of(fp.Model(RANDOM, fp.Gibbs(weights, margin, beta, network=fp.TreeCommittee(activation))), alpha)
    assert max(map(abs, precise.residuals(state).values())) < 1e-13
    assert difference(state, precise.refine(state, 20)) < 1e-12


@pytest.mark.parametrize("activation", ["erf", "relu"])
def test_the_ground_state_of_a_committee_agrees(activation):
    with pytest.warns(fp.errors.ReplicaSymmetryWarning):
        state = fp.ground_state(fp.Model(RANDOM, fp.Gibbs("spherical", 0.1, network=fp.TreeCommittee(activation))), 4.0)
    refined = precise.refine(state, 20)
    assert float(abs(refined.beta_one_minus_q / state.beta_one_minus_q - 1)) < 1e-13
    assert float(abs(refined.train_error / state.train_error - 1)) < 1e-13


@pytest.mark.parametrize("weights", ["binary", "spherical"])
def test_a_committee_s_state_is_stationary_in_mpmath(weights):
    model = fp.Model(RANDOM, fp.Gibbs(weights, 0.1, network=fp.TreeCommittee("relu")))
    refined = precise.refine(state_of(model, 0.6), 20)
    h = mp.mpf(10) ** -6
    with mp.workdps(30):
        up, down = (precise.free_entropy(model, 0.6, refined.q + s, refined.q_hat, digits=20) for s in (h, -h))
        assert abs(up - down) / (2 * h) < 1e-10
        assert abs((up + down) / 2 - refined.free_entropy) < 1e-9


def test_a_function_of_one_s_own_has_no_more_digits():
    import numpy as np

    state = state_of(fp.Model(RANDOM, fp.Gibbs("binary", network=fp.TreeCommittee(np.sign))), 0.4)
    with pytest.raises(InvalidInput, match="activation"):
        precise.refine(state)
