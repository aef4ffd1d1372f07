"""Law of the training stabilities of the Bayes rule: those of the posterior mean, t(z) of `saddle.equilibrium.bayes`."""

import math

import numpy as np

from flatphys.numerics.gaussian import density, tail
from flatphys.numerics.quadrature import buffers, panel_nodes
from flatphys.observables.margins.distribution import MarginDistribution
from flatphys.observables.margins.gibbs import overlaps
from flatphys.saddle.equilibrium.averages import NISHIMORI, REACH, pattern_rule, pattern_weight
from flatphys.saddle.equilibrium.bayes import field_of, stability
from flatphys.saddle.equilibrium.curve import Code
from flatphys.saddle.equilibrium.limit import error_mass


class BayesMargins(MarginDistribution):
    """Stabilities of the posterior mean on its own training patterns: t(z) of `saddle.equilibrium.bayes`."""

    def __init__(self, state):
        code = Code(state.model)
        self._v, self._q, r, t2 = overlaps(state)
        self._beta, self._flip, self._k = code.beta, code.flip, r / math.sqrt(t2)
        u, w = buffers()
        n, _, _, origin = pattern_rule(code.kind, 0.0, code.beta, self._v, self._q, r, t2, 0, u, w)
        z = origin + u[:n]
        weight = w[:n] * np.array([pattern_weight(code.kind, code.flip, self._k, x) for x in z])
        self._t = np.array([stability(x, self._v, self._q, self._beta)[0] for x in z])
        self._w = weight
        mean = float(weight @ self._t)
        e = self._t - mean
        variance, third = float(weight @ e**2), float(weight @ e**3)
        spread = 5.0 * math.sqrt(variance)
        super().__init__(
            mean,
            variance,
            third / variance**1.5,
            norm=math.sqrt(self._q),
            support=(mean - spread if self._beta < math.inf else 0.0, mean + spread),
        )

    def _fields(self, t):
        return np.array([field_of(float(x), self._v, self._q, self._beta) for x in t])

    def _pdf(self, t):
        out = np.zeros_like(t)
        for i, z in enumerate(self._fields(t)):
            if math.isfinite(z):
                out[i] = density(z) * pattern_weight(NISHIMORI, self._flip, self._k, z) / stability(z, self._v, self._q, self._beta)[1]
        return out

    def _cdf(self, t):
        return np.array([error_mass(z, self._k, self._flip, *buffers()) if z > -math.inf else 0.0 for z in self._fields(t)])

    def _smeared(self, slope):
        """E[H(slope t)], on panels graded towards the field of zero stability."""
        centre = max(field_of(0.0, self._v, self._q, self._beta), -REACH)
        width = 3.0 / max(abs(slope) * stability(centre, self._v, self._q, self._beta)[1], 1e-12)
        marks = (centre, width, 0.0, 3.0 / self._k, 0.0, 2.0 * math.sqrt(self._v / self._q), 0.0, math.inf)
        u, w = buffers()
        n = panel_nodes(0, -REACH, REACH, 1.0, 1.0, marks, u, w)
        total = 0.0
        for z, share in zip(u[:n], w[:n]):
            t = stability(z, self._v, self._q, self._beta)[0]
            total += share * density(z) * pattern_weight(NISHIMORI, self._flip, self._k, z) * tail(slope * t)
        return total
