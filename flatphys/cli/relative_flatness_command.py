"""The command `relative-flatness`: the curvature at a minimiser of a loss, or of a smooth energy at its sampled weights."""

import flatphys as fp
from flatphys.cli import app
from flatphys.cli.options import ModelOptions, describe, read_number, takes_model
from flatphys.cli.output import as_json, collected_warnings, command, print_table, write
from flatphys.cli.shared import Alpha, Json
from flatphys.display import figure
from flatphys.validate import load


@command(
    app,
    "relative-flatness",
    "relative-flatness --data gaussian-mixture --loss logistic --l2 0.01 2",
    "relative-flatness --energy squared-hinge --beta 2 --margin 0.5 0.7",
)
@takes_model
def relative_flatness(alpha: Alpha, chosen: ModelOptions, json: Json = False):
    """|w|^2 Tr Hessian / N of the mean training loss: of an erm learner, or of a gibbs learner with a smooth energy."""
    model, load_ = chosen.model(learner="erm"), load(read_number("alpha", alpha))
    with collected_warnings() as found:
        value = fp.relative_flatness(fp.solve(model, load_))
    if json:
        return write(as_json({"model": describe(model), "alpha": load_, "relative_flatness": value, "warnings": found}), None)
    print_table(f"{model!r} at alpha={load_:g}", ["", "value"], [["relative_flatness", figure(value)]])
