"""Curve: the saddles of one Gibbs model, followed once from small loads, cut at its folds, searched for those at a load."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from flatphys._jit import direct
from flatphys.errors import NotConverged
from flatphys.kernels.channels import channel
from flatphys.kernels.codes import BINARY, ERRORS, MIXTURE, RANDOM, SPHERICAL, TEACHER, Channel, Labels, Problem
from flatphys.kernels.labels import clouds, guided, label_slope
from flatphys.kernels.networks import PERCEPTRON_NET, first_slope, last_slope
from flatphys.numerics.quadrature import buffers
from flatphys.saddle.equilibrium.averages import pattern_saddle
from flatphys.saddle.equilibrium.branch import Root, root_at_load, teacher_state_exists
from flatphys.saddle.equilibrium.follow import CLOSE, Chord, chord_fold, chord_point, follow, root_on_chord
from flatphys.saddle.equilibrium.limit import capacity_teacher, random_label_capacity
from flatphys.saddle.equilibrium.rule import Fields, stationary_bias
from flatphys.saddle.minimiser.largest_margin import mixture_capacity

_root_at_load, _root_on_chord = direct(root_at_load), direct(root_on_chord)
MOST_POINTS = 4096
ALMOST_ZERO = -25.0  # log q_hat where a curve leaves q = 0
LOG_LARGE = 14.0  # a million patterns per weight
NOISE = 1e-11  # differences of log alpha below this have no sign
MOST_FOLDS = 40  # turns of the load along a curve: a true one has a few, one made of rounding errors thousands
ROUNDS, FINEST = 12, 1e-3  # folds closer than this along the curve differ by 1e-9 in the load
UNINFORMED = Fields(1.0, 1e-16, 0.0, 1e-16, 0.0)
SAFE = 0.4  # estimated least slope inside a step, in units of the step's own, above which there is no fold in it


def branch_names(kind) -> tuple[str, str]:
    """Names of the branches of low and of high overlap."""
    return ("typical", "condensed") if kind in (RANDOM, MIXTURE) else ("student", "teacher")


class Piece(NamedTuple):
    """A monotone piece of the curve: its points (arrays), and whether the load rises (1) or falls (-1) along it."""

    s: np.ndarray
    r: np.ndarray
    la: np.ndarray
    direction: float


class Curve:
    """alpha along the curve of saddles of one problem, cut at its folds into monotone pieces.

    pieces : list of `Piece`, in the order of the way from small overlaps to large ones.
        Between neighbouring points a saddle is found by the chord's parameter (`saddle.equilibrium.follow`), not by s, which may
        turn around along a piece.
    names : the branches' names, piece by piece.
    folds : list of (s, r, log alpha), between consecutive pieces.
    sound : whether every fold was told from a near crossing with another curve.
    side : what `follow.chord_point` wants to know of the curve.
    open_ended : whether a rising last piece goes on beyond its last point, where 1-q is tiny or the load huge.
    has_teacher : whether q = R = 1 is one more solution, at every load.
    resolved : whether the curve was followed to its end.  Where it was not, a branch may be missing: binary weights with a teacher
        at margins within 1e-9 of 0, where the curve and a detached one come closer than doubles tell, or at finite beta so close to
        the teacher that 1-q falls below 1e-30 before the curve turns.
    """

    def __init__(self, problem: Problem, whole: bool = True):
        # Spherical weights and random labels: what lies beyond the last point of a rising branch is more of the same.
        self.open_ended = problem.weights != BINARY or problem.labels.kind == RANDOM
        self.problem, self.has_teacher = problem, teacher_state_exists(problem)
        kind, beta = problem.labels.kind, problem.channel.beta
        low, high = start(problem)
        # Binary weights come exponentially close to their teacher where q = R = 1 is a solution, or nearly one
        # (a margin of 1e-5): their curve is followed much further in 1-q.
        v_min = 1e-13
        if problem.weights == BINARY and kind != RANDOM:
            v_min = 1e-30 if problem.channel.energy == ERRORS else 1e-100
        if last_slope(problem.net) == math.inf:  # the load diverges there, only as (1-q)^(-1/2)
            v_min = 1e-26
        points = np.empty((3, MOST_POINTS))
        n, self.resolved, self.side = follow(problem, (high, low), (v_min, whole), tuple(points), buffers())
        if n < 2:
            _, margin, beta = problem.channel
            raise NotConverged(f"the equations could not be followed from small loads at margin {margin:g} and beta {beta:g}")
        self._refine(*points[:, :n])
        self._cut()
        self.names = self._name()
        if kind == TEACHER and not self.has_teacher:
            # a falling last piece leads to a branch closer to the teacher, and at finite beta every load has a solution
            # (where the energy is continuous 1-q = exp(-2 R_hat) with R_hat proportional to the load: no fold is left behind the end)
            last = self.pieces[-1]
            grown = beta == math.inf or last.la[-1] > LOG_LARGE or problem.channel.energy != ERRORS
            whole = last.direction > 0.0 and grown
            self.resolved = self.resolved and whole and all(math.isfinite(la) for _, _, la in self.folds)

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
            if turns.size > MOST_FOLDS:
                raise NotConverged(
                    f"the load turns {turns.size} times along the curve of {self.problem.channel!r}, which is noise: a network of one's "
                    f"own must compute 1 - c(Q) from 1 - Q, so that it keeps its digits as Q -> 1; or use a built-in activation",
                    {"log_alpha": (float(la.min()), float(la.max()))},
                )
            for i, j in zip(turns, turns[1:]):
                if j - i < 3:  # two folds next to each other, which `_cut` tells apart
                    here[i : j + 2] |= length[i : j + 2] > FINEST
            new = np.flatnonzero(here)
            if not new.size:
                break
            middle = {i + 1: self._on_chord(s[i : i + 2], r[i : i + 2], 0.5) for i in new}
            middle = {i: point for i, point in middle.items() if math.isfinite(point.la) and point.inner < 1e-9}
            if not middle:
                break
            s, r, la = (
                np.insert(line, list(middle), [getattr(p, name) for p in middle.values()])
                for line, name in ((s, "s"), (r, "r"), (la, "la"))
            )
        self.points = np.array([s, r, la])

    def _on_chord(self, s, r, t):
        """The `ChordPoint` between two points."""
        return chord_point(self.problem, Chord(s[0], r[0], s[1], r[1]), t, 0.0, CLOSE, self.side, buffers())

    def _cut(self):
        points = self.points
        step = np.diff(points[2])
        sign = np.where(np.abs(step) < NOISE, 0.0, np.sign(step))
        for i in range(1, sign.size):  # flat stretches belong to the piece before them
            if sign[i] == 0.0:
                sign[i] = sign[i - 1]
        self.pieces, self.folds, self.sound, start = [], [], True, 0
        left = np.empty((3, 0))
        for i in [*(np.flatnonzero(sign[1:] != sign[:-1]) + 1), sign.size]:
            if i == sign.size:
                self.pieces.append(Piece(*np.concatenate([left, points[:, start:]], axis=1), float(sign[-1])))
                break
            (s0, r0), (s1, r1), here = points[:2, i - 1], points[:2, i + 1], points[:2, i]
            t, *fold = chord_fold(self.problem, Chord(s0, r0, s1, r1), sign[i - 1], self.side, buffers())
            if math.hypot(fold[0] - here[0], fold[1] - here[1]) > math.hypot(s1 - s0, r1 - r0):
                self.resolved = self.sound = False  # the normal led to another curve: two nearly cross there
            place = ((here[0] - s0) * (s1 - s0) + (here[1] - r0) * (r1 - r0)) / ((s1 - s0) ** 2 + (r1 - r0) ** 2)
            stop = i + 1 if place < t else i  # the middle point is before or behind the fold, or the fold itself
            right = np.array(fold)[:, None]
            self.pieces.append(Piece(*np.concatenate([left, points[:, start:stop], right], axis=1), float(sign[i - 1])))
            self.folds.append(tuple(fold))
            left, start = right, i if place > t else i + 1

    def _name(self) -> list[str]:
        low, high = branch_names(self.problem.labels.kind)
        low = high if self.points[0, 0] == ALMOST_ZERO else low
        return [("intermediate" if p.direction < 0 else (low if i == 0 else high)) for i, p in enumerate(self.pieces)]


def start(problem: Problem) -> tuple[float, float]:
    """(log q_hat, log R_hat) at alpha = 1.5e-8: at small loads q_hat = alpha c'(0) a0^2 and R_hat = alpha W'(0) a0.

    On a mixture m_hat = alpha a0/sqrt D.

    The square at margin 0 is even and has a0 = 0: its curve leaves the solution q = 0 at a load that is not small.
    """
    if problem.labels.kind == MIXTURE:
        square, first = first_pull(problem.labels, problem.channel)
        return math.log(square) - 18.0, math.log(first) - 18.0
    a0 = abs(first_field(problem.channel))
    if a0 == 0.0:
        return ALMOST_ZERO, ALMOST_ZERO
    low = 2.0 * math.log(a0) + math.log(first_slope(problem.net)) - 18.0
    return low, low + (math.log(label_slope(problem.labels, 0.0, 0.0) / a0) if problem.labels.kind == TEACHER else 0.0)


@lru_cache(maxsize=512)
def first_field(ch: Channel) -> float:
    """a of a pattern where q = 0; 0 where its square would underflow."""
    a = channel(ch, ch.margin, 1.0)[1]
    return a if a * a > 1e-250 else 0.0


@lru_cache(maxsize=512)
def first_bias(labels: Labels, ch: Channel) -> float:
    """The stationary bias where q = m = 0; 0 without one, nan where it runs away."""
    if clouds(labels) == 1:
        return 0.0
    return stationary_bias(Problem(SPHERICAL, labels, ch, PERCEPTRON_NET), UNINFORMED, buffers())


@lru_cache(maxsize=512)
def first_pull(labels: Labels, ch: Channel) -> tuple[float, float]:
    """(E a^2, E a/sqrt D) over the patterns of a mixture where q = m = 0; 0 where they would underflow."""
    seen = UNINFORMED._replace(b=first_bias(labels, ch))
    square, first = pattern_saddle(Problem(SPHERICAL, labels, ch, PERCEPTRON_NET), seen, 0, buffers())
    return (0.0, 0.0) if square <= 1e-250 else (square, first)


def curve_of(problem: Problem, whole: bool = True) -> Curve:
    """The traced curve of a problem (cached); where not `whole`, no further than its first fold."""
    return _traced(*problem[:-1], problem.net.tobytes(), whole)


@lru_cache(maxsize=512)
def _traced(weights, labels, channel, net, whole) -> Curve:
    own = np.frombuffer(net).copy()  # a copy is writable, the type that the kernels are compiled for
    return Curve(Problem(weights, labels, channel, own), whole)


def branch_end(problem: Problem) -> float:
    """Load at which solutions under hard constraints end (q -> 1): of random labels, and of spherical weights with a teacher; else inf.

    Where alpha(s) turns around at strongly negative margins, formal solutions of small q exist at larger
    loads too, but q -> 1 bounds the free entropy by -inf there: no weights exist.  A tree committee's end lies c'(1) times
    further: at infinity for an activation that jumps.
    """
    binary, random = problem.weights == BINARY, problem.labels.kind == RANDOM
    if problem.channel.beta < math.inf or (binary and not random):
        return math.inf
    if problem.labels.kind == MIXTURE:
        return mixture_capacity(problem.labels.variance, problem.labels.share, problem.channel.margin)
    if not random:
        return capacity_teacher(problem.channel.margin, problem.labels.flip)[0]
    end = random_label_capacity(problem.channel.margin) * last_slope(problem.net)
    return 2.0 / math.pi * end if binary else end


def stretch(problem: Problem, alpha: float) -> float:
    """How far log q_hat is, by its divergence at the end of the branch, above its law at small loads (measured exponents)."""
    end = branch_end(problem)
    return -(1.5 if problem.weights == BINARY else 2.0) * math.log1p(-alpha / end) if end < math.inf else 0.0


def roots(problem: Problem, log_alpha: float, stable_only: bool = False, whole: bool = True) -> list:
    """(branch name, `Root`) of every solution at this load, in the order of growing overlap; where not `whole`, before the first fold."""
    curve = curve_of(problem, whole)
    found = []
    for i, (piece, name) in enumerate(zip(curve.pieces, curve.names)):
        s, r, la, direction = piece
        if stable_only and direction < 0.0:
            continue
        if i == 0 and log_alpha < la[0] and s[0] != ALMOST_ZERO:  # before the first point both conjugates are proportional to alpha
            shift = log_alpha - la[0]
            found.append((name, _root_at_load(problem, log_alpha, (s[0] + shift, r[0] + shift), (-math.inf, s[1]), direction, buffers())))
            continue
        if log_alpha > la[-1] and piece is curve.pieces[-1] and direction > 0.0 and curve.open_ended:
            if math.exp(log_alpha) < branch_end(problem):
                found.append((name, _root_beyond(problem, log_alpha, piece)))
            continue
        if min(la[0], la[-1]) <= log_alpha <= max(la[0], la[-1]):
            found.append((name, root_on_piece(curve, piece, log_alpha)))
    return found


def root_on_piece(curve: Curve, piece: Piece, log_alpha: float) -> Root:
    """The root on a piece whose ends enclose this load."""
    s, r, la, direction = piece
    k = min(max(int(np.searchsorted(la if direction > 0.0 else la[::-1], log_alpha)), 1), la.size - 1)
    if direction < 0.0:
        k = la.size - k
    chord = Chord(s[k - 1], r[k - 1], s[k], r[k])
    return _root_on_chord(curve.problem, chord, (la[k - 1], la[k]), log_alpha, curve.side, buffers())


def _root_beyond(problem: Problem, log_alpha: float, piece: Piece) -> Root:
    """The root beyond the last point of a rising branch: conjugates are powers of the load, or of its distance to the branch's end."""
    s, r, la, _ = piece
    end = branch_end(problem)
    if end < math.inf:
        ahead_r = stretch(problem, math.exp(log_alpha)) - stretch(problem, min(math.exp(la[-1]), end * (1.0 - 1e-15)))
        ahead_s = 0.5 * ahead_r if guided(problem.labels) else ahead_r  # R_hat = R/(1-q), q_hat of the order of (1-q)^-2
    else:
        ahead_s, ahead_r = ((x[-1] - x[-2]) / (la[-1] - la[-2]) * (log_alpha - la[-1]) for x in (s, r))
    return _root_at_load(problem, log_alpha, (s[-1] + ahead_s, r[-1] + ahead_r), (s[-1], math.inf), 1.0, buffers())
