"""Replicated solutions and one-step states: limits, derivatives, stationarity, and the reference records."""

import json
import math
import pathlib

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import NoSolution, ReplicaSymmetryWarning, Unsatisfiable
from flatphys.saddle.breaking import capacity as rsb_capacity
from flatphys.saddle.breaking.branch import branch_of
from flatphys.saddle.breaking.potential import one_step_free_entropy
from flatphys.saddle.breaking.states import solve_one_step
from flatphys.thresholds.dense import replicated_flatness_threshold, vanishing_external_y

RECORDS = [json.loads(line) for line in (pathlib.Path(__file__).parents[2] / "data" / "rsb.jsonl").read_text().splitlines()]
BINARY = fp.Model(fp.RandomLabels(), fp.Gibbs("binary"))
MODELS = {
    "binary": (BINARY, 0.6),
    "binary, margin": (fp.Model(fp.RandomLabels(), fp.Gibbs("binary", margin=0.5)), 0.25),
    "binary, teacher": (fp.Model(fp.Teacher(), fp.Gibbs("binary")), 0.8),
    "binary, noisy teacher, negative margin": (fp.Model(fp.Teacher(0.1), fp.Gibbs("binary", margin=-0.5)), 0.8),
    "spherical": (fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")), 1.0),
    "spherical, negative margin": (fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", margin=-1.0)), 7.0),
    "spherical, teacher": (fp.Model(fp.Teacher(), fp.Gibbs("spherical")), 2.0),
}
cases = pytest.mark.parametrize("name", MODELS)


def point(model, alpha, distance, y=math.inf):
    found = branch_of(model, alpha, y).at(2.0 * distance)
    assert found is not None
    return found


def records(query):
    chosen = [r for r in RECORDS if r["query"] == query]
    return pytest.mark.parametrize("record", chosen, ids=[r["id"] for r in chosen])


def close(got, record, name):
    tolerance = record["tolerance"]
    assert got == pytest.approx(record["expected"][name], rel=tolerance["rel"], abs=tolerance["abs"])


def model_of(record):
    return fp.Model(fp.RandomLabels(), fp.Gibbs(record["weights"], margin=record["params"]["margin"])), record["params"].get("alpha")


@records("large_deviation")
def test_replicated_points_of_the_reference(record):
    model, alpha = model_of(record)
    got = point(model, alpha, record["at"]["distance"], float(record["at"]["y"]))
    names = {
        "free_entropy": got.value,
        "dphi_dd": -2.0 * got.slope,
        "q0": got.q0,
        "q0_hat": got.q0_hat,
        "q1_hat": got.q1_hat,
        "delta_q": got.dq,
        "delta_q_hat": got.dq_hat,
    }
    assert set(record["expected"]) <= set(names)
    for name in record["expected"]:
        close(names[name], record, name)


@records("one_step_rsb")
def test_one_step_states_of_the_reference(record):
    with pytest.warns(ReplicaSymmetryWarning):
        state = solve_one_step(*model_of(record))
    for name in record["expected"]:
        close(getattr(state, name), record, name)
    assert state.residual < 1e-12 and state.quadrature_error < 1e-10


@records("one_step_rsb_potential")
def test_the_one_step_free_entropy_off_its_saddle(record):
    close(one_step_free_entropy(*model_of(record), **record["at"]), record, "free_entropy")


@cases
def test_one_replica_is_replica_symmetric_whatever_q1_is(name):
    model, alpha = MODELS[name]
    state = fp.branches(model, alpha)[0]
    order = {"q0": state.q, "R": state.order.get("R", 0.0)}
    for q1, extra in ((0.5 + 0.5 * state.q, 0.7), (0.999, 2.0)):
        if model.learner.weights == "binary":
            order |= {"q0_hat": state.q_hat, "q1_hat": state.q_hat + extra, "R_hat": state.order.get("R_hat", 0.0)}
        assert one_step_free_entropy(model, alpha, q1=q1, parisi_m=1.0, **order) == pytest.approx(state.free_entropy, abs=2e-13)


@cases
def test_equal_overlaps_are_replica_symmetric_whatever_m_is(name):
    model, alpha = MODELS[name]
    state = fp.branches(model, alpha)[0]
    order = {"q0": state.q, "q1": state.q, "R": state.order.get("R", 0.0)}
    if model.learner.weights == "binary":
        order |= {"q0_hat": state.q_hat, "q1_hat": state.q_hat, "R_hat": state.order.get("R_hat", 0.0)}
    for m in (0.2, 7.0):
        assert one_step_free_entropy(model, alpha, parisi_m=m, **order) == pytest.approx(state.free_entropy, abs=2e-13)


@cases
@pytest.mark.parametrize("y", [2.0, 30.0, math.inf])
def test_the_curve_starts_at_the_replica_symmetric_entropy_with_zero_slope(name, y):
    model, alpha = MODELS[name]
    state = min(fp.branches(model, alpha), key=lambda s: s.q)
    got = point(model, alpha, 0.5 * state.one_minus_q, y)
    assert got.value == pytest.approx(state.free_entropy, abs=1e-12)
    assert got.slope == pytest.approx(0.0, abs=1e-10)
    assert got.external == pytest.approx(0.0, abs=1e-10)
    assert min(got.inner, got.outer) == pytest.approx(state.at_eigenvalue, rel=1e-9)


@cases
@pytest.mark.parametrize("y", [3.0, 40.0])
def test_the_free_entropy_is_stationary_at_the_replicated_solution(name, y):
    """Finite differences of the potential in every order parameter but q1, whose derivative is the slope."""
    model, alpha = MODELS[name]
    got = point(model, alpha, 0.06, y)
    at = {"q0": got.q0, "q1": 1.0 - got.v, "R": got.r}
    if model.learner.weights == "binary":
        at |= {"q0_hat": got.q0_hat, "q1_hat": got.q1_hat, "R_hat": got.r_hat}
    if isinstance(model.data, fp.RandomLabels):
        at.pop("R", None), at.pop("R_hat", None)

    gaps = {"q0": got.dq / y, "q1": min(got.dq / y, got.v), "q0_hat": got.dq_hat / y, "q1_hat": got.dq_hat / y}

    def derivative(key):
        h = 2e-3 * min(abs(at[key]), gaps.get(key, 1.0))
        value = lambda k: one_step_free_entropy(model, alpha, parisi_m=y, **(at | {key: at[key] + k * h}))
        return (value(-2) - 8 * value(-1) + 8 * value(1) - value(2)) / (12 * h), 1e-14 / h

    for key in at:
        slope, rounding = derivative(key)
        want = got.slope if key == "q1" else 0.0
        assert slope == pytest.approx(want, rel=1e-8, abs=2e-9 + 10.0 * rounding), key
    h = 1e-3 * y
    value = lambda k: one_step_free_entropy(model, alpha, parisi_m=y + k * h, **at)
    external = -y * y * (value(-2) - 8 * value(-1) + 8 * value(1) - value(2)) / (12 * h)
    assert got.external == pytest.approx(external, abs=1e-8 * y)


@cases
@pytest.mark.parametrize("y", [2.0, 20.0, math.inf])
def test_the_slope_is_the_derivative_along_the_curve(name, y):
    model, alpha = MODELS[name]
    branch, d, h = branch_of(model, alpha, y), 0.05, 5e-4
    value = lambda k: branch.at(2.0 * (d + k * h)).value
    numerical = (value(-2) - 8 * value(-1) + 8 * value(1) - value(2)) / (12 * h)
    assert -2.0 * branch.at(2.0 * d).slope == pytest.approx(numerical, rel=2e-7, abs=1e-9)


@cases
def test_more_replicas_approach_the_limit_as_one_over_y(name):
    """The coefficient of 1/y is the external entropy at y = inf, computed from the fluctuations around the maximum."""
    model, alpha = MODELS[name]
    limit = point(model, alpha, 0.1)
    gaps = [(y * (point(model, alpha, 0.1, y).value - limit.value), y) for y in (500.0, 1000.0, 2000.0)]
    errors = [abs(gap - limit.external) for gap, _ in gaps]
    assert errors[2] < 3e-2 * max(abs(limit.external), 0.1)
    assert errors[1] / errors[2] == pytest.approx(2.0, rel=0.15)  # what remains is of order 1/y again
    assert point(model, alpha, 0.1, 1e3).external == pytest.approx(limit.external, abs=0.1 * max(abs(limit.external), 0.05))


def binary_shell(distance):
    """Entropy of weights that differ from one centre in a fraction (1 - sqrt(1-2d))/2: any two of them are at distance d."""
    p = 0.5 * (1.0 - math.sqrt(1.0 - 2.0 * distance))
    return -p * math.log(p) - (1.0 - p) * math.log(1.0 - p)


@pytest.mark.parametrize(("weights", "shell"), [("binary", binary_shell), ("spherical", lambda d: 0.5 * math.log(2.0 * d))])
@pytest.mark.parametrize("distance", [0.1, 0.2])
def test_with_few_patterns_replicas_fill_the_shell_around_their_barycentre(weights, shell, distance):
    """alpha -> 0: some centre obeys every pattern with room to spare; what is lost falls like exp(-constant/alpha)."""
    model = fp.Model(fp.RandomLabels(), fp.Gibbs(weights))
    lost = [shell(distance) - point(model, alpha, distance).value for alpha in (0.4, 0.2, 0.1, 0.05)]
    assert lost[0] > 5.0 * lost[1] > 50.0 * max(lost[2], 1e-13)
    assert lost[-1] == pytest.approx(0.0, abs=2e-6)


def pairs_of_solutions(n, patterns, k, rng):
    """log of the number of ordered pairs of +-1 solutions at Hamming distance k, by a Walsh-Hadamard transform."""
    weights = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    good = np.all(weights @ rng.standard_normal((n, patterns)) > 0.0, axis=1).astype(float)
    spectrum = good.copy()
    for stage in (0, 1):
        for bit in range(n):
            pair = spectrum.reshape(-1, 2, 2**bit)
            spectrum = np.stack([pair[:, 0] + pair[:, 1], pair[:, 0] - pair[:, 1]], axis=1).reshape(-1)
        if stage == 0:
            spectrum = spectrum**2
    distance = np.array([i.bit_count() for i in range(2**n)])
    count = spectrum[distance == k].sum() / 2**n
    return math.log(count)


def test_two_replicas_are_the_pairs_of_solutions_of_small_systems():
    """Exact counts at N = 8, 12 with alpha = d = 1/4, relative to no patterns and extrapolated in 1/N."""
    rng = np.random.default_rng(7)
    means, errors, sizes = [], [], (8, 12)
    for n in sizes:
        empty = n * math.log(2.0) + math.log(math.comb(n, n // 4))
        sample = np.array([pairs_of_solutions(n, n // 4, n // 4, rng) - empty for _ in range(1500)]) / (2 * n)
        means.append(sample.mean())
        errors.append(sample.std() / math.sqrt(sample.size))
    extrapolated = 3.0 * means[1] - 2.0 * means[0]
    error = math.hypot(3.0 * errors[1], 2.0 * errors[0])
    h = -0.25 * math.log(0.25) - 0.75 * math.log(0.75)
    theory = point(BINARY, 0.25, 0.25, 2.0).value - 0.5 * (math.log(2.0) + h)
    assert abs(means[1] - theory) < 0.02  # already close
    assert extrapolated == pytest.approx(theory, abs=3.0 * error + 1.0 / 8 / 12 * 0.1)


@pytest.mark.parametrize("y", [2.0, 50.0, math.inf])
def test_a_point_does_not_depend_on_what_was_asked_before(y):
    branch = branch_of(BINARY, 0.7, y)
    distances = [0.01, 0.15, 0.03, 0.2, 0.002, 0.08]
    together = [branch.at(2.0 * d) for d in distances]
    for d, got in zip(distances, together):
        alone = point(BINARY, 0.7, d, y)
        assert got.value == pytest.approx(alone.value, abs=1e-12)
        assert got.residual < 1e-10 and got.quadrature < 1e-10


def test_the_flatness_threshold_of_the_binary_perceptron():
    """Baldassi et al.: beyond it the densest regions are cut off.  Value: `docs/theory.md`."""
    got = replicated_flatness_threshold(BINARY)
    assert got.alpha == pytest.approx(0.7553020261886572, rel=1e-12)
    assert got.value == pytest.approx(0.03946978438420895, abs=1e-12)
    # the record's distance is where the slope vanishes to 3e-15, this one where it is least: they differ by 2.4e-7
    assert got.distance == pytest.approx(0.04018907363960368, rel=1e-6)
    slope = lambda d: -2.0 * point(BINARY, got.alpha, d).slope
    assert slope(got.distance) == pytest.approx(0.0, abs=1e-12)
    assert slope(0.9 * got.distance) > 1e-3 < slope(1.1 * got.distance)


@pytest.mark.long
def test_existing_regions_break_up_at_a_larger_load():
    """On the line of vanishing external entropy: the 0.77 of the literature (Baldassi et al., PRL 115, 128101)."""
    got = replicated_flatness_threshold(BINARY, vanishing_external=True)
    assert got.alpha == pytest.approx(0.7737, abs=1e-4)
    assert got.external_entropy == pytest.approx(0.0, abs=1e-10)
    assert got.y == pytest.approx(vanishing_external_y(BINARY, got.alpha, got.distance), rel=1e-8)


def test_the_external_entropy_vanishes_where_it_is_said_to():
    y = vanishing_external_y(BINARY, 0.75, 0.05)
    assert point(BINARY, 0.75, 0.05, y).external == pytest.approx(0.0, abs=1e-11)
    assert vanishing_external_y(BINARY, 0.6, 0.2) == math.inf and point(BINARY, 0.6, 0.2).external > 0.0


def test_convex_spherical_problems_have_no_flatness_threshold():
    with pytest.raises(NoSolution, match="monoton"):
        replicated_flatness_threshold(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")))


NEGATIVE = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", margin=-1.0))


@pytest.mark.filterwarnings("ignore::flatphys.errors.ReplicaSymmetryWarning")
@pytest.mark.parametrize("alpha", [8.5, 11.0, 12.2])
def test_the_one_step_free_entropy_is_stationary_in_every_direction(alpha):
    state = solve_one_step(NEGATIVE, alpha)
    at = {"q0": state.q0, "q1": state.q1, "parisi_m": state.parisi_m}
    scale = {"q0": state.q1 - state.q0, "q1": state.one_minus_q1, "parisi_m": state.parisi_m}
    for key, place in at.items():
        h = 2e-3 * scale[key]
        value = lambda k: one_step_free_entropy(NEGATIVE, alpha, **(at | {key: place + k * h}))
        slope = (value(-2) - 8 * value(-1) + 8 * value(1) - value(2)) / (12 * h)
        assert slope * scale[key] == pytest.approx(0.0, abs=1e-9), key
    assert state.entropy == pytest.approx(one_step_free_entropy(NEGATIVE, alpha, **at), abs=1e-12)
    assert state.entropy < solve_rs(alpha).entropy  # fewer solutions than replica symmetry counts
    assert state.complexity == pytest.approx(0.0, abs=1e-13)


def solve_rs(alpha):
    return fp.branches(NEGATIVE, alpha)[0]


@pytest.mark.filterwarnings("ignore::flatphys.errors.ReplicaSymmetryWarning")
def test_complexity_is_the_derivative_of_the_free_entropy_at_fixed_m():
    for m in (0.1, 0.3):
        h = 1e-3 * m
        value = lambda k: solve_one_step(NEGATIVE, 10.0, m + k * h).free_entropy
        numerical = -m * m * (value(-2) - 8 * value(-1) + 8 * value(1) - value(2)) / (12 * h)
        assert solve_one_step(NEGATIVE, 10.0, m).complexity == pytest.approx(numerical, abs=1e-9)


@pytest.mark.filterwarnings("ignore::flatphys.errors.ReplicaSymmetryWarning")
def test_the_one_step_states_end_at_the_one_step_capacity():
    capacity = fp.capacity(NEGATIVE, ansatz="1RSB")
    widths = [solve_one_step(NEGATIVE, capacity * (1.0 - gap)).one_minus_q1 for gap in (1e-2, 1e-3, 1e-4)]
    assert widths == sorted(widths, reverse=True) and widths[-1] < 2e-5
    near = solve_one_step(NEGATIVE, capacity * (1.0 - 1e-6))
    assert near.parisi_m / near.one_minus_q1 == pytest.approx(rsb_capacity.capacity(-1.0)[2], rel=1e-2)
    with pytest.raises(Unsatisfiable):
        solve_one_step(NEGATIVE, capacity * 1.0001)


@pytest.mark.filterwarnings("ignore::flatphys.errors.ReplicaSymmetryWarning")
def test_the_one_step_states_begin_at_the_stability_line():
    line = fp.at_line(NEGATIVE)
    state = solve_one_step(NEGATIVE, line * 1.002)
    symmetric = solve_rs(line * 1.002)
    assert state.entropy == pytest.approx(symmetric.entropy, abs=1e-6)
    assert state.q0 < symmetric.q < state.q1 < state.q0 + 0.05
    with pytest.raises(NoSolution, match="replica symmetry is stable"):
        solve_one_step(NEGATIVE, line * 0.99)


def test_very_negative_margins_reach_m_one_instead():
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", margin=-2.5))
    state = solve_one_step(model, 300.0)
    assert 0.9 < state.parisi_m < 1.0 and state.inner_eigenvalue > 0.0 < state.outer_eigenvalue
    with pytest.raises(NoSolution, match="parisi_m = 1"):
        solve_one_step(model, 280.0)


@pytest.mark.parametrize("data", [fp.RandomLabels(), fp.Teacher(0.3)], ids=["random", "teacher"])
def test_frozen_binary_states_have_the_entropy_and_energy_of_the_freezing_point(data):
    """Krauth & Mezard 1989: nothing changes below the freezing temperature but m = beta_c/beta."""
    cold = fp.Model(data, fp.Gibbs("binary", beta=9.0))
    beta = fp.freezing_beta(cold, 1.8)
    state = solve_one_step(cold, 1.8)
    frozen = min(fp.branches(fp.Model(data, fp.Gibbs("binary", beta=beta)), 1.8), key=lambda s: s.q)
    assert state.parisi_m == pytest.approx(beta / 9.0, rel=1e-11)
    assert state.entropy == pytest.approx(0.0, abs=1e-12)
    assert state.train_error == pytest.approx(frozen.train_error, rel=1e-11)
    assert state.free_entropy == pytest.approx(-9.0 * state.energy, rel=1e-12)
    assert state.phase == "sat" and state.ansatz == "1RSB"


def test_frozen_complexity_is_the_replica_symmetric_entropy_at_m_beta():
    cold = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=9.0))
    h = 1e-3
    value = lambda k: solve_one_step(cold, 1.8, 0.25 + k * h).free_entropy
    numerical = -(0.25**2) * (value(-2) - 8 * value(-1) + 8 * value(1) - value(2)) / (12 * h)
    assert solve_one_step(cold, 1.8, 0.25).complexity == pytest.approx(numerical, abs=1e-9)


@pytest.mark.parametrize(
    ("model", "alpha", "error", "says"),
    [
        (BINARY, 0.5, NoSolution, "replica symmetry holds"),
        (BINARY, 0.9, Unsatisfiable, "parisi_m = 0"),
        (fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=1.0)), 1.0, NoSolution, "has not frozen"),
        (fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")), 1.0, NoSolution, "exact"),
        (fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")), 2.1, Unsatisfiable, "capacity"),
        (fp.Model(fp.Teacher(), fp.Gibbs("spherical", margin=-1.0)), 5.0, fp.errors.InvalidInput, "RandomLabels"),
        (fp.Model(fp.Teacher(), fp.Bayes()), 1.0, fp.errors.InvalidInput, "Gibbs"),
    ],
)
def test_where_there_is_no_one_step_state_the_error_says_why(model, alpha, error, says):
    with pytest.raises(error, match=says):
        solve_one_step(model, alpha)
