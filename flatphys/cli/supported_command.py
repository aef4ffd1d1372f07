"""The command `supported`: which question is answered for which model."""

import typer

import flatphys as fp
from flatphys.cli import app
from flatphys.cli.options import ModelOptions, describe, takes_model
from flatphys.cli.output import as_json, command, write
from flatphys.cli.shared import Json


@command(app, "supported", "supported", "supported --data teacher --learner erm", "supported --json")
@takes_model
def supported(chosen: ModelOptions, json: Json = False):
    """Which question is answered for which data and learner, or for the model that the options describe."""
    if not chosen.given:
        matrix = fp.supported()
        if not json:
            return typer.echo(repr(matrix))
        cells = {name: {", ".join(kind.__name__ for kind in pair): text for pair, text in matrix[name].items()} for name in matrix}
        return write(as_json(cells), None)
    answers = fp.supported(chosen.model())
    if not json:
        return typer.echo(repr(answers))
    write(as_json({"model": describe(answers.model), "answered": answers.answered, "errors": answers.errors}), None)
