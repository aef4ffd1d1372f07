"""Law of the training stabilities of the Bayes rule: those of the posterior mean, t(z) of `saddle.equilibrium.bayes`."""

import math

import numpy as np

from flatphys.kernels.labels import label_weight
from flatphys.numerics.gaussian import density, tail
from flatphys.numerics.quadrature import REACH, buffers, panel_nodes
from flatphys.observables.margins.distribution import MarginDistribution, skewness
from flatphys.observables.margins.gibbs import overlaps
from flatphys.problem import problem_of
from flatphys.saddle.equilibrium.bayes import field_of, stability
from flatphys.saddle.equilibrium.limit import error_mass
from flatphys.saddle.equilibrium.rule import pattern_rule, teacher_ratio


class BayesMargins(MarginDistribution):
    """Stabilities of the posterior mean on its own training patterns: t(z) of `saddle.equilibrium.bayes`."""

    def __init__(self, state):
        problem = problem_of(state.model)
        self._labels, self._channel, self._fields = problem.labels, problem.channel, overlaps(state)
        self._k = teacher_ratio(problem, self._fields)
        u, w = buffers()
        rule = pattern_rule(problem, self._fields, 0.0, True, 0, (u, w))
        z = rule.origin + u[: rule.n]
        weight = w[: rule.n] * np.array([self._weight(x) for x in z])
        t = np.array([self._stability(x)[0] for x in z])
        mean = float(weight @ t)
        e = t - mean
        variance, third = float(weight @ e**2), float(weight @ e**3)
        spread = 5.0 * math.sqrt(variance)
        super().__init__(
            mean,
            variance,
            skewness(variance, third),
            norm=math.sqrt(self._fields.q),
            support=(mean - spread if self._channel.beta < math.inf else 0.0, mean + spread),
        )

    def _weight(self, z):
        return label_weight(self._labels, self._k, z)

    def _stability(self, z):
        """(t, dt/dz)."""
        return stability(self._channel, z, self._fields)

    def _field(self, t):
        return field_of(self._channel, float(t), self._fields)

    def _pdf(self, t):
        fields = [self._field(x) for x in t]
        return np.array([density(z) * self._weight(z) / self._stability(z)[1] if math.isfinite(z) else 0.0 for z in fields])

    def _cdf(self, t):
        fields = [self._field(x) for x in t]
        return np.array([error_mass(z, self._k, self._labels.flip, *buffers()) if z > -math.inf else 0.0 for z in fields])

    def _smeared(self, slope):
        """E[H(slope t)], on panels graded towards the field of zero stability."""
        centre = max(self._field(0.0), -REACH)
        width = 3.0 / max(abs(slope) * self._stability(centre)[1], 1e-12)
        marks = (centre, width, 0.0, 3.0 / self._k, 0.0, 2.0 * math.sqrt(self._fields.v / self._fields.q), 0.0, math.inf)
        u, w = buffers()
        n = panel_nodes(0, -REACH, REACH, 1.0, 1.0, marks, u, w)
        return sum(share * density(z) * self._weight(z) * tail(slope * self._stability(z)[0]) for z, share in zip(u[:n], w[:n]))
