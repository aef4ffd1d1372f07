"""Where chains start: random weights, the teacher, a reference, weights of one's own, a random point at a fixed overlap."""

import math

import numpy as np

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.finite_size.instances import Instances

_START = 1  # stream of the starting weights; that of the instances is 0


def reference_weights(instances: Instances, reference, binary: bool):
    """The reference as a float64 array (count, n), or None."""
    if reference is None:
        return None
    if isinstance(reference, str):
        if reference != "teacher":
            raise InvalidInput(f"reference must be an array or 'teacher', got {validate.shown(reference)}")
        reference = _teacher(instances, "reference")
    rows = validate.array("reference", reference)
    try:
        if rows.ndim == 0:
            raise ValueError
        rows = np.array(np.broadcast_to(rows, (instances.count, instances.n)))
    except ValueError:
        raise InvalidInput(f"reference must be an array of shape ({instances.count}, {instances.n}), got {_describe(reference)}") from None
    _check(rows, binary, "reference")
    return rows


def starting_weights(instances, start, binary, reference, overlap, shape, seed):
    """(weights (W, n) float64, overlap reached or None, number of weights that agree with the reference)."""
    n = instances.n
    if overlap is None:
        return _free(instances, start, binary, reference, shape, seed), None, 0
    if isinstance(start, str) and start != "random":
        raise InvalidInput(f"start must be 'random' or an array when the overlap is fixed, got {validate.shown(start)}")
    agree = 0
    if binary:
        agree = round(0.5 * n * (1.0 + overlap))
        if not 0 < agree < n:
            raise InvalidInput(
                f"overlap must leave weights of both kinds to exchange, got {overlap!r}: with n = {n} it means {n - agree} flipped weights"
            )
        overlap = (2 * agree - n) / n
    elif not abs(overlap) < 1.0 or n < 3:
        raise InvalidInput(f"overlap must be a number > -1 and < 1 with n >= 3 spherical weights, got {overlap!r} with n = {n}")
    if isinstance(start, str):
        weights = _around(reference, binary, overlap, agree, shape, seed)
    else:
        weights = _given(start, "start", instances, binary, shape)
        norms = np.linalg.norm(reference, axis=1)[:, None] * math.sqrt(n)
        reached = np.einsum("kin,kn->ki", weights.reshape(len(reference), -1, n), reference) / norms
        away = np.max(np.abs(reached - overlap))
        if away > 1e-9:
            raise InvalidInput(f"start must have the overlap {overlap:.6g} with the reference, got overlaps up to {away:.3g} away")
    return weights, overlap, agree


def _free(instances, start, binary, reference, shape, seed):
    if not isinstance(start, str):
        return _given(start, "start", instances, binary, shape)
    if start == "random":
        rows = np.empty((instances.count, int(np.prod(shape[1:])), instances.n))
        for k, out in enumerate(rows):
            rng = np.random.default_rng([seed, k, _START])
            out[:] = np.where(rng.random(out.shape) < 0.5, 1.0, -1.0) if binary else rng.standard_normal(out.shape)
        return rows.reshape(-1, instances.n) if binary else _normalise(rows.reshape(-1, instances.n), instances)
    if start == "teacher":
        rows = np.asarray(_teacher(instances, "start"), np.float64)
    elif start == "reference":
        if reference is None:
            raise InvalidInput("start 'reference' needs a reference, got reference=None")
        rows = reference
    else:
        raise InvalidInput(f"start must be 'random', 'teacher', 'reference' or an array, got {validate.shown(start)}")
    _check(rows, binary, "start")
    return _given(rows[:, None, None, :], "start", instances, binary, shape)


def _teacher(instances, name):
    if instances.teacher is None:
        raise InvalidInput(f"{name} 'teacher' needs data with a Teacher, got {instances.model.data!r}")
    return instances.teacher


def _given(weights, name, instances, binary, shape):
    full = (*shape, instances.n)
    rows = validate.array(name, weights)
    try:
        if rows.ndim == 0:
            raise ValueError
        if rows.ndim == 2:
            rows = rows[:, None, None, :]
        rows = np.array(np.broadcast_to(rows, full)).reshape(-1, instances.n)
    except ValueError:
        raise InvalidInput(f"{name} must be an array of shape {full} (or ({shape[0]}, {instances.n})), got {_describe(weights)}") from None
    _check(rows, binary, name)
    return rows if binary else _normalise(rows, instances)


def _normalise(rows, instances):
    """To |w|^2 = N; in a committee every unit has its share of it."""
    units = rows.reshape(len(rows), instances.hidden or 1, -1)
    units /= np.linalg.norm(units, axis=2, keepdims=True) / math.sqrt(units.shape[2])
    return units.reshape(len(rows), -1)


def _around(reference, binary, overlap, agree, shape, seed):
    """Uniform at the overlap: `agree` random weights kept, or a random direction orthogonal to the reference."""
    count, n = reference.shape
    out = np.empty((count, int(np.prod(shape[1:])), n))
    for k, rows in enumerate(out):
        rng = np.random.default_rng([seed, k, _START])
        if binary:
            ranks = np.argsort(rng.random(rows.shape), axis=1)
            rows[:] = np.where(ranks < agree, reference[k], -reference[k])
        else:
            unit = reference[k] / np.linalg.norm(reference[k])
            side = rng.standard_normal(rows.shape)
            side -= np.outer(side @ unit, unit)
            side /= np.linalg.norm(side, axis=1, keepdims=True)
            rows[:] = math.sqrt(n) * (overlap * unit + math.sqrt((1.0 - overlap) * (1.0 + overlap)) * side)
    return out.reshape(-1, n)


def _check(rows, binary, name):
    wrong = np.abs(rows) != 1.0
    if binary and np.any(wrong):
        raise InvalidInput(f"{name} must be +1 or -1 in every component for binary weights, got {rows.flat[np.argmax(wrong)]:g}")
    if not np.all(np.any(rows != 0.0, axis=-1)):
        raise InvalidInput(f"{name} must not be the zero vector")


def _describe(value):
    return f"shape {value.shape}" if isinstance(value, np.ndarray) else validate.shown(value)
