"""Replicas drawn at an energy and a temperature: the reference, derivatives, limits, sums that share no code with the solver."""

import json
import math
import pathlib

import numpy as np
import pytest
from scipy.special import log_ndtr, logsumexp

import flatphys as fp
from flatphys.errors import InvalidInput, Unsatisfiable
from flatphys.kernels.channels import CODES
from flatphys.kernels.codes import RANDOM, Channel, Labels
from flatphys.model import ENERGIES as EVERY
from flatphys.saddle.breaking.averages import Patterns, pattern_average, pattern_scalars
from flatphys.saddle.breaking.branch import branch_of
from flatphys.saddle.breaking.frozen import solve_binary
from flatphys.saddle.breaking.inner import room
from flatphys.saddle.breaking.jump import jump_of
from flatphys.saddle.breaking.limit import limit_scalars, pattern_limit
from flatphys.saddle.breaking.potential import one_step_free_entropy

ENERGIES = [one for one in EVERY if one != "logistic"]  # which knows no margin
RECORDS = [json.loads(line) for line in (pathlib.Path(__file__).parents[2] / "data" / "robust.jsonl").read_text().splitlines()]
RECORDS = [record for record in RECORDS if record["query"] == "large_deviation"]
DATA = {
    "random_labels": lambda params: fp.RandomLabels(),
    "teacher": lambda params: fp.Teacher(params.get("flip", 0.0)),
    "gaussian_mixture": lambda params: fp.GaussianMixture(params["variance"], params["positive"]),
}
pytestmark = pytest.mark.filterwarnings("ignore::flatphys.errors.ReplicaSymmetryWarning")
energies = pytest.mark.parametrize("energy", ENERGIES)
BETA, ALPHA, DISTANCE = 1.5, 1.2, 0.1


def model(energy, beta=BETA, weights="binary", data=None):
    return fp.Model(data or fp.RandomLabels(), fp.Gibbs(weights, margin=0.3, beta=beta, energy=energy))


def point(asked, d=DISTANCE, y=math.inf, alpha=ALPHA):
    found = branch_of(asked, alpha, y).at(2.0 * d)
    assert found is not None and found.residual < 1e-10 and found.quadrature < 1e-9
    return found


def derivative(f, step):
    return (8.0 * (f(step) - f(-step)) - f(2.0 * step) + f(-2.0 * step)) / (12.0 * step)


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r["id"])
def test_reference_value(record):
    """Values of an independent implementation (`tests/data/robust.jsonl`)."""
    params = {name: math.inf if value == "inf" else value for name, value in record["params"].items()}
    learner = fp.Gibbs(record["weights"], params.get("margin", 0.0), params["beta"], energy=params["energy"])
    model = fp.Model(DATA[record["data"]](params), learner)
    got = fp.replicated_entropy(model, params["alpha"], distance=record["at"]["distance"], y=float(record["at"]["y"]))
    values = {"dphi_dd": lambda: -2.0 * got.slope[0], "centre_margin_mean": lambda: got.centre_margins(0).mean}
    values["centre_train_error"] = lambda: got.centre_margins(0).mass_below_zero
    for name, want in record["expected"].items():
        value = values.get(name, lambda name=name: getattr(got, name)[0])()
        assert abs(value - want) <= record["tolerance"]["abs"] + record["tolerance"]["rel"] * abs(want), name


@energies
@pytest.mark.parametrize("y", [3.0, math.inf])
@pytest.mark.parametrize("data", [fp.RandomLabels(), fp.Teacher(0.1)], ids=["random", "teacher"])
def test_slope_and_energy_are_derivatives_of_the_free_entropy(energy, y, data):
    got = point(model(energy, data=data), y=y)
    slope = derivative(lambda e: point(model(energy, data=data), DISTANCE - 0.5 * e, y).free_entropy, 1e-3)
    assert got.slope == pytest.approx(slope, rel=2e-8, abs=1e-9)
    heat = derivative(lambda e: point(model(energy, BETA + e, data=data), y=y).free_entropy, 1e-2)
    assert got.energy == pytest.approx(-heat, rel=1e-7)
    assert got.value == got.free_entropy + BETA * got.energy


@energies
def test_the_external_entropy_is_the_derivative_in_the_number_of_replicas(energy):
    sigma = -9.0 * derivative(lambda e: point(model(energy), y=3.0 + e).free_entropy, 1e-2)
    assert point(model(energy), y=3.0).external == pytest.approx(sigma, rel=1e-7, abs=1e-9)
    limit = point(model(energy))
    first, second = (y * (point(model(energy), y=y).free_entropy - limit.free_entropy) for y in (100.0, 200.0))
    assert 2.0 * second - first == pytest.approx(limit.external, rel=2e-2, abs=1e-3)


@energies
@pytest.mark.parametrize("weights", ["binary", "spherical"])
def test_at_the_typical_distance_replicas_are_the_equilibrium(energy, weights):
    asked = model(energy, weights=weights)
    state = fp.solve(asked, ALPHA)
    for y in (3.0, math.inf):
        got = point(asked, 0.5 * state.one_minus_q, y)
        assert got.free_entropy == pytest.approx(state.free_entropy, abs=1e-12)
        assert got.energy == pytest.approx(state.energy, abs=1e-12) and got.train_error == pytest.approx(state.train_error, abs=1e-12)
        assert got.slope == pytest.approx(0.0, abs=1e-10)
        assert min(got.inner, got.outer) == pytest.approx(state.at_eigenvalue, rel=1e-9)


@energies
def test_one_replica_is_replica_symmetric_whatever_q1_is(energy):
    asked = model(energy)
    state = fp.solve(asked, ALPHA)
    order = {"q0": state.q, "q0_hat": state.q_hat, "q1_hat": state.q_hat + 0.7, "parisi_m": 1.0}
    for q1 in (0.6, 0.98):
        assert one_step_free_entropy(asked, ALPHA, q1=q1, **order) == pytest.approx(state.free_entropy, abs=5e-13)


@pytest.mark.parametrize("y", [4.0, math.inf])
def test_cold_replicas_with_a_hinge_are_solutions(y):
    hard = point(model("hinge", math.inf), y=y, alpha=0.4)
    gaps = [hard.free_entropy - point(model("hinge", beta), y=y, alpha=0.4).free_entropy for beta in (200.0, 400.0)]
    assert gaps[0] < 0.0 and gaps[0] / gaps[1] == pytest.approx(2.0, rel=0.1)  # of order 1/beta


def log_f(energy, x, beta, sigma):
    """log of Int Du exp(-beta energy), from the closed forms of the two sides, in scipy."""
    c = beta * sigma * sigma
    if energy == "square":
        return -0.5 * np.log1p(c) - 0.5 * c / (1.0 + c) * x * x
    below = {
        "errors": -beta + log_ndtr(x),
        "hinge": -beta * sigma * x + 0.5 * c * beta + log_ndtr(x - beta * sigma) if energy == "hinge" else None,
        "squared-hinge": -0.5 * np.log1p(c) - 0.5 * c / (1.0 + c) * x * x + log_ndtr(x / np.sqrt(1.0 + c)),
    }[energy]
    return np.logaddexp(log_ndtr(-x), below)


@pytest.mark.long
@energies
@pytest.mark.parametrize(("beta", "spread", "m"), [(0.3, 0.5, 2.0), (3.0, 0.2, 10.0), (3.0, 4.0, 3.0), (8.0, 0.05, 60.0)])
def test_nested_averages_against_a_double_sum(energy, beta, spread, m):
    v, q0, kappa = 0.2, 0.5, 0.3
    patterns = Patterns(Channel(CODES[energy], kappa, beta), Labels(RANDOM, 0.0), v, q0, 0.0, spread)
    z, t = np.linspace(-9.0, 9.0, 901), np.linspace(-40.0, 40.0, 16001)
    dz, dt = z[1] - z[0], t[1] - t[0]
    fields = (kappa - math.sqrt(q0) * z) / math.sqrt(v)
    log_i = [logsumexp(m * log_f(energy, x0 - math.sqrt(spread) * t, beta, math.sqrt(v)) - 0.5 * t * t) for x0 in fields]
    log_i = np.array(log_i) + math.log(dt) - 0.5 * math.log(2.0 * math.pi)
    want = float(np.exp(-0.5 * z * z) @ log_i) * dz / math.sqrt(2.0 * math.pi) / m
    for level in (0, 1):
        assert pattern_average(patterns, m, level, room()).value == pytest.approx(want, rel=1e-9)
    plain = pattern_scalars(patterns, m, 0, room())
    assert plain == pytest.approx(pattern_scalars(patterns, m, 1, room()), rel=1e-9)


@energies
@pytest.mark.parametrize(("beta", "r"), [(1.0, 0.5), (1.0, 20.0), (6.0, 2.0), (3.0, -0.6)])
def test_averages_over_the_maximum_against_a_grid(energy, beta, r):
    """E max_l [log f(l) - (l - omega)^2/(2 dq)] for attracting replicas (for repelling ones the minimum), by a fine grid and a parabola."""
    v, q, kappa = 0.2, 0.5, 0.3
    patterns = Patterns(Channel(CODES[energy], kappa, beta), Labels(RANDOM, 0.0), v, q, 0.0, r)
    x = np.linspace(-60.0, 80.0, 140001)
    f = log_f(energy, x, beta, math.sqrt(v))
    z = np.linspace(-8.5, 8.5, 1201)
    best = []
    for at in (kappa - math.sqrt(q) * z) / math.sqrt(v):
        score = math.copysign(1.0, r) * (f - (x - at) ** 2 / (2.0 * r))
        i = int(np.argmax(score))
        a, b, c = score[i - 1 : i + 2]
        best.append(math.copysign(1.0, r) * (b + (a - c) ** 2 / (8.0 * (2.0 * b - a - c))))
    want = float(np.exp(-0.5 * z * z) @ np.array(best)) * (z[1] - z[0]) / math.sqrt(2.0 * math.pi)
    for level in (0, 1):
        assert pattern_limit(patterns, level, room()).value == pytest.approx(want, rel=1e-6)
    assert limit_scalars(patterns, 0, room()) == pytest.approx(limit_scalars(patterns, 1, room()), rel=1e-10)


def test_the_field_jumps_only_where_errors_are_counted_and_both_sides_have_one_value():
    for energy in ENERGIES[1:]:
        assert jump_of(Channel(CODES[energy], 0.0, 3.0), 0.5, 50.0).below == math.inf
    for beta, r in ((0.5, 30.0), (2.0, 5.0), (6.0, 3.0)):
        jump = jump_of(Channel(CODES["errors"], 0.0, beta), 0.5, r)
        values = []
        for x in (jump.below, jump.above):
            f = [float(log_f("errors", x + e, beta, 0.5)) for e in (-2e-4, -1e-4, 0.0, 1e-4, 2e-4)]
            a = (8.0 * (f[1] - f[3]) - f[0] + f[4]) / 1.2e-3
            assert x + r * a == pytest.approx(jump.field, rel=1e-8)
            values.append(f[2] - 0.5 * r * a * a)
        assert jump.below < jump.turn1 < jump.turn2 < jump.above and values[0] == pytest.approx(values[1], rel=1e-8)


@energies
@pytest.mark.parametrize("y", [3.0, math.inf])
def test_stabilities_of_replicas_have_the_errors_and_the_energy_that_they_say(energy, y):
    asked = model(energy, data=fp.Teacher())
    answer = fp.replicated_entropy(asked, ALPHA, distance=DISTANCE, y=y)
    law = answer.margins()
    assert law.cdf(0.3) == pytest.approx(answer.train_error[0], abs=1e-9)
    x, w = np.polynomial.legendre.leggauss(400)
    total = energy_sum = 0.0
    for low, high in ((-8.0, 0.3), (0.3, 8.0)):
        at = 0.5 * (low + high) + 0.5 * (high - low) * x
        p = 0.5 * (high - low) * w * law.pdf(at)
        t = np.maximum(0.3 - at, 0.0)
        cost = {"errors": t > 0.0, "hinge": t, "squared-hinge": 0.5 * t * t, "square": 0.5 * (0.3 - at) ** 2}[energy]
        total, energy_sum = total + p.sum(), energy_sum + p @ cost
    assert total == pytest.approx(1.0, abs=1e-9) and ALPHA * energy_sum == pytest.approx(answer.energy[0], abs=1e-9)
    typical = fp.margins(min(fp.branches(asked, ALPHA), key=lambda s: s.q))
    state = min(fp.branches(asked, ALPHA), key=lambda s: s.q)
    same = fp.replicated_entropy(asked, ALPHA, distance=0.5 * state.one_minus_q, y=y).margins()
    for name in ("mean", "variance", "skewness"):
        assert getattr(same, name) == pytest.approx(getattr(typical, name), abs=1e-9)
    assert same.rise_after_noise(0.3) == pytest.approx(typical.rise_after_noise(0.3), abs=1e-9)


@pytest.mark.parametrize("energy", ["hinge", "squared-hinge"])
def test_binary_weights_freeze_at_every_energy(energy):
    cold = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=60.0, energy=energy))
    beta = fp.freezing_beta(cold, 1.8)
    state = solve_binary(cold, 1.8)
    hot = fp.branches(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=beta, energy=energy)), 1.8)[0]
    assert state.parisi_m == pytest.approx(beta / 60.0, rel=1e-9)
    assert state.entropy == pytest.approx(0.0, abs=1e-11) and state.free_entropy == pytest.approx(-60.0 * state.energy, rel=1e-11)
    assert state.train_loss == pytest.approx(hot.train_loss, rel=1e-9)


def test_what_has_no_theory_is_refused():
    with pytest.raises(Unsatisfiable, match="ground_state"):
        fp.replicated_entropy(model("square", math.inf), 0.3, distance=0.1)
    with pytest.raises(InvalidInput, match="beta=math.inf"):
        fp.solve(model("hinge", 2.0, "spherical"), 3.0, ansatz="1RSB")
