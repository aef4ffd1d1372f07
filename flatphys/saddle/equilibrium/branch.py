"""The saddle of a Gibbs learner as a curve: choose q_hat, read off the load.

A point of the curve is (s, r).  Where R_hat is zero or bound to q_hat, s = r = log q_hat
and the equations name alpha at once.  Where both are free, s = log R_hat, and r = log q_hat is
the point at which both equations name the same load (log q_hat is no good parameter there: at
negative margins it turns around along a branch, while R_hat grows).  Next to the teacher R_hat may turn around too:
`saddle.equilibrium.follow`
follows the curve by its length.  Every branch, fold and threshold lies on this one curve, and a solve at given alpha is a scalar root
on a monotone piece of it.  Loads are kept as logarithms.

Random labels may be stored by a tree committee: with the overlap c(q) of its pre-activations (`kernels.networks`) in the
pattern averages, the chain rule gives q_hat = alpha c' E[g^2] and the replicon 1 - alpha (c'^2 E[g'^2] + c'' E[g^2]) T4.
"""

import math
from typing import NamedTuple

from flatphys._jit import jit
from flatphys.kernels.channels import channel
from flatphys.kernels.codes import BINARY, ERRORS, MIXTURE, NISHIMORI, RANDOM
from flatphys.kernels.labels import guided
from flatphys.kernels.networks import overlap_curvature, overlap_slope
from flatphys.numerics.secant import CONVERGED, advance, begin, inside
from flatphys.saddle.equilibrium.averages import fields, log_alphas, pattern_moments, weights_average


class Root(NamedTuple):
    """A point (s, r) of the curve at a given load, and how far from it the equations still are."""

    s: float
    r: float
    residual: float


class ReadOff(NamedTuple):
    """What a point of the curve says at its load, by one quadrature rule; `loss` is the mean energy of a pattern.

    `size` adds up the sizes of the terms that the free entropy is the sum of: its rounding errors are proportional to that.
    """

    v: float
    q: float
    r: float
    t2: float
    one_minus_r: float
    q_hat: float
    r_hat: float
    residual: float
    free: float
    size: float
    share: float
    loss: float
    replicon: float
    b: float


NOTHING = ReadOff(*(math.nan,) * 14)


@jit
def teacher_state_exists(problem):
    """Whether q = R = 1 is a solution: binary weights at margin 0 that count errors, and whose teacher is not forbidden.

    The next weights, eps away, err on a fraction sqrt(eps) of the patterns, which costs more than their entropy eps log(1/eps) gains.
    An energy that grows continuously from 0 costs only eps there: its weights leave the teacher at every beta.
    """
    labels, channel = problem.labels, problem.channel
    exact = (
        problem.weights == BINARY
        and labels.kind != RANDOM
        and labels.kind != MIXTURE
        and channel.margin == 0.0
        and channel.energy == ERRORS
    )
    return exact and (labels.flip == 0.0 or channel.beta < math.inf)


@jit
def curve_point(problem, s, r, nodes):
    """(log alpha, r, disagreement of the two loads) at the curve's parameter s; r is the guess, then the value."""
    if not guided(problem.labels):
        return log_alphas(problem, s, s, 0, nodes)[0], s, 0.0
    # F(log q_hat) = log alpha_q - log alpha_R rises from -inf to +inf.
    la, lr = log_alphas(problem, r, s, 0, nodes)
    f = la - lr
    if math.isnan(f):
        return math.nan, math.nan, math.inf
    best, best_la = r, la
    x = r - f if abs(f) < 0.5 else (r - 0.5 if f > 0.0 else r + 0.5)
    search = begin(r, f, x, (-math.inf, math.inf), (1.0, 16.0), abs(f), CONVERGED)
    while search.going:
        x = search.x
        la, lr = log_alphas(problem, x, s, 0, nodes)
        search = advance(search, la - lr, 0.0, CONVERGED, 1e-16 * (1.0 + abs(x)))
        if search.improved:
            best, best_la = x, la
    if search.failed:
        return math.nan, math.nan, math.inf
    return best_la, best, search.best


@jit
def root_at_load(problem, log_alpha, guess, bracket, direction, nodes):
    """`Root` of log alpha(s) = log_alpha on a monotone piece (direction +-1) inside the bracket of s, from the point `guess`."""
    s, r = guess
    lo, hi = bracket
    la, r, inner = curve_point(problem, s, r, nodes)
    f = direction * (la - log_alpha)
    best_s, best_r = s, r
    if f < 0.0:
        lo = max(lo, s)
    else:
        hi = min(hi, s)
    x = s - f
    if not abs(f) < 1.0:
        x = s - 1.0 if f > 0.0 else s + 1.0
    if x <= lo or x >= hi:
        x = inside(s, f, s, f, lo, hi, 1.0)
    search = begin(s, f, x, (lo, hi), (2.0, 8.0), max(abs(f), inner), CONVERGED)
    while search.going:
        x = search.x
        la, r, inner = curve_point(problem, x, r, nodes)
        search = advance(search, direction * (la - log_alpha), inner, CONVERGED, 2e-16 * (1.0 + abs(x)))
        if search.improved:
            best_s, best_r = x, r
    return Root(best_s, best_r, math.inf if search.failed else search.best)


@jit
def conjugates(problem, s, r):
    """(q_hat, R_hat) at a point of the curve."""
    if problem.labels.kind == RANDOM:
        return math.exp(s), 0.0
    if problem.labels.kind == NISHIMORI:
        return math.exp(s), math.exp(s)
    return math.exp(r), math.exp(s)


@jit
def read_off(problem, log_alpha, s, r, level, nodes):
    """`ReadOff` of the curve's point (s, r) at this load."""
    alpha = math.exp(log_alpha)
    q_hat, r_hat = conjugates(problem, s, r)
    weight = weights_average(problem, q_hat, r_hat, level, nodes)
    f = fields(problem, weight, nodes)
    slope, bend = overlap_slope(problem.net, weight.q, weight.v), overlap_curvature(problem.net, weight.q, weight.v)
    pattern = pattern_moments(problem, f, level, nodes)
    residual = abs(math.log(alpha * slope * pattern.a / (f.v * q_hat)))
    if guided(problem.labels):
        residual = max(residual, abs(math.log(alpha * pattern.b / (math.sqrt(weight.v) * r_hat))))
    term = 0.5 * q_hat * weight.v  # of the entropic part, with the sign of its kind of weights
    return ReadOff(
        weight.v,
        weight.q,
        weight.r,
        weight.t2,
        weight.one_minus_r,
        q_hat,
        r_hat,
        residual,
        weight.entropic + alpha * pattern.energetic,
        term + abs(weight.entropic + (term if problem.weights == BINARY else -term)) + alpha * abs(pattern.energetic),
        pattern.share,
        pattern.loss,
        1.0 - alpha * (slope * slope * pattern.curvature / (f.v * f.v) + bend * pattern.a / f.v) * weight.t4,
        f.b,
    )


@jit
def read_off_twice(problem, log_alpha, s, r, nodes):
    """(`ReadOff` by the working rule, its worth): violations of the equations under a finer rule, and differences of what is reported.

    One call from Python: passing the arguments takes microseconds.
    """
    out, fine = read_off(problem, log_alpha, s, r, 0, nodes), read_off(problem, log_alpha, s, r, 1, nodes)
    worth = max(
        fine.residual,
        abs(fine.v / out.v - 1.0),
        abs(fine.free - out.free) / max(1.0, abs(out.free)),
        abs(fine.share - out.share),
        abs(fine.loss - out.loss) / max(1.0, out.loss),
        abs(fine.replicon - out.replicon) / max(1.0, abs(out.replicon)),
    )
    return out, worth


@jit
def solve_at_load(problem, log_alpha, stretch, nodes):
    """`read_off_twice` of the only root at this load, with random labels: log q_hat lies `stretch` above its law at small loads."""
    a0 = channel(problem.channel, problem.channel.margin, 1.0)[1]
    guess = log_alpha + 2.0 * math.log(abs(a0)) + math.log(overlap_slope(problem.net, 0.0, 1.0)) + stretch
    root = root_at_load(problem, log_alpha, (guess, guess), (-math.inf, math.inf), 1.0, nodes)
    return read_off_twice(problem, log_alpha, root.s, root.r, nodes)


def entropy(problem, log_alpha, out) -> float:
    """Free entropy plus beta times the energy per weight, of what was read off."""
    beta = problem.channel.beta
    return out.free if beta == math.inf else out.free + beta * math.exp(log_alpha) * out.loss
