"""sample(..., replicas=y, coupling=J): y weights that attract each other, in two systems on every instance.

What the theory of the robust ensemble says of y replicas at one mutual overlap (`replicated_entropy`), measured: one of the two systems
starts from random weights, the other from the teacher, or from annealed weights where there is none, so that systems which have not
forgotten their start show it; the overlap between them is the theory's q0.
"""

import dataclasses

import numpy as np

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.finite_size import measure
from flatphys.finite_size.estimate import Estimate
from flatphys.finite_size.job import Job
from flatphys.finite_size.record import Record
from flatphys.finite_size.run import Run
from flatphys.finite_size.schedule import Schedule, schedule
from flatphys.model import GaussianMixture, Perceptron

SYSTEMS = 2  # on each instance
LARGEST = 1e12  # of coupling times N: beyond it rounding of the exponent is felt


class CoupledRecord(Record):
    """A record that also keeps what the centre of each system does, the sum of its replicas: `centre` (instances, systems, draws)."""

    _SERIES = (*Record._SERIES, "centre")

    def __init__(self, instances, learner, chains, betas, draws):
        super().__init__(instances, learner, chains, betas, draws)
        self.y = chains // SYSTEMS
        self.centre = np.zeros((instances.count, SYSTEMS, draws))

    def take(self, chains) -> None:
        """Write down the present state."""
        t = self.done
        stabilities = np.asarray(chains.stabilities[:, :, -1], dtype=np.float64)
        self.centre[:, :, t] = measure.errors(stabilities.reshape(len(stabilities), SYSTEMS, self.y, -1).sum(axis=2))
        super().take(chains)

    def _systems(self, series):
        """The mean over the replicas of each system: (instances, systems, draws)."""
        series = series[..., : self.done]
        return series.reshape(len(series), SYSTEMS, self.y, -1).mean(axis=2)

    def _overlaps(self):
        """(mean over the pairs within each system, mean over the pairs of different systems), series of draws."""
        inside, between = [[] for _ in range(SYSTEMS)], []
        for k, (a, b) in enumerate(self.pairs):
            (inside[a // self.y] if a // self.y == b // self.y else between).append(self.overlap[:, k, : self.done])
        return np.stack([np.mean(rows, axis=0) for rows in inside], axis=1), np.mean(between, axis=0)[:, None]

    def estimates(self, every: int, cold) -> dict:
        """The scalar estimates by name, and the law of margins under "margins"; replicas of a system count as one chain."""
        alone = {"every": every, "frozen": self.frozen.any(axis=1)}
        more = {**alone, "cold": None if cold is None else np.array([False, True])}
        p, n = self.instances.p, self.instances.n
        out = {"margins": super().estimates(every, cold)["margins"]}
        if self.loss is None:
            out["train_error"] = Estimate.of_series(self._systems(self.energy[:, :, -1]) / p, **more)
        else:
            out["train_error"] = Estimate.of_series(self._systems(self.errors), **more)
            out["train_loss"] = Estimate.of_series(self._systems(self.loss), **more)
        share = self._systems(self.energy[:, :, -1] / p if self.loss is None else self.loss)
        out["energy"] = Estimate.of_series(share * (p / n), **more)
        mutual, between = self._overlaps()
        out["mutual_overlap"] = Estimate.of_series(mutual, **more)
        out["overlap"] = Estimate.of_series(between, **alone)
        if self.teacher is not None:
            signal = self._systems(self.teacher)
            out["m1" if isinstance(self.instances.model.data, GaussianMixture) else "R"] = Estimate.of_series(signal, **more)
            norm = np.sqrt((1.0 + (self.y - 1.0) * mutual) / self.y)  # of the mean of the replicas
            out["cosine"] = Estimate.of_series(signal / norm, **more)
        out["centre_train_error"] = Estimate.of_series(self.centre[..., : self.done], **more)
        return out


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class CoupledRun(Run):
    """A run of coupled replicas: `chains` of each instance are two systems of `replicas` that attract each other by `coupling`.

    Estimates: train_error and energy of a replica (and train_loss), mutual_overlap within a system, overlap between the two systems of an
    instance (the theory's q0), R with a teacher or m1 on a mixture, cosine and centre_train_error of the sum of a system's replicas.
    """

    coupling: float = 0.0

    @property
    def replicas(self) -> int:
        """y, of a system."""
        return self.chains // SYSTEMS

    def _title(self):
        return f"{super()._title()}: systems of {self.replicas} replicas, coupling {self.coupling:g}"

    def record(self) -> dict:
        """Everything as plain values, for JSON."""
        return {**super().record(), "replicas": self.replicas, "coupling": self.coupling}


class CoupledJob(Job):
    """Systems of coupled replicas, what is written down about them, and how far they are."""

    def __init__(self, model, instances, plan, betas, start, options, call):
        super().__init__(model, instances, plan, betas, start, options, call)
        self.y = plan.replicas // SYSTEMS
        self.cold = {"both": np.arange(plan.replicas) >= self.y}.get(start, np.full(plan.replicas, start == "cold"))

    def _hint(self) -> str:
        return "raise sweeps"

    def _independent(self, name: str) -> int:
        return super()._independent(name) // self.y

    def _record(self):
        return CoupledRecord(self.instances, self.model.learner, self.plan.replicas, self.betas, self.plan.draws)

    def _chains(self, first):
        from flatphys.finite_size.chains.coupled import CoupledChains

        system = {"coupling": self.call["coupling"], "together": self.y}
        return CoupledChains(
            self.instances, betas=self.betas, replicas=self.plan.replicas, seed=self.seed, start=first, **system, **self.options
        )

    def _result(self) -> CoupledRun:
        run = super()._result()
        return CoupledRun(**{f.name: getattr(run, f.name) for f in dataclasses.fields(Run)}, coupling=self.call["coupling"])


def checked_coupling(model, coupling, exchange, n: int, device: str) -> float:
    """The coupling; refuses what coupled replicas have no moves for."""
    coupling = validate.number("coupling", coupling)
    if not isinstance(model.learner.network, Perceptron):
        raise InvalidInput(f"coupling needs a perceptron, got {model.learner.network!r}")
    if getattr(model.learner, "bias", False):
        raise InvalidInput("coupling needs a learner without a bias, which replicas do not share, got bias=True")
    if exchange not in (None, False):
        raise InvalidInput(f"exchange must be None with a coupling: coupled replicas have one temperature, got {validate.shown(exchange)}")
    if device == "cuda":
        raise InvalidInput("device must be 'cpu' or 'auto' with a coupling: coupled replicas run on the CPU, got 'cuda'")
    if abs(coupling) * n > LARGEST:
        raise InvalidInput(f"coupling must be at most {LARGEST / n:.3g} in size at n = {n}, got {coupling!r}")
    return coupling


def coupled_schedule(chains, replicas, sweeps, burn_in, every) -> Schedule:
    """The schedule of systems of `replicas`; `chains` is rounded down to whole pairs of systems."""
    many = SYSTEMS * validate.integer("replicas", replicas, 2)
    chains = validate.integer("chains", chains, many)
    return schedule(chains - chains % many, many, sweeps, burn_in, every, (many, 1))
