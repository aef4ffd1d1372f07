"""Where the landscape around maximum-margin solutions stops being flat."""

import math
from dataclasses import replace

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput, Unsatisfiable
from flatphys.saddle.equilibrium.states import dominant
from flatphys.thresholds.flatness import Neighbourhood, flatness_threshold

# the densest regions of committees are unstable between each other: said, and no matter here
formal = pytest.mark.filterwarnings("ignore::flatphys.errors.ReplicaSymmetryWarning")
BINARY = fp.Model(fp.RandomLabels(), fp.Gibbs("binary"))


def test_threshold_around_maximum_margin_solutions():
    """0.7290328105420797 with kappa_max 0.10432595168461604: the project's reference table, record F2-0095."""
    got = flatness_threshold(BINARY)
    assert got == pytest.approx(0.7290328105420797, rel=1e-9)
    assert fp.max_margin(BINARY, got) == pytest.approx(0.10432595168461604, rel=1e-9)


def test_the_steepest_slope_is_smooth_across_zero_entropy():
    """Its differences along the load agree on both sides of the capacity, where `local_entropy` refuses the reference beyond."""
    load, h = 0.7290328, 1e-4
    margin = fp.max_margin(BINARY, load)
    states = [dominant(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", margin=margin)), load + k * h) for k in (-1, 0, 1)]
    around = Neighbourhood(BINARY)
    below, at, beyond = (around.steepest_around(state) for state in states)
    assert beyond - at == pytest.approx(at - below, rel=0.01)
    assert states[2].entropy < 0.0
    with pytest.raises(Unsatisfiable, match="reference does not exist"):
        fp.local_entropy(states[2], distance=0.01)


@formal
@pytest.mark.parametrize("activation", ["sign", "erf", "relu"])
def test_thresholds_of_committees_are_where_a_slope_touches_zero(activation):
    """The local entropy is monotonic up to its maximum just below the threshold and not just above, around either reference."""
    learner = fp.Gibbs("binary", network=fp.TreeCommittee(activation))
    model = fp.Model(fp.RandomLabels(), learner)

    def lowest(alpha, dense):
        """The lowest interior minimum of d value/d distance."""
        places = np.geomspace(3e-4, 0.2, 120)
        if dense:
            slope = -2.0 * fp.replicated_entropy(model, alpha, distance=places).slope
        else:
            reference = fp.Model(model.data, replace(learner, margin=fp.max_margin(model, alpha)))
            slope = -2.0 * fp.local_entropy(fp.solve(reference, alpha), distance=places).slope
        return min(b for a, b, c in zip(slope, slope[1:], slope[2:]) if a > b < c)

    for dense in (False, True):
        threshold = flatness_threshold(model, reference="replicated" if dense else "max_margin")
        assert 0.5 < threshold < fp.capacity(model)
        assert lowest(threshold * (1 - 3e-3), dense) > 0.0 > lowest(threshold * (1 + 3e-3), dense)
        assert lowest(threshold, dense) == pytest.approx(0.0, abs=3e-3)


@pytest.mark.parametrize(
    "model",
    [
        fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")),
        fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", network=fp.TreeCommittee("relu"))),
        fp.Model(fp.Teacher(), fp.Gibbs("binary")),
        fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=2.0)),
    ],
)
def test_other_models_are_refused(model):
    with pytest.raises(InvalidInput, match="flatness_threshold"):
        flatness_threshold(model)


def test_unknown_references_are_refused():
    with pytest.raises(InvalidInput, match="did you mean 'max_margin'"):
        flatness_threshold(BINARY, reference="maxmargin")
    assert math.isfinite(fp.capacity(BINARY))
