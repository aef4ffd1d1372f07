"""sample_local_entropy(model, n, alpha, ...): how many weights surround a reference, counted by sampling.

The chains stay at overlap p with a reference w~, so that at beta = 0 their number (or volume) is known, and

    free_entropy(p, beta) = s(p) - alpha Int_0^beta e(p, beta') dbeta'

with the mean fraction e of violated patterns.  The integral runs over a ladder of replica exchange from 0 to beta, between
rungs by Bennett's acceptance ratio and to beta = inf by the fraction of draws without violations (`finite_size.chains.ladder`): no
quadrature error, no tail cut off.  At finite N the entropy without patterns is, exactly,

    binary      s_N(p) = (1/N) log C(N, k),    k = N (1-p)/2 flipped weights
    spherical   s_N(p) = ((N-3)/(2N)) log(1-p^2) + (1/N) log [Gamma(N/2) / (sqrt pi Gamma((N-1)/2))]
                (the density of p between two points of the sphere)

and tends to h(d) and (1/2) log(1-p^2) with corrections log N/N, much larger than those of the integral.  `value` has the limit
in place of s_N(p), so that it is comparable with the theory; `finite_value` is the count at this N itself.

References: the teacher; weights drawn from the learner (an equilibrated chain of its own); a trained rule, brought to |w|^2 = N.
"""

import math
import warnings

import numpy as np

from flatphys import validate
from flatphys.errors import InterruptedRunWarning, InvalidInput, NotMixedWarning
from flatphys.finite_size import trained as finite
from flatphys.finite_size.chains.ladder import ladder, log_ratios
from flatphys.finite_size.estimate import FEWEST_SAMPLES, R_HAT_LIMIT, Estimate
from flatphys.finite_size.patience import Interruption, progress_bar
from flatphys.finite_size.record import half_error, slowest_rung
from flatphys.finite_size.sampled_entropy import SampledLocalEntropy
from flatphys.finite_size.sampling import DRAWS, choose_betas, default_patterns, starting_weights, whole
from flatphys.model import Bayes, Gibbs, Model, Teacher, TreeCommittee, check_model

REFERENCES = ("learner", "teacher")


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
    if (overlap is None) == (distance is None):
        raise InvalidInput("give either overlap or distance, got " + ("both" if overlap is not None else "neither"))
    name, value, low = ("overlap", overlap, -1.0) if overlap is not None else ("distance", distance, 0.0)
    try:
        out = np.atleast_1d(np.array(value, dtype=float))
    except (TypeError, ValueError):
        raise InvalidInput(f"{name} must be a number or an array of numbers, got {value!r}") from None
    if out.ndim != 1 or out.size == 0 or not (np.isfinite(out) & (out > low) & (out < 1.0)).all():
        raise InvalidInput(f"{name} must be one or more numbers > {low:g} and < 1, got {value!r}")
    out = out if name == "overlap" else 1.0 - 2.0 * out
    if binary:
        flips = np.rint(0.5 * n * (1.0 - out))
        if ((flips < 1) | (flips > n - 1)).any():
            raise InvalidInput(f"{name} must leave at least one weight flipped and one not at n = {n}, got {value!r}")
        out = 1.0 - 2.0 * flips / n
    return out


def _reference(model, reference: str, instances, sweeps, seed, options) -> np.ndarray:
    """One reference per instance, (count, n) with |w|^2 = n."""
    count, n = instances.count, instances.n
    if reference == "teacher":
        return instances.teacher
    if isinstance(model.learner, Gibbs):
        from flatphys.finite_size.chains.ensemble import Chains

        learner = model.learner
        betas = choose_betas(None, learner.beta, instances.p, 0.5 * math.erfc(-learner.margin / math.sqrt(2.0)))
        own = {**options, "margin": learner.margin}
        cold = np.zeros(2, dtype=bool)
        chain = Chains(
            instances, betas=betas, replicas=2, seed=seed + 500_009, start=starting_weights(instances, betas, cold, own, seed, 1), **own
        )
        chain.advance(sweeps)
        return np.asarray(chain.weights[:, 0, -1])
    out = np.empty((count, n))
    with finite.one_thread():
        for k in range(count):
            x = instances.patterns[k].T.astype(np.float64)  # the labels are folded in
            w, _ = finite.fit(model.learner, model.data, x, np.ones(len(x)), instances.alpha)
            out[k] = w * (math.sqrt(n) / np.linalg.norm(w))
    return out


def sample_local_entropy(
    model,
    n: int,
    alpha: float,
    *,
    overlap=None,
    distance=None,
    reference="learner",
    margin: float = 0.0,
    beta: float = math.inf,
    chains: int = 64,
    sweeps: int = 1000,
    device: str = "auto",
    seed: int = 1,
    patterns=None,
    replicas: int = 2,
    burn_in=None,
    every=None,
    reference_sweeps=None,
    threads=None,
    progress=None,
) -> SampledLocalEntropy:
    """The local entropy around a reference on finite instances: what `flatphys.local_entropy` computes at N = infinity.

    Parameters
    ----------
    model : Model
        Data and the learner of the reference: a Gibbs learner's equilibrated weights, or a trained rule's (without bias).
    n, alpha, chains, sweeps, device, seed, patterns, replicas, burn_in, every, threads, progress
        As for `sample`; the chains run once for every overlap and for every rung of a ladder in beta.
    overlap : number or array in (-1, 1), or distance : number or array in (0, 1)
        Where; binary weights take the nearest whole number of flips.
    reference : "learner" or "teacher"
    margin, beta : float
        Of the counted weights.
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
    n, seed = whole("n", n, 3), whole("seed", seed, 0)
    alpha = validate.load(alpha)
    replicas = whole("replicas", replicas, 1)
    chains, sweeps = whole("chains", chains, 2 * replicas), whole("sweeps", sweeps, 2)
    if chains % replicas:
        raise InvalidInput(f"chains must be a multiple of replicas = {replicas}, got {chains}")
    burn_in = sweeps // 2 if burn_in is None else whole("burn_in", burn_in, 0)
    if burn_in >= sweeps:
        raise InvalidInput(f"burn_in must be smaller than sweeps = {sweeps}, got {burn_in}")
    every = max(1, (sweeps - burn_in) // DRAWS) if every is None else whole("every", every, 1)
    reference_sweeps = 2 * sweeps if reference_sweeps is None else whole("reference_sweeps", reference_sweeps, 1)
    reference = validate.choice("reference", reference, REFERENCES)
    margin, beta = validate.number("margin", margin), validate.number("beta", beta, 0.0, infinite=True)
    learner = model.learner
    if isinstance(getattr(learner, "network", None), TreeCommittee):
        raise InvalidInput(
            "network must be Perceptron() for sample_local_entropy, got a TreeCommittee: at finite K no shell entropy goes with its theory"
        )
    if getattr(learner, "bias", False):
        raise InvalidInput("bias must be False for sample_local_entropy: the counted weights have none")
    if reference == "teacher" and not (isinstance(model.data, Teacher) and isinstance(learner, (Gibbs, Bayes))):
        raise InvalidInput(f"reference 'teacher' needs Teacher data and a Gibbs or Bayes learner, got {model!r}")
    if reference == "learner" and isinstance(learner, Bayes) and isinstance(model.data, Teacher):
        raise InvalidInput(
            "learner Bayes has no single weight vector at finite N with a teacher; use reference='teacher' or a Gibbs learner"
        )
    kind = getattr(learner, "weights", "spherical")
    binary = kind == "binary"
    counted = (
        Model(model.data, learner if isinstance(learner, Gibbs) else Gibbs(kind))
        if isinstance(model.data, Teacher) or isinstance(learner, Gibbs)
        else model
    )
    if patterns is None:
        probe = Model(model.data, Gibbs(kind, margin)) if not hasattr(model.data, "variance") else model
        other = default_patterns(model, n) if isinstance(learner, Gibbs) else "gaussian"
        patterns = default_patterns(probe, n) if other == "sign" else "gaussian"
    overlaps = _overlaps(overlap, distance, n, binary)
    from flatphys.finite_size.chains.ensemble import Chains
    from flatphys.finite_size.instances import make_instances

    count = chains // replicas
    instances = make_instances(counted, n, alpha, count=count, seed=seed, patterns=patterns)
    options = {"weights": kind, "margin": margin, "device": device, "threads": threads}
    around = _reference(model, reference, instances, reference_sweeps, seed, options)
    p, alpha = instances.p, instances.p / n
    columns, wrong = [], []
    with Interruption() as ctrl_c, progress_bar(progress, sweeps * overlaps.size, "sampling") as show:
        for place, at in enumerate(overlaps.tolist()):
            state = {"reference": around, "overlap": at, "replicas": replicas, "seed": seed + 7919 * (place + 1), **options}
            probe = Chains(instances, betas=(0.0,), **state)
            violated = float(np.mean(probe.energy) / p)  # weights at this overlap that know nothing of the patterns
            betas = ladder(beta, p, violated)
            chain = Chains(instances, betas=betas, **state)
            draws = (sweeps - burn_in) // every
            energies = np.empty((count, replicas, len(betas), draws), dtype=np.int32)
            for step in range(-(-burn_in // every) + draws):  # the burn-in in pieces of `every` as well, to hear Ctrl-C
                draw = step - (-(-burn_in // every))
                chain.advance(every if draw >= 0 or burn_in % every == 0 or step > 0 else burn_in % every)
                if draw >= 0:
                    energies[..., draw] = chain.energy
                show(place * sweeps + chain.sweeps_done)
                if ctrl_c.pressed:
                    break
            if ctrl_c.pressed:
                break
            columns.append(_one_overlap(energies, betas, n, p, at, binary, every))
            wrong += _complaints(at, columns[-1], chains)
    if not columns:
        raise KeyboardInterrupt("interrupted before the first overlap was done: there is nothing to estimate from")
    if len(columns) < overlaps.size:
        warnings.warn(f"interrupted after {len(columns)} of {overlaps.size} overlaps", InterruptedRunWarning, stacklevel=2)
    if wrong:
        warnings.warn(f"the local entropy has not converged: {'; '.join(wrong)}: raise sweeps", NotMixedWarning, stacklevel=2)
    overlaps = overlaps[: len(columns)]
    joined = {name: _stack([column[name] for column in columns]) for name in columns[0]}
    return SampledLocalEntropy(
        model,
        reference,
        n,
        alpha,
        margin,
        beta,
        overlaps,
        0.5 * (1.0 - overlaps),
        **joined,
        instances=count,
        chains=replicas,
        sweeps=sweeps,
        seed=seed,
        complaints=wrong,
        estimates=joined,
    )


def _one_overlap(energies, betas, n, patterns, overlap, binary, every) -> dict:
    """The estimates at one overlap."""
    limit, finite_size = shell_entropy(n, overlap, binary)
    integral = log_ratios(energies, betas).sum(axis=1) / n
    last = energies[:, :, -1] / n
    energy = Estimate.of_series(last, every, resolution=1.0 / (n * last.size))
    cost = energy.values * betas[-1] if betas[-1] < math.inf else 0.0
    half = half_error(lambda part: log_ratios(part, betas).sum(axis=1) / n, energies)
    more = {"time_error": half, **slowest_rung(energies, every)}
    return {
        "free_entropy": Estimate.of(limit + integral, **more),
        "value": Estimate.of(limit + integral + cost, **more),
        "finite_value": Estimate.of(finite_size + integral + cost, **more),
        "energy": energy,
        "train_error": Estimate.of_series(energies[:, :, -1] / patterns, every, resolution=1.0 / (patterns * last.size)),
    }


def _complaints(overlap, column, chains) -> list[str]:
    value, out = column["value"], []
    if not np.isfinite(value.mean):
        out.append(f"at overlap {overlap:.4g} some instance has no draw without violations on the last finite rung")
    if value.r_hat > R_HAT_LIMIT:
        out.append(f"at overlap {overlap:.4g} the split R-hat is {value.r_hat:.3g} (limit {R_HAT_LIMIT:g})")
    if value.effective_samples / chains < FEWEST_SAMPLES:
        out.append(f"at overlap {overlap:.4g} there are only {value.effective_samples / chains:.2g} effective samples per chain")
    return out


def _stack(estimates) -> Estimate:
    """Scalar estimates as one estimate of arrays."""
    names = ("mean", "error", "time_error", "effective_samples", "autocorrelation", "r_hat")
    values = np.stack([e.values for e in estimates], axis=1)
    return Estimate(
        **{name: np.array([getattr(e, name) for e in estimates]) for name in names}, values=values, resolution=estimates[0].resolution
    )
