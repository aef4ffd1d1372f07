"""Coupled replicas beside their theory: a run of `sample(..., replicas=y, coupling=J)` and the replicated entropy at that coupling.

Systems of y replicas with the weight exp(-beta sum E + J sum w_a.w_b) lie where y free_entropy + (1/2) J y (y-1) q1 is stationary in their
mutual overlap q1: slope = -J (y-1)/2.
"""

import numpy as np

from flatphys.errors import InvalidInput, NotConverged
from flatphys.finite_size.coupled import CoupledRun
from flatphys.observables.replicated_entropy import ReplicatedEntropy, replicated_entropy

PAIRS = {  # estimate -> column of the theory
    "energy": "energy",
    "train_error": "train_error",
    "mutual_overlap": "overlap",
    "overlap": "q0",
    "R": "R",
    "m1": "m1",
    "cosine": "cosine",
}
NEAR = 0.02  # relative: how far a run's coupling may lie from that of the theory, which is then asked again
SAME = 1e-9  # relative: couplings that are one
STEPS = 30


def coupling_of(theory: ReplicatedEntropy) -> np.ndarray:
    """J at each distance."""
    return -2.0 * theory.slope / (theory.y - 1.0)


def replicated_items(theory: ReplicatedEntropy, runs) -> list:
    """(name, [(theory, estimate) of each run]) of coupled replicas."""
    for run in runs:
        if not isinstance(run, CoupledRun):
            raise InvalidInput("run must be of coupled replicas: sample(model, n, alpha, replicas=y, coupling=J), got independent chains")
        if run.replicas != theory.y:
            raise InvalidInput(f"run must have the theory's number of replicas, y = {theory.y:g}, got {run.replicas}")
    answers = [_at(theory, run) for run in runs]
    out = []
    for name, column in PAIRS.items():
        columns = [getattr(answer, column, None) for answer in answers]
        if all(name in run.estimates for run in runs) and all(values is not None for values in columns):
            out.append((name, [(float(values[0]), run.estimates[name]) for values, run in zip(columns, runs, strict=True)]))
    return out


def _at(theory, run) -> ReplicatedEntropy:
    """The theory of a run, at its load and its coupling, at one distance: that of the theory nearest to it, or a solution about it."""
    couplings = coupling_of(theory)
    scale = 1.0 + abs(run.coupling)
    known = np.where(np.isfinite(couplings), np.abs(couplings - run.coupling), np.inf)
    i = int(np.argmin(known))
    if not known[i] <= NEAR * scale:
        told = ", ".join(f"{j:.6g}" for j in couplings)
        raise InvalidInput(f"run must be at the coupling -2 slope/(y-1) of one of the theory's distances ({told}), got {run.coupling:g}")

    def ask(distance):
        return replicated_entropy(theory.model, run.alpha, distance=[distance], y=theory.y)

    at = [float(theory.distance[i])]
    found = [ask(at[0])]
    for _ in range(STEPS):
        gap = [float(coupling_of(answer)[0]) - run.coupling for answer in found[-2:]]
        if abs(gap[-1]) <= SAME * scale:
            return found[-1]
        if len(at) == 1:
            step = 1e-3 * at[0]
        else:
            step = -gap[1] * (at[-1] - at[-2]) / (gap[1] - gap[0])
        step = min(max(step, -0.3 * at[-1]), 0.3 * (0.5 - at[-1]))
        if not np.isfinite(step):
            break
        at.append(at[-1] + step)
        found.append(ask(at[-1]))
    raise NotConverged(
        f"no distance of {theory.y:g} replicas of {theory.model!r} at alpha={run.alpha:g} has the coupling {run.coupling:g}: "
        f"sample at one of the theory's own loads and couplings",
        {"distance": at[-1]},
    )
