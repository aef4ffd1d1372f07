"""Pattern updates per second of the Monte Carlo chains, beside a bare vectorised add over arrays of the same size.

    python benchmarks/bench_sampler.py [--n N] [--repeat R] [--device cpu|cuda] [--chains C] [--busy] [--json]

One flip attempt counts as P pattern updates (a pair of flips or a rotation as P too, though it moves every stability by two rows of
patterns).  The bare add is h += x[i] over random rows i, compiled alike, with int16 h and int8 x, or float64 h and the
patterns' own type: what a sampler would do that kept every stability of every proposal.  Every figure is the best of R, on
one thread and on all of them; on a GPU the bare add still runs on the CPU.  All chains share one instance, as the rows of the bare add
come from one array.
"""

import argparse
import json
import math
import platform
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import flatphys as fp
from flatphys._jit import jit
from flatphys.finite_size.chains.ensemble import Chains
from flatphys.finite_size.instances import make_instances

BINARY, SPHERICAL = fp.Gibbs("binary"), fp.Gibbs("spherical")
STORAGE, SPHERE = fp.Model(fp.RandomLabels(), BINARY), fp.Model(fp.RandomLabels(), SPHERICAL)


def committee(activation, weights="binary"):
    return fp.Model(fp.RandomLabels(), fp.Gibbs(weights, network=fp.TreeCommittee(activation)))


# name, model, instances, chains, sweeps of the burn-in, sweeps timed
CASES = [
    ("flips, +-1 patterns, beta = 0 (all accepted)", STORAGE, {}, dict(betas=0.0), 0, 20),
    ("flips, +-1 patterns, beta = 1", STORAGE, {}, dict(betas=1.0), 60, 60),
    ("flips, +-1 patterns, beta = 3", STORAGE, {}, dict(betas=3.0), 60, 60),
    ("pairs of flips, +-1 patterns, beta = 1", STORAGE, {}, dict(betas=1.0, reference="random", overlap=0.5), 60, 60),
    ("flips, Gaussian patterns, beta = 1", STORAGE, dict(patterns="gaussian"), dict(betas=1.0), 5, 5),
    ("rotations, +-1 patterns, beta = 1", SPHERE, {}, dict(betas=1.0, weights="spherical", tune=20), 20, 5),
    ("rotations, Gaussian patterns, beta = 1", SPHERE, dict(patterns="gaussian"), dict(betas=1.0, weights="spherical", tune=20), 20, 5),
    ("exchange of 8 temperatures, +-1 patterns", STORAGE, {}, dict(betas=np.linspace(0.5, 4.0, 8)), 20, 20),
    ("committee of sign, 8 units", committee("sign"), dict(hidden=8), dict(betas=1.0), 1, 1),
    ("committee of erf, 8 units", committee("erf"), dict(hidden=8), dict(betas=1.0), 1, 1),
    ("committee of relu, 8 units", committee("relu"), dict(hidden=8), dict(betas=1.0), 1, 1),
]


@jit
def add_rows(h, x, rows):
    """h += x[i] for every i of `rows`."""
    for i in rows:
        row = x[i]
        for mu in range(h.size):
            h[mu] += row[mu]


BUSY = False  # count CPU time


def best(function, repeat, threads=1):
    """Least seconds of `repeat` calls."""
    clock = (lambda: time.process_time() / threads) if BUSY else time.perf_counter
    times = []
    for _ in range(repeat):
        start = clock()
        function()
        times.append(clock() - start)
    return min(times)


def bare(n, fields, patterns, threads, repeat):
    """Updates per second of the bare add, every thread on arrays of its own."""
    rng = np.random.default_rng(0)
    work = []
    for _ in range(threads):
        x = rng.choice(np.array([-1, 1], patterns), (n, n))
        work.append((np.zeros(n, fields), x, rng.integers(0, n, 50000)))
    add_rows(*work[0])
    with ThreadPoolExecutor(threads) as pool:
        return 50000 * n * threads / best(lambda: list(pool.map(lambda args: add_rows(*args), work)), repeat, threads)


def measure(case, n, count, threads, repeat, device):
    """(updates per second, acceptance)."""
    name, model, instance, arguments, burn, sweeps = case
    betas = np.atleast_1d(arguments["betas"])
    instances = make_instances(model, n, 1.0, seed=1, **instance)
    arguments = {**arguments, "betas": tuple(betas)}
    if arguments.get("reference") == "random":
        arguments["reference"] = np.random.default_rng(0).choice([-1.0, 1.0], n)
    chains = Chains(instances, replicas=max(2, count // len(betas)), seed=2, threads=threads, device=device, **arguments).advance(burn + 1)
    before, done = chains.acceptance * chains.sweeps_done, chains.sweeps_done
    seconds = best(lambda: chains.advance(sweeps), repeat, threads)
    acceptance = (chains.acceptance * chains.sweeps_done - before) / (chains.sweeps_done - done)
    walkers = chains._walkers
    return walkers.count * walkers.steps * sweeps * walkers.p / seconds, float(np.mean(acceptance))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=2048, help="weights, and as many patterns")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--chains", type=int, default=16)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--busy", action="store_true", help="on a machine with other work: seconds of CPU time divided by the threads")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    global BUSY
    BUSY = args.busy
    import numba

    cores = numba.config.NUMBA_DEFAULT_NUM_THREADS
    rows, limits = [], {}
    for fields, patterns in ((np.int16, np.int8), (np.float64, np.int8), (np.float64, np.float32)):
        key = f"bare add, {np.dtype(fields)} += {np.dtype(patterns)}"
        limits[fields, patterns] = [bare(args.n, fields, patterns, threads, args.repeat) for threads in (1, cores)]
        rows.append((key, math.nan, *limits[fields, patterns], math.nan))
    for case in CASES:
        if args.only not in case[0]:
            continue
        real = "weights" in case[3] or "hidden" in case[2] or "patterns" in case[2]
        limit = limits[np.float64 if real else np.int16, np.float32 if "patterns" in case[2] else np.int8][0]
        figures = [measure(case, args.n, args.chains, threads, args.repeat, args.device) for threads in (1, cores)]
        rows.append((case[0], figures[0][1], figures[0][0], figures[1][0], figures[0][0] / limit))
    if args.json:
        names = ("case", "acceptance", "one_thread", "all_threads", "ratio")
        print(json.dumps([dict(zip(names, row)) for row in rows], indent=1))
        return
    versions = f"numba {numba.__version__}, Python {platform.python_version()}"
    print(f"N = P = {args.n}, {args.chains} chains, device {args.device}, {cores} cores, {versions}")
    print(f"{'':46s} {'accepted':>8s} {'1 thread':>10s} {f'{cores} threads':>10s}  speed-up   of the bare add")
    for name, acceptance, one, many, ratio in rows:
        print(f"{name:46s} {acceptance:8.3f} {one:10.2e} {many:10.2e} {many / one:9.2f} {ratio:17.2f}")


if __name__ == "__main__":
    main()
