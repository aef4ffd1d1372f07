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
from flatphys.finite_size.messages.expansion import DEGREE, expand, horner
from flatphys.kernels.channels import channel, channel_scalars
from flatphys.kernels.cost import boltzmann, cost
from flatphys.numerics.gaussian import log_2cosh

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
def expanded_pattern(ch, x, largest, m, c, u, room):
    """`gaussian_pattern` by the polynomial of log f near (w, V), where that is enough; `largest` is that of |x|, c = 1 - m^2."""
    n = x.size
    root = 1.0 / math.sqrt(n)
    means, parts, values, p = room
    for i in range(n):
        means[i] = x[i] * m[i] * root
        parts[i] = x[i] * x[i] * c[i] / n
    w, v = _sum(means), _sum(parts)
    least, at, reach = v - largest * largest / n, ch.margin - w, 2.0 * root * largest
    if not least > 0.5 * v:
        return gaussian_pattern(ch, x, m, u)
    narrow, wide = math.sqrt(least), math.sqrt(v)
    low = min((at - reach) / narrow, (at - reach) / wide)
    high = max((at + reach) / narrow, (at + reach) / wide)
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    if not expand(ch, middle, half, narrow, wide, values, p):
        return gaussian_pattern(ch, x, m, u)
    for i in range(n):
        per_half = 1.0 / (half * math.sqrt(v - parts[i]))
        s, kick = (at + means[i]) * per_half - middle / half, x[i] * root * per_half
        u[i] = 0.5 * (horner(p, s - kick) - horner(p, s + kick))
    share, loss = channel_scalars(ch, at / wide, wide)
    return channel(ch, at / wide, wide)[0], share, loss


@jit
def cavities(h, t, c, u, size, m, spread):
    """Fills m = tanh(h - u) and 1 - m^2 from t = tanh h and c = 1 - t^2; `size` is the largest |u|.

    tanh u is the ninth convergent of u/(1 + u^2/(3 + u^2/(5 + ...))), good to 4e-17 up to 1; one division, nothing cancels.
    """
    if not size <= 1.0:
        for i in range(h.size):
            m[i] = math.tanh(h[i] - u[i])
            spread[i] = 1.0 - m[i] * m[i]
        return
    for i in range(h.size):
        z = u[i] * u[i]
        top = u[i] * ((((z + 990.0) * z + 135135.0) * z + 4729725.0) * z + 34459425.0)
        below = (((45.0 * z + 13860.0) * z + 945945.0) * z + 16216200.0) * z + 34459425.0
        d = 1.0 / (below - t[i] * top)
        m[i] = (t[i] * below - top) * d
        spread[i] = c[i] * (below - top) * (below + top) * d * d


@jit
def _sum(a):
    """In eight sums side by side."""
    b, c, d, e, f, g, h, k = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(0, a.size - 7, 8):
        b, c, d, e = b + a[i], c + a[i + 1], d + a[i + 2], e + a[i + 3]
        f, g, h, k = f + a[i + 4], g + a[i + 5], h + a[i + 6], k + a[i + 7]
    for i in range(a.size - a.size % 8, a.size):
        b += a[i]
    return ((b + c) + (d + e)) + ((f + g) + (h + k))


@jit
def _largest(a):
    """Of absolute values, four side by side; nan are passed over."""
    b = c = d = e = 0.0
    for i in range(0, a.size - 3, 4):
        b, c, d, e = max(b, abs(a[i])), max(c, abs(a[i + 1])), max(d, abs(a[i + 2])), max(e, abs(a[i + 3]))
    for i in range(a.size - a.size % 4, a.size):
        b = max(b, abs(a[i]))
    return max(max(b, c), max(d, e))


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
def sweep(ch, patterns, field, total, messages, damping, later):
    """One parallel update of all messages u (P, N) and fields h; returns (largest change of a message, sum log Z, share, energy).

    `patterns` are x (P, N) and, (2, P), the largest |x| and |u| of every one.  Sums are exact where there is room for their laws,
    `later`, and Gaussian else.
    """
    x, sizes = patterns
    p, n = x.shape
    change = log_f = share = loss = 0.0
    m, c, u, fresh = np.empty(n), np.empty(n), np.empty(n), field.copy()
    t, spread = np.tanh(total), np.empty(n)
    for i in range(n):
        e = math.exp(-2.0 * abs(total[i]))
        spread[i] = 4.0 * e / ((1.0 + e) * (1.0 + e))
    room = np.empty(n), np.empty(n), np.empty(DEGREE + 1), np.empty(DEGREE + 1)
    for mu in range(p):
        old = messages[mu]
        cavities(total, t, spread, old, sizes[1, mu], m, c)
        if later.size > 1:
            one, below, cost_of = exact_pattern(ch, x[mu], m, u, later)
        else:
            one, below, cost_of = expanded_pattern(ch, x[mu], sizes[0, mu], m, c, u, room)
        log_f += one
        share += below / p
        loss += cost_of / p
        for i in range(n):
            u[i] -= old[i]
            old[i] += (1.0 - damping) * u[i]
            fresh[i] += old[i]
        change, sizes[1, mu] = max(change, _largest(u)), _largest(old)
    total[:] = fresh
    return change if math.isfinite(_sum(fresh)) else math.inf, log_f, share, loss


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
    sizes = np.stack((np.abs(x).max(axis=1), np.zeros(p)))
    waiting = Patience(patience)
    for step in range(1, steps + 1):
        change, log_f, share, loss = sweep(task.channel, (x, sizes), task.field, total, messages, damping, later)
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
