"""The branch-free functions: against mpmath over the whole range, packed into lanes, the same bits from every instruction set."""

import math
import os
import pathlib
import platform
import re
import subprocess
import sys

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from numba.core.errors import TypingError

from flatphys._jit import unkept
from flatphys.kernels import rows
from flatphys.kernels.channels import channel, channel_scalars
from flatphys.kernels.codes import ERRORS, Channel
from flatphys.numerics import coefficients, gaussian, vector

UNIT = 2.0**-53  # rounding to nearest
EVERY = st.floats(allow_nan=False, allow_infinity=False)


def off(got, want):
    """Relative error in units of half the last place."""
    return float(abs((mp.mpf(got) - want) / want)) / UNIT if want else abs(got)


@given(st.floats(-708.0, 709.7))
def test_exp_is_right_to_its_last_bit_or_so(x):
    with mp.workdps(40):
        assert off(vector.exp(x), mp.exp(mp.mpf(x))) < 2.5
        if x <= 0.0:
            down, rest = vector.decay(x)
            assert off(down, mp.exp(mp.mpf(x))) < 2.5
            assert off(rest, -mp.expm1(mp.mpf(x))) < 4.0


@given(st.floats(min_value=5e-324, allow_infinity=False))
def test_log_is_right_over_the_whole_range_denormal_numbers_included(x):
    with mp.workdps(40):
        assert off(vector.log(x), mp.log(mp.mpf(x))) < 4.0


@given(st.floats(min_value=-1.0 + 2.0**-53, max_value=1e300))
def test_log1p_keeps_the_digits_of_a_small_argument(x):
    with mp.workdps(40 if abs(x) > 1e-10 else 700):
        assert off(vector.log1p(x), mp.log1p(mp.mpf(x))) < 5.0


@given(st.floats(-745.0, -708.0))
def test_denormal_results_of_exp_are_off_by_a_unit_of_theirs_at_most(x):
    with mp.workdps(40):
        assert abs(mp.mpf(vector.exp(x)) - mp.exp(mp.mpf(x))) <= 5e-324


@given(st.floats(-37.0, 37.0))
def test_gaussian_functions_are_right_to_a_few_bits(x):
    """Below 1e-15 relative everywhere: the rounding of x^2, which exp would amplify to 1e-13, is made good."""
    with mp.workdps(400):
        y = mp.mpf(x)
        tail = mp.erfc(y / mp.sqrt(2)) / 2
        m = mp.npdf(y) / tail
        for got, want in (
            (gaussian.density(x), mp.npdf(y)),
            (gaussian.tail(x), tail),
            (gaussian.mills(x)[0], m),
            (gaussian.mills(x)[1], m - y),
            (gaussian.ratio(x)[0], m),
            (gaussian.ratio(x)[1], m - y),
            (gaussian.mills(x)[2], mp.log(tail) if x > 0 else mp.log1p(-mp.erfc(-y / mp.sqrt(2)) / 2)),
        ):
            assert off(got, want) < 9.0


def test_infinities_zero_and_nan_give_the_functions_limits():
    inf, nan = math.inf, math.nan
    assert (vector.exp(inf), vector.exp(-inf), vector.exp(0.0), vector.exp(-1e300)) == (inf, 0.0, 1.0, 0.0)
    assert (vector.log(inf), vector.log(0.0), vector.log(1.0), vector.log1p(-1.0), vector.log1p(inf)) == (inf, -inf, 0.0, -inf, inf)
    assert vector.decay(-inf) == (0.0, 1.0) and vector.decay(0.0) == (1.0, 0.0)
    assert gaussian.mills(inf)[1:] == (0.0, -inf) and gaussian.mills(-inf) == (0.0, inf, 0.0) and gaussian.ratio(-inf) == (0.0, inf)
    assert (gaussian.tail(inf), gaussian.tail(-inf), gaussian.density(-inf)) == (0.0, 1.0, 0.0)
    for f in (vector.exp, vector.log, vector.log1p, gaussian.density, gaussian.tail, gaussian.logistic, gaussian.log_2cosh):
        assert math.isnan(f(nan))
    assert math.isnan(vector.log(-1.0)) and all(map(math.isnan, (*gaussian.mills(nan), *gaussian.ratio(nan))))


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 61, 1000])
def test_dot_is_the_sum_of_the_products_for_every_length(n):
    w, f = np.random.default_rng(n).normal(size=(2, n + 3))
    assert vector.dot(w, f, n) == pytest.approx(math.fsum(w[:n] * f[:n]), abs=1e-14 * (1 + np.abs(w[:n] * f[:n]).sum()))
    f[n:] = math.nan  # what lies beyond is not looked at
    assert not math.isnan(vector.dot(w, f, n))


def test_dot_refuses_arrays_with_gaps_because_it_reads_memory_as_it_lies():
    w = np.ones((8, 2))
    with pytest.raises(TypingError):
        vector.dot(w[:, 0], np.ones(8), 8)


@pytest.mark.long
def test_the_coefficients_are_what_their_generator_prints():
    for name, powers in coefficients.generate().items():
        assert list(getattr(coefficients, name)) == pytest.approx(powers, rel=1e-15)


def packed(compiled):
    """Number of instructions on four doubles at once or more in the machine code of a compiled function."""
    return len(re.findall(r"\bv\w+pd\s.*%[yz]mm", "\n".join(compiled.inspect_asm().values())))


CPU = pathlib.Path("/proc/cpuinfo")
WIDE = platform.machine() in ("x86_64", "AMD64") and CPU.exists() and " avx2 " in CPU.read_text()


@pytest.mark.skipif(not WIDE, reason="counts x86 instructions on four doubles, which this processor does not have")
@pytest.mark.parametrize("name", ["exp", "log", "log1p", "density", "tail", "mills", "ratio", "logistic", "log_2cosh"])
def test_a_loop_over_each_function_is_packed_into_lanes(name):
    function = getattr(vector, name, None) or getattr(gaussian, name)
    several = name in ("mills", "ratio")

    def loop(x, out):
        for i in range(x.size):
            out[i] = function(x[i])[0] if several else function(x[i])

    compiled = unkept(loop)
    compiled(np.linspace(0.1, 3.0, 64), np.empty(64))
    assert packed(compiled) >= 15, compiled.inspect_asm().keys()


@pytest.mark.skipif(not WIDE, reason="counts x86 instructions on four doubles, which this processor does not have")
def test_channels_along_arrays_are_packed():
    """A branch or a call in an entry of `kernels.channels` would leave no packed loop behind."""
    x, out = np.linspace(-3.0, 3.0, 64), np.empty((3, 64))
    for code, (three, two) in rows.ENTRIES.items():
        for make, entry in ((rows._all_of, three), (rows._slope_of, three), (rows._scalars_of, two)):
            loop = unkept(make(entry).py_func)
            loop(x, 1.5, 0.7, out)
            if three.__name__ != "soft_channel":  # a sum inside
                assert packed(loop) >= 4, (code, make.__name__)


@pytest.mark.parametrize("energy", [*rows.ENTRIES, None])
def test_channels_along_arrays_are_those_of_a_single_place(energy):
    """None: a hard wall.  The scalar ladder is `kernels.channels`, which tests of its own compare with mpmath."""
    x, out, beside = np.linspace(-12.0, 12.0, 37), np.empty((3, 37)), np.empty((2, 37))
    ch = Channel(ERRORS, 0.2, math.inf) if energy is None else Channel(energy, 0.2, 1.7)
    rows.channel_rows(ch, x, 0.8, out)
    rows.scalar_rows(ch, x, 0.8, beside)
    assert np.array_equal(out.T, [channel(ch, place, 0.8) for place in x])
    assert np.array_equal(beside.T, [channel_scalars(ch, place, 0.8) for place in x])
    rows.slope_rows(ch, x, 0.8, beside)
    assert np.array_equal(beside[0], out[1])


def test_an_unknown_energy_along_an_array_gives_nan():
    x, out = np.linspace(-3.0, 3.0, 5), np.zeros((3, 5))
    rows.channel_rows(Channel(-7, 0.0, 1.0), x, 1.0, out)
    assert np.isnan(out).all()
    rows.channel_rows(Channel(ERRORS, 0.0, 1.0), x, 1.0, out)
    assert np.isfinite(out).all()


PROGRAM = """
import hashlib
import numpy as np
from flatphys.kernels import rows
from flatphys.kernels.codes import Channel
from flatphys.numerics import vector
x, digest = np.linspace(-9.0, 30.0, 1003), hashlib.sha256()
for energy in (*rows.ENTRIES, None):
    out = np.empty((3, x.size))
    ch = Channel(energy, 0.2, 1.7) if energy is not None else Channel(next(iter(rows.ENTRIES)), 0.2, np.inf)
    rows.channel_rows(ch, x, 0.8, out)
    digest.update(out.tobytes() + np.float64(vector.dot(out[0], out[1], 1003)).tobytes())
weights = np.empty((4, x.size))
rows.weight_rows(x, weights)
print(digest.hexdigest(), hashlib.sha256(weights.tobytes()).hexdigest())
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names processors of the x86 family")
@pytest.mark.long
def test_the_bits_are_the_same_on_every_instruction_set():
    """Compiled for this processor, for one with AVX2 and for one without fused multiply-adds (the C library's then)."""
    seen = set()
    for name in ("", "haswell", "x86-64"):
        env = {**os.environ, "NUMBA_CPU_FEATURES": ""} if name == "x86-64" else dict(os.environ)
        env |= {"NUMBA_CPU_NAME": name} if name else {}
        done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        seen.add(done.stdout)
    assert len(seen) == 1
