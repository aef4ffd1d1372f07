"""Stochastic gradient descent on hidden weights, alone (`SGD`) or with replicas that a centre holds together (`ReplicatedSGD`).

Each epoch every replica sees the patterns in an order of its own, in batches.  Within a batch w does not move; wrong patterns add
eta z to H (`binary.hidden`).  After its batch replica a looks at the others, with S_i = sum_b w_b,i over all y (that is with weights that
know the batch: taken before it, the pull of 0.75 against steps of 1 and 2 solves nothing at N = 1001):

    traced      H_a,i += lam [tanh(gamma S_i) - w_a,i]
    explicit    H_a,i += lam [tanh(gamma y) w_i - w_a,i],     H_i += lam (S_i/y - w_i),     w_i = sign H_i the centre's own

The traced form is the gradient of (1/gamma) log 2cosh(gamma S_i), the energy of a centre w_i = +-1 that is summed over, and -w_a,i
holds H back: hidden weights stay of the order of what the patterns ask.  The explicit one puts the field of the centre's own
weights in the place of its mean.

A replica without an error, or a centre (sign S_i, or the explicit one), ends the search.  Source: Baldassi, Borgs, Chayes,
Ingrosso, Lucibello, Saglietti & Zecchina, PNAS 113, E7655 (2016).
"""

from typing import NamedTuple

import numpy as np

from flatphys._jit import jit
from flatphys.finite_size.binary.hidden import closest_wrong, push, refresh, shuffled, start, with_signs
from flatphys.finite_size.binary.layout import count_errors, look, rights
from flatphys.finite_size.binary.search import SignSearch
from flatphys.finite_size.binary.vectors import LANES, draw
from flatphys.finite_size.descent.schedule import Schedule

BATCH, EPOCHS, REPLICATED_EPOCHS, RATE, PULL = 80, 1000, 2000, 1.0, 0.75
GAMMA = Schedule(0.05, 0.55, steps=2000)
CHUNK = 200_000  # presentations between two looks


class Replicas(NamedTuple):
    """Hidden weights (y, units, lanes), their bits (y, units, words) and signs; the centre's likewise, of shape 1 in front.

    sums : (units, lanes) int8 of the replicas' signs; aside : (lanes,) a place for sums that nobody needs
    """

    h: np.ndarray
    words: np.ndarray
    signs: np.ndarray
    centre: np.ndarray
    centre_words: np.ndarray
    centre_signs: np.ndarray
    sums: np.ndarray
    aside: np.ndarray


class Plan(NamedTuple):
    """Patterns a batch, eta, lam, whether the centre is explicit, and the key of the random numbers."""

    batch: int
    rate: float
    pull: float
    explicit: bool
    k0: int
    k1: int


@jit
def learn(patterns, mus, h, words, signs, rate, fields):
    """H += eta z for the wrong patterns of a batch; how many there are."""
    look(patterns, mus, words, signs, fields)
    threshold, needed, wrong = patterns.threshold, patterns.needed, 0
    for k in range(mus.size):
        right = rights(fields, k, threshold)
        wrong += right < needed
        while right < needed:
            unit = closest_wrong(fields, k, threshold)
            if unit < 0:
                break
            push(patterns, h, mus[k], unit, rate)
            right += 1
    return wrong


@jit
def attract(patterns, state, a, plan, pulls):
    """The centre's hold on replica a: by the sums of the weights (y + 1 pulls), or by an explicit centre's own (2 pulls)."""
    for unit in range(state.h.shape[1]):
        by = state.centre_signs[0, unit] if plan.explicit else state.sums[unit]
        for k in range(patterns.valid.size):
            draw(state.h[a, unit], by, LANES * k, pulls, np.float32(plan.pull))


@jit
def renew(patterns, state, a):
    """Bits, signs and their sums after a step of replica a."""
    for unit in range(state.h.shape[1]):
        refresh(patterns.valid, state.h[a, unit], state.words[a, unit], state.signs[a, unit], state.sums[unit])


@jit
def follow(patterns, state, plan):
    """The centre moves with its replicas: its own hidden weights, or their majority."""
    y, lam = np.float32(state.h.shape[0]), np.float32(plan.pull)
    for unit in range(state.h.shape[1]):
        sums, own, centre = state.sums[unit], state.centre_signs[0, unit], state.centre[0, unit]
        for i in range(sums.size):
            total = np.float32(sums[i])
            centre[i] = centre[i] + lam * (total / y - np.float32(own[i])) if plan.explicit else total
        refresh(patterns.valid, centre, state.centre_words[0, unit], own, state.aside)


@jit
def run_epochs(patterns, state, plan, pulls, first):
    """Epochs first, first + 1, ...; one for every row of `pulls`.

    Returns (epochs done, who has no error: a replica, y for the centre, -1 for nobody).
    """
    p, y = patterns.x.shape[0], state.h.shape[0]
    orders, draws, fields = np.empty((y, p), np.int32), np.empty((4, (p + 3) // 4), np.uint64), np.empty((plan.batch, state.h.shape[1]))
    for epoch in range(len(pulls)):
        for a in range(y):
            shuffled(orders[a], draws, first + epoch, a, plan.k0, plan.k1)
        for lo in range(0, p, plan.batch):
            for a in range(y):
                mus = orders[a, lo : lo + plan.batch]
                moved = learn(patterns, mus, state.h[a], state.words[a], state.signs[a], np.float32(plan.rate), fields)
                if moved:
                    renew(patterns, state, a)
                if y > 1:
                    attract(patterns, state, a, plan, pulls[epoch])
                    renew(patterns, state, a)
            if y > 1 and plan.explicit:
                follow(patterns, state, plan)
        if y > 1 and not plan.explicit:
            follow(patterns, state, plan)
        for a in range(y):
            if count_errors(patterns, state.words[a], state.signs[a], 1) == 0:
                return epoch + 1, a
        if y > 1 and count_errors(patterns, state.centre_words[0], state.centre_signs[0], 1) == 0:
            return epoch + 1, y
    return len(pulls), -1


class HiddenDescent(SignSearch):
    """`SGD` or `ReplicatedSGD` on one instance."""

    def __init__(self, algorithm, instances, k, seed):
        replicas = getattr(algorithm, "replicas", 1)
        super().__init__(instances, k, seed, algorithm.epochs or (EPOCHS if replicas == 1 else REPLICATED_EPOCHS))
        explicit = getattr(algorithm, "centre", None) == "explicit"
        pull = getattr(algorithm, "pull", None) or PULL
        batch = min(algorithm.batch or BATCH, instances.p)
        self.plan = Plan(batch, algorithm.learning_rate or RATE, pull, explicit, *self.key)
        self.gamma = getattr(algorithm, "gamma", None) or GAMMA
        lanes = self.patterns.x.shape[2]
        h = start(self.patterns.x.shape[1], lanes, replicas + 1, self.key)
        self._hold(h[:replicas], h[replicas:])
        self._choose()

    def advance(self) -> bool:
        """So many epochs as make 200000 presentations; True at the end."""
        y, first = len(self.state.h), self.iterations
        count = min(max(1, CHUNK // (self.patterns.x.shape[0] * y)), self.budget - first)
        overlaps = np.array([-y, y]) if self.plan.explicit else np.arange(-y, y + 1, 2)
        gammas = self.gamma.table(np.arange(first, first + count))
        pulls = (self.plan.pull * np.tanh(gammas[:, None] * overlaps)).astype(np.float32)
        done, who = run_epochs(self.patterns, self.state, self.plan, pulls, first)
        self.iterations += done
        self._choose()
        return who >= 0 or self.iterations == self.budget

    def _hold(self, h, centre):
        """Everything that follows from hidden weights."""
        valid = self.patterns.valid
        own, others = with_signs(valid, h), with_signs(valid, centre)
        sums = own[2].sum(axis=0, dtype=np.int8)
        self.state = Replicas(*own, *others, sums, np.zeros(sums.shape[1], np.int8))

    def _choose(self):
        """Look at every replica and the centre."""
        self.errors = self.errors_of(self.state.words, self.state.signs)
        candidates, errors = self.state.signs, self.errors
        if len(self.state.h) > 1:
            self.centre_errors = self.errors_of(self.state.centre_words, self.state.centre_signs)
            candidates, errors = np.concatenate([candidates, self.state.centre_signs]), np.concatenate([errors, self.centre_errors])
        self.keep(candidates[errors.argmin()], errors.min())

    @property
    def replicas(self):
        """(y, n) int8; None of a single one."""
        return None if len(self.state.h) == 1 else self.flat(self.state.signs)

    def row(self) -> dict[str, float]:
        p, y = self.patterns.x.shape[0], len(self.state.h)
        found = {"train_error": float(self.errors.mean() / p), "best_error": self.best_errors / p}
        if y > 1:
            total = self.flat(self.state.signs).sum(axis=0, dtype=np.int64)
            overlap = (float(np.mean(total**2)) - y) / (y * (y - 1.0))
            found |= {"centre_error": float(self.centre_errors[0] / p), "mutual_overlap": overlap, "gamma": self.gamma.at(self.iterations)}
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        return {**super().arrays(), "h": self.state.h, "centre": self.state.centre}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        super().restore(arrays)
        self._hold(arrays["h"], arrays["centre"])
        self._choose()
