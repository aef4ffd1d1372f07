"""Time per point of the loss minimisers, beside a plain SciPy implementation of the same equations.

    python benchmarks/bench_erm.py [--repeat R]

Every time is the median of R warm calls on one core: the whole `State`, with its errors, replicon,
residual and quadrature error.  "SciPy" solves the three or four equations with `scipy.optimize.root`
and adaptive quadrature of a proximal map found by a bracketed root search, started from the answer of
the flatphys solve times 1.1 (it does not converge from strong regularisation by itself).
"""

import argparse
import math
import statistics
import time

import numpy as np
from scipy import integrate, optimize
from scipy.special import ndtr

from flatphys import ERM, GaussianMixture, Model, Teacher
from flatphys.saddle.minimiser.states import solve_erm, solve_erm_path

CASES = [
    (GaussianMixture(1.0, 0.5), "square", False, 2.0, 0.1),
    (GaussianMixture(1.0, 0.5), "hinge", False, 2.0, 0.1),
    (GaussianMixture(1.0, 0.5), "logistic", False, 2.0, 0.1),
    (GaussianMixture(1.0, 0.2), "logistic", True, 2.0, 0.1),
    (GaussianMixture(1.0, 0.2), "hinge", True, 2.0, 0.1),
    (GaussianMixture(1.0, 0.2), "logistic", True, 2.0, 1e-8),
    (Teacher(0.1), "square", False, 2.0, 0.1),
    (Teacher(0.1), "hinge", False, 2.0, 0.1),
    (Teacher(0.1), "logistic", False, 2.0, 0.1),
    (Teacher(0.0), "logistic", False, 10.0, 1e-3),
]


def median_time(function, repeat):
    function()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def scipy_solution(data, loss, bias, alpha, l2, state):
    """The same order parameters by general tools."""
    teacher = not hasattr(data, "variance")
    d = 1.0 if teacher else data.variance

    def response(omega, c):
        if loss == "square":
            return (1.0 - omega) / (1.0 + c), 1.0 / (1.0 + c)
        if loss == "hinge":
            return (min(max((1.0 - omega) / c, 0.0), 1.0), 1.0 / c if 1.0 - c < omega < 1.0 else 0.0)
        t = optimize.brentq(lambda t: t - omega - c / (1.0 + math.exp(t)), omega, omega + c, xtol=1e-13)
        f = 1.0 / (1.0 + math.exp(t))
        return f, f * (1.0 - f) / (1.0 + c * f * (1.0 - f))

    def average(function, centre, scale, density=None):
        density = density or (lambda g: math.exp(-0.5 * g * g) / math.sqrt(2.0 * math.pi))
        breaks = [(x - centre) / scale for x in (1.0, 1.0 - d * state.V)] if loss == "hinge" else [0.0]
        breaks = [x for x in breaks if abs(x) < 9.0] or [0.0]
        return integrate.quad(lambda g: density(g) * function(centre + scale * g), -9.0, 9.0, points=breaks, epsabs=1e-12, limit=200)[0]

    def equations(x):
        m, q, v = x[0], math.exp(x[1]), math.exp(x[2])
        b = x[3] if bias else 0.0
        c, scale = v * d, math.sqrt(d * q)
        if teacher:
            clean, root, t = 1.0 - 2.0 * data.flip, math.sqrt(q), math.sqrt(max(q - m * m, 1e-12))
            law = lambda g: 2.0 * math.exp(-0.5 * g * g) / math.sqrt(2.0 * math.pi) * (data.flip + clean * ndtr(m * g / t))
            a = clean * math.sqrt(2.0 / math.pi) * average(lambda o: response(o, c)[0], 0.0, t)
            b2 = average(lambda o: response(o, c)[0] ** 2, 0.0, root, law)
            k = average(lambda o: response(o, c)[1], 0.0, root, law)
            y = 0.0
        else:
            classes = [(data.positive, 1.0), (1.0 - data.positive, -1.0)] if bias else [(1.0, 0.0)]
            sums = [
                [p * average(lambda o: response(o, c)[0] ** n, m + s * b, scale) for n in (1, 2)]
                + [p * average(lambda o: response(o, c)[1], m + s * b, scale), s]
                for p, s in classes
            ]
            a, b2, k = (sum(row[i] for row in sums) for i in range(3))
            y = sum(row[0] * row[3] for row in sums)
        out = [m / (v * alpha * a) - 1.0, q / (v * v * (alpha * alpha * a * a + alpha * d * b2)) - 1.0, v * (l2 + alpha * d * k) - 1.0]
        return out + [y] if bias else out

    start = [1.1 * state.m, math.log(1.3 * state.q), math.log(1.1 * state.V)] + ([state.b * 1.1] if bias else [])
    return optimize.root(equations, start, tol=1e-10)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=21)
    repeat = parser.parse_args().repeat
    start = time.perf_counter()
    solve_erm(Model(GaussianMixture(), ERM()), 1.0)
    print(f"first point of the process {time.perf_counter() - start:.2f} s")
    print(f"{'model':58s} {'ms a point':>10s} {'SciPy ms':>10s} {'ratio':>8s}   largest difference")
    for data, loss, bias, alpha, l2 in CASES:
        model = Model(data, ERM(loss, l2, bias))
        state = solve_erm(model, alpha)
        ours = median_time(lambda: solve_erm(model, alpha), repeat)
        begin = time.perf_counter()
        try:
            plain = scipy_solution(data, loss, bias, alpha, l2, state)
            theirs = time.perf_counter() - begin
            gap = f"{max(abs(plain.x[0] / state.m - 1.0), abs(math.exp(plain.x[1]) / state.q - 1.0)):.0e}"
        except (ValueError, OverflowError, ZeroDivisionError) as error:
            theirs, gap = math.nan, f"fails: {error}"
        name = f"{data} {loss}{' +b' if bias else ''} alpha={alpha:g} l2={l2:g}"
        print(f"{name:58s} {1e3 * ours:10.3f} {1e3 * theirs:10.0f} {theirs / ours:8.0f}   {gap}")
    for data, loss, bias in ((GaussianMixture(1.0, 0.2), "logistic", True), (Teacher(0.1), "hinge", False)):
        model = Model(data, ERM(loss, 0.1, bias))
        grid = np.geomspace(0.3, 10.0, 200)
        print(f"200 points in alpha, {data} {loss}: {median_time(lambda: solve_erm_path(model, alpha=grid), 5):.3f} s")
        l2s = np.geomspace(1e2, 1e-6, 200)
        print(f"200 points in l2,    {data} {loss}: {median_time(lambda: solve_erm_path(model, alpha=2.0, l2=l2s), 5):.3f} s")


if __name__ == "__main__":
    main()
