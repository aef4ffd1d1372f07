"""The command `local-entropy`: how many solutions surround a given one, as a function of distance or overlap."""

import dataclasses
import math
import pathlib
from typing import Annotated

import typer

import flatphys as fp
from flatphys.cli import app
from flatphys.cli.options import ModelOptions, describe, read_grid, read_number, takes_model
from flatphys.cli.output import as_csv, as_json, collected_warnings, command, write
from flatphys.cli.states import GRID, Alpha, Branch, Json, Out, chosen_state
from flatphys.errors import InvalidInput, NoSolution
from flatphys.model import Gibbs
from flatphys.validate import choice, load, number

COLUMNS = ["distance", "overlap", "value", "free_entropy", "slope", "train_error", "q1", "status", "residual"]


@command(
    app,
    "local-entropy",
    "local-entropy 0.5 --distance 0.01:0.5:50 --out a.csv --plot a.pdf",
    "local-entropy 0.7 --around-max-margin --distance log:1e-4:0.5:60",
    "local-entropy 0.7 --around-max-margin --network tree-committee --activation relu --distance 0.01,0.1",
    "local-entropy --data teacher 1 --teacher --distance 0.05,0.1 --json",
    "local-entropy --data gaussian-mixture --l2 0.1 1 --overlap 0.3:0.95:14",
    "local-entropy --data gaussian-mixture --l2 10 2 --overlap 0.9 --counted-beta 5",
)
@takes_model
def local_entropy(
    alpha: Alpha,
    chosen: ModelOptions,
    distance: Annotated[str | None, typer.Option("--distance", metavar="GRID", help=f"Distances in (0, 1): {GRID}.")] = None,
    overlap: Annotated[
        str | None, typer.Option("--overlap", metavar="GRID", help="Overlaps in (-1, 1), written likewise; overlap = 1 - 2 distance.")
    ] = None,
    counted_margin: Annotated[str, typer.Option("--counted-margin", metavar="KAPPA", help="Margin that the counted weights reach.")] = "0",
    counted_beta: Annotated[
        str, typer.Option("--counted-beta", metavar="BETA", help="Inverse temperature of the counted weights; inf: no errors.")
    ] = "inf",
    around_max_margin: Annotated[
        bool, typer.Option("--around-max-margin", help="binary: a reference of the largest margin at this load.")
    ] = False,
    teacher: Annotated[bool, typer.Option("--teacher", help="The teacher itself as the reference (data teacher).")] = False,
    branch: Branch = None,
    json: Json = False,
    out: Out = None,
    plot: Annotated[pathlib.Path | None, typer.Option("--plot", metavar="FILE", help="Also draw the local entropy (.png or .pdf).")] = None,
):
    """The local entropy around the state at load ALPHA, nats per weight (CSV, or --json).

    The model options say what the reference is; --counted-margin and --counted-beta, which weights are counted around it.
    A row without such weights or without a saddle has its status and no values.
    """
    model, load_ = chosen.model(data="teacher" if teacher else "random-labels"), load(read_number("alpha", alpha))
    grids = {name: read_grid(f"--{name}", text) for name, text in (("distance", distance), ("overlap", overlap)) if text is not None}
    if len(grids) != 1:
        raise InvalidInput(f"give either --distance or --overlap, got {'both' if grids else 'neither'}")
    counted = {
        "margin": number("--counted-margin", read_number("--counted-margin", counted_margin)),
        "beta": number("--counted-beta", read_number("--counted-beta", counted_beta), 0.0, infinite=True),
    }
    if plot is not None:
        choice("--plot must end in .png or .pdf: its suffix", plot.suffix, (".png", ".pdf"))
    with collected_warnings() as found:
        state = _reference(model, load_, branch, around_max_margin, teacher, chosen)
        answer = fp.local_entropy(state, **grids, **counted)
    rows = _rows(answer)
    if all(row["status"] != "ok" for row in rows):
        raise NoSolution(_nowhere(answer, *grids))
    if plot is not None:
        from flatphys.figures import local_entropy_curve

        weights = getattr(state.model.learner, "weights", "spherical")
        local_entropy_curve.draw_to(rows, *grids, weights, plot)
        typer.echo(f"wrote {plot}", err=True)
    if json:
        reference = {"kind": "teacher" if teacher else "max-margin" if around_max_margin else "state", "branch": state.branch}
        write(
            as_json(
                {
                    "model": describe(state.model),
                    "alpha": load_,
                    "reference": reference,
                    "counted": counted,
                    "points": rows,
                    "warnings": found,
                }
            ),
            out,
        )
    else:
        write(as_csv(COLUMNS, rows), out)


def _reference(model, alpha, branch, around_max_margin, teacher, chosen):
    """The state around which weights are counted."""
    asked = [
        name
        for name, wanted in (("--around-max-margin", around_max_margin), ("--teacher", teacher), ("--branch", branch is not None))
        if wanted
    ]
    if len(asked) > 1:
        raise InvalidInput(f"give one reference: {' and '.join(asked)} exclude each other")
    if teacher:
        return fp.teacher_state(model, alpha)
    if around_max_margin:
        if not isinstance(model.learner, Gibbs) or model.learner.weights != "binary":
            raise InvalidInput(
                f"--around-max-margin is for binary weights of a gibbs learner, got {model.learner!r}; trained rules have "
                "--learner max-margin"
            )
        if chosen.fields["margin"] is not None:
            raise InvalidInput(f"--around-max-margin sets the reference's margin: --margin {chosen.fields['margin']} does not apply")
        largest = fp.max_margin(model, alpha)
        model = dataclasses.replace(model, learner=dataclasses.replace(model.learner, margin=largest))
    return chosen_state(model, alpha, branch)


def _rows(answer) -> list[dict]:
    """One dict of plain values per point, None where there is no number."""
    records = [dict(zip(COLUMNS, values)) for values in zip(*(getattr(answer, name).tolist() for name in COLUMNS))]
    return [{name: None if isinstance(v, float) and math.isnan(v) else v for name, v in record.items()} for record in records]


def _nowhere(answer, name: str) -> str:
    places = getattr(answer, name)
    where = f"{name}={places[0]:g}" if places.size == 1 else f"any of the {places.size} {name}s from {places.min():g} to {places.max():g}"
    kinds = " or ".join(f'"{status}"' for status in dict.fromkeys(answer.status.tolist()))
    return f"no local entropy around {answer.reference.model!r} at alpha={answer.reference.alpha:g}, {where}: the status is {kinds}"
