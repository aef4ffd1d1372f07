"""The CUDA kernels walk the CPU's trajectories: under numba's simulator everywhere, on a GPU where there is one."""

import builtins
import os
import pathlib
import subprocess
import sys
import warnings

import numpy as np
import pytest

import flatphys as fp
from flatphys.errors import NoDevice
from flatphys.finite_size.chains import cuda as gpu
from flatphys.finite_size.chains.ensemble import Chains
from flatphys.finite_size.instances import make_instances

pytest.importorskip("numba_cuda")
SCRIPT = pathlib.Path(__file__).with_name("compare_devices.py")

SIMULATED = {
    "perceptron": ["flips", "exchange", "pairs", "exchange of pairs"],
    "more patterns": ["more patterns than a word"],
    "real fields": ["gaussian flips", "gaussian pairs", "rotations", "rotations at fixed overlap"],
    "committees": ["committee of signs", "committee of erf", "committee of relu, pairs", "spherical committee"],
    "energies": ["hinge flips", "squared hinge, exchange", "square, rotations", "hinge pairs", "committee of erf, squared hinge"],
    "memory": ["batches"],
}


def run(names, **environment):
    where = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SCRIPT.parents[2]), os.environ.get("PYTHONPATH", "")]), **environment}
    return subprocess.run([sys.executable, str(SCRIPT), *names], capture_output=True, text=True, env=where)


@pytest.mark.long
@pytest.mark.parametrize("group", SIMULATED)
def test_the_simulated_device_walks_the_trajectory_of_the_cpu(group):
    done = run(SIMULATED[group], NUMBA_ENABLE_CUDASIM="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("agrees") == len(SIMULATED[group])


@pytest.mark.long
@pytest.mark.skipif(not gpu.available(), reason="no GPU")
def test_a_gpu_walks_the_trajectory_of_the_cpu():
    done = run([])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(gpu.available(), reason="there is a GPU")
def test_without_a_gpu_the_error_says_how_to_get_one_and_auto_takes_the_cpu():
    instances = make_instances(fp.Model(), 11, 1.0)
    with pytest.raises(NoDevice, match=r"pip install 'flatphys\[cuda\]'.*device='cpu'"):
        Chains(instances, device="cuda")
    chains = Chains(instances, device="auto")
    assert chains.device == "cpu" and np.array_equal(chains.advance(3).weights, Chains(instances).advance(3).weights)


@pytest.mark.parametrize("fault", [DeprecationWarning("old units"), TypeError("not made for this numpy"), ImportError("no such package")])
def test_whatever_numba_cuda_does_on_import_auto_takes_the_cpu(monkeypatch, fault):
    def imported(name, *arguments):
        if name == "numba" and "cuda" in (arguments[2] or ()):
            if not isinstance(fault, Warning):
                raise fault
            warnings.warn(fault, stacklevel=2)
        return real(name, *arguments)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", imported)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gpu.available() in ((False, True) if isinstance(fault, Warning) else (False,))
    if not isinstance(fault, Warning):
        with pytest.raises(NoDevice, match=str(fault)):
            gpu.require()


def test_a_batch_holds_the_groups_that_fit():
    # 8 instances of 4 groups: 100 bytes of patterns an instance, 10 bytes of state a group
    fit = lambda free: gpu.groups_that_fit(free / gpu.MEMORY_SHARE, 32, 8, 800, 320)
    assert fit(1120 + 1e-9) == 32 and fit(float("inf")) == 32 and fit(1) == 1
    for free in range(300, 1120, 10):
        groups = fit(free)
        instances = -(-groups // 4) + (1 if groups % 4 != 1 else 0)  # the most that a range of so many groups can touch
        assert groups == 1 or 100 * min(8, instances) + 10 * groups <= free


def test_chains_on_the_cpu_never_import_numba_cuda():
    code = "import sys, flatphys as fp; fp.Chains(fp.make_instances(fp.Model(), 11, 1.0)).advance(1); print('numba.cuda' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
