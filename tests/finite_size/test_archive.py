"""Files of instances and of what was found on them: equal after reading, refused with a sentence where they are not what they should be."""

import json
import math

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput

MODELS = {
    "binary": (fp.Model(fp.Teacher(0.1), fp.Gibbs("binary", 0.25, 2.0)), {}),
    "spherical": (fp.Model(fp.GaussianMixture(0.5), fp.Gibbs("spherical", -0.5)), {}),
    "committee": (fp.Model(fp.RandomLabels(), fp.Gibbs(network=fp.TreeCommittee("sign"))), {"hidden": 3}),
    "trained": (fp.Model(fp.GaussianMixture(), fp.ERM("hinge", math.pi)), {}),
}


@pytest.mark.parametrize("name", MODELS)
def test_what_is_read_equals_what_was_written(name, tmp_path):
    model, more = MODELS[name]
    instances = fp.make_instances(model, 15, 0.9, count=3, seed=4, **more)
    instances.save(tmp_path / "instances.npz")
    read = fp.load(tmp_path / "instances.npz")
    assert read == instances and read.model == model and read.patterns.dtype == instances.patterns.dtype
    weights = np.where(np.random.default_rng(0).random((3, 15)) < 0.5, 1.0, -1.0)
    found = instances.measure(weights)
    found.save(tmp_path / "found")
    assert fp.load(str(tmp_path / "found")) == found


def test_what_an_algorithm_found_keeps_its_history_and_its_algorithm(tmp_path):
    instances = fp.make_instances(fp.Model(), 101, 0.4, count=2, seed=1)
    found = fp.find(instances, fp.ReinforcedBP(tau=500.0), progress=False)
    found.save(tmp_path / "found.npz")
    read = fp.load(tmp_path / "found.npz")
    assert read == found and read.algorithm == fp.ReinforcedBP(tau=500.0) and read.history.equals(found.history)
    assert (tmp_path / "found.npz").stat().st_size < instances.patterns.size + 20000  # +-1 are bits

    def own(instance, generator):
        return generator.choice([-1, 1], instance.n)

    found = fp.find(instances, own, progress=False)
    found.save(tmp_path / "own.npz")
    assert fp.load(tmp_path / "own.npz").algorithm == own.__qualname__


def test_arrays_of_ones_own_come_back(tmp_path):
    rng = np.random.default_rng(1)
    instances = fp.Instances.from_arrays(fp.Model(), rng.standard_normal((4, 7)), [1, -1, 1, 1], teacher=rng.standard_normal(7))
    instances.save(tmp_path / "own")
    assert fp.load(tmp_path / "own") == instances


def test_files_that_are_not_what_they_should_be_are_refused(tmp_path):
    path = tmp_path / "instances.npz"
    with pytest.raises(InvalidInput, match="path must be a file of instances.*there is no"):
        fp.load(path)
    instances = fp.make_instances(fp.Model(), 15, 0.5, seed=1)
    instances.save(path)
    good = path.read_bytes()
    for damaged in (good[: len(good) // 2], good[:-1], b"", b"text", good.replace(b"RandomLabels", b"RandomBabels")):
        path.write_bytes(damaged)
        with pytest.raises(InvalidInput, match="is damaged or no file of instances"):
            fp.load(path)
    fp.find(instances, fp.ReinforcedBP(steps=10), progress=False, checkpoint=tmp_path / "kept.npz")
    with pytest.raises(InvalidInput, match="it holds something else"):
        fp.load(tmp_path / "kept.npz")


def test_a_file_of_another_format_says_which_version_wrote_it(tmp_path):
    path = tmp_path / "instances.npz"
    fp.make_instances(fp.Model(), 15, 0.5, seed=1).save(path)
    with np.load(path) as archive:
        arrays = dict(archive)
    meta = json.loads(arrays["__meta__"].tobytes())
    arrays["__meta__"] = np.frombuffer(json.dumps(meta | {"format": 99, "version": "7.1"}).encode(), np.uint8)
    np.savez(path, **arrays)
    with pytest.raises(InvalidInput, match=r"written by flatphys 7.1 \(format 99"):
        fp.load(path)


def test_what_no_file_can_hold_is_refused(tmp_path):
    model = fp.Model(fp.RandomLabels(), fp.Gibbs("binary"))
    object.__setattr__(model.learner, "network", np.tanh)  # as a function of one's own stands in a model
    instances = fp.Instances(fp.Model(), 1, None, np.ones((1, 3, 2), np.int8), np.ones((1, 2), np.int8))
    instances.model = model
    with pytest.raises(InvalidInput, match="functions of one's own"):
        instances.save(tmp_path / "own")
