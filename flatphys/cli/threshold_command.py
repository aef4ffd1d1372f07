"""The command `threshold`: every question with one number or a state for an answer, by its name in the registry."""

from typing import Annotated

import typer

from flatphys.cli import app
from flatphys.cli.options import ModelOptions, describe, read_number, read_options, takes_model, takes_options
from flatphys.cli.output import as_json, collected_warnings, command, print_table, write
from flatphys.cli.shared import Json, print_states, state_record
from flatphys.display import figure
from flatphys.errors import InvalidInput, NoSolution
from flatphys.questions.answer import answer_in
from flatphys.questions.catalogue import QUESTIONS
from flatphys.state import State
from flatphys.validate import choice, load


def names() -> dict:
    """What can be asked: name -> (question, options that the name stands for)."""
    own = {question.name.replace("_", "-"): (question, {}) for question in QUESTIONS.values() if not question.command}
    return own | {alias: (question, options) for question, _ in own.values() for alias, options in question.aliases.items()}


@command(
    app,
    "threshold",
    "threshold capacity --margin 0.5",
    "threshold capacity --weights spherical --margin -1 --ansatz 1RSB",
    "threshold ground-state --weights spherical --alpha 3",
    "threshold first-order-transition --data teacher --json",
    "threshold separability-threshold --data gaussian-mixture --positive 0.2 --bias",
    "threshold flatness-threshold --reference replicated",
    "threshold zero-crossings --alpha 0.8",
    "threshold vanishing-external-y --alpha 0.7 --distance 0.01,0.1",
    "threshold largest-overlap --data gaussian-mixture --l2 1 --alpha 2",
    "threshold optimal-l2 --data gaussian-mixture --positive 0.2 --loss logistic --alpha 2",
)
@takes_model
@takes_options(*(question for question in QUESTIONS.values() if not question.command))
def threshold(
    name: Annotated[str, typer.Argument(metavar="NAME", help=", ".join(names()))],
    chosen: ModelOptions,
    given: dict,
    alpha: Annotated[str | None, typer.Option("--alpha", metavar="ALPHA", help="Load, where the question has one.")] = None,
    json: Json = False,
):
    """Where something happens: a capacity, a largest margin, a stability line, a transition, a ground state."""
    table = names()
    name = choice("NAME", name, tuple(table))
    question, meant = table[name]
    model = chosen.model(question.data, question.learner)
    if question.loads is (alpha is None):
        raise InvalidInput(
            f"{name} needs --alpha, a load > 0" if question.loads else f"{name} is itself a load or has none: --alpha does not apply"
        )
    options = meant | {key: question.checked(key, value) for key, value in read_options(question, given).items()}
    value = None if alpha is None else load(read_number("alpha", alpha))
    with collected_warnings() as found:
        result = question.result(model, value, **options)
    if isinstance(result, State):
        if not json:
            return print_states([result])
        numbers = state_record(result)
        if hasattr(result.model.learner, "beta"):
            numbers["beta"] = result.model.learner.beta
    else:
        numbers = _numbers(result, question, options, name.replace("-", "_"))
    if json:
        asked = {} if value is None else {"alpha": value}
        return write(as_json({"model": describe(model), "question": name, **asked, **numbers, "warnings": found}), None)
    print_table(repr(model), ["", "value"], [[key, _text(number)] for key, number in numbers.items()])


def _numbers(result, question, options, name) -> dict:
    """Named numbers of a result; those along a grid as lists, a grid of one place as a number."""
    if question.along is not None:
        return {name: list(result)}
    answer = answer_in(result, question, options)
    if answer.status is not None and "ok" not in answer.status:
        raise NoSolution(answer.reasons.get(answer.status[0], f"no value: the status is {answer.status[0]!r}"))
    grids = {key: list(options[key]) for key in question.vectors if key in options}
    lists = {key: [float(x) for x in array] for key, array in answer.vectors.items()} | grids
    numbers = answer.scalars | {key: array[0] if len(array) == 1 else array for key, array in lists.items()}
    return {name if key == question.name else key: number for key, number in numbers.items()}


def _text(number) -> str:
    return " ".join(map(figure, number)) if isinstance(number, list) else figure(number)
