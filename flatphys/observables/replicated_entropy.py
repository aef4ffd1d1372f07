"""replicated_entropy(model, alpha, ...): the densest regions of solutions (or of low energy), as y replicas at one mutual distance."""

import math
import warnings

import numpy as np
from numpy.typing import ArrayLike

from flatphys import validate
from flatphys.errors import InvalidInput, NegativeEntropyWarning, ReplicaSymmetryWarning
from flatphys.kernels.codes import MIXTURE, RANDOM, TEACHER
from flatphys.model import Gibbs, Model, check_model
from flatphys.numerics.gaussian import tail
from flatphys.observables.regions import ReplicatedEntropy
from flatphys.saddle.breaking.branch import branch_of, replicated_problem
from flatphys.saddle.breaking.far import farthest_distance
from flatphys.saddle.breaking.replicas import TOLERANCE
from flatphys.saddle.breaking.star import star_of
from flatphys.state import NEGATIVE_ENTROPY

CENTRES = ("binary",)


def _branch(model, alpha, y, centre):
    """The curve in the distance from each other, or from a centre."""
    if centre is None:
        return branch_of(model, alpha, y)
    centre = validate.choice("centre", centre, CENTRES)
    if y < math.inf or model.learner.weights != "binary":
        raise InvalidInput(f"centre must be None but for y = inf and binary weights, got {centre!r}, y={y:g} and {model.learner!r}")
    return star_of(model, alpha)


def replicated_entropy(
    model: Model,
    alpha: float,
    *,
    distance: ArrayLike | None = None,
    overlap: ArrayLike | None = None,
    y: float = math.inf,
    centre: str | None = None,
) -> ReplicatedEntropy:
    """Entropy per replica of y weights at one mutual distance, in the limit y -> inf the densest regions there are.

    The replicas together have the weight exp(-beta sum of their energies): at beta = inf they are solutions.

    Parameters
    ----------
    model : Model
        A Gibbs learner of any margin, energy and beta on random labels, with a teacher or on a mixture; a perceptron or, with random
        labels, a tree committee.  On unbalanced clouds without a bias, which do not show in the stabilities.
    alpha : float > 0
        Patterns per weight.
    distance : float or array in (0, 1/2)
        Hamming distance per weight between two replicas, in any order; or give `overlap` = 1 - 2 distance.
    y : float >= 1 or math.inf
        The number of replicas in a region (the Parisi parameter of a one-step RSB form, not necessarily an integer); one replica alone
        is the Gibbs learner, whatever the overlap.
    centre : None or "binary"
        None: the replicas are at one distance from each other.  "binary": at one distance from a centre in {-1, 1}^N, the best there
        is; binary weights, y = inf.

    Returns
    -------
    ReplicatedEntropy
        Arrays with one entry per distance.  status is "no_solution" for finite y at distances above the typical one,
        (1-q)/2 of the replica-symmetric state.

    Raises
    ------
    InvalidInput
        An argument is out of its range or of the wrong type.
    Unsatisfiable, NoSolution
        There is no replica-symmetric state at this load, from which the regions are reached.

    Warns
    -----
    NegativeEntropyWarning
        The entropy per replica of binary weights is negative somewhere: no such weights exist.
    ReplicaSymmetryWarning
        A replicon is negative somewhere, within a region or between regions (the message says which): the values are approximations.

    Examples
    --------
    >>> import flatphys as fp
    >>> from flatphys.observables.replicated_entropy import replicated_entropy
    >>> dense = replicated_entropy(fp.Model(fp.RandomLabels(), fp.Gibbs("binary")), 0.6, distance=[0.2])
    >>> round(float(dense.value[0]), 12)
    0.195533678801
    """
    check_model(model)
    alpha = validate.load(alpha)
    y = validate.number("y", y, 1.0, closed="[", infinite=True)
    if not isinstance(model.learner, Gibbs):
        raise InvalidInput(f"replicated_entropy needs a Gibbs learner, got {model.learner!r}")
    distance = validate.separation(overlap, distance, 0.5)[0].ravel()
    branch, problem = _branch(model, alpha, y, centre), replicated_problem(model)
    points = [None] * distance.size
    for i in np.argsort(np.abs(np.log(2.0 * distance / branch.start_v))):  # outwards from where the branch starts
        points[i] = branch.at(2.0 * float(distance[i]))

    def column(name):
        return np.array([math.nan if p is None else getattr(p, name) for p in points])

    value, external, r = column("value"), column("external"), column("r")
    mutual = 0.5 * column("v")
    norm = np.sqrt(1.0 - 2.0 * mutual if y == math.inf else (1.0 + (y - 1.0) * (1.0 - 2.0 * mutual)) / y)
    random, mixture = problem.labels.kind == RANDOM, problem.labels.kind == MIXTURE
    cosine = None if random else np.minimum(r / norm, 1.0)
    result = ReplicatedEntropy(
        model,
        alpha,
        y,
        distance,
        1.0 - 2.0 * distance,
        value,
        column("free_entropy"),
        column("energy"),
        column("train_error"),
        column("slope"),
        external,
        value - external / y,
        column("q0"),
        column("q0_hat"),
        column("q1_hat"),
        column("dq"),
        column("dq_hat"),
        0.0 * r if mixture else r,
        column("r_hat"),
        r if mixture else None,
        None if random else error_at(problem.labels, r),
        norm,
        cosine,
        None if random else error_at(problem.labels, cosine),
        column("inner"),
        column("outer"),
        _statuses(branch, distance, value, 0.5 if y < math.inf or centre else farthest_distance(model, alpha)),
        column("residual"),
        column("quadrature"),
        mutual,
        None if centre is None else CENTRES[0],
        *TOLERANCE,
    )
    _warn(result)
    return result


def error_at(labels, cosine: np.ndarray) -> np.ndarray:
    """Probability that weights at this cosine to the teacher or the clouds' centre err on a new example."""
    if labels.kind == TEACHER:
        return np.arccos(cosine) / math.pi
    return np.array([tail(c / math.sqrt(labels.variance)) for c in cosine.tolist()])


def _statuses(branch, distance, value, farthest) -> np.ndarray:
    """The status of every distance: what the theory says where there is no value, or that it was not found."""
    nowhere = (distance >= farthest) | np.array([branch.repulsive(2.0 * float(d)) for d in distance])
    return np.where(np.isfinite(value), "ok", np.where(nowhere, "no_solution", "not_converged"))


def _warn(result: ReplicatedEntropy):
    """The warnings that a result calls for, one of a kind."""
    at = f"of y={result.y:g} replicas at alpha={result.alpha:g}"
    if result.model.learner.weights == "binary" and np.any(result.value < NEGATIVE_ENTROPY):
        i = int(np.nanargmin(result.value))
        warnings.warn(
            f"the entropy {at} is negative for binary weights, down to {result.value[i]:.6g} at distance "
            f"{result.distance[i]:g}: no such weights exist, the values are the formal continuation",
            NegativeEntropyWarning,
            stacklevel=3,
        )
    for name, block in (("inner", "the replicas of a region"), ("outer", "regions")):
        replicon = getattr(result, f"{name}_eigenvalue")
        if np.any(replicon < 0.0) and result.centre is None:  # every field of a binary centre jumps
            i = int(np.nanargmin(replicon))
            warnings.warn(
                f"the {name} replicon {at}, among {block}, is negative, down to {replicon[i]:.4g} at distance {result.distance[i]:g}: "
                "the values there are approximations",
                ReplicaSymmetryWarning,
                stacklevel=3,
            )
