"""Belief propagation on the edges: one message for every pattern and weight, O(N P) memory, for comparisons at order 1/N.

Cavity magnetizations m_{i->mu} = tanh(h_i - u_{mu,i}), total fields h_i = h_ext,i + sum_mu u_{mu,i}; parallel updates

    Gaussian  u = (1/2)[log f(w + x/sqrt N, V) - log f(w - x/sqrt N, V)],
              w = sum_{j != i} x_j m_j/sqrt N,  V = sum_{j != i} x_j^2 (1-m_j^2)/N
    exact     u = (1/2) log[Z(w_i = +1)/Z(w_i = -1)] with the exact law of sum_{j != i} x_j w_j for patterns +-1: L_i(s), the law of the
              first i-1 terms, times R_{i+1}(s), the mean Boltzmann weight of a sum that starts at s and has the later terms still to come

    N phi = sum_mu log Z_mu + sum_i log 2cosh h_i - sum_{i,mu} [log cosh h_i - log cosh(h_i - u_{mu,i})]

with Z_mu over all N cavity magnetizations of the pattern.  The train error is the same mean in the pattern's measure.

Sources: Mezard 1989; Braunstein & Zecchina 2006.
"""

import math

import numpy as np

from flatphys._jit import jit
from flatphys.finite_size.messages.amp import Patience, Point, Task
from flatphys.kernels.channels import boltzmann, channel, channel_scalars, cost
from flatphys.kernels.weights import log_2cosh

LOG_2 = math.log(2.0)


@jit
def gaussian_pattern(ch, x, m, u):
    """Fills the messages u of a pattern from the cavity magnetizations m; returns (log Z_mu, share, mean energy)."""
    n = x.size
    root = 1.0 / math.sqrt(n)
    w = v = 0.0
    for j in range(n):
        w += x[j] * m[j] * root
        v += x[j] * x[j] * (1.0 - m[j] * m[j]) / n
    for i in range(n):
        sigma = math.sqrt(v - x[i] * x[i] * (1.0 - m[i] * m[i]) / n)
        rest = ch.margin - w + x[i] * m[i] * root
        kick = x[i] * root
        u[i] = 0.5 * (channel(ch, (rest - kick) / sigma, sigma)[0] - channel(ch, (rest + kick) / sigma, sigma)[0])
    sigma = math.sqrt(v)
    at = (ch.margin - w) / sigma
    share, loss = channel_scalars(ch, at, sigma)
    return channel(ch, at, sigma)[0], share, loss


@jit
def exact_pattern(ch, x, m, u, later):
    """The same with the exact law of the sum; `later` (N+1, 2N+1) is room for R, whose column s + N belongs to the sum s."""
    n = x.size
    root = 1.0 / math.sqrt(n)
    for s in range(-n, n + 1):
        later[n, s + n] = boltzmann(ch, ch.margin - s * root)
    for i in range(n - 1, -1, -1):  # R_i(s) = (1+m)/2 R_{i+1}(s+x) + (1-m)/2 R_{i+1}(s-x), for the sums that i terms can have
        up, step = 0.5 * (1.0 + m[i]), int(x[i])
        for s in range(-i, i + 1):
            later[i, s + n] = up * later[i + 1, s + step + n] + (1.0 - up) * later[i + 1, s - step + n]
    law, other = np.zeros(2 * n + 1), np.zeros(2 * n + 1)
    law[n] = 1.0
    for i in range(n):
        up, step = 0.5 * (1.0 + m[i]), int(x[i])
        plus = minus = 0.0
        for s in range(-i, i + 1):
            plus += law[s + n] * later[i + 1, s + step + n]
            minus += law[s + n] * later[i + 1, s - step + n]
        u[i] = 0.5 * math.log(plus / minus)
        other[:] = 0.0
        for s in range(-i, i + 1):
            other[s + step + n] += up * law[s + n]
            other[s - step + n] += (1.0 - up) * law[s + n]
        law, other = other, law
    z = share = loss = 0.0
    for s in range(-n, n + 1):
        weight = law[s + n] * later[n, s + n]
        gap = ch.margin - s * root
        z += weight
        if weight > 0.0:
            share += weight * (1.0 if gap > 0.0 else 0.0)
            loss += weight * cost(ch.energy, gap)
    return math.log(z), share / z, loss / z


@jit
def sweep(ch, x, field, total, messages, damping, later):
    """One parallel update of all messages u (P, N) and fields h; returns (largest change of a message, sum log Z, share, energy).

    Sums are exact where there is room for their laws, `later`, and Gaussian else.
    """
    p, n = x.shape
    change = log_f = share = loss = 0.0
    m, u, fresh = np.empty(n), np.empty(n), field.copy()
    for mu in range(p):
        for i in range(n):
            m[i] = math.tanh(total[i] - messages[mu, i])
        if later.size > 1:
            one, below, cost_of = exact_pattern(ch, x[mu], m, u, later)
        else:
            one, below, cost_of = gaussian_pattern(ch, x[mu], m, u)
        log_f += one
        share += below / p
        loss += cost_of / p
        for i in range(n):
            moved = u[i] - messages[mu, i]
            change = max(change, abs(moved) if moved == moved else math.inf)
            messages[mu, i] += (1.0 - damping) * moved
            fresh[i] += messages[mu, i]
    total[:] = fresh
    return change, log_f, share, loss


@jit
def bethe(total, messages):
    """sum_i log 2cosh h_i - sum_{i,mu} [log cosh h_i - log cosh(h_i - u)]."""
    out = 0.0
    for i in range(total.size):
        whole = log_2cosh(total[i])
        out += whole
        for mu in range(messages.shape[0]):
            out -= whole - log_2cosh(total[i] - messages[mu, i])
    return out


def edges(task: Task, damping: float, tolerance: float, steps: int, exact: bool, patience: float = math.inf):
    """(`Point` or None, residual, iterations): the residual is the largest change of a message u in an undamped update."""
    x = np.ascontiguousarray(task.x.T, dtype=np.float64)
    p, n = x.shape
    total, messages = task.field.astype(float), np.zeros((p, n))
    later = np.zeros((n + 1, 2 * n + 1) if exact else (1, 1))
    waiting = Patience(patience)
    for step in range(1, steps + 1):
        change, log_f, share, loss = sweep(task.channel, x, task.field, total, messages, damping, later)
        if not change < math.inf:
            return None, math.inf, step
        if change <= tolerance:
            m = np.tanh(total)
            q = float(np.mean(m * m))
            free = (log_f + bethe(total, messages)) / n
            return Point(free, q, math.nan, share, loss, math.nan, math.nan, math.nan, m), change, step
        if waiting.ends(change, step):
            break
    return None, change, step
