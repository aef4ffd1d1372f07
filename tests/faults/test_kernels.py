"""Compiled code on disk: damaged, unwritable, a stranger's or shared, the numbers stay right and one warning says what happened."""

import errno
import math
import os
import warnings

import pytest

from flatphys import _jit, _shelf
from flatphys._shelf import Shelf
from flatphys.errors import CacheWarning
from flatphys.files import replaced
from flatphys.kernels import soft

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
FUNCTION = soft.soft_cost.py_func  # calls no other
WANTED = math.log1p(math.exp(-0.3)) + 0.3


def answer():
    """A kernel's number in what is to it a fresh process: compiled, or loaded from the disk; whether it was compiled; what was said."""
    _jit._SHELF = Shelf()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        kernel = _jit.jit(FUNCTION)
        value = kernel(0.3)
    assert abs(value - WANTED) < 1e-15
    texts = [str(one.message) for one in said]
    assert all(one.category is CacheWarning for one in said) and len(texts) <= 1
    return bool(kernel.stats.cache_misses), texts


@pytest.fixture(autouse=True)
def own_shelf():
    before = _jit._SHELF
    yield
    _jit._SHELF = before


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(_shelf.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    return tmp_path / "cache"


def kept(folder):
    (path,) = [path for path in folder.rglob("*-*") if path.is_file()]
    return path


def test_it_is_kept_and_loaded(folder):
    assert answer() == (True, []) and answer() == (False, [])
    assert not [path for path in folder.rglob(".*")] and not os.stat(kept(folder)).st_mode & 0o022


def test_no_flipped_bit_is_loaded(folder, faults):
    answer()
    path = kept(folder)
    whole = path.read_bytes()
    room, name = path.parent.name, path.name
    intact = Shelf().read(room, name)
    for changed in faults.flips(whole, 500, 20):
        path.write_bytes(changed)
        with pytest.warns(CacheWarning, match="cannot be used .its checksum does not fit. and is compiled again"):
            assert Shelf().read(room, name) is None
        assert not path.exists()
    path.write_bytes(whole)
    assert Shelf().read(room, name) == intact


@pytest.mark.parametrize("how", ["flipped", "cut", "empty", "text", "of another function", "a folder", "unpicklable", "no code"])
def test_what_is_damaged_is_compiled_again(folder, how):
    answer()
    path = kept(folder)
    whole, room = path.read_bytes(), path.parent.name
    if how == "a folder":
        path.unlink()
        path.mkdir()
    elif how in ("of another function", "unpicklable", "no code"):
        name = "another-name" if how == "of another function" else path.name
        body = {"unpicklable": b"no pickle", "no code": b"\x80\x04).", "of another function": whole[50:]}[how]
        Shelf().write(room, name, body)
        if how == "of another function":
            os.replace(path.with_name(name), path)
    else:
        changed = whole[:700] + bytes([whole[700] ^ 4]) + whole[701:]
        path.write_bytes({"flipped": changed, "cut": whole[: len(whole) // 2], "empty": b"", "text": b"text"}[how])
    compiled, said = answer()
    assert compiled and len(said) == 1 and str(folder) in said[0] and "compiled again" in said[0]
    if how != "a folder":
        assert answer() == (False, [])


def test_a_full_disk_costs_a_compilation(folder, faults, monkeypatch):
    ((compiled, (said,)),) = faults.elsewhere(answer, limit=3000)
    assert compiled and f"{folder} cannot be written (File too large)" in said
    assert not [path for path in folder.rglob("*") if path.is_file()]  # nothing half-written

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    compiled, (said,) = answer()
    assert compiled and "No space left on device" in said and "every process compiles anew" in said


def test_where_nothing_can_be_written_a_private_folder_is_used(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/proc/nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    compiled, (said,) = answer()
    assert compiled and "/proc/nowhere is not used" in said and str(tmp_path / "temporary") in said and "Set NUMBA_CACHE_DIR" in said
    assert answer()[0] is False
    (private,) = (tmp_path / "temporary").iterdir()
    assert not os.stat(private).st_mode & 0o022
    monkeypatch.setattr(_shelf.tempfile, "gettempdir", lambda: "/proc/nowhere")
    compiled, (said,) = answer()
    assert compiled and "is not kept" in said


def test_a_user_without_a_home_writes_no_folder_called_tilde(folder, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setattr(_shelf.platformdirs, "user_cache_dir", lambda name: f"~/.cache/{name}")
    assert [place.is_absolute() for place in _shelf._places()] == [True]


def test_a_complete_read_only_cache_is_read_in_silence(folder, monkeypatch):
    answer()
    monkeypatch.setattr(_shelf.os, "access", lambda path, mode: False)
    assert answer() == (False, [])
    kept(folder).unlink()
    compiled, (said,) = answer()
    assert compiled and f"{folder} cannot be written" in said


@pytest.mark.parametrize("how", ["another's", "anybody's", "anybody's inner folder", "anybody's file", "another's file"])
def test_code_that_a_stranger_may_have_written_is_not_read(folder, monkeypatch, how):
    answer()
    path = kept(folder)
    victim = path if "file" in how else folder / "kernels" if "inner" in how else folder
    if how.startswith("anybody"):
        os.chmod(victim, 0o777)
    elif os.geteuid() == 0:
        os.chown(victim, 12345, -1)
    else:
        pytest.skip("only root can give files away")
    monkeypatch.setattr(_jit.pickle, "loads", lambda body: pytest.fail("unpickled"))
    compiled, (said,) = answer()
    assert compiled and ("anybody may write there" in said or "neither you nor root" in said) and str(folder) in said


@pytest.mark.parametrize("count", [2, 10])
def test_processes_that_begin_with_one_empty_cache_agree(folder, faults, count):
    found = faults.elsewhere(*[answer] * count)
    assert all(said == [] for _, said in found) and answer() == (False, [])
    assert not list(folder.rglob(".*"))


def test_a_killed_write_leaves_the_old_file_and_nothing_for_ever(tmp_path, faults):
    path = tmp_path / "name"
    with replaced(path) as beside:
        beside.write_bytes(b"0" * 100000)

    def writes():
        while True:
            for digit in b"123456789":
                with replaced(path) as beside:
                    beside.write_bytes(bytes([digit]) * 100000)

    left = 0
    for i in range(20):
        faults.killed(writes, 0.001 * (i + 1))
        data = path.read_bytes()
        assert len(data) == 100000 and data == data[:1] * 100000
        left += len(list(tmp_path.iterdir())) - 1
        assert len(list(tmp_path.iterdir())) <= 2  # what this one has left, not what those before it did
    with replaced(path) as beside:
        beside.write_bytes(b"last")
    assert [one.name for one in tmp_path.iterdir()] == ["name"] and path.read_bytes() == b"last" and left


def test_what_another_machine_writes_is_left_alone_for_a_day(tmp_path):
    theirs = tmp_path / ".name.elsewhere-1-0.part"
    for age, stays in ((3600.0, True), (2 * 86400.0, False)):
        theirs.write_bytes(b"half")
        os.utime(theirs, (theirs.stat().st_mtime - age,) * 2)
        with replaced(tmp_path / "name") as beside:
            beside.write_bytes(b"whole")
        assert theirs.exists() == stays
