"""The README's commands are the ones that are run, and its example says what the library says."""

import pathlib
import re

import pytest

import flatphys as fp

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_ci_calls_the_readme_test_command_as_it_stands():
    (command,) = [line for line in README.splitlines() if "-m pytest" in line]
    assert command in (ROOT / ".ci" / "run").read_text().splitlines()


def test_every_bash_flatphys_command_of_the_readme_names_an_existing_subcommand():
    from typer.main import get_command

    from flatphys.cli import app

    known = set(get_command(app).commands)
    used = re.findall(r"^flatphys ([a-z-]+)", README, flags=re.M)
    assert used and set(used) <= known


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (lambda: fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary")), 0.5).entropy, "0.3143900669"),
        (lambda: fp.capacity(fp.Model(fp.RandomLabels(), fp.Gibbs("binary"))), "0.8330785997"),
        (
            lambda: fp.solve(fp.Model(fp.RandomLabels(), fp.Gibbs("binary", margin=0.5, beta=3.0, energy="hinge")), 0.7).train_loss,
            "0.1563733695",
        ),
        (
            lambda: fp.ground_state(fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", 1.0, energy="squared-hinge")), 4.0).train_loss,
            "0.3936694895",
        ),
        (lambda: fp.max_margin(fp.Model(fp.RandomLabels(), fp.Gibbs("binary")), 0.5), "0.4180624988"),
        (lambda: fp.first_order_transition(fp.Model(fp.Teacher(), fp.Gibbs("binary"))).transition, "1.244684"),
        (lambda: fp.first_order_transition(fp.Model(fp.Teacher(), fp.Gibbs("binary"))).spinodal, "1.492632"),
    ],
)
def test_numbers_in_the_readme_are_what_the_library_gives(value, text):
    assert text in README
    assert f"{value():.{len(text.split('.')[1])}f}" == text


def test_pictures_and_notebooks_of_the_readme_exist():
    paths = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(paths) >= 5 and all((ROOT / path).exists() for path in paths)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::flatphys.errors.ReplicaSymmetryWarning")
def test_the_readmes_python_runs_as_it_stands():
    names = {}
    for block in re.findall(r"```python\n(.*?)```", README, flags=re.S):
        exec(block, names)
    assert names["table"].sizes == {"alpha": 3, "margin": 3}
    assert fp.check(fp.solve(names["model"], 1.0), names["run"]).passed
