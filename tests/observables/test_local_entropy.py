"""local_entropy, teacher_state and zero_crossings as a user meets them: reference values, shapes, order, errors."""

import json
import math
import pathlib
import pickle
import warnings

import matplotlib
import numpy as np
import pytest
from scipy.special import log_ndtr, ndtr

import flatphys as fp
from flatphys.errors import InvalidInput, NegativeEntropyWarning, Unsatisfiable
from flatphys.observables.local_entropy import local_entropy
from flatphys.saddle.franz_parisi.reference import teacher_state
from flatphys.thresholds.crossings import zero_crossings
from flatphys.thresholds.flatness import Neighbourhood

matplotlib.use("Agg")
RECORDS = [json.loads(line) for line in (pathlib.Path(__file__).parents[1] / "data" / "local_entropy.jsonl").read_text().splitlines()]
NAMES = {"local_entropy": "value", "free_entropy": "free_entropy", "dphi_dp": "slope", "q1": "q1", "t": "t", "R1": "R1"}
TYPICAL = fp.Model(fp.RandomLabels(), fp.Gibbs("binary"))


def records(query):
    return pytest.mark.parametrize("record", [r for r in RECORDS if r["query"] == query], ids=lambda r: r["id"])


def model_of(record):
    p = record["params"]
    data = fp.RandomLabels() if record["data"] == "random_labels" else fp.Teacher()
    return fp.Model(data, fp.Gibbs(record["weights"], p.get("margin", 0.0)))


def reference_of(record):
    alpha = record["params"]["alpha"]
    return teacher_state(model_of(record), alpha) if record["at"]["reference"] == "teacher" else fp.solve(model_of(record), alpha)


def close(value, want, tolerance):
    return abs(value - want) <= tolerance["abs"] + tolerance["rel"] * abs(want)


@records("local_entropy")
def test_local_entropy_has_the_reference_values(record):
    """Values: the project's reference table local_entropy (an independent derivation, 1e-10)."""
    at = record["at"]
    where = {name: [at[name]] for name in ("distance", "overlap") if name in at}
    if record["status"] == "unsat":
        with pytest.raises(Unsatisfiable), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            local_entropy(reference_of(record), **where, margin=at["counted_margin"])
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got = local_entropy(reference_of(record), **where, margin=at["counted_margin"])
    assert any(w.category is NegativeEntropyWarning for w in caught) == (record["status"] == "negative_entropy")
    assert got.status[0] == "ok"
    for name, want in record["expected"].items():
        assert close(float(getattr(got, NAMES[name])[0]), want, record["tolerance"]), name
    assert got.residual[0] < 1e-11 and got.quadrature_error[0] < 1e-10


@records("local_entropy_slope")
def test_first_order_in_the_load_has_the_reference_values(record):
    """Values: the same table, d phi/d alpha at alpha = 0, here from a small load."""
    alpha, at, kappa = 1e-7, record["at"], record["params"]["margin"]
    if "dphi_dalpha" not in record["expected"]:
        pytest.skip("a slope in the overlap: covered above")
    where = {name: [at[name]] for name in ("distance", "overlap") if name in at}
    model = fp.Model(fp.RandomLabels(), fp.Gibbs(record["weights"], kappa))
    d = at["distance"] if "distance" in at else (1 - at["overlap"]) / 2
    zero = -d * math.log(d) - (1 - d) * math.log(1 - d) if record["weights"] == "binary" else 0.5 * math.log(4 * d * (1 - d))
    got = local_entropy(fp.solve(model, alpha), **where, margin=at["counted_margin"])
    assert (got.value[0] - zero) / alpha == pytest.approx(record["expected"]["dphi_dalpha"], rel=1e-6)


@records("max_slope")
def test_largest_slope_has_the_reference_values(record):
    """Values: the same table; references at the largest margin."""
    got = Neighbourhood(TYPICAL).steepest(record["params"]["margin"])
    assert got == pytest.approx(record["expected"]["max_dphi_dp"], rel=1e-9)


@pytest.mark.parametrize("record", [r for r in RECORDS if "distance_zero" in r["expected"]], ids=lambda r: r["id"])
def test_zero_crossings_have_the_reference_values(record):
    lo, hi = record["at"]["between"]
    inside = [d for d in zero_crossings(reference_of(record), record["at"]["counted_margin"]) if lo <= d <= hi]
    assert len(inside) == 1
    assert close(inside[0], record["expected"]["distance_zero"], record["tolerance"])


def test_zero_crossings_close_to_each_other_are_found():
    """Just where the local entropy around the teacher first touches zero, between two points of the search grid."""
    model = fp.Model(fp.Teacher(), fp.Gibbs("binary"))

    def top(alpha):
        d = np.linspace(0.02, 0.45, 44)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return d, local_entropy(teacher_state(model, alpha), distance=d).value

    lo, hi = 1.0, 1.3
    for _ in range(14):
        mid = 0.5 * (lo + hi)
        lo, hi = (mid, hi) if top(mid)[1].max() > 0.0 else (lo, mid)
    found = zero_crossings(teacher_state(model, lo - 1e-5))
    d, value = top(lo - 1e-5)
    peak = d[value.argmax()]
    assert (found < peak).any() and (found > peak).any()
    assert zero_crossings(teacher_state(model, hi + 1e-2)).size <= 1


def test_a_grid_is_solved_in_any_order_and_shape():
    state = fp.solve(TYPICAL, 0.5)
    d = np.array([[0.4, 0.02, 0.1], [0.25, 0.6, 0.05]])
    got = local_entropy(state, distance=d)
    assert got.value.shape == got.status.shape == d.shape
    flat = local_entropy(state, distance=np.sort(d.ravel()))
    np.testing.assert_allclose(np.sort(got.q1.ravel()), np.sort(flat.q1), rtol=1e-11)
    single = local_entropy(state, overlap=1 - 2 * 0.02)
    assert single.value.shape == () and float(single.value) == pytest.approx(got.value[0, 1], rel=1e-11)
    np.testing.assert_allclose(got.overlap, 1 - 2 * d, rtol=1e-15)


@pytest.mark.parametrize("weights", ["binary", "spherical"])
@pytest.mark.parametrize("beta", [1.0, 8.0])
def test_the_whole_range_of_overlaps_is_covered_at_finite_beta(weights, beta):
    p = np.array([-0.99, -0.9, -0.5, 0.0, 0.5, 0.9, 0.99, 0.999, 0.9999])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = local_entropy(fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs(weights, 0.1)), 0.5), overlap=p, beta=beta)
    assert (got.status == "ok").all()
    assert (got.q1 > p * p - 1e-12).all() and (got.q1 < 1).all()
    assert (got.residual < 1e-11).all() and (got.quadrature_error < 1e-9).all()
    np.testing.assert_allclose(got.value, got.free_entropy + beta * got.energy, rtol=1e-13)


def test_around_the_teacher_a_vanishing_beta_counts_everything_and_errs_like_the_angle():
    """beta -> 0: value (1/2) log(1-p^2), and an error is a disagreement of sign: arccos(p)/pi."""
    p = np.array([-0.6, 0.3, 0.9])
    got = local_entropy(teacher_state(fp.Model(fp.Teacher(), fp.Gibbs("spherical")), 1.0), overlap=p, beta=1e-9)
    np.testing.assert_allclose(got.value, 0.5 * np.log(1 - p * p), rtol=1e-8)
    np.testing.assert_allclose(got.train_error, np.arccos(p) / math.pi, rtol=1e-7)


def test_vanishing_beta_around_a_typical_solution_is_its_local_energy():
    state = fp.solve(TYPICAL, 0.5)
    d = np.array([0.02, 0.2])
    got = local_entropy(state, distance=d, beta=1e-9)
    np.testing.assert_allclose(got.train_error - state.train_error, fp.local_energy(state, distance=d), rtol=1e-7)


def test_around_the_teacher_at_small_loads_one_pattern_is_an_integral():
    alpha, p = 1e-8, 0.6
    got = local_entropy(teacher_state(fp.Model(fp.Teacher(), fp.Gibbs("spherical")), alpha), overlap=p)
    u = np.linspace(0.0, 12.0, 400001)
    first = np.trapezoid(2 * np.exp(-0.5 * u * u) / math.sqrt(2 * math.pi) * log_ndtr(p * u / 0.8), u)
    assert (float(got.value) - math.log(0.8)) / alpha == pytest.approx(first, rel=1e-6)
    assert ndtr(0.0) == 0.5


def test_a_teacher_state_is_the_teacher():
    state = teacher_state(fp.Model(fp.Teacher(0.1), fp.Gibbs("spherical")), 2.0)
    assert (state.q, state.R, state.entropy, state.train_error, state.generalization_error) == (1.0, 1.0, 0.0, 0.1, 0.0)
    assert state.branch == "teacher" and state.alpha == 2.0
    got = local_entropy(state, overlap=0.5, beta=3.0)
    assert math.isnan(float(got.t)) and float(got.R1) == 0.5


def test_a_trained_rule_is_a_reference_too():
    state = fp.solve(fp.Model(fp.GaussianMixture(), fp.ERM("logistic", 0.1)), 1.0)
    got = local_entropy(state, overlap=[0.5, 0.9], beta=2.0)
    assert got.status.tolist() == ["ok", "ok"] and np.isfinite(got.m1).all()
    with pytest.raises(AttributeError, match="no 'm7'"):
        got.m7


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({}, "either overlap or distance, got neither"),
        ({"overlap": 0.5, "distance": 0.2}, "got both"),
        ({"overlap": 1.0}, "overlap must be a number > -1 and < 1, got 1.0"),
        ({"overlap": [0.2, -1.0]}, "got -1.0"),
        ({"distance": [0.2, 0.0]}, "distance must be a number > 0 and < 1, got 0.0"),
        ({"distance": math.nan}, "got nan"),
        ({"distance": "far"}, "number or an array of numbers, got 'far'"),
        ({"distance": 0.2, "margin": math.inf}, "margin must be a finite number"),
        ({"distance": 0.2, "beta": 0.0}, "beta must be a number > 0"),
    ],
)
def test_input_is_checked(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        local_entropy(fp.solve(TYPICAL, 0.5), **arguments)


def test_states_and_models_are_checked():
    with pytest.raises(InvalidInput, match="state must be State"):
        local_entropy(TYPICAL, distance=0.2)
    with pytest.raises(InvalidInput, match="data must be Teacher"):
        teacher_state(TYPICAL, 0.5)
    with pytest.raises(InvalidInput, match="learner must be Gibbs or Bayes"):
        teacher_state(fp.Model(fp.Teacher(), fp.MaxMargin()), 0.5)
    with pytest.raises(InvalidInput, match="alpha must be"):
        teacher_state(fp.Model(fp.Teacher(), fp.Gibbs()), -1.0)


def test_references_that_do_not_exist_are_refused():
    with pytest.warns(NegativeEntropyWarning):
        state = fp.solve(TYPICAL, 0.9)
    with pytest.raises(Unsatisfiable, match="reference does not exist"):
        local_entropy(state, distance=0.2)
    with pytest.raises(Unsatisfiable):
        zero_crossings(state)


def test_it_prints_pickles_and_plots():
    got = local_entropy(fp.solve(TYPICAL, 0.5), distance=[0.1, 0.3])
    text = repr(got)
    assert "Local entropy" in text and "0.3" in text and "ok" in text
    assert got._repr_html_().startswith("<table>")
    assert len(got.plot().lines) == 1
    matplotlib.pyplot.close("all")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(got)).value, got.value)


@pytest.mark.parametrize(
    ("model", "alpha"),
    [
        (fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", margin=0.3)), 0.7),
        (fp.Model(fp.Teacher(), fp.Gibbs("spherical")), 1.5),
        (fp.Model(fp.GaussianMixture(), fp.Hebb()), 1.0),
        (fp.Model(fp.Teacher(), fp.ERM("logistic", 0.1)), 1.0),
    ],
    ids=repr,
)
def test_spherical_solutions_at_margin_0_are_a_convex_cone(model, alpha):
    """Sections of a convex cone by parallel planes have log-concave Gaussian measure (Prekopa): in the height
    tau = p/sqrt(1-p^2) of the section, value - (1/2) log(1-p^2) is concave, around any reference."""
    state = fp.solve(model, alpha)
    tau = np.linspace(0.4, 2.0, 17)
    p = tau / np.sqrt(1.0 + tau * tau)
    found = fp.local_entropy(state, overlap=p)
    assert (found.status == "ok").all()
    share = found.value - 0.5 * np.log(1.0 - p * p)
    assert (np.diff(share, 2) < 1e-12).all()


@pytest.mark.parametrize("where", [{"overlap": []}, {"distance": np.array([])}])
def test_an_empty_grid_is_refused_by_name(where):
    with pytest.raises(InvalidInput, match="must not be empty"):
        fp.local_entropy(fp.solve(fp.Model(), 0.5), **where)


def test_states_without_an_overlap_below_one_are_no_references():
    spherical = fp.Gibbs("spherical", margin=-1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        states = [
            fp.solve(fp.Model(fp.RandomLabels(), spherical), 10.0, ansatz="1RSB"),
            fp.ground_state(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")), 3.0),
        ]
    for state in states:
        with pytest.raises(InvalidInput, match="replica-symmetric"):
            local_entropy(state, distance=[0.1])


def test_zeros_next_to_the_end_of_the_curve_are_found():
    state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary")), 0.32)
    crossing = fp.zero_crossings(state)[-1]
    assert crossing > 0.7
    with pytest.warns(fp.errors.NegativeEntropyWarning):
        around = fp.local_entropy(state, distance=[crossing - 1e-3, crossing + 1e-3])
    assert np.sign(around.value).tolist() == [1.0, -1.0]


def test_spherical_volumes_vanish_nowhere():
    for learner, data in ((fp.Gibbs("spherical"), fp.RandomLabels()), (fp.MaxMargin(), fp.Teacher())):
        assert fp.zero_crossings(fp.solve(fp.Model(data, learner), 0.4)).size == 0
