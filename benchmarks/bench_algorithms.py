"""Algorithms for binary weights: a presentation of a pattern beside a bare dot product, replicas beside one, a move of annealing.

    python benchmarks/bench_algorithms.py [--n N] [--alpha ALPHA] [--repeat R] [--json]

The bare products are those of all patterns with one vector, per pattern: int8 with int8 compiled alike, a matrix-vector product of
BLAS in float32, and bits, 64 weights a word (what the algorithms use).  Presentations are those of whole runs of 1000
epochs, updates, shuffles and looks for solutions included.  One thread, CPU time, the best of R.
"""

import argparse
import json
import platform
import time

import numpy as np

import flatphys as fp
from flatphys._jit import jit
from flatphys.finite_size.binary.layout import count_errors
from flatphys.finite_size.rules import one_thread

CALLS = 20
RUN = {"epochs": 1000, "gamma": fp.Schedule(0.05, 0.55, steps=1000)}


@jit
def dots(x, w, out):
    """out[mu] = sum_i x[mu, i] w[i]."""
    for mu in range(len(x)):
        total = np.int64(0)
        for i in range(w.size):
            total += x[mu, i] * w[i]
        out[mu] = total


def best(function, repeat):
    """Least CPU seconds of a call, `CALLS` at a time (the clock is coarse)."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        for _ in range(CALLS):
            function()
        times.append((time.process_time() - start) / CALLS)
    return min(times)


def whole(algorithm, instances):
    """CPU seconds of an epoch, over a whole run of 1000 that solves nothing."""
    search, start = algorithm.begin(instances, 0, 1), time.process_time()
    while not search.advance():
        pass
    if search.iterations < 1000:
        raise SystemExit(f"{algorithm!r} ended: take a larger load")
    return (time.process_time() - start) / search.iterations


def stepped(algorithm, instances, repeat, warm):
    """Least seconds of one advance, and how many iterations that is, once `warm` advances are done."""
    search = algorithm.begin(instances, 0, 1)
    for _ in range(warm):
        search.advance()
    seconds = []
    for _ in range(repeat):
        before, start = search.iterations, time.process_time()
        if search.advance() or search.iterations == before:
            raise SystemExit(f"{algorithm!r} ended: take a larger load")
        seconds.append((time.process_time() - start) / (search.iterations - before))
    return min(seconds)


def measure(n, alpha, repeat):
    """Nanoseconds by name."""
    instances = fp.make_instances(fp.Model(), n, alpha, seed=1)
    p = instances.p
    x = np.ascontiguousarray(instances.patterns[0].T)
    w = np.where(np.random.default_rng(2).random(n) < 0.5, -1, 1).astype(np.int8)
    out, real, vector = np.empty(p, np.int64), x.astype(np.float32), w.astype(np.float32)
    sgd = fp.SGD(epochs=1).begin(instances, 0, 1)
    sgd.advance()
    found = {
        "dot product: int8": best(lambda: dots(x, w, out), repeat) / p,
        "dot product: BLAS float32": best(lambda: real @ vector, repeat) / p,
        "dot product: bits": best(lambda: count_errors(sgd.patterns, sgd.state.words[0], sgd.state.signs[0], p + 1), repeat) / p,
    }
    for name, algorithm, replicas in (
        ("SGD", fp.SGD(), 1),
        ("ReplicatedSGD, 3 replicas", fp.ReplicatedSGD(replicas=3, **RUN), 3),
        ("ReplicatedSGD, 7 replicas", fp.ReplicatedSGD(**RUN), 7),
        ("ReplicatedSGD, 7, explicit centre", fp.ReplicatedSGD(centre="explicit", **RUN), 7),
        ("SBPI", fp.SBPI(epochs=1000), 1),
    ):
        found[f"presentation: {name}"] = min(whole(algorithm, instances) for _ in range(max(2, repeat // 20))) / p / replicas
    for name, algorithm, replicas in (
        ("SimulatedAnnealing", fp.SimulatedAnnealing(beta=2.0, sweeps=10**6), 1),
        ("ReplicatedAnnealing, 3 replicas", fp.ReplicatedAnnealing(beta=2.0, gamma=0.5, sweeps=10**6), 3),
    ):
        found[f"move: {name}"] = stepped(algorithm, instances, repeat, 2) / n / replicas
    found = {name: 1e9 * seconds for name, seconds in found.items()}
    ratios = {"SGD presentation / int8 product": found["presentation: SGD"] / found["dot product: int8"]}
    for y in (3, 7):
        ratios[f"{y} replicas / SGD, to stay below {y + 1}"] = (
            y * found[f"presentation: ReplicatedSGD, {y} replicas"] / found["presentation: SGD"]
        )
    return found, ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1001)
    parser.add_argument("--alpha", type=float, default=0.9)
    parser.add_argument("--repeat", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with one_thread():
        found, ratios = measure(args.n, args.alpha, args.repeat)
    if args.json:
        print(json.dumps({"nanoseconds": found, "ratios": ratios, "machine": platform.processor(), "n": args.n, "alpha": args.alpha}))
        return
    for name, value in found.items():
        print(f"{name:45s} {value:9.1f} ns")
    for name, value in ratios.items():
        print(f"{name:45s} {value:9.2f}")


if __name__ == "__main__":
    main()
