"""local_energy(state, ...): how fast the training error grows around a state.

Multiplicative noise w_i -> w_i (1 + sigma z_i) adds to every stability t a Gaussian of standard deviation
sigma |w|/sqrt N (times the noise of the inputs, on the mixture), independent of t; flipping a
fraction d of binary weights, or turning spherical ones to the overlap p = 1 - 2d, gives p t + sqrt(1-p^2) g:

    delta E(sigma) = E[H(t / (sigma |w|/sqrt N))] - P(t < 0)
    delta E(d)     = E[H(p t / sqrt(1-p^2))] - P(t < 0)         (|w|^2 = N)

On the mixture, of variance D, the turned weights see t' = p t + (1-p) y b + sqrt(1-p^2) sqrt(D q) g: the bias does not turn with them.

A tree committee passes overlaps through its kernel, those of the perturbed weights with the original ones and with the other
replicas (`observables.margins.gibbs`).  Its hidden units are those of the perturbed weights scaled back to the norm |w|^2 = N: sigma
means p = 1/sqrt(1+sigma^2).  (Sign and ReLU units do not see the scale of their weights; erf units do.)

Source: Pittorino et al., ICLR 2021.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from flatphys import validate
from flatphys.answers import answer_for
from flatphys.errors import InvalidInput
from flatphys.model import GaussianMixture, TreeCommittee
from flatphys.observables.margins import margins
from flatphys.observables.margins.distribution import known
from flatphys.state import State


def local_energy(state: State, *, sigma: ArrayLike | None = None, distance: ArrayLike | None = None) -> float | np.ndarray:
    """Increase of the training error (fraction of stabilities below 0) under a random perturbation of the weights.

    Parameters
    ----------
    state : State
        Or weights on instances (`instances.measure(weights)`): an `Estimate` over them.
    sigma : float or array >= 0
        w_i -> w_i (1 + sigma z_i) with standard normal z_i, bias unchanged (tree committee: then scaled back to |w|^2 = N).
    distance : float or array in [0, 1]
        Hamming distance per weight (binary: a fraction of the weights is flipped), or (1 - overlap)/2
        (spherical).  Give either `sigma` or `distance`.

    Returns
    -------
    float or array, of the shape of the argument.
    """
    if (answer := answer_for("local_energy", state)) is not None:
        return answer(state, sigma=sigma, distance=distance)
    validate.instance("state", state, (State,))
    kind, strengths = validate.perturbation(sigma, distance)
    if kind == "distance" and getattr(state.model.learner, "weights", None) is None and state.branch != "max_margin":
        raise InvalidInput(f"distance needs weights of fixed norm, {state.model.learner!r} has none; give sigma")
    law, values = margins(state), strengths.ravel().tolist()
    clouds = kind == "distance" and isinstance(state.model.data, GaussianMixture)
    if clouds or isinstance(getattr(state.model.learner, "network", None), TreeCommittee):
        rise = [law.rise_after_turn(turn_of(s) if kind == "sigma" else 2.0 * s) for s in values]
    elif kind == "sigma":
        length = law.norm * noise_scale(state)
        rise = [law.rise_after_noise(s * length) for s in values]
    else:
        rise = [_rise_after_flips(law, d) for d in values]
    out = known(np.array(rise), "the local energy").reshape(strengths.shape)
    return float(out) if out.ndim == 0 else out


def turn_of(sigma):
    """1 - p at p = 1/sqrt(1+sigma^2)."""
    norm = math.hypot(1.0, sigma)
    return (sigma / norm) * sigma / (1.0 + norm)


def _rise_after_flips(law, d):
    """P(p t + sqrt(1-p^2) |w|/sqrt N g < 0) - P(t < 0) at p = 1 - 2d."""
    noise = 2.0 * math.sqrt(d * (1.0 - d)) * law.norm
    if d < 0.5:
        return law.rise_after_noise(noise / (1.0 - 2.0 * d))
    after = 1.0 - law.cdf(0.0) if noise == 0.0 else law._smeared((1.0 - 2.0 * d) / noise)
    return after - law.mass_below_zero


def noise_scale(state: State) -> float:
    """Standard deviation of an input component around its class centre."""
    return math.sqrt(getattr(state.model.data, "variance", 1.0))
