"""The registry of questions: one entry makes a question known to sweeps, the command line, `supported()` and the docs."""

import dataclasses
import inspect
import json

import pytest
from typer.testing import CliRunner

import flatphys as fp
from flatphys import validate
from flatphys.cli import app, options
from flatphys.cli.threshold_command import names
from flatphys.errors import InvalidInput
from flatphys.questions.catalogue import QUESTIONS, question_of
from flatphys.questions.domain import where
from flatphys.questions.question import Option, Question

# Public functions with a model or a state that are no questions, with the reason.
NO_QUESTIONS = {
    "branches": "several states",
    "sweep": "asks questions",
    "supported": "tells about questions",
    "precise": "a module of its own",
    "sample": "a simulation",
    "sample_local_entropy": "a simulation",
    "check": "theory beside a simulation",
    "make_instances": "draws instances",
    "extrapolate": "of simulations",
    "message_passing": "of instances",
    "find": "on instances",
    "load": "reads a file",
    "compare_algorithms": "on instances",
    "flatness_against_generalization": "on instances",
    "enumerate_weights": "of instances",
    "generalization_error": "of weights on instances",
    "state_evolution": "a table over iterations",
    "phase_diagram": "of a name",
    "smoothed": "a loss",
    "online_learning": "a table over examples",
}


def test_every_public_function_is_a_question_or_says_why_not():
    functions = {name for name in fp.__all__ if inspect.isfunction(getattr(fp, name))}
    assert functions == set(QUESTIONS) | set(NO_QUESTIONS) & functions
    assert all(callable(getattr(fp, name)) and question_of(getattr(fp, name)) is QUESTIONS[name] for name in QUESTIONS)


def test_every_question_is_asked_on_the_command_line():
    commands = {command.name for command in app.registered_commands}
    for name, question in QUESTIONS.items():
        spelled = name.replace("_", "-")
        assert (spelled in commands) == question.command and (spelled in names()) != question.command


def test_options_have_names_of_their_own_on_the_command_line():
    """A field of the model and an option of a question never share a name there."""
    fields = {f"--{field.name}" for field in options.FIELDS} | {"--data", "--learner"}
    for question in QUESTIONS.values():
        assert not fields & {option.spelled for option in question.options}
        assert len({option.spelled for option in question.options}) == len(question.options)


def test_every_option_is_a_parameter_of_the_public_function():
    """But the choice of the state, and what the answer is made of."""
    for name, question in QUESTIONS.items():
        parameters = set(inspect.signature(getattr(fp, name)).parameters)
        extra = {option.name for option in question.options} - parameters
        assert extra <= ({"reference", "ansatz", "normalised", "x"} if question.subject == "state" else set()), name


def test_arrays_of_an_answer_are_columns():
    found = fp.local_entropy(fp.solve(fp.Model(), 0.5), overlap=[0.3])
    given = {"overlap", "distance", "status"}
    arrays = {f.name for f in dataclasses.fields(found) if hasattr(getattr(found, f.name), "shape")}
    assert arrays - given <= set(QUESTIONS["local_entropy"].columns)
    assert set(QUESTIONS["local_entropy"].printed) <= arrays


TOY = Question(
    "toy",
    "the load times a factor, plus the margin",
    "load",
    options=(Option("factor", validate.number, "a factor", "F"),),
    call=lambda model, alpha, factor=1.0: factor * alpha + model.learner.margin,
    answers=(where(fp.RandomLabels, fp.Gibbs, weights="binary"),),
)


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setitem(QUESTIONS, "toy", TOY)


def test_one_entry_is_all_that_a_question_needs(toy):
    table = fp.sweep(fp.Model(), alpha=[0.5, 1.0], question="toy", workers=1, factor=[1.0, 2.0], **{"learner.margin": 0.25})
    assert table.toy.values.tolist() == [[0.75, 1.25], [1.25, 2.25]]
    answer = CliRunner().invoke(app, ["threshold", "toy", "--alpha", "0.5", "--margin", "0.25", "--json"])
    assert json.loads(answer.stdout)["toy"] == 0.75
    assert fp.supported(fp.Model())["toy"] and not fp.supported(fp.Model(fp.Teacher(), fp.Gibbs()))["toy"]
    assert fp.supported()["toy"][fp.RandomLabels, fp.Gibbs] == "weights binary"
    assert "| `toy` | weights binary |" in fp.supported().markdown() and "the load times a factor" in fp.supported().markdown()


def test_a_question_of_no_registry_is_refused():
    with pytest.raises(InvalidInput, match="is not one of"):
        question_of(fp.branches)
    with pytest.raises(InvalidInput, match="did you mean 'zero_crossings'"):
        question_of("zero-crossing")


# --- the questions that had no way in ----------------------------------------------------------------------------------------
MODEL = fp.Model()


def asked(*arguments):
    answer = CliRunner().invoke(app, ["threshold", *arguments, "--json"])
    assert answer.exit_code == 0, answer.stderr
    return json.loads(answer.stdout)


def test_zero_crossings_are_a_dimension_of_a_sweep_and_a_list_on_the_command_line():
    zeros = fp.zero_crossings(fp.solve(MODEL, 0.8))
    table = fp.sweep(MODEL, alpha=[0.5, 0.8], question=fp.zero_crossings, workers=1)
    found = table.zero_crossings.sel(alpha=0.8)
    assert table.zero_crossings.dims == ("alpha", "crossing")
    assert found.values[: len(zeros)].tolist() == zeros.tolist() and (table.status.sel(alpha=0.8) == "ok").sum() == len(zeros) > 0
    assert asked("zero-crossings", "--alpha", "0.8")["zero_crossings"] == zeros.tolist()


def test_the_margin_of_counted_weights_is_an_option():
    zeros = fp.zero_crossings(fp.solve(MODEL, 0.6), margin=0.1)
    assert asked("zero-crossings", "--alpha", "0.6", "--counted-margin", "0.1")["zero_crossings"] == zeros.tolist()


def test_the_y_of_vanishing_external_entropy_has_a_status_at_every_distance():
    at = [0.02, 0.1]
    expected = [fp.vanishing_external_y(MODEL, 0.7, d) for d in at]
    table = fp.sweep(MODEL, alpha=0.7, question="vanishing-external-y", distance=at, workers=1)
    assert table.vanishing_external_y.values.tolist() == expected
    answer = asked("vanishing-external-y", "--alpha", "0.7", "--distance", "0.02,0.1")
    assert answer["distance"] == at and [float(y) for y in answer["vanishing_external_y"]] == expected
    assert float(asked("vanishing-external-y", "--alpha", "0.7", "--distance", "0.1")["vanishing_external_y"]) == expected[1]


def test_the_separability_threshold_has_its_own_name_and_the_old_one():
    value = fp.separability_threshold(fp.GaussianMixture(1.0, 0.2), bias=True)
    model = ("--data", "gaussian-mixture", "--positive", "0.2", "--bias")
    assert asked("separability-threshold", *model)["separability_threshold"] == value == asked("separability", *model)["separability"]


def test_the_teacher_itself_is_a_state_of_a_sweep():
    table = fp.sweep(fp.Model(fp.Teacher(0.1), fp.Gibbs()), alpha=[1.0], question="teacher_state", workers=1)
    assert float(table.q[0]) == 1.0 and float(table.train_error[0]) == 0.1
    assert asked("teacher-state", "--flip", "0.1", "--alpha", "1")["branch"] == "teacher"


@pytest.mark.long
def test_flatness_thresholds_by_reference():
    dense = fp.replicated_flatness_threshold(MODEL)
    assert (
        asked("flatness-threshold", "--reference", "replicated")["flatness_threshold"]
        == dense.alpha
        == asked("dense-flatness")["dense_flatness"]
    )
    answer = asked("replicated-flatness-threshold")
    assert answer["replicated_flatness_threshold"] == dense.alpha and answer["distance"] == dense.distance
    table = fp.sweep(MODEL, question=fp.flatness_threshold, reference="replicated", workers=1)
    assert float(table.flatness_threshold) == dense.alpha


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("vanishing-external-y", "--alpha", "0.7"), "needs --distance"),
        (("capacity", "--distance", "0.1"), "--distance applies to vanishing-external-y, not to capacity"),
        (("flatness-threshold", "--reference", "teacher"), "reference must be one of 'max_margin', 'replicated'"),
        (("zero-crossings", "--alpha", "0.5", "--counted-margin", "inf"), "--counted-margin must be a finite number, got inf"),
        (("zero-crossings",), "zero-crossings needs --alpha"),
    ],
)
def test_options_are_refused_by_name(arguments, sentence):
    answer = CliRunner().invoke(app, ["threshold", *arguments])
    assert answer.exit_code == 2 and sentence in answer.stderr
