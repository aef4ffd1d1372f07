"""Equations of trained rules and the laws of their training stabilities, written down once more."""

import math

import numpy as np
from adversary.harness import close
from adversary.quadrature import density, gaussian
from scipy.special import expit, ndtr, owens_t

import flatphys as fp


def variance_of(data):
    return data.variance if isinstance(data, fp.GaussianMixture) else 1.0


def prox(loss, omega, c):
    """(t, l'(t), l''/(1 + c l'')) at t = argmin (t - omega)^2/(2c) + l(t)."""
    if loss == "square":
        t = (omega + c) / (1.0 + c)
        return t, (omega - 1.0) / (1.0 + c), np.full_like(omega, 1.0 / (1.0 + c))
    if loss == "squared-hinge":
        inside = omega < 1.0
        return np.where(inside, (omega + c) / (1.0 + c), omega), np.where(inside, (omega - 1.0) / (1.0 + c), 0.0), inside / (1.0 + c)
    if loss == "hinge":
        t = np.where(omega > 1.0, omega, np.where(omega > 1.0 - c, 1.0, omega + c))
        slope = np.where(omega > 1.0, 0.0, np.where(omega > 1.0 - c, (omega - 1.0) / c, -1.0))
        return t, slope, ((omega > 1.0 - c) & (omega < 1.0)) / c
    # logistic: t - omega = c expit(-t), by bisection and Newton in t
    low, high = omega.copy(), omega + c
    for _ in range(200):
        t = 0.5 * (low + high)
        less = t - omega < c * expit(-t)
        low, high = np.where(less, t, low), np.where(less, high, t)
        if np.all(high - low <= 4e-16 * (1.0 + np.abs(t))):
            break
    s = expit(-t)
    bend = s * expit(t)
    return t, -s, bend / (1.0 + c * bend)


def loss_of(loss, t):
    short = np.maximum(0.0, 1.0 - t)
    if loss == "logistic":
        return np.logaddexp(0.0, -t)
    return {"square": 0.5 * (1.0 - t) ** 2, "hinge": short, "squared-hinge": 0.5 * short**2}[loss]


def sharp_places(loss, c):
    if loss == "logistic":
        return [(0.0, 1.0), (-c, 1.0), (-0.5 * c, 0.25 * c + 1.0), (-math.log1p(c), 1.0), (math.log1p(c), 1.0)]
    return [(1.0, 1e-3), (1.0 - c, 1e-3)]


def fields(state, c, loss):
    """[(share, omega, weights)] of the cavity stability of every class."""
    data = state.model.data
    if isinstance(data, fp.GaussianMixture):
        width = math.sqrt(data.variance * state.q)
        out = []
        for y, share in ((1.0, data.positive), (-1.0, 1.0 - data.positive)):
            shift = state.m + y * state.b
            z, w = gaussian([((place - shift) / width, scale / width) for place, scale in sharp_places(loss, c)])
            out.append((share, shift + width * z, w, z))
        return out
    width, rest = math.sqrt(state.q), state.q_orthogonal if "q_orthogonal" in state.order else state.q - state.m**2
    k = state.m / (width * math.sqrt(rest))
    z, w = gaussian([(place / width, scale / width) for place, scale in sharp_places(loss, c)] + [(0.0, 1.0 / (abs(k) * width + 1e-300))])
    u = k * width * z
    return [(1.0, width * z, w * 2.0 * ((1.0 - data.flip) * ndtr(u) + data.flip * ndtr(-u)), z)]


def minimiser(problem, state):
    """The saddle-point equations of ERM."""
    learner, data, alpha = state.model.learner, state.model.data, state.alpha
    if not isinstance(learner, fp.ERM) or not (0.0 < state.q < math.inf and 0.0 < state.V < math.inf):
        return
    d = variance_of(data)
    c = state.V * d
    a = b2 = curve = loss = slope_y = 0.0
    for (share, omega, w, _), y in zip(fields(state, c, learner.loss), (1.0, -1.0)):
        t, slope, bend = prox(learner.loss, omega, c)
        mean = lambda x: share * float(np.sum(w * x))
        a, b2, curve, loss = a - mean(slope), b2 + mean(slope**2), curve + mean(bend), loss + mean(loss_of(learner.loss, t))
        slope_y += y * mean(slope)
    tolerance = 1e-7
    yield close("V (l2 + alpha D C)", state.V * (learner.l2 + alpha * d * curve), 1.0, tolerance)
    if isinstance(data, fp.GaussianMixture):
        along = alpha * a
        across = alpha * d * b2
        if learner.bias:
            yield close("E y l'(t) at the trained bias", slope_y, 0.0, 0.0, 1e-8 * (abs(a) + math.sqrt(b2)) + 1e-14)
        width = math.sqrt(d * state.q)
        error = sum(share * ndtr(-(state.m + y * state.b) / width) for y, share in ((1.0, data.positive), (-1.0, 1.0 - data.positive)))
    else:
        rest = math.sqrt(state.q_orthogonal)
        z, w = gaussian([(place / rest, scale / rest) for place, scale in sharp_places(learner.loss, c)])
        _, slope, _ = prox(learner.loss, rest * z, c)
        along = -alpha * (1.0 - 2.0 * data.flip) * math.sqrt(2.0 / math.pi) * float(np.sum(w * slope))
        across = alpha * b2
        error = math.atan2(rest, state.m) / math.pi
    yield close("m of its equation", state.m, state.V * along, tolerance, 1e-12)
    yield close("q - m^2 of its equation", state.q_orthogonal, state.V**2 * across, tolerance, 1e-300)
    yield close("train_loss", state.train_loss, loss, tolerance, 1e-13)
    yield close("train_error", state.train_error, float(law_below(state, np.array(0.0))), tolerance, 1e-12)
    yield close("generalization_error", state.generalization_error, error, 1e-8, 1e-14)


def squares_below(a):
    """E (g - a)_+^2 = (1 + a^2) H(a) - a G(a), without cancellation at large a."""
    a = np.asarray(a, dtype=float)
    plain = (1.0 + a * a) * ndtr(-a) - a * density(a)
    z, w = np.polynomial.laguerre.laggauss(40)
    far = np.maximum(a, 3.0)  # the integral of s^2 G(a + s) over s > 0, s = u/a
    series = density(far) / far**3 * np.sum(w * z**2 * np.exp(-0.5 * (z / far[..., None]) ** 2), axis=-1)
    return np.where(a > 4.0, series, plain)


def first_below(a):
    """E (g - a)_+ = G(a) - a H(a)."""
    a = np.asarray(a, dtype=float)
    far = np.maximum(a, 3.0)
    z, w = np.polynomial.laguerre.laggauss(40)
    series = density(far) / far**2 * np.sum(w * z * np.exp(-0.5 * (z / far[..., None]) ** 2), axis=-1)
    return np.where(a > 4.0, series, density(a) - a * ndtr(-a))


def largest_margin(problem, state):
    """Both equations of the largest margin (mixture: a feasible point that is optimal in its cosine and bias)."""
    data, alpha = state.model.data, state.alpha
    if not isinstance(state.model.learner, fp.MaxMargin):
        return
    yield close("q", state.q, 1.0)
    if isinstance(data, fp.GaussianMixture):
        root, total, by_t, by_b, size = math.sqrt(data.variance), 0.0, 0.0, 0.0, 0.0
        for y, share in ((1.0, data.positive), (-1.0, 1.0 - data.positive)):
            a = (state.m + y * state.b - state.margin) / root
            total += alpha * share * float(squares_below(a))
            pull = 2.0 * alpha * share * float(first_below(a)) / root
            by_t, by_b, size = by_t + pull, by_b + y * pull, size + pull
        gap = state.q_orthogonal if "q_orthogonal" in state.order else 1.0 - state.m**2
        yield close("alpha E e2 beside 1 - t^2", total, gap, 1e-7, 1e-10 if "q_orthogonal" not in state.order else 1e-300)
        yield close("its slope in t beside 2t", by_t, 2.0 * state.m, 1e-7)
        if state.model.learner.bias:
            yield close("its slope in b", by_b, 0.0, 0.0, 1e-7 * size)
    else:
        r, k = state.m, state.margin
        rest = math.sqrt(state.q_orthogonal if "q_orthogonal" in state.order else 1.0 - r * r)
        z, w = gaussian([(0.0, rest / max(abs(r), 1e-300)), (k, 1e-3)])
        u = r * z / rest
        short = np.maximum(k - z, 0.0)
        left = 2.0 * alpha * float(np.sum(w * ((1.0 - data.flip) * ndtr(u) + data.flip * ndtr(-u)) * short**2))
        z2, w2 = gaussian([(k / rest, 1e-3)])  # G(z) G(r z/rest) = G(z/rest)/sqrt(2 pi): z = rest u
        right = 2.0 * alpha * (1.0 - 2.0 * data.flip) / math.sqrt(2.0 * math.pi) * float(np.sum(w2 * np.maximum(k - rest * z2, 0.0)))
        precision = 1e-7 if rest > 1e-4 else 1e-6 + 1e-15 / rest**2
        yield close("1 - R^2 of its equation", rest * rest, left, precision, 1e-300)
        yield close("R of its equation", r, right, precision, 1e-12)


def law_below(state, x):
    """P(stability <= x) of a trained rule, x away from atoms."""
    learner, data, alpha = state.model.learner, state.model.data, state.alpha
    d = variance_of(data)
    if isinstance(learner, fp.ERM):
        c = min(state.V * d, 1e300)  # without regularisation every slope is 0, or the stability that of the kink
        slope = {
            "square": x - 1.0,
            "squared-hinge": np.minimum(x - 1.0, 0.0),
            "hinge": np.where(x < 1.0, -1.0, 0.0),
            "logistic": -expit(-x),
        }[learner.loss]
        omega = x + c * slope
    elif isinstance(learner, fp.MaxMargin):
        omega = np.where(x < state.margin, -math.inf, x)
    elif isinstance(learner, fp.Hebb):
        omega = x - d / alpha
    elif isinstance(data, fp.GaussianMixture):  # Bayes: the sum of the patterns, scaled
        omega = x - state.q * d / alpha
    else:
        return None
    q = state.q
    if isinstance(data, fp.GaussianMixture):
        width = math.sqrt(d * q)
        classes = ((1.0, data.positive), (-1.0, 1.0 - data.positive))
        return sum(share * ndtr((omega - state.m - y * state.b) / width) for y, share in classes)
    rest = math.sqrt(state.q_orthogonal if "q_orthogonal" in state.order else q - state.m**2)
    u = omega / math.sqrt(q)
    return np.where(
        np.isfinite(u), ndtr(u) - 2.0 * (1.0 - 2.0 * data.flip) * owens_t(np.where(np.isfinite(u), u, 0.0), state.m / rest), 0.0
    )


def closed(problem, state):
    """Hebb's rule and the Bayes rule of the mixture."""
    learner, data, alpha = state.model.learner, state.model.data, state.alpha
    if isinstance(learner, fp.Hebb):
        if isinstance(data, fp.GaussianMixture):
            m, q = 1.0, 1.0 + data.variance / alpha
        else:
            m = math.sqrt(2.0 / math.pi) * (1.0 - 2.0 * data.flip)
            q = m * m + 1.0 / alpha
        yield close("m", state.m, m)
        yield close("q", state.q, q)
    elif isinstance(learner, fp.Bayes) and isinstance(data, fp.GaussianMixture):
        yield close("q", state.q, alpha / (alpha + data.variance))
        size = math.sqrt(state.q / data.variance)
        lean = 0.5 * math.sqrt(data.variance / state.q) * math.log(data.positive / (1.0 - data.positive))
        error = data.positive * ndtr(-size - lean) + (1.0 - data.positive) * ndtr(-size + lean)
        yield close("generalization_error", state.generalization_error, error, 1e-9, 1e-14)
