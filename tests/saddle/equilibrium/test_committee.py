"""The tree committee machine at equilibrium: records, stationarity, derivatives and refusals.

`tests/data/committee_equilibrium.jsonl`: the same equations by an independent multiprecision derivation.
"""

import json
import math
import pathlib
import warnings

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput, NoSolution, ReplicaSymmetryWarning, Unsatisfiable
from flatphys.model import ACTIVATIONS

RECORDS = [
    json.loads(line) for line in (pathlib.Path(__file__).parents[2] / "data" / "committee_equilibrium.jsonl").read_text().splitlines()
]
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
    """1 - q -> (128/pi^2)/alpha^2 at margin 0 (`docs/theory.md`), approached from below."""
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


@pytest.mark.parametrize("weights, error", [("binary", NoSolution), ("spherical", Unsatisfiable)])
@pytest.mark.parametrize("activation", ["erf", "relu"])
def test_solutions_end_where_the_kernel_s_last_slope_says(weights, error, activation):
    """c'(1) times the perceptron's end, 2 (spherical) or 4/pi (binary) at margin 0."""
    model = committee(weights, fp.TreeCommittee(activation))
    last = {"erf": 2.0 / 3.0 / math.asin(2.0 / 3.0) / math.sqrt(5.0 / 9.0), "relu": math.pi / (math.pi - 1.0)}[activation]
    end = last * (2.0 if weights == "spherical" else 4.0 / math.pi)
    assert quiet(model, end * (1.0 - 1e-4)).residual < 1e-11
    with pytest.raises(error):
        fp.solve(model, end * (1.0 + 1e-12))


def test_a_committee_with_a_teacher_is_refused_by_name():
    with pytest.raises(InvalidInput, match="network"):
        fp.solve(fp.Model(fp.Teacher(), fp.Gibbs(network=fp.TreeCommittee())), 0.5)


# --- thresholds -------------------------------------------------------------------------------------


@pytest.mark.parametrize("record", [r for r in RECORDS if r["query"] == "threshold"], ids=lambda r: r["id"])
def test_threshold_records(record):
    p, tolerance = record["params"], record["tolerance"]
    model = committee(record["weights"], fp.TreeCommittee(p["activation"]), p.get("margin", 0.0))
    for name, expected in record["expected"].items():
        got = fp.capacity(model) if name == "alpha_c" else fp.max_margin(model, p["alpha"])
        assert got == pytest.approx(expected, rel=tolerance["rel"], abs=tolerance["abs"])


@pytest.mark.parametrize("activation, expected", [("sign", 0.9469524), ("relu", 0.9039863)])
def test_binary_capacities_of_the_literature(activation, expected):
    """`docs/theory.md`, values everyone knows; sign: 0.95 in Barkai & Kanter 1991."""
    assert fp.capacity(committee("binary", fp.TreeCommittee(activation))) == pytest.approx(expected, abs=5e-8)


def test_the_spherical_sign_committee_stores_any_load_at_any_margin_and_says_so():
    model = committee("spherical", fp.TreeCommittee("sign"), 0.3)
    assert fp.capacity(model) == fp.capacity(model, ansatz="1RSB") == fp.max_margin(model, 7.0) == math.inf
    with pytest.raises(InvalidInput, match="network"):
        fp.ground_state(model, 50.0)


def test_the_spherical_sign_committee_loses_replica_symmetry_where_barkai_hansel_and_sompolinsky_find_it():
    """alpha_AT = 2.988 at margin 0 (Phys. Rev. A 45, 4146 (1992))."""
    assert fp.at_line(committee("spherical", fp.TreeCommittee("sign"))) == pytest.approx(2.988, abs=1e-3)


@pytest.mark.parametrize("network", COMMITTEES, ids=str)
@pytest.mark.parametrize("weights, beta", [("binary", math.inf), ("spherical", math.inf), ("binary", 5.0), ("spherical", 5.0)])
def test_the_replicon_vanishes_on_the_at_line_and_changes_sign_across_it(network, weights, beta):
    model = committee(weights, network, 0.0, beta)
    alpha = fp.at_line(model)
    assert quiet(model, alpha).at_eigenvalue == pytest.approx(0.0, abs=1e-10)
    assert quiet(model, 0.99 * alpha).at_eigenvalue > 0.0 > quiet(model, 1.01 * alpha).at_eigenvalue


@pytest.mark.parametrize("network", COMMITTEES, ids=str)
@pytest.mark.parametrize("alpha", [0.02, 0.5, 3.0])
def test_max_margin_inverts_the_capacity(network, alpha):
    weights = ["binary"] if network.activation == "sign" else ["binary", "spherical"]
    for kind in weights:
        kappa = fp.max_margin(committee(kind, network), alpha)
        assert fp.capacity(committee(kind, network, kappa)) == pytest.approx(alpha, rel=1e-9)


@pytest.mark.parametrize("network", COMMITTEES, ids=str)
def test_binary_weights_freeze_with_zero_entropy_and_that_is_their_ground_state(network):
    model = committee("binary", network, 0.1)
    beta = fp.freezing_beta(model, 3.0)
    state = quiet(committee("binary", network, 0.1, beta), 3.0)
    assert state.entropy == pytest.approx(0.0, abs=1e-10)
    assert fp.ground_state(model, 3.0).train_error == pytest.approx(state.train_error, rel=1e-12)


@pytest.mark.parametrize("activation, alpha", [("erf", 4.0), ("relu", 5.0)])
def test_the_ground_state_is_the_limit_of_low_temperature(activation, alpha):
    """beta (1-q) and the train error at beta -> inf, extrapolated linearly in 1/beta, against the window equations."""
    network = fp.TreeCommittee(activation)
    with pytest.warns(ReplicaSymmetryWarning):
        ground = fp.ground_state(committee("spherical", network, 0.2), alpha)
    errors, scaled = [], []
    betas = (4e3, 8e3, 16e3)
    for beta in betas:
        state = quiet(committee("spherical", network, 0.2, beta), alpha)
        errors.append(state.train_error)
        scaled.append(beta * state.one_minus_q)
    for values, limit in ((errors, ground.train_error), (scaled, ground.beta_one_minus_q)):
        gaps = [abs(value / limit - 1.0) for value in values]
        assert gaps[0] > gaps[1] > gaps[2] and gaps[2] < 0.02


@pytest.mark.parametrize("activation, kappa", [("erf", 0.0), ("erf", 1.5), ("erf", -1.0), ("relu", 0.0), ("relu", 2.0), ("relu", -0.5)])
def test_the_one_step_capacity_is_a_stationary_point_of_its_functional(activation, kappa):
    """The functional of `docs/theory.md`, written out with numpy; where it is not the replica-symmetric value it lies below."""
    from scipy.special import log_ndtr

    from flatphys.kernels.networks import network_code
    from flatphys.saddle.breaking import capacity as rsb_capacity

    network = fp.TreeCommittee(activation)
    last = {"erf": 2.0 / 3.0 / math.asin(2.0 / 3.0) / math.sqrt(5.0 / 9.0), "relu": math.pi / (math.pi - 1.0)}[activation]
    alpha, q0, c = rsb_capacity.capacity(kappa, network_code(network))
    z = np.linspace(-12.0, 12.0, 8001)
    w = np.exp(-0.5 * z * z) * (z[1] - z[0]) / math.sqrt(2.0 * math.pi)

    def load(c, q0):
        gap, x = 1.0 - overlap(network, q0), c / last
        s, outer = 1.0 + x * gap, 1.0 + c * (1.0 - q0)
        a = kappa - math.sqrt(1.0 - gap) * z
        log_i = np.logaddexp(log_ndtr(-a / math.sqrt(gap)), -0.5 * math.log(s) - 0.5 * x * a * a / s + log_ndtr(a / math.sqrt(gap * s)))
        return -(0.5 * math.log(outer) + 0.5 * c * q0 / outer) / (w @ log_i)

    assert load(c, q0) == pytest.approx(alpha, rel=1e-10)
    h = 1e-4
    assert abs(load(c * (1.0 + h), q0) - load(c * (1.0 - h), q0)) / (2.0 * h * alpha) < 1e-7
    assert abs(load(c, q0 + h * (1.0 - q0)) - load(c, q0 - h * (1.0 - q0))) / (2.0 * h * alpha) < 1e-7
    model = committee("spherical", network, kappa)
    assert fp.at_line(model) < fp.capacity(model, ansatz="1RSB") == alpha < fp.capacity(model)


def test_the_one_step_capacity_joins_the_replica_symmetric_one_where_the_replicon_holds():
    """erf: continuous at the margin (about 2.23) from which replica symmetry is stable up to capacity."""
    from flatphys.kernels.networks import network_code
    from flatphys.saddle.breaking.capacity import replicon_at_capacity

    net = network_code(fp.TreeCommittee("erf"))
    gaps = []
    for kappa in (2.0, 2.1, 2.2, 2.3, 3.0):
        model = committee("spherical", fp.TreeCommittee("erf"), kappa)
        gaps.append(1.0 - fp.capacity(model, ansatz="1RSB") / fp.capacity(model))
        assert (gaps[-1] > 0.0) == (replicon_at_capacity(kappa, net) < 0.0)
    assert gaps[0] > gaps[1] > gaps[2] > gaps[3] == gaps[4] == 0.0
    # the replicon of states close to capacity tends to the limit
    model = committee("spherical", fp.TreeCommittee("erf"), 2.3)
    state = quiet(model, fp.capacity(model) * (1.0 - 1e-7))
    assert state.at_eigenvalue == pytest.approx(replicon_at_capacity(2.3, net), abs=1e-3)
