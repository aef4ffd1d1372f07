"""What sweeping costs: parallel efficiency, overhead of the store, time and memory of a hundred thousand points.

Times are of the wall clock; beside them the processor time of this process and its workers, which says what the machine had left for
them: on a busy machine an efficiency is also given as (processor time of one process) / (that of all together).
"""

import argparse
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

import flatphys as fp


def used() -> float:
    """Processor seconds of this process and of its finished children."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def timed(function):
    """(wall seconds, processor seconds, answer)."""
    wall, processor = time.perf_counter(), used()
    answer = function()
    return time.perf_counter() - wall, used() - processor, answer


def local_entropy(distances, **how):
    """200 points of a local entropy, each along so many distances."""
    grid = {"alpha": np.linspace(0.1, 0.7, 20), "learner.margin": np.linspace(0.0, 0.1, 10)}
    return fp.sweep(fp.Model(), question=fp.local_entropy, distance=np.geomspace(0.005, 0.45, distances), progress=False, **grid, **how)


def efficiency(distances: int, processes: int = 2) -> dict:
    """Local entropy with one process and with several."""
    alone, alone_cpu, one = timed(lambda: local_entropy(distances, workers=1))
    together, together_cpu, two = timed(lambda: local_entropy(distances, workers=processes))
    assert one.identical(two)
    return {
        "distances": distances,
        "one_s": alone,
        "one_cpu_s": alone_cpu,
        "together_s": together,
        "together_cpu_s": together_cpu,
        "efficiency": alone / (processes * together),
        "efficiency_cpu": alone_cpu / together_cpu,
    }


def store_overhead(question, repeats=3, **grid) -> dict:
    """The same sweep in one process with and without a store, best of some alternating runs."""
    plain, stored = [], []
    for _ in range(repeats):
        plain.append(timed(lambda: fp.sweep(fp.Model(), question=question, workers=1, progress=False, **grid))[:2])
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "s.sqlite"
            stored.append(timed(lambda p=path: fp.sweep(fp.Model(), question=question, workers=1, progress=False, store=p, **grid))[:2])
            again = timed(lambda p=path: fp.sweep(fp.Model(), question=question, workers=1, progress=False, store=p, **grid))[0]
    (wall, cpu), (with_wall, with_cpu) = (tuple(map(min, zip(*runs))) for runs in (plain, stored))
    return {
        "plain_s": wall,
        "stored_s": with_wall,
        "overhead": with_wall / wall - 1.0,
        "plain_cpu_s": cpu,
        "stored_cpu_s": with_cpu,
        "overhead_cpu": with_cpu / cpu - 1.0,
        "read_back_s": again,
    }


MANY = """
import resource, sys, time, numpy as np
import flatphys as fp
start = time.perf_counter()
store = sys.argv[1] or None
workers = int(sys.argv[2]) or None
grid = {"alpha": np.linspace(0.01, 0.9, 1000), "learner.margin": np.linspace(-0.5, 0.5, 100)}
table = fp.sweep(fp.Model(), store=store, workers=workers, progress=False, **grid)
wall = time.perf_counter() - start
own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
other = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(wall, own, other, int((table.status == "ok").sum()), table.status.size)
"""


def many(store: bool, workers: int) -> dict:
    """10^5 equilibrium points in a fresh process: seconds (imports apart), largest memory of the driver and of a worker."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "s.sqlite") if store else ""
        out = subprocess.run([sys.executable, "-c", MANY, path, str(workers)], capture_output=True, text=True, check=True).stdout.split()
        size = pathlib.Path(path).stat().st_size / 2**20 if store else 0.0
    seconds, driver, worker, ok, _ = map(float, out)
    return {
        "store": store,
        "workers": workers or "default",
        "seconds": seconds,
        "driver_MB": driver,
        "largest_worker_MB": worker,
        "ok": int(ok),
        "file_MB": size,
    }


def main():
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=("efficiency", "store", "many"))
    asked = parser.parse_args()
    local_entropy(2, workers=1)  # compiled code is loaded
    fp.sweep(fp.Model(), alpha=[0.1, 0.2], workers=1, progress=False)
    out = {}
    if asked.only in (None, "efficiency"):
        out["efficiency"] = [efficiency(n) for n in (20, 60)]
    if asked.only in (None, "store"):
        out["store"] = {
            "200 local entropies at 20 distances": store_overhead(
                fp.local_entropy,
                alpha=np.linspace(0.1, 0.7, 20),
                distance=np.geomspace(0.005, 0.45, 20),
                **{"learner.margin": np.linspace(0.0, 0.1, 10)},
            ),
            "20000 equilibrium points": store_overhead(
                fp.solve, alpha=np.linspace(0.01, 0.8, 2000), **{"learner.margin": np.linspace(-0.5, 0.0, 10)}
            ),
        }
    if asked.only in (None, "many"):
        out["many"] = [many(store, workers) for store in (False, True) for workers in (1, 0)]
    if asked.json:
        print(json.dumps(out, indent=2))
        return
    for row in out.get("efficiency", ()):
        print("parallel efficiency, 200 local entropies:", ", ".join(f"{k} {v:.3g}" for k, v in row.items()))
    for name, row in out.get("store", {}).items():
        print(f"store, {name}:", ", ".join(f"{k} {v:.3g}" for k, v in row.items()))
    for row in out.get("many", ()):
        print("100000 equilibrium points:", ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))


if __name__ == "__main__":
    main()
