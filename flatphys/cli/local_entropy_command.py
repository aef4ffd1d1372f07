"""The command `local-entropy`: how many solutions surround a given one, as a function of distance or overlap."""

import math
import pathlib
from typing import Annotated

import typer

import flatphys as fp
from flatphys.cli import app
from flatphys.cli.around_found import Algorithm, Count, Finite, Hidden, Instance, Patterns, Seed, Size, around
from flatphys.cli.options import ModelOptions, describe, read_number, read_options, takes_model, takes_options
from flatphys.cli.output import as_csv, as_json, collected_warnings, command, write
from flatphys.cli.shared import Alpha, Branch, Json, Out, chosen_state, points, where_asked
from flatphys.errors import InvalidInput
from flatphys.model import Gibbs
from flatphys.questions.catalogue import QUESTIONS
from flatphys.questions.question import reference_state
from flatphys.validate import choice, load

QUESTION = QUESTIONS["local_entropy"]


@command(
    app,
    "local-entropy",
    "local-entropy 0.5 --distance 0.01:0.5:50 --out a.csv --plot a.pdf",
    "local-entropy 0.7 --around-max-margin --distance log:1e-4:0.5:60",
    "local-entropy 0.7 --around-max-margin --network tree-committee --activation relu --distance 0.01,0.1",
    "local-entropy --data teacher 1 --teacher --distance 0.05,0.1 --json",
    "local-entropy --data gaussian-mixture --l2 0.1 1 --overlap 0.3:0.95:14",
    "local-entropy 0.6 --instance --algorithm reinforced-bp --n 1001 --instances 8 --distance 0.02,0.05,0.1",
    "local-entropy 0.4 --network tree-committee --instance --hidden 3 --n 201 --distance 0.05,0.1",
    "local-entropy --data gaussian-mixture --l2 10 2 --overlap 0.9 --counted-beta 5 --counted-energy hinge",
)
@takes_model
@takes_options(QUESTION, without=("reference",))
def local_entropy(
    alpha: Alpha,
    chosen: ModelOptions,
    given: dict,
    around_max_margin: Annotated[
        bool, typer.Option("--around-max-margin", help="binary: a reference of the largest margin at this load.")
    ] = False,
    teacher: Annotated[bool, typer.Option("--teacher", help="The teacher itself as the reference (data teacher).")] = False,
    branch: Branch = None,
    instance: Instance = False,
    algorithm: Algorithm = None,
    n: Size = None,
    instances: Count = None,
    seed: Seed = None,
    patterns: Patterns = None,
    hidden: Hidden = None,
    json: Json = False,
    out: Out = None,
    plot: Annotated[pathlib.Path | None, typer.Option("--plot", metavar="FILE", help="Also draw the local entropy (.png or .pdf).")] = None,
):
    """The local entropy around the state at load ALPHA, nats per weight (CSV, or --json).

    The model options say what the reference is; --counted-margin, --counted-beta and --counted-energy, which weights are counted
    around it.  A row without such weights or without a saddle has its status and no values.  With --instance the reference is what an
    algorithm finds (or with --teacher the teacher) on instances, and value and error are means over those where messages converge.
    """
    model, load_ = chosen.model(data="teacher" if teacher else "random-labels"), load(read_number("alpha", alpha))
    options = read_options(QUESTION, given)
    grid = {name: options[name] for name in QUESTION.vectors if name in options}
    if plot is not None:
        choice("--plot must end in .png or .pdf: its suffix", plot.suffix, (".png", ".pdf"))
    finite = Finite(n, instances, seed, algorithm, patterns, hidden)
    if instance:
        _refuse_state(branch, around_max_margin, algorithm if teacher else None)
        return around(model, load_, finite, options, teacher, (json, out, plot))
    finite.refuse()
    with collected_warnings() as found:
        state = _reference(model, load_, branch, around_max_margin, teacher, chosen)
        answer = fp.local_entropy(state, **options)
    columns = ["distance", "overlap", *QUESTION.printed, *(["energy"] if "energy" in options else [])]
    rows = points(answer, columns, f"no local entropy around {state.model!r} at alpha={state.alpha:g}, {where_asked(grid)}")
    if plot is not None:
        from flatphys.figures import local_entropy_curve

        weights = getattr(state.model.learner, "weights", "spherical")
        local_entropy_curve.draw_to(rows, *grid, weights, plot)
        typer.echo(f"wrote {plot}", err=True)
    if json:
        reference = {"kind": "teacher" if teacher else "max-margin" if around_max_margin else "state", "branch": state.branch}
        counted = {"margin": 0.0, "beta": math.inf, "energy": "errors"} | {n: x for n, x in options.items() if n not in grid}
        about = {"model": describe(state.model), "alpha": load_, "reference": reference, "counted": counted}
        write(as_json({**about, "points": rows, "warnings": found}), out)
    else:
        write(as_csv(columns, rows), out)


def _refuse_state(branch, around_max_margin, algorithm):
    """What names a reference of theory's, or a second one, has no place beside --instance."""
    wishes = (("--branch", branch is not None), ("--around-max-margin", around_max_margin), ("--teacher with --algorithm", algorithm))
    for name, wanted in wishes:
        if wanted:
            raise InvalidInput(f"{name} does not go with --instance: the reference is what one algorithm finds, or the teacher")


def _reference(model, alpha, branch, around_max_margin, teacher, chosen):
    """The state around which weights are counted."""
    wishes = (("--around-max-margin", around_max_margin), ("--teacher", teacher), ("--branch", branch is not None))
    asked = [name for name, wanted in wishes if wanted]
    if len(asked) > 1:
        raise InvalidInput(f"give one reference: {' and '.join(asked)} exclude each other")
    if around_max_margin:
        if not isinstance(model.learner, Gibbs) or model.learner.weights != "binary":
            raise InvalidInput(
                f"--around-max-margin is for binary weights of a gibbs learner, got {model.learner!r}; "
                f"trained rules have --learner max-margin"
            )
        if chosen.fields["margin"] is not None:
            raise InvalidInput(f"--around-max-margin sets the reference's margin: --margin {chosen.fields['margin']} does not apply")
        return reference_state(model, alpha, "max_margin")
    return reference_state(model, alpha, "teacher") if teacher else chosen_state(model, alpha, branch)
