"""`message_passing`: belief propagation on given instances, undamped first, then damped, never the last iterate for a fixed point."""

import math
import warnings

import numpy as np
from numpy.typing import ArrayLike

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.finite_size.instances import Instances
from flatphys.finite_size.messages.amp import Task, amp
from flatphys.finite_size.messages.committee import check_committee, signed_patterns
from flatphys.finite_size.messages.edges import edges
from flatphys.finite_size.messages.result import Messages
from flatphys.finite_size.messages.sites import Site
from flatphys.kernels.codes import BINARY, SPHERICAL
from flatphys.model import GaussianMixture, Gibbs
from flatphys.problem import channel_of

METHODS = ("amp", "bp", "bp-exact")
VARIANCES = ("mean", "pattern")
PATIENCE = 300  # iterations without half the residual, before another damping is tried; then all of them anew to the end
DAMPINGS = (0.0, 0.3, 0.6, 0.8)  # tried in turn: undamped messages converge fastest, and next to spinodals alone
NAMES = ("free_entropy", "q", "q_hat", "train_error", "train_loss", "at_eigenvalue", "centre_overlap", "local_entropy")


def message_passing(
    instances: Instances,
    method: str = "amp",
    variance: str = "mean",
    field: ArrayLike | None = None,
    self_field: float = 0.0,
    coupling: tuple[float, float] | None = None,
    damping: float | None = None,
    tolerance: float = 1e-12,
    max_iterations: int = 20000,
) -> Messages:
    """Fixed points of belief propagation on every instance, at the margin, beta and energy of the model's Gibbs learner.

    Parameters
    ----------
    instances : Instances
        Of a Gibbs learner; tree committees with an odd number of sign units and margin 0.
    method : "amp", "bp" or "bp-exact"
        TAP equations, O(N P) an iteration; messages on edges with Gaussian sums; the same with the exact law of the sums (patterns +-1,
        O(N^2 P), no lattice to be warned of).  The two on edges are for binary perceptrons without self-field and coupling.
    variance : "mean" or "pattern"
        Of the cavity fields: the mean square of the components for all patterns, or that of each pattern and weight (exact TAP of Gaussian
        patterns; the two differ at order 1/N).
    field : (n,) or (count, n), optional
        External fields h_i: weights get the factor exp(sum_i h_i w_i).
    self_field : float
        lam: m = tanh(B + h + lam m), the mutual coupling of y = infinity replicas.
    coupling : (gamma, y), optional
        y replicas around a binary centre s, exp(gamma sum_i s_i w_i) each (binary weights, no field, no self_field).
    damping : float in [0, 1), optional
        Share of the old messages that is kept.  None: 0, 0.3, 0.6, 0.8 in turn until one converges, first as long as the residual halves
        every 300 iterations, then to the end.
    tolerance : float > 0
        Largest change of a message in an undamped update.
    max_iterations : int
        Of each attempt.

    Returns
    -------
    Messages
        With status "no_fixed_point" and values nan where no attempt converged: beyond a spinodal, or past capacity.

    Warns
    -----
    UserWarning
        Gaussian messages for patterns +-1 with a margin: the lattice of the sums moves the effective margin.  Patterns whose mean square is
        not that of the data.

    Raises
    ------
    InvalidInput
    """
    validate.instance("instances", instances, (Instances,))
    model, n = instances.model, instances.n
    learner = validate.instance("learner", model.learner, (Gibbs,))
    method = validate.choice("method", method, METHODS)
    variance = validate.choice("variance", variance, VARIANCES)
    fields = _fields(instances, field)
    self_field = validate.number("self_field", self_field)
    tolerance = validate.number("tolerance", tolerance, 0.0)
    steps = validate.integer("max_iterations", max_iterations, 1)
    given = None if damping is None else validate.number("damping", damping, 0.0, 1.0, closed="[")
    attempts = [(wait, damp) for wait in (PATIENCE, math.inf) for damp in DAMPINGS] if given is None else [(math.inf, given)]
    site = _site(learner, self_field, coupling, field)
    _check_method(instances, method, site)
    channel = channel_of(learner.energy, learner.margin, learner.beta)
    spread = model.data.variance if isinstance(model.data, GaussianMixture) else 1.0
    if method != "bp-exact":
        _warn_of_patterns(instances, spread)
    rows, residuals, iterations, used, found = [], [], [], [], np.full((instances.count, n), math.nan)
    for k in range(instances.count):
        x = signed_patterns(instances, k)
        squares = np.square(x, dtype=np.float64) if variance == "pattern" and instances.kind != "sign" else None
        task = Task(x, squares, spread, instances.hidden or 1, channel, site, fields[k])
        for patience, damp in attempts:
            if method == "amp":
                point, residual, step = amp(task, damp, tolerance, steps, None, patience)
            else:
                point, residual, step = edges(task, damp, tolerance, steps, method == "bp-exact", patience)
            if point is not None:
                break
        rows.append(point[: len(NAMES)] if point is not None else (math.nan,) * len(NAMES))
        if point is not None:
            found[k] = point.m
        residuals.append(residual)
        iterations.append(step)
        used.append(damp)
    values = dict(zip(NAMES, np.array(rows).T.copy()))
    values |= {"magnetizations": found, "residual": np.array(residuals), "iterations": np.array(iterations), "damping": np.array(used)}
    values["status"] = np.where(np.isnan(values["free_entropy"]), "no_fixed_point", "ok")
    return Messages(instances, method, values | _derived(instances, values, fields, site), coupling)


def _derived(instances, values, fields, site) -> dict:
    """Entropies without the terms of fields, couplings and energies, and overlaps."""
    beta, m, free = instances.model.learner.beta, values["magnetizations"], values["free_entropy"]
    energy = instances.alpha * values["train_loss"]
    direction = instances.direction if instances.direction is not None else (np.sign(fields) if fields.any() else None)
    paid = beta * energy if beta < math.inf else 0.0
    entropy = free - np.mean(fields * m, axis=1) - 0.5 * site.self_field * values["q"] + paid
    external = np.full_like(free, math.nan)
    local = values["local_entropy"]
    if site.replicas != 1.0:
        entropy = np.full_like(free, math.nan)
        local = local + paid
        external = site.replicas * (free + paid - local - site.coupling * values["centre_overlap"])
    overlap = np.full_like(free, math.nan) if direction is None else np.mean(direction * m, axis=1)
    return {"entropy": entropy, "energy": energy, "local_entropy": local, "external_entropy": external, "overlap": overlap}


def _fields(instances, field) -> np.ndarray:
    """(count, n) float64."""
    shape = (instances.count, instances.n)
    if field is None:
        return np.zeros(shape)
    out = validate.array("field", field)
    if out.shape not in ((instances.n,), shape):
        raise InvalidInput(f"field must have the shape ({instances.n},) or {shape}, got {out.shape}")
    return np.broadcast_to(out, shape).copy()


def _site(learner, self_field, coupling, field) -> Site:
    weights = BINARY if learner.weights == "binary" else SPHERICAL
    if coupling is None:
        return Site(weights, self_field, 0.0, 1.0)
    try:
        gamma, y = coupling
    except Exception:  # whatever a stranger's iteration raises
        raise InvalidInput(f"coupling must be a pair (gamma, y), got {validate.shown(coupling)}") from None
    gamma, y = validate.number("gamma of coupling", gamma), validate.number("y of coupling", y, 0.0)
    if weights != BINARY or self_field != 0.0 or field is not None:
        raise InvalidInput(f"coupling must be None for spherical weights and beside a field or a self_field, got {gamma, y}")
    return Site(weights, 0.0, gamma, y)


def _check_method(instances, method, site) -> None:
    learner = instances.model.learner
    check_committee(learner, instances.hidden, "message passing")
    if method == "amp":
        return
    if site.weights != BINARY or site.self_field != 0.0 or site.replicas != 1.0 or instances.hidden is not None:
        raise InvalidInput(f"method must be 'amp' for spherical weights, committees, self_field and coupling, got {method!r}")
    if method == "bp-exact" and instances.kind != "sign":
        raise InvalidInput("method must be 'amp' or 'bp' for patterns other than +-1, got 'bp-exact': it needs the lattice of the sums")


def _warn_of_patterns(instances, spread) -> None:
    n, margin = instances.n, instances.model.learner.margin
    if instances.kind == "sign":
        if margin != 0.0 and instances.model.learner.weights == "binary":
            parity = n % 2
            effective = (2.0 * math.ceil(0.5 * (margin * math.sqrt(n) - parity)) + parity - 1.0) / math.sqrt(n)
            warnings.warn(
                f"sums of +-1 patterns lie on a lattice of step 2/sqrt(N): on it the margin {margin:g} acts as {effective:.6g}, the middle "
                f"of its gap; use that margin, method='bp-exact', or Gaussian patterns",
                UserWarning,
                3,
            )
        return
    mean = float(np.mean([np.mean(np.square(x, dtype=np.float64)) for x in instances.patterns]))
    if abs(mean / spread - 1.0) > 6.0 * math.sqrt(2.0 / instances.patterns.size) + 3.0 / n:
        warnings.warn(
            f"the patterns have the mean square {mean:.6g}, not {spread:g}: divide them by its root, or use variance='pattern'",
            UserWarning,
            3,
        )
