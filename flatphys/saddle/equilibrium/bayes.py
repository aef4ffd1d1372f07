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


@jit
def stability(ch, z, f):
    """(t, dt/dz) of the posterior mean at cavity field sqrt(q) z; f are the overlaps of the fields, the channel's margin is 0."""
    _, a, b = channel(ch, -math.sqrt(f.q / f.v) * z, math.sqrt(f.v))
    return math.sqrt(f.q) * z + math.sqrt(f.v) * a, math.sqrt(f.q) * (1.0 + b)


@jit
def field_of(ch, t, f):
    """The cavity field z (in units of sqrt q) whose stability under the posterior mean is t; -inf if none."""
    lo, hi = -40.0, 40.0
    if stability(ch, lo, f)[0] >= t:
        return -math.inf
    z = t / math.sqrt(f.q)
    for _ in range(200):
        if not lo < z < hi:
            z = 0.5 * (lo + hi)
        value, slope = stability(ch, z, f)
        if value < t:
            lo = z
        else:
            hi = z
        step = (t - value) / slope
        if abs(step) <= 1e-15 * (1.0 + abs(z)) or hi - lo <= 1e-15 * (1.0 + abs(z)):
            return z
        z += step
    return 0.5 * (lo + hi)


def training_error(problem, f) -> float:
    """Fraction of the training labels that the posterior mean gets wrong: P(t < 0), in fields of overlaps f."""
    if problem.channel.beta == math.inf:
        return 0.0  # every posterior sample fits every label
    return error_mass(field_of(problem.channel, 0.0, f), f.r / math.sqrt(f.t2), problem.labels.flip, *buffers())
