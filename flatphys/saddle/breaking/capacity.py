"""One-step RSB capacity of spherical weights: the perceptron at negative margin, the tree committee at almost any.

At capacity the inner overlap q1 -> 1 with parisi_m = c (1-q1).  With D0 = 1-q0, S = 1 + c D0 and
a = kappa - sqrt(q0) z, the inner average over t of exp(-(c/2) (a - sqrt(D0) t)_+^2) is

    I(a) = H(a/sqrt D0) + S^{-1/2} exp(-c a^2/(2S)) H(-a/sqrt(D0 S))

and alpha = -N/J is stationary in (c, q0), N = log(S)/2 + c q0/(2S), J = Int Dz log I.  Since I solves the heat
equation in (a, D0) and q0 + D0 = 1, the two conditions are

    D0/S + q0/S^2 + 2 alpha Int Dz (dI/dc)/I = 0,      c^2 q0/S^2 = alpha Int Dz (I'/I)^2

with I' = -(c/S) [sqrt(D0) G(a/sqrt D0) + a I2], I2 the second term of I.  c -> 0 is the
replica-symmetric capacity.

A tree committee with overlaps Q(q) (`kernels.networks`; written Q here) has 1-Q(q1) = Q'(1) (1-q1), so that inside I the ratio is
x = c/Q'(1), D0 becomes D = 1-Q(q0), S becomes 1 + x D and a = kappa - sqrt(Q(q0)) z; N keeps its c, S and q0.  The conditions gain
dI/dc = (dI/dx)/Q'(1) and a factor Q'(q0) on the right of the second.  Where Q'(1) is infinite (an activation that jumps) x -> 0 at
any c: alpha grows as log Q'(1), without bound, as the capacity of K hidden units does with K.

Replica symmetry is stable up to its own capacity alpha_RS = Q'(1)/Int_{z<kappa} Dz (kappa-z)^2 if the replicon's limit there,
1 - alpha_RS H(-kappa) - Q''(1)/Q'(1), is positive.

Sources: Franz, Parisi, Sevelev, Urbani & Zamponi 2017; Montanari, Zhong & Zhou 2021.
"""

import math

import numpy as np

from flatphys._jit import jit
from flatphys.errors import NotConverged
from flatphys.kernels.networks import PERCEPTRON_NET, overlap_curvature, overlap_map, overlap_slope
from flatphys.numerics.gaussian import LOG_SQRT_2PI, log_tail, logistic, tail
from flatphys.numerics.quadrature import NOWHERE, buffers, gaussian_nodes
from flatphys.numerics.roots import system
from flatphys.saddle.equilibrium.limit import random_label_capacity


@jit
def conditions(kappa, net, log_c, logit_d0, level, u, w):
    """(alpha, violation of the c condition, violation of the q0 condition), the violations relative."""
    c = math.exp(log_c)
    d0, q0 = logistic(logit_d0), logistic(-logit_d0)
    last = overlap_slope(net, 1.0, 0.0)
    x = c / last
    overlap, gap = overlap_map(net, q0, d0)
    s = 1.0 + x * gap
    root, sq0 = math.sqrt(gap), math.sqrt(overlap)
    # zeros of I as those of H: the narrower of the two arguments sets the width
    width = 2.0 * root / sq0
    origin = kappa / sq0 if abs(kappa) < 9.0 * sq0 else 0.0
    a0 = kappa - sq0 * origin
    reach = 9.6 + max(0.0, -kappa - 2.0)
    n = gaussian_nodes(level, reach, 1.0, origin, (a0 / sq0, width, 0.0, math.inf), NOWHERE, u, w)
    if n < 0:
        return math.nan, math.nan, math.nan
    j = jc = jd = 0.0
    for i in range(n):
        a = a0 - sq0 * u[i]
        x1 = a / root
        x2 = x1 / math.sqrt(s)
        l1 = log_tail(x1)
        l2 = -0.5 * math.log(s) - 0.5 * x * a * a / s + log_tail(-x2)
        if l1 > l2:
            log_i = l1 + math.log1p(math.exp(l2 - l1))
        else:
            log_i = l2 + math.log1p(math.exp(l1 - l2))
        r2 = math.exp(l2 - log_i)
        rg = math.exp(-0.5 * x1 * x1 - LOG_SQRT_2PI - log_i)
        if x1 < -3.0:  # I is 1 minus something small: sum what is missing
            log_i = math.log1p(-math.exp(log_tail(-x1)) + math.exp(l2))
        j += w[i] * log_i
        jc -= w[i] * (r2 * (gap + a * a / s) + rg * x2 * gap / math.sqrt(s)) / (2.0 * s)
        slope = x / s * (root * rg + a * r2)
        jd += w[i] * slope * slope
    s = 1.0 + c * d0
    numerator = 0.5 * math.log1p(c * d0) + 0.5 * c * q0 / s
    alpha = -numerator / j
    left = d0 / s + q0 / (s * s)
    return alpha, 1.0 + 2.0 * alpha * jc / (last * left), 1.0 - alpha * overlap_slope(net, q0, d0) * jd * (s / c) ** 2 / q0


# The perceptron's solution at kappa = -1/2, from which every other margin and network is reached.
_START = (-0.5, np.array([2.9109432, -1.7749]))
STARTS = [np.array([c, d0]) for d0 in (-1.0, 0.0, -2.0, 1.0, -3.0) for c in (3.0, 2.0, 1.0, 4.0, 5.0)]  # where that start fails
NEGLIGIBLE = -1e-5  # closer to 0 the perceptron's breaking changes the capacity by less than 1e-15 (it starts as the cube)
MARGINAL = -1e-4  # the same for a committee's replicon, where it does by less than 1e-12
LONGEST_STEP, SHORTEST_STEP = 0.25, 1e-3  # in kappa; at most BEND in log(-replicon), as log D0 diverges where that vanishes
BEND = 0.4


def replicon_at_capacity(kappa: float, net) -> float:
    """The limit q -> 1 of the replicon: replica symmetry holds up to its own capacity where it is positive."""
    last = overlap_slope(net, 1.0, 0.0)
    return 1.0 - last * random_label_capacity(kappa) * tail(-kappa) - overlap_curvature(net, 1.0, 0.0) / last


def _solve(kappa, net, guess):
    """(solution, alpha, residual) from a guess; an infinite residual for the trivial solutions c -> 0, D0 -> 0 or 1."""
    x = system(lambda y: conditions(kappa, net, y[0], y[1], 0, *buffers())[1:], guess)
    alpha, *violation = conditions(kappa, net, x[0], x[1], 0, *buffers())
    residual = max(map(abs, violation)) if x[0] > -6.0 and abs(x[1]) < 30.0 else math.inf
    return x, alpha, float(residual) if math.isfinite(residual) else math.inf


def capacity(kappa: float, net=PERCEPTRON_NET):
    """(alpha_c, q0, lim m/(1-q1)) at margin kappa with one step of replica-symmetry breaking; (alpha_RS, 1, 0) where none occurs."""
    last = overlap_slope(net, 1.0, 0.0)
    if last == math.inf:
        return math.inf, math.nan, math.nan
    curved = overlap_curvature(net, 1.0, 0.0) > 0.0
    if (curved and replicon_at_capacity(kappa, net) > MARGINAL) or (not curved and kappa >= NEGLIGIBLE):
        return last * random_label_capacity(kappa), 1.0, 0.0

    def place(k):
        """The variable in which the solution is close to linear along the path."""
        replicon = replicon_at_capacity(k, net)
        return math.log(-replicon) if math.isfinite(replicon) else k

    at, start = _START
    for guess in (start + [math.log(last), 0.0], *STARTS):
        x, alpha, residual = _solve(at, net, guess)
        if residual < 1e-10:
            break
    previous, step = None, LONGEST_STEP
    while residual < 1e-10 and at != kappa:
        k = min(at + step, kappa) if kappa > at else max(at - step, kappa)
        if abs(place(k) - place(at)) > BEND:
            step *= 0.5
            continue
        guess = x
        if previous is not None:
            guess = x + (place(k) - place(at)) / (place(at) - place(previous[0])) * (x - previous[1])
        moved, load, violation = _solve(k, net, guess)
        if violation < 1e-10:
            previous, at, x, alpha, step = (at, x), k, moved, load, min(LONGEST_STEP, 1.5 * step)
        elif step > SHORTEST_STEP:
            step *= 0.5
        else:
            residual = violation
    if not residual < 1e-10:
        raise NotConverged(
            f"the one-step capacity at margin {kappa:g} was lost at margin {at:g} (residual {residual:.1e}); margins down to about -6 work",
            {"c": math.exp(x[0]), "q0": float(1.0 / (1.0 + math.exp(x[1])))},
            residual,
        )
    return alpha, 1.0 / (1.0 + math.exp(x[1])), math.exp(x[0])
