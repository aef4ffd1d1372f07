"""What the label of a pattern says about its cavity field.

With a teacher of overlap R, T^2 = q - R^2 and labels inverted with probability flip, the field sqrt(q) z of a pattern, multiplied by
its label, has the density of z times

    W(z) = 2 [(1-flip) H(-k z) + flip H(k z)],   k = R/T        (1 with random labels and on a mixture of two clouds)

On the mixture the label moves the field instead: it is m + sqrt(D q) z, D the clouds' variance.
"""

import math

from flatphys._jit import jit
from flatphys.kernels.codes import MIXTURE, RANDOM
from flatphys.numerics.gaussian import density, tail


@jit
def label_weight(labels, k, z):
    """W(z) of the module's docstring."""
    if labels.kind == RANDOM or labels.kind == MIXTURE:
        return 1.0
    correct = tail(-k * z)
    if labels.flip == 0.0:
        return 2.0 * correct
    return 2.0 * (labels.flip + (1.0 - 2.0 * labels.flip) * correct)


@jit
def label_slope(labels, k, z):
    """dW/d(k z) = 2 (1 - 2 flip) G(k z)."""
    return 2.0 * (1.0 - 2.0 * labels.flip) * density(k * z)


@jit
def signal_slope(labels, k, z):
    """What a, in units of the field's width, is multiplied by where it pulls the weights along the teacher or the clouds' centre.

    dW/d(k z); on a mixture 1/sqrt D, for there every field moves alike.
    """
    return 1.0 / math.sqrt(labels.variance) if labels.kind == MIXTURE else label_slope(labels, k, z)
