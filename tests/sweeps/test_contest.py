"""`compare_algorithms`: each point is what `find` says, points are kept, algorithms have names, and what is measured."""

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import InvalidInput

ALGORITHMS = [fp.SBPI(epochs=100), fp.ReplicatedSGD(replicas=3, epochs=300)]
GIVEN = {"n": 45, "instances": 3, "seed": 4, "workers": 1, "progress": False}


def test_a_point_is_what_find_says():
    table = fp.compare_algorithms(fp.Model(), [0.3, 0.6], ALGORITHMS, **GIVEN)
    for a, algorithm in enumerate(ALGORITHMS):
        for i, alpha in enumerate((0.3, 0.6)):
            for k in range(3):
                one = fp.make_instances(fp.Model(), 45, alpha, seed=4, first=k)
                found = fp.find(one, algorithm, seed=4 + k, progress=False)
                point = table.isel(algorithm=a, alpha=i, instance=k)
                assert point.solved == found.solved[0] and point.train_error == found.train_error[0]
                assert point.iterations == found.iterations[0] and point.seconds >= 0.0
                if a == 1:
                    r = found.replicas[0].astype(float)
                    assert point.mutual_overlap == pytest.approx((r[0] @ r[1] + r[0] @ r[2] + r[1] @ r[2]) / 3 / 45, abs=1e-12)
    assert table.algorithm.values.tolist() == ["SBPI", "ReplicatedSGD"] and table.success.dims == ("algorithm", "alpha")
    assert np.allclose(table.success, table.solved.mean("instance")) and (table.success_low <= table.success).all()


def test_points_are_kept_and_not_run_again(tmp_path):
    store = tmp_path / "store.sqlite"
    some = fp.compare_algorithms(fp.Model(), [0.3], ALGORITHMS[:1], store=store, **GIVEN)
    seen = []
    more = fp.compare_algorithms(
        fp.Model(),
        [0.3, 0.4],
        {"mine": ALGORITHMS[0]},
        store=store,
        **{**GIVEN, "progress": lambda done, total: seen.append((done, total))},
    )
    assert seen[0] in ((0, 6), (3, 6)) and (3, 6) in seen
    assert more.seconds.sel(alpha=0.3).values.tolist() == some.seconds.sel(alpha=0.3).values.tolist()  # of the first run
    assert more.algorithm.values.tolist() == ["mine"]


def test_what_is_found_is_measured():
    given = {**GIVEN, "instances": 2}
    table = fp.compare_algorithms(fp.Model(fp.Teacher()), [0.5], ALGORITHMS[:1], distance=0.1, **given)
    one = fp.make_instances(fp.Model(fp.Teacher()), 45, 0.5, seed=4)
    found = fp.find(one, ALGORITHMS[0], seed=4, progress=False)
    point = table.isel(algorithm=0, alpha=0, instance=0)
    assert point.local_entropy == fp.local_entropy(found, distance=[0.1]).value[0, 0]
    assert point.generalization_error == fp.generalization_error(found).mean
    assert point.local_energy == fp.local_energy(found, distance=0.1).mean


def test_defaults_are_all_that_serve_the_model():
    names = fp.compare_algorithms(fp.Model(), [0.2], **{**GIVEN, "instances": 1, "n": 25}).algorithm.values.tolist()
    assert {"SBPI", "SGD", "ReplicatedSGD", "SimulatedAnnealing", "ReplicatedAnnealing", "ReinforcedBP"} <= set(names)


def test_algorithms_of_one_class_are_numbered_and_functions_have_names():
    def signs(instance, generator):
        return np.where(instance.patterns[0].sum(axis=1) >= 0, 1, -1)

    three = [fp.SBPI(epochs=5), signs, fp.SBPI(epochs=6)]
    table = fp.compare_algorithms(fp.Model(), [0.1], three, **GIVEN)
    assert table.algorithm.values.tolist() == ["SBPI", "signs", "SBPI #2"] and (table.iterations.sel(algorithm="signs") == 1.0).all()


def test_what_cannot_be_compared_is_refused_before_any_work(tmp_path):
    def own(instance, generator):
        raise AssertionError("called")

    for wrong, text in (
        ([fp.SBPI(), fp.SBPI()], "must differ"),
        ([], "got none"),
        (fp.SBPI(), "must be a list"),
        ([fp.SBPI], "algorithms must be a list"),
        ([fp.SGD(slack=0.1)], "slack must be None"),
    ):
        with pytest.raises(InvalidInput, match=text):
            fp.compare_algorithms(fp.Model(), [0.3], wrong, **GIVEN)
    with pytest.raises(InvalidInput, match="stored only with a version"):
        fp.compare_algorithms(fp.Model(), [0.3], [own], store=tmp_path / "s.sqlite", **GIVEN)
    with pytest.raises(InvalidInput, match="instances must be"):
        fp.compare_algorithms(fp.Model(), [0.3], [own], **{**GIVEN, "instances": 0})
