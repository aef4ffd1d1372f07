"""Stabilities in the dense regions: weights that are one of y replicas, and the one-step states.

Given the cavity field l, a replica's stability is l + sqrt(V) t, V = 1-q1, with the Gaussian t tilted by the energy as in
`observables.margins.gibbs`, whatever y is; y only decides how l is distributed (`observables.margins.fields`):

    P(Delta) = E_l G((Delta - l)/sqrt V) exp(-beta energy(Delta))/(sqrt V f(x)),      x = (kappa - l)/sqrt V

A tree committee's law is that of the overlaps its patterns see.  On a mixture the fields are those of random labels times sqrt(D) and
shifted by the signal m1 (`saddle.breaking.averages.patterns_of`), and V is D (1-q1).
"""

import math
from dataclasses import replace

import numpy as np

from flatphys._jit import jit
from flatphys.kernels.channels import channel
from flatphys.kernels.codes import LOGISTIC_ENERGY, MIXTURE
from flatphys.kernels.cost import cost
from flatphys.kernels.halves import half
from flatphys.kernels.soft import soft_below
from flatphys.numerics.gaussian import LOG_SQRT_2PI, log_tail
from flatphys.numerics.quadrature import buffers
from flatphys.observables.margins.distribution import MarginDistribution, skewness
from flatphys.observables.margins.fields import field_law
from flatphys.observables.margins.gibbs import GibbsMargins, sign_turned, third_moment
from flatphys.observables.margins.turn import turned_mass
from flatphys.saddle.breaking.averages import patterns_of
from flatphys.saddle.breaking.branch import replicated_problem
from flatphys.saddle.breaking.network import block_overlaps
from flatphys.state import State


@jit
def law_at(ch, sigma, law, deltas, cumulative):
    """Density or distribution function at `deltas`; law: the nodes x and weights of the field's."""
    out = np.zeros(deltas.size)
    (fields, weights), soft = law, ch.energy == LOGISTIC_ENERGY
    for j in range(deltas.size):
        below = deltas[j] < ch.margin
        if below and ch.beta == math.inf:
            continue
        penalty = ch.beta * cost(ch.energy, ch.margin - deltas[j]) if below or ch.beta < math.inf else 0.0
        shift = (deltas[j] - ch.margin) / sigma
        total = 0.0
        for i in range(fields.size):
            x = fields[i]
            y, log_f = x + shift, channel(ch, x, sigma)[0]
            if cumulative and soft:
                total += weights[i] * soft_below(x, ch.beta, sigma, log_f, y)
            elif cumulative:  # the mass of the side beyond, seen from the margin
                log_a, mu, r = half(ch, x, sigma, below)
                total += weights[i] * math.exp(log_a + log_tail(r * (mu - y) if below else r * (y - mu)) - log_f)
            else:
                total += weights[i] * math.exp(-0.5 * y * y - LOG_SQRT_2PI - penalty - log_f)
        out[j] = total / sigma if not cumulative else (total if below or soft else 1.0 - total)
    return out


@jit
def field_moments(ch, sigma, law):
    """(mean, variance, third central moment) of Delta."""
    fields, weights = law
    mean = 0.0
    for i in range(fields.size):
        mean += weights[i] * (ch.margin + sigma * (channel(ch, fields[i], sigma)[1] - fields[i]))
    variance = third = 0.0
    for i in range(fields.size):
        _, a, b = channel(ch, fields[i], sigma)
        e = ch.margin + sigma * (a - fields[i]) - mean
        s2 = sigma * sigma * (1.0 + b)
        variance += weights[i] * (e * e + s2)
        third += weights[i] * (e * e * e + 3.0 * e * s2 + sigma**3 * third_moment(ch, fields[i], sigma, a))
    return mean, variance, third


@jit
def smeared(ch, sigma, law, slope, shift, nodes):
    """E[H(slope (Delta + shift))]: the probability that a Gaussian perturbation turns the sign of the stability."""
    fields, weights = law
    total = 0.0
    for i in range(fields.size):
        line = slope * (ch.margin + shift - sigma * fields[i]), slope * sigma
        total += weights[i] * sign_turned(ch, fields[i], sigma, line, nodes)
    return total


class FieldMargins(MarginDistribution):
    """Stabilities among m replicas (or at the Parisi parameter m) at 1-q1 = v, m (q1-q0) = dq, of overlap r with the teacher or centre."""

    def __init__(self, problem, m, v, q0, dq, r=0.0):
        gap = 0.0 if m == math.inf else dq / m
        seen = block_overlaps(problem.net, v, q0, gap)
        spread = (dq if m == math.inf else max(gap, 0.0)) / v * seen.stretch
        self._overlaps, self._net, self._m = (v, q0, gap), problem.net, m
        self._shift = r if problem.labels.kind == MIXTURE else 0.0
        self._patterns = patterns_of(problem, seen.v, seen.q0, r / math.sqrt(q0 - r * r), r, spread)
        self._law = self._patterns.channel, math.sqrt(self._patterns.v), field_law(self._patterns, m)
        mean, variance, third = field_moments(*self._law)
        (_, margin, beta), reach = problem.channel, 4.5 * math.sqrt(problem.labels.variance)
        low = margin if beta == math.inf else min(-reach, margin - reach)
        high = max(reach, margin + reach) + self._shift
        super().__init__(mean + self._shift, variance, skewness(variance, third), support=(low - 0.2, high))

    def _pdf(self, x):
        return law_at(*self._law, x - self._shift, False)

    def _cdf(self, x):
        return np.clip(law_at(*self._law, x - self._shift, True), 0.0, 1.0)

    def rise_after_turn(self, eps):
        """P(Delta' < 0) - P(Delta < 0) of a tree committee's weights at the overlap 1 - eps with the original ones."""
        turned = turned_mass(self._patterns, self._m, self._net, self._overlaps, eps)
        return 0.0 if turned is None else turned - self.mass_below_zero

    def _smeared(self, slope):
        return smeared(*self._law, slope, self._shift, buffers(1))


def one_step_margins(state) -> MarginDistribution:
    """The law in a one-step state (`saddle.breaking.states`).

    The nested measure at m = parisi_m; a frozen state (q1 = 1) is the replica-symmetric one at the freezing temperature.
    """
    order, learner = state.order, state.model.learner
    m = state.parisi_m
    if order["one_minus_q1"] == 0.0:
        conjugates = {"q_hat": state.q0_hat * m * m} | ({"R_hat": state.R_hat * m} if "R_hat" in order else {})
        return GibbsMargins(State(replace(state.model, learner=replace(learner, beta=m * learner.beta)), state.alpha, conjugates))
    return FieldMargins(replicated_problem(state.model), m, state.one_minus_q1, state.q0, m * (state.q1 - state.q0))
