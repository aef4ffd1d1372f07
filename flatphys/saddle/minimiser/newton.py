"""The saddle point of a loss minimiser as four equations, with Newton's method on them (compiled).

With the averages A, B, C, Y of `saddle.minimiser.averages`, T^2 = q - m^2 and tau = m/T:

    tau = alpha V A / T,      T^2 = alpha D V^2 B,      1/V = l2 + alpha D C,      Y = 0 (bias trained).

With a teacher the first and the third are nearly the same equation where the angle 1/tau is small: m l2 = alpha (A - m C) loses
digits like tau^2.  Partial integration of C takes the difference, with W = E omega f,

    l2 tau = alpha [A/T + tau W/T^2]/(1 + tau^2).
"""

import math
from typing import NamedTuple

from flatphys._jit import jit
from flatphys.kernels.codes import MIXTURE
from flatphys.numerics.compiled_newton import RUNNING, begin, factorise, proceed, substitute, workspace
from flatphys.saddle.minimiser.averages import K2, LOSS, A, B, C, Y, averages

N = 4  # unknowns: tau, log T, log V, beta
GOOD = 1e-11  # a larger residual is never returned as a solution
EPSILON = 2.0**-52


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
def signal(p, at, x, v, table, f, jac):
    """The equation for tau into f[0] and jac[0]; returns the size of what it is the difference of."""
    tau, big_t = x[0], math.exp(x[1])
    gain = at.alpha * v / big_t
    if p.labels.kind == MIXTURE:
        f[0] = tau - gain * table[A, 0]
        for j in range(N):
            jac[0, j] = -gain * table[A, j + 1]
        jac[0, 0] += 1.0
        jac[0, 1] += gain * table[A, 0]
        jac[0, 2] -= gain * table[A, 0]
        return abs(tau)
    one, own = 1.0 + tau * tau, at.l2 * v
    slant = tau / (big_t * one)  # tau T/q
    push, pull = gain * table[A, 0] / one, gain * slant * table[Y, 0]
    f[0] = own * tau - push - pull
    for j in range(N):
        jac[0, j] = -gain * (table[A, j + 1] / one + slant * table[Y, j + 1])
    jac[0, 0] += own + 2.0 * tau * push / one - gain * table[Y, 0] * (1.0 - tau * tau) / (big_t * one * one)
    jac[0, 1] += push + 2.0 * pull
    jac[0, 2] += f[0]
    return own * abs(tau) + abs(push)


@jit
def equations(p, at, x, level, buf, f, jac):
    """Residuals f and their Jacobian jac at x; returns their size (relative), nan if not computable.

    p is a `kernels.codes.Minimiser`, `at` a `Setting`.
    """
    d, alpha, table = p.variance, at.alpha, buf.table
    v = math.exp(x[2])
    if not averages(p, x, v * d, level, buf):
        return math.nan
    scale = signal(p, at, x, v, table, f, jac)
    f[1] = 2.0 * x[1] - 2.0 * math.log(v) - math.log(alpha * d * table[B, 0])
    slack = at.l2 + alpha * d * table[C, 0]
    f[2] = x[2] + math.log(slack)
    f[3] = table[Y, 0] if p.bias else 0.0
    for j in range(N):
        jac[1, j] = -table[B, j + 1] / table[B, 0]
        jac[2, j] = alpha * d * table[C, j + 1] / slack
        jac[3, j] = table[Y, j + 1]
    jac[1, 1] += 2.0
    jac[1, 2] -= 2.0
    jac[2, 2] += 1.0
    if not p.bias:  # the fourth unknown is not one
        for j in range(N):
            jac[3, j] = jac[j, 3] = 0.0
        jac[3, 3] = 1.0
    size = max(abs(f[0]) / max(scale, 1e-300), abs(f[1]), abs(f[2]))
    return max(size, abs(f[3]) / math.sqrt(table[B, 0]))


@jit
def newton(p, at, x, tolerance, buf, work):
    """Solve for x in place; returns the residual there (nan: not computable); work.f and work.jac belong to x."""
    return resume(p, at, x, equations(p, at, x, 0, buf, work.f, work.jac), tolerance, buf, work)


@jit
def resume(p, at, x, size, tolerance, buf, work):
    """`newton` where the equations at x are known, of the residual `size`; where it converges the table belongs to x, too."""
    status = begin(work, x, size, tolerance)
    while status == RUNNING:
        status = proceed(work, x, equations(p, at, work.trial, 0, buf, work.new_f, work.new_jac), tolerance)
    return work.size[0]


@jit
def tangent(p, at, x, rates, buf, work, dx):
    """dx = d x/d s along the solutions x, where log alpha and log l2 change at the given rates.

    The table and work.jac are those of the solution; False where the Jacobian is singular.
    """
    table, d = buf.table, p.variance
    slack = at.l2 + at.alpha * d * table[C, 0]
    v = 1.0 / slack
    big_t = v * math.sqrt(at.alpha * d * table[B, 0])
    gain = at.alpha * v / big_t
    if p.labels.kind == MIXTURE:
        dx[0] = rates.alpha * gain * table[A, 0]
    else:
        tau = x[0]
        pulls = gain * (table[A, 0] + tau / big_t * table[Y, 0]) / (1.0 + tau * tau)
        dx[0] = rates.alpha * pulls - rates.l2 * at.l2 * v * tau
    dx[1] = rates.alpha
    dx[2] = -(at.l2 * rates.l2 + (slack - at.l2) * rates.alpha) / slack
    dx[3] = 0.0
    if not factorise(work.jac, work.mat):
        return False
    substitute(work.mat, dx)
    return True


@jit
def relative(step, x):
    """Size of a change of the unknowns."""
    return max(abs(step[0]) / max(abs(x[0]), 1e-300), abs(step[1]), abs(step[2]), abs(step[3]) / (1.0 + abs(x[3])))


@jit
def solution_at(p, at, x, size, buf, work):
    """The solution with unknowns x and residual `size`.

    Its quadrature error is the Newton step that the second rule would make, or the largest that rounding errors of the equations could
    cause, each of the size of what is subtracted in it, where that is larger: at interpolation those decide.
    """
    error = loss = k2 = math.nan
    if size <= GOOD:
        step, table = work.dx, buf.table
        equations(p, at, x, 1, buf, step, work.jac)
        fine = factorise(work.jac, work.mat)
        substitute(work.mat, step)
        error = relative(step, x) if fine else math.nan
        scale = signal(p, at, x, math.exp(x[2]), table, work.new_f, work.new_jac)
        rounding = (scale, 1.0 + abs(x[1]) + abs(x[2]), 1.0 + abs(x[2]), math.sqrt(table[B, 0]) if p.bias else 0.0)
        worst = 0.0
        for i in range(N):
            for j in range(N):
                step[j] = EPSILON * rounding[i] if j == i else 0.0
            substitute(work.mat, step)
            worst += relative(step, x)
        if not error > worst:
            error = worst + error - error  # nan stays
        loss, k2 = buf.table[LOSS, 0], buf.table[K2, 0]
    return Solution(x[0], x[1], x[2], x[3], size, error, loss, k2)
