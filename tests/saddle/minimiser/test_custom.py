"""A loss of one's own: solved like a built-in one, by code whose names nothing else has."""

import itertools
import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from numba.core.bytecode import FunctionIdentity
from numba.core.dispatcher import Dispatcher

import flatphys as fp
from flatphys._jit import unkept
from flatphys.kernels import losses
from flatphys.kernels.codes import Loss
from flatphys.model import CustomLoss
from flatphys.saddle.minimiser.custom import compiled


@numba.njit
def value(t):
    return 0.25 * max(0.0, 1.5 - t) ** 2


@numba.njit
def slope(t):
    return -0.5 * max(0.0, 1.5 - t)


@numba.njit
def curvature(t):
    return 0.5 if t < 1.5 else 0.0


def callees(function):
    """`function` and every compiled function that it reaches."""
    found, waiting = set(), {function}
    while waiting:
        found |= waiting
        inner = [one.py_func.__globals__.get(name) for one in waiting for name in one.py_func.__code__.co_names]
        waiting = {one for one in inner if isinstance(one, Dispatcher)} - found
    return found


def test_whatever_reaches_the_loss_is_compiled_apart_under_names_of_its_own():
    own, built_in = compiled(CustomLoss(value, slope, curvature)), compiled("logistic")
    replaced = {losses.point, losses.response, losses.features}
    for name in built_in._fields:
        old, new = getattr(built_in, name), getattr(own, name)
        if not isinstance(old, Dispatcher):
            continue
        assert not callees(new) & replaced
        shared = callees(old) & callees(new)  # what does not reach the loss is not compiled twice
        assert not any(callees(one) & replaced for one in shared)
        names = [one.py_func.__qualname__ for one in callees(new) - shared]
        assert len({n.rpartition("_")[2] for n in names}) == 1 and not {one.py_func.__qualname__ for one in callees(old)} & set(names)
    other = compiled(CustomLoss(value, slope, numba.njit(lambda t: 0.5)))
    assert other.solve_point.py_func.__qualname__ != own.solve_point.py_func.__qualname__


def test_the_proximal_map_of_a_custom_loss_is_that_of_its_formula():
    own = compiled(CustomLoss(value, slope, curvature))
    for omega in np.linspace(-40.0, 5.0, 31):
        for c in (1e-6, 0.3, 50.0):
            t, f, k, loss = own.response(own.code, 1.0 - omega, c)
            want = (omega + 0.75 * c) / (1.0 + 0.5 * c) if omega < 1.5 else omega  # (t - omega)/c = (1.5 - t)/2
            assert t == pytest.approx(want, abs=1e-13 * (1.0 + abs(omega)))
            assert (f, loss) == pytest.approx((-slope(want), value(want)), rel=1e-11, abs=1e-14)
            assert k == pytest.approx(0.5 / (1.0 + 0.5 * c) if omega < 1.5 else 0.0, rel=1e-12)


@pytest.mark.long  # compiles the solver around the loss
def test_a_custom_loss_is_solved_like_a_built_in_one_and_flatness_is_invariant_under_rescaling():
    """l(t) = (9/8) squared_hinge(t/1.5): the same minimiser with weights 1.5 times as long, l2 (9/8)/1.5^2 = 0.5 times."""
    custom = CustomLoss(value, slope, curvature)
    for data, bias in ((fp.GaussianMixture(0.5, 0.3), True), (fp.Teacher(0.1), False)):
        plain = fp.solve(fp.Model(data, fp.ERM("squared-hinge", 0.2, bias)), 2.0)
        scaled = fp.solve(fp.Model(data, fp.ERM(custom, 0.1, bias)), 2.0)
        assert (scaled.m, scaled.q, scaled.b) == pytest.approx((1.5 * plain.m, 2.25 * plain.q, 1.5 * plain.b), rel=1e-11)
        assert scaled.train_loss == pytest.approx(1.125 * plain.train_loss, rel=1e-11)
        assert fp.relative_flatness(scaled) == pytest.approx(1.125 * fp.relative_flatness(plain), rel=1e-11)
        assert fp.local_energy(scaled, sigma=0.4) == pytest.approx(fp.local_energy(plain, sigma=0.4), rel=1e-11)


def test_symbols_differ_even_where_the_numbers_that_processes_count_for_themselves_meet(monkeypatch):
    """A linker lets the first of two functions with one symbol serve both."""
    symbols = []
    for kernel in (unkept(losses.bends.py_func), compiled(CustomLoss(value, slope, numba.njit(lambda t: 0.25))).bends):
        monkeypatch.setattr(FunctionIdentity, "_unique_ids", itertools.count(10**6))
        kernel(Loss(0, 0.0), np.zeros(1), np.zeros(1))
        symbols += [found.fndesc.mangled_name for found in kernel.overloads.values()]
    assert all("1000000" in symbol for symbol in symbols) and len(set(symbols)) == 2, symbols


PROCESS = """
import sys
import flatphys as fp
from test_custom import value, slope, curvature
for word in sys.argv[1].split():
    loss = fp.CustomLoss(value, slope, curvature) if word in ("construct", "custom") else word
    if word != "construct":
        state = fp.solve(fp.Model(fp.GaussianMixture(0.5, 0.3), fp.ERM(loss, 0.1)), 2.0)
        print(word, state.m.hex(), state.q.hex(), state.V.hex())
"""


@pytest.mark.nightly
@pytest.mark.long  # processes, each of which compiles the solver around the loss
def test_code_around_a_custom_loss_and_kernels_on_disk_leave_each_other_alone(tmp_path):
    """Each process finds on disk what those before it have left there; in either order every loss keeps its bits in all of them."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *sys.path])}
    seen = {}
    for words in ("construct logistic", "custom logistic", "logistic custom"):
        done = subprocess.run([sys.executable, "-c", PROCESS, words], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        for line in done.stdout.splitlines():
            seen.setdefault(line.split()[0], []).append(line)
    assert {word: (len(lines), len(set(lines))) for word, lines in seen.items()} == {"logistic": (3, 1), "custom": (2, 1)}
