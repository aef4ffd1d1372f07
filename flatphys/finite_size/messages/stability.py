"""The stability of a fixed point of messages: how small random kicks of the fields grow from weights to patterns and back.

Weights answer a kick of their fields with X_i = dm_i/dB_i, patterns with g'_mu.  Where X_i is the variance c_i (no coupling), kicks of
random signs grow by the factor (1/N) sum_mu g'_mu^2 mean[c^2].  With a self-field, or for replicas around a centre, X is not c: V and A,
which are made of c and g', leave a part of the reaction of every field on itself uncancelled, the more so as it answers itself:

    X*_i = X_i/(1 - dq_hat X_i)        dq = mean X* - mean c
    g*_mu = g'_mu/(1 - dq g'_mu)       dq_hat = lam + (1/N) sum_mu (g*_mu - g'_mu)

as for y = infinity replicas, and with them

    at_eigenvalue = 1 - (1/N) sum_mu g*_mu^2 mean[X*^2],        (1/N) sum_ij (dm_i/dh_j)^2 = mean[X*^2]/at_eigenvalue

-inf where dq has no real solution: no finite response is left.  A committee's pattern answers a kick in the field of unit k in unit l
as well; with G_lk = dg_l/domega_k the factors are the matrix (K/N) mean_l[c^2] sum_mu G_lk^2, whose largest eigenvalue counts.
With patterns of the mean square v, F brings a factor v with V and A, and v^2 with the eigenvalue.

Sources: de Almeida & Thouless 1978; Mezard 1989; Baldassi et al., PRL 115 128101 (2015).
"""

import math

import numpy as np

from flatphys._jit import jit
from flatphys.finite_size.messages.patterns import couplings
from flatphys.finite_size.messages.sites import answers
from flatphys.kernels.codes import BINARY

STEPS = 100  # of Newton's iteration, monotone after the first


def at_eigenvalue(task, fields, m, c) -> float:
    """Of a fixed point of `amp`: positive where random kicks die out."""
    n, site = m.size, task.site
    c = 1.0 - m * m if site.weights == BINARY else np.full(n, 1.0 - np.mean(m * m))  # as in V: also of replicas, and of the sphere's mean
    if task.units > 1:
        slopes = np.zeros((task.units, task.units))
        couplings(task.channel, fields.omega, fields.v, fields.g, fields.dg, slopes)
        spread = (c * c).reshape(task.units, -1).mean(axis=1)
        growth = task.units / n * task.variance**2 * spread[:, None] * slopes
        return 1.0 - float(np.abs(np.linalg.eigvals(growth)).max())
    x = np.empty(n)
    answers(site, fields.b, c, x)
    return respond(x, fields.dg[0], float(np.mean(c)), site.self_field, task.variance)[0]


@jit
def respond(x, slopes, mean_c, self_field, variance):
    """(at_eigenvalue, mean X*^2) of a perceptron: Newton's iteration from dq = 0 finds the smallest root of a convex function."""
    n = x.size
    dq = 0.0
    for _ in range(STEPS):
        hat, curvature = self_field, 0.0
        for mu in range(slopes.size):
            g = slopes[mu] / (1.0 - dq * slopes[mu])
            if not dq * slopes[mu] < 1.0:
                return -math.inf, math.nan
            hat += variance / n * (g - slopes[mu])
            curvature += g * g / n
        first = second = 0.0
        for i in range(n):
            if not hat * x[i] < 1.0:
                return -math.inf, math.nan
            one = x[i] / (1.0 - hat * x[i])
            first += one / n
            second += one * one / n
        stable = 1.0 - variance * variance * curvature * second
        gap = variance * (first - mean_c) - dq
        if abs(gap) <= 1e-13 * variance:
            return stable, second
        if not stable > 0.0:
            return -math.inf, math.nan
        dq += gap / stable
    return -math.inf, math.nan
