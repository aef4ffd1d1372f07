"""Saddle-point equations of Gibbs and Bayes learners, written down once more."""

import math

import numpy as np
from adversary.harness import asked, close, value_of, within
from adversary.quadrature import channel, correlation, gaussian
from scipy.special import log_ndtr, ndtr

import flatphys as fp

LOG2 = math.log(2.0)


def posterior(flip):
    """The inverse temperature at which errors cost what label noise makes them cost."""
    return math.log((1.0 - flip) / flip) if flip > 0.0 else math.inf


class Pattern:
    """E over the quenched field of a pattern, at overlaps (q, R) and 1 - q = v."""

    def __init__(self, state):
        learner, data = state.model.learner, state.model.data
        self.teacher = isinstance(data, fp.Teacher)
        self.flip = data.flip if self.teacher else 0.0
        if isinstance(learner, fp.Bayes):
            self.margin, self.energy, self.activation = 0.0, "errors", None
            self.beta = posterior(self.flip)
        else:
            self.margin, self.energy, self.beta = learner.margin, learner.energy, learner.beta
            self.activation = getattr(learner.network, "activation", None)
        self.v, self.q = state.one_minus_q, state.q
        if not self.v > 0.0 or not self.q > 0.0:
            raise ZeroDivisionError
        self.r = state.R if self.teacher else 0.0
        self.nishimori = self.teacher and (self.margin, self.energy, self.beta) == (0.0, "errors", posterior(self.flip))
        self.t2 = self.q * self.v if self.nishimori else self.q - self.r * self.r
        self.c, self.cv, self.slope = correlation(self.activation, self.q, self.v)
        self.sigma = math.sqrt(self.cv)
        width = math.sqrt(self.cv / self.c)
        places = [(self.margin / math.sqrt(self.c), width)]
        if self.teacher:
            places.append((0.0, math.sqrt(max(self.t2, 1e-300)) / max(abs(self.r), 1e-300)))
        if self.beta < math.inf:
            at = math.sqrt(2.0 * self.beta) if self.energy == "errors" else self.beta * self.sigma
            for x in (at, -at):
                places.append(((self.margin - x * self.sigma) / math.sqrt(self.c), width / (1.0 + abs(x))))
            places.append((self.margin / math.sqrt(self.c), width * math.sqrt(1.0 + self.beta * self.cv)))
        self.places = places
        self.spread()

    def spread(self, *extra):
        """Nodes that resolve every sharp place of the pattern and `extra` ones."""
        self.z, w = gaussian([*self.places, *extra])
        if self.teacher:
            u = self.r * self.z / math.sqrt(max(self.t2, 1e-300))
            self.h = 2.0 * ((1.0 - self.flip) * ndtr(u) + self.flip * ndtr(-u))
            self.bell = 2.0 * (1.0 - 2.0 * self.flip) * np.exp(-0.5 * u * u) / math.sqrt(2.0 * math.pi)
            self.bare, w = w, w * self.h
        self.w = w
        self.x = (self.margin - math.sqrt(self.c) * self.z) / self.sigma
        self.log_f, self.a = channel(self.energy, self.x, self.beta, self.sigma)

    def at(self, x, beta=None):
        return channel(self.energy, x, self.beta if beta is None else beta, self.sigma)

    def mean(self, values, weights=None):
        return float(np.sum((self.w if weights is None else weights) * values))

    def score_square(self):
        """E[g^2] in the variable of the hidden layer."""
        return self.mean(self.a**2) / self.cv

    def replicon_square(self):
        """E[g'^2], g' by a difference of fourth order where it has no short form."""
        if self.energy == "errors" or self.beta == math.inf:
            return self.mean((self.a * (self.a - self.x)) ** 2) / self.cv**2
        h = 2e-3
        f = [self.at(self.x + k * h)[1] for k in (-2, -1, 1, 2)]
        bend = (f[0] - 8.0 * f[1] + 8.0 * f[2] - f[3]) / (12.0 * h)
        return self.mean(bend**2) / self.cv**2

    def loss(self):
        if self.beta == math.inf:
            return 0.0
        if self.energy == "errors":
            return self.mean(np.exp(-self.beta + log_ndtr(self.x) - self.log_f))
        h = 1e-3
        f = [self.mean(self.at(self.x, self.beta * (1.0 + k * h))[0]) for k in (-2, -1, 1, 2)]
        return -(f[0] - 8.0 * f[1] + 8.0 * f[2] - f[3]) / (12.0 * h * self.beta)


def bounds(problem, state):
    """What every state must fulfil."""
    binary = getattr(state.model.learner, "weights", "spherical") == "binary" and isinstance(state.model.learner, (fp.Gibbs, fp.Bayes))
    top = LOG2 if binary else 0.0
    for name, value in state.scalars().items():
        yield f"{name} is nan" if value != value else None
    for name, high in (("entropy", top), ("free_entropy", top)):
        value = getattr(state, name)
        if value is not None:
            yield within(name, value, -math.inf, high, 1e-8)
    for name, high in (("train_error", 1.0), ("generalization_error", 1.0), ("bayes_error", 0.5)):
        value = getattr(state, name)
        if value is not None:
            yield within(name, value, 0.0, high, 1e-9)
    if (
        isinstance(problem.model.learner, (fp.Gibbs, fp.Bayes))
        and not isinstance(problem.model.data, fp.GaussianMixture)
        and "q" in state.order
    ):
        yield within("q", state.q, 0.0, 1.0)
    if state.cosine is not None:
        yield within("cosine", state.cosine, -1.0, 1.0)
    if state.entropy is not None and isinstance(state.model.learner, fp.Gibbs) and state.model.learner.beta < math.inf:
        size = abs(state.model.learner.beta * state.energy)
        yield close(
            "entropy - beta energy", state.entropy - state.model.learner.beta * state.energy, state.free_entropy, 1e-9, 1e-10 + 1e-9 * size
        )
    yield within("residual", state.residual, 0.0, state.tolerance)
    yield within("quadrature_error", state.quadrature_error, 0.0, state.quadrature_tolerance)


def is_gibbs(state):
    return isinstance(state.model.data, (fp.RandomLabels, fp.Teacher)) and isinstance(state.model.learner, (fp.Gibbs, fp.Bayes))


def equations(problem, state):
    """The equations, the free entropy and the replicon of a replica-symmetric state."""
    if (
        not is_gibbs(state)
        or "one_minus_q" not in state.order
        or state.branch == "teacher"
        and state.one_minus_q < 1e-13
        or not 1e-13 < state.one_minus_q
        or not state.q > 1e-12
    ):
        return
    binary = state.model.learner.weights == "binary"
    p = Pattern(state)
    if p.teacher and not p.nishimori and p.t2 < 1e-7 * max(p.q, 1e-3):
        return  # R^2 next to q: the digits of T^2 are not in the state's numbers
    alpha = state.alpha
    q_hat = alpha * p.slope * p.score_square()
    precision = 1e-7 + 1e-13 / max(p.t2, 1e-300) * p.teacher
    yield close("q_hat of its pattern equation", state.q_hat, q_hat, precision)
    r_hat = 0.0
    if p.teacher:
        r_hat = alpha * math.sqrt(p.q / p.t2) * p.mean(p.bell * p.a / p.sigma, p.bare)
        yield close("R_hat of its pattern equation", state.R_hat, r_hat, precision)
    loss = p.loss()
    if state.train_loss is not None:
        yield close("train_loss", state.train_loss, loss, 1e-7 if p.energy == "errors" else 1e-6, 1e-11)
    if p.energy == "errors" and state.train_error is not None:
        yield close("train_error", state.train_error, loss, 1e-7, 1e-11) if isinstance(state.model.learner, fp.Gibbs) else None
    pattern = p.mean(p.log_f)
    if binary:
        spread = math.sqrt(state.q_hat)
        z, w = gaussian([(-state.R_hat / spread if p.teacher else 0.0, min(1.0, 1.0 / spread))])
        field = spread * z + (state.R_hat if p.teacher else 0.0)
        sech2 = 1.0 / np.cosh(np.clip(field, -300.0, 300.0)) ** 2
        yield close("1-q of its weight equation", state.one_minus_q, float(np.sum(w * sech2)), 1e-7, 1e-13)
        if p.teacher:
            yield close("R of its weight equation", state.R, float(np.sum(w * np.tanh(field))), 1e-8, 1e-10)
        # log 2cosh(h) - |h| apart from |h|
        weights = float(np.sum(w * (np.log1p(np.exp(-2.0 * np.abs(field))) + np.abs(field))))
        parts = [-0.5 * state.q_hat * p.v, weights, -(state.R * state.R_hat) if p.teacher else 0.0]
        fourth = float(np.sum(w * sech2**2))
    else:
        parts = [0.5 * math.log(p.v), 0.5 * p.t2 / p.v]
        yield close("q_hat of its weight equation", state.q_hat, p.t2 / p.v**2, precision)
        if p.teacher:
            yield close("R_hat of its weight equation", state.R_hat, p.r / p.v, 1e-7)
        fourth = p.v**2
    parts.append(alpha * pattern)
    size = sum(map(abs, parts))
    if size < 1e4:
        yield close("free_entropy", state.free_entropy, sum(parts), 1e-8, 1e-9 + 1e-13 * size)
    if state.at_eigenvalue is not None and p.slope < math.inf:
        term = p.replicon_square()
        bend = 0.0
        if p.activation == "sign":
            bend = 2.0 / math.pi * p.q / (p.v * (1.0 + p.q)) ** 1.5
        elif p.activation == "erf":
            a = 2.0 / 3.0
            bend = a**3 * p.q / (math.asin(a) * (1.0 - a * a * p.q**2) ** 1.5)
        elif p.activation == "relu":
            bend = 1.0 / ((math.pi - 1.0) * math.sqrt(p.v * (1.0 + p.q)))
        lost = alpha * (p.slope**2 * term + bend * p.score_square()) * fourth
        yield close("replicon", state.at_eigenvalue, 1.0 - lost, 1e-6, 1e-7 * (1.0 + lost))
    if p.teacher:
        cosine = math.sqrt(p.q) if isinstance(state.model.learner, fp.Bayes) else p.r
        yield close("generalization_error", state.generalization_error, math.acos(min(1.0, cosine)) / math.pi, 1e-6, 1e-8)


def every_branch(problem, states):
    """Each branch is a state; the first is the one that `solve` gives, and dominates the stable ones."""
    for state in states:
        yield from bounds(problem, state)
        yield from equations(problem, state)
    status, first, _, _ = asked(fp.solve, problem.model, problem.alpha)
    if status == "ok":
        yield close("solve's q beside that of branches", first.q, states[0].q, 1e-9, 1e-9)
        rivals = [s.free_entropy for s in states if s.branch != "intermediate"]
        if isinstance(problem.model.data, fp.Teacher) and rivals:
            first_wins = states[0].free_entropy >= max(rivals) - 1e-9 - 1e-9 * abs(max(rivals))
            yield None if first_wins else f"the first branch has not the largest free entropy: {rivals}"
    else:
        yield f"branches has {len(states)} states, solve says {status}: {str(first)[:200]}"


def one_answer(problem, state):
    """What `solve` gives is among the branches."""
    if not is_gibbs(state):
        return
    found = value_of(fp.branches, problem.model, problem.alpha)
    if found is None:
        yield "solve has a state, branches refuses"
    elif state.branch == "teacher" and state.one_minus_q == 0.0:
        yield None
    else:
        yield None if any(abs(s.q - state.q) < 1e-9 for s in found) else f"q = {state.q!r} of solve is none of {[s.q for s in found]}"


def one_step(problem, state):
    """q0 <= q1, m in (0, 1], and a free entropy that is not above the replica-symmetric one."""
    yield from bounds(problem, state)
    yield within("parisi_m", state.parisi_m, 0.0, 1.0, 1e-12)
    yield within("q0", state.q0, 0.0, state.q1, 1e-12)
    symmetric = value_of(fp.solve, problem.model, problem.alpha)
    if symmetric is not None:
        yield within("free entropy beside the symmetric one", state.free_entropy, -math.inf, symmetric.free_entropy, 1e-9)
