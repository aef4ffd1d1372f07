"""Message passing on instances: iterations beside the matrix-vector products that they consist of, edges a second, exact counts.

    python benchmarks/bench_messages.py [--n N] [--repeat R] [--json]

The products are numpy's on a float64 copy of the patterns, which the package does not make.  Processor seconds of one thread, the best of
R; set OPENBLAS_NUM_THREADS=1.  Side by side with every weight vector
counted (N = 21).
"""

import argparse
import json
import platform
import time

import numpy as np

import flatphys as fp
from flatphys.finite_size.messages.amp import Task, amp
from flatphys.finite_size.messages.edges import edges
from flatphys.finite_size.messages.sites import Site
from flatphys.kernels.codes import BINARY, SPHERICAL
from flatphys.problem import channel_of

NEVER = 1e-300  # a tolerance that no iteration meets
ITERATIONS = [
    ("binary, +-1 patterns", fp.Gibbs("binary", beta=1.0), "sign"),
    ("binary, Gaussian patterns", fp.Gibbs("binary", beta=1.0), "gaussian"),
    ("spherical, +-1 patterns", fp.Gibbs("spherical", beta=1.0), "sign"),
    ("binary, hinge, +-1 patterns", fp.Gibbs("binary", 0.3, 1.0, energy="hinge"), "sign"),
]
EDGES = [
    ("no errors, +-1 patterns", fp.Gibbs("binary"), 0.6, "sign"),
    ("no errors, Gaussian patterns", fp.Gibbs("binary"), 0.6, "gaussian"),
    ("counted errors, beta = 1, Gaussian patterns", fp.Gibbs("binary", 0.3, 1.0), 1.0, "gaussian"),
    ("hinge, beta = 1, Gaussian patterns", fp.Gibbs("binary", 0.3, 1.0, energy="hinge"), 1.0, "gaussian"),
]


def seconds(work, repeat):
    """Of the processor, the best of `repeat` after one that compiles."""
    work()
    best = float("inf")
    for _ in range(repeat):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def task_of(learner, n, alpha, kind):
    x = fp.make_instances(fp.Model(fp.RandomLabels(), learner), n, alpha, seed=1, patterns=kind).patterns[0]
    site = Site(BINARY if learner.weights == "binary" else SPHERICAL, 0.0, 0.0, 1.0)
    return Task(x, None, 1.0, 1, channel_of(learner.energy, learner.margin, learner.beta), site, np.zeros(n))


def iterations(n, repeat):
    for name, learner, kind in ITERATIONS:
        task = task_of(learner, n, 1.0, kind)
        x, vector = task.x.astype(np.float64), np.random.default_rng(0).standard_normal(n)
        products = seconds(lambda: [(vector @ x, x @ vector) for _ in range(5)], repeat) / 5
        one = seconds(lambda: amp(task, 0.0, NEVER, 10), repeat) / 10
        yield {"what": name, "iteration": one, "two products": products, "ratio": one / products}


def messages(n, repeat):
    for name, learner, alpha, kind in EDGES:
        task = task_of(learner, n, alpha, kind)
        sweep = seconds(lambda: edges(task, 0.0, NEVER, 5, False), repeat) / 5
        yield {"what": name, "sweep": sweep, "edges a second": task.x.size / sweep}


def counted(repeat, n=21):
    instances = fp.make_instances(fp.Model(), n, 0.5, count=8, seed=4)
    exact = fp.enumerate_weights(instances)
    yield {"what": "all 2^21 weights counted", "seconds an instance": seconds(lambda: fp.enumerate_weights(instances), repeat) / 8}
    for method in ("amp", "bp", "bp-exact"):
        found = fp.message_passing(instances, method)
        error = float(np.sqrt(np.nanmean((found.free_entropy - exact.entropy) ** 2)))
        spent = seconds(lambda: fp.message_passing(instances, method), repeat) / 8
        yield {"what": method, "seconds an instance": spent, "rms error of the free entropy": error}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=2048)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [*iterations(options.n, options.repeat), *messages(1001, options.repeat), *counted(options.repeat)]
    if options.json:
        print(json.dumps({"machine": platform.processor() or platform.machine(), "python": platform.python_version(), "rows": rows}))
        return
    for row in rows:
        print(f"{row.pop('what'):46}" + "   ".join(f"{name} {value:.3g}" for name, value in row.items()))


if __name__ == "__main__":
    main()
