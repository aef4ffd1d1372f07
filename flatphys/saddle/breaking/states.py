"""solve(ansatz="1RSB"): spherical weights on the curve of `saddle.breaking.one_step`, binary weights frozen (`saddle.breaking.frozen`)."""

import math
import warnings

import numpy as np

from flatphys import validate
from flatphys.errors import InvalidInput, NoSolution, NotConverged, ReplicaSymmetryWarning, Unsatisfiable
from flatphys.kernels.networks import PERCEPTRON, network_code
from flatphys.kernels.traits import energy_traits
from flatphys.model import Gibbs, Model, RandomLabels, check_model
from flatphys.numerics.gaussian import logistic
from flatphys.numerics.newton import largest, newton
from flatphys.problem import problem_of
from flatphys.saddle.accept import Tolerance, accept, good
from flatphys.saddle.breaking.frozen import solve_binary
from flatphys.saddle.breaking.one_step import LOWEST, NARROW, OneStepCurve, curve_at
from flatphys.saddle.equilibrium import states as equilibrium
from flatphys.saddle.equilibrium.limit import random_label_capacity
from flatphys.saddle.equilibrium.refuse import beyond
from flatphys.state import State

TOLERANCE = Tolerance(residual=1e-10, quadrature=1e-8)
STEP_M = 0.1  # longest step in log m from the stationary state to a given m


def _curve_for(model: Model, alpha: float) -> OneStepCurve:
    """The curve that has a solution at this load; raises where there is none."""
    kappa, net = model.learner.margin, network_code(model.learner.network)
    if kappa >= 0.0 and net[0] == PERCEPTRON:
        if alpha >= random_label_capacity(kappa):
            raise beyond(model, problem_of(model), alpha)
        raise NoSolution(
            f"replica symmetry is exact for spherical weights at margin {kappa:g} >= 0: there is no one-step solution; use ansatz='RS'"
        )
    curve = curve_at(kappa, net)
    if alpha >= curve.capacity:
        raise Unsatisfiable(
            f"alpha={alpha:g} is beyond the one-step capacity {curve.capacity:.10g} of {model!r}: "
            f"no weights reach the margin on every pattern"
        )
    if alpha < curve.loads[-1]:
        raise _below(model, alpha, curve)
    return curve


def _below(model, alpha, curve):
    """The error for a load below the curve's last."""
    if curve.reaches_one:
        return NoSolution(
            f"the one-step solution of {model!r} reaches parisi_m = 1 near alpha={curve.one():.6g}; at alpha={alpha:g} below it "
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


def _unknowns(model: Model, alpha: float, parisi_m: float | None, curve: OneStepCurve):
    """(log V, log(q0/(q1-q0)), log m) and the residual: m stationary, or as given."""
    guess = curve.bracket(alpha)
    if guess is None:
        raise NotConverged(
            f"alpha={alpha:.12g} is too large, or too close to the one-step capacity {curve.capacity:.12g} of {model!r}, for double "
            f"precision: 1-q1 < {math.exp(LOWEST):.0e}"
        )

    def violations(x, log_m=None):
        if not -40.0 < x[0] < 0.0 or abs(x[1]) > 60.0 or abs(x[-1]) > 60.0:
            return np.full(x.size, math.nan)
        out = curve.values(x[0], (x[1], x[2] if log_m is None else log_m))
        return np.array([out.log_alpha - math.log(alpha), out.violation_q1, out.violation_m][: x.size])

    root = newton(violations, guess)
    x, residual = root.x, root.residual
    if parisi_m is not None and good(TOLERANCE, residual):
        steps = max(1, math.ceil(abs(math.log(parisi_m) - x[2]) / STEP_M))
        for log_m in np.linspace(x[2], math.log(parisi_m), steps + 1)[1:]:
            root = newton(lambda y, log_m=log_m: violations(y, log_m), x[:2])
            x, residual = np.append(root.x, log_m), root.residual
    return x, residual


def solve_spherical(model: Model, alpha: float, parisi_m: float | None = None) -> State:
    """Spherical weights with random labels and hard constraints beyond the stability line; at a given m if there is one."""
    curve = _curve_for(model, alpha)
    x, residual = _unknowns(model, alpha, parisi_m, curve)
    v, m = math.exp(x[0]), math.exp(x[2])
    q1 = 1.0 - v
    gap = q1 * logistic(-x[1])
    if good(TOLERANCE, residual) and m > 1.0 and parisi_m is None:
        raise _below(model, alpha, curve)
    q0, s = q1 - gap, v + m * gap
    out, fine = (curve.values(x[0], x[1:], level) for level in (0, 1))
    phi = out.free_entropy
    doubts = (
        fine.log_alpha - math.log(alpha),
        fine.violation_q1,
        fine.complexity - out.complexity,
        (fine.free_entropy - phi) / max(1.0, abs(phi)),
    )
    state = State(
        model,
        alpha,
        {
            "q0": q0,
            "q1": q1,
            "one_minus_q1": v,
            "parisi_m": m,
            "q0_hat": q0 / (s * s),
            "q1_hat": q0 / (s * s) + gap / (v * s),
            "complexity": out.complexity,
            "inner_eigenvalue": out.inner,
            "outer_eigenvalue": out.outer,
        },
        ansatz="1RSB",
        free_entropy=phi,
        entropy=phi,
        train_error=0.0,
        at_eigenvalue=min(out.inner, out.outer),
        residual=residual,
        quadrature_error=largest(doubts),
    )
    return accept(state, TOLERANCE, "move alpha a little, or use ansatz='RS'")


def solve_one_step(model: Model, alpha: float, parisi_m: float | None = None) -> State:
    """The one-step RSB saddle point at load alpha, where the replica-symmetric one fails.

    Spherical weights, random labels, hard constraints at negative margin (a tree committee: at any), beyond the stability line; binary
    weights at finite beta beyond the freezing one, any labels and any energy.  The free entropy is stationary in parisi_m as well unless
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
    NotConverged
        The equations were not solved to tolerance.

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
    elif isinstance(model.data, RandomLabels) and learner.beta == math.inf and energy_traits(learner.energy).margin_fit:
        state = solve_spherical(model, alpha, parisi_m)
    else:
        raise InvalidInput(
            f"ansatz='1RSB' for spherical weights needs RandomLabels data and hard constraints (beta=math.inf, energy not 'square'), "
            f"got {model!r}"
        )
    if state.at_eigenvalue < 0.0:
        block = "inside a cluster" if state.inner_eigenvalue < state.outer_eigenvalue else "between clusters"
        warnings.warn(
            f"one step of replica-symmetry breaking is unstable {block} at alpha={alpha:g} (replicon {state.at_eigenvalue:.4g} < 0): "
            f"the values improve on the replica-symmetric ones but are not exact",
            ReplicaSymmetryWarning,
            stacklevel=4,
        )
    return state
