"""Where an unbalanced mixture is given up: the load from which the hinge loss with a bias has its minimum at w = 0.

There the constant rule b = +-1 is the best of all: the objective is homogeneous of degree 1 around that point, so that
this does not depend on l2.
"""

import functools
import math

from flatphys.numerics.roots import bracketed
from flatphys.saddle.minimiser.closed import tail


@functools.lru_cache(maxsize=256)
def collapse_load(variance: float, positive: float) -> float:
    """The load from which the hinge loss with a bias answers an unbalanced mixture by w = 0.

    For w -> 0 the larger class (share rho) crowds at the kink, the smaller one has l' = -1.  In units of
    the cavity field's width, the larger class at mean -u and shift c: f = clip((u - g)/c, 0, 1) and

        rho E f = 1 - rho,   alpha rho P(u - c < g < u) = 1,   (c^2/D) [alpha^2 A^2 + alpha D B] = 1,

    A = 2 (1 - rho), B = rho E f^2 + 1 - rho: the response V l2 = 1 - alpha rho P vanishes there.  Infinite
    where the centres are so far apart that no amount of data makes w = 0 optimal.
    """
    rho = max(positive, 1.0 - positive)
    if rho == 0.5:
        return math.inf

    def partial(a):  # E (a - g)_+ and E (a - g)_+^2
        phi, g = tail(-a), math.exp(-0.5 * a * a) / math.sqrt(2.0 * math.pi)
        return a * phi + g, (1.0 + a * a) * phi + a * g

    def place(c):
        return bracketed(lambda u: (partial(u)[0] - partial(u - c)[0]) / c - (1.0 - rho) / rho, -40.0, 40.0 + c)

    def load(c):
        u = place(c)
        return 1.0 / (rho * (tail(u - c) - tail(u)))

    def balance(log_c):
        c = math.exp(log_c)
        u = place(c)
        (_, over2), (inner1, inner2) = partial(u), partial(u - c)
        second = (over2 - inner2 - 2.0 * c * inner1) / (c * c)  # E f^2
        alpha, a = load(c), 2.0 * (1.0 - rho)
        return (c * alpha * a) ** 2 / variance + c * c * alpha * (rho * second + 1.0 - rho) - 1.0

    low, high = math.log(1e-6), math.log(1e3)
    if balance(low) >= 0.0:
        return math.inf
    return load(math.exp(bracketed(balance, low, high)))
