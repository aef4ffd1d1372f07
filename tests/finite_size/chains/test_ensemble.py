"""Chains as objects: the same trajectory however they are run, nothing drifts, snapshots, arguments."""

import math
import signal

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput
from flatphys.finite_size.chains.ensemble import Chains
from flatphys.finite_size.instances import make_instances

BINARY, SPHERICAL = fp.Gibbs("binary"), fp.Gibbs("spherical")
STORAGE = fp.Model(fp.RandomLabels(), BINARY)
TEACHER = fp.Model(fp.Teacher(0.1), BINARY)
SPHERE = fp.Model(fp.Teacher(0.1), SPHERICAL)


def committee(weights="binary", activation="erf"):
    return fp.Model(fp.RandomLabels(), fp.Gibbs(weights, network=fp.TreeCommittee(activation)))


# every kernel and move: (instances, arguments of the chains)
CASES = {
    "flips": (lambda: make_instances(STORAGE, 45, 1.6, 3, seed=1), {}),
    "flips of 32 bits": (lambda: make_instances(STORAGE, 30001, 0.0001, 1, seed=1), dict(betas=(1.0,), replicas=1)),
    "pairs": (lambda: make_instances(TEACHER, 45, 3.0, 3, seed=1), dict(reference="teacher", overlap=0.4)),
    "gaussian flips": (lambda: make_instances(STORAGE, 45, 1.6, 3, seed=1, patterns="gaussian"), {}),
    "gaussian pairs": (lambda: make_instances(TEACHER, 45, 1.6, 3, seed=1, patterns="gaussian"), dict(reference="teacher", overlap=0.4)),
    "rotations": (lambda: make_instances(SPHERE, 45, 1.6, 3, seed=1), dict(weights="spherical")),
    "rotations of gaussian patterns": (
        lambda: make_instances(SPHERE, 45, 1.6, 3, seed=1, patterns="gaussian"),
        dict(weights="spherical", reference="teacher", overlap=0.6),
    ),
    "committee": (lambda: make_instances(committee(), 45, 1.6, 3, seed=1, hidden=5), {}),
    "spherical committee": (
        lambda: make_instances(committee("spherical", "relu"), 45, 1.6, 3, seed=1, hidden=5, patterns="gaussian"),
        dict(weights="spherical"),
    ),
}
each_case = pytest.mark.parametrize("case", CASES)


def chains_of(case, **changes):
    make, arguments = CASES[case]
    return Chains(make(), **{"betas": (0.5, 1.0, 3.0, math.inf), "replicas": 2, "seed": 5, "tune": 4, **arguments, **changes})


def assert_same(a, b):
    x, y = a.snapshot(), b.snapshot()
    assert all(np.array_equal(x[name], y[name]) for name in x), [name for name in x if not np.array_equal(x[name], y[name])]


@each_case
def test_threads_and_slices_do_not_change_the_trajectory(case):
    one, two = chains_of(case, threads=1), chains_of(case, threads=2)
    many = chains_of(case, threads=7)  # more than groups: walkers are shared out between the exchanges
    one.advance(9)
    two.advance(4).advance(5)
    for _ in range(9):
        many.advance(1)
    assert_same(one, two)
    assert_same(one, many)


@each_case
def test_nothing_drifts(case):
    chains = chains_of(case).advance(200 if "32" not in case else 2)
    exact = chains._walkers.kind == "bits"
    scratch = chains.instances.stabilities(chains.weights)
    turned = case == "rotations of gaussian patterns"  # the chain sees them rounded to float32
    assert np.max(np.abs(chains.stabilities - scratch)) <= (1e-6 if turned else 1e-11)
    below = (chains.stabilities < 0.0).sum(axis=-1)
    assert np.array_equal(chains.energy, below)
    energy = chains.energy
    drift = chains.recompute()
    assert drift == 0.0 if exact else drift < 1e-11
    assert np.array_equal(chains.energy, energy)


@each_case
def test_a_snapshot_continues_bit_for_bit(case):
    straight, stopped = chains_of(case).advance(11), chains_of(case).advance(6)
    saved = {name: value.copy() for name, value in stopped.snapshot().items()}
    stopped.advance(3)  # what is lost does not matter
    assert_same(chains_of(case).restore(saved).advance(5), straight)
    assert_same(stopped.restore(saved).advance(5), straight)


def test_fields_are_recomputed_at_fixed_sweeps():
    often, once = chains_of("rotations", recompute_every=3), chains_of("rotations", recompute_every=3)
    often.advance(2).advance(2).advance(6)
    assert_same(often, once.advance(10))
    assert chains_of("flips").recompute_every is None and chains_of("rotations").recompute_every > 1000


def test_an_interruption_leaves_whole_sweeps_behind(monkeypatch):
    chains = chains_of("flips")
    run = chains._backend.run
    monkeypatch.setattr(chains._backend, "slice", lambda sweeps: 2)

    def pressed_in_the_third_slice(sweeps):
        if chains.sweeps_done == 4:
            signal.raise_signal(signal.SIGINT)
        run(sweeps)

    monkeypatch.setattr(chains._backend, "run", pressed_in_the_third_slice)
    with pytest.raises(KeyboardInterrupt):
        chains.advance(20)
    assert chains.sweeps_done == 6
    assert_same(chains, chains_of("flips").advance(6))


def test_a_real_interruption_waits_for_the_sweeps_under_way():
    import _thread
    import threading

    chains = chains_of("flips")
    timer = threading.Timer(0.3, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        chains.advance(10**7)
    timer.join()
    done = chains.sweeps_done
    assert 0 < done < 10**7
    assert np.array_equal(chains.energy, (chains.stabilities < 0.0).sum(axis=-1))


@pytest.mark.parametrize("overlap", [-0.31, 0.0, 0.4, 0.93])
def test_the_overlap_is_kept(overlap):
    for case in ("pairs", "gaussian pairs"):
        chains = chains_of(case, overlap=overlap).advance(20)
        reached = np.einsum("irbn,in->irb", chains.weights.astype(int), chains.reference.astype(int))
        assert np.all(reached == round(45 * chains.overlap)) and abs(chains.overlap - overlap) <= (1 + 1e-9) / 45
    chains = chains_of("rotations of gaussian patterns", overlap=overlap).advance(20)
    reached = np.einsum("irbn,in->irb", chains.weights, chains.reference) / 45
    assert np.max(np.abs(reached - overlap)) < 1e-13


def test_starts():
    instances = make_instances(SPHERE, 21, 1.0, 2, seed=1)
    assert np.allclose(Chains(instances, weights="spherical", start="teacher").weights, instances.teacher[:, None, None])
    own = 3.0 * np.random.default_rng(0).standard_normal((2, 2, 3, 21))
    got = Chains(instances, weights="spherical", betas=(1, 2, 3), start=own).weights
    assert np.allclose(got, own * math.sqrt(21) / np.linalg.norm(own, axis=-1, keepdims=True))
    ones = np.ones(21)
    assert np.all(Chains(instances, start=ones).weights == 1) and np.all(Chains(instances, start="reference", reference=ones).weights == 1)
    again = Chains(instances, weights="spherical", reference="teacher", overlap=0.3, seed=2).advance(3)
    copy = Chains(instances, weights="spherical", reference="teacher", overlap=0.3, start=again.weights)
    assert np.allclose(copy.weights, again.weights, atol=1e-12)
    random = Chains(instances, replicas=50, betas=(1, 2)).weights.reshape(-1, 21)
    assert abs(random.mean()) < 4.5 / math.sqrt(random.size)


def test_an_instance_evolves_alike_among_others():
    few, many = make_instances(SPHERE, 21, 1.0, 1, seed=1), make_instances(SPHERE, 21, 1.0, 3, seed=1)
    a = Chains(few, weights="spherical", betas=(1.0, 2.0)).advance(10)
    b = Chains(many, weights="spherical", betas=(1.0, 2.0)).advance(10)
    assert np.array_equal(a.weights[0], b.weights[0]) and np.array_equal(a.spread[0], b.spread[0])


@pytest.mark.parametrize("overlap", [0.3, 0.8])
def test_uniform_weights_around_the_mixtures_centre_err_as_the_normal_law_says(overlap):
    # y x.w/sqrt N = overlap + sqrt(variance) z over patterns and weights, up to 1/N; one chain per instance is one sample
    instances = make_instances(fp.Model(fp.GaussianMixture(0.7), fp.ERM()), 151, 2.0, 60, seed=1)
    chains = Chains(instances, weights="spherical", betas=0.0, replicas=4, reference=instances.centre, overlap=overlap).advance(5)
    fractions = chains.energy.mean(axis=(1, 2)) / instances.p
    error = fractions.std(ddof=1) / math.sqrt(len(fractions))
    assert abs(fractions.mean() - 0.5 * math.erfc(overlap / math.sqrt(0.7) / math.sqrt(2.0))) < 4.5 * error
    assert error < 0.01


def test_rotations_are_tuned_to_their_acceptance_and_then_left_alone():
    instances = make_instances(SPHERE, 101, 1.0, 2, seed=1)
    chains = Chains(instances, weights="spherical", betas=(5.0,), replicas=10, tune=60).advance(60)
    spread = chains.spread
    before = chains.acceptance * 60
    chains.advance(100)
    assert np.array_equal(chains.spread, spread)
    assert (chains.acceptance * 160 - before) / 100 == pytest.approx(0.25, abs=0.04)


def test_hard_constraints_and_the_greedy_end_of_the_ladder():
    chains = chains_of("flips", betas=(math.inf,))
    before = chains.energy
    assert np.all(chains.advance(30).energy <= before) and chains.exchange.size == 0


def test_the_ladder_is_colder_upwards_and_prints():
    chains = chains_of("flips", replicas=20).advance(50)
    energy = chains.energy.mean(axis=(0, 1))
    assert np.all(np.diff(energy) < 0) and np.all(np.diff(chains.acceptance) < 0)
    assert chains.exchange.shape == (3,) and np.all((0 <= chains.exchange) & (chains.exchange <= 1))
    assert "energy per weight" in repr(chains) and chains.device == "cpu"


BAD = [
    (dict(weights="ising"), "weights must be one of"),
    (dict(margin=math.nan), "margin must be"),
    (dict(betas=()), "betas must not be empty"),
    (dict(betas=(2.0, 1.0)), "betas must be"),
    (dict(betas=(-1.0,)), "betas must be"),
    (dict(betas=(1.0, math.inf, math.inf)), "betas must be"),
    (dict(replicas=0), "replicas must be"),
    (dict(seed=1.5), "seed must be"),
    (dict(threads=0), "threads must be"),
    (dict(device="gpu"), "device must be one of"),
    (dict(start="hot"), "start must be"),
    (dict(start="reference"), "start 'reference' needs"),
    (dict(start=np.ones(7)), "start must be an array of shape"),
    (dict(start=np.zeros(21)), r"start must be \+1 or -1"),
    (dict(reference=np.full(21, np.nan)), "reference must be a finite number"),
    (dict(reference=np.full(21, 0.5)), r"reference must be \+1 or -1"),
    (dict(reference="master"), "reference must be an array or 'teacher'"),
    (dict(overlap=0.5), "overlap needs a reference"),
    (dict(reference=np.ones(21), overlap=1.0), "overlap must leave weights of both kinds"),
    (dict(reference=np.ones(21), overlap=-0.99), "overlap must leave weights of both kinds"),
    (dict(reference=np.ones(21), overlap=1.5), "overlap must be"),
    (dict(reference=np.ones(21), overlap=0.5, start="reference"), "start must be 'random' or an array"),
    (dict(reference=np.ones(21), overlap=0.5, start=np.ones(21)), "start must have the overlap"),
    (dict(weights="spherical", reference=np.zeros(21)), "reference must not be the zero vector"),
    (dict(weights="spherical", reference=np.ones(21), overlap=1.0), "overlap must be a number > -1 and < 1"),
    (dict(recompute_every=0), "recompute_every must be"),
    (dict(tune=-1), "tune must be"),
]


@pytest.mark.parametrize("arguments, words", BAD)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(InvalidInput, match=words):
        Chains(make_instances(STORAGE, 21, 1.0, 2), **arguments)


def test_bad_input_that_needs_other_instances():
    with pytest.raises(InvalidInput, match="needs data with a Teacher"):
        Chains(make_instances(STORAGE, 21, 1.0), start="teacher")
    with pytest.raises(InvalidInput, match="start must be .1 or -1"):
        Chains(make_instances(SPHERE, 21, 1.0), start="teacher")
    with pytest.raises(InvalidInput, match="overlap must be None for a committee"):
        Chains(make_instances(committee(), 21, 1.0, hidden=3), weights="spherical", reference=np.ones(21), overlap=0.5)
    with pytest.raises(InvalidInput, match="instances must be"):
        Chains(STORAGE)
    with pytest.raises(InvalidInput, match="n must leave every unit at least 2"):
        Chains(make_instances(committee("spherical"), 21, 1.0, hidden=21), weights="spherical")
    with pytest.raises(InvalidInput, match="sweeps must be"):
        chains_of("flips").advance(-1)


def test_a_snapshot_of_other_chains_is_refused():
    saved = chains_of("flips").snapshot()
    with pytest.raises(InvalidInput, match="'w' must be int8 of shape"):
        chains_of("flips", replicas=3).restore(saved)
    with pytest.raises(InvalidInput, match="got nothing"):
        chains_of("flips").restore({"sweeps": np.array(1)})
