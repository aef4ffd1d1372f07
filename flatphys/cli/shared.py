"""What several commands share: arguments and options of one meaning, states as records and tables."""

import math
import pathlib
from typing import Annotated

import typer

import flatphys as fp
from flatphys import quantities
from flatphys.cli.output import print_table
from flatphys.display import figure
from flatphys.errors import NoSolution
from flatphys.validate import choice

Alpha = Annotated[str, typer.Argument(metavar="ALPHA", help="Load P/N > 0: patterns per weight.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON (inf and nan as strings).")]
Out = Annotated[pathlib.Path | None, typer.Option("--out", metavar="FILE", help="Write to FILE instead of printing.")]
Ansatz = Annotated[str, typer.Option("--ansatz", metavar="ANSATZ", help="Replica ansatz.")]
Branch = Annotated[
    str | None,
    typer.Option("--branch", metavar="NAME", help="student, intermediate, teacher or ground-state  [default: the dominant branch]"),
]


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


def points(found, columns, name: str) -> list[dict]:
    """One dict of plain values per point of an answer, None where there is no number; `NoSolution` where no point has one."""
    records = [dict(zip(columns, values, strict=True)) for values in zip(*(getattr(found, c).tolist() for c in columns), strict=True)]
    if all(record["status"] != "ok" for record in records):
        kinds = " or ".join(f'"{status}"' for status in dict.fromkeys(record["status"] for record in records))
        raise NoSolution(f"{name}: the status is {kinds}")
    return [{key: None if isinstance(x, float) and math.isnan(x) else x for key, x in record.items()} for record in records]


def where_asked(grid: dict) -> str:
    """The places of a grid in words."""
    ((name, places),) = grid.items()
    return f"{name}={places[0]:g}" if len(places) == 1 else f"any of the {len(places)} {name}s from {min(places):g} to {max(places):g}"
