"""Newton's method with Broyden updates for two to four unknowns, and a predictor along a curve of solutions."""

import numpy as np

CONTENT = 2e-14  # residual at which nothing is left to gain
MAX_ITERATIONS = 40
DIFFERENCE = 1e-6  # step of the one-sided difference quotients
LONGEST = 1.5  # largest change of an unknown in one step


def _jacobian(function, x, f):
    columns = []
    for i in range(x.size):
        step = DIFFERENCE * max(1.0, abs(x[i]))
        y = x.copy()
        y[i] += step
        columns.append((function(y) - f) / step)
    return np.array(columns).T


def solve_system(function, x, jacobian=None, goal=CONTENT):
    """A root of `function` (array to array; nan outside its domain) near x.

    Returns (x, residual, jacobian): the best point, the largest |component| there, and the last
    approximate Jacobian, which a neighbouring problem can start from.  Ends when the residual is below `goal`
    or stops falling: what it is worth is for the caller to judge.
    """
    x = np.array(x, dtype=float)
    f = function(x)
    size = np.max(np.abs(f))
    if not np.isfinite(size):
        return x, np.inf, None
    fresh = jacobian is None
    jac = _jacobian(function, x, f) if fresh else jacobian
    stalled = 0
    for _ in range(MAX_ITERATIONS):
        if size <= goal:
            break
        if not np.isfinite(jac).all():
            if fresh:
                break
            jac, fresh = _jacobian(function, x, f), True
            continue
        try:
            step = -np.linalg.solve(jac, f)
        except np.linalg.LinAlgError:
            step = np.full(x.size, np.nan)
        longest = np.max(np.abs(step))
        if longest > LONGEST:
            step *= LONGEST / longest
        moved = False
        if np.isfinite(longest):
            for _ in range(8):
                new = function(x + step)
                new_size = np.max(np.abs(new))
                if new_size < size:
                    moved = True
                    break
                if size < 1e-11:
                    break
                step = 0.3 * step
        if not moved:
            if fresh:
                break
            jac, fresh = _jacobian(function, x, f), True
            continue
        slow = new_size > 0.3 * size
        jac = jac + np.outer(new - f - jac @ step, step) / (step @ step)
        fresh = False
        x, f, size = x + step, new, new_size
        stalled = stalled + 1 if slow else 0
        if stalled >= 2 and size > goal:
            if size < 1e-12:
                break
            jac, fresh, stalled = _jacobian(function, x, f), True, 0
    return x, float(size), jac


def extrapolate(places, points, at, order=4):
    """The polynomial through the last `order` points, at the place `at`."""
    places, points = places[-order:], points[-order:]
    out = np.zeros_like(points[0])
    for i, (p, x) in enumerate(zip(places, points)):
        weight = 1.0
        for j, q in enumerate(places):
            if j != i:
                weight *= (at - q) / (p - q)
        out = out + weight * x
    return out
