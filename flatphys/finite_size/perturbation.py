"""The local energy of sampled weights: they are perturbed, and their errors on the training patterns are counted again."""

import math

import numpy as np

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.finite_size.estimate import Estimate

PERTURBATIONS = 4  # of each weight vector


def strengths(sigma, distance) -> tuple[str, np.ndarray]:
    """The kind of perturbation and its strengths as an array, checked."""
    if (sigma is None) == (distance is None):
        raise InvalidInput("give either sigma or distance, got " + ("both" if sigma is not None else "neither"))
    name, value = ("sigma", sigma) if sigma is not None else ("distance", distance)
    try:
        out = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise InvalidInput(f"{name} must be a number or an array of numbers, got {value!r}") from None
    high = math.inf if name == "sigma" else 1.0
    if out.size == 0 or not np.isfinite(out).all() or (out < 0.0).any() or (out > high).any():
        raise InvalidInput(f"{name} must be finite and between 0 and {high:g}, got {value!r}")
    return name, out


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


def local_energy(
    instances, weights, binary: bool, sigma=None, distance=None, perturbations: int = PERTURBATIONS, seed: int = 0
) -> Estimate:
    """The rise of the fraction of stabilities below 0 when `weights` (instances, ..., n) are perturbed."""
    kind, values = strengths(sigma, distance)
    validate.number("perturbations", perturbations, 1, closed="[")
    count, n = instances.count, instances.n
    flat = np.asarray(weights).reshape(count, -1, n)
    rng = np.random.default_rng(np.random.SeedSequence([int(seed), 11]))
    many = int(perturbations)
    before = np.mean(instances.stabilities(flat) < 0.0, axis=(1, 2))
    copies = np.repeat(flat, many, axis=1)
    out = np.empty((count, values.size))
    for i, strength in enumerate(values.ravel().tolist()):
        out[:, i] = np.mean(instances.stabilities(perturb(copies, kind, strength, binary, rng)) < 0.0, axis=(1, 2)) - before
    return Estimate.of(out.reshape(count, *values.shape), 1.0 / (instances.p * count * copies.shape[1]))
