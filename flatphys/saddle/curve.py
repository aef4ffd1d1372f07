"""Curve: alpha(s) of one Gibbs model, traced once, cut at its folds, searched for the roots at a load."""

import math
from functools import lru_cache

import numpy as np

from flatphys.errors import NotConverged
from flatphys.kernels.counting import error_counting
from flatphys.kernels.networks import PERCEPTRON_NET, network_code, overlap_slope
from flatphys.model import Bayes, Model, Perceptron, Teacher
from flatphys.numerics.quadrature import buffers
from flatphys.saddle.averages import BINARY, NISHIMORI, RANDOM, SPHERICAL, TEACHER
from flatphys.saddle.branch import fold, root_at_load, trace


_PERCEPTRON = Perceptron()


class Code:
    """The numbers that the jitted kernels want for a model, its network as an array among them, and its physical beta and margin."""

    __slots__ = ("args", "beta", "flip", "kappa", "kind", "net", "weights")

    def __init__(self, model: Model):
        data, learner = model.data, model.learner
        self.flip = data.flip if isinstance(data, Teacher) else 0.0
        nishimori = math.log((1.0 - self.flip) / self.flip) if self.flip > 0.0 else math.inf
        if isinstance(learner, Bayes):
            self.kappa, self.beta = 0.0, nishimori
        else:
            self.kappa, self.beta = learner.margin, learner.beta
        self.weights = BINARY if learner.weights == "binary" else SPHERICAL
        if not isinstance(data, Teacher):
            self.kind = RANDOM
        elif self.kappa == 0.0 and self.beta == nishimori:
            self.kind = NISHIMORI
        else:
            self.kind = TEACHER
        self.net = network_code(getattr(learner, "network", _PERCEPTRON))
        self.args = (self.weights, self.kind, self.flip, self.kappa, self.beta, self.net)

    @property
    def first_slope(self) -> float:
        """c'(0): how much of a small overlap the network lets through."""
        return 1.0 if self.net is PERCEPTRON_NET else overlap_slope(self.net, 0.0, 1.0)

    @property
    def last_slope(self) -> float:
        """c'(1), infinite for an activation that jumps."""
        return 1.0 if self.net is PERCEPTRON_NET else overlap_slope(self.net, 1.0, 0.0)

    @property
    def has_teacher_state(self) -> bool:
        """Whether q = R = 1 is a solution."""
        return teacher_state_exists(*self.args[:5])


def teacher_state_exists(weights, kind, flip, kappa, beta) -> bool:
    """Whether q = R = 1 is a solution: binary weights at margin 0 whose teacher is not forbidden."""
    return weights == BINARY and kind != RANDOM and kappa == 0.0 and (flip == 0.0 or beta < math.inf)


def branch_names(kind) -> tuple[str, str]:
    """Names of the branches of low and of high overlap."""
    return ("typical", "condensed") if kind == RANDOM else ("student", "teacher")


class Curve:
    """alpha(s) of one model on a grid, cut at its folds into monotone pieces.

    pieces : list of (s, partner, log_alpha arrays, direction), in the order of growing overlap.
    folds : list of (s, partner, log alpha), between consecutive pieces.
    resolved : whether the curve was followed to its end.  Binary weights with a teacher at margins between about
        -1e-3 and 0 turn too sharply next to q = R = 1: the branch closest to the teacher is then missing.
    """

    def __init__(self, args):
        weights, kind, flip, kappa, beta, net = self.args = args
        _, a0, _, _ = error_counting(kappa, beta)
        # alpha = 1.5e-8: the conjugates' laws at small loads, q_hat = alpha c'(0) a0^2 and R_hat = alpha ratio a0^2
        low = 2.0 * math.log(a0) + math.log(overlap_slope(net, 0.0, 1.0)) - 18.0
        shift = math.log(2.0 * (1.0 - 2.0 * flip) / (math.sqrt(2.0 * math.pi) * a0)) if kind == TEACHER else 0.0
        start, partner = low + shift, low
        knee = max(start + 18.0, 0.0) + 7.0
        grid = np.concatenate([np.arange(start, knee, 0.15), np.arange(knee, 140.0, 0.4)])
        la, partners = np.empty(grid.size), np.empty(grid.size)
        # Binary weights come exponentially close to their teacher where q = R = 1 is a solution, or nearly one
        # (a margin of 1e-5): their curve is followed much further in 1-q.
        v_min = 1e-30 if weights == BINARY and kind != RANDOM else 1e-13
        if overlap_slope(net, 1.0, 0.0) == math.inf:  # the load diverges there, only as (1-q)^(-1/2)
            v_min = 1e-26
        n, self.resolved = trace(*args, grid, partner, v_min, la, partners, *buffers())
        if n < 2:
            raise NotConverged(f"the equations could not be followed from small loads at margin {kappa:g}, beta {beta:g}, flip {flip:g}")
        self.s, self.partner, self.la = grid[:n], partners[:n], la[:n]
        self._cut()
        if kind == TEACHER and not teacher_state_exists(*args[:5]):
            # a falling last piece leads to a branch closer to the teacher, and at finite beta every load has a solution
            *_, last, direction = self.pieces[-1]
            whole = direction > 0.0 and (beta == math.inf or last[-1] > LOG_LARGE) and all(math.isfinite(f[2]) for f in self.folds)
            self.resolved = self.resolved and whole

    def _cut(self):
        step = np.diff(self.la)
        sign = np.where(np.abs(step) < 1e-11, 0.0, np.sign(step))
        for i in range(1, sign.size):  # flat stretches belong to the piece before them
            if sign[i] == 0.0:
                sign[i] = sign[i - 1]
        self.pieces, self.folds, start = [], [], 0
        left = None
        for i in [*(np.flatnonzero(sign[1:] != sign[:-1]) + 1), sign.size]:
            piece = np.array([self.s[start : i + 1], self.partner[start : i + 1], self.la[start : i + 1]])
            if left is not None:
                piece = np.concatenate([left[:, None], piece[:, piece[0] > left[0]]], axis=1)
            if i < sign.size:
                s, partner, la = fold(*self.args, self.s[i - 1], self.s[i + 1], self.partner[i], sign[i - 1], *buffers())
                left = np.array([s, partner, la])
                piece = np.concatenate([piece[:, piece[0] < s], left[:, None]], axis=1)
                self.folds.append((s, partner, la))
            self.pieces.append((*piece, float(sign[i - 1])))
            start = i

    def names(self, kind) -> list[str]:
        """The branches' names, piece by piece."""
        low, high = branch_names(kind)
        return [("intermediate" if d < 0 else (low if i == 0 else high)) for i, (*_, d) in enumerate(self.pieces)]


LOG_LARGE = 14.0  # a million patterns per weight


def curve_of(args) -> Curve:
    """The traced curve of the kernels' arguments (cached)."""
    return _traced(*args[:-1], args[-1].tobytes())


@lru_cache(maxsize=512)
def _traced(*args) -> Curve:
    return Curve((*args[:-1], np.frombuffer(args[-1]).copy()))  # a copy is writable, the type that the kernels are compiled for


def roots(code: Code, log_alpha: float, stable_only: bool = False):
    """(branch name, s, partner, residual) of every solution at this load, in the order of growing overlap."""
    curve = curve_of(code.args)
    found = []
    for i, ((s, partner, la, direction), name) in enumerate(zip(curve.pieces, curve.names(code.kind))):
        if stable_only and direction < 0.0:
            continue
        up = la if direction > 0.0 else la[::-1]
        below_grid = i == 0 and log_alpha < la[0]
        if not below_grid and not up[0] <= log_alpha <= up[-1]:
            continue
        if below_grid:  # both conjugates are proportional to alpha there
            shift = log_alpha - la[0]
            guess, guess_partner, lo, hi = s[0] + shift, partner[0] + shift, -math.inf, s[1]
        else:
            k = int(np.searchsorted(up, log_alpha))
            k = min(max(k, 1), la.size - 1)
            if direction < 0.0:
                k = la.size - k
            t = (log_alpha - la[k - 1]) / (la[k] - la[k - 1])
            guess, guess_partner = s[k - 1] + t * (s[k] - s[k - 1]), partner[k - 1] + t * (partner[k] - partner[k - 1])
            lo, hi = s[k - 1] - 1e-7, s[k] + 1e-7
            guess = min(max(guess, s[k - 1]), s[k])
        out = root_at_load(*code.args, log_alpha, guess, guess_partner, lo, hi, direction, *buffers())
        found.append((name, *out[:3]))
    return found
