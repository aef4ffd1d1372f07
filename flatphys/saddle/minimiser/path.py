"""From strong regularisation, where patterns hardly move, to the load and l2 that are asked for (compiled).

Continuation along straight lines in (log alpha, log l2); every function returns the residual that it has reached, nan where it has failed.
"""

import math

import numpy as np

from flatphys._jit import jit
from flatphys.kernels.codes import MIXTURE, Minimiser
from flatphys.kernels.losses import point
from flatphys.numerics.compiled_newton import TIGHT, copy
from flatphys.saddle.minimiser.averages import B, buffers
from flatphys.saddle.minimiser.newton import GOOD, N, Setting, equations, newton, solution_at, tangent, workspace_of_four

LOOSE = 1e-4  # enough for a point on the way
MAX_STEPS = 200  # of the continuation
FIRST_STEP = 3.0  # in log l2 and log alpha
SMALLEST_STEP = 1e-3
ZERO_STEP = 30.0  # how far below the start, in log l2, the continuation to l2 = 0 looks before it stands there
STRONG = 3.0  # regularisation, in units of what the patterns can exert, from where the start is safe
SWEEPS = 6  # of the plain iteration
NEAR = 0.05  # a relative residual from which Newton's method is safe


@jit
def follow(p, start, goal, x, buf, work):
    """Carry the solution x from the setting `start` (l2 > 0) to `goal` (l2 >= 0).

    A straight line in the logarithms, Euler predictor, Newton corrector, and a step that grows by
    success and shrinks by failure.  On failure x is the last solution found.
    """
    dx, trial = np.empty(N), np.empty(N)
    rates = Setting(math.log(goal.alpha / start.alpha), math.log(goal.l2 / start.l2) if goal.l2 > 0.0 else -ZERO_STEP)
    length = max(abs(rates.alpha), abs(rates.l2))
    if length == 0.0:
        return newton(p, start, x, TIGHT, buf, work)
    equations(p, start, x, 0, buf, work.f, work.jac)
    step, done, at = FIRST_STEP / length, 0.0, start
    for _ in range(MAX_STEPS):
        if not tangent(p, at, rates, buf, work, dx):
            return math.nan
        while True:
            last = done + step >= 1.0
            move = 1.0 - done if last else step
            at = (
                goal
                if last
                else Setting(start.alpha * math.exp((done + move) * rates.alpha), start.l2 * math.exp((done + move) * rates.l2))
            )
            for j in range(N):
                trial[j] = x[j] + move * dx[j]
            size = newton(p, at, trial, TIGHT if last else LOOSE, buf, work)
            if size <= (GOOD if last else LOOSE):
                break
            step = 0.3 * move
            if step * length < SMALLEST_STEP:
                return math.nan
        copy(trial, x)
        if last:
            return size
        done += move
        step *= 2.0
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
        if newton(p, at, x, LOOSE, buf, work) <= LOOSE:
            return at
        alpha *= 0.1
    return Setting(math.nan, math.nan)


@jit
def solve(p, goal, x, buf, work):
    """Solve at `goal` into x, from strong regularisation."""
    soft = Minimiser(p.loss, p.labels, p.variance, p.positive, p.bias, False, p.anchor)
    at = strong(soft, goal, x, buf, work)
    if not at.l2 > 0.0:
        return math.nan
    if not p.hard:
        return follow(soft, at, goal, x, buf, work)
    # the constraints t >= 1 are the limit of weak regularisation: go there until Newton's method holds
    keep = np.empty(N)
    for _ in range(12):
        weaker = Setting(goal.alpha, 0.1 * at.l2)
        if not follow(soft, at, weaker, x, buf, work) <= GOOD:
            return math.nan
        at = weaker
        copy(x, keep)
        x[2] = -math.log(p.variance)
        size = newton(p, Setting(goal.alpha, 0.0), x, TIGHT, buf, work)
        if size <= GOOD:
            return size
        copy(keep, x)
    return math.nan


@jit
def solve_point(p, alpha, l2):
    """The solution at one setting, from no other."""
    buf, work, x, at = buffers(), workspace_of_four(), np.zeros(N), Setting(alpha, l2)
    return solution_at(p, at, x, solve(p, at, x, buf, work), buf, work)


@jit
def solve_from(p, start, known, alpha, l2):
    """The solution at (alpha, l2), from a known one at the setting `start`."""
    buf, work, at = buffers(), workspace_of_four(), Setting(alpha, l2)
    x = np.array([known.tau, known.log_t, known.log_v, known.beta])
    return solution_at(p, at, x, follow(p, start, at, x, buf, work), buf, work)


@jit
def solve_path(p, alphas, l2s, out):
    """Solve at every (alphas[i], l2s[i]), each from its neighbour; rows of `out` are the fields of solutions.

    Stops at the first failure; returns the number solved.
    """
    buf, work, x = buffers(), workspace_of_four(), np.zeros(N)
    for i in range(alphas.size):
        size, at = math.nan, Setting(alphas[i], l2s[i])
        if i > 0 and l2s[i - 1] > 0.0 and not p.hard:
            size = follow(p, Setting(alphas[i - 1], l2s[i - 1]), at, x, buf, work)
        if not size <= GOOD:
            size = solve(p, at, x, buf, work)
        answer = solution_at(p, at, x, size, buf, work)
        for k, value in enumerate(answer):
            out[i, k] = value
        if not size <= GOOD:
            return i
    return alphas.size


@jit
def sensitivity(p, alpha, l2, x, dx):
    """dx = d x/d log l2 at unknowns x that solve the equations; False where the Jacobian is singular."""
    buf, work, at = buffers(), workspace_of_four(), Setting(alpha, l2)
    equations(p, at, x, 0, buf, work.f, work.jac)
    return tangent(p, at, Setting(0.0, 1.0), buf, work, dx)
