"""`sweep`: the values of the questions themselves, labelled axes, a status for every missing value, refusals before any work."""

import dataclasses
import json
import math
import warnings

import numpy as np
import pytest
import xarray

import flatphys as fp
from flatphys.errors import InvalidInput, NegativeEntropyWarning, NotConverged, ReplicaSymmetryWarning, SweepWarning
from flatphys.model import ENERGIES as EVERY
from flatphys.questions.catalogue import QUESTIONS

ENERGIES = [one for one in EVERY if one != "logistic"]  # which knows no margin
MODEL = fp.Model()
MIXTURE = fp.Model(fp.GaussianMixture(1.0, 0.3), fp.ERM("logistic", l2=0.1, bias=True))


def sweep(*arguments, **more):
    return fp.sweep(*arguments, **{"workers": 1, **more})


def same(one, two):
    """Equal names, attributes, texts and numbers to the last bit."""
    return one.identical(two) and all(
        one[name].values.tobytes() == two[name].values.tobytes() for name in one.variables if one[name].dtype.kind == "f"
    )


# --- values ------------------------------------------------------------------------------------------------------------
def test_points_are_those_of_solve():
    table = sweep(MODEL, alpha=np.linspace(0.1, 0.8, 8), **{"learner.margin": [-0.3, 0.0, 0.2], "learner.weights": ["binary", "spherical"]})
    rng = np.random.default_rng(1)
    for _ in range(12):
        i, j, k = (int(rng.integers(table.sizes[name])) for name in ("alpha", "margin", "weights"))
        point = table.isel(alpha=i, margin=j, weights=k)
        if point.status != "ok":
            continue
        learner = fp.Gibbs(str(point.weights.values), float(point.margin))
        state = fp.solve(fp.Model(fp.RandomLabels(), learner), float(point.alpha))
        for name, value in state.scalars().items():
            assert float(point[name]) == value, name
        assert point.branch == state.branch


def test_points_of_a_teacher_are_those_of_solve():
    model = fp.Model(fp.Teacher(), fp.Gibbs())
    table = sweep(model, alpha=[0.5, 1.3, 1.6], **{"data.flip": [0.0, 0.1]})
    for alpha in (0.5, 1.3, 1.6):
        state = fp.solve(model, alpha)
        point = table.sel(alpha=alpha, flip=0.0)
        assert float(point.R) == state.R and point.branch == state.branch
    noisy = dataclasses.replace(model, data=fp.Teacher(0.1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert float(table.generalization_error.sel(alpha=1.3, flip=0.1)) == fp.solve(noisy, 1.3).generalization_error


@pytest.mark.parametrize("loss", ["square", "logistic", "hinge", "squared-hinge"])
def test_continued_minimisers_agree_with_solve_to_rounding(loss):
    model = dataclasses.replace(MIXTURE, learner=fp.ERM(loss, bias=True))
    table = sweep(model, alpha=np.geomspace(0.05, 6.0, 9), **{"learner.l2": [1e-3, 0.03, 1.0, 40.0]})
    assert (table.status == "ok").sum() > 20
    for point in (table.isel(alpha=i, l2=j) for i in range(9) for j in range(4)):
        one = dataclasses.replace(model, learner=dataclasses.replace(model.learner, l2=float(point.l2)))
        if point.status != "ok":
            with pytest.raises((fp.errors.NoSolution, NotConverged)):
                fp.solve(one, float(point.alpha))
            continue
        for name, value in fp.solve(one, float(point.alpha)).scalars().items():
            if name not in ("residual", "quadrature_error"):
                assert float(point[name]) == pytest.approx(value, rel=1e-9, abs=1e-11), name


def test_a_teachers_minimisers_and_weak_regularisation():
    table = sweep(fp.Model(fp.Teacher(0.1), fp.ERM("square")), alpha=[0.5, 2.0, 3.0], **{"learner.l2": [0.0, 1e-9, 0.5]})
    for alpha in (0.5, 2.0, 3.0):
        for l2 in (0.0, 1e-9, 0.5):
            state = fp.solve(fp.Model(fp.Teacher(0.1), fp.ERM("square", l2=l2)), alpha)
            assert float(table.q.sel(alpha=alpha, l2=l2)) == pytest.approx(state.q, rel=1e-9)


def test_a_point_does_not_depend_on_its_neighbours():
    loads = np.geomspace(0.3, 4.0, 23)
    whole = sweep(MIXTURE, alpha=loads, **{"learner.l2": [0.01, 0.1]})
    for i in (22, 3, 11):
        alone = sweep(MIXTURE, alpha=loads[i : i + 1], **{"learner.l2": [0.1]})
        part = whole.isel(alpha=[i]).sel(l2=[0.1])
        for name in alone.data_vars:
            assert alone[name].values.tobytes() == part[name].values.tobytes() or alone[name].dtype.kind != "f", name


@pytest.mark.filterwarnings("ignore::flatphys.errors.ReplicaSymmetryWarning")
def test_a_one_step_point_does_not_depend_on_what_was_asked_before():
    from flatphys.saddle.breaking import one_step as replicated_one_step

    model, loads = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", margin=-2.0)), [80.0, 124.0, 124.3, 124.6, 124.9, 125.2, 125.35]
    replicated_one_step._traced.cache_clear()
    up = [fp.solve(model, alpha, ansatz="1RSB").entropy for alpha in loads]
    replicated_one_step._traced.cache_clear()
    down = [fp.solve(model, alpha, ansatz="1RSB").entropy for alpha in reversed(loads)]
    assert up == down[::-1]


def test_local_energy_has_its_strength_as_innermost_axis():
    table = sweep(MODEL, alpha=[0.3, 0.5], question=fp.local_energy, sigma=[0.1, 0.5, 1.0])
    assert table.local_energy.dims == ("alpha", "sigma") and table.status.dims == ("alpha", "sigma")
    assert table.local_energy.sel(alpha=0.5).values.tolist() == fp.local_energy(fp.solve(MODEL, 0.5), sigma=[0.1, 0.5, 1.0]).tolist()


def test_local_entropy_with_axes_of_the_reference_and_of_the_counted_weights():
    table = sweep(MODEL, alpha=0.5, question="local-entropy", distance=[0.02, 0.2], margin=[0.0, 0.1], **{"learner.margin": [0.1, 0.2]})
    assert dict(table.sizes) == {"margin": 2, "learner_margin": 2, "distance": 2}
    state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs(margin=0.2)), 0.5)
    found = fp.local_entropy(state, distance=[0.02, 0.2], margin=0.1)
    assert table.value.sel(margin=0.1, learner_margin=0.2).values.tolist() == found.value.tolist()
    assert "R1" not in table  # no teacher, no overlap with one


def test_references_other_than_the_typical_state():
    table = sweep(fp.Model(fp.Teacher(), fp.Gibbs()), alpha=[1.0], question=fp.local_entropy, distance=[0.2], reference="teacher")
    state = fp.teacher_state(fp.Model(fp.Teacher(), fp.Gibbs()), 1.0)
    assert table.value.values.ravel().tolist() == fp.local_entropy(state, distance=[0.2]).value.tolist()
    table = sweep(MODEL, alpha=[0.6], question=fp.local_entropy, distance=[0.1], reference="max_margin")
    best = fp.max_margin(MODEL, 0.6)
    state = fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs(margin=best)), 0.6)
    assert table.value.values.ravel().tolist() == fp.local_entropy(state, distance=[0.1]).value.tolist()


def test_moments_and_density_of_the_margins():
    table = sweep(MODEL, alpha=[0.5], question=fp.margins, x=[-1.0, 0.5, 1.0])
    law = fp.margins(fp.solve(MODEL, 0.5))
    assert (
        float(table["mean"].sel(alpha=0.5)) == law.mean and table.pdf.sel(alpha=0.5).values.tolist() == law.pdf([-1.0, 0.5, 1.0]).tolist()
    )
    assert "x" not in sweep(MODEL, alpha=[0.5], question=fp.margins).sizes


def test_replicated_entropy_and_its_number_of_replicas():
    table = sweep(MODEL, alpha=[0.5], question=fp.replicated_entropy, distance=[0.05, 0.2], y=[5.0, math.inf])
    assert table.value.dims == ("alpha", "y", "distance")
    found = fp.replicated_entropy(MODEL, 0.5, distance=[0.05, 0.2], y=5.0)
    assert table.value.sel(y=5.0, alpha=0.5).values.tolist() == found.value.tolist()


@pytest.mark.parametrize(
    ("name", "model", "alpha", "value"),
    [
        ("capacity", MODEL, None, fp.capacity),
        ("at_line", fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", -0.5)), None, fp.at_line),
        ("max_margin", MODEL, 0.5, fp.max_margin),
        ("freezing_beta", MODEL, 1.0, fp.freezing_beta),
        ("optimal_l2", fp.Model(fp.GaussianMixture(1.0, 0.2), fp.ERM("square")), 1.0, fp.optimal_l2),
        ("bayes_error", fp.Model(fp.Teacher(), fp.Bayes()), 1.0, lambda model, alpha: fp.bayes_error(model.data, alpha)),
        (
            "separability_threshold",
            fp.Model(fp.GaussianMixture(), fp.MaxMargin()),
            None,
            lambda model: fp.separability_threshold(model.data),
        ),
        ("relative_flatness", MIXTURE, 1.0, lambda model, alpha: fp.relative_flatness(fp.solve(model, alpha))),
        (
            "largest_overlap",
            fp.Model(fp.GaussianMixture(), fp.ERM(l2=1.0)),
            1.0,
            lambda model, alpha: fp.largest_overlap(fp.solve(model, alpha)),
        ),
        (
            "ground_state",
            fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")),
            3.0,
            lambda model, alpha: fp.ground_state(model, alpha).train_error,
        ),
    ],
)
def test_questions_with_one_number(name, model, alpha, value):
    table = sweep(model, alpha, question=getattr(fp, name))
    variable = "train_error" if name == "ground_state" else name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = value(model) if alpha is None else value(model, alpha)
    assert float(table[variable]) == pytest.approx(expected, rel=1e-9) and table[variable].dims == ()


def test_every_question_has_a_public_function():
    for name in QUESTIONS:
        assert callable(getattr(fp, name))


def test_a_function_of_ones_own():
    def gap(model, alpha, factor=1.0):
        return {"gap": factor * (fp.capacity(model) - alpha), "load": alpha}

    table = sweep(MODEL, alpha=[0.5, 0.7], question=gap, factor=[1.0, 2.0])
    assert float(table.gap.sel(alpha=0.5, factor=2.0)) == 2.0 * (fp.capacity(MODEL) - 0.5)
    assert table.attrs["question"] == "gap"
    assert float(sweep(MODEL, question=lambda model: model.learner.margin + 1.0, **{"learner.margin": 2.0})["<lambda>"]) == 3.0


def test_a_function_of_ones_own_along_a_vector_and_a_state():
    def powers(model, alpha, k):
        return {"power": alpha**k, "twice": 2.0 * alpha}

    powers.vectors = ("k",)
    table = sweep(MODEL, alpha=[2.0, 3.0], question=powers, k=[1, 2])
    assert table.power.values.tolist() == [[2.0, 4.0], [3.0, 9.0]] and table.twice.dims == ("alpha",)
    state = sweep(MODEL, alpha=[0.4], question=lambda model, alpha: fp.solve(model, alpha))
    assert float(state.entropy.values[0]) == fp.solve(MODEL, 0.4).entropy


# --- axes and attributes --------------------------------------------------------------------------------------------------
def test_dimensions_follow_the_arguments_and_single_values_are_coordinates():
    table = sweep(MODEL, alpha=[0.2, 0.3], **{"learner.beta": [1.0, 2.0, math.inf], "learner.margin": 0.1})
    assert table.entropy.dims == ("alpha", "beta") and float(table.margin) == 0.1
    assert table.beta.values.tolist() == [1.0, 2.0, math.inf]


def test_objects_texts_and_flags_label_an_axis():
    table = sweep(MIXTURE, alpha=[1.0], **{"learner": [fp.ERM("square"), fp.Hebb(), fp.MaxMargin()]})
    assert table.learner.values.tolist() == ["ERM(loss='square', l2=0.1, bias=False)", "Hebb(bias=False)", "MaxMargin(bias=False)"]
    assert table.message.sel(learner="Hebb(bias=False)").values[0].startswith("not defined here")
    assert np.isnan(table.V.sel(learner="Hebb(bias=False)")) and table.status.values.tolist() == [["ok", "ok", "ok"]]
    flags = sweep(MIXTURE, alpha=1.0, **{"learner.bias": [False, True]})
    assert flags.bias.values.tolist() == [False, True]


def test_fields_of_fields_and_of_objects_on_an_axis():
    networks = [fp.Perceptron(), fp.TreeCommittee("erf")]
    table = sweep(
        fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")), question=lambda model: model.learner.margin, **{"learner.network": networks}
    )
    assert table.network.values.tolist() == ["Perceptron()", "TreeCommittee(activation='erf')"]
    tree = fp.Model(fp.RandomLabels(), fp.Gibbs(network=fp.TreeCommittee()))
    seen = sweep(
        tree, question=lambda model: float(model.learner.network.activation == "relu"), **{"learner.network.activation": ["sign", "relu"]}
    )
    assert seen["<lambda>"].values.tolist() == [0.0, 1.0]


def test_fields_that_fit_only_together_are_set_together():
    table = sweep(MODEL, alpha=1.0, **{"data": [fp.GaussianMixture(), fp.Teacher()], "learner": [fp.Hebb()]})
    assert (table.status == "ok").all()


def test_the_energy_is_an_axis_and_has_its_unit():
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", margin=0.3, beta=2.0))
    table = sweep(model, alpha=0.5, **{"learner.energy": ["hinge", "squared_hinge", "square"]})
    for energy in ENERGIES[1:]:
        state = fp.solve(dataclasses.replace(model, learner=dataclasses.replace(model.learner, energy=energy)), 0.5)
        assert float(table.train_loss.sel(energy=energy)) == state.train_loss  # by the model's spelling, whatever was given
    assert table.energy.attrs["units"] == "energy per weight" and table.train_loss.attrs["units"] == "per pattern"
    with pytest.raises(InvalidInput, match="energy"):
        sweep(MIXTURE, alpha=0.5, **{"learner.energy": ["hinge"]})


def test_attributes_say_what_was_computed():
    table = sweep(MODEL, alpha=[0.2], question=fp.local_entropy, distance=[0.1], beta=2.0)
    assert table.attrs["model"] == repr(MODEL) and table.attrs["question"] == "local_entropy"
    assert json.loads(table.attrs["options"]) == {"beta": "2.0"}
    assert table.attrs["flatphys_version"] == fp.__version__ and table.attrs["numpy_version"] == np.__version__
    assert table.value.attrs == {"long_name": "local entropy", "units": "nats per weight"}
    assert all(isinstance(value, (str, int, float)) for value in table.attrs.values())


def test_the_tolerances_are_those_that_the_states_met(tmp_path):
    loads = [0.5, 2.0]
    table = sweep(MODEL, alpha=loads, store=tmp_path / "s.sqlite")
    state = fp.solve(MODEL, 0.5)
    assert (table.attrs["tolerance_residual"], table.attrs["tolerance_quadrature"]) == (state.tolerance, state.quadrature_tolerance)
    assert float(table.residual[0]) <= state.tolerance and "tolerance_residual" not in table
    assert same(table, sweep(MODEL, alpha=loads, store=tmp_path / "s.sqlite"))  # they are kept with the points
    assert "tolerance_residual" not in sweep(MODEL, question=fp.capacity).attrs  # none is known, none is guessed
    around = sweep(MODEL, alpha=[0.5], question=fp.local_entropy, distance=[0.1])
    assert around.attrs["tolerance_residual"] == fp.local_entropy(state, distance=[0.1]).tolerance


def test_netcdf_gives_the_same_table_back(tmp_path):
    table = sweep(MIXTURE, alpha=[0.5, 9.0], **{"learner.loss": ["hinge", "square"], "learner.bias": [False, True]})
    table.to_netcdf(tmp_path / "a.nc", engine="scipy")
    with xarray.open_dataset(tmp_path / "a.nc", engine="scipy") as back:
        assert back.load().identical(table)
    long = sweep(MODEL, alpha=[0.3, 5.0], question=fp.local_entropy, distance=[1e-4, 0.1])
    long.to_netcdf(tmp_path / "b.nc", engine="scipy")
    with xarray.open_dataset(tmp_path / "b.nc", engine="scipy") as back:
        assert back.load().identical(long)


# --- statuses ---------------------------------------------------------------------------------------------------------------
def explained(table):
    """Whether every nan has a status or a message of its own."""
    for variable in table.data_vars.values():
        if variable.dtype.kind == "f":
            status, message, value = xarray.broadcast(table.status, table.message, variable)
            gone = np.isnan(value.values)
            for s, m in zip(status.values[gone], message.values[gone]):
                if not m or (s in ("ok", "negative_entropy", "rs_unstable") and not m.startswith("not defined")):
                    return False
    return True


@pytest.mark.parametrize(
    ("model", "alpha", "more", "status"),
    [
        (MODEL, 0.5, {}, "ok"),
        (MODEL, 0.9, {}, "negative_entropy"),
        (MODEL, 2.0, {}, "no_solution"),
        (fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")), 2.5, {}, "unsat"),
        (fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", -0.5)), 4.7, {}, "rs_unstable"),
        (fp.Model(fp.Teacher(), fp.Gibbs("binary", -1e-11)), 3.0, {}, "not_converged"),
        (MODEL, 0.5, {"question": fp.local_entropy, "distance": [0.2]}, "ok"),
        (MODEL, 0.9, {"question": fp.local_entropy, "distance": [0.2]}, "unsat"),
    ],
)
def test_each_kind_of_answer_has_its_status(model, alpha, more, status):
    table = sweep(model, alpha=[alpha, 0.4], **more)
    assert table.status.sel(alpha=alpha).values.ravel()[0] == status
    assert (table.message.sel(alpha=alpha).values.ravel()[0] == "") == (status == "ok")
    assert explained(table)


def test_elements_of_a_local_entropy_have_their_own_status():
    table = sweep(MODEL, alpha=[0.8], question=fp.local_entropy, distance=[1e-3, 0.01, 0.1, 0.3]).isel(alpha=0)
    with pytest.warns(NegativeEntropyWarning):
        found = fp.local_entropy(fp.solve(MODEL, 0.8), distance=[1e-3, 0.01, 0.1, 0.3])
    assert ((table.status == "no_solution").values == (found.status == "no_solution")).all()
    assert ((table.status == "negative_entropy").values == ((found.value < -1e-9) & (found.at_eigenvalue > -math.inf))).all()
    assert len(set(table.status.values.tolist())) > 1 and explained(table)


def test_an_error_of_ones_own_function_is_a_status():
    def odd(model, alpha):
        if alpha > 0.5:
            raise ZeroDivisionError("no such load")
        return math.nan if alpha > 0.3 else alpha

    with pytest.warns(SweepWarning, match="1 of 3 points failed, the first with ZeroDivisionError: no such load"):
        table = sweep(MODEL, alpha=[0.2, 0.4, 0.6], question=odd)
    assert table.status.values.tolist() == ["ok", "undefined", "failed"]
    assert table.message.values[2] == "ZeroDivisionError: no such load" and explained(table)


def test_a_wrong_answer_of_ones_own_function_is_a_status():
    with pytest.warns(SweepWarning, match="must return a number"):
        table = sweep(MODEL, alpha=[0.2, 0.4], question=lambda model, alpha: "text" if alpha > 0.3 else 1.0)
    assert table.status.values.tolist() == ["ok", "failed"] and "must return a number" in table.message.values[1]


def test_where_a_question_is_not_defined_the_point_says_so():
    table = sweep(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")), alpha=[1.0, 3.0], question=fp.ground_state)
    assert table.status.values.tolist() == ["invalid_input", "rs_unstable"] and explained(table)
    with pytest.raises(InvalidInput, match="energy must be 'squared-hinge' or 'square'"):
        sweep(MODEL, alpha=[0.2, 0.3], question=fp.relative_flatness)


def test_warnings_become_statuses_and_nothing_else(recwarn):
    sweep(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", -0.5)), alpha=[4.0, 4.65, 4.7])
    sweep(MODEL, alpha=[0.9])
    assert not recwarn.list
    with pytest.warns(ReplicaSymmetryWarning):  # and outside of a sweep everything is as before
        fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", -0.5)), 4.7)


def test_a_table_without_any_value_still_has_the_questions_variable():
    table = sweep(MODEL, alpha=[2.0], question=fp.local_entropy, distance=[0.1])
    assert np.isnan(table.value).all() and (table.status == "no_solution").all()


# --- refusals before any work -----------------------------------------------------------------------------------------------
@pytest.fixture
def no_work(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("work has begun")

    monkeypatch.setattr("flatphys.sweeps.driver.run_here", refuse)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"alpha": None}, "give alpha"),
        ({"alpha": [0.1, -1.0]}, "alpha must be"),
        ({"alpha": []}, "alpha must not be empty"),
        ({"alpha": [[0.1], [0.2]]}, "alpha must be"),
        ({"alpha": np.ones((2, 2))}, "one-dimensional"),
        ({"alpha": 0.5, "margin": [0.1]}, "did you mean 'learner.margin'"),
        ({"alpha": 0.5, "learner.magin": [0.1]}, "did you mean 'learner.margin'"),
        ({"alpha": 0.5, "data.flip": [0.1]}, "is no field of"),
        ({"alpha": 0.5, "learner.margin": [0.1, math.nan]}, "margin must be a finite number, got nan"),
        ({"alpha": 0.5, "learner.weights": ["binary", "sphercal"]}, "did you mean 'spherical'"),
        ({"alpha": 0.5, "learner": [fp.ERM()]}, "is not defined on"),
        ({"alpha": 0.5, "ansatz": "2RSB"}, "ansatz must be one of"),
        ({"alpha": 0.5, "ansats": "RS"}, "did you mean 'ansatz'"),
        ({"alpha": 0.5, "question": "sole"}, "did you mean 'solve'"),
        ({"alpha": 0.5, "question": fp.branches}, "is not one of"),
        ({"alpha": 0.5, "question": 3}, "question must be a function"),
        ({"alpha": 0.5, "question": fp.capacity}, "is not asked at a load"),
        ({"alpha": 0.5, "question": fp.local_energy}, "needs one of sigma or distance"),
        ({"alpha": 0.5, "question": fp.local_energy, "sigma": [0.1], "distance": [0.1]}, "sigma and distance"),
        ({"alpha": 0.5, "question": fp.local_energy, "sigma": [-0.1]}, "sigma must be"),
        ({"alpha": 0.5, "question": fp.local_entropy, "distance": [0.1, 1.0]}, "distance must be"),
        ({"alpha": 0.5, "question": fp.local_entropy, "distance": []}, "distance must not be empty"),
        ({"alpha": 0.5, "question": fp.local_entropy, "distance": ["a"]}, "distance must be a number"),
        ({"alpha": 0.5, "question": fp.local_entropy, "distance": [0.1], "reference": "techer"}, "did you mean 'teacher'"),
        ({"alpha": 0.5, "workers": 0}, "workers must be an integer >= 1"),
        ({"alpha": 0.5, "executor": 3}, "executor must be"),
        ({"alpha": 0.5, "progress": "yes"}, "progress must be"),
        ({"alpha": 0.5, "store": 3}, "store must be"),
    ],
)
def test_wrong_input_is_refused_by_name(arguments, match, no_work):
    with pytest.raises(InvalidInput, match=match):
        fp.sweep(MODEL, **arguments)


def test_a_model_is_needed(no_work):
    with pytest.raises(InvalidInput, match="model must be Model"):
        fp.sweep(fp.Gibbs(), alpha=0.5)
