"""Counting errors: what the weight exp(-beta theta(kappa - h)) does to one Gaussian cavity field.

With h ~ N(omega, V) and x = (kappa - omega)/sqrt V:

    f = e^-beta + (1 - e^-beta) H(x)           the channel's partition function (H(x) at beta = inf)
    a = sqrt V d log f / d omega = m(x) s      s = (1 - e^-beta) H(x)/f, m = G/H
    b = V d^2 log f / d omega^2 = a (x - a) = a (x (1-s) - (m - x) s)

The second form of b keeps its digits for large x, where m and x agree.
"""

import math

from flatphys._jit import jit
from flatphys.kernels.channels import errors_features
from flatphys.kernels.codes import Labels
from flatphys.kernels.labels import label_weight
from flatphys.numerics.gaussian import logistic, mills


@jit
def error_counting(x, beta):
    """(log f, a, b, 1 - s) at x; beta may be inf.  1 - s = e^-beta / f weighs the violated side."""
    m, d, log_h = mills(x)
    if beta == math.inf:
        return log_h, m, -m * d, 0.0
    fulfilled = math.log(-math.expm1(-beta)) + log_h
    odds = fulfilled + beta  # log of s/(1-s)
    free = logistic(-odds)
    s = logistic(odds)
    log_f = -beta - math.log(free) if odds < 0.0 else fulfilled - math.log(s)
    a = m * s
    return log_f, a, a * (x * free - d * s), free


@jit
def f_zero(beta):
    """(re, im) of the zero of f nearest to the real axis of x; infinite at beta = inf, where f = H."""
    if beta == math.inf:
        return 0.0, math.inf
    return errors_features(beta, 1.0)[2:]


@jit
def pattern_weight(kind, flip, k, z):
    """The labels' weight W(z)."""
    return label_weight(Labels(kind, flip), k, z)
