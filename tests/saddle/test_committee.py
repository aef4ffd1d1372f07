"""The tree committee machine at equilibrium: records, stationarity, derivatives and refusals.

`tests/data/committee_equilibrium.jsonl` is a selection of /work/shared/reference/committee.jsonl: the same equations by an
independent multiprecision derivation.
"""

import json
import math
import pathlib
import warnings

import numpy as np
import pytest

import flatphys as fp
from flatphys.model import ACTIVATIONS

RECORDS = [json.loads(line) for line in (pathlib.Path(__file__).parents[1] / "data" / "committee_equilibrium.jsonl").read_text().splitlines()]
COMMITTEES = [fp.TreeCommittee(name) for name in ACTIVATIONS]


def committee(weights, network, margin=0.0, beta=math.inf):
    return fp.Model(fp.RandomLabels(), fp.Gibbs(weights, margin, beta, network=network))


def quiet(model, alpha):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fp.solve(model, alpha)


@pytest.mark.parametrize("record", [r for r in RECORDS if r["query"] == "equilibrium"], ids=lambda r: r["id"])
def test_equilibrium_records(record):
    p, tolerance = record["params"], record["tolerance"]
    state = quiet(committee(record["weights"], fp.TreeCommittee(p["activation"]), p["margin"]), p["alpha"])
    for name, expected in record["expected"].items():
        assert getattr(state, name) == pytest.approx(expected, rel=max(tolerance["rel"], 1e-11), abs=tolerance["abs"]), name


def overlap(network, q):
    """c(q) in numpy, written out again."""
    return {
        "sign": lambda: 2.0 / np.pi * np.arcsin(q),
        "erf": lambda: np.arcsin(2.0 * q / 3.0) / np.arcsin(2.0 / 3.0),
        "relu": lambda: (np.sqrt(1.0 - q * q) + q * (np.pi - np.arccos(q)) - 1.0) / (np.pi - 1.0),
    }[network.activation]()


def functional(model, alpha, q, q_hat):
    """The free entropy as a function of q and q_hat, by plain trapezoid sums."""
    from scipy.special import log_ndtr

    learner = model.learner
    z = np.linspace(-12.0, 12.0, 12001)
    w = np.exp(-0.5 * z * z) * (z[1] - z[0]) / math.sqrt(2.0 * math.pi)
    c = overlap(learner.network, q)
    log_h = log_ndtr(-(learner.margin - math.sqrt(c) * z) / math.sqrt(1.0 - c))
    log_f = log_h if learner.beta == math.inf else np.logaddexp(-learner.beta, math.log(-math.expm1(-learner.beta)) + log_h)
    if learner.weights == "binary":
        h = math.sqrt(q_hat) * z
        entropic = -0.5 * q_hat * (1.0 - q) + w @ np.logaddexp(h, -h)
    else:
        entropic = 0.5 * (math.log(1.0 - q) + q / (1.0 - q))
    return entropic + alpha * (w @ log_f)


POINTS = [("binary", 0.7, 0.1, math.inf), ("spherical", 1.1, -0.3, math.inf), ("binary", 2.0, 0.0, 2.0), ("spherical", 3.0, 0.4, 5.0)]


@pytest.mark.parametrize("network", COMMITTEES, ids=str)
@pytest.mark.parametrize("weights, alpha, margin, beta", POINTS)
def test_the_free_entropy_is_stationary_and_minus_its_beta_derivative_is_the_energy(network, weights, alpha, margin, beta):
    model = committee(weights, network, margin, beta)
    state = quiet(model, alpha)
    assert functional(model, alpha, state.q, state.q_hat) == pytest.approx(state.free_entropy, rel=1e-11)
    step = 1e-4
    for direction in ((1.0, 0.0), (0.0, 1.0)):
        at = [functional(model, alpha, state.q + s * direction[0], state.q_hat + s * direction[1]) for s in step * np.array([-2, -1, 1, 2])]
        assert abs(at[0] - 8.0 * at[1] + 8.0 * at[2] - at[3]) / (12.0 * step) < 1e-9
    if beta < math.inf:
        up, down = (quiet(committee(weights, network, margin, beta + s), alpha).free_entropy for s in (step, -step))
        assert -(up - down) / (2.0 * step) == pytest.approx(state.energy, rel=1e-7)
        assert state.entropy == pytest.approx(state.free_entropy + beta * state.energy, rel=1e-14)


@pytest.mark.parametrize("network", COMMITTEES, ids=str)
@pytest.mark.parametrize("weights", ["binary", "spherical"])
def test_at_small_loads_the_overlap_is_proportional_to_the_kernel_s_first_slope(network, weights):
    """q = q_hat = alpha c'(0) a0^2 with a0 = G(kappa)/H(kappa), here (kappa = 0) 2 alpha c'(0)/pi."""
    first = {"sign": 2.0 / math.pi, "erf": 2.0 / 3.0 / math.asin(2.0 / 3.0), "relu": 0.5 * math.pi / (math.pi - 1.0)}[network.activation]
    state = fp.solve(committee(weights, network), 1e-9)
    assert state.q == pytest.approx(2e-9 / math.pi * first, rel=1e-7)


def test_spherical_weights_under_sign_have_solutions_at_every_load():
    """1 - q -> (128/pi^2)/alpha^2 at margin 0 (THEORY 8), approached from below."""
    model = committee("spherical", fp.TreeCommittee("sign"))
    ratios = [quiet(model, alpha).one_minus_q * alpha**2 * math.pi**2 / 128.0 for alpha in (1e2, 1e4, 1e6, 1e8)]
    assert ratios == sorted(ratios) and ratios[-1] == pytest.approx(1.0, abs=1e-6)
    assert all(ratio < 1.0 for ratio in ratios)
    strongly_negative = committee("spherical", fp.TreeCommittee("sign"), -2.5)
    for alpha in (10.0, 1e3, 1e7):
        (state,) = fp.branches(strongly_negative, alpha)
        assert state.residual < 1e-11


@pytest.mark.parametrize("network", COMMITTEES, ids=str)
@pytest.mark.parametrize("weights", ["binary", "spherical"])
@pytest.mark.parametrize("beta", [math.inf, 0.5, 20.0])
def test_solve_agrees_with_the_branches_of_the_traced_curve(network, weights, beta):
    model = committee(weights, network, 0.2, beta)
    for alpha in (1e-3, 0.3, 1.0):
        (state,) = fp.branches(model, alpha)
        assert state.order == pytest.approx(quiet(model, alpha).order, rel=1e-12)
