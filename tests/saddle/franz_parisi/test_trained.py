"""Local entropy around trained rules: reference values, identities, stationarity, the limits of the overlap."""

import json
import math
import pathlib

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import NotConverged, Unsatisfiable
from flatphys.kernels.channels import CODES
from flatphys.kernels.codes import ERRORS, Channel
from flatphys.numerics.quadrature import buffers
from flatphys.saddle.franz_parisi.budget import MOST, Budget
from flatphys.saddle.franz_parisi.trained import largest_overlap, local_entropies, rule_of
from flatphys.saddle.franz_parisi.trained_averages import Sums, averages
from flatphys.saddle.franz_parisi.trained_fields import Place
from flatphys.saddle.franz_parisi.trained_point import Equations, solve_point

RECORDS = [json.loads(line) for line in (pathlib.Path(__file__).parents[2] / "data" / "local_entropy_erm.jsonl").read_text().splitlines()]
RULES = [
    fp.Model(fp.GaussianMixture(), fp.ERM("hinge", 0.1)),
    fp.Model(fp.GaussianMixture(0.5), fp.ERM("logistic", 0.01)),
    fp.Model(fp.GaussianMixture(), fp.Hebb()),
    fp.Model(fp.GaussianMixture(0.5), fp.MaxMargin()),
    fp.Model(fp.Teacher(), fp.ERM("logistic", 0.1)),
    fp.Model(fp.Teacher(0.1), fp.ERM("square", 1.0)),
    fp.Model(fp.Teacher(), fp.MaxMargin()),
    fp.Model(fp.Teacher(0.1), fp.Bayes("spherical")),
    fp.Model(fp.Teacher(), fp.Hebb()),
    fp.Model(fp.GaussianMixture(0.5), fp.ERM(fp.smoothed("hinge", 0.5), 0.1)),
    fp.Model(fp.Teacher(0.1), fp.ERM(fp.smoothed("logistic", 1.0), 0.1)),
]


def state_of(record):
    p = record["params"]
    return fp.solve(fp.Model(fp.GaussianMixture(p["variance"], p["positive"]), fp.ERM(p["loss"], p["l2"])), p["alpha"])


def neighbourhood(state, overlaps, margin, beta, energy=ERRORS):
    return local_entropies(state, overlaps, Channel(energy, margin, beta))


def number(value):
    return math.inf if value == "inf" else value


@pytest.mark.parametrize("record", [r for r in RECORDS if r["query"] == "local_entropy"], ids=lambda r: r["id"])
def test_local_entropy_around_minimisers_has_the_reference_values(record):
    """Values: the project's reference table local_entropy_erm (two independent quadratures, 1e-10)."""
    at, state = record["at"], state_of(record)
    beta = number(at["beta_counted"])
    got = neighbourhood(state, [at["overlap"]], at["counted_margin"], beta)
    if record["status"] == "unsat":
        assert got["status"][0] == "unsat"
        return
    energy = 0.0 if beta == math.inf else beta * state.alpha * got["train_error"][0]
    values = {**{k: v[0] for k, v in got.items()}, "local_entropy": got["free_entropy"][0] + energy}
    for name, want in record["expected"].items():
        assert values[name] == pytest.approx(want, rel=record["tolerance"]["rel"], abs=record["tolerance"]["abs"]), name


@pytest.mark.parametrize("record", [r for r in RECORDS if r["query"] == "threshold"], ids=lambda r: r["id"])
def test_largest_overlap_has_the_reference_values(record):
    """Values: the project's reference table local_entropy_erm."""
    assert largest_overlap(state_of(record), 0.0) == pytest.approx(record["expected"]["overlap_max"], rel=1e-10)


@pytest.mark.parametrize("model", RULES, ids=repr)
def test_slope_is_the_derivative_of_the_free_entropy(model):
    state, p, h = fp.solve(model, 1.0), 0.7, 1e-4
    got = neighbourhood(state, [p - h, p, p + h], 0.0, 3.0)
    assert (got["free_entropy"][2] - got["free_entropy"][0]) / (2.0 * h) == pytest.approx(got["slope"][1], rel=1e-5)


@pytest.mark.parametrize("model", RULES, ids=repr)
def test_train_error_is_minus_the_derivative_by_beta(model):
    state, h = fp.solve(model, 1.0), 1e-4
    low, mid, high = (neighbourhood(state, [0.6], 0.0, b) for b in (2.0 - h, 2.0, 2.0 + h))
    assert -(high["free_entropy"][0] - low["free_entropy"][0]) / (2.0 * h) == pytest.approx(mid["train_error"][0], rel=1e-6)


@pytest.mark.parametrize("model", RULES, ids=repr)
def test_at_small_beta_the_counted_errors_are_those_of_weight_noise(model):
    """At beta -> 0 the counted weights are random ones at overlap p: the rule perturbed by sigma = sqrt(1-p^2)/p."""
    state, p = fp.solve(model, 1.0), 0.8
    got = neighbourhood(state, [p], 0.0, 1e-7)
    rise = fp.local_energy(state, sigma=math.sqrt(1.0 - p * p) / p)
    assert got["free_entropy"][0] == pytest.approx(0.5 * math.log(1.0 - p * p), abs=1e-6)
    assert got["train_error"][0] - fp.margins(state).mass_below_zero == pytest.approx(rise, abs=1e-7)


@pytest.mark.parametrize("model", RULES, ids=repr)
def test_free_entropy_is_stationary_in_every_unknown(model):
    """Finite differences of (1/2)[log v1 + (q1-s)/v1] + alpha E log Z, which uses none of the saddle's averages."""
    alpha, p, beta = 1.0, 0.6, 2.0
    rule, channel, gap = rule_of(fp.solve(model, alpha)), Channel(ERRORS, 0.0, beta), 1.0 - p * p
    point = solve_point(Equations(rule, alpha, channel, p))
    m, q = rule.m, rule.q

    def phi(dm, dr, b):
        v1 = gap - b
        surplus = b - (dm * dm - 2.0 * m * dm * dr - (q - m * m) * dr * dr)
        log_z = averages(rule, channel, Place(p, gap, dm, dr, b), Sums(0, False), buffers(), buffers(1)).log_z
        return 0.5 * (math.log(v1) + surplus / v1) + alpha * log_z

    x = np.array([point.dm, point.dr, point.b])
    curvature = abs(phi(x[0] + 1e-2, x[1], x[2]) - phi(*x)) / 1e-4
    for i, h in enumerate((1e-4, 1e-4, 1e-4 * point.b)):
        step = np.eye(3)[i] * h
        slope = (phi(*(x + step)) - phi(*(x - step))) / (2.0 * h)
        assert abs(slope) < 1e-6 * max(1.0, curvature), i


@pytest.mark.parametrize("energy", ["hinge", "squared-hinge"])
@pytest.mark.parametrize("model", [RULES[1], RULES[3], RULES[4], RULES[7]], ids=repr)
def test_cold_energies_with_a_flat_side_are_hard_constraints_where_those_can_be_met(model, energy):
    """Violations of a hinge cost a volume of order 1/beta, of its square 1/sqrt(beta)."""
    state, overlaps, misses = fp.solve(model, 1.0), [0.1, 0.3, 0.6], []
    hard = neighbourhood(state, overlaps, 0.0, math.inf)
    assert list(hard["status"]) == ["ok"] * 3
    for beta in (1e4, 1e6) if energy == "hinge" else (1e8, 1e12):
        cold = neighbourhood(state, overlaps, 0.0, beta, CODES[energy])
        misses.append([np.abs(np.subtract(cold[name], hard[name])).max() for name in ("free_entropy", "slope", "train_error")])
    assert max(misses[1]) < 2e-4
    np.testing.assert_allclose(misses[0], 100.0 * np.array(misses[1]), rtol=0.01)


@pytest.mark.parametrize("energy", ["hinge", "squared-hinge"])
@pytest.mark.parametrize("model", [RULES[0], RULES[3], RULES[4], RULES[5], RULES[7]], ids=repr)
def test_the_energy_of_hinges_is_minus_the_derivative_by_beta_and_the_slope_that_by_the_overlap(model, energy):
    state, p, beta, margin, h = fp.solve(model, 1.0), 0.6, 2.0, 0.3, 1e-3
    got = fp.local_entropy(state, overlap=[p - 2.0 * h, p - h, p, p + h, p + 2.0 * h], margin=margin, beta=beta, energy=energy)
    f = got.free_entropy
    assert (f[0] - 8.0 * f[1] + 8.0 * f[3] - f[4]) / (12.0 * h) == pytest.approx(got.slope[2], rel=1e-7)
    low, high = (fp.local_entropy(state, overlap=[p], margin=margin, beta=b, energy=energy).free_entropy[0] for b in (beta - h, beta + h))
    assert got.energy[2] == pytest.approx(-(high - low) / (2.0 * h), rel=1e-5)
    assert got.energy[2] == pytest.approx(state.alpha * got.train_loss[2], rel=1e-14)


def around(data, learner, **counted):
    return fp.local_entropy(fp.solve(fp.Model(data, learner), 1.0), overlap=[0.3, 0.6], **counted)


@pytest.mark.parametrize(("loss", "order"), [("hinge", 1.0), ("squared-hinge", 2.0), ("logistic", 2.0)])
def test_with_little_noise_a_smoothed_loss_has_the_neighbourhood_of_the_loss(loss, order):
    """Off by sigma^2 times the curvature, which next to the hinge's kink is 1/sigma."""
    data, want = fp.GaussianMixture(), around(fp.GaussianMixture(), fp.ERM(loss, 0.1), beta=2.0).value
    far, near = (around(data, fp.ERM(fp.smoothed(loss, sigma), 0.1), beta=2.0).value - want for sigma in (2e-3, 1e-3))
    assert 0.0 < np.abs(near).max() < 5e-5
    np.testing.assert_allclose(far / near, 2.0**order, rtol=0.02)


@pytest.mark.parametrize("data", [fp.GaussianMixture(), fp.Teacher(0.1)])
def test_with_much_noise_a_smoothed_loss_has_the_neighbourhood_of_hebbs_rule(data):
    """The difference falls like 1/sigma."""
    want = around(data, fp.Hebb(), margin=0.2, beta=3.0).value
    far, near = (around(data, fp.ERM(fp.smoothed("hinge", sigma), 0.1), margin=0.2, beta=3.0).value - want for sigma in (1e4, 1e5))
    assert 0.0 < np.abs(near).max() < 1e-5
    np.testing.assert_allclose(far / near, 10.0, rtol=0.02)


def test_a_smoothed_square_moves_patterns_as_the_square_does():
    plain, smooth = (around(fp.GaussianMixture(0.5), fp.ERM(loss, 0.1)).value for loss in ("square", fp.smoothed("square", 0.7)))
    assert np.array_equal(plain, smooth)


def test_hard_constraints_are_met_only_up_to_the_largest_overlap():
    state = fp.solve(fp.Model(fp.GaussianMixture(), fp.Hebb()), 1.0)
    top = largest_overlap(state, 0.0)
    got = neighbourhood(state, [0.5, top - 1e-3, top + 1e-3], 0.0, math.inf)
    assert list(got["status"]) == ["ok", "ok", "unsat"]
    assert got["free_entropy"][1] < got["free_entropy"][0]
    assert np.isnan(got["free_entropy"][2])


def test_a_rule_without_errors_is_its_own_largest_overlap():
    assert largest_overlap(fp.solve(fp.Model(fp.Teacher(), fp.MaxMargin()), 1.0), 0.0) == 1.0


def test_no_overlap_is_feasible_far_beyond_separability():
    state = fp.solve(fp.Model(fp.GaussianMixture(), fp.ERM("logistic", 1.0)), 8.0)
    with pytest.raises(fp.errors.Unsatisfiable, match="finite beta"):
        largest_overlap(state, 0.0)


def test_an_unbalanced_mixture_is_refused_by_name():
    state = fp.solve(fp.Model(fp.GaussianMixture(positive=0.3), fp.ERM("logistic", 1.0)), 1.0)
    with pytest.raises(fp.errors.InvalidInput, match="positive"):
        neighbourhood(state, [0.5], 0.0, 1.0)


@pytest.mark.parametrize(
    ("model", "alpha", "margin", "beta"),
    [
        (fp.Model(fp.GaussianMixture(), fp.MaxMargin()), 0.05, -0.1, 3.0),
        (fp.Model(fp.Teacher(), fp.Hebb()), 1e-3, 0.1, math.inf),
        (fp.Model(fp.Teacher(0.1), fp.Bayes("spherical")), 4e-3, -0.2, 0.5),
    ],
)
def test_where_every_pattern_is_fulfilled_anyhow_the_volume_is_left(model, alpha, margin, beta):
    p = np.array([0.62, 0.97, 0.998])
    got = neighbourhood(fp.solve(model, alpha), p, margin, beta)
    assert list(got["status"]) == ["ok"] * 3
    assert got["value"] == pytest.approx(0.5 * np.log1p(-p * p), abs=2e-5, rel=1e-4)
    assert (got["value"] <= 0.5 * np.log1p(-p * p) + 1e-12).all()
    assert got["slope"] == pytest.approx(-p / (1.0 - p * p), rel=1e-3)


def test_a_large_overlap_alone_is_the_same_as_among_others():
    state = fp.solve(fp.Model(fp.GaussianMixture(), fp.ERM("logistic", 0.05)), 0.02)
    alone = [float(neighbourhood(state, [p], 0.3, 5.0)["value"][0]) for p in (0.7, 0.96)]
    assert alone == pytest.approx(list(neighbourhood(state, [0.7, 0.96], 0.3, 5.0)["value"]), rel=1e-11)
    assert alone[1] < alone[0] - 0.5


def test_balanced_zeros_far_from_the_margin_are_seen_by_the_panels():
    """At large beta and overlap the counted channel turns where it costs as much to obey as not to, not at the margin."""
    state = fp.solve(fp.Model(fp.Teacher(0.3), fp.ERM("squared-hinge", 1.0)), 0.6)
    p, h = 0.993, 1e-5
    low, here, high = (neighbourhood(state, [x], 0.3, 30.0) for x in (p - h, p, p + h))
    assert here["quadrature_error"][0] < 1e-11
    assert here["slope"][0] == pytest.approx((high["free_entropy"][0] - low["free_entropy"][0]) / (2 * h), rel=1e-6)


def test_overlaps_that_are_too_small_are_known_for_it_after_few_evaluations(monkeypatch):
    calls = []
    answer = Equations.answer
    monkeypatch.setattr(Equations, "answer", lambda self, *args: calls.append(1) or answer(self, *args))
    state = fp.solve(fp.Model(fp.Teacher(), fp.ERM("squared-hinge", 10.0)), 7.0)
    assert list(neighbourhood(state, [0.8], 0.0, math.inf)["status"]) == ["unsat"]
    assert len(calls) < 200


def test_loads_beyond_the_separability_threshold_overflow_nowhere():
    with pytest.raises(fp.errors.Unsatisfiable, match="no weights reach margin 0.15"):
        largest_overlap(fp.solve(fp.Model(fp.GaussianMixture(15.0), fp.Hebb()), 7.0), 0.15)


COSTLY = [  # model, load, overlap, counted margin and beta
    (fp.Model(fp.GaussianMixture(60.0), fp.Hebb()), 1.5e6, 0.99, -1e-4, 5.6),
    (fp.Model(fp.GaussianMixture(60.0), fp.ERM("hinge", 0.08)), 5000.0, 0.15, 0.0, 2.5),
    (fp.Model(fp.Teacher(), fp.Hebb()), 0.7, -5e-3, 0.04, 14.0),
    (fp.Model(fp.Teacher(), fp.ERM("hinge", 90.0)), 4.3, -1e-5, 0.0, 2.0),
    (fp.Model(fp.GaussianMixture(4.0), fp.Hebb()), 1.5e-3, -1e-3, 0.0, 20.0),
    (fp.Model(fp.Teacher(1e-5), fp.ERM("hinge", 4e-3)), 2.5e7, 0.9, 0.0, math.inf),
]


@pytest.mark.parametrize(("model", "alpha", "p", "margin", "beta"), COSTLY)
def test_no_point_takes_more_evaluations_than_its_budget(monkeypatch, model, alpha, p, margin, beta):
    budgets, begin = [], Budget.__init__
    monkeypatch.setattr(Budget, "__init__", lambda self: budgets.append(self) or begin(self))
    state = fp.solve(model, alpha)
    try:
        got = neighbourhood(state, [p], margin, beta)
        assert got["status"][0] == "ok" and got["residual"][0] <= 1e-10
    except (NotConverged, Unsatisfiable) as error:  # a named limit of reach, what is in the way, or no such weights
        assert any(words in str(error) for words in ("out of reach", "followed only up to", "no weights reach"))
    assert 0 < sum(one.spent for one in budgets) < 1.1 * MOST


def test_a_point_next_to_its_reach_is_solved_along_the_logarithm_of_the_load():
    """The slope beside the difference of its own free entropy, at a load where q1 has come within 1e-2 of 1."""
    state = fp.solve(fp.Model(fp.GaussianMixture(10.0), fp.Hebb()), 5e3)
    low, here, high = (neighbourhood(state, [p], 0.0, 3.0) for p in (0.6 - 1e-5, 0.6, 0.6 + 1e-5))
    assert 0.0 < 1.0 - here["q1"][0] < 1e-2 and here["quadrature_error"][0] < 1e-9
    slope = (high["free_entropy"][0] - low["free_entropy"][0]) / 2e-5
    assert here["slope"][0] == pytest.approx(slope, rel=1e-6)


def test_the_largest_overlap_is_followed_on_its_own_branch_and_overlaps_below_it_are_never_called_unsatisfiable_by_a_power_law():
    tops, model = [], fp.Model(fp.Teacher(), fp.ERM("hinge", 1.0))
    for alpha in (30.0, 60.0, 120.0, 240.0):
        state = fp.solve(model, alpha)
        tops.append(largest_overlap(state, 0.0))
        try:
            assert neighbourhood(state, [1.0 - 1.3 * (1.0 - tops[-1])], 0.0, math.inf)["status"][0] == "ok"
        except NotConverged as error:
            assert "out of reach" in str(error)
    gaps = [1.0 - top for top in tops]
    assert all(0.4 < b / a < 0.6 for a, b in zip(gaps, gaps[1:]))  # the rule and the weights around it learn: about 1/alpha
