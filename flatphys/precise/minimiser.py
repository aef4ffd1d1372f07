"""The saddle point of a smooth loss's minimiser in mpmath, on a mixture or with a teacher, without a bias.

    m = alpha V A,      T^2 = q - m^2 = alpha D V^2 B,      1/V = l2 + alpha D C,      A = E f,  B = E f^2,  C = E k

with f = -l'(t), k = l''/(1 + c l''), c = V D, at the t to which training moves the cavity margin omega = t + c l'(t):

    mixture   omega ~ N(m, D q)
    teacher   D = 1, omega = sqrt(q) z of density 2 G(z) [flip + (1 - 2 flip) Phi(m z/T)],
              and A = (1 - 2 flip) sqrt(2/pi) E f at omega = T g

All averages are sums over t, where nothing has to be inverted: d omega = (1 + c l'') dt.
"""

import mpmath as mp

from flatphys.errors import InvalidInput
from flatphys.model import Teacher
from flatphys.precise.losses import smooth_loss
from flatphys.precise.quadrature import GUARD, Rule, density, tail

BRACKET = 80  # halvings, of the ends of a sum


class Minimiser:
    """Unknowns log m, log T^2, log V."""

    def __init__(self, state, digits):
        model, order = state.model, state.order
        if order["b"] != 0.0 or model.learner.bias or not order["m"] > 0.0:
            raise InvalidInput(f"state must have no bias, and an overlap m > 0, for flatphys.precise; got {model!r}")
        if not order["V"] < mp.inf:
            raise InvalidInput(f"state must be at l2 > 0, or where its loss needs none, for flatphys.precise; got {model!r}")
        self.digits, self.dps = digits, digits + GUARD
        self.teacher = isinstance(model.data, Teacher)
        with mp.workdps(self.dps):
            self.alpha, self.l2 = mp.mpf(state.alpha), mp.mpf(model.learner.l2)
            self.d = mp.mpf(1) if self.teacher else mp.mpf(model.data.variance)
            self.clean = 1 - 2 * mp.mpf(model.data.flip) if self.teacher else mp.mpf(1)
            self.loss, self._place, self._width = smooth_loss(model.learner.loss, mp.sqrt(self.d))
            self.start = [mp.log(mp.mpf(order[name])) for name in ("m", "q_orthogonal", "V")]
        self._rule = None

    def _seen(self, x):
        """(m, T^2, V, q, s): the width s of omega."""
        m, t2, v = map(mp.exp, x)
        q = m * m + t2
        return m, t2, v, q, mp.sqrt(self.d * q)

    def _end(self, omega, c):
        """The t at which omega = t + c l'(t), to a few digits."""
        with mp.workdps(15):
            reach = mp.mpf(1)
            while reach + c * self.loss(omega + reach)[1] < 0 or c * self.loss(omega - reach)[1] - reach > 0:
                reach *= 2
            low, high = omega - reach, omega + reach
            for _ in range(BRACKET):
                middle = (low + high) / 2
                if middle + c * self.loss(middle)[1] > omega:
                    high = middle
                else:
                    low = middle
                if high - low < 1e-4 * reach:
                    break
        return (low + high) / 2

    def _integrand(self, x, scalars=False):
        """Values of A's, B's and C's integrands, and of E l and E k^2."""
        m, t2, v, q, s = self._seen(x)
        c, k, width = v * self.d, m / mp.sqrt(t2), mp.sqrt(t2)

        def values(z):
            t = self._middle + self._half * z
            value, slope, bend = self.loss(t)
            omega, stretch = t + c * slope, 1 + c * bend
            measure = self._half / density(z)
            if self.teacher:
                y = omega / s
                law = measure * density(y) / s * ((1 - self.clean) + 2 * self.clean * tail(-k * y))
                turned = measure * density(omega / width) / width * self.clean * mp.sqrt(2 / mp.pi)
            else:
                law = turned = measure * density((omega - m) / s) / s
            out = [-turned * stretch * slope, law * stretch * slope * slope, law * bend]
            if scalars:
                out += [law * stretch * value, law * bend * bend / stretch]
            return out

        return values

    def prepare(self, x):
        """A rule that is good around the unknowns x."""
        m, _, v, _, s = self._seen(x)
        reach = mp.sqrt(2 * mp.log(10) * (self.digits + 12)) + 1
        low, high = (self._end((0 if self.teacher else m) + side * reach * s, v * self.d) for side in (-1, 1))
        self._middle, self._half = (low + high) / 2, (high - low) / (2 * reach)
        mark = [((self._place - self._middle) / self._half, self._width / self._half)] if self._width < mp.inf else []
        self._rule = Rule(mark, reach, self.digits + 8).settle(self._integrand(x, True))

    def finer(self):
        """Half the step."""
        self._rule.halve()

    def _sides(self, x, second=False):
        """(m, T^2, V) as the patterns want them."""
        v = self._seen(x)[2]
        a, b, c = (self._rule.between if second else self._rule.average)(self._integrand(x))
        return self.alpha * v * a, self.alpha * self.d * v * v * b, 1 / (self.l2 + self.alpha * self.d * c)

    def equations(self, x, second=False):
        """Violations, as logarithms of the ratio of the two sides."""
        return [mp.log(side) - log for side, log in zip(self._sides(x, second), x)]

    def residuals(self, state):
        """Relative violations at the state's own numbers."""
        self.prepare(self.start)
        return {name: mp.expm1(log) for name, log in zip(("m", "q_orthogonal", "V"), self.equations(self.start))}

    def result(self, state, x):
        """Everything that `state` reports, at the solution x."""
        m, t2, v, q, s = self._seen(x)
        *_, loss, stiffness = self._rule.average(self._integrand(x, True))
        c = v * self.d
        edge = c * self.loss(mp.mpf(0))[1]  # the omega that is moved to t = 0
        if self.teacher:
            generalization = mp.atan2(mp.sqrt(t2), m) / mp.pi
            error = mp.quad(lambda y: density(y) * ((1 - self.clean) + 2 * self.clean * tail(-m / mp.sqrt(t2) * y)), [-mp.inf, edge / s])
        else:
            generalization, error = tail(m / s), mp.ncdf((edge - m) / s)
        order = {"m": m, "q": q, "V": v, "b": mp.mpf(0), "q_orthogonal": t2}
        out = {"train_error": error, "train_loss": loss, "generalization_error": generalization, "cosine": m / mp.sqrt(q)}
        out["at_eigenvalue"] = 1 - self.alpha * c * c * stiffness
        return order, dict(zip(("m", "q_orthogonal", "V"), self.equations(x, second=True))), out
