"""What any weights do on any instances: errors, energies and losses of their stabilities, overlaps, local energies.

Chains, trained rules and weights of one's own are measured here and nowhere else.  Weights have the shape (instances, ..., n); stabilities
come from `Instances.stabilities`, the last axis of which runs over the patterns.
"""

import math

import numpy as np
from scipy import special

from flatphys import validate
from flatphys._jit import jit
from flatphys.finite_size import memory
from flatphys.finite_size.draw import draw
from flatphys.kernels import channels, losses
from flatphys.kernels.cost import cost
from flatphys.model import CustomLoss, GaussianMixture, spread_of

TEST_EXAMPLES = 4  # fresh examples per weight, for the generalization error of trained rules


# --- stabilities ------------------------------------------------------------------------------------
def errors(stabilities, margin: float = 0.0):
    """The fraction of stabilities below the margin, over the last axis."""
    return np.mean(stabilities < margin, axis=-1)


def mean_energy(stabilities, energy: str, margin: float):
    """The mean energy of a pattern ("errors", "hinge", "squared-hinge" or "square" of the model), over the last axis."""
    out = np.empty(stabilities.size)
    _costs(channels.CODES[energy], margin - stabilities.ravel(), out)
    return out.reshape(stabilities.shape).mean(axis=-1)


@jit
def _costs(energy, gaps, out):
    for mu in range(gaps.size):
        out[mu] = cost(energy, gaps[mu])


def loss_of(loss, t, data=None):
    """(l, l', l'') at margins t of a learner's loss on `data` (a smoothed one asks for it); at a kink those from the right."""
    if isinstance(loss, CustomLoss):
        return tuple(np.vectorize(f, otypes=[float])(t) for f in (loss.value, loss.slope, loss.curvature))
    out = np.empty((3, t.size))
    _points(losses.coded(loss, spread_of(data)), t.ravel(), out)
    return tuple(out.reshape(3, *t.shape))


@jit
def _points(loss, t, out):
    for mu in range(t.size):
        out[0, mu], out[1, mu], out[2, mu] = losses.point(loss, t[mu])


# --- overlaps ---------------------------------------------------------------------------------------
def overlaps(weights, direction):
    """w.direction/N of weights (instances, ..., n) with one direction per instance (instances, n)."""
    return np.einsum("i...n,in->i...", weights.astype(np.float64), direction) / weights.shape[-1]  # bytes would overflow


def generalization_error(data, overlap):
    """Probability that weights of |w|^2 = N err on a new, clean Gaussian example, given their overlap with the teacher or centre."""
    if isinstance(data, GaussianMixture):
        return special.ndtr(-np.asarray(overlap) / math.sqrt(data.variance))
    return np.arccos(np.clip(overlap, -1.0, 1.0)) / math.pi


def committee_error(cosines) -> np.ndarray:
    """The same for a tree committee of K sign units, from the cosines (..., K) of its units with those of a teacher committee.

    A unit differs from the teacher's with probability arccos(cosine)/pi; the law of the two sums of outputs is built up unit by unit.
    """
    apart = np.arccos(np.clip(cosines, -1.0, 1.0)) / math.pi
    units = apart.shape[-1]
    law = np.zeros((*apart.shape[:-1], units + 1, units + 1))  # numbers of units +1: teacher's, student's
    law[..., 0, 0] = 1.0
    for unit in range(units):
        different = 0.5 * apart[..., unit, None, None] * law
        alike = 0.5 * law - different
        law = alike.copy()
        law[..., 1:, 1:] += alike[..., :-1, :-1]
        law[..., 1:, :] += different[..., :-1, :]
        law[..., :, 1:] += different[..., :, :-1]
    positive = 2 * np.arange(units + 1) >= units  # sign(0) = +1
    return (law * (positive[:, None] != positive)).sum(axis=(-2, -1))


def fresh_error(data, weights, bias: float, direction, rng) -> float:
    """The fraction of fresh clean examples that weights of any norm, with a bias, get wrong."""
    n = weights.size
    fresh = draw(data, n, TEST_EXAMPLES * n, rng, direction)
    return float(np.mean(fresh.clean * (fresh.x @ weights / math.sqrt(n) + bias) < 0.0))


# --- the local energy -------------------------------------------------------------------------------
def perturb(weights, kind: str, strength: float, binary: bool, rng) -> np.ndarray:
    """Perturbed copies of weights (..., n): multiplicative noise, flips of binary weights, a rotation of others."""
    w = np.asarray(weights, dtype=np.float64)
    n = w.shape[-1]
    if kind == "sigma":
        return w * (1.0 + strength * rng.standard_normal(w.shape))
    if binary:
        flips = round(strength * n)  # exactly so many
        chosen = rng.random(w.shape).argpartition(max(flips - 1, 0), axis=-1)[..., :flips]
        signs = np.ones_like(w)
        np.put_along_axis(signs, chosen, -1.0, axis=-1)
        return w * signs
    norm2 = np.sum(w * w, axis=-1, keepdims=True)
    noise = rng.standard_normal(w.shape)
    noise -= w * (np.sum(noise * w, axis=-1, keepdims=True) / norm2)
    noise *= np.sqrt(norm2 / np.sum(noise * noise, axis=-1, keepdims=True))
    overlap = 1.0 - 2.0 * strength
    return overlap * w + math.sqrt(max(0.0, 1.0 - overlap * overlap)) * noise


def local_energy(instances, weights, perturbation, rng, copies: int, *, binary: bool = False, bias=None) -> np.ndarray:
    """The rise of the fraction of stabilities below 0 when weights (instances, ..., n) are perturbed.

    `perturbation` is a kind with its strengths (`validate.perturbation`), `copies` how often each weight vector is perturbed; returns the
    mean over weights and copies, (instances, *shape of the strengths).
    """
    kind, values = perturbation
    copies = validate.integer("perturbations", copies, 1)
    flat = np.asarray(weights).reshape(instances.count, -1, instances.n)
    rows = flat.shape[1] * copies
    memory.fits(8 * rows * (3 * instances.count * instances.n + instances.p), f"{copies} perturbations of {flat.shape[1]} weights each")
    many = np.repeat(flat, copies, axis=1)
    out = np.empty((instances.count, values.size))

    def share(weights):  # one mean of booleans: equal counts give equal shares
        return errors(instances.stabilities(weights, bias).reshape(instances.count, -1))

    before = share(flat)
    for i, strength in enumerate(values.ravel().tolist()):
        out[:, i] = share(perturb(many, kind, strength, binary, rng)) - before
    return out.reshape(instances.count, *values.shape)
