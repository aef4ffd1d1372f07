"""`GradientDescent` and `EntropySGD`: descent of an objective, and of its average over the weights around.

Entropy-SGD (Chaudhari et al., ICLR 2017; Pittorino et al., ICLR 2021) moves w towards the mean of Langevin steps around it,

    w' <- w' + eta [force(w') - gamma (w' - w)] + sqrt(2 eta T) xi,      mu <- a mu + (1-a) w',      w <- w - r (w - mu):

the force of the local free energy -T log of the integral of exp[-L(w')/T - gamma |w' - w|^2/(2T)].  T = 0: Moreau's envelope of L, whose
minimum is that of L.  gamma -> infinity: the loss averaged over noise, `fp.smoothed(loss, sigma)`, where the steps of finite length eta
around weights that stand still have the width

    sigma^2 = T/[gamma (1 - eta gamma/2)],          T = gamma sigma^2/2 at eta = 1/gamma, where they forget each other.

There the weights end off that minimum by O(curvature^2/gamma^2), else by O(curvature/gamma); their own wandering adds about
(outer_rate/2) (1-a)/(1+a) gamma/curvature to sigma^2 in units of it.
"""

import math
from dataclasses import dataclass

import numpy as np

from flatphys import validate
from flatphys._jit import jit
from flatphys.errors import InvalidInput
from flatphys.finite_size.descent.algorithms import check_descent, optional
from flatphys.finite_size.descent.forces import force_on, to_sphere
from flatphys.finite_size.descent.gradient import check_real
from flatphys.finite_size.descent.real import Pace, RealDescent, pace_of
from flatphys.finite_size.descent.schedule import Schedule, schedule
from flatphys.finite_size.instances import Instances
from flatphys.finite_size.search import Algorithm, Search
from flatphys.model_losses import put

STEPS, OUTER_STEPS = 20000, 1000


@jit
def walk(ground, patterns, w, drive, kicks, place, room):
    """Langevin steps around w, one for each row of `kicks`; `place` is (w', mu), and `drive` eta, gamma and a."""
    near, mean = place
    rate, gamma, keep = drive
    out = np.empty(w.size)
    for step in range(kicks.shape[0]):
        force_on(ground, patterns[0], patterns[1], near, room, out)
        for i in range(w.size):
            near[i] += rate * (out[i] - gamma * (near[i] - w[i])) + kicks[step, i]
        if not ground.free:
            to_sphere(near, ground.units)
        for i in range(w.size):
            mean[i] = keep * mean[i] + (1.0 - keep) * near[i]


@dataclass(frozen=True)
class GradientDescent(Algorithm):
    """Gradient descent on all patterns: ERM by its loss with l2, Gibbs with spherical weights by its energy on the sphere.

    Parameters
    ----------
    learning_rate : float > 0 or Schedule, optional
        Default: 1/(largest curvature), for hinges 1/(largest curvature + l2 step).
    epochs : int >= 1
        Budget: steps at most.
    sigma : Schedule or float, optional
        Errors counted: the width of H(stability/sigma + foot), which replaces the count; default from 1 to 0.05 in half of the steps.
    slack : float >= 0, optional
        What stabilities are asked beyond the margin of a Gibbs learner, so that the descent ends below it after finite time; default 0.03
        for the energies "squared-hinge" and "errors", else 0.  Ground states beyond capacity want 0.
    foot : float >= 0, optional
        Errors counted: see sigma; default 1.5.  0 is the local energy, which gives the worst patterns up.
    tolerance : float > 0
        The descent ends where the force has fallen to this share of its start (or, on the sphere, where no error is left).
    """

    learning_rate: float | Schedule | None = None
    epochs: int = STEPS
    sigma: Schedule | float | None = None
    slack: float | None = None
    foot: float | None = None
    tolerance: float = 1e-8

    def __post_init__(self) -> None:
        check_descent(self)
        put(self, epochs=validate.integer("epochs", self.epochs, 1))
        put(self, tolerance=validate.number("tolerance", self.tolerance, 0.0, 1.0))

    def check(self, instances: Instances) -> None:
        """`InvalidInput` for weights that are not real and objectives without a slope."""
        check_real(instances.model, type(self).__name__)

    def begin(self, instances: Instances, k: int, seed: int) -> Search:
        """A search on instance k; its random start depends on (seed, k) alone."""
        return RealDescent(self, instances, k, seed, pace_of(self, instances.p, STEPS, None))


@dataclass(frozen=True)
class EntropySGD(Algorithm):
    """Entropy-SGD: every step goes to the mean of `langevin_steps` Langevin steps around the weights (the module says which).

    Parameters
    ----------
    langevin_steps : int >= 1
    gamma : Schedule or float > 0
        The coupling to the weights, a step being one of theirs.
    temperature : float >= 0
    learning_rate : float > 0 or Schedule, optional
        eta of the Langevin steps, per pattern presented; default 1/(largest curvature + gamma).
    outer_rate : float in (0, 1]
        r: the share of the way to the mean that the weights go.
    averaging : float in [0, 1)
        a: how much of the old mean every Langevin step leaves.
    batch : int >= 1, optional
        Patterns of a Langevin step; default all.
    epochs : int >= 1
        Budget: steps of the weights at most.
    sigma, slack, foot
        As those of `GradientDescent`.
    """

    langevin_steps: int = 20
    gamma: Schedule | float = 1.0
    temperature: float = 0.0
    learning_rate: float | Schedule | None = None
    outer_rate: float = 1.0
    averaging: float = 0.75
    batch: int | None = None
    epochs: int = OUTER_STEPS
    sigma: Schedule | float | None = None
    slack: float | None = None
    foot: float | None = None

    def __post_init__(self) -> None:
        check_descent(self)
        gamma = schedule("gamma", self.gamma)
        if gamma is None or not min(gamma.gamma0, gamma.at(gamma.steps)) > 0.0:
            raise InvalidInput(f"gamma must be a Schedule or a number > 0, got {validate.shown(self.gamma)}")
        put(
            self,
            gamma=gamma,
            epochs=validate.integer("epochs", self.epochs, 1),
            langevin_steps=validate.integer("langevin_steps", self.langevin_steps, 1),
            temperature=validate.number("temperature", self.temperature, 0.0, closed="["),
            outer_rate=validate.number("outer_rate", self.outer_rate, 0.0, 1.0, closed="]"),
            averaging=validate.number("averaging", self.averaging, 0.0, 1.0, closed="["),
            batch=optional(validate.integer, "batch", self.batch, 1),
        )

    def check(self, instances: Instances) -> None:
        """`InvalidInput` for weights that are not real and objectives without a slope."""
        check_real(instances.model, type(self).__name__)

    def begin(self, instances: Instances, k: int, seed: int) -> Search:
        """A search on instance k; its random numbers depend on (seed, k) alone."""
        return Entropic(self, instances, k, seed, pace_of(self, instances.p, OUTER_STEPS, None))


class Entropic(RealDescent):
    """`EntropySGD` on one instance; with noise and a free norm its answer is the mean of the weights in the second half of the budget."""

    KEPT = (*RealDescent.KEPT, "average", "averaged")

    def __init__(self, algorithm, instances, k, seed, pace: Pace):
        self.algorithm, self.average, self.averaged = algorithm, np.zeros(instances.n), 0
        super().__init__(algorithm, instances, k, seed, pace)
        self.noisy = self.land.free and algorithm.temperature > 0.0
        self.steps = max(1, self.steps // algorithm.langevin_steps)

    def langevin(self, w) -> np.ndarray:
        """The mean of the steps around w."""
        own, land, batch, rate = self.algorithm, self.land, self.pace.batch, self.rate()
        near, mean, noise = w.copy(), w.copy(), math.sqrt(2.0 * rate * own.temperature)
        drive, steps = (rate, self.gamma, own.averaging), own.langevin_steps
        kicks = noise * self.rng.standard_normal((steps, w.size)) if noise else np.zeros((steps, w.size))
        if batch is None:
            walk(land.ground(land.p), (land.x, land.labels), w, drive, kicks, (near, mean), land.room(land.p))
            return mean
        for kick in kicks:
            part = land.batch(self.rng.choice(land.p, batch, replace=False))
            share = batch / land.p  # the force is that of all patterns, estimated
            pace = rate / share, self.gamma * share, own.averaging
            walk(land.ground(batch), part, w, pace, kick[None], (near, mean), land.room(batch))
        return mean

    def rate(self) -> float:
        if self.pace.rate is not None or self.pace.batch is None:
            return super().rate()
        return super().rate() * self.pace.batch / self.land.p  # of the force on all patterns, from that of a batch

    def epoch(self) -> None:
        w = self.positions[0]
        w += self.algorithm.outer_rate * (self.langevin(w) - w)
        self.land.settle(w)
        if self.noisy and self.iterations >= self.pace.epochs // 2:
            self.averaged += 1
            self.average += (w - self.average) / self.averaged
        _, errors = self.land.force(w, self.out[0])
        self.size = float(np.linalg.norm(self.out[0])) / self.first_force
        self.solved = not self.land.free and errors == 0

    def _look(self) -> bool:
        ended = super()._look()
        if self.noisy and not self.diverged:
            self.weights = (self.average if self.averaged else self.positions[0]).copy()
        return ended
