"""The solution q = 0: of constraints that (almost) every weight obeys or violates alike, and of an even energy."""

import math
from typing import NamedTuple

from flatphys.kernels.channels import channel, channel_scalars
from flatphys.kernels.codes import BINARY, Problem
from flatphys.kernels.near_one import relative_log_f
from flatphys.kernels.networks import first_slope, overlap_curvature


class Empty(NamedTuple):
    """Of the solution q = 0: free entropy, entropy, share below the margin, mean energy, replicon, and the load at which that vanishes."""

    free: float
    entropy: float
    share: float
    loss: float
    replicon: float
    last: float


def empty(problem: Problem, alpha: float) -> Empty:
    """The limit q_hat -> 0: constraints that (almost) every weight obeys or violates alike, and an even energy."""
    ch = problem.channel
    width = math.sqrt(problem.labels.variance)
    x = ch.margin / width
    (log_f, a, b), (share, loss) = channel(ch, x, width), channel_scalars(ch, x, width)
    slope, bend = first_slope(problem.net), overlap_curvature(problem.net, 0.0, 1.0)
    free = (math.log(2.0) if problem.weights == BINARY else 0.0) + alpha * relative_log_f(ch, x, width, log_f)
    pull = slope * slope * b * b + bend * a * a
    entropy = free if ch.beta == math.inf else free + ch.beta * alpha * loss
    return Empty(free, entropy, share, loss, 1.0 - alpha * pull, 1.0 / pull if pull > 0.0 else math.inf)
