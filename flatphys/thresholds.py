"""Capacities, transitions and stability lines, each a point of the branch that alpha(s) describes.

Nothing here scans the load: with q_hat chosen, the load and every scalar follow (`saddle.branch`), and a
threshold is where a scalar of the branch vanishes.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from flatphys import validate
from flatphys.display import figure, html_table, text_table
from flatphys.errors import InvalidInput, NoSolution, NotConverged
from flatphys.model import ERM, Bayes, GaussianMixture, Gibbs, MaxMargin, Model, Teacher, check_model
from flatphys.numerics.quadrature import buffers
from flatphys.numerics.roots import bracketed
from flatphys.saddle import equilibrium, margin_limit, minimiser, rsb_capacity
from flatphys.saddle.branch import curve_point, read_off
from flatphys.saddle.curve import Code, branch_names, curve_of, roots
from flatphys.saddle.dispatch import solve
from flatphys.saddle.equilibrium import state_at, warn
from flatphys.state import State

_FREE, _ERROR, _REPLICON = 8, 9, 10  # places in what `read_off` returns


def _gibbs(model, question: str, hard: bool = False) -> Code:
    """The kernels' code of a Gibbs model, refusing others in terms of the question asked."""
    check_model(model)
    if not isinstance(model.learner, Gibbs):
        raise InvalidInput(f"{question} needs a Gibbs learner, got {model.learner!r}")
    if hard and model.learner.beta < math.inf:
        raise InvalidInput(
            f"{question} is about hard constraints: beta must be math.inf, got {model.learner.beta:g} "
            f"(freezing_beta and at_line answer at finite beta)"
        )
    return Code(model)


class _Walk:
    """Scalars along a branch, evaluated at any s between two points of its grid."""

    def __init__(self, code: Code):
        self.code = code
        self.u, self.w = buffers()

    def at(self, s, partner):
        """(log alpha, partner, everything `read_off` returns) at the curve's parameter s."""
        la, partner, _ = curve_point(*self.code.args, s, partner, 0, self.u, self.w)
        return la, partner, read_off(*self.code.args, la, s, partner, 0, self.u, self.w)

    def quantity(self, name, s, partner):
        """The scalar "entropy" or "replicon" at s."""
        la, _, out = self.at(s, partner)
        if name == "replicon":
            return out[_REPLICON]
        energy = self.code.beta * math.exp(la) * out[_ERROR] if self.code.beta < math.inf else 0.0
        return out[_FREE] + energy

    def zero(self, name, s, partner):
        """(s, partner, log alpha) where `name` first falls through zero on the grid (s, partner); None if nowhere."""
        lo, hi = 0, s.size - 1
        if not self.quantity(name, s[lo], partner[lo]) > 0.0 or not self.quantity(name, s[hi], partner[hi]) < 0.0:
            values = [self.quantity(name, a, b) for a, b in zip(s, partner)]
            falls = [i for i in range(len(values) - 1) if values[i] > 0.0 >= values[i + 1]]
            if not falls:
                return None
            lo, hi = falls[0], falls[0] + 1
        while hi - lo > 1:
            mid = (lo + hi) // 2
            if self.quantity(name, s[mid], partner[mid]) > 0.0:
                lo = mid
            else:
                hi = mid
        root = bracketed(lambda x: self.quantity(name, x, partner[lo]), s[lo], s[hi])
        la, r, _ = self.at(root, partner[lo])
        return root, r, la


def _zero_on_branches(model, code: Code, name: str) -> State | None:
    """The state at which `name` first vanishes along the stable pieces, in the order of growing overlap."""
    walk = _Walk(code)
    curve = curve_of(code.args)
    for (s, partner, _, direction), label in zip(curve.pieces, curve.names(code.kind)):
        if direction < 0.0:
            continue
        inner = slice(0, -1 if len(curve.pieces) > 1 else None)  # at a fold itself the replicon may touch zero
        found = walk.zero(name, s[inner], partner[inner])
        if found is not None:
            root, r, la = found
            return state_at(model, code, math.exp(la), label, root, r)
    return None


def capacity(model: Model, ansatz: str = "RS") -> float:
    """The load alpha_c up to which weights reach the learner's margin on every pattern.

    Binary weights: where the replica-symmetric entropy vanishes (Krauth & Mezard 1989).  Spherical
    weights: where q -> 1 (Gardner 1988), 1/alpha_c = (1+kappa^2) H(-kappa) + kappa G(kappa) for random
    labels; at negative margin an upper bound, improved by ansatz="1RSB".  With a teacher and margin <= 0
    the answer is inf.

    Parameters
    ----------
    model : Model
        With a Gibbs learner at beta = inf, or MaxMargin (its separability threshold).
    ansatz : "RS" or "1RSB"
        "1RSB" for spherical weights and random labels.
    """
    check_model(model)
    validate.choice("ansatz", ansatz, ("RS", "1RSB"))
    if isinstance(model.learner, MaxMargin):
        return separability_threshold(model.data, model.learner.bias)
    code = _gibbs(model, "capacity", hard=True)
    spherical, random = code.weights == equilibrium.SPHERICAL, code.kind == equilibrium.RANDOM
    if ansatz == "1RSB":
        if not (spherical and random):
            raise InvalidInput(
                f"ansatz must be 'RS' for {model!r}, got '1RSB': one step of replica-symmetry breaking changes the capacity "
                f"only of spherical weights with random labels and negative margin"
            )
        if code.kappa < rsb_capacity.NEGLIGIBLE:
            return rsb_capacity.capacity(code.kappa)[0]
        return margin_limit.random_label_capacity(code.kappa)  # replica symmetry is stable up to there
    if spherical:
        return margin_limit.random_label_capacity(code.kappa) if random else margin_limit.capacity_teacher(code.kappa, code.flip)[0]
    return _capacity_state(model, code).alpha


def _capacity_state(model: Model, code: Code):
    """Binary weights: the state at which the entropy vanishes."""
    if code.kind != equilibrium.RANDOM and code.flip == 0.0 and code.kappa <= 0.0:
        order = {"q": 1.0, "R": 1.0}
        return State(model, math.inf, order, branch="teacher", entropy=0.0, free_entropy=0.0, residual=0.0, quadrature_error=0.0)
    state = _zero_on_branches(model, code, "entropy")
    if state is None:
        raise NoSolution(f"the entropy of {model!r} stays positive along its whole branch")
    return state


def max_margin(model: Model, alpha: float) -> float:
    """The largest margin that weights reach on every pattern at load alpha.

    Binary weights: the margin of zero entropy.  Spherical weights: the inverse of `capacity` (for
    random labels below alpha = 2 and with a teacher, exact).  The learner's own margin is not used.
    """
    check_model(model)
    alpha = validate.load(alpha)
    if isinstance(model.learner, MaxMargin):
        return solve(model, alpha).margin
    code = _gibbs(model, "max_margin", hard=True)
    if code.weights == equilibrium.SPHERICAL:
        if code.kind == equilibrium.RANDOM:
            return margin_limit.largest_margin_random(alpha)
        return margin_limit.largest_margin_teacher(alpha, code.flip)[0]
    target = math.log(alpha)

    def excess(kappa):
        other = replace(model, learner=replace(model.learner, margin=kappa))
        load = _capacity_state(other, Code(other)).alpha
        return math.log(load) - target if load < math.inf else math.inf

    # The spherical perceptron reaches more: a bracket from above, then down until the load fits.
    if code.kind == equilibrium.RANDOM:
        hi = margin_limit.largest_margin_random(alpha)
    else:
        hi = margin_limit.largest_margin_teacher(alpha, code.flip)[0]
        if code.flip == 0.0 and not excess(1e-6) > 0.0:
            return 0.0  # past the transition no margin above the teacher's own survives
    step = 0.25
    lo = hi - step
    while not excess(lo) > 0.0:
        hi, step = lo, 2.0 * step
        lo = hi - step
        if lo < -40.0:
            raise NoSolution(f"no margin above -40 has a positive entropy at alpha={alpha:g}")
    if excess(lo) == math.inf:  # with a clean teacher the capacity jumps to inf at margin 0
        lo = 1e-6
    kappa = bracketed(excess, lo, hi)
    if not abs(excess(kappa)) < 1e-9:  # a jump of the capacity, not a zero
        raise NotConverged(f"the capacity jumps across alpha={alpha:g} at margin {kappa:g}", {"margin": kappa}, abs(excess(kappa)))
    return kappa


def at_line(model: Model) -> float:
    """The load at which the replicon of de Almeida and Thouless vanishes, at the learner's margin and beta.

    Replica symmetry is stable below it.  Binary weights may reach it only past the vanishing of their
    entropy.  Raises `NoSolution` where the replicon stays positive (spherical weights at
    non-negative margin: stable up to capacity).
    """
    code = _gibbs(model, "at_line")
    state = _zero_on_branches(model, code, "replicon")
    if state is None:
        raise NoSolution(f"the replicon of {model!r} stays positive: replica symmetry is stable up to the end of the branch")
    return state.alpha


def _low_branch(model: Model, alpha: float) -> State | None:
    """The stable branch of smallest overlap, the one that freezes; None where it has ended."""
    code = Code(model)
    if code.kind == equilibrium.RANDOM:
        return equilibrium.dominant(model, alpha)
    for root in roots(code, math.log(alpha), stable_only=True):
        if root[0] == branch_names(code.kind)[0]:
            return state_at(model, code, alpha, *root[:3])
    return None


def _freezing_state(model: Model, alpha: float) -> State:
    code = _gibbs(model, "freezing_beta")
    if code.weights != equilibrium.BINARY:
        raise InvalidInput(f"freezing_beta needs weights='binary', got {model.learner.weights!r}: a spherical entropy is a volume and may be negative")

    def state(log_beta):
        return _low_branch(replace(model, learner=replace(model.learner, beta=math.exp(log_beta))), alpha)

    # Downwards to a positive entropy, then upwards to a negative one, in shorter steps where the branch ends.
    lo = 0.0
    while (now := state(lo)) is None or not now.entropy > 0.0:
        lo -= 0.7
        if lo < -12.0:
            raise NoSolution(f"{model!r} has no branch of positive entropy at alpha={alpha:g} at any beta down to {math.exp(lo):.1e}")
    hi, step = lo, 0.7
    while True:
        now = state(hi + step)
        if now is None:
            step *= 0.5
            if step < 1e-9:
                raise NoSolution(
                    f"the {branch_names(code.kind)[0]} branch of {model!r} at alpha={alpha:g} ends at beta={math.exp(hi):.6g} "
                    f"(entropy {state(hi).entropy:.4g}), before it freezes; see first_order_transition"
                )
            continue
        hi += step
        if now.entropy < 0.0:
            break
        lo = hi
        if hi > 9.0:
            raise NoSolution(
                f"{model!r} does not freeze at alpha={alpha:g} at any beta up to {math.exp(hi):.0f}: "
                f"below its capacity the entropy of the ground state is positive"
            )
    frozen = state(bracketed(lambda x: state(x).entropy, lo, hi))
    if not abs(frozen.entropy) < 1e-9:  # a jump between branches, not a zero
        raise NotConverged(f"the entropy of {model!r} at alpha={alpha:g} jumps across zero", frozen.order, abs(frozen.entropy))
    return frozen


def freezing_beta(model: Model, alpha: float) -> float:
    """The inverse temperature at which the entropy of binary weights vanishes; the learner's own beta is not used.

    Beyond it the system is frozen: energy and train error stay what they are there (Krauth & Mezard
    1989; exact one-step solution).  Raises `NoSolution` below capacity, where solutions remain.
    """
    check_model(model)
    return _freezing_state(model, validate.load(alpha)).model.learner.beta


def ground_state(model: Model, alpha: float) -> State:
    """Zero temperature above capacity: the state of least train error, at the learner's margin.

    Spherical weights: replica symmetric (Gardner & Derrida 1988), a lower bound on the train error, with
    `beta_one_minus_q` = lim beta (1-q).  Binary weights: the frozen state, found at the beta where
    the entropy vanishes (`state.model.learner.beta`).  Raises `InvalidInput` below capacity, where the
    least train error is zero, and warns (`ReplicaSymmetryWarning`) where the state is only a bound.
    """
    check_model(model)
    alpha = validate.load(alpha)
    code = _gibbs(model, "ground_state", hard=True)
    if code.weights == equilibrium.SPHERICAL:
        state = margin_limit.solve_ground_state(model, alpha)
        warn(state)
        return state
    limit = _capacity_state(model, code).alpha
    if not alpha > limit:
        raise InvalidInput(
            f"alpha must be > {limit:.10g}, the capacity of {model!r}, got {alpha:g}: at lower loads every pattern can be satisfied, use solve"
        )
    return _freezing_state(model, alpha)


@dataclass(frozen=True, repr=False)
class FirstOrderTransition:
    """A discontinuous transition between the student and the teacher branch.

    Attributes
    ----------
    transition : float
        Load at which both branches have the same free entropy.
    spinodal : float
        Load at which the student branch ends.
    lower_spinodal : float
        Load from which the teacher branch exists (0: at every load).
    at_transition, at_spinodal : State
        The student state there.
    """

    transition: float
    spinodal: float
    lower_spinodal: float
    at_transition: State
    at_spinodal: State

    def _rows(self):
        return [(name, figure(getattr(self, name))) for name in ("lower_spinodal", "transition", "spinodal")]

    def __repr__(self) -> str:
        return text_table(f"First-order transition of {self.at_spinodal.model!r} (loads alpha)", self._rows())

    def _repr_html_(self) -> str:
        return html_table(f"First-order transition of {self.at_spinodal.model!r} (loads alpha)", self._rows())


def first_order_transition(model: Model) -> FirstOrderTransition:
    """Where the learner jumps to the teacher: the equality of free entropies and the spinodals.

    Binary weights with a teacher (Gyorgyi 1990; Seung, Sompolinsky & Tishby 1992), at the learner's
    margin and beta, Gibbs or Bayes.  Raises `NoSolution` where learning is continuous.
    """
    check_model(model)
    if not isinstance(model.data, Teacher) or not isinstance(model.learner, (Gibbs, Bayes)):
        raise InvalidInput(f"first_order_transition needs Teacher data and a Gibbs or Bayes learner, got {model!r}")
    code = Code(model)
    curve = curve_of(code.args)
    if not curve.folds or curve.pieces[0][3] < 0.0:
        raise NoSolution(f"{model!r} learns continuously: alpha(q) has no fold, no first-order transition")
    fold_s, fold_partner, fold_la = curve.folds[0]
    spinodal = math.exp(fold_la)
    high = curve.pieces[2] if len(curve.pieces) > 2 else None
    if high is None and not code.has_teacher_state:
        raise NoSolution(f"the student branch of {model!r} ends at alpha={spinodal:.10g} without another branch to jump to")
    lower = 0.0 if high is None else math.exp(curve.folds[1][2])
    walk = _Walk(code)
    s, partner = curve.pieces[0][0], curve.pieces[0][1]

    def gap(x, guess):
        """Free entropy of the student minus that of the teacher branch, at the student's load."""
        la, _, out = walk.at(x, guess)
        alpha = math.exp(la)
        if code.has_teacher_state:
            other = -alpha * code.beta * code.flip if code.flip > 0.0 else 0.0
        else:
            if la < curve.folds[1][2]:
                return math.inf
            last = roots(code, la, stable_only=True)[-1]
            other = read_off(*code.args, la, last[1], last[2], 0, walk.u, walk.w)[_FREE]
        return out[_FREE] - other

    values = np.array([gap(a, b) for a, b in zip(s, partner)])
    falls = np.flatnonzero((values[:-1] > 0.0) & (values[1:] <= 0.0))
    if not falls.size:
        raise NoSolution(f"the student branch of {model!r} dominates up to its spinodal at alpha={spinodal:.10g}")
    i = falls[-1]
    root = bracketed(lambda x: min(gap(x, partner[i]), 1e3), s[i], s[i + 1])
    la, r, _ = walk.at(root, partner[i])
    name = curve.names(code.kind)[0]
    return FirstOrderTransition(
        math.exp(la), spinodal, lower,
        state_at(model, code, math.exp(la), name, root, r), state_at(model, code, spinodal, name, fold_s, fold_partner),
    )  # fmt: skip


def bayes_error(data, alpha: float, weights: str = "spherical") -> float:
    """The least generalization error that any rule can have on `data` at load alpha.

    Parameters
    ----------
    data : Teacher or GaussianMixture
        A teacher's labels may be flipped with probability `flip`; the error counts clean labels.
    weights : "spherical" or "binary"
        The teacher's prior (not used on the mixture).
    """
    validate.instance("data", data, (Teacher, GaussianMixture))
    if isinstance(data, GaussianMixture):
        return minimiser.bayes_error_mixture(data, validate.load(alpha))
    return equilibrium.dominant(Model(data, Bayes(weights)), validate.load(alpha)).generalization_error


def separability_threshold(data, bias: bool = False) -> float:
    """The load up to which some weights (and bias) classify every training pattern correctly.

    Parameters
    ----------
    data : GaussianMixture or Teacher
        Any class balance; with a teacher math.inf unless labels are flipped.
    bias : bool
        Whether a bias is available (mixture).
    """
    validate.instance("data", data, (GaussianMixture, Teacher))
    bias = validate.flag("bias", bias)
    if isinstance(data, Teacher):
        if bias:
            raise InvalidInput("bias must be False on Teacher data, got True: its labels are balanced and its rule has no bias")
        return margin_limit.capacity_teacher(0.0, data.flip)[0]
    return minimiser.separability_threshold(data, bias)


def optimal_l2(model: Model, alpha: float) -> float:
    """The l2 that minimises the generalization error of ERM at load alpha; the learner's own l2 is not used.

    math.inf where a larger l2 is always better (the balanced mixture), 0.0 where a smaller one is.
    """
    check_model(model)
    if not isinstance(model.learner, ERM):
        raise InvalidInput(f"optimal_l2 needs an ERM learner, got {model.learner!r}")
    from flatphys.saddle.optimal_l2 import optimal_l2 as best

    return best(model, validate.load(alpha))


__all__ = [
    "FirstOrderTransition", "at_line", "bayes_error", "capacity", "first_order_transition", "freezing_beta", "ground_state",
    "max_margin", "optimal_l2", "separability_threshold",
]  # fmt: skip
