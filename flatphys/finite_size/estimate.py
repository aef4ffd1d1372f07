"""What a sampled number is worth: the mean over instances with its errors, and the extrapolation to N = infinity.

A quantity is recorded as a series O[i, c, t]: instance i, chain c of it, draw t.  Two errors belong to its mean:

    error        sd_i(mean_ct O) / sqrt(I): between instances; the disorder and the chains' own noise are both in it
    time_error   (1/I) sqrt(sum_i mcse_i^2): what more sweeps on the same instances would still change

The effective samples, the Monte Carlo error mcse_i and the rank-normalised split R-hat (the larger of bulk and folded) of each
instance's chains are those of `arviz_stats` (Vehtari, Gelman, Simpson, Carpenter & Burkner 2021); effective samples add up over
instances, the R-hat that is reported is that of the worst instance.  One statistic sees what no single instance can show: half of
the chains start hot, half cold, and their difference, paired by instance, has a standard error over instances (`start_z`: hot minus
cold in units of it).
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from flatphys import validate
from flatphys.display import Table, figure
from flatphys.errors import InvalidInput
from flatphys.finite_size.mixing import diagnostics


@dataclass(frozen=True, eq=False, repr=False)
class Estimate(Table):
    """The mean of a sampled quantity over instances (numbers, or arrays of one shape) with its errors.

    Attributes
    ----------
    mean : float or array
    error : float or array
        Standard error over instances, the disorder included (with a single instance: `time_error`).
    time_error : float or array
        The part of it that longer chains would reduce (nan where there are no chains, inf where some never moved).
    effective_samples : float or array
        Independent draws that the chains are worth, all instances together.
    autocorrelation : float or array
        Integrated autocorrelation time in sweeps.
    r_hat : float or array
        Rank-normalised split R-hat of the worst instance; about 1 for mixed chains, inf for frozen ones.
    start_z : float or array
        Hot minus cold starts in standard errors (nan where all start alike).
    values : array (instances, ...)
    resolution : float
        The smallest step that the mean can take: an event never seen is not known better than that.
    """

    mean: object
    error: object
    time_error: object = math.nan
    effective_samples: object = math.nan
    autocorrelation: object = math.nan
    r_hat: object = math.nan
    start_z: object = math.nan
    values: np.ndarray = field(default=None)
    resolution: float = 1e-12

    @classmethod
    def of(cls, values, resolution: float = 1e-12, **more) -> "Estimate":
        """From one value, or one array of values, per instance."""
        values = np.asarray(values, dtype=float)
        with np.errstate(invalid="ignore"):  # an entropy of -inf (no such weights seen) has the error nan
            mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1) if len(values) > 1 else None
        if spread is not None:
            error = spread / math.sqrt(len(values))
        else:
            error = more.get("time_error", np.full(mean.shape, math.nan))
        if mean.ndim == 0:
            mean, error = float(mean), float(error)
        return cls(mean, error, values=values, resolution=resolution, **more)

    @classmethod
    def of_series(cls, series, every: int = 1, cold=None, resolution: float = 1e-12, frozen=None) -> "Estimate":
        """From a series (instances, chains, draws), one draw every so many sweeps.

        `cold` marks the chains that started cold, `frozen` the instances on which some chain never moved: they say nothing about time.
        """
        series = np.asarray(series, dtype=float)
        time_error, samples, r_hat = diagnostics(series, frozen)
        values = series.mean(axis=(1, 2))
        tau = series.size / samples * every if samples != 0.0 else math.inf
        more = {"time_error": time_error, "effective_samples": samples, "r_hat": r_hat, "autocorrelation": tau}
        if cold is not None and len(series) > 1 and 0 < np.sum(cold) < len(cold):
            cold = np.asarray(cold, dtype=bool)
            gap = series[:, ~cold].mean(axis=(1, 2)) - series[:, cold].mean(axis=(1, 2))
            spread = gap.std(ddof=1) / math.sqrt(len(gap))
            scale = max(spread, resolution, 1e-12 * float(np.abs(values).max()))
            more["start_z"] = float(gap.mean() / scale)
        return cls.of(values, resolution, **more)

    def z(self, value):
        """How many standard errors the mean lies above `value` (errors below the resolution count as that)."""
        return (np.asarray(self.mean) - np.asarray(value)) / np.maximum(self.error, self.resolution)

    def __float__(self) -> float:
        return float(self.mean)

    def _rows(self):
        names = ("mean", "error", "time_error", "effective_samples", "autocorrelation", "r_hat", "start_z")
        return [
            (name, str(np.asarray(getattr(self, name)).round(10)) if np.ndim(getattr(self, name)) else figure(getattr(self, name)))
            for name in names
        ]

    def _title(self):
        return f"Estimate over {len(self.values) if self.values is not None else '?'} instances"


@dataclass(frozen=True, eq=False, repr=False)
class Extrapolation(Table):
    """A quantity at N = infinity from a weighted fit a + b/N (+ c/N^2 ...) over several sizes.

    Attributes
    ----------
    name : str
    mean, error : float
        a and its standard error.
    slope, slope_error : float
        b.
    chi2 : float
        Sum of the squared residuals in units of the errors; about `freedom` for a good fit.
    freedom : int
        Sizes minus the fitted coefficients.
    sizes, values, errors : arrays
        What was fitted.
    """

    name: str
    mean: float
    error: float
    slope: float
    slope_error: float
    chi2: float
    freedom: int
    sizes: np.ndarray
    values: np.ndarray
    errors: np.ndarray
    resolution: float = 1e-12

    def z(self, value):
        """How many standard errors a lies above `value`."""
        return (self.mean - value) / max(self.error, self.resolution)

    def _rows(self):
        rows = [
            ("N = infinity", f"{figure(self.mean)} +- {self.error:.2g}"),
            ("slope in 1/N", f"{self.slope:.4g} +- {self.slope_error:.2g}"),
        ]
        rows.append(("chi2", f"{self.chi2:.3g} for {self.freedom} degrees of freedom"))
        return rows + [(f"N = {n}", f"{figure(v)} +- {e:.2g}") for n, v, e in zip(self.sizes, self.values, self.errors)]

    def _title(self):
        return f"Extrapolation of {self.name}"


def extrapolate(runs: Iterable, name: str | Callable = "train_error", order: int = 1) -> Extrapolation:
    """The value of a quantity at N = infinity, from runs of one model at one load and several sizes.

    Parameters
    ----------
    runs : sequence of Run
        At two sizes at least.
    name : str or function
        An estimate of the runs ("train_error", "overlap", "margins.mean", ...) or a function of a run that
        returns one.
    order : int
        Of the polynomial in 1/N: 1 for a + b/N, 2 with a term c/N^2, ... ; at least one more size than that is needed.

    Returns
    -------
    Extrapolation
        The weighted least-squares fit: `.mean` = a with its `.error`, `.slope` = b, `.chi2`.

    Examples
    --------
    >>> import flatphys as fp
    >>> model = fp.Model(fp.RandomLabels(), fp.Gibbs(beta=1.0))
    >>> runs = [fp.sample(model, n, 0.5, chains=64, sweeps=400) for n in (101, 201, 401)]  # doctest: +SKIP
    >>> fp.extrapolate(runs, "train_error")  # doctest: +SKIP
    """
    order = validate.integer("order", order, 1)
    name = name if callable(name) else validate.text("name", name)
    given = runs
    try:
        runs = list(runs)
    except Exception:  # whatever a stranger's iteration raises
        runs = []
    if not runs or not all(hasattr(run, "estimates") for run in runs):
        raise InvalidInput(f"runs must be Runs of sample(model, n, alpha), got {validate.shown(given)}")
    if any(run.model != runs[0].model for run in runs):
        raise InvalidInput("runs must be of one model, got " + " and ".join(dict.fromkeys(repr(run.model) for run in runs)))
    step = max(1.0 / run.n for run in runs)  # loads are rounded to whole patterns
    if max(run.alpha for run in runs) - min(run.alpha for run in runs) > step:
        raise InvalidInput(f"runs must be at one load, got alpha = {', '.join(f'{run.alpha:g}' for run in runs)}")
    label = name if isinstance(name, str) else getattr(name, "__name__", "quantity")
    found = [_lookup(run, name) for run in runs]
    sizes = np.array([run.n for run in runs], dtype=float)
    values = np.array([float(e.mean) for e in found])
    errors = np.array([max(float(e.error), e.resolution) for e in found])
    return fit_in_inverse_size(label, sizes, values, errors, order)


def fit_in_inverse_size(label: str, sizes, values, errors, order: int = 1) -> Extrapolation:
    """The weighted fit of a polynomial in 1/N behind `extrapolate`."""
    sizes, values, errors = (np.asarray(a, dtype=float) for a in (sizes, values, errors))
    order = validate.integer("order", order, 1)
    if len(set(sizes.tolist())) < order + 1:
        count = ("two", "three", "four")[order - 1] if order < 4 else order + 1
        raise InvalidInput(
            f"runs must have at least {count} different n for an extrapolation of order {order} in 1/N, got n = "
            f"{', '.join(f'{n:g}' for n in sizes)}"
        )
    if not (np.isfinite(values).all() and np.isfinite(errors).all()):
        nan = np.full(2, math.nan)  # a quantity that some size could not give has no limit either
        return Extrapolation(label, *nan, *nan, math.nan, len(sizes) - 1 - order, sizes.astype(int), values, errors)
    design = sizes[:, None] ** -np.arange(order + 1.0) / errors[:, None]
    scale = np.abs(design).max(axis=0)
    covariance = np.linalg.inv((design / scale).T @ (design / scale)) / np.outer(scale, scale)
    found = covariance @ (design.T @ (values / errors))
    chi2 = float(np.sum((values / errors - design @ found) ** 2))
    sigma = np.sqrt(np.diag(covariance))
    return Extrapolation(
        label,
        float(found[0]),
        float(sigma[0]),
        float(found[1]),
        float(sigma[1]),
        chi2,
        len(sizes) - 1 - order,
        sizes.astype(int),
        values,
        errors,
    )


def _lookup(run, name) -> Estimate:
    """The scalar estimate of that name."""
    if callable(name):
        estimate = name(run)
    else:
        estimate = run
        for part in name.split("."):
            try:
                estimate = getattr(estimate, part)
            except AttributeError:
                raise InvalidInput(
                    f"name must be an estimate of the runs ({', '.join(run.estimates)}, margins.mean, ...), got {validate.shown(name)}"
                ) from None
    if not hasattr(estimate, "error") or np.ndim(estimate.mean) != 0:
        raise InvalidInput(f"name must be a single number with an error, got {validate.shown(name)}: {type(estimate).__name__}")
    return estimate
