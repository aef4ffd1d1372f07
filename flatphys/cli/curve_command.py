"""The command `curve`: states over a grid of loads, as a table or a picture."""

import pathlib
from typing import Annotated

import typer

import flatphys as fp
from flatphys.cli import app
from flatphys.cli.options import GRID, ModelOptions, describe, read_grid, takes_model
from flatphys.cli.output import as_csv, as_json, collected_warnings, command, track, write
from flatphys.cli.shared import Ansatz, Out, state_record
from flatphys.errors import FlatphysError
from flatphys.validate import choice, load


@command(
    app,
    "curve",
    "curve --alpha 0.05:0.8:100 --out entropy.csv",
    "curve --data teacher --branches --alpha 0.1,0.5,1.3 --format json",
    "curve --weights spherical --alpha log:0.1:1.9:40 --plot entropy.pdf --out entropy.csv",
)
@takes_model
def curve(
    chosen: ModelOptions,
    alpha: Annotated[str, typer.Option("--alpha", metavar="GRID", help=f"Loads: {GRID}.")],
    branches: Annotated[bool, typer.Option("--branches", help="One row for every branch at every load.")] = False,
    ansatz: Ansatz = "RS",
    format: Annotated[str | None, typer.Option("--format", metavar="csv|json", help="[default: by the suffix of --out, else csv]")] = None,
    out: Out = None,
    plot: Annotated[
        pathlib.Path | None, typer.Option("--plot", metavar="FILE", help="Also draw a quantity against the load (.png or .pdf).")
    ] = None,
    quantity: Annotated[
        str | None, typer.Option("--quantity", metavar="NAME", help="What to draw  [default: entropy, or an error]")
    ] = None,
):
    """A table over the load: one row per load (and branch), a status and a message where there is no value."""
    model = chosen.model()
    loads = [load(value) for value in read_grid("--alpha", alpha)]
    default = "json" if out is not None and out.suffix == ".json" else "csv"
    form = choice("--format", default if format is None else format, ("csv", "json"))
    if plot is not None:
        choice("--plot must end in .png or .pdf: its suffix", plot.suffix, (".png", ".pdf"))
    rows, failure = [], None
    with collected_warnings() as found:
        for value in track(loads, "solving"):
            try:
                states = fp.branches(model, value) if branches else [fp.solve(model, value, ansatz=ansatz)]
                rows += [{**state_record(state), "status": "ok"} for state in states]
            except FlatphysError as error:
                failure = error
                rows.append({"alpha": value, "status": _STATUS.get(type(error).__name__, "failed"), "message": str(error)})
    if plot is not None and failure is not None and all(row["status"] != "ok" for row in rows):
        raise failure  # there is nothing to draw; a table says at every load what is missing, as that of a sweep does
    solved_first = sorted(rows, key=lambda row: row["status"] != "ok")  # they name the columns
    columns = list(dict.fromkeys(name for row in solved_first for name in row if name not in ("status", "message")))
    columns += ["status", "message"]
    if plot is not None:
        _plot(rows, columns, plot, quantity)
    write(
        as_csv(columns, rows)
        if form == "csv"
        else as_json({"model": describe(model), "columns": columns, "rows": rows, "warnings": found}),
        out,
    )


_STATUS = {"Unsatisfiable": "unsatisfiable", "NoSolution": "no_solution", "NotConverged": "not_converged"}


def _plot(rows, columns, path, quantity):
    numeric = [name for name in columns if name not in ("alpha", "ansatz", "branch", "phase", "stable", "status", "message")]
    if quantity is None:
        quantity = next(name for name in ("entropy", "generalization_error", "margin", *numeric) if name in numeric)
    quantity = choice("--quantity", quantity, tuple(numeric))
    from flatphys.figures import curve

    curve.draw_to(rows, quantity, path)
    typer.echo(f"wrote {path}", err=True)
