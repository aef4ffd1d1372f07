"""Roots of Python functions, to the last digit: SciPy's, imported on first use because that takes 0.2 s; and Newton's method."""

import math


def bracketed(function, lo: float, hi: float, args: tuple = ()) -> float:
    """The root of `function` between lo and hi, where its signs differ (Brent's method)."""
    from scipy.optimize import brentq

    return brentq(function, lo, hi, args=args, xtol=1e-15, rtol=1e-15)


def system(function, guess):
    """A root of a system of equations near `guess` (Powell's hybrid method); its residual is the caller's to judge."""
    from scipy.optimize import root

    return root(function, guess, tol=1e-14).x


def newton(function, x, target: float = 1e-13, iterations: int = 40):
    """Newton's method with a finite-difference Jacobian and backtracking, until the residual stops falling.

    Returns (x, largest residual); `function` may return nan outside its domain.
    """
    import numpy as np

    x = np.array(x, dtype=float)
    f = np.asarray(function(x))
    norm = np.max(np.abs(f)) if np.isfinite(f).all() else math.inf
    for _ in range(iterations):
        if not norm > target or not math.isfinite(norm):
            break
        jacobian = np.empty((x.size, x.size))
        for i in range(x.size):
            h = 1e-6 * (abs(x[i]) + 1e-2)
            moved = x.copy()
            moved[i] += h
            jacobian[:, i] = (np.asarray(function(moved)) - f) / h
        if not np.isfinite(jacobian).all():
            break
        try:
            direction = np.linalg.solve(jacobian, -f)
        except np.linalg.LinAlgError:
            break
        stride, better = 1.0, False
        while stride > 1e-3 and not better:
            trial = x + stride * direction
            new = np.asarray(function(trial))
            size = np.max(np.abs(new)) if np.isfinite(new).all() else math.inf
            better = size < norm
            stride *= 0.5
        if not better:
            break
        x, f, norm = trial, new, size
    return x, norm
