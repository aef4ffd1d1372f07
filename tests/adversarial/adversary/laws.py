"""Laws of stabilities: density, distribution function and moments beside each other, and beside formulas of one's own."""

import math

import numpy as np
from adversary.equilibrium import Pattern, is_gibbs
from adversary.harness import close, state_of, value_of, within
from adversary.quadrature import cost, gaussian, panels
from adversary.trained import law_below, prox, variance_of

import flatphys as fp

STIFF = 1e9  # V D from which a squared hinge's patterns lie so close to 1 that a density there has lost the digits of 1 - t


def state_without_words(problem):
    return value_of(state_of, problem)


def sharp(state):
    """(place, scale) where the law may have a kink, a jump or a peak."""
    learner = state.model.learner
    kink = getattr(learner, "margin", 1.0 if isinstance(learner, fp.ERM) else state.order.get("margin", 0.0))
    width = math.sqrt(max(state.order.get("one_minus_q", 1.0), 1e-24))
    c = state.order.get("V", 0.0) * variance_of(state.model.data)
    places = [(kink, 0.3 * width), (0.0, 1e-3), (0.0, 0.3 * width), (1.0, 1e-3)]
    if isinstance(state.model.data, fp.GaussianMixture):
        width = math.sqrt(variance_of(state.model.data) * state.q)
        places += [(state.m + y * state.b, 0.2 * width) for y in (-1.0, 1.0)]
        own = (
            0.0 if "V" in state.order else (state.q if isinstance(learner, fp.Bayes) else 1.0) * variance_of(state.model.data) / state.alpha
        )
        places += [(state.m + y * state.b + own, 0.2 * width) for y in (-1.0, 1.0)]
    beta = getattr(learner, "beta", math.inf)
    if isinstance(learner, fp.Gibbs) and learner.energy == "errors" and 1.0 < beta < math.inf:
        # where it costs as much to obey as not to; the turn has the width sigma/sqrt(2 beta)
        sigma = math.sqrt(max(state.order.get("one_minus_q", 1.0), 1e-24))
        places.append((kink - sigma * math.sqrt(max(2.0 * beta - math.log(4.0 * math.pi * beta), 0.0)), sigma / math.sqrt(2.0 * beta)))
    if "V" in state.order:
        places += [(math.log1p(c), 0.5), (1.0, 1.0 / (1.0 + c))]
    return places


def prox_places(state):
    """Where the class centres of ERM go."""
    if not isinstance(state.model.learner, fp.ERM) or not isinstance(state.model.data, fp.GaussianMixture) or not state.V < 1e100:
        return []
    c, width = state.V * state.model.data.variance, math.sqrt(state.model.data.variance * state.q)
    omega = np.array([state.m + y * state.b + k * width for y in (-1.0, 1.0) for k in (-3.0, 0.0, 3.0)])
    t = prox(state.model.learner.loss, omega, c)[0]
    return [(place, max(1e-9, 0.05 * abs(t[3 * (i // 3)] - t[3 * (i // 3) + 2]))) for i, place in enumerate(t.tolist())]


def near(law, state):
    """Points at which a law is looked at."""
    spread = math.sqrt(max(law.variance, 1e-300))
    points = [law.mean + k * spread for k in (-3.0, -1.2, -0.3, 0.1, 0.8, 2.5)]
    points += [place + k * scale for place, scale in sharp(state)[:3] for k in (-2.0, -0.1, 0.1, 2.0)]
    return np.unique(np.array(points))


def margins(problem, law):
    """Monotone, between 0 and 1, the integral of the density, with the moments of the density."""
    state = state_without_words(problem)
    if state is None:
        return
    for name in ("mean", "variance", "skewness"):
        value = getattr(law, name)  # a skewness may lie beyond the doubles
        yield None if math.isfinite(value) or name == "skewness" and value == value else f"{name} is {value!r}"
    yield within("variance", law.variance, 0.0, math.inf)
    x = near(law, state)
    cdf, pdf = value_of(law.cdf, x), value_of(law.pdf, x)
    if cdf is None or pdf is None:
        return  # refused in words
    for name, values in (("cdf", cdf), ("pdf", pdf)):
        yield None if np.isfinite(values).all() else f"{name} is {values[~np.isfinite(values)][0]!r} at {x[~np.isfinite(values)][0]!r}"
    if not (np.isfinite(cdf).all() and np.isfinite(pdf).all()):
        return
    yield within("cdf", cdf.min(), 0.0, 1.0, 1e-12)
    yield within("cdf", cdf.max(), 0.0, 1.0, 1e-12)
    drop = np.diff(cdf)
    i = int(np.argmin(drop))
    yield None if drop[i] >= -1e-9 else f"cdf falls from {cdf[i]!r} at {x[i]!r} to {cdf[i + 1]!r} at {x[i + 1]!r}"
    yield None if pdf.min() >= 0.0 else f"pdf is {pdf.min()!r} at {x[int(np.argmin(pdf))]!r}"
    # integrals
    spread = math.sqrt(max(law.variance, 1e-300))
    c = state.order.get("V", 0.0) * variance_of(state.model.data)
    if spread < 1e-8 * max(1.0, abs(law.mean)) or c > STIFF:
        yield from formulas(state, x, cdf, pdf)
        return
    low, high = law.mean - 12.0 * spread, law.mean + 12.0 * spread
    places = [*sharp(state), *prox_places(state), (law.mean, spread), *[(place, 1e-3 * spread) for place, _ in law.atoms]]
    t, w = panels(places, low, high, widest=2.0 * spread)
    values = value_of(law.pdf, t)
    mass = w * values
    atoms = law.atoms
    total = float(mass.sum()) + sum(m for _, m in atoms)
    outside = float(law.cdf(low) + 1.0 - law.cdf(high))
    yield close("mass of density and atoms", total, 1.0 - outside, 0.0, 1e-6)
    mean = float((mass * t).sum()) + sum(m * place for place, m in atoms)
    second = float((mass * (t - law.mean) ** 2).sum()) + sum(m * (place - law.mean) ** 2 for place, m in atoms)
    third = float((mass * (t - law.mean) ** 3).sum()) + sum(m * (place - law.mean) ** 3 for place, m in atoms)
    if outside < 1e-13 and abs(total - 1.0) < 1e-9:
        yield close("mean beside that of the density", law.mean, mean, 1e-7, 1e-7 * spread)
        yield close("variance beside that of the density", law.variance, second, 1e-6)
        yield close("skewness beside that of the density", law.skewness, third / law.variance**1.5, 1e-5, 1e-6)
    for a, b in list(zip(x[:-1].tolist(), x[1:].tolist()))[::4]:
        if b - a < 1e-12:
            continue
        t, w = panels(places, a, b, widest=2.0 * spread)
        inside = sum(m for place, m in atoms if a < place <= b)
        integral = float((w * law.pdf(t)).sum()) + inside
        yield close(f"cdf({b!r}) - cdf({a!r}) beside the integral of the density", float(law.cdf(b) - law.cdf(a)), integral, 0.0, 1e-6)
    yield from formulas(state, x, cdf, pdf)
    if getattr(state.model.learner, "margin", 0.0) == 0.0 and state.train_error is not None:
        yield close("mass_below_zero beside the train error", law.mass_below_zero, state.train_error, 1e-7, 1e-9)


def formulas(state, x, cdf, pdf):
    """The law by its own formula."""
    if is_gibbs(state) and isinstance(state.model.learner, fp.Gibbs):
        if not (1e-13 < state.one_minus_q and state.q > 1e-12):
            return
        p = Pattern(state)
        if p.teacher and not p.nishimori and p.t2 < 1e-7 or p.beta == math.inf and p.energy == "square":
            return
        for at, got in zip(x.tolist(), pdf.tolist()):
            if at == p.margin:
                continue
            if p.beta == math.inf and at < p.margin:
                yield close(f"pdf({at!r})", got, 0.0)
                continue
            log_weight = -p.beta * float(cost(p.energy, at, p.margin)) if p.beta < math.inf else 0.0
            steep = math.sqrt(1.0 + p.beta * p.cv) if p.energy.startswith("squ") else 1.0
            pull = {"hinge": p.beta * p.cv, "errors": 0.0}.get(p.energy, p.beta * p.cv * (at - p.margin)) if p.beta < math.inf else 0.0
            p.spread(*((place / math.sqrt(p.c), p.sigma * width / math.sqrt(p.c)) for place, width in ((at, 1.0), (at + pull, steep))))
            g = (at - math.sqrt(p.c) * p.z) / p.sigma
            here = float(np.sum(p.w * np.exp(log_weight - 0.5 * g * g - p.log_f))) / p.sigma / math.sqrt(2.0 * math.pi)
            yield close(f"pdf({at!r})", got, here, 1e-6, 1e-8)
        return
    below = law_below(state, x)
    if below is not None:
        atoms = [place for place, _ in value_of(fp.margins, state).atoms]
        for at, got, want in zip(x.tolist(), cdf.tolist(), below.tolist()):
            if all(abs(at - place) > 1e-9 * (1.0 + abs(place)) for place in atoms):
                yield close(f"cdf({at!r})", got, float(want), 1e-8, 1e-9)


def turned(state, law, scale, extra=()):
    """P(t + scale g < 0), by the distribution function."""
    places = [
        ((place) / scale, width / scale) for place, width in (*sharp(state), (law.mean, math.sqrt(max(law.variance, 1e-300))), *extra)
    ]
    z, w = gaussian(places)
    return float(np.sum(w * law.cdf(scale * z)))


def local_energy(problem, rises):
    """E[H(t/noise)] - P(t < 0), by the distribution function of the law."""
    state = state_without_words(problem)
    law = value_of(fp.margins, state) if state is not None else None
    if law is None:
        return
    rises = np.atleast_1d(rises)
    below = law.mass_below_zero
    committee = isinstance(getattr(state.model.learner, "network", None), fp.TreeCommittee)
    name = next(iter(problem.options))
    d, length = variance_of(state.model.data), law.norm
    for at, rise in zip(problem.options[name], rises):
        yield within(f"local energy at {name} {at!r}", rise, -below, 1.0 - below, 1e-9)
        if committee or at == 0.0 or (state.order.get("b", 0.0) != 0.0 and name == "distance"):
            continue
        if name == "sigma":
            p, noise = 1.0, at * length * math.sqrt(d)
        else:
            p, noise = 1.0 - 2.0 * at, 2.0 * math.sqrt(at * (1.0 - at)) * length * math.sqrt(d)
        if noise == 0.0 or p == 0.0:
            continue
        after = turned(state, law, noise / abs(p), [(place, 1e-4) for place, _ in law.atoms])
        if p < 0.0:
            after = 1.0 - after
        yield close(f"local energy at {name} {at!r}", rise, after - below, 1e-6, 1e-8)
