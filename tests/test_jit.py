"""The kernels' cache: a folder of compiled code is named by every source that the code in it can depend on."""

import ast
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import flatphys
from flatphys import _jit

PACKAGE = pathlib.Path(flatphys.__file__).parent


def test_a_module_depends_on_all_that_python_says_it_imports():
    """`_jit.sources` reads imports by a pattern; Python's own parser must find no further one, but for what keeps the code."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_bytes()).body:
            if isinstance(node, ast.ImportFrom) and node.module.startswith("flatphys"):
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names if alias.name.startswith("flatphys")]
            else:
                continue
            assert {_jit._file(name) for name in names} - {None, PACKAGE / "_jit.py"} <= _jit.sources(path), (path, names)


@pytest.mark.parametrize("path", ["numerics/gaussian.py", "kernels/networks.py", "saddle/equilibrium/averages.py"])
def test_an_edit_reaches_every_module_that_calls_it_and_no_other(path, tmp_path, monkeypatch):
    import shutil

    copy = tmp_path / "flatphys"
    shutil.copytree(PACKAGE, copy)
    monkeypatch.setattr(_jit, "_PACKAGE", copy)
    callers = [copy / "saddle/equilibrium/branch.py", copy / "saddle/equilibrium/follow.py", copy / path]
    stranger = copy / "numerics/mills_table.py"
    hash_of = _jit._source_hash.__wrapped__
    _jit._imports.cache_clear()
    before = [hash_of(one) for one in [*callers, stranger]]
    (copy / path).write_text((copy / path).read_text() + "\n# edited\n")
    after = [hash_of(one) for one in [*callers, stranger]]
    assert [a != b for a, b in zip(after, before)] == [True, True, True, False]


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
    runs = [
        subprocess.run([sys.executable, "-c", BITS], env=environment, capture_output=True, text=True, check=True).stdout for _ in range(2)
    ]
    assert runs[0] == runs[1] and len(runs[0].split()) == 360


KERNEL = """
import os, signal, threading, time
from collections import namedtuple
from flatphys import _jit

Inner, Outer = namedtuple("Inner", "a"), namedtuple("Outer", "inner x pair")

def kernel(n):
    x = 0.0
    for i in range(n):
        x += (x + i) ** 0.5
    return Outer(Inner(x), x, (Inner(2.0), 3))

kernel = _jit.unkept(kernel)
assert kernel(0) == Outer(Inner(0.0), 0.0, (Inner(2.0), 3))
interrupted = 0
for last in range(20):
    try:
        threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
        limit = time.monotonic() + 20.0
        while time.monotonic() < limit:
            kernel(1_000_000)
    except KeyboardInterrupt:
        interrupted += 1
print("alive", interrupted)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGINT")
def test_ctrl_c_during_a_kernel_is_an_exception_and_not_the_end_of_the_process():
    """It is raised while Python makes the tuples that the kernel returns, the inner ones of which numba puts together unseen."""
    done = subprocess.run([sys.executable, "-c", KERNEL], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.strip() == "alive 20", (done.returncode, done.stderr)


def test_a_direct_call_returns_what_the_kernel_returns_and_cuts_no_number():
    from flatphys.kernels.codes import Channel

    @_jit.unkept
    def kernel(channel, x, room):
        return channel.beta * x + room[0], channel

    quick, asked = _jit.direct(kernel), Channel(0, 0.5, 2.0)
    room = np.ones(1)
    for x in (0.25, np.float64(0.75), 3, 0.5):  # the shortcut is taken from the second on
        assert quick(asked, x, room) == (2.0 * x + 1.0, asked)
    with pytest.raises(TypeError):
        quick(asked, None, room)
    whole = _jit.direct(kernel)
    for x in (3, 0.5):  # first called with an integer: another version, and no shortcut
        assert whole(asked, x, room)[0] == 2.0 * x + 1.0
    alone = _jit.direct(_jit.unkept(lambda x: 0.5 * x))
    assert [alone(x) for x in (1, 0.5, 2.5)] == [0.5, 0.25, 1.25]
