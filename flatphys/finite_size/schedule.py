"""What the arguments of a run of chains mean: how long, at which temperatures, on which patterns, from where."""

import math
from typing import NamedTuple

import numpy as np

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.finite_size.chains.ladder import ladder_of
from flatphys.finite_size.instances import Instances, make_instances
from flatphys.kernels.channels import CODES
from flatphys.kernels.codes import ERRORS, SQUARE_ENERGY, Channel
from flatphys.model import GaussianMixture, Perceptron, TreeCommittee

DRAWS = 200  # of every chain: enough to see an autocorrelation, few enough to cost little
LADDER_ABOVE = 1.5  # beta from which chains are given a ladder of their own accord: single flips cost sqrt(N) violations
COLD_BETA = 10.0  # where annealing of a cold start ends: exp(-10) flips a violation in a run
COLD_STEPS = 8


class Schedule(NamedTuple):
    """Chains in all, of which `replicas` on each instance; sweeps of each, the first `burn_in` discarded, a draw after `every`."""

    chains: int
    replicas: int
    sweeps: int
    burn_in: int
    every: int

    @property
    def count(self) -> int:
        """Instances."""
        return self.chains // self.replicas

    @property
    def draws(self) -> int:
        """Of every chain."""
        return (self.sweeps - self.burn_in) // self.every


def schedule(chains, replicas, sweeps, burn_in, every, least: tuple[int, int]) -> Schedule:
    """The schedule, checked; `least` are the smallest numbers of replicas and of instances."""
    replicas = validate.integer("replicas", replicas, least[0])
    chains, sweeps = validate.integer("chains", chains, least[1] * replicas), validate.integer("sweeps", sweeps, 2)
    if chains % replicas:
        raise InvalidInput(f"chains must be a multiple of replicas = {replicas}, got {chains}")
    burn_in = sweeps // 2 if burn_in is None else validate.integer("burn_in", burn_in)
    if burn_in >= sweeps:
        raise InvalidInput(f"burn_in must be smaller than sweeps = {sweeps}, got {burn_in}")
    every = max(1, (sweeps - burn_in) // DRAWS) if every is None else validate.integer("every", every, 1)
    if every > sweeps - burn_in:
        raise InvalidInput(f"every must be at most sweeps - burn_in = {sweeps - burn_in}, got {every}")
    return Schedule(chains, replicas, sweeps, burn_in, every)


class Upkeep(NamedTuple):
    """What happens beside the sweeps: a checkpoint (a path or None) every `interval` of them, a bar that shows them."""

    checkpoint: object
    interval: int
    progress: object


def upkeep(plan, checkpoint, interval, progress) -> Upkeep:
    """The arguments of that name of `sample`, checked."""
    interval = max(plan.every, plan.sweeps // 20) if interval is None else validate.integer("interval", interval, 1)
    return Upkeep(checkpoint, interval, progress)


def checked_threads(device, threads) -> int | None:
    """`threads`, and the name of a device, before any work."""
    from flatphys.finite_size.chains.ensemble import DEVICES

    validate.choice("device", device, DEVICES)
    return None if threads is None else validate.integer("threads", threads, 1)


def sampled_channel(energy: str, margin: float, beta: float) -> Channel:
    """What chains sample: hinge-like energies at beta = inf are the hard constraint, which counts errors."""
    code = CODES[energy]
    if beta < math.inf:
        return Channel(code, margin, beta)
    if code == SQUARE_ENERGY:
        raise InvalidInput(
            "beta must be finite to sample the energy 'square', got inf: no weights have energy 0 (`ground_state` has the limit)"
        )
    return Channel(ERRORS, margin, beta)


def energy_name(channel: Channel) -> str:
    """The name of a channel's energy."""
    return next(name for name, code in CODES.items() if code == channel.energy)


def default_patterns(model, n: int) -> str:
    """+-1 patterns where they cost nothing in accuracy, Gaussian ones elsewhere.

    Binary weights on +-1 patterns have stabilities on a lattice of spacing 2/sqrt N; for odd n and margin 0 the margin lies in the middle
    of a gap and errors are O(1/N) as for Gaussian patterns, otherwise O(1/sqrt N).
    """
    learner = model.learner
    if isinstance(model.data, GaussianMixture) or not isinstance(getattr(learner, "network", Perceptron()), Perceptron):
        return "gaussian"
    return "sign" if learner.weights == "spherical" or (learner.margin == 0.0 and n % 2 == 1) else "gaussian"


def choose_betas(exchange, channel: Channel, patterns: int) -> tuple[float, ...]:
    """The rungs: the channel's beta alone, the automatic ladder, or the given ones with that beta at their end."""
    beta = channel.beta
    if exchange is None:
        exchange = beta > LADDER_ABOVE
    if isinstance(validate.plain(exchange), bool):
        return ladder_of(channel, patterns) if exchange else (beta,)
    betas = tuple(np.atleast_1d(validate.array("exchange", exchange, 0.0, closed="[]", dimensions=1)).tolist())
    if any(a >= b for a, b in zip(betas, betas[1:])) or betas[-1] != beta:
        told = f"exchange must ascend from a beta >= 0 to the learner's own, {beta:g}"
        raise InvalidInput(f"{told} (True: by itself; None: where it helps), got {validate.shown(exchange)}")
    return betas


def hidden_units(model, hidden):
    """`hidden` if the model's network needs it."""
    committee = isinstance(model.learner.network, TreeCommittee)
    if committee != (hidden is not None):
        told = (
            "needs the number of hidden units of the finite system, e.g. hidden=15 (a divisor of n)"
            if committee
            else "belongs to a TreeCommittee; leave it out"
        )
        raise InvalidInput(f"hidden {told}, got {validate.shown(hidden)}")
    return validate.integer("hidden", hidden, 1) if committee else None


def given_or_fresh(given, model, n, p, plan: Schedule, seed, **more):
    """The instances: the given ones, checked, or fresh ones."""
    if given is None:
        return make_instances(model, n, p / n, count=plan.count, seed=seed, **more)
    validate.instance("instances", given, (Instances,))
    wanted = {
        "model's data": (given.model.data, model.data),
        "n": (given.n, n),
        "p": (given.p, p),
        "count": (given.count, plan.count),
        "hidden": (given.hidden, more["hidden"]),
    }
    for name, (found, asked) in wanted.items():
        if found != asked:
            raise InvalidInput(f"instances must have the {name} of this call, {asked!r}, got {found!r}")
    return given


def starting_weights(instances, betas, cold, options, seed: int, sweeps: int) -> np.ndarray:
    """Weights (instances, chains, rungs, n): random where hot, the teacher or annealed ones where cold.

    `options` are those of the chains (weights, margin, energy, device, ...).
    """
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
