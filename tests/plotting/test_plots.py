"""What functions return prints as a table with units and draws itself on one matplotlib axes, its own or the user's."""

import math

import matplotlib
import numpy as np
import pytest

import flatphys as fp

matplotlib.use("Agg")
pyplot = pytest.importorskip("matplotlib.pyplot")

pytestmark = pytest.mark.filterwarnings("ignore::flatphys.errors.ReplicaSymmetryWarning")

BINARY = fp.Model()
TEACHER = fp.Model(fp.Teacher(), fp.Gibbs("binary"))
MAKERS = {
    "state": lambda: fp.solve(BINARY, 0.5),
    "minimiser": lambda: fp.solve(fp.Model(fp.GaussianMixture(), fp.ERM("hinge")), 2.0),
    "one-step state": lambda: fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", margin=-0.5)), 4.3, ansatz="1RSB"),
    "margins": lambda: fp.margins(fp.solve(BINARY, 0.5)),
    "normalised margins": lambda: fp.margins(fp.solve(fp.Model(fp.GaussianMixture(), fp.MaxMargin()), 2.0)).normalised(),
    "local entropy": lambda: fp.local_entropy(fp.solve(BINARY, 0.5), distance=[0.3, 0.1, 0.2]),
    "replicated entropy": lambda: fp.replicated_entropy(BINARY, 0.6, distance=[0.05, 0.1]),
    "transition": lambda: fp.first_order_transition(TEACHER),
    "phase diagram": lambda: fp.phase_diagram("spherical-perceptron"),
}


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


@pytest.mark.parametrize("name", MAKERS)
def test_it_draws_on_new_axes_and_on_given_ones(name):
    thing = MAKERS[name]()
    ax = thing.plot()
    assert isinstance(ax, matplotlib.axes.Axes) and ax.get_xlabel() and ax.get_ylabel() and ax.lines
    drawn = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in ax.lines])
    assert np.isfinite(drawn).any()
    own = pyplot.figure().add_subplot()
    assert thing.plot(own) is own and thing.plot(ax=own) is own and own.lines
    ax.figure.canvas.draw()


@pytest.mark.parametrize("name", MAKERS)
def test_it_prints_as_a_table(name):
    thing = MAKERS[name]()
    lines = repr(thing).splitlines()
    assert len(lines) > 2 and all(line.startswith("  ") for line in lines[1:]) and "object at 0x" not in repr(thing)
    assert thing._repr_html_().startswith("<table>") and thing._repr_html_().count("<tr>") == len(lines) - 1


def test_units_are_part_of_the_tables():
    assert "nats per weight" in repr(fp.solve(BINARY, 0.5))
    assert "nats per weight" in repr(MAKERS["local entropy"]()) and "nats per replica" in repr(MAKERS["replicated entropy"]())
    assert "nats per replica and weight" in repr(fp.replicated_flatness_threshold(BINARY))
    assert "loads alpha" in repr(MAKERS["transition"]())


def test_a_state_draws_the_law_of_its_margins():
    state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", margin=0.3)), 0.4)
    line, edge = state.plot(color="k").lines
    x, y = line.get_data()
    assert np.allclose(y, fp.margins(state).pdf(np.asarray(x))) and line.get_color() == "k" and list(edge.get_xdata()) == [0.3, 0.3]


def test_a_transition_draws_its_branches_through_the_states():
    jump = fp.first_order_transition(TEACHER)
    ax = jump.plot()
    student = ax.lines[0]
    assert np.interp(1.0, student.get_xdata(), student.get_ydata()) == pytest.approx(fp.branches(TEACHER, 1.0)[0].R, abs=2e-3)
    places = [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 2 and line.get_xdata()[0] == line.get_xdata()[1]]
    assert {jump.transition, jump.spinodal, jump.lower_spinodal} == set(places)


def test_a_local_entropy_is_drawn_in_the_order_of_the_distance():
    answer = MAKERS["local entropy"]()
    x, y = answer.plot().lines[0].get_data()
    assert list(x) == sorted(answer.distance) and math.isclose(y[0], answer.value[1])


def test_a_plot_keeps_the_users_settings():
    with matplotlib.rc_context({"lines.linewidth": 7.0}):
        assert MAKERS["state"]().plot().lines[0].get_linewidth() == 7.0
