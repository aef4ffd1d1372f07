"""A law on the real line with a density and atoms: the interface of every distribution of margins."""

import math

import numpy as np

from flatphys import validate
from flatphys.display import Table, figure
from flatphys.errors import NotConverged


def skewness(variance: float, third: float, lift: float = 0.0) -> float:
    """Of a law with these central moments times e^-lift; 0 where there is no spread."""
    if variance == 0.0:
        return 0.0
    scaled, half = third / variance / math.sqrt(variance), 0.5 * lift
    return scaled * math.exp(half) if half < 700.0 or scaled == 0.0 else math.copysign(math.inf, scaled)


def central_moments(origin, integral, mass=0.0, lift=0.0):
    """(mean, variance, skewness) of a point mass at `origin` and a density; `integral` is e^lift times that of a function of t - origin.

    Relative to the point mass, where next to all of a law is that, and about the mean: nothing cancels.
    """
    scale = math.exp(-lift)
    first = integral(lambda d: d)
    shift = scale * first
    second, third = integral(lambda d: np.stack([(d - shift) ** 2, (d - shift) ** 3]))
    second, third = second + mass * shift * first, third - mass * shift * shift * first
    return origin + shift, scale * second, skewness(second, third, lift)


def known(value, what: str):
    """`value`, or `NotConverged` where it holds a nan."""
    if np.isnan(value).any():
        raise NotConverged(
            f"{what} was not resolved: next to the teacher, or at a vanishing 1-q, the nodes of its integrals do not suffice"
        )
    return value


class MarginDistribution(Table):
    """The law of the training stabilities t = y (x.w / sqrt N + b).

    A subclass gives `_pdf(x)` and `_cdf(x)` on one-dimensional float arrays and the scalar function
    `_smeared(slope)` = E[H(slope t)], and passes the rest to the constructor.

    Parameters
    ----------
    mean, variance, skewness : float
        Moments of t, atoms included.
    atoms : tuple of (place, mass)
        Point masses.  The density does not contain them, the distribution function does.
    norm : float
        |w|/sqrt N, by which `normalised` divides.
    support : (float, float)
        Interval outside which the law has no mass worth drawing.
    """

    def __init__(self, mean, variance, skewness, atoms=(), norm=1.0, support=(-8.0, 8.0)):
        self.mean = float(mean)
        self.variance = float(variance)
        self.skewness = float(skewness)
        self.atoms = tuple((float(place), float(mass)) for place, mass in atoms)
        self.norm = float(norm)
        self.support = support

    def _pdf(self, x):
        raise NotImplementedError

    def _cdf(self, x):
        raise NotImplementedError

    def _smeared(self, slope: float) -> float:
        raise NotImplementedError

    def _at(self, x, function):
        x = validate.array("x", x, closed="[]", empty=True)
        out = known(function(np.ascontiguousarray(x.ravel())), "the law of the stabilities").reshape(x.shape)
        return float(out) if out.ndim == 0 else out

    def pdf(self, x):
        """Density at x (scalar or array); at a jump the value to the right.  Atoms are not part of it."""
        return self._at(x, self._pdf)

    def cdf(self, x):
        """P(t <= x), atoms included; of hinge and squared hinge cdf(1) is the fraction of support vectors."""
        return self._at(x, self._cdf)

    @property
    def mass_below_zero(self) -> float:
        """P(t < 0): the fraction of misclassified training patterns."""
        return self.cdf(0.0) - sum(mass for place, mass in self.atoms if place == 0.0)

    def rise_after_noise(self, scale: float) -> float:
        """P(t + scale g < 0) - P(t < 0) for standard normal g: what Gaussian noise on the stabilities costs."""
        return self._smeared(1.0 / scale) - self.mass_below_zero if scale > 0.0 else 0.0

    def normalised(self) -> "MarginDistribution":
        """The law of t sqrt(N)/|w|, the distance to the decision surface."""
        return self if self.norm == 1.0 else _Scaled(self, 1.0 / self.norm)

    def plot(self, ax=None, points: int = 600, **style):
        """Draw the density (atoms as spikes labelled with their mass) on `ax` or a new figure; returns the axes."""
        from flatphys.plotting import LABELS, new_axes

        ax = new_axes(ax)
        x = np.linspace(*self.support, points)
        (line,) = ax.plot(x, self.pdf(x), **style)
        for place, mass in self.atoms:
            ax.vlines(place, 0.0, mass, color=line.get_color(), lw=2.5)
            ax.annotate(f"atom {mass:.3g}", (place, mass), textcoords="offset points", xytext=(4, 2), fontsize="small")
        ax.set(xlabel=LABELS["x"], ylabel=LABELS["pdf"])
        return ax

    def _rows(self):
        rows = [(name, figure(getattr(self, name))) for name in ("mean", "variance", "skewness", "mass_below_zero")]
        return rows + [("atom", f"{mass:.10g} at {place:.10g}") for place, mass in self.atoms]

    def _title(self):
        return "Distribution of training stabilities"


class _Scaled(MarginDistribution):
    """The law of `factor` * t."""

    def __init__(self, law, factor):
        super().__init__(
            law.mean * factor,
            law.variance * factor * factor,
            law.skewness,
            [(place * factor, mass) for place, mass in law.atoms],
            law.norm * factor,
            tuple(factor * edge for edge in law.support),
        )
        self._law, self._factor = law, factor

    def _pdf(self, x):
        return self._law._pdf(x / self._factor) / self._factor

    def _cdf(self, x):
        return self._law._cdf(x / self._factor)

    def _smeared(self, slope):
        return self._law._smeared(slope * self._factor)

    def normalised(self):
        """This law itself when |w|^2 = N already."""
        return self if math.isclose(self.norm, 1.0, rel_tol=1e-15) else _Scaled(self, 1.0 / self.norm)
