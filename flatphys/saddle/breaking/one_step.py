"""One step of replica-symmetry breaking at the Parisi parameter that the free entropy itself chooses.

Spherical weights at negative margin, beyond the stability line.  With V = 1-q1, S = V + m (q1-q0) and the nested
averages of `saddle.breaking.averages`, the free entropy

    phi = [(m-1)/(2m)] log V + [1/(2m)] log S + q0/(2S) + (alpha/m) E log I

is stationary in q0, q1 and m:

    q0/S^2 = alpha E<M>^2/V,     (q1-q0)/(V S) = alpha E(<M^2> - <M>^2)/V,
    Sigma = log(S/V)/2 - m (q1-q0)/(2S) + m^2 (q1-q0) q0/(2 S^2) + alpha E[log I - m <log H>] = 0.

Sigma = -m^2 d phi/dm is the complexity, the logarithm of the number of clusters per weight.  The load enters the
first equation only as a factor, so V is chosen, (q0, m) solved for and alpha read off; every solution lies on
this one curve, which runs from the one-step capacity (V -> 0, m = c V, `saddle.breaking.capacity`) to the
stability line (q0 -> q1) or, at very negative margins, to m = 1.

Tree committees (`kernels.networks`) break replica symmetry at margins of either sign.  With rise = c'(q), bend = c''(q) and the averages
of `saddle.breaking.network`, alpha E<M>^2/V gains rise(q0) and alpha E<M^2>/V rise(q1).  An activation that jumps has no
capacity: its curve runs on, alpha growing as V falls.

Sources: Franz, Parisi, Sevelev, Urbani & Zamponi 2017; Montanari, Zhong & Zhou 2021.
"""

import math
import threading
import warnings
from functools import lru_cache

import numpy as np

from flatphys import validate
from flatphys._jit import jit
from flatphys.errors import InvalidInput, NoSolution, NotConverged, ReplicaSymmetryWarning, Unsatisfiable
from flatphys.kernels.codes import RANDOM
from flatphys.kernels.networks import PERCEPTRON, PERCEPTRON_NET, network_code
from flatphys.model import Gibbs, Model, RandomLabels, check_model
from flatphys.numerics.gaussian import logistic
from flatphys.numerics.quadrature import buffers
from flatphys.problem import problem_of
from flatphys.saddle.breaking import capacity as rsb_capacity
from flatphys.saddle.breaking.averages import pattern_average
from flatphys.saddle.breaking.frozen import solve_binary
from flatphys.saddle.breaking.network import block_overlaps
from flatphys.saddle.breaking.newton import extrapolate, solve_system
from flatphys.saddle.equilibrium import states as equilibrium
from flatphys.saddle.equilibrium.limit import random_label_capacity
from flatphys.state import State

START = 1e-3  # 1-q1 at which a curve begins, its capacity's order parameters as guess; less near kappa = 0, where it ends earlier
LOWEST = math.log(1e-7)  # log of the smallest 1-q1 that is followed
NARROW = 5e-3  # (q1-q0)/(1-q1) at which a curve ends: the equation of m is of third order in it
TOLERANCE = 1e-10
ENTRANCE, ENTRANCE_RATIO, ENTRANCE_M = (
    0.01,
    (0.9, 1.5, 0.5, 3.0, -0.5),
    (-2.0, -0.7, -3.5),
)  # 1-q1 and guesses of the logarithms where a committee's begins
STEP_M = 0.1  # longest step in log m from the stationary state to a given m


@jit
def spherical_point(kappa, net, v, log_ratio, log_m, level, u, w):
    """At V = v, log(q0/(q1-q0)) and log m: (log alpha, violations of the q1 and m equations, phi, Sigma, inner, outer)."""
    q1 = 1.0 - v
    q0, gap = q1 * logistic(log_ratio), q1 * logistic(-log_ratio)
    m = math.exp(log_m)
    s = v + m * gap
    cv, c0, stretch, rise1, rise0, bend1, bend0 = block_overlaps(net, v, q0, gap)
    a0, a1, _, log_i, log_h, inner, outer = pattern_average(RANDOM, 0.0, kappa, cv, c0, 0.0, gap / v * stretch, m, level, u, w)
    alpha = q0 * cv / (s * s * rise0 * a0)
    first = math.log(gap * cv / (s * v * alpha * (rise1 * a1 - rise0 * a0)))
    sigma = 0.5 * math.log1p(m * gap / v) - 0.5 * m * gap / s + 0.5 * m * m * gap * q0 / (s * s) + alpha * (log_i - m * log_h)
    phi = 0.5 * math.log(v) + 0.5 * math.log1p(m * gap / v) / m + 0.5 * q0 / s + alpha / m * log_i
    inner = 1.0 - alpha * (rise1 * rise1 * inner + bend1 * a1 * cv) * (v / cv) ** 2
    outer = 1.0 - alpha * (rise0 * rise0 * outer + bend0 * a0 * cv) * (s / cv) ** 2
    return math.log(alpha), first, sigma / math.log1p(m * gap / v), phi, sigma, inner, outer


class OneStepCurve:
    """The solutions at one margin as functions of log V; alpha falls along it."""

    def __init__(self, kappa: float, net):
        self.kappa, self.net = kappa, net
        self.capacity, q0, c = rsb_capacity.capacity(kappa, net)
        if net[0] == PERCEPTRON:
            start = math.log(min(START, 0.01 * kappa * kappa))
            guesses = [np.array([math.log(q0 / (1.0 - q0)), math.log(c) + start])]
        else:  # c is slow to become what it is at capacity (the corrections are of order sqrt V), or infinite
            start, guesses = math.log(ENTRANCE), [np.array([ratio, log_m]) for ratio in ENTRANCE_RATIO for log_m in ENTRANCE_M]
        residual = math.inf
        for guess in guesses:
            x, residual, self._jacobian = self._solve(start, guess, None)
            if residual <= 1e-8:
                break
        else:
            if net[0] != PERCEPTRON and self.capacity < math.inf and c == 0.0:
                raise NoSolution(
                    f"replica symmetry is exact at margin {kappa:g} up to the capacity {self.capacity:.10g}: there is no one-step "
                    "solution; use ansatz='RS'"
                )
            raise NotConverged(
                f"the one-step solutions at margin {kappa:g} could not be entered near the capacity {self.capacity:.10g} "
                f"(residual {residual:.1e})",
                {"log_ratio": x[0], "log_m": x[1]},
                residual,
            )
        self.places, self.points = [start], [x]
        self.loads = [self.load(start, x)]
        self.ended = ""
        self._grow_up()
        self._down, self._lock = ([start], [x], [self.loads[0]]), threading.Lock()

    def _violations(self, log_v, x):
        if abs(x[0]) > 60.0 or abs(x[1]) > 60.0:
            return np.array([math.nan, math.nan])
        return np.array(spherical_point(self.kappa, self.net, math.exp(log_v), x[0], x[1], 0, *buffers())[1:3])

    def _solve(self, log_v, guess, jacobian):
        return solve_system(lambda x: self._violations(log_v, x), guess, jacobian, 1e-11)

    def load(self, log_v, x):
        """alpha at a point of the curve."""
        return math.exp(spherical_point(self.kappa, self.net, math.exp(log_v), x[0], x[1], 0, *buffers())[0])

    def _grow_up(self):
        """Towards the stability line or m = 1."""
        step, jacobian = 0.2, self._jacobian
        while True:
            place = self.places[-1] + step
            guess = extrapolate(self.places, self.points, place)
            x, residual, jacobian = self._solve(place, guess, jacobian)
            good = residual <= 1e-8 and self.load(place, x) < self.loads[-1]
            gap = (1.0 - math.exp(place)) * logistic(-x[0])
            if good and gap > NARROW * math.exp(place):
                self.places.append(place)
                self.points.append(x)
                self.loads.append(self.load(place, x))
                if x[1] > 0.0:
                    self.ended = "m"
                    return
                step = min(0.4, 1.2 * step)
                continue
            step, jacobian = 0.4 * step, None
            if step < 1e-4:
                self.ended = "line"
                return

    def _grow_down(self, alpha) -> bool:
        """Towards capacity, until the curve's loads reach alpha; False where they cannot be followed so far."""
        with self._lock:  # curves are shared among threads
            places, points, loads = self._down
            while loads[-1] < alpha:
                if places[-1] < LOWEST:
                    return False
                place = places[-1] - 0.5
                guess = extrapolate(places, points, place) if len(places) > 1 else points[0] + np.array([0.0, -0.5])
                x, residual, _ = self._solve(place, guess, None)
                if not residual <= 1e-8:
                    return False
                load = self.load(place, x)
                places.append(place)
                points.append(x)
                loads.append(load)
        return True

    def bracket(self, alpha):
        """(log V, unknowns) near the load alpha, None above the curve's first load or below its last."""
        places, points, loads = self.places, self.points, self.loads
        if alpha > loads[0]:  # closer to capacity: V shrinks like a power of the distance
            if not self._grow_down(alpha):
                return None
            places, points, loads = self._down
            stop = 1 + next(i for i, load in enumerate(loads) if load >= alpha)  # what was asked before must not matter
            places, points, loads = places[:stop], points[:stop], loads[:stop]
        elif alpha < loads[-1]:
            return None
        if self.capacity < math.inf:
            distance = np.log(np.maximum(self.capacity - np.array(loads), 1e-300))
            target = math.log(max(self.capacity - alpha, 1e-300))
        else:
            distance, target = np.log(np.array(loads)), math.log(alpha)
        near = int(np.argmin(np.abs(distance - target)))
        first = max(0, min(near - 1, len(places) - 3))
        chosen = slice(first, first + 3)
        stacked = [np.array([p, *x]) for p, x in zip(places[chosen], points[chosen])]
        return extrapolate(list(distance[chosen]), stacked, target)


def curve_at(kappa: float, net=PERCEPTRON_NET) -> OneStepCurve:
    """The traced curve of a margin and a network (cached)."""
    return _traced(kappa, net.tobytes())


@lru_cache(maxsize=64)
def _traced(kappa, net):
    return OneStepCurve(kappa, np.frombuffer(net).copy())


def solve_spherical(model: Model, alpha: float, parisi_m: float | None = None) -> State:
    """Spherical weights with random labels and hard constraints beyond the stability line; at a given m if there is one."""
    kappa, net = model.learner.margin, network_code(model.learner.network)
    if kappa >= 0.0 and net[0] == PERCEPTRON:
        limit = random_label_capacity(kappa)
        if alpha >= limit:
            raise equilibrium.beyond(model, problem_of(model), alpha)
        raise NoSolution(
            f"replica symmetry is exact for spherical weights at margin {kappa:g} >= 0: there is no one-step solution; use ansatz='RS'"
        )
    curve = curve_at(kappa, net)
    if alpha >= curve.capacity:
        raise Unsatisfiable(
            f"alpha={alpha:g} is beyond the one-step capacity {curve.capacity:.10g} of {model!r}: no weights reach the margin on "
            "every pattern"
        )
    if alpha < curve.loads[-1]:
        raise _below(model, alpha, curve)
    guess = curve.bracket(alpha)
    if guess is None:
        raise NotConverged(
            f"alpha={alpha:.12g} is too large, or too close to the one-step capacity {curve.capacity:.12g} of {model!r}, for "
            f"double precision: 1-q1 < {math.exp(LOWEST):.0e}"
        )
    target = math.log(alpha)

    def violations(x, log_m=None):
        if not -40.0 < x[0] < 0.0 or abs(x[1]) > 60.0 or abs(x[-1]) > 60.0:
            return np.full(x.size, math.nan)
        out = spherical_point(kappa, net, math.exp(x[0]), x[1], x[2] if log_m is None else log_m, 0, *buffers())
        return np.array([out[0] - target, out[1], out[2]][: x.size])

    x, residual, _ = solve_system(violations, guess)
    if parisi_m is not None and residual <= TOLERANCE:
        steps = max(1, math.ceil(abs(math.log(parisi_m) - x[2]) / STEP_M))
        for log_m in np.linspace(x[2], math.log(parisi_m), steps + 1)[1:]:
            y, residual, _ = solve_system(lambda y, log_m=log_m: violations(y, log_m), x[:2])
            x = np.append(y, log_m)
    v = math.exp(x[0])
    q1 = 1.0 - v
    gap, m = q1 * logistic(-x[1]), math.exp(x[2])
    if residual <= TOLERANCE and m > 1.0 and parisi_m is None:
        raise _below(model, alpha, curve)
    q0, s = q1 - gap, v + m * gap
    _, _, _, phi, sigma, inner, outer = spherical_point(kappa, net, v, x[1], x[2], 0, *buffers())
    fine = spherical_point(kappa, net, v, x[1], x[2], 1, *buffers())
    order = {
        "q0": q0,
        "q1": q1,
        "one_minus_q1": v,
        "parisi_m": m,
        "q0_hat": q0 / (s * s),
        "q1_hat": q0 / (s * s) + gap / (v * s),
        "complexity": sigma,
        "inner_eigenvalue": inner,
        "outer_eigenvalue": outer,
    }
    if not residual <= TOLERANCE:
        raise NotConverged(
            f"the one-step solution of {model!r} at alpha={alpha:g} was found only to a residual of {residual:.1e}", order, residual
        )
    quadrature = max(abs(fine[0] - target), abs(fine[1]), abs(fine[4] - sigma), abs(fine[3] - phi) / max(1.0, abs(phi)))
    return State(
        model,
        alpha,
        order,
        ansatz="1RSB",
        free_entropy=phi,
        entropy=phi,
        train_error=0.0,
        at_eigenvalue=min(inner, outer),
        residual=residual,
        quadrature_error=quadrature,
    )


def _below(model, alpha, curve):
    """The error for a load below the curve's last."""
    if curve.ended == "m":
        last = slice(-4, None)
        unit = extrapolate([x[1] for x in curve.points[last]], [np.array([la]) for la in curve.loads[last]], 0.0)[0]
        return NoSolution(
            f"the one-step solution of {model!r} reaches parisi_m = 1 near alpha={unit:.6g}; at alpha={alpha:g} below it "
            f"replica symmetry gives the entropy: use ansatz='RS'"
        )
    symmetric = equilibrium.dominant(model, alpha)
    if symmetric.stable:
        return NoSolution(
            f"replica symmetry is stable for {model!r} at alpha={alpha:g} (replicon {symmetric.at_eigenvalue:.4g}): "
            f"there is no one-step solution; use ansatz='RS' (see at_line)"
        )
    return NotConverged(
        f"at alpha={alpha:.10g} the one-step solution of {model!r} is so close to the stability line that q1-q0 < {NARROW:g} (1-q1) and "
        f"parisi_m has no digits left; use alpha >= {curve.loads[-1]:.10g}, or ansatz='RS', whose entropy is the same to eight digits there"
    )


def solve_one_step(model: Model, alpha: float, parisi_m: float | None = None) -> State:
    """The one-step RSB saddle point at load alpha, where the replica-symmetric one fails.

    Spherical weights, random labels, hard constraints at negative margin (a tree committee: at any), beyond the stability line; binary
    weights at finite beta beyond the freezing one, any labels.  The free entropy is stationary in parisi_m as well unless
    a value in (0, 1] is given: free_entropy then weighs clusters by their size to the power parisi_m.

    Returns
    -------
    State
        With ansatz "1RSB" and order parameters q0, q1, one_minus_q1, parisi_m, q0_hat, q1_hat, complexity
        (-m^2 d free_entropy/dm, the logarithm of the number of clusters per weight; 0 where m is stationary), inner_eigenvalue and
        outer_eigenvalue (replicons inside a cluster and between clusters, stable iff positive); at_eigenvalue is the smaller of the two.

    Raises
    ------
    InvalidInput
        The model is none of these.
    NoSolution
        Replica symmetry holds.
    Unsatisfiable
        Beyond the one-step capacity; hard constraints on binary weights beyond theirs.

    Warns
    -----
    ReplicaSymmetryWarning
        One of the replicons is negative: more steps of breaking are needed.
    """
    check_model(model)
    alpha = validate.load(alpha)
    if parisi_m is not None:
        parisi_m = validate.number("parisi_m", parisi_m, 0.0, 1.0, closed="]")
    learner = model.learner
    if not isinstance(learner, Gibbs):
        raise InvalidInput(f"ansatz='1RSB' needs a Gibbs learner, got {learner!r}")
    if learner.weights == "binary":
        state = solve_binary(model, alpha, parisi_m)
    elif isinstance(model.data, RandomLabels) and learner.beta == math.inf:
        state = solve_spherical(model, alpha, parisi_m)
    else:
        raise InvalidInput(f"ansatz='1RSB' for spherical weights needs RandomLabels data and beta=math.inf, got {model!r}")
    if state.at_eigenvalue < 0.0:
        block = "inside a cluster" if state.inner_eigenvalue < state.outer_eigenvalue else "between clusters"
        warnings.warn(
            f"one step of replica-symmetry breaking is unstable {block} at alpha={alpha:g} (replicon {state.at_eigenvalue:.4g} < 0): "
            f"the values improve on the replica-symmetric ones but are not exact",
            ReplicaSymmetryWarning,
            stacklevel=4,
        )
    return state
