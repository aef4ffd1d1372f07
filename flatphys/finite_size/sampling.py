"""sample(model, n, alpha, ...): a finite system instead of N = infinity, with errors.

Gibbs learners are sampled by Markov chains (`finite_size.chains.ensemble`), several of them on every instance: the overlap between chains
of one instance is the theory's q.  Half of the chains start hot (random weights), half cold (the teacher where there is one,
annealed to a low temperature otherwise), so that chains that have not forgotten their start show it.  At large or infinite beta a
ladder of inverse temperatures exchanges its configurations (`finite_size.chains.ladder`).  Rules with finite training (ERM, maximum
margin, Hebb, Bayes on the mixture) are trained instead, once per instance.
"""

import math
import os
import warnings
from collections.abc import Callable, Sequence

import numpy as np

from flatphys import validate
from flatphys.errors import InterruptedRunWarning, InvalidInput, NotMixedWarning
from flatphys.finite_size import checkpoint as store
from flatphys.finite_size.estimate import Estimate, complaints
from flatphys.finite_size.instances import KINDS, Instances
from flatphys.finite_size.measure import local_energy, strengths
from flatphys.finite_size.patience import Interruption, progress_bar
from flatphys.finite_size.record import Record
from flatphys.finite_size.run import Run
from flatphys.finite_size.schedule import (
    choose_betas,
    default_patterns,
    energy_name,
    given_or_fresh,
    hidden_units,
    sampled_channel,
    schedule,
    starting_weights,
)
from flatphys.finite_size.trained import train_run
from flatphys.model import Gibbs, Model, check_model

STARTS = ("both", "hot", "cold")
SAME = ("energy", "cosine", "free_entropy")  # these mix as train_error, teacher_overlap and entropy do: one complaint is enough


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
        Chains per instance.
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
        A file that keeps the whole state every `interval` sweeps (default: sweeps/20); the same call continues from it, bit by bit.

    Returns
    -------
    Run
        With train_error, train_loss, energy, overlap, teacher_overlap, generalization_error, margins, entropy, ... each with errors.

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
    n, seed = validate.integer("n", n, 2), validate.integer("seed", seed)
    alpha = validate.load(alpha)
    p = round(alpha * n)
    if p < 1:
        raise InvalidInput(f"alpha must give at least one pattern, got {alpha!r} at n = {n}")
    if not isinstance(model.learner, Gibbs):
        _refuse(model, patterns, exchange=exchange, hidden=hidden, checkpoint=checkpoint, instances=instances)
        return train_run(model, n, p, validate.integer("chains", chains, 2), seed, progress)
    learner = model.learner
    plan = schedule(chains, replicas, sweeps, burn_in, every, (2, 1))
    interval = max(plan.every, plan.sweeps // 20) if interval is None else validate.integer("interval", interval, 1)
    start = validate.choice("start", start, STARTS)
    channel = sampled_channel(learner.energy, learner.margin, learner.beta)
    betas = choose_betas(exchange, channel, p)
    kind = default_patterns(model, n) if patterns is None else validate.choice("patterns", patterns, KINDS)
    instances = given_or_fresh(instances, model, n, p, plan, seed, patterns=kind, hidden=hidden_units(model, hidden))
    options = {"weights": learner.weights, "margin": learner.margin, "energy": energy_name(channel), "device": device, "threads": threads}
    call = {
        "model": repr(model).replace(", energy='errors'", ""),  # as before there were energies: old checkpoints are read
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
    job = _Job(model, instances, plan, betas, start, options, call)
    with Interruption() as ctrl_c, progress_bar(progress, plan.sweeps, "sampling") as show:
        job.begin(checkpoint)
        job.go_on(checkpoint, interval, ctrl_c, show)
    return job.run()


def _refuse(model, patterns, **given):
    """What belongs to chains only."""
    for name, value in given.items():
        if value is not None:
            raise InvalidInput(f"{name} belongs to Markov chains; {model.learner!r} is trained, not sampled: leave it out")
    if patterns not in (None, "gaussian"):
        raise InvalidInput(f"patterns must be 'gaussian' for trained rules, got {patterns!r}")


class _Job:
    """Chains, what is written down about them, and how far they are."""

    def __init__(self, model, instances, plan, betas, start, options, call):
        self.model, self.instances, self.plan, self.betas, self.start = model, instances, plan, betas, start
        self.seed, self.options, self.call, self.done = call["seed"], options, call, 0
        hot = {"hot": plan.replicas, "cold": 0, "both": plan.replicas - plan.replicas // 2}[start]
        self.cold = np.arange(plan.replicas) >= hot

    def begin(self, checkpoint):
        """The chains at their start, or where the checkpoint left them."""
        from flatphys.finite_size.chains.ensemble import Chains

        instances, plan = self.instances, self.plan
        saved = None if checkpoint is None else store.load(checkpoint, self.call)
        self.record = Record(instances, self.model.learner, plan.replicas, self.betas, plan.draws)
        first = "random"
        if saved is None:
            first = starting_weights(instances, self.betas, self.cold, self.options, self.seed, max(1, plan.burn_in // 2))
        self.chains = Chains(instances, betas=self.betas, replicas=plan.replicas, seed=self.seed, start=first, **self.options)
        if saved is not None:
            self.chains.restore({name[7:]: array for name, array in saved.items() if name.startswith("chains/")})
            self.record.restore({name[7:]: array for name, array in saved.items() if name.startswith("record/")})
            self.done = int(saved["sweeps"])

    def go_on(self, checkpoint, interval, ctrl_c, show):
        """Sweep, write down, keep, until the end or Ctrl-C."""
        plan, record, kept = self.plan, self.record, self.done
        while self.done < plan.sweeps and not ctrl_c.pressed:
            # the grid of draws counts from the end of the burn-in
            past = self.done - plan.burn_in
            goal = plan.burn_in + plan.every * (past // plan.every + 1) if past >= 0 else min(self.done + plan.every, plan.burn_in)
            goal = min(goal, plan.sweeps)
            self.chains.advance(goal - self.done)
            self.done = goal
            if goal > plan.burn_in and (goal - plan.burn_in) % plan.every == 0 and record.done < record.draws:
                record.take(self.chains)
            if checkpoint is not None and (goal == plan.sweeps or goal - kept >= interval or ctrl_c.pressed):
                arrays = {f"chains/{name}": np.asarray(array) for name, array in self.chains.snapshot().items()}
                arrays |= {f"record/{name}": array for name, array in record.state().items()}
                store.save(checkpoint, self.call, {**arrays, "sweeps": np.array(goal)})
                kept = goal
            show(goal)
        if record.done == 0:
            where = f"; {checkpoint} keeps them" if checkpoint is not None else ""
            raise KeyboardInterrupt(
                f"interrupted in the {self.done} sweeps before the first draw: there is nothing to estimate from{where}"
            )

    def run(self) -> Run:
        """The estimates, with warnings about what cannot be trusted."""
        plan, record, instances = self.plan, self.record, self.instances
        mixed = self.cold.any() and not self.cold.all()
        found = record.estimates(plan.every, self.cold if mixed else None)
        margins = found.pop("margins")
        interrupted = self.done < plan.sweeps
        kept = record.kept_weights()
        return Run(
            self.model,
            instances.n,
            instances.alpha,
            found,
            margins,
            instances.count,
            plan.replicas,
            sweeps=self.done,
            burn_in=plan.burn_in,
            every=plan.every,
            start=self.start,
            seed=self.seed,
            patterns=instances.kind,
            hidden=instances.hidden,
            betas=np.array(record.betas),
            acceptance=np.asarray(self.chains.acceptance),
            exchange=np.asarray(self.chains.exchange),
            energies=record.energy[..., : record.done],
            complaints=self._warn(found, interrupted),
            interrupted=interrupted,
            source=_Kept(instances, kept, self.options["weights"] == "binary", self.seed) if kept.shape[1] else None,
        )

    def _warn(self, found, interrupted) -> list[str]:
        """What has not mixed, in words; said aloud."""
        plan, record = self.plan, self.record
        counts = {name: plan.chains // 2 if name == "overlap" else plan.chains for name in found if name not in SAME}
        wrong = [text for name, count in counts.items() for text in complaints(name, found[name], count)]
        if wrong:
            hint = "raise sweeps" + ("" if len(record.betas) > 1 else " or use exchange=True")
            warnings.warn(f"the chains have not mixed: {'; '.join(wrong)}: {hint}", NotMixedWarning, stacklevel=4)
        if record.betas[0] == 0.0 and record.betas[-1] == math.inf and "entropy" not in found:
            wrong.append("entropy: some instance has no draw without violations on the last finite rung")
            warnings.warn(f"the entropy cannot be estimated: {wrong[-1]}: raise sweeps", NotMixedWarning, stacklevel=4)
        if interrupted:
            text = f"interrupted after {self.done} of {plan.sweeps} sweeps: the estimates are from {record.done} draws"
            warnings.warn(text, InterruptedRunWarning, stacklevel=4)
        return wrong


class _Kept:
    """The instances and the kept weights, for `Run.local_energy`."""

    def __init__(self, instances, weights, binary, seed):
        self.instances, self.weights, self.binary, self.seed = instances, weights, binary, seed

    def local_energy(self, *, sigma=None, distance=None, perturbations: int = 4) -> Estimate:
        """See `Run.local_energy`."""
        question, one = strengths(sigma, distance), self.instances
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, 11]))
        found = local_energy(one, self.weights, question, rng, perturbations, binary=self.binary)
        return Estimate.of(found, 1.0 / (one.p * one.count * self.weights.shape[1] * self.weights.shape[2] * int(perturbations)))
