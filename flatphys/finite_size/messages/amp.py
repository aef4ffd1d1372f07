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

from flatphys._jit import jit
from flatphys.finite_size.messages.patterns import majority, perceptron
from flatphys.finite_size.messages.products import along_patterns, along_weights
from flatphys.finite_size.messages.sites import Site, answer, log_z
from flatphys.finite_size.messages.stability import at_eigenvalue
from flatphys.kernels.codes import BINARY, Channel


class Task(NamedTuple):
    """One instance: signed patterns by weight (N, P), of any dtype, their squares (None: all the mean), units, channel, weights, fields."""

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
    """Fields of the patterns, omega and V with g and its derivative, (units, P) each, and of the weights, B (N,)."""

    omega: np.ndarray
    v: np.ndarray
    g: np.ndarray
    dg: np.ndarray
    b: np.ndarray


@jit
def of_patterns(ch, variance, mean, c, g, fields, keep):
    """From F m in `omega` (and F*F c in `v` unless `mean`), both without their factors: all fields of the patterns, and their messages g.

    Returns (sum of log f, share below the margin, mean energy, largest change of g sqrt(K/N)).
    """
    omega, v, new, dg, _ = fields
    units, p = omega.shape
    size = c.size // units
    scale = 1.0 / math.sqrt(size)
    for unit in range(units):
        spread = variance * c[unit * size : (unit + 1) * size].mean()
        for mu in range(p):
            v[unit, mu] = spread if mean else v[unit, mu] / size
            omega[unit, mu] = scale * omega[unit, mu] - v[unit, mu] * g[unit, mu]
    log_f, share, loss = perceptron(ch, omega, v, new, dg) if units == 1 else majority(ch, omega, v, new, dg)
    return log_f, share, loss, scale * move(g.reshape(-1), new.reshape(-1), keep)


@jit
def of_weights(site, variance, mean, fields, weights, guess):
    """From F^T g in `b` (and F*F g' in `a` unless `mean`), both without their factors: A, B, the new means and variances.  Returns l2.

    `weights` are h, A, the old means, the new ones and the variances.
    """
    _, _, _, dg, b = fields
    h, a, m, new, c = weights
    units = dg.shape[0]
    size = b.size // units
    scale = 1.0 / math.sqrt(size)
    for unit in range(units):
        reaction = -variance / size * dg[unit].sum()
        for i in range(unit * size, (unit + 1) * size):
            a[i] = reaction if mean else -a[i] / size
            b[i] = scale * b[i] + a[i] * m[i]
    return answer(site, b, h, a, new, c, guess)


@jit
def move(old, new, keep):
    """Largest change, inf where one is nan; the old messages become keep old + (1 - keep) new."""
    change = 0.0
    for i in range(old.size):
        step = new[i] - old[i]
        change = max(change, abs(step) if step == step else math.inf)
        old[i] += (1.0 - keep) * step
    return change


class Patience:
    """Ends an attempt whose residual has not halved for `limit` steps: it wanders, and another damping may not."""

    def __init__(self, limit: float):
        self.limit, self.best, self.since = limit, math.inf, 0

    def ends(self, residual: float, step: int) -> bool:
        if residual < 0.5 * self.best:
            self.best, self.since = residual, step
        return step - self.since > self.limit


def amp(task: Task, damping: float, tolerance: float, steps: int, start: Point | None = None, patience: float = math.inf):
    """(`Point` or None, residual, iterations): the largest change of an undamped step in any m, and in g where it is larger.

    From the messages of `start`, or from none; it ends early where the residual has not halved for `patience` iterations.
    """
    n, p = task.x.shape
    units, site, mean = task.units, task.site, task.squares is None
    parts = [slice(unit * (n // units), (unit + 1) * (n // units)) for unit in range(units)]
    m, c, new, a, g = np.zeros(n), np.ones(n), np.empty(n), np.zeros(n), np.zeros((units, p))
    fields = Fields(*(np.empty((units, p)) for _ in range(4)), np.empty(n))
    if start is not None:
        m[:], g[:] = start.m, start.g
        c[:] = 1.0 - m * m if site.weights == BINARY else 1.0 - start.q
    elif site.weights != BINARY:
        answer(site, m, task.field, a, new, c, 1.0)  # the variances of weights that no pattern pulls at
    l2, residual, waiting = 1.0, math.inf, Patience(patience)
    for step in range(1, steps + 1):
        for unit, own in enumerate(parts):
            along_weights(task.x[own], m[own], fields.omega[unit])
            if not mean:
                along_weights(task.squares[own], c[own], fields.v[unit])
        *found, change = of_patterns(task.channel, task.variance, mean, c, g, fields, damping)
        for unit, own in enumerate(parts):
            along_patterns(task.x[own], g[unit], fields.b[own])
            if not mean:
                along_patterns(task.squares[own], fields.dg[unit], a[own])
        l2 = of_weights(site, task.variance, mean, fields, (task.field, a, m, new, c), l2)
        residual = max(move(m, new, damping), change)
        if not residual < math.inf:
            return None, math.inf, step
        if residual <= tolerance:
            return _read_off(task, fields, new, c, found), residual, step
        if waiting.ends(residual, step):
            break
        if damping and site.weights == BINARY:
            np.subtract(1.0, m * m, out=c)
    return None, residual, step


def _read_off(task, fields: Fields, m, c, found) -> Point:
    n, site = m.size, task.site
    log_f, share, loss = found
    pattern_term = log_f + 0.5 * float(np.sum(fields.v * fields.g**2))
    total, centre, local = log_z(site, fields.b, task.field, m, c)
    coupled = site.replicas != 1.0
    return Point(
        (total + pattern_term) / n,
        float(np.mean(m * m)),
        float(np.sum(fields.g**2)) * task.units / n * task.variance,
        share,
        loss,
        at_eigenvalue(task, fields, m, c),
        centre / n if coupled else math.nan,
        (local + pattern_term) / n if coupled else math.nan,
        m.copy(),
        fields.g.copy(),
    )
