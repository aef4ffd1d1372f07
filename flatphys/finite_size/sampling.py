"""sample(model, n, alpha, ...): a finite system instead of N = infinity, with errors.

Gibbs learners are sampled by Markov chains (`finite_size.chains.ensemble`), several of them on every instance: the overlap between chains
of one instance is the theory's q.  Half of the chains start hot (random weights), half cold (the teacher where there is one,
annealed to a low temperature otherwise), so that chains that have not forgotten their start show it.  At large or infinite beta a
ladder of inverse temperatures exchanges its configurations (`finite_size.chains.ladder`).  Rules with finite training (ERM, maximum
margin, Hebb, Bayes on the mixture) are trained instead, once per instance.
"""

import math
import warnings

import numpy as np

from flatphys import validate
from flatphys.errors import InterruptedRunWarning, InvalidInput, NotMixedWarning
from flatphys.finite_size import checkpoint as store
from flatphys.finite_size.chains.ladder import ladder
from flatphys.finite_size.estimate import complaints
from flatphys.finite_size.patience import Interruption, progress_bar
from flatphys.finite_size.perturbation import local_energy
from flatphys.finite_size.record import Record
from flatphys.finite_size.run import Run
from flatphys.model import Gibbs, Perceptron, TreeCommittee, check_model

STARTS = ("both", "hot", "cold")
PATTERNS = ("sign", "gaussian")
DRAWS = 200  # of every chain: enough to see an autocorrelation, few enough to cost little
LADDER_ABOVE = 1.5  # beta from which chains are given a ladder of their own accord: single flips cost sqrt(N) violations
COLD_BETA = 10.0  # where annealing of a cold start ends: exp(-10) flips a violation in a run
COLD_STEPS = 8
SAME = ("energy", "cosine", "free_entropy")  # these mix as train_error, teacher_overlap and entropy do: one complaint is enough


def whole(name: str, value, least: int) -> int:
    """`value` as an integer >= `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InvalidInput(f"{name} must be an integer >= {least}, got {value!r}")
    return int(value)


def default_patterns(model, n: int) -> str:
    """+-1 patterns where they cost nothing in accuracy, Gaussian ones elsewhere.

    Binary weights on +-1 patterns have stabilities on a lattice of spacing 2/sqrt N; for odd n and margin 0 the margin lies in the middle
    of a gap and errors are O(1/N) as for Gaussian patterns, otherwise O(1/sqrt N).
    """
    learner = model.learner
    if hasattr(model.data, "variance") or not isinstance(getattr(learner, "network", Perceptron()), Perceptron):
        return "gaussian"
    return "sign" if learner.weights == "spherical" or (learner.margin == 0.0 and n % 2 == 1) else "gaussian"


def choose_betas(exchange, beta: float, patterns: int, violated: float) -> tuple[float, ...]:
    """The rungs: the learner's beta alone, the automatic ladder, or the given ones with that beta at their end."""
    if exchange is None:
        exchange = beta > LADDER_ABOVE
    if isinstance(exchange, (bool, np.bool_)):
        return ladder(beta, patterns, violated) if exchange else (beta,)
    try:
        betas = tuple(float(b) for b in exchange)
    except (TypeError, ValueError):
        raise InvalidInput(f"exchange must be None, True, False or inverse temperatures in ascending order, got {exchange!r}") from None
    good = betas and betas[0] >= 0.0 and all(a < b for a, b in zip(betas, betas[1:])) and betas[-1] == beta
    if not good:
        raise InvalidInput(f"exchange must ascend from a beta >= 0 to the learner's own, {beta:g}, got {exchange!r}")
    return betas


def sample(
    model,
    n: int,
    alpha: float,
    chains: int = 256,
    sweeps: int = 2000,
    device: str = "auto",
    seed: int = 1,
    *,
    instances=None,
    patterns=None,
    replicas: int = 2,
    burn_in=None,
    every=None,
    exchange=None,
    start="both",
    hidden=None,
    threads=None,
    progress=None,
    checkpoint=None,
    interval=None,
) -> Run:
    """Sample the learner's weights on finite instances of the data, and measure.

    Parameters
    ----------
    model : Model
        Gibbs learners are sampled by Markov chains; ERM, MaxMargin, Hebb and (on a mixture) Bayes are trained.
    n : int
        Weights N.  Odd n suit binary weights (no ties).  P = round(alpha n) patterns.
    alpha : float > 0
    chains : int
        Markov chains in all, `replicas` on each of chains/replicas instances; for trained rules the number of instances.
    sweeps : int
        Of every chain, each of n attempted moves; the first `burn_in` of them (default: half) are discarded.
    device : "auto", "cpu" or "cuda"
        Where the chains run; "auto" takes a GPU if there is one.
    seed : int
        Everything follows from it, whatever the device and the number of threads.
    instances : Instances, optional
        Of `flatphys.make_instances`, instead of fresh ones (then chains/replicas must be their number).
    patterns : "sign" or "gaussian", optional
        Components +-1 or standard normal.  Default: +-1 where their lattice does no harm (spherical weights; binary ones at margin 0
        and odd n), else Gaussian.
    replicas : int >= 2
        Chains per instance.
    every : int, optional
        Sweeps between draws (default: 200 draws).
    exchange : None, bool or ascending inverse temperatures, optional
        Replica exchange.  None: a ladder from beta = 0 where the learner's beta exceeds 1.5 (rungs equally spaced in
        asin sqrt(e(beta)) with the error e(beta) of independent patterns, about sqrt(P) of them); a ladder from 0 also gives
        the entropy.
    start : "both", "hot" or "cold"
        Random weights; the teacher, or annealed ones where there is none; half of the chains each.
    hidden : int, optional
        Hidden units of a tree committee (theory: K -> infinity).
    threads : int, optional
    progress : None, bool or function of (done, total)
        None: a bar on a terminal.
    checkpoint : path, optional
        A file that keeps the whole state every `interval` sweeps (default: sweeps/20); the same call continues from it, bit by bit.

    Returns
    -------
    Run
        With train_error, energy, overlap, teacher_overlap, generalization_error, margins, entropy, ... each with errors.

    Raises
    ------
    InvalidInput
        A bad argument, or a checkpoint that is damaged or of another call.

    Warns
    -----
    NotMixedWarning
        Chains too short, or hot and cold starts that disagree: the message says which estimate and what to do.
    InterruptedRunWarning
        After Ctrl-C: the run so far is returned.

    Examples
    --------
    >>> import flatphys as fp
    >>> run = fp.sample(fp.Model(fp.RandomLabels(), fp.Gibbs(beta=1.0)), n=101, alpha=0.5, chains=32, sweeps=400, device="cpu")
    >>> abs(run.train_error.mean - fp.solve(run.model, 0.5).train_error) < 0.05
    True
    """
    check_model(model)
    n, seed = whole("n", n, 2), whole("seed", seed, 0)
    alpha = validate.load(alpha)
    p = round(alpha * n)
    if p < 1:
        raise InvalidInput(f"alpha must give at least one pattern, got {alpha!r} at n = {n}")
    if not isinstance(model.learner, Gibbs):
        for name, value in (("exchange", exchange), ("hidden", hidden), ("checkpoint", checkpoint), ("instances", instances)):
            if value is not None:
                raise InvalidInput(f"{name} belongs to Markov chains; {model.learner!r} is trained, not sampled: leave it out")
        if patterns not in (None, "gaussian"):
            raise InvalidInput(f"patterns must be 'gaussian' for trained rules, got {patterns!r}")
        from flatphys.finite_size.trained_run import train_run

        return train_run(model, n, p, whole("chains", chains, 2), seed, progress)

    replicas = whole("replicas", replicas, 2)
    chains, sweeps = whole("chains", chains, replicas), whole("sweeps", sweeps, 2)
    if chains % replicas:
        raise InvalidInput(f"chains must be a multiple of replicas = {replicas}, got {chains}")
    burn_in = sweeps // 2 if burn_in is None else whole("burn_in", burn_in, 0)
    if burn_in >= sweeps:
        raise InvalidInput(f"burn_in must be smaller than sweeps = {sweeps}, got {burn_in}")
    every = max(1, (sweeps - burn_in) // DRAWS) if every is None else whole("every", every, 1)
    if every > sweeps - burn_in:
        raise InvalidInput(f"every must be at most sweeps - burn_in = {sweeps - burn_in}, got {every}")
    interval = max(every, sweeps // 20) if interval is None else whole("interval", interval, 1)
    start = validate.choice("start", start, STARTS)
    committee = isinstance(model.learner.network, TreeCommittee)
    if committee != (hidden is not None):
        told = (
            "needs the number of hidden units of the finite system, e.g. hidden=15 (a divisor of n)"
            if committee
            else "belongs to a TreeCommittee; leave it out"
        )
        raise InvalidInput(f"hidden {told}, got {hidden!r}")
    kind = default_patterns(model, n) if patterns is None else validate.choice("patterns", patterns, PATTERNS)
    instances = _instances(instances, model, n, p, chains // replicas, seed, kind, hidden)

    learner = model.learner
    from flatphys.finite_size.chains.ensemble import Chains

    betas = choose_betas(exchange, learner.beta, p, 0.5 * math.erfc(-learner.margin / math.sqrt(2.0)))
    cold = np.arange(replicas) >= (replicas if start == "hot" else 0 if start == "cold" else replicas - replicas // 2)
    call = {
        "model": repr(model),
        "n": n,
        "patterns_count": p,
        "chains": chains,
        "replicas": replicas,
        "sweeps": sweeps,
        "burn_in": burn_in,
        "every": every,
        "seed": seed,
        "patterns": instances.kind,
        "betas": list(betas),
        "start": start,
        "hidden": hidden,
        "instances": store.digest({"patterns": instances.patterns}),
    }
    saved = None if checkpoint is None else store.load(checkpoint, call)
    record = Record(instances, replicas, betas, (sweeps - burn_in) // every, learner.margin, learner.weights == "binary")
    options = {"weights": learner.weights, "margin": learner.margin, "device": device, "threads": threads}

    with Interruption() as ctrl_c, progress_bar(progress, sweeps, "sampling") as show:
        if saved is None:
            first = starting_weights(instances, betas, cold, options, seed, max(1, burn_in // 2))
            state, done = Chains(instances, betas=betas, replicas=replicas, seed=seed, start=first, **options), 0
        else:
            state = Chains(instances, betas=betas, replicas=replicas, seed=seed, **options)
            state.restore({name[7:]: array for name, array in saved.items() if name.startswith("chains/")})
            record.restore({name[7:]: array for name, array in saved.items() if name.startswith("record/")})
            done = int(saved["sweeps"])
        keep_at = done
        while done < sweeps and not ctrl_c.pressed:
            # the grid of draws counts from the end of the burn-in
            goal = burn_in + every * (max(done - burn_in, 0) // every + 1) if done >= burn_in else min(done + every, burn_in)
            goal = min(goal, sweeps)
            state.advance(goal - done)
            done = goal
            if done > burn_in and (done - burn_in) % every == 0 and record.done < record.draws:
                record.take(state)
            if checkpoint is not None and (done == sweeps or done - keep_at >= interval or ctrl_c.pressed):
                arrays = {f"chains/{name}": np.asarray(array) for name, array in state.snapshot().items()}
                arrays |= {f"record/{name}": array for name, array in record.state().items()}
                store.save(checkpoint, call, {**arrays, "sweeps": np.array(done)})
                keep_at = done
            show(done)
    if record.done == 0:
        where = f"; {checkpoint} keeps them" if checkpoint is not None else ""
        raise KeyboardInterrupt(f"interrupted in the {done} sweeps before the first draw: there is nothing to estimate from{where}")
    return _run(model, instances, state, record, call, cold, done, every)


def _instances(given, model, n, p, count, seed, kind, hidden):
    """The instances: the given ones, checked, or fresh ones."""
    from flatphys.finite_size.instances import Instances, make_instances

    if given is None:
        return make_instances(model, n, p / n, count=count, seed=seed, patterns=kind, hidden=hidden)
    validate.instance("instances", given, (Instances,))
    wanted = {
        "model's data": (given.model.data, model.data),
        "n": (given.n, n),
        "p": (given.p, p),
        "count": (given.count, count),
        "hidden": (given.hidden, hidden),
    }
    for name, (found, asked) in wanted.items():
        if found != asked:
            raise InvalidInput(f"instances must have the {name} of this call, {asked!r}, got {found!r}")
    return given


def starting_weights(instances, betas, cold, options, seed: int, sweeps: int) -> np.ndarray:
    """Weights (instances, chains, rungs, n): random where hot, the teacher or annealed ones where cold."""
    from flatphys.finite_size.chains.ensemble import Chains

    count, n, binary = instances.count, instances.n, options["weights"] == "binary"
    out = np.empty((count, len(cold), len(betas), n), dtype=np.int8 if binary else np.float64)
    for k in range(count):  # a stream for each instance: the first ones do not depend on how many there are
        rng = np.random.default_rng(np.random.SeedSequence([seed, 7, k]))
        if binary:
            out[k] = 2 * rng.integers(0, 2, out[k].shape, dtype=np.int8) - 1
        else:
            normal = rng.standard_normal(out[k].shape)
            out[k] = normal * (math.sqrt(n) / np.linalg.norm(normal, axis=-1, keepdims=True))
    if not cold.any():
        return out
    if instances.teacher is not None:
        out[:, cold] = instances.teacher[:, None, None]
        return out
    weights, coldest = out[:, cold, -1:], max(COLD_BETA, 2.0 * betas[-1]) if betas[-1] < math.inf else COLD_BETA
    for step, beta in enumerate(np.geomspace(0.5, coldest, COLD_STEPS).tolist()):
        annealed = Chains(instances, betas=(beta,), replicas=weights.shape[1], seed=seed + 1_000_003 * (step + 1), start=weights, **options)
        annealed.advance(max(1, sweeps // COLD_STEPS))
        weights = np.asarray(annealed.weights)
    out[:, cold] = weights
    return out


class _Kept:
    """The instances and the kept weights, for `Run.local_energy`."""

    def __init__(self, instances, weights, binary, seed):
        self.instances, self.weights, self.binary, self.seed = instances, weights, binary, seed

    def local_energy(self, **question):
        return local_energy(self.instances, self.weights, self.binary, seed=self.seed, **question)


def _run(model, instances, state, record, call, cold, done, every) -> Run:
    """The estimates, with warnings about what cannot be trusted."""
    learner, sweeps = model.learner, call["sweeps"]
    isotropic = instances.centre is None
    found = record.estimates(every, cold if cold.any() and not cold.all() else None, instances.p, learner, isotropic)
    margins = found.pop("margins")
    chains = call["chains"]
    wrong = [
        text for name, e in found.items() if name not in SAME for text in complaints(name, e, chains if name != "overlap" else chains // 2)
    ]
    kept = record.kept_weights()
    source = _Kept(instances, kept, learner.weights == "binary", call["seed"]) if kept.shape[1] else None
    if wrong:
        hint = "raise sweeps" + ("" if len(record.betas) > 1 else " or use exchange=True")
        warnings.warn(f"the chains have not mixed: {'; '.join(wrong)}: {hint}", NotMixedWarning, stacklevel=3)
    if record.betas[0] == 0.0 and learner.beta == math.inf and "entropy" not in found:
        wrong.append("entropy: some instance has no draw without violations on the last finite rung")
        warnings.warn(f"the entropy cannot be estimated: {wrong[-1]}: raise sweeps", NotMixedWarning, stacklevel=3)
    if done < sweeps:
        warnings.warn(
            f"interrupted after {done} of {sweeps} sweeps: the estimates are from {record.done} draws", InterruptedRunWarning, stacklevel=3
        )
    return Run(
        model,
        instances.n,
        instances.p / instances.n,
        found,
        margins,
        instances.count,
        len(cold),
        done,
        call["burn_in"],
        every,
        call["start"],
        call["seed"],
        instances.kind,
        instances.hidden,
        np.array(record.betas),
        np.asarray(state.acceptance),
        np.asarray(state.exchange),
        record.energy[..., : record.done],
        wrong,
        done < sweeps,
        source,
    )
