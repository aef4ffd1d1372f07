"""`flatphys local-entropy --instance`: how many solutions surround the weights that an algorithm finds, counted by messages.

The teacher itself may stand in the algorithm's place.
"""

import math
from typing import Annotated, NamedTuple

import typer

from flatphys.cli.options import describe
from flatphys.cli.output import as_csv, as_json, collected_warnings, write
from flatphys.errors import InvalidInput, NoSolution

ALGORITHM = "focusing-bp"
DEFAULTS = {"n": 1001, "instances": 8, "seed": 1, "algorithm": ALGORITHM, "patterns": None, "hidden": None}
COLUMNS = ("distance", "overlap", "value", "error", "instances")

Instance = Annotated[bool, typer.Option("--instance", help="Around weights found on instances drawn here, counted by message passing.")]
Algorithm = Annotated[
    str | None,
    typer.Option("--algorithm", metavar="NAME", help=f"--instance: focusing-bp, sbpi, replicated-sgd, ...  [default: {ALGORITHM}]"),
]
Size = Annotated[int | None, typer.Option("--n", metavar="N", help="--instance: weights  [default: 1001]")]
Count = Annotated[int | None, typer.Option("--instances", metavar="COUNT", help="--instance: how many  [default: 8]")]
Seed = Annotated[int | None, typer.Option("--seed", metavar="SEED", help="--instance: everything follows from it  [default: 1]")]
Patterns = Annotated[str | None, typer.Option("--patterns", metavar="sign|gaussian", help="--instance: their components  [default: sign]")]
Hidden = Annotated[int | None, typer.Option("--hidden", metavar="K", help="--instance: hidden units of a tree committee.")]


class Finite(NamedTuple):
    """What the user said about instances; None where nothing."""

    n: int | None
    instances: int | None
    seed: int | None
    algorithm: str | None
    patterns: str | None
    hidden: int | None

    def refuse(self) -> None:
        """Without --instance none of it applies."""
        said = [f"--{name}" for name, value in zip(self._fields, self) if value is not None]
        if said:
            raise InvalidInput(f"{' and '.join(said)} belong{'s' * (len(said) == 1)} to --instance: give that too")

    def complete(self) -> "Finite":
        """With the defaults."""
        return Finite(*(DEFAULTS[name] if value is None else value for name, value in zip(self._fields, self)))


def found_weights(model, alpha: float, given: Finite, teacher: bool):
    """The weights as `Found`: those of the algorithm, or the teachers."""
    import flatphys as fp
    from flatphys.finite_size.catalogue import named

    algorithm = None if teacher else named(given.algorithm)()
    instances = fp.make_instances(model, given.n, alpha, given.instances, given.seed, given.patterns, given.hidden)
    if not teacher:
        return fp.find(instances, algorithm, seed=given.seed)
    if instances.teacher is None:
        raise InvalidInput(f"--teacher needs data with a teacher, got {model.data!r}")
    return instances.measure(instances.teacher)


def around(model, alpha: float, given: Finite, options: dict, teacher: bool, to) -> None:
    """Find, count and write: a row for every distance, with --json also the values of every instance; `to` = (json, out, plot)."""
    import flatphys as fp

    given, (json, out, plot) = given.complete(), to
    with collected_warnings() as warned:
        found = found_weights(model, alpha, given, teacher)
        counted = fp.local_entropy(found, **options)
    good = (counted.status == "ok").sum(axis=0)
    if not good.any():
        raise NoSolution(f"messages lead to none of these distances from the weights found for {model!r} at alpha={alpha:g}")
    columns = counted.distance, counted.overlap, counted.mean, counted.error, good
    rows = [{name: _cell(x) for name, x in zip(COLUMNS, values)} for values in zip(*(column.tolist() for column in columns))]
    if plot is not None:
        _plot(counted, plot)
    if not json:
        return write(as_csv(list(COLUMNS), rows), out)
    about = {"model": describe(model), "alpha": found.instances.alpha, "n": found.instances.n, "seed": given.seed}
    about |= {"reference": "teacher" if teacher else given.algorithm, "solved": found.solved, "train_error": found.train_error}
    about["counted"] = {"margin": counted.margin, "beta": counted.beta, "energy": counted.cost}
    write(as_json({**about, "points": rows, "values": counted.value, "status": counted.status, "warnings": warned}), out)


def _cell(value):
    return None if isinstance(value, float) and math.isnan(value) else value


def _plot(counted, path):
    from flatphys.plotting import style

    with style.paper():
        figure, axes = style.panels()
        counted.plot(axes)
        style.save_figure(figure, path)
    typer.echo(f"wrote {path}", err=True)
