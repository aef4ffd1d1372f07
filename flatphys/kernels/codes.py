"""Every integer code of the kernels, once, and the named tuples that carry parameters into compiled code.

A code is a plain int in Python and a global constant in a kernel.  A ladder of `if code == ...` ends in nan, so that a missing
branch is loud.  The names that users write are mapped to codes where the thing itself is defined (`kernels.channels.CODES`,
`kernels.losses.CODES`, `kernels.networks`); `problem` turns a model into the tuples below.
"""

from typing import NamedTuple

import numpy as np

# kinds of weights
BINARY, SPHERICAL = 0, 1

# where labels come from; NISHIMORI: the learner is the posterior of its teacher, so R = q and R_hat = q_hat; MIXTURE: labels of clouds
RANDOM, TEACHER, NISHIMORI, MIXTURE = 0, 1, 2, 3

# what a pattern costs (`kernels.channels`)
ERRORS, HINGE_ENERGY, SQUARED_HINGE_ENERGY, SQUARE_ENERGY, LOGISTIC_ENERGY = 0, 1, 2, 3, 4

# losses of trained rules (`kernels.losses`)
SQUARE, LOGISTIC, HINGE, SQUARED_HINGE, CUSTOM = 0, 1, 2, 3, 9

# what networks do to overlaps (`kernels.networks`)
PERCEPTRON, SIGN, ERF, RELU, TABLE = 0, 1, 2, 3, 4


class Loss(NamedTuple):
    """A loss of a margin: its code, and the width of the Gaussian noise over which it is averaged (0: none)."""

    code: int
    sigma: float


class Channel(NamedTuple):
    """What the weight exp(-beta energy(Delta)) of one pattern is made of; beta may be inf."""

    energy: int
    margin: float
    beta: float


class Labels(NamedTuple):
    """Where labels come from, the probability that one is inverted, and the clouds of a MIXTURE.

    variance: of the inputs around their centres (1 where there are no clouds); share: of the patterns whose stabilities a bias raises,
    1 where there is no bias.
    """

    kind: int
    flip: float
    variance: float = 1.0
    share: float = 1.0


class Problem(NamedTuple):
    """A Gibbs learner at its data, as the saddles' kernels want it; `net` is the array of `kernels.networks`."""

    weights: int
    labels: Labels
    channel: Channel
    net: np.ndarray


class Minimiser(NamedTuple):
    """A trained rule at its data, as `saddle.minimiser` wants it: the loss, labels of a TEACHER or of a MIXTURE and the mixture's clouds.

    bias: whether one is trained; anchor: the bias that would be trained at w = 0.
    """

    loss: Loss
    labels: Labels
    variance: float
    positive: float
    bias: bool
    anchor: float
