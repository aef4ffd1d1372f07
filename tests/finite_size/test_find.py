"""`find`: the same bits whatever the threads and wherever it stopped; histories, Ctrl-C, functions of one's own, what is refused."""

import os
import pathlib
import signal
import subprocess
import sys
import time
import warnings
from contextlib import nullcontext

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InterruptedRunWarning, InvalidInput


class Counter(fp.Algorithm):
    """Counts, and draws its weights again at every step: all of its state must be kept."""

    def __init__(self, steps=6, pause=0.0):
        self.steps, self.pause = steps, pause

    def __repr__(self):
        return f"Counter({self.steps})"

    def begin(self, instances, k, seed):
        return Counting(self, instances.n, np.random.default_rng([seed, k]), k)


class Counting(fp.Search):
    KEPT = ("iterations", "weights", "generator")

    def __init__(self, algorithm, n, generator, k):
        self.algorithm, self.generator, self.k, self.weights = algorithm, generator, k, np.ones(n, np.int8)

    def advance(self):
        time.sleep(self.algorithm.pause)
        self.iterations += 1
        self.weights = self.weights * self.generator.choice(np.array([-1, 1], np.int8), self.weights.size)
        return self.iterations >= self.algorithm.steps + self.k

    def row(self):
        return {"sum": float(self.weights.sum())}


@pytest.fixture(scope="module")
def instances():
    return fp.make_instances(fp.Model(), 15, 0.5, count=4, seed=3)


def same(one, other):
    return np.array_equal(one.weights, other.weights) and one.history.equals(other.history)


def test_the_number_of_threads_changes_no_bit(instances):
    one, four = (fp.find(instances, Counter(), seed=7, threads=threads, progress=False) for threads in (1, 4))
    assert same(one, four) and one.iterations.tolist() == [6, 7, 8, 9]
    assert not np.array_equal(one.weights, fp.find(instances, Counter(), seed=8, progress=False).weights)
    assert one.history["sum"].dims == ("instance", "iteration") and one.history.iteration.values.tolist() == list(range(1, 10))
    assert (
        np.isnan(one.history["sum"].sel(instance=0, iteration=7))
        and one.history["sum"].sel(instance=3, iteration=9) == one.weights[3].sum()
    )


def test_a_killed_search_goes_on_to_the_same_bits(instances, tmp_path):
    """SIGKILL in the middle, with some instances finished and others not begun."""
    path = tmp_path / "kept.npz"
    code = f"""
import sys; sys.path[:0] = [{str(pathlib.Path(fp.__file__).parents[1])!r}, {str(pathlib.Path(__file__).parent)!r}]
import flatphys as fp
from test_find import Counter
instances = fp.make_instances(fp.Model(), 15, 0.5, count=4, seed=3)
fp.find(instances, Counter(40, pause=0.02), seed=7, threads=2, progress=False, checkpoint={str(path)!r}, interval=0.05)
"""
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ, cwd=tmp_path)
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline and process.poll() is None:
        with np.load(path) if path.exists() else nullcontext({}) as kept:
            if "0/finished" in kept and kept["0/finished"]:
                break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    with np.load(path) as kept:
        finished = [bool(kept[f"{k}/finished"]) for k in range(4) if f"{k}/finished" in kept.files]
    assert True in finished and not (len(finished) == 4 and all(finished))
    resumed = fp.find(instances, Counter(40), seed=7, progress=False, checkpoint=path)
    assert same(resumed, fp.find(instances, Counter(40), seed=7, progress=False))


def test_a_checkpoint_of_another_call_is_refused(instances, tmp_path):
    path = tmp_path / "kept.npz"
    fp.find(instances, Counter(), seed=7, progress=False, checkpoint=path)
    for other, name in (
        ((instances, Counter(7), 7), "algorithm"),
        ((instances, Counter(), 8), "seed"),
        ((instances[:3], Counter(), 7), "instances"),
    ):
        with pytest.raises(InvalidInput, match=f"another call; they differ in {name}"):
            fp.find(*other, progress=False, checkpoint=path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InvalidInput, match="damaged"):
        fp.find(instances, Counter(), seed=7, progress=False, checkpoint=path)


def test_ctrl_c_returns_the_best_so_far_and_what_was_kept_goes_on(instances, tmp_path):
    path = tmp_path / "kept.npz"

    def press(done, total):
        if done == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.warns(InterruptedRunWarning, match="of 4 instances were not finished"):
        stopped = fp.find(instances, Counter(), seed=7, threads=1, progress=press, checkpoint=path)
    whole = fp.find(instances, Counter(), seed=7, progress=False)
    assert np.array_equal(stopped.weights[:2], whole.weights[:2]) and stopped.iterations[3] == 0
    assert same(fp.find(instances, Counter(), seed=7, progress=False, checkpoint=path), whole)


def test_a_function_of_ones_own_gets_one_instance_and_its_generator(instances):
    seen = []

    def own(instance, generator):
        seen.append((instance, generator.integers(2**40)))
        return np.where(instance.patterns[0].sum(axis=1) >= 0, 1, -1)

    found = fp.find(instances, own, seed=2, threads=1, progress=False)
    assert [one for one, _ in seen] == list(instances) and len({number for _, number in seen}) == 4
    assert found.algorithm is own and found.iterations.tolist() == [1] * 4 and found.weights.dtype == np.int8
    assert np.array_equal(found.weights[1], np.where(instances.patterns[1].sum(axis=1) >= 0, 1, -1))


def test_what_is_no_algorithm_or_returns_no_weights_is_refused(instances):
    for wrong in (None, 3, "rbp", fp.ReinforcedBP, lambda: None):
        with pytest.raises(InvalidInput, match="algorithm must be one of flatphys or a function of"):
            fp.find(instances, wrong)
    for returned in (None, np.ones(14), np.zeros(15), np.full(15, 0.5), np.full(15, np.nan)):
        with pytest.raises(InvalidInput, match="must return weights"):
            fp.find(instances, lambda instance, generator, returned=returned: returned, progress=False)


def test_errors_of_a_function_are_its_own(instances):
    def wrong(instance, generator):
        raise KeyError("mine")

    with warnings.catch_warnings(), pytest.raises(KeyError, match="mine"):
        warnings.simplefilter("error")
        fp.find(instances, wrong, progress=False)


def test_parts_of_instances_are_instances(instances):
    assert instances[-1] == instances[3:] and instances[1:3].count == 2 and np.shares_memory(instances[2].patterns, instances.patterns)
    for wrong in (4, -5, True, "0", slice(2, 2)):
        with pytest.raises(InvalidInput, match="instance must"):
            instances[wrong]
