"""The one-step free entropy at any point, on or off its saddle: what tests differentiate and users plot.

    binary     (1-m) q1 q1_hat/2 + m q0 q0_hat/2 - q1_hat/2 - R R_hat + (1/m) E log J + (alpha/m) E log I
    spherical  ((m-1)/2m) log(1-q1) + (1/2m) log S + (q0-R^2)/(2S) + (alpha/m) E log I,   S = 1-q1 + m (q1-q0)

with log I, log J of `saddle.breaking.averages`; a tree committee's log I sees q0 and q1 as in `saddle.breaking.network`.
"""

import math

from flatphys import validate
from flatphys.errors import NotConverged
from flatphys.kernels.codes import BINARY, RANDOM
from flatphys.model import Model
from flatphys.saddle.breaking.averages import Patterns, pattern_average, weight_average
from flatphys.saddle.breaking.branch import replicated_problem
from flatphys.saddle.breaking.inner import room
from flatphys.saddle.breaking.network import block_overlaps

NAMES = ("q0", "q1", "parisi_m", "q0_hat", "q1_hat", "R", "R_hat")


def one_step_free_entropy(model: Model, alpha: float, **order: float) -> float:
    """The one-step RSB free entropy (nats per weight) of a Gibbs learner at the given order parameters.

    Parameters
    ----------
    q0, q1 : float
        0 < q0 <= q1 < 1.
    parisi_m : float > 0
        The Parisi parameter, or the number of replicas.
    q0_hat, q1_hat : float
        Conjugates of binary weights, 0 < q0_hat <= q1_hat; spherical weights have eliminated theirs.
    R, R_hat : float
        Overlap with the teacher, R^2 < q0, and its conjugate; 0 where they are not given.
    """
    problem = replicated_problem(model)
    alpha = validate.load(alpha)
    for name in order:
        validate.choice("an order parameter", name, NAMES)
    q1 = validate.number("q1", order.get("q1"), 0.0, 1.0)
    q0 = validate.number("q0", order.get("q0"), 0.0, q1, closed="]")
    m = validate.number("parisi_m", order.get("parisi_m"), 0.0)
    R = validate.number("R", order.get("R", 0.0), -math.sqrt(q0), math.sqrt(q0))
    R_hat = validate.number("R_hat", order.get("R_hat", 0.0))
    v, gap, t2 = 1.0 - q1, q1 - q0, q0 - R * R
    seen = block_overlaps(problem.net, v, q0, gap)
    k = 0.0 if problem.labels.kind == RANDOM else R / math.sqrt(t2)
    phi = alpha * pattern_average(Patterns(problem.channel, problem.labels, seen.v, seen.q0, k, gap / v * seen.stretch), m, 0, room()).value
    if problem.weights == BINARY:
        q1_hat = validate.number("q1_hat", order.get("q1_hat"), 0.0)
        q0_hat = validate.number("q0_hat", order.get("q0_hat"), 0.0, q1_hat, closed="]")
        weights = weight_average(q0_hat, R_hat, q1_hat - q0_hat, m, 0, room())
        phi += weights.value - 0.5 * q1_hat * v - 0.5 * m * (q1_hat * gap + q0 * (q1_hat - q0_hat)) - R * R_hat
    else:
        s = v + m * gap
        phi += 0.5 * math.log(v) + 0.5 * math.log1p(m * gap / v) / m + 0.5 * t2 / s
    if not math.isfinite(phi):
        raise NotConverged(f"the nested averages do not fit their buffers at q0={q0:g}, q1={q1:g}, parisi_m={m:g}")
    return phi
