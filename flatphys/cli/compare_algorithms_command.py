"""The command `compare-algorithms`: who finds solutions, up to which load and in which time."""

import contextlib
import pathlib
from typing import Annotated

import typer

from flatphys.cli import app
from flatphys.cli.options import GRID, ModelOptions, describe, read_grid, takes_model
from flatphys.cli.output import INTERRUPTED, as_json, collected_warnings, command, print_table, write
from flatphys.cli.sample_command import Hidden, Patterns, Size
from flatphys.cli.shared import Json
from flatphys.cli.store_command import StorePath, default_store
from flatphys.errors import InvalidInput
from flatphys.validate import choice

CELLS = ("success", "success_low", "success_high")


@command(
    app,
    "compare-algorithms",
    "compare-algorithms --alpha 0.5:0.76:14 --n 1001 --instances 20",
    "compare-algorithms --alpha 0.6,0.7 --algorithm sbpi --algorithm replicated-sgd --out found.nc",
    "compare-algorithms --data teacher --alpha 1 --n 501 --distance 0.05 --json",
)
@takes_model
def compare_algorithms(
    chosen: ModelOptions,
    alpha: Annotated[str, typer.Option("--alpha", metavar="GRID", help=f"Loads: {GRID}.")],
    algorithm: Annotated[
        list[str] | None,
        typer.Option("--algorithm", metavar="NAME", help="sbpi, replicated-sgd, ...; repeatable  [default: all that serve the model]"),
    ] = None,
    n: Size = 1001,
    instances: Annotated[int, typer.Option("--instances", metavar="COUNT", help="Instances at each load.")] = 20,
    seed: Annotated[int, typer.Option("--seed", metavar="SEED", help="Everything follows from it.")] = 1,
    hidden: Hidden = None,
    patterns: Patterns = None,
    distance: Annotated[
        float | None, typer.Option("--distance", metavar="D", help="Also local energy, local entropy, test error of what is found.")
    ] = None,
    out: Annotated[
        pathlib.Path | None, typer.Option("--out", metavar="FILE", help="Write all points to FILE.nc (netCDF) or FILE.csv.")
    ] = None,
    json: Json = False,
    workers: Annotated[int | None, typer.Option("--workers", metavar="N", help="Processes  [default: every processor]")] = None,
    store: StorePath = None,
    no_store: Annotated[bool, typer.Option("--no-store", help="Neither look up points nor keep them.")] = False,
):
    """Fraction of instances that each algorithm solves, and its median time, load by load.

    Points already in the store are not run again.  Ctrl-C ends with what is done (exit status 130); the same command goes on from there.
    """
    import flatphys as fp
    from flatphys.finite_size.catalogue import named
    from flatphys.sweeps.files import columns_of, save_dataset

    model = chosen.model()
    if out is not None:
        choice("--out must end in .nc or .csv: its suffix", out.suffix, (".nc", ".csv"))
    if no_store and store is not None:
        raise InvalidInput(f"--no-store and --store {store} exclude each other")
    chosen_ones = [named(name)() for name in algorithm] if algorithm else None
    given = {"n": n, "instances": instances, "seed": seed, "hidden": hidden, "patterns": patterns, "distance": distance}
    with contextlib.ExitStack() as stack, collected_warnings() as found:
        kept = None if no_store else store or stack.enter_context(default_store())
        table = fp.compare_algorithms(model, read_grid("--alpha", alpha), chosen_ones, **given, store=kept, workers=workers)
    if out is not None:
        save_dataset(table.drop_vars(CELLS) if out.suffix == ".csv" else table, out)
        typer.echo(f"wrote {out}", err=True)
    if json:
        names, columns = columns_of(table.drop_vars(CELLS))
        rows = [{name: None if value != value else value for name, value in zip(names, row)} for row in zip(*columns)]
        write(as_json({"model": describe(model), "success": _summary(table), "rows": rows, "warnings": found}), None)
    elif out is None:
        _print(model, table)
    if (table.status == "interrupted").any():
        raise typer.Exit(INTERRUPTED)


def _summary(table) -> list[dict]:
    """One record for every load and algorithm."""
    names = [str(name) for name in table.algorithm.values]
    return [
        {"algorithm": name, "alpha": float(load)} | {cell: float(table[cell].sel(algorithm=name, alpha=load)) for cell in CELLS}
        for name in names
        for load in table.alpha.values
    ]


def _print(model, table):
    names = [str(name) for name in table.algorithm.values]
    solved, done = table.solved.sum("instance").values, table.solved.notnull().sum("instance").values
    seconds = table.seconds.median("instance").values
    rows = [
        [f"{load:.6g}", *(f"{int(solved[a, i])} of {int(done[a, i])}, {seconds[a, i]:.2g} s" for a in range(len(names)))]
        for i, load in enumerate(table.alpha.values)
    ]
    print_table(f"Solved, and the median time, of {model!r}", ["alpha", *names], rows)
