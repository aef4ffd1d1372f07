"""The command `local-energy`: what random perturbations of the weights cost."""

import flatphys as fp
from flatphys.cli import app
from flatphys.cli.options import ModelOptions, describe, read_number, read_options, takes_model, takes_options
from flatphys.cli.output import as_csv, as_json, collected_warnings, command, write
from flatphys.cli.shared import Alpha, Branch, Json, Out, chosen_state
from flatphys.questions.catalogue import QUESTIONS
from flatphys.validate import load

QUESTION = QUESTIONS["local_energy"]


@command(
    app, "local-energy", "local-energy 0.5 --sigma 0.1,0.5,1", "local-energy --data teacher 1.5 --branch teacher --distance 0:0.1:11 --json"
)
@takes_model
@takes_options(QUESTION, without=("reference",))
def local_energy(alpha: Alpha, chosen: ModelOptions, given: dict, branch: Branch = None, json: Json = False, out: Out = None):
    """Increase of the training error under random perturbations of the weights (CSV, or --json)."""
    model, load_ = chosen.model(), load(read_number("alpha", alpha))
    ((name, places),) = read_options(QUESTION, given).items()
    with collected_warnings() as found:
        values = fp.local_energy(chosen_state(model, load_, branch), **{name: places})
    rows = [{name: x, "local_energy": float(value)} for x, value in zip(places, values, strict=True)]
    if json:
        write(as_json({"model": describe(model), "alpha": load_, "points": rows, "warnings": found}), out)
    else:
        write(as_csv([name, "local_energy"], rows), out)
