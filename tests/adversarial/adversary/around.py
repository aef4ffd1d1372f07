"""The local entropy's equations once more, where they are short: around a teacher, a random weight, and on random labels."""

import math

import numpy as np
from adversary.equilibrium import posterior
from adversary.harness import close
from adversary.quadrature import channel, correlation, gaussian
from scipy.optimize import brentq
from scipy.special import expit, log_ndtr, ndtr

import flatphys as fp


def nishimori(state):
    """Whether a typical weight is like the teacher itself."""
    learner, data = state.model.learner, state.model.data
    if (
        not isinstance(data, fp.Teacher)
        or isinstance(learner, fp.Bayes)
        and learner.weights == "spherical"
        or not isinstance(learner, fp.Gibbs)
    ):
        return False
    return (learner.margin, learner.energy, learner.beta) == (0.0, "errors", posterior(data.flip))


def around_teacher(state, p, q1, margin, beta, energy):
    """E log f of a pattern, by the overlap p with the teacher."""
    flip, rest = state.model.data.flip, q1 - p * p
    sigma = math.sqrt(1.0 - q1)
    k = p / math.sqrt(rest)
    places = [(margin / math.sqrt(q1), sigma / math.sqrt(q1)), (0.0, 1.0 / max(abs(k), 1e-9))]
    if beta < math.inf:
        x = math.sqrt(2.0 * beta) if energy == "errors" else beta * sigma
        places += [((margin - y * sigma) / math.sqrt(q1), sigma / (1.0 + x)) for y in (x, -x)]
    z, w = gaussian(places)
    weight = 2.0 * ((1.0 - flip) * ndtr(k * z) + flip * ndtr(-k * z))
    return float(np.sum(w * weight * channel(energy, (margin - math.sqrt(q1) * z) / sigma, beta, sigma)[0]))


def around_anything(q1, margin, beta, energy):
    """E log f of a pattern that the reference does not see."""
    sigma = math.sqrt(1.0 - q1)
    places = [(margin / math.sqrt(q1), sigma / math.sqrt(q1))]
    if beta < math.inf:
        x = math.sqrt(2.0 * beta) if energy == "errors" else beta * sigma
        places += [((margin - y * sigma) / math.sqrt(q1), sigma / (1.0 + x)) for y in (x, -x)]
    z, w = gaussian(places)
    return float(np.sum(w * channel(energy, (margin - math.sqrt(q1) * z) / sigma, beta, sigma)[0]))


GRID, GRID_WEIGHTS = np.polynomial.legendre.leggauss(8)
_half = 8.6 / 70
Z = ((np.arange(70)[:, None] * 2 + 1 - 70) * _half + _half * GRID).ravel()
W = (np.ones(70)[:, None] * _half * GRID_WEIGHTS).ravel() * np.exp(-0.5 * Z * Z) / math.sqrt(2.0 * math.pi)


def around_random(ref, overlaps, counted):
    """E log f around a typical weight on random labels; all overlaps through the hidden layer. None where too sharp for the grid."""
    (kref, bref, qt), (p, q1, t), (margin, beta, energy) = ref, overlaps, counted
    a = (p - t) / math.sqrt(1.0 - qt)
    b = q1 - t * t / qt - (p - t) ** 2 / (1.0 - qt)
    s2 = a * a + b
    if not (b > 0.0 and s2 > 0.0):
        return None
    s, sigma = math.sqrt(s2), math.sqrt(1.0 - q1)
    c = a / s
    rest = math.sqrt(b / s2)
    if min(sigma / s, math.sqrt(1.0 - qt), rest / max(abs(c), 1e-9)) < 0.12:
        return None
    stretch = math.hypot(1.0, (abs(kref) / 6.5 + math.sqrt(qt)) / math.sqrt(1.0 - qt))  # references at a far z have their field far out
    if stretch > 6.0:
        return None
    count = math.ceil(70 * stretch)
    half = 8.6 * stretch / count
    nodes = ((np.arange(count)[:, None] * 2 + 1 - count) * half + half * GRID).ravel()
    weights = (np.ones(count)[:, None] * half * GRID_WEIGHTS).ravel() / math.sqrt(2.0 * math.pi)
    z, m = Z[:, None], nodes[None, :]
    k = (kref - math.sqrt(qt) * z) / math.sqrt(1.0 - qt)
    above = log_ndtr(-(k - c * m) / rest)
    total = log_ndtr(-k)
    if bref < math.inf:
        fine = math.log(-math.expm1(-bref))
        above, total = np.logaddexp(-bref, fine + above), np.logaddexp(-bref, fine + total)
    x = (margin - t / math.sqrt(qt) * z - s * m) / sigma
    return float(W @ (np.exp(above - total - 0.5 * m * m) * channel(energy, x, beta, sigma)[0]) @ weights)


def pattern_of(state, found, i, p, o):
    """(E log f as a function of changes of p, q1 and t, the step of differences, overlap and conjugate of the references).

    None where no short form is known, or it is too sharp for these grids.
    """
    counted, learner = (o["margin"], o["beta"], o["energy"]), state.model.learner
    q1, t = float(found.q1[i]), float(found.t[i])
    if nishimori(state):
        h = 1e-3 * min(q1 - p * p, 1.0 - q1)
        return (lambda dp=0.0, dq=0.0, dt=0.0: around_teacher(state, p + dp, q1 + dq, *counted), h, 0.0, 0.0) if q1 - p * p > 1e-6 else None
    if not isinstance(state.model.data, fp.RandomLabels):
        return None
    act = getattr(learner.network, "activation", None)
    if state.q < 1e-17 and act is None and learner.energy != "square":  # what the references share counts in its square root
        h = 1e-3 * min(q1, 1.0 - q1)
        return (lambda dp=0.0, dq=0.0, dt=0.0: around_anything(q1 + dq, *counted), h, 0.0, 0.0) if q1 - p * p > 1e-6 else None
    if learner.energy != "errors" or not state.q > 1e-4 or act is not None and not (t > -0.99 and p > -0.99 and q1 > 0.0):
        return None
    c = lambda x: correlation(act, x, 1.0 - x)[0]
    ref = (learner.margin, learner.beta, c(state.q))
    pattern = lambda dp=0.0, dq=0.0, dt=0.0: around_random(ref, (c(p + dp), c(q1 + dq), c(t + dt)), counted)
    return pattern, 1e-3 * min(0.2, 1.0 - q1), state.q, state.q_hat


def bend(pattern, name, h):
    """Derivative of a pattern average by a difference of fourth order."""
    values = [pattern(**{name: k * h}) for k in (-2, -1, 1, 2)]
    return math.nan if None in values else (values[0] - 8.0 * values[1] + 8.0 * values[2] - values[3]) / (12.0 * h)


def spherical(found, i, p, qt, alpha, here, by):
    """(free entropy, slope, violations of stationarity in q1 and in t) of spherical weights."""
    q1, t = float(found.q1[i]), float(found.t[i])
    s, s_p, force_t = p * p, 2.0 * p, 0.0
    if qt > 0.0:
        s = (p * p - t * t - qt * (p - t) ** 2 / (1.0 - qt)) / (1.0 - qt)
        s_t = (-2.0 * t + 2.0 * qt * (p - t) / (1.0 - qt)) / (1.0 - qt)
        s_p = (2.0 * p - 2.0 * qt * (p - t) / (1.0 - qt)) / (1.0 - qt)
        force_t = -0.5 * s_t / (1.0 - q1) + alpha * by["dt"]
    free = 0.5 * (math.log(1.0 - q1) + (q1 - s) / (1.0 - q1)) + alpha * here
    return free, -0.5 * s_p / (1.0 - q1) + alpha * by["dp"], 0.5 * (q1 - s) / (1.0 - q1) ** 2 + alpha * by["dq"], force_t


def binary(found, i, p, references, alpha, here, by):
    """(free entropy, slope, q1 of its weight equation) of binary weights; None where their fields have no real spread."""
    q1, t, (qt, qt_hat) = float(found.q1[i]), float(found.t[i]), references
    q_hat, t_hat = -2.0 * alpha * by["dq"], -alpha * by["dt"]
    z, w = gaussian([])
    z, w = z[w > 1e-17], w[w > 1e-17]
    if qt > 0.0:
        up = expit(2.0 * math.sqrt(qt_hat) * z)
        spread2 = q_hat - t_hat**2 / qt_hat
        if not spread2 >= 0.0:
            return None
        eta = z[None, :] * math.sqrt(spread2)
        fields = lambda p_hat, s: (t_hat / math.sqrt(qt_hat)) * z[:, None] + eta + (p_hat - t_hat) * s
        average = lambda f, p_hat: sum(float((share * w) @ f(fields(p_hat, s), s) @ w) for s, share in ((1.0, up), (-1.0, 1.0 - up)))
    else:
        average = lambda f, p_hat: float(np.sum(w * f(math.sqrt(max(q_hat, 0.0)) * z + p_hat, 1.0)))
    try:
        p_hat = brentq(lambda x: average(lambda h, s: s * np.tanh(h), x) - p, -60.0, 60.0, xtol=1e-13)
    except ValueError:
        return None
    free = -p_hat * p + t_hat * t - 0.5 * q_hat * (1.0 - q1) + average(lambda h, s: np.logaddexp(h, -h), p_hat) + alpha * here
    return free, -p_hat + alpha * by["dp"], average(lambda h, s: np.tanh(h) ** 2, p_hat)


def equations(state, found, i, p, o):
    """phi, its stationarity and its slope by the formulas."""
    learner, alpha, q1 = state.model.learner, state.alpha, float(found.q1[i])
    if not isinstance(learner, fp.Gibbs) or abs(p) > 0.995 or not 0.0 < q1 < 1.0 - 1e-4:
        return
    form = pattern_of(state, found, i, p, o)
    here = form[0]() if form else None
    if here is None or not math.isfinite(here):
        return
    pattern, h, qt, qt_hat = form
    by = {name: bend(pattern, name, h) if qt > 0.0 or name != "dt" else 0.0 for name in ("dq", "dp", "dt")}
    if not all(map(math.isfinite, by.values())):
        return
    at = f" at overlap {p!r} (formulas)"
    if learner.weights == "spherical":
        free, slope, force_q, force_t = spherical(found, i, p, qt, alpha, here, by)
        yield close(f"stationarity in q1{at}", force_q, 0.0, 0.0, 1e-6 * (1.0 + abs(alpha * by["dq"])))
        yield close(f"stationarity in t{at}", force_t, 0.0, 0.0, 1e-6 * (1.0 + abs(alpha * by["dt"])))
    else:
        answer = binary(found, i, p, (qt, qt_hat), alpha, here, by)
        if answer is None:
            return
        free, slope, overlap = answer
        yield close(f"q1{at}", q1, overlap, 1e-6, 1e-7)
    yield close(f"free_entropy{at}", float(found.free_entropy[i]), free, 1e-7, 1e-7 + 1e-11 * alpha)
    yield close(f"slope{at}", float(found.slope[i]), slope, 1e-5, 1e-6)
