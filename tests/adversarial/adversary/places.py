"""Thresholds: what must hold at the place, below it and beyond it."""

import math
from dataclasses import replace

import numpy as np
from adversary.harness import asked, close, value_of, within
from adversary.quadrature import density, panels
from adversary.trained import fields, law_below, prox, variance_of
from scipy.special import expit, ndtr

import flatphys as fp


def with_learner(model, **changes):
    return replace(model, learner=replace(model.learner, **changes))


def last_slope(network):
    """c'(1) of a hidden layer."""
    a = 2.0 / 3.0
    slopes = {None: 1.0, "sign": math.inf, "relu": math.pi / (math.pi - 1.0), "erf": a / (math.asin(a) * math.sqrt(1.0 - a * a))}
    return slopes[getattr(network, "activation", None)]


def gardner(margin):
    """1/[(1 + kappa^2) H(-kappa) + kappa G(kappa)] by its integral E (g + kappa)_+^2."""
    t, w = panels([(-margin, 1e-3)], -margin, 39.0 + abs(margin))
    return 1.0 / float(np.sum(w * (t + margin) ** 2 * density(t))) if margin > -36.0 else math.inf


def same_labels(model):
    """A maximum-margin learner on the same data."""
    return fp.Model(model.data, fp.MaxMargin())


def capacity(problem, load):
    """Closed forms, the largest margin at that load, the sign of the entropy on both sides."""
    model = problem.model
    learner, random = model.learner, isinstance(model.data, fp.RandomLabels)
    yield within("capacity", load, 0.0, math.inf)
    if learner.energy == "square":
        return
    if learner.weights == "spherical":
        if random:
            yield close("capacity", load, gardner(learner.margin) * last_slope(learner.network), 1e-8)
        elif load < math.inf:
            state = value_of(fp.solve, same_labels(model), load)
            if state is not None:
                yield close("margin at the capacity", state.margin, learner.margin, 1e-7, 1e-9)
        return
    if load == math.inf:
        clean = not random and model.data.flip == 0.0 and learner.margin <= 0.0
        yield None if clean else "capacity is inf without a clean teacher at margin <= 0"
        return
    for factor in (1.0 - 1e-4, 1.0 + 1e-4, 1.1, 2.0, 10.0):
        states = value_of(fp.branches, model, load * factor)
        if states is None:
            continue
        best = max(s.entropy for s in states if s.branch != "intermediate")
        if factor < 1.0:
            yield None if best > -1e-9 else f"entropy is {best!r} just below the capacity {load!r}"
        else:
            yield None if best < 1e-9 else f"entropy is {best!r} at {factor:g} times the capacity {load!r}"
    kappa = value_of(fp.max_margin, model, load)
    if kappa is not None and not (kappa == 0.0 and learner.margin < 1e-6):
        yield close("largest margin at the capacity", kappa, learner.margin, 1e-7, 1e-8)


def max_margin(problem, kappa):
    """The capacity at that margin is the load."""
    model = problem.model
    if isinstance(model.learner, fp.MaxMargin) or kappa == math.inf:
        return
    yield f"largest margin is {kappa!r}" if kappa != kappa else None
    status, load, _, _ = asked(fp.capacity, with_learner(model, margin=kappa))
    if status == "ok" and load < math.inf:
        yield close(f"capacity at the largest margin {kappa!r}", load, problem.alpha, 1e-6)
    elif status == "ok":
        above = value_of(fp.capacity, with_learner(model, margin=kappa + 1e-6 + 1e-6 * abs(kappa)))
        fits = above is None or above <= problem.alpha * (1.0 + 1e-3)
        yield None if fits else f"largest margin is {kappa!r}, but at a larger one the capacity is {above!r}"


def at_line(problem, load):
    """The replicon of the dominant state is positive below and negative above."""
    for factor in (0.1, 0.3, 0.6, 0.9, 0.999, 1.001):
        state = value_of(fp.solve, problem.model, load * factor)
        if state is None or state.at_eigenvalue is None:
            continue
        if factor < 1.0:
            yield (
                None
                if state.at_eigenvalue > -1e-9
                else f"replicon is {state.at_eigenvalue!r} at {factor:g} times the line {load!r} ({state.branch})"
            )
        elif isinstance(problem.model.data, fp.RandomLabels):
            yield (
                None
                if state.at_eigenvalue < 1e-6
                else f"replicon is {state.at_eigenvalue!r} at {factor:g} times the line {load!r} ({state.branch})"
            )


def freezing_beta(problem, beta):
    """The entropy of some branch vanishes there, and is positive when it is warmer."""
    entropies = []
    for factor in (1.0, 0.9):
        states = value_of(fp.branches, with_learner(problem.model, beta=beta * factor), problem.alpha)
        if states is None:
            return
        entropies.append([s.entropy for s in states])
    yield None if min(map(abs, entropies[0])) < 1e-8 else f"entropies are {entropies[0]} at the freezing beta {beta!r}"
    yield None if max(entropies[1]) > 0.0 else f"entropies are {entropies[1]} at 0.9 times the freezing beta {beta!r}"


def ground_state(problem, state):
    """The least energy: below that at finite temperature, growing with the load; the equation of Gardner and Derrida."""
    model, alpha = problem.model, problem.alpha
    learner = model.learner
    yield within("train_error", state.train_error, 0.0, 1.0)
    for beta in (3.0, 30.0):
        warm = value_of(fp.solve, with_learner(model, beta=beta), alpha)
        if warm is not None and warm.train_loss is not None and isinstance(model.data, fp.RandomLabels) and warm.phase == "sat":
            yield within(f"train_loss beside that at beta {beta:g}", state.train_loss, 0.0, warm.train_loss, 1e-8)
    more = value_of(fp.ground_state, model, alpha * 1.05)
    if more is not None:
        yield within("energy beside that at a larger load", state.energy, 0.0, more.energy, 1e-9)
    if learner.weights == "spherical" and learner.energy == "errors" and isinstance(model.data, fp.RandomLabels):
        x = state.beta_one_minus_q
        root = math.sqrt(2.0 * x)
        if isinstance(learner.network, fp.Perceptron):
            z, w = panels([(learner.margin, 0.1), (learner.margin - root, 0.1)], learner.margin - root, learner.margin)
            yield close("alpha int (kappa - z)^2", alpha * float(np.sum(w * density(z) * (learner.margin - z) ** 2)), 1.0, 1e-7)
            yield close("train_error", state.train_error, float(ndtr(learner.margin - root)), 1e-8)


def first_order_transition(problem, found):
    """lower <= transition <= spinodal; the free entropies of both branches meet there; the student ends at its spinodal."""
    model = problem.model
    loads = [found.lower_spinodal, found.transition, found.spinodal]
    yield None if all(a <= b * (1.0 + 1e-9) for a, b in zip(loads, loads[1:])) else f"order is {loads}"
    for state in (found.at_transition, found.at_spinodal):
        for name, value in state.scalars().items():
            yield f"{name} is nan" if value != value else None
    states = value_of(fp.branches, model, found.transition)
    if states is not None:
        free = sorted((s.free_entropy for s in states if s.branch != "intermediate"), reverse=True)
        if len(free) > 1:
            yield close("free entropy of the second branch at the transition", free[1], free[0], 1e-7, 1e-7)
    for factor, want in ((1.0 - 1e-4, True), (1.0 + 1e-4, False)):
        status, states, _, _ = asked(fp.branches, model, found.spinodal * factor)
        if status == "ok":
            there = any(s.branch == "student" for s in states)
            yield (
                None
                if there == want
                else f"student branch is {'there' if there else 'gone'} at {factor!r} times its spinodal {found.spinodal!r}"
            )


def error_at(model, alpha, l2):
    """Generalization error of the minimiser; at l2 = inf that of the sum of the patterns."""
    if l2 == math.inf:
        return None if model.learner.bias else value_of(lambda: fp.solve(fp.Model(model.data, fp.Hebb()), alpha).generalization_error)
    return value_of(lambda: fp.solve(with_learner(model, l2=l2), alpha).generalization_error)


def optimal_l2(problem, best):
    """No other l2 has a smaller error."""
    model, alpha = problem.model, problem.alpha
    yield within("best l2", best, 0.0, math.inf)
    here = error_at(model, alpha, best)
    if here is None:
        return
    near = [best * f for f in (0.3, 0.9, 1.1, 3.0)] if 0.0 < best < math.inf else []
    for l2 in [*near, *(10.0**k for k in range(-10, 8, 2)), 0.5, 1.0, 2.0]:
        other = error_at(model, alpha, l2)
        if other is not None:
            yield None if here <= other * (1.0 + 1e-9) + 1e-14 else f"best l2 is {best!r} with error {here!r}, at {l2!r} it is {other!r}"


def separability(problem, load):
    """Margins are positive below the threshold, and there are none beyond."""
    yield within("threshold", load, 1.0, math.inf)
    if load == math.inf or load > 1e12:
        return
    below, above = (asked(fp.solve, problem.model, load * f) for f in (1.0 - 1e-3, 1.0 + 1e-3))
    if below[0] == "ok":
        yield None if below[1].margin > 0.0 else f"margin is {below[1].margin!r} below the threshold {load!r}"
    else:
        yield f"no largest margin just below the threshold {load!r}: {below[0]} {str(below[1])[:150]}"
    yield None if above[0] != "ok" or above[1].margin < 0.0 else f"margin is {above[1].margin!r} beyond the threshold {load!r}"


def bayes_error(problem, error):
    """Between 0 and 1/2, falling with the load, not above that of the learner."""
    model, alpha = problem.model, problem.alpha
    yield within("bayes_error", error, 0.0, 0.5, 1e-15)
    weights = getattr(model.learner, "weights", "spherical")
    more = value_of(fp.bayes_error, model.data, 1.3 * alpha, weights)
    if more is not None:
        yield None if more <= error * (1.0 + 1e-9) else f"bayes error is {error!r}, at a larger load {more!r}"
    state = value_of(fp.solve, model, alpha)
    if state is not None and state.generalization_error is not None and weights == "spherical":
        yield (
            None
            if error <= state.generalization_error * (1.0 + 1e-9)
            else f"bayes error is {error!r}, that of the learner {state.generalization_error!r}"
        )


def relative_flatness(problem, flatness):
    """q D E l''(t)."""
    state = value_of(fp.solve, problem.model, problem.alpha)
    if state is None:
        return
    learner, d = problem.model.learner, variance_of(problem.model.data)
    if isinstance(learner, fp.Gibbs):
        yield close("relative flatness", flatness, state.train_error, 1e-7, 1e-10)
        return
    if not state.V < 1e100:
        return
    if learner.loss == "square":
        want = state.q * d
    elif learner.loss == "squared-hinge":
        want = state.q * d * float(law_below(state, np.array(1.0)))
    else:
        want = 0.0
        for share, omega, w, _ in fields(state, state.V * d, learner.loss):
            t = prox("logistic", omega, state.V * d)[0]
            want += share * float(np.sum(w * expit(t) * expit(-t))) * state.q * d
    yield close("relative flatness", flatness, want, 1e-6, 1e-13 * state.q * d)
