"""The command line: `app` with its commands.  Everything heavy is imported inside a command, so that --help is instant."""

import importlib
import os
import sys
from typing import Annotated

import typer

from flatphys.cli.output import examples, fail

app = typer.Typer(
    name="flatphys",
    help="The statistical physics of learning, semi-analytically: entropies, margins and generalization of solvable models.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help and one-line usage errors: they survive pipes, logs and narrow terminals
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool):
    if wanted:
        from flatphys import __version__

        typer.echo(f"flatphys {__version__}")
        raise typer.Exit()


@app.callback(
    epilog=examples("solve 0.5", "solve --data teacher --branches 1.3", "curve --alpha 0.1:0.8:50 --out entropy.csv", "figure all")
    + "\n\nExit status: 0 success, 2 bad input, 1 everything else (no solution, not converged, file not writable)."
)
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")] = False,
):
    if sys.stdout is None:
        fail("standard output is closed", 1)
    os.environ["MPLBACKEND"] = "Agg"  # figures go to files; what a notebook has set for itself may not even be installed here


# Importing a module of commands registers them, in the order of --help.
_COMMANDS = (
    *("solve", "curve", "margins", "local_energy", "relative_flatness", "local_entropy", "replicated", "flattest", "threshold"),
    *("online_learning", "sweep", "store", "supported", "sample", "message_passing", "find", "compare_algorithms"),
    *("check", "figure", "deep", "deep_compare"),
)
for _name in _COMMANDS:
    importlib.import_module(f"flatphys.cli.{_name}_command")

__all__ = ["app"]
