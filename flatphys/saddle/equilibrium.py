"""Replica-symmetric equilibrium of a Gibbs learner: random labels, or a teacher of the same kind.

Free entropy per weight (see `saddle.averages` for the terms; v = 1 - q):

    phi = G_S(q_hat, R_hat) + alpha G_E(q, R),      entropy = phi + beta alpha train_error

stationary in all overlaps and conjugates: q, R are the weights' averages, q_hat, R_hat the patterns'.
Replicon: 1 - alpha E[g'^2] T4.  Without label noise in the posterior's own temperature, that is for
kappa = 0 and e^-beta = flip/(1-flip), the Nishimori identities R = q, R_hat = q_hat hold exactly.

Branches.  alpha(s) of `saddle.branch` rises on branches that are stable within the ansatz and falls on
the others ("intermediate").  At margin 0 binary weights have one more solution with a teacher,
q = R = 1: the learner is the teacher, entropy 0, train error `flip`.  Dominant is the branch with the
largest free entropy with a teacher (the free entropy is a maximum over R), the smallest with random
labels (a minimum over q, as n -> 0 turns it around).

Sources: Gardner & Derrida 1988; Krauth & Mezard 1989; Gyorgyi 1990; Seung, Sompolinsky & Tishby 1992.
"""

import math
import warnings
from functools import lru_cache

import numpy as np

from flatphys.errors import NegativeEntropyWarning, NotConverged, NoSolution, ReplicaSymmetryWarning, Unsatisfiable
from flatphys.kernels.counting import error_counting
from flatphys.model import Bayes, Model, Teacher
from flatphys.numerics.quadrature import buffers
from flatphys.saddle import branch as curve_code
from flatphys.saddle import margin_limit
from flatphys.saddle.averages import BINARY, NISHIMORI, RANDOM, SPHERICAL, TEACHER
from flatphys.state import NEGATIVE_ENTROPY, State

TOLERANCE = 1e-11  # largest residual of a state that is returned
UNIQUE_MARGIN = 2.0  # with random labels and |kappa| up to this, alpha(s) is monotone at every beta (a test scans it)


class Code:
    """The numbers that the jitted kernels want for a model, and its physical beta and margin."""

    __slots__ = ("args", "beta", "flip", "kappa", "kind", "weights")

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
        self.args = (self.weights, self.kind, self.flip, self.kappa, self.beta)

    @property
    def has_teacher_state(self) -> bool:
        """Whether q = R = 1 is a solution: binary weights at margin 0 whose teacher is not forbidden."""
        return self.weights == BINARY and self.kind != RANDOM and self.kappa == 0.0 and (self.flip == 0.0 or self.beta < math.inf)


class Curve:
    """alpha(s) of one model on a grid, cut at its folds into monotone pieces.

    pieces : list of (s, partner, log_alpha arrays, direction), in the order of growing overlap.
    folds : list of (s, partner, log alpha), between consecutive pieces.
    """

    def __init__(self, args):
        weights, kind, flip, kappa, beta = self.args = args
        _, a0, _, _ = error_counting(kappa, beta)
        # alpha = 1.5e-8: the conjugates' laws at small loads, q_hat = alpha a0^2 and R_hat = alpha ratio a0^2
        low = 2.0 * math.log(a0) - 18.0
        shift = math.log(2.0 * (1.0 - 2.0 * flip) / (math.sqrt(2.0 * math.pi) * a0)) if kind == TEACHER else 0.0
        start, partner = low + shift, low
        knee = max(start + 18.0, 0.0) + 7.0
        grid = np.concatenate([np.arange(start, knee, 0.15), np.arange(knee, 140.0, 0.4)])
        la, partners = np.empty(grid.size), np.empty(grid.size)
        # Where q = R = 1 is a solution the curve approaches it exponentially fast: follow it much further in 1-q.
        v_min = 1e-30 if weights == BINARY and kind != RANDOM and kappa == 0.0 and (beta < math.inf or flip == 0.0) else 1e-13
        n = curve_code.trace(*args, grid, partner, v_min, la, partners, *buffers())
        self.s, self.partner, self.la = grid[:n], partners[:n], la[:n]
        self._cut()

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
                s, partner, la = curve_code.fold(*self.args, self.s[i - 1], self.s[i + 1], self.partner[i], sign[i - 1], *buffers())
                left = np.array([s, partner, la])
                piece = np.concatenate([piece[:, piece[0] < s], left[:, None]], axis=1)
                self.folds.append((s, partner, la))
            self.pieces.append((*piece, float(sign[i - 1])))
            start = i
        return self

    def names(self, kind) -> list[str]:
        """The branches' names, piece by piece."""
        low, high = ("typical", "condensed") if kind == RANDOM else ("student", "teacher")
        return [("intermediate" if d < 0 else (low if i == 0 else high)) for i, (*_, d) in enumerate(self.pieces)]


@lru_cache(maxsize=512)
def curve_of(args) -> Curve:
    """The traced curve of the kernels' arguments (cached)."""
    return Curve(args)


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
        out = curve_code.root_at_load(*code.args, log_alpha, guess, guess_partner, lo, hi, direction, *buffers())
        found.append((name, *out[:3]))
    return found


def _teacher_state(model: Model, code: Code, alpha: float) -> State:
    """The solution q = R = 1: the learner is the teacher."""
    order = {"q": 1.0, "one_minus_q": 0.0, "q_hat": math.inf, "R": 1.0, "R_hat": math.inf}
    free = -alpha * code.beta * code.flip if code.flip > 0.0 else 0.0
    return State(
        model, alpha, order, branch="teacher", free_entropy=free, entropy=0.0, train_error=code.flip,
        generalization_error=0.0, bayes_error=0.0, cosine=1.0, at_eigenvalue=1.0, residual=0.0, quadrature_error=0.0,
    )  # fmt: skip


def _empty_state(model: Model, code: Code, alpha: float) -> State:
    """The limit q_hat -> 0 for constraints so weak that the conjugates underflow (margin far below -1)."""
    log_f = error_counting(code.kappa, code.beta)[0]
    free = (math.log(2.0) if code.weights == BINARY else 0.0) + alpha * log_f
    order = {"q": 0.0, "one_minus_q": 1.0, "q_hat": 0.0}
    if code.kind != RANDOM:
        order |= {"R": 0.0, "R_hat": 0.0}
    half = None if code.kind == RANDOM else 0.5
    return State(
        model, alpha, order, branch=curve_of_names(code)[0], free_entropy=free, entropy=free, train_error=0.0,
        generalization_error=half, bayes_error=half, cosine=None if code.kind == RANDOM else 0.0,
        at_eigenvalue=1.0, residual=0.0, quadrature_error=0.0,
    )  # fmt: skip


def curve_of_names(code: Code) -> tuple[str, str]:
    """Names of the branches of low and of high overlap."""
    return ("typical", "condensed") if code.kind == RANDOM else ("student", "teacher")


def _underflows(code: Code, alpha: float) -> bool:
    a0 = error_counting(code.kappa, code.beta)[1]
    return alpha * a0 * a0 < 1e-280 and code.kappa < 0.0


def state_at(model: Model, code: Code, alpha: float, name: str, s: float, partner: float) -> State:
    """The state with the curve's point (s, partner) at this load; raises where the equations do not hold there."""
    log_alpha = math.log(alpha)
    v, q, r, t2, one_minus_r, q_hat, r_hat, residual, free, error, replicon = curve_code.read_off(
        *code.args, log_alpha, s, partner, 0, *buffers()
    )
    fine = curve_code.read_off(*code.args, log_alpha, s, partner, 1, *buffers())
    order = {"q": q, "one_minus_q": v, "q_hat": q_hat}
    generalization = vote = cosine = None
    if code.kind != RANDOM:
        order |= {"R": r, "R_hat": r_hat}
        generalization = 2.0 / math.pi * math.asin(math.sqrt(0.5 * one_minus_r))
        vote = math.atan2(math.sqrt(t2), r) / math.pi
        cosine = r
    if not residual <= TOLERANCE:
        raise NotConverged(
            f"the {name} branch of {model!r} at alpha={alpha:g} was solved only to a residual of {residual:.1e} "
            f"(tolerance {TOLERANCE:g}); it lies too close to the end of the branch, move alpha by a relative 1e-10",
            order, residual,
        )  # fmt: skip
    # Violations of the equations under the finer rule, and differences of what is reported.
    quadrature = max(
        fine[7],
        abs(fine[0] / v - 1.0),
        abs(fine[8] - free) / max(1.0, abs(free)),
        abs(fine[9] - error),
        abs(fine[10] - replicon) / max(1.0, abs(replicon)),
    )
    entropy = free if code.beta == math.inf else free + code.beta * alpha * error
    learner = model.learner
    if isinstance(learner, Bayes):
        from flatphys.saddle.bayes import training_error

        generalization, error, cosine = vote, training_error(code, v, q, r, t2), math.sqrt(q)
    return State(
        model, alpha, order, branch=name, free_entropy=free, entropy=entropy, train_error=error,
        generalization_error=generalization, bayes_error=vote, cosine=cosine, at_eigenvalue=replicon,
        residual=residual, quadrature_error=quadrature,
    )  # fmt: skip


def branches(model: Model, alpha: float) -> list[State]:
    """Every saddle point at this load, the dominant one first (see the module's docstring)."""
    code = Code(model)
    return _ordered(model, code, alpha, stable_only=False)


def _ordered(model: Model, code: Code, alpha: float, stable_only: bool) -> list[State]:
    if _underflows(code, alpha):
        return [_empty_state(model, code, alpha)]
    found = [state_at(model, code, alpha, *root[:3]) for root in roots(code, math.log(alpha), stable_only)]
    if code.has_teacher_state:
        found.append(_teacher_state(model, code, alpha))
    if not found:
        raise beyond(model, code, alpha)
    sign = 1.0 if code.kind == RANDOM else -1.0
    return sorted(found, key=lambda state: (state.branch == "intermediate", sign * state.free_entropy))


def dominant(model: Model, alpha: float) -> State:
    """The dominant saddle point at this load, without warnings."""
    code = Code(model)
    if code.kind == RANDOM and abs(code.kappa) <= UNIQUE_MARGIN:
        _raise_beyond_capacity(model, code, alpha)
        log_alpha = math.log(alpha)
        guess = log_alpha + 2.0 * math.log(error_counting(code.kappa, code.beta)[1])
        s, partner, _, _ = curve_code.root_at_load(*code.args, log_alpha, guess, 0.0, -math.inf, math.inf, 1.0, *buffers())
        return state_at(model, code, alpha, "typical", s, partner)
    return _ordered(model, code, alpha, stable_only=True)[0]


def solve(model: Model, alpha: float) -> State:
    """The dominant saddle point; warns where its entropy or its replicon is negative."""
    state = dominant(model, alpha)
    warn(state, stacklevel=4)
    return state


def warn(state: State, stacklevel: int = 3) -> None:
    """The warnings that a state calls for."""
    if state.phase == "unsat":
        warnings.warn(
            f"the entropy of binary weights is negative ({state.entropy:.6g} nats per weight) at alpha={state.alpha:g}: "
            f"no such weights exist, the values are the formal continuation; see capacity, max_margin or freezing_beta",
            NegativeEntropyWarning, stacklevel,
        )  # fmt: skip
    if state.stable is False:
        warnings.warn(
            f"replica symmetry is unstable at alpha={state.alpha:g} (replicon {state.at_eigenvalue:.4g} < 0): "
            f"the values are approximations or bounds; see at_line",
            ReplicaSymmetryWarning, stacklevel,
        )  # fmt: skip


def _raise_beyond_capacity(model: Model, code: Code, alpha: float) -> None:
    if code.beta == math.inf and alpha >= branch_end(code):
        raise beyond(model, code, alpha)


def branch_end(code: Code) -> float:
    """Load at which the solutions with random labels and hard constraints end (q -> 1)."""
    end = margin_limit.random_label_capacity(code.kappa)
    return 2.0 / math.pi * end if code.weights == BINARY else end


def beyond(model: Model, code: Code, alpha: float) -> Exception:
    """The error for a load at which no branch exists."""
    end = math.exp(max(float(la.max()) for *_, la, _ in curve_of(code.args).pieces))
    if code.kind == RANDOM and code.beta == math.inf:
        end = max(end, branch_end(code)) if abs(code.kappa) > UNIQUE_MARGIN else branch_end(code)
    elif code.weights == SPHERICAL and code.beta == math.inf:
        end = margin_limit.capacity_teacher(code.kappa, code.flip)[0]
    hint = "a finite beta admits errors"
    if code.weights == SPHERICAL:
        return Unsatisfiable(
            f"alpha={alpha:g} is beyond the capacity {end:.10g} of {model!r}: no weights reach the margin on every pattern; "
            f"ground_state(model, alpha) gives the least fraction of errors, {hint}"
        )
    return NoSolution(
        f"the replica-symmetric branch of {model!r} ends at alpha={end:.10g}, got alpha={alpha:g}; "
        f"no binary weights exist beyond capacity(model), {hint}, ground_state(model, alpha) gives the least fraction of errors"
    )
