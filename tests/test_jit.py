"""The kernels' cache: every file that compiles something is part of the hash that names its folder."""

import pathlib

import flatphys
from flatphys import _jit


def test_every_kernel_lies_in_a_room_that_the_cache_is_named_by():
    package = pathlib.Path(flatphys.__file__).parent
    for path in package.rglob("*.py"):
        if "@jit" in path.read_text() and path.name != "_jit.py":
            assert path.relative_to(package).parts[0] in _jit._ROOMS, path


def test_an_edit_of_a_kernel_starts_an_empty_cache(tmp_path, monkeypatch):
    for room in _jit._ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "a.py").write_text("x = 1\n")
    monkeypatch.setattr(_jit, "_PACKAGE", tmp_path)
    before = _jit._source_hash()
    (tmp_path / "kernels" / "a.py").write_text("x = 2\n")
    assert _jit._source_hash() != before
