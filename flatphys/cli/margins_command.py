"""The command `margins`: the law of the training stabilities."""

from typing import Annotated

import typer

import flatphys as fp
from flatphys.cli import app
from flatphys.cli.options import GRID, ModelOptions, describe, read_grid, read_number, takes_model
from flatphys.cli.output import as_csv, as_json, collected_warnings, command, print_table, write
from flatphys.cli.shared import Alpha, Branch, Json, Out, chosen_state
from flatphys.display import figure
from flatphys.errors import InvalidInput
from flatphys.validate import load


@command(
    app, "margins", "margins 0.5", "margins --beta 2 0.5 --at -2:4:13", "margins --weights spherical 3 --branch ground-state --at 0,0.5,1"
)
@takes_model
def margins(
    alpha: Alpha,
    chosen: ModelOptions,
    at: Annotated[str | None, typer.Option("--at", metavar="GRID", help=f"Stabilities at which to give pdf and cdf: {GRID}.")] = None,
    branch: Branch = None,
    normalised: Annotated[bool, typer.Option("--normalised", help="Divide by |w|/sqrt N.")] = False,
    json: Json = False,
    out: Out = None,
):
    """The law of the training stabilities: moments and atoms, or with --at a table of x, pdf, cdf (CSV)."""
    model, load_ = chosen.model(), load(read_number("alpha", alpha))
    points = None if at is None else read_grid("--at", at)
    with collected_warnings() as found:
        law = fp.margins(chosen_state(model, load_, branch))
        law = law.normalised() if normalised else law
        moments = {name: getattr(law, name) for name in ("mean", "variance", "skewness", "mass_below_zero")}
        rows = [] if points is None else [{"x": x, "pdf": law.pdf(x), "cdf": law.cdf(x)} for x in points]
    if json:
        atoms = [{"place": place, "mass": mass} for place, mass in law.atoms]
        write(as_json({"model": describe(model), "alpha": load_, **moments, "atoms": atoms, "points": rows, "warnings": found}), out)
    elif points is not None:
        write(as_csv(["x", "pdf", "cdf"], rows), out)
    elif out is not None:
        raise InvalidInput("--out needs --at or --json: the summary is only printed")
    else:
        table = [[name, figure(value)] for name, value in moments.items()] + [
            ["atom", f"{mass:.10g} at {place:.10g}"] for place, mass in law.atoms
        ]
        print_table(f"Training stabilities of {model!r} at alpha={load_:g}", ["", "value"], table)
