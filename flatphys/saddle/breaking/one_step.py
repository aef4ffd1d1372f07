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
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from flatphys._jit import jit
from flatphys.errors import NoSolution, NotConverged
from flatphys.kernels.codes import ERRORS, RANDOM, Channel, Labels
from flatphys.kernels.networks import PERCEPTRON, PERCEPTRON_NET
from flatphys.numerics.continuation import Path, Steps, extrapolate
from flatphys.numerics.gaussian import logistic
from flatphys.numerics.newton import DEFAULT, newton
from flatphys.saddle.accept import Tolerance, good
from flatphys.saddle.breaking import capacity as rsb_capacity
from flatphys.saddle.breaking.averages import Patterns, pattern_average
from flatphys.saddle.breaking.inner import room
from flatphys.saddle.breaking.network import block_overlaps

START = 1e-3  # 1-q1 at which a curve begins, its capacity's order parameters as guess; less near kappa = 0, where it ends earlier
LOWEST = math.log(1e-7)  # log of the smallest 1-q1 that is followed
NARROW = 5e-3  # (q1-q0)/(1-q1) at which a curve ends: the equation of m is of third order in it
ROUGH, ROUGH_TOLERANCE = DEFAULT._replace(goal=1e-11), Tolerance(1e-8)  # points of the curve are guesses
# 1-q1 and guesses of the logarithms where a committee's begins
ENTRANCE, ENTRANCE_RATIO, ENTRANCE_M = 0.01, (0.9, 1.5, 0.5, 3.0, -0.5), (-2.0, -0.7, -3.5)
CLOSE = 1.0  # change of an unknown from its guess: as m -> 0 its equation holds of itself, and Newton's method may end there
UP = Steps(first=0.2, longest=0.4, shortest=1e-4, growth=1.2)  # in log(1-q1)
DOWN = 0.5


class OneStepValues(NamedTuple):
    """log alpha, violations of the q1 and the m equation, and what is read off."""

    log_alpha: float
    violation_q1: float
    violation_m: float
    free_entropy: float
    complexity: float
    inner: float
    outer: float


@jit
def spherical_point(channel, net, v, log_ratio, log_m, level, room):
    """The `OneStepValues` at V = v, log(q0/(q1-q0)) and log m."""
    q1 = 1.0 - v
    q0, gap = q1 * logistic(log_ratio), q1 * logistic(-log_ratio)
    m = math.exp(log_m)
    s = v + m * gap
    seen = block_overlaps(net, v, q0, gap)
    patterns = Patterns(channel, Labels(RANDOM, 0.0, 1.0, 1.0), seen.v, seen.q0, 0.0, gap / v * seen.stretch)
    means = pattern_average(patterns, m, level, room)
    alpha = q0 * seen.v / (s * s * seen.rise0 * means.a0)
    first = math.log(gap * seen.v / (s * v * alpha * (seen.rise1 * means.a1 - seen.rise0 * means.a0)))
    sigma = 0.5 * math.log1p(m * gap / v) - 0.5 * m * gap / s + 0.5 * m * m * gap * q0 / (s * s) + alpha * means.external
    phi = 0.5 * math.log(v) + 0.5 * math.log1p(m * gap / v) / m + 0.5 * q0 / s + alpha * means.value
    inner = 1.0 - alpha * (seen.rise1 * seen.rise1 * means.inner + seen.bend1 * means.a1 * seen.v) * (v / seen.v) ** 2
    outer = 1.0 - alpha * (seen.rise0 * seen.rise0 * means.outer + seen.bend0 * means.a0 * seen.v) * (s / seen.v) ** 2
    return OneStepValues(math.log(alpha), first, sigma / math.log1p(m * gap / v), phi, sigma, inner, outer)


class OneStepCurve:
    """The solutions at one margin as functions of log V; alpha falls along it."""

    def __init__(self, kappa: float, net):
        self.channel, self.net = Channel(ERRORS, kappa, math.inf), net
        self.capacity, q0, c = rsb_capacity.capacity(kappa, net)
        if net[0] == PERCEPTRON:
            start = math.log(min(START, 0.01 * kappa * kappa))
            guesses = [np.array([math.log(q0 / (1.0 - q0)), math.log(c) + start])]
        else:  # c is slow to become what it is at capacity (the corrections are of order sqrt V), or infinite
            start, guesses = math.log(ENTRANCE), [np.array([ratio, log_m]) for ratio in ENTRANCE_RATIO for log_m in ENTRANCE_M]
        root = None
        for guess in guesses:
            root = self._solve(start, guess, None)
            if good(ROUGH_TOLERANCE, root.residual):
                break
        else:
            if net[0] != PERCEPTRON and self.capacity < math.inf and c == 0.0:
                raise NoSolution(
                    f"replica symmetry is exact at margin {kappa:g} up to the capacity {self.capacity:.10g}: there is no one-step "
                    f"solution; use ansatz='RS'"
                )
            raise NotConverged(
                f"the one-step solutions at margin {kappa:g} could not be entered near the capacity {self.capacity:.10g} "
                f"(residual {root.residual:.1e}): move the margin a little",
                {"log_ratio": root.x[0], "log_m": root.x[1]},
                root.residual,
            )
        self.up = Path(start, root.x, UP)
        self.loads = [self.load(start, root.x)]
        self.reaches_one = self._grow_up(root.jacobian)
        self._down, self._lock = Path(start, root.x, Steps(DOWN, longest=DOWN), -1.0), threading.Lock()
        self._down_loads = self.loads[:1]

    def values(self, log_v, x, level=0) -> OneStepValues:
        """All that is known at a place: x = (log(q0/(q1-q0)), log m)."""
        return spherical_point(self.channel, self.net, math.exp(log_v), x[0], x[1], level, room())

    def _solve(self, log_v, guess, jacobian):
        def violations(x):
            if abs(x[0]) > 60.0 or abs(x[1]) > 60.0:
                return np.array([math.nan, math.nan])
            return np.array(self.values(log_v, x)[1:3])

        return newton(violations, guess, jacobian, ROUGH)

    def load(self, log_v, x):
        """alpha at a point of the curve."""
        return math.exp(self.values(log_v, x).log_alpha)

    def _grow_up(self, jacobian) -> bool:
        """Towards the stability line or m = 1; whether it is that."""
        last = [jacobian]

        def solve(place, guess):
            root = self._solve(place, guess, last[0])
            near = good(ROUGH_TOLERANCE, root.residual) and np.max(np.abs(root.x - guess)) < CLOSE
            fits = near and (1.0 - math.exp(place)) * logistic(-root.x[0]) > NARROW * math.exp(place)
            load = self.load(place, root.x) if fits else math.inf
            if not load < self.loads[-1]:
                last[0] = None
                return None
            last[0] = root.jacobian
            self.loads.append(load)
            return root.x

        while self.up.advance(solve):
            if self.up.points[-1][1] > 0.0:
                return True
        return False

    def _grow_down(self, alpha) -> bool:
        """Towards capacity, until the curve's loads reach alpha; False where they cannot be followed so far."""
        with self._lock:  # curves are shared among threads
            path, loads = self._down, self._down_loads
            while loads[-1] < alpha:
                if path.places[-1] < LOWEST:
                    return False
                place = path.next()
                guess = path.guess(place) if len(path.places) > 1 else path.points[0] + np.array([0.0, -DOWN])
                root = self._solve(place, guess, None)
                if not good(ROUGH_TOLERANCE, root.residual):
                    return False
                path.succeed(place, root.x)
                loads.append(self.load(place, root.x))
        return True

    def bracket(self, alpha):
        """(log V, unknowns) near the load alpha, None above the curve's first load or below its last."""
        places, points, loads = self.up.places, self.up.points, self.loads
        if alpha > loads[0]:  # closer to capacity: V shrinks like a power of the distance
            if not self._grow_down(alpha):
                return None
            loads = self._down_loads
            stop = 1 + next(i for i, load in enumerate(loads) if load >= alpha)  # what was asked before must not matter
            places, points, loads = self._down.places[:stop], self._down.points[:stop], loads[:stop]
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
        stacked = [np.array([p, *x]) for p, x in zip(places[chosen], points[chosen], strict=True)]
        return extrapolate(list(distance[chosen]), stacked, target)

    def one(self) -> float:
        """The load at which m = 1, extrapolated from the last points."""
        last = slice(-4, None)
        return float(extrapolate([x[1] for x in self.up.points[last]], [np.array([load]) for load in self.loads[last]], 0.0)[0])


def curve_at(kappa: float, net=PERCEPTRON_NET) -> OneStepCurve:
    """The traced curve of a margin and a network (cached)."""
    return _traced(kappa, net.tobytes())


@lru_cache(maxsize=64)
def _traced(kappa, net):
    return OneStepCurve(kappa, np.frombuffer(net).copy())
