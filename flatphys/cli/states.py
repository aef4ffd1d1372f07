"""Commands about states: solve, curve, margins, local-energy, relative-flatness."""

import pathlib
from typing import Annotated

import typer

import flatphys as fp
from flatphys import quantities
from flatphys.cli import app
from flatphys.cli.options import ModelOptions, describe, read_grid, read_number, takes_model
from flatphys.cli.output import as_csv, as_json, collected_warnings, command, print_table, track, write
from flatphys.display import figure
from flatphys.errors import FlatphysError, InvalidInput
from flatphys.validate import choice, load

Alpha = Annotated[str, typer.Argument(metavar="ALPHA", help="Load P/N > 0: patterns per weight.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON (inf and nan as strings).")]
Out = Annotated[pathlib.Path | None, typer.Option("--out", metavar="FILE", help="Write to FILE instead of printing.")]
Ansatz = Annotated[str, typer.Option("--ansatz", metavar="ANSATZ", help="Replica ansatz.")]
GRID = "START:STOP:COUNT, log:START:STOP:COUNT or a comma-separated list"


def state_record(state) -> dict:
    """Everything a state says, as one flat dict of plain values."""
    return {
        "alpha": state.alpha,
        "ansatz": state.ansatz,
        "branch": state.branch,
        "phase": state.phase,
        "stable": state.stable,
        **state.scalars(),
    }


def print_states(states):
    """A table of the states' values, one column each, with units."""
    values = [state_record(state) for state in states]
    names = list(dict.fromkeys(name for record in values for name in record))
    rows = [[name, *(figure(record.get(name, "")) for record in values), quantities.of(name, "solve").printed] for name in names]
    print_table(repr(states[0].model), ["", *(["value"] if len(states) == 1 else [s.branch for s in states]), "unit"], rows)


def chosen_state(model, alpha: float, branch: str | None):
    """The dominant state at this load, the branch of that name, or the ground state."""
    if branch is None:
        return fp.solve(model, alpha)
    if branch == "ground-state":
        return fp.ground_state(model, alpha)
    states = fp.branches(model, alpha)
    return {state.branch: state for state in states}[choice("--branch", branch, tuple(state.branch for state in states))]


@command(
    app,
    "solve",
    "solve 0.5",
    "solve --data teacher --branches 1.3",
    "solve --weights spherical --margin -0.5 --beta 3 4 --json",
    "solve --data gaussian-mixture --positive 0.2 --bias --loss logistic --l2 0.01 2",
)
@takes_model
def solve(
    alpha: Alpha,
    chosen: ModelOptions,
    branches: Annotated[bool, typer.Option("--branches", help="Every branch of solutions, the dominant one first.")] = False,
    ansatz: Ansatz = "RS",
    json: Json = False,
):
    """The state at load ALPHA: order parameters, entropies, errors, stability."""
    model, load_ = chosen.model(), load(read_number("alpha", alpha))
    with collected_warnings() as found:
        states = fp.branches(model, load_) if branches else [fp.solve(model, load_, ansatz=ansatz)]
    if not json:
        print_states(states)
    elif branches:
        write(as_json({"model": describe(model), "states": [state_record(s) for s in states], "warnings": found}), None)
    else:
        write(as_json({"model": describe(model), **state_record(states[0]), "warnings": found}), None)


@command(
    app,
    "curve",
    "curve --alpha 0.05:0.8:100 --out entropy.csv",
    "curve --data teacher --branches --alpha 0.1,0.5,1.3 --format json",
    "curve --weights spherical --alpha log:0.1:1.9:40 --plot entropy.pdf --out entropy.csv",
)
@takes_model
def curve(
    chosen: ModelOptions,
    alpha: Annotated[str, typer.Option("--alpha", metavar="GRID", help=f"Loads: {GRID}.")],
    branches: Annotated[bool, typer.Option("--branches", help="One row for every branch at every load.")] = False,
    ansatz: Ansatz = "RS",
    format: Annotated[str | None, typer.Option("--format", metavar="csv|json", help="[default: by the suffix of --out, else csv]")] = None,
    out: Out = None,
    plot: Annotated[
        pathlib.Path | None, typer.Option("--plot", metavar="FILE", help="Also draw a quantity against the load (.png or .pdf).")
    ] = None,
    quantity: Annotated[
        str | None, typer.Option("--quantity", metavar="NAME", help="What to draw  [default: entropy, or an error]")
    ] = None,
):
    """A table over the load: one row per load (and branch), a status and a message where there is no value."""
    model = chosen.model()
    loads = [load(value) for value in read_grid("--alpha", alpha)]
    default = "json" if out is not None and out.suffix == ".json" else "csv"
    form = choice("--format", default if format is None else format, ("csv", "json"))
    if plot is not None:
        choice("--plot must end in .png or .pdf: its suffix", plot.suffix, (".png", ".pdf"))
    rows, failure = [], None
    with collected_warnings() as found:
        for value in track(loads, "solving"):
            try:
                states = fp.branches(model, value) if branches else [fp.solve(model, value, ansatz=ansatz)]
                rows += [{**state_record(state), "status": "ok"} for state in states]
            except FlatphysError as error:
                failure = error
                rows.append({"alpha": value, "status": _STATUS.get(type(error).__name__, "failed"), "message": str(error)})
    if failure is not None and all(row["status"] != "ok" for row in rows):
        raise failure
    solved_first = sorted(rows, key=lambda row: row["status"] != "ok")  # they name the columns
    columns = list(dict.fromkeys(name for row in solved_first for name in row if name not in ("status", "message")))
    columns += ["status", "message"]
    if plot is not None:
        _plot(rows, columns, plot, quantity)
    write(
        as_csv(columns, rows)
        if form == "csv"
        else as_json({"model": describe(model), "columns": columns, "rows": rows, "warnings": found}),
        out,
    )


_STATUS = {"Unsatisfiable": "unsatisfiable", "NoSolution": "no_solution", "NotConverged": "not_converged"}


def _plot(rows, columns, path, quantity):
    numeric = [name for name in columns if name not in ("alpha", "ansatz", "branch", "phase", "stable", "status", "message")]
    if quantity is None:
        quantity = next(name for name in ("entropy", "generalization_error", "margin", *numeric) if name in numeric)
    choice("--quantity", quantity, tuple(numeric))
    from flatphys.figures import curve

    curve.draw_to(rows, quantity, path)
    typer.echo(f"wrote {path}", err=True)


Branch = Annotated[
    str | None,
    typer.Option("--branch", metavar="NAME", help="student, intermediate, teacher or ground-state  [default: the dominant branch]"),
]


@command(
    app, "margins", "margins 0.5", "margins --beta 2 0.5 --at -2:4:13", "margins --weights spherical 3 --branch ground-state --at 0,0.5,1"
)
@takes_model
def margins(
    alpha: Alpha,
    chosen: ModelOptions,
    at: Annotated[str | None, typer.Option("--at", metavar="GRID", help=f"Stabilities at which to give pdf and cdf: {GRID}.")] = None,
    branch: Branch = None,
    normalised: Annotated[bool, typer.Option("--normalised", help="Divide by |w|/sqrt N.")] = False,
    json: Json = False,
    out: Out = None,
):
    """The law of the training stabilities: moments and atoms, or with --at a table of x, pdf, cdf (CSV)."""
    model, load_ = chosen.model(), load(read_number("alpha", alpha))
    points = None if at is None else read_grid("--at", at)
    with collected_warnings() as found:
        law = fp.margins(chosen_state(model, load_, branch))
        law = law.normalised() if normalised else law
        moments = {name: getattr(law, name) for name in ("mean", "variance", "skewness", "mass_below_zero")}
        rows = [] if points is None else [{"x": x, "pdf": law.pdf(x), "cdf": law.cdf(x)} for x in points]
    if json:
        atoms = [{"place": place, "mass": mass} for place, mass in law.atoms]
        write(as_json({"model": describe(model), "alpha": load_, **moments, "atoms": atoms, "points": rows, "warnings": found}), out)
    elif points is not None:
        write(as_csv(["x", "pdf", "cdf"], rows), out)
    elif out is not None:
        raise InvalidInput("--out needs --at or --json: the summary is only printed")
    else:
        table = [[name, figure(value)] for name, value in moments.items()] + [
            ["atom", f"{mass:.10g} at {place:.10g}"] for place, mass in law.atoms
        ]
        print_table(f"Training stabilities of {model!r} at alpha={load_:g}", ["", "value"], table)


@command(
    app, "local-energy", "local-energy 0.5 --sigma 0.1,0.5,1", "local-energy --data teacher 1.5 --branch teacher --distance 0:0.1:11 --json"
)
@takes_model
def local_energy(
    alpha: Alpha,
    chosen: ModelOptions,
    sigma: Annotated[str | None, typer.Option("--sigma", metavar="GRID", help=f"Strengths of multiplicative noise: {GRID}.")] = None,
    distance: Annotated[str | None, typer.Option("--distance", metavar="GRID", help="Distances in [0, 1], written likewise.")] = None,
    branch: Branch = None,
    json: Json = False,
    out: Out = None,
):
    """Increase of the training error under random perturbations of the weights (CSV, or --json)."""
    model, load_ = chosen.model(), load(read_number("alpha", alpha))
    grids = {name: read_grid(f"--{name}", text) for name, text in (("sigma", sigma), ("distance", distance)) if text is not None}
    if len(grids) != 1:
        raise InvalidInput(f"give either --sigma or --distance, got {'both' if grids else 'neither'}")
    ((name, points),) = grids.items()
    with collected_warnings() as found:
        values = fp.local_energy(chosen_state(model, load_, branch), **{name: points})
    rows = [{name: x, "local_energy": float(value)} for x, value in zip(points, values)]
    if json:
        write(as_json({"model": describe(model), "alpha": load_, "points": rows, "warnings": found}), out)
    else:
        write(as_csv([name, "local_energy"], rows), out)


@command(app, "relative-flatness", "relative-flatness --data gaussian-mixture --loss logistic --l2 0.01 2")
@takes_model
def relative_flatness(alpha: Alpha, chosen: ModelOptions, json: Json = False):
    """|w|^2 Tr Hessian / N of the mean training loss, at the minimiser of an erm learner."""
    model, load_ = chosen.model(learner="erm"), load(read_number("alpha", alpha))
    with collected_warnings() as found:
        value = fp.relative_flatness(fp.solve(model, load_))
    if json:
        return write(as_json({"model": describe(model), "alpha": load_, "relative_flatness": value, "warnings": found}), None)
    print_table(f"{model!r} at alpha={load_:g}", ["", "value"], [["relative_flatness", figure(value)]])
