"""Newton's method for systems of Python functions, with a status: converged, singular, at a fold, out of budget, outside.

The Jacobian is taken by differences once and then carried along with Broyden's rank-one updates; it may also be handed over from
a neighbouring problem.  A step that does not help with a Jacobian carried along is tried again with a fresh one; one that does not
help even then, however much it is shortened, ends the search.  Compiled code has `numerics.compiled_newton`.

Source: Broyden 1965; Dennis & Schnabel 1983.
"""

import math
from typing import Any, NamedTuple

import numpy as np

CONVERGED = "converged"
SINGULAR = "singular"  # the Jacobian has no inverse
FOLD = "fold"  # the residual has a minimum that is not zero, as beyond the point where two solutions have met
OUT_OF_BUDGET = "out_of_budget"  # the steps, or the digits, were used up
OUTSIDE = "outside"  # the function is not defined at the start, or next to it

DIFFERENCE = 1e-6  # step of the one-sided difference quotients, relative to 1 + |x|
NEAR_ROUNDING = 1e-11  # residual below which shorter steps gain nothing
ROUNDING = 1e-12  # the same for a fresh Jacobian
QUICK = 0.3  # a residual that falls by less calls for a fresh Jacobian before long
TINY = 1e-5  # relative step that a fold does not ask for, but rounding does


class Options(NamedTuple):
    """How a system is solved; every default suits smooth functions of order one.

    Attributes
    ----------
    goal, tolerance : float
        The search ends at a residual below `goal`; one below `tolerance` that has stopped falling counts as converged too.
    steps : int
        The budget.
    longest : float or function of x
        Largest change of any unknown in one step, or of each (an array of its active unknowns).
    tries, decrease : (fresh, reused)
        How often a step is shortened by `shrink`, and the factor by which the residual has to fall, with a fresh Jacobian and with a
        reused one.
    patience : int
        After so many slow steps in a row the Jacobian is taken anew.
    content : float
        Residual below which a step that fails with a reused Jacobian ends the search at once.
    active : sequence of int, optional
        The unknowns and equations that take part; the others keep their values.
    size : function of (x, f), optional
        The residual of a point, where it is not the largest |f|.
    confine : function of (trial, x), optional
        Returns the trial point moved back to where the function is defined.
    """

    goal: float = 2e-14
    tolerance: float = 1e-10
    steps: int = 40
    longest: Any = 1.5
    tries: tuple = (8, 8)
    decrease: tuple = (1.0, 1.0)
    shrink: float = 0.3
    patience: int = 2
    content: float = 0.0
    active: Any = None
    size: Any = None
    confine: Any = None


DEFAULT = Options()


class Root(NamedTuple):
    """The best point, its residual, the last Jacobian (None: none was needed), how the search ended, what the point carries, its cost."""

    x: np.ndarray
    residual: float
    jacobian: np.ndarray | None
    status: str
    payload: Any
    evaluations: int


def largest(values) -> float:
    """max |value|, nan if one is; a few numbers are gone through faster one by one than as an array."""
    out = 0.0
    for value in values:
        if not abs(value) <= out:
            out = abs(value)
            if out != out:
                break
    return out


class _Search:
    """One search: the function with its options, counting evaluations."""

    def __init__(self, function, options, carries):
        self.function, self.options, self.carries = function, options, carries
        self.active = slice(None) if options.active is None else list(options.active)
        self.evaluations = 0

    def at(self, x, payload):
        """(f, payload) at x."""
        self.evaluations += 1
        f, payload = self.function(x, payload) if self.carries else (self.function(x), None)
        return np.asarray(f, dtype=float), payload

    def size(self, x, f):
        """The residual; nan outside of the domain."""
        return largest(f.tolist()) if self.options.size is None else float(self.options.size(x, f))

    def jacobian(self, x, f, payload):
        """Difference quotients of the active equations in the active unknowns."""
        columns = []
        for i in np.arange(x.size)[self.active]:
            step = DIFFERENCE * (1.0 + abs(x[i]))
            moved = x.copy()
            moved[i] += step
            columns.append((self.at(moved, payload)[0] - f)[self.active] / step)
        return np.array(columns).T

    def step(self, jacobian, x, f):
        """Newton's step, no longer than allowed, and its relative length before that; None where there is none."""
        try:
            step = -np.linalg.solve(jacobian, f[self.active])
        except np.linalg.LinAlgError:
            return None, math.nan
        lengths = [abs(part) for part in step.tolist()]
        if not math.isfinite(sum(lengths)):
            return None, math.nan
        relative = max(length / (1.0 + abs(at)) for length, at in zip(lengths, x[self.active].tolist(), strict=True))
        longest = self.options.longest(x) if callable(self.options.longest) else self.options.longest
        limits = [longest] * len(lengths) if isinstance(longest, float) else longest
        damping = min(limit / max(length, 1e-300) for limit, length in zip(limits, lengths, strict=True))
        return step * damping if damping < 1.0 else step, relative

    def shortened(self, step, x, size, payload, fresh):
        """(x, f, payload, size) after the longest part of the step that lowers the residual, or None."""
        options = self.options
        tries, factor = (options.tries[0], options.decrease[0]) if fresh else (options.tries[1], options.decrease[1])
        for _ in range(1 if size < NEAR_ROUNDING else tries):
            trial = x.copy()
            trial[self.active] += step
            if options.confine is not None:
                trial = options.confine(trial, x)
            f, carried = self.at(trial, payload)
            new = self.size(trial, f)
            if new < factor * size:
                return trial, f, carried, new
            step = options.shrink * step
        return None


def newton(function, x, jacobian=None, options: Options = DEFAULT, payload=None) -> Root:
    """A root of `function` near x.

    Parameters
    ----------
    function : f(x), or f(x, payload) -> (residuals, payload) where a `payload` is given
        As many residuals as unknowns; nan outside of its domain.  The payload is what the best point so far has returned: starts of
        inner iterations, averages that are reported later.
    x : array
        The guess.
    jacobian : array, optional
        Of the active unknowns, approximately, as a neighbouring problem has left it.
    """
    search = _Search(function, options, payload is not None)
    x = np.array(x, dtype=float)
    f, payload = search.at(x, payload)
    size = search.size(x, f)
    if not math.isfinite(size):
        return Root(x, math.inf, None, OUTSIDE, payload, search.evaluations)
    fresh, slow_steps, status = False, 0, OUT_OF_BUDGET
    for _ in range(options.steps):
        if size <= options.goal:
            break
        if jacobian is None:
            jacobian, fresh = search.jacobian(x, f, payload), True
            if not np.isfinite(jacobian).all():
                status = OUTSIDE
                break
        step, length = search.step(jacobian, x, f)
        found = None if step is None else search.shortened(step, x, size, payload, fresh)
        if found is None:
            if fresh or size < options.content:
                status = SINGULAR if step is None else (FOLD if length > TINY else OUT_OF_BUDGET)
                break
            jacobian = None
            continue
        new_x, new_f, payload, new_size = found
        moved = (new_x - x)[search.active]
        jacobian = jacobian + np.outer((new_f - f)[search.active] - jacobian @ moved, moved) / (moved @ moved)
        slow_steps = slow_steps + 1 if new_size > QUICK * size else 0
        x, f, size, fresh = new_x, new_f, new_size, False
        if slow_steps >= options.patience and size > options.goal:
            if size < ROUNDING:
                break
            jacobian, slow_steps = None, 0
    if size <= max(options.goal, options.tolerance):
        status = CONVERGED
    return Root(x, size, jacobian, status, payload, search.evaluations)
