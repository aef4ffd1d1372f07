"""The command `sample`: Monte Carlo on finite instances."""

import pathlib
from typing import Annotated

import typer

import flatphys as fp
from flatphys.cli import app
from flatphys.cli.options import ModelOptions, describe, read_grid, read_number, read_options, takes_model, takes_options
from flatphys.cli.output import as_json, collected_warnings, command, print_table, write
from flatphys.cli.shared import Alpha, Json, Out
from flatphys.errors import InvalidInput
from flatphys.questions.catalogue import QUESTIONS
from flatphys.validate import choice, load

Size = Annotated[int, typer.Option("--n", metavar="N", help="Weights; odd sizes suit binary weights.")]
Chains = Annotated[int, typer.Option("--chains", metavar="COUNT", help="Markov chains, two on each instance; trained rules: instances.")]
Sweeps = Annotated[int, typer.Option("--sweeps", metavar="COUNT", help="Sweeps of every chain, half of them discarded.")]
Device = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda", help="Where the chains run.")]
Threads = Annotated[int | None, typer.Option("--threads", metavar="COUNT", help="Threads on the CPU  [default: all cores]")]
Seed = Annotated[int, typer.Option("--seed", metavar="SEED", help="Everything follows from it.")]
Start = Annotated[str, typer.Option("--start", metavar="both|hot|cold", help="Random weights; teacher or annealed ones; half each.")]
Exchange = Annotated[
    str | None,
    typer.Option("--exchange", metavar="on|off|GRID", help="Replica exchange on a ladder in beta  [default: on where beta > 1.5]"),
]
Patterns = Annotated[
    str | None, typer.Option("--patterns", metavar="sign|gaussian", help="Components of the patterns  [default: by the model]")
]
Replicas = Annotated[int, typer.Option("--replicas", metavar="COUNT", help="Chains per instance; with --coupling, of a system.")]
Coupling = Annotated[
    float | None, typer.Option("--coupling", metavar="J", help="Replicas attract each other by J sum w.w; two systems per instance.")
]
Hidden = Annotated[int | None, typer.Option("--hidden", metavar="K", help="Hidden units of a tree committee.")]
Around = Annotated[bool, typer.Option("--teacher", help="Local entropy: the teacher as the reference (data teacher).")]
LOCAL_ENTROPY = QUESTIONS["local_entropy"]
COUNTED = ("reference", "overlap")  # options of a local entropy that a simulation does not take


def read_exchange(text: str | None):
    """None, True, False or a list of inverse temperatures."""
    if text is None or text in ("on", "off"):
        return None if text is None else text == "on"
    return read_grid("--exchange", text)


def read_around(given: dict, teacher: bool) -> dict:
    """Options of a local entropy, or nothing where none is asked for."""
    if "--distance" in given:
        return read_options(LOCAL_ENTROPY, given)
    if teacher or given:
        name = "--teacher names the reference" if teacher else f"{next(iter(given))} says which weights are counted"
        raise InvalidInput(f"{name} of a local entropy: give --distance too")
    return {}


@command(
    app,
    "sample",
    "sample 0.5 --beta 1 --n 1001",
    "sample --data teacher 0.9 --n 501 --chains 64 --sweeps 4000 --checkpoint run.npz",
    "sample --data gaussian-mixture --l2 0.1 2 --n 800 --chains 32 --json",
    "sample --data teacher 0.5 --n 301 --distance 0.05,0.1,0.2 --teacher",
    "sample --data teacher --weights spherical --beta 1 1 --n 201 --chains 96 --replicas 3 --coupling 0.8",
)
@takes_model
@takes_options(LOCAL_ENTROPY, without=COUNTED)
def sample(
    alpha: Alpha,
    chosen: ModelOptions,
    given: dict,
    n: Size = 1001,
    chains: Chains = 256,
    sweeps: Sweeps = 2000,
    device: Device = "auto",
    seed: Seed = 1,
    start: Start = "both",
    exchange: Exchange = None,
    patterns: Patterns = None,
    hidden: Hidden = None,
    replicas: Replicas = 2,
    coupling: Coupling = None,
    threads: Threads = None,
    checkpoint: Annotated[
        pathlib.Path | None, typer.Option("--checkpoint", metavar="FILE", help="Keep the state here; the same command continues from it.")
    ] = None,
    interval: Annotated[
        int | None, typer.Option("--interval", metavar="SWEEPS", help="Sweeps between checkpoints  [default: a twentieth]")
    ] = None,
    teacher: Around = False,
    json: Json = False,
    out: Out = None,
    plot: Annotated[
        pathlib.Path | None, typer.Option("--plot", metavar="FILE", help="Also draw the law of margins (.png or .pdf).")
    ] = None,
):
    """Sample the learner on finite instances: every estimate with its errors (a table, or --json)."""
    model, load_ = chosen.model(data="teacher" if teacher else "random-labels"), load(read_number("alpha", alpha))
    if plot is not None:
        choice("--plot must end in .png or .pdf: its suffix", plot.suffix, (".png", ".pdf"))
    around = read_around(given, teacher)
    shared = {"chains": chains, "sweeps": sweeps, "device": device, "seed": seed, "patterns": patterns, "threads": threads}
    with collected_warnings() as found:
        if not around:
            more = {"start": start, "exchange": read_exchange(exchange), "hidden": hidden, "checkpoint": checkpoint, "interval": interval}
            run = fp.sample(model, n, load_, replicas=replicas, coupling=coupling, **shared, **more)
        else:
            reference = "teacher" if teacher else "learner"
            run = fp.sample_local_entropy(model, n, load_, reference=reference, **around, **shared)
        record = run.record()
    if plot is not None:
        _plot(run, plot)
    if json or out is not None:
        return write(as_json({"model": describe(model), **record, "warnings": found}), out)
    print_table(run._title(), ["", ""], [[name, value] for name, value in run._rows()])


def _plot(run, path):
    from flatphys.plotting import style

    with style.paper():
        figure, axes = style.panels()
        (run.margins if isinstance(run, fp.Run) else run).plot(axes)
        style.save_figure(figure, path)
    typer.echo(f"wrote {path}", err=True)
