"""alpha(s) as a curve: where it is monotone, where it folds, and that every branch is found on it."""

import math
import warnings

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import NoSolution, NotConverged
from flatphys.kernels.channels import CODES
from flatphys.kernels.codes import BINARY, RANDOM, SPHERICAL, Channel, Labels, Problem
from flatphys.kernels.networks import network_code
from flatphys.model import ACTIVATIONS
from flatphys.numerics.quadrature import buffers
from flatphys.saddle.equilibrium.averages import log_alphas
from flatphys.saddle.equilibrium.states import UNIQUE_MARGIN


def load_curve(weights, kappa, beta, log_q_hat, network=None, energy="errors"):
    net = network_code(network or fp.Perceptron())
    problem = Problem(weights, Labels(RANDOM, 0.0), Channel(CODES[energy], kappa, beta), net)
    return np.array([log_alphas(problem, s, s, 0, buffers())[0] for s in log_q_hat])


@pytest.mark.parametrize("energy", ["errors", "hinge", "squared-hinge"])
@pytest.mark.parametrize("network", [fp.Perceptron(), *map(fp.TreeCommittee, ACTIVATIONS)])
@pytest.mark.parametrize("weights", [BINARY, SPHERICAL])
@pytest.mark.parametrize("kappa", [-UNIQUE_MARGIN, -1.9, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, UNIQUE_MARGIN])
def test_with_random_labels_and_moderate_margin_the_load_rises_along_the_curve_at_every_beta(weights, kappa, network, energy):
    """What lets `solve` search one root without tracing the curve (equilibrium.UNIQUE_MARGIN).  The scan ends where
    the slope has become as small as the rounding, at 1-q of about 1e-6."""
    s = np.arange(-12.0, 24.0 if weights == SPHERICAL else 14.0, 0.2)
    for beta in (*np.exp(np.linspace(math.log(0.01), math.log(200.0), 25)), math.inf):
        if energy != "errors" and beta == math.inf:
            continue  # the same hard constraints
        la = load_curve(weights, kappa, beta, s, network, energy)
        step = np.diff(la)
        assert (step > -1e-11).all(), (beta, s[np.argmin(step)], step.min())


def test_beyond_that_margin_the_curve_folds():
    la = load_curve(SPHERICAL, -3.0, math.inf, np.arange(-20.0, 20.0, 0.1))
    assert (np.diff(la) < -1e-6).any()


def test_a_strongly_negative_margin_has_three_branches_and_the_dominant_one_changes_continuously():
    """kappa = -3, spherical: two stable branches whose free entropies cross; the lower one (n -> 0) is what `solve` follows."""
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", -3.0))
    loads = fp.capacity(model) * np.linspace(0.3, 0.999, 40)
    points = [fp.branches(model, alpha) for alpha in loads]
    assert {len(states) for states in points} == {1, 3}
    for alpha, states in zip(loads, points):
        assert all(s.residual < 1e-11 for s in states)
        stable = [s for s in states if s.branch != "intermediate"]
        assert states[0].free_entropy == min(s.free_entropy for s in stable)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert fp.solve(model, alpha).order == states[0].order
    assert np.all(np.diff([states[0].free_entropy for states in points]) < 0.0)  # its slope, E log f, is negative
    i = next(i for i, states in enumerate(points) if states[0].branch == "condensed")
    assert points[i - 1][0].branch == "typical"

    def gap(alpha):
        by_name = {s.branch: s.free_entropy for s in fp.branches(model, alpha)}
        return by_name["condensed"] - by_name["typical"] if len(by_name) == 3 else math.inf

    low, high = loads[i - 1], loads[i]
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if gap(middle) > 0.0 else (low, middle)
    assert abs(gap(high)) < 1e-9  # phi has a kink there, no jump


@pytest.mark.parametrize(
    "alpha, expected", [(0.7, ["student", "teacher", "intermediate"]), (1.3, ["teacher", "student", "intermediate"]), (1.6, ["teacher"])]
)
def test_binary_teacher_student_branches_are_named_and_ordered(alpha, expected):
    """Student up to the spinodal 1.4926, the teacher itself dominant from 1.2447, one never-stable solution between."""
    states = fp.branches(fp.Model(fp.Teacher(), fp.Gibbs("binary")), alpha)
    assert [s.branch for s in states] == expected
    by_name = {s.branch: s for s in states}
    assert by_name["teacher"].q == by_name["teacher"].R == 1.0 and by_name["teacher"].entropy == 0.0
    if "student" in by_name:
        assert by_name["student"].q < by_name["intermediate"].q < 1.0
        assert by_name["intermediate"].free_entropy < min(by_name["student"].free_entropy, 0.0)


def test_branches_meet_at_the_spinodal():
    model = fp.Model(fp.Teacher(), fp.Gibbs("binary"))
    spinodal = fp.first_order_transition(model).spinodal
    below = fp.branches(model, spinodal * (1.0 - 1e-10))
    student, middle = (next(s for s in below if s.branch == name) for name in ("student", "intermediate"))
    assert middle.q - student.q < 1e-3  # the distance closes as the square root of the load's
    assert [s.branch for s in fp.branches(model, spinodal * (1.0 + 1e-10))] == ["teacher"]


@pytest.mark.parametrize("kappa", [1e-12, 1e-5, 1e-3, 0.004, -1e-5, -1e-3, 0.05, -0.05])
@pytest.mark.parametrize("alpha", [0.5, 5.0, 25.0])
@pytest.mark.parametrize("beta", [1.0, 25.0])
def test_next_to_its_teacher_a_small_margin_is_answered_rightly_or_refused_as_not_converged(kappa, alpha, beta):
    """A binary student of margin +-1e-5 at finite beta stays next to the teacher, exponentially close: 1-q may be
    below any spacing of doubles.  What may not happen is a claim that no solution exists, or another branch's numbers."""
    try:
        state = fp.branches(fp.Model(fp.Teacher(), fp.Gibbs("binary", kappa, beta)), alpha)[0]
    except NotConverged as error:
        assert abs(kappa) < 0.01 and "teacher" in str(error)
        return
    at_zero = fp.branches(fp.Model(fp.Teacher(), fp.Gibbs("binary", 0.0, beta)), alpha)[0]
    # at most the patterns between the two margins change sides: beta alpha P(|z| < kappa) in the free entropy
    assert state.free_entropy == pytest.approx(at_zero.free_entropy, abs=1e-6 + 1.5 * alpha * beta * abs(kappa))
    assert state.residual < 1e-11 and state.q < 1.0 + 1e-15


def test_branches_raise_as_solve_does_beyond_the_end():
    model = fp.Model()
    with pytest.raises(NoSolution):
        fp.branches(model, 1.5)


@pytest.mark.parametrize("weights, alpha", [("binary", 1.35), ("spherical", 50.0), ("binary", 0.9)])
@pytest.mark.parametrize("data, beta", [(fp.Teacher(0.1), 2.0), (fp.Teacher(), math.inf), (fp.Teacher(), 1.0), (fp.RandomLabels(), 4.0)])
def test_every_branch_solves_its_equations(weights, alpha, data, beta):
    for state in fp.branches(fp.Model(data, fp.Gibbs(weights, 0.0, beta)), alpha):
        assert state.residual < 1e-11 and state.quadrature_error < 1e-10
