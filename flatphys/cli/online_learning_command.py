"""The command `online-learning`: stochastic gradient descent that sees every example once, in the limit N -> infinity."""

import pathlib
from typing import Annotated

import typer

import flatphys as fp
from flatphys.cli import app
from flatphys.cli.options import GRID, ModelOptions, describe, read_grid, read_number, takes_model
from flatphys.cli.output import as_csv, as_json, collected_warnings, command, write
from flatphys.cli.shared import Json, Out
from flatphys.validate import choice

COLUMNS = ("alpha", "m", "q", "cosine", "generalization_error")


@command(
    app,
    "online-learning",
    "online-learning --loss logistic --learning-rate 1 --alpha 0:6:25",
    "online-learning --data teacher --flip 0.1 --loss hinge --smoothing 0.5 --learning-rate 0.3 --alpha 1,2,4 --json",
    "online-learning --data gaussian-mixture --learning-rate 1 --alpha 0:10:50 --plot online.pdf --out online.csv",
)
@takes_model
def online_learning(
    chosen: ModelOptions,
    rate: Annotated[str, typer.Option("--learning-rate", metavar="ETA", help="An example moves the weights by (ETA/sqrt N) force x.")],
    alpha: Annotated[str, typer.Option("--alpha", metavar="GRID", help=f"Examples per weight: {GRID}.")],
    m0: Annotated[str, typer.Option("--m0", metavar="M", help="Overlap w.v/N with the teacher or centre at first.")] = "0",
    q0: Annotated[str, typer.Option("--q0", metavar="Q", help="|w|^2/N at first, > 0.")] = "1",
    json: Json = False,
    out: Out = None,
    plot: Annotated[
        pathlib.Path | None, typer.Option("--plot", metavar="FILE", help="Also draw overlap, norm and error (.png or .pdf).")
    ] = None,
):
    """What online descent has learned after ALPHA examples per weight, each seen once: one row each (CSV, or --json)."""
    model = chosen.model(data="teacher", learner="erm")
    places, start = read_grid("--alpha", alpha), (read_number("--m0", m0), read_number("--q0", q0))
    if plot is not None:
        choice("--plot must end in .png or .pdf: its suffix", plot.suffix, (".png", ".pdf"))
    with collected_warnings() as found:
        table = fp.online_learning(model, read_number("--learning-rate", rate), places, *start)
    rows = [dict(zip(COLUMNS, values)) for values in zip(*(table[name].values.tolist() for name in COLUMNS))]
    if plot is not None:
        from flatphys.figures import online_curve

        online_curve.draw_to(table, plot)
        typer.echo(f"wrote {plot}", err=True)
    if json:
        about = {"model": describe(model), "learning_rate": table.attrs["learning_rate"], "m0": start[0], "q0": start[1]}
        write(as_json({**about, "points": rows, "warnings": found}), out)
    else:
        write(as_csv(list(COLUMNS), rows), out)
