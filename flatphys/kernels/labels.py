"""What the label of a pattern says about its cavity field.

With a teacher of overlap R, T^2 = q - R^2 and labels inverted with probability flip, the field sqrt(q) z of a pattern, multiplied by
its label, has the density of z times

    W(z) = 2 [(1-flip) H(-k z) + flip H(k z)],   k = R/T        (1 with random labels)

The clouds of a mixture shift the field instead: of the patterns with label y it is m + y b + sqrt(D q) z, W = 1, with m the overlap with
the centre, D the clouds' variance and b a bias (`clouds`, `cloud`).
"""

import math

from flatphys._jit import inlined, jit
from flatphys.kernels.codes import MIXTURE, RANDOM, TEACHER
from flatphys.numerics.gaussian import density, tail


@jit
def guided(labels):
    """Whether the overlap with a signal, and its conjugate, are unknowns of their own."""
    return labels.kind == TEACHER or labels.kind == MIXTURE


@jit
def clouds(labels):
    """Number of clouds that a pattern average tells apart: those of either label where there is a bias."""
    return 1 if labels.share == 1.0 else 2


@jit
def cloud(labels, i, m, b):
    """(share of the patterns, mean of their field) of the cloud i = 0 or 1."""
    if labels.kind != MIXTURE:
        return 1.0, 0.0
    return (labels.share, m + b) if i == 0 else (1.0 - labels.share, m - b)


@inlined
def label_weight(labels, k, z):
    """W(z) of the module's docstring."""
    if labels.kind == RANDOM or labels.kind == MIXTURE:
        return 1.0
    return 2.0 * (labels.flip + (1.0 - 2.0 * labels.flip) * tail(-k * z))


@inlined
def label_slope(labels, k, z):
    """dW/d(k z) = 2 (1 - 2 flip) G(k z)."""
    return 2.0 * (1.0 - 2.0 * labels.flip) * density(k * z)


@jit
def signal_slope(labels, k, z):
    """What a, in units of the field's width, is multiplied by where it pulls the weights along the teacher or the clouds' centre.

    dW/d(k z); on a mixture 1/sqrt D, for there every field moves alike.
    """
    return 1.0 / math.sqrt(labels.variance) if labels.kind == MIXTURE else label_slope(labels, k, z)
