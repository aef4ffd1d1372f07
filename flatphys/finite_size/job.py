"""One run of Markov chains: its start, its sweeps with a checkpoint now and then, its end, and how it goes on from there."""

import math
import warnings

import numpy as np

from flatphys import validate
from flatphys.errors import InterruptedRunWarning, InvalidInput, NotMixedWarning
from flatphys.finite_size import checkpoint as store, memory
from flatphys.finite_size.estimate import Estimate
from flatphys.finite_size.measure import local_energy
from flatphys.finite_size.mixing import complaints
from flatphys.finite_size.patience import Interruption, progress_bar
from flatphys.finite_size.record import Record
from flatphys.finite_size.run import Run
from flatphys.finite_size.schedule import starting_weights

SAME = ("energy", "cosine", "free_entropy")  # these mix as train_error, teacher_overlap and entropy do: one complaint is enough


class Job:
    """Chains, what is written down about them, and how far they are."""

    def __init__(self, model, instances, plan, betas, start, options, call):
        self.model, self.instances, self.plan, self.betas, self.start = model, instances, plan, betas, start
        self.seed, self.options, self.call, self.done = call["seed"], options, call, 0
        hot = {"hot": plan.replicas, "cold": 0, "both": plan.replicas - plan.replicas // 2}[start]
        self.cold = np.arange(plan.replicas) >= hot
        self.saved = None  # the arrays of a checkpoint at the end of the run

    def longer(self, sweeps: int) -> "Job":
        """The same chains for `sweeps` sweeps in all, going on from where this job is."""
        if isinstance(sweeps, bool) or not isinstance(sweeps, (int, np.integer)) or sweeps < self.done:
            raise InvalidInput(f"sweeps must be an integer >= {self.done}, those of the run itself, which it counts too, got {sweeps!r}")
        plan = self.plan._replace(sweeps=int(sweeps))
        memory.draws_fit(plan, self.instances.n, len(self.betas))
        job = type(self)(self.model, self.instances, plan, self.betas, self.start, self.options, {**self.call, "sweeps": plan.sweeps})
        job.saved = self.saved
        return job

    def run(self, care) -> Run:
        """Sweep until the end or Ctrl-C; the estimates, with warnings about what cannot be trusted."""
        with Interruption() as ctrl_c, progress_bar(care.progress, self.plan.sweeps, "sampling") as show:
            self._begin(care.checkpoint)
            self._go_on(care, ctrl_c, show)
        self.saved = self._arrays()
        found = self._result()
        del self.chains, self.record  # the memory of a device; what has been written down goes on in `saved`
        return found

    def _begin(self, checkpoint):
        """The chains at their start, or where the checkpoint (or the run that is extended) left them."""
        instances, plan = self.instances, self.plan
        saved = (None if checkpoint is None else store.load(checkpoint, self.call, "sweeps")) or self.saved
        self.record = self._record()
        first = "random"
        if saved is None:
            first = starting_weights(instances, self.betas, self.cold, self.options, self.seed, max(1, plan.burn_in // 2))
        self.chains = self._chains(first)
        if saved is not None:
            self.chains.restore({name[7:]: array for name, array in saved.items() if name.startswith("chains/")})
            self.record.restore({name[7:]: array for name, array in saved.items() if name.startswith("record/")})
            self.done = int(saved["sweeps"])

    def _record(self):
        """What is written down, empty."""
        return Record(self.instances, self.model.learner, self.plan.replicas, self.betas, self.plan.draws)

    def _chains(self, first):
        """The chains at their start."""
        from flatphys.finite_size.chains.ensemble import Chains

        return Chains(self.instances, betas=self.betas, replicas=self.plan.replicas, seed=self.seed, start=first, **self.options)

    def _hint(self) -> str:
        """What helps chains that have not mixed."""
        return "raise sweeps" + ("" if len(self.betas) > 1 else " or use exchange=True")

    def _independent(self, name: str) -> int:
        """How many chains, or pairs of them, an estimate is made of that know nothing of each other."""
        return self.plan.chains // 2 if name == "overlap" else self.plan.chains

    def _arrays(self):
        """What `_begin` goes on from."""
        arrays = {f"chains/{name}": np.asarray(array) for name, array in self.chains.snapshot().items()}
        return {**arrays, **{f"record/{name}": array for name, array in self.record.state().items()}, "sweeps": np.array(self.done)}

    def _go_on(self, care, ctrl_c, show):
        """Sweep, write down, keep."""
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
            if care.checkpoint is not None and (goal == plan.sweeps or goal - kept >= care.interval or ctrl_c.pressed):
                store.save(care.checkpoint, self.call, self._arrays())
                kept = goal
            show(goal)
        if record.done == 0:
            where = f"; {care.checkpoint} keeps them" if care.checkpoint is not None else ""
            raise KeyboardInterrupt(
                f"interrupted in the {self.done} sweeps before the first draw: there is nothing to estimate from{where}"
            )

    def _result(self) -> Run:
        plan, record, instances = self.plan, self.record, self.instances
        mixed = self.cold.any() and not self.cold.all()
        found = record.estimates(plan.every, self.cold if mixed else None)
        margins = found.pop("margins")
        interrupted = self.done < plan.sweeps
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
            source=Kept(self, record.kept_weights()),
        )

    def _warn(self, found, interrupted) -> list[str]:
        """What has not mixed, in words; said aloud."""
        plan, record = self.plan, self.record
        frozen = int(record.frozen.sum())
        wrong = [f"{frozen} of {plan.chains} chains never moved between their first draw and their last"] if frozen else []
        counts = {name: self._independent(name) for name in found if name not in SAME}
        wrong += [text for name, count in counts.items() for text in complaints(name, found[name], count)]
        if wrong:
            warnings.warn(f"the chains have not mixed: {'; '.join(wrong)}: {self._hint()}", NotMixedWarning, stacklevel=5)
        if record.betas[0] == 0.0 and record.betas[-1] == math.inf and "entropy" not in found:
            wrong.append("entropy: some instance has no draw without violations on the last finite rung")
            warnings.warn(f"the entropy cannot be estimated: {wrong[-1]}: raise sweeps", NotMixedWarning, stacklevel=5)
        if interrupted:
            text = f"interrupted after {self.done} of {plan.sweeps} sweeps: the estimates are from {record.done} draws"
            warnings.warn(text, InterruptedRunWarning, stacklevel=5)
        return wrong


class Kept:
    """The instances and the kept weights, for `Run.local_energy`, and the job, for `Run.extend`."""

    def __init__(self, job: Job, weights):
        self.job, self.instances, self.weights = job, job.instances, weights

    def local_energy(self, *, sigma=None, distance=None, perturbations: int = 4) -> Estimate:
        """See `Run.local_energy`."""
        question, one = validate.perturbation(sigma, distance), self.instances
        rng = np.random.default_rng(np.random.SeedSequence([self.job.seed, 11]))
        found = local_energy(one, self.weights, question, rng, perturbations, binary=self.job.options["weights"] == "binary")
        return Estimate.of(found, 1.0 / (one.p * one.count * self.weights.shape[1] * self.weights.shape[2] * int(perturbations)))
