"""The ladder of inverse temperatures of replica exchange, and the integral over it: entropies.

Choice of the rungs.  Without correlations between patterns the fraction of violated ones is

    e(beta) = h e^-beta / (1 - h + h e^-beta),      h = e(0),      Var(E) = P e (1-e),     de/dbeta = -e (1-e)

so that sqrt(e) = sin(theta) gives ds = sqrt(Var E) dbeta = -2 sqrt(P) dtheta: in theta = asin sqrt(e) equal steps are
equally likely to exchange.  Rungs are `STEP` standard deviations of the energy apart: P^(1/2) of them reach beta = inf,
where theta = 0, and the last finite rung has about half a violation.  Other energies have the mean e(beta) of a pattern with a Gaussian
stability (`kernels.channels`) and Var(E) = -P de/dbeta: the same steps along s, by a sum over a fine grid in beta.

Integral.  With E the energy (the number of violations), log Z(b) - log Z(a) = -Int_a^b <E> dbeta.  Between two rungs the
integral is done exactly, without a quadrature rule, by the acceptance ratio of Bennett (1976): D = log Z(b)/Z(a) is the root of

    < 1/(1 + e^D / r) >_a = < 1/(1 + r / e^D) >_b,        r = exp(-(b-a) E)

and the last step to b = inf, where the variable beta has no end, is D = log of the fraction of draws without violations.
"""

import math

import numpy as np

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.kernels.channels import channel_scalars
from flatphys.kernels.codes import ERRORS, Channel

GRID = 400  # points in beta between the ends of a ladder of an energy other than errors
STEP = 1.3  # standard deviations of the energy between rungs: neighbours then exchange in about a third of the attempts


def angle(beta: float, violated: float) -> float:
    """theta(beta) = asin sqrt(e(beta)) of independent patterns with e(0) = `violated`."""
    if beta == math.inf:
        return 0.0
    tail = violated * math.exp(-beta)
    return math.asin(math.sqrt(tail / (1.0 - violated + tail)))


def ladder(beta: float, patterns: int, violated: float = 0.5, start: float = 0.0) -> tuple[float, ...]:
    """Inverse temperatures from `start` to `beta` (math.inf allowed), ascending, both included.

    `patterns` is their number P, `violated` the fraction of them that weights at beta = 0 violate.
    """
    violated = min(max(violated, 1.0 / (patterns + 1.0)), 1.0 - 1.0 / (patterns + 1.0))
    first, last = angle(start, violated), angle(beta, violated)
    count = max(1, math.ceil(2.0 * math.sqrt(patterns) * (first - last) / STEP))
    inner = np.linspace(first, last, count + 1)[1:-1]
    odds = violated / (1.0 - violated)
    betas = [math.log(odds) - 2.0 * math.log(math.tan(theta)) for theta in inner.tolist()]
    return (float(start), *betas, float(beta))


def ascending(betas) -> tuple[float, ...]:
    """Inverse temperatures, one number or several, checked."""
    values = tuple(np.atleast_1d(validate.array("betas", betas, 0.0, closed="[]", dimensions=1)).tolist())
    if any(b <= a for a, b in zip(values[:-1], values[1:])):
        raise InvalidInput(f"betas must be one or more ascending numbers >= 0 (the last may be math.inf), got {validate.shown(betas)}")
    return values


def ladder_of(channel: Channel, patterns: int, violated=None) -> tuple[float, ...]:
    """Inverse temperatures from 0 to that of `channel`; `violated` as in `ladder`, by default that of standard normal stabilities."""
    if channel.energy == ERRORS:
        share = 0.5 * math.erfc(-channel.margin / math.sqrt(2.0)) if violated is None else violated
        return ladder(channel.beta, patterns, share)
    betas = channel.beta * np.linspace(0.0, 1.0, GRID + 1) ** 2
    means = np.array([channel_scalars(channel._replace(beta=float(b)), channel.margin, 1.0)[1] for b in betas])
    deviations = np.append(0.0, np.cumsum(np.sqrt(np.maximum(-np.diff(means), 0.0) * np.diff(betas) * patterns)))
    count = max(1, math.ceil(deviations[-1] / STEP))
    inner = np.interp(np.linspace(0.0, deviations[-1], count + 1)[1:-1], deviations, betas)
    return (0.0, *inner.tolist(), float(channel.beta))


def log_ratios(energies, betas) -> np.ndarray:
    """log Z(beta_k+1)/Z(beta_k) for every instance, shape (instances, rungs - 1).

    `energies` (instances, chains, rungs, draws) are those of all patterns together.  -inf where the last rung is at beta = inf and no draw
    of the one before is free of violations.
    """
    return _ratios(energies, betas)[0]


def log_ratio_series(energies, betas) -> np.ndarray:
    """The sum of `log_ratios` as a series (instances, chains, draws): its mean is that sum, its fluctuations those of the sum.

    The linear response to each draw: in a root of a mean difference, the difference over the mean slope.
    """
    ratios, response = _ratios(energies, betas)
    return ratios.sum(axis=1)[:, None, None] + response.reshape(len(ratios), energies.shape[1], -1)


def _ratios(energies, betas):
    """(log ratios, response of their sum to each draw (instances, chains x draws))."""
    energies = np.asarray(energies, dtype=float)
    instances, chains, rungs, draws = energies.shape
    pooled = energies.transpose(0, 2, 1, 3).reshape(instances, rungs, chains * draws)
    out, response = np.zeros((instances, rungs - 1)), np.zeros((instances, chains * draws))
    for k in range(rungs - 1):
        below, above = pooled[:, k], pooled[:, k + 1]
        if betas[k + 1] == math.inf:
            share = np.mean(below == 0.0, axis=1)
            with np.errstate(divide="ignore"):
                out[:, k] = np.log(share)
            response += np.where(below == 0.0, 1.0 / np.maximum(share, 1.0 / below.shape[1])[:, None], 0.0) - (share > 0.0)[:, None]
        else:
            step = betas[k + 1] - betas[k]
            out[:, k] = _bennett(-step * below, -step * above)
            left, right = _sides(out[:, k], -step * below, -step * above)
            slope = (left * (1.0 - left)).mean(axis=1) + (right * (1.0 - right)).mean(axis=1)
            gap = left - right
            response += (gap - gap.mean(axis=1, keepdims=True)) / np.maximum(slope, 1e-300)[:, None]
    return out, response


def _sides(guess, below, above):
    """Both sides of Bennett's equation, draw by draw."""
    return 0.5 - 0.5 * np.tanh(0.5 * (guess[:, None] - below)), 0.5 - 0.5 * np.tanh(0.5 * (above - guess[:, None]))


def _bennett(below, above) -> np.ndarray:
    """The root D of mean 1/(1 + e^(D - below)) = mean 1/(1 + e^(above - D)) in each row: bisection, then Newton inside it."""
    low = np.minimum(below.min(axis=1), above.min(axis=1)) - 1e-12
    high = np.maximum(below.max(axis=1), above.max(axis=1)) + 1e-12
    guess = 0.5 * (below.mean(axis=1) + above.mean(axis=1))
    for _ in range(60):
        left, right = _sides(guess, below, above)
        gap = left.mean(axis=1) - right.mean(axis=1)  # falls with the guess
        low, high = np.where(gap > 0.0, guess, low), np.where(gap > 0.0, high, guess)
        slope = (left * (1.0 - left)).mean(axis=1) + (right * (1.0 - right)).mean(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = gap / slope
        trial = guess + step
        inside = (trial > low) & (trial < high)
        previous, guess = guess, np.where(inside, trial, 0.5 * (low + high))
        if np.all(np.abs(guess - previous) <= 1e-13 * (1.0 + np.abs(guess))):
            break
    return guess
