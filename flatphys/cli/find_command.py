"""The command `find`: an algorithm on instances drawn here, and what it found."""

import ast
import dataclasses
import pathlib
from typing import Annotated

import typer

import flatphys as fp
from flatphys.cli import app
from flatphys.cli.options import ModelOptions, describe, read_number, takes_model
from flatphys.cli.output import INTERRUPTED, as_csv, as_json, collected_warnings, command, print_table, write
from flatphys.cli.sample_command import Hidden, Patterns, Seed, Size, Threads
from flatphys.cli.shared import Alpha, Json
from flatphys.errors import InvalidInput
from flatphys.validate import choice, load


@command(
    app,
    "find",
    "find 0.7 --algorithm focusing-bp --n 1001 --instances 40",
    "find 0.74 --algorithm self-field-bp --set steps=8000 --set attempts=5 --checkpoint kept.npz",
    "find --data teacher 1.3 --algorithm reinforced-bp --n 501 --out found.npz",
    "find 0.6 --algorithm replicated-sgd --replicas 7",
    "find 0.6 --instances 8 --json",
)
@takes_model
def find(
    alpha: Alpha,
    chosen: ModelOptions,
    algorithm: Annotated[
        str, typer.Option("--algorithm", metavar="NAME", help="focusing-bp, self-field-bp, reinforced-bp, sbpi, replicated-sgd, ...")
    ] = "focusing-bp",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A parameter of the algorithm, schedules as START:STOP:STEPS[:LAW]; repeatable  [default: its own]",
        ),
    ] = None,
    replicas: Annotated[int | None, typer.Option("--replicas", metavar="Y", help="The same as --set replicas=Y.")] = None,
    n: Size = 1001,
    instances: Annotated[int, typer.Option("--instances", metavar="COUNT", help="How many instances.")] = 8,
    seed: Seed = 1,
    threads: Threads = None,
    patterns: Patterns = None,
    hidden: Hidden = None,
    checkpoint: Annotated[
        pathlib.Path | None, typer.Option("--checkpoint", metavar="FILE", help="Keep the state here; the same command continues from it.")
    ] = None,
    out: Annotated[
        pathlib.Path | None,
        typer.Option("--out", metavar="FILE", help="Weights, instances, history to FILE.npz, or a row each to FILE.csv."),
    ] = None,
    json: Json = False,
):
    """Look for weights without errors on instances at load ALPHA.

    Prints how many instances were solved, with --json a row for each.  `fp.load` reads FILE.npz.  After Ctrl-C what is done is printed
    (exit status 130), and with --checkpoint the same command goes on from there.
    """
    from flatphys.finite_size.catalogue import named

    model, load_ = chosen.model(), load(read_number("alpha", alpha))
    if out is not None:
        choice("--out must end in .npz or .csv: its suffix", out.suffix, (".npz", ".csv"))
    chosen_one = configured(named(algorithm), [*(settings or []), *([f"replicas={replicas}"] if replicas is not None else [])])
    with collected_warnings() as warned:
        given = fp.make_instances(model, n, load_, instances, seed, patterns, hidden)
        found = fp.find(given, chosen_one, seed, threads, checkpoint=checkpoint)
    if out is not None:
        _write(found, out)
    if json:
        about = {"model": describe(model), "alpha": given.alpha, "n": given.n, "p": given.p, "patterns": given.kind, "seed": seed}
        ran = {"name": algorithm, **dataclasses.asdict(chosen_one)}
        answer = {"success": found.success._asdict(), "instances": found.rows(), "warnings": warned}
        write(as_json({**about, "algorithm": ran, **answer}), None)
    else:
        print_table(found._title(), ["", ""], [[name, value] for name, value in found._rows()])
    if any(entry["category"] == "InterruptedRunWarning" for entry in warned):
        raise typer.Exit(INTERRUPTED)


def configured(kind: type, settings: list[str]):
    """The algorithm with the parameters that were set, texts NAME=VALUE."""
    names = [field.name for field in dataclasses.fields(kind) if field.init]
    values = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidInput(f"--set must be NAME=VALUE, got {text!r}")
        name = choice("--set", name.strip().replace("-", "_"), tuple(names))
        values[name] = _read(value.strip())
    return kind(**values)


def _read(text: str):
    """A number, True, False, None, a schedule, or the text itself, for the algorithm to judge."""
    if ":" in text:
        numbers = [_read(part) for part in text.split(":")]
        return fp.Schedule(*numbers[:4])
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return float(text) if text.lstrip("+-").lower() in ("inf", "nan") else text


def _write(found, path):
    if path.suffix == ".npz":
        found.save(path)
        return typer.echo(f"wrote {path}", err=True)
    rows = found.rows()
    write(as_csv(list(rows[0]), rows), path)
