"""Networks: measures in forward passes, algorithms in steps of SGD, stacked seeds beside a loop, SGD beside torch's own loop.

    python benchmarks/bench_networks.py [--repeat R] [--json]

CPU time of one thread, the best of R; needs the extra `flatphys[torch]`.  Images are drawn at random: times do not depend on them.
"""

import argparse
import json
import platform
import time

import torch

from flatphys import deep
from flatphys.deep import gradients
from flatphys.deep.evaluate import error_and_loss
from flatphys.deep.losses import loss_of
from flatphys.deep.training import Training

DRAWS, STEPS, SEEDS = 32, 100, 6


def best(function, repeat):
    """Least CPU seconds of a call."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def images(count, side):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, 1, side, side, generator=generator)
    return deep.Data(x, torch.randint(0, 10, (count,), generator=generator))


def step(build, data, algorithm, seeds=1, stacked=None):
    """CPU seconds of one step of all seeds."""
    gradients.STACKED = {None: gradients.STACKED, True: 1, False: 10**9}[stacked]
    training = Training([build], data, algorithm, STEPS * algorithm.cost, list(range(seeds)), "cross-entropy")
    training._begin()
    start = time.process_time()
    training._go_on(lambda done: None)
    return (time.process_time() - start) / STEPS


def plain(build, data):
    """CPU seconds of a step of torch's own SGD."""
    network = build()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.03, momentum=0.9, nesterov=True, weight_decay=5e-3)
    start = time.process_time()
    for t in range(STEPS):
        rows = slice(50 * (t % 20), 50 * (t % 20) + 50)
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(data.train_x[rows]), data.train_y[rows]).backward()
        optimiser.step()
    return (time.process_time() - start) / STEPS


def measure(repeat) -> dict:
    out = {}
    for name, side in (("mlp", 14), ("lenet", 28)):
        build, data = (lambda name=name, side=side: deep.network(name, (1, side, side), 10)), images(1000, side)
        network, loss = build().eval(), loss_of("cross-entropy")
        forward = best(lambda: error_and_loss(network, data.train_x, data.train_y, loss), 5 * repeat)
        out[f"{name}: forward pass of 1000 images, ms"] = 1e3 * forward
        out[f"{name}: local energy, {DRAWS} draws, forward passes"] = (
            best(lambda: deep.local_energy(network, data, 0.2, DRAWS), repeat) / forward
        )
        layer = "3" if name == "mlp" else "8"
        flatness = lambda layer=layer: deep.relative_flatness(network, data, layer, method="hutchinson", draws=DRAWS)
        out[f"{name}: {DRAWS} draws of kappa and trace of a dense layer, forward passes"] = best(flatness, repeat) / forward
        sgd = min(step(build, data, deep.SGD()) for _ in range(repeat))
        out[f"{name}: step of SGD, ms"] = 1e3 * sgd
        out[f"{name}: step of torch's own loop, ms"] = 1e3 * min(plain(build, data) for _ in range(repeat))
        for algorithm in (deep.SAM(), deep.EntropySGD(), deep.ReplicatedSGD(replicas=4)):
            title = f"{type(algorithm).__name__}{'' if algorithm.rows == 1 else ', 4 replicas'}"
            out[f"{name}: step of {title}, steps of SGD"] = min(step(build, data, algorithm, stacked=False) for _ in range(repeat)) / sgd
        if name == "mlp":
            loop, stack = (min(step(build, data, deep.SGD(), SEEDS, how) for _ in range(repeat)) for how in (False, True))
            out[f"{name}: {SEEDS} seeds stacked over a loop"] = stack / loop
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(arguments.repeat)
    if arguments.json:
        print(json.dumps({"machine": platform.processor() or platform.machine(), "torch": torch.__version__, **found}, indent=2))
        return
    for name, value in found.items():
        print(f"{name:70s} {value:8.3g}")


if __name__ == "__main__":
    main()
