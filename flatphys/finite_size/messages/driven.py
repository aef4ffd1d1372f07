"""The search of message passing under a drive: one instance, attempt after attempt, in chunks of iterations."""

import math

import numpy as np

from flatphys.finite_size.messages import solving
from flatphys.finite_size.messages.committee import unit_signs
from flatphys.finite_size.search import Search, stream
from flatphys.model import GaussianMixture
from flatphys.problem import channel_of

EVERY = 10  # iterations between two looks at the signs
CHUNK = 100  # iterations between two rows of the history, fewer where they are long
WORK = 1.5e9  # products of a pattern's component that a chunk may have
# First iterations of the first attempt, and their share of its steps at most: damped messages do not reach a teacher that undamped ones
# find, and undamped ones run away as soon as the drive is strong.
UNDAMPED, UNDRIVEN = 200, 0.05
FROZEN = 1e-4  # mean variance of the weights below which an attempt has ended
NOISE = 0.3  # of the messages with which a later attempt begins


class Driven(Search):
    """Message passing on instance k of `instances`; `algorithm` has kind, steps, damping, attempts and strengths(steps)."""

    KEPT = ("iterations", "attempt", "step", "generator")
    _MESSAGES = ("m", "h", "g", "best", "fewest")

    def __init__(self, algorithm, instances, k, seed):
        model, n, p = instances.model, instances.n, instances.p
        units, x, learner = instances.hidden or 1, instances.patterns[k], model.learner
        signs = np.ones((units, p), np.float32)
        if instances.hidden is not None:
            signs *= unit_signs(instances, k).astype(np.float32)
        spread = model.data.variance if isinstance(model.data, GaussianMixture) else 1.0
        channel = channel_of(learner.energy, learner.margin, learner.beta)
        x = x.astype(np.float32) if x.dtype == np.float64 else x
        self.patterns = solving.Patterns(x, signs, 1.0 / math.sqrt(n // units), spread, channel)
        self.algorithm, self.generator = algorithm, stream(seed, k)
        self.course = solving.course(units, n, p)
        self.chunk = max(1, min(CHUNK, round(WORK / (2.0 * n * p))))
        self.attempt = self.step = self.iterations = 0

    @property
    def weights(self):
        return self.course.best

    def advance(self):
        algorithm, to = self.algorithm, self.course
        steps = np.arange(self.step, min(self.step + self.chunk, algorithm.steps))
        looks = (steps + 1) % EVERY == 0
        looks[-1] |= steps[-1] + 1 == algorithm.steps
        damping = np.where((steps < min(UNDAMPED, UNDRIVEN * algorithm.steps)) & (self.attempt == 0), 0.0, algorithm.damping)
        strengths = np.column_stack([algorithm.strengths(steps), damping])
        done = solving.iterate(self.patterns, to, algorithm.kind, strengths, looks)
        self.step += done
        self.iterations += done
        if to.fewest[0] == 0:
            return True
        if self.step < algorithm.steps and 1.0 - self._overlap() > FROZEN:
            return False
        self.attempt += 1
        self._begin_anew()
        return self.attempt >= algorithm.attempts

    def _begin_anew(self):
        to = self.course
        self.step = int(0.1 * getattr(self.algorithm, "tau", self.algorithm.steps))
        to.m[:] = np.tanh(NOISE * self.generator.standard_normal(to.m.size))
        to.h[:] = np.arctanh(to.m.astype(np.float64))
        to.g[:] = 0.0

    def _overlap(self) -> float:
        return float(np.mean(np.square(self.course.m, dtype=np.float64)))

    def row(self):
        strength, y = self.algorithm.strengths(np.array([max(self.step - 1, 0)]))[0]
        share = self.course.fewest[0] / self.patterns.x.shape[1]
        return {"train_error": share, "q": self._overlap(), "strength": strength, "y": y, "attempt": float(self.attempt)}

    def arrays(self):
        return {**super().arrays(), **{name: getattr(self.course, name).copy() for name in self._MESSAGES}}

    def restore(self, arrays):
        super().restore(arrays)
        for name in self._MESSAGES:
            getattr(self.course, name)[...] = arrays[name]
