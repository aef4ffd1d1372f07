"""One pattern of each energy in mpmath: at finite temperature the moments of truncated Gaussians, at zero temperature a lifted field.

The pattern's stability is Delta = omega + sigma g, g standard normal; with x = (kappa - omega)/sigma it lies below the margin where
g < x.  The weight exp(-beta energy) leaves g > x alone and makes another Gaussian of g < x, of mass L:

    f = E exp(-beta energy),   a = <g> = -d log f/dx,   b = <g^2> - 1 - a^2 = -da/dx      (<> under the weight)

    errors         L = e^-beta H(-x)
    hinge          L = exp(c^2/2 - c x) H(c - x),  c = beta sigma:        <g> f = c L,  (<g^2> - 1) f = c^2 L - c G(x)
    squared hinge  L = exp(-c x^2/(2 r^2)) H(-x/r)/r,  c = beta sigma^2, r^2 = 1 + c, D = x L + G(x):
                   <g> f = (c/r^2) D,  (<g^2> - 1) f = (c^2/r^4) x D - (c/r^2) L
    square         f = exp(-c x^2/(2 r^2))/r on both sides of the margin

As beta -> inf above capacity the field z moves to the Delta that minimises energy(Delta) + (Delta - z)^2/(2 chi), chi = lim beta V.
"""

import mpmath as mp

from flatphys.errors import InvalidInput
from flatphys.precise.quadrature import density, tail


def hard(x):
    """Every energy with a flat side at beta = inf: (f, a, b, share below the margin, mean energy)."""
    f = tail(x)
    a = density(x) / f
    return f, a, a * (x - a), mp.mpf(0), mp.mpf(0)


def errors(x, beta, sigma):
    """(f, a, b, share below the margin, mean energy)."""
    low, above = mp.exp(-beta), tail(x)
    f = low + (1 - low) * above
    a = (1 - low) * density(x) / f
    share = low * (1 - above) / f
    return f, a, a * (x - a), share, share


def hinge(x, beta, sigma):
    """(f, a, b, share below the margin, mean energy)."""
    c, above, g = beta * sigma, tail(x), density(x)
    below = mp.exp(c * c / 2 - c * x) * tail(c - x)
    f = above + below
    return f, c * below / f, c * c * below * above / f**2 - c * g / f, below / f, sigma * ((x - c) * below + g) / f


def squared_hinge(x, beta, sigma):
    """(f, a, b, share below the margin, mean energy)."""
    c = beta * sigma**2
    r2 = 1 + c
    r = mp.sqrt(r2)
    below = mp.exp(-c * x * x / (2 * r2)) * tail(-x / r) / r
    f, moved = tail(x) + below, x * below + density(x)
    a = c / r2 * moved / f
    return f, a, (c / r2) ** 2 * x * moved / f - c / r2 * below / f - a * a, below / f, sigma**2 / 2 * (x * moved / r2 + below) / (r2 * f)


def square(x, beta, sigma):
    """(f, a, b, share below the margin, mean energy)."""
    c = beta * sigma**2
    r2 = 1 + c
    f = mp.exp(-c * x * x / (2 * r2)) / mp.sqrt(r2)
    return f, c * x / r2, -c / r2, tail(-x / mp.sqrt(r2)), sigma**2 / 2 * (1 + x * x / r2) / r2


FINITE = {"errors": errors, "hinge": hinge, "squared-hinge": squared_hinge, "square": square}


def at_temperature(energy, beta):
    """The function (x, sigma) -> (f, a, b, share, mean) of this energy."""
    if energy not in FINITE:
        raise InvalidInput(f"energy must be {' or '.join(FINITE)} for flatphys.precise, got {energy!r}")
    if beta == mp.inf and energy != "square":
        return lambda x, sigma: hard(x)
    form = FINITE[energy]
    return lambda x, sigma: form(x, beta, sigma)


def marks(energy, beta, sigma):
    """(x, width) around which f varies, or has its zeros off the real axis."""
    if energy == "square":
        return []
    found = [(mp.mpf(0), mp.mpf(2))]  # where H turns, and its zeros
    if beta < mp.inf and energy == "errors" and beta > 0.5:  # zeros around sqrt(2 beta) +- i pi/sqrt(2 beta)
        found.append((mp.sqrt(2 * beta), mp.mpf(2.5) / mp.sqrt(2 * beta)))
    if beta < mp.inf and energy == "hinge":  # f is symmetric around c/2, but for a factor without zeros
        found.append((beta * sigma, mp.mpf(2)))
    return found


def lifted(energy, kappa, chi):
    """Zero temperature: ([(low, high, lift, energy)], the field below which a pattern stays below its margin).

    Lift and energy are coefficients of powers of kappa - z; a field outside of every piece stays where it is, at no cost.
    """
    inf = mp.inf
    if energy == "errors":
        low = kappa - mp.sqrt(2 * chi)  # below it the pattern is given up
        return [(low, kappa, (0, 1), (0,)), (-inf, low, (0, 0), (1,))], low
    if energy == "hinge":  # lifted to the margin, or by chi
        return [(kappa - chi, kappa, (0, 1), (0,)), (-inf, kappa - chi, (chi, 0), (-chi, 1))], kappa - chi
    lift, cost = (0, chi / (1 + chi)), (0, 0, 1 / (2 * (1 + chi) ** 2))
    if energy == "squared-hinge":
        return [(-inf, kappa, lift, cost)], kappa
    if energy == "square":
        return [(-inf, inf, lift, cost)], kappa
    raise InvalidInput(f"energy must be errors or hinge or squared-hinge or square for flatphys.precise, got {energy!r}")
