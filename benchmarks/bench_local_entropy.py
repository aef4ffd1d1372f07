"""Time per point of the local entropy, and how far it is from what the integrand itself costs.

Columns: time of a cold single point (start at d = 1/4, then continuation) and per point of a 50-point curve;
integrand evaluations per point of the curve; nanoseconds per evaluation, beside the cost of one
`channel` call in a tight loop (the least an evaluation can cost).
"""

import argparse
import json
import math
import time
import warnings

import numpy as np

import flatphys as fp
from flatphys._jit import jit
from flatphys.kernels.channels import channel
from flatphys.kernels.codes import ERRORS, Channel
from flatphys.observables.local_entropy import local_entropy
from flatphys.saddle.franz_parisi.curve import curve_around
from flatphys.saddle.franz_parisi.reference import teacher_state
from flatphys.thresholds.crossings import zero_crossings
from flatphys.thresholds.flatness import flatness_threshold


@jit
def evaluations(n):
    """n calls of the channel of hard constraints, whose results are used."""
    total, hard = 0.0, Channel(ERRORS, 0.0, math.inf)
    for i in range(n):
        log_f, a, b = channel(hard, -3.0 + 6.0 * i / n, 1.0)
        total += log_f + a + b
    return total


def best(function, repeats=3):
    """Least time of one call."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def solved(weights, alpha, margin=0.0, beta=math.inf, data=None):
    return fp.solve(fp.Model(data or fp.RandomLabels(), fp.Gibbs(weights, margin, beta)), alpha)


CASES = {
    # name: (reference, distance of the single point, the curve, counted margin, counted beta)
    "binary, alpha 0.5, d 0.2": (lambda: solved("binary", 0.5), 0.2, (0.01, 0.5), 0.0, math.inf),
    "binary, alpha 0.5, margin 0.3, d 0.1": (lambda: solved("binary", 0.5, 0.3), 0.1, (0.01, 0.5), 0.0, math.inf),
    "binary, largest margin, d 0.001": (lambda: solved("binary", 0.75, 0.0818791), 0.001, (1e-4, 0.4), 0.0, math.inf),
    "binary, beta 5 both, alpha 1, d 0.2": (lambda: solved("binary", 1.0, 0.0, 5.0), 0.2, (0.01, 0.5), 0.0, 5.0),
    "spherical, alpha 1.5, p 0.9": (lambda: solved("spherical", 1.5), 0.05, (0.001, 0.4), 0.0, math.inf),
    "spherical, q 0.993, p 0.999": (lambda: solved("spherical", 3.0, -0.25), 5e-4, (5e-4, 0.4), -0.5, math.inf),
    "teacher, binary, alpha 1, d 0.2": (lambda: teacher_state(fp.Model(fp.Teacher(), fp.Gibbs()), 1.0), 0.2, (0.01, 0.4), 0.0, math.inf),
    "student, binary, margin 0.25, d 0.2": (lambda: solved("binary", 0.5, 0.25, data=fp.Teacher()), 0.2, (0.01, 0.5), 0.0, math.inf),
    "student, spherical, q 0.993, p 0.8": (lambda: solved("spherical", 3.0, 0.3, data=fp.Teacher()), 0.1, (0.01, 0.15), 0.0, math.inf),
}


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    bare = best(lambda: evaluations(1_000_000)) * 1e3
    rows = []
    for name, (make, distance, (low, high), margin, beta) in CASES.items():
        state = make()
        grid = np.geomspace(low, high, 50)
        one = best(lambda s=state, d=distance, m=margin, b=beta: local_entropy(s, distance=d, margin=m, beta=b))
        many = best(lambda s=state, d=grid, m=margin, b=beta: local_entropy(s, distance=d, margin=m, beta=b), 1)
        curve = curve_around(state, Channel(ERRORS, margin, beta))
        for d in sorted(grid, key=lambda d: abs(math.log(d / 0.25))):
            point = curve.at(float(d))
            if point is not None:
                curve.read(point)
        count = curve.equations.evaluations
        rows.append(
            {
                "point": name,
                "single_ms": one * 1e3,
                "curve_ms_per_point": many * 1e3 / 50,
                "evaluations": count / 50,
                "ns": many * 1e9 / count,
            }
        )
    state = solved("binary", 0.5)
    binary = fp.Model(fp.RandomLabels(), fp.Gibbs("binary"))
    whole = {
        "zero_crossings, binary, alpha 0.5": best(lambda: zero_crossings(state), 1),
        "flatness_threshold": best(lambda: flatness_threshold(binary), 1),
    }
    if arguments.json:
        print(json.dumps({"points": rows, "seconds": whole, "channel_ns": bare}, indent=1))
        return
    print(f"{'point':40s} {'single':>10s} {'in a curve':>12s} {'evaluations':>12s} {'each':>8s}   (channel alone {bare:.1f} ns)")
    for r in rows:
        print(f"{r['point']:40s} {r['single_ms']:7.1f} ms {r['curve_ms_per_point']:9.2f} ms {r['evaluations']:12.0f} {r['ns']:5.0f} ns")
    for name, seconds in whole.items():
        print(f"{name:40s} {seconds:7.2f} s")


if __name__ == "__main__":
    main()
