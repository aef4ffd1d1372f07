"""Time per point of replicated solutions, one-step states and flatness thresholds, with the integrand counts.

An integrand is one evaluation of log H or log 2cosh and its derivatives inside a quadrature sum; the counts are those of
one evaluation of the equations at the last point of the curve, times the evaluations that the point took.
"""

import argparse
import json
import time
import warnings

import numpy as np

import flatphys as fp
from flatphys.numerics.quadrature import buffers
from flatphys.observables.replicated_entropy import replicated_entropy
from flatphys.saddle.breaking import replicas as replicated
from flatphys.saddle.breaking.averages import pattern_nodes
from flatphys.saddle.breaking.limit import pattern_nodes as limit_nodes
from flatphys.saddle.breaking.states import solve_one_step
from flatphys.thresholds.dense import replicated_flatness_threshold

CURVE = np.geomspace(0.005, 0.2, 20)
BINARY = fp.Model(fp.RandomLabels(), fp.Gibbs("binary"))
TEACHER = fp.Model(fp.Teacher(), fp.Gibbs("binary"))
SPHERICAL = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical"))
NEGATIVE = fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", margin=-1.0))
FROZEN = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=8.0))

# (what, the call, points per call, target in ms a point, representative (model, alpha, y, distance) for the node counts)
CASES = [
    ("y=inf, binary, 20 distances", lambda: replicated_entropy(BINARY, 0.6, distance=CURVE), 20, 5.0),
    ("y=inf, binary, one distance 0.05", lambda: replicated_entropy(BINARY, 0.6, distance=0.05), 1, 5.0),
    ("y=inf, binary teacher, 20 distances", lambda: replicated_entropy(TEACHER, 0.8, distance=CURVE), 20, 5.0),
    ("y=inf, spherical, 20 distances", lambda: replicated_entropy(SPHERICAL, 1.0, distance=CURVE), 20, 5.0),
    ("y=2, binary, 20 distances", lambda: replicated_entropy(BINARY, 0.6, distance=CURVE, y=2.0), 20, 50.0),
    ("y=20, binary, 20 distances", lambda: replicated_entropy(BINARY, 0.6, distance=CURVE, y=20.0), 20, 50.0),
    ("y=20, binary, one distance 0.05", lambda: replicated_entropy(BINARY, 0.6, distance=0.05, y=20.0), 1, 50.0),
    ("y=1000, binary, 20 distances", lambda: replicated_entropy(BINARY, 0.6, distance=CURVE, y=1000.0), 20, 50.0),
    ("y=20, binary teacher, 20 distances", lambda: replicated_entropy(TEACHER, 0.8, distance=CURVE, y=20.0), 20, 50.0),
    ("1RSB, spherical margin -1, alpha 9", lambda: solve_one_step(NEGATIVE, 9.0), 1, 200.0),
    ("1RSB, spherical margin -1, alpha 12.3", lambda: solve_one_step(NEGATIVE, 12.3), 1, 200.0),
    ("1RSB, frozen binary, beta 8, alpha 2", lambda: solve_one_step(FROZEN, 2.0), 1, 200.0),
    ("flatness threshold, y=inf", lambda: replicated_flatness_threshold(BINARY), 1, 20000.0),
    ("flatness threshold, y=20", lambda: replicated_flatness_threshold(BINARY, 20.0), 1, 20000.0),
    ("flatness threshold, Sigma=0", lambda: replicated_flatness_threshold(BINARY, vanishing_external=True), 1, 20000.0),
]


def evaluations(call):
    """How often one call evaluates the equations of replicated solutions."""
    count = [0]
    plain = replicated.evaluate

    def counted(*args):
        count[0] += 1
        return plain(*args)

    replicated.evaluate = counted
    try:
        call()
    finally:
        replicated.evaluate = plain
    return count[0]


def nodes():
    """Outer nodes of the pattern average at distance 0.05, alpha 0.6: {y: number}."""
    out = {}
    for y in (2.0, 20.0, 1000.0):
        dense = replicated_entropy(BINARY, 0.6, distance=0.05, y=y)
        v, q0, rho = 0.1, float(dense.q0[0]), float(dense.delta_q[0]) / y / 0.1
        out[f"y={y:g}"] = pattern_nodes(0, 0.0, v, q0, 0.0, rho, y, 0, *buffers())[0]
    dense = replicated_entropy(BINARY, 0.6, distance=0.05)
    out["y=inf"] = limit_nodes(0, 0.0, 0.1, 0.9, float(dense.delta_q[0]) / 0.1, 0.0, 0, -12.0, *buffers())
    return out


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="without the thresholds at finite y")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for name, call, points, target in CASES[: -2 if arguments.quick else None]:
        call()
        times, start = [], time.perf_counter()
        while len(times) < 3 and time.perf_counter() - start < 20.0:
            t = time.perf_counter()
            call()
            times.append(time.perf_counter() - t)
        count = evaluations(call)
        rows.append({"case": name, "ms_per_point": 1e3 * min(times) / points, "target_ms": target, "evaluations_per_point": count / points})
    counts = nodes()
    if arguments.json:
        print(json.dumps({"rows": rows, "outer_pattern_nodes": counts}, indent=1))
        return
    print(f"{'case':42s} {'ms a point':>12s} {'target':>10s} {'evaluations':>12s}")
    for r in rows:
        evals = f"{r['evaluations_per_point']:12.1f}" if r["evaluations_per_point"] else f"{'':>12s}"
        print(f"{r['case']:42s} {r['ms_per_point']:12.2f} {r['target_ms']:10.0f} {evals}")
    print("outer pattern nodes of one evaluation at alpha 0.6, distance 0.05: " + ", ".join(f"{k}: {n}" for k, n in counts.items()))
    print("inner nodes of each: 30 to 130 (patterns), about 60 to 260 (weights); y=inf has no inner sum")


if __name__ == "__main__":
    main()
