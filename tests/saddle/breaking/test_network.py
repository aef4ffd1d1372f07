"""Replicated solutions and one-step states behind a tree committee: derivatives, stationarity of the potential, limits."""

import math
import warnings

import pytest

import flatphys as fp
from flatphys.errors import NoSolution, ReplicaSymmetryWarning, Unsatisfiable
from flatphys.kernels.networks import network_code, overlap_map
from flatphys.model import ACTIVATIONS
from flatphys.saddle.breaking.branch import branch_of
from flatphys.saddle.breaking.network import block_overlaps
from flatphys.saddle.breaking.one_step import curve_at
from flatphys.saddle.breaking.potential import one_step_free_entropy
from flatphys.saddle.breaking.states import solve_one_step

activations = pytest.mark.parametrize("activation", ACTIVATIONS)
weights_kinds = pytest.mark.parametrize("weights", ("binary", "spherical"))


def model(activation, weights="binary", margin=0.0, beta=math.inf):
    return fp.Model(fp.RandomLabels(), fp.Gibbs(weights, margin, beta, network=fp.TreeCommittee(activation)))


def point(asked, alpha, d, y=math.inf):
    found = branch_of(asked, alpha, y).at(2.0 * d)
    assert found is not None and found.residual < 1e-10 and found.quadrature < 1e-9
    return found


def derivative(f, step):
    return (8.0 * (f(step) - f(-step)) - f(2.0 * step) + f(-2.0 * step)) / (12.0 * step)


@activations
@weights_kinds
@pytest.mark.parametrize("y", [2.0, 30.0, math.inf])
def test_slope_and_external_entropy_are_derivatives(activation, weights, y):
    asked, alpha, d = model(activation, weights, 0.1), 0.5, 0.1
    got = point(asked, alpha, d, y)
    slope = derivative(lambda e: point(asked, alpha, d - 0.5 * e, y).value, 1e-4)
    assert got.slope == pytest.approx(slope, rel=1e-8, abs=1e-9)
    if y < math.inf:
        sigma = -y * y * derivative(lambda e: point(asked, alpha, d, y + e).value, 1e-3 * y)
        assert got.external == pytest.approx(sigma, rel=1e-6, abs=1e-7)
    else:  # value = value(inf) + Sigma/y + O(1/y^2): Richardson's extrapolation of the remainder
        one, two, four = ((point(asked, alpha, d, z).value - got.value) * z for z in (4e3, 8e3, 1.6e4))
        assert got.external == pytest.approx((8.0 * four - 6.0 * two + one) / 3.0, rel=1e-4, abs=1e-5)


@activations
@pytest.mark.parametrize("y", [3.0, 50.0])
def test_a_point_is_where_the_potential_is_stationary(activation, y):
    asked, alpha, d = model(activation), 0.6, 0.1
    got = point(asked, alpha, d, y)
    place = {"q0": got.q0, "q1": 1.0 - 2.0 * d, "q0_hat": got.q0_hat, "q1_hat": got.q1_hat}
    assert one_step_free_entropy(asked, alpha, parisi_m=y, **place) == pytest.approx(got.value, abs=1e-12)
    for name in place:
        slope = derivative(lambda e, name=name: one_step_free_entropy(asked, alpha, parisi_m=y, **{**place, name: place[name] + e}), 1e-4)
        assert slope == pytest.approx(got.slope if name == "q1" else 0.0, abs=4e-10 * y), name


@activations
@weights_kinds
def test_one_replica_is_replica_symmetric_whatever_q1_is(activation, weights):
    asked, alpha = model(activation, weights, 0.1), 0.6
    state = fp.solve(asked, alpha)
    order = {"q0": state.q}
    for q1, extra in ((0.5 + 0.5 * state.q, 0.7), (0.99, 2.0)):
        if weights == "binary":
            order |= {"q0_hat": state.q_hat, "q1_hat": state.q_hat + extra}
        assert one_step_free_entropy(asked, alpha, q1=q1, parisi_m=1.0, **order) == pytest.approx(state.free_entropy, abs=2e-13)


@activations
@weights_kinds
def test_at_the_typical_distance_it_is_the_equilibrium(activation, weights):
    asked, alpha = model(activation, weights), 0.5
    state = fp.solve(asked, alpha)
    for y in (5.0, math.inf):
        got = point(asked, alpha, 0.5 * state.one_minus_q, y)
        assert got.value == pytest.approx(state.entropy, abs=1e-11)
        assert got.slope == pytest.approx(0.0, abs=1e-8)
        for replicon in (got.inner, got.outer):
            assert replicon == pytest.approx(state.at_eigenvalue, abs=1e-7)


def _identity(x):
    return x


@weights_kinds
def test_the_identity_as_activation_is_the_perceptron(weights):
    for y in (3.0, math.inf):
        for d in (0.02, 0.1):
            got = point(model(_identity, weights), 0.5, d, y)
            want = point(fp.Model(fp.RandomLabels(), fp.Gibbs(weights)), 0.5, d, y)
            for name in ("value", "slope", "external", "q0", "inner", "outer"):
                assert getattr(got, name) == pytest.approx(getattr(want, name), rel=1e-10, abs=1e-11), name


@activations
def test_chords_of_the_kernel(activation):
    net = network_code(fp.TreeCommittee(activation))
    for v, gap in ((0.3, 0.2), (1e-3, 0.5), (0.2, 1e-9), (0.2, 0.0)):
        q1, q0 = 1.0 - v, 1.0 - v - gap
        cv, c0, stretch, rise1, rise0, bend1, _ = block_overlaps(net, v, q0, gap)
        chord = (overlap_map(net, q1, v)[0] - overlap_map(net, q0, v + gap)[0]) / gap if gap > 1e-6 else rise1 - 0.5 * bend1 * gap
        assert stretch == pytest.approx(chord * v / cv, rel=1e-12)
        assert c0 == pytest.approx(overlap_map(net, q0, v + gap)[0], rel=1e-14)
        assert rise0 == pytest.approx(rise1 - bend1 * gap, rel=1e-8) or gap > 1e-6


@pytest.mark.filterwarnings("ignore::flatphys.errors.ReplicaSymmetryWarning")
@activations
@pytest.mark.parametrize("y", [4.0, math.inf])
def test_stabilities_of_dense_regions_give_the_load_derivative(activation, y):
    """d value/d kappa = -alpha pdf(kappa+): moving the edge loses the patterns that lie there."""
    alpha, d = 0.4, 0.1
    answer = fp.replicated_entropy(model(activation, margin=0.1), alpha, distance=[d], y=y)
    slope = derivative(lambda e: point(model(activation, margin=0.1 + e), alpha, d, y).value, 1e-3)
    assert -alpha * float(answer.margins(0).pdf(0.1)) == pytest.approx(slope, rel=1e-7)


@activations
@pytest.mark.parametrize("margin", [0.0, 0.4])
def test_one_step_states_are_stationary_and_continue_the_symmetric_ones(activation, margin):
    asked = model(activation, "spherical", margin)
    line = fp.at_line(asked)
    curve = curve_at(margin, network_code(asked.learner.network))
    assert curve.loads[-1] == pytest.approx(line, rel=2e-3) and curve.loads[-1] > line
    for alpha in (1.05 * line, min(1.3 * line, 0.5 * (line + curve.capacity))):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReplicaSymmetryWarning)
            state, symmetric = solve_one_step(asked, alpha), fp.solve(asked, alpha)
        assert state.residual < 1e-10 and state.quadrature_error < 1e-9
        assert state.free_entropy < symmetric.free_entropy  # a smaller volume: the bound from above improves
        place = {"q0": state.q0, "q1": state.q1, "parisi_m": state.parisi_m}
        assert one_step_free_entropy(asked, alpha, **place) == pytest.approx(state.free_entropy, abs=1e-12)
        for name in place:
            slope = derivative(
                lambda e, name=name, at=place, alpha=alpha: one_step_free_entropy(asked, alpha, **{**at, name: at[name] + e}),
                3e-4 * state.one_minus_q1,
            )
            assert slope == pytest.approx(0.0, abs=3e-8), name


def test_one_step_states_end_at_the_one_step_capacity_and_never_for_sign():
    relu = model("relu", "spherical")
    capacity = fp.capacity(relu, ansatz="1RSB")
    with pytest.raises(Unsatisfiable, match="capacity"):
        solve_one_step(relu, 1.001 * capacity)
    with pytest.warns(ReplicaSymmetryWarning):
        assert solve_one_step(relu, 0.99 * capacity).one_minus_q1 < 5e-3
    with pytest.warns(ReplicaSymmetryWarning):
        assert solve_one_step(model("sign", "spherical"), 6.0).one_minus_q1 < 1e-2
    with pytest.raises(NoSolution, match="ansatz='RS'"):
        solve_one_step(relu, 1.0)
    with pytest.raises(NoSolution, match="ansatz='RS'"):
        solve_one_step(model("erf", "spherical", 3.0), 0.1)


def test_a_frozen_committee_is_the_symmetric_one_at_its_freezing_temperature():
    asked = model("sign", beta=8.0)
    state = fp.solve(asked, 1.1, ansatz="1RSB")
    assert state.parisi_m * 8.0 == pytest.approx(fp.freezing_beta(asked, 1.1), rel=1e-10)
    hot = fp.solve(model("sign", beta=8.0 * state.parisi_m), 1.1)
    assert state.q0 == pytest.approx(hot.q, rel=1e-9)
    law = fp.margins(state)
    assert 1.0 - law.cdf(0.0) == pytest.approx(1.0 - state.train_error, abs=1e-9)


def test_the_stabilities_of_a_one_step_committee_are_a_law():
    with pytest.warns(ReplicaSymmetryWarning):
        state = solve_one_step(model("sign", "spherical"), 3.5)
    law = fp.margins(state)
    assert law.cdf(0.0) == pytest.approx(0.0, abs=1e-12) and law.cdf(8.0) == pytest.approx(1.0, abs=1e-9)
