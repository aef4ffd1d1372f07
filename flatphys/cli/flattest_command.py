"""The command `flattest`: the distance at which the centre of replicas generalises best."""

import typer

from flatphys.cli import app
from flatphys.cli.options import ModelOptions, describe, read_number, read_options, takes_model, takes_options
from flatphys.cli.output import as_json, collected_warnings, command, write
from flatphys.cli.shared import Alpha, Json, Out
from flatphys.questions.answer import answer_in
from flatphys.questions.catalogue import QUESTIONS
from flatphys.validate import load

QUESTION = QUESTIONS["flattest"]


@command(
    app,
    "flattest",
    "flattest 2 --data teacher --weights spherical --energy hinge --beta 5",
    "flattest 2 --data gaussian-mixture --learner gibbs --weights spherical --beta 1 --attractive --json",
)
@takes_model
@takes_options(QUESTION)
def flattest(alpha: Alpha, chosen: ModelOptions, given: dict, json: Json = False, out: Out = None):
    """How far apart replicas should be for their centre to generalise best, and how close to Bayes that is."""
    model, load_ = chosen.model(data=QUESTION.data, learner=QUESTION.learner), load(read_number("alpha", alpha))
    options = read_options(QUESTION, given)
    with collected_warnings() as found:
        best = QUESTION.result(model, load_, **options)
    if json:
        write(as_json({"model": describe(model), "alpha": load_, **answer_in(best, QUESTION, options).scalars, "warnings": found}), out)
    elif out is None:
        typer.echo(repr(best))
    else:
        write(repr(best) + "\n", out)
