"""Whether chains have mixed: effective samples, R-hat and Monte Carlo errors of a series, and the alarms that they raise.

An alarm is a test at the level `FALSE_ALARM`.  Of mixed chains start_z is Student's t of I - 1 degrees of freedom, and the R-hat of m
half-chains with e effective draws each obeys R^2 = 1 + F/e with Fisher's F of m - 1 and m (e-1) degrees of freedom: the worst of 2 I
such numbers may exceed a fixed limit by chance alone, so that the limit grows with I and falls with e.
"""

import math
import warnings

import numpy as np
from scipy import special

R_HAT_LIMIT = 1.1  # no alarm below it, however many effective samples there are ...
R_HAT_STUCK = 1.5  # ... and always above it: ranks of chains that share no value have 1.8
SLOWER = 2.0  # times longer than on average chains may take to forget on the worst instance
FEWEST_SAMPLES = 10.0  # effective samples per chain below which a warning is due
FALSE_ALARM = 1e-3  # how often a question that is asked of mixed chains raises one


def diagnostics(series, frozen=None) -> tuple[float, float, float]:
    """(time error of the mean, effective samples, split R-hat of the worst instance) of a series (instances, chains, draws)."""
    from arviz_stats.base import array_stats  # a second of imports

    instances, chains, draws = series.shape
    if draws < 8:  # two halves of four draws: fewer say nothing about time
        return math.nan, math.nan, math.nan
    frozen = np.zeros(instances, dtype=bool) if frozen is None else frozen
    # A series without fluctuations (no violations at low temperature) has no autocorrelation: it counts as mixed
    # where all chains of its instance agree, as infinitely far from it where they do not.
    scale = 1e-13 * np.maximum(1.0, np.abs(series).max(axis=(1, 2)))
    moves = (np.ptp(series, axis=2).max(axis=1) > scale) & ~frozen
    agree = np.ptp(series, axis=(1, 2)) <= scale
    r_hat = np.where(agree, 1.0, math.inf)
    samples = np.where(agree, float(chains * draws), float(chains))
    errors = np.where(agree, 0.0, series.mean(axis=2).std(axis=1) / math.sqrt(max(chains - 1, 1)))
    r_hat[frozen], samples[frozen], errors[frozen] = math.inf, 0.0, math.inf
    if moves.any():
        moving = series[moves]
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            r_hat[moves] = _rank_r_hat(moving)
            samples[moves] = array_stats.ess(moving, chain_axis=-2, draw_axis=-1, method="mean")
            errors[moves] = moving.std(axis=(1, 2), ddof=1) / np.sqrt(samples[moves])
    return float(np.sqrt(np.sum(errors**2)) / instances), float(samples.sum()), float(r_hat.max())


def _rank_r_hat(series) -> np.ndarray:
    """The rank-normalised split R-hat of each instance, bulk or folded (that of arviz_stats, which ranks one instance after the other)."""
    from arviz_stats.base import array_stats
    from scipy.stats import rankdata

    half, out = series.shape[2] // 2, []
    even = np.concatenate([series[..., :half], series[..., -half:]], axis=2)
    for values in (even, np.abs(even - np.median(even, axis=(1, 2), keepdims=True))):
        ranks = rankdata(values.reshape(len(values), -1), axis=1).reshape(values.shape)
        normal = special.ndtri((ranks - 0.375) / (values[0].size + 0.25))
        out.append(array_stats.rhat(normal, chain_axis=-2, draw_axis=-1, method="split"))
    return np.nan_to_num(np.fmax(*out), nan=1.0, posinf=math.inf)  # nan where only the draw in the middle differs from others


def start_limit(instances: int) -> float:
    """The |t| between hot and cold starts of mixed chains that is exceeded with the probability `FALSE_ALARM`."""
    return float(special.stdtrit(instances - 1.0, 1.0 - 0.5 * FALSE_ALARM))


def r_hat_limit(instances: int, chains: int, samples: float) -> float:
    """The R-hat that the worst of the mixed instances exceeds with that probability; `samples` are the effective ones of all chains."""
    halves = 2.0 * chains / instances
    each = max(samples / (instances * halves * SLOWER), 1.5)
    ratio = special.fdtri(halves - 1.0, halves * (each - 1.0), 1.0 - 0.5 * FALSE_ALARM / instances)
    return min(max(math.sqrt(1.0 + ratio / each), R_HAT_LIMIT), R_HAT_STUCK)


def complaints(name: str, estimate, chains: int) -> list[str]:
    """What is wrong with the mixing of so many `chains` behind an estimate, in words; empty where nothing is."""
    out, instances, samples = [], len(estimate.values), estimate.effective_samples
    if estimate.r_hat > R_HAT_LIMIT and estimate.r_hat > (limit := r_hat_limit(instances, chains, samples)):
        out.append(f"{name} has a split R-hat of {estimate.r_hat:.3g} on some instance (limit {limit:.3g})")
    if samples / chains < FEWEST_SAMPLES:
        out.append(f"{name} has only {samples / chains:.2g} effective samples per chain")
    if abs(estimate.start_z) > (limit := start_limit(instances)):
        out.append(f"hot and cold starts disagree on {name} by {abs(estimate.start_z):.3g} standard errors (limit {limit:.3g})")
    return out
