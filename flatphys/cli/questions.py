"""The command `threshold`: capacities, transitions and stability lines, one table of questions."""

from typing import Annotated

import typer

import flatphys as fp
from flatphys.cli import app
from flatphys.cli.options import ModelOptions, describe, read_number, takes_model
from flatphys.cli.output import as_json, collected_warnings, command, print_table, write
from flatphys.cli.states import Json, print_states, state_record
from flatphys.display import figure
from flatphys.errors import InvalidInput
from flatphys.state import State
from flatphys.validate import choice, load

# name -> (answer from model, load and ansatz; whether it is asked at a load; the default learner)
QUESTIONS = {
    "capacity": (lambda model, _, ansatz: fp.capacity(model, ansatz=ansatz), False, "gibbs"),
    "max-margin": (lambda model, alpha, _: fp.max_margin(model, alpha), True, "gibbs"),
    "at-line": (lambda model, *_: fp.at_line(model), False, "gibbs"),
    "first-order-transition": (lambda model, *_: fp.first_order_transition(model), False, "gibbs"),
    "freezing-beta": (lambda model, alpha, _: fp.freezing_beta(model, alpha), True, "gibbs"),
    "ground-state": (lambda model, alpha, _: fp.ground_state(model, alpha), True, "gibbs"),
    "separability": (lambda model, *_: fp.separability_threshold(model.data, model.learner.bias), False, "max-margin"),
    "optimal-l2": (lambda model, alpha, _: fp.optimal_l2(model, alpha), True, "erm"),
    "flatness": (lambda model, *_: fp.flatness_threshold(model), False, "gibbs"),
    "dense-flatness": (lambda model, *_: fp.flatness_threshold(model, reference="replicated"), False, "gibbs"),
    "largest-overlap": (lambda model, alpha, _: fp.largest_overlap(fp.solve(model, alpha)), True, "erm"),
    "bayes-error": (
        lambda model, alpha, _: fp.bayes_error(model.data, alpha, getattr(model.learner, "weights", "spherical")),
        True,
        "bayes",
    ),
}


@command(
    app,
    "threshold",
    "threshold capacity --margin 0.5",
    "threshold capacity --weights spherical --margin -1 --ansatz 1RSB",
    "threshold ground-state --weights spherical --alpha 3",
    "threshold first-order-transition --data teacher --json",
    "threshold separability --data gaussian-mixture --positive 0.2 --bias",
    "threshold flatness",
    "threshold largest-overlap --data gaussian-mixture --l2 1 --alpha 2",
    "threshold optimal-l2 --data gaussian-mixture --positive 0.2 --loss logistic --alpha 2",
)
@takes_model
def threshold(
    name: Annotated[str, typer.Argument(metavar="NAME", help=", ".join(QUESTIONS))],
    chosen: ModelOptions,
    alpha: Annotated[str | None, typer.Option("--alpha", metavar="ALPHA", help="Load, where the question has one.")] = None,
    ansatz: Annotated[str, typer.Option("--ansatz", metavar="RS|1RSB", help="Replica ansatz, for capacity.")] = "RS",
    json: Json = False,
):
    """Where something happens: a capacity, a largest margin, a stability line, a transition, a ground state."""
    answer, needs_load, learner = QUESTIONS[choice("NAME", name, tuple(QUESTIONS))]
    model = chosen.model(learner=learner)
    if needs_load is (alpha is None):
        raise InvalidInput(
            f"{name} needs --alpha, a load > 0" if needs_load else f"{name} is itself a load or has none: --alpha does not apply"
        )
    if ansatz != "RS" and name != "capacity":
        raise InvalidInput(f"--ansatz applies to capacity, not to {name}")
    value = None if alpha is None else load(read_number("alpha", alpha))
    with collected_warnings() as found:
        result = answer(model, value, ansatz)
    if isinstance(result, State):
        if not json:
            return print_states([result])
        numbers = state_record(result)
        if hasattr(result.model.learner, "beta"):
            numbers["beta"] = result.model.learner.beta
    elif isinstance(result, float):
        numbers = {name.replace("-", "_"): result}
    else:
        numbers = {key: getattr(result, key) for key in ("lower_spinodal", "transition", "spinodal")}
    if json:
        asked = {} if value is None else {"alpha": value}
        return write(as_json({"model": describe(model), "question": name, **asked, **numbers, "warnings": found}), None)
    print_table(repr(model), ["", "value"], [[key, figure(number)] for key, number in numbers.items()])
