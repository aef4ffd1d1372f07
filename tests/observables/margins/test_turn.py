"""Local energy of the dense regions and one-step states of tree committees: limits in which it is known."""

import math

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import ReplicaSymmetryWarning
from flatphys.model import ACTIVATIONS
from flatphys.observables.margins.dense import FieldMargins
from flatphys.saddle.breaking.branch import replicated_problem

# dense regions are unstable between each other: said, and no matter here
formal = pytest.mark.filterwarnings("ignore::flatphys.errors.ReplicaSymmetryWarning")
activations = pytest.mark.parametrize("activation", ACTIVATIONS)
SIGMA = [0.0, 0.05, 0.3, 2.0]


def model(activation, margin=0.1, weights="binary"):
    return fp.Model(fp.RandomLabels(), fp.Gibbs(weights, margin, network=fp.TreeCommittee(activation)))


@pytest.mark.long
@activations
@pytest.mark.parametrize("margin", [-0.3, 0.2])
def test_one_replica_has_the_symmetric_local_energy_whatever_q1_is(activation, margin):
    state = fp.solve(model(activation, margin), 0.5)
    want = fp.local_energy(state, distance=[0.001, 0.02, 0.2, 0.45])
    for q1 in (state.q + 1e-9, 0.6, 0.95):
        law = FieldMargins(replicated_problem(state.model), 1.0, 1.0 - q1, state.q, q1 - state.q)
        got = [law.rise_after_turn(eps) for eps in (0.002, 0.04, 0.4, 0.9)]
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-10)


def _identity(x):
    return x


@formal
@pytest.mark.parametrize("y", [5.0, math.inf])
def test_the_identity_as_activation_is_the_perceptron(y):
    one, other = (
        fp.replicated_entropy(asked, 0.5, distance=[0.1], y=y)
        for asked in (fp.Model(fp.RandomLabels(), fp.Gibbs("binary", 0.1)), model(_identity))
    )
    np.testing.assert_allclose(one.local_energy(0, sigma=SIGMA), other.local_energy(0, sigma=SIGMA), rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(
        one.local_energy(0, distance=[0.01, 0.2]), other.local_energy(0, distance=[0.01, 0.2]), rtol=1e-8, atol=1e-11
    )


@formal
@activations
def test_many_replicas_approach_infinitely_many(activation):
    few, more, limit = (
        fp.replicated_entropy(model(activation), 0.4, distance=[0.15], y=y).local_energy(0, sigma=SIGMA[1:]) for y in (2e3, 4e3, math.inf)
    )
    np.testing.assert_allclose(2.0 * more - few, limit, rtol=1e-4)
    assert (np.abs(more - limit) < 1e-2 * limit).all()


@formal
@activations
def test_dense_regions_are_flatter_than_typical_solutions(activation):
    asked = model(activation, 0.0)
    dense = fp.replicated_entropy(asked, 0.5, distance=[0.05]).local_energy(0, sigma=SIGMA)
    typical = fp.local_energy(fp.solve(asked, 0.5), sigma=SIGMA)
    assert dense[0] == 0.0 and (np.diff(dense) > 0.0).all() and (dense[1:] < typical[1:]).all()


def test_a_one_step_state_continues_the_symmetric_one():
    asked = model("sign", 0.0, "spherical")
    line = fp.at_line(asked)
    with pytest.warns(ReplicaSymmetryWarning):
        state, symmetric = fp.solve(asked, 1.002 * line, ansatz="1RSB"), fp.solve(asked, 1.002 * line)
    np.testing.assert_allclose(fp.local_energy(state, sigma=SIGMA), fp.local_energy(symmetric, sigma=SIGMA), rtol=2e-4, atol=1e-12)
