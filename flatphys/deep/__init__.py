"""Networks: the measures of flatness and the entropic algorithms of solvable models, on torch modules (`pip install 'flatphys[torch]'`).

    data = deep.load_data("digits", train=1000)
    run = deep.train(deep.network("mlp", (1, 8, 8), 10), data, deep.SGD(), budget=100_000)
    deep.local_energy(run.network, data, sigma=[0.1, 0.2, 0.5])
    deep.relative_flatness(run.network, data)

Everything here is checked where the exact answer is known: a logistic layer at large N is the solvable model itself.
"""

import importlib.util

if importlib.util.find_spec("torch") is None:
    raise ImportError("flatphys.deep needs torch and scikit-learn: pip install 'flatphys[torch]'")

from flatphys.deep import optim
from flatphys.deep.algorithms import SAM, SGD, EntropySGD, ReplicatedSGD
from flatphys.deep.columns import measures
from flatphys.deep.comparison import compare
from flatphys.deep.correlation import correlate
from flatphys.deep.curvature import RelativeFlatness, relative_flatness
from flatphys.deep.data import Data, load_data
from flatphys.deep.networks import network
from flatphys.deep.noise import LocalEnergy, local_energy
from flatphys.deep.training import Trained, train

__all__ = [
    "SAM",
    "SGD",
    "Data",
    "EntropySGD",
    "LocalEnergy",
    "RelativeFlatness",
    "ReplicatedSGD",
    "Trained",
    "compare",
    "correlate",
    "load_data",
    "local_energy",
    "measures",
    "network",
    "optim",
    "relative_flatness",
    "train",
]
