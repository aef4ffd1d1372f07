"""Focusing and reinforcement: message passing driven towards dense regions of solutions, until the signs of its means make no error.

Source: Braunstein & Zecchina, PRL 96 030201 (2006) (reinforcement); Baldassi et al., PNAS 113 E7655 (2016) (focusing).
"""

import math
from dataclasses import dataclass

import numpy as np

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.finite_size.instances import Instances
from flatphys.finite_size.messages import solving
from flatphys.finite_size.search import Algorithm, Search, stream
from flatphys.model import GaussianMixture, Gibbs, TreeCommittee
from flatphys.problem import channel_of

EVERY = 10  # iterations between two looks at the signs
WORK = 4e8  # products of a chunk


@dataclass(frozen=True)
class ReinforcedBP(Algorithm):
    """Belief propagation with a memory of its own fields, H <- B + r H with r = 1 - (1 - 1/tau)^k at iteration k.

    Parameters
    ----------
    tau : float >= 1
        Iterations in which the memory builds up.
    iterations : int
        At most, in each attempt.
    damping : float in [0, 1)
    attempts : int
        From other random messages each, but the first, which begins with none.
    """

    tau: float = 1000.0
    iterations: int = 5000
    damping: float = 0.0
    attempts: int = 1

    def __post_init__(self):
        object.__setattr__(self, "tau", validate.number("tau", self.tau, 1.0, closed="["))
        object.__setattr__(self, "iterations", validate.integer("iterations", self.iterations, 1))
        object.__setattr__(self, "damping", validate.number("damping", self.damping, 0.0, 1.0, closed="["))
        object.__setattr__(self, "attempts", validate.integer("attempts", self.attempts, 1))

    def check(self, instances: Instances) -> None:
        check_served(instances)

    def begin(self, instances: Instances, k: int, seed: int) -> Search:
        return Driven(self, instances, k, seed)

    kind = solving.REINFORCED

    def strengths(self, steps: np.ndarray) -> np.ndarray:
        """(s, y) at the iterations given."""
        r = -np.expm1(steps * math.log1p(-1.0 / self.tau)) if self.tau > 1.0 else np.ones(steps.size)
        return np.stack([r, np.ones(steps.size)], axis=1)


def check_served(instances) -> None:
    """Binary weights of a Gibbs learner; committees of an odd number of sign units without margin."""
    learner = validate.instance("learner", instances.model.learner, (Gibbs,))
    if learner.weights != "binary":
        raise InvalidInput(f"weights must be 'binary' for message passing that solves, got {learner.weights!r}")
    if isinstance(learner.network, TreeCommittee):
        if learner.network.activation != "sign" or not instances.hidden % 2 or learner.margin != 0.0 or learner.energy != "errors":
            raise InvalidInput(
                f"network must be a committee with an odd number of sign units, margin 0 and energy 'errors', got {learner.network!r} with "
                f"hidden = {instances.hidden}, margin {learner.margin:g}, {learner.energy!r}"
            )


class Driven(Search):
    """Message passing under the drive of an algorithm."""

    KEPT = ("iterations", "attempt", "step", "generator")

    def __init__(self, algorithm, instances, k, seed):
        model, n, p = instances.model, instances.n, instances.p
        units = instances.hidden or 1
        x = instances.patterns[k]
        signs = np.ones((units, p))
        if instances.hidden is not None:
            from flatphys.finite_size.hidden import output_signs

            signs *= output_signs(units)[:, None] * instances.labels[k]
        spread = model.data.variance if isinstance(model.data, GaussianMixture) else 1.0
        learner = model.learner
        self.patterns = solving.Patterns(
            x if x.dtype != np.float64 else x.astype(np.float32),
            signs,
            1.0 / math.sqrt(n // units),
            spread,
            channel_of(learner.energy, learner.margin, learner.beta),
        )
        self.algorithm, self.generator = algorithm, stream(seed, k)
        self.course = solving.course(units, n, p)
        self.chunk = EVERY * max(1, min(10, round(WORK / (2.0 * n * p) / EVERY)))
        self.attempt = self.step = self.iterations = 0

    @property
    def weights(self):
        return self.course.best

    def advance(self):
        algorithm, to = self.algorithm, self.course
        goal = min(self.step + self.chunk, algorithm.iterations)
        strengths = algorithm.strengths(np.arange(self.step, goal))
        done = solving.iterate(self.patterns, to, algorithm.kind, strengths, algorithm.damping, EVERY)
        self.step += done
        self.iterations += done
        if to.fewest[0] == 0:
            return True
        if self.step >= algorithm.iterations:
            self.attempt, self.step = self.attempt + 1, 0
            if self.attempt >= algorithm.attempts:
                return True
            to.m[:] = 0.1 * self.generator.standard_normal(to.m.size)
            to.h[:] = to.m
            to.g[:] = 0.0
        return False

    def row(self):
        m, p = self.course.m, self.patterns.x.shape[1]
        strength, replicas = self.algorithm.strengths(np.array([max(self.step - 1, 0)]))[0]
        return {"train_error": self.course.fewest[0] / p, "q": float(np.mean(m.astype(float) ** 2)), "strength": strength, "y": replicas}

    def arrays(self):
        names = {name: getattr(self.course, name) for name in ("m", "h", "g", "best", "fewest")}
        return {**super().arrays(), **{name: array.copy() for name, array in names.items()}}

    def restore(self, arrays):
        super().restore(arrays)
        for name in ("m", "h", "g", "best", "fewest"):
            getattr(self.course, name)[...] = arrays[name]
