"""The sampled law of the training stabilities: counts per instance in bins, or the stabilities themselves."""

import math

import numpy as np

from flatphys import validate
from flatphys.display import Table, figure
from flatphys.finite_size.estimate import Estimate

BIN = 0.02  # width of a bin
REACH = 7.0  # half of the range, about the margin: beyond it less than 1e-11 of standard normal stabilities lie


def edges(n: int, margin: float, lattice: bool) -> np.ndarray:
    """Edges of the bins.

    The law jumps at the margin: an edge lies there.  With binary weights on +-1 patterns stabilities are odd multiples of
    1/sqrt N (n odd): the edges lie half-way between them, where the law of continuous stabilities has the same mass below.
    """
    if lattice:
        step = 2.0 / math.sqrt(n)
        count = math.ceil(REACH / step)
        return step * np.arange(-count, count + 1)
    count = math.ceil(REACH / BIN)
    return margin + BIN * np.arange(-count, count + 1)


class SampledMargins(Table):
    """The law of y x.w/sqrt N + y b on the training patterns, as sampled.

    Attributes
    ----------
    mean, variance : Estimate
        Of the law.
    edges : array
        Where the distribution function is known exactly; between them it is interpolated.
    """

    def __init__(self, mean: Estimate, variance: Estimate, *, edges=None, counts=None, stabilities=None):
        self.mean, self.variance = mean, variance
        self._sorted = None if stabilities is None else np.sort(np.asarray(stabilities, dtype=float), axis=1)
        if stabilities is not None:
            low, high = float(self._sorted.min()), float(self._sorted.max())
            edges = np.linspace(low - 1e-9, high + 1e-9, 101)
        self.edges = np.asarray(edges, dtype=float)
        if counts is not None:
            counts = np.asarray(counts, dtype=float)
            below = np.concatenate([np.zeros((len(counts), 1)), np.cumsum(counts, axis=1)], axis=1)
            self._below = below / below[:, -1:]

    def cdf(self, x) -> Estimate:
        """The fraction of stabilities below x (number or array), with its error over instances."""
        x = validate.array("x", x, closed="[]", empty=True)
        flat = x.ravel()
        if self._sorted is not None:
            values = np.array([np.searchsorted(row, flat, side="right") for row in self._sorted]) / self._sorted.shape[1]
            resolution = 1.0 / self._sorted.size
        else:
            values = np.array([np.interp(flat, self.edges, row) for row in self._below])
            resolution = 1e-9
        return Estimate.of(values.reshape(len(values), *x.shape), resolution)

    def nearest_edges(self, x) -> np.ndarray:
        """The places nearest to x at which `cdf` needs no interpolation: the edges of the bins (x itself without bins)."""
        x = np.asarray(x, dtype=float)
        if self._sorted is not None:
            return x
        return self.edges[np.abs(self.edges[:, None] - x.ravel()).argmin(axis=0)].reshape(x.shape)

    def density(self, bins: int = 60) -> tuple[np.ndarray, Estimate]:
        """(centres, density there): at most `bins` bins of equal width over the range in which there is mass."""
        inside = self.cdf(self.edges).mean
        first, last = np.searchsorted(inside, 1e-4), np.searchsorted(inside, 1.0 - 1e-4)
        first, last = max(int(first) - 1, 0), min(int(last) + 1, self.edges.size - 1)
        stride = max(1, math.ceil((last - first) / bins))
        if self._sorted is None:  # an edge stays at the margin, where the law jumps: it is the middle one
            first -= (first - self.edges.size // 2) % stride
            first += stride if first < 0 else 0
        places = self.edges[first : last + 1 : stride]
        mass = np.diff(self.cdf(places).values, axis=1) / np.diff(places)
        return 0.5 * (places[1:] + places[:-1]), Estimate.of(mass)

    def plot(self, axes=None, **style):
        """The density with error bars on `axes` (or a new figure); returns the matplotlib axes."""
        from flatphys.plotting import LABELS, new_axes

        axes = new_axes(axes)
        x, density = self.density()
        axes.errorbar(x, density.mean, density.error, **{"fmt": "o", "ms": 2.5, **style})
        axes.set(xlabel=LABELS["x"], ylabel=LABELS["pdf"])
        return axes

    def _rows(self):
        rows = [(name, f"{figure(e.mean)} +- {e.error:.2g}") for name, e in (("mean", self.mean), ("variance", self.variance))]
        places = (-1.0, -0.5, 0.0, 0.5, 1.0)
        below = self.cdf(places)
        return rows + [(f"below {x:g}", f"{m:.6g} +- {e:.2g}") for x, m, e in zip(places, below.mean, below.error)]

    def _title(self):
        return "Sampled distribution of training stabilities"


def variance_of_law(first, second) -> np.ndarray:
    """Per instance, the linear response of the pooled law's variance to its moments; their mean is E[t^2] - E[t]^2."""
    centre = float(np.mean(first))
    return np.asarray(second) - 2.0 * centre * np.asarray(first) + centre * centre
