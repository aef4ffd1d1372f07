"""Quantities: every number that a result reports has an entry, no entry is without use, importing the registry costs nothing."""

import dataclasses
import subprocess
import sys
import typing
import warnings

import pytest

import flatphys as fp
from flatphys import model as models, quantities
from flatphys.questions.catalogue import QUESTIONS
from flatphys.state import NUMBERS, SCALARS

BINARY, SPHERICAL = fp.Model(), fp.Model(fp.RandomLabels(), fp.Gibbs("spherical"))
TEACHER = fp.Model(fp.Teacher(), fp.Gibbs())
MIXTURE = fp.Model(fp.GaussianMixture(), fp.ERM(bias=True))
CLOUDS = fp.Model(fp.GaussianMixture(), fp.Gibbs("spherical", beta=1.0))


def entry(name, question=""):
    """The name of the entry, or None."""
    found = quantities.of(name, question)
    return found.name if found.name in quantities.QUANTITIES else None


def states():
    """States of every kind of data and learner, branch and ansatz."""
    yield from fp.branches(TEACHER, 1.3)
    for learner in (fp.Bayes(), fp.ERM(), fp.MaxMargin(), fp.Hebb()):
        yield fp.solve(fp.Model(fp.Teacher(), learner), 0.5)
        yield fp.solve(fp.Model(fp.GaussianMixture(), learner), 0.5)
    yield from (
        fp.solve(BINARY, 0.5),
        fp.solve(MIXTURE, 0.5),
        fp.solve(CLOUDS, 0.5),
        fp.ground_state(SPHERICAL, 3.0),
        fp.teacher_state(TEACHER, 1.0),
    )
    yield fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", margin=-0.5)), 4.3, ansatz="1RSB")


ASKED = {  # what each question is asked of; all else by its example
    "largest_overlap": fp.Model(fp.GaussianMixture(), fp.ERM(l2=1.0)),
    "optimal_l2": fp.Model(fp.GaussianMixture(1.0, 0.2), fp.ERM("square")),
    "relative_flatness": MIXTURE,
    "first_order_transition": TEACHER,
    "teacher_state": TEACHER,
    "ground_state": SPHERICAL,
    "flattest": fp.Model(fp.Teacher(), fp.Gibbs("spherical", 0.0, 5.0, energy="hinge")),
    "separability_threshold": fp.Model(fp.GaussianMixture(), fp.MaxMargin()),
    "bayes_error": fp.Model(fp.Teacher(), fp.Bayes()),
}
MORE = {
    "margins": [(fp.Model(fp.GaussianMixture(), fp.MaxMargin()), {"x": [0.0, 1.0]})],
    "local_entropy": [(fp.Model(fp.Teacher(), fp.ERM()), {"distance": [0.3]}), (TEACHER, {"distance": [0.2], "margin": [0.0]})],
    "local_energy": [(BINARY, {"distance": [0.1]})],
    "replicated_entropy": [(TEACHER, {"overlap": [0.8], "y": [9.0]})],
    "zero_crossings": [(BINARY, {})],
}


def tables():
    """(question, table) of a sweep of every question."""
    for name, question in QUESTIONS.items():
        example = dict(question.example)
        alpha = example.pop("alpha", 0.5) if question.loads else None
        for model, options in [(ASKED.get(name, BINARY), example), *MORE.get(name, [])]:
            yield name, fp.sweep(model, alpha, question=name, workers=1, progress=False, **options)


def runs():
    """Small simulations of chains and of trained rules."""
    for model in (fp.Model(fp.Teacher(), fp.Gibbs(beta=1.0)), MIXTURE, fp.Model(fp.Teacher(), fp.MaxMargin())):
        yield fp.sample(model, n=21, alpha=0.5, chains=4, sweeps=20, device="cpu", threads=1)
    yield fp.sample(CLOUDS, n=21, alpha=0.5, chains=4, sweeps=40, replicas=2, coupling=0.1, device="cpu", threads=1)


@pytest.fixture(scope="module")
def used():
    """Entry (None where there is none) of every number that is reported."""
    out = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for state in states():
            out |= {("solve", name): entry(name, "solve") for name in state.scalars()}
        for question, table in tables():
            numbers = [name for name in table.data_vars if table[name].dtype.kind == "f"]
            out |= {(question, name): entry(name, question) for name in numbers}
            out |= {(question, name): entry(name) for name in table.coords}
            out |= {("attributes", name): entry(name) for name in table.attrs if name.startswith("tolerance")}
            assert all(table[name].attrs.get("units") and table[name].attrs["long_name"] for name in numbers), table
        for run in runs():
            out |= {("sample", name): entry(name, "sample") for name in run.estimates}
    for kind in (*typing.get_args(models.Data), *typing.get_args(models.Learner)):
        fields = {field.name: field.default for field in dataclasses.fields(kind)}
        out |= {(kind.__name__, name): entry(name) for name, value in fields.items() if isinstance(value, float)}
    return out


@pytest.mark.long
def test_every_number_that_a_result_reports_has_an_entry(used):
    assert not [place for place, name in used.items() if name is None]


@pytest.mark.long
def test_no_entry_is_without_use(used):
    assert set(quantities.QUANTITIES) - set(used.values()) == {"temperature"}  # an axis of the teacher-student diagram


def test_the_scalars_of_a_state_are_its_attributes():
    names = {field.name for field in dataclasses.fields(fp.State)} | {"energy"}
    assert set(SCALARS) <= names and set(NUMBERS) < set(SCALARS)


def test_labels_name_the_quantity_its_symbol_and_its_unit():
    assert quantities.of("alpha").label == r"load $\alpha = P/N$"
    assert quantities.of("entropy").label == "entropy [nats per weight]"
    assert quantities.of("one_minus_q").label == "$1 - q$"
    assert quantities.of("value", "replicated_entropy").label == "entropy per replica [nats per weight]"
    assert quantities.of("variance", "margins").words != quantities.of("variance").words
    assert quantities.of("my_own").words == "my own"


def test_symbols_are_latex_that_matplotlib_draws():
    from matplotlib.mathtext import MathTextParser

    for quantity in quantities.QUANTITIES.values():
        if quantity.symbol:
            MathTextParser("path").parse(f"${quantity.symbol}$")


@pytest.mark.parametrize("module", ["quantities", "questions.catalogue", "questions.support", "cli"])
def test_the_registries_and_the_command_line_load_nothing_heavy(module):
    code = f"import sys, flatphys.{module}; print(*({{'numpy', 'numba', 'scipy', 'matplotlib', 'xarray'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split() == []
