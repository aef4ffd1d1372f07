"""One-step RSB capacity of the spherical perceptron at negative margin.

At capacity the inner overlap q1 -> 1 with parisi_m = c (1-q1).  With D0 = 1-q0, S = 1 + c D0 and
a = kappa - sqrt(q0) z, the inner average over t of exp(-(c/2) (a - sqrt(D0) t)_+^2) is

    I(a) = H(a/sqrt D0) + S^{-1/2} exp(-c a^2/(2S)) H(-a/sqrt(D0 S))

and alpha = -N/J is stationary in (c, q0), N = log(S)/2 + c q0/(2S), J = Int Dz log I.  Since I solves the heat
equation in (a, D0) and q0 + D0 = 1, the two conditions are

    D0/S + q0/S^2 + 2 alpha Int Dz (dI/dc)/I = 0,      c^2 q0/S^2 = alpha Int Dz (I'/I)^2

with I' = -(c/S) [sqrt(D0) G(a/sqrt D0) + a I2], I2 the second term of I.  c -> 0 is the
replica-symmetric capacity.  Source: Franz, Parisi, Sevelev, Urbani & Zamponi 2017; Montanari, Zhong & Zhou 2021.
"""

import math

import numpy as np

from flatphys._jit import jit
from flatphys.errors import NotConverged
from flatphys.numerics.gaussian import LOG_SQRT_2PI, log_tail, logistic
from flatphys.numerics.quadrature import NOWHERE, buffers, gaussian_nodes
from flatphys.numerics.roots import system



@jit
def conditions(kappa, log_c, logit_d0, level, u, w):
    """(alpha, violation of the c condition, violation of the q0 condition), the violations relative."""
    c = math.exp(log_c)
    d0, q0 = logistic(logit_d0), logistic(-logit_d0)
    s = 1.0 + c * d0
    root, sq0 = math.sqrt(d0), math.sqrt(q0)
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
        l2 = -0.5 * math.log(s) - 0.5 * c * a * a / s + log_tail(-x2)
        if l1 > l2:
            log_i = l1 + math.log1p(math.exp(l2 - l1))
        else:
            log_i = l2 + math.log1p(math.exp(l1 - l2))
        r2 = math.exp(l2 - log_i)
        rg = math.exp(-0.5 * x1 * x1 - LOG_SQRT_2PI - log_i)
        if x1 < -3.0:  # I is 1 minus something small: sum what is missing
            log_i = math.log1p(-math.exp(log_tail(-x1)) + math.exp(l2))
        j += w[i] * log_i
        jc -= w[i] * (r2 * (d0 + a * a / s) + rg * x2 * d0 / math.sqrt(s)) / (2.0 * s)
        slope = c / s * (root * rg + a * r2)
        jd += w[i] * slope * slope
    numerator = 0.5 * math.log1p(c * d0) + 0.5 * c * q0 / s
    alpha = -numerator / j
    left = d0 / s + q0 / (s * s)
    return alpha, 1.0 + 2.0 * alpha * jc / left, 1.0 - alpha * jd * (s / c) ** 2 / q0


# The solution at kappa = -1/2, from which every other margin is reached by continuation.
_START = (-0.5, np.array([2.9109432, -1.7749]))
NEGLIGIBLE = -1e-5  # closer to 0 the breaking changes the capacity by less than 1e-15


def capacity(kappa: float):
    """(alpha_c, q0, lim m/(1-q1)) at margin kappa < 0 with one step of replica-symmetry breaking."""
    at, x = _START
    steps = [at]
    while steps[-1] > kappa if kappa < at else steps[-1] < kappa:
        steps.append(max(kappa, steps[-1] - 0.25) if kappa < at else min(kappa, 0.75 * steps[-1]))
    previous = None
    for i, k in enumerate(steps):
        guess = x
        if previous is not None:  # linear in the variable of the path: kappa below -1/2, log(-kappa) above
            t = (k - steps[i - 1]) / (steps[i - 1] - steps[i - 2])
            if kappa > at:
                t = math.log(k / steps[i - 1]) / math.log(steps[i - 1] / steps[i - 2])
            guess = x + t * (x - previous)
        solution = system(lambda y, k=k: conditions(k, y[0], y[1], 0, *buffers())[1:], guess)
        previous, x = (x if i else None), solution
        alpha, *violation = conditions(k, x[0], x[1], 0, *buffers())
        residual = max(map(abs, violation))
        if not residual < 1e-10:
            raise NotConverged(
                f"the one-step capacity at margin {kappa:g} was lost at margin {k:g} (residual {residual:.1e}); margins down to about -6 work",
                {"c": math.exp(x[0]), "q0": float(1.0 / (1.0 + math.exp(x[1])))}, float(residual),
            )  # fmt: skip
    return alpha, 1.0 / (1.0 + math.exp(x[1])), math.exp(x[0])
