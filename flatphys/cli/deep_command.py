"""The commands `deep train` and `deep measure`: one network."""

import pathlib
from typing import Annotated

import typer

from flatphys.cli.deep_options import (
    Budget,
    Draws,
    LabelNoise,
    NetworkName,
    Out,
    Pool,
    Settings,
    Sigma,
    Source,
    Subset,
    Test,
    Train,
    algorithm_of,
    deep_app,
    loaded,
    made,
    numbers,
    package,
    saved,
    settings_of,
)
from flatphys.cli.output import as_csv, as_json, collected_warnings, command, print_table, write
from flatphys.cli.shared import Json
from flatphys.errors import InvalidInput


@command(
    deep_app,
    "train",
    "deep train --data digits --algorithm rsgd --budget 60000 --out found",
    "deep train --network convnet --data idx:/usr/share/datasets/fashion-mnist --train 2000 --pool 2 --set lr=0.1",
)
def train(
    network: NetworkName = "mlp",
    data: Source = "digits",
    train: Train = None,
    test: Test = None,
    subset: Subset = 0,
    pool: Pool = 1,
    label_noise: LabelNoise = 0.0,
    algorithm: Annotated[str, typer.Option("--algorithm", metavar="NAME", help="sgd, sam, esgd or rsgd.")] = "sgd",
    settings: Settings = None,
    budget: Budget = 120_000,
    seed: Annotated[int, typer.Option("--seed", metavar="SEED", help="Of initial weights, minibatches, noise.")] = 0,
    out: Out = None,
    json: Json = False,
):
    """Train one network; --out keeps its weights (network.pt), history.csv, a picture, and a checkpoint to go on from."""
    deep = package()
    from flatphys.deep.algorithms import BY_NAME
    from flatphys.deep.networks import Builder
    from flatphys.deep.pictures import along_a_run
    from flatphys.sweeps.files import columns_of

    chosen = algorithm_of(deep, algorithm, settings_of(settings, BY_NAME.values()))
    examples_ = loaded(deep, data, train, test, subset, pool, label_noise)
    builder, folder = Builder(network, examples_.input_shape, examples_.classes), made(out)
    with collected_warnings() as found:
        run = deep.train(builder, examples_, chosen, budget, seed, checkpoint=None if folder is None else folder / "checkpoint.pt")
    scores = {name: getattr(run, name) for name in ("train_error", "test_error", "train_loss", "test_loss", "gradients", "seconds")}
    if folder is not None:
        import torch

        torch.save(run.network.state_dict(), folder / "network.pt")
        names, columns = columns_of(run.history)
        write(as_csv(names, [dict(zip(names, row)) for row in zip(*columns)]), folder / "history.csv")
        saved(lambda: along_a_run(run.history), folder / "history.png")
    if json:
        write(as_json({"algorithm": repr(chosen), "network": network, **scores, "warnings": found}), None)
    else:
        print_table(f"{network} trained by {chosen!r}", ["", ""], [[name, f"{value:.6g}"] for name, value in scores.items()])


@command(
    deep_app, "measure", "deep measure --weights found/network.pt --data digits --sigma 0.1,0.2,0.5", "deep measure --json --network lenet"
)
def measure(
    network: NetworkName = "mlp",
    weights: Annotated[
        pathlib.Path | None, typer.Option("--weights", metavar="FILE", help="A state_dict.  [default: initial weights]")
    ] = None,
    data: Source = "digits",
    train: Train = None,
    test: Test = None,
    subset: Subset = 0,
    pool: Pool = 1,
    label_noise: LabelNoise = 0.0,
    sigma: Sigma = "0.1,0.2,0.5",
    draws: Draws = 32,
    out: Out = None,
    json: Json = False,
):
    """Errors, local energy, relative flatness, trace, norm and margin of one network on its training data."""
    deep = package()
    from flatphys.deep.columns import UNITS, measures
    from flatphys.deep.networks import Builder

    examples_ = loaded(deep, data, train, test, subset, pool, label_noise)
    one = Builder(network, examples_.input_shape, examples_.classes)()
    if weights is not None:
        _fill(one, weights)
    found = measures(one, examples_, numbers("--sigma", sigma), draws)
    energy = deep.local_energy(one, examples_, numbers("--sigma", sigma), draws)
    rows = [
        {"sigma": s, "local_energy": v, "error": e}
        for s, v, e in zip(*(part.tolist() for part in (energy.sigma, energy.value, energy.error)))
    ]
    folder = made(out)
    if folder is not None:
        from flatphys.plotting import style

        write(as_csv(list(rows[0]), rows), folder / "local_energy.csv")

        def drawn():
            figure, ax = style.panels()
            energy.plot(ax, color=style.BLUE)
            return figure

        saved(drawn, folder / "local_energy.png")
    scores = {name: value for name, value in found.items() if not hasattr(value, "shape")}
    if json:
        write(as_json({"network": network, **scores, "local_energy": rows}), None)
        return
    lines = [[name, f"{value:.6g}", UNITS[name]] for name, value in scores.items()]
    lines += [
        [f"local_energy({row['sigma']:g})", f"{row['local_energy']:.6g} +- {row['error']:.2g}", UNITS["local_energy"]] for row in rows
    ]
    print_table(f"{network} on {examples_.name}", ["", "", ""], lines)


def _fill(network, path):
    """The state_dict of a file; no code in it is run."""
    import pickle

    import torch

    try:
        network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    except FileNotFoundError:
        raise InvalidInput(f"--weights {path} does not exist") from None
    except (RuntimeError, KeyError, TypeError, EOFError, AttributeError, pickle.UnpicklingError) as error:
        raise InvalidInput(f"--weights {path} holds no weights of this network ({str(error).splitlines()[0]})") from None
