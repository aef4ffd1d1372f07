"""Gibbs learners with an energy: reference values, identities of thermodynamics, and both ends of the temperature."""

import json
import math
import pathlib
import warnings

import mpmath
import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput, NotConverged, Unsatisfiable
from flatphys.model import ENERGIES

RECORDS = [json.loads(line) for line in (pathlib.Path(__file__).parents[2] / "data" / "energies.jsonl").read_text().splitlines()]
CONTINUOUS = [energy for energy in ENERGIES if energy not in ("errors", "logistic")]
HINGES = ["hinge", "squared-hinge"]


def model(energy, weights="binary", margin=0.4, beta=3.0, data=None, network=None):
    margin = 0.0 if energy == "logistic" else margin  # which knows none
    return fp.Model(data or fp.RandomLabels(), fp.Gibbs(weights, margin, beta, network or fp.Perceptron(), energy))


def solve(asked, alpha):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fp.solve(asked, alpha)


def ground(asked, alpha):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fp.ground_state(asked, alpha)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["id"])
def test_reference_values_of_random_labels(record):
    """From another implementation, with its tolerance."""
    p = record["params"]
    state = solve(model(p["energy"], record["weights"], p["margin"], p["beta"]), p["alpha"])
    for name, value in record["expected"].items():
        assert getattr(state, name) == pytest.approx(value, rel=record["tolerance"]["rel"], abs=record["tolerance"]["abs"]), name


CASES = [
    (fp.RandomLabels(), "binary", fp.Perceptron(), 0.8),
    (fp.RandomLabels(), "spherical", fp.TreeCommittee("relu"), 1.2),
    (fp.RandomLabels(), "binary", fp.TreeCommittee("sign"), 0.7),
    (fp.Teacher(0.1), "binary", fp.Perceptron(), 1.3),
    (fp.Teacher(), "spherical", fp.Perceptron(), 2.0),
]


@pytest.mark.parametrize("energy", ENERGIES)
@pytest.mark.parametrize("data, weights, network, alpha", CASES)
def test_the_slopes_of_the_free_entropy_are_energy_and_channel(energy, data, weights, network, alpha):
    """d phi/d beta = -energy and d phi/d alpha = E log f, by differences of the solution; entropy = phi + beta energy."""
    at = lambda beta, load: solve(model(energy, weights, beta=beta, data=data, network=network), load)
    state, h = at(3.0, alpha), 1e-4
    slope = (8.0 * (at(3.0 + h, alpha).free_entropy - at(3.0 - h, alpha).free_entropy) - at(3.0 + 2 * h, alpha).free_entropy) / (12 * h)
    slope += at(3.0 - 2 * h, alpha).free_entropy / (12 * h)
    assert slope == pytest.approx(-state.energy, abs=1e-9)
    assert state.energy == alpha * state.train_loss
    assert state.entropy == pytest.approx(state.free_entropy + 3.0 * state.energy, rel=1e-14)
    assert (state.train_loss == state.train_error) == (energy == "errors")


@pytest.mark.parametrize("energy", HINGES)
@pytest.mark.parametrize("weights, margin, alpha", [("binary", 0.0, 0.6), ("spherical", 0.5, 0.6), ("spherical", -0.5, 2.0)])
@pytest.mark.parametrize("data", [fp.RandomLabels(), fp.Teacher()])
def test_cold_hinges_are_hard_constraints_below_capacity(energy, weights, margin, alpha, data):
    """The difference falls as 1/beta (hinge) or 1/sqrt(beta); at beta = inf it is gone."""
    hard = solve(model("errors", weights, margin, math.inf, data), alpha)
    same = solve(model(energy, weights, margin, math.inf, data), alpha)
    assert (same.q, same.free_entropy, same.train_loss) == (hard.q, hard.free_entropy, 0.0)
    gaps = [abs(solve(model(energy, weights, margin, beta, data), alpha).free_entropy - hard.free_entropy) for beta in (1e3, 4e3)]
    assert gaps[1] < gaps[0] < 0.1
    assert gaps[0] / gaps[1] == pytest.approx(4.0 if energy == "hinge" else 2.0, rel=0.1)


@pytest.mark.parametrize("energy", CONTINUOUS)
@pytest.mark.parametrize(
    "data, network, alpha",
    [(fp.RandomLabels(), None, 3.0), (fp.RandomLabels(), fp.TreeCommittee("erf"), 5.0), (fp.Teacher(0.2), None, 4.0)],
)
def test_cold_energies_reach_their_ground_state_above_capacity(energy, data, network, alpha):
    """Order parameters, energy and replicon of the saddle at beta = 1e5 extrapolate to those of the closed equations."""
    least = ground(model(energy, "spherical", 0.4, math.inf, data, network), alpha)
    near = [solve(model(energy, "spherical", 0.4, beta, data, network), alpha) for beta in (1e5, 2e5)]
    names = ["train_loss", "at_eigenvalue", *(["R"] if least.cosine is not None else [])]
    if energy == "hinge":  # an atom at the margin, half of which is below it at every finite beta
        (_, atom), *_ = fp.margins(least).atoms
        assert least.train_error < near[1].train_error < least.train_error + atom
    else:
        names.append("train_error")
    for name in names:
        one, two = (getattr(state, name) for state in near)
        scale = 1.0 if name == "at_eigenvalue" else abs(getattr(least, name))  # the replicon's rest falls as 1/sqrt(beta)
        assert abs(getattr(least, name) - two) < 2e-2 * scale, name
        assert abs(getattr(least, name) - two) < abs(getattr(least, name) - one) + 1e-12, name
    assert 2e5 * near[1].one_minus_q == pytest.approx(least.beta_one_minus_q, rel=2e-2)
    assert least.residual < 1e-10 and math.isfinite(least.at_eigenvalue)


@pytest.mark.parametrize("energy", CONTINUOUS)
def test_the_ground_state_is_the_minimiser_of_the_same_loss_at_its_norm(energy):
    """Teacher: with l2 such that |w|^2/N = 1/kappa^2, t = Delta/kappa; the energy is the loss times kappa, or kappa^2 for the squares."""
    alpha = 4.0
    trained = fp.solve(fp.Model(fp.Teacher(0.1), fp.ERM(energy, 0.3)), alpha)
    kappa = trained.q**-0.5
    state = ground(model(energy, "spherical", kappa, math.inf, fp.Teacher(0.1)), alpha)
    power = 1 if energy == "hinge" else 2
    assert state.train_loss == pytest.approx(kappa**power * trained.train_loss, rel=1e-9)
    assert state.R == pytest.approx(trained.cosine, rel=1e-9)
    assert state.generalization_error == pytest.approx(trained.generalization_error, rel=1e-9)
    law, other = fp.margins(state), fp.margins(trained)
    for x in (-0.7, 0.2, 0.99 * kappa, 2.4):
        assert law.cdf(x) == pytest.approx(other.cdf(x / kappa), rel=1e-8)
    assert [mass for _, mass in law.atoms] == pytest.approx([mass for _, mass in other.atoms], rel=1e-8)


def test_the_square_of_random_labels_in_closed_form():
    """Spherical: a least-squares problem on the sphere (x = beta (1-q) at zero temperature)."""
    for kappa, alpha in ((0.3, 2.0), (1.0, 0.7), (-0.5, 5.0)):
        state = ground(model("square", "spherical", kappa, math.inf), alpha)
        root = math.sqrt(alpha * (1.0 + kappa * kappa))
        assert state.beta_one_minus_q == pytest.approx(1.0 / (root - 1.0), rel=1e-12)
        assert state.train_loss == pytest.approx(0.5 * (1.0 + kappa * kappa) * (1.0 - 1.0 / root) ** 2, rel=1e-12)
        assert state.train_error == pytest.approx(0.5 * math.erfc(-kappa / math.sqrt(2.0)), rel=1e-12)


def test_a_learner_of_the_square_at_margin_zero_freezes_continuously_out_of_q_zero():
    """The energy is even: q = 0 solves for every load, and another saddle leaves it where alpha (beta/(1+beta))^2 = 1."""
    critical = (1.0 + 1.0 / 5.0) ** 2
    for weights in ("binary", "spherical"):
        asked = model("square", weights, 0.0, 5.0)
        assert [s.q for s in fp.branches(asked, 0.999 * critical)] == [0.0]
        above = fp.branches(asked, 1.001 * critical)
        assert [s.branch for s in above] == ["condensed", "typical"] and 0.0 < above[0].q < 0.01
        assert above[1].at_eigenvalue == pytest.approx(1.0 - 1.001, rel=1e-9)
        small = solve(model("square", weights, 1e-5, 5.0), 2.0)
        assert small.q == pytest.approx(solve(asked, 2.0).q, rel=1e-7)


@pytest.mark.parametrize("energy", CONTINUOUS)
@pytest.mark.parametrize("weights", ["binary", "spherical"])
def test_a_point_agrees_with_thirty_digits(energy, weights):
    """The saddle of the definitions: f by mpmath's quadrature of exp(-beta energy), q from q_hat, alpha from the equation."""
    state = solve(model(energy, weights, 0.4, 2.0), 1.1)
    with mpmath.workdps(20):
        q, v = mpmath.mpf(state.q), mpmath.mpf(state.one_minus_q)
        x = lambda z: (0.4 - mpmath.sqrt(q) * z) / mpmath.sqrt(v)
        cost = {"hinge": lambda t: max(t, 0), "squared-hinge": lambda t: max(t, 0) ** 2 / 2, "square": lambda t: t * t / 2}[energy]
        weight = lambda y, at: mpmath.npdf(y) * mpmath.exp(-2 * cost(mpmath.sqrt(v) * (at - y)))

        def field(at):  # sigma d log f/d omega = E y
            cuts = sorted({-9.0, 9.0, min(max(at, -9.0), 9.0)})
            return mpmath.quad(lambda y: y * weight(y, at), cuts) / mpmath.quad(lambda y: weight(y, at), cuts)

        nodes, shares = np.polynomial.hermite_e.hermegauss(24)
        total = sum(w * field(mpmath.mpf(x(z))) ** 2 for z, w in zip(nodes, shares)) / math.sqrt(2.0 * math.pi)
    assert 1.1 * float(total) / state.one_minus_q == pytest.approx(state.q_hat, rel=1e-7)


def test_what_has_no_answer_is_refused_by_name():
    with pytest.raises(Unsatisfiable, match="ground_state"):
        fp.solve(model("square", beta=math.inf), 0.5)
    with pytest.raises(Unsatisfiable, match="ground_state"):
        fp.at_line(model("square", "spherical", beta=math.inf))
    with pytest.raises(InvalidInput, match=r"margin must be > 0 .*got -0\.5"):
        fp.solve(model("square", margin=-0.5, data=fp.Teacher()), 0.5)
    with pytest.raises(InvalidInput, match="capacity of"):
        fp.ground_state(model("squared-hinge", "spherical", 0.0, math.inf), 1.5)
    with pytest.raises(InvalidInput, match="energy must be one of .*, got 'square'"):
        fp.capacity(model("square", beta=math.inf))


@pytest.mark.long
@pytest.mark.parametrize("energy", CONTINUOUS)
def test_the_worth_covers_the_entropy_that_is_left_of_a_large_energy(energy):
    """entropy = free_entropy + beta energy loses digits beyond capacity as beta grows: said, and refused where too few are left."""
    for beta in (1e4, 1e6, 1e8) if energy in HINGES else (1e4,):
        state = solve(model(energy, "spherical", 0.5, beta), 3.0)
        exact = float(fp.precise.refine(state, digits=25).entropy)
        assert abs(state.entropy / exact - 1.0) < state.quadrature_error < 1e-7
    with pytest.raises(NotConverged, match="lower beta"):
        solve(model(energy, "spherical", 0.5, 1e12), 3.0)
    with pytest.raises(NotConverged, match="lower beta"):
        solve(model(energy, "binary", 1e12, 1.0), 3.0)
