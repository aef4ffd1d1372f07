"""The patterns' side of message passing: what P patterns answer to the means and variances of their cavity fields.

perceptron  g = d log f/d omega, g' = dg/d omega of the channel (`kernels.channels`) at omega and V
committee   majority of an odd number K of sign units, each with its own field: with u_l = -omega_l/sqrt V_l and unit l right with
            probability H(u_l), P = P(more than half are right) is linear in each of them with the coefficient
            D_l = P(the other K-1 are split evenly), so with errors of weight e^-beta
            f = e^-beta + (1 - e^-beta) P,  g_l = (1 - e^-beta) G(u_l) D_l/(sqrt V_l f),  g_l' = u_l g_l/sqrt V_l - g_l^2
            G_lk = (1 - e^-beta) G(u_l) G(u_k) D_lk/(sqrt(V_l V_k) f) - g_l g_k,  D_lk = P((K-3)/2 of the other K-2) - P((K-1)/2 of them)
"""

import math

import numpy as np

from flatphys._jit import jit
from flatphys.kernels.channels import channel, channel_scalars
from flatphys.numerics.gaussian import tail

ROOT_2PI = math.sqrt(2.0 * math.pi)


@jit
def perceptron(ch, omega, v, g, dg):
    """Fills g and g' (units 1, P); returns (sum of log f, share below the margin, mean energy)."""
    log_f = share = loss = 0.0
    p = omega.shape[1]
    for mu in range(p):
        sigma = math.sqrt(v[0, mu])
        x = (ch.margin - omega[0, mu]) / sigma
        one, a, b = channel(ch, x, sigma)
        below, cost = channel_scalars(ch, x, sigma)
        g[0, mu], dg[0, mu] = a / sigma, b / v[0, mu]
        log_f += one
        share += below / p
        loss += cost / p
    return log_f, share, loss


@jit
def slopes(ch, omega, v, g, dg):
    """Fills g and g' (P,) at one variance for all patterns: all that an iteration needs."""
    sigma = math.sqrt(v)
    for mu in range(omega.size):
        _, a, b = channel(ch, (ch.margin - omega[mu]) / sigma, sigma)
        g[mu], dg[mu] = a / sigma, b / v


@jit
def majority(ch, omega, v, g, dg):
    """The same for a committee of K units (K, P)."""
    k, p = omega.shape
    paid, free = math.exp(-ch.beta), -math.expm1(-ch.beta)
    right = np.empty(k)
    before = np.zeros((k + 1, k + 1))  # before[l, j]: probability that j of the first l units are right
    after = np.zeros((k + 1, k + 1))  # after[l, j]: that j of the units l, l + 1, ... are
    before[0, 0] = after[k, 0] = 1.0
    log_f = share = 0.0
    for mu in range(p):
        for unit in range(k):
            right[unit] = tail(-omega[unit, mu] / math.sqrt(v[unit, mu]))
        for unit in range(k):
            _one_more(before[unit], right[unit], unit, before[unit + 1])
            _one_more(after[k - unit], right[k - 1 - unit], unit, after[k - 1 - unit])
        f = paid + free * before[k, k // 2 + 1 :].sum()
        log_f += math.log(f)
        share += paid * before[k, : k // 2 + 1].sum() / f / p
        for unit in range(k):
            split = 0.0
            for j in range(k // 2 + 1):
                split += before[unit, j] * after[unit + 1, k // 2 - j]
            sigma = math.sqrt(v[unit, mu])
            u = -omega[unit, mu] / sigma
            g[unit, mu] = free * math.exp(-0.5 * u * u) / ROOT_2PI * split / (sigma * f)
            dg[unit, mu] = u * g[unit, mu] / sigma - g[unit, mu] ** 2
    return log_f, share, share


@jit
def _one_more(counts, right, units, out):
    """The law of the number of right units with one unit more."""
    out[0] = counts[0] * (1.0 - right)
    for j in range(1, units + 2):
        out[j] = counts[j] * (1.0 - right) + counts[j - 1] * right


@jit
def couplings(ch, omega, v, g, dg, out):
    """Fills sum_mu G_lk^2 (K, K), G_lk = dg_l/domega_k, at the fields and answers of `majority`."""
    k, p = omega.shape
    free, half = -math.expm1(-ch.beta), k // 2
    right, pull = np.empty(k), np.empty(k)
    for mu in range(p):
        for unit in range(k):
            u = -omega[unit, mu] / math.sqrt(v[unit, mu])
            right[unit], pull[unit] = tail(u), math.exp(-0.5 * u * u) / (ROOT_2PI * math.sqrt(v[unit, mu]))
        f = 0.0
        for one in range(k):
            for other in range(one):
                law = _law(right, one, other)
                if f == 0.0:
                    a, b, most = right[one], right[other], law[half + 1 :].sum()
                    f = 1.0 - free + free * (a * b * law[half - 1] + (a + b - a * b) * law[half] + most)
                slope = free * pull[one] * pull[other] * (law[half - 1] - law[half]) / f - g[one, mu] * g[other, mu]
                out[one, other] += slope * slope
                out[other, one] += slope * slope
            out[one, one] += dg[one, mu] ** 2


@jit
def _law(right, one, other):
    """The law of the number of right units beside two."""
    k = right.size
    law, more = np.zeros(k + 1), np.zeros(k + 1)
    law[0] = 1.0
    units = 0
    for unit in range(k):
        if unit not in (one, other):
            _one_more(law, right[unit], units, more)
            law, more = more, law
            units += 1
    return law
