"""A checkpoint under faults: the run goes on from exactly what was kept, or says why it does not."""

import numpy as np
import pytest

import flatphys
from flatphys.errors import CacheWarning, InvalidInput
from flatphys.finite_size import checkpoint

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
CALL = {"model": "Model()", "n": 63, "sweeps": 400}


def arrays(seed):
    draw = np.random.default_rng(seed)
    return {
        "chains/weights": draw.integers(0, 2, (4, 63), dtype=np.int8),
        "record/energy": draw.normal(size=(50, 4)),
        "seed": np.array(seed),
    }


def load(path):
    return checkpoint.load(path, CALL, "sweeps")


@pytest.fixture
def path(tmp_path):
    checkpoint.save(tmp_path / "run.npz", CALL, arrays(1))
    return tmp_path / "run.npz"


def same(found, wanted):
    return found.keys() == wanted.keys() and all(found[name].tobytes() == wanted[name].tobytes() for name in wanted)


def test_no_flipped_bit_is_believed(path, faults):
    refused = 0
    for changed in faults.flips(path.read_bytes(), 500, 3):
        path.write_bytes(changed)
        try:
            assert same(load(path), arrays(1))  # a bit that says nothing: a date in the archive
        except InvalidInput as error:
            refused += "delete" in str(error)
    assert refused > 400


def test_a_killed_save_leaves_the_state_before_or_after_it_and_nothing_else_for_ever(path, faults):
    def saves():
        seed = 2
        while True:
            checkpoint.save(path, CALL, arrays(seed))
            seed += 1

    for i in range(20):
        faults.killed(saves, 0.002 * (i + 1))
        found = load(path)
        assert same(found, arrays(int(found["seed"])))
    checkpoint.save(path, CALL, arrays(1))
    assert [one.name for one in path.parent.iterdir()] == ["run.npz"]


def test_a_full_disk_does_not_end_the_run(path, faults):
    def save():
        with pytest.warns(CacheWarning, match="cannot be written .File too large.: the run goes on"):
            checkpoint.save(path, CALL, arrays(2))

    assert faults.elsewhere(save, limit=1000) == [None]
    assert same(load(path), arrays(1)) and len(list(path.parent.iterdir())) == 1


def test_another_version_is_said_and_another_format_refused(path, monkeypatch):
    monkeypatch.setattr(flatphys, "__version__", "9.9")
    with pytest.warns(CacheWarning, match="was written by flatphys 0.1.0; 9.9 goes on from it"):
        assert same(load(path), arrays(1))
    monkeypatch.setattr(checkpoint, "FORMAT", checkpoint.FORMAT + 1)
    with pytest.raises(InvalidInput, match="was written by flatphys 0.1.0 .format"):
        load(path)
