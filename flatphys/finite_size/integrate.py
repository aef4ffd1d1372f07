"""sample_local_entropy(model, n, alpha, ...): how many weights surround a reference, counted by sampling.

The chains stay at overlap p with a reference w~, so that at beta = 0 their number (or volume) is known, and

    free_entropy(p, beta) = s(p) - alpha Int_0^beta e(p, beta') dbeta'

with the mean energy e of a pattern.  The integral runs over a ladder of replica exchange from 0 to beta, between
rungs by Bennett's acceptance ratio and to beta = inf by the fraction of draws without violations (`finite_size.chains.ladder`): no
quadrature error, no tail cut off.  At finite N the entropy without patterns is, exactly,

    binary      s_N(p) = (1/N) log C(N, k),    k = N (1-p)/2 flipped weights
    spherical   s_N(p) = ((N-3)/(2N)) log(1-p^2) + (1/N) log [Gamma(N/2) / (sqrt pi Gamma((N-1)/2))]
                (the density of p between two points of the sphere)

and tends to h(d) and (1/2) log(1-p^2) with corrections log N/N, much larger than those of the integral.  `value` has the limit
in place of s_N(p), so that it is comparable with the theory; `finite_value` is the count at this N itself.

References: the teacher; weights drawn from the learner (an equilibrated chain of its own); a trained rule, brought to |w|^2 = N; or
any weights on instances (`Found`), around which messages count on the same instances (`finite_size.messages.around`).
"""

import math
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from flatphys import validate
from flatphys.errors import InterruptedRunWarning, InvalidInput, NotMixedWarning
from flatphys.finite_size import measure, memory, references
from flatphys.finite_size.chains.ladder import ladder_of, log_ratio_series
from flatphys.finite_size.estimate import Estimate
from flatphys.finite_size.found import Found
from flatphys.finite_size.mixing import complaints
from flatphys.finite_size.patience import Interruption, progress_bar
from flatphys.finite_size.record import integral, slowest_rung
from flatphys.finite_size.run import SampledLocalEntropy
from flatphys.finite_size.schedule import checked_threads, energy_name, sampled_channel, schedule
from flatphys.kernels.codes import ERRORS
from flatphys.model import ENERGIES, Model, check_model

REFERENCES = ("learner", "teacher")
CHAINS = 64  # by default, two on each instance


def shell_entropy(n: int, overlap: float, binary: bool) -> tuple[float, float]:
    """(at N = infinity, at this N): entropy per weight of all weights at this overlap (see the module's docstring)."""
    if binary:
        k, d = round(0.5 * n * (1.0 - overlap)), 0.5 * (1.0 - overlap)
        limit = -d * math.log(d) - (1.0 - d) * math.log1p(-d)
        return limit, (math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0)) / n
    log_sine2 = math.log1p(-overlap * overlap)
    prefactor = math.lgamma(0.5 * n) - math.lgamma(0.5 * (n - 1.0)) - 0.5 * math.log(math.pi)
    return 0.5 * log_sine2, (0.5 * (n - 3.0) * log_sine2 + prefactor) / n


def _overlaps(overlap, distance, n: int, binary: bool) -> np.ndarray:
    """The overlaps asked for, checked; for binary weights those that n weights can have."""
    out = np.atleast_1d(validate.separation(overlap, distance)[1])
    if out.ndim != 1:
        raise InvalidInput(f"overlap and distance must have one dimension at most, got {out.ndim}")
    if binary:
        flips = np.rint(0.5 * n * (1.0 - out))
        if ((flips < 1) | (flips > n - 1)).any():
            raise InvalidInput(f"overlap must leave at least one weight flipped and one not at n = {n}, got {validate.shown(out)}")
        out = 1.0 - 2.0 * flips / n
    return out


def sample_local_entropy(
    model: Model,
    n: int,
    alpha: float,
    *,
    overlap: ArrayLike | None = None,
    distance: ArrayLike | None = None,
    reference: str | Found = "learner",
    margin: float = 0.0,
    beta: float = math.inf,
    energy: str = "errors",
    chains: int | None = None,
    sweeps: int = 1000,
    device: str = "auto",
    seed: int = 1,
    patterns: str | None = None,
    replicas: int = 2,
    burn_in: int | None = None,
    every: int | None = None,
    reference_sweeps: int | None = None,
    threads: int | None = None,
    progress: bool | Callable | None = None,
) -> SampledLocalEntropy:
    """The local entropy around a reference on finite instances: what `flatphys.local_entropy` computes at N = infinity.

    Parameters
    ----------
    model : Model
        Data and the learner of the reference: a Gibbs learner's equilibrated weights, or a trained rule's (without bias).
    n, alpha, chains, sweeps, device, seed, patterns, replicas, burn_in, every, threads, progress
        As for `sample`; the chains run once for every overlap and for every rung of a ladder in beta.  chains is 64 by default; around
        weights of one's own it is `replicas` for each of their instances, and the patterns are theirs.
    overlap : number or array in (-1, 1), or distance : number or array in (0, 1)
        Where; binary weights take the nearest whole number of flips.
    reference : "learner", "teacher" or Found
        Found: weights on instances of this model, n and alpha, whoever found them (`instances.measure(weights)`).
    margin, beta, energy : float, float, str
        Of the counted weights, whatever those of the reference are.
    reference_sweeps : int, optional
        That equilibrate a Gibbs reference (default: 2 `sweeps`).

    Returns
    -------
    SampledLocalEntropy

    Raises
    ------
    InvalidInput
        A bad argument.

    Warns
    -----
    NotMixedWarning
        Chains too short, or too few draws without violations for beta = inf.

    Examples
    --------
    >>> import flatphys as fp
    >>> model = fp.Model(fp.Teacher(), fp.Gibbs())
    >>> options = {"reference": "teacher", "chains": 16, "sweeps": 200, "device": "cpu"}
    >>> found = fp.sample_local_entropy(model, 101, 0.5, distance=[0.1], **options)  # doctest: +SKIP
    """
    check_model(model)
    n, seed = validate.integer("n", n, 3), validate.seed(seed)
    alpha, progress, threads = validate.load(alpha), validate.progress(progress), checked_threads(device, threads)
    own = isinstance(reference, Found)
    if chains is None:
        chains = validate.integer("replicas", replicas, 1) * (reference.instances.count if own else CHAINS // 2)
    plan = schedule(chains, replicas, sweeps, burn_in, every, (1, 1 if own else 2))
    reference_sweeps = 2 * plan.sweeps if reference_sweeps is None else validate.integer("reference_sweeps", reference_sweeps, 1)
    reference = reference if own else validate.choice("reference", reference, REFERENCES)
    margin, beta = validate.number("margin", margin), validate.number("beta", beta, 0.0, infinite=True)
    energy = validate.choice("energy", energy, ENERGIES)
    channel = sampled_channel(energy, margin, beta)
    references.refuse(model, reference)
    memory.draws_fit(plan, n)
    kind = getattr(model.learner, "weights", "spherical")
    overlaps = _overlaps(overlap, distance, n, kind == "binary")
    options = {"weights": kind, "margin": margin, "energy": energy_name(channel), "device": device, "threads": threads}
    if own:
        instances, around = references.own(reference, model, n, alpha, plan, patterns)
        reference = "found"
    else:
        instances = references.drawn(model, n, alpha, plan, seed, (kind, margin, patterns))
        around = (
            instances.teacher
            if reference == "teacher"
            else references.weights_of_learner(model, instances, reference_sweeps, seed, options)
        )
    columns, wrong = [], []
    with Interruption() as ctrl_c, progress_bar(progress, plan.sweeps * overlaps.size, "sampling") as show:
        for place, at in enumerate(overlaps.tolist()):
            state = {"reference": around, "overlap": at, "replicas": plan.replicas, "seed": seed + 7919 * (place + 1), **options}
            found = _sweep(instances, channel, plan, state, (energy, lambda done, place=place: show(place * plan.sweeps + done), ctrl_c))
            if found is None:
                break
            columns.append(_one_overlap(instances, found, at, kind == "binary", plan.every))
            wrong += _complaints(at, columns[-1], plan.chains)
    if not columns:
        raise KeyboardInterrupt("interrupted before the first overlap was done: there is nothing to estimate from")
    if len(columns) < overlaps.size:
        warnings.warn(f"interrupted after {len(columns)} of {overlaps.size} overlaps", InterruptedRunWarning, stacklevel=2)
    if wrong:
        warnings.warn(f"the local entropy has not converged: {'; '.join(wrong)}: raise sweeps", NotMixedWarning, stacklevel=2)
    overlaps = overlaps[: len(columns)]
    joined = {name: _stack([column[name] for column in columns]) for name in columns[0]}
    what = (model, reference, n, instances.alpha, margin, beta, overlaps, 0.5 * (1.0 - overlaps))
    size = {"instances": plan.count, "chains": plan.replicas, "sweeps": plan.sweeps, "seed": seed}
    return SampledLocalEntropy(*what, **{"train_loss": None, **joined}, **size, cost=energy, complaints=wrong, estimates=joined)


def _sweep(instances, channel, plan, state, asked):
    """(betas, energies (count, replicas, rungs, draws), errors and losses of the last rung or None); None after Ctrl-C."""
    from flatphys.finite_size.chains.ensemble import Chains

    energy, show, ctrl_c = asked
    violated = None
    if channel.energy == ERRORS:  # weights at this overlap that know nothing of the patterns
        violated = float(np.mean(Chains(instances, betas=(0.0,), **state).energy) / instances.p)
    betas = ladder_of(channel, instances.p, violated)
    memory.draws_fit(plan, instances.n, len(betas))
    chain = Chains(instances, betas=betas, **state)
    shape = (plan.count, plan.replicas, plan.draws)
    energies = np.empty((plan.count, plan.replicas, len(betas), plan.draws), dtype=chain.energy.dtype)
    series = None if energy == "errors" else (np.empty(shape), np.empty(shape))
    before = -(-plan.burn_in // plan.every)  # the burn-in in pieces of `every` as well, to hear Ctrl-C
    for draw in range(-before, plan.draws):
        chain.advance(plan.every if draw != -before or plan.burn_in % plan.every == 0 else plan.burn_in % plan.every)
        if draw >= 0:
            energies[..., draw] = chain.energy
            if series is not None:
                stabilities = chain.stabilities[:, :, -1]
                series[0][..., draw] = measure.errors(stabilities, channel.margin)
                series[1][..., draw] = measure.mean_energy(stabilities, energy, channel.margin)
        show(chain.sweeps_done)
        if ctrl_c.pressed:
            return None
    return betas, energies, series


def _one_overlap(instances, found, overlap, binary, every) -> dict:
    """The estimates at one overlap."""
    betas, energies, series = found
    n, patterns = instances.n, instances.p
    limit, finite_size = shell_entropy(n, overlap, binary)
    free = log_ratio_series(energies, betas) / n
    last = energies[:, :, -1]
    step = 1.0 / (patterns * last.size)
    cost = last * (betas[-1] / n) if betas[-1] < math.inf else 0.0
    slowest = slowest_rung(energies, every)
    out = {
        "free_entropy": integral(limit + free, slowest),
        "value": integral(limit + free + cost, slowest),
        "finite_value": integral(finite_size + free + cost, slowest),
        "energy": Estimate.of_series(last / n, every, resolution=step * patterns / n),
        "train_error": Estimate.of_series(last / patterns if series is None else series[0], every, resolution=step),
    }
    if series is not None:
        out["energy"] = Estimate.of_series(series[1] * (patterns / n), every)
        out["train_loss"] = Estimate.of_series(series[1], every)
    return out


def _complaints(overlap, column, chains) -> list[str]:
    place = f"at overlap {overlap:.4g}"
    gone = [] if np.isfinite(column["value"].mean) else [f"{place} some instance has no draw without violations on the last finite rung"]
    return gone + complaints(f"the value {place}", column["value"], chains)


def _stack(estimates) -> Estimate:
    """Scalar estimates as one estimate of arrays."""
    names = ("mean", "error", "time_error", "effective_samples", "autocorrelation", "r_hat")
    values = np.stack([e.values for e in estimates], axis=1)
    return Estimate(
        **{name: np.array([getattr(e, name) for e in estimates]) for name in names}, values=values, resolution=estimates[0].resolution
    )
