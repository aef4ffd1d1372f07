"""The commands `store list`, `store check`, `store export` and `store prune`: what sweeps have kept."""

import dataclasses
import pathlib
from typing import Annotated

import typer

from flatphys.cli import app
from flatphys.cli.options import read_number
from flatphys.cli.output import as_json, command, print_table, write
from flatphys.cli.shared import Json
from flatphys.errors import InvalidInput

store = typer.Typer(help="The store of results that sweeps keep: list, check, export, prune.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(store, name="store")

StorePath = Annotated[
    pathlib.Path | None,
    typer.Option("--store", metavar="FILE", help="Store of results  [default: FLATPHYS_STORE, or store.sqlite in the user's cache folder]"),
]


def default_store():
    """The user's store; where it cannot be used, that is said and nothing is kept."""
    from flatphys.sweeps.store import Spare, default_path

    return Spare(default_path())


def _opened(path):
    from flatphys.sweeps.store import Store, default_path

    return Store(path or default_path(), create=False)


def _model_text(model: dict) -> str:
    return f"{_value(model['data'])}, {_value(model['learner'])}"


def _value(value) -> str:
    """An object as it is written: Gibbs(weights=binary, network=Perceptron())."""
    if not isinstance(value, dict):
        return str(value)
    inner = ", ".join(f"{name}={_value(part)}" for name, part in value.items() if name != "kind")
    return f"{value['kind']}({inner})"


def _options_text(options: dict) -> str:
    return ", ".join(f"{k}={f'{len(v)} values' if isinstance(v, list) else v}" for k, v in options.items())


@command(store, "list", "store list", "store list --json")
def list_(path: StorePath = None, json: Json = False):
    """What the store holds: one line per question, options and kind of model, with the number of points."""
    from flatphys.sweeps.store import when

    with _opened(path) as opened:
        entries, where = opened.problems(), opened.path
    size = sum(p.stat().st_size for p in (where, where.with_name(where.name + "-wal")) if p.exists())
    points = sum(entry["points"] for entry in entries)
    if json:
        return write(as_json({"store": str(where), "bytes": size, "points": points, "problems": entries}), None)
    rows = [
        [
            str(entry["id"]),
            entry["question"],
            _model_text(entry["model"]),
            _options_text(entry["options"]),
            str(entry["points"]),
            when(entry["created"]),
            "" if entry["current"] else f"another version ({entry['version']})",
        ]
        for entry in entries
    ]
    print_table(f"{where}: {points} points, {size / 2**20:.1f} MB", ["id", "question", "model", "options", "points", "begun", ""], rows)


@command(store, "check", "store check", "store check --store results.sqlite")
def check(path: StorePath = None, json: Json = False):
    """Look through the whole store: damaged points are named, set aside and computed again by the next sweep.

    Exit status 1 where anything was wrong.
    """
    with _opened(path) as opened:
        found, where = opened.check(), opened.path
    if json:
        write(as_json({"store": str(where)} | dataclasses.asdict(found) | {"kept": found.kept and str(found.kept)}), None)
    else:
        for text in (*found.sqlite, *(f"damaged: {name}" for name in found.damaged)):
            typer.echo(text)
        if found.kept:
            typer.echo(f"the damaged file is kept as {found.kept}; what could be read of it is in a new one")
        typer.echo(f"{where}: {found.points} points, {len(found.damaged)} damaged")
    if not found.good:
        raise typer.Exit(1)


@command(store, "export", "store export results.nc", "store export results.csv --problem 3")
def export(
    out: Annotated[pathlib.Path, typer.Argument(metavar="FILE", help="FILE.nc (netCDF) or FILE.csv.")],
    problem: Annotated[str | None, typer.Option("--problem", metavar="ID", help="Only the points of this line of the list.")] = None,
    path: StorePath = None,
):
    """All stored points as one table, a line per point."""
    if problem is not None and not problem.isdigit():
        raise InvalidInput(f"--problem must be an id of `flatphys store list`, got {problem!r}")
    with _opened(path) as opened:
        opened.export(out, None if problem is None else int(problem))
    typer.echo(f"wrote {out}", err=True)


@command(store, "prune", "store prune --other-versions", "store prune --older-than 30", "store prune --question local-entropy")
def prune(
    other_versions: Annotated[bool, typer.Option("--other-versions", help="Points that another version of the solvers computed.")] = False,
    older_than: Annotated[str | None, typer.Option("--older-than", metavar="DAYS", help="Begun so many days ago.")] = None,
    question: Annotated[str | None, typer.Option("--question", metavar="NAME", help="Of this question.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    path: StorePath = None,
):
    """Delete stored points; conditions must hold together."""
    if not (other_versions or older_than or question or everything):
        raise InvalidInput("say what to delete: --other-versions, --older-than DAYS, --question NAME or --all")
    days = None if older_than is None else read_number("--older-than", older_than)
    with _opened(path) as opened:
        count = opened.prune(other_versions=other_versions, older_than=days, question=question, everything=everything)
    typer.echo(f"deleted {count} points")
