"""check(state, run): theory at N = infinity beside a simulation at finite N, with z-scores.

For every quantity that both have,

    t = (simulation - theory) / error,      z = the normal score of Student's t with I - 1 degrees of freedom

where the error is the simulation's standard error over I instances: z is t itself where there are many, and with few it is as
unlikely under a standard normal law as t under its own.  At finite N the mean itself is off by O(1/N), which is not part of
the error.  There are two honest ways around it: runs of several sizes, whose extrapolation a + b/N is compared, or an
allowance `finite_size` = c, by which |simulation - theory| is reduced by c/N before it is divided; both are stated in
the report.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from flatphys import quantities, validate
from flatphys.comparison.replicated import replicated_items
from flatphys.comparison.report import CheckReport, Row, model_of
from flatphys.errors import InvalidInput
from flatphys.finite_size.coupled import CoupledRun
from flatphys.finite_size.estimate import Estimate, fit_in_inverse_size
from flatphys.finite_size.found import Found
from flatphys.finite_size.found_run import run_of
from flatphys.finite_size.run import Run, SampledLocalEntropy
from flatphys.model import Bayes, Gibbs, MaxMargin
from flatphys.numerics.roots import bracketed
from flatphys.observables.local_energy import local_energy
from flatphys.observables.local_entropy import LocalEntropy, local_entropy
from flatphys.observables.margins import margins
from flatphys.observables.replicated_entropy import ReplicatedEntropy
from flatphys.saddle.dispatch import branches
from flatphys.saddle.franz_parisi.reference import is_teacher, teacher_state
from flatphys.state import State

BOUND = 4.0
SIGMAS = (0.2, 0.5, 1.0)
DISTANCES = (0.05, 0.2)
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)  # of the law of margins, where its distribution functions are compared


def check(
    theory: State | LocalEntropy | ReplicatedEntropy,
    run: Run | SampledLocalEntropy | Found | Sequence,
    bound: float = BOUND,
    *,
    finite_size: float = 0.0,
    order: int = 1,
    sigma: ArrayLike = SIGMAS,
    distance: ArrayLike = DISTANCES,
) -> CheckReport:
    """Theory beside simulation, with z-scores, for every quantity that both have.

    Parameters
    ----------
    theory : State, or LocalEntropy, or ReplicatedEntropy
        Of `solve(run.model, run.alpha)`, or of `local_entropy(state, overlap=run.overlap)`, or of `replicated_entropy` at a distance whose
        coupling -2 slope/(y-1) is that of the run.  Where a run's load or overlaps
        differ from it by the rounding to whole patterns or flips, the theory is asked again there.
    run : Run, Found, SampledLocalEntropy, or a sequence of them
        Of `sample` (for replicas with a coupling), `find` or `instances.measure`, or of `sample_local_entropy`.
        Several sizes: their extrapolation to N = infinity is compared.
    bound : float
        Largest |z| that passes.
    finite_size : float >= 0
        c of an allowance c/N for every quantity (0: none).
    order : int
        Of the polynomial in 1/N by which several sizes are extrapolated.
    sigma, distance : numbers
        Perturbations at which local energies are compared (distance: weights of fixed norm); () for none.

    Returns
    -------
    CheckReport
        Prints as a table; `.passed`, `.rows`, `.worst`, `.plot()`.

    Raises
    ------
    InvalidInput
        Theory and simulation of different models or loads, or with nothing to compare.

    Examples
    --------
    >>> import flatphys as fp
    >>> run = fp.sample(fp.Model(fp.RandomLabels(), fp.Gibbs(beta=1.0)), 201, 0.5, chains=64, sweeps=400, device="cpu")
    >>> fp.check(fp.solve(run.model, run.alpha), run).passed
    True
    """
    bound = validate.number("bound", bound, 0.0)
    finite_size, order = validate.number("finite_size", finite_size, 0.0, closed="["), validate.integer("order", order, 1)
    sigma = np.atleast_1d(validate.array("sigma", sigma, 0.0, closed="[", empty=True, dimensions=1))
    distance = np.atleast_1d(validate.array("distance", distance, 0.0, 1.0, closed="[]", empty=True, dimensions=1))
    validate.instance("theory", theory, (State, LocalEntropy, ReplicatedEntropy))
    runs = [run_of(one) if isinstance(one, Found) and isinstance(theory, State) else one for one in _listed(run)]
    if not runs:
        raise InvalidInput("run must be at least one run, got an empty sequence")
    for one in runs:
        validate.instance("run", one, (SampledLocalEntropy,) if isinstance(theory, LocalEntropy) else (Run,))
    runs.sort(key=lambda r: r.n)
    _same(theory, runs)
    if isinstance(theory, State):
        items = _state_items(theory, runs, sigma, distance)
    else:
        items = _local_entropy_items(theory, runs) if isinstance(theory, LocalEntropy) else replicated_items(theory, runs)
    rows = [_row(name, pairs, runs, finite_size, order) for name, pairs in items]
    if not rows:
        raise InvalidInput("theory and simulation have no quantity in common")
    notes = [f"a difference of {finite_size:g}/N is allowed before z is formed"] if finite_size else []
    if len({r.n for r in runs}) > 1:
        notes.append("simulation: extrapolated to N = infinity by a + b/N" + "".join(f" + c{k}/N^{k}" for k in range(2, order + 1)))
    notes += [f"NOT MIXED at N = {r.n}: {text}" for r in runs for text in r.complaints]
    return CheckReport(theory, runs, rows, bound, finite_size, notes)


def _listed(run):
    return list(run) if isinstance(run, (list, tuple)) else [run]


def _same(theory, runs):
    """Refuse runs of another model or load."""
    model, alpha = model_of(theory), theory.reference.alpha if isinstance(theory, LocalEntropy) else theory.alpha
    for run in runs:
        if run.model != model:
            raise InvalidInput(f"run must be of the theory's model {model!r}, got {run.model!r}")
        if abs(run.alpha - alpha) > 0.5 / run.n + 0.5 / max(r.n for r in runs) + 1e-12:  # whole patterns
            raise InvalidInput(f"run must be at the theory's load alpha = {alpha:g}, got {run.alpha:g}: solve at run.alpha")


def _at_load(state, alpha):
    """The state itself, or that of the same branch at a run's own load (which whole patterns move by up to 1/(2N))."""
    if abs(state.alpha - alpha) < 1e-12:
        return state
    if is_teacher(state):
        return teacher_state(state.model, alpha)
    for other in branches(state.model, alpha) if state.ansatz == "RS" else []:
        if other.branch == state.branch:
            return other
    raise InvalidInput(
        f"theory at alpha = {state.alpha:g} has no counterpart at the run's load {alpha:.10g}: solve at run.alpha, one size at a time"
    )


def _state_items(state, runs, sigma, distance):
    """(name, [(theory, estimate) of each run]) of a state."""
    if any(isinstance(run, CoupledRun) for run in runs):
        raise InvalidInput("run must be of independent chains for a State, got coupled replicas: their theory is a ReplicatedEntropy")
    out, states = [], [_at_load(state, run.alpha) for run in runs]
    for name in runs[0].estimates:
        attribute, repeats = quantities.of(name, "sample").theory or name, name == "cosine" and "teacher_overlap" in runs[0].estimates
        if not repeats and all(name in run.estimates for run in runs) and getattr(state, attribute, None) is not None:
            out.append((name, [(getattr(s, attribute), run.estimates[name]) for s, run in zip(states, runs)]))
    laws = [margins(s) for s in states]
    out += [
        (f"margins.{name}", [(getattr(law, name), getattr(run.margins, name)) for law, run in zip(laws, runs)])
        for name in ("mean", "variance")
    ]
    for place in _places(laws[-1]):
        where = [float(run.margins.nearest_edges(place)) for run in runs]
        pairs = [(law.cdf(x), _element(run.margins.cdf([x]), 0)) for law, x, run in zip(laws, where, runs)]
        out.append((f"margins.cdf({where[-1]:.3g})", pairs))
    if all(run.source is not None for run in runs):
        norm = isinstance(state.model.learner, (Gibbs, Bayes, MaxMargin))
        for kind, values in (("sigma", sigma), ("distance", distance if norm else np.array([]))):
            out += _local_energies(states, runs, kind, values)
    return out


def _local_energies(states, runs, kind, values):
    """The items of one kind of perturbation."""
    if not values.size:
        return []
    found, theory = [], []
    for state, run in zip(states, runs):  # whole flips
        actual = np.rint(values * run.n) / run.n if kind == "distance" else values
        found.append(run.local_energy(**{kind: actual}))
        theory.append(np.atleast_1d(local_energy(state, **{kind: actual})))
    return [
        (f"local_energy({kind}={x:g})", [(float(t[i]), _element(e, i)) for t, e in zip(theory, found)])
        for i, x in enumerate(values.tolist())
    ]


def _places(law):
    """Stabilities at some levels of the law, away from its atoms (where a finite sample's step lies elsewhere)."""
    out = []
    for level in LEVELS:
        low, high = law.support
        if not law.cdf(low) < level < law.cdf(high) or any(law.cdf(at) - mass <= level <= law.cdf(at) for at, mass in law.atoms):
            continue
        x = bracketed(lambda t, level=level: law.cdf(t) - level, low, high)
        if all(abs(x - place) > 0.1 * math.sqrt(law.variance) for place, _ in law.atoms):
            out.append(x)
    return out


def _element(estimate: Estimate, i: int) -> Estimate:
    """One entry of an estimate of arrays."""
    return Estimate.of(estimate.values[:, i], estimate.resolution)


def _local_entropy_items(theory, runs):
    teacher = is_teacher(theory.reference)
    overlap = theory.overlap.ravel()
    for run in runs:
        if (run.reference == "teacher") != teacher:
            raise InvalidInput(f"run must have the theory's reference, got one around the {run.reference}")
        if (run.margin, run.beta) != (theory.margin, theory.beta) or (theory.beta < math.inf and run.cost != theory.cost):
            raise InvalidInput(
                f"run must count weights at margin {theory.margin:g} and beta {theory.beta:g} of {theory.cost}, "
                f"got {run.margin:g} and {run.beta:g} of {run.cost}"
            )
        if run.overlap.shape != overlap.shape or np.abs(run.overlap - overlap).max() > 1.0 / run.n + 1e-12:
            raise InvalidInput(f"run must be at the theory's overlaps {overlap}, got {run.overlap}: ask the theory at run.overlap")
    answers = [_asked_again(theory, run) for run in runs]
    names = ("value",) if theory.beta == math.inf else ("value", "train_error", *(("train_loss",) if theory.cost != "errors" else ()))
    out = []
    for i, p in enumerate(overlap.tolist()):
        if any(answer.status.ravel()[i] != "ok" for answer in answers):
            continue
        for name in names:
            pairs = [(float(getattr(answer, name).ravel()[i]), _element(getattr(run, name), i)) for answer, run in zip(answers, runs)]
            out.append((f"{name}(p={p:.4g})", pairs))
    return out


def _asked_again(theory, run):
    """The same local entropy at the load and the overlaps that the run could realise."""
    if abs(theory.reference.alpha - run.alpha) < 1e-12 and np.abs(theory.overlap.ravel() - run.overlap).max() < 1e-12:
        return theory
    return local_entropy(
        _at_load(theory.reference, run.alpha), overlap=run.overlap, margin=theory.margin, beta=theory.beta, energy=theory.cost
    )


def _row(name, pairs, runs, finite_size, order) -> Row:
    """The comparison of one quantity; with several sizes that of the differences at N = infinity."""
    if len({run.n for run in runs}) > 1:
        theory = pairs[-1][0]
        gaps = [float(e.mean) - t for t, e in pairs]
        errors = [max(float(e.error), e.resolution) for _, e in pairs]
        fit = fit_in_inverse_size(name, [run.n for run in runs], gaps, errors, order)
        gap, error, allowance = fit.mean, fit.error, 0.0
    else:
        weights = np.array([1.0 / max(float(e.error), e.resolution) ** 2 for _, e in pairs])
        gap = float(np.sum(weights * [float(e.mean) - t for t, e in pairs]) / weights.sum())
        theory, error, fit = pairs[0][0], float(weights.sum() ** -0.5), None
        allowance = finite_size / runs[0].n
    excess = math.copysign(max(abs(gap) - allowance, 0.0), gap)
    freedom = sum(len(e.values) - 1 for _, e in pairs if e.values is not None)
    return Row(name, float(theory), float(theory) + gap, error, allowance, normal_score(excess / error, freedom), fit)


def normal_score(t: float, freedom: int) -> float:
    """The z whose tail under a standard normal law is that of t under Student's law."""
    from scipy import special

    if not math.isfinite(t) or freedom < 1:
        return t
    tail = float(special.stdtr(freedom, -abs(t)))
    return math.copysign(-float(special.ndtri(tail)), t) if tail > 1e-300 else t
