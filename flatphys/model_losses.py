"""Losses that ERM takes: by name, smoothed by Gaussian noise, or of one's own.  `kernels.losses` has their numbers."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from flatphys import validate
from flatphys.errors import InvalidInput

LOSSES = ("square", "logistic", "hinge", "squared-hinge")  # `kernels.losses`


def put(record: object, **values: object) -> None:
    """Set fields of a frozen dataclass, while it is made."""
    for name, value in values.items():
        object.__setattr__(record, name, value)


@dataclass(frozen=True)
class Smoothed:
    """A loss averaged over Gaussian noise on the margins; made by `smoothed`.

    Attributes
    ----------
    loss : str
        The loss that is averaged.
    sigma : float
        Noise on every weight: that of a margin is sigma on a teacher's patterns, sigma sqrt(variance) on a mixture's.
    """

    loss: str
    sigma: float

    def __post_init__(self) -> None:
        put(self, loss=validate.choice("loss", self.loss, LOSSES), sigma=validate.number("sigma", self.sigma, 0.0, closed="["))

    def __repr__(self) -> str:
        return f"smoothed({self.loss!r}, sigma={self.sigma!r})"


def smoothed(loss: str, sigma: float) -> Smoothed:
    """A loss averaged over Gaussian noise of width sigma on every weight, for ERM(loss=...).

    Noise sigma xi_i on the weights shifts a margin x.w/sqrt N by sigma |x| z/sqrt N with a standard normal z, so that

        l_sigma(t) = E l(t + sigma sqrt(D) z),        D = variance of the mixture's clouds, D = 1 for a teacher.

    Its minimiser is what Entropy-SGD finds at strong coupling gamma and temperature T = gamma sigma^2.  With sigma -> infinity every
    loss but the square pulls all patterns alike: the weights turn to Hebb's direction, on a mixture the Bayes-optimal one.

    Parameters
    ----------
    loss : "square", "logistic", "hinge" or "squared-hinge"
    sigma : float >= 0
        0 is the loss itself: ERM then keeps its name.

    Returns
    -------
    Smoothed
        Compared, hashed, printed and pickled by its two values; a sweep moves "learner.loss.sigma".

    Raises
    ------
    InvalidInput

    >>> round(fp.solve(fp.Model(fp.GaussianMixture(), fp.ERM(fp.smoothed("hinge", 2.0), l2=0.1)), 2.0).cosine, 4)
    0.7313
    """
    return Smoothed(loss, sigma)


@dataclass(frozen=True)
class CustomLoss:
    """A convex, differentiable loss of one's own, for ERM(loss=CustomLoss(...)).

    The three functions must be compiled with `numba.njit`, take one float and return one float.  Such
    a loss takes the uncached road: the solver is compiled around it, which costs some ten seconds at
    the first use in every process (the built-in losses are compiled once and kept on disk); after
    that a point takes a few times as long as with a built-in loss, because the quadrature has to
    find the structure of the response by itself.

    Parameters
    ----------
    value, slope, curvature : njit functions of t
        l(t), l'(t) (not decreasing) and l''(t) >= 0; the curvature may jump, the slope may not.
    name : str
        How the loss is called in messages.
    """

    value: Callable[[float], float]
    slope: Callable[[float], float]
    curvature: Callable[[float], float]
    name: str = "custom"

    def __post_init__(self) -> None:
        put(self, name=validate.text("name", self.name))
        for part in ("value", "slope", "curvature"):
            function = getattr(self, part)
            if not hasattr(function, "py_func"):
                raise InvalidInput(f"{part} must be a function compiled with numba.njit, got {validate.shown(function)}")
            for t in (-2.0, 0.0, 1.5):
                if not math.isfinite(_call(function, part, t)):
                    raise InvalidInput(f"{part} must return a finite float, got {function(t)!r} at t = {t}")
        slopes = [_call(self.slope, "slope", 0.37 * i - 7.0) for i in range(40)]
        if any(b < a - 1e-12 * (1.0 + abs(a)) for a, b in zip(slopes, slopes[1:])):
            raise InvalidInput(f"slope must not decrease (the loss must be convex), but that of {self.name!r} does")
        if any(_call(self.curvature, "curvature", 0.37 * i - 7.0) < 0.0 for i in range(40)):
            raise InvalidInput(f"curvature must be >= 0, but that of {self.name!r} is negative somewhere in [-7, 8]")

    def __repr__(self) -> str:
        return f"CustomLoss({self.name!r})"


def _call(function: Callable[[float], float], part: str, t: float) -> float:
    try:
        return float(function(t))
    except Exception as error:
        raise InvalidInput(f"{part} must map a float to a float, but at t = {t} it raises {type(error).__name__}: {error}") from None
