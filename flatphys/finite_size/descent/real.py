"""Descent of real weights on one instance: one walker or several that attract each other, in batches or on all patterns at once.

An epoch presents every pattern once.  With batches of b patterns, the force of a batch and the replicas' mean wbar,

    w_a <- w_a + eta [force_batch(w_a) - gamma (b/P) (w_a - wbar)],

then back to the sphere where the learner's weights lie there.  Without a learning rate of one's own eta = 1/(largest curvature of a batch
+ gamma); where the force of ERM jumps or is drawn at random it falls like 1/(... + l2 epoch), as strongly convex objectives want it; by
the hinge's energy on the sphere like 1/(1 + epoch/SETTLING).
"""

import math
import warnings
from typing import NamedTuple

import numpy as np

from flatphys.errors import DivergenceWarning
from flatphys.finite_size.descent.gradient import Landscape, smooth
from flatphys.finite_size.descent.schedule import Schedule
from flatphys.finite_size.search import Search, stream

WORK = 2e7  # multiplications between two rows of the history
MOST_STEPS, MOST_EPOCHS = 100, 10  # between two rows, on all patterns and in batches
PATIENCE = 50  # rows with an objective above its start, until a descent counts as diverged
BATCH = 80
SLACK = 0.03
SETTLING = 200.0  # epochs after which a descent by the hinge has half of its rate: its force jumps
NARROW = 0.05  # last width of a count
FOOT = 1.5  # widths of a count's step below the margin; less gives worst patterns up, more pulls at most beyond capacity


class Pace(NamedTuple):
    """What a descent does when: rate (None: from the curvature), batch (None: all patterns), budget, width, coupling, accuracy."""

    rate: float | Schedule | None
    batch: int | None
    epochs: int
    sigma: Schedule
    gamma: Schedule
    tolerance: float


def slack_of(algorithm, model) -> float:
    """What stabilities are asked beyond the margin: none where the energy pulls until it is reached, or pulls always."""
    if algorithm.slack is not None:
        return algorithm.slack
    return SLACK if getattr(model.learner, "energy", "") in ("squared-hinge", "errors") else 0.0


def pace_of(algorithm, p: int, epochs: int, batch: int | None) -> Pace:
    """The pace of an algorithm, with defaults for what it leaves open."""
    epochs = algorithm.epochs or epochs
    batch = getattr(algorithm, "batch", None) or batch
    sigma = algorithm.sigma or Schedule(1.0, NARROW, max(1, epochs // 2), "geometric")
    coupled = Schedule(0.01, 10.0, max(1, epochs // 2), "geometric") if hasattr(algorithm, "replicas") else Schedule(0.0)
    gamma = getattr(algorithm, "gamma", None) or coupled
    tolerance = getattr(algorithm, "tolerance", None) or 1e-8
    return Pace(algorithm.learning_rate, None if batch is None or batch >= p else batch, epochs, sigma, gamma, tolerance)


class RealDescent(Search):
    """`GradientDescent`, `SGD` and `ReplicatedSGD` on one instance."""

    KEPT = ("weights", "iterations", "positions", "rng", "best", "best_step", "start", "first_force", "above", "stretch", "diverged")

    def __init__(self, algorithm, instances, k, seed, pace: Pace):
        self.name, self.k, self.pace, self.rng = type(algorithm).__name__, k, pace, stream(seed, k)
        foot = FOOT if algorithm.foot is None else algorithm.foot
        self.land = Landscape(instances, k, slack_of(algorithm, instances.model), foot)
        self.steady = smooth(instances.model)
        self.positions = self.rng.standard_normal((getattr(algorithm, "replicas", 1), self.land.n))
        for w in self.positions:
            self.land.settle(w)
        self.out, self.weights, self.iterations = np.empty_like(self.positions), self.positions[0].copy(), 0
        self.best, self.best_step, self.above, self.diverged = math.inf, 0, 0, False
        self._set_width()
        first = None if pace.batch is None else np.arange(pace.batch)
        self.stretch = self.land.stretch(self.positions[0], first)
        self.start = max(self.land.value(w)[0] for w in (self.positions[0], 1e-9 * self.positions[0]))
        self.land.force(self.positions[0], self.out[0])
        self.first_force, self.size, self.solved = max(float(np.linalg.norm(self.out[0])), 1e-300), math.inf, False
        self._keep([(*self.land.value(w), w) for w in self.candidates()])
        most = MOST_STEPS if pace.batch is None else MOST_EPOCHS
        self.steps = int(min(most, max(1, WORK // (self.land.n * self.land.p * len(self.positions)))))

    # --- what changes with the epochs -------------------------------------------------------------------
    @property
    def gamma(self) -> float:
        return self.pace.gamma.at(self.iterations)

    def _set_width(self):
        if self.land.counted:
            self.land.widen(self.pace.sigma.at(self.iterations))

    def rate(self) -> float:
        """eta of the next epoch."""
        if self.pace.rate is not None:
            return self.pace.rate.at(self.iterations) if isinstance(self.pace.rate, Schedule) else self.pace.rate
        falls = self.land.free and (self.pace.batch is not None or not self.steady)
        curvature = self.stretch * self.land.bend() + self.land.l2 + self.gamma
        if not self.land.free and not self.steady:
            curvature *= 1.0 + self.iterations / SETTLING
        return 1.0 / (curvature + (self.land.l2 * self.iterations if falls else 0.0))

    # --- epochs -----------------------------------------------------------------------------------------
    def advance(self) -> bool:
        for _ in range(min(self.steps, self.pace.epochs - self.iterations)):
            self._set_width()
            if self._arrived():
                break
            with np.errstate(all="ignore"):  # a descent that diverges is told apart when it is looked at
                self.epoch()
            self.iterations += 1
        with np.errstate(all="ignore"):
            return self._look()

    def epoch(self) -> None:
        """Present every pattern once to every replica."""
        if self.pace.batch is None:
            self._step([None] * len(self.positions), 1.0)
            return
        orders = [self.rng.permutation(self.land.p) for _ in self.positions]
        for low in range(0, self.land.p, self.pace.batch):
            chosen = [order[low : low + self.pace.batch] for order in orders]
            self._step(chosen, chosen[0].size / self.land.p)

    def _step(self, chosen, share):
        rate, gamma = self.rate(), self.gamma
        many, found = len(self.positions) > 1, []
        for w, out, numbers in zip(self.positions, self.out, chosen):
            found.append(self.land.force(w, out, numbers))
        if many:
            self.out -= (gamma * share) * (self.positions - self.positions.mean(axis=0))
        if share == 1.0:  # the force on all patterns, at the weights before the step
            self.size = float(np.linalg.norm(self.out)) / (self.first_force * math.sqrt(len(self.positions)))
            self.solved = not self.land.free and any(errors == 0 for _, errors in found)
            if self._arrived():
                return
        self.positions += rate * self.out
        for w in self.positions:
            self.land.settle(w)

    def _arrived(self) -> bool:
        """Whether there is nothing left to descend: no errors, or no force once widths and couplings stand still."""
        still = self.iterations >= max(self.pace.sigma.steps if self.land.counted else 0, self.pace.gamma.steps if self.gamma else 0)
        return self.solved or (self.size <= self.pace.tolerance and still)

    # --- what is kept -----------------------------------------------------------------------------------
    def candidates(self):
        """Weights that may be the answer: of a free norm the mean of the replicas, of a fixed one each replica and their centre."""
        centre = self.positions.mean(axis=0)
        self.land.settle(centre)
        if self.land.free or len(self.positions) == 1:
            return [centre]
        return [*self.positions, centre]

    def _look(self) -> bool:
        """Measure, keep the best, and say whether the search has ended."""
        finite = bool(np.isfinite(self.positions).all())
        found = [(*self.land.value(w), w) for w in self.candidates()] if finite else [(math.nan, 1.0, self.weights)]
        self.measured = objective, _, _ = found[-1]
        self._keep(found)
        self.above = self.above + 1 if objective > self.start and not self.land.counted else 0
        if not math.isfinite(objective) or self.above > PATIENCE:
            self.diverged = True
            text = f"{self.name} on instance {self.k} diverges at step {self.iterations}: the weights of step {self.best_step} are kept"
            warnings.warn(f"{text}; use a smaller learning rate", DivergenceWarning, stacklevel=2)
        self.replicas = self.positions.copy() if len(self.positions) > 1 else None
        return self.diverged or self._arrived() or self.iterations >= self.pace.epochs

    def _keep(self, found) -> None:
        """The best of some (objective, errors, weights): without errors, else with the fewest (counted) or of the least objective."""
        for value, wrong, w in found:
            solved = wrong == 0.0 and not self.land.free
            key = wrong if self.land.counted else -math.inf if solved else value
            if key < self.best or (key == self.best and self.land.counted):
                self.best, self.best_step, self.weights = key, self.iterations, w.copy()
            self.solved |= solved

    def row(self) -> dict[str, float]:
        """Objective per weight, errors, norm and force of the (mean) weights, and what the epochs have changed."""
        objective, errors, w = self.measured
        with np.errstate(all="ignore"):
            norm = float(w @ w) / self.land.n
        out = {"objective": objective, "train_error": errors, "norm": norm, "force": self.size}
        out |= {"learning_rate": self.rate(), "diverged": float(self.diverged)}
        if self.land.counted:
            out["sigma"] = self.land.cost.loss.sigma
        if len(self.positions) > 1:
            apart = self.positions - self.positions.mean(axis=0)
            units = self.positions / np.linalg.norm(self.positions, axis=1, keepdims=True)
            y = len(units)
            out["mutual_overlap"] = float((np.sum(units @ units.T) - y) / (y * (y - 1)))
            out["coupling_energy"] = 0.5 * self.gamma * float(np.sum(apart * apart)) / (y * self.land.n)
            out["gamma"] = self.gamma
        return out
