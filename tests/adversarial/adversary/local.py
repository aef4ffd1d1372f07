"""Local entropies: bounds by volumes and averages, slopes, and the equations once more where they are short."""

import math

import numpy as np
from adversary.around import equations
from adversary.harness import asked, close, value_of, within
from adversary.laws import sharp, state_without_words
from adversary.quadrature import gaussian
from adversary.trained import variance_of

import flatphys as fp


def volume(binary, p):
    """Entropy of all weights at overlap p."""
    if not binary:
        return 0.5 * (math.log1p(-p) + math.log1p(p))
    d = 0.5 * (1.0 - p)
    return -d * math.log(d) - (1.0 - d) * math.log1p(-d)


def counted_model(state, margin, beta, energy):
    """The Gibbs learner whose weights are counted, on the reference's data."""
    weights = getattr(state.model.learner, "weights", "spherical")
    network = getattr(state.model.learner, "network", fp.Perceptron())
    return fp.Model(state.model.data, fp.Gibbs(weights, margin, beta, network, energy))


def random_turn(state, law, p, margin):
    """Share of patterns below the margin after a random turn of the reference to overlap p."""
    noise = math.sqrt((1.0 - p) * (1.0 + p) * variance_of(state.model.data))
    unit = law.norm
    atoms = [(abs(p) * place / unit / noise, 1e-4) for place, _ in law.atoms]
    places = [
        ((abs(p) * place / unit - margin) / noise, abs(p) * width / unit / noise)
        for place, width in (*sharp(state), (law.mean, math.sqrt(law.variance)))
    ]
    z, w = gaussian([*places, *[(-place, width) for place, width in places], *atoms])
    values = law.cdf(unit * (margin + noise * z) / p)
    share = float(np.sum(w * values))
    return share if p > 0.0 else 1.0 - share


NUMBERS = ("value", "free_entropy", "slope", "energy", "train_error", "train_loss", "q1", "t", "residual", "quadrature_error")


def numbers(state, found, i, at):
    """Every number of a point is one, and what it is worth is below its tolerance."""
    for name in NUMBERS:
        x = float(getattr(found, name)[i])
        ignored = name == "t" and (not isinstance(state.model.learner, fp.Gibbs) or state.branch == "teacher" or state.q == 0.0)
        yield f"{name} is {x!r} with status ok{at}" if x != x and not ignored else None
    yield within(f"train_error{at}", float(found.train_error[i]), 0.0, 1.0, 1e-9)
    yield within(f"q1{at}", float(found.q1[i]), -1e-9, 1.0)
    yield within(f"residual{at}", float(found.residual[i]), 0.0, found.tolerance)
    yield within(f"quadrature_error{at}", float(found.quadrature_error[i]), 0.0, found.quadrature_tolerance)


def above(state, law, p, o):
    """Jensen's bound of the free entropy: the volume less what a random turn of the reference costs; -inf where it says nothing."""
    committee = isinstance(getattr(state.model.learner, "network", None), fp.TreeCommittee)
    known = o["energy"] == "errors" and o["beta"] < math.inf and not committee and abs(p) > 1e-3
    if not known or law is None or not law.variance > 1e-12:
        return -math.inf
    return -o["beta"] * state.alpha * random_turn(state, law, p, o["margin"])


def local_entropy(problem, found):
    """Bounds by the volume, by all weights and by a random turn; slope; the equations; one point alone."""
    state = state_without_words(problem)
    if state is None:
        return
    o, everywhere = problem.options, math.inf
    weights = getattr(state.model.learner, "weights", "spherical")
    if not isinstance(state.model.data, fp.GaussianMixture):
        whole = value_of(fp.solve, counted_model(state, o["margin"], o["beta"], o["energy"]), state.alpha)
        if whole is not None and whole.at_eigenvalue is not None and whole.at_eigenvalue > 0.0:
            everywhere = whole.free_entropy
    law = value_of(fp.margins, state)
    for i, p in enumerate(o["overlap"]):
        status, phi, value, at = str(found.status[i]), float(found.free_entropy[i]), float(found.value[i]), f" at overlap {p!r}"
        if status != "ok":
            yield None if value != value else f"value is {value!r} where the status is {status}{at}"
            continue
        yield from numbers(state, found, i, at)
        top = volume(weights == "binary", p)
        slack = 1e-7 * (1.0 + o["beta"] * state.alpha) if o["beta"] < math.inf else 0.0
        yield within(f"value{at}", value, -math.inf, top, 1e-8 + 1e-9 * abs(top))
        yield within(f"free_entropy{at}", phi, top + above(state, law, p, o) - slack, top, 1e-8 + 1e-9 * abs(top))
        yield within(f"free_entropy{at} beside that of all weights", phi, -math.inf, everywhere, 1e-8)
        if i == 0:
            yield from difference(state, found, i, p, o)
            yield from equations(state, found, i, p, o)
    if len(o["overlap"]) > 1 and str(found.status[-1]) == "ok":
        alone = value_of(fp.local_entropy, state, **{**o, "overlap": o["overlap"][-1:]})
        if alone is None:
            yield "a point that was solved among others is refused alone"
        else:
            yield close("free_entropy alone", float(alone.free_entropy[0]), float(found.free_entropy[-1]), 1e-8, 1e-9)


def difference(state, found, i, p, o):
    """The slope beside the central difference of fourth order."""
    h = 2e-3 * min(1.0 - abs(p), 0.5)
    phi = []
    for k in (-2, -1, 1, 2):
        near = value_of(fp.local_entropy, state, **{**o, "overlap": [p + k * h]})
        if near is None or str(near.status[0]) != "ok":
            return
        phi.append(float(near.free_entropy[0]))
    slope = (phi[0] - 8.0 * phi[1] + 8.0 * phi[2] - phi[3]) / (12.0 * h)
    coarse = (phi[2] - phi[1]) / (2.0 * h)
    yield close(f"slope at overlap {p!r}", float(found.slope[i]), slope, 1e-6, 0.1 * abs(slope - coarse) + 1e-9 / h)


def equilibrium_point(problem, found):
    """At p = q of the reference, counted like the reference: the equilibrium, with slope 0."""
    state = state_without_words(problem)
    if state is None or not isinstance(state.model.learner, fp.Gibbs) or not 1e-6 < state.q < 1.0 - 1e-9:
        return
    if state.at_eigenvalue is None or not state.at_eigenvalue > 0.0:
        return  # there the equations have other solutions too
    learner = state.model.learner
    status, here, _, _ = asked(fp.local_entropy, state, overlap=[state.q], margin=learner.margin, beta=learner.beta, energy=learner.energy)
    if status == "ok" and str(here.status[0]) == "ok":
        yield close("free_entropy at overlap q beside the equilibrium's", float(here.free_entropy[0]), state.free_entropy, 1e-8, 1e-8)
        yield close("slope at overlap q", float(here.slope[0]), 0.0, 0.0, 1e-6 * (1.0 + state.q_hat))
    elif status not in ("Unsatisfiable", "NotConverged"):
        yield f"no local entropy at the equilibrium overlap {state.q!r}: {status} {str(here)[:100] if status != 'ok' else here.status[0]}"


def largest_overlap(problem, top):
    """Just below it solutions surround the rule, just beyond it none."""
    state = state_without_words(problem)
    yield within("largest overlap", top, -1.0, 1.0)
    if state is None or 1.0 - top < 1e-12:
        return
    for sign, want in ((-1.0, "ok"), (1.0, "unsat")):
        p = top + sign * 1e-3 * (1.0 - abs(top))
        if not -1.0 < p < 1.0:
            continue
        status, found, _, _ = asked(fp.local_entropy, state, overlap=[p], margin=problem.options["margin"])
        got = str(found.status[0]) if status == "ok" else status
        yield (
            None
            if got == want or got == "NotConverged"
            else f"local entropy is {got} at {p!r}, {'below' if sign < 0 else 'beyond'} the largest overlap {top!r}"
        )


def zero_crossings(problem, places):
    """The value vanishes there, and changes its sign nowhere else."""
    state = state_without_words(problem)
    if state is None:
        return
    margin = problem.options["margin"]
    if len(places):
        found = value_of(fp.local_entropy, state, distance=places, margin=margin)
        if found is not None:
            for d, value, slope in zip(places, found.free_entropy, found.slope):
                yield close(f"local entropy at its zero {float(d)!r}", float(value), 0.0, 0.0, 1e-8 + 1e-10 * abs(float(slope)))
    grid = 0.5 * (1.0 - np.tanh(np.linspace(-3.4, 3.4, 35)))[::-1]
    found = value_of(fp.local_entropy, state, distance=grid, margin=margin)
    if found is None:
        return
    values = found.free_entropy
    for a, b, f, g in zip(grid[:-1].tolist(), grid[1:].tolist(), values[:-1].tolist(), values[1:].tolist()):
        if f * g < 0.0 and min(abs(f), abs(g)) > 1e-9 and not any(a <= d <= b for d in places):
            yield f"no zero crossing is named between distances {a!r} ({f!r}) and {b!r} ({g!r}), but {list(map(float, places))}"
