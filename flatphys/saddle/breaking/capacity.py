"""One-step RSB capacity of spherical weights: the perceptron at negative margin, the tree committee at almost any.

At capacity the inner overlap q1 -> 1 with parisi_m = c (1-q1).  With D0 = 1-q0, S = 1 + c D0 and
a = kappa - sqrt(q0) z, the inner average over t of exp(-(c/2) (a - sqrt(D0) t)_+^2) is the channel of the squared hinge at the
inverse temperature c (`kernels.channels`),

    I(a) = H(a/sqrt D0) + S^{-1/2} exp(-c a^2/(2S)) H(-a/sqrt(D0 S))

and alpha = -N/J is stationary in (c, q0), N = log(S)/2 + c q0/(2S), J = Int Dz log I.  Since I solves the heat
equation in (a, D0) and q0 + D0 = 1, the two conditions are

    D0/S + q0/S^2 = 2 alpha Int Dz <e>,      c^2 q0/S^2 = alpha Int Dz (I'/I)^2

with the channel's mean energy <e> = -(dI/dc)/I.  c -> 0 is the replica-symmetric capacity.

A tree committee with overlaps Q(q) (`kernels.networks`; written Q here) has 1-Q(q1) = Q'(1) (1-q1), so that inside I the ratio is
x = c/Q'(1), D0 becomes D = 1-Q(q0), S becomes 1 + x D and a = kappa - sqrt(Q(q0)) z; N keeps its c, S and q0.  The conditions gain
d/dc = (d/dx)/Q'(1) and a factor Q'(q0) on the right of the second.  Where Q'(1) is infinite (an activation that jumps) x -> 0 at
any c: alpha grows as log Q'(1), without bound, as the capacity of K hidden units does with K.

Replica symmetry is stable up to its own capacity alpha_RS = Q'(1)/Int_{z<kappa} Dz (kappa-z)^2 if the replicon's limit there,
1 - alpha_RS H(-kappa) - Q''(1)/Q'(1), is positive.

Sources: Franz, Parisi, Sevelev, Urbani & Zamponi 2017; Montanari, Zhong & Zhou 2021.
"""

import math
from typing import NamedTuple

import numpy as np

from flatphys._jit import jit
from flatphys.errors import NotConverged
from flatphys.kernels.channels import channel, channel_scalars
from flatphys.kernels.codes import SQUARED_HINGE_ENERGY, Channel
from flatphys.kernels.networks import PERCEPTRON_NET, overlap_curvature, overlap_map, overlap_slope
from flatphys.numerics.continuation import Path, Steps, extrapolate
from flatphys.numerics.gaussian import logistic, tail
from flatphys.numerics.newton import newton
from flatphys.numerics.quadrature import NOWHERE, buffers, gaussian_nodes
from flatphys.saddle.accept import Tolerance, good
from flatphys.saddle.equilibrium.limit import random_label_capacity


class Conditions(NamedTuple):
    """alpha, and the relative violations of the c and the q0 condition."""

    alpha: float
    violation_c: float
    violation_q0: float


@jit
def conditions(kappa, net, log_c, logit_d0, level, u, w):
    """The `Conditions` at log c and log(D0/q0)."""
    c = math.exp(log_c)
    d0, q0 = logistic(logit_d0), logistic(-logit_d0)
    last = overlap_slope(net, 1.0, 0.0)
    x = c / last
    overlap, gap = overlap_map(net, q0, d0)
    root, sq0 = math.sqrt(gap), math.sqrt(overlap)
    # zeros of I as those of H: the narrower of the two arguments sets the width
    width = 2.0 * root / sq0
    origin = kappa / sq0 if abs(kappa) < 9.0 * sq0 else 0.0
    a0 = kappa - sq0 * origin
    reach = 9.6 + max(0.0, -kappa - 2.0)
    n = gaussian_nodes(level, reach, 1.0, origin, (a0 / sq0, width, 0.0, math.inf), NOWHERE, u, w)
    inner = Channel(SQUARED_HINGE_ENERGY, 0.0, x)
    j = energy = squares = 0.0
    for i in range(n):
        at = (a0 - sq0 * u[i]) / root
        log_i, slope, _ = channel(inner, at, root)
        j += w[i] * log_i
        energy += w[i] * channel_scalars(inner, at, root)[1]
        squares += w[i] * slope * slope / gap
    s = 1.0 + c * d0
    numerator = 0.5 * math.log1p(c * d0) + 0.5 * c * q0 / s
    alpha = -numerator / j
    left = d0 / s + q0 / (s * s)
    return Conditions(
        alpha, 1.0 - 2.0 * alpha * energy / (last * left), 1.0 - alpha * overlap_slope(net, q0, d0) * squares * (s / c) ** 2 / q0
    )


# The perceptron's solution at kappa = -1/2, from which every other margin and network is reached.
_START = (-0.5, np.array([2.9109432, -1.7749]))
STARTS = [np.array([c, d0]) for d0 in (-1.0, 0.0, -2.0, 1.0, -3.0) for c in (3.0, 2.0, 1.0, 4.0, 5.0)]  # where that start fails
NEGLIGIBLE = -1e-5  # closer to 0 the perceptron's breaking changes the capacity by less than 1e-15 (it starts as the cube)
MARGINAL = -1e-4  # the same for a committee's replicon, where it does by less than 1e-12
STEPS = Steps(first=0.25, longest=0.25, shortest=1e-9, growth=1.5, shrink=0.5)  # in kappa; at most BEND in the place of `_place`
BEND = 0.4
TOLERANCE = Tolerance(1e-10)


def replicon_at_capacity(kappa: float, net) -> float:
    """The limit q -> 1 of the replicon: replica symmetry holds up to its own capacity where it is positive."""
    last = overlap_slope(net, 1.0, 0.0)
    return 1.0 - last * random_label_capacity(kappa) * tail(-kappa) - overlap_curvature(net, 1.0, 0.0) / last


def _place(kappa, net):
    """The variable in which the solution is close to linear along the path: log D0 diverges where the replicon vanishes."""
    replicon = replicon_at_capacity(kappa, net)
    return math.log(-replicon) if math.isfinite(replicon) else kappa


def _solve(kappa, net, guess):
    """(solution, residual) from a guess; an infinite residual for the trivial solutions c -> 0, D0 -> 0 or 1."""
    root = newton(lambda y: np.array(conditions(kappa, net, y[0], y[1], 0, *buffers())[1:]), guess)
    return root.x, root.residual if root.x[0] > -6.0 and abs(root.x[1]) < 30.0 else math.inf


def capacity(kappa: float, net=PERCEPTRON_NET):
    """(alpha_c, q0, lim m/(1-q1)) at margin kappa with one step of replica-symmetry breaking; (alpha_RS, 1, 0) where none occurs."""
    last = overlap_slope(net, 1.0, 0.0)
    if last == math.inf:
        return math.inf, math.nan, math.nan
    curved = overlap_curvature(net, 1.0, 0.0) > 0.0
    if (curved and replicon_at_capacity(kappa, net) > MARGINAL) or (not curved and kappa >= NEGLIGIBLE):
        return last * random_label_capacity(kappa), 1.0, 0.0

    at, start = _START
    for guess in (start + [math.log(last), 0.0], *STARTS):
        x, residual = _solve(at, net, guess)
        if good(TOLERANCE, residual):
            break
    path = Path(at, x, STEPS, kappa - at)

    def solve(k, _):
        nonlocal residual
        places = [_place(at, net) for at in path.places[-2:]]
        if abs(_place(k, net) - places[-1]) > BEND:
            return None
        moved, residual = _solve(k, net, extrapolate(places, path.points[-2:], _place(k, net)))
        return moved if good(TOLERANCE, residual) else None

    if good(TOLERANCE, residual):
        x = path.reach(solve, kappa)
    if not good(TOLERANCE, residual) or x is None:
        at, x = path.places[-1], path.points[-1]
        raise NotConverged(
            f"the one-step capacity at margin {kappa:g} was lost at margin {at:g} (residual {residual:.1e}); margins down to about -6 work",
            {"c": math.exp(x[0]), "q0": float(1.0 / (1.0 + math.exp(x[1])))},
            residual,
        )
    alpha = conditions(kappa, net, x[0], x[1], 0, *buffers()).alpha
    return alpha, 1.0 / (1.0 + math.exp(x[1])), math.exp(x[0])
