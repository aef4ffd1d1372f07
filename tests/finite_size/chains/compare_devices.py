"""Runs the same chains on the CPU and on the device numba.cuda sees (a GPU, or the simulator) and compares every sweep.

    NUMBA_ENABLE_CUDASIM=1 python tests/finite_size/chains/compare_devices.py [CASE ...]     # tiny systems
    python tests/finite_size/chains/compare_devices.py [CASE ...]                            # on a GPU: larger ones

Prints one line per case; exit status 1 if a trajectory differs.
"""

import math
import sys

import numba
import numpy as np

import flatphys as fp
from flatphys.finite_size.chains import cuda as gpu
from flatphys.finite_size.chains.ensemble import Chains
from flatphys.finite_size.instances import make_instances

SIMULATED = bool(numba.config.ENABLE_CUDASIM)
N, ALPHA, COUNT, REPLICAS, SWEEPS = (15, 0.55, 1, 1, 2) if SIMULATED else (315, 1.3, 4, 8, 20)


def gibbs(weights, activation=None):
    return fp.Gibbs(weights, network=fp.TreeCommittee(activation) if activation else fp.Perceptron())


STORAGE, TEACHER = fp.Model(fp.RandomLabels(), gibbs("binary")), fp.Model(fp.Teacher(), gibbs("binary"))
SPHERE = fp.Model(fp.Teacher(), gibbs("spherical"))
PINNED = dict(reference="teacher", overlap=0.2)
LADDER = dict(betas=(0.5, 1.0, math.inf))

# name: (model, arguments of the instances, arguments of the chains, whether the fields must be equal to the last bit)
CASES = {
    "flips": (STORAGE, {}, dict(betas=(1.0,)), True),
    "exchange": (STORAGE, dict(alpha=5.0), LADDER, True),
    "more patterns than a word": (STORAGE, dict(alpha=9.0), dict(betas=(0.3,)), True),
    "pairs": (TEACHER, {}, PINNED, True),
    "exchange of pairs": (TEACHER, {}, {**PINNED, **LADDER}, True),
    "gaussian flips": (STORAGE, dict(patterns="gaussian"), {}, False),
    "gaussian pairs": (TEACHER, dict(patterns="gaussian"), PINNED, False),
    "rotations": (SPHERE, {}, dict(weights="spherical", tune=1), False),
    "rotations at fixed overlap": (SPHERE, dict(patterns="gaussian"), dict(weights="spherical", **PINNED), False),
    "committee of signs": (fp.Model(fp.RandomLabels(), gibbs("binary", "sign")), dict(hidden=3), {}, True),
    "committee of erf": (fp.Model(fp.RandomLabels(), gibbs("binary", "erf")), dict(hidden=3), {}, False),
    "committee of relu, pairs": (
        fp.Model(fp.RandomLabels(), gibbs("binary", "relu")),
        dict(hidden=5),
        dict(reference=np.ones(N), overlap=0.2),
        False,
    ),
    "hinge flips": (STORAGE, {}, dict(energy="hinge", margin=0.3), False),
    "squared hinge, exchange": (STORAGE, dict(patterns="gaussian"), dict(energy="squared-hinge", betas=(0.5, 1.0, 4.0)), False),
    "square, rotations": (SPHERE, {}, dict(weights="spherical", energy="square", margin=1.0, tune=1), False),
    "hinge pairs": (TEACHER, {}, dict(energy="hinge", margin=0.5, **PINNED), False),
    "committee of erf, squared hinge": (
        fp.Model(fp.Teacher(0.1), gibbs("spherical", "erf")),
        dict(hidden=3, patterns="gaussian"),
        dict(weights="spherical", energy="squared-hinge", margin=0.5),
        False,
    ),
    "spherical committee": (fp.Model(fp.RandomLabels(), gibbs("spherical", "relu")), dict(hidden=3), dict(weights="spherical"), False),
}


def trajectories_differ(name, change=lambda chains: None) -> list:
    """Names of the arrays that differ after some sweep; fields may differ by 1e-10 unless they must be exact."""
    model, instance, arguments, exact = CASES[name]
    instances = make_instances(model, N, **{"alpha": ALPHA, "count": COUNT, "seed": 3, **instance})
    pair = [Chains(instances, device=d, **{"betas": (0.8,), "replicas": REPLICAS, "seed": 2, **arguments}) for d in ("cpu", "cuda")]
    change(pair[1])
    found = []
    for _ in range(SWEEPS):
        host, device = [chains.advance(1).snapshot() for chains in pair]
        for key, value in host.items():
            close = not exact and key in ("w", "h", "spread")
            if not (np.allclose(value, device[key], rtol=0.0, atol=1e-10) if close else np.array_equal(value, device[key])):
                found.append(key)
    assert pair[1].device == "cuda"
    return found


def split(chains):
    """One group per batch."""
    chains._backend.size = 1


def scarce(chains):
    """A device whose memory holds one group: uploads of more run out of it."""
    upload = chains._backend._upload

    def limited(lo, hi):
        if hi - lo > 1:
            raise MemoryError
        return upload(lo, hi)

    chains._backend._upload = limited


def main(names):
    gpu.require()
    wrong = []
    for name in names or CASES:
        if name == "batches":
            global REPLICAS
            REPLICAS = 3
            found = trajectories_differ("exchange", split) + trajectories_differ("flips", scarce)
        else:
            found = trajectories_differ(name)
        print(f"{name}: {'differs in ' + ', '.join(found) if found else 'agrees'}")
        wrong += found
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
