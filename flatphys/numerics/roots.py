"""Roots of one Python function in a bracket, to the last digit: SciPy's, imported on first use because that takes 0.2 s."""


def bracketed(function, lo: float, hi: float, args: tuple = ()) -> float:
    """The root of `function` between lo and hi, where its signs differ (Brent's method)."""
    from scipy.optimize import brentq

    return brentq(function, lo, hi, args=args, xtol=1e-15, rtol=1e-15)
