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
    return Work(f, jac, trial, new_f, new_jac, np.empty(n), np.empty(n), np.empty((n, n)), np.ones(n), np.zeros(n), np.zeros(5))


@jit
def copy(source, target):
    """target = source, for arrays of any shape (a plain loop compiles faster than slices)."""
    a, b = source.ravel(), target.ravel()
    for i in range(a.size):
        b[i] = a[i]


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
def length_of(work, dx, x):
    """Size of a step in the units of its unknowns."""
    length = 0.0
    for j in range(x.size):
        length = max(length, abs(dx[j]) / (work.floor[j] + work.slope[j] * abs(x[j])))
    return length


@jit
def shortened(work, x, damping):
    """work.trial = x - damping * dx."""
    work.size[2] = damping
    for j in range(x.size):
        work.trial[j] = x[j] - damping * work.dx[j]


@jit
def propose(work, x, tolerance):
    """The first trial of a new step from x; or how the search has ended."""
    if not work.size[0] > tolerance:
        return CONVERGED
    if work.size[4] >= MAX_STEPS:
        return OUT_OF_BUDGET
    copy(work.f, work.dx)
    copy(work.jac, work.mat)
    if not eliminate(work.mat, work.dx):
        return SINGULAR
    length = length_of(work, work.dx, x)
    work.size[1], work.size[3] = length, 0.0
    work.size[4] += 1.0
    shortened(work, x, min(1.0, LONGEST / length))
    return RUNNING


@jit
def begin(work, x, size, tolerance):
    """Start from x, whose residuals, Jacobian and residual `size` are known; nan ends the search."""
    work.size[0], work.size[4] = size, 0.0
    if math.isnan(size):
        return SINGULAR
    return propose(work, x, tolerance)


@jit
def proceed(work, x, new, tolerance):
    """Take or shorten the step whose residual is `new`; the next trial, or how the search has ended."""
    accepted = False
    if new < math.inf:
        copy(work.new_f, work.look)
        copy(work.jac, work.mat)
        eliminate(work.mat, work.look)
        accepted = new <= TIGHT or length_of(work, work.look, x) < work.size[1]
    if not accepted:
        work.size[3] += 1.0
        if work.size[3] >= MAX_HALVINGS:
            return FOLD
        shortened(work, x, 0.5 * work.size[2])
        return RUNNING
    if work.size[1] < ROUNDING and not new < work.size[0]:
        return OUT_OF_BUDGET
    copy(work.trial, x)
    copy(work.new_f, work.f)
    copy(work.new_jac, work.jac)
    work.size[0] = new
    return propose(work, x, tolerance)
