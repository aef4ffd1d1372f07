"""replicated_entropy(model, alpha, ...): the densest regions of solutions (or of low energy), as y replicas at one mutual distance."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from flatphys import validate
from flatphys.display import Table, figure
from flatphys.errors import InvalidInput, NegativeEntropyWarning, NoSolution
from flatphys.model import Gibbs, Model, RandomLabels, TreeCommittee, check_model
from flatphys.observables.local_energy import turn_of
from flatphys.observables.margins.dense import FieldMargins
from flatphys.saddle.breaking.branch import branch_of, replicated_problem
from flatphys.saddle.breaking.replicas import TOLERANCE
from flatphys.saddle.breaking.star import star_of
from flatphys.state import NEGATIVE_ENTROPY

CENTRES = ("binary",)
_COLUMNS = ("value", "slope", "external_entropy", "q0", "R", "status")


@dataclass(frozen=True, eq=False, repr=False)
class ReplicatedEntropy(Table):
    """Entropy of y solutions (at finite beta: of y weights drawn together) all at one distance from each other; one entry per distance.

    With centre="binary" they are all at one distance from their centre, and the local entropy is that around the best centre.

    Attributes
    ----------
    model, alpha, y, centre
        What was asked.
    distance, overlap : array
        Hamming distance per weight of two replicas, and their overlap q1 = 1 - 2 distance (for spherical weights the same); with a
        centre those of a replica with it, S = 1 - 2 distance.
    mutual_distance : array
        Of two replicas.
    value : array
        Entropy per replica and weight, nats (spherical weights: relative to the uniform sphere): free_entropy + beta energy; with a
        centre free_entropy + beta energy - field overlap.
    free_entropy : array
        (1/y) of the logarithm of the regions' partition function per weight; at beta = inf the same as value.  With a centre the
        field's part is in it.
    field : array or None
        With a centre: the field gamma along it, which gives this overlap, 0 beyond the typical distance from the best centre.  Negative
        where nearer centres have more solutions: the value is then a formal one.
    energy, train_error : array
        Energy per weight of a replica, and its fraction of patterns below the margin (0 at beta = inf).
    slope : array
        d free_entropy / d overlap; d free_entropy / d distance = -2 slope.  With a centre that of free_entropy - field overlap: -field.
    external_entropy : array
        -y^2 d free_entropy/dy, the logarithm of the number of such regions per weight; negative: there are none, the
        value is formal.  At y = inf its limit, the coefficient of 1/y in free_entropy.
    region_entropy : array
        Entropy of the solutions within one region, value - external_entropy/y.
    q0, q0_hat, q1_hat, delta_q, delta_q_hat : array
        Overlap of replicas of different regions and the conjugates; delta_q = y (q1-q0), delta_q_hat = y (q1_hat-q0_hat).
    R, R_hat : array
        Overlap of a replica with the teacher and its conjugate (0 with random labels).
    generalization_error, barycentre_error : array or None
        With a teacher: of one replica, and of the sum of a region's y replicas.
    inner_eigenvalue, outer_eigenvalue : array
        Replicons among the replicas of a region, and between regions; the ansatz is stable iff both are positive.
        At y = inf the outer one is -inf where a replica's field jumps: delta_q_hat >= 1, a centre with a field, or errors counted at
        finite beta.
    status : array of str
        "ok"; "no_solution": finite y at a distance above the typical one, where the form has no real solution;
        "not_converged": the curve could not be followed so far, as where the conjugates leave the range of double
        precision (at y = inf: very small distances or loads), or two quadrature rules differ by more than the tolerance.
        Every number is nan in the last two.
    residual, quadrature_error : array
        Largest violation of the equations, and their difference between two quadrature rules.
    tolerance, quadrature_tolerance : float
        What they had to stay below.
    """

    model: Model
    alpha: float
    y: float
    distance: np.ndarray
    overlap: np.ndarray
    value: np.ndarray
    free_entropy: np.ndarray
    energy: np.ndarray
    train_error: np.ndarray
    slope: np.ndarray
    external_entropy: np.ndarray
    region_entropy: np.ndarray
    q0: np.ndarray
    q0_hat: np.ndarray
    q1_hat: np.ndarray
    delta_q: np.ndarray
    delta_q_hat: np.ndarray
    R: np.ndarray
    R_hat: np.ndarray
    generalization_error: np.ndarray | None
    barycentre_error: np.ndarray | None
    inner_eigenvalue: np.ndarray
    outer_eigenvalue: np.ndarray
    status: np.ndarray
    residual: np.ndarray
    quadrature_error: np.ndarray
    mutual_distance: np.ndarray
    centre: str | None = None
    tolerance: float = math.nan
    quadrature_tolerance: float = math.nan

    @property
    def field(self) -> np.ndarray | None:
        return None if self.centre is None else 0.0 - self.slope

    def margins(self, index: int = 0) -> FieldMargins:
        """Law of the training stabilities of one replica at `distance[index]`; of a tree committee, those of its normalised output."""
        index = validate.integer("index", index, -self.distance.size, self.distance.size - 1)
        if self.status[index] != "ok":
            raise NoSolution(f"no replicated solution was found at distance {self.distance[index]:g}: status {str(self.status[index])!r}")
        problem = replicated_problem(self.model)
        q0, r = float(self.q0[index]), float(self.R[index])
        return FieldMargins(
            problem, self.y, 2.0 * float(self.mutual_distance[index]), q0, float(self.delta_q[index]), r / math.sqrt(q0 - r * r)
        )

    def local_energy(self, index: int = 0, *, sigma=None, distance=None):
        """Increase of the training error (stabilities below 0) of one replica at `distance[index]` under a random perturbation.

        sigma >= 0: w_i -> w_i (1 + sigma z_i) with standard normal z_i; distance in [0, 1/2): a fraction of the weights is
        flipped (spherical weights: turned to the overlap 1 - 2 distance).  Arrays in, arrays out.  A tree committee's weights
        are scaled back to |w|^2 = N, as in `local_energy`.
        """
        kind, at = validate.perturbation(sigma, distance, 0.5, "[")
        law, scales = self.margins(index), at.ravel().tolist()
        if isinstance(self.model.learner.network, TreeCommittee):
            rise = [law.rise_after_turn(turn_of(s) if kind == "sigma" else 2.0 * s) for s in scales]
        else:
            if kind == "distance":
                scales = [2.0 * math.sqrt(d * (1.0 - d)) / (1.0 - 2.0 * d) for d in scales]
            rise = [law.rise_after_noise(s) for s in scales]
        out = np.array(rise).reshape(at.shape)
        return float(out) if out.ndim == 0 else out

    def plot(self, ax=None, **style):
        """Draw the entropy per replica against the distance on `ax` or a new figure; returns the axes."""
        from flatphys.plotting import LABELS, new_axes

        ax = new_axes(ax)
        replicas = r"\infty" if self.y == math.inf else f"{self.y:g}"
        around = "" if self.centre is None else f", {self.centre} centre"
        style.setdefault("label", rf"$\alpha={self.alpha:g}$, $y={replicas}${around}")
        order = np.argsort(self.distance)
        ax.plot(self.distance[order], self.value[order], **style)
        ax.set(xlabel=LABELS["distance"], ylabel=LABELS["replicated_entropy.value"])
        return ax

    def _title(self) -> str:
        around = "" if self.centre is None else f" around a {self.centre} centre"
        return f"Replicated entropy of {self.model!r} at alpha={self.alpha:g}, y={self.y:g}{around} (nats per replica and weight)"

    def _rows(self):
        names = [name for name in _COLUMNS if name != "R" or self.generalization_error is not None]
        rows = [("distance", "".join(f"{name:<18}" for name in names).rstrip())]
        for i, d in enumerate(self.distance):
            rows.append((figure(d), "".join(f"{_cell(getattr(self, name)[i]):<18}" for name in names).rstrip()))
        return rows


def _cell(value) -> str:
    return str(value) if isinstance(value, str) else figure(value)


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
        A Gibbs learner of any margin, energy and beta on random labels or with a teacher; a perceptron or, with random labels, a
        tree committee.
    alpha : float > 0
        Patterns per weight.
    distance : float or array in (0, 1/2)
        Hamming distance per weight between two replicas, in any order; or give `overlap` = 1 - 2 distance.
    y : float > 1 or math.inf
        The number of replicas in a region (the Parisi parameter of a one-step RSB form, not necessarily an integer).
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
    y = validate.number("y", y, 1.0, infinite=True)
    if not isinstance(model.learner, Gibbs):
        raise InvalidInput(f"replicated_entropy needs a Gibbs learner, got {model.learner!r}")
    distance = validate.separation(overlap, distance, 0.5)[0].ravel()
    branch = _branch(model, alpha, y, centre)
    points = [None] * distance.size
    for i in np.argsort(np.abs(np.log(2.0 * distance / branch.start_v))):  # outwards from where the branch starts
        points[i] = branch.at(2.0 * float(distance[i]))

    def column(name):
        return np.array([math.nan if p is None else getattr(p, name) for p in points])

    value, external, r = column("value"), column("external"), column("r")
    repulsive = np.array([branch.repulsive(2.0 * float(d)) for d in distance])
    status = np.where(np.isfinite(value), "ok", np.where(repulsive, "no_solution", "not_converged"))
    teacher = not isinstance(model.data, RandomLabels)
    mutual = 0.5 * column("v")
    norm2 = 1.0 - 2.0 * mutual if y == math.inf else (1.0 + (y - 1.0) * (1.0 - 2.0 * mutual)) / y
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
        r,
        column("r_hat"),
        np.arccos(r) / math.pi if teacher else None,
        np.arccos(np.minimum(r / np.sqrt(norm2), 1.0)) / math.pi if teacher else None,
        column("inner"),
        column("outer"),
        status,
        column("residual"),
        column("quadrature"),
        mutual,
        None if centre is None else CENTRES[0],
        *TOLERANCE,
    )
    if model.learner.weights == "binary" and np.any(value < NEGATIVE_ENTROPY):
        i = int(np.nanargmin(value))
        warnings.warn(
            f"the entropy of y={y:g} replicas of binary weights is negative at alpha={alpha:g}, down to {value[i]:.6g} at distance "
            f"{distance[i]:g}: no such weights exist, the values are the formal continuation",
            NegativeEntropyWarning,
            stacklevel=2,
        )
    return result
