"""The one-step free entropy at any point, on or off its saddle: what tests differentiate and users plot.

    binary     (1-m) q1 q1_hat/2 + m q0 q0_hat/2 - q1_hat/2 - R R_hat + (1/m) E log J + (alpha/m) E log I
    spherical  ((m-1)/2m) log(1-q1) + (1/2m) log S + (q0-R^2)/(2S) + (alpha/m) E log I,   S = 1-q1 + m (q1-q0)

with log I, log J of `saddle.breaking.averages`; a tree committee's log I sees q0 and q1 as in `saddle.breaking.network`.
"""

import math

from flatphys import validate
from flatphys.errors import InvalidInput, NotConverged
from flatphys.kernels.codes import RANDOM, TEACHER
from flatphys.kernels.networks import network_code
from flatphys.model import Gibbs, Model, RandomLabels, check_model
from flatphys.numerics.quadrature import buffers
from flatphys.saddle.breaking.averages import pattern_average, weight_average
from flatphys.saddle.breaking.network import block_overlaps


def one_step_free_entropy(
    model: Model, alpha: float, *, q0: float, q1: float, parisi_m: float, q0_hat=None, q1_hat=None, R: float = 0.0, R_hat: float = 0.0
) -> float:
    """The one-step RSB free entropy (nats per weight) of a Gibbs learner with hard constraints at the given order parameters.

    Parameters
    ----------
    q0, q1 : float
        0 < q0 <= q1 < 1.
    parisi_m : float > 0
        The Parisi parameter, or the number of replicas.
    q0_hat, q1_hat : float
        Conjugates of binary weights, 0 < q0_hat <= q1_hat; spherical weights have eliminated theirs.
    R, R_hat : float
        Overlap with the teacher, R^2 < q0, and its conjugate.
    """
    check_model(model)
    alpha = validate.load(alpha)
    learner = model.learner
    if not isinstance(learner, Gibbs) or learner.beta < math.inf:
        raise InvalidInput(f"one_step_free_entropy needs a Gibbs learner at beta=math.inf, got {learner!r}")
    q1 = validate.number("q1", q1, 0.0, 1.0)
    q0 = validate.number("q0", q0, 0.0, q1, closed="]")
    m = validate.number("parisi_m", parisi_m, 0.0)
    kind, flip = (RANDOM, 0.0) if isinstance(model.data, RandomLabels) else (TEACHER, model.data.flip)
    R = validate.number("R", R, -math.sqrt(q0), math.sqrt(q0))
    R_hat = validate.number("R_hat", R_hat)
    v, gap, t2 = 1.0 - q1, q1 - q0, q0 - R * R
    cv, c0, stretch, *_ = block_overlaps(network_code(learner.network), v, q0, gap)
    k = R / math.sqrt(t2) if kind == TEACHER else 0.0
    out = pattern_average(kind, flip, learner.margin, cv, c0, k, gap / v * stretch, m, 0, *buffers())
    phi = alpha * out[3] / m
    if learner.weights == "binary":
        q1_hat = validate.number("q1_hat", q1_hat, 0.0)
        q0_hat = validate.number("q0_hat", q0_hat, 0.0, q1_hat, closed="]")
        weights = weight_average(q0_hat, R_hat, q1_hat - q0_hat, m, 0, *buffers())
        phi += weights[3] / m - 0.5 * q1_hat * v - 0.5 * m * (q1_hat * gap + q0 * (q1_hat - q0_hat)) - R * R_hat
    else:
        s = v + m * gap
        phi += 0.5 * math.log(v) + 0.5 * math.log1p(m * gap / v) / m + 0.5 * t2 / s
    if not math.isfinite(phi):
        raise NotConverged(f"the nested averages do not fit their buffers at q0={q0:g}, q1={q1:g}, parisi_m={m:g}")
    return phi
