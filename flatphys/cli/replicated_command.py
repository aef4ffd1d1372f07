"""The command `replicated-entropy`: the densest regions of solutions, as a function of mutual distance."""

import pathlib
from typing import Annotated

import typer

from flatphys.cli import app
from flatphys.cli.options import ModelOptions, describe, read_number, read_options, takes_model, takes_options
from flatphys.cli.output import as_csv, as_json, collected_warnings, command, write
from flatphys.cli.shared import Alpha, Json, Out, points, where_asked
from flatphys.questions.catalogue import QUESTIONS
from flatphys.validate import choice, load

QUESTION = QUESTIONS["replicated_entropy"]


@command(
    app,
    "replicated-entropy",
    "replicated-entropy 0.6 --distance 0.005:0.4:40",
    "replicated-entropy 0.6 --distance 0.05 --y 20 --json",
    "replicated-entropy 0.6 --distance 0.01:0.2:20 --centre binary",
    "replicated-entropy 0.6 --network tree-committee --activation relu --distance 0.05,0.1",
    "replicated-entropy --data teacher 0.8 --distance log:1e-3:0.3:20 --out dense.csv",
    "replicated-entropy 2 --data gaussian-mixture --learner gibbs --weights spherical --beta 1 --distance 0.05:0.48:40 --plot centre.pdf",
)
@takes_model
@takes_options(QUESTION)
def replicated_entropy(
    alpha: Alpha,
    chosen: ModelOptions,
    given: dict,
    json: Json = False,
    out: Out = None,
    plot: Annotated[
        pathlib.Path | None,
        typer.Option("--plot", metavar="FILE", help="Also draw entropy and errors against the distance (.png or .pdf)."),
    ] = None,
):
    """Entropy per replica of y solutions at one mutual distance, nats per weight; errors of replicas and centre (CSV, or --json)."""
    if plot is not None:
        choice("--plot must end in .png or .pdf: its suffix", plot.suffix, (".png", ".pdf"))
    model, load_, options = chosen.model(), load(read_number("alpha", alpha)), read_options(QUESTION, given)
    with collected_warnings() as found:
        answer = QUESTION.result(model, load_, **options)
    columns = ["distance", "overlap", *(name for name in QUESTION.printed if getattr(answer, name) is not None)]
    grid = {name: options[name] for name in QUESTION.vectors if name in options}
    rows = points(answer, columns, f"no replicated entropy of {model!r} at alpha={load_:g}, {where_asked(grid)}")
    if plot is not None:
        from flatphys.figures import replicas

        replicas.draw_to(answer, plot)
        typer.echo(f"wrote {plot}", err=True)
    if json:
        write(as_json({"model": describe(model), "alpha": load_, "y": answer.y, "points": rows, "warnings": found}), out)
    else:
        write(as_csv(columns, rows), out)
