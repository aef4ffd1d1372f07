"""Newton's method inside compiled code, where a function cannot be an argument: the caller evaluates, this file decides.

    size = equations(..., x, work.f, work.jac)
    status = begin(work, x, size, tolerance)
    while status == RUNNING:
        size = equations(..., work.trial, work.new_f, work.new_jac)
        status = proceed(work, x, size, tolerance)

leaves the best point in x, its residuals and Jacobian in work.f and work.jac, its residual in work.size[0].

Steps are shortened to a length of 2 and halved until the next step, estimated with the old Jacobian, is shorter: unlike the
residual, that measure does not depend on how the equations are scaled (natural monotonicity test; Deuflhard 2004).  A step's length
is its largest component in units of floor + slope |x|.
"""

import math
from typing import NamedTuple

import numpy as np

from flatphys._jit import jit

RUNNING, CONVERGED, SINGULAR, FOLD, OUT_OF_BUDGET = -1, 0, 1, 2, 3
TIGHT = 2e-14  # a residual that rounding hardly lets fall further
MAX_STEPS = 40
MAX_HALVINGS = 9
LONGEST = 2.0
ROUNDING = 1e-10  # length of a step after which a residual that does not fall says that no digits are left


class Work(NamedTuple):
    """Buffers for n unknowns: see `workspace`; `size` holds (residual, length of the step, damping, halvings, steps)."""

    f: np.ndarray
    jac: np.ndarray
    trial: np.ndarray
    new_f: np.ndarray
    new_jac: np.ndarray
    dx: np.ndarray
    look: np.ndarray
    mat: np.ndarray
    floor: np.ndarray
    slope: np.ndarray
    size: np.ndarray


@jit
def workspace(n):
    """Buffers for n unknowns, all of which count in absolute units; change `floor` and `slope` for others."""
    f, jac, trial, new_f, new_jac = np.empty(n), np.empty((n, n)), np.empty(n), np.empty(n), np.empty((n, n))
    return Work(f, jac, trial, new_f, new_jac, np.empty(n), np.empty(n), np.empty((n, n + 1)), np.ones(n), np.zeros(n), np.zeros(5))


@jit
def copy(source, target):
    """target = source, for vectors (a plain loop compiles faster than slices)."""
    for i in range(source.size):
        target[i] = source[i]


@jit
def factorise(jac, mat):
    """Elimination with pivoting: mat becomes the triangles of jac, its last column the rows' order. False if jac is singular."""
    n = jac.shape[0]
    for i in range(n):
        for k in range(n):
            mat[i, k] = jac[i, k]
    for col in range(n):
        best = col
        for row in range(col + 1, n):
            if abs(mat[row, col]) > abs(mat[best, col]):
                best = row
        mat[col, n] = best
        if not abs(mat[best, col]) > 0.0:
            return False
        if best != col:
            for k in range(n):
                mat[col, k], mat[best, k] = mat[best, k], mat[col, k]
        for row in range(col + 1, n):
            factor = mat[row, col] / mat[col, col]
            mat[row, col] = factor
            if factor != 0.0:
                for k in range(col + 1, n):
                    mat[row, k] -= factor * mat[col, k]
    return True


@jit
def substitute(mat, rhs):
    """Solve jac y = rhs in place with what `factorise` has made of jac."""
    n = rhs.size
    for col in range(n):
        best = int(mat[col, n])
        rhs[col], rhs[best] = rhs[best], rhs[col]
    for col in range(n):
        for row in range(col + 1, n):
            rhs[row] -= mat[row, col] * rhs[col]
    for col in range(n - 1, -1, -1):
        for k in range(col + 1, n):
            rhs[col] -= mat[col, k] * rhs[k]
        rhs[col] /= mat[col, col]


@jit
def length_of(dx, x, floor, slope):
    """Size of a step in the units of its unknowns."""
    length = 0.0
    for j in range(x.size):
        length = max(length, abs(dx[j]) / (floor[j] + slope[j] * abs(x[j])))
    return length


@jit
def propose(work, x, tolerance):
    """The first trial of a new step from x; or how the search has ended."""
    size = work.size
    if not size[0] > tolerance:
        return CONVERGED
    if size[4] >= MAX_STEPS:
        return OUT_OF_BUDGET
    dx = work.dx
    copy(work.f, dx)
    if not factorise(work.jac, work.mat):
        return SINGULAR
    substitute(work.mat, dx)
    length = length_of(dx, x, work.floor, work.slope)
    size[1], size[2], size[3] = length, min(1.0, LONGEST / length), 0.0
    size[4] += 1.0
    for j in range(x.size):
        work.trial[j] = x[j] - size[2] * dx[j]
    return RUNNING


@jit
def begin(work, x, size, tolerance):
    """Start from x, whose residuals, Jacobian and residual `size` are known; nan ends the search."""
    work.size[0], work.size[4] = size, 0.0
    return SINGULAR if math.isnan(size) else propose(work, x, tolerance)


@jit
def proceed(work, x, new, tolerance):
    """Take or shorten the step whose residual is `new`; the next trial, or how the search has ended."""
    size, accepted = work.size, False
    if new < math.inf:
        copy(work.new_f, work.look)
        substitute(work.mat, work.look)
        accepted = new <= TIGHT or length_of(work.look, x, work.floor, work.slope) < size[1]
    if not accepted:
        size[2] *= 0.5
        size[3] += 1.0
        if size[3] >= MAX_HALVINGS:
            return FOLD
        for j in range(x.size):
            work.trial[j] = x[j] - size[2] * work.dx[j]
        return RUNNING
    if size[1] < ROUNDING and not new < size[0]:
        return OUT_OF_BUDGET
    size[0] = new
    for j in range(x.size):
        x[j] = work.trial[j]
        work.f[j] = work.new_f[j]
        for k in range(x.size):
            work.jac[j, k] = work.new_jac[j, k]
    return propose(work, x, tolerance)
