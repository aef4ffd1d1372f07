"""The far end of the curve of infinitely many replicas: how far apart they can be, and what their centre becomes there.

As q1 -> 0 the centre minimises, at the norm sqrt(q1 N) -> 0, a loss that is linear over the range of its stabilities
(`observables.centre`): it becomes Hebb's rule, with the cosine

    mixture sqrt(alpha/(alpha + D)),    teacher h/sqrt(h^2 + 1/alpha), h = (1 - 2 flip) sqrt(2/pi).

Solutions (beta = inf) of margin kappa = 0 are the exception, since the wall sits where the stabilities go: l_V -> -log t, and
the centre becomes the analytic one, the minimiser of -sum log t at fixed norm.  It obeys the equations of a ground state
(`saddle.equilibrium.ground`), with p - s/p = omega, p = (omega + sqrt(omega^2 + 4 s))/2:

    mixture  omega = m + sqrt(D) z:  m = (alpha/D) E[p - omega],  1 - m^2 = (alpha/D) E[(p - omega)^2]
    teacher  omega = z of weight W(k z), k = R/sqrt(1-R^2) (`kernels.labels`):
             R = alpha sqrt(1+k^2) Int Dz W'(k z) (p - omega),  1 - R^2 as 1 - m^2

With margin kappa > 0 the centre of spherical solutions keeps every stability above kappa at the norm sqrt(q1 N), which the maximum-margin
rule alone does at q1 = (kappa/kappa_max)^2: the curve ends there.
"""

import math
from typing import NamedTuple

import numpy as np

from flatphys.errors import NotConverged
from flatphys.kernels.codes import MIXTURE, RANDOM, SPHERICAL, Labels, Problem
from flatphys.kernels.labels import label_weight, signal_slope
from flatphys.model import Model
from flatphys.numerics.newton import newton
from flatphys.numerics.quadrature import REACH, buffers, gaussian_nodes
from flatphys.saddle.accept import Tolerance, good
from flatphys.saddle.breaking.branch import replicated_problem
from flatphys.saddle.equilibrium.limit import largest_margin_random, largest_margin_teacher
from flatphys.saddle.minimiser.largest_margin import mixture_margin

TOLERANCE = Tolerance(1e-11, 1e-10)


class End(NamedTuple):
    """The distance at which the curve of infinitely many replicas ends, and the cosine that their centre has there (nan: not known)."""

    distance: float
    cosine: float


def farthest_distance(model: Model, alpha: float) -> float:
    """The distance that infinitely many replicas stay below: 1/2, or less where spherical solutions have a margin > 0."""
    return _end(model, replicated_problem(model), alpha)[0]


def far_end(model: Model, alpha: float) -> End:
    """The `End` of the curve of a model with a signal."""
    problem = replicated_problem(model)
    distance, largest = _end(model, problem, alpha)
    _, margin, beta = problem.channel
    if largest is not None:
        return End(distance, largest)
    if beta == math.inf and margin >= 0.0:
        return End(distance, analytic_centre(problem.labels, alpha) if margin == 0.0 else math.nan)
    return End(distance, hebb_cosine(problem.labels, alpha))


def _end(model: Model, problem: Problem, alpha: float):
    """(distance at the end, cosine of the rule of largest margin if that is what the centre becomes)."""
    margin = problem.channel.margin
    if problem.channel.beta < math.inf or problem.weights != SPHERICAL or not margin > 0.0:
        return 0.5, None
    if problem.labels.kind == MIXTURE:
        best = mixture_margin(model.data, False, alpha)
        largest, cosine = best.margin, best.m
    elif problem.labels.kind == RANDOM:
        largest, cosine = largest_margin_random(alpha), math.nan
    else:
        largest, k = largest_margin_teacher(alpha, problem.labels.flip)
        cosine = k / math.hypot(1.0, k)
    return 0.5 * (1.0 - (margin / largest) ** 2), cosine


def hebb_cosine(labels: Labels, alpha: float) -> float:
    """Of the sum of the labelled patterns."""
    if labels.kind == MIXTURE:
        return math.sqrt(alpha / (alpha + labels.variance))
    pull = (1.0 - 2.0 * labels.flip) * math.sqrt(2.0 * alpha / math.pi)
    return pull / math.hypot(1.0, pull)


def analytic_centre(labels: Labels, alpha: float) -> float:
    """The cosine of the minimiser of -sum log t at fixed norm."""
    found = newton(lambda x: _violations(labels, alpha, x, 0), np.array([math.atanh(0.9 * hebb_cosine(labels, alpha)), 0.0]))
    doubt = float(np.max(np.abs(_violations(labels, alpha, found.x, 1))))
    if not good(TOLERANCE, found.residual, doubt):
        raise NotConverged(
            f"the analytic centre at alpha={alpha:g} was solved only to {max(found.residual, doubt):.1e}: use a load further from "
            "the capacity",
            None,
            found.residual,
        )
    return math.tanh(found.x[0])


def _violations(labels, alpha, x, level):
    """Logarithms of what the patterns ask for over what there is: of the signal tanh x[0] and of the rest, at s = exp x[1]."""
    signal, s, k = math.tanh(x[0]), math.exp(x[1]), 0.0
    d, shift = labels.variance, 0.0
    if labels.kind == MIXTURE:
        shift = signal
    else:
        k = math.sinh(x[0])
    if not abs(x[0]) < 15.0 or not abs(x[1]) < 60.0:
        return np.full(2, math.nan)
    root, (u, w) = math.sqrt(d), buffers()
    poles, narrow = (-shift / root, 2.0 * math.sqrt(s) / root, 0.0, math.inf), (0.0, 3.0 / max(abs(k), 1e-300), 0.0, math.inf)
    n = gaussian_nodes(level, REACH, 1.0 + k * k, 0.0, poles, narrow, u, w)
    first = second = 0.0
    for z, weight in zip(u[:n].tolist(), w[:n].tolist()):
        omega = shift + root * z
        rest = math.sqrt(omega * omega + 4.0 * s)
        move = 0.5 * (rest - omega) if omega < 0.0 else 2.0 * s / (rest + omega)
        first += weight * signal_slope(labels, k, z) * move
        second += weight * label_weight(labels, k, z) * move * move
    wanted = alpha / root * math.sqrt(1.0 + k * k) * first
    if not wanted * signal > 0.0:
        return np.full(2, math.nan)
    return np.array([math.log(wanted / signal), math.log(alpha / d * second * math.cosh(x[0]) ** 2)])
