"""The Bayes-optimal rule with a teacher: what the posterior mean does on its own training patterns.

The posterior is the Gibbs measure at margin 0 and e^-beta = flip/(1-flip) (`saddle.equilibrium.states`, with
R = q).  A training pattern with cavity field sqrt(q) z has, under the posterior mean, the stability

    t(z) = sqrt(q) z + sqrt(v) a(-sqrt(q/v) z),      v = 1 - q,

which grows with z, because dt/dz = sqrt(q) (posterior variance of the stability)/v.
"""

import math

from flatphys._jit import jit
from flatphys.kernels.channels import channel
from flatphys.numerics.quadrature import buffers
from flatphys.saddle.equilibrium.limit import error_mass

FARTHEST = 40.0  # the measure beyond is 0


@jit
def stability(ch, z, f):
    """(t, dt/dz) of the posterior mean at cavity field sqrt(q) z; f are the overlaps of the fields, the channel's margin is 0."""
    _, a, b = channel(ch, -math.sqrt(f.q / f.v) * z, math.sqrt(f.v))
    return math.sqrt(f.q) * z + math.sqrt(f.v) * a, math.sqrt(f.q) * (1.0 + b)


@jit
def field_of(ch, t, f):
    """The cavity field z (in units of sqrt q) whose stability under the posterior mean is t; -inf or inf beyond 40.

    Newton's method inside a bracket, which is halved where a step is not half as long as the one before: steps that cycle end.
    """
    lo, hi = -FARTHEST, FARTHEST
    if stability(ch, lo, f)[0] >= t:
        return -math.inf
    if stability(ch, hi, f)[0] <= t:
        return math.inf
    z, before = t / math.sqrt(f.q), hi - lo
    if not lo < z < hi:
        z = 0.0
    while True:
        value, slope = stability(ch, z, f)
        if value < t:
            lo = z
        else:
            hi = z
        step = (t - value) / slope
        if not (abs(step) <= 0.5 * before and lo < z + step < hi):
            step = 0.5 * (lo + hi) - z
        before = abs(step)
        z += step
        if before <= 1e-15 * (1.0 + abs(z)):  # both kinds of steps halve: at most 60
            return z


def training_error(problem, f) -> float:
    """Fraction of the training labels that the posterior mean gets wrong: P(t < 0), in fields of overlaps f."""
    if problem.channel.beta == math.inf:
        return 0.0  # every posterior sample fits every label
    return error_mass(field_of(problem.channel, 0.0, f), f.r / math.sqrt(f.t2), problem.labels.flip, *buffers())
