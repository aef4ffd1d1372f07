"""The commands `deep compare` and `deep correlate`: many networks."""

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
    StopLoss,
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
from flatphys.cli.output import as_json, collected_warnings, command, print_table, write
from flatphys.cli.shared import Json


@command(
    deep_app,
    "compare",
    "deep compare --data digits --algorithms sgd,rsgd --seeds 3 --budget 30000 --out found",
    "deep compare --network convnet --data idx:/usr/share/datasets/fashion-mnist --train 2000 --pool 2 --out found",
)
def compare(
    network: Annotated[
        list[str] | None, typer.Option("--network", metavar="NAME", help="As for train; repeatable.  [default: mlp]")
    ] = None,
    data: Source = "digits",
    train: Train = None,
    test: Test = None,
    subset: Subset = 0,
    pool: Pool = 1,
    label_noise: LabelNoise = 0.0,
    algorithms: Annotated[str, typer.Option("--algorithms", metavar="LIST", help="Of sgd, sam, esgd, rsgd.")] = "sgd,sam,esgd,rsgd",
    settings: Settings = None,
    budget: Budget = 120_000,
    seeds: Annotated[int, typer.Option("--seeds", metavar="COUNT", help="Runs of each algorithm.")] = 6,
    stop_loss: StopLoss = None,
    sigma: Sigma = "0.2,0.5",
    draws: Draws = 32,
    workers: Annotated[int, typer.Option("--workers", metavar="N", help="Processes.")] = 1,
    out: Out = None,
    json: Json = False,
):
    """Errors and flatness of what algorithms find at one budget; runs kept in --out are not made again."""
    deep = package()
    from flatphys.deep.algorithms import BY_NAME
    from flatphys.deep.networks import Builder
    from flatphys.deep.pictures import energy_curves, errors_against_flatness
    from flatphys.sweeps.files import save_dataset

    given = settings_of(settings, BY_NAME.values())
    chosen = {name.strip(): algorithm_of(deep, name, given) for name in algorithms.split(",")}
    examples_ = loaded(deep, data, train, test, subset, pool, label_noise)
    builders = {name: Builder(name, examples_.input_shape, examples_.classes) for name in network or ["mlp"]}
    folder = made(out)
    how = {"sigma": numbers("--sigma", sigma), "draws": draws, "stop_loss": stop_loss, "workers": workers}
    with collected_warnings() as found:
        table = deep.compare(builders, examples_, chosen, seeds, budget, store=None if folder is None else folder / "runs.db", **how)
    if folder is not None:
        save_dataset(table, folder / "compare.nc")
        runs = [name for name in table.data_vars if not name.endswith(("_mean", "_error")) or name in ("train_error", "test_error")]
        save_dataset(table[runs], folder / "compare.csv")
        saved(lambda: errors_against_flatness(table), folder / "errors_against_local_energy.png")
        saved(lambda: energy_curves(table), folder / "local_energy_curves.png")
    names = [name for name in SHOWN if f"{name}_mean" in table]
    cells = _cells(table, names)
    if json:
        write(as_json({"algorithms": {name: repr(one) for name, one in chosen.items()}, "rows": cells, "warnings": found}), None)
        return
    rows = [[row["network"], row["algorithm"], *(f"{row[name]:.4g} +- {row[name + '_of_mean']:.1g}" for name in names)] for row in cells]
    print_table(f"Means over {seeds} seeds, {budget:,} gradients", ["network", "algorithm", *names], rows)


SHOWN = ("test_error", "test_loss", "train_error", "train_loss", "local_energy", "relative_flatness")


def _cells(table, names) -> list[dict]:
    """One record for every network and algorithm; the local energy at the first sigma."""
    out = []
    for network in map(str, table.network.values):
        for algorithm in map(str, table.algorithm.values):
            part = table.sel(network=network, algorithm=algorithm)
            row = {"network": network, "algorithm": algorithm}
            for name in names:
                mean, error = part[f"{name}_mean"], part[f"{name}_error"]
                row |= {name: float(mean.values.flat[0]), f"{name}_of_mean": float(error.values.flat[0])}
            out.append(row)
    return out


@command(
    deep_app,
    "correlate",
    "deep correlate --data digits --runs 12 --budget 20000",
    "deep correlate --data idx:/usr/share/datasets/fashion-mnist --train 2000 --pool 2 --stop-loss 0.1 --out found",
)
def correlate(
    network: NetworkName = "mlp",
    data: Source = "digits",
    train: Train = None,
    test: Test = None,
    subset: Subset = 0,
    pool: Pool = 1,
    label_noise: LabelNoise = 0.0,
    runs: Annotated[int, typer.Option("--runs", metavar="COUNT", help="Networks, each with random hyperparameters.")] = 42,
    budget: Budget = 120_000,
    stop_loss: StopLoss = None,
    seed: Annotated[int, typer.Option("--seed", metavar="SEED", help="Draws the hyperparameters.")] = 0,
    sigma: Sigma = "0.1,0.2,0.3,0.5",
    draws: Draws = 32,
    workers: Annotated[int, typer.Option("--workers", metavar="N", help="Processes.")] = 1,
    out: Out = None,
    json: Json = False,
):
    """Kendall's tau between measures of flatness and errors, with bootstrap intervals."""
    deep = package()
    from flatphys.deep.networks import Builder
    from flatphys.deep.pictures import taus
    from flatphys.sweeps.files import save_dataset

    examples_ = loaded(deep, data, train, test, subset, pool, label_noise)
    builder, folder = Builder(network, examples_.input_shape, examples_.classes), made(out)
    how = {"seed": seed, "sigma": numbers("--sigma", sigma), "draws": draws, "workers": workers}
    with collected_warnings() as found:
        table = deep.correlate(builder, examples_, runs, budget, stop_loss, store=None if folder is None else folder / "runs.db", **how)
    if folder is not None:
        save_dataset(table, folder / "correlate.nc")
        save_dataset(table[[name for name in table.data_vars if table[name].dims == ("run",)]], folder / "correlate.csv")
        saved(lambda: taus(table), folder / "taus.png")
    cells = [
        {
            "measure": str(m),
            "target": str(t),
            **{name: float(table[name].sel(measure=m, target=t)) for name in ("tau", "tau_low", "tau_high")},
        }
        for m in table.measure.values
        for t in table.target.values
    ]
    if json:
        write(as_json({"runs": runs, "rows": cells, "warnings": found}), None)
        return
    rows = [
        [str(m), *(f"{c['tau']:+.2f} [{c['tau_low']:+.2f}, {c['tau_high']:+.2f}]" for c in cells if c["measure"] == str(m))]
        for m in table.measure.values
    ]
    print_table(f"Kendall's tau over {runs} networks, 95%", ["measure", *map(str, table.target.values)], rows)
