"""Training stabilities of loss minimisers, the largest margin, Hebb and Bayes rules: laws in closed form.

Training carries the cavity margin omega of a pattern, whose law F_omega is that of a new example, to a
stability t by an increasing map, so that with the way back omega(t)

    P(t <= T) = F_omega(omega(T)),     density p_omega(omega(t)) d omega/dt;

    loss minimiser   omega(t) = t + c l'(t), c = V D  (hinge: an atom at 1, of mass P(1-c < omega < 1))
    largest margin   omega(t) = t above kappa, an atom at kappa
    Hebb, Bayes      omega(t) = t - own, a pattern's own contribution |x|^2/(alpha N) (times q for Bayes)

    mixture          F_omega(T) = sum_y rho_y Phi((T - m - y b)/sqrt(D q))
    teacher          the skew normal of `saddle.minimiser.skew`

Local energy.  Weights w_i (1 + sigma z_i) move a stability by a Gaussian of variance (sigma a)^2, a^2 = D q:
with E_z over z ~ N(0, 1) and F the law above, the mean training error rises by

    dE(sigma) = E_z F(sigma a z) - F(0).

Integrals: `numerics.bisection`.

Sources: Mignacco et al. ICML 2020 (the law); Pittorino et al. ICLR 2021 (local energy).
"""

import math

import numpy as np
from scipy.special import ndtr

from flatphys.errors import InvalidInput
from flatphys.kernels.traits import loss_traits
from flatphys.model import ERM, Bayes, GaussianMixture, Hebb
from flatphys.numerics.bisection import integrate
from flatphys.numerics.quadrature import REACH
from flatphys.observables.margins.distribution import MarginDistribution
from flatphys.saddle.minimiser.custom import compiled
from flatphys.saddle.minimiser.skew import skew_arrays


class CavityLaw:
    """The law of a new example's stability y (x.w/sqrt N + b) under the weights of a state with m, q and b."""

    def __init__(self, state):
        data, order = state.model.data, state.order
        q = order.get("q", 1.0)
        m = order["m"] if "m" in order else order["R"]
        self.flip, self.tau = 0.0, None
        if isinstance(data, GaussianMixture):
            b, rho = order["b"], data.positive
            self.classes = ((rho, m + b), (1.0 - rho, m - b)) if b != 0.0 else ((1.0, m),)
            self.scale = math.sqrt(data.variance * q)
        else:
            orthogonal = order["q_orthogonal"] if "q_orthogonal" in order else q - m * m
            self.classes, self.scale = ((1.0, 0.0),), math.sqrt(q)
            self.tau, self.flip = m / math.sqrt(orthogonal), data.flip

    def places(self):
        """Where the law has its structure: panels of about a standard deviation."""
        steps = self.scale * np.linspace(-REACH, REACH, 17)
        out = [centre + steps for _, centre in self.classes]
        if self.tau is not None:  # the step of Phi(tau x)
            out.append(steps * 0.6 / math.sqrt(1.0 + self.tau * self.tau))
        return np.concatenate(out)

    def pdf(self, omega):
        """Density at an array."""
        if self.tau is not None:
            return skew_arrays(omega / self.scale, self.tau, self.flip)[0] / self.scale
        out = np.zeros(omega.shape)
        for share, centre in self.classes:
            u = (omega - centre) / self.scale
            out += share * np.exp(-0.5 * u * u)
        return out / (math.sqrt(2.0 * math.pi) * self.scale)

    def cdf(self, omega):
        """P(. <= omega) for an array."""
        if self.tau is not None:
            return skew_arrays(omega / self.scale, self.tau, self.flip)[1]
        return sum(share * ndtr((omega - centre) / self.scale) for share, centre in self.classes)

    def moments(self):
        """(mean, variance, third central moment)."""
        if self.tau is not None:
            slant = (1.0 - 2.0 * self.flip) * math.sqrt(2.0 / math.pi)
            delta = self.tau / math.sqrt(1.0 + self.tau * self.tau)
            mean = slant * delta
            third = slant * (3.0 * delta - delta**3) - 3.0 * mean + 2.0 * mean**3
            return mean * self.scale, (1.0 - mean * mean) * self.scale**2, third * self.scale**3
        mean = sum(share * centre for share, centre in self.classes)
        between = [sum(share * (centre - mean) ** n for share, centre in self.classes) for n in (2, 3)]
        return mean, self.scale**2 + between[0], between[1]


class TrainedMargins(MarginDistribution):
    """The law of t, given that omega(t) has the law `cavity`.

    Parameters
    ----------
    cavity : CavityLaw
    back : array t -> (omega, d omega/dt)
        Increasing; jumps at the atom.
    places : array
        Edges of the panels for averages, in t.
    atom : float, optional
        Place of a point mass.
    moments : (mean, variance, third central moment), optional
        Where they are known in closed form.
    norm : float
        |w|/sqrt N.
    """

    def __init__(self, cavity, back, places, norm, atom=None, moments=None):
        self._cavity, self._back = cavity, back
        atoms = []
        if atom is not None:
            places = np.append(places, atom)
            above, below = (back(np.array([t]))[0] for t in (atom, np.nextafter(atom, -math.inf)))
            if cavity.cdf(below)[0] < 0.5:
                mass = float(cavity.cdf(above)[0] - cavity.cdf(below)[0])
            else:  # both close to 1: their distances from it keep the digits
                mass = integrate(cavity.pdf, np.concatenate([below, np.clip(cavity.places(), below, above), above]))
            atoms = [(atom, mass)]
        self._places = np.unique(places)
        self.atoms = tuple(atoms)
        if moments is None:
            middle = self.expect(lambda t: t)
            shift, variance, third = self.expect(lambda t: np.stack([t - middle, (t - middle) ** 2, (t - middle) ** 3]))
            moments = middle + shift, variance, third
        mean, variance, third = moments
        skewness = third / variance**1.5 if variance > 0.0 else 0.0
        super().__init__(mean, variance, skewness, atoms, norm, (float(self._places[0]), float(self._places[-1])))

    def _pdf(self, x):
        omega, jacobian = self._back(x)
        return np.where(np.isfinite(omega), self._cavity.pdf(omega) * jacobian, 0.0)

    def _cdf(self, x):
        return self._cavity.cdf(self._back(x)[0])

    def expect(self, function):
        """E function(t); `function` maps an array to an array, or to rows."""
        smooth = integrate(lambda t: self._pdf(t) * function(t), self._places) if self._places.size > 1 else 0.0
        for place, mass in self.atoms:
            at = np.asarray(function(np.array([place])), dtype=float)
            smooth = smooth + mass * (at[..., 0] if at.ndim > 1 else float(at[0]))
        return smooth

    def rise_after_noise(self, scale: float) -> float:
        """P(t + scale g < 0) - P(t < 0) with standard normal g, without cancellation for small `scale`."""
        if scale == 0.0:
            return 0.0
        grid = np.concatenate([self._places / scale, np.linspace(-REACH, REACH, 17)])
        grid = grid[np.abs(grid) <= REACH]
        base = self._cdf(np.zeros(1))[0]
        rise = integrate(lambda z: (self._cdf(scale * z) - base) * np.exp(-0.5 * z * z), grid, 3e-16 * base)
        return rise / math.sqrt(2.0 * math.pi)

    def _smeared(self, slope):
        """E H(slope t)."""
        if slope == 0.0:
            return 0.5
        below = self._cdf(np.zeros(1))[0] + self.rise_after_noise(1.0 / abs(slope))
        return below if slope > 0.0 else 1.0 - below


def _floor(place):
    """The way back of t = max(omega, place)."""

    def back(t):
        return np.where(t < place, -math.inf, t), np.where(t < place, 0.0, 1.0)

    return back


def law(state) -> TrainedMargins:
    """The law of the training stabilities of an ERM, MaxMargin, Hebb or (mixture) Bayes state."""
    learner, order = state.model.learner, state.order
    cavity, norm = CavityLaw(state), math.sqrt(order.get("q", 1.0))
    omega = cavity.places()
    if isinstance(learner, ERM):
        return _minimiser_law(state, cavity, omega, norm)
    if "margin" in order:
        place = order["margin"]
        return TrainedMargins(cavity, _floor(place), np.maximum(omega, place), norm, atom=place)
    own = state.model.data.variance if isinstance(state.model.data, GaussianMixture) else 1.0
    own = _own(learner, own, state.alpha)
    mean, variance, third = cavity.moments()
    return TrainedMargins(cavity, lambda t: (t - own, np.ones(t.shape)), omega + own, norm, moments=(mean + own, variance, third))


def _own(learner, variance, alpha) -> float:
    """What a pattern adds to its own stability."""
    if isinstance(learner, Hebb):
        return variance / alpha
    if isinstance(learner, Bayes):
        return variance / (alpha + variance)
    raise InvalidInput(f"the law of stabilities of {learner!r} is not one of a minimiser")


def _minimiser_law(state, cavity, omega, norm) -> TrainedMargins:
    """The law for ERM; in the limit of exact fits everything, or what lies below, is held at t = 1."""
    loss, data = state.model.learner.loss, state.model.data
    c = state.order["V"] * (data.variance if isinstance(data, GaussianMixture) else 1.0)
    traits = loss_traits(loss)
    if math.isinf(c) and traits.exact_fit:
        held = lambda t: (np.where(t < 1.0, -math.inf, math.inf), np.zeros(t.shape))
        return TrainedMargins(cavity, held, np.ones(1), norm, atom=1.0, moments=(1.0, 0.0, 0.0))
    if math.isinf(c):
        return TrainedMargins(cavity, _floor(1.0), np.maximum(omega, 1.0), norm, atom=1.0)
    machinery = compiled(loss)

    def back(t):
        t = np.ascontiguousarray(t)
        before, jacobian = np.empty(t.shape), np.empty(t.shape)
        machinery.untrain(machinery.code, t, c, before, jacobian)
        return before, jacobian

    places = np.array([machinery.response(machinery.code, 1.0 - o, c)[0] for o in omega])
    moments = None
    if traits.quadratic:  # a linear map
        mean, variance, third = cavity.moments()
        moments = (mean + c) / (1.0 + c), variance / (1.0 + c) ** 2, third / (1.0 + c) ** 3
    if traits.margin_fit:
        places = np.append(places, 1.0)  # the density jumps there
    return TrainedMargins(cavity, back, places, norm, atom=1.0 if traits.kinked else None, moments=moments)
