"""The command `sweep`: one question over a grid, in parallel, resumable, as netCDF, CSV or JSON."""

import contextlib
import pathlib
from typing import Annotated

import typer

from flatphys.cli import app
from flatphys.cli.options import GRID, ModelOptions, describe, read_grid, takes_model, takes_options
from flatphys.cli.output import INTERRUPTED, as_json, collected_warnings, command, fail, write
from flatphys.cli.shared import Json
from flatphys.cli.store_command import StorePath, default_store
from flatphys.errors import InvalidInput, WorkerError
from flatphys.questions.catalogue import QUESTIONS, question_of
from flatphys.validate import choice

SCALARS = tuple(dict.fromkeys(option.name for question in QUESTIONS.values() for option in question.options if not option.vector))


@command(
    app,
    "sweep",
    "sweep --alpha 0.05:0.8:100 --set learner.margin=-0.5:0.5:11 --out entropy.nc",
    "sweep --question local-entropy --alpha 0.1:0.7:13 --distance log:0.005:0.45:40 --out around.nc",
    "sweep --data gaussian-mixture --loss logistic --alpha 2 --set learner.l2=log:1e-3:100:40 --question relative-flatness",
    "sweep --data teacher --alpha 0.5:1.5:21 --set learner.weights=binary,spherical --set data.flip=0,0.05 --json",
    "sweep --question capacity --set learner.margin=-1:1:21 --set ansatz=RS",
    "sweep --alpha 0.1:0.8:200 --scheduler tcp://10.0.0.1:8786 --out entropy.nc",
)
@takes_model
@takes_options(*QUESTIONS.values(), without=SCALARS)
def sweep(
    chosen: ModelOptions,
    given: dict,
    alpha: Annotated[
        str | None, typer.Option("--alpha", metavar="GRID", help=f"Loads: {GRID}; questions without a load have none.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=GRID",
            help="A further axis or value: a field (learner.margin=0:1:11, data.flip=0,0.1) or an option of the question "
            "(ansatz=1RSB). Repeatable.",
        ),
    ] = None,
    question: Annotated[
        str, typer.Option("--question", metavar="NAME", help=", ".join(name.replace("_", "-") for name in QUESTIONS))
    ] = "solve",
    out: Annotated[
        pathlib.Path | None, typer.Option("--out", metavar="FILE", help="Write FILE.nc (netCDF) or FILE.csv instead of printing CSV.")
    ] = None,
    json: Json = False,
    workers: Annotated[
        str | None, typer.Option("--workers", metavar="N", help="Processes  [default: every processor, once that pays]")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", metavar="tcp://HOST:PORT", help="Compute on a dask cluster (pip install 'flatphys[distributed]')."),
    ] = None,
    store: StorePath = None,
    no_store: Annotated[bool, typer.Option("--no-store", help="Neither look up points nor keep them.")] = False,
):
    """One question at every point of a grid; points already in the store are not computed again.

    Ctrl-C ends with what is done (exit status 130); the same command goes on from there.
    """
    import flatphys as fp
    from flatphys.sweeps.files import columns_of, csv_lines, save_dataset

    asked = question_of(question)
    model = chosen.model(asked.data, asked.learner)
    if out is not None and json:
        raise InvalidInput("give either --out or --json")
    if out is not None:
        choice("--out must end in .nc or .csv: its suffix", out.suffix, (".nc", ".csv"))
    if no_store and store is not None:
        raise InvalidInput(f"--no-store and --store {store} exclude each other")
    axes = {spelled[2:]: read_grid(spelled, text) for spelled, text in given.items()}
    for text in set_ or ():
        name, values = _setting(text)
        if name in axes or name == "alpha":
            raise InvalidInput(f"--set {name} is given twice, or has an option of its own: use --{name}")
        axes[name] = values
    loads = None if alpha is None else _values("--alpha", alpha)
    with contextlib.ExitStack() as stack, collected_warnings() as found:
        executor = _cluster(scheduler, stack)
        kept = None if no_store else store or stack.enter_context(default_store())
        table = fp.sweep(model, loads, question=asked, store=kept, executor=executor, workers=_count("--workers", workers), **axes)
    _remark(table, found)
    names, columns = columns_of(table)
    if json:
        rows = [{name: None if value != value else value for name, value in zip(names, row)} for row in zip(*columns)]
        about = {"model": describe(model), "question": asked.name, "dims": dict(table.sizes)}
        write(as_json({**about, "columns": names, "rows": rows, "attributes": table.attrs, "warnings": found}), None)
    elif out is not None:
        save_dataset(table, out)
        typer.echo(f"wrote {out}", err=True)
    else:
        for lines in csv_lines(names, columns):
            typer.echo(lines, nl=False)
    if (table.status == "interrupted").any():
        raise typer.Exit(INTERRUPTED)


def _values(name: str, text: str):
    """A number, truth value or text, or a list of them."""
    try:
        values = read_grid(name, text)
    except InvalidInput:
        if ":" in text:
            raise
        values = [{"true": True, "false": False}.get(part, part) for part in text.split(",")]
    return values if ":" in text or "," in text else values[0]


def _setting(text: str):
    name, equals, values = text.partition("=")
    if not (name and equals and values):
        raise InvalidInput(f"--set must be NAME=GRID, such as learner.margin=0:1:11, got {text!r}")
    return name, _values(f"--set {name}", values)


def _count(name: str, text: str | None):
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise InvalidInput(f"{name} must be a whole number >= 1, got {text!r}") from None


def _cluster(address: str | None, stack):
    """The executor of a dask cluster, or None; `stack` closes it."""
    if address is None:
        return None
    try:
        from distributed import Client
    except ImportError:
        raise InvalidInput("--scheduler needs dask's distributed: pip install 'flatphys[distributed]'") from None
    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError, RuntimeError) as error:
        raise WorkerError(
            f"no dask scheduler answers at {address}: {' '.join(str(error).split())}; is its port reachable from here?"
        ) from None
    stack.callback(client.close)
    return client.get_executor()


def _remark(table, found):
    """One line for every status but "ok" on standard error; nothing but failures is an error."""
    status, message = table.status.values.ravel(), table.message.values.ravel()
    if not set(status) & {"ok", "negative_entropy", "rs_unstable", "interrupted"}:
        fail(f"no point has a value; the first says {status[0]}: {message[0]}", 1)
    for name in sorted(set(status) - {"ok", "interrupted", "failed"}):  # the sweep itself warns of failures
        at = status == name
        text = f"{name} at {int(at.sum())} of {status.size} points, the first: {message[at.argmax()]}"
        found.append({"category": name, "message": text})
        typer.echo(f"warning: {text}", err=True)
