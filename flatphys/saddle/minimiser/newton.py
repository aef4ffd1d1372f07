"""The saddle point of a loss minimiser as four equations, with Newton's method on them (compiled).

With the averages A, B, C, Y of `saddle.minimiser.averages`, T^2 = q - m^2 and tau = m/T:

    tau = alpha V A / T,      T^2 = alpha D V^2 B,      1/V = l2 + alpha D C,      Y = 0 (bias trained).

Interpolation of smallest norm (l2 -> 0 with V -> infinity, `hard`): V f tends to (1 - omega)/D, so the
same equations hold with c = 0 and V replaced by 1/D, without the one for V.
"""

import math
from typing import NamedTuple

from flatphys._jit import jit
from flatphys.numerics.compiled_newton import RUNNING, begin, factorise, proceed, substitute, workspace
from flatphys.saddle.minimiser.averages import K2, LOSS, A, B, C, Y, averages

N = 4  # unknowns: tau, log T, log V, beta
GOOD = 1e-11  # a larger residual is never returned as a solution


class Solution(NamedTuple):
    """The four unknowns, the residual, the change of the unknowns by the second quadrature rule, E l and E k^2.

    The last three are nan where the residual exceeds GOOD.
    """

    tau: float
    log_t: float
    log_v: float
    beta: float
    residual: float
    quadrature: float
    loss: float
    k2: float


class Setting(NamedTuple):
    """Where a minimiser is asked for: load and strength of the regularisation (their logarithms, where rates are meant)."""

    alpha: float
    l2: float


@jit
def workspace_of_four():
    """Buffers of Newton's method; logarithms count as they are, tau and beta relative to themselves where they are large."""
    work = workspace(N)
    work.floor[0], work.slope[0] = 0.5, 1.0
    work.floor[3], work.slope[3] = 2.0, 1.0
    return work


@jit
def freeze(jac, i):
    """Take unknown i out of the equations."""
    for j in range(N):
        jac[i, j] = 0.0
        jac[j, i] = 0.0
    jac[i, i] = 1.0


@jit
def equations(p, at, x, level, buf, f, jac):
    """Residuals f and their Jacobian jac at x; returns their size (relative), nan if not computable.

    p is a `kernels.codes.Minimiser`, `at` a `Setting`.
    """
    d, alpha, table = p.variance, at.alpha, buf.table
    v = 1.0 / d if p.hard else math.exp(x[2])
    if not averages(p, x, 0.0 if p.hard else v * d, level, buf):
        return math.nan
    big_t = math.exp(x[1])
    gain = alpha * v / big_t
    f[0] = x[0] - gain * table[A, 0]
    f[1] = 2.0 * x[1] - 2.0 * math.log(v) - math.log(alpha * d * table[B, 0])
    slack = at.l2 + alpha * d * table[C, 0]
    f[2] = 0.0 if p.hard else x[2] + math.log(slack)
    f[3] = table[Y, 0] if p.bias else 0.0
    for j in range(N):
        jac[0, j] = -gain * table[A, j + 1]
        jac[1, j] = -table[B, j + 1] / table[B, 0]
        jac[2, j] = alpha * d * table[C, j + 1] / slack
        jac[3, j] = table[Y, j + 1]
    jac[0, 0] += 1.0
    jac[0, 1] += gain * table[A, 0]
    jac[0, 2] -= gain * table[A, 0]
    jac[1, 1] += 2.0
    jac[1, 2] -= 2.0
    jac[2, 2] += 1.0
    if p.hard:
        freeze(jac, 2)
    if not p.bias:
        freeze(jac, 3)
    size = max(abs(f[0]) / max(abs(x[0]), 1e-300), abs(f[1]), abs(f[2]))
    return max(size, abs(f[3]) / math.sqrt(table[B, 0]))


@jit
def newton(p, at, x, tolerance, buf, work):
    """Solve for x in place; returns the residual there (nan: not computable); work.f and work.jac belong to x."""
    status = begin(work, x, equations(p, at, x, 0, buf, work.f, work.jac), tolerance)
    while status == RUNNING:
        status = proceed(work, x, equations(p, at, work.trial, 0, buf, work.new_f, work.new_jac), tolerance)
    return work.size[0]


@jit
def tangent(p, at, rates, buf, work, dx):
    """dx = d x/d s along the solutions, where log alpha and log l2 change at the given rates.

    The table and work.jac are those of the solution; False where the Jacobian is singular.
    """
    table, d = buf.table, p.variance
    slack = at.l2 + at.alpha * d * table[C, 0]
    v = 1.0 / d if p.hard else 1.0 / slack
    dx[0] = rates.alpha * at.alpha * v * table[A, 0] / math.sqrt(at.alpha * d * table[B, 0] * v * v)
    dx[1] = rates.alpha
    dx[2] = 0.0 if p.hard else -(at.l2 * rates.l2 + (slack - at.l2) * rates.alpha) / slack
    dx[3] = 0.0
    if not factorise(work.jac, work.mat):
        return False
    substitute(work.mat, dx)
    return True


@jit
def solution_at(p, at, x, size, buf, work):
    """The solution with unknowns x and residual `size`; its quadrature error is the Newton step that the second rule would make."""
    error = loss = k2 = math.nan
    if size <= GOOD:
        step = work.dx
        equations(p, at, x, 1, buf, step, work.jac)
        factorise(work.jac, work.mat)
        substitute(work.mat, step)
        error = max(abs(step[0]) / max(abs(x[0]), 1e-300), abs(step[1]), abs(step[2]), abs(step[3]) / (1.0 + abs(x[3])))
        loss, k2 = buf.table[LOSS, 0], buf.table[K2, 0]
    return Solution(x[0], x[1], x[2], x[3], size, error, loss, k2)
