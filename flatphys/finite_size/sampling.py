"""sample(model, n, alpha, ...): a finite system instead of N = infinity, with errors.

Gibbs learners are sampled by Markov chains (`finite_size.chains.ensemble`), several of them on every instance: the overlap between chains
of one instance is the theory's q.  Half of the chains start hot (random weights), half cold (the teacher where there is one,
annealed to a low temperature otherwise), so that chains that have not forgotten their start show it.  At large or infinite beta a
ladder of inverse temperatures exchanges its configurations (`finite_size.chains.ladder`).  Rules with finite training (ERM, maximum
margin, Hebb, Bayes on the mixture) are trained instead, once per instance.
"""

import os
from collections.abc import Callable, Sequence

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.finite_size import checkpoint as store, memory
from flatphys.finite_size.coupled import CoupledJob, checked_coupling, coupled_schedule
from flatphys.finite_size.instances import KINDS, Instances
from flatphys.finite_size.job import Job
from flatphys.finite_size.run import Run
from flatphys.finite_size.schedule import (
    checked_threads,
    choose_betas,
    default_patterns,
    energy_name,
    given_or_fresh,
    hidden_units,
    sampled_channel,
    schedule,
    upkeep,
)
from flatphys.finite_size.trained import train_run
from flatphys.model import Gibbs, Model, check_model

STARTS = ("both", "hot", "cold")


def sample(
    model: Model,
    n: int,
    alpha: float,
    chains: int = 256,
    sweeps: int = 2000,
    device: str = "auto",
    seed: int = 1,
    *,
    instances: Instances | None = None,
    patterns: str | None = None,
    replicas: int = 2,
    coupling: float | None = None,
    burn_in: int | None = None,
    every: int | None = None,
    exchange: bool | Sequence[float] | None = None,
    start: str = "both",
    hidden: int | None = None,
    threads: int | None = None,
    progress: bool | Callable | None = None,
    checkpoint: str | os.PathLike | None = None,
    interval: int | None = None,
) -> Run:
    """Sample the learner's weights on finite instances of the data, and measure.

    Parameters
    ----------
    model : Model
        Gibbs learners (every energy, on all data, there with or without a theory) are sampled by Markov chains; ERM, MaxMargin, Hebb and
        (on a mixture) Bayes are trained.
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
        Chains per instance; with a coupling the y weights of a system, two systems on each of chains/(2 y) instances (rounded down).
    coupling : float, optional
        J: the replicas of a system have the weight exp(-beta sum of energies + J sum_{a<b} w_a.w_b) (perceptrons, on the CPU, without
        exchange).  At J = -2 slope/(y-1) they lie at the mutual overlap of `replicated_entropy` with that slope.
    every : int, optional
        Sweeps between draws (default: 200 draws).
    exchange : None, bool or ascending inverse temperatures, optional
        Replica exchange.  None: a ladder from beta = 0 where the learner's beta exceeds 1.5 (rungs equally spaced in
        asin sqrt(e(beta)) with the error e(beta) of independent patterns, about sqrt(P) of them; for other energies as many standard
        deviations of the energy apart); a ladder from 0 also gives the entropy.
    start : "both", "hot" or "cold"
        Random weights; the teacher, or annealed ones where there is none; half of the chains each.
    hidden : int, optional
        Hidden units of a tree committee (theory: K -> infinity); those of its teacher as well.
    threads : int, optional
    progress : None, bool or function of (done, total)
        None: a bar on a terminal.
    checkpoint : path, optional
        A file that keeps the whole state every `interval` sweeps (default: sweeps/20); the same call continues from it, bit by bit, and
        so does one with more `sweeps` and the same `burn_in` and `every`.

    Returns
    -------
    Run
        (With a coupling CoupledRun: energy, mutual_overlap, R or m1, cosine and centre_train_error of the centre, ...)
        With train_error, train_loss, energy, overlap, teacher_overlap, generalization_error, margins, entropy, ... each with errors;
        `run.extend(sweeps=...)` goes on with its chains.

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
    n, seed = validate.integer("n", n, 2), validate.seed(seed)
    alpha, progress, threads = validate.load(alpha), validate.progress(progress), checked_threads(device, threads)
    checkpoint = None if checkpoint is None else validate.path("checkpoint", checkpoint)
    p = memory.pattern_count(alpha, n)
    if p < 1:
        raise InvalidInput(f"alpha must give at least one pattern, got {alpha!r} at n = {n}")
    if not isinstance(model.learner, Gibbs):
        _refuse(model, patterns, exchange=exchange, hidden=hidden, checkpoint=checkpoint, instances=instances, coupling=coupling)
        return train_run(model, n, p, validate.integer("chains", chains, 2), seed, progress)
    learner = model.learner
    if coupling is None:
        plan = schedule(chains, replicas, sweeps, burn_in, every, (2, 1))
    else:
        coupling = checked_coupling(model, coupling, exchange, n, device)
        plan = coupled_schedule(chains, replicas, sweeps, burn_in, every)
    care = upkeep(plan, checkpoint, interval, progress)
    start = validate.choice("start", start, STARTS)
    channel = sampled_channel(learner.energy, learner.margin, learner.beta)
    kind = default_patterns(model, n) if patterns is None else validate.choice("patterns", patterns, KINDS)
    memory.instances_fit(plan.count, n, p, kind)
    betas = choose_betas(exchange if coupling is None else False, channel, p)
    memory.draws_fit(plan, n, len(betas))
    hidden = hidden_units(model, hidden)
    memory.walkers_fit(plan.chains * len(betas), n, p, hidden)
    instances = given_or_fresh(instances, model, n, p, plan, seed, patterns=kind, hidden=hidden)
    options = {"weights": learner.weights, "margin": learner.margin, "energy": energy_name(channel), "device": device, "threads": threads}
    call = {
        "model": repr(model).replace(", energy='errors'", "").replace(", bias=False", ""),  # as before there were any: old checkpoints
        "n": n,
        "patterns_count": p,
        **plan._asdict(),
        "seed": seed,
        "patterns": instances.kind,
        "betas": list(betas),
        "start": start,
        "hidden": hidden,
        "instances": store.digest({"patterns": instances.patterns}),
    }
    if coupling is None:
        return Job(model, instances, plan, betas, start, options, call).run(care)
    options["device"] = "cpu"
    return CoupledJob(model, instances, plan, betas, start, options, {**call, "coupling": coupling}).run(care)


def _refuse(model, patterns, **given):
    """What belongs to chains only."""
    for name, value in given.items():
        if value is not None:
            raise InvalidInput(f"{name} belongs to Markov chains; {model.learner!r} is trained, not sampled: leave it out")
    if patterns not in (None, "gaussian"):
        raise InvalidInput(f"patterns must be 'gaussian' for trained rules, got {validate.shown(patterns)}")
