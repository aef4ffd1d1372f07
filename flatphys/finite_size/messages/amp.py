"""Approximate message passing: the fixed point of belief propagation in O(N P) operations an iteration (TAP equations).

With F = x/sqrt N the signed patterns of one instance and S = F*F elementwise ("pattern") or its mean variance/N ("mean"),

    V_mu = sum_i S_mu,i c_i          omega = F m - V g(before)        g, g' of the patterns (`messages.patterns`)
    A_i = -sum_mu S_mu,i g'_mu       B = F^T g + A m(before)          m, c of the weights   (`messages.sites`)

from m = g = 0.  A committee's unit l has its own fields: N/K inputs, sqrt(N/K) in F, and one omega, V, g for each pattern.
The free entropy is stationary in every variable:

    N phi = sum_i log Z_i + sum_mu [log f(omega_mu, V_mu) + V_mu g_mu^2/2]

With random labels the iteration is followed by state evolution (`saddle.equilibrium.evolution`), and its fixed points by the
replica-symmetric saddle.

Sources: Thouless, Anderson & Palmer 1977; Mezard 1989; Kabashima 2003; Donoho, Maleki & Montanari 2009.
"""

import math
from typing import NamedTuple

import numpy as np

from flatphys.finite_size.messages.patterns import majority, perceptron
from flatphys.finite_size.messages.sites import Site, answer, log_z
from flatphys.kernels.codes import BINARY, Channel


class Task(NamedTuple):
    """One instance: signed patterns by weight (N, P), their squares (None: all of them the mean), units, channel, weights, fields (N,)."""

    x: np.ndarray
    squares: np.ndarray | None
    variance: float
    units: int
    channel: Channel
    site: Site
    field: np.ndarray


class Point(NamedTuple):
    """A fixed point: what `Messages` reports of one instance, magnetizations last."""

    free_entropy: float
    q: float
    q_hat: float
    train_error: float
    train_loss: float
    replicon: float
    centre_overlap: float
    local_entropy: float
    m: np.ndarray
    g: np.ndarray | None = None


class Fields(NamedTuple):
    """Fields of the weights, and of the patterns the variances and g with its derivative."""

    b: np.ndarray
    v: np.ndarray
    g: np.ndarray
    dg: np.ndarray


@np.errstate(all="ignore")  # messages that run away are seen in the residual
def amp(task: Task, damping: float, tolerance: float, steps: int, start: Point | None = None):
    """(`Point` or None, residual, iterations): the largest change of an undamped step in any m, and in g where it is larger.

    From the messages of `start`, or from none.
    """
    n, p = task.x.shape
    units, size = task.units, n // task.units
    scale = 1.0 / math.sqrt(size)
    blocks = task.x.reshape(units, size, p)
    pattern_side = perceptron if units == 1 else majority
    m, c, m_new, g, g_new, dg = np.zeros(n), np.empty(n), np.empty(n), np.zeros((units, p)), np.empty((units, p)), np.empty((units, p))
    answer(task.site, m, task.field, np.zeros(n), m_new, c, 1.0)  # the variances of weights that no pattern pulls at
    if task.site.weights == BINARY:
        c[:] = 1.0
    if start is not None:
        m[:], g[:] = start.m, start.g
        c[:] = 1.0 - m * m if task.site.weights == BINARY else 1.0 - start.q
    a, l2, residual = np.zeros(n), 1.0, math.inf
    for step in range(1, steps + 1):
        v = _along_weights(task, c, blocks)
        omega = scale * np.matmul(m.reshape(units, 1, size), blocks)[:, 0] - v * g
        found = pattern_side(task.channel, omega, v, g_new, dg)
        change = np.abs(g_new - g).max() * scale
        g += (1.0 - damping) * (g_new - g)
        a = _along_patterns(task, dg, blocks)
        b = scale * np.matmul(blocks, g[:, :, None]).reshape(n) + a * m
        l2 = answer(task.site, b, task.field, a, m_new, c, l2)
        residual = max(np.abs(m_new - m).max(), change)
        if not residual < math.inf:
            return None, math.inf, step
        if residual <= tolerance:
            return _read_off(task, Fields(b, v, g_new, dg), m_new, c, found), residual, step
        m += (1.0 - damping) * (m_new - m)
        if damping and task.site.weights == BINARY:
            np.subtract(1.0, m * m, out=c)
    return None, residual, steps


def _along_weights(task, c, blocks):
    """V: (units, P), sums over weights."""
    units, size, p = blocks.shape
    if task.squares is None:
        return np.repeat(task.variance * c.reshape(units, size).mean(axis=1)[:, None], p, axis=1)
    return np.matmul(c.reshape(units, 1, size), task.squares.reshape(blocks.shape))[:, 0] / size


def _along_patterns(task, dg, blocks):
    """A: (N,), sums over patterns."""
    units, size, _ = blocks.shape
    if task.squares is None:
        return np.repeat(-task.variance / size * dg.sum(axis=1), size)
    return -np.matmul(task.squares.reshape(blocks.shape), dg[:, :, None]).reshape(-1) / size


def _read_off(task, fields: Fields, m, c, found) -> Point:
    n, site = m.size, task.site
    b, v, g, dg = fields
    log_f, share, loss = found
    pattern_term = log_f + 0.5 * float(np.sum(v * g * g))
    total, centre, local = log_z(site, b, task.field, m, c)
    q = float(np.mean(m * m))
    replicon = math.nan  # of the plain perceptron: couplings and units would add their own responses
    if task.units == 1 and site.replicas == 1.0 and site.self_field == 0.0:
        spread = float(np.mean((1.0 - m * m) ** 2)) if site.weights == BINARY else (1.0 - q) ** 2
        replicon = 1.0 - float(np.sum(dg * dg)) / n * task.variance**2 * spread
    coupled = site.replicas != 1.0
    return Point(
        (total + pattern_term) / n,
        q,
        float(np.sum(g * g)) * task.units / n * task.variance,
        share,
        loss,
        replicon,
        centre / n if coupled else math.nan,
        (local + pattern_term) / n if coupled else math.nan,
        m.copy(),
        g.copy(),
    )
