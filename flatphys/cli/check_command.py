"""The command `check`: theory beside a simulation, or the whole report of agreement."""

import pathlib
from typing import Annotated

import typer

import flatphys as fp
from flatphys.cli import app
from flatphys.cli.options import ModelOptions, describe, read_grid, read_number, takes_model, takes_options
from flatphys.cli.output import as_json, collected_warnings, command, print_table
from flatphys.cli.sample_command import (
    COUNTED,
    LOCAL_ENTROPY,
    Around,
    Chains,
    Device,
    Exchange,
    Hidden,
    Patterns,
    Seed,
    Start,
    Sweeps,
    Threads,
    read_around,
    read_exchange,
)
from flatphys.cli.shared import Branch, Json, chosen_state
from flatphys.errors import InvalidInput
from flatphys.validate import choice, load, number


@command(
    app,
    "check",
    "check 0.5 --beta 1 --n 501",
    "check 0.5 --beta 1 --n 101,201,401 --out agreement.pdf",
    "check --data gaussian-mixture --l2 0.1 2 --n 800 --chains 32 --sigma 0.5",
    "check --data teacher 0.5 --n 301 --distance 0.05,0.1,0.2 --teacher",
    "check --report agreement",
)
@takes_model
@takes_options(LOCAL_ENTROPY, without=COUNTED)
def check(
    chosen: ModelOptions,
    given: dict,
    alpha: Annotated[str | None, typer.Argument(metavar="ALPHA", help="Load P/N > 0: patterns per weight (not with --report).")] = None,
    n: Annotated[str, typer.Option("--n", metavar="N[,N...]", help="Weights; several sizes are extrapolated to N = infinity.")] = "501",
    bound: Annotated[str, typer.Option("--bound", metavar="Z", help="Largest |z| that passes.")] = "4",
    finite_size: Annotated[str, typer.Option("--finite-size", metavar="C", help="Allow a difference of C/N before z is formed.")] = "0",
    order: Annotated[int, typer.Option("--order", metavar="ORDER", help="Of the extrapolation: 1 for a + b/N, 2 with c/N^2.")] = 1,
    chains: Chains = 128,
    sweeps: Sweeps = 1000,
    device: Device = "auto",
    seed: Seed = 1,
    start: Start = "both",
    exchange: Exchange = None,
    patterns: Patterns = None,
    hidden: Hidden = None,
    threads: Threads = None,
    branch: Branch = None,
    sigma: Annotated[str, typer.Option("--sigma", metavar="GRID", help="Noise at which local energies are compared.")] = "0.2,0.5,1",
    teacher: Around = False,
    report: Annotated[
        pathlib.Path | None,
        typer.Option("--report", metavar="DIR", help="Write the full report of agreement here (about a quarter of an hour)."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="With --report: a short list of small systems, about a minute.")] = False,
    json: Json = False,
    out: Annotated[
        pathlib.Path | None, typer.Option("--out", metavar="FILE", help="Also draw theory and simulation (.png or .pdf).")
    ] = None,
):
    """Theory beside simulation at load ALPHA: values, errors, z-scores; exit status 1 where |z| exceeds the bound."""
    largest = number("--bound", read_number("--bound", bound), 0.0)
    if report is not None:
        if alpha is not None:
            raise InvalidInput("--report runs its own list of cases: leave ALPHA out")
        return _report(report, quick, largest, device, threads)
    if alpha is None:
        raise InvalidInput("check needs ALPHA, a load > 0 (or --report DIR)")
    if quick:
        raise InvalidInput("--quick belongs to --report")
    if out is not None:
        choice("--out must end in .png or .pdf: its suffix", out.suffix, (".png", ".pdf"))
    model, load_ = chosen.model(data="teacher" if teacher else "random-labels"), load(read_number("alpha", alpha))
    around = read_around(given, teacher)
    sizes = [_size(text) for text in n.split(",")]
    shared = {"chains": chains, "sweeps": sweeps, "device": device, "seed": seed, "patterns": patterns, "threads": threads}
    options = {
        "bound": largest,
        "finite_size": number("--finite-size", read_number("--finite-size", finite_size), 0.0, closed="["),
        "order": order,
    }
    with collected_warnings() as found:
        if not around:
            noise = read_grid("--sigma", sigma)
            more = {"start": start, "exchange": read_exchange(exchange), "hidden": hidden}
            runs = [fp.sample(model, size, load_, **shared, **more) for size in sizes]
            answer = fp.check(chosen_state(model, runs[-1].alpha, branch), runs, sigma=noise, **options)
        else:
            reference = "teacher" if teacher else "learner"
            runs = [fp.sample_local_entropy(model, size, load_, reference=reference, **around, **shared) for size in sizes]
            state = fp.teacher_state(model, runs[-1].alpha) if teacher else chosen_state(model, runs[-1].alpha, branch)
            counted = {name: value for name, value in around.items() if name not in LOCAL_ENTROPY.vectors}
            answer = fp.check(fp.local_entropy(state, overlap=runs[-1].overlap, **counted), runs, **options)
    if out is not None:
        _draw(answer, out)
    if json:
        facts = {"n": sizes, "alpha": runs[-1].alpha, "bound": answer.bound, "finite_size": answer.finite_size, "passed": answer.passed}
        typer.echo(
            as_json({"model": describe(model), **facts, "rows": answer.records(), "notes": answer.notes, "warnings": found}), nl=False
        )
    else:
        header, rows = answer.table()
        print_table(answer._title(), header, rows)
        for text in [*answer.notes, answer.verdict()]:
            typer.echo(f"  {text}")
    if not answer.passed:
        raise typer.Exit(1)


def _size(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidInput(f"--n must be an integer or integers separated by commas, got {text!r}") from None


def _draw(answer, path):
    from flatphys.plotting import style

    with style.paper():
        figure, axes = style.panels(1, 2, width=style.PAGE, height=2.8)
        answer.draw_on(axes)
        style.save_figure(figure, path)
    typer.echo(f"wrote {path}", err=True)


def _report(folder, quick, bound, device, threads):
    from flatphys.comparison.agreement import write_report

    path, passed = write_report(
        folder, quick=quick, bound=bound, device=device, threads=threads, say=lambda text: typer.echo(text, err=True)
    )
    typer.echo(path)
    if not passed:
        raise typer.Exit(1)
