"""The command `solve`: the state at one load, or every branch."""

from typing import Annotated

import typer

import flatphys as fp
from flatphys.cli import app
from flatphys.cli.options import ModelOptions, describe, read_number, takes_model
from flatphys.cli.output import as_json, collected_warnings, command, write
from flatphys.cli.shared import Alpha, Ansatz, Json, print_states, state_record
from flatphys.validate import load


@command(
    app,
    "solve",
    "solve 0.5",
    "solve --data teacher --branches 1.3",
    "solve --weights spherical --margin -0.5 --beta 3 4 --json",
    "solve --data gaussian-mixture --positive 0.2 --bias --loss logistic --l2 0.01 2",
)
@takes_model
def solve(
    alpha: Alpha,
    chosen: ModelOptions,
    branches: Annotated[bool, typer.Option("--branches", help="Every branch of solutions, the dominant one first.")] = False,
    ansatz: Ansatz = "RS",
    json: Json = False,
):
    """The state at load ALPHA: order parameters, entropies, errors, stability."""
    model, load_ = chosen.model(), load(read_number("alpha", alpha))
    with collected_warnings() as found:
        states = fp.branches(model, load_) if branches else [fp.solve(model, load_, ansatz=ansatz)]
    if not json:
        print_states(states)
    elif branches:
        write(as_json({"model": describe(model), "states": [state_record(s) for s in states], "warnings": found}), None)
    else:
        write(as_json({"model": describe(model), **state_record(states[0]), "warnings": found}), None)
