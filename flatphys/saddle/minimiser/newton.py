"""Newton's method and continuation in log l2 for the saddle point of a loss minimiser (compiled).

With the averages A, B, C, Y of `saddle.minimiser.averages`, T^2 = q - m^2 and tau = m/T:

    tau = alpha V A / T,      T^2 = alpha D V^2 B,      1/V = l2 + alpha D C,      Y = 0 (bias trained).

Interpolation of smallest norm (l2 -> 0 with V -> infinity, `hard`): V f tends to (1 - omega)/D, so the
same equations hold with c = 0 and V replaced by 1/D, without the one for V.
"""

import math

import numpy as np

from flatphys._jit import jit
from flatphys.kernels.losses import point
from flatphys.numerics.quadrature import MAX_NODES
from flatphys.saddle.minimiser.averages import COLUMNS, K2, LOSS, MIXTURE, ROWS, A, B, C, Y, averages

N = 4  # unknowns: tau, log T, log V, beta
TIGHT = 2e-14  # a residual that rounding hardly lets fall further
LOOSE = 1e-4  # enough for a point on the way
GOOD = 1e-11  # a larger residual is never returned as a solution
MAX_NEWTON = 40
MAX_STEPS = 200  # of the continuation
MAX_HALVINGS = 9
FIRST_STEP = 3.0  # in log l2 and log alpha
SMALLEST_STEP = 1e-3
ZERO_STEP = 30.0  # how far below the start, in log l2, the continuation to l2 = 0 looks before it stands there
STRONG = 3.0  # regularisation, in units of what the patterns can exert, from where the start is safe
SWEEPS = 6  # of the plain iteration
NEAR = 0.05  # a relative residual from which Newton's method is safe


@jit
def copy(source, target):
    """target = source, for arrays of any shape (a plain loop compiles faster than slices)."""
    a, b = source.ravel(), target.ravel()
    for i in range(a.size):
        b[i] = a[i]


@jit
def freeze(jac, i):
    """Take unknown i out of the equations."""
    for j in range(N):
        jac[i, j] = 0.0
        jac[j, i] = 0.0
    jac[i, i] = 1.0


@jit
def equations(p, alpha, l2, x, level, u, w, table, f, jac):
    """Residuals f and their Jacobian jac at x; returns their size (relative), nan if not computable.

    p = (loss, kind, bias, hard, variance, rho, flip, anchor).
    """
    loss, kind, bias, hard, variance, rho, flip, anchor = p
    d = variance
    v = 1.0 / d if hard else math.exp(x[2])
    c = 0.0 if hard else v * d
    if not averages(loss, kind, variance, rho, flip, bias, anchor, x, c, level, u, w, table):
        return math.nan
    big_t = math.exp(x[1])
    gain = alpha * v / big_t
    f[0] = x[0] - gain * table[A, 0]
    f[1] = 2.0 * x[1] - 2.0 * math.log(v) - math.log(alpha * d * table[B, 0])
    slack = l2 + alpha * d * table[C, 0]
    f[2] = 0.0 if hard else x[2] + math.log(slack)
    f[3] = table[Y, 0] if bias else 0.0
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
    if hard:
        freeze(jac, 2)
    if not bias:
        freeze(jac, 3)
    size = max(abs(f[0]) / max(abs(x[0]), 1e-300), abs(f[1]), abs(f[2]))
    return max(size, abs(f[3]) / math.sqrt(table[B, 0]))


@jit
def eliminate(jac, rhs):
    """Solve jac y = rhs in place by elimination with pivoting; y is left in rhs. False if singular."""
    n = rhs.size
    for col in range(n):
        best = col
        for row in range(col + 1, n):
            if abs(jac[row, col]) > abs(jac[best, col]):
                best = row
        pivot = jac[best, col]
        if not abs(pivot) > 0.0:
            return False
        if best != col:
            for k in range(n):
                jac[col, k], jac[best, k] = jac[best, k], jac[col, k]
            rhs[col], rhs[best] = rhs[best], rhs[col]
        for row in range(col + 1, n):
            factor = jac[row, col] / pivot
            if factor != 0.0:
                for k in range(col, n):
                    jac[row, k] -= factor * jac[col, k]
                rhs[row] -= factor * rhs[col]
    for col in range(n - 1, -1, -1):
        for k in range(col + 1, n):
            rhs[col] -= jac[col, k] * rhs[k]
        rhs[col] /= jac[col, col]
    return True


@jit
def length_of(dx, x):
    """Size of a step: logarithms as they are, tau and beta relative to themselves where they are large."""
    return max(abs(dx[0]) / (0.5 + abs(x[0])), abs(dx[1]), abs(dx[2]), abs(dx[3]) / (2.0 + abs(x[3])))


@jit
def newton(p, alpha, l2, x, tolerance, u, w, table, f, jac):
    """Solve for x in place; returns the residual there (nan: not computable); f and jac belong to x.

    Steps are shortened to a length of 2 and halved until the next step, estimated with the old
    Jacobian, is shorter: unlike the residual, that measure does not depend on how the equations are
    scaled (Deuflhard's natural monotonicity test), and they are stiff at weak regularisation.
    """
    dx, mat = np.empty(N), np.empty((N, N))
    new_f, new_jac, trial, look = np.empty(N), np.empty((N, N)), np.empty(N), np.empty(N)
    size = equations(p, alpha, l2, x, 0, u, w, table, f, jac)
    for _ in range(MAX_NEWTON):
        if not size > tolerance:
            return size
        copy(f, dx)
        copy(jac, mat)
        if not eliminate(mat, dx):
            return size
        length = length_of(dx, x)
        damping, new = min(1.0, 2.0 / length), math.nan
        accepted = False
        for _ in range(MAX_HALVINGS):
            for j in range(N):
                trial[j] = x[j] - damping * dx[j]
            new = equations(p, alpha, l2, trial, 0, u, w, table, new_f, new_jac)
            if new < math.inf:
                copy(new_f, look)
                copy(jac, mat)
                eliminate(mat, look)
                if new <= TIGHT or length_of(look, x) < length:
                    accepted = True
                    break
            damping *= 0.5
        if not accepted or (length < 1e-10 and not new < size):
            return size  # rounding, or stuck: the caller judges by the size
        copy(trial, x)
        copy(new_f, f)
        copy(new_jac, jac)
        size = new
    return size


@jit
def tangent(p, alpha, l2, table, jac, d_alpha, d_l2, dx):
    """dx = d x/d s along the solutions, where log alpha and log l2 change at rates d_alpha, d_l2.

    `table` and `jac` are those of the solution; jac is destroyed. False where it is singular."""
    loss, kind, bias, hard, variance, rho, flip, anchor = p
    slack = l2 + alpha * variance * table[C, 0]
    v = 1.0 / variance if hard else 1.0 / slack
    dx[0] = d_alpha * alpha * v * table[A, 0] / math.sqrt(alpha * variance * table[B, 0] * v * v)
    dx[1] = d_alpha
    dx[2] = 0.0 if hard else -(l2 * d_l2 + (slack - l2) * d_alpha) / slack
    dx[3] = 0.0
    return eliminate(jac, dx)


@jit
def follow(p, alpha, l2, x, new_alpha, new_l2, u, w, table):
    """Carry the solution x from (alpha, l2 > 0) to (new_alpha, new_l2 >= 0); returns the residual.

    A straight line in the logarithms, Euler predictor, Newton corrector, and a step that grows by
    success and shrinks by failure.  On failure x is the last solution found and nan is returned.
    """
    dx, trial, f, jac = np.empty(N), np.empty(N), np.empty(N), np.empty((N, N))
    trial_f, trial_jac = np.empty(N), np.empty((N, N))
    d_alpha = math.log(new_alpha / alpha)
    d_l2 = math.log(new_l2 / l2) if new_l2 > 0.0 else -ZERO_STEP
    length = max(abs(d_alpha), abs(d_l2))
    if length == 0.0:
        return newton(p, alpha, l2, x, TIGHT, u, w, table, f, jac)
    equations(p, alpha, l2, x, 0, u, w, table, f, jac)
    step, done, last, size = FIRST_STEP / length, 0.0, False, math.nan
    for _ in range(MAX_STEPS):
        if not tangent(p, alpha * math.exp(done * d_alpha), l2 * math.exp(done * d_l2), table, jac, d_alpha, d_l2, dx):
            return math.nan
        while True:
            last = done + step >= 1.0
            move = 1.0 - done if last else step
            at_alpha = new_alpha if last else alpha * math.exp((done + move) * d_alpha)
            at_l2 = new_l2 if last else l2 * math.exp((done + move) * d_l2)
            for j in range(N):
                trial[j] = x[j] + move * dx[j]
            size = newton(p, at_alpha, at_l2, trial, TIGHT if last else LOOSE, u, w, table, trial_f, trial_jac)
            if size <= (GOOD if last else LOOSE):
                break
            step = 0.3 * move
            if step * length < SMALLEST_STEP:
                return math.nan
        copy(trial, x)
        copy(trial_jac, jac)
        if last:
            return size
        done += move
        step *= 2.0
    return math.nan


@jit
def bias_alone(loss, rho):
    """The b that minimises rho l(b) + (1-rho) l(-b): the trained bias when |w| = 0."""
    low, high = -60.0, 60.0
    for _ in range(70):
        b = 0.5 * (low + high)
        _, up, _ = point(loss, b)
        _, down, _ = point(loss, -b)
        if rho * up - (1.0 - rho) * down > 0.0:
            high = b
        else:
            low = b
    b = 0.5 * (low + high)
    return round(b) if abs(b - round(b)) < 1e-12 else b  # exactly at a kink


@jit
def settle_bias(p, alpha, l2, x, u, w, table, f, jac):
    """Move the bias alone to Y = 0, which falls with b; with a kink Newton's steps need the bracket.

    Returns the relative residual of all equations there, as `equations` does."""
    loss, kind, bias, hard, variance, rho, flip, anchor = p
    low, high = -math.inf, math.inf
    size = equations(p, alpha, l2, x, 0, u, w, table, f, jac)
    for _ in range(30):
        tolerance = 0.05 * math.sqrt(table[B, 0])
        if not bias or not size < math.inf or abs(f[3]) < tolerance:
            break
        if f[3] > 0.0:
            low = x[3]
        else:
            high = x[3]
        b = x[3] - f[3] / jac[3, 3]
        if not (low < b < high) or abs(b - x[3]) > 4.0:
            b = 0.5 * (low + high) if low > -math.inf and high < math.inf else x[3] + math.copysign(4.0, f[3])
        x[3] = b
        size = equations(p, alpha, l2, x, 0, u, w, table, f, jac)
    return size


@jit
def strong(p, alpha, l2, x, u, w, table):
    """Fill x with the solution at an l2 so strong that patterns hardly move; returns (alpha, l2) there.

    There V = 1/l2 and the patterns respond as to an untrained weight vector; a few sweeps of the
    plain iteration improve on that before Newton's method takes over.  At a kink the response never
    becomes simple, and a smaller alpha has to help.  (nan, nan) on failure.
    """
    loss, kind, bias, hard, variance, rho, flip, anchor = p
    _, slope, curvature = point(loss, anchor)
    _, other, _ = point(loss, -anchor)
    force = max(abs(slope), abs(other))
    f, jac = np.empty(N), np.empty((N, N))
    for _ in range(6):
        start = max(l2, STRONG * alpha * (1.0 + variance) * (force + curvature))
        x[0] = math.sqrt(alpha / variance) if kind == MIXTURE else math.sqrt(2.0 * alpha / math.pi) * (1.0 - 2.0 * flip)
        x[1] = math.log(force) + 0.5 * math.log(alpha * variance) - math.log(start)
        x[2] = -math.log(start)
        x[3] = 0.0
        for _ in range(SWEEPS):
            size = settle_bias(p, alpha, start, x, u, w, table, f, jac)
            if not size > NEAR:
                break
            x[0] -= f[0]
            x[1] -= 0.5 * f[1]
            x[2] -= f[2]
        if newton(p, alpha, start, x, LOOSE, u, w, table, f, jac) <= LOOSE:
            return alpha, start
        alpha *= 0.1
    return math.nan, math.nan


@jit
def solve(p, alpha, l2, x, u, w, table):
    """Solve at (alpha, l2) into x, from strong regularisation; returns the residual (nan: failed)."""
    loss, kind, bias, hard, variance, rho, flip, anchor = p
    soft = (loss, kind, bias, False, variance, rho, flip, anchor)
    at_alpha, at = strong(soft, alpha, l2, x, u, w, table)
    if not at > 0.0:
        return math.nan
    if not hard:
        return follow(soft, at_alpha, at, x, alpha, l2, u, w, table)
    # the constraints t >= 1 are the limit of weak regularisation: go there until Newton's method holds
    keep, f, jac = np.empty(N), np.empty(N), np.empty((N, N))
    for _ in range(12):
        if not follow(soft, at_alpha, at, x, alpha, 0.1 * at, u, w, table) <= GOOD:
            return math.nan
        at_alpha, at = alpha, 0.1 * at
        copy(x, keep)
        x[2] = -math.log(variance)
        size = newton(p, alpha, 0.0, x, TIGHT, u, w, table, f, jac)
        if size <= GOOD:
            return size
        copy(keep, x)
    return math.nan


@jit
def judge(p, alpha, l2, x, u, w, table):
    """(error of x by the second rule, E l, E k^2) at a solution x: the Newton step that the second rule would make."""
    f, jac = np.empty(N), np.empty((N, N))
    equations(p, alpha, l2, x, 1, u, w, table, f, jac)
    eliminate(jac, f)
    error = max(abs(f[0]) / max(abs(x[0]), 1e-300), abs(f[1]), abs(f[2]), abs(f[3]) / (1.0 + abs(x[3])))
    return error, table[LOSS, 0], table[K2, 0]


@jit
def solve_path(p, alphas, l2s, out, info):
    """Solve at every (alphas[i], l2s[i]), each from its neighbour: rows of out are x, of info (residual,
    quadrature error, E l, E k^2).  Stops at the first failure; returns the number solved."""
    u, w = np.empty(MAX_NODES), np.empty(MAX_NODES)
    table = np.empty((ROWS, COLUMNS))
    x = np.zeros(N)
    loss, kind, bias, hard, variance, rho, flip, anchor = p
    for i in range(alphas.size):
        size = math.nan
        if i > 0 and l2s[i - 1] > 0.0 and not hard:
            size = follow(p, alphas[i - 1], l2s[i - 1], x, alphas[i], l2s[i], u, w, table)
        if not size <= GOOD:
            size = solve(p, alphas[i], l2s[i], x, u, w, table)
        copy(x, out[i])
        info[i, 0] = size
        if not size <= GOOD:
            return i
        info[i, 1], info[i, 2], info[i, 3] = judge(p, alphas[i], l2s[i], x, u, w, table)
    return alphas.size


@jit
def sensitivity(p, alpha, l2, x, dx):
    """dx = d x/d log l2 at a solution x; False where the Jacobian is singular."""
    u, w = np.empty(MAX_NODES), np.empty(MAX_NODES)
    table, f, jac = np.empty((ROWS, COLUMNS)), np.empty(N), np.empty((N, N))
    equations(p, alpha, l2, x, 0, u, w, table, f, jac)
    return tangent(p, alpha, l2, table, jac, 0.0, 1.0, dx)
