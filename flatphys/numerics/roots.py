"""Roots of Python functions, to the last digit: SciPy's, imported on first use because that takes 0.2 s."""


def bracketed(function, lo: float, hi: float, args: tuple = ()) -> float:
    """The root of `function` between lo and hi, where its signs differ (Brent's method)."""
    from scipy.optimize import brentq

    return brentq(function, lo, hi, args=args, xtol=1e-15, rtol=1e-15)


def system(function, guess):
    """A root of a system of equations near `guess` (Powell's hybrid method); its residual is the caller's to judge."""
    from scipy.optimize import root

    return root(function, guess, tol=1e-14).x
