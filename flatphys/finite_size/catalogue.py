"""Every algorithm that `find` has, by its public name: one line makes one known to the command line and to comparisons."""

import re

import flatphys as fp
from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.finite_size.instances import Instances
from flatphys.finite_size.search import Algorithm

ALGORITHMS = (
    *("FocusingBP", "SelfFieldBP", "ReinforcedBP", "SBPI", "SGD", "ReplicatedSGD", "SimulatedAnnealing", "ReplicatedAnnealing"),
    *("GradientDescent", "EntropySGD"),
)


def defaults(instances: Instances) -> list[Algorithm]:
    """Those that serve these instances, with their defaults."""
    found = []
    for name in ALGORITHMS:
        algorithm = getattr(fp, name)()
        try:
            algorithm.check(instances)
        except InvalidInput:
            continue
        found.append(algorithm)
    return found


def spelled(name: str) -> str:
    """The name on the command line: `ReplicatedSGD` is replicated-sgd."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def named(text: str) -> type[Algorithm]:
    """The class of a name of the command line; raises `InvalidInput`."""
    names = {spelled(name): name for name in ALGORITHMS}
    return getattr(fp, names[validate.choice("algorithm", text, tuple(names))])
