"""The limit q -> 1 of spherical weights in mpmath: maximum margin and ground state, in closed form with Owen's T."""

import math

import mpmath as mp

from flatphys.model import Perceptron, Teacher
from flatphys.precise.network import Through
from flatphys.precise.quadrature import GUARD, density, labels_below, owen_t


class Limit:
    """Maximum margin and ground state: a window (kappa - w, kappa) of cavity fields is lifted to kappa.

    1 - R^2 = alpha Int_window Dz W (kappa - z)^2,    R = (2 alpha/D0)(1 - 2 flip) Int_window Dz G(kz)(kappa - z),
    k = R/D0, D0 = sqrt(1 - R^2); a tree committee's first equation holds at the load alpha/c'(1), w = sqrt(2 c'(1) beta(1-q)).  Unknowns:
    kappa (maximum margin, w = inf) or log w, and log k with a teacher.
    """

    def __init__(self, state, digits):
        self.model, self.digits = state.model, digits
        self.teacher = isinstance(state.model.data, Teacher)
        self.ground = state.branch == "ground_state"
        k = 1.0 / math.tan(math.pi * state.generalization_error) if self.teacher else 0.0
        self.dps = digits + GUARD + 4 * max(0, int(math.log10(max(k, 1.0))) + 1)
        with mp.workdps(self.dps):
            self.alpha = mp.mpf(state.alpha)
            self.last_slope = Through(getattr(state.model.learner, "network", Perceptron())).slope(mp.mpf(0), mp.mpf(1))
            self.load = self.alpha / self.last_slope  # of the perceptron with the same window
            self.flip = mp.mpf(state.model.data.flip if self.teacher else 0)
            if self.ground:
                self.kappa = mp.mpf(state.model.learner.margin)
                start = mp.log(2 * self.last_slope * mp.mpf(state.beta_one_minus_q)) / 2
            else:
                start = mp.mpf(state.margin)
            self.start = [start, mp.log(mp.cot(mp.pi * mp.mpf(state.generalization_error)))] if self.teacher else [start]

    def prepare(self, x):
        """Nothing to prepare: every integral is in closed form."""

    def finer(self):
        """More digits of arithmetic."""
        self.dps += 15
        mp.mp.dps = self.dps

    def _window(self, x):
        kappa, low = (self.kappa, self.kappa - mp.exp(x[0])) if self.ground else (x[0], -mp.inf)
        return low, kappa, mp.exp(x[1]) if self.teacher else mp.mpf(0)

    def _primitive(self, z, kappa, k):
        """(Int^z Dz W (kappa - z)^2, 2 Int^z Dz G(kz)(kappa - z)) by parts, from -inf."""
        if z == -mp.inf:
            return mp.mpf(0), mp.mpf(0)
        g, p = density(z), mp.ncdf(z)
        plain = (kappa**2 + 1) * p + (2 * kappa - z) * g  # W = 1
        if not self.teacher:
            return plain, mp.mpf(0)
        d0 = 1 / mp.sqrt(1 + k * k)
        right, inner, outer = mp.ncdf(k * z), mp.ncdf(z / d0), density(z / d0)
        mass = p - 2 * owen_t(z, k)
        first = -2 * g * right + 2 * k * d0 / mp.sqrt(2 * mp.pi) * inner
        second = mass - 2 * z * g * right - 2 * k * d0**2 / mp.sqrt(2 * mp.pi) * outer
        skew = kappa**2 * mass - 2 * kappa * first + second  # W = 2 H(-kz)
        overlap = 2 / mp.sqrt(2 * mp.pi) * (kappa * d0 * inner + d0**2 * outer)
        return 2 * self.flip * plain + (1 - 2 * self.flip) * skew, (1 - 2 * self.flip) * overlap

    def equations(self, x, second=False):
        with mp.extradps(20 if second else 0):
            low, kappa, k = self._window(x)
            norm, overlap = (a - b for a, b in zip(self._primitive(kappa, kappa, k), self._primitive(low, kappa, k)))
            out = [mp.log(self.load * norm * (1 + k * k))]
            if self.teacher:
                out.append(mp.log(self.load * overlap * (1 + k * k) / k))
            return out

    def residuals(self, state):
        return dict(zip(("norm", "overlap"), self.equations(self.start)))

    def result(self, state, x):
        low, kappa, k = self._window(x)
        r = k / mp.sqrt(1 + k * k)
        order = {"q": mp.mpf(1)}
        order |= (
            {"beta_one_minus_q": mp.exp(2 * x[0]) / (2 * self.last_slope)} if self.ground else {"m": r, "b": mp.mpf(0), "margin": kappa}
        )
        if self.teacher:
            order["R"] = r
        below = (lambda z: labels_below(z, k, self.flip)) if self.teacher else mp.ncdf
        out = {
            "train_error": below(low) if self.ground else mp.mpf(0),
            "at_eigenvalue": -mp.inf if self.ground else 1 - self.alpha * below(kappa),
            "generalization_error": mp.acot(k) / mp.pi if self.teacher else None,
            "cosine": r if self.teacher else None,
        }
        return order, dict(zip(("norm", "overlap"), self.equations(x, second=True))), out
