"""Time per point of the equilibrium solver, beside plain SciPy in the same run."""

import argparse
import json
import time
import warnings

import numpy as np
import plain_scipy

import flatphys as fp


def best(function, seconds=0.3):
    """Best time of one call, over as many repetitions as fit."""
    function()
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < seconds or len(times) < 3:
        t = time.perf_counter()
        function()
        times.append(time.perf_counter() - t)
    return min(times), float(np.median(times))


CASES = {
    "binary, random labels, alpha 0.5": (fp.Model(fp.RandomLabels(), fp.Gibbs("binary")), 0.5),
    "binary, random labels, alpha 0.8": (fp.Model(fp.RandomLabels(), fp.Gibbs("binary")), 0.8),
    "binary, random labels, beta 2, alpha 2": (fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=2.0)), 2.0),
    "spherical, random labels, alpha 1.5": (fp.Model(fp.RandomLabels(), fp.Gibbs("spherical")), 1.5),
    "binary, ReLU committee, alpha 0.5": (fp.Model(fp.RandomLabels(), fp.Gibbs("binary", network=fp.TreeCommittee("relu"))), 0.5),
    "spherical, sign committee, alpha 1.5": (fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", network=fp.TreeCommittee("sign"))), 1.5),
    "binary, hinge, alpha 0.7": (fp.Model(fp.RandomLabels(), fp.Gibbs("binary", 0.5, 3.0, energy="hinge")), 0.7),
    "spherical, squared hinge, alpha 1.5": (fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", 0.1, 5.0, energy="squared-hinge")), 1.5),
    "binary, teacher, alpha 0.9": (fp.Model(fp.Teacher(), fp.Gibbs("binary")), 0.9),
    "binary, teacher, margin 0.2, alpha 0.7": (fp.Model(fp.Teacher(), fp.Gibbs("binary", margin=0.2)), 0.7),
    "spherical, teacher, alpha 5": (fp.Model(fp.Teacher(), fp.Gibbs("spherical")), 5.0),
    "binary, Bayes, flip 0.1, alpha 1.5": (fp.Model(fp.Teacher(0.1), fp.Bayes("binary")), 1.5),
}


def plain(model, alpha, state):
    """The same point by plain SciPy, or None where it has not been written."""
    learner = model.learner
    if isinstance(model.data, fp.RandomLabels) and learner.network == fp.Perceptron() and learner.energy == "errors":
        return lambda: plain_scipy.random_labels(learner.weights, learner.margin, learner.beta, alpha)[0]
    if learner.weights == "binary" and isinstance(learner, fp.Gibbs) and isinstance(model.data, fp.Teacher):
        # a start near the answer: from further away the root finder leaves the region R^2 < q
        return lambda: plain_scipy.teacher_binary(learner.margin, alpha, (0.98 * state.q, 0.97 * state.R))[0]
    return None


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for name, (model, alpha) in CASES.items():
        state = fp.solve(model, alpha)
        fast, median = best(lambda model=model, alpha=alpha: fp.solve(model, alpha))
        row = {"point": name, "flatphys_us": fast * 1e6, "median_us": median * 1e6, "residual": state.residual}
        slow = plain(model, alpha, state)
        if slow is not None:
            seconds, _ = best(slow, 0.0)
            row |= {"scipy_ms": seconds * 1e3, "ratio": seconds / fast, "difference_in_q": abs(slow() - state.q)}
        rows.append(row)
    grid = np.linspace(0.01, 1.4, 1000)
    model = fp.Model(fp.Teacher(), fp.Gibbs("binary"))
    seconds, _ = best(lambda: [fp.solve(model, a) for a in grid], 1.0)
    rows.append({"point": "1000-point learning curve, binary teacher", "flatphys_us": seconds * 1e6})
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{'point':45s} {'flatphys':>12s} {'median':>10s} {'SciPy':>10s} {'ratio':>8s} {'|dq|':>8s} {'residual':>9s}")
    for r in rows:
        scipy = f"{r['scipy_ms']:7.1f} ms {r['ratio']:8.0f} {r['difference_in_q']:8.0e}" if "ratio" in r else f"{'':10s} {'':8s} {'':8s}"
        rest = f"{r['median_us']:7.1f} us {scipy} {r['residual']:9.0e}" if "residual" in r else ""
        print(f"{r['point']:45s} {r['flatphys_us']:9.1f} us {rest}".rstrip())


if __name__ == "__main__":
    main()
