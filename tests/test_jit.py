"""The kernels' cache: every file that compiles something is part of the hash that names its folder."""

import os
import pathlib
import subprocess
import sys

import flatphys
import pytest
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


# A local entropy: its kernels share callees, and with fused multiply-adds its last bits did depend on who had compiled them.
BITS = """
import numpy as np
import flatphys as fp
out = []
for alpha in (0.1, 0.3, 0.5):
    found = fp.local_entropy(fp.solve(fp.Model(), alpha), distance=np.geomspace(0.01, 0.45, 30))
    out += [*found.value, *found.slope, *found.q1, *found.at_eigenvalue]
print(*(float(x).hex() for x in out))
"""


@pytest.mark.long
def test_compiled_here_or_loaded_from_the_disk_the_bits_are_the_same(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    runs = [subprocess.run([sys.executable, "-c", BITS], env=environment, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert runs[0] == runs[1] and len(runs[0].split()) == 360
