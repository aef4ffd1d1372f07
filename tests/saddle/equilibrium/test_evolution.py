"""State evolution: its fixed points are saddle points, and it stops on the student below the spinodal."""

import math

import pytest

import flatphys as fp
from flatphys.errors import InvalidInput

MODELS = [
    (fp.Model(), 0.5),
    (fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", 0.5, 3.0, energy="hinge")), 1.4),
    (fp.Model(fp.RandomLabels(), fp.Gibbs("binary", network=fp.TreeCommittee("relu"))), 0.4),
    (fp.Model(fp.Teacher(0.1), fp.Gibbs("spherical", 0.0, 2.0)), 1.0),
    (fp.Model(fp.Teacher(), fp.Bayes("binary")), 1.4),
]


@pytest.mark.parametrize("model, alpha", MODELS, ids=str)
def test_the_fixed_point_is_the_branch_of_smallest_overlap(model, alpha):
    found = fp.state_evolution(model, alpha, 400)
    state = min(fp.branches(model, alpha), key=lambda state: state.order["q"])
    for name in found.data_vars:
        assert float(found[name][-1]) == pytest.approx(state.order[name], rel=1e-11), name
    assert float(found.q[0]) == 0.0


def test_past_the_spinodal_the_teacher_is_found():
    model = fp.Model(fp.Teacher(), fp.Gibbs("binary"))
    spinodal = fp.first_order_transition(model).spinodal
    assert float(fp.state_evolution(model, spinodal - 0.02, 1000).q[-1]) < 0.95
    assert float(fp.state_evolution(model, spinodal + 0.05, 1000).q[-1]) == 1.0


def test_overlaps_grow_monotonically_and_the_table_says_what_it_is():
    found = fp.state_evolution(fp.Model(), 0.7, 40)
    assert (found.q.diff("iteration") >= 0.0).all() and found.sizes["iteration"] == 41 and found.attrs["alpha"] == 0.7


@pytest.mark.parametrize("alpha, iterations, name", [(-1.0, 5, "alpha"), (1.0, 0, "iterations"), (math.nan, 5, "alpha")])
def test_bad_input_is_named(alpha, iterations, name):
    with pytest.raises(InvalidInput, match=name):
        fp.state_evolution(fp.Model(), alpha, iterations)
    with pytest.raises(InvalidInput, match="learner"):
        fp.state_evolution(fp.Model(fp.Teacher(), fp.ERM("square")), 1.0)
