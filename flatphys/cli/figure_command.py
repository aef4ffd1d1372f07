"""The command `figure`: the gallery, one figure or all, as PNG and PDF beside the CSV of its data."""

import pathlib
from typing import Annotated

import typer

from flatphys.cli import app
from flatphys.cli.output import command, track
from flatphys.errors import InvalidInput


@command(app, "figure", "figure --list", "figure all", "figure learning-curves --out paper/figures")
def figure(
    name: Annotated[str | None, typer.Argument(metavar="NAME|all", help="Which figure; see --list.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="Names and titles of all figures.")] = False,
    out: Annotated[pathlib.Path, typer.Option("--out", metavar="DIR", help="Folder for the files, created where missing.")] = pathlib.Path("figures"),
):
    """Draw a figure of the gallery: DIR/NAME.png (300 dpi), DIR/NAME.pdf and DIR/NAME.csv with its data."""
    from flatphys import figures

    if list_:
        width = max(map(len, figures.names()))
        for key, title in figures.TITLES.items():
            typer.echo(f"{key:<{width}}  {title}")
        return
    if name is None:
        raise InvalidInput(f"give the NAME of a figure or all; the figures are {', '.join(figures.names())}")
    wanted = figures.names() if name == "all" else [figures.check(name)]
    for key in track(wanted, "drawing"):
        for path in figures.make(key, out):
            typer.echo(path)
