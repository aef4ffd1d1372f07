"""What the commands of networks share: their application, options, and how data, algorithms and folders are made of them."""

import ast
import dataclasses
import importlib.util
import pathlib
from typing import Annotated

import typer

from flatphys.cli import app
from flatphys.cli.output import examples, fail
from flatphys.errors import InvalidInput

deep_app = typer.Typer(
    help="Networks: train, measure and compare torch modules.", no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False
)
app.add_typer(
    deep_app, name="deep", epilog=examples("deep compare --data digits --algorithms sgd,rsgd --seeds 3 --budget 30000 --out found")
)

NetworkName = Annotated[
    str, typer.Option("--network", metavar="NAME", help="mlp, lenet, convnet, resnet18, efficientnet-b0, or MODULE:FUNCTION.")
]
Source = Annotated[str, typer.Option("--data", metavar="SOURCE", help="digits, idx:FOLDER, npz:FILE or folder:PATH.")]
Train = Annotated[int | None, typer.Option("--train", metavar="N", help="Training images, drawn by --subset.  [default: all]")]
Test = Annotated[int | None, typer.Option("--test", metavar="N", help="Test images.  [default: all]")]
Subset = Annotated[int, typer.Option("--subset", metavar="SEED", help="Draws the training images.")]
Pool = Annotated[int, typer.Option("--pool", metavar="K", help="Mean over K x K pixels.")]
LabelNoise = Annotated[float, typer.Option("--label-noise", metavar="SHARE", help="Share of training labels that are replaced.")]
Budget = Annotated[int, typer.Option("--budget", metavar="GRADIENTS", help="Gradients of examples, inner steps and replicas counted.")]
Sigma = Annotated[str, typer.Option("--sigma", metavar="LIST", help="Relative noise of the local energy.")]
Draws = Annotated[int, typer.Option("--draws", metavar="N", help="Draws of the noise.")]
Out = Annotated[pathlib.Path | None, typer.Option("--out", metavar="DIR", help="Write tables, figures and stored runs into this folder.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of every algorithm that has it, e.g. lr=0.1; repeatable."),
]
StopLoss = Annotated[float | None, typer.Option("--stop-loss", metavar="LOSS", help="Stop each run at this training loss.")]


def package():
    """The package; one sentence where torch is missing."""
    if importlib.util.find_spec("torch") is None:
        fail("networks need torch and scikit-learn: pip install 'flatphys[torch]'", 1)
    from flatphys import deep

    return deep


def loaded(deep, source, train, test, subset, pool, label_noise):
    """The data of `--data` and the options beside it; a missing package ends the command with a sentence."""
    try:
        return deep.load_data(source, train, test, subset, pool=pool, label_noise=label_noise)
    except ImportError as error:
        fail(error, 1)


def algorithm_of(deep, name, settings):
    """An algorithm by its short name, with the settings that it has."""
    from flatphys import validate
    from flatphys.deep.algorithms import BY_NAME

    kind = BY_NAME[validate.choice("--algorithm", name.strip(), tuple(BY_NAME))]
    names = {field.name for field in dataclasses.fields(kind)}
    return kind(**{key: value for key, value in settings.items() if key in names})


def settings_of(given, kinds):
    """{name: value} of --set; a name that no algorithm has is refused."""
    names = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    out = {}
    for text in given or []:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or name not in names:
            raise InvalidInput(f"--set must be NAME=VALUE with one of {', '.join(sorted(names))}, got {text!r}")
        try:
            out[name] = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            out[name] = value.strip()
    return out


def numbers(name, text):
    """The numbers of a comma-separated list."""
    try:
        return [float(one) for one in text.split(",")]
    except ValueError:
        raise InvalidInput(f"{name} must be numbers separated by commas, got {text!r}") from None


def made(out):
    """The folder of `--out`, which then exists."""
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    return out


def saved(draw, path):
    """The figure that `draw()` makes, for print."""
    from flatphys.plotting import style

    with style.paper():
        style.save_figure(draw(), path)
    typer.echo(f"wrote {path}", err=True)
