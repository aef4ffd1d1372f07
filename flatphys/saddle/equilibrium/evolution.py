"""State evolution: what message passing does at N -> infinity, iteration by iteration.

From magnetizations that know nothing (q = R = 0), iteration t+1 of approximate message passing has overlaps that follow from those of
iteration t as in the saddle's equations (`saddle.equilibrium.averages`), without a root being sought:

    q_hat_t = alpha c'(q_t) A(q_t, R_t)/v_t        R_hat_t = alpha B(q_t, R_t)/sqrt v_t
    q_{t+1}, R_{t+1} = the weights' averages at (q_hat_t, R_hat_t)

Its fixed points are the replica-symmetric saddle points; the one it reaches is the branch of smallest overlap that is stable in
the direction of growing overlap, so beyond a first-order transition it stays on the metastable student up to the spinodal.

Sources: Bolthausen 2014; Donoho, Maleki & Montanari 2009.
"""

import math
from typing import TYPE_CHECKING

from flatphys import validate
from flatphys.kernels.codes import MIXTURE, RANDOM
from flatphys.kernels.labels import guided, label_slope
from flatphys.kernels.networks import first_slope, overlap_slope
from flatphys.model import Bayes, Gibbs, Model, check_model
from flatphys.numerics.quadrature import buffers
from flatphys.problem import problem_of
from flatphys.saddle.equilibrium.averages import fields, pattern_saddle, weights_average
from flatphys.saddle.equilibrium.curve import first_field, first_pull

if TYPE_CHECKING:
    import xarray

TEACHER_REACHED = 1e-200  # 1 - q below which the messages have found the teacher, or the last solution


def state_evolution(model: Model, alpha: float, iterations: int = 100) -> "xarray.Dataset":
    """Overlaps of message passing at N -> infinity over its iterations, from a start that knows nothing.

    Parameters
    ----------
    model : Model
        Of a Gibbs learner, or a Bayes learner with a teacher.
    alpha : float > 0
    iterations : int >= 1

    Returns
    -------
    xarray.Dataset over "iteration" 0 ... iterations
        q = |m|^2/N and, with a teacher, R = m.teacher/N before the iteration; q_hat, R_hat that follow from them (mixture: m, m_hat).
        At a fixed point these are the order parameters of `solve` on the branch that messages reach.

    Raises
    ------
    InvalidInput

    >>> float(fp.state_evolution(fp.Model(), 0.5, 60).q[-1])
    0.3223853632
    """
    import xarray

    check_model(model)
    alpha, iterations = validate.load(alpha), validate.integer("iterations", iterations, 1)
    validate.instance("learner", model.learner, (Gibbs, Bayes))
    problem = problem_of(model)
    random = problem.labels.kind == RANDOM
    rows = _walk(problem, alpha, iterations)
    signal = ("m", "m_hat") if problem.labels.kind == MIXTURE else ("R", "R_hat")
    names = ("q", "q_hat", *(() if random else signal))
    table = xarray.Dataset(
        {name: ("iteration", [row[i] for row in rows]) for i, name in enumerate(names)}, {"iteration": range(iterations + 1)}
    )
    table.attrs = {"model": repr(model), "alpha": alpha}
    return table


def _walk(problem, alpha: float, iterations: int) -> list:
    """(q, q_hat, R, R_hat) at every iteration."""
    labels, a0 = problem.labels, first_field(problem.channel)
    q_hat, r_hat = alpha * first_slope(problem.net) * a0 * a0, alpha * label_slope(problem.labels, 0.0, 0.0) * a0
    if labels.kind == MIXTURE:
        square, first = first_pull(labels, problem.channel)
        q_hat, r_hat = alpha * square, alpha * first
    rows = [(0.0, q_hat, 0.0, r_hat)]
    for _ in range(iterations):
        if q_hat == 0.0 and r_hat == 0.0:
            rows.append(rows[-1])
            continue
        bound = r_hat if guided(labels) else q_hat
        weight = weights_average(problem, q_hat, bound if problem.labels.kind != RANDOM else 0.0, 0, buffers())
        if not weight.v > TEACHER_REACHED:
            rows.append((1.0, math.inf, 1.0, math.inf))
            q_hat = r_hat = 0.0
            continue
        seen = fields(problem, weight, buffers())
        a, b = pattern_saddle(problem, seen, 0, buffers())
        q_hat = alpha * overlap_slope(problem.net, weight.q, weight.v) * a / seen.v
        r_hat = alpha * b / math.sqrt(weight.v) if guided(labels) else q_hat
        rows.append((weight.q, q_hat, weight.r, r_hat))
    return rows
