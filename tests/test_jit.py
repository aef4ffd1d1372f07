"""The kernels' cache: compiled code is named by every function and constant that it can depend on."""

import importlib
import os
import pkgutil
import subprocess
import sys

import numba
import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

import flatphys
from flatphys import _jit
from flatphys.saddle.equilibrium import averages


def kernels():
    """Every compiled function of the package."""
    for module in pkgutil.walk_packages(flatphys.__path__, "flatphys.", onerror=lambda name: None):  # networks may have no torch
        if not module.name.endswith(("__main__", "_cuda")) and not module.name.startswith("flatphys.deep"):
            yield from (one for one in vars(importlib.import_module(module.name)).values() if isinstance(one, Dispatcher))


def test_every_kernel_has_a_fingerprint_of_its_own_that_is_the_same_in_every_process():
    found = {one.py_func: _jit.fingerprint(one.py_func) for one in kernels()}
    assert len(found) == len(set(found.values())) > 200
    program = f"from flatphys import _jit; from {averages.__name__} import pattern_rule as f; print(_jit.fingerprint(f.py_func))"
    again = subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": "7"}, capture_output=True, text=True)
    assert again.stdout.strip() == found[averages.pattern_rule.py_func], again.stderr


SOURCE = """
import math
from typing import NamedTuple
import numpy as np
from flatphys._jit import jit, inlined

SCALE, TABLE = 2.0, np.array([1.0, 2.0])

class Pair(NamedTuple):
    a: float
    b: float

@inlined
def low(x):
    return math.exp(x)

@inlined
def other(x):
    return math.exp(x)

first, second = low, other

@jit
def middle(x):
    \"\"\"Words.\"\"\"
    return SCALE * low(x) + TABLE[0]

@jit
def top(p, n=3):
    total = first(p.a) - second(p.b)
    for i in range(n):
        total += middle(i)
    return Pair(total, 1.0)

@jit
def stranger(x):
    return x + 1.5
"""


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("Words.", "Other words, and lines\nof them.", set()),
        ("import math\n", "import math\n# a comment\nUNSEEN = 7\n", set()),
        ("math.exp(x)\n\n@inlined\ndef other", "math.exp(-x)\n\n@inlined\ndef other", {"low", "middle", "top"}),
        ("SCALE, TABLE = 2.0", "SCALE, TABLE = 2.5", {"middle", "top"}),
        ("[1.0, 2.0]", "[1.0, 2.5]", {"middle", "top"}),
        ("n=3", "n=4", {"top"}),
        ("    a: float\n    b: float", "    b: float\n    a: float", {"top"}),
        ("first, second = low, other", "first, second = other, low", {"top"}),
        ("@inlined\ndef low", "@jit\ndef low", {"middle", "top"}),  # `low` itself by its flags
        ("1.5", "1.25", {"stranger"}),
    ],
)
def test_an_edit_reaches_every_kernel_that_sees_it_and_no_other(old, new, changed):
    prints = []
    for source in (SOURCE, SOURCE.replace(old, new)):
        scope = {"__name__": "a_module"}
        exec(source, scope)
        prints.append({name: _jit.fingerprint(one.py_func) for name, one in scope.items() if isinstance(one, Dispatcher)})
    names = ("low", "other", "middle", "top", "stranger")
    assert {name for name in names if prints[0][name] != prints[1][name]} == changed


def test_named_tuples_with_the_same_types_and_other_fields_are_told_apart():
    from collections import namedtuple

    types = [numba.typeof(namedtuple("Pair", fields)(1.0, 2.0)) for fields in ("a b", "b a")]
    assert _jit._spelled((types[0],)) != _jit._spelled((types[1],))


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
