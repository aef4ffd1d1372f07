"""Special functions along an array, packed into lanes, beside the C library's in such a loop: CPU time a number, and the ratio."""

import argparse
import json
import math
import time

import numpy as np

from flatphys._jit import unkept
from flatphys.numerics import gaussian, vector

COUNT, ROOT = 4096, math.sqrt(0.5)


def own_exp(x, out):
    for i in range(x.size):
        out[i] = vector.exp(x[i])


def own_log(x, out):
    for i in range(x.size):
        out[i] = vector.log(x[i])


def own_tanh(x, out):
    for i in range(x.size):
        e, rest = vector.decay(-2.0 * abs(x[i]))
        out[i] = rest / (1.0 + e)


def own_tail(x, out):
    for i in range(x.size):
        out[i] = gaussian.tail(x[i])


def own_ratio(x, out):
    for i in range(x.size):
        out[i] = gaussian.ratio(x[i])[0]


def plain_exp(x, out):
    for i in range(x.size):
        out[i] = math.exp(x[i])


def plain_log(x, out):
    for i in range(x.size):
        out[i] = math.log(x[i])


def plain_tanh(x, out):
    for i in range(x.size):
        out[i] = math.tanh(abs(x[i]))


def plain_tail(x, out):
    for i in range(x.size):
        out[i] = 0.5 * math.erfc(ROOT * x[i])


def plain_ratio(x, out):  # good up to x = 37, where erfc underflows
    for i in range(x.size):
        out[i] = 0.7978845608028654 * math.exp(-0.5 * x[i] * x[i]) / math.erfc(ROOT * x[i])


CASES = {
    "exp": (own_exp, plain_exp),
    "log": (own_log, plain_log),
    "tanh": (own_tanh, plain_tanh),
    "Gaussian tail": (own_tail, plain_tail),
    "Mills ratio": (own_ratio, plain_ratio),
}


def nanoseconds(loop, x, seconds=0.3):
    """(best CPU time of a number, the values)."""
    out, best, loop = np.empty_like(x), math.inf, unkept(loop)
    loop(x, out)
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        t = time.process_time_ns()
        loop(x, out)
        best = min(best, (time.process_time_ns() - t) / x.size)
    return best, out


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked, rng, rows = parser.parse_args(), np.random.default_rng(1), []
    for name, (own, plain) in CASES.items():
        x = rng.uniform(0.05, 9.0, COUNT) if name == "log" else rng.uniform(-9.0, 9.0, COUNT)
        (mine, values), (other, beside) = nanoseconds(own, x), nanoseconds(plain, x)
        apart = float(np.max(np.abs(values / beside - 1.0)))
        rows.append({"function": name, "ns": mine, "plain_ns": other, "ratio": other / mine, "apart": apart})
    if asked.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        times = f"{row['ns']:6.2f} ns   C library {row['plain_ns']:6.2f} ns   ratio {row['ratio']:5.1f}"
        print(f"{row['function']:14s} {times}   apart {row['apart']:.0e}")


if __name__ == "__main__":
    main()
