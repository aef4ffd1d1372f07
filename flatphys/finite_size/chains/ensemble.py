"""Many Markov chains at once: instances x replicas x inverse temperatures, on the CPU or on a GPU.

The measure of a chain at inverse temperature beta is exp(-beta E) over binary weights, or over the sphere |w|^2 = N, or over either at
a fixed overlap with a reference; E is the sum over patterns of an energy of the stability (`kernels.cost`), by default the number
of stabilities below the margin.  See `metropolis` for the moves.

Rotations are tuned while `sweeps_done` < `tune`: after each sweep, with r the fraction of accepted rotations of an instance at a
temperature in that sweep (all its replicas),

    log spread += 2 (r - 0.25) / (1 + s/10),   s = sweeps done before it, spread kept in [1e-4, 1]

and never again, so that the chain is Markovian from sweep `tune` on.  Every instance has its own spreads.  (An acceptance
of 0.2 to 0.25 decorrelates fastest, measured at N = 201, alpha = beta = 2: a fifth faster than 0.4, a quarter faster than 0.1.)
"""

import math

import numpy as np

from flatphys import validate
from flatphys.display import Table
from flatphys.errors import InvalidInput
from flatphys.finite_size import memory
from flatphys.finite_size.chains import starts
from flatphys.finite_size.chains.cpu import backend_on, deferred_interrupt
from flatphys.finite_size.chains.ladder import ascending
from flatphys.finite_size.chains.layout import ROTATE
from flatphys.finite_size.chains.philox import key_of
from flatphys.finite_size.chains.state import Law, Start, Walkers
from flatphys.finite_size.instances import Instances
from flatphys.kernels import channels
from flatphys.kernels.codes import ERRORS
from flatphys.kernels.traits import energy_traits
from flatphys.model import ENERGIES, WEIGHTS
from flatphys.validate import integer

DEVICES = ("cpu", "cuda", "auto")
ACCEPTANCE = 0.25  # of rotations, towards which they are tuned
GAIN, FADING = 2.0, 0.1  # of the tuning, and how fast it settles
TUNE_SWEEPS = 100
REFRESH_STEPS = 2**20  # steps between recomputations of float64 fields: rounding adds up to 1e-12 of a field at most


class Chains(Table):
    """Metropolis chains on `instances`, with replica exchange if there are several inverse temperatures.

    Parameters
    ----------
    instances : Instances
    weights : "binary" or "spherical"
    margin : float: stabilities below it count as errors (one equal to it does not); kappa of the other energies
    energy : of a pattern, as for `Gibbs`
    betas : sequence of float >= 0, ascending; the last may be math.inf
        Several: neighbours exchange configurations after every sweep.
    replicas : int
        Independent chains per instance and temperature.
    seed : int
    start : "random", "teacher", "reference" or array (count, n) or (count, replicas, betas, n)
        Spherical weights of any norm are rescaled to |w|^2 = N (in a committee every unit to N/K).
    reference : (count, n) array or "teacher", of any norm for spherical weights, +-1 for binary ones
    overlap : float or None
        w.reference / (|reference| sqrt N) that every configuration keeps: exactly for spherical weights, for binary ones the nearest
        value that flips can reach (`chains.overlap`).  The start is then a random point at that overlap (or an array that has it).
    device : "cpu", "cuda" or "auto" (a GPU if there is one)
    threads : int or None
        On the CPU; None: all cores of this process.
    recompute_every : int or None
        Sweeps between recomputations of the fields from scratch.  None: integer fields never, being exact; float64 ones every 2^20 steps.
    tune : int, sweeps during which rotations are tuned

    Attributes
    ----------
    weights : (I, R, B, n) int8 or float64;  energy : (I, R, B) int64 (errors) or float64;  stabilities : (I, R, B, p) float64
    acceptance : (B,) fraction of accepted moves;  exchange : (B-1,) fraction of accepted exchanges
    replica_index : (I, R, B), which walker sits at each temperature;  spread : (I, B), of the rotations
    sweeps_done : int;  overlap : float or None;  betas, margin, instances, replicas, device

    One sweep is n attempted flips; n/2 attempted pairs of flips; n/2 attempted rotations.

    Raises
    ------
    InvalidInput

    >>> chains = Chains(make_instances(model, 1001, 0.5, count=8), betas=(1.0, 2.0, math.inf)).advance(100)
    >>> chains.energy.mean(axis=(0, 1))
    """

    def __init__(
        self,
        instances,
        *,
        weights="binary",
        margin=0.0,
        energy="errors",
        betas=(1.0,),
        replicas=2,
        seed=0,
        start="random",
        reference=None,
        overlap=None,
        device="cpu",
        threads=None,
        recompute_every=None,
        tune=TUNE_SWEEPS,
    ):
        validate.instance("instances", instances, (Instances,))
        binary = validate.choice("weights", weights, WEIGHTS) == "binary"
        self.instances, self.kind = instances, weights
        self.margin, self.cost = validate.number("margin", margin), validate.choice("energy", energy, ENERGIES)
        self.betas = ascending(betas)
        self.replicas, self.seed = integer("replicas", replicas, 1), validate.seed(seed)
        self.tune = integer("tune", tune)
        validate.choice("device", device, DEVICES)
        if threads is not None:
            integer("threads", threads, 1)
        if recompute_every is not None:
            integer("recompute_every", recompute_every, 1)
        if overlap is not None:
            overlap = validate.number("overlap", overlap, -1.0, 1.0, closed="[]")
            if reference is None:
                raise InvalidInput("overlap needs a reference that it is measured with, got reference=None")
            if instances.hidden and not binary:
                raise InvalidInput("overlap must be None for a committee of spherical weights: rotations that keep it mix the units")
        smallest = instances.n // (instances.hidden or 1)
        if not binary and smallest < 2:
            raise InvalidInput(f"n must leave every unit at least 2 spherical weights to turn, got {smallest}")
        if energy_traits(self.cost).exact_fit and self.betas[-1] == np.inf:
            raise InvalidInput(f"betas must be finite for the energy {self.cost!r}, got inf: no weights have energy 0")

        self._shape = (instances.count, self.replicas, len(self.betas))
        memory.walkers_fit(math.prod(self._shape), instances.n, instances.p, instances.hidden)
        self.reference = starts.reference_weights(instances, reference, binary)
        first, self.overlap, agree = starts.starting_weights(instances, start, binary, self.reference, overlap, self._shape, self.seed)
        fixed = self.reference if overlap is not None else None
        law = Law(binary, channels.CODES[self.cost], self.margin, self.betas)
        self._walkers, self._backend = self._engine(law, Start(first, fixed, agree), key_of(self.seed), device, threads)
        if recompute_every is None and self._walkers.kind != "bits":
            recompute_every = max(1, REFRESH_STEPS // self._walkers.steps)
        self.recompute_every = recompute_every

    def _engine(self, law, start, key, device, threads):
        """The state and what advances it."""
        make = backend_on(device, threads)  # before the arrays: a missing device is reported at once
        walkers = Walkers(self.instances, law, start, self.replicas, key)
        return walkers, make(walkers)

    # --- running ------------------------------------------------------------------------------------
    def advance(self, sweeps: int) -> "Chains":
        """Run `sweeps` sweeps of every chain, an exchange after each; returns self.

        Ctrl-C stops after the slice of sweeps under way (about a second): `sweeps_done` says how many were completed, and the
        trajectory goes on from there as if nothing had happened.
        """
        left = integer("sweeps", sweeps)
        while left:
            with deferred_interrupt():
                left -= self._slice(left)
        return self

    def _slice(self, most):
        """Some of the sweeps and what follows them; returns how many."""
        s = self._walkers
        size = self._backend.slice(most)
        tuning = s.move.mode == ROTATE and s.sweeps < self.tune
        if tuning:
            size, before = 1, self._accepted()
        if self.recompute_every:
            size = min(size, self.recompute_every - s.sweeps % self.recompute_every)
        self._backend.run(size)
        if len(self.betas) > 1:
            even = (size + 1 - s.sweeps % 2) // 2  # sweeps that exchanged the pairs 0, 2, ...
            s.tried += np.where(np.arange(len(s.tried)) % 2 == 0, even, size - even)
        s.sweeps += size
        if tuning:
            self._tune(before)
        if self.recompute_every and s.sweeps % self.recompute_every == 0:
            self.recompute()
        return size

    def _accepted(self):
        """(I, B) accepted moves so far."""
        self._backend.pull("accepted")
        return self._walkers.state.accepted.reshape(self._shape).sum(axis=1)

    def _tune(self, before):
        s = self._walkers
        rate = (self._accepted() - before) / (self.replicas * s.steps)
        gain = GAIN / (1.0 + FADING * (s.sweeps - 1))
        spread = s.bath.spread
        spread[:] = np.clip(spread * np.exp(gain * (rate - ACCEPTANCE)), 1e-4, 1.0)
        self._backend.push("spread")

    def recompute(self) -> float:
        """Recompute fields and energies from the weights; returns the largest drift of a stability or an energy that this removed."""
        self._backend.pull()
        drift = self._walkers.refresh()
        self._backend.push()
        return drift

    # --- looking ------------------------------------------------------------------------------------
    def _by_level(self, values):
        """(I, R, B, ...) with every walker at its temperature."""
        at = self._walkers.state.at
        rows = at + np.arange(len(at))[:, None] * at.shape[1]
        return values[rows].reshape(self._shape + values.shape[1:])

    @property
    def weights(self) -> np.ndarray:
        self._backend.pull("w", "at")
        s = self._walkers
        w = s.turn(s.state.w)
        return self._by_level(w.astype(np.int8) if s.binary else w)

    @property
    def energy(self) -> np.ndarray:
        self._backend.pull("energy", "at")
        s = self._walkers
        energy = self._by_level(s.state.energy)
        return energy if s.cost.energy == ERRORS else energy / s.cost.scale

    @property
    def stabilities(self) -> np.ndarray:
        self._backend.pull("sums" if self.instances.hidden else "h", "at")
        return self._by_level(self._walkers.stabilities())

    @property
    def replica_index(self) -> np.ndarray:
        self._backend.pull("at")
        return self._walkers.state.at.reshape(self._shape).copy()

    @property
    def spread(self) -> np.ndarray:
        return self._walkers.bath.spread.copy()

    @property
    def sweeps_done(self) -> int:
        return self._walkers.sweeps

    @property
    def acceptance(self) -> np.ndarray:
        self._backend.pull("accepted")
        s = self._walkers
        return s.state.accepted.sum(axis=0) / max(1, s.groups * s.sweeps * s.steps)

    @property
    def exchange(self) -> np.ndarray:
        self._backend.pull("swapped")
        s = self._walkers
        return s.state.swapped.sum(axis=0) / np.maximum(1, s.groups * s.tried)

    @property
    def changes(self) -> np.ndarray:
        """(I, R): how often the configuration at the last temperature has moved or been exchanged for another."""
        self._backend.pull("accepted", "swapped")
        state = self._walkers.state
        return (state.accepted[:, -1] + state.swapped[:, -1:].sum(axis=1)).reshape(self._shape[:2])

    @property
    def device(self) -> str:
        return self._backend.name

    # --- storing ------------------------------------------------------------------------------------
    def snapshot(self) -> dict:
        """Everything that `restore` needs, as arrays (the instances and the arguments of the chains are the caller's to keep)."""
        self._backend.pull()
        return {"sweeps": np.array(self._walkers.sweeps), **{name: value.copy() for name, value in self._walkers.arrays().items()}}

    def restore(self, snapshot: dict) -> "Chains":
        """Continue from a snapshot of chains made with the same arguments, bit for bit; returns self."""
        s = self._walkers
        expected = s.arrays()
        for name, value in expected.items():
            got = snapshot.get(name)
            if got is None or np.shape(got) != value.shape or np.asarray(got).dtype != value.dtype:
                found = "nothing" if got is None else f"{np.asarray(got).dtype} of shape {np.shape(got)}"
                wanted = f"{name!r} must be {value.dtype} of shape {value.shape}"
                raise InvalidInput(f"snapshot must be of chains like these: {wanted}, got {found}")
        for name, value in expected.items():
            value[...] = snapshot[name]
        s.sweeps = int(snapshot["sweeps"])
        s.sum_up()
        self._backend.push()
        return self

    def _title(self):
        return f"{self._shape[0]} x {self._shape[1]} x {self._shape[2]} chains (instances x replicas x betas), {self.kind} weights"

    def _rows(self):
        rows = [
            ("N, P", f"{self.instances.n}, {self.instances.p}"),
            ("margin", f"{self.margin:g}"),
            ("energy", self.cost),
            ("betas", ", ".join(f"{b:g}" for b in self.betas)),
            ("overlap", "free" if self.overlap is None else f"{self.overlap:.6g}"),
            ("sweeps", str(self.sweeps_done)),
            ("acceptance", ", ".join(f"{a:.3f}" for a in self.acceptance)),
            ("energy per weight", ", ".join(f"{e:.6g}" for e in self.energy.mean(axis=(0, 1)) / self.instances.n)),
            ("device", self.device),
        ]
        return rows + ([("exchange", ", ".join(f"{a:.3f}" for a in self.exchange))] if len(self.betas) > 1 else [])
