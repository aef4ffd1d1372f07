"""The command `message-passing`: belief propagation on instances drawn here."""

import math
import pathlib
from typing import Annotated

import typer

import flatphys as fp
from flatphys.cli import app
from flatphys.cli.options import ModelOptions, describe, read_grid, read_number, takes_model
from flatphys.cli.output import as_csv, as_json, collected_warnings, command, write
from flatphys.cli.sample_command import Hidden, Patterns, Seed, Size
from flatphys.cli.shared import Alpha, Json, Out
from flatphys.errors import InvalidInput, NoSolution
from flatphys.validate import choice, integer, load, number

COLUMNS = ("free_entropy", "entropy", "q", "q_hat", "train_error", "train_loss", "energy", "overlap", "at_eigenvalue")
OF_A_STAR = ("centre_overlap", "local_entropy", "external_entropy")
WORTH = ("residual", "iterations", "damping", "solved")

Count = Annotated[int, typer.Option("--instances", metavar="COUNT", help="How many instances.")]


@command(
    app,
    "message-passing",
    "message-passing 0.6 --n 1001 --instances 8",
    "message-passing 0.6 --coupling 0.4,7 --damping 0.5",
    "message-passing --data teacher 1.2 --field 0.3 --json",
    "message-passing 0.3 --n 101 --method bp-exact",
)
@takes_model
def message_passing(
    alpha: Alpha,
    chosen: ModelOptions,
    n: Size = 1001,
    instances: Count = 8,
    seed: Seed = 1,
    method: Annotated[str, typer.Option("--method", metavar="amp|bp|bp-exact", help="TAP equations, or messages on edges.")] = "amp",
    cavity: Annotated[
        str, typer.Option("--cavity-variance", metavar="mean|pattern", help="One variance for all, or each its own.")
    ] = "mean",
    field: Annotated[str | None, typer.Option("--field", metavar="GAMMA", help="Along the teacher or the mixture's centre.")] = None,
    self_field: Annotated[str, typer.Option("--self-field", metavar="LAMBDA", help="Coupling of y = infinity replicas.")] = "0",
    coupling: Annotated[str | None, typer.Option("--coupling", metavar="GAMMA,Y", help="Y replicas around a binary centre.")] = None,
    damping: Annotated[str | None, typer.Option("--damping", metavar="D", help="0 <= D < 1  [default: 0, 0.3, 0.6, 0.8 in turn]")] = None,
    tolerance: Annotated[str, typer.Option("--tolerance", metavar="CHANGE", help="Of a message in an undamped update.")] = "1e-12",
    max_iterations: Annotated[int, typer.Option("--max-iterations", metavar="COUNT", help="Of each attempt.")] = 20000,
    patterns: Patterns = None,
    hidden: Hidden = None,
    json: Json = False,
    out: Out = None,
    plot: Annotated[
        pathlib.Path | None, typer.Option("--plot", metavar="FILE", help="Also draw the law of magnetizations (.png or .pdf).")
    ] = None,
):
    """Fixed points of belief propagation on instances at load ALPHA: one row for each, nats per weight (CSV, or --json).

    A row without a fixed point (beyond a spinodal, past capacity) has its status and no values.
    """
    model, load_ = chosen.model(), load(read_number("alpha", alpha))
    if plot is not None:
        choice("--plot must end in .png or .pdf: its suffix", plot.suffix, (".png", ".pdf"))
    n, instances = integer("--n", n, 2), integer("--instances", instances, 1)
    options = {
        "self_field": read_number("--self-field", self_field),
        "coupling": None if coupling is None else tuple(read_grid("--coupling", coupling)),
        "damping": None if damping is None else read_number("--damping", damping),
        "tolerance": read_number("--tolerance", tolerance),
    }
    strength = None if field is None else number("--field", read_number("--field", field))
    with collected_warnings() as found:
        given = fp.make_instances(model, n, load_, instances, seed, patterns, hidden)
        messages = fp.message_passing(given, method, cavity, _along(given, strength), max_iterations=max_iterations, **options)
    columns = ["instance", "status", *COLUMNS, *(OF_A_STAR if coupling is not None else ()), *WORTH]
    rows = [{name: _cell(k if name == "instance" else getattr(messages, name)[k]) for name in columns} for k in range(given.count)]
    if (messages.status != "ok").all():
        raise NoSolution(f"messages have no fixed point on {given.count} instances of {model!r} at alpha={given.alpha:g}")
    if plot is not None:
        _plot(messages, plot)
    if json:
        about = {"model": describe(model), "alpha": given.alpha, "n": given.n, "p": given.p, "patterns": given.kind, "seed": seed}
        write(as_json({**about, "method": messages.method, "points": rows, "warnings": found}), out)
    else:
        write(as_csv(columns, rows), out)


def _along(instances, strength):
    """The fields of this strength along the teachers or the centre."""
    if strength is None:
        return None
    if instances.direction is None:
        raise InvalidInput(f"--field needs a teacher or a centre to point along, got {instances.model.data!r}")
    return strength * instances.direction


def _cell(value):
    """A plain value, None where there is no number."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isnan(value) else value


def _plot(messages, path):
    from flatphys.plotting import style

    with style.paper():
        figure, axes = style.panels()
        messages.plot(axes)
        style.save_figure(figure, path)
    typer.echo(f"wrote {path}", err=True)
