"""The sampler against exact enumeration, theory, itself after a kill, and what it says about chains that have not mixed."""

import itertools
import math
import os
import pickle
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InterruptedRunWarning, InvalidInput, NotMixedWarning
from flatphys.finite_size.instances import make_instances
from flatphys.finite_size.schedule import choose_betas, default_patterns, sampled_channel

quick = pytest.mark.filterwarnings("ignore::flatphys.errors.NotMixedWarning")  # a few sweeps, for what does not need more
BINARY = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=1.0))


def text(run):
    """Everything a run says (nan equals nan)."""
    return repr(run.record())


def exact(instances, k, margin, beta):
    """(mean energy, log Z, mean overlap squared sum) of one instance by enumeration of every weight vector."""
    n = instances.n
    weights = np.array(list(itertools.product([-1, 1], repeat=n)))
    stabilities = weights @ instances.patterns[k].astype(float) / math.sqrt(n)
    energy = (stabilities < margin).sum(axis=1)
    boltzmann = np.exp(-beta * energy) if beta < math.inf else (energy == 0).astype(float)
    z = boltzmann.sum()
    mean = boltzmann @ weights / z
    return boltzmann @ energy / z, math.log(z), mean @ mean / n, float(boltzmann @ (stabilities < 0.4).mean(axis=1) / z)


@pytest.mark.parametrize(("beta", "exchange"), [(1.0, False), (1.0, True), (3.0, None)])
def test_every_estimate_agrees_with_exact_enumeration(beta, exchange):
    n, alpha, margin = 11, 0.8, 0.1
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", margin, beta))
    run = fp.sample(model, n, alpha, chains=32, sweeps=3000, device="cpu", seed=3, exchange=exchange, threads=1)
    instances = run.source.instances
    energy, log_z, overlap, below = np.array([exact(instances, k, margin, beta) for k in range(instances.count)]).T
    # the same instances: only time is left to chance, and time_error must cover it
    z = [(run.energy.mean - energy.mean() / n) / run.energy.time_error, (run.overlap.mean - overlap.mean()) / run.overlap.time_error]
    if exchange is not False:
        z.append((run.free_entropy.mean - log_z.mean() / n) / run.free_entropy.time_error)
        assert run.entropy.mean == pytest.approx(run.free_entropy.mean + beta * run.energy.mean, rel=1e-12)
    else:
        assert "entropy" not in run.estimates
    assert np.abs(z).max() < 4.0
    assert run.margins.cdf(0.4).mean == pytest.approx(below.mean(), abs=4.0 * run.train_error.time_error + 1e-3)
    assert np.corrcoef(run.energy.values, energy)[0, 1] > 0.97


def test_hard_constraints_count_solutions_exactly():
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("binary"))
    run = fp.sample(model, 13, 0.4, chains=16, sweeps=3000, device="cpu", seed=5, threads=1)
    log_z = [exact(run.source.instances, k, 0.0, math.inf)[1] for k in range(8)]
    assert run.train_error.mean == 0.0 and run.betas[0] == 0.0 and run.betas[-1] == math.inf
    assert run.entropy.values * 13 == pytest.approx(np.array(log_z), abs=0.15)
    assert abs(run.entropy.mean - np.mean(log_z) / 13) < 4.5 * run.entropy.time_error


@quick
def test_the_seed_decides_everything_and_threads_nothing():
    runs = [
        fp.sample(BINARY, 51, 0.6, chains=8, sweeps=60, device="cpu", seed=s, threads=t, exchange=True) for s, t in ((1, 1), (1, 2), (2, 1))
    ]
    assert np.array_equal(runs[0].energies, runs[1].energies) and text(runs[0]) == text(runs[1])
    assert not np.array_equal(runs[0].energies, runs[2].energies)


@quick
def test_given_instances_are_used():
    instances = make_instances(BINARY, 51, 0.6, count=4, seed=9, patterns="gaussian")
    run = fp.sample(BINARY, 51, 0.6, chains=8, sweeps=40, device="cpu", instances=instances)
    assert run.source.instances is instances and run.patterns == "gaussian"
    with pytest.raises(InvalidInput, match="count"):
        fp.sample(BINARY, 51, 0.6, chains=16, sweeps=40, device="cpu", instances=instances)


def test_patterns_are_signs_only_where_their_lattice_is_harmless():
    gibbs = lambda *a, **k: fp.Model(fp.RandomLabels(), fp.Gibbs(*a, **k))
    assert default_patterns(gibbs("binary"), 101) == "sign"
    assert default_patterns(gibbs("binary"), 100) == default_patterns(gibbs("binary", 0.2), 101) == "gaussian"
    assert default_patterns(gibbs("spherical", 0.2), 100) == "sign"


def test_the_ladder_is_chosen_given_or_refused():
    warm, hard = sampled_channel("errors", 0.0, 1.0), sampled_channel("hinge", 0.0, math.inf)
    assert choose_betas(None, warm, 100) == (1.0,)
    assert choose_betas(None, hard, 100) == choose_betas(True, sampled_channel("errors", 0.0, math.inf), 100)  # hard constraints
    assert choose_betas(None, hard, 100)[0] == 0.0
    assert choose_betas([0.5, 1.0], warm, 100) == (0.5, 1.0)
    for bad in ([1.0, 0.5], [0.5, 2.0], "on", [-1.0, 1.0]):
        with pytest.raises(InvalidInput, match="exchange must"):
            choose_betas(bad, warm, 100)


def test_chains_that_have_not_mixed_say_so_and_what_to_do():
    """Hot and cold starts of a teacher: at beta = inf without exchange they never meet."""
    model = fp.Model(fp.Teacher(), fp.Gibbs("binary"))
    with pytest.warns(NotMixedWarning, match="teacher_overlap.*exchange=True"):
        run = fp.sample(model, 301, 1.0, chains=16, sweeps=200, device="cpu", exchange=False, seed=1)
    assert any("hot and cold starts disagree on teacher_overlap" in text for text in run.complaints)
    assert run.teacher_overlap.r_hat > 1.1 and "NOT MIXED" in repr(run)


@pytest.mark.parametrize("start", ["cold", "both"])
def test_chains_without_an_accepted_move_are_not_mixed(start):
    """At beta = 1e4 every move away from the teacher is refused: constant series, no error, and no reason to believe them."""
    model = fp.Model(fp.Teacher(), fp.Gibbs("binary", beta=1e4))
    with pytest.warns(NotMixedWarning, match="of 4 chains never moved"):
        run = fp.sample(model, 41, 12.0, chains=4, sweeps=40, device="cpu", exchange=False, start=start)
    assert run.train_error.time_error == run.train_error.r_hat == math.inf
    if start == "cold":
        assert np.ptp(run.energies) == 0 and run.complaints[0].startswith("4 of 4 chains never moved")


def test_overlap_with_the_teacher_and_generalization_are_those_of_the_drawn_weights():
    model = fp.Model(fp.Teacher(), fp.Gibbs("spherical", beta=1.0))
    run = fp.sample(model, 40, 2.0, chains=8, sweeps=400, device="cpu", every=50, burn_in=200, seed=2)
    weights, teacher = run.source.weights, run.source.instances.teacher  # all four draws are kept
    overlap = np.einsum("idrn,in->ird", weights, teacher) / 40
    assert run.teacher_overlap.mean == pytest.approx(overlap.mean(), rel=1e-12)
    assert run.generalization_error.mean == pytest.approx(np.arccos(overlap).mean() / math.pi, rel=1e-12)
    assert run.cosine.mean == run.teacher_overlap.mean
    # with fresh patterns: the fraction of errors itself
    rng = np.random.default_rng(1)
    x = rng.standard_normal((20000, 40))
    fresh = np.mean([np.mean(np.sign(x @ teacher[i])[:, None] != np.sign(x @ weights[i].reshape(-1, 40).T)) for i in range(4)])
    assert fresh == pytest.approx(run.generalization_error.mean, abs=0.01)


def test_local_energy_is_that_of_the_theory_at_one_temperature():
    run = fp.sample(BINARY, 201, 0.5, chains=32, sweeps=400, device="cpu", seed=4)
    state = fp.solve(BINARY, run.alpha)
    sigma, distance = np.array([0.2, 0.7]), np.array([20 / 201, 0.0])
    assert np.abs(run.local_energy(sigma=sigma).z(fp.local_energy(state, sigma=sigma))).max() < 4.5
    found = run.local_energy(distance=distance)
    assert np.abs(found.z(fp.local_energy(state, distance=distance))).max() < 4.5
    assert found.mean[1] == 0.0  # nothing flipped, nothing changed
    with pytest.raises(InvalidInput, match="either sigma or distance"):
        run.local_energy()


def test_trained_rules_agree_with_flatphys_finite_and_draw_their_patterns_again():
    model = fp.Model(fp.GaussianMixture(), fp.ERM("square", 0.3))
    run = fp.sample(model, 120, 2.0, chains=24, seed=3)
    other = fp.finite.train(model, 120, 2.0, instances=24, seed=5, sigma=[0.5], at=[0.0, 1.0])
    for name in ("m", "q", "cosine", "train_error", "train_loss", "generalization_error"):
        a, b = getattr(run, name), getattr(other, name)
        assert abs(a.mean - b.mean) < 4.5 * math.hypot(a.error, b.error), name
    for a, b in ((run.local_energy(sigma=[0.5]), other.local_energy), (run.margins.cdf([0.0, 1.0]), other.margins_cdf)):
        assert np.all(np.abs(a.mean - b.mean) < 4.5 * np.hypot(a.error, b.error))
    t = run.source.instance(0).patterns[0].T.astype(float) @ run.source.weights[0] / math.sqrt(120)
    assert run.margins.cdf(0.5).values[0] == pytest.approx(np.mean(t <= 0.5), abs=1e-12)


@quick
def test_a_tree_committee_needs_its_hidden_units():
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=1.0, network=fp.TreeCommittee("erf")))
    with pytest.raises(InvalidInput, match="hidden"):
        fp.sample(model, 60, 0.5, chains=4, sweeps=20, device="cpu")
    run = fp.sample(model, 60, 0.5, chains=4, sweeps=40, device="cpu", hidden=12)
    assert run.hidden == 12 and 0.0 < run.train_error.mean < 0.5
    with pytest.raises(InvalidInput, match="hidden"):
        fp.sample(BINARY, 60, 0.5, chains=4, sweeps=20, device="cpu", hidden=3)


@pytest.mark.parametrize(
    ("argument", "value", "named"),
    [
        ("n", 1, "n must"),
        ("n", 10.5, "n must"),
        ("alpha", -1.0, "alpha"),
        ("chains", 3, "chains"),
        ("sweeps", 0, "sweeps"),
        ("burn_in", 100, "burn_in"),
        ("every", 51, "every"),
        ("start", "warm", "start"),
        ("patterns", "cauchy", "patterns"),
        ("device", "tpu", "device"),
        ("replicas", 1, "replicas"),
        ("seed", -1, "seed"),
        ("progress", "yes", "progress"),
        ("interval", 0, "interval"),
    ],
)
def test_bad_arguments_are_refused_by_name(argument, value, named):
    good = {"n": 21, "alpha": 0.5, "chains": 4, "sweeps": 100, "device": "cpu"}
    with pytest.raises(InvalidInput, match=named):
        fp.sample(BINARY, **{**good, argument: value})


def test_what_belongs_to_chains_is_refused_for_trained_rules():
    with pytest.raises(InvalidInput, match="checkpoint"):
        fp.sample(fp.Model(fp.GaussianMixture(), fp.Hebb()), 20, 1.0, checkpoint="x.npz")


@quick
def test_a_run_draws_itself_and_shows_a_bar_when_asked(capfd):
    import matplotlib

    matplotlib.use("Agg")
    run = fp.sample(BINARY, 31, 0.5, chains=8, sweeps=40, device="auto", progress=True)
    assert "sampling" in capfd.readouterr().err
    axes = run.plot()
    assert [ax.get_xlabel() for ax in axes] == [r"stability $\Delta$", "sweeps"]
    assert len(fp.sample(fp.Model(fp.Teacher(), fp.Hebb()), 30, 1.0, chains=4, progress=False).plot()) == 1
    matplotlib.pyplot.close("all")


# --- more sweeps ------------------------------------------------------------------------------------
LONGER = {
    "bits": (BINARY, 31, {}),
    "ladder": (fp.Model(fp.Teacher(), fp.Gibbs("binary", 0.2, 2.0)), 21, {"start": "cold"}),
    "rotations": (fp.Model(fp.RandomLabels(), fp.Gibbs("spherical", energy="hinge", margin=0.3)), 20, {"replicas": 4}),
}


@quick
@pytest.mark.parametrize("case", LONGER)
def test_a_run_that_is_extended_is_the_longer_run(case, tmp_path):
    model, n, more = LONGER[case]
    call = {"model": model, "n": n, "alpha": 0.7, "chains": 8, "burn_in": 15, "every": 2, "device": "cpu", **more}
    long = fp.sample(sweeps=150, **call)
    short = fp.sample(sweeps=40, **call, checkpoint=tmp_path / "run.npz")
    before = text(short)
    steps = short.extend(65).extend(sweeps=150)  # 65 sweeps: draw 8 has doubled the stride of the kept weights in between
    for run in (short.extend(sweeps=150), steps, pickle.loads(pickle.dumps(short)).extend(150)):
        assert text(run) == text(long) and np.array_equal(run.energies, long.energies)
        assert np.array_equal(run.source.weights, long.source.weights) and np.array_equal(run.margins.edges, long.margins.edges)
        assert run.local_energy(sigma=0.3).mean == long.local_energy(sigma=0.3).mean
        assert run.margins.cdf(0.2).mean == long.margins.cdf(0.2).mean
    assert text(short) == before and text(short.extend(40)) == before
    resumed = fp.sample(sweeps=150, **call, checkpoint=tmp_path / "run.npz")  # from the file instead
    assert text(resumed) == text(long)
    with pytest.raises(InvalidInput, match="differ in sweeps"):
        fp.sample(sweeps=40, **call, checkpoint=tmp_path / "run.npz")


@quick
def test_what_cannot_be_extended_says_why():
    run = fp.sample(BINARY, 31, 0.5, chains=4, sweeps=20, device="cpu")
    for bad in (19, 40.5, True, "40", -1):
        with pytest.raises(InvalidInput, match="sweeps must be an integer >= 20"):
            run.extend(bad)
    with pytest.raises(InvalidInput, match="interval"):
        run.extend(40, interval=0)
    with pytest.raises(InvalidInput, match="was trained"):
        fp.sample(fp.Model(fp.GaussianMixture(), fp.Hebb()), 20, 1.0, chains=2).extend(40)


# --- interruption and resumption --------------------------------------------------------------------
CALL = """
import sys, signal, numpy as np, flatphys as fp
model = fp.Model(fp.RandomLabels(), fp.Gibbs("binary", beta=2.0))
def slow(done, total):
    import time; time.sleep(float(sys.argv[2]))
    print(done, flush=True)
size = dict(chains=8, sweeps=60, burn_in=20, every=2, device="cpu", threads=1)
run = fp.sample(model, 41, 0.7, **size, checkpoint=sys.argv[1], interval=4, progress=slow)
np.save(sys.argv[1] + ".npy", run.energies)
print("MEAN", repr(run.train_error.mean), repr(run.overlap.mean), repr(run.margins.mean.mean), repr(run.acceptance[-1]))
"""


def start_process(path, pause):
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", CALL, str(path), str(pause)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.long
def test_killed_at_any_moment_a_run_continues_bit_by_bit(tmp_path):
    whole = start_process(tmp_path / "whole", 0.0).communicate(timeout=200)[0].splitlines()[-1]
    assert whole.startswith("MEAN")
    moments = random.Random(7)
    path = tmp_path / "killed"
    progress = []
    for _ in range(3):
        process = start_process(path, 0.02)
        line = process.stdout.readline()  # running
        time.sleep(moments.uniform(0.02, 0.25))
        process.kill()
        progress.append(int(line))
        process.wait()
        process.stdout.close(), process.stderr.close()
        assert not path.with_name("killed.npy").exists()
    assert progress[-1] > progress[0]  # it went on from where it was
    assert start_process(path, 0.0).communicate(timeout=200)[0].splitlines()[-1] == whole
    assert np.array_equal(np.load(f"{path}.npy"), np.load(f"{tmp_path / 'whole'}.npy"))
    again = start_process(path, 0.0).communicate(timeout=200)[0].splitlines()  # done already: the same answer at once
    assert again == [whole]


@quick
def test_ctrl_c_keeps_what_is_done_and_the_checkpoint_continues_it(tmp_path):
    path = tmp_path / "run.npz"

    def press(done, total):
        if done == 40:
            os.kill(os.getpid(), signal.SIGINT)

    call = {"n": 31, "alpha": 0.5, "chains": 8, "sweeps": 60, "burn_in": 20, "every": 1, "device": "cpu"}
    with pytest.warns(InterruptedRunWarning, match="after 40 of 60 sweeps"):
        run = fp.sample(BINARY, **call, checkpoint=path, progress=press)
    assert run.interrupted and run.energies.shape[-1] == 20 and run.train_error.error > 0.0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resumed, whole = fp.sample(BINARY, **call, checkpoint=path), fp.sample(BINARY, **call)
    assert np.array_equal(resumed.energies, whole.energies) and text(resumed) == text(whole)
    with pytest.raises(KeyboardInterrupt, match="before the first draw"):
        fp.sample(BINARY, **call, progress=lambda done, total: os.kill(os.getpid(), signal.SIGINT) if done == 2 else None)


@quick
def test_a_checkpoint_of_another_call_or_damaged_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    call = {"n": 31, "alpha": 0.5, "chains": 8, "sweeps": 20, "device": "cpu", "checkpoint": path}
    fp.sample(BINARY, **call)
    for argument, value in (("seed", 2), ("sweeps", 40), ("alpha", 0.7)):
        with pytest.raises(InvalidInput, match="belongs to another call; they differ in .*(seed|sweeps|patterns)"):
            fp.sample(BINARY, **{**call, argument: value})
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], b"", whole[:3000] + bytes([whole[3000] ^ 1]) + whole[3001:]):
        path.write_bytes(broken)
        with pytest.raises(InvalidInput, match="damaged.*delete it"):
            fp.sample(BINARY, **call)
    with pytest.raises(InvalidInput, match="existing folder"):
        fp.sample(BINARY, **{**call, "checkpoint": tmp_path / "nowhere" / "run.npz"})
