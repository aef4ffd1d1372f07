"""Thresholds of Gibbs learners with an energy."""

import math
import warnings

import pytest

import flatphys as fp
from flatphys.errors import InvalidInput, NoSolution, NotConverged
from flatphys.kernels.codes import RANDOM, TEACHER, Labels
from flatphys.saddle.equilibrium.limit import Response, losses, saddle

HINGES = ["hinge", "squared-hinge"]
CONTINUOUS = [*HINGES, "square"]


def model(energy, weights="binary", margin=0.0, beta=math.inf, data=None, network=None):
    return fp.Model(data or fp.RandomLabels(), fp.Gibbs(weights, margin, beta, network or fp.Perceptron(), energy))


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("energy", HINGES)
@pytest.mark.parametrize("weights", ["binary", "spherical"])
@pytest.mark.parametrize("data", [fp.RandomLabels(), fp.Teacher(0.1)])
def test_capacity_and_largest_margin_of_the_hinges_are_those_of_hard_constraints(energy, weights, data):
    one, two = model(energy, weights, 0.3, data=data), model("errors", weights, 0.3, data=data)
    assert fp.capacity(one) == fp.capacity(two)
    assert fp.max_margin(one, 0.6) == fp.max_margin(two, 0.6)


def test_capacity_of_the_square_is_that_of_linear_equations():
    """A least-norm solution: kappa^2 alpha/(1-alpha) <= 1, that is alpha <= 1/(1+kappa^2); with a teacher the stiff limit of its saddle."""
    for kappa in (0.0, 0.4, -1.3):
        assert fp.capacity(model("square", "spherical", kappa)) == pytest.approx(1.0 / (1.0 + kappa * kappa), rel=1e-14)
    assert fp.max_margin(model("square", "spherical"), 0.5) == pytest.approx(1.0, rel=1e-14)
    for flip in (0.0, 0.2):
        asked = model("square", "spherical", 0.4, data=fp.Teacher(flip))
        assert fp.capacity(asked) == pytest.approx(saddle(Response(losses.SQUARE, 0.4, 1e300), Labels(TEACHER, flip))[1], rel=1e-10)
        assert fp.max_margin(asked, fp.capacity(asked)) == pytest.approx(0.4, rel=1e-12)
    stiff = saddle(Response(losses.SQUARE, 0.4, 1e300), Labels(RANDOM, 0.0))[1]
    assert stiff == pytest.approx(fp.capacity(model("square", "spherical", 0.4)), rel=1e-12)
    assert fp.capacity(model("square", "spherical", 0.4, network=fp.TreeCommittee("relu"))) > 1.0 / 1.16
    with pytest.raises(NoSolution, match="below one pattern per weight"):
        fp.max_margin(model("square", "spherical"), 1.2)
    assert fp.capacity(model("hinge", "spherical", -0.5), ansatz="1RSB") == fp.capacity(model("errors", "spherical", -0.5), ansatz="1RSB")
    allowed = "energy must be one of 'errors', 'hinge', 'squared-hinge' for .*, got 'square'; see ground_state"
    for refused in (
        lambda: fp.capacity(model("square", "spherical"), ansatz="1RSB"),
        lambda: fp.capacity(model("square", "binary")),
        lambda: fp.max_margin(model("square", "binary"), 0.5),
        lambda: fp.flatness_threshold(model("square", "binary")),
    ):
        with pytest.raises(InvalidInput, match=allowed):
            refused()


@pytest.mark.parametrize("energy", CONTINUOUS)
@pytest.mark.parametrize(
    "data, network", [(fp.RandomLabels(), None), (fp.Teacher(0.2), None), (fp.RandomLabels(), fp.TreeCommittee("sign"))]
)
def test_the_ground_state_of_binary_weights_is_where_their_entropy_vanishes(energy, data, network):
    """Colder the formal energy would be lower, hotter it is higher: d energy/d beta < 0."""
    asked, alpha = model(energy, margin=0.4, data=data, network=network), 3.0
    state = fp.ground_state(asked, alpha)
    beta = state.model.learner.beta
    assert abs(state.entropy) < 1e-9 and beta == fp.freezing_beta(asked, alpha)
    assert state.energy == pytest.approx(-state.free_entropy / beta, rel=1e-8)
    hotter, colder = (fp.solve(model(energy, margin=0.4, beta=b, data=data, network=network), alpha) for b in (0.9 * beta, 1.1 * beta))
    assert colder.energy < state.energy < hotter.energy and colder.entropy < 0.0 < hotter.entropy


@pytest.mark.parametrize("energy", CONTINUOUS)
@pytest.mark.parametrize("weights", ["binary", "spherical"])
def test_the_replicon_vanishes_on_the_stability_line(energy, weights):
    """Binary weights, cold, or spherical ones at a margin where even the ground state is unstable."""
    asked = model(energy, weights, 0.2 if weights == "binary" else -1.0, 30.0)
    try:
        load = fp.at_line(asked)
    except NoSolution:
        assert weights == "spherical" and energy == "square"  # a convex problem at every load
        return
    assert fp.solve(asked, load).at_eigenvalue == pytest.approx(0.0, abs=1e-8)
    assert fp.solve(asked, 0.98 * load).stable


@pytest.mark.parametrize("energy, margin, beta", [("hinge", 0.0, 30.0), ("squared-hinge", 0.3, 300.0)])
def test_a_cold_student_jumps_to_its_binary_teacher(energy, margin, beta):
    """Both branches have the same free entropy at the transition; cold hinges approach the transition of hard constraints."""
    found = fp.first_order_transition(model(energy, margin=margin, beta=beta, data=fp.Teacher()))
    states = fp.branches(found.at_transition.model, found.transition)
    one, two = states[0], states[1]
    assert {one.branch, two.branch} == {"student", "teacher"}
    assert one.free_entropy == pytest.approx(two.free_entropy, abs=1e-9)
    assert found.lower_spinodal < found.transition < found.spinodal
    if energy == "hinge":
        hard = fp.first_order_transition(model("errors", data=fp.Teacher()))
        colder = fp.first_order_transition(model(energy, beta=60.0, data=fp.Teacher()))
        assert abs(colder.transition - hard.transition) < abs(found.transition - hard.transition) < 0.2
        with pytest.raises(NotConverged, match="smaller beta"):  # 1-q falls below 1e-66 before the transition
            fp.first_order_transition(model(energy, beta=200.0, data=fp.Teacher()))
