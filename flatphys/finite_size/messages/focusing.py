"""Focusing and reinforcement as algorithms: message passing drawn into dense regions of solutions until the signs of its means solve.

FocusingBP     y replicas around a binary centre; with rho from 0 to 1:  gamma = atanh(rho^x),  y = 1 + rho^(1-2x)/(1-rho)
SelfFieldBP    infinitely many replicas, coupled to each other: a self-field lam from 0 to `strength`
ReinforcedBP   a memory of its own fields, H <- B + r H with r = 1 - (1 - 1/tau)^k

Sources: Braunstein & Zecchina, PRL 96 030201 (2006) (reinforcement); Baldassi et al., PNAS 113 E7655 (2016) (focusing).
"""

import math
from dataclasses import dataclass, fields

import numpy as np

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.finite_size import memory
from flatphys.finite_size.instances import Instances
from flatphys.finite_size.messages import solving
from flatphys.finite_size.messages.committee import check_committee
from flatphys.finite_size.messages.driven import Driven
from flatphys.finite_size.search import Algorithm, Search
from flatphys.model import Gibbs

_CHECKS = {
    "steps": lambda value: validate.integer("steps", value, 2),
    "attempts": lambda value: validate.integer("attempts", value, 1),
    "damping": lambda value: validate.number("damping", value, 0.0, 1.0, closed="["),
    "strength": lambda value: validate.number("strength", value, 0.0),
    "tau": lambda value: validate.number("tau", value, 1.0),
    "exponent": lambda value: validate.number("exponent", value, 0.0, 0.5, closed="]"),
    "replicas": lambda value: None if value is None else validate.number("replicas", value, 1.0),
    "gamma": lambda value: validate.number("gamma", value, 0.0),
}


class _Driven(Algorithm):
    """What the three have in common: binary weights, `steps`, `damping`, `attempts`."""

    def __post_init__(self):
        for field in fields(self):
            object.__setattr__(self, field.name, _CHECKS[field.name](getattr(self, field.name)))

    def check(self, instances: Instances) -> None:
        learner = validate.instance("learner", instances.model.learner, (Gibbs,))
        if learner.weights != "binary":
            raise InvalidInput(f"weights must be 'binary' for {type(self).__name__}, got {learner.weights!r}")
        check_committee(learner, instances.hidden, type(self).__name__)
        units, copied = instances.hidden or 1, instances.patterns.dtype == np.float64
        needed = 44 * units * instances.p + 14 * instances.n + copied * 4 * instances.n * instances.p + 8 * instances.count * instances.p
        memory.fits(needed + instances.patterns.nbytes, f"{type(self).__name__} on {instances.p} patterns with n = {instances.n}")

    def begin(self, instances: Instances, k: int, seed: int) -> Search:
        return Driven(self, instances, k, seed)


@dataclass(frozen=True)
class FocusingBP(_Driven):
    """Focusing belief propagation: y replicas on a star with a binary centre, drawn together while y and their coupling grow.

    Parameters
    ----------
    steps : int >= 2
        Iterations of the schedule, rho = k/steps at iteration k.
    exponent : float in (0, 1/2]
        x: gamma = atanh(rho^x), y = 1 + rho^(1-2x)/(1-rho).
    replicas : float > 1, optional
        A fixed y instead, with gamma growing linearly from 0 to `gamma`.
    gamma : float > 0
        The last coupling where `replicas` is given.
    damping : float in [0, 1)
        Share of the old messages that is kept.
    attempts : int >= 1
        All but the first begin with random messages, a tenth into the schedule; none goes on once the weights are frozen.
    """

    steps: int = 4000
    exponent: float = 0.5
    replicas: float | None = None
    gamma: float = 2.0
    damping: float = 0.5
    attempts: int = 3

    kind = solving.FOCUSING

    def strengths(self, steps: np.ndarray) -> np.ndarray:
        """(gamma, y) at the iterations given."""
        rho = steps / self.steps
        if self.replicas is not None:
            return np.stack([self.gamma * rho, np.full(rho.size, self.replicas)], axis=1)
        return np.stack([np.arctanh(rho**self.exponent), 1.0 + rho ** (1.0 - 2.0 * self.exponent) / (1.0 - rho)], axis=1)


@dataclass(frozen=True)
class SelfFieldBP(_Driven):
    """Belief propagation with a self-field, m = tanh(B + lam m): infinitely many replicas, coupled to each other ever more strongly.

    Parameters
    ----------
    steps : int >= 2
        Iterations in which lam grows linearly from 0.
    strength : float > 0
        The last lam.
    damping : float in [0, 1)
        Share of the old messages that is kept.
    attempts : int >= 1
        All but the first begin with random messages, a tenth into the schedule; none goes on once the weights are frozen.
    """

    steps: int = 4000
    strength: float = 3.0
    damping: float = 0.5
    attempts: int = 3

    kind = solving.SELF

    def strengths(self, steps: np.ndarray) -> np.ndarray:
        """(lam, 1) at the iterations given."""
        return np.stack([self.strength * steps / self.steps, np.ones(steps.size)], axis=1)


@dataclass(frozen=True)
class ReinforcedBP(_Driven):
    """Belief propagation with a memory of its own fields, H <- B + r H with r = 1 - (1 - 1/tau)^k at iteration k.

    Parameters
    ----------
    tau : float > 1
        Iterations in which the memory builds up.
    steps : int >= 2
        Iterations at most, in each attempt.
    damping : float in [0, 1)
        Share of the old messages that is kept.
    attempts : int >= 1
        All but the first begin with random messages, a tenth of tau into the schedule; none goes on once the weights are frozen.
    """

    tau: float = 1000.0
    steps: int = 5000
    damping: float = 0.0
    attempts: int = 3

    kind = solving.REINFORCED

    def strengths(self, steps: np.ndarray) -> np.ndarray:
        """(r, 1) at the iterations given."""
        return np.stack([-np.expm1(steps * math.log1p(-1.0 / self.tau)), np.ones(steps.size)], axis=1)
