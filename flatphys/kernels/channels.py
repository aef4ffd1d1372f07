"""One pattern of a Gibbs learner: what the weight exp(-beta energy(Delta)) does to a Gaussian cavity field.

The stability is Delta = omega + sigma u with u ~ N(0, 1) and sigma^2 = V.  In units of sigma, with x = (kappa - omega)/sigma,

    f(x) = E_u exp(-beta energy(omega + sigma u))      the channel's partition function
    a    = sigma d log f/d omega = -d log f/dx
    b    = sigma^2 d^2 log f/d omega^2 = -da/dx
    share = P(Delta < kappa),  mean = E[energy]        in the measure that f normalises; mean = -d log f/d beta

m is the inverse Mills ratio G/H, d(y) = m(y) - y its excess; the violated side u < x has the weight s of two competing terms,

    errors         f = e^-beta + (1 - e^-beta) H(x)
                   s' = (1 - e^-beta) H(x)/f,  a = m s',  b = a (x (1-s') - d s'),  share = e^-beta H(-x)/f
    hinge          c = beta sigma:    f = G(x) [1/m1 + 1/m2],  m1 = m(x),  m2 = m(c - x),  s = m1/(m1 + m2)
                   a = c s,  b = -c s (1-s) (d1 + d2),  share = s,  mean = sigma s d2
    squared hinge  c = beta sigma^2, r = sqrt(1+c), y = -x/r:   m1 = m(x),  m2 = r m(y),  s as above
                   a = c s d(y)/r,  b = -(c/r) s [(1-s)(d1 + d(y)/r) d(y) + (1 - m(y) d(y))/r]
                   share = s,  mean = (sigma^2/2r^2) s (1 - y d(y))
    square         c, r as above:     log f = -log r - c x^2/(2 r^2),  a = c x/r^2,  b = -c/r^2
                   share = H(-x/r),  mean = (sigma^2/2) (1/r^2 + x^2/r^4)
    logistic       log(1 + e^-Delta), kappa = 0: `kernels.soft`

Each form keeps its digits where the two terms cancel: no difference of large numbers is left in any of them.  At beta = inf every
energy with a flat side (`walled`) is the hard constraint Delta >= kappa: f = H(x), a = m, b = -m d, share = mean = 0.

To add an energy: its block below (`<name>_channel`, `<name>_scalars`, `<name>_features`), its code in `kernels.codes`, one line in each
ladder (and in those of `kernels.cost` and `kernels.halves`) and in `ENTRIES`, its name in `model.ENERGIES` and `CODES`, its flags in
`kernels.traits`, and the loss that it becomes at zero temperature in `LOSS`.

Sources: Gardner & Derrida 1988 (errors); Griniasty & Gutfreund 1991 (hinge and squared hinge as potentials of the perceptron);
Franz, Parisi, Sevelev, Urbani & Zamponi 2017 (harmonic energy).
"""

import math

from flatphys._jit import inlined, jit
from flatphys.kernels import losses
from flatphys.kernels.codes import ERRORS, HINGE_ENERGY, LOGISTIC_ENERGY, SQUARE_ENERGY, SQUARED_HINGE_ENERGY
from flatphys.kernels.soft import soft_channel, soft_features, soft_scalars
from flatphys.model import ENERGIES
from flatphys.numerics.gaussian import logistic, mills, ratio, tail
from flatphys.numerics.vector import exp, log1p, select

CODES = dict(zip(ENERGIES, (ERRORS, HINGE_ENERGY, SQUARED_HINGE_ENERGY, SQUARE_ENERGY, LOGISTIC_ENERGY), strict=True))
COUNTED = -1  # in place of a loss: errors are counted
# The loss that each energy is, as beta -> inf above capacity: of the margin 1 + Delta - kappa, the logistic one of Delta; counting errors
# is no convex loss.
LOSS = {ERRORS: COUNTED, HINGE_ENERGY: losses.HINGE, SQUARED_HINGE_ENERGY: losses.SQUARED_HINGE, SQUARE_ENERGY: losses.SQUARE}
LOSS |= {LOGISTIC_ENERGY: losses.LOGISTIC}
PLACE = {LOGISTIC_ENERGY: 1.0}  # what a loss of Delta itself adds to the margin

# The zero of H(x) nearest to the real axis (measured, like the fits below, by complex Newton iteration).
H_ZERO_RE, H_ZERO_IM = -1.916, 2.816
STEEP = 3.0  # where zeros are farther off, what bounds a rule is that f turns as the Gaussian's tail does, on a scale of 1


# --- a hard wall: any energy with a flat side at beta = inf ------------------------------------------------------------------
@inlined
def hard_channel(x, beta, sigma):
    """(log f, a, b)."""
    m, d, log_h = mills(x)
    return log_h, m, -m * d


@inlined
def hard_scalars(x, beta, sigma):
    """(share, mean energy)."""
    return 0.0, 0.0


# --- errors: 1 where Delta < kappa ------------------------------------------------------------------------------------------
@inlined
def _error_odds(x, beta):
    """(m, d, log of s'/(1-s'), log of (1 - e^-beta) H)."""
    m, d, log_h = mills(x)
    fulfilled = math.log(-math.expm1(-beta)) + log_h
    return m, d, fulfilled + beta, fulfilled


@inlined
def errors_channel(x, beta, sigma):
    """(log f, a, b)."""
    m, d, odds, fulfilled = _error_odds(x, beta)
    less = exp(-abs(odds))  # the smaller of the two terms over the larger
    inv = 1.0 / (1.0 + less)
    s, free = select(odds < 0.0, less, 1.0) * inv, select(odds < 0.0, 1.0, less) * inv
    a = m * s
    return select(odds < 0.0, -beta, fulfilled) + log1p(less), a, a * (x * free - d * s)


@inlined
def errors_scalars(x, beta, sigma):
    """(share, mean energy)."""
    _, _, odds, _ = _error_odds(x, beta)
    share = logistic(-odds) * tail(-x)
    return share, share


@jit
def errors_features(beta, sigma):
    """Zeros of f, from log H(x) = -beta +- i pi; the imaginary part is a lower bound.

    3.71, 2.96, 1.95, 1.06, 0.75 at beta = 0.01, 0.1, 1, 5, 10.  The mills ratio that a is made of has its own poles.
    """
    if beta < 1.0:
        return H_ZERO_RE, H_ZERO_IM, 0.35 + 0.85 * math.sqrt(beta), 1.93 - 0.32 * math.log(beta)
    if beta < 4.0:
        return H_ZERO_RE, H_ZERO_IM, 0.35 + 0.85 * math.sqrt(beta), math.pi / math.sqrt(2.0 * beta + 0.63)
    return H_ZERO_RE, H_ZERO_IM, math.sqrt(2.0 * beta - math.log(4.0 * math.pi * beta)), math.pi / math.sqrt(2.0 * beta + 0.63)


# --- hinge: max(0, kappa - Delta) -------------------------------------------------------------------------------------------
@inlined
def hinge_channel(x, beta, sigma):
    """(log f, a, b)."""
    c = beta * sigma
    m1, d1, log_h = mills(x)
    m2, d2, log_other = mills(c - x)
    s = m1 / (m1 + m2)
    # log f = log H + log(1 + m1/m2), or the same from the other side where H underflows
    near = m1 < m2
    log_f = select(near, log_h, log_other + c * (0.5 * c - x)) + log1p(select(near, m1 / m2, m2 / m1))
    return log_f, c * s, -c * s * (m2 / (m1 + m2)) * (d1 + d2)


@inlined
def hinge_scalars(x, beta, sigma):
    """(share, mean energy)."""
    m1 = ratio(x)[0]
    m2, d2 = ratio(beta * sigma - x)
    s = m1 / (m1 + m2)
    return s, sigma * s * d2


@jit
def hinge_features(beta, sigma):
    """Zeros of f, symmetric around x = c/2: from those of H at c = inf off to 3.02, 3.56, 4.16 at c = 1, 0.1, 0.01."""
    c = beta * sigma
    re, im = H_ZERO_RE + 1.25 / (1.0 + 2.0 * c**0.7), min(STEEP, H_ZERO_IM + 0.26 * math.log1p(0.4 / c))
    return re, im, c - re, im


# --- squared hinge: max(0, kappa - Delta)^2/2 -------------------------------------------------------------------------------
@inlined
def squared_hinge_channel(x, beta, sigma):
    """(log f, a, b)."""
    c = beta * sigma * sigma
    r = math.sqrt(1.0 + c)
    m1, d1, log_h = mills(x)
    m, d, log_other = mills(-x / r)
    m2 = r * m
    s, free = m1 / (m1 + m2), m2 / (m1 + m2)
    near = m1 < m2
    log_f = select(near, log_h, log_other - 0.5 * c * x * x / (r * r) - math.log(r)) + log1p(select(near, m1 / m2, m2 / m1))
    narrow = 1.0 - m * d  # variance of the truncated Gaussian, in (0, 1)
    return log_f, c * s * d / r, -c * s / r * (free * (d1 + d / r) * d + narrow / r)


@inlined
def squared_hinge_scalars(x, beta, sigma):
    """(share, mean energy)."""
    r2 = 1.0 + beta * sigma * sigma
    r = math.sqrt(r2)
    m1 = ratio(x)[0]
    y = -x / r
    m, d = ratio(y)
    s = m1 / (m1 + r * m)
    return s, 0.5 * sigma * sigma / r2 * s * (1.0 - y * d)


@jit
def squared_hinge_features(beta, sigma):
    """Zeros of f: as for the hinge; 2.87, 3.12, 3.73, 4.41 at c = 10, 1, 0.1, 0.01."""
    c = beta * sigma * sigma
    return H_ZERO_RE + 1.6 / (1.0 + math.sqrt(c)), min(STEEP, H_ZERO_IM + 0.28 * math.log1p(1.0 / c)), 0.0, math.inf


# --- square: (kappa - Delta)^2/2 --------------------------------------------------------------------------------------------
@inlined
def square_channel(x, beta, sigma):
    """(log f, a, b)."""
    c = beta * sigma * sigma
    k = c / (1.0 + c)
    return -0.5 * math.log1p(c) - 0.5 * k * x * x, k * x, -k


@inlined
def square_scalars(x, beta, sigma):
    """(share, mean energy)."""
    r2 = 1.0 + beta * sigma * sigma
    return tail(-x / math.sqrt(r2)), 0.5 * sigma * sigma / r2 * (1.0 + x * x / r2)


# --- the ladders ------------------------------------------------------------------------------------------------------------
@inlined
def walled(energy):
    """Whether an energy has a flat side, and so is a hard constraint at beta = inf."""
    return energy != SQUARE_ENERGY and energy != LOGISTIC_ENERGY


@inlined
def channel(ch, x, sigma):
    """(log f, a, b) of the module's docstring at x = (kappa - omega)/sigma."""
    if ch.beta == math.inf and walled(ch.energy):
        return hard_channel(x, ch.beta, sigma)
    if ch.energy == ERRORS:
        return errors_channel(x, ch.beta, sigma)
    if ch.energy == HINGE_ENERGY:
        return hinge_channel(x, ch.beta, sigma)
    if ch.energy == SQUARED_HINGE_ENERGY:
        return squared_hinge_channel(x, ch.beta, sigma)
    if ch.energy == SQUARE_ENERGY:
        return square_channel(x, ch.beta, sigma)
    if ch.energy == LOGISTIC_ENERGY:
        return soft_channel(x, ch.beta, sigma)
    return math.nan, math.nan, math.nan


@inlined
def channel_scalars(ch, x, sigma):
    """(share of the measure with Delta < kappa, mean energy)."""
    if ch.beta == math.inf and walled(ch.energy):
        return hard_scalars(x, ch.beta, sigma)
    if ch.energy == ERRORS:
        return errors_scalars(x, ch.beta, sigma)
    if ch.energy == HINGE_ENERGY:
        return hinge_scalars(x, ch.beta, sigma)
    if ch.energy == SQUARED_HINGE_ENERGY:
        return squared_hinge_scalars(x, ch.beta, sigma)
    if ch.energy == SQUARE_ENERGY:
        return square_scalars(x, ch.beta, sigma)
    if ch.energy == LOGISTIC_ENERGY:
        return soft_scalars(x, ch.beta, sigma)
    return math.nan, math.nan


ENTRIES = {  # what `kernels.rows` makes loops of
    ERRORS: (errors_channel, errors_scalars),
    HINGE_ENERGY: (hinge_channel, hinge_scalars),
    SQUARED_HINGE_ENERGY: (squared_hinge_channel, squared_hinge_scalars),
    SQUARE_ENERGY: (square_channel, square_scalars),
    LOGISTIC_ENERGY: (soft_channel, soft_scalars),
}


@jit
def log_concave(ch):
    """Whether log f is concave in omega (b <= 0): where the energy is convex, or a hard wall."""
    return ch.energy != ERRORS or ch.beta == math.inf


@jit
def features(ch, sigma):
    """(re, im) twice: the singularities of a and log f nearest to the real axis of x, at re +- i im (im is a lower bound)."""
    if ch.energy == SQUARE_ENERGY:
        return 0.0, math.inf, 0.0, math.inf  # polynomials
    if ch.beta == math.inf:
        return H_ZERO_RE, H_ZERO_IM, 0.0, math.inf
    if ch.energy == ERRORS:
        return errors_features(ch.beta, sigma)
    if ch.energy == HINGE_ENERGY:
        return hinge_features(ch.beta, sigma)
    if ch.energy == SQUARED_HINGE_ENERGY:
        return squared_hinge_features(ch.beta, sigma)
    if ch.energy == LOGISTIC_ENERGY:
        return soft_features(ch.beta, sigma)
    return math.nan, math.nan, math.nan, math.nan


@jit
def growth(ch, sigma):
    """log f, a, b, share and mean grow as exp(growth y^2/2) at height y over the real axis of x; 0 where poles alone bound them."""
    if ch.energy == LOGISTIC_ENERGY:
        return 1.0  # the share alone, a cut through a measure that is smooth otherwise
    return 1.0 / (1.0 + ch.beta * sigma * sigma) if ch.energy == SQUARE_ENERGY else 0.0  # the share H(-x/r)


@jit
def steps(ch):
    """Whether exp(-beta energy) is constant on either side of the margin: then its derivative sits on the margin alone."""
    return ch.beta == math.inf or ch.energy == ERRORS


@jit
def nearest(ch, sigma):
    """(re, im) of the nearer of the two `features`."""
    re, im, other, other_im = features(ch, sigma)
    return (re, im) if im <= other_im else (other, other_im)
