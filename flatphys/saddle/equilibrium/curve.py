"""Curve: the saddles of one Gibbs model, followed once from small loads, cut at its folds, searched for those at a load."""

import math
from functools import lru_cache

import numpy as np

from flatphys.errors import InvalidInput, NotConverged
from flatphys.kernels.counting import error_counting
from flatphys.kernels.networks import PERCEPTRON_NET, network_code, overlap_slope
from flatphys.model import Bayes, GaussianMixture, Gibbs, Model, Perceptron, RandomLabels, Teacher, TreeCommittee
from flatphys.numerics.quadrature import buffers
from flatphys.saddle.equilibrium.averages import BINARY, NISHIMORI, RANDOM, SPHERICAL, TEACHER
from flatphys.saddle.equilibrium.branch import root_at_load
from flatphys.saddle.equilibrium.follow import CLOSE, chord_fold, chord_point, follow, root_on_chord, teacher_state_exists

_PERCEPTRON = Perceptron()
MOST_POINTS = 4096
LOG_LARGE = 14.0  # a million patterns per weight
NOISE = 1e-11  # differences of log alpha below this have no sign
ROUNDS, FINEST = 12, 1e-3  # folds closer than this along the curve differ by 1e-9 in the load
SAFE = 0.4  # estimated least slope inside a step, in units of the step's own, above which there is no fold in it


def refuse_without_theory(model: Model) -> None:
    """Raise `InvalidInput` for models that finite systems know and no saddle does."""
    learner = model.learner
    if isinstance(learner, Gibbs) and isinstance(model.data, GaussianMixture):
        raise InvalidInput(
            f"data must be RandomLabels or Teacher for the theory of a Gibbs learner, got {model.data!r}; instances and algorithms take it"
        )
    if isinstance(getattr(learner, "network", None), TreeCommittee) and not isinstance(model.data, RandomLabels):
        raise InvalidInput(
            f"network must be Perceptron() on {type(model.data).__name__} data, got {learner.network!r}: the tree committee is "
            "solved for RandomLabels"
        )
    if getattr(learner, "energy", "errors") != "errors":
        raise InvalidInput(f"energy must be 'errors' for this question, got {learner.energy!r}")


class Code:
    """The numbers that the jitted kernels want for a model, its network as an array among them, and its physical beta and margin."""

    __slots__ = ("args", "beta", "flip", "kappa", "kind", "net", "weights")

    def __init__(self, model: Model):
        data, learner = model.data, model.learner
        refuse_without_theory(model)
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


def branch_names(kind) -> tuple[str, str]:
    """Names of the branches of low and of high overlap."""
    return ("typical", "condensed") if kind == RANDOM else ("student", "teacher")


class Curve:
    """alpha along the curve of saddles of one model, cut at its folds into monotone pieces.

    pieces : list of (s, partner, log_alpha arrays, direction), in the order of the way from small overlaps to large ones.
        Between neighbouring points a saddle is found by the chord's parameter (`saddle.equilibrium.follow`), not by s, which may
        turn around along a piece.
    folds : list of (s, partner, log alpha), between consecutive pieces.
    sound : whether every fold was told from a near crossing with another curve.
    side : what `continuation.chord_point` wants to know of the curve.
    resolved : whether the curve was followed to its end.  Where it was not, a branch may be missing: binary weights with a teacher
        at margins within 1e-9 of 0, where the curve and a detached one come closer than doubles tell, or at finite beta so close to
        the teacher that 1-q falls below 1e-30 before the curve turns.
    """

    def __init__(self, args):
        weights, kind, flip, kappa, beta, net = self.args = args
        _, a0, _, _ = error_counting(kappa, beta)
        # alpha = 1.5e-8: the conjugates' laws at small loads, q_hat = alpha c'(0) a0^2 and R_hat = alpha ratio a0^2
        low = 2.0 * math.log(a0) + math.log(overlap_slope(net, 0.0, 1.0)) - 18.0
        shift = math.log(2.0 * (1.0 - 2.0 * flip) / (math.sqrt(2.0 * math.pi) * a0)) if kind == TEACHER else 0.0
        # Binary weights come exponentially close to their teacher where q = R = 1 is a solution, or nearly one
        # (a margin of 1e-5): their curve is followed much further in 1-q.
        v_min = 1e-30 if weights == BINARY and kind != RANDOM else 1e-13
        if overlap_slope(net, 1.0, 0.0) == math.inf:  # the load diverges there, only as (1-q)^(-1/2)
            v_min = 1e-26
        s, r, la = np.empty((3, MOST_POINTS))
        n, self.resolved, self.side = follow(*args, low + shift, low, v_min, s, r, la, *buffers())
        if n < 2:
            raise NotConverged(f"the equations could not be followed from small loads at margin {kappa:g}, beta {beta:g}, flip {flip:g}")
        self._refine(s[:n], r[:n], la[:n])
        self._cut()
        if kind == TEACHER and not teacher_state_exists(*args[:5]):
            # a falling last piece leads to a branch closer to the teacher, and at finite beta every load has a solution
            *_, last, direction = self.pieces[-1]
            whole = direction > 0.0 and (beta == math.inf or last[-1] > LOG_LARGE) and all(math.isfinite(f[2]) for f in self.folds)
            self.resolved = self.resolved and whole

    def _refine(self, s, r, la):
        """Halves steps where the slope of the load is least, until no pair of folds can hide between two points.

        d_i, the slope over step i, averages d log alpha/d length: of a parabola through three of them the least value, less
        the average's own 1/24 of the second difference, estimates the least slope inside.
        """
        for _ in range(ROUNDS):
            length = np.hypot(np.diff(s), np.diff(r))
            d = np.diff(la) / length
            size = np.abs(d)
            here = np.zeros(d.size, dtype=bool)
            inner = (size[1:-1] <= size[:-2]) & (size[1:-1] <= size[2:]) & (d[1:-1] * d[:-2] > 0.0) & (d[1:-1] * d[2:] > 0.0)
            for i in np.flatnonzero(inner & (np.abs(np.diff(la)[1:-1]) > NOISE)) + 1:
                x0, x2 = -0.5 * (length[i - 1] + length[i]), 0.5 * (length[i] + length[i + 1])
                g0, g2 = (size[i - 1] - size[i]) / x0, (size[i + 1] - size[i]) / x2
                curvature = (g2 - g0) / (x2 - x0)  # size_i + g x + curvature x^2
                g = g0 - curvature * x0
                least = size[i] - (0.25 * g * g / curvature if curvature > 0.0 else 0.0) - curvature * length[i] ** 2 / 12.0
                if least < SAFE * size[i]:
                    here[i - 1 : i + 2] |= length[i - 1 : i + 2] > FINEST
            turns = np.flatnonzero((d[1:] * d[:-1] < 0.0) & (np.minimum(np.abs(np.diff(la))[1:], np.abs(np.diff(la))[:-1]) > NOISE))
            for i, j in zip(turns, turns[1:]):
                if j - i < 3:  # two folds next to each other, which `_cut` tells apart
                    here[i : j + 2] |= length[i : j + 2] > FINEST
            new = np.flatnonzero(here)
            if not new.size:
                break
            middle = np.array([self._on_chord(s[i : i + 2], r[i : i + 2], 0.5) for i in new])
            good = np.isfinite(middle[:, 0]) & (middle[:, 3] < 1e-9)
            at, (a, b, c) = new[good] + 1, middle[good, :3].T
            if not at.size:
                break
            s, r, la = np.insert(s, at, b), np.insert(r, at, c), np.insert(la, at, a)
        self.s, self.partner, self.la = s.copy(), r.copy(), la.copy()

    def _on_chord(self, s, r, t):
        """(log alpha, s, partner, disagreement, y) on the chord between two points."""
        return chord_point(*self.args, s[0], r[0], s[1], r[1], t, 0.0, CLOSE, self.side, 0, *buffers())

    def _cut(self):
        step = np.diff(self.la)
        sign = np.where(np.abs(step) < NOISE, 0.0, np.sign(step))
        for i in range(1, sign.size):  # flat stretches belong to the piece before them
            if sign[i] == 0.0:
                sign[i] = sign[i - 1]
        points = np.array([self.s, self.partner, self.la])
        self.pieces, self.folds, self.sound, start = [], [], True, 0
        left = np.empty((3, 0))
        for i in [*(np.flatnonzero(sign[1:] != sign[:-1]) + 1), sign.size]:
            if i == sign.size:
                self.pieces.append((*np.concatenate([left, points[:, start:]], axis=1), float(sign[-1])))
                break
            (s0, r0), (s1, r1) = points[:2, i - 1], points[:2, i + 1]
            t, *fold = chord_fold(*self.args, s0, r0, s1, r1, sign[i - 1], self.side, *buffers())
            if math.hypot(fold[0] - self.s[i], fold[1] - self.partner[i]) > math.hypot(s1 - s0, r1 - r0):
                self.resolved = self.sound = False  # the normal led to another curve: two nearly cross there
            place = ((self.s[i] - s0) * (s1 - s0) + (self.partner[i] - r0) * (r1 - r0)) / ((s1 - s0) ** 2 + (r1 - r0) ** 2)
            stop = i + 1 if place < t else i  # the middle point is before or behind the fold, or the fold itself
            right = np.array(fold)[:, None]
            self.pieces.append((*np.concatenate([left, points[:, start:stop], right], axis=1), float(sign[i - 1])))
            self.folds.append(tuple(fold))
            left, start = right, i if place > t else i + 1

    def names(self, kind) -> list[str]:
        """The branches' names, piece by piece."""
        low, high = branch_names(kind)
        return [("intermediate" if d < 0 else (low if i == 0 else high)) for i, (*_, d) in enumerate(self.pieces)]


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
        if i == 0 and log_alpha < la[0]:  # before the first point both conjugates are proportional to alpha
            shift = log_alpha - la[0]
            out = root_at_load(*code.args, log_alpha, s[0] + shift, partner[0] + shift, -math.inf, s[1], direction, *buffers())
            found.append((name, *out[:3]))
            continue
        up = la if direction > 0.0 else la[::-1]
        if not up[0] <= log_alpha <= up[-1]:
            continue
        k = min(max(int(np.searchsorted(up, log_alpha)), 1), la.size - 1)
        if direction < 0.0:
            k = la.size - k
        ends = s[k - 1], partner[k - 1], la[k - 1], s[k], partner[k], la[k]
        found.append((name, *root_on_chord(*code.args, log_alpha, *ends, curve.side, *buffers())))
    return found
