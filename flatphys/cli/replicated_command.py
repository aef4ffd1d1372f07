"""The command `replicated-entropy`: the densest regions of solutions, as a function of mutual distance."""

import math
from typing import Annotated

import typer

import flatphys as fp
from flatphys.cli import app
from flatphys.cli.options import ModelOptions, describe, read_grid, read_number, takes_model
from flatphys.cli.output import as_csv, as_json, collected_warnings, command, write
from flatphys.cli.states import GRID, Alpha, Json, Out
from flatphys.errors import NoSolution
from flatphys.validate import load

COLUMNS = [
    "distance",
    "overlap",
    "value",
    "slope",
    "external_entropy",
    "q0",
    "R",
    "inner_eigenvalue",
    "outer_eigenvalue",
    "status",
    "residual",
]


@command(
    app,
    "replicated-entropy",
    "replicated-entropy 0.6 --distance 0.005:0.4:40",
    "replicated-entropy 0.6 --distance 0.05 --y 20 --json",
    "replicated-entropy 0.6 --network tree-committee --activation relu --distance 0.05,0.1",
    "replicated-entropy --data teacher 0.8 --distance log:1e-3:0.3:20 --out dense.csv",
)
@takes_model
def replicated_entropy(
    alpha: Alpha,
    chosen: ModelOptions,
    distance: Annotated[str, typer.Option("--distance", metavar="GRID", help=f"Mutual distances in (0, 1): {GRID}.")],
    y: Annotated[str, typer.Option("--y", metavar="Y", help="Number of solutions per region, or inf.")] = "inf",
    json: Json = False,
    out: Out = None,
):
    """Entropy per replica of y solutions at one mutual distance, nats per weight (CSV, or --json)."""
    model, load_ = chosen.model(), load(read_number("alpha", alpha))
    with collected_warnings() as found:
        answer = fp.replicated_entropy(model, load_, distance=read_grid("--distance", distance), y=read_number("--y", y))
    rows = [dict(zip(COLUMNS, values)) for values in zip(*(getattr(answer, name).tolist() for name in COLUMNS))]
    rows = [{name: None if isinstance(v, float) and math.isnan(v) else v for name, v in row.items()} for row in rows]
    if all(row["status"] != "ok" for row in rows):
        raise NoSolution(f"no replicated entropy of {model!r} at alpha={load_:g} at these distances: the status is {rows[0]['status']!r}")
    if json:
        write(as_json({"model": describe(model), "alpha": load_, "y": answer.y, "points": rows, "warnings": found}), out)
    else:
        write(as_csv(COLUMNS, rows), out)
