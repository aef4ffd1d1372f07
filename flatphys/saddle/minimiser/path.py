"""From strong regularisation, where patterns hardly move, to the load and l2 that are asked for (compiled).

Continuation along straight lines in (log alpha, log l2); every function returns the residual that it has reached, nan where it has failed.
"""

import math

import numpy as np

from flatphys._jit import jit
from flatphys.kernels.codes import MIXTURE
from flatphys.kernels.losses import point
from flatphys.numerics.compiled_newton import LONGEST, TIGHT, copy, factorise, length_of, substitute
from flatphys.saddle.minimiser.averages import B, buffers
from flatphys.saddle.minimiser.newton import GOOD, N, Setting, equations, newton, resume, solution_at, tangent, workspace_of_four

LOOSE = 1e-4  # enough for a point on the way
MAX_STEPS = 200  # of the continuation
FIRST_STEP = 3.0  # in log l2 and log alpha
SMALLEST_STEP = 1e-3
ZERO_STEP = 30.0  # how far below the start, in log l2, the continuation to l2 = 0 looks before it stands there
STRONG = 3.0  # regularisation, in units of what the patterns can exert, from where the start is safe
SWEEPS = 6  # of the plain iteration
NEAR = 0.05  # a relative residual from which Newton's method is safe


@jit
def between(start, rates, share):
    """The setting at a share of the way."""
    return Setting(start.alpha * math.exp(share * rates.alpha), start.l2 * math.exp(share * rates.l2))


@jit
def predict(x, move, dx, trial):
    """trial = x + move dx, along asinh tau instead of tau: where tau is large it follows powers of l2 and alpha."""
    for j in range(N):
        trial[j] = x[j] + move * dx[j]
    trial[0] = math.sinh(math.asinh(x[0]) + min(max(move * dx[0] / math.sqrt(1.0 + x[0] * x[0]), -LONGEST), LONGEST))


@jit
def refine(x, work):
    """Take the step that Newton's method would take next; False where it is long.

    Where the equations are badly conditioned, a point that nearly fulfils them can be far from the solution.
    """
    copy(work.f, work.dx)
    if not factorise(work.jac, work.mat):
        return False
    substitute(work.mat, work.dx)
    for j in range(N):
        x[j] -= work.dx[j]
    return length_of(work.dx, x, work.floor, work.slope) < NEAR


@jit
def follow(p, start, goal, x, buf, work):
    """Carry the solution x from the setting `start` (l2 > 0), where the equations were evaluated last, to `goal` (l2 >= 0).

    A straight line in the logarithms, Euler predictor, Newton corrector, and a step that grows by
    success and shrinks by failure.  On failure x is the last solution found.
    """
    dx, trial = np.empty(N), np.empty(N)
    rates = Setting(math.log(goal.alpha) - math.log(start.alpha), math.log(goal.l2) - math.log(start.l2) if goal.l2 > 0.0 else -ZERO_STEP)
    length = max(abs(rates.alpha), abs(rates.l2))
    if length == 0.0:
        return newton(p, start, x, TIGHT, buf, work)
    step, done, at, enough = FIRST_STEP / length, 0.0, start, LOOSE
    for _ in range(MAX_STEPS):
        if not (length < math.inf and tangent(p, at, x, rates, buf, work, dx)):
            return math.nan
        last = done + step >= 1.0
        move = 1.0 - done if last else step
        there = goal if last else between(start, rates, done + move)
        predict(x, move, dx, trial)
        size = newton(p, there, trial, TIGHT if last else enough, buf, work)
        if size <= (GOOD if last else enough) and (last or refine(trial, work)):
            copy(trial, x)
            at, done, step = there, done + move, 2.0 * step
            if last:
                return size
            continue
        step, enough = 0.3 * move, TIGHT
        if not (step * length >= SMALLEST_STEP and newton(p, at, x, TIGHT, buf, work) <= GOOD):
            return math.nan
    return math.nan


@jit
def bias_alone(loss, positive):
    """The b that minimises rho l(b) + (1-rho) l(-b): the trained bias when |w| = 0."""
    low, high = -60.0, 60.0
    for _ in range(70):
        b = 0.5 * (low + high)
        _, up, _ = point(loss, b)
        _, down, _ = point(loss, -b)
        if positive * up - (1.0 - positive) * down > 0.0:
            high = b
        else:
            low = b
    b = 0.5 * (low + high)
    return round(b) if abs(b - round(b)) < 1e-12 else b  # exactly at a kink


@jit
def settle_bias(p, at, x, buf, work):
    """Move the bias alone to Y = 0, which falls with b; with a kink Newton's steps need the bracket.

    Returns the relative residual of all equations there, as `equations` does."""
    low, high = -math.inf, math.inf
    f, jac = work.f, work.jac
    size = equations(p, at, x, 0, buf, f, jac)
    for _ in range(30):
        tolerance = 0.05 * math.sqrt(buf.table[B, 0])
        if not p.bias or not size < math.inf or abs(f[3]) < tolerance:
            break
        if f[3] > 0.0:
            low = x[3]
        else:
            high = x[3]
        b = x[3] - f[3] / jac[3, 3]
        if not (low < b < high) or abs(b - x[3]) > 4.0:
            b = 0.5 * (low + high) if low > -math.inf and high < math.inf else x[3] + math.copysign(4.0, f[3])
        x[3] = b
        size = equations(p, at, x, 0, buf, f, jac)
    return size


@jit
def strong(p, goal, x, buf, work):
    """Fill x with the solution at an l2 so strong that patterns hardly move; returns the setting there, nan on failure.

    There V = 1/l2 and the patterns respond as to an untrained weight vector; a few sweeps of the
    plain iteration improve on that before Newton's method takes over.  At a kink the response never
    becomes simple, and a smaller alpha has to help.
    """
    _, slope, curvature = point(p.loss, p.anchor)
    _, other, _ = point(p.loss, -p.anchor)
    force = max(abs(slope), abs(other))
    alpha, d = goal.alpha, p.variance
    for _ in range(6):
        at = Setting(alpha, max(goal.l2, STRONG * alpha * (1.0 + d) * (force + curvature)))
        signal = math.sqrt(alpha / d) if p.labels.kind == MIXTURE else math.sqrt(2.0 * alpha / math.pi) * (1.0 - 2.0 * p.labels.flip)
        x[0] = signal
        x[1] = math.log(force) + 0.5 * math.log(alpha * d) - math.log(at.l2)
        x[2] = -math.log(at.l2)
        x[3] = 0.0
        for _ in range(SWEEPS):
            size = settle_bias(p, at, x, buf, work)
            if not size > NEAR:
                break
            x[0] -= work.f[0]
            x[1] -= 0.5 * work.f[1]
            x[2] -= work.f[2]
        else:
            size = equations(p, at, x, 0, buf, work.f, work.jac)
        if resume(p, at, x, size, LOOSE, buf, work) <= LOOSE:
            return at
        alpha *= 0.1
    return Setting(math.nan, math.nan)


@jit
def solve_point(p, alpha, l2):
    """The solution at one setting, from strong regularisation."""
    buf, work, x, at = buffers(), workspace_of_four(), np.zeros(N), Setting(alpha, l2)
    start = strong(p, at, x, buf, work)
    return solution_at(p, at, x, follow(p, start, at, x, buf, work) if start.l2 > 0.0 else math.nan, buf, work)


@jit
def solve_from(p, start, known, alpha, l2):
    """The solution at (alpha, l2), from a known one at the setting `start`."""
    buf, work, at = buffers(), workspace_of_four(), Setting(alpha, l2)
    x = np.array([known.tau, known.log_t, known.log_v, known.beta])
    equations(p, start, x, 0, buf, work.f, work.jac)
    return solution_at(p, at, x, follow(p, start, at, x, buf, work), buf, work)


@jit
def sensitivity(p, alpha, l2, x, dx):
    """dx = d x/d log l2 at unknowns x that solve the equations; False where the Jacobian is singular."""
    buf, work, at = buffers(), workspace_of_four(), Setting(alpha, l2)
    equations(p, at, x, 0, buf, work.f, work.jac)
    return tangent(p, at, x, Setting(0.0, 1.0), buf, work, dx)
