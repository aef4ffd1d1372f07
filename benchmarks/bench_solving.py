"""Message passing that solves: an iteration beside its two matrix-vector products, and time and memory to a solution by size.

    python benchmarks/bench_solving.py [--repeat R] [--sizes N ...] [--alpha ALPHA] [--count COUNT] [--algorithm NAME] [--json]

Iterations at N = P = 2048, CPU time of one thread, the best of R; products on int8 (as the algorithms do them) and by BLAS on a copy in
float32.
"""

import argparse
import json
import platform
import resource
import time

import numpy as np

import flatphys as fp
from flatphys.finite_size.messages import products, solving
from flatphys.finite_size.messages.driven import Driven
from flatphys.finite_size.rules import one_thread

ALGORITHMS = {"FocusingBP": (0.5, 3.0), "SelfFieldBP": (0.5, 1.0), "ReinforcedBP": (0.5, 1.0)}


def best(function, repeat, calls):
    """Least CPU seconds of a call."""
    times = []
    for _ in range(repeat):
        start = time.thread_time()
        for _ in range(calls):
            function()
        times.append((time.thread_time() - start) / calls)
    return min(times)


def iterations(repeat, n=2048):
    """Rows of the first table."""
    instances = fp.make_instances(fp.Model(), n, 1.0, seed=1)
    x, m, fields = instances.patterns[0], np.ones(n, np.float32), np.empty(n, np.float32)
    copy = x.astype(np.float32)
    rows = []

    def both():
        products.along_weights(x, m, fields)
        products.along_patterns(x, m, fields)

    both()
    rows.append({"what": "two products, int8", "ms": 1e3 * best(both, repeat, 10)})
    rows.append({"what": "two products, BLAS on float32", "ms": 1e3 * best(lambda: (m @ copy, copy @ m), repeat, 10)})
    for name, (strength, y) in ALGORITHMS.items():
        algorithm = getattr(fp, name)()
        search, drive, looks = Driven(algorithm, instances, 0, 1), np.tile([strength, y, 0.5], (10, 1)), np.zeros(10, bool)
        looks[-1] = True
        call = lambda search=search, algorithm=algorithm, drive=drive, looks=looks: solving.iterate(
            search.patterns, search.course, algorithm.kind, drive, looks
        )
        call()
        rows.append({"what": f"iteration of {name}", "ms": 1e2 * best(call, repeat, 1)})
    for row in rows:
        row["ratio"] = row["ms"] / rows[1]["ms"]
    return rows


def solutions(name, sizes, alpha, count):
    """Rows of the second table."""
    rows = []
    for n in sizes:
        instances = fp.make_instances(fp.Model(), n, alpha, count=count, seed=2026)
        found = fp.find(instances, getattr(fp, name)(), threads=1, progress=False)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        rows.append({"n": n, "solved": int(found.solved.sum()), "of": count, "iterations": float(np.median(found.iterations))})
        rows[-1] |= {"seconds": float(np.median(found.seconds)), "peak_GB": memory}
        print(rows[-1], flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1001, 4001])
    parser.add_argument("--alpha", type=float, default=0.6)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--algorithm", default="ReinforcedBP")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with one_thread():
        result = {"machine": platform.processor() or platform.machine(), "iterations": iterations(args.repeat)}
        if not args.json:
            for row in result["iterations"]:
                print(f"{row['what']:32s} {row['ms']:8.3f} ms   {row['ratio']:.2f}")
        result["solutions"] = solutions(args.algorithm, args.sizes, args.alpha, args.count)
    if args.json:
        print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
