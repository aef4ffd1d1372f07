"""Training stabilities of loss minimisers, the largest margin, Hebb and Bayes rules: laws in closed form.

Training carries the cavity margin omega of a pattern, whose law F_omega is that of a new example, to a
stability t by an increasing map, so that with the way back omega(t)

    P(t <= T) = F_omega(omega(T)),     density p_omega(omega(t)) d omega/dt;

    loss minimiser   omega(t) = t + c l'(t), c = V D  (hinge: an atom at 1, of mass P(1-c < omega < 1))
    largest margin   omega(t) = t above kappa, an atom at kappa
    Hebb, Bayes      omega(t) = t - own, a pattern's own contribution |x|^2/(alpha N), for Bayes 1-q

    mixture          F_omega(T) = sum_y rho_y Phi((T - m - y b)/sqrt(D q))
    teacher          the skew normal of `saddle.minimiser.skew`

Local energy.  Weights w_i (1 + sigma z_i) move a stability by a Gaussian of variance (sigma a)^2, a^2 = D q:
with E_z over z ~ N(0, 1) and F the law above, the mean training error rises by

    dE(sigma) = E_z F(sigma a z) - F(0).

Integrals: `numerics.bisection`.

Sources: Mignacco et al. ICML 2020 (the law); Pittorino et al. ICLR 2021 (local energy).
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from flatphys.errors import InvalidInput
from flatphys.kernels.traits import loss_traits
from flatphys.model import ERM, Bayes, GaussianMixture, Hebb, spread_of
from flatphys.numerics.bisection import integrate
from flatphys.numerics.quadrature import REACH
from flatphys.observables.margins.distribution import MarginDistribution, central_moments, skewness
from flatphys.saddle.minimiser.custom import compiled
from flatphys.saddle.minimiser.skew import skew_arrays


class CavityLaw:
    """The law of a new example's stability y (x.w/sqrt N + b) under the weights of a state with m, q and b."""

    def __init__(self, state):
        data, order = state.model.data, state.order
        q = order.get("q", 1.0)
        m = order["m"] if "m" in order else order["R"]
        self.flip, self.tau, self.b, self.positive = 0.0, None, 0.0, 0.5
        if isinstance(data, GaussianMixture):
            b, rho = order["b"], data.positive
            self.b, self.positive = b, rho
            self.classes = ((rho, m + b), (1.0 - rho, m - b)) if b != 0.0 else ((1.0, m),)
            self.scale = math.sqrt(data.variance * q)
        else:
            orthogonal = order["q_orthogonal"] if "q_orthogonal" in order else q - m * m
            self.classes, self.scale = ((1.0, 0.0),), math.sqrt(q)
            self.tau, self.flip = m / math.sqrt(orthogonal), data.flip

    def places(self, floor=-math.inf):
        """Where the law has its structure, and what of it is above a floor: panels of about a standard deviation.

        Above a floor far out in the tail of a class lies next to nothing, within a distance that is the shorter the further out it is.
        """
        steps = self.scale * np.linspace(-REACH, REACH, 17)
        out = [centre + steps for _, centre in self.classes]
        for _, centre in self.classes:
            far = max((floor - centre) / self.scale, 0.0)
            out.append(centre + self.scale * (far + (math.hypot(far, REACH) - far) * np.linspace(0.0, 1.0, 17)))
        if self.tau is not None:  # the step of Phi(tau x)
            out.append(steps * 0.6 / math.sqrt(1.0 + self.tau * self.tau))
        return np.concatenate(out)

    def lift(self, floor):
        """-log of the density above a floor, up to factors, where that is far out in the tail."""
        return 0.5 * min(max((floor - centre) / self.scale, 0.0) for _, centre in self.classes) ** 2

    def pdf(self, omega, lift=0.0):
        """e^lift times the density at an array."""
        out = np.zeros(omega.shape)
        for share, centre in self.classes:
            u = (omega - centre) / self.scale
            out += share * np.exp(lift - 0.5 * u * u)
        if self.tau is not None:
            u = omega / self.scale
            out *= 2.0 * (self.flip + (1.0 - 2.0 * self.flip) * ndtr(self.tau * u))
        return out / (math.sqrt(2.0 * math.pi) * self.scale)

    def cdf(self, omega):
        """P(. <= omega) for an array."""
        if self.tau is not None:
            return skew_arrays(omega / self.scale, self.tau, self.flip)[1]
        return sum(share * ndtr((omega - centre) / self.scale) for share, centre in self.classes)

    def parts(self):
        """(share, distribution function, y b) of each class; labels of a teacher are not classes."""
        if len(self.classes) == 1:
            return ((1.0, self.cdf, 0.0),)
        one = lambda centre: lambda omega: ndtr((omega - centre) / self.scale)
        return tuple((share, one(centre), sign * self.b) for (share, centre), sign in zip(self.classes, (1.0, -1.0)))

    def moments(self):
        """(mean, variance, skewness); nothing in them is a difference of raw moments."""
        if self.tau is not None:
            slant = (1.0 - 2.0 * self.flip) * math.sqrt(2.0 / math.pi)
            delta = self.tau / math.sqrt(1.0 + self.tau * self.tau)
            mean = slant * delta
            third = slant * delta**3 * (2.0 * slant * slant - 1.0)
            spread = 1.0 - mean * mean
            return mean * self.scale, spread * self.scale**2, skewness(spread, third)
        mean = sum(share * centre for share, centre in self.classes)
        both = 4.0 * self.positive * (1.0 - self.positive)  # variance of the label
        ratio = self.b / self.scale
        spread, third = 1.0 + both * ratio**2, -2.0 * (2.0 * self.positive - 1.0) * both * ratio**3
        return mean, spread * self.scale**2, skewness(spread, third)


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
    moments : (mean, variance, skewness), optional
        Where they are known otherwise.
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
            (place, mass), above = atoms[0] if atoms else (0.0, 0.0), self._places[0]
            lift = cavity.lift(above) if atoms and above == place else 0.0  # nothing lies below the atom
            moments = central_moments(place, lambda function: self._integral(lambda t: function(t - place), lift), mass, lift)
        super().__init__(*moments, atoms, norm, (float(self._places[0]), float(self._places[-1])))

    def _pdf(self, x, lift=0.0):
        omega, jacobian = self._back(x)
        return np.where(np.isfinite(omega), self._cavity.pdf(omega, lift) * jacobian, 0.0)

    def _cdf(self, x):
        return self._cavity.cdf(self._back(x)[0])

    def expect(self, function):
        """E function(t); `function` maps an array to an array, or to rows."""
        smooth = self._integral(function)
        for place, mass in self.atoms:
            at = np.asarray(function(np.array([place])), dtype=float)
            smooth = smooth + mass * (at[..., 0] if at.ndim > 1 else float(at[0]))
        return smooth

    def _integral(self, function, lift=0.0):
        """e^lift times the part of `expect` that has a density."""
        return integrate(lambda t: self._pdf(t, lift) * function(t), self._places) if self._places.size > 1 else np.zeros(2)

    def rise_after_turn(self, eps: float) -> float:
        """P(t' < 0) - P(t < 0) of weights at the overlap p = 1 - eps: t' = p t + eps y b + sqrt(1-p^2) a g, for the bias does not turn."""
        noise = math.sqrt(eps * (2.0 - eps)) * self._cavity.scale
        return float(sum(share * self._turned(cdf, eps, eps * b, noise) for share, cdf, b in self._cavity.parts()))

    def _turned(self, cdf, eps, kept, noise):
        """`rise_after_turn` of one class; kept = eps y b."""
        p, base = 1.0 - eps, cdf(self._back(np.zeros(1))[0])[0]
        if p == 0.0:
            return ndtr(-kept / noise) - base

        def rise(z):
            below = cdf(self._back((noise * z - kept) / p)[0])
            return (below if p > 0.0 else 1.0 - below) - base

        if noise == 0.0:
            return rise(np.zeros(1))[0]
        grid = np.concatenate([(p * self._places + kept) / noise, np.linspace(-REACH, REACH, 17)])
        total = integrate(lambda z: rise(z) * np.exp(-0.5 * z * z), grid[np.abs(grid) <= REACH], 3e-16 * base)
        return total / math.sqrt(2.0 * math.pi)

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


class _Way(NamedTuple):
    """A way back t -> (omega, d omega/dt); no closures, so that laws can be pickled and compared."""

    value: float = 0.0
    loss: object = None
    spread: float = 1.0


class _Floor(_Way):
    """Of t = max(omega, value)."""

    def __call__(self, t):
        return np.where(t < self.value, -math.inf, t), np.where(t < self.value, 0.0, 1.0)


class _Shift(_Way):
    """Of t = omega + value."""

    def __call__(self, t):
        return t - self.value, np.ones(t.shape)


class _Held(_Way):  # of t = 1 for every omega
    def __call__(self, t):
        return np.where(t < 1.0, -math.inf, math.inf), np.zeros(t.shape)


class _Untrained(_Way):
    """Of the minimiser of a loss with c = value."""

    def __call__(self, t):
        t, machinery = np.ascontiguousarray(t), compiled(self.loss, self.spread)
        before, jacobian = np.empty(t.shape), np.empty(t.shape)
        machinery.untrain(machinery.code, t, self.value, before, jacobian)
        return before, jacobian


def law(state) -> TrainedMargins:
    """The law of the training stabilities of an ERM, MaxMargin, Hebb or (mixture) Bayes state."""
    learner, order = state.model.learner, state.order
    cavity, norm = CavityLaw(state), math.sqrt(order.get("q", 1.0))
    omega = cavity.places()
    if isinstance(learner, ERM):
        return _minimiser_law(state, cavity, omega, norm)
    if "margin" in order:
        place = order["margin"]
        return TrainedMargins(cavity, _Floor(place), np.maximum(cavity.places(place), place), norm, atom=place)
    own = _own(state)
    mean, *spread = cavity.moments()
    return TrainedMargins(cavity, _Shift(own), omega + own, norm, moments=(mean + own, *spread))


def _own(state) -> float:
    """What a pattern adds to its own stability."""
    learner, data = state.model.learner, state.model.data
    if isinstance(learner, Hebb):
        return getattr(data, "variance", 1.0) / state.alpha
    if isinstance(learner, Bayes):
        return 1.0 - state.q
    raise InvalidInput(f"the law of stabilities of {learner!r} is not one of a minimiser")


def _minimiser_law(state, cavity, omega, norm) -> TrainedMargins:
    """The law for ERM; in the limit of exact fits everything, or what lies below, is held at t = 1."""
    loss, spread = state.model.learner.loss, spread_of(state.model.data)
    c = state.order["V"] * getattr(state.model.data, "variance", 1.0)
    traits = loss_traits(loss)
    if math.isinf(c) and traits.exact_fit:
        return TrainedMargins(cavity, _Held(), np.ones(1), norm, atom=1.0, moments=(1.0, 0.0, 0.0))
    if math.isinf(c):
        return TrainedMargins(cavity, _Floor(1.0), np.maximum(cavity.places(1.0), 1.0), norm, atom=1.0)
    machinery = compiled(loss, spread)
    omega = np.concatenate([omega, cavity.places(1.0)])
    places = np.array([machinery.response(machinery.code, 1.0 - o, c)[0] for o in omega])
    moments = None
    if traits.quadratic:  # a linear map
        mean, variance, slant = cavity.moments()
        moments = (mean + c) / (1.0 + c), variance / (1.0 + c) ** 2, slant
    elif traits.bend > 0.0:  # in the cavity margin: the trained ones may crowd at 1
        edges = np.append(omega, 1.0)

        def over_margins(function):
            return integrate(lambda o: cavity.pdf(o) * function(np.where(o < 1.0, (o - 1.0) / (1.0 + traits.bend * c), o - 1.0)), edges)

        moments = central_moments(1.0, over_margins)
    if traits.margin_fit:
        places = np.append(places, 1.0)  # the density jumps there
    return TrainedMargins(cavity, _Untrained(c, loss, spread), places, norm, atom=1.0 if traits.kinked else None, moments=moments)
