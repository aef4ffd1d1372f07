"""The limit q -> 1 of spherical weights in mpmath: maximum margin and ground states, in closed form with Owen's T."""

import math

import mpmath as mp

from flatphys.model import Perceptron, Teacher
from flatphys.precise.energy import lifted
from flatphys.precise.network import Through
from flatphys.precise.quadrature import GUARD, density, owen_t


class Limit:
    """Maximum margin and ground states: cavity fields z are lifted by l(z), those in a window (kappa - w, kappa) to kappa.

    1 - R^2 = alpha Int Dz W l^2,    R = (2 alpha/D0)(1 - 2 flip) Int Dz G(kz) l,    k = R/D0, D0 = sqrt(1 - R^2)

    The maximum margin lifts every field below kappa to it; a ground state's l is `precise.energy.lifted` at chi = c'(1) lim beta (1-q).
    A tree committee's first equation holds at the load alpha/c'(1).  Unknowns: kappa or log chi, and log k with a teacher.
    """

    def __init__(self, state, digits):
        self.model, self.digits = state.model, digits
        self.teacher = isinstance(state.model.data, Teacher)
        self.ground = state.branch == "ground_state"
        k = 1.0 / math.tan(math.pi * state.generalization_error) if self.teacher else 0.0
        self.dps = digits + GUARD + 4 * max(0, int(math.log10(max(k, 1.0))) + 1)
        with mp.workdps(self.dps):
            self.alpha = mp.mpf(state.alpha)
            self.network = Through(getattr(state.model.learner, "network", Perceptron()))
            self.last_slope = self.network.slope(mp.mpf(0), mp.mpf(1))
            self.load = self.alpha / self.last_slope  # of the perceptron with the same window
            self.flip = mp.mpf(state.model.data.flip if self.teacher else 0)
            if self.ground:
                self.kappa = mp.mpf(state.model.learner.margin)
                start = mp.log(self.last_slope * mp.mpf(state.beta_one_minus_q))
            else:
                start = mp.mpf(state.margin)
            self.start = [start, mp.log(mp.cot(mp.pi * mp.mpf(state.generalization_error)))] if self.teacher else [start]

    def prepare(self, x):
        """Nothing to prepare: every integral is in closed form."""

    def finer(self):
        """More digits of arithmetic."""
        self.dps += 15
        mp.mp.dps = self.dps

    def _pieces(self, x):
        """(pieces, the field below which a pattern stays below its margin, kappa, k)."""
        k = mp.exp(x[1]) if self.teacher else mp.mpf(0)
        if self.ground:
            return *lifted(self.model.learner.energy, self.kappa, mp.exp(x[0])), self.kappa, k
        return [(-mp.inf, x[0], (0, 1), (0,))], -mp.inf, x[0], k

    def _below(self, z, k):
        """(Int^z Dz W z^n for n = 0, 1, 2;  2 (1 - 2 flip) Int^z Dz G(kz) z^n for n = 0, 1), by parts."""
        if z == -mp.inf:
            return [mp.mpf(0)] * 5
        end = z == mp.inf
        g, p, zg = (mp.mpf(0), mp.mpf(1), mp.mpf(0)) if end else (density(z), mp.ncdf(z), z * density(z))
        plain = (p, -g, p - zg)  # W = 1
        if not self.teacher:
            return [*plain, mp.mpf(0), mp.mpf(0)]
        d0, root = 1 / mp.sqrt(1 + k * k), 2 / mp.sqrt(2 * mp.pi)
        right, inner, outer = (mp.mpf(1), mp.mpf(1), mp.mpf(0)) if end else (mp.ncdf(k * z), mp.ncdf(z / d0), density(z / d0))
        mass = p if end else p - 2 * owen_t(z, k)
        skew = (mass, -2 * g * right + k * d0 * root * inner, mass - 2 * zg * right - k * d0**2 * root * outer)  # W = 2 H(-kz)
        clean = 1 - 2 * self.flip
        return [*(2 * self.flip * a + clean * b for a, b in zip(plain, skew)), clean * root * d0 * inner, -clean * root * d0**2 * outer]

    def _moments(self, low, high, kappa, k):
        """The same between two fields, of powers of kappa - z."""
        m0, m1, m2, s0, s1 = (a - b for a, b in zip(self._below(high, k), self._below(low, k)))
        return (m0, kappa * m0 - m1, kappa**2 * m0 - 2 * kappa * m1 + m2), (s0, kappa * s0 - s1)

    def equations(self, x, second=False):
        with mp.extradps(20 if second else 0):
            pieces, _, kappa, k = self._pieces(x)
            norm = overlap = mp.mpf(0)
            for low, high, (v, u), _ in pieces:
                t, s = self._moments(low, high, kappa, k)
                norm += v * v * t[0] + 2 * u * v * t[1] + u * u * t[2]
                overlap += v * s[0] + u * s[1]
            out = [mp.log(self.load * norm * (1 + k * k))]
            if self.teacher:
                out.append(mp.log(self.load * overlap * (1 + k * k) / k))
            return out

    def residuals(self, state):
        return dict(zip(("norm", "overlap"), self.equations(self.start)))

    def result(self, state, x):
        pieces, edge, kappa, k = self._pieces(x)
        r = k / mp.sqrt(1 + k * k)
        order = {"q": mp.mpf(1)}
        order |= {"beta_one_minus_q": mp.exp(x[0]) / self.last_slope} if self.ground else {"m": r, "b": mp.mpf(0), "margin": kappa}
        if self.teacher:
            order["R"] = r
        moments = [self._moments(low, high, kappa, k)[0] for low, high, *_ in pieces]
        loss = mp.fsum(e * t for (*_, cost), m in zip(pieces, moments) for e, t in zip(cost, m))
        stiffness = mp.fsum(u * u * m[0] for (_, _, (_, u), _), m in zip(pieces, moments))
        out = {
            "train_error": self._below(edge, k)[0],
            "train_loss": loss if self.ground else None,
            "at_eigenvalue": self._replicon(stiffness),
            "generalization_error": mp.acot(k) / mp.pi if self.teacher else None,
            "centre_generalization_error": mp.acot(k) / mp.pi if self.teacher and self.ground else None,
            "cosine": r if self.teacher else None,
        }
        return order, dict(zip(("norm", "overlap"), self.equations(x, second=True))), out

    def _replicon(self, stiffness):
        """1 - alpha E (dl/dz)^2 - c''(1)/c'(1); where l jumps, or c' does, -inf."""
        if self.ground and self.model.learner.energy == "errors" or self.network.bends_sharply:
            return -mp.inf
        return 1 - self.alpha * stiffness - self.network.curvature(mp.mpf(0), mp.mpf(1)) / self.last_slope
