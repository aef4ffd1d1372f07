"""The replica-symmetric equations of a Gibbs or Bayes learner in mpmath (`docs/theory.md`: random labels, sign teacher, mixture)."""

import math

import mpmath as mp

from flatphys.model import Bayes, GaussianMixture, Perceptron, Teacher
from flatphys.precise.energy import at_temperature, marks
from flatphys.precise.network import Through
from flatphys.precise.quadrature import GUARD, Rule, density, labels_below, tail

STEPS = 30  # Newton steps for the scalar root of the posterior mean


class Equilibrium:
    """Unknowns log q_hat (and log R_hat); overlaps follow from the weights, the conjugates again from the patterns.

    binary:    q = E tanh^2(sqrt(q_hat) z + R_hat),  R = E tanh(sqrt(q_hat) z + R_hat)
    spherical: q_hat = (q - R^2)/(1-q)^2,  R_hat = R/(1-q)
    (a tree committee: g at the overlap c(q), and q_hat = alpha c'(q) Int Dz g^2)
    q_hat = alpha Int Dz W g^2,   R_hat = 2 alpha (1 - 2 flip) (sqrt q/T) Int Dz G(Rz/T) g,   T^2 = q - R^2
    mixture of variance D, m for R: m_hat = alpha Int Dz g,  q_hat = alpha D Int Dz g^2,  kappa - m for kappa, sqrt(D) times both fields
    with g = a/sigma of `precise.energy` at x = (kappa - sqrt q z)/sigma, sigma^2 = 1 - q
    """

    def __init__(self, model, alpha, digits, v):
        learner = model.learner
        self.model, self.digits = model, digits
        self.teacher, self.mixture = isinstance(model.data, Teacher), isinstance(model.data, GaussianMixture)
        self.signal = self.teacher or self.mixture
        self.names = ("q_hat", "m_hat" if self.mixture else "R_hat")
        self.binary = learner.weights == "binary"
        self.network = Through(getattr(learner, "network", Perceptron()))
        self.dps = digits + GUARD + max(0, -math.floor(math.log10(v)))
        with mp.workdps(self.dps):
            self.alpha = mp.mpf(alpha)
            self.unit = mp.sqrt(mp.mpf(model.data.variance)) if self.mixture else mp.mpf(1)
            self.flip = mp.mpf(model.data.flip if self.teacher else 0)
            if isinstance(learner, Bayes):
                self.kappa, self.beta = mp.mpf(0), (mp.log((1 - self.flip) / self.flip) if self.flip else mp.inf)
            else:
                self.kappa, self.beta = mp.mpf(learner.margin), mp.mpf(learner.beta)
            self.energy = getattr(learner, "energy", "errors")
            self.channel = at_temperature(self.energy, self.beta)

    @classmethod
    def of(cls, state, digits):
        """The problem that `state` solves, started at its conjugates."""
        problem = cls(state.model, state.alpha, digits, state.one_minus_q)
        with mp.workdps(problem.dps):
            if state.q_hat == 0.0:  # below the smallest double: the law at small loads
                a0 = problem.channel(problem.kappa, mp.mpf(1))[1]
                start = [
                    problem.alpha * problem.network.slope(mp.mpf(1), mp.mpf(0)) * a0**2,
                    2 * problem.alpha * (1 - 2 * problem.flip) * a0 / mp.sqrt(2 * mp.pi),
                ]
            else:
                start = [mp.mpf(state.q_hat), mp.mpf(state.order.get(problem.names[1], 0.0))]
            problem.start = [mp.log(x) for x in start[: 1 + problem.signal]]
        return problem

    # one weight, one pattern

    def _weight(self, q_hat, r_hat):
        root = mp.sqrt(q_hat)

        def values(z):
            h = root * z + r_hat
            fall = -mp.expm1(-2 * abs(h))  # keeps its digits for the smallest h
            inverse = 1 / (2 - fall)
            tanh = fall * inverse if h > 0 else -fall * inverse
            sech2 = 4 * (1 - fall) * inverse * inverse
            up = 2 * (1 - fall if h > 0 else 1) * inverse  # 1 - tanh
            return tanh, tanh * tanh, sech2, up, sech2 * sech2, abs(h) + mp.log(2 - fall)

        return values

    def _pattern(self, v, q, r, t2, scalars=False):
        sq, sv = mp.sqrt(q), mp.sqrt(v)
        k = r / mp.sqrt(t2)

        def values(z):
            x = (self._margin(r) - sq * z) / sv
            f, a, b, share, mean = self.channel(x, self.unit * sv)
            weight = 2 * (self.flip + (1 - 2 * self.flip) * tail(-k * z)) if self.teacher else 1
            out = [weight * a * a, density(k * z) * a if self.teacher else a]
            if scalars:
                out += [weight * mp.log(f), weight * b * b, weight * share, weight * mean]
            return out

        return values

    # rules

    def _weight_rule(self, q_hat, r_hat):
        root = mp.sqrt(q_hat)
        reach = self._reach() + min(r_hat / root, 2 * root)
        return Rule([(-r_hat / root, mp.pi / (2 * root))], reach, self.digits + 8)

    def _margin(self, m):
        """What the mean stability of a cloud leaves of the margin, in units of sqrt D."""
        return (self.kappa - m) / self.unit if self.mixture else self.kappa

    def _pattern_rule(self, v, q, r, t2):
        sq, sv = mp.sqrt(q), mp.sqrt(v)
        kappa = self._margin(r)
        places = [((kappa - sv * x) / sq, width * sv / sq) for x, width in marks(self.energy, self.beta, self.unit * sv)]
        if self.teacher and r * r > t2:
            places.append((mp.mpf(0), 2 * mp.sqrt(t2) / r))
        return Rule(places, self._reach() + max(0, -kappa), self.digits + 8)

    def _reach(self):
        return mp.sqrt(2 * mp.log(10) * (self.digits + 12)) + 1

    def prepare(self, x):
        """Rules that are good around the unknowns x."""
        self._rules = (None, None)
        conjugates = self._conjugates(x)
        first = self._weight_rule(*conjugates).settle(self._weight(*conjugates)) if self.binary else None
        self._rules = (first, None)
        v, q, r, t2, *_ = self._overlaps(*conjugates)
        v, q = self.network.overlap(v, q)
        self._rules = (first, self._pattern_rule(v, q, r, t2).settle(self._pattern(v, q, r, t2, True)))

    def finer(self):
        """Half the step of both rules."""
        for rule in self._rules:
            if rule is not None:
                rule.halve()

    # the equations

    def _conjugates(self, x):
        return mp.exp(x[0]), mp.exp(x[1]) if self.signal else mp.mpf(0)

    def _overlaps(self, q_hat, r_hat, second=False):
        """(v, q, R, T^2, 1-R, G_S, E sech^4 or v^2)."""
        if not self.binary:
            v = 2 / (1 + mp.sqrt(1 + 4 * (q_hat + r_hat**2)))
            r, t2 = r_hat * v, q_hat * v * v
            return v, t2 + r * r, r, t2, (v + t2) / (1 + r), (mp.log(v) + t2 / v) / 2, v * v
        rule = self._rules[0]
        r, q, v, up, s4, log_z = (rule.between if second else rule.average)(self._weight(q_hat, r_hat))
        if not self.signal:
            r, up = mp.mpf(0), mp.mpf(1)
        t2 = q - r * r if q < 0.5 else up * (1 + r) - v
        return v, q, r, t2, up, -r * r_hat - q_hat * v / 2 + log_z, s4

    def _pattern_sides(self, overlaps, second=False, scalars=False):
        """[q_hat, R_hat, ...] as the patterns want them, then E W log f, E W b^2, the train error, the train loss."""
        v, q, r, t2, *_ = overlaps
        slope = self.network.slope(v, q)
        v, q = self.network.overlap(v, q)
        rule = self._rules[1]
        a, b, *rest = (rule.between if second else rule.average)(self._pattern(v, q, r, t2, scalars))
        q_hat = self.alpha * slope * a / v
        r_hat = 2 * self.alpha * (1 - 2 * self.flip) * mp.sqrt(q / (t2 * v)) * b
        if self.mixture:
            r_hat = self.alpha * b / (self.unit * mp.sqrt(v))
        return [q_hat, r_hat, *rest]

    def equations(self, x, second=False):
        """Violations of the conjugates' equations, as logarithms of the ratio of their two sides."""
        conjugates = self._conjugates(x)
        overlaps = self._overlaps(*conjugates, second)
        wanted = self._pattern_sides(overlaps, second)
        return [mp.log(a / b) for a, b in zip(wanted[: len(x)], conjugates)]

    def residuals(self, state):
        """Relative violations at the state's own numbers."""
        self.prepare(self.start)
        overlaps = self._overlaps(*self._conjugates(self.start))
        wanted = self._pattern_sides(overlaps)
        sides = {"q": overlaps[1], "one_minus_q": overlaps[0], "q_hat": wanted[0]}
        if self.signal:
            sides |= {"m" if self.mixture else "R": overlaps[2], self.names[1]: wanted[1]}
        return {name: side / mp.mpf(state.order[name]) - 1 if state.order[name] else side for name, side in sides.items()}

    def result(self, state, x):
        """Everything that `state` reports, at the solution x."""
        q_hat, r_hat = self._conjugates(x)
        overlaps = v, q, r, t2, one_minus_r, entropic, t4 = self._overlaps(q_hat, r_hat)
        wanted, _, energetic, curvature, error, loss = self._pattern_sides(overlaps, scalars=True)
        order = {"q": q, "one_minus_q": v, "q_hat": q_hat}
        out = dict.fromkeys(("cosine", "generalization_error", "centre_generalization_error", "bayes_error"))
        if self.mixture:
            order |= {"m": r, "m_hat": r_hat}
            out["cosine"], out["generalization_error"] = r, tail(r / self.unit)
            out["centre_generalization_error"] = tail(r / (self.unit * mp.sqrt(q)))
        if self.teacher:
            order |= {"R": r, "R_hat": r_hat}
            out["generalization_error"] = 2 / mp.pi * mp.asin(mp.sqrt(one_minus_r / 2))
            out["centre_generalization_error"] = out["bayes_error"] = mp.atan2(mp.sqrt(t2), r) / mp.pi
            out["cosine"] = r
        out["free_entropy"] = entropic + self.alpha * energetic
        out["entropy"] = out["free_entropy"] + (self.beta * self.alpha * loss if self.beta < mp.inf else 0)
        out["train_error"], out["train_loss"] = error, loss
        slope, (seen, _) = self.network.slope(v, q), self.network.overlap(v, q)
        bend = self.network.curvature(v, q) * wanted / slope  # alpha c'' E[g^2]
        out["at_eigenvalue"] = 1 - (self.alpha * slope**2 * curvature / seen**2 + bend) * t4
        if isinstance(self.model.learner, Bayes):
            out["generalization_error"], out["cosine"], out["train_loss"] = out["bayes_error"], mp.sqrt(q), None
            out["train_error"] = self._posterior_mean_error(v, q, r / mp.sqrt(t2))
        return order, dict(zip(self.names, self.equations(x, second=True))), out

    def _posterior_mean_error(self, v, q, k):
        """P(t < 0) of the posterior mean's stability t = sqrt(v) (a(x) - x), x = -sqrt(q/v) z, falling in x."""
        if self.beta == mp.inf:
            return mp.mpf(0)
        low, high = mp.mpf(0), mp.sqrt(2 * self.beta) + 2
        for _ in range(20):
            x = (low + high) / 2
            low, high = (x, high) if self.channel(x, None)[1] > x else (low, x)
        for _ in range(STEPS):
            a = self.channel(x, None)[1]
            step = (a - x) / (1 + a * (x - a))
            x += step
            if abs(step) < mp.mpf(10) ** (5 - self.dps):
                break
        return labels_below(-mp.sqrt(v / q) * x, k, self.flip)
