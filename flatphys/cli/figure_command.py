"""The commands `figure` and `phase-diagram`: pictures as PNG and PDF beside the CSV of their data."""

import pathlib
from typing import Annotated

import typer

from flatphys.cli import app
from flatphys.cli.output import as_json, command, track, write
from flatphys.errors import InvalidInput
from flatphys.validate import choice

List = Annotated[bool, typer.Option("--list", help="Names and titles.")]
Style = Annotated[str, typer.Option("--style", metavar="paper|notebook", help="For a printed column, or larger for a screen.")]
NoStore = Annotated[bool, typer.Option("--no-store", help="Compute anew, and keep nothing in the user's cache folder.")]
STYLES = ("paper", "notebook")


def _listed(titles: dict):
    width = max(map(len, titles))
    for key, title in titles.items():
        typer.echo(f"{key:<{width}}  {title}")


def _draw(names: list[str], out: pathlib.Path, style: str, store: bool):
    from flatphys import figures

    done = figures.make_all(names, out, style, store)
    for _ in track(names, "drawing"):
        for path in next(done)[1]:
            typer.echo(path)
    done.close()


@command(app, "figure", "figure --list", "figure all", "figure all --style notebook", "figure learning-curves --out paper/figures")
def figure(
    name: Annotated[str | None, typer.Argument(metavar="NAME|all", help="Which figure; see --list.")] = None,
    list_: List = False,
    out: Annotated[pathlib.Path, typer.Option("--out", metavar="DIR", help="Folder for the files, created where missing.")] = pathlib.Path(
        "figures"
    ),
    style: Style = "paper",
    no_store: NoStore = False,
):
    """Draw a figure of the gallery: DIR/NAME.png, DIR/NAME.pdf and DIR/NAME.csv with its data.

    Several figures are drawn by as many processes as there are cores.  Data computed before by this version are taken from the
    user's cache folder.
    """
    from flatphys import figures

    if list_:
        return _listed(figures.TITLES)
    if name is None:
        raise InvalidInput(f"give the NAME of a figure or all; the figures are {', '.join(figures.names())}")
    wanted = list(figures.names()) if name == "all" else [figures.check(name)]
    _draw(wanted, out, choice("--style", style, STYLES), not no_store)


@command(
    app,
    "phase-diagram",
    "phase-diagram --list",
    "phase-diagram teacher-student --out figures",
    "phase-diagram all --style notebook",
    "phase-diagram spherical-perceptron --json",
)
def phase_diagram(
    name: Annotated[str | None, typer.Argument(metavar="NAME|all", help="Which diagram; see --list.")] = None,
    list_: List = False,
    out: Annotated[
        pathlib.Path | None,
        typer.Option("--out", metavar="DIR", help="Folder for the files, created where missing  [default: figures; with --json none]"),
    ] = None,
    style: Style = "paper",
    no_store: NoStore = False,
    json: Annotated[bool, typer.Option("--json", help="Print the boundaries as JSON; files only with --out.")] = False,
):
    """Trace the boundaries of a phase diagram: DIR/phase-NAME.png, .pdf and .csv.

    Every vertex of a boundary solves its equation (its entropy, replicon or slope is 0, ...) to 1e-8.
    """
    from flatphys import figures, phase_diagrams

    if list_:
        return _listed(phase_diagrams.TITLES)
    if name is None:
        raise InvalidInput(f"give the NAME of a phase diagram or all; they are {', '.join(phase_diagrams.names())}")
    wanted = list(phase_diagrams.names()) if name == "all" else [phase_diagrams.check(name)]
    choice("--style", style, STYLES)
    if out is not None or not json:
        files = [f"phase-{key}" for key in wanted]
        out = pathlib.Path("figures") if out is None else out
        if json:
            list(figures.make_all(files, out, style, not no_store))
        else:
            _draw(files, out, style, not no_store)
    if json:
        write(as_json([_described(key, figures.records(f"phase-{key}", not no_store)) for key in wanted]), None)


def _described(name: str, records: list[dict]) -> dict:
    from flatphys.phase_diagrams import PhaseDiagram

    diagram = PhaseDiagram.from_records(name, records)
    boundaries = [{"plane": b.plane, "name": b.name, "equation": b.equation, "vertices": b.columns} for b in diagram.boundaries]
    return {"name": diagram.name, "title": diagram.title, "boundaries": boundaries}
