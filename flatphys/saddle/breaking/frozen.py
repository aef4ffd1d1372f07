"""Binary weights below the freezing temperature: the one-step state in which every cluster is one configuration.

With q1 = 1 the inner averages are exact, whatever the energy: f^m is f at the temperature m beta and (2 cosh A)^m leaves 2 cosh(m A), so

    phi(beta, m) = phi_RS(m beta)/m,   q0 = q_RS(m beta),   q0_hat = q_hat_RS(m beta)/m^2,   R_hat = R_hat_RS(m beta)/m

and the complexity -m^2 d phi/dm is the replica-symmetric entropy at m beta.  It vanishes at m = beta_c/beta:
energy, errors and overlaps stay what they are at the freezing point.  The replicon between clusters is the one at
m beta; within a cluster there is nothing to destabilise.  Source: Krauth & Mezard 1989.
"""

import math
from dataclasses import replace

from flatphys.errors import NoSolution, Unsatisfiable
from flatphys.model import Model
from flatphys.numerics.roots import bracketed
from flatphys.saddle.accept import Tolerance, accept
from flatphys.saddle.breaking.branch import lowest_state
from flatphys.state import NEGATIVE_ENTROPY, State

TOLERANCE = Tolerance(1e-9, 1e-6)


def _lowest(model: Model, alpha: float, beta: float) -> State:
    """The replica-symmetric state of least overlap at another temperature."""
    return lowest_state(replace(model, learner=replace(model.learner, beta=beta)), alpha)


def solve_binary(model: Model, alpha: float, parisi_m: float | None = None) -> State:
    """The frozen state, or the one at a given m."""
    beta = model.learner.beta
    if beta == math.inf:
        state = _lowest(model, alpha, beta)
        if state.entropy >= NEGATIVE_ENTROPY:
            raise NoSolution(
                f"the entropy of {model!r} at alpha={alpha:g} is positive ({state.entropy:.6g}): replica symmetry holds and there "
                "is no frozen state; use ansatz='RS'"
            )
        raise Unsatisfiable(
            f"no binary weights fulfil the hard constraints of {model!r} at alpha={alpha:g} (entropy {state.entropy:.6g}): "
            f"the one-step state has parisi_m = 0 there; a finite beta admits errors, ground_state(model, alpha) gives their least number"
        )
    hot = _lowest(model, alpha, beta)
    if hot.entropy >= 0.0:
        raise NoSolution(
            f"{model!r} at alpha={alpha:g} has not frozen: its replica-symmetric entropy {hot.entropy:.6g} is positive at "
            f"beta={beta:g}; use ansatz='RS' (see freezing_beta)"
        )
    if parisi_m is None:
        low = math.log(beta)
        while _lowest(model, alpha, math.exp(low)).entropy < 0.0:
            low -= 0.7
        parisi_m = math.exp(bracketed(lambda x: _lowest(model, alpha, math.exp(x)).entropy, low, math.log(beta))) / beta
        stationary = True
    else:
        stationary = False
    m = parisi_m
    frozen = _lowest(model, alpha, m * beta)
    free = frozen.free_entropy / m
    order = {
        "q0": frozen.q,
        "q1": 1.0,
        "one_minus_q1": 0.0,
        "parisi_m": m,
        "q0_hat": frozen.q_hat / (m * m),
        "q1_hat": math.inf,
        "complexity": frozen.entropy,
        "inner_eigenvalue": 1.0,
        "outer_eigenvalue": frozen.at_eigenvalue,
    }
    if "R" in frozen.order:
        order |= {"R": frozen.R, "R_hat": frozen.R_hat / m}
    state = State(
        model,
        alpha,
        order,
        branch=frozen.branch,
        ansatz="1RSB",
        free_entropy=free,
        entropy=free + beta * frozen.energy,
        train_error=frozen.train_error,
        train_loss=frozen.train_loss,
        generalization_error=frozen.generalization_error,
        bayes_error=frozen.bayes_error,
        cosine=frozen.cosine,
        at_eigenvalue=min(1.0, frozen.at_eigenvalue),
        residual=max(frozen.residual, abs(frozen.entropy) if stationary else 0.0),
        quadrature_error=frozen.quadrature_error,
    )
    return accept(state, TOLERANCE, "move alpha or beta a little")
